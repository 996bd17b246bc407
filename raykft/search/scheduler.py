"""Which trials are stopped early."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from raykft.cluster.ray_compat import brackets_of, keep_first_rungs
from raykft.config import ExperimentConfig, SearchConfig
from raykft.search.space import max_epochs

Row = Mapping[str, Any]
EPOCH, RUNG_SCORE = "epoch", "rung_score"


def _halving(search: SearchConfig, longest: int, brackets: int) -> TrialScheduler:
    scheduler = AsyncHyperBandScheduler(
        time_attr=EPOCH,
        metric=RUNG_SCORE,
        mode="max",
        grace_period=search.grace_epochs,
        max_t=longest,
        reduction_factor=search.reduction_factor,
        brackets=brackets,
    )
    if search.max_rungs is not None and search.scheduler == "asha":
        keep_first_rungs(scheduler, search.max_rungs)
    return scheduler


def _median(search: SearchConfig, _longest: int) -> TrialScheduler:
    return MedianStoppingRule(
        time_attr=EPOCH, metric=RUNG_SCORE, mode="max", grace_period=search.grace_epochs, min_time_slice=math.inf
    )


# From the settings and the most epochs of any trial. All of them stop trials and never pause them: a paused trial would
# have to give its adapter's place on the host away and get one again. So `hyperband` is the asynchronous one, ASHA in
# several brackets that begin to stop later and later, and `median` does not let trials without enough rivals wait for
# them. Each passes `raykft.testing.contracts.SchedulerContract`; a new one is added here and to
# `SearchConfig.scheduler`.
SCHEDULERS: dict[str, Callable[[SearchConfig, int], TrialScheduler]] = {
    "asha": lambda search, longest: _halving(search, longest, 1),
    "hyperband": lambda search, longest: _halving(search, longest, search.rungs(longest)),
    "median": _median,
    "none": lambda _search, _longest: FIFOScheduler(),
}


def make_scheduler(config: ExperimentConfig, ended: Sequence[Iterable[Row]] = ()) -> TrialScheduler:
    """Compares trials after equal numbers of epochs by `rung_score`, the same quantity at every rung.

    Args:
        ended: the rows of every trial that ended in an earlier run of this search; `asha` and `hyperband` compare new
            trials with them too.
    """
    search, longest = config.search, max_epochs(config)
    scheduler = SCHEDULERS[search.scheduler if longest > search.grace_epochs else "none"](search, longest)
    for number, rows in enumerate(ended):
        remember(scheduler, f"ended-{number}", rows)
    return scheduler


def remember(scheduler: TrialScheduler, trial_id: str, rows: Iterable[Row]) -> None:
    """Let the rungs know what a trial told in an earlier run, without stopping it.

    Every bracket hears of the trials of all brackets: at a rung all have been trained for as many epochs.
    """
    if not isinstance(scheduler, AsyncHyperBandScheduler):
        return
    trial = SimpleNamespace(trial_id=trial_id)
    for row in rows:
        value = row.get(RUNG_SCORE)
        if value is None or not math.isfinite(value):
            continue
        for bracket in brackets_of(scheduler):
            bracket.on_result(trial, row[EPOCH], value)
