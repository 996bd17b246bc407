"""A message in several languages, and the language that is spoken.

Not gettext: there a message is found by its English text, so that whoever corrects the English loses the Japanese, and
no type checker sees a message that does not exist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from string import Formatter
from typing import Any


class Lang(StrEnum):
    """The languages of `--lang` and RAYKFT_LANG."""

    EN = "en"
    JA = "ja"


# A thread that is to speak as the one that started it needs a copy of its context.
_spoken: ContextVar[Lang] = ContextVar("spoken", default=Lang.EN)


@contextmanager
def speaking(lang: Lang) -> Iterator[None]:
    """Messages are said in `lang` while the body runs; in English everywhere else."""
    before = _spoken.set(lang)
    try:
        yield
    finally:
        _spoken.reset(before)


def spoken() -> Lang:
    """The language of messages here."""
    return _spoken.get()


@dataclass(frozen=True)
class Message:
    """One text in every language. `{name}` and `{name:.2f}` stand for values that are given when it is said.

    Attributes:
        one: the English where `n` is 1; a Japanese noun has one form.
    """

    en: str
    ja: str
    one: str = ""

    def __call__(self, **values: Any) -> str:
        """The text in the language that is spoken."""
        return self.template(values.get("n")).format(**values)

    def template(self, n: object = None) -> str:
        """The text with its placeholders, in the language that is spoken."""
        if spoken() is Lang.JA:
            return self.ja
        return self.one if self.one and n == 1 else self.en


@dataclass(frozen=True)
class Phrase:
    """A message with its values, for what is found out before it is known in which language it will be read."""

    message: Message
    values: Mapping[str, Any]

    def __str__(self) -> str:
        return self.message(**self.values)

    @property
    def english(self) -> str:
        """For files that programs read."""
        with speaking(Lang.EN):
            return str(self)


def phrase(message: Message, **values: Any) -> Phrase:
    return Phrase(message, values)


def retold(text: str, *messages: Message) -> str:
    """What a file says in English, in the language that is spoken; as it is where none of `messages` was said there."""
    for message in messages:
        parts = Formatter().parse(message.en)
        pattern = "".join(re.escape(own) + (f"(?P<{name}>.+)" if name else "") for own, name, _, _ in parts)
        if found := re.fullmatch(pattern, text):
            return message(**found.groupdict())
    return text


def called(names: Mapping[str, Message], name: str) -> str:
    """What readers call something that files know by `name`; its name where nobody has given it another."""
    return names[name]() if name in names else name
