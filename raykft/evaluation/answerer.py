"""What the evaluator asks: a model with adapters. Usually a training host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from raykft.records import Pick, Question, Reply


class Answerer(Protocol):
    """A model with adapters: what the evaluator asks. `trial_id` None is the base model itself."""

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        """Greedy answers."""

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        """Log-probability per byte of every candidate, in nats."""

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        """Negative log-likelihood of every text, in nats."""

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Summed KL(base || adapter) in nats and number of tokens, for every question with its answer."""
