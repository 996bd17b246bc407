"""How well a leaderboard measures: what of a column is signal, which pairs of trials it decides, what would help.

Two things make a column noisy, and both are estimated from what the experiment has anyway:

- *questions*: other questions of the same kind would have given other values. Resamples of the facts show by how much
  a trial's value moves against the mean of all trials, which is what an order depends on.
- *training*: another seed would have. Recipes trained with several seeds show it; without any, a trial's last two
  epochs stand in, for columns that are measured after every epoch.

`noise` is the root of the sum of their squares, `spread` the standard deviation over ranked trials, `snr` their ratio
and `reliability` the share of the spread's variance that is not noise. A pair of trials is decided where their values
differ by more than `Z` times the noise of a difference. A column with an snr below `MIN_SNR` says little about the
order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raykft.leaderboard.evidence import Evidence
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.statistics import Array

Z = 1.96
MIN_SNR = 2.0
DRAWS, SEED = 2000, 20_261_129
LEADERS = 3
MOST_SEEDS = 50  # that are still advised; more would not pay
COLUMNS = (
    "score",
    "gain",
    "knowledge",
    "graded_gain",
    "graded_knowledge",
    "level_1",
    "level_2",
    "level_3",
    "level_4",
    "level_5",
    "premise",
    "hint",
    "clean",
    "forgetting",
    "graded_forgetting",
)
# What is measured after every epoch in place of a column.
BY_EPOCH = {"score": "rung_score"}


@dataclass(frozen=True)
class ColumnMeasure:
    """One column; None where it cannot be told."""

    spread: float
    noise: float | None
    snr: float | None
    reliability: float | None
    decided_pairs: float | None

    @property
    def readable(self) -> bool:
        """Whether the column says something about the order of the trials."""
        return self.snr is None or self.snr >= MIN_SNR


@dataclass(frozen=True)
class Measurement:
    """The measurement box of a board.

    Attributes:
        ranked_by: the objective's name.
        decided_pairs: of the score; None where its noise cannot be told.
        advice: what would separate the leaders, as a sentence.
        rank_intervals: trial → the ranks that its score leaves possible, 95 % of them.
    """

    columns: dict[str, ColumnMeasure]
    ranked_by: str
    decided_pairs: float | None
    advice: str
    rank_intervals: dict[str, tuple[int, int]]

    def as_dict(self) -> dict[str, Any]:
        """As in `leaderboard.json`."""
        return {
            "columns": {name: asdict(column) for name, column in self.columns.items()},
            "ranked_by": self.ranked_by,
            "decided_pairs": self.decided_pairs,
            "advice": self.advice,
        }


def measure(
    trials: Sequence[TrialRecord],
    evidence: Evidence | None,
    seeds: Mapping[str, Sequence[Mapping[str, float]]],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
    ranked_by: str,
) -> Measurement:
    """Measure the board of `trials`.

    Args:
        evidence: of the select split.
        seeds: metrics of the same recipe by seed, by trial, for recipes that were trained with several.
        curves: what every trial told after its epochs.
        ranked_by: the objective's name.
    """
    ranked = [t for t in trials if t.rank is not None]
    columns, noises = {}, {}
    for name in COLUMNS:
        values = [t.select[name] for t in ranked if name in t.select]
        if len(values) == len(ranked) and len(ranked) > 1:
            noises[name] = _noise(name, ranked, evidence, seeds, curves)
            columns[name] = _column(np.array(values), noises[name])
    score = columns.get("score")
    return Measurement(
        columns,
        ranked_by,
        score.decided_pairs if score else None,
        _advice(ranked, noises.get("score"), seeds),
        _rank_intervals(ranked, evidence, noises.get("score")),
    )


def _column(values: Array, noise: float | None) -> ColumnMeasure:
    spread = float(values.std(ddof=1))
    if noise is None:
        return ColumnMeasure(spread, None, None, None, None)
    decided = [abs(a - b) > Z * math.sqrt(2) * noise for a, b in itertools.combinations(values, 2)]
    snr = spread / noise if noise else math.inf
    reliability = max(0.0, 1 - (noise / spread) ** 2) if spread else 0.0
    return ColumnMeasure(spread, noise, None if math.isinf(snr) else snr, reliability, float(np.mean(decided)))


def _noise(
    name: str,
    trials: Sequence[TrialRecord],
    evidence: Evidence | None,
    seeds: Mapping[str, Sequence[Mapping[str, float]]],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> float | None:
    parts = [_of_questions(name, trials, evidence), _of_seeds(name, seeds)]
    if parts[1] is None:
        parts[1] = _of_epochs(name, curves)
    known = [part for part in parts if part is not None]
    return math.hypot(*known) if known else None


def _of_questions(name: str, trials: Sequence[TrialRecord], evidence: Evidence | None) -> float | None:
    figures = [evidence.figures.get(t.trial_id, {}).get(name) for t in trials] if evidence else [None]
    known = [figure[1:] for figure in figures if figure is not None]
    if len(known) < len(trials) or len(known) < 2:
        return _of_intervals(name, trials, evidence)
    stacked = np.stack(known)
    against_mean = stacked - stacked.mean(axis=0)
    deviation = np.nanstd(against_mean, axis=1)
    return float(np.sqrt(np.mean(deviation**2)))


def _of_intervals(name: str, trials: Sequence[TrialRecord], evidence: Evidence | None) -> float | None:
    """From the trials' own intervals, which do not know what all trials have in common: rather too much than too
    little."""
    bounds = [evidence.intervals.get(t.trial_id, {}).get(name) for t in trials] if evidence else []
    widths = [(bound.high - bound.low) / 2 / Z for bound in bounds if bound is not None]
    return float(np.sqrt(np.mean(np.square(widths)))) if widths else None


def _of_seeds(name: str, seeds: Mapping[str, Sequence[Mapping[str, float]]]) -> float | None:
    groups = [[m[name] for m in each if name in m] for each in seeds.values()]
    variances = [np.var(values, ddof=1) for values in groups if len(values) > 1]
    return float(np.sqrt(np.mean(variances))) if variances else None


def _of_epochs(name: str, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> float | None:
    """Two neighbouring epochs differ by the noise of both, and by what was learned between them."""
    column = BY_EPOCH.get(name, name)
    last = [[row[column] for row in rows if column in row][-2:] for rows in curves.values()]
    gaps = np.array([b - a for a, b in (pair for pair in last if len(pair) == 2)])
    return float(gaps.std(ddof=1) / math.sqrt(2)) if len(gaps) > 2 else None


def _rank_intervals(
    trials: Sequence[TrialRecord], evidence: Evidence | None, noise: float | None
) -> dict[str, tuple[int, int]]:
    """Ranks over draws of the questions, where they can be resampled, and of the rest of the noise."""
    if noise is None or len(trials) < 2:
        return {}
    rng = np.random.default_rng(SEED)
    values = np.array([t.select["score"] for t in trials])
    drawn = values[:, None] + noise * rng.standard_normal((len(trials), DRAWS))
    figures = [evidence.figures.get(t.trial_id, {}).get("score") for t in trials] if evidence else [None]
    known = [figure for figure in figures if figure is not None]
    if len(known) == len(trials):
        # What moves all trials alike moves no rank: questions are drawn for all of them together.
        of_questions = _of_questions("score", trials, evidence) or 0.0
        rest = math.sqrt(max(0.0, noise**2 - of_questions**2))
        picks = rng.integers(1, len(known[0]), DRAWS)
        drawn = np.stack(known)[:, picks] + rest * rng.standard_normal((len(trials), DRAWS))
    ranks = 1 + np.argsort(np.argsort(-drawn, axis=0, kind="stable"), axis=0)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="closest_observation")
    return {t.trial_id: (int(a), int(b)) for t, a, b in zip(trials, low, high, strict=True)}


def _advice(
    trials: Sequence[TrialRecord], noise: float | None, seeds: Mapping[str, Sequence[Mapping[str, float]]]
) -> str:
    if len(trials) < 2:
        return "fewer than two trials have a score; there is no order to measure"
    if noise is None:
        return "how much of the order is noise cannot be told; train the leaders with more seeds (raykft confirm)"
    leaders = trials[:LEADERS]
    gap = leaders[0].select["score"] - leaders[1].select["score"]
    have = max(1, len(seeds.get(leaders[0].trial_id, ())))
    needed = math.ceil(2 * (Z * noise / gap) ** 2) if gap > 0 else MOST_SEEDS + 1
    names = f"the first {len(leaders)}"
    if needed <= have:
        return f"the first is told from the second by {gap:.2f}, more than noise makes of equal recipes"
    if needed > MOST_SEEDS:
        return (
            f"the first two differ by {gap:.2f}, so little that no reasonable number of seeds would separate them: "
            "take the cheaper one"
        )
    more = needed - have
    return f"{more} more seed{'s' if more > 1 else ''} of {names} would separate them (raykft confirm --seeds {needed})"
