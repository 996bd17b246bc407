"""Signal and noise of boards whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from raykft.leaderboard.evidence import Evidence
from raykft.leaderboard.measurement import MIN_SNR, Measurement, Z, measure
from raykft.leaderboard.read import SeedRun, TrialRecord
from raykft.paths import TrialPaths
from raykft.records import TrialStatus

RUN = SeedRun(0, TrialPaths(Path("run")), TrialStatus.OK, {"score": 0.5})


def board(values: dict[str, Any], seeds: dict[str, Any] | None = None, evidence: Evidence | None = None) -> Measurement:
    """Of columns with one value a trial, ranked by `score`."""
    order = np.argsort(-np.array(values["score"]))
    trials = [
        TrialRecord(f"t{n}", TrialStatus.OK, select={name: float(v[n]) for name, v in values.items()}, rank=rank)
        for rank, n in enumerate(order, start=1)
    ]
    return measure(trials, evidence, seeds or {}, {}, "graded")


def of_seeds(rng: np.random.Generator, noise: float, recipes: int = 12, seeds: int = 4) -> dict[str, Any]:
    return {
        f"s{n}": [{"score": 0.5 + noise * rng.standard_normal(), "hint": rng.random()} for _ in range(seeds)]
        for n in range(recipes)
    }


def test_where_answers_overrule_the_scores_no_seeds_are_advised() -> None:
    first, second = (
        TrialRecord(f"t{rank}", TrialStatus.OK, select={"score": score}, rank=rank)
        for rank, score in ((1, 0.1), (2, 0.79))
    )
    found = measure([first, second], None, of_seeds(np.random.default_rng(0), 0.05), {}, "graded")
    assert "the second leads by 0.69; answers put" in found.advice
    assert found.seeds_advised is None


def test_figures_are_those_of_their_definitions() -> None:
    seeds = {"a": [{"score": 0.1}, {"score": 0.3}], "b": [{"score": 0.5}, {"score": 0.5}]}
    found = board({"score": [0.9, 0.5, 0.1]}, seeds).columns["score"]
    noise = np.sqrt((0.02 + 0) / 2)
    assert found.spread == pytest.approx(0.4)
    assert found.noise == pytest.approx(noise)
    assert found.snr == pytest.approx(0.4 / noise)
    assert found.reliability == pytest.approx(1 - (noise / 0.4) ** 2)
    assert found.decided_pairs == 1  # .4 apart, and 1.96 * sqrt(2) * .1 = .277


def test_a_column_of_pure_noise_is_grey_and_a_clear_one_is_not() -> None:
    rng = np.random.default_rng(0)
    truth = np.linspace(0, 1, 12)
    values = {"score": truth + 0.03 * rng.standard_normal(12), "hint": rng.random(12)}
    columns = board(values, of_seeds(rng, 0.03)).columns
    assert not columns["hint"].readable
    assert columns["hint"].reliability < 0.5
    assert columns["score"].readable
    assert columns["score"].snr > MIN_SNR
    assert columns["score"].decided_pairs > 0.8


def test_rank_intervals_hold_the_true_rank_about_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = []
    for _ in range(200):
        truth = 0.5 + 0.1 * rng.standard_normal(10)
        found = board({"score": truth + 0.05 * rng.standard_normal(10)}, of_seeds(rng, 0.05))
        ranks = 1 + np.argsort(np.argsort(-truth))
        held += [low <= ranks[int(name[1:])] <= high for name, (low, high) in found.rank_intervals.items()]
    assert 0.93 <= np.mean(held) <= 0.985


def test_a_planted_better_recipe_is_told_from_the_others() -> None:
    rng = np.random.default_rng(2)
    found = board({"score": [0.9, *(0.5 + 0.02 * rng.standard_normal(7))]}, of_seeds(rng, 0.02))
    assert found.rank_intervals["t0"] == (1, 1)
    assert "more than noise makes of equal recipes" in found.advice


def test_advice_counts_the_seeds_that_would_separate_the_leaders() -> None:
    rng = np.random.default_rng(3)
    seeds = of_seeds(rng, 0.05, recipes=200)
    found = board({"score": [0.60, 0.54, 0.2, 0.1]}, seeds)
    noise = found.columns["score"].noise
    assert noise is not None
    needed = int(np.ceil(2 * (1.96 * noise / 0.06) ** 2))
    told = f"{needed - 1} more seeds of the first two would separate them (raykft confirm --top 2 --seeds {needed})"
    assert found.advice == told
    assert found.seeds_advised == needed
    assert board({"score": [0.6, 0.599, 0.1]}, seeds).seeds_advised is None
    assert "no reasonable number of seeds" in board({"score": [0.6, 0.599, 0.1]}, seeds).advice
    assert "cannot be told" in board({"score": [0.6, 0.5, 0.1]}).advice
    assert "fewer than two trials" in board({"score": [0.6]}, seeds).advice


def test_questions_count_only_where_they_move_trials_against_each_other() -> None:
    rng = np.random.default_rng(4)
    common, own = 0.2 * rng.standard_normal(4000), 0.01 * rng.standard_normal((3, 4000))
    values = np.array([0.8, 0.5, 0.2])
    figures = {f"t{n}": {"score": np.concatenate([[v], v + common + own[n]])} for n, v in enumerate(values)}
    found = board({"score": values}, evidence=Evidence({"score": 30}, figures, {}))
    noise = found.columns["score"].noise
    assert noise == pytest.approx(0.01 * np.sqrt(2 / 3), rel=0.1)
    assert found.rank_intervals == {"t0": (1, 1), "t1": (2, 2), "t2": (3, 3)}
    assert found.decided_pairs == 1


def test_epochs_stand_in_for_seeds() -> None:
    trials = [TrialRecord(f"t{n}", TrialStatus.OK, select={"score": 1 - n / 4}, rank=n + 1) for n in range(4)]
    gaps = [0.1, 0.3, 0.1, 0.3]
    curves = {t.trial_id: [{"rung_score": 0.5}, {"rung_score": 0.5 + gap}] for t, gap in zip(trials, gaps, strict=True)}
    found = measure(trials, None, {}, curves, "graded").columns["score"]
    assert found.noise == pytest.approx(np.std(gaps, ddof=1) / np.sqrt(2))  # what all learned in common is no noise


def test_more_seeds_lessen_the_noise_of_training_alone() -> None:
    """Two recipes of four seeds are told apart where two of one seed are not; a third of one seed is told from none."""
    rng = np.random.default_rng(5)
    seeds = of_seeds(rng, 0.1, recipes=200)
    raced = [
        TrialRecord(f"t{n}", TrialStatus.OK, select={"score": score}, rank=n + 1, runs=runs)
        for n, (score, runs) in enumerate([(0.7, (RUN,) * 4), (0.5, (RUN,) * 4), (0.4, ())])
    ]
    noise = 0.1
    found = measure(raced, None, seeds, {}, "graded")
    assert found.columns["score"].decided_pairs == pytest.approx(2 / 3)  # .2 > 1.96 * .1 * sqrt(1/4 + 1/4) = .139
    assert found.columns["score"].noise == pytest.approx(noise * np.sqrt((1 / 4 + 1 / 4 + 1) / 3), rel=0.1)
    single = [replace(t, runs=()) for t in raced]
    assert measure(single, None, seeds, {}, "graded").columns["score"].decided_pairs == pytest.approx(1 / 3)


def test_more_seeds_are_not_advised_where_the_questions_are_too_few() -> None:
    rng = np.random.default_rng(6)
    figures = {
        f"t{n}": {"score": np.concatenate([[v], v + 0.2 * rng.standard_normal(4000)])}
        for n, v in enumerate((0.6, 0.55))
    }
    found = board({"score": [0.6, 0.55]}, of_seeds(rng, 0.01), Evidence({"score": 30}, figures, {}))
    assert "more seeds would not help" in found.advice


def test_what_a_seed_does_to_all_recipes_alike_is_no_noise() -> None:
    shift = [0.0, -0.4, 0.3]
    seeds = {f"t{n}": [{"score": 0.5 + 0.1 * n + s} for s in shift] for n in range(3)}
    assert board({"score": [0.7, 0.6, 0.5]}, seeds).columns["score"].noise == pytest.approx(0, abs=1e-12)


def test_pairs_are_decided_as_counted_one_by_one() -> None:
    rng = np.random.default_rng(5)
    values = np.round(rng.random(40), 2)  # with ties
    runs = {f"t{n}": tuple([RUN] * (3 if n % 4 == 0 else 0)) for n in range(40)}
    trials = [
        TrialRecord(name, TrialStatus.OK, select={"score": float(v)}, rank=n, runs=runs[name])
        for n, (name, v) in enumerate(zip(runs, values, strict=True), start=1)
    ]
    seeds = {"a": [{"score": 0.1}, {"score": 0.3}], "b": [{"score": 0.5}, {"score": 0.4}]}
    found = measure(trials, None, seeds, {}, "graded").columns["score"]
    noise = np.sqrt(found.noise**2 / np.mean([1 / max(1, len(t.runs)) for t in trials]))
    own = [noise / np.sqrt(max(1, len(t.runs))) for t in trials]
    pairs = [(a, b) for a in range(40) for b in range(a)]
    decided = [abs(values[a] - values[b]) > Z * np.hypot(own[a], own[b]) for a, b in pairs]
    assert found.decided_pairs == pytest.approx(np.mean(decided))
    assert 0 < found.decided_pairs < 1
