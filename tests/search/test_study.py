"""The study's file: a write-ahead log where the file system bears one, and what is on the disk when."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import optuna
import pytest

from raykft.search import study
from raykft.search.study import flush, open_storage, opened
from raykft.storage.store import StoredPath


def journal_mode(path: Path) -> str:
    connection = sqlite3.connect(path)
    mode: str = connection.execute("PRAGMA journal_mode").fetchone()[0]
    connection.close()
    return mode


def test_a_study_on_a_local_disk_keeps_a_write_ahead_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_file_system", lambda path: "ext4")
    path = tmp_path / "study.db"
    optuna.create_study(storage=open_storage(path))
    assert journal_mode(path) == "wal"


@pytest.mark.parametrize("file_system", ["nfs4", "fuse.s3fs", ""])
def test_other_file_systems_do_without(file_system: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_file_system", lambda path: file_system)
    path = tmp_path / "study.db"
    optuna.create_study(storage=open_storage(path))
    assert journal_mode(path) == "delete"


def test_the_copy_of_a_storage_elsewhere_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_file_system", lambda path: "ext4")
    path = StoredPath(tmp_path / "study.db")
    optuna.create_study(storage=open_storage(path))
    assert journal_mode(path) == "delete"
    assert [file.name for file in tmp_path.iterdir()] == ["study.db"]


def test_a_study_that_was_closed_is_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_file_system", lambda path: "ext4")
    with opened(tmp_path / "study.db") as storage:
        optuna.create_study(storage=storage)
        assert (tmp_path / "study.db-wal").is_file()
    assert [file.name for file in tmp_path.iterdir()] == ["study.db"]


def test_the_file_system_is_that_of_the_folder(tmp_path: Path) -> None:
    assert study._file_system(tmp_path / "study.db")
    assert study._file_system(Path("/proc/study.db")) == "proc"


def test_what_is_flushed_is_in_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "_file_system", lambda path: "ext4")
    synced: list[int] = []
    monkeypatch.setattr(study.os, "fsync", synced.append)
    path = tmp_path / "study.db"
    flush(path)  # nothing there yet
    assert not synced
    optuna.create_study(storage=open_storage(path))
    flush(path)
    assert len(synced) == 1
    # What a crash of the machine leaves: both files as they are now, and no one who closed them.
    for name in ("study.db", "study.db-wal"):
        (tmp_path / "after").mkdir(exist_ok=True)
        (tmp_path / "after" / name).write_bytes((tmp_path / name).read_bytes())
    assert len(optuna.get_all_study_names(open_storage(tmp_path / "after" / "study.db"))) == 1
