"""The evaluator as a Ray actor: holds the probes and the base model's scores, asks hosts, scores their answers."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import SimpleQueue
from typing import Any, Protocol

import ray

from raykft.errors import DamagedError, LostError
from raykft.evaluation.evaluator import Context, Evaluator, Suite
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import BaseScores, FullScores, SplitScores
from raykft.hosts.protocol import Host
from raykft.hosts.remote import RemoteHost
from raykft.paths import cache_dir, drop_oldest, read_json, write_json
from raykft.records import Pick, Question, Reply, Split

log = logging.getLogger(__name__)
# Raised when a change to prompts, decoding or scoring makes cached base scores wrong.
BASE_SCORES_VERSION = 4
# Scores of adapters kept for reading again; some 300 kB each.
KEPT_SCORES = 300
ADAPTER = "adapter"  # the name of the one row in a file of them


class Hosts(Protocol):
    """The training hosts by name, as `raykft.hosts.broker.Hosts`: those that joined late included."""

    def __getitem__(self, name: str) -> Any: ...

    def loads(self) -> dict[str, int]:
        """How many trials every host that is up trains now."""


class FanOut:
    """One model on several hosts: a list of questions is dealt out among them and put back in order.

    Args:
        shares: how much of a list every host gets, in proportion; alike by default.
    """

    def __init__(self, handles: Sequence[Any], shares: Sequence[float] | None = None) -> None:
        self._handles = list(handles)
        self._shares = list(shares or [1.0] * len(self._handles))

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        return self._deal("answer", trial_id, questions)

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        return self._deal("choose", trial_id, picks)

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        return self._deal("text_nats", trial_id, texts)

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        return self._deal("drift", trial_id, exchanges)

    def _deal(self, method: str, trial_id: str | None, items: Sequence[Any]) -> list[Any]:
        turns = self._turns(len(items))
        hands: list[list[Any]] = [[] for _ in self._handles]
        for turn, item in zip(turns, items, strict=True):
            hands[turn].append(item)
        asked = {n: getattr(self._handles[n], method).remote(trial_id, hand) for n, hand in enumerate(hands) if hand}
        dealt = dict(zip(asked, map(iter, ray.get(list(asked.values()))), strict=True))
        return [next(dealt[turn]) for turn in turns]

    def _turns(self, count: int) -> list[int]:
        """Which host gets each of `count` items: always the one that is furthest behind its share."""
        given = [0] * len(self._handles)
        turns = []
        for _ in range(count):
            turn = min(range(len(given)), key=lambda n: (given[n] + 1) / self._shares[n])
            given[turn] += 1
            turns.append(turn)
        return turns


class EvaluatorActor:
    """The actor class (`ray.remote` is applied by the driver). Imports no torch.

    A trial is questioned on the host that trains it, and at its end on the hosts that have no trial besides. Where
    there are hosts for evaluation alone, it is questioned there: each takes `slots` adapters at once, others wait.
    """

    def __init__(
        self,
        suite: Suite,
        objective: Objective,
        *,
        rungs: dict[str, int],
        hosts: Hosts,
        evaluation_hosts: Sequence[Any] = (),
        slots: int = 1,
        base_key: dict[str, Any],
        contexts: Mapping[str, Context],
    ) -> None:
        """
        Args:
            rungs: how much is asked at a rung, as `Evaluator` takes it.
            base_key: everything the base's answers depend on besides what it is asked (see `base_key`).
            contexts: what the base model is shown before a probe, by the name of the baseline.
            evaluation_hosts: handles of the hosts for evaluation alone.
        """
        self._evaluator = Evaluator(suite, objective, **rungs)
        self._hosts = hosts
        self._evaluation_hosts = list(evaluation_hosts)
        self._free: SimpleQueue[Any] = SimpleQueue()
        for handle in self._evaluation_hosts * slots:
            self._free.put(handle)
        self._contexts = dict(contexts)
        self._base: BaseScores | None = None
        self._base_digest = self._digest(base_key)

    def base(self) -> tuple[BaseScores, bool]:
        """The base model's scores, and whether they came from the cache. An evaluator that was started again has none
        in memory and reads them there."""
        path = cache_dir() / "baselines" / f"{self._base_digest}.json"
        if (kept := _kept(path)) is not None:
            self._base = kept
            return self._base, True
        started = time.monotonic()
        self._base = self._evaluator.base(self._everywhere(), self._contexts)
        self._base.seconds = time.monotonic() - started
        write_json(path, self._base.as_dict())
        return self._base, False

    def elsewhere(self) -> bool:
        """Whether rungs are scored on another host than trains: then a trial may train on meanwhile."""
        return bool(self._evaluation_hosts)

    def rung(self, host: str, trial_id: str) -> dict[str, float]:
        if not self._evaluation_hosts:
            return self._evaluator.rung(RemoteHost(self._hosts[host]), trial_id, self._scores())
        directory, _ = self._publish(host, trial_id)
        try:
            with self._on_evaluation_host(trial_id, directory) as model:
                return self._evaluator.rung(model, trial_id, self._scores())
        except (ray.exceptions.RayActorError, LostError) as error:
            log.warning("an evaluation host was lost, %s is scored where it trains: %s", trial_id, error)
            name = f"{trial_id}.rung"
            with self._attached([self._hosts[host]], name, directory):
                return self._evaluator.rung(RemoteHost(self._hosts[host]), name, self._scores())

    def full(self, host: str, trial_id: str, split: Split) -> FullScores:
        """All probes of `split`; read from the cache where an adapter of the same content has been asked the same."""
        directory, digest = self._publish(host, trial_id)
        path = self._cached(digest, split)
        kept = _kept(path)
        if kept is not None and split in (row := kept.rows.get(ADAPTER, {})):
            return row[split]
        scores = self._full(host, trial_id, split, directory, self._known_nats(digest, split))
        write_json(path, BaseScores(rows={ADAPTER: {split: scores}}).as_dict())
        drop_oldest(path.parent.glob("*.json"), KEPT_SCORES)
        return scores

    def in_context(self, trial_id: str, name: str) -> SplitScores | None:
        """An adapter that all hosts hold, asked with the context called `name`; None where that does not fit."""
        return self._evaluator.in_context(self._everywhere(), trial_id, self._scores(), self._contexts[name])

    def _known_nats(self, digest: str, split: Split) -> dict[str, float] | None:
        """What the passages cost the same adapter, if it has been scored on the other split."""
        path = self._cached(digest, "report" if split == "select" else "select")
        kept = _kept(path)
        row = kept.rows.get(ADAPTER, {}) if kept is not None else {}
        return next((scores.passage_nats for scores in row.values()), None)

    def _full(
        self, host: str, trial_id: str, split: Split, directory: Path, nats: dict[str, float] | None
    ) -> FullScores:
        own, base = self._hosts[host], self._scores()
        try:
            loads = self._hosts.loads()
            idle = [self._hosts[name] for name, load in loads.items() if not load and name != host]
            with ExitStack() as stack:
                if self._evaluation_hosts:
                    idle.append(stack.enter_context(self._leased()))
                stack.enter_context(self._attached(idle, trial_id, directory))
                # Its own host still trains others, and they share its time.
                shares = [1 / max(1, loads.get(host, 1)), *([1.0] * len(idle))]
                return self._evaluator.full(FanOut([own, *idle], shares), trial_id, base, split, nats)
        except (ray.exceptions.RayActorError, LostError) as error:
            log.warning("a host was lost, %s is scored again where it trains: %s", trial_id, error)
            return self._evaluator.full(RemoteHost(own), trial_id, base, split, nats)

    def _everywhere(self) -> FanOut:
        return FanOut([*(self._hosts[name] for name in self._hosts.loads()), *self._evaluation_hosts])

    @contextmanager
    def _leased(self) -> Iterator[Any]:
        """A host for evaluation alone, once one has room."""
        handle = self._free.get()
        try:
            yield handle
        finally:
            self._free.put(handle)

    @contextmanager
    def _on_evaluation_host(self, trial_id: str, directory: Path) -> Iterator[Host]:
        with self._leased() as handle, self._attached([handle], trial_id, directory):
            yield RemoteHost(handle)

    @contextmanager
    def _attached(self, handles: Sequence[Any], trial_id: str, directory: Path) -> Iterator[None]:
        """A slot with the adapter on every one of `handles`."""
        try:
            ray.get([handle.attach_adapter.remote(trial_id, directory) for handle in handles])
            yield
        finally:
            for handle in handles:
                handle.detach.remote(trial_id)

    def _publish(self, host: str, trial_id: str) -> tuple[Path, str]:
        published: tuple[Path, str] = ray.get(self._hosts[host].publish.remote(trial_id))
        return published

    def _scores(self) -> BaseScores:
        return self._base or self.base()[0]

    def _digest(self, key: dict[str, Any]) -> str:
        # repr of frozen dataclasses is stable text of their whole content.
        asked = self._evaluator
        content = [
            key,
            repr(asked.suite),
            *map(repr, (asked.rung_picks, asked.rung_general, asked.rung_passages)),
            {name: [context(p) for p in asked.suite.probes] for name, context in self._contexts.items()},
        ]
        return _short_digest([BASE_SCORES_VERSION, *content])

    def _cached(self, adapter: str, split: Split) -> Path:
        asked = [self._base_digest, repr(self._evaluator.objective), self._evaluator.drift_prompts, adapter, split]
        return cache_dir() / "scores" / f"{_short_digest(asked)}.json"


def _kept(path: Path) -> BaseScores | None:
    """Scores from the cache; a file of it that cannot be read is as good as none and will be written again."""
    if not path.is_file():
        return None
    try:
        return BaseScores.from_dict(read_json(path))
    except (DamagedError, KeyError, TypeError, ValueError, AttributeError) as error:
        log.warning("scores in the cache cannot be read and are computed again: %s: %s", path, error)
        return None


def _short_digest(content: Sequence[Any]) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:24]
