"""Who races, who leaves, who wins; and the race of a real search that is interrupted and goes on."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from tests_support import experiment_tree, spoken, write_config

from raykft.config import ExperimentConfig, load_config
from raykft.leaderboard.read import SeedRun, TrialRecord, ranked, read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json, write_json
from raykft.planning.budget import race_runs
from raykft.records import TrialStatus
from raykft.search.driver import resume, tune
from raykft.search.race import behind, entrants, next_runs, survivors
from raykft.testing.fake_cluster import fake_hosts
from raykft.trial import Trial, write_result

TOP, SEEDS = 3, 3


@pytest.fixture
def config(tmp_path: Path) -> ExperimentConfig:
    tree = experiment_tree(tmp_path, "fake:0")
    tree |= {"name": "race", "train": {"epochs": 2, "batch_size": 8}, "logging": [], "seed": 5}
    space = {"train.learning_rate": {"log": [1e-4, 1e-2]}}
    race = {"top": TOP, "seeds": SEEDS}
    tree["search"] = {"race": race, "trials": 4, "scheduler": "none", "startup_trials": 1, "space": space}
    tree["evaluate"] = {"report_top": 2, "baselines": []}
    tree["resources"] = {"hosts": 1, "slots_per_host": 2}
    return load_config(write_config(tmp_path / "c.yaml", tree))


def record(name: str, *scores: float, failed: int = 0) -> TrialRecord:
    """A ranked trial with one score a seed."""
    runs = tuple(SeedRun(n, TrialPaths(Path(name)), TrialStatus.OK, {"score": s}) for n, s in enumerate(scores))
    mean = {"score": float(np.mean(scores))}
    return TrialRecord(
        name, TrialStatus.OK, select=mean, rank=1, runs=runs if len(runs) > 1 or failed else (), failed_seeds=failed
    )


def test_the_best_by_their_own_seed_enter(config: ExperimentConfig) -> None:
    assert config.search.race
    trials = [record("a", 0.5), record("b", 0.9, 0.1), record("c", 0.7), record("d", 0.6)]
    stopped = TrialRecord("e", TrialStatus.STOPPED, select={"score": 1.0})
    assert [t.trial_id for t in entrants(config.search.race, [*trials, stopped])] == ["b", "c", "d"]


def test_who_is_surely_behind_or_failed_leaves() -> None:
    close = {"a": [0.80, 0.70, 0.75], "b": [0.78, 0.71, 0.74], "c": [0.10, 0.02, 0.05]}
    assert behind(close) == {"c"}
    assert behind({name: scores[:1] for name, scores in close.items()}) == set()  # one seed tells nothing
    assert behind({"a": [0.8, 0.7]}) == set()
    field = [record(name, *scores) for name, scores in close.items()] + [record("d", 0.9, 0.9, failed=1)]
    assert [t.trial_id for t in survivors(field, [0, 1, 2])] == ["a", "b"]


def test_what_a_seed_does_to_all_alike_decides_nothing_and_hides_nothing() -> None:
    """A seed that lowers everybody by far more than recipes differ."""
    shift = np.array([0.0, -0.5, 0.3, 0.1])
    scores = {
        name: list(level + shift + wiggle) for name, level, wiggle in (("a", 0.6, 0.0), ("b", 0.5, [0.01, -0.01, 0, 0]))
    }
    assert behind(scores) == {"b"}


def test_equal_recipes_are_thrown_out_no_more_often_than_chance_allows() -> None:
    rng = np.random.default_rng(0)
    thrown = 0
    for _ in range(400):
        table = rng.standard_normal((4, 1)) * 0 + 0.1 * rng.standard_normal((4, 3)) + rng.standard_normal(3)
        thrown += bool(behind(dict(zip("abcd", table.tolist(), strict=True))))
    # The leader is the best of four by chance, so the error of one comparison is exceeded; it stays rare.
    assert thrown / 400 < 0.15


def test_a_planted_better_recipe_wins_races_that_one_seed_would_lose() -> None:
    rng = np.random.default_rng(1)
    truth, noise = np.array([0.6, 0.5, 0.5, 0.5]), 0.1
    single, raced = 0, 0
    for _ in range(400):
        table = truth[:, None] + noise * rng.standard_normal((4, 3))
        single += int(table[:, 0].argmax() == 0)
        left = set("abcd") - behind(dict(zip("abcd", table[:, :2].tolist(), strict=True)))
        means = [row.mean() if name in left else row[:2].mean() - 1 for name, row in zip("abcd", table, strict=True)]
        raced += int(np.argmax(means) == 0)
    assert raced > single + 40


def test_more_seeds_rank_before_one_lucky_score_and_failed_ones_count_against() -> None:
    lucky, steady, shaky = record("lucky", 0.9), record("steady", 0.7, 0.6), record("shaky", 0.8, failed=1)
    assert [t.trial_id for t in ranked([lucky, shaky, steady])] == ["steady", "lucky", "shaky"]


def finish(
    config: ExperimentConfig, files: TrialPaths, score: float, seed: int, status: TrialStatus = TrialStatus.OK
) -> None:
    write_json(files.config, {"sample": {}, "config": {"train": {"epochs": 2}, "seed": seed}})
    write_result(Trial(files.root.name, {}, files), {"score": score, "epoch": 2}, status)


def test_rounds_follow_from_the_files(config: ExperimentConfig) -> None:
    paths = ExperimentPaths(config.directory)
    for n, score in enumerate((0.9, 0.8, 0.7, 0.6)):
        finish(config, paths.trial(f"t00{n}-x"), score, config.seed)
    first = next_runs(config, paths)
    assert [(run.record.trial_id, run.seed) for run in first] == [(f"t00{n}-x", 6) for n in range(3)]
    finish(config, first[0].files, 0.1, 6)
    assert next_runs(config, paths) == [run for run in next_runs(config, paths) if run.seed == 6]
    assert [run.record.trial_id for run in next_runs(config, paths)] == ["t001-x", "t002-x"]
    finish(config, first[1].files, 0.2, 6)
    finish(config, first[2].files, 0.0, 6, TrialStatus.DIVERGED)
    second = next_runs(config, paths)
    assert [(run.record.trial_id, run.seed) for run in second] == [("t000-x", 7), ("t001-x", 7)]
    for run in second:
        finish(config, run.files, 0.3, 7)
    assert next_runs(config, paths) == []
    trials = read_trials(paths)
    assert [t.trial_id for t in trials] == ["t000-x", "t001-x", "t003-x", "t002-x"]
    assert trials[0].select["score"] == pytest.approx((0.9 + 0.1 + 0.3) / 3)
    assert trials[0].seeds == {5: 0.9, 6: 0.1, 7: 0.3}
    assert (
        next_runs(config.model_copy(update={"search": config.search.model_copy(update={"race": False})}), paths) == []
    )


@pytest.fixture
def fakes(embedded_ray: None) -> Iterator[None]:
    with fake_hosts():
        yield


@pytest.mark.ray
@pytest.mark.spread
@pytest.mark.filterwarnings("ignore")
def test_a_search_ends_in_a_race_that_goes_on_where_it_was_interrupted(
    fakes: None, tmp_path: Path, config: ExperimentConfig
) -> None:
    console = spoken()
    board = tune(config, console)
    said = console.export_text()
    assert "race, round 1 of 2" in said
    paths = ExperimentPaths(config.directory)
    runs = {p.name: p for p in paths.seed_runs.iterdir()}
    assert len(runs) <= race_runs(config, 4)
    assert {read_json(TrialPaths(p).config)["config"]["seed"] for p in runs.values()} <= {6, 7}
    winner = board.winner
    assert winner is not None
    assert len(winner.runs) == SEEDS
    assert winner.select["score"] == pytest.approx(np.mean([run.select["score"] for run in winner.runs]))
    assert winner.report.keys() >= {"score", "knowledge"}
    assert all(run.report for run in winner.runs)
    rows = {row["trial_id"]: row for row in board.rows}
    assert rows[winner.trial_id]["seeds"] == SEEDS
    low, high = rows[winner.trial_id]["rank_interval"]
    assert low <= 1 <= high

    before = {p: p.stat().st_mtime_ns for p in paths.root.rglob("result.json")}
    lost = paths.seed_run(winner.trial_id, 7)
    shutil.rmtree(lost.root)
    again = resume(config.directory, console=Console(quiet=True))
    assert again.winner is not None
    assert again.winner.seeds.keys() == {5, 6, 7}
    assert {p: p.stat().st_mtime_ns for p in before if p != lost.result} == {
        p: m for p, m in before.items() if p != lost.result
    }
    assert lost.result.is_file()
    ended = spoken()
    tune(config, ended)
    assert "all 4 trials" in ended.export_text()


def test_no_race_is_planned_without_rivals(config: ExperimentConfig) -> None:
    assert race_runs(config, 10) == TOP * (SEEDS - 1)
    assert race_runs(config, 2) == 2 * (SEEDS - 1)
    assert race_runs(config, 1) == 0
    values: dict[str, Any] = {"search": config.search.model_copy(update={"race": False})}
    assert race_runs(config.model_copy(update=values), 10) == 0
