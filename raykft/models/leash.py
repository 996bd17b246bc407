"""A leash to the base model: on chosen rows an adapter is held to what the base model would say.

The loss is KL(base || adapter) over the vocabulary at every position of a row's answer. Of the base model's
distribution the likeliest tokens are kept one by one and the rest as one share, which is compared with what the adapter
gives the same rest: a lower bound of the whole divergence, and zero where that is.

Shapes: n positions, K kept tokens, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch

ROUNDING = 1e-6  # what shares that sum to one may lack of it in fp32
LEAST = 1e-30  # as much counts a share that is less, so that the loss stays finite: 69 nats


class Teaching(NamedTuple):
    """What the base model says at the positions of an answer: `ids_nK` int64, and their `shares_nK` fp32."""

    ids_nK: torch.Tensor
    shares_nK: torch.Tensor


class Leash(NamedTuple):
    """For the positions of one slot's rows; `weight_n` is 0 where a row has no leash."""

    teaching: Teaching
    weight_n: torch.Tensor

    def to(self, device: torch.device) -> Leash:
        ids, shares = self.teaching
        return Leash(Teaching(ids.to(device), shares.to(device)), self.weight_n.to(device))

    def of(self, rows: slice) -> Leash:
        """For a chunk of the positions."""
        ids, shares = self.teaching
        return Leash(Teaching(ids[rows], shares[rows]), self.weight_n[rows])


def make_leash(rows: Sequence[tuple[int, Teaching | None]], weight: float) -> Leash | None:
    """Of a block's rows: how many positions each has, and what it is held to, if it is; None where none is."""
    taught = [teaching for _, teaching in rows if teaching is not None]
    if not weight or not taught:
        return None
    width = taught[0].ids_nK.shape[1]
    blank = [Teaching(torch.zeros(n, width, dtype=torch.long), torch.zeros(n, width)) for n, _ in rows]
    parts = [teaching or none for (_, teaching), none in zip(rows, blank, strict=True)]
    weights = [torch.full((n,), weight if teaching is not None else 0.0) for n, teaching in rows]
    return Leash(Teaching(*map(torch.cat, zip(*parts, strict=True))), torch.cat(weights))


def pull_(held: Leash, shares_nV: torch.Tensor) -> torch.Tensor:
    """The weighted divergence of a chunk of positions; its gradient by the logits is added to `shares_nV` in place.

    Args:
        shares_nV: the adapter's softmax, which is the gradient of what else the positions are trained on.
    """
    (ids, teacher), weight = held.teaching, held.weight_n.unsqueeze(1)
    own = shares_nV.gather(1, ids)
    # By its own sum: one less the kept shares would be all rounding where the adapter is sure.
    own_rest = shares_nV.scatter_(1, ids, 0.0).sum(1, keepdim=True).clamp(min=LEAST)
    rest = 1 - teacher.sum(1, keepdim=True)
    rest = rest * (rest > ROUNDING)
    kept = torch.special.xlogy(teacher, teacher) - torch.special.xlogy(teacher, own.clamp(min=LEAST))
    left = torch.special.xlogy(rest, rest) - torch.special.xlogy(rest, own_rest)
    # d/dz_j is q_j - p_j of a kept token, and q_j (1 - p_rest / q_rest) of another.
    shares_nV.mul_(1 + weight * (1 - rest / own_rest)).scatter_(1, ids, own + weight * (own - teacher))
    total: torch.Tensor = (weight * (kept.sum(1, keepdim=True) + left)).sum()
    return total
