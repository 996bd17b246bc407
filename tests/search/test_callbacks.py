"""What is said of trials that Tune gave up."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from raykft.paths import TrialPaths
from raykft.records import TrialStatus
from raykft.search.callbacks import _why

pytestmark = pytest.mark.ray


def given_up(folder: Path, error: BaseException | None, text: str = "") -> Any:
    """A trial as Tune leaves it: files in a folder of this run alone, none yet in Tune's storage."""
    from ray import cloudpickle

    folder.mkdir(exist_ok=True)
    pickled, plain = folder / "error.pkl", folder / "error.txt"
    if error is not None:
        pickled.write_bytes(cloudpickle.dumps(error))
    if text:
        plain.write_text(text, encoding="utf-8")
    return SimpleNamespace(
        pickled_error_file=str(pickled) if error is not None else None,
        error_file=str(plain) if text else None,
        num_failures=4,
        get_pickled_error=lambda: None,
    )


def test_a_death_is_known_before_tune_has_stored_it(tmp_path: Path) -> None:
    import ray

    tuned = given_up(tmp_path / "tune", ray.exceptions.ActorDiedError(), "Failure # 4\nit died\n")
    status, reason = _why(tuned, TrialPaths(tmp_path / "trial"))
    assert status is TrialStatus.LOST
    assert reason.startswith("its process died 4 times: The actor died")


@pytest.mark.parametrize(
    ("error", "said"), [(None, "ValueError: a bug"), (ZeroDivisionError("by zero"), "ZeroDivisionError: by zero")]
)
def test_a_traceback_outlives_the_run(tmp_path: Path, error: BaseException | None, said: str) -> None:
    files = TrialPaths(tmp_path / "trial")
    tuned = given_up(tmp_path / "tune", error, "Failure # 1\nTraceback ...\nValueError: a bug\n")
    assert _why(tuned, files) == (TrialStatus.FAILED, f"{said}; traceback: {files.traceback}")
    assert files.traceback.read_text().endswith("ValueError: a bug\n")


def test_nothing_is_pointed_to_that_is_not_there(tmp_path: Path) -> None:
    tuned = given_up(tmp_path / "tune", KeyError("k"))
    assert _why(tuned, TrialPaths(tmp_path / "trial")) == (TrialStatus.FAILED, "KeyError: 'k'")
