"""Which trials are stopped early."""

from __future__ import annotations

from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, TrialScheduler

from raykft.config import ExperimentConfig
from raykft.search.space import max_epochs


def make_scheduler(config: ExperimentConfig) -> TrialScheduler:
    """ASHA compares trials after equal numbers of epochs by `rung_score`, the same quantity at every rung."""
    longest = max_epochs(config)
    if config.search.scheduler == "none" or longest <= config.search.grace_epochs:
        return FIFOScheduler()
    return ASHAScheduler(
        time_attr="epoch",
        metric="rung_score",
        mode="max",
        max_t=longest,
        grace_period=config.search.grace_epochs,
        reduction_factor=config.search.reduction_factor,
    )
