"""Which trials are stopped early."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from raykft.config import ExperimentConfig
from raykft.search.space import max_epochs

Report = Mapping[str, Any]


def make_scheduler(config: ExperimentConfig, ended: Sequence[Iterable[Report]] = ()) -> TrialScheduler:
    """Compares trials after equal numbers of epochs by `rung_score`, the same quantity at every rung.

    All of them stop trials and never pause them: a paused trial would have to give its adapter's place on the host
    away and get one again. So `hyperband` is the asynchronous one, ASHA in several brackets that begin to stop later
    and later, and `median` does not let trials without enough rivals wait for them.

    Args:
        ended: the reports of every trial that ended in an earlier run of this search; `asha` and `hyperband` compare
            new trials with them too.
    """
    settings = config.search
    longest, grace = max_epochs(config), settings.grace_epochs
    common = {"time_attr": "epoch", "metric": "rung_score", "mode": "max", "grace_period": grace}
    if settings.scheduler == "none" or longest <= grace:
        return FIFOScheduler()
    if settings.scheduler == "median":
        return MedianStoppingRule(**common, min_time_slice=math.inf)
    brackets = settings.rungs(longest) if settings.scheduler == "hyperband" else 1
    scheduler = AsyncHyperBandScheduler(
        **common, max_t=longest, reduction_factor=settings.reduction_factor, brackets=brackets
    )
    for number, reports in enumerate(ended):
        remember(scheduler, f"ended-{number}", reports)
    return scheduler


def remember(scheduler: TrialScheduler, trial_id: str, reports: Iterable[Report]) -> None:
    """Let the rungs know what a trial reported in an earlier run, without stopping it.

    Every bracket hears of the trials of all brackets: at a rung all have been trained for as many epochs.
    """
    if not isinstance(scheduler, AsyncHyperBandScheduler):
        return
    trial = SimpleNamespace(trial_id=trial_id)
    for report in reports:
        value = report.get("rung_score")
        if value is None or not math.isfinite(value):
            continue
        for bracket in scheduler._brackets:
            bracket.on_result(trial, report["epoch"], value)
