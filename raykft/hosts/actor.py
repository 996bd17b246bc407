"""The training host as a Ray actor: an engine in a process of its own, whose files may belong to a storage."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from raykft.errors import RaykftError
from raykft.paths import teacher_cache_dir
from raykft.provenance import allocator
from raykft.records import Document, Pick, Question, Reply, TrainRow
from raykft.storage.store import fetch, keep, release
from raykft.train.admission import HostCapacity, HostCounters
from raykft.train.recipe import EpochResult, Recipe

if TYPE_CHECKING:
    from raykft.train.engine import ReplicaEngine

FAREWELL_S = 2.0  # for errors on their way to trials
FAKE = "fake:"
# Classes of hosts for base models of other kinds, by what `base_model` starts with; `raykft.testing` adds one.
HOST_CLASSES: dict[str, type] = {}


@dataclass(frozen=True)
class HostConfig:
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
    compute_dtype: str = "auto"
    told: Mapping[str, str] | None = None  # what a teacher reads instead of a row's question, by the row's id
    replica: int = 0
    replicas: int = 1  # processes that train every adapter together


class TrainingHost:
    """The actor class (the crew applies `ray.remote`), a `raykft.hosts.protocol.Host`. Imports nothing heavy before
    its process does."""

    def __init__(
        self,
        config: HostConfig,
        train_rows: Sequence[TrainRow],
        distractors: Sequence[TrainRow],
        text: Sequence[Document] = (),
    ) -> None:
        self._failure: RaykftError | None = None
        try:
            self._start(config, train_rows, distractors, text)
        except RaykftError as error:
            # Raised from `info`: an error in an actor's constructor reaches the driver as text only.
            self._failure = error

    def _start(
        self,
        config: HostConfig,
        train_rows: Sequence[TrainRow],
        distractors: Sequence[TrainRow],
        text: Sequence[Document],
    ) -> None:
        started = time.monotonic()
        # Before torch starts its pool: a second thread per host makes two hosts on two cores slower, not faster.
        os.environ["OMP_NUM_THREADS"] = str(config.threads)
        from raykft.models.load import check_memory, limit_threads, load_base, pick_device
        from raykft.models.source import resolve_model, weights_bytes
        from raykft.train.engine import HostEngine, ReplicaEngine
        from raykft.train.parallel import Replicas

        limit_threads(config.threads)
        device = pick_device(config.device)
        source = resolve_model(config.base_model)
        if device.type == "cpu":
            fp32 = config.compute_dtype != "bf16"
            check_memory(weights_bytes(source), config.hosts_on_node, may_be_fp32=fp32)
        base = load_base(
            source,
            quantization=config.quantization,
            residency=config.residency,
            device=device,
            kernel=config.kernel,
            compute_dtype=config.compute_dtype,
        )
        kind = ReplicaEngine if config.replicas > 1 else HostEngine
        self._engine = kind(
            base,
            train_rows=train_rows,
            distractors=distractors,
            text=text,
            system_prompt=config.system_prompt,
            plain_prompt=config.plain_prompt,
            max_length=config.max_length,
            batch_size=config.batch_size,
            told=config.told,
            teacher_cache=teacher_cache_dir(),
            replicas=Replicas(config.replica, config.replicas),
            sharing=config.hosts_on_node,
            on_broken=_leave,
        )
        self._info = self._engine.info() | {"allocator": allocator(), "load_seconds": time.monotonic() - started}

    def info(self) -> dict[str, Any]:
        if self._failure is not None:
            raise self._failure
        return self._info

    def capacity(self) -> HostCapacity:
        return self._engine.capacity()

    def counters(self) -> HostCounters:
        return self._engine.counters()

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self.detach(trial_id)  # a stale one of the same name may still be written
        if checkpoint is not None:
            fetch(checkpoint)
        return self._engine.attach(trial_id, recipe, checkpoint)

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        fetch(directory)
        self._engine.attach_adapter(trial_id, directory)

    def publish(self, trial_id: str) -> tuple[Path, str]:
        return self._engine.publish(trial_id)

    def train_epoch(self, trial_id: str) -> EpochResult:
        return self._engine.train_epoch(trial_id)

    def save(self, trial_id: str, adapter: Path, checkpoint: Path | None = None) -> None:
        def store() -> None:
            keep(adapter)
            if checkpoint is not None:
                keep(checkpoint)
                release(checkpoint)  # of a storage's copy: `attach` fetches it where it is needed

        self._engine.save(trial_id, adapter, checkpoint, store)

    def saved(self, trial_id: str) -> None:
        self._engine.saved(trial_id)

    def detach(self, trial_id: str) -> None:
        self._engine.detach(trial_id)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return self._engine.answer(trial_id, questions)

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return self._engine.choose(trial_id, picks)

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return self._engine.text_nats(trial_id, texts)

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        return self._engine.drift(trial_id, exchanges)


class ReplicaHost(TrainingHost):
    """One of several processes that train every adapter together."""

    @property
    def broken(self) -> bool:
        """Whether the replicas have lost each other and must be started again."""
        return self._failure is None and self._engine.replicas.broken

    def stop_epoch(self, trial_id: str) -> None:
        engine = cast("ReplicaEngine", self._engine)
        engine.stop_epoch(trial_id)


def faster_dtype(base_model: str, threads: int) -> str:
    """The type that this machine multiplies the shapes of a model faster in, "bf16" or "fp32"."""
    os.environ["OMP_NUM_THREADS"] = str(threads)
    from raykft.models.dtype import DTYPES, choose_dtype
    from raykft.models.load import limit_threads, pick_device
    from raykft.models.shape import shape_of

    limit_threads(threads)
    try:
        shape = shape_of(base_model)
    except RaykftError:  # loading will say what is wrong with it
        shape = None
    chosen = choose_dtype("auto", pick_device("cpu"), shape)
    return next(name for name, dtype in DTYPES.items() if dtype is chosen)


def _leave() -> None:
    """End this process: Ray starts it anew, with a device that works again."""
    time.sleep(FAREWELL_S)
    os._exit(1)
