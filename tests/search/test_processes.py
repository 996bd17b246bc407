"""Trials' processes are kept from one trial to the next."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ray.tune import tune as ray_tune
from ray.tune.execution.tune_controller import TuneController
from ray.tune.utils.object_cache import _ObjectCache

from raykft.search import processes
from raykft.search.processes import Controller, KeepAll, keep_processes

pytestmark = pytest.mark.ray
KEY = "one CPU"


class Places:
    """Which trials have a process: one."""

    def __init__(self, trial: Any) -> None:
        self._trial = trial

    def __contains__(self, trial: Any) -> bool:
        return trial is self._trial


@pytest.mark.parametrize(("cache", "kept"), [(_ObjectCache(), 1), (KeepAll(), 3)])
def test_all_processes_are_kept_although_no_trial_waits_for_one(cache: _ObjectCache, kept: int) -> None:
    assert [cache.cache_object(KEY, process) for process in "abc"].count(True) == kept
    assert list(cache.flush_cached_objects()) == []
    assert cache.num_cached_objects == kept


def test_a_kept_process_is_handed_out_once_and_the_rest_end_with_the_search() -> None:
    cache = KeepAll()
    for process in "abc":
        cache.cache_object(KEY, process)
    assert cache.has_cached_object(KEY)
    assert cache.pop_cached_object(KEY) == "a"
    assert list(cache.flush_cached_objects(force_all=True)) == ["b", "c"]
    assert cache.num_cached_objects == 0
    assert not cache.has_cached_object(KEY)


def test_a_trial_whose_own_process_is_starting_waits_for_it_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TuneController, "_maybe_reuse_cached_actor", lambda self, trial: True)
    now = [0.0]
    monkeypatch.setattr(processes.time, "monotonic", lambda: now[0])
    starting, new = SimpleNamespace(trial_id="starting"), SimpleNamespace(trial_id="new")
    controller = Controller.__new__(Controller)
    controller.__dict__ |= {"_trial_to_actor": Places(starting), "_resetting_trials": [], "_asked": {}}
    assert not controller._maybe_reuse_cached_actor(starting)
    assert controller._maybe_reuse_cached_actor(new)
    now[0] = processes.PATIENCE_S - 1
    assert not controller._maybe_reuse_cached_actor(starting)
    now[0] = processes.PATIENCE_S
    assert controller._maybe_reuse_cached_actor(starting)
    assert not controller._asked


def test_a_trial_that_was_given_a_process_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TuneController, "_maybe_reuse_cached_actor", lambda self, trial: True)
    trial = SimpleNamespace(trial_id="resetting")
    controller = Controller.__new__(Controller)
    controller.__dict__ |= {"_trial_to_actor": Places(trial), "_resetting_trials": [trial], "_asked": {}}
    assert controller._maybe_reuse_cached_actor(trial)


def test_tune_is_as_it_was_afterwards() -> None:
    with pytest.raises(RuntimeError, match="in the search"), keep_processes():
        assert ray_tune.TuneController is Controller
        raise RuntimeError("in the search")
    assert ray_tune.TuneController is TuneController
