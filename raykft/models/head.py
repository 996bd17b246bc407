"""The language-model head and its loss for rows of several trials, without ever holding all logits.

Logits are by far the largest tensor of a step (rows times vocabulary). They are made a chunk of rows at a time, turned
into their own gradient in place, and gone before the next chunk. The idea is that of Liger's fused linear cross
entropy (arXiv 2410.10989).

Shapes: n supervised rows of all slots, D features, V vocabulary, r rank, S slots.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch.autograd.function import once_differentiable

from raykft.models.lowrank import FrozenWeight, Part
from raykft.models.numerics import CHUNK_LOGITS
from raykft.models.soft_targets import SoftTargets, pull_


def head_nll(
    frozen: FrozenWeight,
    hidden_nD: torch.Tensor,
    targets_n: torch.Tensor,
    sizes: Sequence[int],
    parts: Sequence[Part],
    softcap: float | None = None,
    soft_targets: Sequence[SoftTargets | None] = (),
) -> torch.Tensor:
    """Summed loss of every slot, `[S]` fp32, in nats: negative log-likelihood of its targets, and its soft targets.

    Args:
        hidden_nD: last hidden states at the positions before the targets, slot after slot.
        sizes: rows of every slot; they sum to n.
        parts: low-rank factors of the slots whose adapter includes the head; each covers one slot's rows.
        softcap: final logits are `softcap * tanh(logits / softcap)` (Gemma 2).
        soft_targets: by slot, of as many positions as it has rows; none at all where no slot has any.
    """
    soft_targets = soft_targets or [None] * len(sizes)
    factors = [p for part in parts for p in (part.pair.A, part.pair.B)]
    sums: torch.Tensor = _HeadNll.apply(  # type: ignore[no-untyped-call]
        frozen, hidden_nD, targets_n, sizes, parts, softcap, soft_targets, *factors
    )
    return sums


class _HeadNll(torch.autograd.Function):
    """Gradients are worked out in `forward`, while the logits are at hand, up to each slot's factor from above."""

    @staticmethod
    def forward(
        ctx: Any,
        frozen: FrozenWeight,
        hidden_nD: torch.Tensor,
        targets_n: torch.Tensor,
        sizes: Sequence[int],
        parts: Sequence[Part],
        softcap: float | None,
        soft_targets: Sequence[SoftTargets | None],
        *_factors: torch.Tensor,
    ) -> torch.Tensor:
        by_start = {part.start: part for part in parts}
        sums, d_hidden, d_factors = [], torch.empty_like(hidden_nD), []
        start = 0
        for size, soft in zip(sizes, soft_targets, strict=True):
            rows = slice(start, start + size)
            total, d_pair = _slot_nll(
                frozen, hidden_nD[rows], targets_n[rows], by_start.get(start), softcap, soft, d_hidden[rows]
            )
            sums.append(total)
            d_factors.append(d_pair)
            start += size
        ctx.sizes, ctx.pairs = sizes, [by_start[s].pair if s in by_start else None for s in _starts(sizes)]
        ctx.d_hidden, ctx.d_factors = d_hidden, d_factors
        return torch.stack(sums)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, factor_S: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        for factor, pair, d_pair in zip(factor_S, ctx.pairs, ctx.d_factors, strict=True):
            if pair is None:
                continue
            for parameter, gradient in zip((pair.A, pair.B), d_pair, strict=True):
                scaled = gradient.mul_(factor)
                parameter.grad = scaled if parameter.grad is None else parameter.grad.add_(scaled)
        factors = zip(factor_S.unbind(), ctx.sizes, strict=True)
        factor_n = torch.cat([factor.expand(size) for factor, size in factors])
        d_hidden = ctx.d_hidden * factor_n.unsqueeze(1).to(ctx.d_hidden.dtype)
        n_factors = 2 * sum(pair is not None for pair in ctx.pairs)
        return (None, d_hidden, None, None, None, None, None, *(None for _ in range(n_factors)))


def _starts(sizes: Sequence[int]) -> list[int]:
    return [sum(sizes[:n]) for n in range(len(sizes))]


def _slot_nll(
    frozen: FrozenWeight,
    hidden: torch.Tensor,
    targets: torch.Tensor,
    part: Part | None,
    softcap: float | None,
    soft: SoftTargets | None,
    d_hidden: torch.Tensor,
) -> tuple[torch.Tensor, tuple[torch.Tensor, torch.Tensor] | None]:
    """One slot's sum; writes its hidden states' gradient into `d_hidden`, returns those of A and B."""
    d_pair = None
    if part is not None:
        pair = part.pair
        d_pair = (torch.zeros_like(pair.A), torch.zeros_like(pair.B))
    total = torch.zeros((), dtype=torch.float32, device=hidden.device)
    step = max(1, CHUNK_LOGITS // frozen.weight_ED.shape[0])
    for start in range(0, hidden.shape[0], step):
        rows = slice(start, start + step)
        x = hidden[rows]
        logits = frozen.product(x)
        if part is not None and d_pair is not None:
            adapted = x if part.keep_nD is None else x * part.keep_nD[rows]
            inner = torch.mm(adapted, pair.A.to(x.dtype).t()).mul_(pair.scale)
            logits.addmm_(inner, pair.B.to(x.dtype).t())
        nll, d_logits = _nll_and_gradient(logits.float(), targets[rows], softcap, soft and soft.of(rows))
        total += nll
        d_logits = d_logits.to(x.dtype)
        torch.mm(d_logits, frozen.weight_ED, out=d_hidden[rows])
        if part is not None and d_pair is not None:
            d_inner = torch.mm(d_logits, pair.B.to(x.dtype)).mul_(pair.scale)
            d_pair[0].add_(torch.mm(d_inner.t(), adapted))
            d_pair[1].add_(torch.mm(d_logits.t(), inner))
            back = torch.mm(d_inner, pair.A.to(x.dtype))
            d_hidden[rows].add_(back if part.keep_nD is None else back * part.keep_nD[rows])
    return total, d_pair


def _nll_and_gradient(
    logits: torch.Tensor, targets: torch.Tensor, softcap: float | None, soft: SoftTargets | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Summed loss of targets and soft targets, and its gradient written over the fp32 `logits`."""
    slope = None
    if softcap:
        bent = torch.tanh(logits / softcap)
        slope = 1 - bent.square()
        logits = bent.mul_(softcap)
    index = targets.unsqueeze(1)
    picked = logits.gather(1, index)
    top = logits.amax(1, keepdim=True)
    weights = logits.sub_(top).exp_()
    mass = weights.sum(1, keepdim=True)
    nll = mass.log() + top - picked
    gradient = weights.div_(mass)
    if soft is None:
        loss, at_targets = nll.sum(), torch.full_like(picked, -1.0)
    else:
        hard = soft.hard_n.unsqueeze(1)
        loss, at_targets = (hard * nll).sum() + pull_(soft, gradient), -hard
    gradient.scatter_add_(1, index, at_targets)
    return loss, gradient if slope is None else gradient.mul_(slope)
