"""The training host as a Ray actor: a resident base model that trains and questions several adapters."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raykft.errors import RaykftError
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS
from raykft.records import Pick, Question, Reply, TrainRow
from raykft.storage import fetch, keep, release
from raykft.train.admission import HostCapacity
from raykft.train.recipe import EpochReport, Recipe

FAREWELL_S = 2.0  # for errors on their way to trials


@dataclass(frozen=True)
class HostSettings:
    """What a host needs to know; plain values, so that it pickles and imports nothing heavy."""

    base_model: str
    quantization: str
    residency: str
    device: str
    system_prompt: str | None
    plain_prompt: str
    max_length: int
    batch_size: int
    threads: int
    hosts_on_node: int
    kernel: str = "auto"
    rank: int = 0
    ranks: int = 1  # processes that train every adapter together


class TrainingHost:
    """The actor class (`ray.remote` is applied by the driver). Heavy imports happen in the actor's process only."""

    def __init__(self, settings: HostSettings, train_rows: Sequence[TrainRow], distractors: Sequence[TrainRow]) -> None:
        self._failure: RaykftError | None = None
        self._hosts_on_node = settings.hosts_on_node
        self._read_from: dict[str, Path] = {}  # directories of finished adapters, by trial
        try:
            self._start(settings, train_rows, distractors)
        except RaykftError as error:
            # Raised from `info`: an error in an actor's constructor reaches the driver as text only.
            self._failure = error

    def _start(self, settings: HostSettings, train_rows: Sequence[TrainRow], distractors: Sequence[TrainRow]) -> None:
        started = time.monotonic()
        # Before torch starts its pool: a second thread per host makes two hosts on two cores slower, not faster.
        os.environ["OMP_NUM_THREADS"] = str(settings.threads)
        import torch

        from raykft.models.load import check_memory, load_base, pick_device
        from raykft.models.source import resolve_model, weights_bytes
        from raykft.train.engine import HostEngine
        from raykft.train.parallel import Ranks

        torch.set_num_threads(settings.threads)
        device = pick_device(settings.device)
        source = resolve_model(settings.base_model)
        if device.type == "cpu":
            check_memory(weights_bytes(source), settings.hosts_on_node)
        base = load_base(
            source,
            quantization=settings.quantization,
            residency=settings.residency,
            device=device,
            kernel=settings.kernel,
        )
        self._engine = HostEngine(
            base,
            train_rows=train_rows,
            distractors=distractors,
            system_prompt=settings.system_prompt,
            plain_prompt=settings.plain_prompt,
            max_length=settings.max_length,
            batch_size=settings.batch_size,
            ranks=Ranks(settings.rank, settings.ranks),
            on_broken=_leave,
        )
        self._info = {
            "model_digest": source.digest,
            "device": torch.cuda.get_device_name() if device.type == "cuda" else "cpu",
            "dtype": str(base.model.dtype).removeprefix("torch."),
            "residency": base.residency,
            "kernel": self._engine.packed.kernels.report(),
            "threads": settings.threads,
            "has_chat_template": self._engine.prompts.has_template,
            "context_tokens": base.model.config.get_text_config().max_position_embeddings,
            "shortened_rows": self._engine.shortened_rows,
            "load_seconds": time.monotonic() - started,
        }

    def info(self) -> dict[str, Any]:
        """Facts about the loaded model, for environment.json and cache keys.

        Raises:
            RaykftError: the model could not be loaded, or the rows could not be encoded.
        """
        if self._failure is not None:
            raise self._failure
        return self._info

    @property
    def broken(self) -> bool:
        """Whether the ranks have lost each other and must be started again."""
        return self._failure is None and self._engine.ranks.broken

    def tokens_trained(self) -> int:
        return self._engine.tokens_trained

    def capacity(self) -> HostCapacity:
        """What training steps cost here and what memory there is; to be asked before any trial is attached."""
        import psutil
        import torch

        from raykft.models.load import compute_dtype
        from raykft.train.measure import shape_of_model

        engine, whole = self._engine, psutil.virtual_memory().total
        device = engine.packed.device
        cuda = device.type == "cuda"
        return HostCapacity(
            line=engine.step_times(),
            row_tokens=engine.row_tokens,
            shape=shape_of_model(engine.packed.base),
            memory_bytes=torch.cuda.get_device_properties(device).total_memory
            if cuda
            else whole // self._hosts_on_node,
            machine_bytes=whole,
            matrix_units=compute_dtype(torch.device("cpu")) is torch.bfloat16,
        )

    def step_limit(self) -> int | None:
        """The most tokens of a training step since one ran out of memory; None where none has."""
        return self._engine.step_limit

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self._read_from.pop(trial_id, None)
        if checkpoint is not None:
            fetch(checkpoint)
        return self._engine.attach(trial_id, recipe, checkpoint)

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        fetch(directory)
        self._engine.attach_adapter(trial_id, directory)
        self._read_from[trial_id] = directory

    def publish(self, trial_id: str, directory: Path) -> tuple[Path, str]:
        """Where the adapter lies as files for other hosts to read, and the digest of its content.

        One in training is saved to `directory` first; a finished one stays where it was read from.
        """
        source = self._read_from.get(trial_id)
        if source is None:
            source = directory
            self.save_adapter(trial_id, source)
        return source, adapter_digest(source)

    def train_epoch(self, trial_id: str) -> EpochReport:
        return self._engine.train_epoch(trial_id)

    def stop_epoch(self, trial_id: str) -> None:
        self._engine.stop_epoch(trial_id)

    def untrained_modules(self, trial_id: str) -> list[str]:
        return self._engine.untrained_modules(trial_id)

    def save_adapter(self, trial_id: str, directory: Path) -> None:
        self._engine.save_adapter(trial_id, directory)
        keep(directory)

    def save_checkpoint(self, trial_id: str, directory: Path) -> None:
        self._engine.save_checkpoint(trial_id, directory)
        keep(directory)
        release(directory)  # of a storage's copy: `attach` fetches it where it is needed

    def detach(self, trial_id: str) -> None:
        self._engine.detach(trial_id)
        self._read_from.pop(trial_id, None)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return self._engine.answer(trial_id, questions)

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return self._engine.choose(trial_id, picks)

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return self._engine.text_nats(trial_id, texts)

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        return self._engine.drift(trial_id, exchanges)


def _leave() -> None:
    """End this process: Ray starts it anew, with a device that works again."""
    time.sleep(FAREWELL_S)
    os._exit(1)


def adapter_digest(directory: Path) -> str:
    """SHA-256 of what an adapter computes: its weights, and its config but for where its base model lies."""
    digest = hashlib.sha256()
    with (directory / ADAPTER_WEIGHTS).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    config = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config.pop("base_model_name_or_path", None)
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()
