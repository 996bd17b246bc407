"""Tests and intervals against values worked out by hand, and against what they promise in simulations."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from leaderboard.fake_experiment import make_general

from raykft.evaluation.forgetting import GeneralScores
from raykft.leaderboard import pareto
from raykft.leaderboard.board import optimism_of
from raykft.leaderboard.bootstrap import Resamples
from raykft.leaderboard.evidence import _with_signed
from raykft.leaderboard.read import TrialRecord, ranked
from raykft.leaderboard.statistics import (
    MIN_UNITS,
    _quantile,
    _tail,
    against,
    difference,
    holm,
    interval,
    mcnemar,
    rank_groups,
    share_interval,
    spearman,
    student_quantile,
    student_tails,
    wilson,
)
from raykft.records import KeyFact, Probe, ProbeResult, TrialStatus


def normal(mean: float, spread: float, seed: int, draws: int = 4000) -> Any:
    """A resampled figure: the mean, then normal draws around it."""
    return np.concatenate([[mean], np.random.default_rng(seed).normal(mean, spread, draws)])


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(0, 10, 0.0, 0.2775), (8, 10, 0.4902, 0.9433), (48, 80, 0.4905, 0.7004), (10, 10, 0.7225, 1.0)],
)
def test_wilson(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert (found.low, found.high) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p"),
    [(0, 0, 1.0), (5, 0, 2 / 32), (0, 5, 2 / 32), (2, 10, 158 / 4096), (4, 4, 1.0), (1, 8, 20 / 512)],
)
def test_mcnemar(only_first: int, only_second: int, p: float) -> None:
    assert mcnemar(only_first, only_second) == pytest.approx(p)


@pytest.mark.parametrize(
    ("raw", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02]),
        ([0.5, 0.6], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm(raw: list[float], adjusted: list[float]) -> None:
    assert holm(raw) == pytest.approx(adjusted)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([1, 2, 3, 4], [10, 20, 30, 1000], 1.0),
        ([1, 2, 3, 4], [4, 3, 2, 1], -1.0),
        ([1, 2, 3, 4, 5], [5, 6, 7, 8, 7], 8 / math.sqrt(95)),  # one tie: ranks 1, 2, 3.5, 5, 3.5
        ([1, 2], [1, 2], None),
        ([1, 1, 1], [1, 2, 3], None),
    ],
)
def test_spearman(first: list[float], second: list[float], expected: float | None) -> None:
    assert spearman(first, second) == (expected if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(("freedom", "quantile"), [(1, 12.7062), (2, 4.3027), (7, 2.3646), (30, 2.0423), (120, 1.9799)])
def test_student(freedom: int, quantile: float) -> None:
    assert student_quantile(freedom) == pytest.approx(quantile, abs=5e-5)
    assert student_tails(quantile, freedom) == pytest.approx(0.05, abs=1e-5)
    assert student_tails(0, freedom) == 1.0


def test_few_units_give_neither_interval_nor_test() -> None:
    figure = normal(0.5, 0.1, 0)
    assert interval(figure, MIN_UNITS - 1) is None
    assert interval(figure, MIN_UNITS) is not None
    assert difference(figure, figure - 0.5, MIN_UNITS - 1).p is None
    assert difference(figure, normal(0.0, 0.1, 1), MIN_UNITS).p is not None


def test_fewer_units_make_the_interval_of_the_same_draws_wider() -> None:
    found = [interval(normal(0.5, 0.1, 0), units) for units in (8, 20, 1000)]
    widths = [bound.high - bound.low for bound in found if bound]
    assert widths == sorted(widths, reverse=True)
    assert widths[2] == pytest.approx(2 * 1.96 * 0.1, rel=0.05)
    assert widths[0] > 1.2 * widths[2]


def test_agreement_of_all_answers_is_not_certainty() -> None:
    nothing_right = share_interval(np.zeros(101), 20)
    assert nothing_right == wilson(0, 20)
    assert nothing_right is not None
    assert nothing_right.high > 0.1


def test_a_difference_has_its_sign_and_equal_figures_have_none() -> None:
    low, high = normal(0.3, 0.05, 1), normal(0.8, 0.05, 2)
    assert difference(high, low, 30).value == pytest.approx(0.5)
    assert difference(high, low, 30).significant
    assert difference(low, high, 30).value == pytest.approx(-0.5)
    assert difference(low, high, 30).significant
    assert difference(low, low, 30).p == 1.0


def test_the_number_of_resamples_does_not_limit_how_many_trials_can_be_told_apart() -> None:
    leader = normal(0.9, 0.02, 0, draws=200)
    others = [normal(0.1, 0.02, seed, draws=200) for seed in range(1, 100)]
    assert all(gap.significant for gap in against(leader, others, 40))


def test_rank_groups_share_the_rank_of_their_leader() -> None:
    means = [0.80, 0.79, 0.50, 0.49, 0.10]
    scores = [normal(mean, 0.03, seed) for seed, mean in enumerate(means)]
    assert rank_groups(scores, 40) == [1, 1, 3, 3, 5]
    assert rank_groups(scores, MIN_UNITS - 1) == [1] * 5  # nothing can be told
    # A trial whose score hardly says anything is tied with the leader, although a better one is not.
    scores[3] = normal(0.49, 0.5, 3)
    assert rank_groups(scores, 40) == [1, 1, 3, 1, 5]
    assert rank_groups([], 40) == []


def clustered_results(rng: np.random.Generator, facts: int, probes: list[Probe]) -> dict[str, ProbeResult]:
    """Answers that agree within a fact: each fact has its own chance of being answered, .5 on average."""
    chances = rng.beta(1, 1, facts)
    right = rng.random(len(probes)) < np.repeat(chances, len(probes) // facts)
    return {
        p.id: ProbeResult(
            p.id, 2, "recall", "correct" if ok else "wrong", bool(ok), bool(ok), float(ok), (), 1, 0, False
        )
        for p, ok in zip(probes, right, strict=True)
    }


@pytest.mark.parametrize(("facts", "least", "most"), [(60, 0.93, 0.97), (18, 0.93, 0.98)])
def test_intervals_of_clustered_answers_cover_the_truth(facts: int, least: float, most: float) -> None:
    probes = [
        Probe(f"{n}-{m}", 2, "recall", "?", "!", (KeyFact(("!",)),), "select", fact_ids=(f"f{n}",))
        for n in range(facts)
        for m in range(3)
    ]
    resamples = Resamples(probes, [], "select", draws=1000)
    rng = np.random.default_rng(11)
    covered = alarms = 0
    repetitions = 600
    for _ in range(repetitions):
        figures = [resamples.knowledge(clustered_results(rng, facts, probes)) for _ in range(2)]
        first, second = (figure["level_2"] for figure in figures if figure is not None)
        bound = interval(first, resamples.units["level_2"])
        assert bound is not None
        covered += bound.low <= 0.5 <= bound.high
        alarms += difference(first, second, resamples.units["level_2"]).significant
    assert least <= covered / repetitions <= most
    assert 0.02 <= alarms / repetitions <= 0.07


@pytest.mark.parametrize("loss", [0.0, 0.2])
def test_intervals_of_forgetting_cover_the_truth_with_and_without_a_loss(loss: float) -> None:
    probes = [p for p in make_general(60) if p.split == "select" and p.lang == "en" and p.kind != "mc"]
    resamples = Resamples(probes, [], "select", draws=500)
    rng = np.random.default_rng(5)

    def answers(right: Any) -> GeneralScores:
        rows = {
            p.id: ProbeResult(p.id, 0, p.kind, "correct", bool(ok), bool(ok), float(ok), (), 1.0, 0.0, False)
            for p, ok in zip(probes, right, strict=True)
        }
        return GeneralScores(rows, {})

    covered = 0
    for _ in range(200):
        before = rng.random(len(probes)) < 0.7
        # A tuned model repeats most of what the base said; the rest is answered so that the share falls by `loss`.
        now = np.where(rng.random(len(probes)) < 0.7, before, rng.random(len(probes)) < 0.7 - 0.7 * loss / 0.3)
        figures = resamples.forgetting(answers(before), answers(now))
        assert figures is not None
        clipped, signed = (interval(figures[name], len(probes)) for name in ("forgetting", "forgetting_signed"))
        assert clipped is not None
        bound = _with_signed(clipped, signed)
        covered += bound.low <= loss <= bound.high
    assert covered / 200 >= 0.92


def test_the_winner_of_equal_trials_looks_better_than_it_is_by_nine_points() -> None:
    """24 equal trials, 80 probes whose difficulty varies by 1.5 logits: select - report is +8.8 points."""
    rng = np.random.default_rng(3)
    gaps = []
    for _ in range(300):
        chances = 1 / (1 + np.exp(-rng.normal(0, 1.5, size=(2, 80))))
        shares = (rng.random((24, 2, 80)) < chances).mean(axis=2)
        # Both splits are centred on their own difficulty: what is left is luck.
        shares -= chances.mean(axis=1)
        trials = [
            TrialRecord(f"t{n}", TrialStatus.OK, select={"score": s}, report={"score": r})
            for n, (s, r) in enumerate(shares)
        ]
        gaps.append(optimism_of(ranked(trials)[0]))
    assert 0.075 <= float(np.mean([gap for gap in gaps if gap is not None])) <= 0.10


def test_the_front_its_volume_and_its_knee() -> None:
    gain = np.array([0.2, 0.6, 0.9, 0.5, 0.9])
    forgetting = np.array([0.0, 0.1, 0.5, 0.2, 0.6])
    assert pareto.non_dominated(gain, forgetting).tolist() == [True, True, True, False, False]
    # Strips from the right: .3 wide with .5 left to keep, .4 with .9, .2 with all.
    assert pareto.hypervolume(gain, forgetting) == pytest.approx(0.3 * 0.5 + 0.4 * 0.9 + 0.2 * 1.0)
    assert pareto.knee(gain, forgetting) == 1
    twins = pareto.non_dominated(np.array([0.5, 0.5]), np.array([0.1, 0.1]))
    assert twins.tolist() == [True, True]
    assert pareto.hypervolume(np.array([-0.5, 0.5]), np.array([0.0, 1.2])) == 0.0


def test_pareto_handles_resamples_at_once() -> None:
    rng = np.random.default_rng(0)
    gain, forgetting = rng.random((50, 6)), rng.random((50, 6)).round(1)
    fronts, volumes = pareto.non_dominated(gain, forgetting), pareto.hypervolume(gain, forgetting)
    for row in range(50):
        assert fronts[row].tolist() == pareto.non_dominated(gain[row], forgetting[row]).tolist()
        assert volumes[row] == pytest.approx(pareto.hypervolume(gain[row], forgetting[row]))
        # What is not on the front adds nothing to the volume.
        on = fronts[row]
        assert volumes[row] == pytest.approx(pareto.hypervolume(gain[row][on], forgetting[row][on]))


@pytest.mark.parametrize("count", [1, 2, 3, 999])
@pytest.mark.parametrize("share", [0, 0.02, 0.5, 0.975, 1])
def test_quantiles_are_those_of_numpy(count: int, share: float) -> None:
    values = np.sort(np.random.default_rng(count).normal(size=count))
    assert _quantile(values, share) == pytest.approx(np.quantile(values, share), abs=1e-14)


def test_an_interval_leaves_out_resamples_without_a_value() -> None:
    draws = np.random.default_rng(0).normal(size=200)
    draws[::3] = math.nan
    known = draws[~np.isnan(draws)]
    found = interval(np.concatenate([[0.0], draws]), 20)
    assert found is not None
    assert [found.low, found.high] == pytest.approx(list(np.quantile(known, [_tail(20), 1 - _tail(20)])))
    assert interval(np.array([0.0, math.nan, math.nan]), 20) is None
