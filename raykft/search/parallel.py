"""A host of several ranks: one trial at a time, data-parallel over `resources.gpus_per_trial` devices.

To the trial, the evaluator and the broker it is a host like any other. Behind it a TorchTrainer keeps one worker per
device; each holds a `TrainingHost` of its own and takes calls from here. Workers stay up between trials, because a base
model takes longer to load than many an epoch. When one dies, Ray Train starts all of them again, and the trial goes on
from its last checkpoint as after the death of any host.
"""

from __future__ import annotations

import asyncio
import itertools
import pickle
import threading
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import ray
from ray import train
from ray.train.torch import TorchConfig, TorchTrainer
from ray.util import get_current_placement_group, remove_placement_group
from ray.util.placement_group import PlacementGroup

from raykft import storage
from raykft.cluster import DEFAULT_WAIT_MINUTES, HostPlan
from raykft.errors import LostError, RaykftError, ResourceError, last_line
from raykft.paths import write_atomic
from raykft.records import Pick, Question, Reply, TrainRow
from raykft.train.host import HostSettings, TrainingHost
from raykft.train.recipe import EpochReport, Recipe

START_SECONDS = 120  # that processes may take to come up once they have their places
MAX_STARTS = 3  # deaths in a row before all ranks were up
CALLS_AT_ONCE = 8  # of one rank: a trial in training beside adapters that are questioned
# How long ranks wait for each other: one may answer questions while the others are ready for the next step.
MEETING_SECONDS = 1800
CLOSING_SECONDS = 60


@dataclass(frozen=True)
class Group:
    """The ranks behind one host.

    Attributes:
        ranks: how many there are.
        bundle: what each of them reserves, in Ray's words.
        wait_minutes: how long to wait for their places.
        directory: where Ray Train keeps its own small files; every node must see it.
    """

    ranks: int
    bundle: dict[str, float]
    wait_minutes: float
    directory: Path


class OwnDevice(TorchConfig):  # type: ignore[misc]
    """A process group whose ranks see one device each, so that a host needs not know which one is its own."""

    @property
    def backend_cls(self) -> type:
        return type("OwnDeviceBackend", (super().backend_cls,), {"share_cuda_visible_devices": False})


class Watch(train.UserCallback):  # type: ignore[misc]
    """Tells the front what Ray Train's controller has seen of dead ranks."""

    def __init__(self, front: Any) -> None:
        self._front = front

    def after_exception(self, run_context: Any, worker_exceptions: dict[int, Exception]) -> None:  # noqa: ARG002
        reasons = "; ".join(f"rank {rank}: {last_line(error)}" for rank, error in worker_exceptions.items())
        ray.get(self._front.lost.remote(reasons))


class ParallelHost:
    """The actor class of the front; asynchronous, so that waiting ranks hold no thread. Implements `raykft.trial.Host`.

    Calls that change an adapter go to every rank, questions are dealt out among them, files are the first one's affair.
    """

    def __init__(
        self, settings: HostSettings, train_rows: Sequence[TrainRow], distractors: Sequence[TrainRow], group: Group
    ) -> None:
        self._group = group
        self._material = (settings, train_rows, distractors)
        self._numbers = itertools.count()
        self._life = 0  # of the ranks; a call from an earlier one is not heard
        self._queues = self._new_queues()
        self._open: dict[int, asyncio.Future[Any]] = {}
        self._present: set[int] = set()
        self._infos: dict[int, dict[str, Any]] = {}
        self._placed, self._decided = asyncio.Event(), asyncio.Event()
        self._failure: RaykftError | None = None
        self._closing = False
        self._starts = 0
        self._one_epoch = asyncio.Lock()
        self._epoch: tuple[str, asyncio.Task[list[EpochReport]]] | None = None
        context = ray.get_runtime_context()
        self._name = f"ranks-{context.get_actor_id()}"
        self._remove_left_places()
        self._trainer = threading.Thread(
            target=self._fit, args=(context.current_actor,), name="raykft-ranks", daemon=True
        )
        self._trainer.start()

    def _fit(self, front: Any) -> None:
        """Keep the ranks running for as long as this process lives."""
        group = self._group
        trainer = TorchTrainer(
            serve,
            train_loop_config={"front": front},
            torch_config=OwnDevice(
                backend="cpu:gloo,cuda:nccl" if group.bundle.get("GPU") else "gloo", timeout_s=MEETING_SECONDS
            ),
            scaling_config=train.ScalingConfig(
                num_workers=group.ranks, use_gpu=bool(group.bundle.get("GPU")), resources_per_worker=group.bundle
            ),
            run_config=train.RunConfig(
                name=self._name,
                storage_path=storage.address(group.directory),
                failure_config=train.FailureConfig(max_failures=-1),
                callbacks=[Watch(front)],
            ),
        )
        try:
            trainer.fit()
        except Exception as error:  # said to whoever asks: this thread has nobody above it
            ray.get(front.given_up.remote(last_line(error)))

    # What ranks and their watch call.

    async def join(
        self, rank: int, places: str
    ) -> tuple[int, tuple[HostSettings, Sequence[TrainRow], Sequence[TrainRow]]]:
        """A rank has its place in the placement group `places`; returns the ranks' life and what to load."""
        if rank in self._present:
            self._disband("its ranks were started again")
        write_atomic(self._places_file, places)
        self._present.add(rank)
        if len(self._present) == self._group.ranks:
            self._placed.set()
        settings, train_rows, distractors = self._material
        return self._life, (replace(settings, rank=rank, ranks=self._group.ranks), train_rows, distractors)

    async def loaded(self, rank: int, life: int, outcome: dict[str, Any] | RaykftError) -> None:
        """A rank has its base model, or cannot have it."""
        if life != self._life:
            return
        if isinstance(outcome, RaykftError):
            self._fail(outcome)
            return
        self._infos[rank] = outcome
        if len(self._infos) == self._group.ranks:
            self._starts, self._failure = 0, None
            self._decided.set()

    async def take(self, rank: int, life: int) -> tuple[int, str, tuple[Any, ...]] | None:
        """The next call for a rank: its number, the method, the arguments. None: the host is closed.

        Raises:
            LostError: these ranks must end; Ray Train starts all of them again.
        """
        call: tuple[int, str, tuple[Any, ...]] | None
        call = await self._queues[rank].get() if life == self._life else None
        if call is None and not self._closing:
            raise LostError("the ranks are started again")
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
            self._disband("its ranks lost each other")

    async def lost(self, reasons: str) -> None:
        """One or more ranks have died; Ray Train starts all of them again."""
        self._disband(reasons)

    async def given_up(self, reason: str) -> None:
        self._fail(ResourceError(f"the {self._group.ranks} ranks of a host cannot be started: {reason}"))

    # What a trial, the evaluator, the broker and the crew call.

    async def info(self) -> dict[str, Any]:
        """Facts about the loaded model, as every host gives; waits while the ranks start for the first time.

        Raises:
            RaykftError: the model could not be loaded, or the rows could not be encoded.
            ResourceError: there is no place for all ranks.
            LostError: the ranks are being started again.
        """
        minutes, ranks = self._group.wait_minutes, self._group.ranks
        try:
            await asyncio.wait_for(self._placed.wait(), 60 * minutes + START_SECONDS)
        except TimeoutError:
            kind = "GPUs" if self._group.bundle.get("GPU") else "CPU cores"
            raise ResourceError(
                f"resources.gpus_per_trial {ranks}: {ranks} free {kind} were not there within {minutes:g} min: other "
                "jobs use them, or no node came; lower it, or set a longer resources.wait_minutes"
            ) from None
        await self._decided.wait()
        if self._failure is not None:
            raise self._failure
        if not self._whole:
            raise LostError("the ranks of this host are being started again")
        return self._infos[0] | {"ranks": ranks}

    async def close(self) -> None:
        """End the ranks and give their places back."""
        self._closing = True
        self._disband("the host was closed")
        await asyncio.to_thread(self._trainer.join, CLOSING_SECONDS)

    async def step_limit(self) -> None:
        """One trial a host: a step that finds no memory ends the trial."""

    async def tokens_trained(self) -> int:
        return int(await self._ask(0, "tokens_trained")) if self._whole else 0

    async def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        await self._end_epoch(trial_id)
        modules: list[list[str]] = await self._everywhere("attach", trial_id, recipe, checkpoint)
        return modules[0]

    async def attach_adapter(self, trial_id: str, directory: Path) -> None:
        await self._everywhere("attach_adapter", trial_id, directory)

    async def publish(self, trial_id: str, directory: Path) -> tuple[Path, str]:
        return cast(tuple[Path, str], await self._ask(0, "publish", trial_id, directory))

    async def train_epoch(self, trial_id: str) -> EpochReport:
        # Ranks meet in every step: steps of two trials would have to come in the same order everywhere.
        async with self._one_epoch:
            epoch = asyncio.ensure_future(self._everywhere("train_epoch", trial_id))
            self._epoch = trial_id, epoch
            reports: list[EpochReport] = await epoch
            return reports[0]

    async def untrained_modules(self, trial_id: str) -> list[str]:
        return cast(list[str], await self._ask(0, "untrained_modules", trial_id))

    async def save_adapter(self, trial_id: str, directory: Path) -> None:
        await self._ask(0, "save_adapter", trial_id, directory)

    async def save_checkpoint(self, trial_id: str, directory: Path) -> None:
        await self._ask(0, "save_checkpoint", trial_id, directory)

    async def detach(self, trial_id: str) -> None:
        with suppress(LostError):  # then it has gone with the ranks
            await self._end_epoch(trial_id)
            await self._everywhere("detach", trial_id)

    async def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return await self._deal("answer", trial_id, questions)

    async def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return await self._deal("choose", trial_id, picks)

    async def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return await self._deal("text_nats", trial_id, texts)

    async def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        return await self._deal("drift", trial_id, exchanges)

    # Calls to ranks.

    @property
    def _whole(self) -> bool:
        return len(self._infos) == self._group.ranks

    async def _ask(self, rank: int, method: str, *arguments: Any) -> Any:
        if not self._whole:
            raise LostError("the ranks of this host are being started again")
        number = next(self._numbers)
        future = self._open[number] = asyncio.get_running_loop().create_future()
        self._queues[rank].put_nowait((number, method, arguments))
        return await future

    async def _everywhere(self, method: str, *arguments: Any) -> list[Any]:
        """The results of all ranks; where one failed, its own error rather than what the others say of it."""
        return await self._all([self._ask(rank, method, *arguments) for rank in range(self._group.ranks)])

    async def _deal(self, method: str, trial_id: str | None, items: Sequence[Any]) -> list[Any]:
        """Items dealt out in turn, results in the items' order."""
        ranks = min(self._group.ranks, len(items))
        hands = await self._all([self._ask(rank, method, trial_id, items[rank::ranks]) for rank in range(ranks)])
        results: list[Any] = [None] * len(items)
        for rank, hand in enumerate(hands):
            results[rank::ranks] = hand
        return results

    async def _all(self, calls: Sequence[Any]) -> list[Any]:
        results = await asyncio.gather(*calls, return_exceptions=True)
        errors = [result for result in results if isinstance(result, BaseException)]
        if errors:
            raise min(errors, key=lambda error: isinstance(error, RaykftError))
        return results

    async def _end_epoch(self, trial_id: str) -> None:
        """A running epoch of the trial ends at its next step: on all ranks at the same one, so that none waits."""
        if self._epoch is None or self._epoch[0] != trial_id or self._epoch[1].done():
            return
        await self._ask(0, "stop_epoch", trial_id)
        await asyncio.wait([self._epoch[1]])

    def _disband(self, reason: str) -> None:
        """No call that is open will be answered by these ranks, and none of them will take another."""
        if self._present and not self._whole:
            self._starts += 1
        if self._starts >= MAX_STARTS:
            self._fail(ResourceError(f"the ranks of a host died {MAX_STARTS} times while they started: {reason}"))
        self._life += 1
        self._present.clear()
        self._infos.clear()
        waiting, self._open = self._open, {}
        for future in waiting.values():
            if not future.done():
                future.set_exception(LostError(f"a host of {self._group.ranks} ranks was lost: {reason}"))
        left, self._queues = self._queues, self._new_queues()
        for queue in left:
            queue.put_nowait(None)

    @property
    def _places_file(self) -> Path:
        return self._group.directory / f"{self._name}.txt"

    def _remove_left_places(self) -> None:
        """Give back what the ranks of a front that died still hold: where Ray has no dashboard, nobody else does."""
        if self._places_file.is_file():
            places = bytes.fromhex(self._places_file.read_text(encoding="utf-8"))
            remove_placement_group(PlacementGroup(ray.PlacementGroupID(places)))

    def _new_queues(self) -> list[asyncio.Queue[Any]]:
        return [asyncio.Queue() for _ in range(self._group.ranks)]

    def _fail(self, failure: RaykftError) -> None:
        self._failure = self._failure or failure
        self._placed.set()
        self._decided.set()


def start(
    plan: HostPlan,
    arguments: Sequence[Any],
    directory: Path,
    wait_minutes: float | None,
    place: Any,
    options: dict[str, float],
) -> Any:
    """The handle of a new `ParallelHost` in its own `place`; `arguments` are its own but for the group."""
    minutes = DEFAULT_WAIT_MINUTES if wait_minutes is None else wait_minutes
    group = Group(plan.ranks, plan.bundle, minutes, directory)
    actor = ray.remote(ParallelHost).options(
        max_concurrency=4 * plan.ranks + 16, max_restarts=-1, scheduling_strategy=place, **options
    )
    return actor.remote(*arguments, group)


def close(hosts: Sequence[Any]) -> None:
    """End the ranks of hosts; those of one that is dead end with it."""
    for reference in [host.close.remote() for host in hosts]:
        with suppress(ray.exceptions.RayError):
            ray.get(reference, timeout=CLOSING_SECONDS)


def serve(job: dict[str, Any]) -> None:
    """What every rank runs, as Ray Train's training function: a host that does what the front asks for.

    Raises:
        LostError: the ranks must be started again, which Ray Train does on any error.
    """
    front, rank = job["front"], train.get_context().get_world_rank()
    places = get_current_placement_group().id.hex()
    life, (settings, train_rows, distractors) = ray.get(front.join.remote(rank, places))
    host = TrainingHost(settings, train_rows, distractors)
    try:
        outcome: dict[str, Any] | RaykftError = host.info()
    except RaykftError as error:
        outcome = error
    ray.get(front.loaded.remote(rank, life, outcome))

    def run(number: int, method: str, arguments: tuple[Any, ...]) -> None:
        result, failure = None, None
        try:
            result = getattr(host, method)(*arguments)
        except Exception as error:  # the caller's, wherever it is
            failure = sendable(error, rank)
        front.settle.remote(number, result, failure, host.broken)

    with ThreadPoolExecutor(CALLS_AT_ONCE, thread_name_prefix="call") as pool:
        while call := ray.get(front.take.remote(rank, life)):
            pool.submit(run, *call)


def sendable(error: Exception, rank: int) -> Exception:
    """`error` in a form that travels, with the traceback of a bug as its note: pickling drops tracebacks."""
    if isinstance(error, RaykftError):
        return error
    where = f"on rank {rank}:\n{''.join(traceback.format_exception(error))}"
    error.add_note(where)
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # whatever its class does when pickled
        return RuntimeError(where)
    return error
