"""Experiments of fakes on clusters of several nodes: hosts on every GPU, lost nodes, nodes that join."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from cluster_support import LoopbackCluster, fake_experiment, loopback_cluster
from rich.console import Console
from tests_support import on_report, write_config

from raykft.config import load_config
from raykft.errors import ModelError, ResourceError
from raykft.hosts import crew
from raykft.leaderboard.board import Leaderboard
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.search.driver import tune
from raykft.search.evaluate import evaluate
from raykft.testing.fake_cluster import fake_hosts

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]  # Ray warns of many things, run by run


@pytest.fixture(scope="module")
def nodes(cache: Path) -> Iterator[LoopbackCluster]:
    with loopback_cluster(workers=2) as cluster, fake_hosts():
        yield cluster


def run(tmp_path: Path, tree: dict[str, Any]) -> Leaderboard:
    return tune(load_config(write_config(tmp_path / "c.yaml", tree)), Console(quiet=True))


def assert_scored_once(board: Leaderboard, trials: int) -> None:
    """Every trial has one score: in its files, in the study and on the leaderboard."""
    paths = ExperimentPaths(board.directory)
    assert [t.status for t in board.trials] == ["ok"] * trials
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{paths.study}")
    values = {trial.number: trial.value for trial in study.trials if trial.state.name == "COMPLETE"}
    assert len(values) == trials
    for trial in board.trials:
        rows = list(read_jsonl(paths.trial(trial.trial_id).metrics))
        assert [row["epoch"] for row in rows] == list(range(1, trial.epochs + 1))
        assert [row["final"] for row in rows].count(True) == 1
        assert values[int(trial.trial_id[1:4])] == pytest.approx(trial.select["score"])


def test_every_gpu_of_the_cluster_gets_a_host_and_every_trial_one_score(
    nodes: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    processes: set[int] = set()
    on_report(monkeypatch, lambda callback, trial, result: processes.add(result["pid"]))
    tree = fake_experiment(tmp_path, nodes.address)
    board = run(tmp_path, tree)
    assert_scored_once(board, 6)
    assert len(processes) <= 2 * tree["resources"]["slots_per_host"]  # one for every slot, not one for every trial
    hosts = read_json(ExperimentPaths(board.directory).environment)["hosts"]
    assert [host["device"] for host in hosts] == ["cuda", "cuda"]
    assert not (Path(board.directory) / "exchange").exists()


def test_a_worker_node_is_lost_and_every_trial_still_gets_one_score(
    nodes: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost: list[Any] = []

    def lose_one(_callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        if not lost and result["epoch"] == 2:
            lost.append(nodes.workers[0])
            nodes.kill(nodes.workers[0])

    on_report(monkeypatch, lose_one)
    monkeypatch.setattr(crew, "GROWTH_SECONDS", 0.5)
    board = run(tmp_path, fake_experiment(tmp_path, nodes.address, seconds=0.3))
    assert lost
    assert_scored_once(board, 6)
    nodes.join()


def test_a_node_that_joins_gets_a_host_and_trials(
    nodes: LoopbackCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    joined: list[Any] = []
    seen: set[str] = set()

    def join(callback: Any, *_report: Any) -> None:
        loads = callback._hosts.loads()
        if not joined:
            joined.append(nodes.join())
        seen.update(name for name, load in loads.items() if load)

    on_report(monkeypatch, join)
    monkeypatch.setattr(crew, "GROWTH_SECONDS", 0.3)
    tree = fake_experiment(tmp_path, nodes.address, seconds=1.0)
    tree["search"]["trials"] = 14  # enough to be still running when the host is up on a slow machine
    board = run(tmp_path, tree)
    nodes.kill(joined[0])
    assert_scored_once(board, 14)
    assert seen == {"host0", "host1", "host2"}


def test_a_cluster_without_gpus_keeps_room_for_its_trials(nodes: LoopbackCluster, tmp_path: Path) -> None:
    tree = fake_experiment(tmp_path, nodes.address, device="cpu")
    tree["search"]["trials"] = 4
    board = run(tmp_path, tree)
    assert_scored_once(board, 4)
    hosts = read_json(ExperimentPaths(board.directory).environment)["hosts"]
    assert [host["device"] for host in hosts] == ["cpu"] * 4  # the head has two CPUs, the workers one each


def test_slots_are_measured_where_they_are_left_to_it(
    embedded_ray: None, tmp_path: Path, experiment: dict[str, Any]
) -> None:
    """The tiny model fits many times over: what is useful, and at most a quarter of the trials at once."""
    experiment["search"] |= {"trials": 8, "scheduler": "none", "space": {"adapter.rank": {"choice": [4]}}}
    experiment["train"] = {"epochs": 1, "batch_size": 8, "learning_rate": 0.05, "max_length": 512}
    experiment["evaluate"] = {"rung_probes": 2, "rung_general": 2}
    experiment["resources"] = {"hosts": 1, "slots_per_host": "auto"}
    said = Console(record=True, width=400, file=StringIO())
    board = tune(load_config(write_config(tmp_path / "c.yaml", experiment)), said)
    assert_scored_once(board, 8)
    line = re.search(
        r"(\d+) trial\(s\) a host at once: .* \((\d+) trials\) reach 80% of \d+ tokens/s, (\d+) fit in memory, "
        "a search of 8 takes 2 at most",
        said.export_text(),
    )
    assert line is not None
    slots, useful, fitting = map(int, line.groups())
    assert slots == min(useful, fitting, 2)
    assert fitting > 1


@pytest.mark.parametrize(
    ("resources", "message"),
    [
        ({"hosts": 3}, "resources.hosts 3: 3 GPUs with 0.99 CPU beside each are needed, only 2 are available"),
        ({"evaluation_hosts": 2}, "resources.evaluation_hosts 2: 3 GPUs"),
        ({"hosts": 3, "wait_minutes": 0.02}, r"3 GPUs were not free within 0.02 min \(2 were\)"),
        ({"device": "cpu", "hosts": 9}, "9 CPU cores are needed, only 4 are available"),
    ],
)
def test_what_no_node_can_meet_is_said_at_once(
    nodes: LoopbackCluster, tmp_path: Path, resources: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResourceError, match=message):
        run(tmp_path, fake_experiment(tmp_path, nodes.address, **resources))


def test_a_gpu_is_shared_by_training_and_evaluation(nodes: LoopbackCluster, tmp_path: Path) -> None:
    tree = fake_experiment(tmp_path, nodes.address, evaluation_hosts=0.25)
    tree["search"]["trials"] = 2
    board = run(tmp_path, tree)
    assert_scored_once(board, 2)
    assert len(read_json(ExperimentPaths(board.directory).environment)["hosts"]) == 4


def test_fakes_are_refused_unless_asked_for(
    embedded_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crew, "HOST_CLASSES", {})
    with pytest.raises(ModelError, match="for tests"):
        run(tmp_path, fake_experiment(tmp_path, None, hosts=1))


def test_scores_are_the_same_on_hosts_of_their_own_and_read_again(
    embedded_ray: None, cache: Path, tmp_path: Path, experiment: dict[str, Any]
) -> None:
    """The same trial questioned where it trains, and on a second host with its last probes dealt out over both."""
    from raykft.paths import PACKAGE_DATA

    for name in ("probes", "general"):
        lines = (PACKAGE_DATA / "en-small" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        kept: dict[tuple[str, int, str], list[str]] = {}
        for row in map(json.loads, lines):
            if row["kind"] in {"recall", "mc"} and row["level"] < 3:
                group = kept.setdefault((row["split"], row["level"], row["kind"]), [])
                group.append(json.dumps(row | {"max_new_tokens": 4}) + "\n")
        (tmp_path / f"{name}.jsonl").write_text("".join(line for group in kept.values() for line in group[:6]))
        experiment["data"][name] = f"{name}.jsonl"
    experiment["search"] |= {"trials": 1, "scheduler": "none", "space": {"adapter.rank": {"choice": [4]}}}
    experiment["train"] = {"epochs": 2, "batch_size": 8, "learning_rate": 0.05, "max_length": 512}
    experiment["evaluate"] = {"rung_probes": 4, "rung_general": 2, "baselines": ["facts_needed"]}

    shutil.rmtree(cache / "scores", ignore_errors=True)
    found = []
    for apart in (0, 1):
        tree = experiment | {"name": f"apart{apart}", "resources": {"evaluation_hosts": apart}}
        board = run(tmp_path, tree)
        trial = ExperimentPaths(board.directory).trial(board.trials[0].trial_id)
        rungs = [row["rung_score"] for row in read_jsonl(trial.metrics)]
        found.append((board.trials[0].select, list(read_jsonl(trial.probe_results)), rungs))
        if not apart:
            shutil.move(cache / "scores", tmp_path / "scores")  # the second trial's adapter is equal bit for bit
    (alone, answers, rungs), (apart, answers_apart, rungs_apart) = found
    assert rungs_apart == pytest.approx(rungs, rel=1e-4)
    assert [row["answer"] for row in answers_apart] == [row["answer"] for row in answers]
    assert apart == pytest.approx(alone, rel=1e-4)

    scores = sorted((cache / "scores").iterdir())
    assert [f.name for f in scores] == sorted(f.name for f in (tmp_path / "scores").iterdir())
    for file in scores:
        tree = read_json(file)
        for split in tree["rows"]["adapter"].values():
            split["metrics"]["knowledge"] = 0.125
        file.write_text(json.dumps(tree), encoding="utf-8")
    config = load_config(tmp_path / "c.yaml")
    (again,) = evaluate(trial.adapter, config, console=Console(quiet=True)).trials
    assert again.select["knowledge"] == 0.125  # read, not asked
