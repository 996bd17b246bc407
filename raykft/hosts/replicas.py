"""A host of several replicas: one trial at a time, data-parallel over `resources.gpus_per_trial` devices.

To the trial, the evaluator and the broker it is a host like any other. Behind it a TorchTrainer keeps one process per
device; each holds a host of its own. They stay up between trials, because a base model takes longer to load than many
an epoch. When one dies, the trial goes on from its last checkpoint as after the death of any host.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import ray

from raykft.cluster.places import DEFAULT_WAIT_MINUTES, HostPlan
from raykft.errors import LostError, ResourceError
from raykft.hosts.actor import HostConfig
from raykft.hosts.group import CLOSING_SECONDS, START_SECONDS, GroupPlan, ReplicaGroup
from raykft.records import Document, Pick, Question, Reply, TrainRow
from raykft.train.admission import HostCapacity, HostCounters
from raykft.train.recipe import EpochResult, Recipe


class ParallelHost(ReplicaGroup):
    """The actor class, a `raykft.hosts.protocol.Host` whose methods are coroutines.

    Calls that change an adapter go to every replica, questions are dealt out among them, files are the first one's
    affair.
    """

    def __init__(
        self,
        config: HostConfig,
        train_rows: Sequence[TrainRow],
        distractors: Sequence[TrainRow],
        text: Sequence[Document],
        group: GroupPlan,
    ) -> None:
        super().__init__(config, train_rows, distractors, text, group)
        self._one_epoch = asyncio.Lock()
        self._epoch: tuple[str, asyncio.Task[list[EpochResult]]] | None = None

    async def info(self) -> dict[str, Any]:
        """Facts about the loaded model, as every host gives; waits while the replicas start for the first time.

        Raises:
            RaykftError: the model could not be loaded, or the rows could not be encoded.
            ResourceError: there is no place for all replicas.
            LostError: the replicas are being started again.
        """
        minutes, replicas = self._group.wait_minutes, self._group.replicas
        try:
            await asyncio.wait_for(self._placed.wait(), 60 * minutes + START_SECONDS)
        except TimeoutError:
            kind = "GPUs" if self._group.bundle.get("GPU") else "CPU cores"
            raise ResourceError(
                f"resources.gpus_per_trial {replicas}: {replicas} free {kind} were not there within {minutes:g} min: "
                "other jobs use them, or no node came; lower it, or set a longer resources.wait_minutes"
            ) from None
        await self._decided.wait()
        if self._failure is not None:
            raise self._failure
        if not self._whole:
            raise LostError("the replicas of this host are being started again")
        return self._infos[0] | {"replicas": replicas}

    async def capacity(self) -> HostCapacity:
        """Of one of the replicas: they are alike, and each trains its share."""
        return cast(HostCapacity, await self._ask(0, "capacity"))

    async def counters(self) -> HostCounters:
        """One trial a host: a step that finds no memory ends the trial, and there is no limit."""
        return cast(HostCounters, await self._ask(0, "counters")) if self._whole else HostCounters(0, None)

    async def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        await self._end_epoch(trial_id)
        modules: list[list[str]] = await self._everywhere("attach", trial_id, recipe, checkpoint)
        return modules[0]

    async def attach_adapter(self, trial_id: str, directory: Path) -> None:
        await self._everywhere("attach_adapter", trial_id, directory)

    async def publish(self, trial_id: str) -> tuple[Path, str]:
        return cast(tuple[Path, str], await self._ask(0, "publish", trial_id))

    async def train_epoch(self, trial_id: str) -> EpochResult:
        # Replicas meet in every step: steps of two trials would have to come in the same order everywhere.
        async with self._one_epoch:
            epoch = asyncio.ensure_future(self._everywhere("train_epoch", trial_id))
            self._epoch = trial_id, epoch
            reports: list[EpochResult] = await epoch
            return reports[0]

    async def save(self, trial_id: str, adapter: Path, checkpoint: Path | None = None) -> None:
        await self._ask(0, "save", trial_id, adapter, checkpoint)

    async def saved(self, trial_id: str) -> None:
        await self._ask(0, "saved", trial_id)

    async def detach(self, trial_id: str) -> None:
        with suppress(LostError):  # then it has gone with the replicas
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

    async def _deal(self, method: str, trial_id: str | None, items: Sequence[Any]) -> list[Any]:
        """Items dealt out in turn, results in the items' order."""
        replicas = min(self._group.replicas, len(items))
        hands = await self._all(
            [self._ask(replica, method, trial_id, items[replica::replicas]) for replica in range(replicas)]
        )
        results: list[Any] = [None] * len(items)
        for replica, hand in enumerate(hands):
            results[replica::replicas] = hand
        return results

    async def _end_epoch(self, trial_id: str) -> None:
        """A running epoch of the trial ends at its next step: on all replicas at the same one, so that none waits."""
        if self._epoch is None or self._epoch[0] != trial_id or self._epoch[1].done():
            return
        await self._ask(0, "stop_epoch", trial_id)
        await asyncio.wait([self._epoch[1]])


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
    group = GroupPlan(plan.replicas, plan.bundle, minutes, directory)
    actor = ray.remote(ParallelHost).options(
        max_concurrency=4 * plan.replicas + 16, max_restarts=-1, scheduling_strategy=place, **options
    )
    return actor.remote(*arguments, group)


def close(hosts: Sequence[Any]) -> None:
    """End the replicas of hosts; those of one that is dead end with it."""
    for reference in [host.close.remote() for host in hosts]:
        with suppress(ray.exceptions.RayError):
            ray.get(reference, timeout=CLOSING_SECONDS)
