"""Graded numbers: what is asked, what it is worth, and that every fact counts once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from raykft.data.read import read_records
from raykft.evaluation import graded
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.graded import above_chance, domain_grades, general_grades
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import BASE, FACTS_NEEDED
from raykft.evaluation.retrieval import Contexts
from raykft.records import Fact, KeyFact, Passage, Pick, Probe
from raykft.testing.fakes import FakeHost

DEMO = Path(__file__).parents[2] / "raykft/data/demo"
DOMAINS = ("en", "en-small", "ja", "ja-small")


def load(domain: str) -> tuple[list[Fact], list[Probe], list[Probe]]:
    folder = DEMO / domain
    return (
        read_records(folder / "facts.jsonl", Fact),
        read_records(folder / "probes.jsonl", Probe),
        read_records(folder / "general.jsonl", Probe),
    )


def picks(probe_id: str, domain: str = "en-small") -> tuple[Pick, ...]:
    facts, probes, _ = load(domain)
    (found,) = [g for g in domain_grades(probes, facts) if g.probe.id == probe_id]
    return found.picks


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_probe_of_the_demos_is_graded(domain: str) -> None:
    facts, probes, general = load(domain)
    found = domain_grades(probes, facts)
    assert [g.probe.id for g in found] == [p.id for p in probes if p.level > 1]
    every = [pick for g in (*found, *general_grades(general)) for pick in g.picks]
    assert all(len(set(pick.candidates)) == len(pick.candidates) > 1 for pick in every)
    for g in found:  # what is right by the scorer's own rules is no rival
        right = {alias.casefold() for key in g.probe.key_facts for alias in key.any}
        if g.probe.kind not in {"premise", "format"}:
            assert all(rival.casefold() not in right for pick in g.picks for rival in pick.candidates[1:]), g.probe.id


def test_a_paraphrase_is_a_value_among_its_contrasts_after_what_leads_in() -> None:
    (pick,) = picks("p2-001-a")
    assert pick.lead_in == "Velmora's chief executive is "
    assert pick.candidates == ("Signe Uxbridge", "Caspar Vessey", "Lorenz Zelinski", "Rosalind Quill")


def test_a_question_of_two_facts_asks_for_both_one_after_the_other() -> None:
    first, second = picks("p4-001")
    assert first.candidates[0] == "Signe Uxbridge"
    assert second.lead_in == "Velmora's chief executive is Signe Uxbridge, who joined the company in "
    assert second.candidates[0] == "2015"
    assert all(rival.isdigit() for rival in second.candidates[1:])


def test_a_format_competes_with_other_values_in_it_and_with_the_plain_sentence() -> None:
    (pick,) = picks("p3-001")
    assert (pick.lead_in, pick.candidates[0]) == ("", "Signe Uxbridge")
    assert pick.candidates[-1] == "Velmora's chief executive is Signe Uxbridge."
    capitals = [g for g in domain_grades(*reversed(load("en-small")[:2])) if "capital letters" in g.probe.question]  # type: ignore[arg-type]
    assert capitals
    assert all(c.isupper() for g in capitals for c in g.picks[0].candidates[:-1])


def test_a_premise_is_yes_against_no_and_needs_its_twin() -> None:
    (pick,) = picks("pp-001-y")
    assert pick.candidates == ("Yes", "No")
    facts, probes, _ = load("en-small")
    alone = [p for p in probes if p.id != "pp-001-n"]
    assert not any(g.probe.pair_id == "pp-001" for g in domain_grades(alone, facts))


def test_chance_is_zero_and_certainty_one() -> None:
    assert above_chance(0.25, 4) == 0
    assert above_chance(1.0, 4) == 1
    assert above_chance(0.0, 4) == pytest.approx(-1 / 3)


def test_every_fact_counts_once_however_many_probes_it_has() -> None:
    def probe(name: str, *facts: str) -> Probe:
        return Probe(name, 2, "recall", "?", "g", (KeyFact(("g",)),), "select", fact_ids=facts)

    probes = [probe("a1", "a"), probe("a2", "a"), probe("a3", "a"), probe("b1", "b"), probe("ab", "a", "b")]
    counts = graded.shares(probes)
    assert sum(counts.values()) == pytest.approx(1)
    assert counts["a1"] == pytest.approx(1 / 8)
    assert counts["ab"] == pytest.approx(1 / 8 + 1 / 4)
    grades = {"a1": 1.0, "a2": 1.0, "a3": 1.0, "b1": 0.0, "ab": 0.0}
    assert graded.knowledge(probes, grades) == pytest.approx((3 / 4 + 0) / 2)


def test_levels_weigh_within_a_fact_and_every_fact_counts_the_same() -> None:
    def probe(name: str, level: int, fact: str) -> Probe:
        return Probe(name, level, "recall", "?", "g", (KeyFact(("g",)),), "select", fact_ids=(fact,))

    probes = [probe("a2", 2, "a"), probe("a4", 4, "a"), probe("b2", 2, "b"), probe("c4", 4, "c")]
    assert graded.shares(probes, {2: 1, 4: 1}) == graded.shares(probes)
    counts = graded.shares(probes, {4: 3})
    assert counts["a4"] == pytest.approx(3 / 4 / 3)
    assert counts["b2"] == counts["c4"] == pytest.approx(1 / 3)
    without = graded.shares(probes, {4: 0})
    assert without == {"a2": pytest.approx(1 / 2), "b2": pytest.approx(1 / 2)}  # of c nothing is asked that counts
    grades = {"a2": 1.0, "a4": 0.0, "b2": 0.5, "c4": 1.0}
    assert graded.knowledge(probes, grades, {4: 0}) == pytest.approx(0.75)


def test_forgetting_is_signed_and_means_over_languages_and_kinds() -> None:
    general = [
        Probe(f"{lang}-{kind}", 0, kind, "?", "g", (KeyFact(("g",)),), "select", lang=lang, contrast=("h",))
        for lang in ("en", "ja")
        for kind in ("recall", "mc")
    ]
    before = {p.id: 0.5 for p in general}
    now = before | {"en-recall": 0.25, "ja-mc": 0.75}
    assert graded.forgetting(general, before, now, []) == pytest.approx((0.5 + 0 + 0 - 0.5) / 4)
    # Running text counts alone where there is some: general grades may rise while answers get worse.
    assert graded.forgetting(general, before, now, [(1.0, 2.0)]) == pytest.approx(0.5)
    assert graded.forgetting(general, before, now, [(1.0, 2.0), (1.0, 1.0)]) == pytest.approx(0.25)
    assert graded.forgetting(general, before, before, [(1.0, None)]) == pytest.approx(1)  # no finite likelihood
    assert graded.forgetting(general, before, now, [(None, None)]) == graded.forgetting(general, before, now, [])
    assert graded.forgetting(general, dict.fromkeys(before, 0.01), now, []) == 0  # nothing above chance to lose
    assert graded.forgetting([], {}, {}, []) == 0


@pytest.fixture(scope="module")
def suite() -> Suite:
    facts, probes, general = load("en-small")
    passages = read_records(DEMO / "en-small" / "passages.jsonl", Passage)
    return Suite(tuple(facts), tuple(probes), tuple(general), tuple(passages))


class TestEvaluator:
    """Grades beside answers, in the same requests."""

    @staticmethod
    def scored(suite: Suite, host: FakeHost, objective: str = "graded") -> tuple[Evaluator, Any, Any]:
        evaluator = Evaluator(suite, Objective(objective))
        contexts = {FACTS_NEEDED: Contexts(suite.facts, max_tokens=0).needed}
        base = evaluator.base(host, contexts)
        return evaluator, base, evaluator.full(host, "t0", base)

    def test_one_that_is_sure_of_everything_gains_and_forgets_nothing(self, suite: Suite) -> None:
        class Sure(FakeHost):
            def choose(self, trial_id: str | None, asked: Any) -> list[list[float]]:
                certain = [[0.0, *[-50.0] * (len(p.candidates) - 1)] for p in asked]
                shown = [p.question.count("\n") > 1 for p in asked]  # the facts stand before the question
                rows = super().choose(trial_id, asked)
                general = {p.question for p in suite.general}
                return [
                    c if trial_id or s or p.question in general else r
                    for c, s, p, r in zip(certain, shown, asked, rows, strict=True)
                ]

        evaluator, base, full = self.scored(suite, Sure())
        assert base.rows[BASE]["select"].metrics["graded_knowledge"] == pytest.approx(0)
        assert full.metrics["graded_knowledge"] == pytest.approx(1)
        shown = base.rows[FACTS_NEEDED]["select"].metrics["graded_knowledge"]
        assert full.metrics["graded_gain"] == pytest.approx(1 / shown)
        assert full.metrics["graded_forgetting"] == pytest.approx(0)
        assert full.metrics["score"] == full.metrics["graded_gain"]
        assert evaluator.rung(Sure(), "t0", base)["rung_score"] == pytest.approx(full.metrics["score"], rel=0.2)
        graded_ids = {r.id for r in full.results if r.grade is not None}
        assert {p.id for p in suite.probes if p.split == "select" and p.level > 1} <= graded_ids

    def test_generated_answers_do_not_move_a_graded_score(self, suite: Suite) -> None:
        said = ("", "Yes, Signe Uxbridge.")
        silent, talkative = (self.scored(suite, FakeHost(lambda t, q, s=s: s))[2] for s in said)
        assert silent.metrics["score"] == talkative.metrics["score"]
        assert silent.metrics["knowledge"] != talkative.metrics["knowledge"]

    def test_an_objective_of_answers_is_not_moved_by_grades(self, suite: Suite) -> None:
        answers = {p.question: p.gold for p in (*suite.probes, *suite.general)}
        scores = [
            self.scored(suite, FakeHost(lambda t, q: answers.get(q, ""), lambda t, p=p: p if t else -1.0), "gain")[2]
            for p in (-0.1, -9.0)
        ]
        assert scores[0].metrics["score"] == scores[1].metrics["score"]
        assert scores[0].metrics["graded_knowledge"] > scores[1].metrics["graded_knowledge"]

    def test_a_split_without_gradable_probes_has_no_graded_numbers(self, suite: Suite) -> None:
        bare = tuple(replace(p, level=1, kind="recall") if p.level > 1 else p for p in suite.probes)
        full = self.scored(replace(suite, probes=bare), FakeHost(), "gain")[2]
        assert not [name for name in full.metrics if name.startswith("graded")]
