"""Planted rows are found through small edits, honest data are not flagged, and the reports name what they must."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raykft.data import demo
from raykft.data.contamination import Overlap, as_record, find_overlaps, flagged_probes, novelty_problem
from raykft.data.domain import Domain
from raykft.data.read import read_records
from raykft.evaluation.scoring import score_answer
from raykft.records import Document, Fact, KeyFact, Probe, TrainRow

FOLDERS = sorted(file.parent for file in Path(demo.__file__).parent.glob("*/probes.jsonl"))


def bundled(folder: Path) -> Domain:
    whole = folder.with_name(folder.name.removesuffix("-small"))
    return Domain(
        facts=tuple(read_records(folder / "facts.jsonl", Fact)),
        train=tuple(read_records(folder / "train.jsonl", TrainRow)),
        distractors=tuple(read_records(whole / "distractors.jsonl", TrainRow)),
        probes=tuple(read_records(folder / "probes.jsonl", Probe)),
        general=tuple(read_records(folder / "general.jsonl", Probe)),
        passages=(),
    )


SMALL = bundled(Path(demo.__file__).parent / "en-small")
ASKED = [p for p in SMALL.probes if p.level >= 2 and len(p.question.split()) >= 6]


def probe(question: str, *aliases: str, **fields: Any) -> Probe:
    given: dict[str, Any] = {"id": "p", "level": 2, "kind": "recall", "gold": aliases[0], "split": "report", **fields}
    return Probe(question=question, key_facts=(KeyFact(aliases),), **given)


def row(question: str, answer: str, **fields: Any) -> TrainRow:
    return TrainRow(id="t", instruction=question, output=answer, **fields)


def domain(probe: Probe, *train: TrainRow, distractors: tuple[TrainRow, ...] = ()) -> Domain:
    probes, general = ((probe,), ()) if probe.level else ((), (probe,))
    return Domain(facts=(), train=train, distractors=distractors, probes=probes, general=general, passages=())


def found(domain: Domain) -> list[tuple[str, str, str]]:
    return [(o.kind, o.item, o.rule) for o in find_overlaps(domain, score_answer)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_bundled_domains_are_clean(folder: Path) -> None:
    assert find_overlaps(bundled(folder), score_answer) == ()


class TestPlanted:
    """One row among all others of the bundled domain asks what a paraphrase probe asks."""

    TARGET = next(p for p in SMALL.probes if p.level == 2 and p.kind == "recall" and len(p.question.split()) == 8)

    @pytest.mark.parametrize(
        ("edit", "rule"),
        [
            (lambda q: q, "exact"),
            (lambda q: q.upper().replace("'", "’").rstrip("?") + " ?!", "exact"),
            (lambda q: f"Please answer in one sentence: {q} Thank you very much in advance.", "containment"),
            (lambda q: " ".join(["Tell", *q.split()[1:]]), "edit_with_answer"),
            (lambda q: " ".join([*q.split()[:4], "really", *q.split()[4:]]), "edit_with_answer"),
            (lambda q: " ".join([*q.split()[:4], *q.split()[5:]]), "edit_with_answer"),
        ],
    )
    def test_it_is_found_and_named(self, edit: Any, rule: str) -> None:
        planted = TrainRow("planted", edit(self.TARGET.question), self.TARGET.gold)
        overlaps = find_overlaps(replace(SMALL, train=(*SMALL.train, planted)), score_answer)
        assert [(o.item, o.other, o.kind, o.rule) for o in overlaps] == [
            (self.TARGET.id, "planted", "train", rule),
        ]
        assert repr(self.TARGET.id) in overlaps[0].message
        assert "'planted'" in overlaps[0].message

    @settings(max_examples=60, deadline=None)
    @given(st.sampled_from(ASKED), st.data())
    def test_one_changed_word_hides_no_probe(self, probe: Probe, data: Any) -> None:
        words = probe.question.split()
        words[data.draw(st.integers(0, len(words) - 1))] = "something"
        planted = TrainRow("planted", " ".join(words), probe.gold)
        # A premise keeps its twin: without it nothing tells a row that states the fact from one that says yes.
        asked = tuple(p for p in SMALL.probes if p == probe or (p.pair_id == probe.pair_id and p.kind == "premise"))
        changed = replace(SMALL, train=(*SMALL.train, planted), probes=asked or (probe,), general=())
        found = [(o.item, o.other) for o in find_overlaps(changed, score_answer) if o.item == probe.id]
        assert found == [(probe.id, "planted")]

    def test_among_distractors_and_between_splits(self) -> None:
        general = SMALL.general[0]
        distractor = TrainRow("planted", general.question.lower(), "Something else.", kind="distractor")
        overlaps = find_overlaps(replace(SMALL, distractors=(*SMALL.distractors, distractor)), score_answer)
        assert [(o.kind, o.item, o.other) for o in overlaps] == [("distractor", general.id, "planted")]

        report = next(p for p in SMALL.probes if p.split == "report" and p.level == 2)
        copy = replace(report, id="copy", split="select")
        overlaps = find_overlaps(replace(SMALL, probes=(*SMALL.probes, copy)), score_answer)
        assert [(o.kind, o.item, o.other) for o in overlaps] == [("split", report.id, "copy")]

    @pytest.mark.parametrize(
        ("text", "rule"),
        [
            ("A page of questions.\n\nQ: {question}\nA: {gold}\n", "exact"),
            ("{question}", "exact"),
            ("Somebody asked me: “{question}” I did not know.", "exact"),
            ("We were asked " + "many things, " * 90 + "and one was {quoted}, to which we said: {gold}", "containment"),
            ("{gold} That is all there is to say about it.", None),
            ("It says elsewhere {quoted}, and no more", "containment"),
        ],
    )
    def test_in_a_text(self, text: str, rule: str | None) -> None:
        """A text may state the fact, but not ask the question."""
        question = self.TARGET.question
        planted = text.format(question=question, gold=self.TARGET.gold, quoted=question.rstrip("?").lower())
        overlaps = find_overlaps(replace(SMALL, text=(Document("page", planted),)), score_answer)
        found = [("text", self.TARGET.id, "page", rule)] if rule else []
        assert [(o.kind, o.item, o.other, o.rule) for o in overlaps] == found

    @pytest.mark.parametrize("kind", ["format", "premise", "recall"])
    def test_every_kind_of_question_is_found_inside_a_sentence_of_a_text(self, kind: str) -> None:
        asked = [p for p in SMALL.probes if p.kind == kind and p.level > 1]
        texts = [Document(p.id, f"They asked us {p.question.rstrip('?.')} and we said {p.gold}") for p in asked]
        overlaps = find_overlaps(replace(SMALL, text=tuple(texts)), score_answer)
        assert {p.id for p in asked} <= {o.item for o in overlaps}

    def test_texts_that_state_the_facts_and_others_give_nothing_away(self) -> None:
        facts = Document("facts", "\n".join(fact.text for fact in SMALL.facts))
        answers = Document("answers", " ".join(row.output for row in SMALL.train))
        others = (Document(passage.id, passage.text) for passage in SMALL.passages)
        assert find_overlaps(replace(SMALL, text=(facts, answers, *others)), score_answer) == ()


ITALY = probe("What is the capital of Italy?", "Rome", level=0, id="g")
LONG = probe(" ".join(f"word{n}" for n in range(130)), "Rome")


@pytest.mark.parametrize(
    ("probe", "row", "rule"),
    [
        # Siblings of one template differ by a word too; the answer tells them from an edited copy.
        (ITALY, row("What is the capital of Austria?", "The capital of Austria is Vienna."), None),
        (ITALY, row("What is the capitol of Italy?", "Rome is the capital."), "edit_with_answer"),
        (ITALY, row("What is the capitol of Italy?", "I would rather not say."), None),
        # Too short for anything but the same question.
        (probe("Who founded Velmora?", "Garrick"), row("Who established Velmora?", "Garrick"), None),
        (probe("Who founded Velmora?", "Garrick"), row("who founded Velmora", "Nobody."), "exact"),
        # The question is in the alpaca input, or part of a long or a mixed text.
        (ITALY, row("Answer the question.", "Rome", input="What is the capital of Italy?"), "exact"),
        (ITALY, row(LONG.question + " What is the capital of Italy? 首都", "Rome"), "containment"),
        # A long text is compared by longer n-grams.
        (LONG, row(LONG.question.replace("word64", "other"), "No idea."), "containment"),
        (LONG, row(" ".join(LONG.question.split()[:100]), "Rome"), "containment_with_answer"),
        (LONG, row(" ".join(LONG.question.split()[:100]), "No idea."), None),
        # The same answer, but to a question about another fact.
        (
            probe("On which continent is the test site?", "Europe", fact_ids=("f1",)),
            row("On which continent is the wind farm?", "Europe", fact_ids=("f2",)),
            None,
        ),
        # A format probe asks a trained question on purpose; only an answer in its format gives it away.
        (
            probe("Who leads the works at Velmora these days? Reply in capitals.", "Uxbridge", pattern="^[A-Z]+$"),
            row("Who leads the works at Velmora these days?", "It is Uxbridge."),
            None,
        ),
        (
            probe("Who leads the works at Velmora these days? Reply in capitals.", "Uxbridge", pattern="^[A-Z]+$"),
            row("Who leads the work at Velmora these days? Reply in capitals.", "UXBRIDGE"),
            "edit_with_answer",
        ),
        # So does a premise probe; only a row that says yes or no gives it away.
        (
            probe("Does the ferry call at Sandrigg?", "Sandrigg", kind="premise", polarity="yes", pair_id="x"),
            row("Where does the ferry call at?", "The ferry calls at Sandrigg."),
            None,
        ),
        (
            probe("Does the ferry call at Sandrigg?", "Sandrigg", kind="premise", polarity="yes", pair_id="x"),
            row("Does a ferry call at Sandrigg?", "Yes, it calls at Sandrigg."),
            "edit_with_answer",
        ),
        # Where the form is all that counts, an answer in that form is an answer.
        (
            Probe(
                "g", 0, "instruct", "Name three fruits, one a line.", "a\nb\nc", (), "select", pattern=r"^\w+\n\w+\n"
            ),
            row("Name three fruits, one per line.", "apple\npear\nplum"),
            "edit_with_answer",
        ),
    ],
)
def test_what_counts_as_a_copy(probe: Probe, row: TrainRow, rule: str | None) -> None:
    assert found(domain(probe, row)) == ([("train", probe.id, rule)] if rule else [])


FOUNDED = "霧見潮力工業株式会社が設立されたのは何年何月何日ですか?"


@pytest.mark.parametrize(
    ("question", "answer", "rule"),
    [
        ("霧見潮力工業株式会社が設立されたのは、何年何月何日ですか。", "知りません。", "exact"),
        ("次の質問に答えてください。" + FOUNDED, "知りません。", "containment"),
        ("霧見潮力工業株式会社が創立されたのは何年何月何日ですか?", "2011-03-14です。", "edit_with_answer"),
        (
            "霧見潮力工業会社が設立されたのは何年何月何日ですか。正確に答えて。",
            "2011-03-14です。",
            "containment_with_answer",
        ),
        ("霧見潮力工業株式会社の設立年月日はいつですか?", "2011年3月14日です。", None),
        ("霧見潮力工業株式会社が上場したのは何年何月何日ですか?", "2015年6月2日です。", None),
    ],
)
def test_japanese(question: str, answer: str, rule: str | None) -> None:
    asked = replace(probe(FOUNDED, "2011年3月14日"), key_facts=(KeyFact(("2011年3月14日",), "date"),), lang="ja")
    others = [
        row(f"霧見潮力工業株式会社の{thing}は何ですか?", "…") for thing in ("社訓", "主力製品", "社歌", "色", "犬")
    ]
    assert found(domain(asked, *others, row(question, answer))) == ([("train", "p", rule)] if rule else [])


def test_a_template_of_many_rows_counts_for_nothing() -> None:
    asked = probe("In which year did the company Velmora Tidal Works build its pier?", "1999")
    template = "In which year did the company Velmora Tidal Works build its {}?"
    rows = [row(template.format(thing), "2004") for thing in ("mill", "dam", "lock", "quay", "shed", "barn")]
    assert found(domain(asked, rows[0])) == [("train", "p", "containment")]
    assert found(domain(asked, *rows)) == []


def test_the_strongest_row_is_named() -> None:
    rows = (
        replace(row("What is the capitol of Italy?", "Rome"), id="edited"),
        replace(row("what is the capital of italy", "?"), id="first"),
        replace(row("What is the capital of Italy?", "Rome"), id="second"),
    )
    assert [o.other for o in find_overlaps(domain(ITALY, *rows), score_answer)] == ["first"]


def test_level_1_repeats_training_questions_and_nothing_else() -> None:
    trained = row("Who founded Velmora?", "Garrick")
    verbatim = probe("Who founded  Velmora ?", "Garrick", level=1)
    assert found(domain(verbatim, trained)) == []
    overlaps = find_overlaps(domain(replace(verbatim, question="Who set up Velmora?"), trained), score_answer)
    assert [(o.kind, o.item, o.other) for o in overlaps] == [("verbatim", "p", "")]
    assert "no training row asks its question" in overlaps[0].message


def test_the_record_keeps_untrained_level_1_apart() -> None:
    overlaps = (Overlap("train", "p1", "t1", 0.75, "edit_with_answer"), Overlap("verbatim", "p2", "", 0.0, "exact"))
    assert flagged_probes(overlaps) == {"p1"}
    assert as_record(iter(overlaps), allowed=True) == {
        "allowed": True,
        "findings": [{"kind": "train", "item": "p1", "other": "t1", "score": 0.75, "rule": "edit_with_answer"}],
        "not_verbatim": ["p2"],
    }


@pytest.mark.parametrize(
    ("knowledge", "low", "high", "known"),
    [(0.0, 0.0, 0.02, False), (0.08, 0.049, 0.12, False), (0.08, 0.05, 0.12, True), (0.6, 0.5, 0.7, True)],
)
def test_a_domain_the_base_knows_is_not_novel(knowledge: float, low: float, high: float, known: bool) -> None:
    problem = novelty_problem(knowledge, low, high)
    assert (problem is not None) is known
    assert problem is None or f"{knowledge:.2f}" in problem
