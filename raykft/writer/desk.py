"""Requests in, checked forms out: cached by content, bounded in tokens, asked once more where an answer is broken."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from raykft.errors import DamagedError, RaykftError
from raykft.paths import cache_dir, drop_oldest, read_json, write_json
from raykft.untrusted.messages import shortened
from raykft.writer.protocol import Message, Request, Said, Writer

Form = TypeVar("Form", bound=BaseModel)
FORMAT = 1
KEPT = 50_000  # answers in the cache, some kilobytes each
MAX_TOKENS = 200_000
_FENCE = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_THOUGHT = re.compile(r"<think>.*?</think>", re.DOTALL)
AGAIN = "That is not the JSON object that was asked for ({problem}). Reply with that object alone."


@dataclass(frozen=True, slots=True)
class Answered(Generic[Form]):
    """What came of one request: the filled form, or why there is none."""

    form: Form | None
    why: str = ""


@dataclass
class Bill:
    """What has been asked and what it cost; `left_out` are requests for which no tokens were left."""

    requests: int = 0
    cached: int = 0
    tokens: int = 0
    broken: int = 0
    left_out: int = 0

    def line(self) -> str:
        """For people."""
        parts = [f"{self.requests} requests, {self.tokens:,} tokens"]
        parts += [f"{self.cached} more from the cache"] if self.cached else []
        parts += [f"{self.broken} answers were no JSON of the form asked for"] if self.broken else []
        parts += [f"{self.left_out} were not asked, --max-tokens was reached"] if self.left_out else []
        return "; ".join(parts)


@dataclass
class Desk:
    """One writer, its cache and its budget.

    Args:
        max_tokens: read and written in all; a request that might exceed it is not made.
        on_progress: told how many of how many requests have been answered.
    """

    writer: Writer
    max_tokens: int = MAX_TOKENS
    cache: Path = field(default_factory=lambda: cache_dir() / "writer")
    on_progress: Callable[[int, int], object] = lambda _done, _all: None
    bill: Bill = field(default_factory=Bill)

    def __post_init__(self) -> None:
        with suppress(OSError):
            drop_oldest(self.cache.glob("*/*.json"), KEPT)

    def ask(self, requests: Sequence[Request], form: type[Form], *, share: float = 1.0) -> list[Answered[Form]]:
        """An answer to each request, in order; a broken one is asked for once more.

        Args:
            share: of all tokens that may be spent when this is done.

        Raises:
            ResourceError: the writer cannot be asked. What it has said before is in the cache.
        """
        found: dict[int, Answered[Form]] = {}
        again: dict[int, Request] = {}
        limit = int(share * self.max_tokens)
        for number, request, said, answered in self._said(dict(enumerate(requests)), form, limit):
            found[number] = answered
            if answered.form is None:
                turns = (Message("assistant", said.text), Message("user", AGAIN.format(problem=answered.why)))
                again[number] = replace(request, messages=(*request.messages, *turns))
        for number, _, said, answered in self._said(again, form, limit):
            found[number] = answered
            if answered.form is not None:  # so that the same draft again asks neither question
                self._keep(requests[number], said)
        self.bill.broken += sum(answered.form is None for answered in found.values())
        no_tokens: Answered[Form] = Answered(None, "no tokens were left for it (--max-tokens)")
        return [found.get(number, no_tokens) for number in range(len(requests))]

    def _said(
        self, requests: dict[int, Request], form: type[Form], limit: int
    ) -> Iterator[tuple[int, Request, Said, Answered[Form]]]:
        """What the cache holds, then what the writer says, batch by batch, with what of it fills the form.

        Fewer than are asked for where tokens run out.
        """
        missing: dict[int, Request] = {}
        for number, request in requests.items():
            kept = self._kept(request)
            answered = _filled(kept, form)
            if answered.form is None:
                missing[number] = request
            else:
                self.bill.cached += 1
                yield number, request, kept, answered
        done = len(requests) - len(missing)
        while missing:
            batch = self._affordable(missing, limit)
            if not batch:
                self.bill.left_out += len(missing)
                return
            refused: RaykftError | None = None
            # One by one: what has been said before a writer falls silent, or a person ends it, is kept.
            for (number, request), said in zip(batch.items(), self.writer.say([*batch.values()]), strict=False):
                if isinstance(said, RaykftError):
                    refused = refused or said
                    continue
                clean = replace(said, text=said.text.encode("utf-8", "replace").decode())
                self.bill.requests += 1
                self.bill.tokens += clean.tokens
                answered = _filled(clean, form)
                if answered.form is not None:
                    self._keep(request, clean)
                del missing[number]
                done += 1
                self.on_progress(done, len(requests))
                yield number, request, clean, answered
            if refused is not None:
                raise refused
            if batch.keys() & missing.keys():
                raise ValueError(f"the writer left {len(batch.keys() & missing.keys())} requests without an answer")

    def _affordable(self, missing: dict[int, Request], limit: int) -> dict[int, Request]:
        left = limit - self.bill.tokens
        batch: dict[int, Request] = {}
        for number, request in missing.items():
            left -= request.most_tokens
            if left < 0 or len(batch) == self.writer.batch:
                break
            batch[number] = request
        return batch

    def _file(self, request: Request) -> Path:
        turns = [[message.role, message.text] for message in request.messages]
        content = json.dumps([FORMAT, self.writer.identity, turns, request.schema, request.max_tokens])
        name = hashlib.sha256(content.encode()).hexdigest()[:32]
        return self.cache / name[:2] / f"{name}.json"

    def _kept(self, request: Request) -> Said:
        """What the cache holds of an answer; no words where it holds none."""
        try:
            tree = read_json(self._file(request))
            return Said(str(tree["text"]), 0)
        except (DamagedError, KeyError, OSError):  # or it was never there
            return Said("", 0)

    def _keep(self, request: Request, said: Said) -> None:
        with suppress(OSError):  # a cache that cannot be written is done without
            write_json(self._file(request), {"text": said.text, "tokens": said.tokens})


def _filled(said: Said, form: type[Form]) -> Answered[Form]:
    """The form in a writer's words: the whole of them, what a code fence holds, or what braces do."""
    text = _THOUGHT.sub("", said.text).strip()
    fenced = _FENCE.search(text)
    start, end = text.find("{"), text.rfind("}")
    candidates = [text, *([fenced[1]] if fenced else []), *([text[start : end + 1]] if 0 <= start < end else [])]
    problem = said.problem or "it is empty"
    for candidate in filter(None, candidates):
        try:
            return Answered(form.model_validate_json(candidate))
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(map(str, first["loc"]))
            problem = shortened(f"{place}: {first['msg']}" if place else str(first["msg"]), 160)
    return Answered(None, problem)
