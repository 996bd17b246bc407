"""A host that trains nothing and answers what it is told to: for fast tests of trials, scoring and the search."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from raykft.errors import DivergedError, LostError, TrialError
from raykft.models.shape import assumed_shape
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS, CHECKPOINT_STATE
from raykft.records import Pick, Question, Reply
from raykft.train.admission import HostCapacity, HostCounters, Line
from raykft.train.recipe import EpochResult, Recipe
from raykft.train.writers import Writers

EPOCH_TOKENS = 100
NO_TENSORS = (2).to_bytes(8, "little") + b"{}"  # as safetensors


class FakeHost:
    """Implements `raykft.hosts.protocol.Host`.

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
        self._tokens = 0
        self._adapters: dict[str, dict[str, str]] = {}  # of every trial held: what its file says
        self._files: dict[str, Path] = {}
        self._writers = Writers()
        self.attached: dict[str, Recipe] = {}
        self.epochs: dict[str, int] = {}
        self.log: list[tuple[str, str]] = []

    def info(self) -> dict[str, Any]:
        return {
            "model_digest": "fake",
            "device": "cpu",
            "dtype": "float32",
            "fast_bf16": False,
            "residency": "dequantized",
            "kernel": {},
            "attention": "padded",
            "threads": 1,
            "has_chat_template": True,
            "context_tokens": 1 << 20,
            "shortened_rows": 0,
            "taught_rows": 0,
            "text_pieces": 0,
        }

    def capacity(self) -> HostCapacity:
        """A made-up machine of 8 GiB whose steps need some hundred tokens."""
        return HostCapacity(Line(0.1, 1e-3, 0.0), 20.0, assumed_shape(1e8), 8 << 30, 8 << 30, False)

    def counters(self) -> HostCounters:
        return HostCounters(self._tokens, None)

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self.log.append(("attach", trial_id))
        self._writers.wait(trial_id)
        self._files.pop(trial_id, None)
        self._adapters[trial_id] = {"fake": trial_id, "digest": uuid.uuid4().hex}
        self.attached[trial_id] = recipe
        self.epochs[trial_id] = json.loads((checkpoint / CHECKPOINT_STATE).read_text())["epoch"] if checkpoint else 0
        return ["layers.0.q_proj"]

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        self.log.append(("attach_adapter", str(directory)))
        self._files[trial_id] = directory
        self._adapters[trial_id] = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))

    def publish(self, trial_id: str) -> tuple[Path, str]:
        self._writers.await_begun(trial_id)
        held = self._held(trial_id)
        if trial_id not in self._files:
            raise TrialError(f"the adapter of trial {trial_id} has not been saved")
        return self._files[trial_id], held["digest"]

    def train_epoch(self, trial_id: str) -> EpochResult:
        if trial_id not in self.attached:
            raise LostError(f"trial {trial_id!r} has no slot on this host")
        self.epochs[trial_id] += 1
        epoch = self.epochs[trial_id]
        if self._diverge_at in trial_id and epoch == 2:
            raise DivergedError("the training loss became nan at step 20")
        self._tokens += EPOCH_TOKENS
        return EpochResult(epoch, 10 * epoch, 1 / epoch, EPOCH_TOKENS * epoch, 0.01)

    def save(self, trial_id: str, adapter: Path, checkpoint: Path | None = None) -> None:
        with self._writers.of(trial_id):
            held, epoch = self._held(trial_id), self.epochs[trial_id]

            def write() -> None:
                self._write_adapter(trial_id, adapter, held)
                if checkpoint is not None:
                    self._write_checkpoint(trial_id, checkpoint, epoch)

            self._writers.begin(trial_id, write)
            self._files[trial_id] = adapter

    def saved(self, trial_id: str) -> None:
        self._writers.finish(trial_id)

    def _write_adapter(self, trial_id: str, directory: Path, held: dict[str, str]) -> None:
        """What a trial's writer does first: the place for a disk that fails."""
        self._write(directory / ADAPTER_CONFIG, json.dumps(held).encode())
        self._write(directory / ADAPTER_WEIGHTS, NO_TENSORS)

    def _write_checkpoint(self, trial_id: str, directory: Path, epoch: int) -> None:
        """What it does then, where a checkpoint is asked for."""
        self._write(directory / CHECKPOINT_STATE, json.dumps({"epoch": epoch}).encode())

    def detach(self, trial_id: str) -> None:
        self.log.append(("detach", trial_id))
        self.attached.pop(trial_id, None)
        self._adapters.pop(trial_id, None)
        self._files.pop(trial_id, None)
        self._writers.wait(trial_id)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        said = [self._answer(trial_id, q.text) for q in questions]
        # A token a word.
        return [Reply(t, True, len(f"{q.text} {t}".split())) for q, t in zip(questions, said, strict=True)]

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return [[self._right(trial_id), *([-1.0] * (len(p.candidates) - 1))] for p in picks]

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return [float(len(text)) for text in texts]

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        counts = [len(answer.split()) + 1 for _, answer in exchanges]
        return [(self._drift * count if trial_id else 0.0, count) for count in counts]

    def _write(self, file: Path, content: bytes) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def _held(self, trial_id: str) -> dict[str, str]:
        if trial_id not in self._adapters:
            raise LostError(f"trial {trial_id!r} has no adapter on this host")
        return self._adapters[trial_id]
