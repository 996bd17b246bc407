"""The processes trials run in, kept from one trial to the next."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.tune import tune as ray_tune

from raykft.cluster.ray_compat import ObjectCache, TuneController

CONTROLLER = "TuneController"
# How long a trial waits for the process that was asked for it before it takes another that has become free.
PATIENCE_S = 60.0


class KeepAll(ObjectCache):  # type: ignore[misc]
    """Keeps the process of every trial that ended until the search is over.

    Ray's own keeps as many as trials are waiting for one, and one more. A searcher that proposes a trial when another
    ends never has any waiting, so of several trials that end together all processes but one would be ended, to be
    started again a moment later: over a second of processor time each.
    """

    def cache_object(self, key: Any, obj: Any) -> bool:
        self._cached_objects[key].append(obj)
        self._num_cached_objects += 1
        return True

    def flush_cached_objects(self, force_all: bool = False) -> Iterator[Any]:
        if force_all:
            yield from super().flush_cached_objects(force_all=True)


class Controller(TuneController):  # type: ignore[misc]
    """Tune's loop, which keeps trials' processes and lets those that are starting start.

    Ray's own gives a process that has become free to a trial whose own is about to be up, and ends that one. Where
    trials are shorter than a process's start this goes on for ever: processes start, and none is ever used.

    And it hears twice of a process that dies before its trial runs, by its end and by the call that failed. The second
    time the trial waits already to be started again, which Ray's own takes for a failure that cannot be mended.
    """

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._actor_cache = KeepAll()
        self._asked: dict[str, float] = {}  # trials that wait for a process of their own, since when
        self._heard: Exception | None = None  # what a process last died of

    def _actor_failed(self, tracked_actor: Any, exception: Exception) -> None:
        # A kept process that died while it waited will not answer the call that would have renewed it.
        self._resetting_trials.discard(self._actor_to_trial.get(tracked_actor))
        super()._actor_failed(tracked_actor, exception)

    def _trial_task_failure(self, trial: Any, exception: Exception) -> None:
        if exception is not self._heard:
            self._heard = exception
            super()._trial_task_failure(trial, exception)

    def _maybe_reuse_cached_actor(self, trial: Any) -> bool:
        if trial in self._trial_to_actor and trial not in self._resetting_trials:
            asked = self._asked.setdefault(trial.trial_id, time.monotonic())
            if time.monotonic() - asked < PATIENCE_S:
                return False
        self._asked.pop(trial.trial_id, None)
        reused: bool = super()._maybe_reuse_cached_actor(trial)
        return reused


@contextmanager
def keep_processes() -> Iterator[None]:
    """Have Tune keep trials' processes in searches started here (`reuse_actors=True`), which has no setting for it."""
    setattr(ray_tune, CONTROLLER, Controller)
    try:
        yield
    finally:
        setattr(ray_tune, CONTROLLER, TuneController)


@contextmanager
def cheap_collections() -> Iterator[None]:
    """Leave what exists now out of garbage collections.

    Python collects what has grown old only when it has grown by a quarter. Modules alone are half a million objects,
    so Tune's cycles, a tenth of a megabyte a trial, would stay for long, and collecting them would take a third of a
    second.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()
