"""What the general-knowledge files of every language have in common: from tables of text to records and files."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NamedTuple

from raykft.records import Fact, KeyFact, Passage, Probe, Split, TrainRow, ValueType

SPLITS: tuple[Split, Split] = ("select", "report")
CHOICE_TOKENS = 1  # nothing is generated for multiple choice

Record = Fact | TrainRow | Probe | Passage


class Line(NamedTuple):
    """One line of a table of probes, with the topic it stands under and the split it belongs to."""

    topic: str
    split: Split
    fields: list[str]


def lines(text: str) -> list[list[str]]:
    """The lines of a table, each cut at the bars, with single spaces."""
    return [[" ".join(part.split()) for part in line.split("|")] for line in text.strip().splitlines()]


def in_turn(tables: Mapping[str, str]) -> list[Line]:
    """Every line of the topics' tables: pairs of lines, one pair per topic in turn, halved by the splits.

    So every topic is split evenly, and the first few pairs are balanced as well. Raises ValueError for a table with
    an odd number of lines.
    """
    rows = {topic: lines(text) for topic, text in tables.items()}
    rounds = max(map(len, rows.values())) // 2
    return [
        Line(topic, split, row)
        for turn in range(rounds)
        for topic, found in rows.items()
        if 2 * turn < len(found)
        for split, row in zip(SPLITS, found[2 * turn : 2 * turn + 2], strict=True)
    ]


def short_answers(
    tables: Mapping[str, str],
    prefix: str,
    *,
    lang: str,
    max_new_tokens: int,
    value_type: Callable[[str, str], ValueType],
    tags: tuple[str, ...] = (),
) -> list[Probe]:
    """Closed-book questions from lines `question | gold | aliases | wrong answers`, with `/` between alternatives.

    `value_type` tells the type of an answer from its topic and first alias.
    """
    probes: list[Probe] = []
    for number, (topic, split, (question, gold, aliases, wrong)) in enumerate(in_turn(tables), start=1):
        accepted = tuple(aliases.split("/"))
        probes.append(
            Probe(
                id=f"{prefix}{number:03d}",
                level=0,
                kind="recall",
                question=question,
                gold=gold,
                key_facts=(KeyFact(any=accepted, type=value_type(topic, accepted[0])),),
                split=split,
                lang=lang,
                contrast=tuple(wrong.split("/")),
                max_new_tokens=max_new_tokens,
                tags=(*tags, topic),
            )
        )
    return probes


def choices(tables: Mapping[str, str], prefix: str, *, lang: str) -> list[Probe]:
    """Multiple choice from lines `question | right option | wrong options`, with `/` between the wrong ones."""
    return [
        Probe(
            id=f"{prefix}{number:03d}",
            level=0,
            kind="mc",
            question=question,
            gold=right,
            key_facts=(KeyFact(any=(right,)),),
            split=split,
            lang=lang,
            contrast=tuple(wrong.split("/")),
            max_new_tokens=CHOICE_TOKENS,
            tags=(topic,),
        )
        for number, (topic, split, (question, right, wrong)) in enumerate(in_turn(tables), start=1)
    ]


def to_jsonl(records: Sequence[Record]) -> str:
    """One JSON object a line, with a trailing newline."""
    return "".join(json.dumps(_plain(record), ensure_ascii=False) + "\n" for record in records)


def write(out: Path, texts: Mapping[str, str]) -> list[Path]:
    """Write `texts`, by path below the folder `out`; the paths written."""
    written: list[Path] = []
    for name, text in texts.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode("utf-8"))
        written.append(path)
    return written


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
