"""What every host, searcher, scheduler and metric must do, as test classes to inherit from.

Whoever writes a new one gives the fixtures a contract names and gets its tests::

    class TestMyHost(HostContract):
        @pytest.fixture
        def host(self): ...
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ray import cloudpickle

from raykft.errors import LostError
from raykft.evaluation.metrics import Metric
from raykft.hosts.protocol import Host
from raykft.paths import ADAPTER_CONFIG, CHECKPOINT_STATE
from raykft.records import Pick, Question
from raykft.train.admission import HostCapacity
from raykft.train.recipe import Recipe

RECIPE = Recipe(
    rank=4,
    alpha=8.0,
    dropout=0.0,
    target_layers="all-linear",
    learning_rate=1e-2,
    epochs=3,
    batch_size=3,
    accumulation=1,
    lr_schedule="cosine",
    warmup_fraction=0.1,
    weight_decay=0.01,
    max_grad_norm=0.3,
    optimizer="adamw",
    group_by_length=True,
    distractor_ratio=0.0,
    seed=0,
)
QUESTIONS = [Question("What is 1?", 6), Question("What is 2?", 6), Question("Who?", 6)]
PICKS = [Pick("What is 1?", "", ("It is 1.", "It is 7.")), Pick("What is 2?", "It is", (" 4.", " 5.", " 6."))]
TEXTS = ["A short text.", "A text that is a little longer."]
FACTS = {
    "model_digest": str,
    "device": str,
    "dtype": str,
    "residency": str,
    "threads": int,
    "has_chat_template": bool,
    "context_tokens": int,
    "shortened_rows": int,
    "taught_rows": int,
    "text_pieces": int,
}


def a_lost_trial(error: BaseException) -> bool:
    """Whether a host said that it knows nothing of a trial, be it through an actor."""
    return isinstance(error, LostError) or isinstance(getattr(error, "cause", None), LostError)


class HostContract:
    """Of a `raykft.hosts.protocol.Host`. Give the fixture `host`; it may be shared by all tests of the class."""

    def test_it_says_what_it_is(self, host: Host) -> None:
        info = host.info()
        assert {name: type(info.get(name)) for name in FACTS} == FACTS
        pickle.dumps(info)

    def test_it_measures_itself(self, host: Host) -> None:
        capacity = host.capacity()
        assert isinstance(capacity, HostCapacity)
        assert capacity.line.token_s > 0
        assert capacity.row_tokens > 0
        assert 0 < capacity.memory_bytes <= capacity.machine_bytes

    def test_epochs_come_one_after_another_and_are_counted(self, host: Host) -> None:
        before = host.counters().tokens
        modules = host.attach("epochs", RECIPE)
        assert modules
        epochs = [host.train_epoch("epochs") for _ in range(RECIPE.epochs)]
        host.detach("epochs")
        assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
        assert all(a.step < b.step and a.tokens < b.tokens for a, b in pairwise(epochs))
        assert all(math.isfinite(epoch.loss) for epoch in epochs)
        assert epochs[-1].untrained == ()
        assert host.counters().tokens - before == epochs[-1].tokens
        assert host.counters().step_limit is None

    def test_a_trial_it_does_not_know_is_lost_and_forgotten_twice(self, host: Host, tmp_path: Path) -> None:
        host.detach("nobody")
        host.detach("nobody")
        asked: list[Callable[[], Any]] = [
            lambda: host.train_epoch("nobody"),
            lambda: host.save("nobody", tmp_path / "nobody"),
            lambda: host.publish("nobody"),
        ]
        for ask in asked:
            with pytest.raises(Exception) as caught:  # noqa: PT011 (through an actor it is Ray's own)
                ask()
            assert a_lost_trial(caught.value), caught.value

    def test_a_detached_trial_is_gone(self, host: Host) -> None:
        host.attach("gone", RECIPE)
        host.detach("gone")
        with pytest.raises(Exception) as caught:  # noqa: PT011
            host.train_epoch("gone")
        assert a_lost_trial(caught.value)

    def test_a_checkpoint_goes_on_where_it_was_written(self, host: Host, tmp_path: Path) -> None:
        host.attach("whole", RECIPE)
        whole = [host.train_epoch("whole") for _ in range(RECIPE.epochs)]
        host.detach("whole")
        host.attach("parted", RECIPE)
        host.train_epoch("parted")
        host.save("parted", tmp_path / "adapter", tmp_path / "1")
        ahead = host.train_epoch("parted")  # what is saved is the trial as it was when it was asked for
        host.saved("parted")
        host.saved("parted")
        assert (tmp_path / "1" / CHECKPOINT_STATE).is_file()
        host.detach("parted")
        host.attach("parted", RECIPE, tmp_path / "1")
        rest = [host.train_epoch("parted") for _ in range(RECIPE.epochs - 1)]
        host.detach("parted")
        timeless = [replace(e, seconds=0.0) for e in (*rest, ahead)]
        assert timeless == [replace(e, seconds=0.0) for e in (*whole[1:], whole[1])]

    def test_an_adapter_travels_by_its_files(self, host: Host, tmp_path: Path) -> None:
        host.attach("here", RECIPE)
        host.train_epoch("here")
        said, chosen = host.answer("here", QUESTIONS), host.choose("here", PICKS)
        with pytest.raises(Exception, match="has not been saved"):
            host.publish("here")
        host.save("here", tmp_path / "there")
        directory, digest = host.publish("here")
        assert directory == tmp_path / "there"
        assert (directory / ADAPTER_CONFIG).is_file()
        host.attach_adapter("arrived", directory)
        assert host.answer("arrived", QUESTIONS) == said
        assert host.choose("arrived", PICKS) == chosen
        assert host.publish("arrived") == (directory, digest)
        host.saved("here")
        for trial_id in ("here", "arrived"):
            host.detach(trial_id)

    def test_answers_come_in_the_order_of_questions(self, host: Host) -> None:
        assert len(host.answer(None, QUESTIONS)) == len(QUESTIONS)
        assert host.answer(None, QUESTIONS[::-1]) == host.answer(None, QUESTIONS)[::-1]
        assert [len(row) for row in host.choose(None, PICKS)] == [len(pick.candidates) for pick in PICKS]
        short, long = host.text_nats(None, TEXTS)
        assert 0 < short < long
        assert [*host.answer(None, []), *host.choose(None, []), *host.text_nats(None, [])] == []

    def test_the_base_model_does_not_drift_from_itself(self, host: Host) -> None:
        drifts = host.drift(None, [("What is 1?", "It is 1."), ("Who?", "I do not know.")])
        assert [nats for nats, _ in drifts] == [0.0, 0.0]
        assert all(tokens > 0 for _, tokens in drifts)


class SearcherContract:
    """Of a searcher that `search.searcher` names. Give the fixture `make`, which builds it afresh over one study.

    `make()` returns a `raykft.search.searcher.StudySearch`; `make(first=False)` one that goes on.
    """

    TRIALS = 6

    def propose(self, search: Any, names: Iterable[str]) -> list[dict[str, Any]]:
        """Samples for trials of these names, each told to have ended with a score that depends on its place."""
        samples = []
        for n, name in enumerate(names):
            sample = search.suggest(name)
            assert isinstance(sample, dict), f"no proposal for {name}"
            samples.append({path: value for path, value in sample.items() if not path.startswith("_")})
            row = {"training_iteration": 1, "epoch": 1, "rung_score": n / 10}
            search.on_trial_result(name, row | {"final": False})
            ended = row | {"training_iteration": 2, "final": True, "score": n / 10, "gain": n / 10, "forgetting": 0.1}
            search.on_trial_complete(name, ended)
        return samples

    def test_it_proposes_what_the_space_holds(self, make: Callable[..., Any], allowed: Callable[[Any], bool]) -> None:
        samples = self.propose(make(), (f"a{n}" for n in range(self.TRIALS)))
        assert all(map(allowed, samples))

    def test_every_trial_gets_an_id_of_its_own(self, make: Callable[..., Any]) -> None:
        search = make()
        ids = [search.suggest(f"a{n}")["_trial_id"] for n in range(self.TRIALS)]
        assert len(set(ids)) == self.TRIALS

    def test_it_ends_trials_however_they_end(self, make: Callable[..., Any]) -> None:
        search = make()
        for name in ("stopped", "diverged", "lost", "silent", "nan"):
            search.suggest(name)
        row = {"training_iteration": 1, "epoch": 1, "rung_score": 0.1}
        search.on_trial_complete("stopped", row | {"final": False})
        search.on_trial_complete("diverged", row | {"final": True, "status": "diverged"})
        search.on_trial_complete("lost", error=True)
        search.on_trial_complete("silent")
        search.on_trial_complete("nan", row | {"final": True, "score": math.nan})
        assert all(trial.state.is_finished() for trial in search.study.trials)
        assert search.suggest("next") is not None

    def test_one_that_goes_on_numbers_on(self, make: Callable[..., Any]) -> None:
        self.propose(make(), ["a", "b"])
        again = make(first=False)
        again.suggest("c")
        assert [trial.number for trial in again.study.trials] == [0, 1, 2]

    def test_it_survives_its_snapshot(self, make: Callable[..., Any], tmp_path: Path) -> None:
        search = make()
        search.suggest("a")
        search.save(str(tmp_path / "snapshot"))
        search.restore(str(tmp_path / "snapshot"))
        search.on_trial_complete("a", {"training_iteration": 1, "final": True, "score": 0.5, "gain": 0.5})
        assert search.study.trials[0].state.is_finished()


class SchedulerContract:
    """Of a scheduler that `search.scheduler` names. Give the fixture `make`, which returns a new one of Tune's kind."""

    EPOCHS = 9

    def decide(self, scheduler: Any, curves: dict[str, list[float]]) -> dict[str, int]:
        """After how many epochs every trial was stopped; they run side by side, in the given order."""
        trials = {name: _Trial(name) for name in curves}
        stopped: dict[str, int] = {}
        for trial in trials.values():
            scheduler.on_trial_add(_Controller(), trial)
        for epoch in range(1, self.EPOCHS + 1):
            for name, trial in trials.items():
                if name in stopped:
                    continue
                row = {"epoch": epoch, "rung_score": curves[name][epoch - 1], "training_iteration": epoch}
                trial.last_result = row
                said = scheduler.on_trial_result(_Controller(), trial, row)
                assert said in {"CONTINUE", "STOP"}, f"it said {said}: a paused trial would hold its slot"
                if said == "STOP":
                    stopped[name] = epoch
        return stopped

    def test_the_best_is_never_stopped_before_its_end(self, make: Callable[[], Any]) -> None:
        curves = {f"t{n}": [n / 10 + epoch / 100 for epoch in range(self.EPOCHS)] for n in (5, 1, 4, 2, 3, 0)}
        stopped = self.decide(make(), curves)
        assert stopped.get("t5", self.EPOCHS) == self.EPOCHS

    def test_equal_trials_may_all_go_on_or_not_but_never_none(self, make: Callable[[], Any]) -> None:
        stopped = self.decide(make(), {f"t{n}": [0.5] * self.EPOCHS for n in range(4)})
        assert any(stopped.get(f"t{n}", self.EPOCHS) == self.EPOCHS for n in range(4))

    def test_it_pickles_with_what_it_has_heard(self, make: Callable[[], Any]) -> None:
        scheduler = make()
        self.decide(scheduler, {"a": [0.1] * self.EPOCHS, "b": [0.2] * self.EPOCHS})
        cloudpickle.loads(cloudpickle.dumps(scheduler))  # as Tune does for its snapshots


class _Trial:
    """As much of Tune's trial as schedulers look at."""

    def __init__(self, trial_id: str) -> None:
        self.trial_id = trial_id
        self.status = "RUNNING"
        self.config: dict[str, Any] = {}
        self.last_result: dict[str, Any] = {}

    def is_finished(self) -> bool:
        return False


class _Controller:
    """As much of Tune's controller as schedulers look at."""

    def get_trials(self) -> list[Any]:
        return []


class MetricContract:
    """Of an entry of `raykft.evaluation.metrics.METRICS`. Give the fixtures `metric` and `documentation`."""

    UNITS = ("1", "fraction", "percent", "ratio", "nats", "bits", "count")

    def test_it_can_be_read_in_a_table(self, metric: Metric) -> None:
        assert metric.name.isidentifier()
        assert metric.title
        assert len(metric.title) <= 12

    def test_its_unit_is_one_of_those_explained(self, metric: Metric) -> None:
        assert metric.unit in self.UNITS

    def test_it_is_documented(self, metric: Metric, documentation: str) -> None:
        assert metric.row() in documentation.splitlines()
