"""Files of an experiment: whose they are to read, and that a name is never half a file."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from raykft.paths import write_atomic, write_json, write_jsonl


@pytest.fixture(params=[0o077, 0o022, 0o002], ids=oct)
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_nobody_may_read_more_than_the_umask_leaves(umask: int, tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "trial"
    write_atomic(folder / "a.txt", "a")
    write_atomic(folder / "a.txt", "b", lasting=True)
    write_json(folder / "b.json", {})
    write_jsonl(folder / "c.jsonl", [{}])
    assert {p.name: stat.S_IMODE(p.stat().st_mode) for p in folder.iterdir()} == dict.fromkeys(
        ("a.txt", "b.json", "c.jsonl"), 0o666 & ~umask
    )
    assert stat.S_IMODE(folder.stat().st_mode) == 0o777 & ~umask


def test_a_write_that_fails_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.txt", "whole")
    with pytest.raises(UnicodeEncodeError):
        write_atomic(tmp_path / "a.txt", "half \ud800")
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [("a.txt", "whole")]
