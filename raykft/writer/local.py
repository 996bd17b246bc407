"""A writer that raykft loads itself: any model it can tune, on hosts of Ray, asked in packed batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from raykft.models.source import check_model_present, digest_of, resolve_model
from raykft.records import Question
from raykft.writer.protocol import Request, Said

if TYPE_CHECKING:
    from raykft.hosts.answering import AnsweringHosts

BATCH = 8  # requests that a host answers together
MOST_HOSTS = 16


class LocalModel:
    """The model `model` of an experiment file, held by hosts as `quantization` says. Greedy.

    The hosts are on the Ray cluster at RAY_ADDRESS, or else on a Ray of this machine that is started for them. They
    start with the first request that the cache does not answer, and live until `close`.
    """

    batch = BATCH * MOST_HOSTS

    def __init__(
        self, model: str, *, quantization: str = "nf4", say: Callable[[str], None] = lambda _text: None
    ) -> None:
        """
        Args:
            say: told how the hosts come up.

        Raises:
            ModelError: the model is not here.
        """
        check_model_present(model)
        path = Path(model).expanduser()
        # Hosts have a working directory of their own.
        self._model = str(path.resolve()) if path.exists() else model
        self._quantization, self._say = quantization, say
        self.name = f"{model} ({quantization}, on hosts of raykft)"
        self.identity = f"{_content(self._model)} ({quantization})"
        self._held = ExitStack()

    def say(self, requests: Sequence[Request]) -> Iterator[Said]:
        hosts = self._hosts
        hosts.grow(len(requests))
        step = BATCH * len(hosts)
        for start in range(0, len(requests), step):
            replies = hosts.answer([_question(request) for request in requests[start : start + step]])
            yield from (Said(reply.text, reply.tokens) for reply in replies)

    def close(self) -> None:
        self.__dict__.pop("_hosts", None)  # they were never needed where all was in the cache
        self._held.close()

    @cached_property
    def _hosts(self) -> AnsweringHosts:
        from raykft.cluster.connect import connected

        embedded = self._held.enter_context(connected(None))
        # It imports ray, which may only be imported once `connected` has set its environment.
        from raykft.hosts.answering import AnsweringHosts

        hosts = AnsweringHosts(
            self._model,
            quantization=self._quantization,
            batch_size=BATCH,
            most=MOST_HOSTS,
            embedded=embedded,
            say=self._say,
            plain_prompt="{question}\n",
        )
        return self._held.enter_context(hosts)


def _content(model: str) -> str:
    """What tells a model from others: for files here their digest, since others may take their place."""
    path = Path(model)
    if path.is_dir():
        return resolve_model(model).digest
    return digest_of([path]) if path.is_file() else model


def _question(request: Request) -> Question:
    """The whole conversation as one turn: the engine asks single questions, and small models know few roles."""
    return Question("\n\n".join(message.text for message in request.messages), request.max_tokens)
