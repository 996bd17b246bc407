"""How a run ended is told to whoever comes later."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from raykft.errors import ResourceError
from raykft.paths import ExperimentPaths, read_json, write_json
from raykft.storage.runs import COMPLETE, INTERRUPTED, at_work, how_it_ended, recorded


@pytest.fixture
def paths(tmp_path: Path) -> ExperimentPaths:
    return ExperimentPaths(tmp_path / "an experiment")


def test_a_run_that_ended_as_it_should_needs_no_words(paths: ExperimentPaths) -> None:
    assert how_it_ended(paths) is None
    with recorded(paths) as ended:
        ended(COMPLETE)
    assert read_json(paths.last_run)["how"] == COMPLETE
    assert how_it_ended(paths) is None


def test_an_interrupted_run_is_told_with_the_command_that_goes_on(paths: ExperimentPaths) -> None:
    with recorded(paths) as ended:
        ended(INTERRUPTED)
    told = how_it_ended(paths)
    assert "was interrupted" in told
    assert f"raykft resume '{paths.root}'" in told


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ResourceError("the storage is full\nand more"), "the storage is full;"),
        (ZeroDivisionError("division by zero"), "ZeroDivisionError: division by zero;"),
    ],
)
def test_why_a_run_failed_is_told(paths: ExperimentPaths, error: Exception, said: str) -> None:
    with pytest.raises(type(error)), recorded(paths) as ended:
        ended(COMPLETE)  # what comes later counts
        raise error
    assert said in how_it_ended(paths)


def test_a_second_ctrl_c_is_an_interruption(paths: ExperimentPaths) -> None:
    with pytest.raises(KeyboardInterrupt), recorded(paths):
        raise KeyboardInterrupt
    assert "was interrupted" in how_it_ended(paths)


def test_a_killed_driver_is_told_from_one_at_work(paths: ExperimentPaths) -> None:
    with recorded(paths) as ended:
        assert f"is at work (pid {os.getpid()}" in how_it_ended(paths)
        assert at_work(paths)
        ended(COMPLETE)
    assert not at_work(paths)
    gone = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    began = {"began": "2026-11-29 10:00:00", "pid": int(gone.stdout), "host": socket.gethostname()}
    write_json(paths.last_run, began)
    assert "begun 2026-11-29 10:00:00" in how_it_ended(paths)
    assert "was killed" in how_it_ended(paths)
    assert not at_work(paths)
    write_json(paths.last_run, began | {"host": "elsewhere"})
    assert "is at work" in how_it_ended(paths)


@pytest.mark.parametrize("content", ["", "{", "[1]", "null", '{"how": 3, "ended": []}'])
def test_a_damaged_record_hides_nothing_else(paths: ExperimentPaths, content: str) -> None:
    paths.root.mkdir()
    paths.last_run.write_text(content)
    how_it_ended(paths)
