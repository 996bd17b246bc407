"""Writes the English general-knowledge files: distractors, general probes and passages.

Run as `python -m raykft.data.demo.general_en [--out DIR]`. Same tables and seed give the same bytes; the
outputs are committed beside this module. The probes of each kind come in pairs, one pair per topic in turn, so
that every topic is split evenly between "select" and "report" and the small set, which takes the first few of
each kind, is balanced as well.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from raykft.data.demo.general import choices, in_turn, lines, short_answers, to_jsonl, write
from raykft.data.demo.general_tables_en import LOCALITY, PROBES, ROWS, TEMPLATES
from raykft.data.demo.general_tables_en_instruct import INSTRUCTIONS, pattern
from raykft.data.demo.general_tables_en_mc import CHOICES
from raykft.data.demo.passages_en import passages
from raykft.records import Probe, TrainRow, ValueType

SEED = 20240601
LANG = "en"
RECALL_TOKENS = 24
INSTRUCT_TOKENS = 32
SMALL_RECALL, SMALL_CHOICES, SMALL_INSTRUCTIONS, SMALL_LOCALITY = 48, 16, 8, 4
SMALL_PASSAGES = 6
PERSON_TOPICS = frozenset({"people", "founder"})
LINE_BREAK = " / "


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def question_answers() -> list[tuple[str, str]]:
    """All distractor pairs in table order."""
    pairs: list[tuple[str, str]] = []
    for question, answer, items in lines(TEMPLATES):
        for item in items.split(";"):
            key, value = item.strip().split("=")
            pairs.append((question.format(key=key), _sentence(answer.format(key=key, value=value))))
    for question, answer in lines(ROWS):
        pairs.append((question, answer))
    return pairs


def distractors(seed: int = SEED) -> list[TrainRow]:
    """The distractors, shuffled so that any prefix is a mixed sample of topics."""
    pairs = question_answers()
    random.Random(seed).shuffle(pairs)
    return [
        TrainRow(id=f"d{number:03d}", instruction=question, output=answer, kind="distractor", pool="general_en")
        for number, (question, answer) in enumerate(pairs, start=1)
    ]


def _value_type(topic: str, alias: str) -> ValueType:
    if topic in PERSON_TOPICS:
        return "person"
    return "number" if alias.isdigit() else "text"


def recall_probes() -> list[Probe]:
    """Closed-book questions with short answers."""
    return short_answers(PROBES, "g", lang=LANG, max_new_tokens=RECALL_TOKENS, value_type=_value_type)


def locality_probes() -> list[Probe]:
    """Short answers about real neighbours of the domain, which training on the domain should leave alone."""
    return short_answers(
        LOCALITY, "gl", lang=LANG, max_new_tokens=RECALL_TOKENS, value_type=_value_type, tags=("locality",)
    )


def choice_probes() -> list[Probe]:
    """Multiple choice: the gold answer and three others compete by log-probability; nothing is generated."""
    return choices(CHOICES, "gm", lang=LANG)


def instruction_probes() -> list[Probe]:
    """Instructions about the form of an answer. There is no key fact: any content in the right form will do."""
    return [
        Probe(
            id=f"gi{number:03d}",
            level=0,
            kind="instruct",
            question=question,
            gold=example.replace(LINE_BREAK, "\n"),
            key_facts=(),
            split=split,
            pattern=pattern(form, question, *argument),
            max_new_tokens=INSTRUCT_TOKENS,
            tags=(form,),
        )
        for number, (form, split, (question, example, *argument)) in enumerate(in_turn(INSTRUCTIONS), start=1)
    ]


def outputs() -> dict[str, str]:
    """The text of each output file, by its path below the output folder."""
    kinds = (recall_probes(), choice_probes(), instruction_probes(), locality_probes())
    small = (SMALL_RECALL, SMALL_CHOICES, SMALL_INSTRUCTIONS, SMALL_LOCALITY)
    texts = passages()
    return {
        "en/distractors.jsonl": to_jsonl(distractors()),
        "en/general.jsonl": to_jsonl([probe for probes in kinds for probe in probes]),
        "en/passages.jsonl": to_jsonl(texts),
        "en-small/general.jsonl": to_jsonl(
            [probe for probes, count in zip(kinds, small, strict=True) for probe in probes[:count]]
        ),
        "en-small/passages.jsonl": to_jsonl(texts[:SMALL_PASSAGES]),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: write the files and name them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder that gets en/ and en-small/")
    for path in write(parser.parse_args(argv).out, outputs()):
        print(path)


if __name__ == "__main__":
    main()
