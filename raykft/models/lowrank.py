"""The product of one linear layer for rows of several trials: a frozen weight shared by all, low-rank factors by slot.

One autograd function for the whole layer. Written out, a slot's product is added inside a matrix product to that slot's
rows in place, and gradients are accumulated where the optimizer reads them; composed of autograd's own operators the
same arithmetic splits, concatenates and adds tensors of the layer's full width several times a layer.

How the low-rank products are multiplied is a `Kernel`'s affair: `LOOP` here, slot after slot, is the reference, and
the only one with which a slot's numbers are bitwise those it has alone (`raykft.models.kernels` has the others).

Shapes: T tokens of all slots, n tokens of one slot, D features in, E features out, r rank.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import torch
from torch import nn
from torch.autograd.function import once_differentiable


@dataclass(eq=False)
class LoraPair:
    """`A` [rank, in] and `B` [out, rank], fp32; the layer adds `scale * x Aᵀ Bᵀ`, `scale = alpha / rank`."""

    A: nn.Parameter
    B: nn.Parameter
    scale: float


class Part(NamedTuple):
    """Rows `start:stop` of a layer's input go through `pair`; `keep_nD` are the dropout factors of these rows."""

    start: int
    stop: int
    pair: LoraPair
    keep_nD: torch.Tensor | None


# All parts' factors as a kernel multiplies them, by what they were made of; one set of parts is kept.
Stacks = dict[tuple[Any, ...], tuple[torch.Tensor, torch.Tensor]]


class Parts(list[Part]):
    """The parts of one layer in a pass, and where their stacked factors may be kept (None: they change)."""

    stacks: Stacks | None = None


class FrozenWeight:
    """A frozen dense weight, held in both memory orders where `both_orders` says so.

    A product with a weight that lies in the order it is read in is up to 1.6 times as fast on a CPU for the few rows of
    a training or decoding step (docs/log.md); forward and backward read it in opposite orders.
    """

    def __init__(self, linear: nn.Linear, *, both_orders: bool) -> None:
        self.weight_ED = linear.weight.detach()
        self.weight_DE = self.weight_ED.t().contiguous() if both_orders else self.weight_ED.t()
        self.bias = None if linear.bias is None else linear.bias.detach()

    def product(self, x_TD: torch.Tensor) -> torch.Tensor:
        """`[T, E]`, with the bias."""
        return x_TD @ self.weight_DE if self.bias is None else torch.addmm(self.bias, x_TD, self.weight_DE)

    def gradient(self, dy_TE: torch.Tensor) -> torch.Tensor:
        """`[T, D]`: the gradient of the input."""
        return dy_TE @ self.weight_ED


class Kernel(Protocol):
    """The low-rank products of all parts of one layer. Factors are multiplied in the dtype of `x`."""

    name: str

    def add(self, out_TE: torch.Tensor, x_TD: torch.Tensor, parts: Sequence[Part]) -> list[torch.Tensor]:
        """Add every part's product to its rows of `out`, in place; returns what `add_gradients` needs of it."""
        ...

    def add_gradients(
        self,
        dx_TD: torch.Tensor | None,
        dy_TE: torch.Tensor,
        x_TD: torch.Tensor,
        parts: Sequence[Part],
        saved: Sequence[torch.Tensor],
    ) -> None:
        """Accumulate the factors' gradients into `.grad` in its dtype and, where asked for, add to `dx`, in place."""
        ...


class Loop:
    """Slot after slot, so that no shape of a product depends on a neighbour. Scales are the products' own factor."""

    name = "loop"

    def add(self, out_TE: torch.Tensor, x_TD: torch.Tensor, parts: Sequence[Part]) -> list[torch.Tensor]:
        inner = []
        for start, stop, pair, keep in parts:
            x = x_TD[start:stop] if keep is None else x_TD[start:stop] * keep
            h_nr = torch.mm(x, pair.A.to(x.dtype).t())
            out_TE[start:stop].addmm_(h_nr, pair.B.to(x.dtype).t(), alpha=pair.scale)
            inner.append(h_nr)
        return inner

    def add_gradients(
        self,
        dx_TD: torch.Tensor | None,
        dy_TE: torch.Tensor,
        x_TD: torch.Tensor,
        parts: Sequence[Part],
        saved: Sequence[torch.Tensor],
    ) -> None:
        for (start, stop, pair, keep), h_nr in zip(parts, saved, strict=True):
            dy_nE = dy_TE[start:stop]
            x = x_TD[start:stop] if keep is None else x_TD[start:stop] * keep
            dh_nr = torch.mm(dy_nE, pair.B.to(dy_nE.dtype))
            _accumulate(pair.B, dy_nE.t(), h_nr, pair.scale)
            _accumulate(pair.A, dh_nr.t(), x, pair.scale)
            if dx_TD is None:
                continue
            if keep is None:
                dx_TD[start:stop].addmm_(dh_nr, pair.A.to(dh_nr.dtype), alpha=pair.scale)
            else:
                dx_TD[start:stop].addcmul_(torch.mm(dh_nr, pair.A.to(dh_nr.dtype)), keep, value=pair.scale)


LOOP = Loop()


def adapted_product(
    frozen: FrozenWeight, x_TD: torch.Tensor, parts: Sequence[Part], kernel: Kernel = LOOP
) -> torch.Tensor:
    """`[T, E]`: the frozen product of all rows plus every part's low-rank product on its own rows."""
    factors = [p for part in parts for p in (part.pair.A, part.pair.B)]
    product: torch.Tensor = _AdaptedProduct.apply(frozen, None, x_TD, parts, kernel, *factors)  # type: ignore[no-untyped-call]
    return product


def add_lowrank(y_TE: torch.Tensor, x_TD: torch.Tensor, parts: Sequence[Part], kernel: Kernel = LOOP) -> torch.Tensor:
    """`y` plus every part's low-rank product of `x`, for a frozen product computed elsewhere (quantized weights)."""
    factors = [p for part in parts for p in (part.pair.A, part.pair.B)]
    product: torch.Tensor = _AdaptedProduct.apply(None, y_TE, x_TD, parts, kernel, *factors)  # type: ignore[no-untyped-call]
    return product


class _AdaptedProduct(torch.autograd.Function):
    """The frozen product, computed here or given as `y`, and what a kernel adds to it."""

    @staticmethod
    def forward(
        ctx: Any,
        frozen: FrozenWeight | None,
        y_TE: torch.Tensor | None,
        x_TD: torch.Tensor,
        parts: Sequence[Part],
        kernel: Kernel,
        *_factors: torch.Tensor,  # named, so that autograd calls `backward` when only they need gradients
    ) -> torch.Tensor:
        out: torch.Tensor
        if frozen is not None:
            out = frozen.product(x_TD)
        else:
            assert y_TE is not None
            out = y_TE.clone()
        saved = kernel.add(out, x_TD, parts)
        ctx.frozen, ctx.parts, ctx.kernel = frozen, parts, kernel
        ctx.save_for_backward(x_TD, *saved)
        return out

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, dy_TE: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        x_TD, *saved = ctx.saved_tensors
        frozen: FrozenWeight | None = ctx.frozen
        dx_TD = None
        if ctx.needs_input_grad[2]:
            dx_TD = frozen.gradient(dy_TE) if frozen is not None else x_TD.new_zeros(x_TD.shape)
        ctx.kernel.add_gradients(dx_TD, dy_TE, x_TD, ctx.parts, saved)
        dy = dy_TE if ctx.needs_input_grad[1] else None
        return (None, dy, dx_TD, None, None, *(None for _ in range(2 * len(ctx.parts))))


def _accumulate(parameter: nn.Parameter, left: torch.Tensor, right: torch.Tensor, scale: float) -> None:
    """Add `scale * left @ right` to the parameter's gradient without a tensor in between where dtypes allow."""
    if not parameter.requires_grad:
        return
    if parameter.grad is None:
        parameter.grad = torch.mm(left, right).to(parameter.dtype).mul_(scale)
    elif parameter.grad.dtype == left.dtype:
        parameter.grad.addmm_(left, right, alpha=scale)
    else:
        parameter.grad.add_(torch.mm(left, right), alpha=scale)
