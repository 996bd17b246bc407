"""The race: the best recipes of a search train again with further seeds, until one of them leads by its mean.

A single seed ranks neighbouring recipes about as well as a coin, so the search screens many recipes with one seed and
spends what is left on the few that lead. Every round gives all recipes still in the race the same further seed, at the
same time: what a seed does to all of them alike then moves none of them against the others. A recipe leaves once it
cannot win, or failed with a seed.

Who runs next follows from the files alone, so a race goes on wherever it was interrupted.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from raykft.config import ExperimentConfig
from raykft.config.search import RaceConfig
from raykft.leaderboard.files import result_of
from raykft.leaderboard.read import TrialRecord, read_trials
from raykft.leaderboard.statistics import CONFIDENCE, holm, residual_variance, student_tails
from raykft.paths import ExperimentPaths, TrialPaths


class SeedTrial(NamedTuple):
    """One recipe to be trained with one seed more than its trial's own."""

    record: TrialRecord
    seed: int
    files: TrialPaths

    @property
    def ended(self) -> bool:
        result = result_of(self.files)
        return result is not None and result.status.finished


def next_runs(config: ExperimentConfig, paths: ExperimentPaths) -> list[SeedTrial]:
    """The runs of the round that is due; empty where there is no race, or it is over."""
    settings = config.search.race
    if not settings:
        return []
    field = entrants(settings, read_trials(paths))
    for number in range(1, settings.seeds):
        seed = config.seed + number
        if len(field) < 2:
            return []
        runs = [SeedTrial(t, seed, paths.seed_run(t.trial_id, seed)) for t in field]
        if due := [run for run in runs if not run.ended]:
            return due
        field = survivors(field, [config.seed + n for n in range(number + 1)])
    return []


def entrants(settings: RaceConfig, trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The best of the screening, by the scores of their own seed; those trained to the end alone."""
    finished = [t for t in trials if t.rank is not None]
    best = sorted(finished, key=lambda t: (-_screened(t), t.tokens, t.trial_id))
    return best[: settings.top]


def survivors(field: Sequence[TrialRecord], seeds: Sequence[int]) -> list[TrialRecord]:
    """Those of `field` that may still win after `seeds`: they have a score with each, and are not surely behind."""
    whole = [t for t in field if all(seed in t.seeds for seed in seeds)]
    scores = {t.trial_id: [t.seeds[seed] for seed in seeds] for t in whole}
    lost = behind(scores)
    return [t for t in whole if t.trial_id not in lost]


def behind(scores: Mapping[str, Sequence[float]]) -> set[str]:
    """Who is behind the leader by more than chance, Holm-corrected, one-sided, seeds as blocks.

    Args:
        scores: of every recipe, with the same seeds in the same order.
    """
    if len(scores) < 2:
        return set()
    values_RS = np.array(list(scores.values()))
    recipes, seeds = values_RS.shape
    if seeds < 2:
        return set()
    means = values_RS.mean(axis=1)
    error = math.sqrt(2 * residual_variance(values_RS) / seeds)
    freedom = (recipes - 1) * (seeds - 1)
    names = [name for name, mean in zip(scores, means, strict=True) if mean < means.max()]
    gaps = [means.max() - mean for mean in means if mean < means.max()]
    chances = [student_tails(gap / error, freedom) / 2 if error else 0.0 for gap in gaps]
    return {name for name, p in zip(names, holm(chances), strict=True) if p <= 1 - CONFIDENCE}


def _screened(trial: TrialRecord) -> float:
    return trial.runs[0].select["score"] if trial.runs else trial.select["score"]
