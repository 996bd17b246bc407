"""Norms and rotary embeddings of Transformers' layers in fewer operators, with the same results.

Composed of autograd's own operators a norm takes six and its gradient thirteen, and the rotary embedding of queries and
keys ten and some thirty, most of them for tensors of the layer's full width. Written out by hand they are six and six,
eight and eight; on a GPU a norm is one kernel each way. Each replacement is held against what it replaces when a model
is taken over, and left out where they differ: what an architecture calls a norm may be another one.

Forward in fp32 the results are bit for bit those of Transformers on a CPU. Every operator works on each token by
itself, so nothing depends on a neighbour.

Shapes: `...` tokens, D features of a norm, d of a head, T tokens, H heads.
"""

from __future__ import annotations

from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn
from torch.autograd.function import once_differentiable

ROTATE = "apply_rotary_pos_emb"  # as every architecture's module calls its function
AGREEMENT = {torch.float32: 1e-6, torch.bfloat16: 0.02, torch.float16: 0.005}  # of the norm; a wrong formula is beyond
_KEPT = 4  # factors of rotary embeddings: a pass has one pair for each kind of layer
_FUSED = ("cuda",)  # kinds of devices with one kernel for a norm

Norm = Callable[[torch.Tensor], torch.Tensor]
Rotation = Callable[..., tuple[torch.Tensor, torch.Tensor]]


def make_lean(model: nn.Module) -> int:
    """Replace what can be replaced in place; how many modules that is."""
    return sum(_lean_norm(module) or _lean_rotation(module) for module in model.modules())


def undo(model: nn.Module) -> None:
    """Let all modules compute as Transformers wrote them."""
    for module in model.modules():
        if isinstance(module.__dict__.get("forward"), _Replaced | MethodType):
            del module.__dict__["forward"]


class _Replaced:
    """A norm's `forward`."""

    def __init__(self, norm: Norm) -> None:
        self._norm = norm

    def __call__(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return self._norm(hidden_states)


def _lean_norm(module: nn.Module) -> bool:
    eps = getattr(module, "variance_epsilon", getattr(module, "eps", None))
    weight = getattr(module, "weight", None)
    if (
        not type(module).__name__.endswith("RMSNorm")
        or not isinstance(eps, float)
        or not isinstance(weight, nn.Parameter)
    ):
        return False
    if weight.dim() != 1 or weight.requires_grad or weight.dtype not in AGREEMENT:
        return False
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(3, weight.shape[0], generator=generator).to(weight.device, weight.dtype)
    with torch.no_grad():
        expected = module(x)
        # Llama scales what it has rounded, Gemma what is still fp32, by one more than its weight.
        for norm in (_norm_of(weight.detach(), eps), _norm_of(1.0 + weight.detach().float(), eps)):
            if _close(expected, norm(x)):
                module.__dict__["forward"] = _Replaced(norm)
                return True
    return False


def _norm_of(gain_D: torch.Tensor, eps: float) -> Norm:
    def norm(x: torch.Tensor) -> torch.Tensor:
        if x.device.type in _FUSED:
            return F.rms_norm(x.to(gain_D.dtype), gain_D.shape, gain_D, eps).to(x.dtype)
        out: torch.Tensor = _RmsNorm.apply(x, gain_D, eps)  # type: ignore[no-untyped-call]
        return out

    return norm


class _RmsNorm(torch.autograd.Function):
    """`gain * x / sqrt(mean(x²) + eps)`, the statistics in fp32; a gain of another type is multiplied in fp32 too."""

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, gain_D: torch.Tensor, eps: float) -> torch.Tensor:
        wide = x.float()
        scale = wide.pow(2).mean(-1, keepdim=True).add_(eps).rsqrt_()
        ctx.save_for_backward(x, gain_D, scale)
        unit = wide * scale
        return unit.to(gain_D.dtype).mul_(gain_D).to(x.dtype)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, d_out: torch.Tensor) -> tuple[torch.Tensor, None, None]:
        x, gain_D, scale = ctx.saved_tensors
        d_unit = d_out.float() * gain_D
        unit = x.float() * scale
        along = (d_unit * unit).mean(-1, keepdim=True)
        return d_unit.addcmul_(unit, along, value=-1).mul_(scale).to(x.dtype), None, None


def _lean_rotation(module: nn.Module) -> bool:
    """Have an attention layer call another rotation: its own `forward`, seeing one global by another value."""
    forward = getattr(type(module), "forward", None)
    if not isinstance(forward, FunctionType) or "forward" in module.__dict__ or ROTATE not in forward.__code__.co_names:
        return False
    usual = forward.__globals__.get(ROTATE)
    if not callable(usual):
        return False
    rotation = Rotary(usual)
    if not _rotates(rotation, usual):
        return False
    seen = {**forward.__globals__, ROTATE: rotation}
    own = FunctionType(forward.__code__, seen, forward.__name__, forward.__defaults__, forward.__closure__)
    own.__kwdefaults__ = forward.__kwdefaults__
    module.__dict__["forward"] = MethodType(own, module)
    return True


class Rotary:
    """Turns queries and keys; what is not of the usual form is left to `usual`."""

    def __init__(self, usual: Rotation) -> None:
        self._usual = usual

    def __call__(
        self, q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, *more: Any, **options: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """`[1, H, T, d]` of both, by the angles `[1, T, d]` of every token."""
        if more or options or cos.dim() != 3 or cos.shape[-1] != q.shape[-1] or cos.dtype != q.dtype:
            return self._usual(q, k, cos, sin, *more, **options)
        turned: tuple[torch.Tensor, torch.Tensor] = _Rotate.apply(q, k, cos.unsqueeze(1), *_factors(sin))  # type: ignore[no-untyped-call]
        return turned


_kept: dict[int, tuple[torch.Tensor, torch.Tensor, torch.Tensor]] = {}


def _factors(sin: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`[1, 1, T, d]`: what the other half of a head is multiplied with on its way there and back. All layers of a pass
    are given the same tensor."""
    known = _kept.get(id(sin))
    if known is not None and known[0] is sin:
        return known[1:]
    half = sin.shape[-1] // 2
    left, right = torch.split(sin.unsqueeze(1), half, -1)
    there, back = torch.cat([-left, right], -1), torch.cat([right, -left], -1)
    while len(_kept) >= _KEPT:
        del _kept[next(iter(_kept))]
    _kept[id(sin)] = sin, there, back
    return there, back


class _Rotate(torch.autograd.Function):
    """`x * cos + rotate_half(x) * sin` of queries and keys."""

    @staticmethod
    def forward(
        ctx: Any, q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, there: torch.Tensor, back: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        ctx.save_for_backward(cos, back)
        return _turned(q, cos, there), _turned(k, cos, there)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dq: torch.Tensor, dk: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        cos, back = ctx.saved_tensors
        return _turned(dq, cos, back), _turned(dk, cos, back), None, None, None


def _turned(x: torch.Tensor, cos: torch.Tensor, factor: torch.Tensor) -> torch.Tensor:
    # No `addcmul`: where it is fused its rounding is not that of Transformers.
    return (x * cos).add_(torch.roll(x, x.shape[-1] // 2, -1).mul_(factor))


def _rotates(ours: Rotation, usual: Rotation) -> bool:
    """Whether both turn the same, forward and backward."""
    generator = torch.Generator().manual_seed(0)
    angles = torch.rand(1, 5, 4, generator=generator).repeat(1, 1, 2)
    found = []
    for rotation in (usual, ours):
        generator.manual_seed(1)
        inputs = [torch.randn(1, heads, 5, 8, generator=generator, requires_grad=True) for heads in (4, 2)]
        upstream = [torch.randn(x.shape, generator=generator) for x in inputs]
        try:
            with torch.enable_grad():
                turned = rotation(*inputs, angles.cos(), angles.sin())
                found.append([*turned, *torch.autograd.grad(turned, inputs, upstream)])
        except (TypeError, ValueError, RuntimeError, IndexError):  # another function of that name
            return False
    return all(_close(a, b) for a, b in zip(*found, strict=True))


def _close(expected: torch.Tensor, found: torch.Tensor) -> bool:
    if expected.shape != found.shape or expected.dtype != found.dtype:
        return False
    error = (expected.float() - found.float()).norm() / expected.float().norm()
    return bool(error < AGREEMENT[expected.dtype])  # NaN is not
