"""Data-parallel training: several processes hold the same adapter, and each reads its share of every micro-batch.

The loop is the one of `raykft.train.loop`. A gradient is summed over the replicas before it is clipped and applied, so
that the adapters stay equal bit for bit and equal one process's up to the order of summation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import TypeVar

import torch

from raykft.errors import LostError, OutOfMemoryError, TrialError
from raykft.train.inference import typed_error

T = TypeVar("T")

# How a replica's part of the work ended, as positions in what the replicas tell each other.
STOPPED, NO_MEMORY, BROKEN = range(3)


class Replicas:
    """This process among those that train together; by default it is alone, and nothing here does anything.

    A process group of torch.distributed must exist where `size` is more than one. All replicas call the same methods in
    the same order; one that fails says so in the next call instead of leaving the others to wait.

    Attributes:
        broken: whether a replica could not be reached; then the processes must be started again.
    """

    def __init__(self, index: int = 0, size: int = 1) -> None:
        self.index = index
        self.size = size
        self.broken = False

    def share(self, rows: Sequence[T]) -> Sequence[T]:
        """The rows of a micro-batch that this replica trains on; none where there are fewer rows than replicas."""
        return rows[self.index :: self.size]

    def seed(self, seed: int, step: int) -> int:
        """A seed of this replica's own for one optimizer step: no random state needs to be kept between steps."""
        digest = hashlib.sha256(f"{seed} {step} {self.index}".encode()).digest()
        return int.from_bytes(digest[:7], "big")

    def together(self, work: Callable[[], list[float]], numbers: int, *, stop: bool = False) -> list[float]:
        """Run `work` and return what it returns, `numbers` values, summed over the replicas.

        Args:
            stop: end this on all replicas; one that says so is enough.

        Raises:
            OutOfMemoryError: the device of one replica is too small.
            TrialError: `work` failed on another replica, or one asked to stop. An own error is raised as it is.
            LostError: a replica is gone.
        """
        if self.size == 1:
            return work()
        endings, own, values = [0.0] * 3, None, [0.0] * numbers
        endings[STOPPED] = float(stop)
        try:
            values = work()
        except Exception as error:
            own = typed_error(error)
            endings[NO_MEMORY if isinstance(own, OutOfMemoryError) else BROKEN] = 1.0
        if self.broken and own is not None:
            raise own
        told = torch.tensor([*endings, *values], dtype=torch.float64)
        self.sum(told)
        if own is not None:
            raise own
        if told[BROKEN]:
            raise TrialError("another replica of this trial failed")
        if told[NO_MEMORY]:
            raise OutOfMemoryError("the device of another replica of this trial ran out of memory")
        if told[STOPPED]:
            raise TrialError("the epoch was stopped")
        summed: list[float] = told[len(endings) :].tolist()
        return summed

    def sum(self, tensor: torch.Tensor) -> None:
        """Add up `tensor` over the replicas, in place; the result is the same bits on all of them.

        Raises:
            LostError: a replica is gone.
        """
        if self.size == 1:
            return
        try:
            torch.distributed.all_reduce(tensor)
        except RuntimeError as error:
            self.broken = True
            raise LostError("the replicas of this trial lost each other") from error


ALONE = Replicas()
