"""A host that trains nothing and answers what it is told to: for fast tests of trials, scoring and the search."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from raykft.errors import DivergedError, LostError
from raykft.paths import ADAPTER_CONFIG
from raykft.records import Pick, Question, Reply
from raykft.train.recipe import EpochReport, Recipe


class FakeHost:
    """Implements `raykft.trial.Host`.

    Args:
        answer: the text for a trial's id (None: the base model) and a question.
        right_probability: log-probability per byte of the first candidate for a trial; the others get -1.
        diverge_at: a trial whose id contains this text diverges in its second epoch.
        drift: nats a token by which a trial's adapter differs from the base model.
    """

    def __init__(
        self,
        answer: Callable[[str | None, str], str] = lambda trial_id, question: "",
        right_probability: Callable[[str | None], float] = lambda trial_id: -1.0,
        diverge_at: str = "\0",
        drift: float = 0.0,
    ) -> None:
        self._answer = answer
        self._right = right_probability
        self._diverge_at = diverge_at
        self._drift = drift
        self.attached: dict[str, Recipe] = {}
        self.epochs: dict[str, int] = {}
        self.log: list[tuple[str, str]] = []

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self.log.append(("attach", trial_id))
        self.attached[trial_id] = recipe
        self.epochs[trial_id] = json.loads((checkpoint / "state.json").read_text())["epoch"] if checkpoint else 0
        return ["layers.0.q_proj"]

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        self.log.append(("attach_adapter", str(directory)))

    def train_epoch(self, trial_id: str) -> EpochReport:
        if trial_id not in self.attached:
            raise LostError(f"trial {trial_id!r} has no slot on this host")
        self.epochs[trial_id] += 1
        epoch = self.epochs[trial_id]
        if self._diverge_at in trial_id and epoch == 2:
            raise DivergedError("the training loss became nan at step 20")
        return EpochReport(epoch, 10 * epoch, 1 / epoch, 100 * epoch, 0.01)

    def untrained_modules(self, trial_id: str) -> list[str]:
        return []

    def save_adapter(self, trial_id: str, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ADAPTER_CONFIG).write_text(json.dumps({"fake": trial_id}), encoding="utf-8")

    def save_checkpoint(self, trial_id: str, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / "state.json").write_text(json.dumps({"epoch": self.epochs[trial_id]}), encoding="utf-8")

    def detach(self, trial_id: str) -> None:
        self.log.append(("detach", trial_id))
        self.attached.pop(trial_id, None)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return [Reply(self._answer(trial_id, q.text), True) for q in questions]

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return [[self._right(trial_id), *([-1.0] * (len(p.candidates) - 1))] for p in picks]

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        counts = [len(answer.split()) + 1 for _, answer in exchanges]
        return [(self._drift * count if trial_id else 0.0, count) for count in counts]
