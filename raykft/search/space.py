"""The search space of a config as Optuna distributions."""

from __future__ import annotations

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from raykft.config import Dimension, ExperimentConfig
from raykft.errors import ConfigError


def distributions(config: ExperimentConfig) -> dict[str, BaseDistribution]:
    """One Optuna distribution per searched config path.

    Raises:
        ConfigError: the space is empty.
    """
    if not config.search.space:
        raise ConfigError("search.space is empty; to train a single recipe write e.g. `adapter.rank: {choice: [16]}`")
    return {path: _distribution(dimension) for path, dimension in config.search.space.items()}


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choice is not None:
        return CategoricalDistribution(dimension.choice)
    if dimension.log is not None:
        return FloatDistribution(*dimension.log, log=True)
    if dimension.int is not None:
        return IntDistribution(*dimension.int)
    assert dimension.uniform is not None
    return FloatDistribution(*dimension.uniform)


def max_epochs(config: ExperimentConfig) -> int:
    """The most epochs any trial of this experiment may run."""
    dimension = config.search.space.get("train.epochs")
    return int(max(dimension.corners)) if dimension else config.train.epochs
