"""Several processes that train one trial at a time together, kept up by Ray Train, and the calls that reach them.

Each takes its calls from here and tells here what became of them. When one dies, Ray Train starts all of them again.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import pickle
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import ray
from ray import train
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util import get_current_placement_group, remove_placement_group
from ray.util.placement_group import PlacementGroup

from raykft.errors import LostError, RaykftError, ResourceError, last_line
from raykft.hosts.actor import HostConfig, ReplicaHost
from raykft.paths import write_atomic
from raykft.records import Document, TrainRow
from raykft.storage.store import address

log = logging.getLogger(__name__)

START_SECONDS = 120  # that processes may take to come up once they have their places
MAX_STARTS = 3  # deaths in a row before all replicas were up
CALLS_AT_ONCE = 8  # of one replica: a trial in training beside adapters that are questioned
# How long replicas wait for each other: one may answer questions while the others are ready for the next step.
MEETING_SECONDS = 1800
CLOSING_SECONDS = 60


@dataclass(frozen=True)
class GroupPlan:
    """The replicas behind one host.

    Attributes:
        replicas: how many there are.
        bundle: what each of them reserves, in Ray's words.
        wait_minutes: how long to wait for their places.
        directory: where Ray Train keeps its own small files; every node must see it.
    """

    replicas: int
    bundle: dict[str, float]
    wait_minutes: float
    directory: Path


class OwnDevice(TorchConfig):  # type: ignore[misc]
    """A process group whose replicas see one device each, so that a host needs not know which one is its own."""

    @property
    def backend_cls(self) -> type:
        return type("OwnDeviceBackend", (super().backend_cls,), {"share_cuda_visible_devices": False})


class Watch(train.UserCallback):  # type: ignore[misc]
    """Tells the front what Ray Train's controller has seen of dead replicas."""

    def __init__(self, front: Any) -> None:
        self._front = front

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
        reasons = "; ".join(f"replica {replica}: {last_line(error)}" for replica, error in worker_exceptions.items())
        ray.get(self._front.lost.remote(reasons))


class ReplicaGroup:
    """The replicas behind one host: who is up, and calls on their way to them.

    An actor class, or part of one; asynchronous, so that waiting replicas hold no thread.
    """

    def __init__(
        self,
        config: HostConfig,
        train_rows: Sequence[TrainRow],
        distractors: Sequence[TrainRow],
        text: Sequence[Document],
        group: GroupPlan,
    ) -> None:
        self._group = group
        self._material = (config, train_rows, distractors, text)
        self._numbers = itertools.count()
        self._life = 0  # of the replicas; a call from an earlier one is not heard
        self._queues = self._new_queues()
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._present: set[int] = set()
        self._infos: dict[int, dict[str, Any]] = {}
        self._placed, self._decided = asyncio.Event(), asyncio.Event()
        self._failure: RaykftError | None = None
        self._closing = False
        self._starts = 0
        context = ray.get_runtime_context()
        self._name = f"replicas-{context.get_actor_id()}"
        self._remove_left_places()
        self._trainer = threading.Thread(
            target=self._fit, args=(context.current_actor,), name="raykft-replicas", daemon=True
        )
        self._trainer.start()

    def _fit(self, front: Any) -> None:
        """Keep the replicas running for as long as this process lives."""
        group = self._group
        trainer = TorchTrainer(
            serve,
            train_loop_config={"front": front},
            torch_config=OwnDevice(
                backend="cpu:gloo,cuda:nccl" if group.bundle.get("GPU") else "gloo", timeout_s=MEETING_SECONDS
            ),
            scaling_config=train.ScalingConfig(
                num_workers=group.replicas, use_gpu=bool(group.bundle.get("GPU")), resources_per_worker=group.bundle
            ),
            run_config=train.RunConfig(
                name=self._name,
                storage_path=address(group.directory),
                failure_config=train.FailureConfig(max_failures=-1),
                callbacks=[Watch(front)],
            ),
        )
        try:
            trainer.fit()
        except Exception as error:  # said to whoever asks: this thread has nobody above it
            ray.get(front.given_up.remote(last_line(error)))

    # What replicas and their watch call.

    async def join(self, replica: int, places: str) -> tuple[int, tuple[Any, ...]]:
        """A replica has its place in the placement group `places`; returns the replicas' life and what to load."""
        if replica in self._present:
            self._disband("its replicas were started again")
        write_atomic(self._places_file, places)
        self._present.add(replica)
        if len(self._present) == self._group.replicas:
            self._placed.set()
        config, *rows = self._material
        return self._life, (replace(config, replica=replica, replicas=self._group.replicas), *rows)

    async def loaded(self, replica: int, life: int, outcome: dict[str, Any] | RaykftError) -> None:
        """A replica has its base model, or cannot have it."""
        if life != self._life:
            return
        if isinstance(outcome, RaykftError):
            self._fail(outcome)
            return
        self._infos[replica] = outcome
        if len(self._infos) == self._group.replicas:
            self._starts, self._failure = 0, None
            self._decided.set()

    async def take(self, replica: int, life: int) -> tuple[int, str, tuple[Any, ...]] | None:
        """The next call for a replica: its number, the method, the arguments. None: the host is closed.

        Raises:
            LostError: these replicas must end; Ray Train starts all of them again.
        """
        call: tuple[int, str, tuple[Any, ...]] | None
        call = await self._queues[replica].get() if life == self._life else None
        if call is None and not self._closing:
            raise LostError("the replicas are started again")
        return call

    async def settle(self, number: int, result: Any, error: Exception | None, broken: bool) -> None:
        """What became of a call."""
        future = self._open.pop(number, None)
        if future is not None and not future.done():
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)
        if broken and future is not None:
            self._disband("its replicas lost each other")

    async def lost(self, reasons: str) -> None:
        """One or more replicas have died; Ray Train starts all of them again."""
        self._disband(reasons)

    async def given_up(self, reason: str) -> None:
        self._fail(ResourceError(f"the {self._group.replicas} replicas of a host cannot be started: {reason}"))

    async def close(self) -> None:
        """End the replicas and give their places back."""
        self._closing = True
        self._disband("the host was closed")
        await asyncio.to_thread(self._trainer.join, CLOSING_SECONDS)

    # Calls to replicas.

    @property
    def _whole(self) -> bool:
        return len(self._infos) == self._group.replicas

    async def _ask(self, replica: int, method: str, *arguments: Any) -> Any:
        if not self._whole:
            raise LostError("the replicas of this host are being started again")
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._queues[replica].put_nowait((number, method, arguments))
        return await future

    async def _everywhere(self, method: str, *arguments: Any) -> list[Any]:
        """The results of all replicas; where one failed, its own error rather than what the others say of it."""
        return await self._all([self._ask(replica, method, *arguments) for replica in range(self._group.replicas)])

    async def _all(self, calls: Sequence[Any]) -> list[Any]:
        results = await asyncio.gather(*calls, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, RaykftError))
        return results

    def _disband(self, reason: str) -> None:
        """No call that is open will be answered by these replicas, and none of them will take another."""
        if not self._closing:
            log.warning("the %d replicas of a host start again: %s", self._group.replicas, reason)
        if self._present and not self._whole:
            self._starts += 1
        if self._starts >= MAX_STARTS:
            self._fail(ResourceError(f"the replicas of a host died {MAX_STARTS} times while they started: {reason}"))
        self._life += 1
        self._present.clear()
        self._infos.clear()
        waiting, self._open = self._open, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LostError(f"a host of {self._group.replicas} replicas was lost: {reason}"))
        left, self._queues = self._queues, self._new_queues()
        for queue in left:
            queue.put_nowait(None)

    @property
    def _places_file(self) -> Path:
        return self._group.directory / f"{self._name}.txt"

    def _remove_left_places(self) -> None:
        """Give back what the replicas of a front that died still hold: where Ray has no dashboard, nobody else does."""
        if self._places_file.is_file():
            places = bytes.fromhex(self._places_file.read_text(encoding="utf-8"))
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(places)))

    def _new_queues(self) -> list[asyncio.Queue[Any]]:
        return [asyncio.Queue() for _ in range(self._group.replicas)]

    def _fail(self, failure: RaykftError) -> None:
        self._failure = self._failure or failure
        self._placed.set()
        self._decided.set()


def serve(job: dict[str, Any]) -> None:
    """What every replica runs, as Ray Train's training function: a host that does what the front asks for.

    Raises:
        LostError: the replicas must be started again, which Ray Train does on any error.
    """
    front, replica = job["front"], train.get_context().get_world_rank()
    places = get_current_placement_group().id.hex()
    life, material = ray.get(front.join.remote(replica, places))
    host = ReplicaHost(*material)
    try:
        outcome: dict[str, Any] | RaykftError = host.info()
    except RaykftError as error:
        outcome = error
    ray.get(front.loaded.remote(replica, life, outcome))

    def run(number: int, method: str, arguments: tuple[Any, ...]) -> None:
        result, failure = None, None
        try:
            result = getattr(host, method)(*arguments)
        except Exception as error:  # the caller's, wherever it is
            failure = sendable(error, replica)
        front.settle.remote(number, result, failure, host.broken)

    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="call") as pool:
        while call := ray.get(front.take.remote(replica, life)):
            pool.submit(run, *call)


def sendable(error: Exception, replica: int) -> Exception:
    """`error` in a form that travels, with the traceback of a bug as its note: pickling drops tracebacks."""
    if isinstance(error, RaykftError):
        return error
    where = f"on replica {replica}:\n{''.join(traceback.format_exception(error))}"
    error.add_note(where)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does when pickled
        return RuntimeError(where)
    return error
