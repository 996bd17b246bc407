"""What drafting asks of a language: to find the value in an answer, and to word questions about it."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import ClassVar

from raykft.data.demo.language import Language
from raykft.drafting.found import Found
from raykft.records import ValueType


@dataclass(frozen=True, slots=True)
class Derived:
    """A question of level 5: what follows from a value by counting, reckoning or the calendar.

    `prior` asks for the step alone, with the value named.
    """

    question: str
    gold: str
    any: tuple[str, ...]
    type: ValueType
    contrast: tuple[str, ...]
    prior: str
    rule: str


@dataclass(frozen=True, slots=True)
class Hint:
    """A question with the category of its answer, and the wording of that category's kind."""

    question: str
    rule: str


class Rules(ABC):
    """One language. Rewordings are whole questions; a rule that does not apply gives none."""

    language: ClassVar[Language]
    # An order of words that nobody writes, and that writers take to when they reword; and a question as among friends,
    # which clashes with another that is not. None where no pattern tells them.
    inverted: ClassVar[re.Pattern[str] | None] = None
    casual: ClassVar[re.Pattern[str] | None] = None

    @property
    def code(self) -> str:
        return self.language.code

    @abstractmethod
    def find(self, question: str, answer: str) -> Found:
        """The value that `answer` adds to `question`.

        Raises:
            NothingFoundError: there is none that a rule is sure of.
        """

    @abstractmethod
    def asks_for(self, question: str) -> str:
        """The kind of question (who, where, how many people), by which wrong answers are found.

        Raises:
            NothingFoundError: it asks for yes or no, or for an explanation.
        """

    @abstractmethod
    def typed(self, value: str, type: ValueType, asked: str, rule: str) -> Found:
        """A value that is known, with the spellings and attributes of its type."""

    @abstractmethod
    def rewordings(self, question: str, found: Found | None) -> list[str]:
        """The question, or the request for a text (`found` is None), in other words, the furthest from it first."""

    @abstractmethod
    def worded(self, subject: str, relation: str, value: str, type: ValueType) -> tuple[str, str]:
        """The question and the answer for one line of a facts table."""

    @abstractmethod
    def premises(self, question: str, tell: str, value: str, wrong: str) -> tuple[str, str]:
        """Two yes-no questions that differ in one value: whether the answer is right with its own, and with another."""

    @abstractmethod
    def reply(self, is_true: bool, tell: str) -> str:
        """Yes or no, and then the true answer."""

    @abstractmethod
    def joint(self, one: str, two: str) -> str:
        """Two questions as one."""

    @abstractmethod
    def tell_both(self, one: str, two: str) -> str:
        """The answers to both."""

    @abstractmethod
    def hint(self, question: str, found: Found) -> Hint | None:
        """The question with the category of its answer: a decade, a size, a first letter."""

    @abstractmethod
    def derived(self, question: str, found: Found) -> list[Derived]:
        """Questions about what follows from the value."""

    @abstractmethod
    def styles(self, found: Found) -> Sequence[str]:
        """The answer formats (names of the demo's format rules) that suit a value."""

    @abstractmethod
    def other_values(self, found: Found, rng: Random) -> list[Found]:
        """Wrong values made from a date, a number or a name, the likeliest first; none where that cannot be done."""

    @abstractmethod
    def sentence(self, text: str, *, long: bool = False) -> bool:
        """Whether an answer is a sentence, and not only a value; if `long`, whether it has the length of a text that
        can be measured as a whole."""
