"""The whole job on real Ray with a tiny random model: search, stop, continue, fail, leaderboard."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console
from safetensors.torch import load_file
from tests_support import on_report, write_config

from raykft.config import ExperimentConfig, load_config
from raykft.data.domain import load_domain
from raykft.data.mixture import Mixer, Share
from raykft.errors import ConfigError, DataError, ExperimentError, ModelError
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import read_trials
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.planning.budget import counted
from raykft.search.confirm import confirm
from raykft.search.driver import tune
from raykft.search.evaluate import evaluate
from raykft.storage.lock import locked

pytestmark = [
    pytest.mark.ray,
    pytest.mark.spread,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run


@pytest.fixture
def small(small_experiment: dict[str, Any]) -> dict[str, Any]:
    small_experiment["evaluate"] |= {"report_top": 1}
    small_experiment["search"] = {
        "race": False,
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
    return small_experiment


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
    assert_written(paths, winner.trial_id)
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


def test_wordings_formats_and_text_are_searched(embedded_ray: None, tmp_path: Path, small: dict[str, Any]) -> None:
    """Text alone is one of the recipes; every trial trains as many tokens as were planned for it."""
    small["data"] |= {"train": "demo:en-small/train-augmented.jsonl", "text": "demo:en-small/facts.jsonl"}
    space = {"data.phrasings": {"choice": [0, 2]}, "data.formats": {"choice": [0, 0.25]}}
    small["search"] |= {"space": space, "searcher": "grid", "scheduler": "none"}
    small["train"] |= {"epochs": 1, "max_length": 128}
    config = configure(tmp_path, small)
    board = tune(config, Console(quiet=True))
    assert {t.status for t in board.trials} == {"ok"}
    domain, rows = counted(config, load_domain(config))
    planned = {
        (phrasings, formats): sum(rows.lengths[n] for n in Mixer(rows.pool, 0).rows(Share(phrasings, formats)))
        for phrasings in (0, 2)
        for formats in (0, 0.25)
    }
    trained = {(t.sample["data.phrasings"], t.sample["data.formats"]): t.tokens for t in board.trials}
    assert trained == planned
    assert trained[0, 0] == sum(rows.text) < trained[2, 0] < trained[2, 0.25]
    names = sorted(t.trial_id.partition("-d0")[2] for t in board.trials)
    assert names == ["-p0-f0-x1", "-p0-f0.25-x1", "-p2-f0-x1", "-p2-f0.25-x1"]
    assert read_json(ExperimentPaths(config.directory).environment)["hosts"][0]["text_pieces"] == len(rows.text)
    assert len(domain.text) == 30


def test_distractors_that_the_pieces_of_text_ask_for_are_missed_before_any_trial(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any]
) -> None:
    small["data"] |= {"text": "demo:en-small/facts.jsonl", "phrasings": 0, "distractor_ratio": 100}
    small["search"]["space"] = {"adapter.rank": {"choice": [2, 4]}}
    small["train"]["max_length"] = 128
    config = configure(tmp_path, small)
    with pytest.raises(DataError, match="pieces of text needs [0-9]+ distractors, but data.distractors has 300"):
        tune(config, Console(quiet=True))
    assert not list(ExperimentPaths(config.directory).trials.iterdir())


def assert_written(paths: ExperimentPaths, best: str) -> None:
    """The files that the leaderboard and people read results from."""
    probes = [row["id"] for row in read_jsonl(paths.root / "probes.jsonl")]
    passages = {row["id"] for row in read_jsonl(paths.root / "passages.jsonl")}
    rows = read_json(paths.baselines / "base.json")["rows"]
    assert list(rows) == ["base", "facts_needed", "bm25", "always_no", "template_copy", "tuned_bm25"]
    assert {row["id"] for row in read_jsonl(paths.baselines / "base.jsonl")} == set(probes)
    domain = [row for row in read_jsonl(paths.root / "probes.jsonl") if row["level"]]
    for name in list(rows)[1:]:
        splits = {"report"} if "bm25" in name else {"select", "report"}  # the search has no use for retrieval
        asked = {row["id"] for row in domain if row["split"] in splits}
        assert {row["id"] for row in read_jsonl(paths.baselines / f"{name}.jsonl")} == asked
    assert "level_1" in rows["base"]["select"]["metrics"]
    trial = paths.trial(best)
    assert read_json(trial.result)["passage_nats"].keys() == passages
    report = read_json(trial.root / "report.json")
    assert report["passage_nats"].keys() == rows["base"]["report"]["passage_nats"].keys() == passages
    assert report["metrics"]["invalid"] == 0
    assert report["metrics"]["drift"] > 0
    files = (trial.probe_results, trial.root / "report_results.jsonl")
    answered = [row["id"] for file in files for row in read_jsonl(file)]
    assert sorted(answered) == sorted(probes)


def test_the_winner_is_evaluated_alone_and_confirmed_with_another_seed(
    embedded_ray: None, tmp_path: Path, small: dict[str, Any]
) -> None:
    small["search"] = {"trials": 1, "scheduler": "none", "space": {"adapter.rank": {"choice": [2]}}}
    config = configure(tmp_path, small | {"name": "sure"})
    winner = tune(config, Console(quiet=True)).winner
    assert winner is not None
    files = ExperimentPaths(config.directory).trial(winner.trial_id)

    (alone,) = evaluate(files.adapter, config, console=Console(quiet=True)).trials
    assert alone.trial_id == winner.trial_id
    for split in ("select", "report"):
        before, now = getattr(winner, split), getattr(alone, split)
        assert {k: now[k] for k in before if k in now} == pytest.approx({k: before[k] for k in now if k in before})
        assert now["score"] == pytest.approx(before["score"])

    board = confirm(config.directory, top=1, seeds=2, console=Console(quiet=True))
    (trial,) = board.trials
    assert trial.seeds.keys() == {0, 1}
    assert trial.seeds[0] == winner.select["score"]
    assert trial.report["score"] == pytest.approx(sum(run.report["score"] for run in trial.runs) / 2)
    assert "1-SEED" in Leaderboard.badges(board, replace(trial, runs=()))
    assert "1-SEED" not in board.badges(trial)
    runs = ExperimentPaths(config.directory).seed_runs
    adapters = [load_file(p / "adapter" / "adapter_model.safetensors") for p in (files.root, *runs.iterdir())]
    assert any(not adapters[0][name].equal(adapters[1][name]) for name in adapters[0])
    written = {p: p.stat().st_mtime_ns for p in runs.rglob("*.json")}
    confirm(config.directory, top=1, seeds=2, console=Console(quiet=True))
    assert {p: p.stat().st_mtime_ns for p in runs.rglob("*.json")} == written  # nothing is trained twice
    with locked(config.directory), pytest.raises(ExperimentError, match="another process works on"):
        confirm(config.directory, top=1, seeds=3, console=Console(quiet=True))


def test_what_is_no_adapter_or_cannot_be_confirmed_is_refused(tmp_path: Path, small: dict[str, Any]) -> None:
    """Before Ray or a model is started, and nothing is left behind."""
    config = configure(tmp_path, small)
    with pytest.raises(ModelError, match="adapter_config.json"):
        evaluate(tmp_path, config)
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4, "lora_alpha": 8, "use_dora": true}')
    (tmp_path / "adapter_model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match="use_dora"):
        evaluate(tmp_path, config)
    assert not config.directory.parent.exists()
    with pytest.raises(ConfigError, match="2 to 100 seeds"):
        confirm(tmp_path, seeds=1)
    with pytest.raises(ExperimentError, match="holds no experiment"):
        confirm(tmp_path)


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
    infeasible = [t for t in study.trials if any(value > 0 for value in t.constraints.values())]
    assert [t.params["train.learning_rate"] for t in infeasible] == [1.0]
    assert {t.state.name for t in study.trials} == {"COMPLETE"}


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

    killed: list[int] = []

    def kill_once(_callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        if not killed and result["epoch"] == 1:
            killed.append(result["pid"])
            os.kill(result["pid"], signal.SIGKILL)

    on_report(monkeypatch, kill_once)
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

    sent: list[bool] = []

    def interrupt_once(*_report: Any) -> None:
        if not sent:
            sent.append(True)
            os.kill(os.getpid(), signal.SIGINT)

    on_report(monkeypatch, interrupt_once)
    small["train"]["epochs"] = 50
    small["search"] |= {"trials": 2, "scheduler": "none"}
    config = configure(tmp_path, small | {"name": "interrupted"})
    tune(config, Console(quiet=True))
    paths = ExperimentPaths(config.directory)
    records = read_trials(paths)
    assert records
    assert {r.status for r in records} == {"interrupted"}
    assert "interrupted after epoch" in read_json(paths.trial(records[0].trial_id).result)["reason"]
