"""How many trials train at once: what a step costs by its tokens, and how many tokens memory lets it hold. No torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from raykft.models.shape import ModelShape

# Of the rate that ever larger steps come near: a step that reaches it is large enough, and larger ones only let trials
# wait for each other.
KNEE = 0.8
# Slots of a host where their number is chosen by measurement.
MAX_SLOTS = 32


@dataclass(frozen=True)
class Line:
    """Step time as `fixed_s + token_s * T`; `deviation` is the largest relative error at a measured point."""

    fixed_s: float
    token_s: float
    deviation: float

    def rate(self, tokens: float) -> float:
        """Tokens per second of steps of so many tokens."""
        return tokens / (max(0.0, self.fixed_s) + self.token_s * tokens)

    @property
    def knee_tokens(self) -> float:
        """Tokens of a step that reaches `KNEE` of the line's limiting rate; 0 where nothing is fixed."""
        return KNEE / (1 - KNEE) * max(0.0, self.fixed_s) / self.token_s


@dataclass(frozen=True)
class HostCapacity:
    """What a host measured of itself; `memory_bytes` is all it may use, `row_tokens` the mean length of its rows.

    `machine_bytes` is the main memory of its machine, and `fast_bf16` whether it computes in bf16.
    """

    line: Line
    row_tokens: float
    shape: ModelShape
    memory_bytes: int
    machine_bytes: int
    fast_bf16: bool


@dataclass(frozen=True)
class HostCounters:
    """What has happened on a host since it came up.

    Attributes:
        tokens: trained by all trials.
        step_limit: the most tokens of a training step since one ran out of memory; None where none has.
        taught_tokens: of the answers of rows that a teacher was asked about.
        followed_tokens: those of them that were its own first choice.
    """

    tokens: int
    step_limit: int | None
    taught_tokens: int = 0
    followed_tokens: int = 0


def slots_to_knee(knee_tokens: float, tokens_per_slot: float) -> int:
    """Trials whose micro-batches of so many tokens together reach the knee, from 1 to `MAX_SLOTS`."""
    return max(1, math.ceil(min(MAX_SLOTS, knee_tokens / tokens_per_slot)))


class StepLimit:
    """The most tokens of one packed step: none until a step runs out of memory, then half of that step's.

    Slots then take turns. What each becomes does not change: a slot's products never depend on who is beside it.
    """

    def __init__(self) -> None:
        self.tokens: int | None = None
        self._turns: dict[str, int] = {}

    def choose(self, sizes: Mapping[str, int]) -> list[str]:
        """Who takes the next step: whoever has waited longest, and all others there is room for.

        Args:
            sizes: tokens of every waiting trial's next micro-batch.
        """
        if self.tokens is None:
            return list(sizes)
        chosen: list[str] = []
        room = self.tokens
        for trial_id in sorted(sizes, key=lambda t: self._turns.get(t, 0)):
            if not chosen or sizes[trial_id] <= room:
                chosen.append(trial_id)
                room -= sizes[trial_id]
        turn = max(self._turns.values(), default=0) + 1
        self._turns = {t: turn if t in chosen else self._turns.get(t, 0) for t in sizes}
        return chosen

    def halve(self, tokens: int) -> None:
        """A step of `tokens` found no memory."""
        self.tokens = max(1, tokens // 2)
