"""Gain and objective as formulas; what rungs ask; baselines, dummies among them, as rows."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from raykft.data.read import read_records
from raykft.evaluation.dummies import always_no, template_copy
from raykft.evaluation.evaluator import (
    ALWAYS_NO,
    BASE,
    FACTS_NEEDED,
    TEMPLATE_COPY,
    BaseScores,
    Evaluator,
    Suite,
)
from raykft.evaluation.objective import Objective, gain, score
from raykft.evaluation.picks import domain_picks, general_picks, in_turns, share_of_first
from raykft.records import Fact, Probe
from raykft.testing.fakes import FakeHost

DEMO = Path(__file__).parents[2] / "raykft/data/demo/en-small"
PROBES = tuple(read_records(DEMO / "probes.jsonl", Probe))
FACTS = tuple(read_records(DEMO / "facts.jsonl", Fact))
GOLD = {probe.question: probe.gold for probe in PROBES}


@pytest.mark.parametrize(
    ("knowledge", "base", "shown", "expected"),
    [(0.1, 0.1, 0.9, 0.0), (0.9, 0.1, 0.9, 1.0), (0.5, 0.1, 0.9, 0.5), (0.05, 0.1, 0.9, -0.0625),
     (0.55, 0.1, None, 0.5), (0.55, 0.1, 0.2, 0.5), (1.0, 1.0, None, 0.0)],
)  # fmt: skip
def test_gain_is_zero_at_the_base_and_one_with_the_needed_facts(
    knowledge: float, base: float, shown: float | None, expected: float
) -> None:
    assert gain(knowledge, base, shown) == pytest.approx(expected)


def test_objectives() -> None:
    figures = {"knowledge": 0.6, "gain": 0.8, "forgetting": 0.15}
    assert score(Objective("gain_minus_penalty", 0.05, 5.0), figures) == pytest.approx(0.3)
    assert score(Objective("gain_minus_penalty", 0.05, 5.0), figures | {"forgetting": 0.04}) == pytest.approx(0.8)
    assert score(Objective("gain_minus_forgetting"), figures) == pytest.approx(0.65)
    assert score(Objective("gain"), figures) == 0.8
    assert score(Objective("knowledge"), figures) == 0.6
    assert score(Objective("graded"), {"graded_gain": 0.7, "graded_forgetting": -0.1}) == pytest.approx(0.8)


class TestRungs:
    """What unfinished trials are asked."""

    paraphrased = tuple(p for p in PROBES if p.level == 2 and p.split == "select" and p.kind == "recall")

    def test_one_paraphrase_a_fact_comes_first_and_leads_into_the_key_fact(self) -> None:
        facts = {p.fact_ids for p in self.paraphrased}
        picks = domain_picks(self.paraphrased, len(facts))
        by_question = {p.question: p for p in PROBES}
        assert {by_question[p.question].fact_ids for p in picks} == facts
        for pick in picks:
            probe = by_question[pick.question]
            assert probe.gold.startswith(pick.lead_in + pick.candidates[0])
            assert len(set(pick.candidates)) == 4

    def test_premise_twins_are_asked_for_their_first_word_and_never_alone(self) -> None:
        premises = {p.question: p for p in PROBES if p.kind == "premise"}
        picks = domain_picks(PROBES, 24)
        asked = [premises[p.question] for p in picks if p.question in premises]
        assert len(picks) == 24 + 2 * 3
        assert len(asked) == 2 * 3
        for pair_id in {p.pair_id for p in asked}:
            assert {p.polarity for p in asked if p.pair_id == pair_id} == {"yes", "no"}
        assert {p.candidates for p in picks if p.question in premises} == {("Yes", "No"), ("No", "Yes")}
        no_twin = [p for p in PROBES if p.polarity != "no"]
        assert len(domain_picks(no_twin, 24)) == 24
        japanese = [replace(p, lang="ja") for p in PROBES if p.kind == "premise"]
        assert {c for p in domain_picks(japanese, 8) for c in p.candidates} == {"はい", "いいえ"}

    def test_a_leaning_to_one_word_gains_nothing(self) -> None:
        lean = [share_of_first([2.0, -1.0]), share_of_first([-1.0, 2.0])]
        assert sum(lean) / 2 == pytest.approx(0.5)

    def test_a_probe_without_its_alias_in_the_gold_is_left_out(self) -> None:
        probe = replace(self.paraphrased[0], gold="Something else.")
        assert domain_picks([probe], 24) == []

    def test_general_questions_take_turns_among_languages_and_leave_out_neighbours(self) -> None:
        probes = [
            replace(self.paraphrased[0], id=f"g{n}", question=f"{lang}{n}", level=0, lang=lang, tags=tags)
            for lang, tags in (("en", ()), ("ja", ()), ("en", ("locality",)))
            for n in range(3)
        ]
        assert [p.question for p in general_picks(probes, 4)] == ["en0", "ja0", "en1", "ja1"]
        assert len(general_picks(probes, 99)) == 6
        instruction = replace(probes[0], kind="instruct", key_facts=(), pattern="^.")
        assert general_picks([instruction], 4) == []

    def test_turns(self) -> None:
        assert in_turns("aabacb", lambda c: c) == list("abcaba")

    @pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
    def test_shares(self, bad: float) -> None:
        assert share_of_first([-1.0, -1.0]) == 0.5
        assert share_of_first([0.0, -1000.0]) == 1.0
        assert share_of_first([-1.0, bad]) == share_of_first([bad, -1.0]) == 0.0


class TestBaselines:
    """Rows that are measured once, not by a trial."""

    @pytest.fixture
    def base(self) -> BaseScores:
        host = FakeHost(lambda trial, q: GOLD.get(q.split("\n\n")[-1], "") if "\n\n" in q else "I do not know.")
        texts = {f.id: f.text for f in FACTS}
        contexts = {
            FACTS_NEEDED: lambda p: f"{' '.join(texts[f] for f in p.fact_ids)}\n\n{p.question}",
            "too_long": lambda p: p.question if p.level == 1 else None,
        }
        return Evaluator(Suite(FACTS, PROBES), Objective()).base(host, contexts)

    def test_a_row_of_every_baseline_has_both_splits_and_every_answer(self, base: BaseScores) -> None:
        assert list(base.rows) == [BASE, FACTS_NEEDED, ALWAYS_NO, TEMPLATE_COPY]
        for name, row in base.rows.items():
            assert list(row) == ["select", "report"]
            assert {r.id for r in base.results(name)} == {p.id for p in PROBES}

    def test_the_oracle_has_a_gain_of_one_and_the_base_of_none(self, base: BaseScores) -> None:
        gains = {name: row["report"].metrics["gain"] for name, row in base.rows.items()}
        assert (gains[BASE], gains[FACTS_NEEDED]) == (0, 1)
        assert base.rows[FACTS_NEEDED]["select"].metrics["knowledge"] == 1

    def test_level_5_is_scored_apart_where_the_base_knows_the_rest(self) -> None:
        known = next(p for p in PROBES if p.prior and p.split == "select")
        assert known.prior
        facts = {known.prior.question: known.prior.any[0]}
        evaluator = Evaluator(Suite(FACTS, PROBES), Objective())
        base = evaluator.base(FakeHost(lambda trial, q: facts.get(q, "")))
        assert base.prior_known == [known.id]
        tuned = evaluator.full(FakeHost(lambda trial, q: known.gold if q == known.question else ""), "t0", base)
        assert tuned.metrics["level_5_prior"] == 1
        assert tuned.metrics["level_5"] < 1

    def test_an_adapter_is_asked_with_a_context_too(self, base: BaseScores) -> None:
        evaluator = Evaluator(Suite(FACTS, PROBES), Objective())
        told = FakeHost(lambda trial, q: GOLD[q.removeprefix("told ")] if trial == "t0" else "")
        row = evaluator.in_context(told, "t0", base, lambda p: f"told {p.question}")
        assert row is not None
        assert row["report"].metrics["gain"] == 1
        assert evaluator.in_context(told, "t0", base, lambda p: None) is None

    def test_they_survive_the_cache(self, base: BaseScores) -> None:
        again = BaseScores.from_dict(json.loads(json.dumps(base.as_dict())))
        assert again == base
        assert json.loads(json.dumps(base.figures()))["rows"][BASE]["select"].keys() == {"metrics", "passage_nats"}

    def test_always_denying_is_a_coin_toss_and_knows_nothing(self, base: BaseScores) -> None:
        for split in ("select", "report"):
            metrics = base.rows[ALWAYS_NO][split].metrics
            assert metrics["premise"] == 0.5
            assert metrics["knowledge"] == 0

    def test_copying_the_form_without_the_content_knows_nothing(self, base: BaseScores) -> None:
        copies = {r.id: r.answer for r in base.results(TEMPLATE_COPY)}
        overlap = [
            len(set(p.gold.split()) & set(copies[p.id].split())) / len(set(p.gold.split()))
            for p in PROBES
            if p.level in {1, 2}
        ]
        assert sum(overlap) / len(overlap) > 0.6  # what an overlap metric would reward
        for split in ("select", "report"):
            assert base.rows[TEMPLATE_COPY][split].metrics["knowledge"] < 0.02


def test_dummies_speak_the_probes_language() -> None:
    probe = next(p for p in PROBES if p.kind == "premise" and p.polarity == "no")
    assert always_no(probe) == "No."
    assert template_copy(PROBES)(probe).startswith("Yes, ")
    japanese = replace(
        probe, lang="ja", gold="いいえ、2015年です。", key_facts=(replace(probe.key_facts[0], any=("2015年",)),)
    )
    rival = replace(probe, id="x", polarity=None, contrast=("2022年",), key_facts=japanese.key_facts)
    assert always_no(japanese) == "いいえ。"
    assert template_copy([rival])(japanese) == "はい、2022年です。"


def test_every_key_fact_of_a_copy_is_replaced() -> None:
    combined = [p for p in PROBES if len(p.key_facts) > 1]
    copy = template_copy(PROBES)
    assert combined
    for probe in combined:
        assert not any(alias in copy(probe) for fact in probe.key_facts for alias in fact.any), probe.id
