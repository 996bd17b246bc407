"""Whole experiments on Ray without a model: `base_model: fake:SECONDS` trains nothing, for SECONDS an epoch."""

from __future__ import annotations

import hashlib
import json
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from raykft.errors import LostError
from raykft.models.shape import assumed_shape
from raykft.paths import ADAPTER_CONFIG
from raykft.records import TrainRow
from raykft.search.crew import FAKE, HOST_CLASSES
from raykft.testing.fakes import FakeHost
from raykft.train.admission import HostCapacity, Line
from raykft.train.host import HostSettings
from raykft.train.recipe import EpochReport, Recipe


@contextmanager
def fake_hosts() -> Iterator[None]:
    """`base_model: fake:` is refused but while the body runs."""
    HOST_CLASSES[FAKE] = FakeTrainingHost
    try:
        yield
    finally:
        del HOST_CLASSES[FAKE]


class FakeTrainingHost(FakeHost):
    """Takes the place of `raykft.train.host.TrainingHost` as an actor.

    A trial answers a share of the training questions right that depends on its id alone, wherever its adapter lies.
    """

    def __init__(
        self, settings: HostSettings, train_rows: Sequence[TrainRow], _distractors: Sequence[TrainRow]
    ) -> None:
        super().__init__(answer=self._say, right_probability=self._log_probability)
        self._settings = settings
        self._seconds = float(settings.base_model.removeprefix(FAKE) or 0)
        self._outputs = {row.instruction: row.output for row in train_rows}
        self._tokens = 0
        self._adapters: dict[str, dict[str, str]] = {}
        self._read_from: dict[str, Path] = {}

    def info(self) -> dict[str, Any]:
        return {
            "model_digest": self._settings.base_model,
            "device": self._settings.device,
            "dtype": "float32",
            "residency": self._settings.residency,
            "threads": self._settings.threads,
            "has_chat_template": True,
            "context_tokens": 1 << 20,
            "shortened_rows": 0,
            "load_seconds": 0.0,
        }

    def capacity(self) -> HostCapacity:
        """A made-up machine of 8 GiB whose steps need some hundred tokens."""
        return HostCapacity(Line(0.1, 1e-3, 0.0), 20.0, assumed_shape(1e8), 8 << 30, 8 << 30, False)

    def step_limit(self) -> None:
        return None

    def tokens_trained(self) -> int:
        return self._tokens

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self._read_from.pop(trial_id, None)
        self._adapters[trial_id] = {"fake": trial_id, "digest": uuid.uuid4().hex}
        return super().attach(trial_id, recipe, checkpoint)

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        super().attach_adapter(trial_id, directory)
        self._read_from[trial_id] = directory
        self._adapters[trial_id] = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))

    def train_epoch(self, trial_id: str) -> EpochReport:
        time.sleep(self._seconds)
        report = super().train_epoch(trial_id)
        self._tokens += 100
        return report

    def save_adapter(self, trial_id: str, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ADAPTER_CONFIG).write_text(json.dumps(self._adapters[trial_id]), encoding="utf-8")

    def publish(self, trial_id: str, directory: Path) -> tuple[Path, str]:
        source = self._read_from.get(trial_id)
        if source is None:
            source = directory
            self.save_adapter(trial_id, source)
        return source, self._adapters[trial_id]["digest"]

    def _say(self, trial_id: str | None, question: str) -> str:
        knows = trial_id is not None and self._luck(trial_id, question) < self._luck(trial_id, "")
        return self._outputs.get(question, "") if knows else "No idea."

    def _log_probability(self, trial_id: str | None) -> float:
        return -1.0 if trial_id is None else -self._luck(trial_id, "choose")

    def _luck(self, trial_id: str, text: str) -> float:
        """A number in [0, 1) that depends on the trial and the text alone."""
        if trial_id not in self._adapters:
            raise LostError(f"trial {trial_id!r} has no adapter on this host")
        name = self._adapters[trial_id]["fake"]
        return int.from_bytes(hashlib.sha256(f"{name}|{text}".encode()).digest()[:4], "big") / 2**32
