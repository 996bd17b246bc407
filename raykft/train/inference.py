"""Questions of several trials, queued and run together on the resident base model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import torch

from raykft.data.encode import PromptFormat, shared_prefix
from raykft.errors import OutOfMemoryError
from raykft.models.generate import Generation, Prompt, generate
from raykft.models.likelihood import Choice, Exchange, candidate_logprobs, drift_nats, text_nats
from raykft.models.packed import PackedModel
from raykft.records import Pick, Question, Reply

# How torch says that it could not allocate where it has no type for it: on CPUs, in cuBLAS, in the CUDA driver.
NO_MEMORY = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED", "CUDA error: out of memory")

ROW_BY_ROW = ("nats",)  # kinds of questions that no batch size divides


def typed_error(error: Exception) -> Exception:
    """`error`, or an `OutOfMemoryError` where torch or Python could not allocate."""
    in_words = isinstance(error, RuntimeError) and any(words in str(error) for words in NO_MEMORY)
    if not (in_words or isinstance(error, (torch.OutOfMemoryError, MemoryError))):
        return error
    torch.cuda.empty_cache()
    return OutOfMemoryError(f"the device ran out of memory: {str(error).partition(chr(10))[0]}")


@dataclass
class Inference:
    """One trial's request: rows of one kind, and how their results become the reply."""

    kind: str
    slot: int | None
    rows: list[Any]
    finish: Callable[[list[Any]], Any]
    future: Future[Any] = field(default_factory=Future)


class InferenceQueue:
    """Collects requests; `run` merges those of one kind into shared batches."""

    def __init__(self, packed: PackedModel, prompts: PromptFormat, batch_size: int) -> None:
        self._packed = packed
        self._prompts = prompts
        self._batch_size = batch_size
        self._waiting: list[Inference] = []

    def __bool__(self) -> bool:
        return bool(self._waiting)

    @property
    def rows(self) -> int:
        return sum(len(item.rows) for item in self._waiting)

    def take(self) -> list[Inference]:
        items, self._waiting = self._waiting, []
        return items

    def ask(self, slot: int | None, questions: Sequence[Question]) -> Inference:
        rows = [Prompt(slot, self._prompts.prompt_ids(q.text), q.max_new_tokens) for q in questions]

        def replies(generations: list[Generation]) -> list[Reply]:
            return [
                Reply(self._prompts.decode(g.ids), g.stopped, len(row.ids) + len(g.ids) + g.stopped)
                for row, g in zip(rows, generations, strict=True)
            ]

        return self._add(Inference("generate", slot, rows, replies))

    def choose(self, slot: int | None, picks: Sequence[Pick]) -> Inference:
        rows = [self._choice(slot, pick) for pick in picks]

        def per_byte(sums: list[list[float]]) -> list[list[float]]:
            return [
                [value / len(text.encode()) for value, text in zip(row, pick.candidates, strict=True)]
                for row, pick in zip(sums, picks, strict=True)
            ]

        return self._add(Inference("choose", slot, rows, per_byte))

    def text_nats(self, slot: int | None, texts: Sequence[str]) -> Inference:
        rows = [list(self._prompts.tokenizer(text)["input_ids"]) for text in texts]
        return self._add(Inference("nats", slot, rows, list))

    def drift(self, slot: int | None, exchanges: Sequence[tuple[str, str]]) -> Inference:
        rows = [
            Exchange(slot, self._prompts.prompt_ids(question), self._prompts.answer_ids(answer) if answer else [])
            for question, answer in exchanges
        ]

        def with_counts(nats: list[float]) -> list[tuple[float, int]]:
            return [(value, row.positions) for value, row in zip(nats, rows, strict=True)]

        return self._add(Inference("drift", slot, rows, with_counts))

    def run(self, items: Sequence[Inference]) -> None:
        """Compute `items`, batching those of one kind together, and resolve their futures."""
        for kind in ("generate", "choose", "nats", "drift"):
            some = [item for item in items if item.kind == kind]
            if some and not self._fit_together(kind, some):
                for item in some:
                    _fail([item], self._attempt(kind, [item], 1))

    def _fit_together(self, kind: str, items: Sequence[Inference]) -> bool:
        """Compute items of one kind, in smaller batches where memory runs out and, once they fit, from then on.

        False where not even single rows fit: then only the trials whose rows these are must fail.
        """
        size = self._batch_size
        while isinstance(error := self._attempt(kind, items, size), OutOfMemoryError):
            if size == 1 or kind in ROW_BY_ROW:
                return False
            size //= 2
        if error is None:
            self._batch_size = size
        _fail(items, error)  # every waiting trial must hear of a bug
        return True

    def _attempt(self, kind: str, items: Sequence[Inference], batch_size: int) -> Exception | None:
        """What went wrong. What the attempt held in memory is free again when this returns."""
        try:
            self._run_kind(kind, items, batch_size)
        except Exception as error:
            return typed_error(error)
        return None

    def _add(self, item: Inference) -> Inference:
        self._waiting.append(item)
        return item

    def _run_kind(self, kind: str, items: Sequence[Inference], batch_size: int) -> None:
        if kind in ROW_BY_ROW:
            outputs: list[Any] = [n for item in items for n in text_nats(self._packed, item.slot, item.rows)]
        else:
            rows = [row for item in items for row in item.rows]
            if kind == "generate":
                outputs = list(generate(self._packed, rows, stop_ids=self._prompts.stop_ids, batch_size=batch_size))
            elif kind == "choose":
                outputs = list(candidate_logprobs(self._packed, rows, batch_size=batch_size))
            else:
                outputs = list(drift_nats(self._packed, rows, batch_size=batch_size))
        start = 0
        for item in items:
            stop = start + len(item.rows)
            item.future.set_result(item.finish(outputs[start:stop]))
            start = stop

    def _choice(self, slot: int | None, pick: Pick) -> Choice:
        """Tokenize lead-in and candidate together, then split where the candidates' tokens begin to differ.

        A tokenizer may merge across the border, so tokens of the parts are not the tokens of the whole. One candidate
        alone begins where it parts from its lead-in.
        """
        whole = [self._prompts.answer_ids(pick.lead_in + text) for text in pick.candidates]
        lead_in = [self._prompts.answer_ids(pick.lead_in) if pick.lead_in else []] if len(whole) == 1 else []
        shared = min(shared_prefix([*whole, *lead_in]), min(len(ids) for ids in whole) - 1)
        prefix = [*self._prompts.prompt_ids(pick.question), *whole[0][:shared]]
        return Choice(slot, prefix, [ids[shared:] for ids in whole])


def _fail(items: Sequence[Inference], error: Exception | None) -> None:
    for item in items if error is not None else ():
        if not item.future.done():
            item.future.set_exception(error)
