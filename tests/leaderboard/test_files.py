"""Files of trials are read in one pass, and where that fails by a slower reader: both find, or say, the same."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from raykft.errors import DamagedError
from raykft.leaderboard import files
from raykft.paths import TrialPaths, append_jsonl
from raykft.records import ProbeResult

ANSWER = ProbeResult("p1", 2, "recall", "wrong", False, False, 0.25, ("Tobin",), 1.0, 0.0, False, answer="No, 霧見.")
ROWS = {
    files.read_answers: ANSWER.as_dict() | {"newer": [{"a": None}]},
    files.read_reports: {"epoch": 1, "tokens": 100, "seconds": 0.1, "rung_score": None, "final": True},
    files.read_result: {"status": "ok", "sample": {"a.b": [1, 2.5, "x"]}, "metrics": {"score": 1e-3}, "tokens": 2},
    files.read_trial_config: {
        "sample": {"adapter.rank": 8},
        "config": {"train": {"epochs": 2}, "seed": 1, "name": "x"},
    },
}
READERS: list[Callable[[Path], Any]] = list(ROWS)
# What another value or another character becomes, written as it stands in the file.
ODD = (
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 5000,
    '"1"',
    "1.0",
    "true",
    "null",
    '"\\ud800"',
    "[]",
    "{}",
    '"ok"',
    "-1",
    "0",
)


def damaged(lines: list[str], deeds: list[tuple[str, int, str]]) -> str:
    text = "".join(f"{line}\n" for line in lines)
    for deed, place, odd in deeds:
        at = place % (len(text) + 1)
        value = text.find(": ", at)
        if deed == "put":
            text = text[:at] + odd + text[at:]
        elif deed == "cut":
            text = text[:at] + text[at + 1 :]
        elif deed == "end":
            text = text[:at]
        elif value >= 0:
            text = text[: value + 2] + odd + text[text.find(",", value) :]
    return text


DEEDS = st.tuples(
    st.sampled_from(["put", "cut", "end", "value"]),
    st.integers(0, 10_000),
    st.sampled_from([*ODD, "\n", "\r", ",", "{", "}", "[", "]", '"', "\\", "\x00", "\ufeff", "\u3000", "},\n{"]),
)


def told(read: Callable[[Path], Any], file: Path) -> str:
    """What was found, to the last digit and kind of number, or what was said against it."""
    try:
        return repr(read(file))
    except DamagedError as error:
        return str(error)


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(deeds=st.lists(DEEDS, max_size=3), rows=st.integers(0, 3))
@example(deeds=[], rows=1)
@example(deeds=[("put", 10_000, "\u3000")], rows=2)
@example(deeds=[("end", 40, "")], rows=1)
def test_both_readers_find_or_say_the_same(read: Callable[[Path], Any], tmp_path: Path, deeds: Any, rows: int) -> None:
    whole = json.dumps(ROWS[read], ensure_ascii=False)
    file = tmp_path / "file"
    file.write_bytes(damaged([whole] * rows, deeds).encode("utf-8", "surrogatepass"))
    with pytest.MonkeyPatch.context() as patch:
        fast = told(read, file)
        patch.setattr(files, "_at_once", lambda *_: None)
        patch.setattr(files, "_rows_at_once", lambda _: [])
        assert told(read, file) == fast


@pytest.mark.parametrize("read", READERS, ids=lambda read: read.__name__)
def test_a_file_that_is_not_there_is_named(read: Callable[[Path], Any], tmp_path: Path) -> None:
    with pytest.raises(DamagedError, match="nowhere"):
        read(tmp_path / "nowhere")


def test_a_row_that_was_cut_off_by_a_crash_is_left_out_of_a_curve_alone(tmp_path: Path) -> None:
    files_of = TrialPaths(tmp_path)
    for epoch in (1, 2):
        append_jsonl(files_of.metrics, {"epoch": epoch})
    with files_of.metrics.open("a") as stream:
        stream.write('{"epoch": 3')
    assert [row["epoch"] for row in files.read_reports(files_of.metrics)] == [1, 2]
    with pytest.raises(DamagedError, match="cut off"):
        files.read_answers(files_of.metrics)


def test_a_text_that_goes_on_in_the_next_line_is_no_row(tmp_path: Path) -> None:
    """Put together with a comma between them, these two lines would be one row."""
    file = tmp_path / "rows"
    first, second = json.dumps(ANSWER.as_dict(), ensure_ascii=False).split("No, ")
    file.write_text(f"{first}No\n {second}\n", encoding="utf-8")
    with pytest.raises(DamagedError, match="in line 1"):
        files.read_answers(file)
