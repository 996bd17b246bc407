"""Drivers that die or are stopped, and the run that takes over: nothing is lost, nothing is done twice."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import optuna
import pytest
from cluster_support import fake_experiment, loopback_cluster
from rich.console import Console
from tests_support import assert_scored_once, experiment_tree, kept_directory, on_report, spoken, write_config

from raykft.config import load_config
from raykft.errors import ConfigError, ExperimentError
from raykft.paths import LOCK, ExperimentPaths, read_json
from raykft.search.driver import resume, tune
from raykft.search.names import id_of
from raykft.storage.lock import SILENCE_SECONDS, locked
from raykft.testing.fake_cluster import fake_hosts
from raykft.trial import latest_checkpoint

pytestmark = [
    pytest.mark.ray,
    pytest.mark.spread,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run
ROOT = Path(__file__).resolve().parents[2]
EPOCHS = 4
DRIVER = """
import sys
from raykft.config import load_config
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts
with fake_hosts():
    tune(load_config(sys.argv[1]))
"""


@pytest.fixture
def fakes(embedded_ray: None) -> Iterator[None]:
    with fake_hosts():
        yield


def tree_of(tmp_path: Path, name: str, trials: int, seconds: float = 0.0) -> dict[str, Any]:
    tree = experiment_tree(tmp_path, f"fake:{seconds}")
    tree |= {"name": name, "train": {"epochs": EPOCHS, "batch_size": 8}, "logging": []}
    space = {"train.learning_rate": {"log": [1e-4, 1e-2]}}
    tree["search"] = {"race": False, "trials": trials, "scheduler": "none", "startup_trials": 1, "space": space}
    tree["evaluate"] = {"report_top": 1, "baselines": []}
    tree["resources"] = {"hosts": 1, "slots_per_host": 2}
    return tree


def study_of(paths: ExperimentPaths) -> optuna.Study:
    return optuna.load_study(study_name=None, storage=f"sqlite:///{paths.study}")


def contents(paths: ExperimentPaths, trial_id: str) -> dict[str, tuple[bytes, int]]:
    """What a search writes of a trial, with the times when it was written."""
    files = paths.trial(trial_id)
    written = (files.config, files.metrics, files.probe_results, files.result, files.adapter / "adapter_config.json")
    return {file.name: (file.read_bytes(), file.stat().st_mtime_ns) for file in written}


def unfinished(paths: ExperimentPaths) -> list[str]:
    """Trials with a checkpoint and no result."""
    names = [directory.name for directory in paths.trials.iterdir()] if paths.trials.is_dir() else []
    return [n for n in names if latest_checkpoint(paths.trial(n)) and not paths.trial(n).result.is_file()]


def wait_for(condition: Any, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


def kill_with_ray(driver: subprocess.Popen[bytes]) -> None:
    """Kill the driver alone, then what it leaves of its embedded Ray: Ray's own agents take a minute to notice."""
    import psutil

    left = psutil.Process(driver.pid).children(recursive=True) if driver.poll() is None else []
    driver.kill()
    driver.wait()
    psutil.wait_procs(left, timeout=3)
    for process in left:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(left, timeout=10)


@pytest.mark.slow
def test_a_driver_killed_with_9_is_taken_over(fakes: None, tmp_path: Path) -> None:
    config = write_config(tmp_path / "c.yaml", tree_of(tmp_path, "killed", 4, 0.4))
    paths = ExperimentPaths(load_config(config).directory)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_ADDRESS")}
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen(
            [sys.executable, "-c", DRIVER, str(config)], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        wait_for(lambda: driver.poll() is not None or any(paths.trials.glob("*/result.json")))
        wait_for(lambda: driver.poll() is not None or unfinished(paths))
        assert driver.poll() is None, (tmp_path / "log").read_text()
        with pytest.raises(ExperimentError, match=f"another process works on .*: pid {driver.pid} on "):
            resume(paths.root, console=Console(quiet=True))
    finally:
        kill_with_ray(driver)
    finished = {file.parent.name for file in paths.trials.glob("*/result.json")}
    assert finished
    before = {name: contents(paths, name) for name in finished}
    begun = unfinished(paths)

    said = spoken()
    board = resume(paths.root, trials=5, console=said)
    assert_scored_once(board, 5)
    assert {name: contents(paths, name) for name in finished} == before
    text = said.export_text()
    assert all(f"{name}  reused (ok)" in text for name in finished)
    assert all(f"{name}  resumed after epoch" in text for name in begun)
    assert text.count("reused") == len(finished)

    again = spoken()
    files = {p: p.stat().st_mtime_ns for p in paths.trials.rglob("*") if p.is_file()}
    assert_scored_once(resume(paths.root, console=again), 5)
    assert "all 5 trials" in again.export_text()
    assert {p: p.stat().st_mtime_ns for p in paths.trials.rglob("*") if p.is_file()} == files


@pytest.mark.slow
def test_a_driver_that_is_told_to_end_loses_no_trial(fakes: None, tmp_path: Path) -> None:
    """SIGTERM, as `docker stop`, Slurm and Kubernetes send it: no trial is called lost, and all go on."""
    config = write_config(tmp_path / "c.yaml", tree_of(tmp_path, "told", trials=4, seconds=0.5))
    paths = ExperimentPaths(load_config(config).directory)
    with (tmp_path / "log").open("w") as log:
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(config)], cwd=ROOT, stdout=log, stderr=log)
    try:
        wait_for(lambda: driver.poll() is not None or len(unfinished(paths)) == 2)
        driver.terminate()
        driver.wait(timeout=30)
    finally:
        kill_with_ray(driver)
    said = (tmp_path / "log").read_text()
    assert driver.returncode == 0, said
    assert "stopping: what is finished is kept" in said
    statuses = {p.parent.name: read_json(p)["status"] for p in paths.trials.glob("*/result.json")}
    assert set(statuses.values()) <= {"ok", "interrupted"}
    assert "interrupted" in statuses.values()
    assert_scored_once(resume(paths.root, console=Console(quiet=True)), 4)


@pytest.mark.cluster
@pytest.mark.slow
def test_the_head_of_a_cluster_dies_and_another_cluster_takes_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_gcs_rpc_server_reconnect_timeout_s", "5")  # for which Ray waits 60 s by default
    with loopback_cluster(workers=2) as nodes, (tmp_path / "log").open("w") as log:
        tree = fake_experiment(tmp_path, nodes.address, seconds=0.5)
        config = write_config(tmp_path / "c.yaml", tree)
        paths = ExperimentPaths(load_config(config).directory)
        driver = subprocess.Popen([sys.executable, "-c", DRIVER, str(config)], cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_for(lambda: driver.poll() is not None or any(paths.trials.glob("*/result.json")))
            wait_for(lambda: driver.poll() is not None or unfinished(paths))
            assert driver.poll() is None, (tmp_path / "log").read_text()
            nodes.kill_head()
            assert driver.wait(timeout=120) != 0  # it ends by itself
        finally:
            driver.kill()
    finished = {file.parent.name for file in paths.trials.glob("*/result.json")}
    begun = unfinished(paths)

    said = spoken()
    with loopback_cluster(workers=2) as nodes, fake_hosts():
        board = resume(paths.root, address=nodes.address, console=said)
    assert_scored_once(board, tree["search"]["trials"])
    text = said.export_text()
    assert finished
    assert all(f"{name}  reused (ok)" in text for name in finished)
    assert all(f"{name}  resumed after epoch" in text for name in begun)


def test_interrupted_trials_keep_their_checkpoint_and_go_on(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[str] = []

    def interrupt_once(callback: Any, trial: Any, result: dict[str, Any]) -> None:
        if not sent and result["epoch"] == 2:
            sent.append(id_of(trial.config))
            os.kill(os.getpid(), signal.SIGINT)

    on_report(monkeypatch, interrupt_once)
    config = load_config(write_config(tmp_path / "c.yaml", tree_of(tmp_path, "stopped", 2, 0.2)))
    paths = ExperimentPaths(config.directory)
    stopped = tune(config, Console(quiet=True))
    assert {t.status for t in stopped.trials} == {"interrupted"}
    reason = read_json(paths.trial(sent[0]).result)["reason"]
    assert re.fullmatch("the run was interrupted after epoch [23] of 4", reason)
    said = spoken()
    assert_scored_once(tune(config, said), 2)
    assert re.search(f"{sent[0]}  resumed after epoch [23]", said.export_text())


def test_every_state_a_crash_can_leave_is_settled(fakes: None, tmp_path: Path) -> None:
    """A finished trial that the study does not know to be, one without a checkpoint, one that never began."""
    config = load_config(write_config(tmp_path / "c.yaml", tree_of(tmp_path, "states", 2)))
    board = tune(config, Console(quiet=True))
    paths = ExperimentPaths(config.directory)
    first, second = sorted(t.trial_id for t in board.trials)
    rates = {t.trial_id: t.sample["train.learning_rate"] for t in board.trials}
    kept = contents(paths, first)
    with sqlite3.connect(paths.study) as database:
        database.execute("update trials set state = 'RUNNING', datetime_complete = null")
        database.execute("delete from trial_values")
    database.close()
    never_began = study_of(paths).ask(
        {"train.learning_rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True)}
    )
    paths.trial(second).result.unlink()
    paths.trial(second).metrics.write_text('{"epoch": 1, "seconds": 1.0, "rung_sc')  # and it died while it wrote
    said = spoken()
    board = resume(paths.root, trials=3, console=said)
    assert_scored_once(board, 3)
    assert contents(paths, first) == kept
    text = said.export_text()
    assert f"{first}  reused (ok)" in text
    assert f"{second}  rerun" in text
    now = {t.trial_id: t.sample["train.learning_rate"] for t in board.trials}
    assert now[second] == rates[second]
    assert never_began.params["train.learning_rate"] in now.values()
    assert [t.state.name for t in study_of(paths).trials] == ["COMPLETE", "COMPLETE", "FAIL", "COMPLETE"]


def test_what_cannot_be_resumed_is_refused(tmp_path: Path) -> None:
    config = load_config(write_config(tmp_path / "c.yaml", tree_of(tmp_path, "refused", 4)))
    with pytest.raises(ExperimentError, match="holds no experiment"):
        resume(tmp_path)

    paths = kept_directory(config)
    with pytest.raises(ConfigError, match="--trials 3 is less than the 4 of"):
        resume(paths.root, trials=3)
    paths.root.rename(tmp_path / "renamed")
    with pytest.raises(ExperimentError, match="holds the experiment 'refused'; give the directory that name again"):
        resume(tmp_path / "renamed")


def test_a_lock_is_held_by_one_process_and_not_by_a_dead_one(tmp_path: Path) -> None:
    script = "import sys, time; from pathlib import Path; from raykft.storage.lock import locked\n"
    script += f"with locked(Path({str(tmp_path)!r})):\n    print('held', flush=True); time.sleep(60)"
    holder = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with (
            pytest.raises(ExperimentError, match=f"pid {holder.pid} on {socket.gethostname()}, since 20"),
            locked(tmp_path),
        ):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()
    with locked(tmp_path):
        pass


def test_a_holder_on_another_machine_counts_while_it_gives_signs_of_life(tmp_path: Path) -> None:
    lock = tmp_path / LOCK
    other = json.dumps({"host": "elsewhere", "pid": 7, "since": "2030-01-01 00:00:00"})
    lock.write_text(other)
    with pytest.raises(ExperimentError, match="pid 7 on elsewhere, since 2030"), locked(tmp_path):
        pass
    assert lock.read_text() == other
    silent = time.time() - 2 * SILENCE_SECONDS
    os.utime(lock, (silent, silent))
    with locked(tmp_path):
        assert json.loads(lock.read_text())["pid"] == os.getpid()


def test_a_link_in_place_of_the_lock_empties_no_file(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept")
    (tmp_path / LOCK).symlink_to(tmp_path / "precious")
    with pytest.raises(ExperimentError, match="is a link"), locked(tmp_path):
        pass
    assert (tmp_path / "precious").read_text() == "kept"


def test_being_refused_does_not_keep_a_dead_holder_alive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod comes back under another name on a file system that shares no locks."""
    import fcntl

    monkeypatch.setattr(fcntl, "flock", lambda *_: None)
    lock = tmp_path / LOCK
    lock.write_text(json.dumps({"host": "pod-before", "pid": 1, "since": "yesterday"}))
    beat = time.time() - SILENCE_SECONDS + 2
    os.utime(lock, (beat, beat))
    for _ in range(3):
        with pytest.raises(ExperimentError, match="pod-before"), locked(tmp_path):
            pass
    assert lock.stat().st_mtime == pytest.approx(beat)
    beat -= 3
    os.utime(lock, (beat, beat))
    with locked(tmp_path):
        pass
    assert [p.name for p in tmp_path.iterdir()] == [LOCK]
