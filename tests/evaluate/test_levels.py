"""Aggregation, the knowledge score on known answerers, the `raykft score` result, and the committed demo."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import raykft.records
from raykft.errors import DataError
from raykft.evaluate.levels import accuracy, summarize
from raykft.evaluate.score_files import score_answers
from raykft.evaluate.scoring import score_answer
from raykft.records import Answer, KeyFact, Prior, Probe

DEMO = Path(raykft.records.__file__).parent / "data" / "demo" / "en"


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
    assert summary["hint"] == {"n": 3, "score": 1.0, "plain": 1.0, "hint_harm": 0.0}


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
    wrong = {"hint-0", "plain-2", "hint-2"}
    summary = summary_of(probes, lambda probe: "?" if probe.id in wrong else probe.gold)
    assert summary["hint"] == {
        "n": 3,
        "score": pytest.approx(1 / 3),
        "plain": pytest.approx(2 / 3),
        "hint_harm": 0.5,
    }


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
    assert overall["repetition"] == pytest.approx(results[2].repetition / 3)
    assert results[2].repetition > 0


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


def test_score_answers_gives_the_promised_json() -> None:
    probes = make_domain()
    probes.append(replace(probes[0], id="g0", level=0))
    scored = score_answers(probes, [Answer(probe.id, probe.gold) for probe in reversed(probes)])
    assert set(scored) == {"probes", "levels", "overall"}
    assert [row["id"] for row in scored["probes"]] == [probe.id for probe in probes]
    assert set(scored["probes"][0]) == {
        *("id", "level", "kind", "outcome", "correct", "clean", "score"),
        *("wrong_claims", "overgeneration", "repetition", "echo"),
    }
    assert scored["overall"]["general"] == scored["overall"]["premise"]["score"] == 1.0
    assert scored["overall"]["stop_rate"] is None
    assert json.loads(json.dumps(scored)) == scored


def test_score_answers_names_what_does_not_fit() -> None:
    probes = make_domain()[:5]
    answers = [Answer(probe.id, "x") for probe in probes]
    with pytest.raises(DataError, match="'nobody'"):
        score_answers(probes, [*answers, Answer("nobody", "x")])
    with pytest.raises(DataError, match="'l1-0' is answered twice"):
        score_answers(probes, [*answers, answers[0]])
    with pytest.raises(DataError, match="'l1-0' occurs twice"):
        score_answers([*probes, probes[0]], answers)
    with pytest.raises(DataError, match="4 of 5 probes have no answer, such as 'l2a-0', 'l2b-0', 'l3-0';"):
        score_answers(probes, answers[:1])


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


@pytest.mark.parametrize("name", ["probes.jsonl", "general.jsonl"])
def test_demo_golds_are_correct_and_clean(name: str) -> None:
    probes = read_probes(DEMO / name)
    assert len(probes) >= 100
    results = [score_answer(probe, probe.gold) for probe in probes]
    failed = {result.id: (result.outcome, result.wrong_claims) for result in results if not result.clean}
    assert failed == {}


def test_demo_is_not_answered_by_its_questions_or_rivals() -> None:
    probes = read_probes(DEMO / "probes.jsonl")
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
