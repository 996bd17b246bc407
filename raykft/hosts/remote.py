"""Calls to actors: errors that come through as themselves, hosts that look local, arguments that survive a restart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ray
from ray import cloudpickle
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from raykft.cluster.places import check_nodes
from raykft.errors import LostError, RaykftError
from raykft.records import Pick, Question, Reply
from raykft.train.admission import HostCapacity, HostCounters
from raykft.train.recipe import EpochResult, Recipe

# Larger arguments lie in Ray's object store once, not in every actor's description: half of what Ray takes for large.
INLINE_BYTES = 50_000
LOOK_SECONDS = 20.0  # of waiting, between looks at the nodes


def get(refs: Any) -> Any:
    """`ray.get` that lets raykft's own errors through as themselves, and waits for nobody where all nodes are gone."""
    try:
        while True:
            try:
                return ray.get(refs, timeout=LOOK_SECONDS)
            except ray.exceptions.GetTimeoutError:
                check_nodes()
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, RaykftError):
            raise error.cause from None
        raise
    except ray.exceptions.ActorDiedError as error:
        raise LostError(f"a raykft actor died: {error}") from error


class RemoteHost:
    """A host behind an actor's handle, as a `raykft.hosts.protocol.Host`. Errors arrive as Ray wraps them."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    def _ask(self, method: str, *arguments: Any) -> Any:
        return ray.get(getattr(self.handle, method).remote(*arguments))

    def info(self) -> dict[str, Any]:
        found: dict[str, Any] = self._ask("info")
        return found

    def capacity(self) -> HostCapacity:
        found: HostCapacity = self._ask("capacity")
        return found

    def counters(self) -> HostCounters:
        found: HostCounters = self._ask("counters")
        return found

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        modules: list[str] = self._ask("attach", trial_id, recipe, checkpoint)
        return modules

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        self._ask("attach_adapter", trial_id, directory)

    def publish(self, trial_id: str) -> tuple[Path, str]:
        published: tuple[Path, str] = self._ask("publish", trial_id)
        return published

    def train_epoch(self, trial_id: str) -> EpochResult:
        epoch: EpochResult = self._ask("train_epoch", trial_id)
        return epoch

    def save(self, trial_id: str, adapter: Path, checkpoint: Path | None = None) -> None:
        self._ask("save", trial_id, adapter, checkpoint)

    def saved(self, trial_id: str) -> None:
        self._ask("saved", trial_id)

    def detach(self, trial_id: str) -> None:
        self._ask("detach", trial_id)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        replies: list[Reply] = self._ask("answer", trial_id, questions)
        return replies

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        rows: list[list[float]] = self._ask("choose", trial_id, picks)
        return rows

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        nats: list[float] = self._ask("text_nats", trial_id, texts)
        return nats

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        rows: list[tuple[float, int]] = self._ask("drift", trial_id, exchanges)
        return rows


class Sealed:
    """Arrives in an actor as `value`. Ray takes handles and large values in an actor's arguments for objects that a
    restart may lose, and says so on the terminal; it does not see those that are sealed. The crew keeps them all alive.
    """

    def __init__(self, value: Any) -> None:
        # Here: while Ray serializes arguments it sees every handle in them.
        packed = cloudpickle.dumps(value)
        self._large = len(packed) > INLINE_BYTES
        self._sealed = cloudpickle.dumps(ray.put(packed)) if self._large else packed

    def __reduce__(self) -> Any:
        return (_fetch if self._large else cloudpickle.loads), (self._sealed,)


def _fetch(sealed: bytes) -> Any:
    return cloudpickle.loads(ray.get(cloudpickle.loads(sealed)))


def on_this_node() -> dict[str, Any]:
    """Options of an actor that lives and dies with the driver's node; one that is killed there starts again.

    What it was asked is asked again: that must be harmless.
    """
    here = ray.get_runtime_context().get_node_id()
    place = NodeAffinitySchedulingStrategy(here, soft=False)
    return {"num_cpus": 0, "scheduling_strategy": place, "max_restarts": -1, "max_task_retries": -1}
