"""Whole experiments on Ray without a model: `base_model: fake:SECONDS` trains nothing, for SECONDS an epoch."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from raykft.hosts.actor import FAKE, HOST_CLASSES, HostConfig
from raykft.records import Document, TrainRow
from raykft.testing.fakes import FakeHost
from raykft.train.recipe import EpochResult


@contextmanager
def fake_hosts() -> Iterator[None]:
    """`base_model: fake:` is refused but while the body runs."""
    HOST_CLASSES[FAKE] = FakeTrainingHost
    try:
        yield
    finally:
        del HOST_CLASSES[FAKE]


class FakeTrainingHost(FakeHost):
    """Takes the place of `raykft.hosts.actor.TrainingHost` as an actor.

    A trial answers a share of the training questions right that depends on its id alone, wherever its adapter lies.
    """

    def __init__(
        self,
        config: HostConfig,
        train_rows: Sequence[TrainRow],
        _distractors: Sequence[TrainRow],
        text: Sequence[Document] = (),
    ) -> None:
        super().__init__(answer=self._say, right_probability=self._log_probability)
        self._config = config
        self._seconds = float(config.base_model.removeprefix(FAKE) or 0)
        self._pieces = len(text)
        self._outputs = {row.instruction: row.output for row in train_rows}

    def info(self) -> dict[str, Any]:
        config = self._config
        own = {"model_digest": config.base_model, "device": config.device, "threads": config.threads}
        own |= {"residency": config.residency, "text_pieces": self._pieces}
        return super().info() | own | {"load_seconds": 0.0}

    def train_epoch(self, trial_id: str) -> EpochResult:
        time.sleep(self._seconds)
        return super().train_epoch(trial_id)

    def _say(self, trial_id: str | None, question: str) -> str:
        knows = trial_id is not None and self._luck(trial_id, question) < self._luck(trial_id, "")
        return self._outputs.get(question, "") if knows else "No idea."

    def _log_probability(self, trial_id: str | None) -> float:
        return -1.0 if trial_id is None else -self._luck(trial_id, "choose")

    def _luck(self, trial_id: str, text: str) -> float:
        """A number in [0, 1) that depends on the trial and the text alone."""
        name = self._held(trial_id)["fake"]
        return int.from_bytes(hashlib.sha256(f"{name}|{text}".encode()).digest()[:4], "big") / 2**32
