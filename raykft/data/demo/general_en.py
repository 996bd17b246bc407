"""Writes the English general-knowledge files: distractors, general probes and passages.

Run as `python -m raykft.data.demo.general_en [--out DIR]`. Same tables and seed give the same bytes; the
outputs are committed beside this module. The probes come in pairs, one pair per topic in turn, so that every
topic is split evenly between "select" and "report" and the first 48 probes are the topic-balanced small set.
"""

from __future__ import annotations

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from raykft.data.demo.general_tables_en import PROBES, ROWS, TEMPLATES
from raykft.data.demo.passages_en import passages
from raykft.records import KeyFact, Passage, Probe, TrainRow, ValueType

SEED = 20240601
MAX_NEW_TOKENS = 24
SMALL_PROBES = 48
SMALL_PASSAGES = 6
PERSON_TOPIC = "people"

Record = TrainRow | Probe | Passage


def _fields(text: str) -> list[list[str]]:
    """The non-empty lines of a table, each cut at the bars, with single spaces."""
    return [[" ".join(part.split()) for part in line.split("|")] for line in text.strip().splitlines()]


def _sentence(text: str) -> str:
    return text[0].upper() + text[1:]


def question_answers() -> list[tuple[str, str]]:
    """All distractor pairs in table order."""
    pairs: list[tuple[str, str]] = []
    for question, answer, items in _fields(TEMPLATES):
        for item in items.split(";"):
            key, value = item.strip().split("=")
            pairs.append((question.format(key=key), _sentence(answer.format(key=key, value=value))))
    for question, answer in _fields(ROWS):
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
    if topic == PERSON_TOPIC:
        return "person"
    return "number" if alias.isdigit() else "text"


def general_probes() -> list[Probe]:
    """The level-0 probes: pairs of questions, one pair per topic in turn."""
    tables = {topic: _fields(text) for topic, text in PROBES.items()}
    rounds = max(len(rows) for rows in tables.values()) // 2
    ordered = [
        (topic, row)
        for turn in range(rounds)
        for topic, rows in tables.items()
        for row in rows[2 * turn : 2 * turn + 2]
    ]
    probes: list[Probe] = []
    for index, (topic, (question, gold, aliases, wrong)) in enumerate(ordered):
        accepted = tuple(aliases.split("/"))
        probes.append(
            Probe(
                id=f"g{index + 1:03d}",
                level=0,
                kind="recall",
                question=question,
                gold=gold,
                key_facts=(KeyFact(any=accepted, type=_value_type(topic, accepted[0])),),
                split="report" if index % 2 else "select",
                contrast=tuple(wrong.split("/")),
                max_new_tokens=MAX_NEW_TOKENS,
                tags=(topic,),
            )
        )
    return probes


def _plain(value: Any) -> Any:
    """JSON-ready data in dataclass order, without the fields that equal their default."""
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    return {
        field.name: _plain(getattr(value, field.name))
        for field in fields(value)
        if field.default is MISSING or getattr(value, field.name) != field.default
    }


def to_jsonl(records: Sequence[Record]) -> str:
    """One JSON object a line, with a trailing newline."""
    return "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)


def outputs() -> dict[str, str]:
    """The text of each output file, by its path below the output folder."""
    probes = general_probes()
    texts = passages()
    return {
        "en/distractors.jsonl": to_jsonl(distractors()),
        "en/general.jsonl": to_jsonl(probes),
        "en/passages.jsonl": to_jsonl(texts),
        "en-small/general.jsonl": to_jsonl(probes[:SMALL_PROBES]),
        "en-small/passages.jsonl": to_jsonl(texts[:SMALL_PASSAGES]),
    }


def write(out: Path) -> list[Path]:
    """Write every file below `out`; the paths written."""
    written: list[Path] = []
    for name, text in outputs().items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        written.append(path)
    return written


def main(argv: Sequence[str] | None = None) -> None:
    """Command line: write the files and name them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder that gets en/ and en-small/")
    for path in write(parser.parse_args(argv).out):
        print(path)


if __name__ == "__main__":
    main()
