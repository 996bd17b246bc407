"""The whole job on real Ray with a tiny random model: search, stop, continue, fail, leaderboard."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console
from tests_support import write_config

from raykft.config import ExperimentConfig, load_config
from raykft.errors import DataError
from raykft.leaderboard.store import read_trials
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.records import Probe
from raykft.search.driver import tune

pytestmark = [pytest.mark.ray, pytest.mark.filterwarnings("ignore")]  # Ray warns of many things, run by run


@pytest.fixture
def small(tmp_path: Path, experiment: dict[str, Any]) -> dict[str, Any]:
    """A few probes a kind, so that the tiny model's answers take no time."""
    from raykft.data.read import read_records
    from raykft.paths import PACKAGE_DATA

    def cut(name: str, keep: int) -> None:
        lines = (PACKAGE_DATA / "en-small" / name).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) | {"max_new_tokens": 4} for line in lines]
        groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in rows:
            if row["level"] < 3 and row["kind"] == "recall":
                groups.setdefault((row["split"], row["level"]), []).append(row)
        chosen = [row for group in groups.values() for row in group[:keep]]
        (tmp_path / name).write_text("".join(json.dumps(row) + "\n" for row in chosen))

    cut("probes.jsonl", 6)
    cut("general.jsonl", 4)
    assert len(read_records(tmp_path / "probes.jsonl", Probe)) == 24
    experiment["data"] |= {"probes": "probes.jsonl", "general": "general.jsonl"}
    experiment["evaluate"] = {"rung_probes": 2, "rung_general": 1, "report_top": 1}
    experiment["search"] = {
        "trials": 4,
        "startup_trials": 2,
        "grace_epochs": 1,
        "reduction_factor": 2,
        "space": {
            "adapter.rank": {"choice": [2, 4]},
            "adapter.target_layers": {"choice": ["attention", "all-linear+lm_head"]},
            "train.learning_rate": {"log": [1e-3, 1e-1]},
            "data.distractor_ratio": {"choice": [0, 0.5]},
        },
    }
    experiment["train"] = {"epochs": 3, "batch_size": 8, "max_length": 512}
    return experiment


def configure(tmp_path: Path, tree: dict[str, Any], *overrides: str) -> ExperimentConfig:
    return load_config(write_config(tmp_path / "c.yaml", tree), overrides)


def test_a_search_ends_with_a_ranked_leaderboard_and_is_continued(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any]
) -> None:
    config = configure(tmp_path, small)
    board = tune(config, Console(quiet=True))
    paths = ExperimentPaths(config.directory)
    assert len(board.trials) == 4
    assert {t.status for t in board.trials} <= {"ok", "stopped"}
    winner = board.winner
    assert winner is not None
    assert winner.epoch == 3
    assert winner.report["knowledge"] >= 0
    assert [bool(t.report) for t in board.trials].count(True) == 1
    assert (paths.trial(winner.trial_id).adapter / "adapter_model.safetensors").is_file()
    assert not paths.trial(winner.trial_id).checkpoint.exists()
    assert board.base is not None
    assert "level_1" in board.base.select
    for file in (paths.environment, paths.data_manifest, paths.leaderboard("csv"), paths.leaderboard("md")):
        assert file.is_file()
    study = optuna.load_study(study_name="test", storage=f"sqlite:///{paths.study}")
    told = {"ok": "COMPLETE", "stopped": "PRUNED"}
    for trial in board.trials:
        assert study.trials[int(trial.trial_id[1:4])].state.name == told[trial.status]
        assert len(list(read_jsonl(paths.trial(trial.trial_id).metrics))) == trial.epoch
    before = {t.trial_id: paths.trial(t.trial_id).result.stat().st_mtime_ns for t in board.trials}

    again = tune(configure(tmp_path, small, "search.trials=5"), Console(quiet=True))
    assert len(again.trials) == 5
    assert {t: paths.trial(t).result.stat().st_mtime_ns for t in before} == before  # finished trials are not touched
    same = tune(configure(tmp_path, small, "search.trials=5"), Console(quiet=True))
    assert [t.trial_id for t in same.trials] == [t.trial_id for t in again.trials]


def test_a_diverged_trial_is_a_typed_outcome_and_the_others_go_on(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any]
) -> None:
    # Weight decay multiplies the weights by 1 - rate * decay: to infinity for a rate of 1, not for the tiny one.
    small["train"] |= {"weight_decay": 1e30, "epochs": 2}
    small["search"] |= {
        "trials": 2,
        "scheduler": "none",
        "space": {"train.learning_rate": {"choice": [1e-31, 1.0]}},
        "points": [{"train.learning_rate": 1.0}, {"train.learning_rate": 1e-31}],
    }
    board = tune(configure(tmp_path, small | {"name": "diverge"}), Console(quiet=True))
    status = {t.sample["train.learning_rate"]: t for t in board.trials}
    assert status[1e-31].status == "ok"
    assert status[1.0].status == "diverged"
    assert "became" in status[1.0].reason
    assert status[1.0].rank is None
    study = optuna.load_study(study_name="diverge", storage=f"sqlite:///{ExperimentPaths(board.directory).study}")
    assert sorted(t.state.name for t in study.trials) == ["COMPLETE", "FAIL"]


def test_a_row_too_long_for_max_length_stops_before_any_trial(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any]
) -> None:
    small["train"]["max_length"] = 40
    with pytest.raises(DataError, match=r"training row .* its answer would be cut at train.max_length=40"):
        tune(configure(tmp_path, small | {"name": "long"}), Console(quiet=True))


def test_a_trial_whose_process_is_killed_is_resumed_from_its_checkpoint(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    from raykft.search.callbacks import DriverCallback

    killed: list[int] = []
    on_result = DriverCallback.on_trial_result

    def kill_once(
        self: DriverCallback, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        on_result(self, iteration, trials, trial, result, **info)
        if not killed and result["epoch"] == 1:
            killed.append(result["pid"])
            os.kill(result["pid"], signal.SIGKILL)

    monkeypatch.setattr(DriverCallback, "on_trial_result", kill_once)
    small["search"] |= {"trials": 1, "scheduler": "none"}
    config = configure(tmp_path, small | {"name": "killed"})
    board = tune(config, Console(quiet=True))
    assert killed
    assert [t.status for t in board.trials] == ["ok"]
    rows = list(read_jsonl(ExperimentPaths(config.directory).trial(board.trials[0].trial_id).metrics))
    assert [row["epoch"] for row in rows] == [1, 2, 3]


def test_interrupted_trials_do_not_count_and_their_results_say_so(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import signal

    from raykft.search.callbacks import DriverCallback

    on_result = DriverCallback.on_trial_result
    sent: list[bool] = []

    def interrupt_once(self: DriverCallback, *arguments: Any, **info: Any) -> None:
        on_result(self, *arguments, **info)
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(DriverCallback, "on_trial_result", interrupt_once)
    small["train"]["epochs"] = 50
    small["search"] |= {"trials": 2, "scheduler": "none"}
    config = configure(tmp_path, small | {"name": "interrupted"})
    tune(config, Console(quiet=True))
    paths = ExperimentPaths(config.directory)
    records = read_trials(paths)
    assert records
    assert {r.status for r in records} == {"interrupted"}
    assert "interrupted after epoch" in read_json(paths.trial(records[0].trial_id).result)["reason"]
