"""The evaluator as a Ray actor: holds the probes and the base model's scores, asks hosts, scores their answers."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ray

from raykft.errors import ExperimentError
from raykft.evaluation.evaluator import BaseScores, Context, Evaluator, FullScores, Objective, SplitScores, Suite
from raykft.paths import cache_dir, read_json, write_json
from raykft.records import Pick, Question, Reply, Split

# Raised when a change to prompts, decoding or scoring makes cached base scores wrong.
BASE_SCORES_VERSION = 2


class ActorProxy:
    """Calls an actor's methods as if it were a local object."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return lambda *args, **kwargs: ray.get(getattr(self._handle, name).remote(*args, **kwargs))


class FanOut:
    """One model on several hosts: a list of questions is dealt out among them and put back in order."""

    def __init__(self, handles: Sequence[Any]) -> None:
        self._handles = list(handles)

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return self._deal("answer", trial_id, questions)

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return self._deal("choose", trial_id, picks)

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return self._deal("text_nats", trial_id, texts)

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        return self._deal("drift", trial_id, exchanges)

    def _deal(self, method: str, trial_id: str | None, items: Sequence[Any]) -> list[Any]:
        count = len(self._handles)
        hands = [list(items[n::count]) for n in range(count)]
        refs = [
            getattr(handle, method).remote(trial_id, hand)
            for handle, hand in zip(self._handles, hands, strict=True)
            if hand
        ]
        dealt = [iter(part) for part in ray.get(refs)]
        return [next(dealt[n % count]) for n in range(len(items))]


class EvaluatorActor:
    """The actor class (`ray.remote` is applied by the driver). Imports no torch."""

    def __init__(self, suite: Suite, objective: Objective, *, rungs: dict[str, int], hosts: dict[str, Any]) -> None:
        self._evaluator = Evaluator(suite, objective, **rungs)
        self._hosts = {name: ActorProxy(handle) for name, handle in hosts.items()}
        self._handles = list(hosts.values())
        self._base: BaseScores | None = None
        self._contexts: dict[str, Context] = {}

    def prepare(self, key: dict[str, Any], *, contexts: Mapping[str, Context]) -> tuple[BaseScores, bool]:
        """Score the base model, or read its scores from the cache.

        Args:
            key: everything the base's answers depend on besides what it is asked: model digest, quantization, prompts.
            contexts: what the base model is shown before a probe, by the name of the baseline.

        Returns:
            The scores and whether they came from the cache.
        """
        self._contexts = dict(contexts)
        path = self._cache_path(key)
        if path.is_file():
            self._base = BaseScores.from_dict(read_json(path))
            return self._base, True
        started = time.monotonic()
        self._base = self._evaluator.base(FanOut(self._handles), contexts)
        self._base.seconds = time.monotonic() - started
        write_json(path, self._base.as_dict())
        return self._base, False

    def rung(self, host: str, trial_id: str) -> dict[str, float]:
        return self._evaluator.rung(self._hosts[host], trial_id, self._scores())

    def full(self, host: str, trial_id: str, split: Split) -> FullScores:
        return self._evaluator.full(self._hosts[host], trial_id, self._scores(), split)

    def in_context(self, trial_id: str, name: str) -> SplitScores | None:
        """An adapter that all hosts hold, asked with a context given to `prepare`; None where that does not fit."""
        return self._evaluator.in_context(FanOut(self._handles), trial_id, self._scores(), self._contexts[name])

    def _scores(self) -> BaseScores:
        if self._base is None:
            raise ExperimentError("the base model must be scored before any adapter; call `prepare` first")
        return self._base

    def _cache_path(self, key: dict[str, Any]) -> Path:
        # repr of frozen dataclasses is stable text of their whole content.
        asked = self._evaluator
        content = [
            key,
            repr(asked.suite),
            *map(repr, (asked.rung_picks, asked.rung_general, asked.rung_passages)),
            {name: [context(p) for p in asked.suite.probes] for name, context in self._contexts.items()},
        ]
        text = json.dumps([BASE_SCORES_VERSION, *content], sort_keys=True)
        return cache_dir() / "baselines" / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.json"
