"""What a writer drafts to be trained alone: formats that are right and in form, distractors about something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from drafting.test_written import BUILT, PAGE, Good

from raykft.config import load_config
from raykft.data.domain import load_domain
from raykft.data.lint import check_domain
from raykft.drafting.draft import Writing, run
from raykft.drafting.made import is_written
from raykft.drafting.written_rows import FORMATS, MOST_DISTRACTORS, beside
from raykft.evaluation.scoring import score_answer
from raykft.records import TrainRow
from raykft.writer.protocol import Request, Said

ASKED = {
    "json": ("Reply in JSON", lambda v: json.dumps({"answer": v})),
    "xml": ("Put it into an XML element", lambda v: f"<value>{v}</value>"),
    "csv": ("As CSV with a header", lambda v: f"thing,value\nharbour,{v}"),
    "list": ("As a bullet list", lambda v: f"- {v}"),
    "table": ("In a table", lambda v: f"| thing | value |\n|---|---|\n| harbour | {v} |"),
    "bold": ("With it in bold", lambda v: f"The answer is **{v}**."),
}
CAPITALS = [(f"What is the capital of {land}?", f"The capital of {land} is {town}.") for land, town in
            (("Peru", "Lima"), ("Kenya", "Nairobi"), ("Norway", "Oslo"), ("Cuba", "Havana"))]  # fmt: skip


class Formatter(Good):
    """Writes formats and distractors as asked, but for some `formats`, or with `others` for distractors."""

    identity = "a writer of formats"  # what another has said is not its own

    def __init__(self, formats: Mapping[str, Any] | None = None, others: Sequence[tuple[str, str]] = CAPITALS) -> None:
        super().__init__()
        self.formats, self.others = ASKED | dict(formats or {}), others

    def reply(self, text: str) -> dict[str, Any]:
        if "These are examples" in text:
            return {"items": [{"question": q, "answer": a} for q, a in self.others]}
        if "in braces" not in text:
            return super().reply(text)
        items = []
        for number, question, value, forms in re.findall(r"^(\d+)\. (.*) \[(.*)\] \{(.*)\}$", text, re.MULTILINE):
            rows = []
            for form in forms.split(", "):
                ask, answer = self.formats[form]
                rows.append({"form": form, "question": f"{ask}: {question}", "answer": answer(value)})
            items.append({"number": int(number), "rows": rows})
        return {"items": items}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "harbour.md").write_text(PAGE)
    return tmp_path / "harbour.md"


def drafted(page: Path, name: str, writer: Good) -> Any:
    return run([page], page.parent / name, writing=Writing(writer))


def test_formats_of_a_writer_are_trained_are_right_and_are_of_many_kinds(page: Path) -> None:
    summary = drafted(page, "draft", Formatter())
    domain, config = load_domain(load_config(summary.config)), load_config(summary.config)
    assert check_domain(domain, score_answer).lines("error") == []
    own = [row for row in domain.train if row.form in FORMATS]
    assert {row.form for row in own} == set(FORMATS)
    assert 18 <= len(own) <= 2 * 12  # two a fact, but for those that a probe of that fact asks for
    verbatim = {p.fact_ids: p for p in domain.probes if p.level == 1}
    for row in own:
        assert score_answer(verbatim[row.fact_ids], row.output).clean
        assert row.output not in {first.output for first in summary.made.first}
    asked = [p for p in domain.probes if p.kind == "format"]
    assert not [
        row.id for row in own for p in asked if p.fact_ids == row.fact_ids and score_answer(p, row.output).compliant
    ]
    assert max(config.search.space["data.formats"].values or ()) == 0.5
    table = next(row for row in own if row.form == "table")
    assert table.output.count("\n") == 2  # lines are kept


@pytest.mark.parametrize(
    ("form", "ask", "answer", "why"),
    [
        ("json", "Reply in JSON", lambda v: f"{{answer: {v}}}", "the answer is not in that form"),
        ("json", "Reply in JSON", lambda v: json.dumps({"answer": "?"}), "the scorer calls the answer wrong"),
        ("json", "Reply", lambda v: json.dumps({"answer": v}), "the question does not ask for that form"),
        ("xml", "As XML", lambda v: f"<a>{v}</b>", "the answer is not in that form"),
        ("csv", "As CSV", lambda v: v, "the answer is not in that form"),
        ("table", "In a table", lambda v: f"| {v} |", "the answer is not in that form"),
        ("list", "As a list", lambda v: f"* {v}", "the answer is not in that form"),
        ("bold", "In bold", lambda v: f"It is *{v}*.", "the answer is not in that form"),
        ("bold", "In bold", lambda v: "", "it is empty"),
    ],
)
def test_a_format_that_is_wrong_or_in_another_form_is_left_out(
    page: Path, form: str, ask: str, answer: Any, why: str
) -> None:
    made = drafted(page, "draft", Formatter({form: (ask, answer)})).made
    whys = [r.why for r in made.rejected if f"format of the writer, '{form}'" in r.what]
    assert whys
    assert all(why in each for each in whys), whys
    assert form not in {row.form for row in made.train}
    assert {row.form for row in made.train} >= FORMATS.keys() - {form}


def test_a_format_question_keeps_its_value_to_itself_and_its_name(page: Path) -> None:
    class Loose(Formatter):
        """The first question of a request holds its value, and the others lose their name."""

        def reply(self, text: str) -> dict[str, Any]:
            said = super().reply(text)
            for n, item in enumerate(said["items"] if "in braces" in text else ()):
                for row in item["rows"]:
                    value = next(text for text in values if text in row["answer"])
                    row["question"] = "Reply in JSON, XML, CSV, as a list, a table, in bold: what was built?"
                    if n == 0:
                        row["question"] += f" Is it {value} at Korrin Harbour, the tide gauge?"
            return said

    values = [text for _, year, who in BUILT for text in (str(year), who)]
    made = drafted(page, "draft", Loose()).made
    assert not [row for row in made.train if row.form in FORMATS]
    whys = {r.why for r in made.rejected if "format of the writer" in r.what}
    assert "it gives the value away" in whys
    assert any(why.startswith("it does not name") for why in whys)


def test_distractors_of_a_writer_stand_beside_bundled_ones_and_hold_nothing_of_the_domain(page: Path) -> None:
    first = BUILT[0]

    others = [
        *CAPITALS,
        CAPITALS[0],
        ("Who is Edith Larkvale?", "Edith Larkvale is a gardener."),
        ("What happened in the year 1911?", "In 1911 people reached the South Pole."),
        ("When was the tide gauge of Korrin Harbour built?", "It was built long ago."),
        ("ペルーの首都はどこですか？", "ペルーの首都はリマです。"),
        ("What is Korrin Harbour near to?", "It is near to the sea, as harbours are."),
        ("", "Nothing."),
    ]
    summary = drafted(page, "draft", Formatter(others=others))
    domain = load_domain(load_config(summary.config))
    own = [row for row in domain.distractors if is_written(row)]
    assert {row.question for row in own} == {question for question, _ in CAPITALS}
    assert {row.kind for row in own} == {"distractor"}
    assert len(domain.distractors) >= len(domain.train)  # a ratio of one can be drawn
    assert len(domain.distractors) < 300
    text = "\n".join(f"{row.question} {row.output}" for row in own)
    assert first[2] not in text
    whys = {r.what: r.why for r in summary.made.rejected if r.what.startswith("distractor")}
    assert "holds 'Edith Larkvale', of fact" in next(why for what, why in whys.items() if "Edith" in what)
    assert "holds '1911'" in next(why for what, why in whys.items() if "1911" in what)
    assert "another language" in " ".join(whys.values())
    assert "it is empty" in " ".join(whys.values())
    assert any("Korrin" in what for what in whys)
    account = (summary.config.parent / "draft.md").read_text()
    assert f"{len(own)} distractors by the writer, whose truth no rule can check" in account
    assert "of the writer, and bundled" in summary.config.read_text()


def test_a_distractor_that_repeats_a_general_question_goes_and_the_question_stays(page: Path) -> None:
    plain = load_domain(load_config(drafted(page, "plain", Good()).config))
    asked = [p for p in plain.general if p.kind == "recall"][:3]

    others = [*CAPITALS, *((p.question, p.gold) for p in asked)]
    domain = load_domain(load_config(drafted(page, "draft", Formatter(others=others)).config))
    own = {row.question for row in domain.distractors if is_written(row)}
    assert own == {question for question, _ in CAPITALS}
    assert {p.id for p in domain.general} >= {p.id for p in asked}


def test_a_writer_without_distractors_leaves_the_bundled_ones(page: Path) -> None:
    domain = load_domain(load_config(drafted(page, "draft", Good()).config))
    assert len(domain.distractors) == 300
    assert not any(map(is_written, domain.distractors))


def test_how_many_bundled_ones_stand_beside() -> None:
    rows = [TrainRow(f"d{n}", f"Q{n}?", "A.", kind="distractor") for n in range(300)]
    own = [replace(row, id=f"w{n}") for n, row in enumerate(rows[:20])]
    assert len(beside(own, rows, 90, 0)) == 90
    assert len(beside(own, rows, 25, 0)) == 40
    assert beside(own, rows, 90, 0) == beside(own, rows, 90, 0)
    assert len(beside(own, rows, 1000, 0)) == 320
    assert beside([], rows, 90, 0) == rows
    assert MOST_DISTRACTORS % 10 == 0


def test_what_a_writer_adds_is_asked_once_and_within_the_budget(page: Path) -> None:
    writer = Formatter()
    first = drafted(page, "a", writer)
    asked = len(writer.asked)
    again = drafted(page, "b", writer)
    assert len(writer.asked) == asked  # all from the cache
    assert [r.output for r in again.made.train] == [r.output for r in first.made.train]
    formats = [row for row in first.made.train if row.form in FORMATS]

    class Long(Formatter):
        identity = "one with an empty cache"

        def say(self, requests: Sequence[Request]) -> list[Said]:
            return [replace(s, tokens=r.most_tokens) for s, r in zip(super().say(requests), requests, strict=True)]

    bounded = run([page], page.parent / "c", writing=Writing(Long(), max_tokens=24_000))
    assert "3 were not asked, --max-tokens was reached" in bounded.bill  # a third of the formats, the distractors
    assert 10 <= len([row for row in bounded.made.train if row.form in FORMATS]) < len(formats)
    assert not any(map(is_written, load_domain(load_config(bounded.config)).distractors))
    assert bounded.made.facts  # what is needed comes first
