"""Hosts on this machine's own Ray: how many trials each takes, and questions on hosts of their own."""

from __future__ import annotations

import json
import re
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from cluster_support import fake_experiment
from rich.console import Console
from tests_support import assert_scored_once, cut_probes, write_config

from raykft.cluster.ray_compat import bundled_allocator
from raykft.config import load_config
from raykft.errors import ModelError
from raykft.hosts import crew
from raykft.leaderboard.board import Leaderboard
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.search.driver import tune
from raykft.search.evaluate import evaluate

pytestmark = [
    pytest.mark.ray,
    pytest.mark.spread,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run


def run(tmp_path: Path, tree: dict[str, Any]) -> Leaderboard:
    return tune(load_config(write_config(tmp_path / "c.yaml", tree)), Console(quiet=True))


def test_slots_are_measured_where_they_are_left_to_it(
    embedded_ray: None, tmp_path: Path, experiment: dict[str, Any]
) -> None:
    """The tiny model fits many times over: what is useful, and at most a quarter of the trials at once."""
    cut_probes(tmp_path, experiment)
    experiment["search"] |= {"trials": 8, "scheduler": "none", "space": {"adapter.rank": {"int": [1, 8]}}}
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
    hosts = read_json(ExperimentPaths(board.directory).environment)["hosts"]
    assert {host["allocator"] for host in hosts} == {"jemalloc" if bundled_allocator() else "system"}


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
    cut_probes(tmp_path, experiment)
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
