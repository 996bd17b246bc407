"""What the desk asks of a writer, and what a writer says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


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
        """What the exchange may cost at most: no tokenizer makes more than a token of a byte, and few of three."""
        read = sum(len(message.text.encode()) for message in self.messages) + len(str(self.schema))
        return read // 3 + self.max_tokens


@dataclass(frozen=True, slots=True)
class Said:
    """A writer's words, and how many tokens it read and wrote."""

    text: str
    tokens: int


class Writer(Protocol):
    """A language model with instructions to follow.

    Attributes:
        name: for people, without secrets.
        identity: what its words depend on besides the request; a cache is kept by it.
        batch: how many requests it answers at a time.
    """

    name: str
    identity: str
    batch: int

    def say(self, requests: Sequence[Request]) -> list[Said]:
        """An answer to each request, as likely as not broken JSON.

        Raises:
            ResourceError: it cannot be reached, or refuses.
            ModelError: it cannot be loaded.
        """

    def close(self) -> None:
        """Give back what it holds; nothing is asked afterwards."""
