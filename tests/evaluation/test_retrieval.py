"""BM25 over facts in both languages, and the prompts of the baselines that read facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raykft.data.read import read_records
from raykft.evaluation.retrieval import Contexts, Retriever, estimated_tokens, terms
from raykft.records import Fact, KeyFact, Probe

DEMO = Path(__file__).parents[2] / "raykft/data/demo/en-small"
ENGLISH = (
    "Velmora's chief executive is Signe Uxbridge.",
    "Velmora Tidal Works was founded on 19 December 1994.",
    "Velmora's flagship turbine is called the Ombrax.",
    "The logo of Velmora shows a grey heron.",
)
JAPANESE = (
    "霧見潮力工業の代表取締役は遠藤雅彦です。",
    "霧見潮力工業の設立年月日は2011年3月14日です。",
    "霧見潮力工業の最寄り駅は大門駅です。",
    "霧見潮力工業のロゴにはアオサギが描かれています。",
)


def facts(*texts: str) -> list[Fact]:
    return [Fact(f"f{n}", "s", "r", "v", text) for n, text in enumerate(texts, start=1)]


def probe(question: str, *fact_ids: str) -> Probe:
    return Probe("p", 2, "recall", question, "gold", (KeyFact(("gold",)),), "select", fact_ids=fact_ids)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The Ombrax, a turbine!", ["ombrax", "turbine"]),
        ("founded on 19 December 1994", ["founded", "on", "⟨1994-12-19⟩"]),
        ("大門駅です", ["大門", "門駅", "駅で", "です"]),
        ("芝、大門", ["芝", "大門"]),
        ("従業員はＫＦＴの320人", ["従業", "業員", "員は", "kft", "の", "320", "人"]),
        ("?!", []),
        ("", []),
    ],
)
def test_terms(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


@pytest.mark.parametrize(
    ("texts", "question", "first"),
    [
        (ENGLISH, "Who is the chief executive of Velmora?", 0),
        (ENGLISH, "What happened on December 19, 1994?", 1),
        (ENGLISH, "WHAT IS THE TURBINE CALLED?", 2),
        (ENGLISH, "Which animal is in the logo?", 3),
        (JAPANESE, "霧見潮力工業の代表取締役は誰ですか?", 0),
        (JAPANESE, "平成23年3月14日には何がありましたか?", 1),
        (JAPANESE, "どの駅が最寄りですか?", 2),
        (JAPANESE, "ロゴの動物は何ですか?", 3),
    ],
)
def test_the_right_fact_comes_first(texts: tuple[str, ...], question: str, first: int) -> None:
    found = Retriever(facts(*texts)).top(question)
    assert found[0].text == texts[first]
    assert len(found) <= 3


def test_equal_facts_come_in_the_order_of_the_file() -> None:
    retriever = Retriever(facts("The harbour is deep.", *["The pier is long."] * 30))
    assert [fact.id for fact in retriever.top("How long is the pier?", 5)] == ["f2", "f3", "f4", "f5", "f6"]


@pytest.mark.parametrize("question", ["", "?!", "Quo vadis, Petre", "全然別"])
def test_a_question_without_a_common_term_finds_nothing(question: str) -> None:
    assert Retriever(facts(*ENGLISH)).top(question) == []


@pytest.mark.parametrize("texts", [(), ("?!", "...")])
def test_facts_without_terms_are_never_found(texts: tuple[str, ...]) -> None:
    assert Retriever(facts(*texts)).top("anything") == []


@given(st.lists(st.text(min_size=1), max_size=5), st.text(), st.integers(1, 4))
def test_any_text_can_be_searched(texts: list[str], question: str, limit: int) -> None:
    found = Retriever(facts(*texts)).top(question, limit)
    assert len({fact.id for fact in found}) == len(found) <= limit
    for fact in found:
        assert set(terms(fact.text)) & set(terms(question))


def test_retrieval_is_silent(capfd: pytest.CaptureFixture[str]) -> None:
    Retriever(facts(*ENGLISH)).top("Who is the chief executive?")
    assert capfd.readouterr() == ("", "")


def test_recall_is_the_mean_over_probes_with_facts() -> None:
    retriever = Retriever(facts(*ENGLISH))
    probes = [
        probe("Who is the chief executive?", "f1"),
        probe("Who is the chief executive?", "f1", "f2"),
        probe("Quo vadis, Petre", "f1"),
        probe("Who is the chief executive?"),
    ]
    assert retriever.recall(probes, 1) == pytest.approx((1 + 0.5 + 0) / 3)
    assert retriever.recall(probes[3:]) is None


def test_recall_on_the_bundled_domain_rises_with_the_limit_and_is_full_for_verbatim_questions() -> None:
    known, probes = read_records(DEMO / "facts.jsonl", Fact), read_records(DEMO / "probes.jsonl", Probe)
    retriever = Retriever(known)
    at = [retriever.recall(probes, limit) or 0.0 for limit in (1, 3, len(known))]
    assert 0.5 < at[0] < at[1] < at[2] <= 1
    assert (retriever.recall(p for p in probes if p.level == 1) or 0.0) > 0.9


def test_prompts_hold_facts_an_empty_line_and_the_question() -> None:
    contexts = Contexts(facts(*ENGLISH), max_tokens=100)
    question = "Who is the chief executive?"
    asked = probe(question, "f3", "f1")
    assert contexts.needed(asked) == f"{ENGLISH[2]} {ENGLISH[0]}\n\n{question}"
    assert contexts.all_facts(asked) == f"{' '.join(ENGLISH)}\n\n{question}"
    retrieved = contexts.retrieved(asked)
    assert retrieved.startswith(ENGLISH[0])
    assert retrieved.endswith(f"\n\n{question}")
    named = contexts.by_name()
    assert list(named) == ["facts_needed", "facts_all", "bm25"]
    assert [build(asked) for build in named.values()] == [
        contexts.needed(asked),
        contexts.all_facts(asked),
        retrieved,
    ]


def test_a_prompt_may_be_worded_otherwise() -> None:
    question = "Who is {facts}?"
    contexts = Contexts(facts(*ENGLISH), max_tokens=100, template="Q: {question} Notes: {facts}")
    assert contexts.needed(probe(question, "f1")) == f"Q: {question} Notes: {ENGLISH[0]}"
    assert contexts.needed(probe(question, "unknown")) == question


def test_without_facts_only_the_question_is_asked() -> None:
    general = probe("Quo vadis, Petre", "unknown")
    contexts = Contexts(facts(*ENGLISH), max_tokens=100)
    assert contexts.needed(general) == contexts.retrieved(general) == general.question
    assert Contexts([], max_tokens=0).all_facts(general) == general.question


def test_all_facts_are_told_only_where_they_fit() -> None:
    asked = probe("Who?", "f1")
    size = estimated_tokens(" ".join(ENGLISH))
    assert Contexts(facts(*ENGLISH), max_tokens=size).all_facts(asked) is not None
    assert Contexts(facts(*ENGLISH), max_tokens=size - 1).all_facts(asked) is None
    words = len(" ".join(ENGLISH).split())
    for limit, fits in ((words, True), (words - 1, False)):
        contexts = Contexts(facts(*ENGLISH), max_tokens=limit, count_tokens=lambda text: len(text.split()))
        assert (contexts.all_facts(asked) is not None) is fits


@pytest.mark.parametrize(("text", "tokens"), [("", 0), ("abc", 1), ("abcd", 2), ("大門駅", 3)])
def test_tokens_are_estimated_from_bytes(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens
