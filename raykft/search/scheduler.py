"""Which trials are stopped early."""

from __future__ import annotations

import math

from ray.tune.schedulers import AsyncHyperBandScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler

from raykft.config import ExperimentConfig
from raykft.search.space import max_epochs


def make_scheduler(config: ExperimentConfig) -> TrialScheduler:
    """Compares trials after equal numbers of epochs by `rung_score`, the same quantity at every rung.

    All of them stop trials and never pause them: a paused trial would have to give its adapter's place on the host
    away and get one again. So `hyperband` is the asynchronous one, ASHA in several brackets that begin to stop later
    and later, and `median` does not let trials without enough rivals wait for them.
    """
    settings = config.search
    longest, grace = max_epochs(config), settings.grace_epochs
    common = {"time_attr": "epoch", "metric": "rung_score", "mode": "max", "grace_period": grace}
    if settings.scheduler == "none" or longest <= grace:
        return FIFOScheduler()
    if settings.scheduler == "median":
        return MedianStoppingRule(**common, min_time_slice=math.inf)
    brackets = settings.rungs(longest) if settings.scheduler == "hyperband" else 1
    return AsyncHyperBandScheduler(
        **common, max_t=longest, reduction_factor=settings.reduction_factor, brackets=brackets
    )
