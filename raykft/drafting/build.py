"""Facts and probes from what was found in the lines of a source.

Facts are paired as they stand in the source, and a pair is a group: its two facts are asked together at level 4 and are
in one split. A line whose answer is a text has a group of its own, and its probes are of kind "free" (`free_texts`).
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from random import Random
from typing import Protocol

from raykft.data.split import split_of
from raykft.drafting import free_texts
from raykft.drafting.found import Found, NothingFoundError, YesOrNoError
from raykft.drafting.items import Item, Named, script_of
from raykft.drafting.made import NOT_ASKED, Drafted, FreeText, Known, Rejected
from raykft.drafting.maker import FORMED, Maker
from raykft.drafting.rules import Rules
from raykft.evaluation.normalize import normalize
from raykft.records import Fact, TrainRow

MIN_SHARE = 0.4  # of the groups that each split should hold
_SALTS = 50


class Reword(Protocol):
    """The same lines with what a writer has to say of them."""

    def reworded(self, known: Sequence[Known]) -> Sequence[Known]: ...

    def texts(self, texts: Sequence[FreeText]) -> Sequence[FreeText]: ...


def draft(items: Sequence[Item], rules: Rules, *, seed: int, max_facts: int, writer: Reword | None = None) -> Drafted:
    """Facts, training rows and probes of all lines; lines without a value or a text are trained and not asked."""
    made = Drafted()
    known, lines = _known(items, rules, made)
    texts, back = free_texts.gathered(lines, made.rejected)
    made.train = [row for row in made.train if row.id not in back]
    chosen = _chosen(known, max_facts, seed, made)
    texts = free_texts.chosen(texts, max_facts - len(chosen), seed, made.rejected)
    if writer is not None:
        chosen, texts = list(writer.reworded(chosen)), list(writer.texts(texts))
    _draft_facts(chosen, rules, seed, made)
    _draft_texts(texts, rules, seed, made)
    return made


def _draft_texts(texts: Sequence[FreeText], rules: Rules, seed: int, made: Drafted) -> None:
    """The facts and probes of texts. Rows that teach a text again come after all others."""
    salt = _salt(len(texts), seed, _text_group)
    facts = [free_texts.fact_of(text, n + 1, _text_group(n, salt)) for n, text in enumerate(texts)]
    ids = {text.row.id: fact.id for text, fact in zip(texts, facts, strict=True)}
    made.train = [replace(row, fact_ids=(ids[row.id],)) if row.id in ids else row for row in made.train]
    for text, fact in zip(texts, facts, strict=True):
        made.facts.append(fact)
        made.evidence[fact.id] = text.row.output
        made.drafts += free_texts.probes_of(text, fact, rules)
        made.train += free_texts.further_rows(text, fact)


def _draft_facts(chosen: Sequence[Known], rules: Rules, seed: int, made: Drafted) -> None:
    """The facts, and their probes and further rows."""
    groups = _groups(chosen)
    salt = _salt(len(groups), seed, _group_name)
    for number, group in enumerate(groups):
        name = _group_name(number, salt)
        for one in group:
            made.facts.append(_fact(one, chosen.index(one), name, rules))
            made.evidence[made.facts[-1].id] = one.evidence
    fact_of = {id(one): fact for one, fact in zip((one for group in groups for one in group), made.facts, strict=True)}
    ids = {one.row.id: fact_of[id(one)].id for one in chosen}
    made.train = [replace(row, fact_ids=(ids[row.id],)) if row.id in ids else row for row in made.train]
    maker = Maker(rules, chosen, fact_of, seed)
    for group in groups:
        made.drafts += maker.probes_of(group)
    for one in chosen:
        made.train += maker.further_rows(one)


def _known(items: Sequence[Item], rules: Rules, made: Drafted) -> tuple[list[Known], list[FreeText]]:
    """The lines with a value, and those whose answer is a text."""
    texts: list[FreeText] = []
    known: dict[str, Known] = {}  # by question
    told: dict[str, str] = {}  # by answer, the question that was first
    for item in items:
        row = item.row or _row_of(item, rules)
        question, answer = row.question, row.output
        if row.before:
            made.train.append(row)
            made.rejected.append(Rejected(item.place, "probes", f"the row has earlier turns{NOT_ASKED}"))
            continue
        twin = known.get(normalize(question))
        if twin is not None:
            why = "asks what an earlier line asks" + (
                "" if normalize(twin.tell) == normalize(answer) else ", and answers otherwise"
            )
            made.rejected.append(Rejected(item.place, "line", f"{why} ({twin.place}); left out"))
            continue
        if script_of(question) not in {rules.code, ""} and rules.code == "ja":
            made.train.append(row)
            made.rejected.append(Rejected(item.place, "probes", f"the question is not in Japanese{NOT_ASKED}"))
            continue
        same = known.get(told.get(normalize(answer), ""))
        if same is not None and _same_fact(same, question, rules):
            known[normalize(same.row.question)] = replace(same, others=(*same.others, question))
            made.rejected.append(
                Rejected(
                    item.place, "training row", f"another wording of {same.place}; kept back as a paraphrase probe"
                )
            )
            continue
        try:
            found = _found(item, row, rules)
        except NothingFoundError as error:
            made.train.append(row)
            if rules.sentence(answer, long=True) and not isinstance(error, YesOrNoError):
                texts.append(FreeText(item.place, row, str(error)))
            else:
                made.rejected.append(Rejected(item.place, "probes", f"{error}{NOT_ASKED}"))
            continue
        made.train.append(row)
        evidence = item.named.quote if item.named else answer
        known[normalize(question)] = Known(item.place, row, found, item.given, evidence)
        told.setdefault(normalize(answer), normalize(question))
    return list(known.values()), texts


def _row_of(item: Item, rules: Rules) -> TrainRow:
    given = item.given
    assert given is not None
    question, answer = rules.worded(given.subject, given.relation, given.value, given.type)
    return TrainRow(id=item.id, instruction=question, output=answer)


def _found(item: Item, row: TrainRow, rules: Rules) -> Found:
    if item.given is None:
        found = _named(item.named, row, rules) if item.named else rules.find(row.question, row.output)
        if not normalize(found.text) or found.text not in row.output:
            raise NothingFoundError("what the answer adds has no letter or digit of its own")
        return found
    given = item.given
    found = rules.typed(given.value, given.type, f"what {given.relation}", "the value column")
    return replace(found, aliases=tuple(dict.fromkeys((*found.aliases, *given.aliases))))


def _named(named: Named, row: TrainRow, rules: Rules) -> Found:
    """The value that a writer has named, as a rule finds it where it finds the same.

    Raises:
        NothingFoundError: the question asks for no value.
    """
    asked = rules.asks_for(row.question)
    with suppress(NothingFoundError):
        found = rules.find(row.question, row.output)
        if found.text == named.value:
            return found
    return rules.typed(named.value, named.type, asked, "the value that the writer names")


def _same_fact(one: Known, question: str, rules: Rules) -> bool:
    """Two lines with one whole sentence for an answer are two wordings of a question, unless one gives it away."""
    return rules.sentence(one.tell) and normalize(one.found.text) not in normalize(question)


def _chosen(known: list[Known], max_facts: int, seed: int, made: Drafted) -> list[Known]:
    if len(known) <= max_facts:
        return known
    kept = sorted(Random(seed).sample(range(len(known)), max_facts))
    made.rejected.append(
        Rejected(
            "all sources",
            "probes",
            f"{len(known) - max_facts} of {len(known)} facts are trained and not asked: every score would take as much "
            f"longer, and {max_facts} tell recipes apart (--facts N asks about more)",
        )
    )
    return [known[number] for number in kept]


def _groups(known: Sequence[Known]) -> list[list[Known]]:
    """Neighbouring facts in pairs; facts of one named value stay in one group, since one gives the other away."""
    by_value: dict[str, list[Known]] = defaultdict(list)
    for number, one in enumerate(known):
        by_value[f"{number}" if one.found.type in FORMED else normalize(one.found.text)].append(one)
    groups: list[list[Known]] = []
    single: list[Known] = []
    for ones in by_value.values():
        if len(ones) > 1:
            groups.append(ones)
        else:
            single += ones
    groups += [single[n : n + 2] for n in range(0, len(single), 2)]
    return groups


def _group_name(number: int, salt: int) -> str:
    return f"g{number + 1:03d}-{salt}"


def _text_group(number: int, salt: int) -> str:
    return f"x{number + 1:03d}-{salt}"


def _salt(count: int, seed: int, name: Callable[[int, int], str]) -> int:
    """The first numbering of the groups by which neither split is much smaller: the split is a hash of the name."""

    def smaller(salt: int) -> float:
        select = sum(split_of(name(number, salt)) == "select" for number in range(count))
        return min(select, count - select) / max(1, count)

    salts = range(seed * _SALTS, (seed + 1) * _SALTS)
    return next((salt for salt in salts if smaller(salt) >= MIN_SHARE), max(salts, key=smaller))


def _fact(one: Known, number: int, group: str, rules: Rules) -> Fact:
    found = one.found
    subject = one.given.subject if one.given else subject_of(one.row.question) or group
    relation = one.given.relation if one.given else one.row.question
    aliases = found.items or found.aliases
    return Fact(
        id=f"f{number + 1:03d}",
        subject=subject,
        relation=relation,
        value=found.text,
        text=one.tell if rules.sentence(one.tell) else f"{one.row.question} {one.tell}",
        aliases=aliases,
        type=found.type,
        group=group,
    )


def subject_of(question: str) -> str:
    """The name in a question: its longest run of words with capitals, or of katakana and ideographs."""
    names = re.findall(r"(?<!^)(?:[A-ZÀ-Þ][\w'’-]*)(?: [A-ZÀ-Þ][\w'’-]*)*|[\u30a0-\u30ff\u3400-\u9fff々]{3,}", question)
    return max(names, key=len, default="")
