"""One adapter's parameters as one flat tensor, with its own AdamW, clipping and moments."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import torch
from torch import nn

from raykft.errors import ResourceError


class FlatParameters:
    """Lays `parameters` and their gradients into two flat buffers the parameters become views of.

    Clipping and AdamW then cost a handful of kernels a step instead of a handful per matrix, and are element for
    element the same.
    """

    def __init__(self, parameters: Iterable[nn.Parameter]) -> None:
        self.parameters = list(parameters)
        self.flat = nn.Parameter(torch.cat([p.detach().reshape(-1) for p in self.parameters]))
        self.flat.grad = torch.zeros_like(self.flat)
        start = 0
        for p in self.parameters:
            stop = start + p.numel()
            p.data = self.flat.data[start:stop].view(p.shape)
            p.grad = self.flat.grad[start:stop].view(p.shape)
            start = stop

    def views(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """The parameters as views of a tensor that lies as `flat` does."""
        pieces = torch.split(flat.detach(), [p.numel() for p in self.parameters])
        return [piece.view(p.shape) for piece, p in zip(pieces, self.parameters, strict=True)]

    @property
    def grad(self) -> torch.Tensor:
        assert self.flat.grad is not None
        return self.flat.grad

    def clip(self, max_norm: float, norm: float) -> None:
        """Scale the gradient, which is of this `norm`, to at most `max_norm`. Non-finite norms change nothing."""
        if norm > max_norm and norm != float("inf"):
            self.grad.mul_(max_norm / (norm + 1e-6))

    def zero_grad(self) -> None:
        self.grad.zero_()


def norms(adapters: Sequence[FlatParameters]) -> list[float]:
    """The norm of every adapter's gradient. A device is waited for once."""
    if not adapters:
        return []
    found: list[float] = torch.stack(torch._foreach_norm([each.grad for each in adapters])).tolist()
    return found


def make_optimizer(
    name: str, flat: nn.Parameter, *, learning_rate: float, weight_decay: float
) -> torch.optim.Optimizer:
    """AdamW over one flat parameter. The 8-bit variants are bitsandbytes' and need CUDA.

    Raises:
        ResourceError: an 8-bit optimizer on a CPU.
    """
    options: dict[str, Any] = {
        "lr": learning_rate,
        "weight_decay": weight_decay,
        "betas": (0.9, 0.999),
        "eps": 1e-8,
    }
    if name == "adamw":
        return torch.optim.AdamW([flat], fused=True, **options)
    if flat.device.type != "cuda":
        raise ResourceError(f"train.optimizer {name!r} needs a CUDA device; use 'adamw'")
    import bitsandbytes as bnb

    classes = {"adamw8bit": bnb.optim.AdamW8bit, "paged_adamw8bit": bnb.optim.PagedAdamW8bit}
    optimizer: torch.optim.Optimizer = classes[name]([flat], **options)
    return optimizer
