"""The search space of a config, as a function that draws one sample from an Optuna trial."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from raykft.config import Dimension, ExperimentConfig
from raykft.config.search import EPOCHS, is_fixed
from raykft.errors import ConfigError


class Space:
    """Draws samples; conditional settings are drawn after those that their conditions name.

    A class and no closure, because Tune pickles the searcher for its snapshots.
    """

    def __init__(self, dimensions: Mapping[str, Dimension], constants: Mapping[str, Any]) -> None:
        self._dimensions = dict(dimensions)
        self._constants = dict(constants)

    def __call__(self, trial: optuna.Trial) -> dict[str, Any]:
        sample = dict(self._constants)
        for path, dimension in self._dimensions.items():
            if dimension.applies(sample):
                sample[path] = _draw(trial, path, dimension)
        return sample

    def params(self, sample: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, BaseDistribution]]:
        """What Optuna stores of a sample that was drawn elsewhere: values and distributions of the same settings."""
        drawn = {path: sample[path] for path, d in self._dimensions.items() if path in sample and d.applies(sample)}
        return drawn, {path: _distribution(self._dimensions[path]) for path in drawn}

    def grid(self, seed: int) -> list[dict[str, Any]]:
        """Every sample of a space of countable settings, shuffled, so that a part of them covers all of it thinly."""
        values = [list(dict.fromkeys(d.values or [])) for d in self._dimensions.values()]
        points = [dict(zip(self._dimensions, point, strict=True)) for point in itertools.product(*values)]
        random.Random(f"grid:{seed}").shuffle(points)
        return points


def make_space(config: ExperimentConfig) -> Space:
    """The space of an experiment.

    Raises:
        ConfigError: it is empty.
    """
    searched = {p: d for p, d in config.search.ordered().items() if not is_fixed(config.search, p)}
    if not searched:
        raise ConfigError("search.space is empty; to train a single recipe write e.g. `adapter.rank: {choice: [16]}`")
    fixed = {EPOCHS: max_epochs(config)} if is_fixed(config.search, EPOCHS) and EPOCHS in config.search.space else {}
    return Space(searched, fixed)


def max_epochs(config: ExperimentConfig) -> int:
    """The most epochs any trial of this experiment may run."""
    return int(max(config.corner_values(EPOCHS)))


def _draw(trial: optuna.Trial, path: str, dimension: Dimension) -> Any:
    if dimension.choice is not None:
        return trial.suggest_categorical(path, dimension.choice)
    if dimension.int is not None:
        return trial.suggest_int(path, *dimension.int)
    low, high = dimension.corners
    return trial.suggest_float(path, low, high, log=dimension.log is not None)


def _distribution(dimension: Dimension) -> BaseDistribution:
    if dimension.choice is not None:
        return CategoricalDistribution(dimension.choice)
    if dimension.int is not None:
        return IntDistribution(*dimension.int)
    low, high = dimension.corners
    return FloatDistribution(low, high, log=dimension.log is not None)
