"""The lock of an experiment directory: who may take it over, and what stands in its place."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from raykft.errors import ExperimentError, StorageError
from raykft.paths import LOCK
from raykft.storage import lock as module
from raykft.storage.lock import SILENCE_SECONDS, locked


@pytest.fixture
def no_kernel_locks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fcntl, "flock", lambda *_: None)


def hold(folder: Path, host: str, silent_s: float) -> Path:
    file = folder / LOCK
    file.write_text(json.dumps({"host": host, "pid": 1, "since": "yesterday"}))
    beat = time.time() - silent_s
    os.utime(file, (beat, beat))
    return file


@pytest.mark.usefixtures("no_kernel_locks")
@pytest.mark.parametrize("tries", [1, 5])
def test_a_pod_under_another_name_takes_over_however_often_it_was_refused(tmp_path: Path, tries: int) -> None:
    file = hold(tmp_path, "pod-before", SILENCE_SECONDS - 5)
    before = file.stat().st_mtime_ns, file.read_text()
    for _ in range(tries):
        with pytest.raises(ExperimentError, match="pod-before"), locked(tmp_path):
            pass
    assert (file.stat().st_mtime_ns, file.read_text()) == before
    hold(tmp_path, "pod-before", SILENCE_SECONDS + 1)
    with locked(tmp_path):
        assert json.loads(file.read_text())["host"] == socket.gethostname()


@pytest.mark.usefixtures("no_kernel_locks")
def test_only_the_holder_beats(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_SECONDS", 0.01)
    with locked(tmp_path):
        long_ago = time.time() - 100
        os.utime(tmp_path / LOCK, (long_ago, long_ago))
        deadline = time.monotonic() + 30
        while (tmp_path / LOCK).stat().st_mtime < long_ago + 50:
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert not [t for t in threading.enumerate() if t.name == "raykft-lock"]


@pytest.mark.parametrize("content", [b"", b"{", b"\x00\xff", b"[1]", b"null", b"[" * 100_000, b'{"host": "x'])
def test_a_damaged_lock_holds_nobody_up(tmp_path: Path, content: bytes) -> None:
    (tmp_path / LOCK).write_bytes(content)
    with locked(tmp_path):
        assert json.loads((tmp_path / LOCK).read_text())["pid"] == os.getpid()


def test_a_folder_in_its_place_is_said(tmp_path: Path) -> None:
    (tmp_path / LOCK).mkdir()
    with pytest.raises(ExperimentError, match=r"\.lock is a folder"), locked(tmp_path):
        pass


@pytest.mark.parametrize("number", [errno.EROFS, errno.EIO, errno.ESTALE, errno.EACCES, errno.EDQUOT])
def test_a_storage_that_fails_is_no_lock_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*_: Any) -> int:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "open", fail)
    with pytest.raises(StorageError, match="raykft resume"), locked(tmp_path):
        pass


def test_a_storage_that_fails_at_the_end_hides_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise OSError(errno.EIO, "Input/output error")

    with pytest.raises(ValueError, match="the body's own"), locked(tmp_path):
        monkeypatch.setattr(module, "_write", fail)
        raise ValueError("the body's own")
