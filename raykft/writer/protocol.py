"""What the desk asks of a writer, and what a writer says."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from raykft.errors import RaykftError


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation, with the roles of the chat completions interface."""

    role: str
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    """A conversation to be answered with one JSON object of the form `schema`, in `max_tokens` or fewer."""

    messages: tuple[Message, ...]
    form: str
    schema: Mapping[str, Any]
    max_tokens: int

    @property
    def most_tokens(self) -> int:
        """About what the exchange may cost at most: a token for three letters of ASCII, three for any other one."""
        text = "".join(message.text for message in self.messages) + str(self.schema)
        plain = sum(map(str.isascii, text))
        return plain // 3 + 3 * (len(text) - plain) + self.max_tokens


@dataclass(frozen=True, slots=True)
class Said:
    """A writer's words, and how many tokens it read and wrote; without words, why it gave none."""

    text: str
    tokens: int
    problem: str = ""


class Writer(Protocol):
    """A language model with instructions to follow.

    Attributes:
        name: for people, without secrets.
        identity: what its words depend on besides the request; a cache is kept by it.
        batch: how many requests it is given at a time at most.
    """

    name: str
    identity: str
    batch: int

    def say(self, requests: Sequence[Request]) -> Iterable[Said | RaykftError]:
        """An answer to each request in order, as it comes, as likely as not broken JSON; or why there is none and will
        be none.

        They may end with such an error. Errors are returned, so that answers beside them are not lost.

        Raises:
            ModelError: it cannot be loaded.
            ResourceError: there is no place for it, or where it was has gone.
        """

    def close(self) -> None:
        """Give back what it holds; nothing is asked afterwards."""
