"""Figures of a search in TensorBoard, MLflow, Weights & Biases and Prometheus; no Ray cluster, no network."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ray import cloudpickle
from tensorboardX.proto.api_pb2 import DataType, Status
from tests_support import experiment_tree, write_config

from raykft.config import ExperimentConfig, load_config, validate
from raykft.errors import ConfigError
from raykft.paths import ExperimentPaths, write_json
from raykft.search import loggers
from raykft.search.extras import check_extras
from raykft.search.loggers import IN_HPARAMS, LoggingCallback, Prometheus, TensorBoard, finite, make_loggers
from raykft.search.names import TRIAL_ID

pytestmark = pytest.mark.ray
NAMES = ["t000-r4-lr2e-4-e2-all-d0", "t001-r8-lr2e-4-e2-all-d0"]
SECRET = "hf_planted_token_0123456789"


@pytest.fixture
def paths(tmp_path: Path) -> ExperimentPaths:
    return ExperimentPaths(tmp_path / "runs" / "test")


def configure(tmp_path: Path, *names: str) -> ExperimentConfig:
    return load_config(write_config(tmp_path / "c.yaml", experiment_tree(tmp_path, "x") | {"logging": list(names)}))


def run(callbacks: list[LoggingCallback], paths: ExperimentPaths) -> None:
    """Two trials beside each other: one ends well after an epoch whose metrics are not numbers, one diverges."""
    trials = [
        SimpleNamespace(config={"adapter.rank": rank, TRIAL_ID: name}) for name, rank in zip(NAMES, (4, 8), strict=True)
    ]
    row = {"epoch": 1, "loss": 2.0, "tokens": 100, "seconds": 1.0, "rung_score": 0.25, "score": math.nan}
    row |= {"config": {"token": SECRET}, "answer": "text of a model", "hostname": "here"}
    metrics = {"score": 0.5, "knowledge": 0.75, "forgetting": math.inf}
    last = row | {"epoch": 2, "loss": 1.0, "tokens": 250} | metrics
    lost = {"epoch": 10**9, "rung_score": -1.0, "score": math.nan}
    for callback in callbacks:
        for trial in trials:
            callback.on_trial_start(0, trials, trial)
        callback.on_trial_start(0, trials, trials[0])  # its process died and was started again
        for trial, result in (
            (trials[0], row),
            (trials[1], row),
            (trials[1], lost),
            (trials[0], row),
            (trials[0], last),
        ):
            callback.on_trial_result(0, trials, trial, result)
    write_json(paths.trial(NAMES[0]).result, {"status": "ok", "metrics": {"score": 0.5, "knowledge": 0.75}})
    write_json(paths.trial(NAMES[1]).result, {"status": "diverged", "metrics": {}})
    for callback in callbacks:
        callback.on_trial_complete(0, trials, trials[0])
        callback.on_trial_error(0, trials, trials[1])
        callback.on_experiment_end(trials)


def assert_nothing_leaks(folder: Path) -> None:
    for file in folder.rglob("*"):
        if file.is_file():
            assert SECRET.encode() not in file.read_bytes(), file


def test_only_finite_metrics_and_progress_are_logged() -> None:
    row = {
        "loss": math.nan,
        "score": math.inf,
        "gain": None,
        "epoch": 3,
        "knowledge": 0.5,
        "hostname": "here",
        "pid": 7,
    }
    assert finite(row) == {"epoch": 3.0, "knowledge": 0.5}


def events(folder: Path) -> list[Any]:
    """All summaries in a folder's event files, read without TensorBoard."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for file in sorted(path for path in folder.iterdir() if path.is_file()):
        content = file.read_bytes()
        while content:
            size = int.from_bytes(content[:8], "little")
            event = Event.FromString(content[12 : 12 + size])
            found += [(event.step, value) for value in event.summary.value]
            content = content[16 + size :]
    return found


def hparams_of(folder: Path) -> dict[str, Any]:
    """Tag → what the HPARAMS tab reads there."""
    from tensorboardX.proto.plugin_hparams_pb2 import HParamsPluginData

    told = {}
    for _, value in events(folder):
        about = value.metadata.plugin_data
        if about.plugin_name == "hparams":
            told[value.tag.removeprefix("_hparams_/")] = HParamsPluginData.FromString(about.content)
    return told


def test_tensorboard_files_hold_curves(tmp_path: Path, paths: ExperimentPaths) -> None:
    run(make_loggers(configure(tmp_path, "tensorboard"), paths), paths)
    folder = paths.root / "tensorboard"
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == NAMES
    found = events(folder / NAMES[0])
    scalars = [(value.tag, step, value.simple_value) for step, value in found if value.HasField("simple_value")]
    assert ("loss", 2, 1.0) in scalars
    assert ("knowledge", 2, 0.75) in scalars
    assert not any(tag in {"forgetting", "hostname", "config"} for tag, _, _ in scalars)
    assert not any(tag == "score" and step == 1 for tag, step, _ in scalars)  # it was no number
    assert_nothing_leaks(folder)


def test_tensorboards_hparams_are_whole_whatever_the_first_trial_had(tmp_path: Path, paths: ExperimentPaths) -> None:
    config = configure(tmp_path, "tensorboard")
    space = {
        "adapter.rank": {"choice": [4, 8]},
        "adapter.target_layers": {"choice": ["attention", "mlp"]},
        "train.group_by_length": {"choice": [True, False]},
        "train.learning_rate": {"log": [1e-4, 1e-2]},
        "train.epochs": {"int": [2, 9]},
        "adapter.dropout": {"uniform": [0, 0.1], "when": {"adapter.target_layers": "mlp"}},
    }
    tree = config.resolved()
    config = validate(tree | {"search": tree["search"] | {"space": space}}, "test")
    run(make_loggers(config, paths), paths)
    folder = paths.root / "tensorboard"
    whole = hparams_of(folder)
    assert list(whole) == ["experiment"]  # once for all trials, though two were begun and one again
    about = whole["experiment"].experiment
    settings = {info.name: info for info in about.hparam_infos}
    assert list(settings) == list(space)
    assert [v.number_value for v in settings["adapter.rank"].domain_discrete.values] == [4, 8]
    assert [v.string_value for v in settings["adapter.target_layers"].domain_discrete.values] == ["attention", "mlp"]
    types = {name: DataType.Name(info.type).removeprefix("DATA_TYPE_") for name, info in settings.items()}
    assert list(types.values()) == ["FLOAT64", "STRING", "BOOL", "FLOAT64", "FLOAT64", "FLOAT64"]
    bounds = settings["train.learning_rate"].domain_interval
    assert (bounds.min_value, bounds.max_value) == (1e-4, 1e-2)
    metrics = {info.name.tag: info.display_name for info in about.metric_infos}
    assert list(metrics) == list(IN_HPARAMS)
    assert metrics["knowledge"] == "know"
    for name, rank, end in zip(NAMES, (4, 8), ("STATUS_SUCCESS", "STATUS_FAILURE"), strict=True):
        told = hparams_of(folder / name)
        assert list(told) == ["session_start_info", "session_end_info"]
        assert told["session_start_info"].session_start_info.hparams["adapter.rank"].number_value == rank
        assert Status.Name(told["session_end_info"].session_end_info.status) == end


def test_a_trial_is_among_the_hparams_while_it_trains(tmp_path: Path, paths: ExperimentPaths) -> None:
    logger = TensorBoard(configure(tmp_path, "tensorboard"), paths)
    logger.start(NAMES[0], {"adapter.rank": 4})
    logger.log(NAMES[0], {"loss": 2.0}, 1)
    assert list(hparams_of(paths.tensorboard)) == ["experiment"]
    deadline = time.monotonic() + 30
    while "loss" not in {value.tag for _, value in events(paths.tensorboard / NAMES[0])}:
        assert time.monotonic() < deadline, "what is written does not arrive in the file"
        time.sleep(0.1)
    assert list(hparams_of(paths.tensorboard / NAMES[0])) == ["session_start_info"]
    logger.close()


@pytest.mark.filterwarnings("ignore")  # MLflow is behind the libraries it uses
def test_mlflow_keeps_a_run_a_trial_in_the_experiment(
    tmp_path: Path, paths: ExperimentPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    paths.root.mkdir(parents=True)
    run(make_loggers(configure(tmp_path, "mlflow"), paths), paths)
    client = mlflow.MlflowClient(f"sqlite:///{paths.root / 'mlflow.db'}")
    found = client.search_runs([client.get_experiment_by_name("test").experiment_id])
    runs = {run.info.run_name: run for run in found}
    assert sorted(runs) == NAMES
    good, bad = runs[NAMES[0]], runs[NAMES[1]]
    assert (good.info.status, bad.info.status) == ("FINISHED", "FAILED")
    assert good.data.params == {"adapter.rank": "4"}
    assert good.data.metrics["knowledge"] == 0.75
    assert "forgetting" not in good.data.metrics
    assert bad.data.tags["status"] == "diverged"
    assert [m.value for m in client.get_metric_history(good.info.run_id, "loss")][-1] == 1.0
    assert_nothing_leaks(tmp_path / "runs")


@pytest.mark.filterwarnings("ignore")
def test_wandb_writes_offline_runs_below_the_experiment(
    tmp_path: Path, paths: ExperimentPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", SECRET)
    paths.root.mkdir(parents=True)
    run(make_loggers(configure(tmp_path, "wandb"), paths), paths)
    assert len(list((paths.root / "wandb").glob("offline-run-*"))) == 2
    assert_nothing_leaks(tmp_path / "runs")


def test_wandb_without_a_key_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("wandb")
    for name in ("WANDB_MODE", "WANDB_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    config = configure(tmp_path, "wandb")
    with pytest.raises(ConfigError, match="WANDB_MODE=offline"):
        check_extras(config)
    monkeypatch.setenv("WANDB_MODE", "offline")
    check_extras(config)


class FakeMetric:
    """Ray's counter or gauge, with what was recorded."""

    made: dict[str, FakeMetric]

    def __init__(self, name: str, description: str, tag_keys: tuple[str, ...]) -> None:
        self.tag_keys = tag_keys
        self.total: dict[str, float] = {}
        self.made[name] = self

    def set_default_tags(self, tags: dict[str, str]) -> None:
        assert tags == {"experiment": "test"}

    def inc(self, value: float, tags: dict[str, str] | None = None) -> None:
        key = json.dumps(tags or {})
        self.total[key] = self.total.get(key, 0) + value

    def set(self, value: float) -> None:
        self.total["{}"] = value


def test_prometheus_counts_without_a_tag_for_every_trial(
    tmp_path: Path, paths: ExperimentPaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeMetric, "made", {}, raising=False)
    for name in ("Counter", "Gauge"):
        monkeypatch.setattr(loggers, name, FakeMetric)
    run(make_loggers(configure(tmp_path, "prometheus"), paths), paths)
    made = FakeMetric.made
    assert made["raykft_trials"].total == {'{"status": "ok"}': 1, '{"status": "diverged"}': 1}
    assert made["raykft_tokens"].total == {"{}": 350}  # an epoch that was reported twice counts once
    assert made["raykft_best_score"].total == {"{}": 0.5}
    assert {key for metric in made.values() for key in metric.tag_keys} == {"experiment", "status"}


def test_rays_own_metrics_accept_what_is_recorded(tmp_path: Path) -> None:
    prometheus = Prometheus(configure(tmp_path))
    prometheus.start("a", {})
    prometheus.log("a", {"tokens": 10.0}, 1)
    prometheus.end("a", {"status": "ok", "metrics": {"score": math.nan}})


class Broken:
    """A logger that fails at one of its calls."""

    def __init__(self, fails: str) -> None:
        self.calls: list[str] = []
        self._fails = fails

    def __getattr__(self, name: str) -> Callable[..., None]:
        def call(*arguments: Any) -> None:
            self.calls.append(name)
            if name == self._fails:
                raise OSError("no space left on device")

        return call


@pytest.mark.parametrize("fails", ["start", "log", "end", "close"])
def test_a_logger_that_fails_is_switched_off_and_nothing_else_happens(
    tmp_path: Path, paths: ExperimentPaths, caplog: pytest.LogCaptureFixture, fails: str
) -> None:
    broken, well = Broken(fails), Broken("")
    with caplog.at_level(logging.WARNING):
        run([LoggingCallback(name, to, paths) for name, to in (("broken", broken), ("well", well))], paths)
    assert broken.calls[-1] == fails
    assert broken.calls.count(fails) == 1
    assert well.calls == ["start"] * 2 + ["log"] * 4 + ["end"] * 2 + ["close"]
    told = [r.getMessage() for r in caplog.records if r.name == loggers.__name__]
    assert told == ["logging to broken ends here, the search goes on: OSError: no space left on device"]


def test_a_callback_survives_tunes_snapshot(tmp_path: Path, paths: ExperimentPaths) -> None:
    (callback,) = make_loggers(configure(tmp_path, "tensorboard", "tensorboard"), paths)
    cloudpickle.loads(cloudpickle.dumps(callback))
    callback.on_experiment_end([])


def test_where_figures_go_is_no_part_of_an_experiments_identity(tmp_path: Path) -> None:
    assert configure(tmp_path, "mlflow").identity() == configure(tmp_path).identity()
    with pytest.raises(ConfigError, match="logging.*'tensorbord'"):
        configure(tmp_path, "tensorbord")
