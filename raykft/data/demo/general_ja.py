"""Writes the Japanese general-knowledge files: distractors, general probes and passages.

Run as `python -m raykft.data.demo.general_ja [--out DIR]`. Same tables and seed give the same bytes; the outputs are
committed beside this module.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from pathlib import Path

from raykft.data.demo.distractors_ja import distractors
from raykft.data.demo.general import choices, in_turn, short_answers, to_jsonl, write
from raykft.data.demo.general_tables_ja import LOCALITY, RECALL
from raykft.data.demo.general_tables_ja_instruct import INSTRUCTIONS
from raykft.data.demo.general_tables_ja_mc import CHOICES
from raykft.data.demo.passages_ja import passages
from raykft.records import KeyFact, Probe, ValueType

LANG = "ja"
RECALL_TOKENS = 32
INSTRUCT_TOKENS = 48
SMALL_RECALL, SMALL_CHOICES, SMALL_INSTRUCTIONS, SMALL_LOCALITY = 24, 16, 8, 4
SMALL_PASSAGES = 4
PERSON_TOPICS = frozenset({"創業者"})

_NUMBER = re.compile(r"[0-9]+年?")
_DATE = re.compile(r"[0-9]+月[0-9]+日")


def _value_type(topic: str, alias: str) -> ValueType:
    if topic in PERSON_TOPICS:
        return "person"
    if _DATE.fullmatch(alias):
        return "date"
    return "number" if _NUMBER.fullmatch(alias) else "text"


def recall_probes() -> list[Probe]:
    """Closed-book questions with short answers."""
    return short_answers(RECALL, "gj", lang=LANG, max_new_tokens=RECALL_TOKENS, value_type=_value_type)


def locality_probes() -> list[Probe]:
    """Short answers about real neighbours of the domain, which training on the domain should leave alone."""
    return short_answers(
        LOCALITY, "glj", lang=LANG, max_new_tokens=RECALL_TOKENS, value_type=_value_type, tags=("locality",)
    )


def choice_probes() -> list[Probe]:
    """Multiple choice: the gold answer and three others compete by log-probability."""
    return choices(CHOICES, "gmj", lang=LANG)


def instruction_probes() -> list[Probe]:
    """Instructions about the form of an answer, some of them with a fact that must be right as well."""
    patterns = {form: pattern for form, (pattern, _) in INSTRUCTIONS.items()}
    probes: list[Probe] = []
    for number, (form, split, row) in enumerate(in_turn({form: text for form, (_, text) in INSTRUCTIONS.items()}), 1):
        question, gold, aliases, opening = (*row, "", "")[:4]
        probes.append(
            Probe(
                id=f"gij{number:03d}",
                level=0,
                kind="instruct",
                question=question,
                gold=gold.replace(r"\n", "\n"),
                key_facts=(KeyFact(any=tuple(aliases.split("/"))),) if aliases else (),
                split=split,
                lang=LANG,
                pattern=patterns[form].replace("{opening}", re.escape(opening)),
                max_new_tokens=INSTRUCT_TOKENS,
                tags=(form,),
            )
        )
    return probes


def outputs() -> dict[str, str]:
    """The text of each output file, by its path below the output folder."""
    kinds = (recall_probes(), choice_probes(), instruction_probes(), locality_probes())
    small = (SMALL_RECALL, SMALL_CHOICES, SMALL_INSTRUCTIONS, SMALL_LOCALITY)
    texts = passages()
    return {
        "ja/distractors.jsonl": to_jsonl(distractors()),
        "ja/general.jsonl": to_jsonl([probe for probes in kinds for probe in probes]),
        "ja/passages.jsonl": to_jsonl(texts),
        "ja-small/general.jsonl": to_jsonl(
            [probe for probes, count in zip(kinds, small, strict=True) for probe in probes[:count]]
        ),
        "ja-small/passages.jsonl": to_jsonl(texts[:SMALL_PASSAGES]),
    }


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: write the files and name them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder that gets ja/ and ja-small/")
    for path in write(parser.parse_args(argv).out, outputs()):
        print(path)


if __name__ == "__main__":
    main()
