"""The checks of `benchmarks/soak.py` fail where they should: on directories that no run may leave."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raykft.leaderboard.read import read_trials
from raykft.paths import ExperimentPaths, TrialPaths, append_jsonl, read_json, read_jsonl, write_json

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("soak")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two finished trials, a stopped and a running one."""
    folder = tmp_path_factory.mktemp("soak") / "museum"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "benchmarks"))
        importlib.import_module("mutations").sound_files(folder)
        paths: ExperimentPaths = importlib.import_module("sound_experiment").make(folder / "config.yaml")
    return paths.root


@pytest.fixture
def search(soak: Any, whole: Path, tmp_path: Path) -> Any:
    """One whose directory holds these."""
    made = soak.Search(tmp_path, 0, real=False)
    made.checks.paths = ExperimentPaths(shutil.copytree(whole, tmp_path / "runs" / whole.name))
    return made


def rewrite(files: TrialPaths) -> None:
    write_json(files.result, read_json(files.result) | {"seconds": 9.0})


def end_wrongly(files: TrialPaths) -> None:
    write_json(files.result, read_json(files.result) | {"status": "lost", "reason": "it died"})


DEEDS: dict[str, tuple[Callable[[TrialPaths], object], str]] = {
    "scored again": (rewrite, "was scored again"),
    "gone": (lambda files: files.result.unlink(), "results are gone: t000-r8"),
    "written late": (lambda files: append_jsonl(files.metrics, {"epoch": 9}), "metrics.jsonl written after its result"),
    "given up": (end_wrongly, "t000-r8 is lost: it died"),
    "damaged": (lambda files: files.result.write_text("{"), "t000-r8 is"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_what_no_run_may_do_is_a_fault(search: Any, deed: str) -> None:
    act, fault = DEEDS[deed]
    assert not [*search.checks.given_up(), *search.checks.written_again()]
    time.sleep(0.01)
    act(search.paths.trial("t000-r8"))
    assert any(fault in found for found in (*search.checks.given_up(), *search.checks.written_again()))


def test_files_that_are_left_have_names(search: Any) -> None:
    before = search.checks.names()
    (search.paths.trial("t000-r8").root / ".adapter_model.safetensors").touch()
    assert search.checks.names() - before == {"trials/ID/.adapter_model.safetensors"}


def test_a_process_that_is_left_is_a_fault_and_ended(search: Any, soak: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak, "QUIET_S", 0.2)
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env={**os.environ, soak.MARK: search._mark}
    )
    tally = soak.Tally()
    search._sweep({}, tally)
    assert left.wait(10) == -signal.SIGKILL
    assert [fault.partition(": ")[2] for fault in tally.faults] == [f"left running: other {left.pid}"]


@pytest.fixture
def raced(search: Any) -> Any:
    """That search after its two finished trials have raced."""
    for trial_id in ("t000-r8", "t001-r16"):
        files = search.paths.seed_run(trial_id, 1)
        shutil.copytree(search.paths.trial(trial_id).root, files.root)
        tree = read_json(files.config)
        tree["config"]["seed"] = 1
        write_json(files.config, tree)
        os.utime(files.config, ns=(0, 0))  # as in a run, older than the result
    return search


RACES: dict[str, tuple[Callable[[TrialPaths], object], str]] = {
    "one too few": (lambda run: shutil.rmtree(run.root), "t001-r16-s1 raced of 2 that could"),
    "one too many": (lambda run: shutil.copytree(run.root, f"{run.root}2"), "t000-r8-s12, t001-r16-s1 raced of 2"),
    "no score": (lambda run: run.result.unlink(), "t000-r8-s1 has no result"),
    "told twice": (lambda run: append_jsonl(run.metrics, next(iter(read_jsonl(run.metrics)))), "told of epochs"),
}


def test_a_race_is_as_planned_or_a_fault(raced: Any) -> None:
    raced.checks._epochs = 8
    trials = read_trials(raced.paths)
    assert not [*raced.checks._race_against(trials)]
    for deed, (act, fault) in RACES.items():
        kept = shutil.copytree(raced.paths.seed_runs, raced.paths.root.parent / "kept")
        act(raced.paths.seed_run("t000-r8", 1))
        assert any(fault in found for found in raced.checks._race_against(read_trials(raced.paths))), deed
        shutil.rmtree(raced.paths.seed_runs)
        kept.rename(raced.paths.seed_runs)
    assert not [*raced.checks.given_up(), *raced.checks.written_again()]
    end_wrongly(raced.paths.seed_run("t000-r8", 1))
    found = [*raced.checks.given_up(), *raced.checks.written_again()]
    assert any("t000-r8-s1 is lost: it died" in fault for fault in found)
    assert "t000-r8-s1 was scored again" in found
