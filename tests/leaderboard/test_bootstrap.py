"""With equal weights the resampled figures are those of `raykft.evaluation`, and resamples keep clusters together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from leaderboard.fake_experiment import lost_grades, make_nats, make_passages, make_probes, make_results

from raykft.evaluation import graded, objective
from raykft.evaluation.evaluator import flatten
from raykft.evaluation.forgetting import GeneralScores, forgetting, losses
from raykft.evaluation.levels import summarize
from raykft.evaluation.objective import Objective
from raykft.leaderboard.bootstrap import Resamples, clusters
from raykft.leaderboard.evidence import SHARES
from raykft.records import Probe

PROBES = [p for p in make_probes(10) if p.split == "select"]
DOMAIN = [p for p in PROBES if p.level > 0]
GENERAL = [p for p in PROBES if p.level == 0]
PASSAGES = make_passages()


def weighted(draws: int = 3) -> Resamples:
    return Resamples(PROBES, PASSAGES, "select", draws=draws)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), knows=st.floats(0, 1), hidden=st.sets(st.sampled_from(["l2a", "yes", "hint", "l5"])))
def test_equal_weights_give_the_knowledge_of_levels(seed: int, knows: float, hidden: set[str]) -> None:
    probes = [p for p in PROBES if not any(p.id.endswith(f"-{name}") for name in hidden)]
    results = make_results(probes, knows=knows, remembers=0.5, rng=np.random.default_rng(seed))
    # A partial answer to a premise has the right side; a partial score counts as far as it goes.
    results = {
        id: replace(r, outcome="partial", score=0.5) if n % 7 == 0 else r for n, (id, r) in enumerate(results.items())
    }
    figures = Resamples(probes, [], "select", draws=2).knowledge(results)
    domain = [p for p in probes if p.level > 0]
    expected = flatten(summarize(domain, [results[p.id] for p in domain]))
    grades = {id: r.grade for id, r in results.items() if r.grade is not None}
    expected["graded_knowledge"] = graded.knowledge([p for p in domain if p.id in grades], grades)
    assert figures is not None
    for metric, figure in figures.items():
        if metric in expected:
            assert figure[0] == pytest.approx(expected[metric], abs=1e-12), metric
        else:
            assert np.isnan(figure[0]), metric
    assert {name for name in SHARES if not name.startswith("free_")} <= set(figures)  # no free text is among them


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    base=st.floats(0, 1),
    tuned=st.floats(0, 1),
    bits=st.floats(0.8, 1.5),
    lost=st.sets(st.sampled_from(["x-en0", "x-ja3"])),
)
def test_equal_weights_give_the_forgetting_of_the_evaluator(
    seed: int, base: float, tuned: float, bits: float, lost: set[str]
) -> None:
    rng = np.random.default_rng(seed)
    before, now = (
        GeneralScores(make_results(GENERAL, knows=0, remembers=right, rng=rng), make_nats(PASSAGES, nats, rng))
        for right, nats in ((base, 1.0), (tuned, bits))
    )
    now = GeneralScores(now.results, {id: nats for id, nats in now.nats.items() if id not in lost})
    expected = forgetting(losses(GENERAL, PASSAGES, before, now))
    figures = weighted().forgetting(before, now)
    assert figures is not None
    assert figures["forgetting"][0] == pytest.approx(expected.clipped, abs=1e-12)
    assert figures["forgetting_signed"][0] == pytest.approx(expected.signed, abs=1e-12)
    assert figures["graded_forgetting"][0] == pytest.approx(lost_grades(GENERAL, PASSAGES, before, now), abs=1e-12)
    assert not any(np.isnan(figure).any() for figure in figures.values())


@pytest.mark.parametrize("shown", [None, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("base", [0.0, 0.1, 1.0])
def test_gain_of_many_is_that_of_each(base: float, shown: float | None) -> None:
    knowledge = np.linspace(0, 1, 5)
    top = shown if shown is not None and shown - base >= 0.2 else 1.0
    expected = [(k - base) / (top - base) if top > base else 0.0 for k in knowledge]
    found = objective.gain(knowledge, np.full(5, base), None if shown is None else np.full(5, shown))
    assert found.tolist() == pytest.approx(expected)
    assert [float(objective.gain(k, base, shown)) for k in knowledge] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("gain_minus_penalty", lambda k, g, f: g - 5 * max(0.0, f - 0.05)),
        ("gain_minus_forgetting", lambda k, g, f: g - f),
        ("gain", lambda k, g, f: g),
        ("knowledge", lambda k, g, f: k),
    ],
)
def test_score_of_many_is_that_of_each(name: str, rule: Callable[..., float]) -> None:
    knowledge, gain, lost = np.linspace(0, 1, 6), np.linspace(0.2, 1.1, 6), np.array([0, 0.02, 0.05, 0.06, 0.3, 1])
    found = objective.score(Objective(name, 0.05, 5.0), {"knowledge": knowledge, "gain": gain, "forgetting": lost})
    assert found.tolist() == pytest.approx([rule(k, g, f) for k, g, f in zip(knowledge, gain, lost, strict=True)])


def test_probes_that_share_a_fact_through_others_are_one_cluster() -> None:
    def probe(name: str, *facts: str) -> Probe:
        return replace(DOMAIN[0], id=name, fact_ids=facts)

    asked = [probe("a", "1"), probe("b", "2"), probe("c", "2", "3"), probe("d", "3", "1"), probe("e", "4"), probe("f")]
    assert clusters([*asked, probe("g")]) == [0, 0, 0, 0, 1, 2, 3]
    assert clusters([]) == []


def test_a_cluster_comes_whole_or_not_at_all() -> None:
    """One fact with all its probes right, the others wrong: every level moves together in every resample."""
    facts = [p for p in DOMAIN if p.level in {1, 2} and p.kind == "recall"]
    facts = [replace(p, fact_ids=p.fact_ids[:1]) for p in facts]
    results = make_results(facts, knows=0, remembers=0, rng=np.random.default_rng(0))
    results = {p.id: replace(results[p.id], score=float(p.fact_ids == facts[0].fact_ids)) for p in facts}
    figures = Resamples(facts, [], "select", draws=200).knowledge(results)
    assert figures is not None
    assert np.array_equal(figures["level_1"], figures["level_2"])
    assert figures["level_1"].std() > 0
    assert set(np.round(figures["level_1"] * 10).astype(int)) <= set(range(11))


def test_rows_see_the_same_resamples_and_every_start_the_same_ones() -> None:
    results = make_results(PROBES, knows=0.5, remembers=0.5, rng=np.random.default_rng(1))
    once, again = (weighted(20).knowledge(results) for _ in range(2))
    assert once is not None
    assert again is not None
    assert all(np.array_equal(once[metric], again[metric], equal_nan=True) for metric in once)


def test_a_row_that_did_not_answer_everything_has_no_figures() -> None:
    results = make_results(PROBES, knows=0.5, remembers=0.5, rng=np.random.default_rng(1))
    del results[DOMAIN[0].id]
    assert weighted().knowledge(results) is None
    whole, empty = GeneralScores(results, {}), GeneralScores({}, {})
    assert weighted().forgetting(whole, empty) is None
    assert weighted().forgetting(empty, whole) is None


def test_without_general_probes_nothing_is_forgotten() -> None:
    figures = Resamples(DOMAIN, [], "select", draws=4).forgetting(GeneralScores({}, {}), GeneralScores({}, {}))
    assert figures is not None
    assert figures["forgetting"].tolist() == [0.0] * 5


@pytest.mark.parametrize("weights", [{}, {3: 0, 5: 2.5}])
def test_resampled_graded_knowledge_is_weighted_like_the_figure_itself(weights: dict[int, float]) -> None:
    results = make_results(PROBES, knows=0.5, remembers=0.6, rng=np.random.default_rng(3))
    grades = {id: r.grade for id, r in results.items() if r.grade is not None}
    own = graded.knowledge([p for p in DOMAIN if p.id in grades], grades, weights)
    found = Resamples(PROBES, PASSAGES, "select", draws=3, level_weights=weights).knowledge(results)
    assert found["graded_knowledge"][0] == pytest.approx(own)
