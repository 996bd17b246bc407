"""How well a leaderboard measures: what of a column is signal, which pairs of trials it decides, what would help.

Two things make a column noisy, and both are estimated from what the experiment has anyway:

- *questions*: other questions of the same kind would have given other values. Resamples of the facts show by how much
  a trial's value moves against the mean of all trials, which is what an order depends on.
- *training*: another seed would have. Recipes trained with several seeds show it; without any, a trial's last two
  epochs stand in, for columns that are measured after every epoch.

`noise` is the root of the sum of their squares, `spread` the standard deviation over ranked trials, `snr` their ratio
and `reliability` the share of the spread's variance that is not noise. More seeds of a recipe lessen the noise of its
training, not that of the questions. A pair of trials is decided where their values differ by more than `Z` times the
noise of a difference. A column with an snr below `MIN_SNR` says little about the order.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from raykft.leaderboard.evidence import RESAMPLED, Evidence
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.statistics import Array, residual_variance, spearman
from raykft.wording import tables as words
from raykft.wording.messages import Phrase, phrase

Z = 1.96
MIN_SNR = 2.0
DRAWS, SEED = 2000, 20_261_129
MOST_DRAWN = 2_000_000  # scores: of 5,000 trials 400 times each
MOST_SEEDS = 50  # that are still advised; more would not pay
DEFAULT_SEEDS = 3  # of `raykft confirm`
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
    "free_verbatim",
    "free_paraphrase",
    "clean",
    "forgetting",
    "graded_forgetting",
)
# What is measured after every epoch in place of a column.
BY_EPOCH = {"score": "rung_score"}


@dataclass(frozen=True)
class _Noise:
    """Of one run: standard deviations between sets of questions and between seeds; None where that cannot be told."""

    questions: float | None
    training: float | None

    @property
    def known(self) -> bool:
        return self.questions is not None or self.training is not None

    def of(self, seeds: int) -> float:
        """Of a mean over `seeds`."""
        return math.hypot(self.questions or 0.0, (self.training or 0.0) / math.sqrt(seeds))


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
        agreement: Spearman's correlation of what the two kinds of score say of the ranked trials: graded gain less
            graded forgetting, and gain less forgetting of generated answers; None where there are too few of both.
        advised: what would separate the leaders.
        seeds_advised: how many seeds in all would tell the first two apart; None where seeds are not the advice.
        rank_intervals: trial → the ranks that its score leaves possible, 95 % of them.
    """

    columns: dict[str, ColumnMeasure]
    ranked_by: str
    decided_pairs: float | None
    agreement: float | None
    advised: Phrase
    rank_intervals: dict[str, tuple[int, int]]
    seeds_advised: int | None = None

    @property
    def advice(self) -> str:
        """What would separate the leaders, as a sentence."""
        return str(self.advised)

    def as_dict(self) -> dict[str, Any]:
        """As in `leaderboard.json`."""
        return {
            "columns": {name: asdict(column) for name, column in self.columns.items()},
            "ranked_by": self.ranked_by,
            "decided_pairs": self.decided_pairs,
            "agreement": self.agreement,
            "test": words.TEST.en,
            "advice": self.advised.english,
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
            noises[name] = _noise(name, ranked[:RESAMPLED], evidence, seeds, curves)
            columns[name] = _column(ranked, np.array(values), noises[name])
    score = columns.get("score")
    noise = noises.get("score", _Noise(None, None))
    advised, seeds_advised = _advice(ranked, noise)
    return Measurement(
        columns,
        ranked_by,
        score.decided_pairs if score else None,
        _agreement(ranked),
        advised,
        _rank_intervals(ranked, evidence, noise),
        seeds_advised,
    )


def _column(trials: Sequence[TrialRecord], values: Array, noise: _Noise) -> ColumnMeasure:
    spread = float(values.std(ddof=1))
    if not noise.known:
        return ColumnMeasure(spread, None, None, None, None)
    own = np.array([noise.of(_seeds_of(t)) for t in trials])
    mean = float(np.sqrt(np.mean(own**2)))
    snr = spread / mean if mean else None
    reliability = max(0.0, 1 - (mean / spread) ** 2) if spread else 0.0
    return ColumnMeasure(spread, mean, snr, reliability, _decided(values, own))


def _decided(values: Array, noise: Array) -> float:
    """The share of pairs whose values differ by more than `Z` times the noise of a difference."""
    groups = [(own, np.sort(values[noise == own])) for own in np.unique(noise)]
    count = 0
    for (own_a, a), (own_b, b) in itertools.product(groups, groups):
        gap = Z * math.hypot(own_a, own_b)
        count += int(np.searchsorted(b, a - gap, "left").sum()) + int(
            (len(b) - np.searchsorted(b, a + gap, "right")).sum()
        )
    return count / (len(values) * (len(values) - 1))


def _seeds_of(trial: TrialRecord) -> int:
    return max(1, len(trial.runs))


def _noise(
    name: str,
    trials: Sequence[TrialRecord],
    evidence: Evidence | None,
    seeds: Mapping[str, Sequence[Mapping[str, float]]],
    curves: Mapping[str, Sequence[Mapping[str, float]]],
) -> _Noise:
    training = _of_seeds(name, seeds)
    return _Noise(_of_questions(name, trials, evidence), _of_epochs(name, curves) if training is None else training)


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
    """Between seeds of a recipe, less what a seed does to all recipes alike: that moves no order."""
    groups = [values for each in seeds.values() if len(values := [m[name] for m in each if name in m]) > 1]
    if not groups:
        return None
    shared = min(map(len, groups))
    if len(groups) > 1 and shared == max(map(len, groups)):
        return math.sqrt(residual_variance(np.array(groups)))
    return float(np.sqrt(np.mean([np.var(values, ddof=1) for values in groups])))


def _of_epochs(name: str, curves: Mapping[str, Sequence[Mapping[str, float]]]) -> float | None:
    """Two neighbouring epochs differ by the noise of both, and by what was learned between them."""
    column = BY_EPOCH.get(name, name)
    last = [[row[column] for row in rows if column in row][-2:] for rows in curves.values()]
    gaps = np.array([b - a for a, b in (pair for pair in last if len(pair) == 2)])
    return float(gaps.std(ddof=1) / math.sqrt(2)) if len(gaps) > 2 else None


def _rank_intervals(
    trials: Sequence[TrialRecord], evidence: Evidence | None, noise: _Noise
) -> dict[str, tuple[int, int]]:
    """Ranks over draws of the questions, where they can be resampled, and of the rest of the noise.

    A rank is that among all scores here. A trial that the board places by its seeds before one that scored higher with
    a single seed has its place in its interval too.
    """
    if not noise.known or len(trials) < 2:
        return {}
    rng = np.random.default_rng(SEED)
    draws = min(DRAWS, MOST_DRAWN // len(trials))
    drawn = np.empty((len(trials), draws))
    own = np.empty(len(trials))
    figures = [evidence.figures.get(t.trial_id, {}).get("score") if evidence else None for t in trials]
    # What moves all trials alike moves no rank: questions are drawn for all of them together.
    together = all(figure is not None for figure in figures[:RESAMPLED])
    picks = rng.integers(1, min((len(f) for f in figures if f is not None), default=2), draws)
    for n, (trial, figure) in enumerate(zip(trials, figures, strict=True)):
        drawn[n] = figure[picks] if together and figure is not None else trial.select["score"]
        rest = _Noise(None, noise.training) if together and figure is not None else noise
        own[n] = rest.of(_seeds_of(trial))
    drawn += own[:, None] * rng.standard_normal(drawn.shape)
    ranks = 1 + np.argsort(np.argsort(-drawn, axis=0, kind="stable"), axis=0)
    low, high = np.quantile(ranks, [0.025, 0.975], axis=1, method="closest_observation")
    return {
        t.trial_id: (min(int(a), place), max(int(b), place))
        for place, (t, a, b) in enumerate(zip(trials, low, high, strict=True), start=1)
    }


def _agreement(trials: Sequence[TrialRecord]) -> float | None:
    pairs = (("graded_gain", "graded_forgetting"), ("gain", "forgetting"))
    if not all(name in t.select for t in trials for pair in pairs for name in pair):
        return None
    graded, generated = ([t.select[good] - t.select[bad] for t in trials] for good, bad in pairs)
    return spearman(graded, generated)


def _advice(trials: Sequence[TrialRecord], noise: _Noise) -> tuple[Phrase, int | None]:
    """How many seeds would tell the first from the second: as a sentence, and how many in all where seeds would."""
    if len(trials) < 2:
        return phrase(words.NO_ORDER), None
    if not noise.known:
        return phrase(words.UNKNOWN_NOISE), DEFAULT_SEEDS
    first, second = trials[:2]
    gap, have = first.select["score"] - second.select["score"], max(_seeds_of(first), _seeds_of(second))
    if gap < 0:  # answers go before scores where the two contradict each other (`guard`)
        return phrase(words.OVERRULED, gap=-gap), None
    if gap > Z * math.hypot(noise.of(_seeds_of(first)), noise.of(_seeds_of(second))):
        return phrase(words.APART, gap=gap), None
    # Of the variance that two equal recipes of as many seeds may have, the questions take theirs first.
    left = (gap / Z) ** 2 / 2 - (noise.questions or 0.0) ** 2
    needed = math.ceil((noise.training or 0.0) ** 2 / left) if left > 0 else MOST_SEEDS + 1
    if needed <= MOST_SEEDS:
        more = max(1, needed - have)
        return phrase(words.SEEDS_WOULD, n=more, total=have + more), have + more
    if left <= 0 and gap > 0:
        return phrase(words.SEEDS_WOULD_NOT, gap=gap), None
    return phrase(words.NO_SEEDS_WOULD, gap=gap), None
