"""A writer that raykft loads itself: any model it can tune, asked in batches by the engine that trains."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from raykft.records import Question
from raykft.writer.protocol import Request, Said

BATCH = 8


class LocalModel:
    """The model `model` of an experiment file, in this process, held as `quantization` says. Greedy."""

    batch = BATCH

    def __init__(self, model: str, *, quantization: str = "nf4") -> None:
        """
        Raises:
            ModelError: the model is not here.
        """
        from raykft.models.source import check_model_present

        check_model_present(model)
        self._model, self._quantization = model, quantization
        self.name = f"{model} ({quantization}, on this machine)"
        self.identity = self.name

    def say(self, requests: Sequence[Request]) -> list[Said]:
        asked = [_question(request) for request in requests]
        replies = self._engine.answer(None, asked)
        return [
            Said(reply.text, self._count(question.text) + self._count(reply.text))
            for question, reply in zip(asked, replies, strict=True)
        ]

    def close(self) -> None:
        if engine := self.__dict__.pop("_engine", None):  # it was never needed where all was in the cache
            engine.__exit__()
        self.__dict__.pop("_base", None)

    def _count(self, text: str) -> int:
        return len(self._base.tokenizer(text)["input_ids"])

    @cached_property
    def _base(self) -> Any:
        from raykft.models.load import load_base, pick_device
        from raykft.models.source import resolve_model

        return load_base(
            resolve_model(self._model), quantization=self._quantization, residency="auto", device=pick_device("auto")
        )

    @cached_property
    def _engine(self) -> Any:
        from raykft.train.engine import HostEngine

        return HostEngine(
            self._base,
            train_rows=(),
            distractors=(),
            system_prompt=None,
            plain_prompt="{question}\n",
            max_length=256,
            batch_size=BATCH,
        )


def _question(request: Request) -> Question:
    """The whole conversation as one turn: the engine asks single questions, and small models know few roles."""
    return Question("\n\n".join(message.text for message in request.messages), request.max_tokens)
