"""Aggregation, the knowledge score on known answerers, and the committed demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import raykft.records
from raykft.errors import DataError
from raykft.evaluation.claims import FactSheet
from raykft.evaluation.levels import accuracy, knowledge_shift, summarize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, KeyFact, Prior, Probe

DEMO = Path(raykft.records.__file__).parent / "data" / "demo"
YES, NO = {"en": "Yes.", "ja": "はい。"}, {"en": "No.", "ja": "いいえ。"}
in_both_languages = pytest.mark.parametrize("lang", ["en", "ja"])


def make_domain() -> list[Probe]:
    """All levels and kinds over three facts; questions never contain an answer, except true premises."""
    probes = []
    for index, (chief, other) in enumerate([("Uxbridge", "Vessey"), ("Quill", "Corrigan"), ("近藤雅彦", "佐藤健")]):
        base = Probe(
            id=f"l1-{index}",
            level=1,
            kind="recall",
            split="select",
            question=f"Who leads branch {index}?",
            gold=f"{chief} leads it.",
            key_facts=(KeyFact((chief,), "person"),),
            forbidden=(other,),
            fact_ids=(f"f{index}",),
        )
        probes += [
            base,
            replace(base, id=f"l2a-{index}", level=2, question=f"Branch {index}: who is its head?"),
            replace(base, id=f"l2b-{index}", level=2, question=f"Name the head of branch {index}."),
            replace(base, id=f"l3-{index}", level=3, kind="format", gold=f"Head: {chief}", pattern=r"^Head: \S+$"),
            replace(base, id=f"l4-{index}", level=4, kind="list"),
            replace(base, id=f"l5-{index}", level=5, prior=Prior("?", ("x",))),
            replace(base, id=f"hint-{index}", level=2, kind="hint", pair_id=f"h{index}", tags=("hint",)),
            replace(base, id=f"plain-{index}", level=2, kind="hint", pair_id=f"h{index}", tags=("plain",)),
        ]
        premise = replace(base, level=2, kind="premise", pair_id=f"p{index}")
        probes += [
            replace(
                premise,
                id=f"no-{index}",
                polarity="no",
                question=f"Is {other} the head of branch {index}?",
                gold=f"No, {chief} is.",
            ),
            replace(
                premise,
                id=f"yes-{index}",
                polarity="yes",
                question=f"Is {chief} the head of branch {index}?",
                gold=f"Yes, {chief} is.",
            ),
        ]
    return probes


def summary_of(probes: list[Probe], answer: Callable[[Probe], str]) -> dict[str, Any]:
    return summarize(probes, [score_answer(probe, answer(probe), stopped=True) for probe in probes])


def test_oracle_has_all_knowledge() -> None:
    summary = summary_of(make_domain(), lambda probe: probe.gold)
    assert summary["overall"]["knowledge"] == 1.0
    assert summary["overall"]["clean"] == 1.0
    assert summary["overall"]["n"] == 30
    assert summary["overall"]["overgeneration"] == 1.0
    assert summary["overall"]["stop_rate"] == 1.0
    assert summary["overall"]["refusal_rate"] == 0.0
    assert {level: entry["n"] for level, entry in summary["levels"].items()} == dict(
        zip("12345", (3, 6, 3, 3, 3), strict=True)
    )
    assert all(entry["score"] == entry["clean"] == entry["correct"] == 1.0 for entry in summary["levels"].values())
    assert summary["levels"]["3"]["compliant"] == 1.0
    paraphrased = summary["levels"]["2"]
    assert [paraphrased[name] for name in ("all_paraphrases", "coverage", "verbatim_gap")] == [1.0, 1.0, 0.0]
    assert summary["hint"] == {
        "n": 3, "score": 1.0, "plain": 1.0, "pairs": 3, "harmed": 0, "helped": 0, "hint_harm": 0.0,
    }  # fmt: skip


def test_echo_knows_nothing() -> None:
    summary = summary_of(make_domain(), lambda probe: probe.question)
    assert summary["overall"]["knowledge"] == 0.0
    assert summary["premise"]["score"] == 0.0


@pytest.mark.parametrize("answer", ["No.", "いいえ、違います。", "Yes.", "はい。"])
def test_always_the_same_polarity_is_chance(answer: str) -> None:
    summary = summary_of(make_domain(), lambda probe: answer)
    assert summary["premise"]["score"] == 0.5
    assert summary["premise"]["skill"] == 0
    assert summary["overall"]["knowledge"] == 0


def test_always_no_with_the_true_fact_is_chance_too() -> None:
    summary = summary_of(make_domain(), lambda probe: f"No, {probe.key_facts[0].any[0]} is.")
    assert (summary["premise"]["score"], summary["premise"]["stated"]) == (0.5, 0.5)
    assert (summary["premise"]["yes_rate"], summary["premise"]["no_rate"]) == (0.0, 1.0)


def test_facts_with_many_questions_count_once() -> None:
    probes = [probe for probe in make_domain() if probe.id in {"l2a-0", "l2b-0", "l2a-1"}]
    right = {"l2a-0", "l2a-1"}
    summary = summary_of(probes, lambda probe: probe.gold if probe.id in right else "?")
    assert summary["levels"]["2"]["n"] == 3
    assert summary["levels"]["2"]["score"] == pytest.approx((0.5 + 1) / 2)
    assert summary["overall"]["clean"] == pytest.approx(2 / 3)


def test_missing_parts_are_none_and_left_out() -> None:
    probes = [probe for probe in make_domain() if probe.id in {"l2a-0", "l5-0", "no-0"}]
    summary = summary_of(probes, lambda probe: probe.gold if probe.id == "l2a-0" else "?")
    assert summary["premise"]["score"] is None
    assert summary["hint"]["score"] is None
    assert summary["levels"]["4"]["score"] is None
    assert summary["overall"]["knowledge"] == 0.5
    assert summary_of([], lambda probe: "")["overall"]["knowledge"] is None


def test_hint_harm_counts_answers_that_the_hint_turned() -> None:
    probes = [probe for probe in make_domain() if probe.kind == "hint"]
    wrong = {"hint-0", "plain-2"}
    summary = summary_of(probes, lambda probe: "?" if probe.id in wrong else probe.gold)
    assert summary["hint"] == {
        "n": 3,
        "score": pytest.approx(2 / 3),
        "plain": pytest.approx(2 / 3),
        "pairs": 3,
        "harmed": 1,
        "helped": 1,
        "hint_harm": 0.5,
    }
    alone = summary_of(probes[:1], lambda probe: probe.gold)["hint"]
    assert (alone["n"], alone["pairs"], alone["hint_harm"]) == (1, 0, None)


# Per fact, how many of its two paraphrases are right.
@pytest.mark.parametrize(
    ("right", "all_paraphrases", "coverage"),
    [((2, 1, 0), 1 / 3, 2 / 3), ((1, 1, 1), 0.0, 1.0), ((0, 0, 0), 0.0, 0.0), ((2, 2, 0), 2 / 3, 2 / 3)],
)
def test_paraphrases_of_a_fact_stand_and_fall_together(
    right: tuple[int, ...], all_paraphrases: float, coverage: float
) -> None:
    summary = summary_of(make_domain(), paraphrases_right(right))
    entry = summary["levels"]["2"]
    assert entry["all_paraphrases"] == pytest.approx(all_paraphrases)
    assert entry["coverage"] == pytest.approx(coverage)
    assert entry["score"] == pytest.approx(sum(right) / 6)
    assert entry["verbatim_gap"] == pytest.approx(1 - sum(right) / 6)


def paraphrases_right(right: tuple[int, ...]) -> Callable[[Probe], str]:
    """Answers that know of fact n the first `right[n]` paraphrases, and everything at other levels."""
    known = {f"l2{letter}-{fact}" for fact, count in enumerate(right) for letter in "ab"[:count]}
    return lambda probe: probe.gold if probe.level != 2 or probe.id in known else "?"


def test_knowledge_shift_counts_facts() -> None:
    probes = make_domain()
    base = [score_answer(probe, paraphrases_right((0, 1, 2))(probe)) for probe in probes]
    tuned = [score_answer(probe, paraphrases_right((2, 1, 1))(probe)) for probe in probes]
    assert knowledge_shift(probes, base, tuned) == {
        "none": {"none": 0, "some": 0, "all": 1},
        "some": {"none": 0, "some": 1, "all": 0},
        "all": {"none": 0, "some": 1, "all": 0},
    }
    with pytest.raises(DataError, match="no result"):
        knowledge_shift(probes, base[:1], tuned)


def test_form_and_content_are_told_apart() -> None:
    probes = [probe for probe in make_domain() if probe.level == 3]
    answers = dict(
        zip([probe.id for probe in probes], ["Head: Uxbridge", "Quill leads it.", "Head: 佐藤健"], strict=True)
    )
    entry = summary_of(probes, lambda probe: answers[probe.id])["levels"]["3"]
    assert (entry["score"], entry["compliant"], entry["content"]) == pytest.approx((1 / 3, 2 / 3, 2 / 3))


def test_long_answers_are_a_column_of_their_own() -> None:
    base = next(probe for probe in make_domain() if probe.level == 4)
    probes = [
        replace(base, id="short", gold="Uxbridge.", fact_ids=("a",)),
        replace(base, id="long", gold="Uxbridge, " + "and so on, " * 9, fact_ids=("b",)),
        replace(base, id="tagged", gold="Uxbridge.", tags=("long",), fact_ids=("c",)),
        replace(base, id="ja", gold="Uxbridge" + "と霧見潮力工業" * 6, fact_ids=("d",)),
    ]
    by_length = summary_of(probes, lambda probe: "?" if probe.id == "ja" else "Uxbridge")["levels"]["4"]["by_length"]
    assert (by_length["short"]["n"], by_length["short"]["score"]) == (1, 1.0)
    assert (by_length["long"]["n"], by_length["long"]["score"]) == (3, pytest.approx(2 / 3))


def test_level_5_is_also_scored_where_the_base_knows_the_rest() -> None:
    probes = [probe for probe in make_domain() if probe.level == 5]
    results = [score_answer(probe, probe.gold if probe.id == "l5-1" else "?") for probe in probes]
    assert "prior_known" not in summarize(probes, results)["levels"]["5"]
    known = summarize(probes, results, prior_known={"l5-1", "l5-2", "elsewhere"})["levels"]["5"]
    assert (known["score"], known["prior_known"]["n"], known["prior_known"]["score"]) == (pytest.approx(1 / 3), 2, 0.5)
    assert summarize(probes, results, prior_known=())["levels"]["5"]["prior_known"]["score"] is None


def test_behaviour_is_aggregated_over_known_values() -> None:
    probes = make_domain()[:3]
    answers = ["I don't know.", probes[1].gold, probes[2].gold * 3]
    results = [
        score_answer(probe, answer, stopped)
        for probe, answer, stopped in zip(probes, answers, (True, None, False), strict=True)
    ]
    overall = summarize(probes, results)["overall"]
    assert overall["stop_rate"] == 0.5
    assert overall["refusal_rate"] == pytest.approx(1 / 3)
    assert overall["overgeneration"] == 1.0
    assert overall["overlong_rate"] == pytest.approx(1 / 3)
    assert overall["repetition"] == pytest.approx(results[2].repetition / 3)
    assert results[2].repetition > 0
    assert overall["compression"] > 0
    assert (overall["echo_rate"], overall["newline_tail"], overall["unchecked"]) == (0.0, 0.0, 0)


def test_degenerate_answers_show() -> None:
    probes = make_domain()[:5]
    answers = [probes[0].question, "Alençon." + "\n" * 9, "alençon", "ALENÇON!", ""]
    overall = summarize(probes, [score_answer(p, a) for p, a in zip(probes, answers, strict=True)])["overall"]
    assert overall["echo_rate"] == overall["newline_tail"] == pytest.approx(1 / 5)
    # Diversity is that of the recall probes, the first three.
    assert [probe.kind for probe in probes] == ["recall", "recall", "recall", "format", "list"]
    assert overall["top_answer_share"] == overall["unique_answers"] == pytest.approx(2 / 3)


def test_unchecked_answers_are_counted() -> None:
    probes = make_domain()[:2]
    results = [score_answer(probe, probe.gold) for probe in probes]
    results[1] = replace(results[1], unchecked="slot")
    assert summarize(probes, results)["overall"]["unchecked"] == 1


def test_general_probes_have_an_accuracy_of_their_own() -> None:
    domain = make_domain()
    general = [replace(domain[index], id=f"g{index}", level=0) for index in range(2)]
    results = [score_answer(general[0], general[0].gold), score_answer(general[1], "?")]
    assert accuracy(general, results) == 0.5
    assert summarize(general, results)["overall"]["n"] == 0
    with pytest.raises(DataError):
        accuracy([], [])


def test_results_must_belong_to_the_probes() -> None:
    probes = make_domain()[:2]
    results = [score_answer(probe, "?") for probe in probes]
    with pytest.raises(DataError, match="no result, such as 'l2a-0'"):
        summarize(probes, results[:1])
    with pytest.raises(DataError, match="'l2a-0' belongs to no probe"):
        summarize(probes[:1], results)
    with pytest.raises(DataError, match="twice"):
        summarize(probes, [*results, results[0]])


@cache
def read_probes(path: Path) -> list[Probe]:
    """The probes of a file without `raykft.data`, which needs pydantic."""
    probes = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        row["key_facts"] = tuple(KeyFact(**{**fact, "any": tuple(fact["any"])}) for fact in row["key_facts"])
        if row.get("prior"):
            row["prior"] = Prior(row["prior"]["question"], tuple(row["prior"]["any"]))
        probes.append(Probe(**{name: tuple(part) if isinstance(part, list) else part for name, part in row.items()}))
    return probes


@in_both_languages
@pytest.mark.parametrize("name", ["probes.jsonl", "general.jsonl"])
def test_demo_golds_are_correct_and_clean(lang: str, name: str) -> None:
    probes = read_probes(DEMO / lang / name)
    assert len(probes) >= 100
    results = [score_answer(probe, probe.gold) for probe in probes]
    failed = {r.id: (r.outcome, r.wrong_claims, r.echo) for r in results if r.echo or not r.clean}
    assert failed == {}


@in_both_languages
def test_demo_is_not_answered_by_its_questions_or_rivals(lang: str) -> None:
    probes = read_probes(DEMO / lang / "probes.jsonl")
    echoed = {probe.id for probe in probes if score_answer(probe, probe.question).score > 0}
    rivals = {
        (probe.id, rival)
        for probe in probes
        if probe.kind != "premise"
        for rival in (*probe.contrast, *probe.forbidden)
        if score_answer(probe, rival).correct
    }
    assert echoed == set()
    assert rivals == set()


@in_both_languages
@pytest.mark.parametrize(
    ("answer", "knowledge", "premise"),
    [
        (lambda probe: probe.gold, 1.0, 1.0),
        (lambda probe: probe.question, 0.0, 0.0),
        (lambda probe: NO[probe.lang], 0.0, 0.5),
        (lambda probe: YES[probe.lang], 0.0, 0.5),
        (lambda probe: "", 0.0, 0.0),
    ],
    ids=["oracle", "echo", "always no", "always yes", "silent"],
)
def test_demo_sanity_of_known_answerers(
    lang: str, answer: Callable[[Probe], str], knowledge: float, premise: float
) -> None:
    summary = summary_of(read_probes(DEMO / lang / "probes.jsonl"), answer)
    assert summary["overall"]["knowledge"] == knowledge
    assert summary["premise"]["score"] == premise


@in_both_languages
def test_demo_answers_make_nothing_up(lang: str) -> None:
    probes = read_probes(DEMO / lang / "probes.jsonl")
    facts = [json.loads(line) for line in (DEMO / lang / "facts.jsonl").read_text(encoding="utf-8").splitlines()]
    sheet = FactSheet(Fact(**{**fact, "aliases": tuple(fact.get("aliases", ()))}) for fact in facts)
    others = [probe.gold for probe in probes if probe.level == 1]
    made_up = {
        (probe.id, claims)
        for index, probe in enumerate(probes)
        for answer in (probe.gold, probe.question, others[index % len(others)])
        if (claims := sheet.unsupported(probe, answer))
    }
    assert made_up == set()
    assert sheet.unsupported(probes[0], "3 May 1987") == ("1987-05-03",)
