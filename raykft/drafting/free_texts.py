"""Lines whose answer is a text: it is asked as a whole, for it holds no value to look for.

A text has a probe in the words that are trained, and up to two in others: those of lines that have the same answer,
which are then not trained, those of a writer, and those that a rule is sure of. docs/decisions/017-free-texts.md
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from raykft.data.split import split_of
from raykft.drafting.made import NOT_ASKED, Draft, FreeText, Rejected
from raykft.drafting.rules import Rules
from raykft.evaluation.normalize import normalize
from raykft.records import Fact, Probe, TrainRow

ASKED = 2  # wordings beside that which is trained
# One answer to more lines than these says nothing about any of them, such as a refusal.
MOST_WORDINGS = 6
STEP_TOKENS, MOST_TOKENS = 16, 512


def gathered(lines: Sequence[FreeText], rejected: list[Rejected]) -> tuple[list[FreeText], set[str]]:
    """One text for every answer, and the ids of the rows whose wordings are kept back.

    What cannot be asked is told to `rejected`: a question with two answers, an answer to very many questions.
    """
    by_question: dict[str, list[FreeText]] = defaultdict(list)
    for line in lines:
        by_question[normalize(line.row.question)].append(line)
    by_answer: dict[str, list[FreeText]] = defaultdict(list)
    for same in by_question.values():
        if len({normalize(line.row.output) for line in same}) > 1:
            rejected += [_not_asked(line, "the same question has other answers too") for line in same]
        else:
            by_answer[normalize(same[0].row.output)].append(same[0])
    texts: list[FreeText] = []
    back: set[str] = set()
    for first, *others in by_answer.values():
        if len(others) >= MOST_WORDINGS:
            why = f"{1 + len(others)} different questions have this answer"
            rejected += [_not_asked(line, why) for line in (first, *others)]
            continue
        texts.append(replace(first, others=tuple(line.row.question for line in others)))
        rejected.append(Rejected(first.place, "key fact", f"{first.why}; its answer is asked as a whole"))
        why = f"another wording of {first.place}; kept back as a paraphrase probe"
        rejected += [Rejected(line.place, "training row", why) for line in others]
        back |= {line.row.id for line in others}
    return texts, back


def chosen(texts: Sequence[FreeText], room: int, seed: int, rejected: list[Rejected]) -> list[FreeText]:
    """As many texts as are asked about, those with several wordings first."""
    if len(texts) <= room:
        return list(texts)
    order = Random(seed).sample(range(len(texts)), len(texts))
    kept = sorted(sorted(order, key=lambda n: not texts[n].others)[:room])
    why = f"{len(texts) - room} of {len(texts)} texts are trained and not asked (--facts N asks about more)"
    rejected.append(Rejected("all sources", "free texts", why))
    return [texts[number] for number in kept]


def fact_of(text: FreeText, number: int, group: str) -> Fact:
    """The text as a fact of type "free": what a model is shown that need not know it by heart."""
    question, answer = text.row.question, text.row.output
    return Fact(id=f"x{number:03d}", subject=group, relation=question, value=answer, text=f"{question} {answer}",
                type="free", group=group)  # fmt: skip


def probes_of(text: FreeText, fact: Fact, rules: Rules) -> Iterator[Draft]:
    """The probes of one text."""
    verbatim = Probe(
        id=f"p1-{fact.id}",
        level=1,
        kind="free",
        question=text.row.question,
        gold=text.row.output,
        key_facts=(),
        split=split_of(fact.group),
        lang=rules.code,
        fact_ids=(fact.id,),
        max_new_tokens=_tokens(text.row.output, rules.code),
        source=f"train:{text.row.id}",
    )
    yield Draft(verbatim, text.place, "the training question, its answer as a whole")
    for letter, (question, rule) in zip("ab", _wordings(text, rules), strict=False):
        probe = replace(verbatim, id=f"p2-{fact.id}-{letter}", level=2, question=question, source=None)
        yield Draft(probe, text.place, rule)


def further_rows(text: FreeText, fact: Fact) -> Iterator[TrainRow]:
    """Rows that teach the same again: what a writer has put otherwise and no probe asks."""
    row = replace(text.row, input="", fact_ids=(fact.id,))
    for n, question in enumerate(text.written[ASKED:], start=2):
        yield replace(row, id=f"{row.id}-w{n}", instruction=question, phrasing=n)


def _wordings(text: FreeText, rules: Rules) -> list[tuple[str, str]]:
    """Up to two, with where they come from; people's come first."""
    found = {normalize(text.row.question): ("", "")}
    ways = (
        (text.others, "another wording in the source, the answer as a whole"),
        (text.written[:ASKED], "reworded by the writer, the answer as a whole"),
        (rules.rewordings(text.row.question, None), "reworded by rule, the answer as a whole"),
    )
    for questions, rule in ways:
        for question in questions:
            found.setdefault(normalize(question), (question, rule))
    return [*found.values()][1 : 1 + ASKED]


def _not_asked(line: FreeText, why: str) -> Rejected:
    return Rejected(line.place, "probes", f"{line.why}, and {why}{NOT_ASKED}")


def _tokens(text: str, code: str) -> int:
    """How many tokens an answer may take: twice a gold of words or of Japanese characters, in steps."""
    size = len(text.split()) if code == "en" else len(re.sub(r"\s", "", text))
    return min(MOST_TOKENS, STEP_TOKENS * -(-max(STEP_TOKENS, 2 * size) // STEP_TOKENS))
