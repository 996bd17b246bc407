"""Soft targets: what a teacher says at the positions of an answer, beside the one right token of each.

The teacher is the base model. A leash holds an adapter to it on unrelated rows; in distillation (arXiv 1503.02531; of
what stands in a prompt: arXiv 2412.14964) it has read the facts that a row of the domain is about. At a position the
loss is `hard * -log q(token) + weight * KL(teacher || q)`. Of the teacher's distribution the likeliest tokens are kept
one by one and the rest as one share, which is compared with what the adapter gives the same rest: a lower bound of the
whole divergence, and zero where that is.

Shapes: n positions, K kept tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

ROUNDING = 1e-6  # what shares that sum to one may lack of it in fp32
LEAST = 1e-30  # as much counts a share that is less, so that the loss stays finite: 69 nats


class Teaching(NamedTuple):
    """What the teacher says at the positions of an answer: `ids_nK` int64, likeliest first; their `shares_nK` fp32."""

    ids_nK: torch.Tensor
    shares_nK: torch.Tensor


class SoftTargets(NamedTuple):
    """For the positions of one slot's rows: what each counts of the divergence, and of the loss on its right token.

    `weight_n` is 0 and `hard_n` is 1 where nobody teaches.
    """

    teaching: Teaching
    weight_n: torch.Tensor
    hard_n: torch.Tensor

    def to(self, device: torch.device) -> SoftTargets:
        said = Teaching(*(part.to(device) for part in self.teaching))
        return SoftTargets(said, self.weight_n.to(device), self.hard_n.to(device))

    def of(self, rows: slice) -> SoftTargets:
        """For a chunk of the positions."""
        ids, shares = self.teaching
        return SoftTargets(Teaching(ids[rows], shares[rows]), self.weight_n[rows], self.hard_n[rows])


def leash(said: Teaching, weight: float) -> SoftTargets:
    """A row that is trained as ever and held to what the teacher says."""
    positions = len(said.ids_nK)
    return SoftTargets(said, torch.full((positions,), weight), torch.ones(positions))


def distilled(said: Teaching, targets: Sequence[int], weight: float) -> SoftTargets:
    """A row that is learned by the share `weight` from the teacher, wherever the right token is the teacher's choice.

    Elsewhere the teacher would teach another answer, or other words for it; the right token is all that counts there.
    """
    follows = weight * (said.ids_nK[:, 0] == torch.tensor(targets)).float()
    return SoftTargets(said, follows, 1 - follows)


def of_rows(rows: Sequence[tuple[int, SoftTargets | None]]) -> SoftTargets | None:
    """Of a block's rows: how many positions each has, and what it is taught, if it is; None where none is."""
    taught = [soft for _, soft in rows if soft is not None]
    if not taught:
        return None
    width = taught[0].teaching.ids_nK.shape[1]
    parts = [soft or _untaught(n, width) for n, soft in rows]
    said = Teaching(*map(torch.cat, zip(*(soft.teaching for soft in parts), strict=True)))
    return SoftTargets(said, torch.cat([s.weight_n for s in parts]), torch.cat([s.hard_n for s in parts]))


def _untaught(positions: int, width: int) -> SoftTargets:
    nothing = Teaching(torch.zeros(positions, width, dtype=torch.long), torch.zeros(positions, width))
    return SoftTargets(nothing, torch.zeros(positions), torch.ones(positions))


def pull_(soft: SoftTargets, shares_nV: torch.Tensor) -> torch.Tensor:
    """The weighted divergence of a chunk of positions.

    Args:
        shares_nV: the adapter's softmax. In its place comes the gradient by the logits of what is returned and of the
            loss on the right tokens, but for the term that the latter have at these tokens themselves.
    """
    (ids, teacher), weight, hard = soft.teaching, soft.weight_n.unsqueeze(1), soft.hard_n.unsqueeze(1)
    own = shares_nV.gather(1, ids)
    # By its own sum: one less the kept shares would be all rounding where the adapter is sure.
    own_rest = shares_nV.scatter_(1, ids, 0.0).sum(1, keepdim=True).clamp(min=LEAST)
    rest = 1 - teacher.sum(1, keepdim=True)
    rest = rest * (rest > ROUNDING)
    kept = torch.special.xlogy(teacher, teacher) - torch.special.xlogy(teacher, own.clamp(min=LEAST))
    left = torch.special.xlogy(rest, rest) - torch.special.xlogy(rest, own_rest)
    # d/dz_j is q_j - p_j of a kept token, and q_j (1 - p_rest / q_rest) of another.
    shares_nV.mul_(hard + weight * (1 - rest / own_rest)).scatter_(1, ids, hard * own + weight * (own - teacher))
    total: torch.Tensor = (weight * (kept.sum(1, keepdim=True) + left)).sum()
    return total
