"""What matters: how much of the differences between trials goes with each searched setting alone, and how sure that is.

A setting's *share* is the adjusted R² of the outcome on that setting: a parabola over numbers (over their logarithm
where they span a decade), means over categories. Its interval is a jackknife over trials, its p-value a permutation
test, Holm-corrected for the number of settings; the noise of seeds is part of what is left over. Settings that a
searcher moved together share what either of them does.

The outcome is the final score where nearly all trials have one. Early stopping leaves the better recipes alone to the
end, so otherwise it is the rung score after the last epoch that nearly all trials reached.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.statistics import CONFIDENCE, Array, Interval, holm, student_quantile
from raykft.wording.charts import OUTCOME_RUNG, OUTCOME_SCORE

NEARLY_ALL = 0.9
MIN_TRIALS = 8
PERMUTATIONS, SEED = 4000, 20_261_130
DECADE = 10.0  # a range of numbers from which on their logarithm counts
CURVE_POINTS = 24


@dataclass(frozen=True)
class Outcome:
    """What is compared of trials, with its value by trial."""

    title: str
    values: dict[str, float]


@dataclass(frozen=True)
class Effect:
    """One setting.

    Attributes:
        points: what each trial had of it (a category's index in `names`), and its outcome.
        curve: the fitted outcome over the range.
        best: the value that the fit likes best.
        share: of the outcome's variance; None where too few trials have the setting.
        p: Holm-corrected.
    """

    setting: str
    points: list[tuple[float, float]]
    trials: list[str]
    names: tuple[str, ...]
    log: bool
    curve: list[tuple[float, float]]
    best: str
    share: float | None = None
    interval: Interval | None = None
    p: float | None = None

    @property
    def told(self) -> bool:
        """Whether it can be told that the setting does anything."""
        return self.p is not None and self.p <= 1 - CONFIDENCE


def outcome(trials: Sequence[TrialRecord], curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Outcome | None:
    """The final score, or the rung score of the last epoch that nearly all trials reached; None without either."""
    learned = [t for t in trials if t.status.learned]
    final = {t.trial_id: t.select["score"] for t in learned if t.rank is not None and "score" in t.select}
    if final and len(final) >= NEARLY_ALL * len(learned):
        return Outcome(OUTCOME_SCORE(), final)
    by_epoch: dict[int, dict[str, float]] = {}
    for trial in learned:
        for row in curves.get(trial.trial_id, ()):
            if row.get("rung_score") is not None:
                by_epoch.setdefault(row["epoch"], {})[trial.trial_id] = row["rung_score"]
    reached = [epoch for epoch, values in by_epoch.items() if len(values) >= NEARLY_ALL * len(learned)]
    if not reached:
        return None
    epoch = max(reached)
    return Outcome(OUTCOME_RUNG(epoch=epoch), by_epoch[epoch])


def effects(trials: Sequence[TrialRecord], found: Outcome) -> list[Effect]:
    """Every setting that differs between trials, the one that explains most first."""
    known = [t for t in trials if t.trial_id in found.values]
    settings = dict.fromkeys(path for t in known for path in t.sample)
    fitted = [_effect(path, [t for t in known if path in t.sample], found) for path in settings]
    told = [effect for effect in fitted if effect is not None]
    tested = [effect for effect in told if effect.p is not None]
    adjusted = dict(zip([e.setting for e in tested], holm([e.p for e in tested if e.p is not None]), strict=True))
    corrected = [replace(effect, p=adjusted.get(effect.setting)) for effect in told]
    return sorted(corrected, key=lambda e: (e.p is None, -(e.share or 0.0), e.setting))


def _effect(path: str, trials: Sequence[TrialRecord], found: Outcome) -> Effect | None:
    values = [t.sample[path] for t in trials]
    if len({str(value) for value in values}) < 2:
        return None
    outcomes = np.array([found.values[t.trial_id] for t in trials])
    names: tuple[str, ...] = ()
    log = False
    if all(isinstance(v, int | float) and not isinstance(v, bool) and math.isfinite(v) for v in values):
        numbers = np.array(values, dtype=float)
        log = bool(numbers.min() > 0 and numbers.max() / numbers.min() >= DECADE)
        design = _parabola(_unit(numbers, numbers, log))
        places = (
            [*np.geomspace(*_ends(numbers), CURVE_POINTS)] if log else [*np.linspace(*_ends(numbers), CURVE_POINTS)]
        )
        shown = _parabola(_unit(np.array(places), numbers, log))
        shown = shown if len(set(values)) > 2 else shown[:, :2]
        design = design[:, : shown.shape[1]]
    else:
        names = tuple(sorted({str(value) for value in values}))
        numbers = np.array([names.index(str(value)) for value in values], dtype=float)
        places = [float(n) for n in range(len(names))]
        design, shown = (np.eye(len(names))[np.array(at, dtype=int)] for at in (numbers, places))
    fit = shown @ np.linalg.lstsq(design, outcomes, rcond=None)[0]
    curve = [(float(x), float(y)) for x, y in zip(places, fit, strict=True)]
    best = places[int(np.argmax(fit))]
    plain = Effect(
        path,
        [(float(x), float(y)) for x, y in zip(numbers, outcomes, strict=True)],
        [t.trial_id for t in trials],
        names,
        log,
        curve,
        names[int(best)] if names else f"{best:.3g}",
    )
    freedom = len(trials) - np.linalg.matrix_rank(design)
    if len(trials) < MIN_TRIALS or freedom < 3 or not outcomes.std():
        return plain
    return _tested(plain, design, outcomes)


def _tested(plain: Effect, design: Array, outcomes: Array) -> Effect:
    share, count = _share(design, outcomes), len(outcomes)
    left_out = np.array([_share(np.delete(design, n, 0), np.delete(outcomes, n)) for n in range(count)])
    error = math.sqrt((count - 1) / count * float(((left_out - left_out.mean()) ** 2).sum()))
    half = student_quantile(count - 1) * error
    rng = np.random.default_rng(SEED)
    shuffled = rng.permuted(np.tile(outcomes, (PERMUTATIONS, 1)), axis=1)
    as_large = int(np.count_nonzero(_explained(design, shuffled) >= _explained(design, outcomes[None])[0] - 1e-12))
    interval = Interval(min(1.0, max(0.0, share - half)), min(1.0, max(0.0, share + half)))
    return replace(plain, share=max(0.0, share), interval=interval, p=(1 + as_large) / (1 + PERMUTATIONS))


def _explained(design: Array, outcomes_PN: Array) -> Array:
    """R² of every row of outcomes."""
    centred = design - design.mean(axis=0)
    basis, values, _ = np.linalg.svd(centred, full_matrices=False)
    basis = basis[:, values > 1e-9 * max(float(values.max()), 1e-12)]
    left = outcomes_PN - outcomes_PN.mean(axis=1, keepdims=True)
    total = (left**2).sum(axis=1)
    explained: Array = ((left @ basis) ** 2).sum(axis=1) / np.where(total > 0, total, 1.0)
    return explained


def _share(design: Array, outcomes: Array) -> float:
    """Adjusted R²; it is negative where a setting explains less than one without effect would."""
    explained = float(_explained(design, outcomes[None])[0])
    freedom = len(outcomes) - int(np.linalg.matrix_rank(design))
    return 1 - (1 - explained) * (len(outcomes) - 1) / max(1, freedom)


def _parabola(x: Array) -> Array:
    return np.stack([np.ones_like(x), x, x**2], axis=1)


def _unit(values: Array, all_values: Array, log: bool) -> Array:
    """From -1 to 1 over the range of `all_values`."""
    low, high = _ends(all_values)
    if log:
        values, low, high = np.log(values), math.log(low), math.log(high)
    unit: Array = 2 * (values - low) / (high - low) - 1
    return unit


def _ends(values: Array) -> tuple[float, float]:
    return float(values.min()), float(values.max())
