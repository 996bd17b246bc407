"""The checks of `benchmarks/soak.py` fail where they should: on directories that no run may leave."""

from __future__ import annotations

import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from raykft.paths import TrialPaths, append_jsonl, read_json, write_json

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def soak(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("soak")


@pytest.fixture
def search(soak: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """One whose directory holds two finished trials, a stopped and a running one."""
    mutations, sound = importlib.import_module("mutations"), importlib.import_module("sound_experiment")
    mutations.sound_files(tmp_path / "museum")
    made = soak.Search(tmp_path, 0, real=False)
    made.checks.paths = sound.make(tmp_path / "museum" / "config.yaml")
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
