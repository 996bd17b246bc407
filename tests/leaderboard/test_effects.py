"""What is said of settings whose effect is known."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from raykft.leaderboard.charts import effect_text, slice_figure
from raykft.leaderboard.effects import Effect, Outcome, effects, outcome
from raykft.leaderboard.read import TrialRecord
from raykft.records import TrialStatus


def trials(samples: list[dict[str, Any]]) -> list[TrialRecord]:
    return [TrialRecord(f"t{n:03d}", TrialStatus.OK, sample=sample) for n, sample in enumerate(samples)]


def found(samples: list[dict[str, Any]], values: Any) -> dict[str, Effect]:
    by = Outcome("score at the end", {f"t{n:03d}": float(value) for n, value in enumerate(values)})
    return {effect.setting: effect for effect in effects(trials(samples), by)}


def drawn(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    def one() -> dict[str, Any]:
        layers, rank = str(rng.choice(["all", "att", "mlp"])), int(rng.choice([8, 16, 32]))
        return {"rate": float(10 ** rng.uniform(-4, -2)), "layers": layers, "rank": rank}

    return [one() for _ in range(count)]


def test_a_planted_peak_is_found_on_the_logarithm_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    samples = drawn(rng, 24)
    values = [-((np.log10(s["rate"]) + 2.8) ** 2) + 0.1 * rng.standard_normal() for s in samples]
    told = found(samples, values)
    rate = told["rate"]
    assert rate.log
    assert rate.told
    assert rate.share is not None
    assert rate.share > 0.8
    assert rate.interval is not None
    assert rate.interval.low < rate.share < rate.interval.high
    assert float(rate.best) == pytest.approx(10**-2.8, rel=0.35)
    assert next(iter(told)) == "rate"
    assert not told["layers"].told
    assert not told["rank"].told
    assert effect_text(rate).startswith(f"goes with {rate.share:.0%} of the differences [")
    assert effect_text(told["rank"]).startswith("cannot be told (p = ")


def test_a_planted_category_is_found() -> None:
    rng = np.random.default_rng(1)
    samples = drawn(rng, 24)
    told = found(samples, [(s["layers"] == "mlp") + 0.2 * rng.standard_normal() for s in samples])["layers"]
    assert told.told
    assert told.best == "mlp"
    assert told.names == ("all", "att", "mlp")
    assert effect_text(told).endswith("best is mlp")


def test_of_settings_without_effect_it_seldom_says_that_any_has_one() -> None:
    rng = np.random.default_rng(2)
    alarms = [any(e.told for e in found(drawn(rng, 12), rng.standard_normal(12)).values()) for _ in range(200)]
    assert np.mean(alarms) < 0.09  # 5 % and the error of two hundred tries


def test_the_share_is_about_the_true_one_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(3)
    told = []
    for _ in range(100):
        samples = drawn(rng, 30)
        signal = np.array([np.log10(s["rate"]) + 3 for s in samples]) * np.sqrt(3)  # of variance 1, as the noise
        told.append(found(samples, signal + rng.standard_normal(30))["rate"])
    assert np.mean([effect.share for effect in told]) == pytest.approx(0.5, abs=0.06)
    held = [e.interval is not None and e.interval.low <= 0.5 <= e.interval.high for e in told]
    assert 0.88 <= np.mean(held) < 1


@pytest.mark.parametrize("count", [3, 7])
def test_few_trials_tell_nothing(count: int) -> None:
    told = found([{"rank": n} for n in range(count)], range(count))["rank"]
    assert told.share is None
    assert not told.told
    assert effect_text(told) == f"cannot be told: {count} trials are too few"
    by = Outcome("score", {f"t{n:03d}": float(n) for n in range(count)})
    assert "<svg" in slice_figure(told, by).drawing


def test_settings_that_do_not_differ_are_left_out_and_odd_values_are_names() -> None:
    samples = [{"same": 1, "flag": bool(n % 2), "odd": None if n % 2 else 3} for n in range(10)]
    told = found(samples, np.arange(10))
    assert set(told) == {"flag", "odd"}
    assert told["flag"].names == ("False", "True")
    assert told["odd"].names == ("3", "None")


def test_equal_outcomes_tell_nothing() -> None:
    assert found([{"rank": n} for n in range(12)], np.ones(12))["rank"].p is None


def _record(n: int, status: TrialStatus, **select: float) -> TrialRecord:
    rank = n + 1 if status is TrialStatus.OK else None
    return TrialRecord(f"t{n}", status, rank=rank, select=select)


def test_the_outcome_is_what_nearly_all_trials_have() -> None:
    done = [_record(n, TrialStatus.OK, score=0.1 * n) for n in range(10)]
    by = outcome(done, {})
    assert by is not None
    assert (by.title, by.values["t3"]) == ("score at the end", pytest.approx(0.3))
    stopped = [_record(n + 10, TrialStatus.STOPPED) for n in range(10)]
    rows = [{"epoch": 1, "rung_score": 0.1}, {"epoch": 2, "rung_score": 0.2}]
    curves = {t.trial_id: rows for t in done} | {t.trial_id: rows[:1] for t in stopped}
    by = outcome([*done, *stopped], curves)
    assert by is not None
    assert by.title == "graded score after epoch 1"
    assert len(by.values) == 20
    assert outcome([*done, *stopped], {}) is None
    # Failed trials say nothing of recipes and are not waited for.
    failed = [_record(30 + n, TrialStatus.FAILED) for n in range(20)]
    assert outcome([*done, *failed], {}) is not None
