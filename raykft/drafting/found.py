"""What an answer adds to its question: the value of a fact, its type, and the spellings of it that count."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date

from raykft.data.demo.spec import Value
from raykft.evaluation.matching import dates_in
from raykft.evaluation.normalize import normalize
from raykft.records import ValueType


class NothingFoundError(Exception):
    """An answer holds no value that a rule can find. The message is the reason, for a reader of `draft.md`."""


class YesOrNoError(NothingFoundError):
    """A question asks for yes or no, so that its answer is no text either."""

    def __init__(self) -> None:
        super().__init__("a yes-or-no question: its answer adds no value")


@dataclass(frozen=True, slots=True)
class Found:
    """A value as the answer writes it, and where in the answer that is.

    `asked` names the kind of question (who, where, how many people): wrong answers are taken from questions of the
    same kind first. `rule` says how the value was found.
    """

    text: str
    type: ValueType
    asked: str
    rule: str
    items: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    attrs: dict[str, str] = field(default_factory=dict)

    @property
    def value(self) -> Value:
        """As the generators of formats take it."""
        return Value(self.text, self.aliases, self.attrs, self.items)

    @property
    def year(self) -> int | None:
        """The year of a date."""
        return int(self.attrs["year"]) if "year" in self.attrs else None

    @property
    def number(self) -> int | None:
        """The value of a whole number."""
        return int(self.attrs["number"]) if "number" in self.attrs else None


def parsed_date(text: str) -> tuple[int, int | None, int | None] | None:
    """Year, month and day of a text that is one date, as the scorer reads it; None where it is no date with a year."""
    stated = list(dates_in(normalize(text), with_years=True).values())
    if len(stated) != 1 or not stated[0][0]:
        return None
    year, month, day = (int(part) if part else None for part in stated[0])
    assert year is not None
    return year, month, day


def full_date(text: str) -> date | None:
    """The day that `text` names, or None."""
    parts = parsed_date(text)
    if parts is None or parts[1] is None or parts[2] is None:
        return None
    try:
        return date(parts[0], parts[1], parts[2])
    except ValueError:
        return None


def without(text: str, ends: str) -> str:
    """`text` without spaces and the characters of `ends` on either side."""
    return text.strip().strip(ends).strip()


def new_in(pattern: re.Pattern[str], question: str, answer: str) -> list[str]:
    """What `pattern` finds in the answer and not in the question."""
    return [text for text in pattern.findall(answer) if text not in question]


def only(texts: list[str], what: str) -> str:
    """The one text of `texts`.

    Raises:
        NothingFoundError: they differ.
    """
    different = list(dict.fromkeys(texts))
    if len(different) > 1:
        raise NothingFoundError(f"the answer holds several {what}: {', '.join(different[:4])}")
    return different[0]
