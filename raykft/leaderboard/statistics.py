"""Intervals, tests and corrections for figures from a few hundred correlated questions. Numpy only.

Every resampled figure is one array whose first entry is the value itself (all weights equal) and whose others are
its value in each resample, so that a figure and its uncertainty cannot be mixed up on their way.

Intervals are *expanded percentile* intervals (Hesterberg, "What Teachers Should Know About the Bootstrap", 2015):
plain percentile intervals of n clusters are too narrow by about sqrt((n-1)/n) * z/t, so with the 20 clusters of a
usual split they cover 91 to 95 %, depending on the shares; more extreme percentiles repair most of that. An interval
is always extended to hold the value itself, which resamples of a function with a bend may miss.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]

CONFIDENCE = 0.95
# Below this many independent units no interval and no test is given.
MIN_UNITS = 8
_NORMAL = NormalDist()


@dataclass(frozen=True, slots=True)
class Interval:
    """A confidence interval of level `CONFIDENCE`."""

    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Difference:
    """How much one figure exceeds another; `interval` and `p` are None where there are too few units to tell."""

    value: float
    interval: Interval | None
    p: float | None

    @property
    def significant(self) -> bool:
        return self.p is not None and self.p <= 1 - CONFIDENCE


def interval(resampled: Array, units: int) -> Interval | None:
    """The interval of a resampled figure, or None below `MIN_UNITS`.

    Args:
        resampled: the value, then its value in every resample.
        units: how many independent units (clusters of probes) were resampled.
    """
    if units < MIN_UNITS:
        return None
    value, draws = float(resampled[0]), np.sort(resampled[1:])  # NaN comes last
    if math.isnan(value) or not draws.size or math.isnan(draws[0]):
        return None
    known = draws[: np.searchsorted(draws, math.nan)]
    tail = _tail(units)
    return Interval(min(_quantile(known, tail), value), max(_quantile(known, 1 - tail), value))


@lru_cache(maxsize=256)
def _tail(units: int) -> float:
    return _NORMAL.cdf(-student_quantile(units - 1) * math.sqrt(units / (units - 1)))


def _quantile(ordered: Array, share: float) -> float:
    """Interpolated as by `np.quantile`, which takes ten times as long for what is in order already."""
    place = (len(ordered) - 1) * share
    below = int(place)
    low, high = float(ordered[below]), float(ordered[min(below + 1, len(ordered) - 1)])
    return low + (high - low) * (place - below)


def share_interval(resampled: Array, units: int) -> Interval | None:
    """`interval` for a share. Where all answers agree no resample differs, and Wilson's interval stands in."""
    found = interval(resampled, units)
    if found is not None and found.low == found.high and found.low in {0.0, 1.0}:
        return wilson(round(found.low * units), units)
    return found


def difference(first: Array, second: Array, units: int) -> Difference:
    """How much `first` exceeds `second`, both resampled with the same weights (or independent of each other).

    The p-value is two-sided and inverts `interval`: twice the share of resamples on the other side of 0, widened in
    the same way. Where no resample is there, the normal tail continues it; otherwise the number of resamples
    would decide how many trials can be told apart after a correction for all of them.
    """
    gap = first - second
    value, draws = float(gap[0]), gap[1:]
    draws = draws[~np.isnan(draws)]
    if units < MIN_UNITS or math.isnan(value) or not draws.size:
        return Difference(value, None, None)
    beyond = min(int(np.count_nonzero(draws <= 0)), int(np.count_nonzero(draws >= 0)))
    z = _NORMAL.inv_cdf(1 - min(0.5, (beyond + 1) / (draws.size + 1)))
    spread = float(draws.std())
    if not beyond and spread > 0:
        z = max(z, abs(value) / spread)
    p = student_tails(z * math.sqrt((units - 1) / units), units - 1)
    return Difference(value, interval(gap, units), p)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction, in the given order: the chance of any false alarm stays at the level."""
    order = sorted(range(len(p_values)), key=lambda n: p_values[n])
    adjusted = [1.0] * len(p_values)
    worst = 0.0
    for step, n in enumerate(order):
        worst = max(worst, min(1.0, (len(p_values) - step) * p_values[n]))
        adjusted[n] = worst
    return adjusted


def against(leader: Array, others: Sequence[Array], units: int) -> list[Difference]:
    """`leader` minus each of `others`, the p-values corrected for the number of comparisons."""
    gaps = [difference(leader, other, units) for other in others]
    adjusted = iter(holm([gap.p for gap in gaps if gap.p is not None]))
    return [gap if gap.p is None else Difference(gap.value, gap.interval, next(adjusted)) for gap in gaps]


def rank_groups(scores: Sequence[Array], units: int) -> list[int]:
    """Ranks with ties: rows that cannot be told from the best row not yet ranked share that row's rank.

    Args:
        scores: one resampled score a row, best first.

    Returns:
        One rank a row; 1, 1, 3 where the second row is tied with the first and the third is worse.
    """
    ranks = [0] * len(scores)
    while 0 in ranks:
        leader = ranks.index(0)
        rest = [n for n in range(leader + 1, len(scores)) if not ranks[n]]
        ranks[leader] = leader + 1
        for n, gap in zip(rest, against(scores[leader], [scores[n] for n in rest], units), strict=True):
            if not gap.significant:
                ranks[n] = leader + 1
    return ranks


def wilson(successes: int, n: int) -> Interval:
    """Wilson's score interval of a share of independent answers."""
    z = _NORMAL.inv_cdf((1 + CONFIDENCE) / 2)
    share, scale = successes / n, 1 + z * z / n
    middle = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return Interval(max(0.0, middle - half), min(1.0, middle + half))


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value for two answers to the same questions, from the questions only one of them got right."""
    n = only_first + only_second
    tail = sum(math.comb(n, k) for k in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << n))


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Rank correlation, ties sharing their mean rank; None for fewer than three pairs or a constant side."""
    if len(first) < 3:
        return None
    x, y = _mean_ranks(first), _mean_ranks(second)
    if not x.std() or not y.std():
        return None
    return float(np.corrcoef(x, y)[0, 1])


def student_tails(t: float, freedom: int) -> float:
    """P(|T| > t) of Student's distribution, by the finite series for whole degrees of freedom.

    Abramowitz & Stegun, Handbook of Mathematical Functions, 26.7.3 and 26.7.4.
    """
    angle = math.atan(abs(t) / math.sqrt(freedom))
    odd = freedom % 2
    term = math.cos(angle) if odd else 1.0
    total = 0.0
    for k in range(2 + odd, freedom + 1, 2):
        total += term
        term *= (k - 1) / k * math.cos(angle) ** 2
    inside = 2 / math.pi * (angle + math.sin(angle) * total) if odd else math.sin(angle) * total
    return max(0.0, 1 - inside)


@lru_cache(maxsize=256)
def student_quantile(freedom: int) -> float:
    """The t whose two tails leave `CONFIDENCE` between them, by bisection."""
    low, high = 0.0, 1000.0
    for _ in range(60):
        middle = (low + high) / 2
        if student_tails(middle, freedom) > 1 - CONFIDENCE:
            low = middle
        else:
            high = middle
    return high


def _mean_ranks(values: Sequence[float]) -> Array:
    _, place, counts = np.unique(np.asarray(values, dtype=float), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: Array = (last - (counts - 1) / 2)[place]
    return ranks


def residual_variance(values_RS: Array) -> float:
    """What is left of the variance in a table of recipes by seeds once the means of both are taken out.

    The error of a randomized block design: seeds that all recipes share are the blocks.
    """
    recipes, seeds = values_RS.shape
    rest = values_RS - values_RS.mean(axis=0) - values_RS.mean(axis=1, keepdims=True) + values_RS.mean()
    return float((rest**2).sum() / ((recipes - 1) * (seeds - 1)))
