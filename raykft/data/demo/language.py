"""What the languages of the demo domain differ in; the drawing, the probes and the checks are the same for all.

The fact tables of all languages have the same facts in the same order, so that results can be compared fact by
fact. A language brings the sentences, the values and how values are written.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from datetime import date
from functools import cached_property
from typing import ClassVar

from raykft.data.demo.spec import FactSpec, Form, Formatted, GroupSpec, PriorRow, Value, parse_groups


class Language(ABC):
    """One language of the demo domain; `code` is also its folder and the `lang` of its probes."""

    code: ClassVar[str]
    subject: ClassVar[str]  # full name of the invented company
    stream: ClassVar[str]  # first part of the seeds of all random streams
    default_seed: ClassVar[int]
    tables: ClassVar[tuple[str, ...]]  # fact tables, in the marks of `spec.py`
    pools: ClassVar[Mapping[str, tuple[Value, ...]]]
    names: ClassVar[Mapping[str, tuple[str, ...]]]  # first names of women and men, and surnames ("last")
    near_misses: ClassVar[Mapping[str, str]]  # list pool → how a `near_stem` becomes a name in that list
    prior_rows: ClassVar[tuple[PriorRow, ...]]
    prior_options: ClassVar[Mapping[str, tuple[str, ...]]]  # attribute → all answers, where the pools lack some
    hint_attrs: ClassVar[Mapping[str, str]]  # pool → the attribute that a hint names; else the first letter
    wordings: ClassVar[Mapping[str, tuple[str, ...]]]  # fact key → its training question in further wordings
    forms: ClassVar[tuple[Form, ...]]  # formats that training rows may ask for, and no probe
    slots: ClassVar[Mapping[str, str]]  # fact key → regex of the first paraphrase's `slot`
    short_tokens: ClassVar[int]  # `max_new_tokens` of answers with one value, and of lists and joint answers
    long_tokens: ClassVar[int]

    @cached_property
    def groups(self) -> tuple[GroupSpec, ...]:
        return tuple(group for text in self.tables for group in parse_groups(text))

    @cached_property
    def facts(self) -> tuple[FactSpec, ...]:
        return tuple(fact for group in self.groups for fact in group.facts)

    @cached_property
    def sentences(self) -> str:
        """All sentences of the fact tables: a drawn value must not occur in any of them."""
        lines = [line[2:] for text in self.tables for line in text.splitlines()]
        return "\n".join(line for line in lines if " | " not in line)

    @abstractmethod
    def person(self, first: str, last: str, is_woman: bool) -> Value:
        """A person, with the attributes `first`, `last` and `gender`."""

    @abstractmethod
    def day(self, day: date) -> Value:
        """A date in the spellings that count; attributes `iso`, `year`, `month`, `next_month`, `season`, `decade`."""

    @abstractmethod
    def year(self, year: int) -> Value:
        """A year, with the attribute `decade`."""

    @abstractmethod
    def number(self, number: int, pool: str) -> Value:
        """A number in the spellings that count; in the pool "millions" it counts millions."""

    @abstractmethod
    def join(self, items: Iterable[str]) -> str:
        """Three items as running text."""

    @abstractmethod
    def reply(self, is_true: bool, tell: str) -> str:
        """The answer to a yes-no question: yes or no, and then the true fact."""

    @abstractmethod
    def initial(self, text: str) -> str:
        """The first letter of a name, as a hint quotes it."""

    @abstractmethod
    def formatted(self, fact: FactSpec, value: Value) -> Formatted:
        """The level-3 question of a fact, in the format that the `style` of its table line names."""

    @abstractmethod
    def also(self, attr: str, value: Value) -> tuple[str, ...]:
        """Further accepted answers to the question about an attribute of a value."""

    def founding_day(self, day: date) -> Value:
        """A date as the company's founding date is written, in languages that use another calendar for it."""
        return self.day(day)

    def indefinite(self, text: str) -> str:
        """The text after its indefinite article, in languages that have one."""
        return text
