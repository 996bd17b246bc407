"""Trials that train on several devices: through Ray Train with two CPU workers, and the plans and settings for it."""

from __future__ import annotations

import os
import pickle
import signal
import traceback
from pathlib import Path
from typing import Any

import psutil
import pytest
from rich.console import Console
from safetensors.torch import load_file
from tests_support import experiment_tree, on_report, write_config

from raykft.cluster import places
from raykft.config import load_config, validate
from raykft.errors import ConfigError, ResourceError
from raykft.leaderboard.board import Leaderboard
from raykft.paths import ExperimentPaths, TrialPaths, read_json, read_jsonl
from raykft.search.driver import tune

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run


def experiment(tmp_path: Path, name: str, model: str, **resources: Any) -> dict[str, Any]:
    tree = experiment_tree(tmp_path, model) | {"name": name}
    tree["train"] |= {"epochs": 3, "learning_rate": 1e-3}
    tree["search"] = {"trials": 1, "scheduler": "none", "space": {"adapter.rank": {"choice": [4]}}}
    tree["evaluate"] = {"report_top": 1, "baselines": ["facts_needed"], "rung_probes": 4, "rung_general": 2}
    tree["resources"] = {"hosts": 1, "slots_per_host": 1, "wait_minutes": 1, **resources}
    return tree


def run(tmp_path: Path, tree: dict[str, Any]) -> Leaderboard:
    config = load_config(write_config(tmp_path / f"{tree['name']}.yaml", tree))
    return tune(config, Console(quiet=True))


def files_of(board: Leaderboard) -> TrialPaths:
    return ExperimentPaths(board.directory).trial(board.trials[0].trial_id)


def rank_processes() -> set[int]:
    """Process ids of Ray Train's workers under this process."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            if "RayTrainWorker" in process.cmdline()[0]:
                found.add(process.pid)
        except (psutil.Error, IndexError):  # it has just ended
            continue
    return found


@pytest.fixture(scope="module")
def solo(embedded_ray: None, tmp_path_factory: pytest.TempPathFactory, tiny_model_dir: Path) -> Leaderboard:
    """The same trial on one worker."""
    directory = tmp_path_factory.mktemp("solo")
    return run(directory, experiment(directory, "solo", str(tiny_model_dir)))


def test_a_trial_on_two_workers_equals_the_solo_trial(
    solo: Leaderboard, tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Although a worker dies in the middle: both start again, and the trial goes on from its checkpoint."""
    killed: list[int] = []

    def kill(_callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        if result["epoch"] == 2 and not killed:
            killed.append(max(rank_processes()))
            os.kill(killed[0], signal.SIGKILL)

    on_report(monkeypatch, kill)
    both = run(tmp_path, experiment(tmp_path, "both", str(tiny_model_dir), gpus_per_trial=2))
    assert killed
    assert not rank_processes()
    assert both.trials[0].status == "ok"
    files, expected_files = files_of(both), files_of(solo)
    assert [row["epoch"] for row in read_jsonl(files.metrics)] == [1, 2, 3]
    result, expected = read_json(files.result), read_json(expected_files.result)
    assert [result[key] for key in ("epoch", "step", "tokens")] == [
        expected[key] for key in ("epoch", "step", "tokens")
    ]
    assert result["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert result["metrics"] == pytest.approx(expected["metrics"], abs=0.02)
    tensors = load_file(expected_files.adapter / "adapter_model.safetensors")
    for name, tensor in load_file(files.adapter / "adapter_model.safetensors").items():
        assert (tensor - tensors[name]).norm() < 1e-4 * tensors[name].norm(), name
    assert read_json(ExperimentPaths(both.directory).environment)["hosts"][0]["replicas"] == 2


NODES = [{"CPU": 8, "GPU": 4}, {"CPU": 8, "GPU": 2}]


@pytest.mark.parametrize(
    ("asked", "hosts", "places"),
    [
        ({"replicas": 2}, 3, [{"CPU": 0.01}] * 3),
        ({"replicas": 4}, 1, [{"CPU": 0.01}]),  # on both nodes, where need be
        ({"replicas": 2, "useful": 2}, 2, [{"CPU": 0.01}] * 2),
        ({"replicas": 2, "evaluation_hosts": 1}, 2, [{"CPU": 0.01}] * 2 + [{"CPU": 0.99, "GPU": 1}]),
        ({"replicas": 2, "device": "cpu"}, 8, [{"CPU": 0.01}] * 8),
    ],
)
def test_hosts_of_several_devices_are_planned(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], hosts: int, places: list[dict[str, float]]
) -> None:
    plan = planned(monkeypatch, **asked)
    assert (plan.hosts, plan.places) == (hosts, places)
    assert plan.actor_options() == {"num_cpus": 0.01}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"replicas": 8},
            "hosts auto with resources.gpus_per_trial 8: 8 GPUs .* needed, only 6 are available; lower gpus",
        ),
        ({"replicas": 2, "hosts": 4}, "resources.hosts 4 with resources.gpus_per_trial 2: 8 GPUs"),
        ({"replicas": 6, "evaluation_hosts": 1}, "and resources.evaluation_hosts 1 with .* 7 GPUs"),
    ],
)
def test_more_devices_a_trial_than_there_are_is_said_at_once(
    monkeypatch: pytest.MonkeyPatch, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResourceError, match=message):
        planned(monkeypatch, **asked)


def planned(monkeypatch: pytest.MonkeyPatch, **asked: Any) -> places.HostPlan:
    monkeypatch.setattr(places, "_nodes", lambda: NODES)
    monkeypatch.setattr(places, "autoscaled_nodes", list)
    usual = {"device": "auto", "hosts": "auto", "useful": 100, "embedded": False, "slots": 1}
    return places.plan_hosts(**(usual | asked))


def test_several_gpus_a_trial_mean_one_slot(tmp_path: Path) -> None:
    tree = experiment(tmp_path, "slots", "model", gpus_per_trial=2)
    del tree["resources"]["slots_per_host"]
    config = validate(tree, "a test")
    assert config.resources.slots_per_host == 1
    assert validate(config.resolved(), "read back").resources == config.resources


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"slots_per_host": 2}, "gpus_per_trial 2 trains one trial a host, not slots_per_host 2; leave slots_per_host"),
        ({"evaluation_hosts": 0.25}, "gpus_per_trial 2 takes whole GPUs, so evaluation_hosts 0.25 has no share"),
        ({"gpus_per_trial": 0}, "gpus_per_trial: 0: Input should be greater than or equal to 1"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(tmp_path: Path, resources: dict[str, Any], message: str) -> None:
    tree = experiment(tmp_path, "refused", "model", **{"gpus_per_trial": 2, **resources})
    with pytest.raises(ConfigError, match=message):
        validate(tree, "a test")


class StubbornError(Exception):
    """Cannot be made again from its message alone."""

    def __init__(self, one: str, two: str) -> None:
        super().__init__(one + two)


@pytest.mark.parametrize(("error", "kind"), [(KeyError("a bug"), KeyError), (StubbornError("a", " bug"), RuntimeError)])
def test_a_bug_on_a_rank_keeps_its_traceback(error: Exception, kind: type) -> None:
    from raykft.hosts.group import sendable

    def fail_deep_down() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        fail_deep_down()
    arrived = pickle.loads(pickle.dumps(sendable(caught.value, replica=3)))
    assert type(arrived) is kind
    text = "".join(traceback.format_exception(arrived))
    assert "on replica 3" in text
    assert "fail_deep_down" in text
    assert "a bug" in text
