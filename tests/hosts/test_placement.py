"""Experiments of fakes on clusters of several nodes: hosts on every GPU, lost nodes, nodes that join."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cluster_support import LoopbackCluster, fake_experiment, loopback_cluster
from rich.console import Console
from tests_support import assert_scored_once, on_report, write_config

from raykft.config import load_config
from raykft.errors import ResourceError
from raykft.hosts import crew
from raykft.leaderboard.board import Leaderboard
from raykft.paths import ExperimentPaths, read_json
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts

pytestmark = [
    pytest.mark.ray,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run


@pytest.fixture(scope="module")
def nodes(cache: Path) -> Iterator[LoopbackCluster]:
    with loopback_cluster(workers=2) as cluster, fake_hosts():
        yield cluster


def run(tmp_path: Path, tree: dict[str, Any]) -> Leaderboard:
    return tune(load_config(write_config(tmp_path / "c.yaml", tree)), Console(quiet=True))


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
