"""Rows that a writer drafts to be trained and not asked: facts in other formats, and distractors in the domain's style.

Both are to keep a model from learning that everything is answered in one form, or about one thing. Of a format the
answer must be right by the scorer and in that form by a rule; a distractor must be about nothing that the domain is
about. Whether a distractor is true no rule can tell: it asks for common knowledge, and `distractors.jsonl` is there to
be read.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random

from raykft.data.contamination import Overlap, find_overlaps
from raykft.data.domain import Domain
from raykft.data.read import is_blank
from raykft.drafting.items import script_of
from raykft.drafting.made import WRITTEN, Drafted, Rejected, teaches_again
from raykft.drafting.written import (
    MAX_ANSWER,
    MAX_QUESTION,
    Drafter,
    Form,
    Items,
    Numbered,
    holds,
    line,
    lost_in,
)
from raykft.evaluation.normalize import normalize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, Probe, TrainRow
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import shown

FORMS_A_FACT = 2
DISTRACTORS_A_REQUEST, EXAMPLES = 10, 5
MOST_DISTRACTORS = 60
FORMAT_TOKENS, DISTRACTOR_TOKENS = 2500, 2000  # that a reply may take
MIN_NAME = 3  # letters of a name that a distractor may not hold
# What distractors are asked about, in turns: each request is another, so that they differ.
TOPICS: Mapping[str, tuple[str, ...]] = {
    "en": ("animals and plants", "countries and rivers", "the human body", "sports and games", "cooking and food",
           "stars and planets", "words and grammar", "music and painting", "tools and materials", "the weather"),
    "ja": ("動物と植物", "国と川", "人の体", "スポーツと遊び", "料理と食べ物",
           "星と惑星", "言葉と文法", "音楽と絵画", "道具と材料", "天気"),
}  # fmt: skip


class WrittenFormat(Form):
    """A question that asks for a format, and the answer in it."""

    form: str
    question: str
    answer: str


class WrittenFormats(Numbered):
    """A question in several formats."""

    rows: list[WrittenFormat]


class WrittenDistractor(Form):
    """A question about common knowledge, with its answer."""

    question: str
    answer: str


class WrittenDistractors(Form):
    """The answer to the prompt `distractors`."""

    items: list[WrittenDistractor]


@dataclass(frozen=True, slots=True)
class _Format:
    """`asked` is how a question names the format; `kept` says whether an answer that holds `value` is in it."""

    asked: re.Pattern[str]
    kept: Callable[[str, str], bool]


def _is_json(answer: str, _: str) -> bool:
    try:
        return isinstance(json.loads(answer), dict)
    except ValueError:
        return False


def _is_csv(answer: str, _: str) -> bool:
    rows = list(csv.reader(answer.splitlines()))
    return len(rows) == 2 and len(rows[0]) == len(rows[1]) > 1


def _is_table(answer: str, _: str) -> bool:
    rows = answer.splitlines()
    return len(rows) > 2 and all(row.startswith("|") for row in rows) and bool(re.fullmatch(r"[|: -]+", rows[1]))


FORMATS: Mapping[str, _Format] = {
    "json": _Format(re.compile("(?i)json"), _is_json),
    "xml": _Format(re.compile("(?i)xml|タグ"), lambda answer, _: bool(re.fullmatch(r"<([\w-]+)>[^<>]+</\1>", answer))),
    "csv": _Format(re.compile("(?i)csv|comma|カンマ"), _is_csv),
    "list": _Format(
        re.compile("(?i)list|bullet|箇条書き|リスト"),
        lambda answer, _: all(row.startswith("- ") for row in answer.splitlines()),
    ),
    "table": _Format(re.compile("(?i)table|表"), _is_table),
    "bold": _Format(re.compile("(?i)bold|asterisk|太字"), lambda answer, value: f"**{value}**" in answer),
}


def add_formats(drafter: Drafter, made: Drafted) -> None:
    """Rows that ask for facts in formats that no rule writes, appended to the training rows."""
    facts = {fact.id: fact for fact in made.facts if fact.type not in {"free", "list"}}
    rows = [row for row in made.train if len(row.fact_ids) == 1 and row.fact_ids[0] in facts and not teaches_again(row)]
    asked = {row.id: _forms_of(n) for n, row in enumerate(rows)}
    lines = [
        f"{row.question} [{facts[row.fact_ids[0]].value}] {{{', '.join(asked[row.id])}}}\n   answer: {row.output}"
        for row in rows
    ]
    probes = {d.probe.fact_ids: d.probe for d in made.drafts if d.probe.level == 1}
    patterns = {d.probe.fact_ids: d.probe for d in made.drafts if d.probe.kind == "format"}
    said = drafter.numbered("formats", Items[WrittenFormats], FORMAT_TOKENS, lines, {})
    for place, items in sorted(said.items()):
        row = rows[place]
        fact = facts[row.fact_ids[0]]
        left = list(asked[row.id])
        for each in items.rows:
            question, answer = line(each.question), _lines(each.answer)
            why = "the form is not one that was asked for" if each.form not in left else ""
            why = why or _format_problem(each.form, question, answer, row, fact)
            why = why or _scored_problem(answer, probes.get(row.fact_ids), patterns.get(row.fact_ids))
            if why:
                what = f"format of the writer, {shown(each.form)}: {shown(question)}"
                drafter.rejected.append(Rejected(f"fact {fact.id}", what, why))
                continue
            left.remove(each.form)
            id = f"{row.id}-{each.form}"
            made.train.append(replace(row, id=id, instruction=question, input="", output=answer, form=each.form))


def distractors(drafter: Drafter, made: Drafted, general: Sequence[Probe], seed: int) -> list[TrainRow]:
    """Rows about something else in the style of the training rows; none where the writer gives none that hold."""
    first = [row for row in made.first if not row.before]
    count = min(MOST_DISTRACTORS, len(first))
    requests = -(-count // DISTRACTORS_A_REQUEST)
    topics = TOPICS[drafter.rules.code]
    rng = Random(seed)
    gaps = [
        {
            "examples": "\n".join(
                f"- {row.question}\n  {row.output}" for row in rng.sample(first, min(EXAMPLES, len(first)))
            ),
            "topic": topics[n % len(topics)],
            "count": str(min(DISTRACTORS_A_REQUEST, count)),
        }
        for n in range(requests)
    ]
    asked = [drafter.prompts.request("distractors", WrittenDistractors, DISTRACTOR_TOKENS, gap) for gap in gaps]
    kept: dict[str, TrainRow] = {}
    taken = {normalize(row.question) for row in made.train}
    names = _names(made)
    for gap, answered in zip(gaps, drafter.desk.ask(asked, WrittenDistractors), strict=True):
        if answered.form is None:
            what = f"distractors about {gap['topic']}"
            drafter.rejected.append(Rejected("the writer", what, f"{answered.why}; the bundled ones have to do"))
        for each in answered.form.items if answered.form else ():
            question, answer = line(each.question), line(each.answer)
            key = normalize(question)
            why = "is one of the others, or a training row's" if key in taken or key in kept else ""
            why = why or _distractor_problem(question, answer, names, drafter.rules.code)
            if why:
                drafter.rejected.append(Rejected("the writer", f"distractor: {shown(question)}", why))
            else:
                kept[key] = TrainRow(f"w{len(kept) + 1:03d}", question, answer, kind="distractor", pool=WRITTEN)
    return _without_copies(list(kept.values()), made, general, drafter.rejected)


def beside(written: Sequence[TrainRow], bundled: Sequence[TrainRow], rows: int, seed: int) -> list[TrainRow]:
    """Those of a writer, and of the bundled ones no more than it takes to have `rows` of both, or as many again.

    Recipes draw from all, and few in the domain's style among hundreds would hardly be drawn.
    """
    if not written:
        return list(bundled)
    most = min(len(bundled), max(len(written), rows - len(written)))
    return [*written, *(bundled[n] for n in sorted(Random(seed).sample(range(len(bundled)), most)))]


def _forms_of(number: int) -> tuple[str, ...]:
    names = tuple(FORMATS)
    return tuple(names[(FORMS_A_FACT * number + n) % len(names)] for n in range(FORMS_A_FACT))


def _format_problem(form: str, question: str, answer: str, row: TrainRow, fact: Fact) -> str:
    if is_blank(question) or len(question) > MAX_QUESTION or is_blank(answer) or len(answer) > MAX_ANSWER:
        return f"it is empty, or longer than {MAX_QUESTION} and {MAX_ANSWER} characters"
    if any(holds(question, text) for text in (fact.value, *fact.aliases)):
        return "it gives the value away"
    if why := lost_in(question, row.question):
        return why
    if not FORMATS[form].asked.search(question):
        return "the question does not ask for that form"
    return "" if FORMATS[form].kept(answer, fact.value) else "the answer is not in that form"


def _scored_problem(answer: str, probe: Probe | None, asked: Probe | None) -> str:
    """An answer must be right, and in another form than the one that the fact's own format probe asks for."""
    if probe is None:
        return "the fact is not asked about"
    result = score_answer(probe, answer)
    if not result.clean:
        wrong = f" and holds {', '.join(map(shown, result.wrong_claims))}" if result.wrong_claims else ""
        return f"the scorer calls the answer {result.outcome}{wrong}"
    if asked is not None and score_answer(asked, answer).compliant:
        return f"probe {asked.id!r} asks for that form"
    return ""


def _names(made: Drafted) -> list[tuple[str, str]]:
    """What a distractor may not hold: every spelling of every value, and what the facts are about; with the fact's id.

    Texts are compared whole, as training rows.
    """
    found = [
        (text, fact.id)
        for fact in made.facts
        if fact.type != "free"
        for text in (fact.value, *fact.aliases, *([fact.subject] if fact.subject != fact.group else []))
    ]
    return [(text, id) for text, id in found if len(text) >= MIN_NAME or any(char.isdigit() for char in text)]


def _distractor_problem(question: str, answer: str, names: Sequence[tuple[str, str]], code: str) -> str:
    if is_blank(question) or len(question) > MAX_QUESTION or is_blank(answer) or len(answer) > MAX_ANSWER:
        return f"it is empty, or longer than {MAX_QUESTION} and {MAX_ANSWER} characters"
    if script_of(f"{question} {answer}") != code:
        return "it is in another language than the rows"
    for text, fact in names:
        if holds(f"{question} {answer}", text):
            return f"it holds {shown(text)}, of fact {fact}"
    return ""


def _without_copies(
    rows: Sequence[TrainRow], made: Drafted, general: Sequence[Probe], rejected: list[Rejected]
) -> list[TrainRow]:
    """The rows that give no probe away, of the domain or of what the model should keep knowing."""
    left = list(rows)
    probes = tuple(draft.probe for draft in made.drafts)
    # The strongest copy of a probe is named, so that a weaker one shows when that is gone.
    while gone := {o.other for o in _copies(left, made, probes, general)}:
        rejected += [
            Rejected("the writer", f"distractor: {shown(row.question)}", "it repeats a probe")
            for row in left
            if row.id in gone
        ]
        left = [row for row in left if row.id not in gone]
    return left


def _copies(
    rows: Sequence[TrainRow], made: Drafted, probes: tuple[Probe, ...], general: Sequence[Probe]
) -> Iterator[Overlap]:
    domain = Domain(tuple(made.facts), (), tuple(rows), probes, tuple(general), ())
    return (overlap for overlap in find_overlaps(domain, score_answer) if overlap.kind == "distractor")


def _lines(text: str) -> str:
    """Lines of an answer without what else a writer may put into them."""
    return "\n".join(filter(None, (one_line(each).strip() for each in text.strip().splitlines())))
