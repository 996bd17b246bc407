"""The Optuna study as a file, without Ray."""

from __future__ import annotations

import os
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import optuna
import psutil
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event

from raykft.errors import DamagedError, StorageError, first_line
from raykft.paths import is_there
from raykft.storage.store import StoredPath, address
from raykft.storage.trouble import trouble

LOCK_S = 120.0  # how long a write waits for somebody else who holds the database
# A write-ahead log needs memory that all readers of the file share, which file systems of a network do not give.
SHARED_MEMORY = {"ext2", "ext3", "ext4", "xfs", "btrfs", "zfs", "f2fs", "tmpfs", "overlay", "apfs", "hfs", "ntfs"}


def open_storage(path: Path) -> RDBStorage:
    """The experiment's Optuna storage (opens in optuna-dashboard).

    On a local disk it keeps a write-ahead log: a trial takes some sixteen commits, and each would wait for the disk
    otherwise. Killed processes lose nothing by it, a power cut what came after the last `flush`. The copy of a storage
    elsewhere does without, because there one file has to be all of it.

    Raises:
        DamagedError, StorageError: see `check`.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    check(path)
    storage = _storage(path)
    if not isinstance(path, StoredPath) and _file_system(path) in SHARED_MEMORY:

        @event.listens_for(storage.engine, "connect")
        def _(connection: Any, _record: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=NORMAL")

        storage.engine.dispose()  # connections opened before know nothing of it
    return storage


def check(path: Path) -> None:
    """See that the study at `path`, if there is one, can be read as a whole.

    Raises:
        DamagedError: it is no database, or part of it is gone.
        StorageError: the storage does not let it be read or written.
    """
    if not is_there(path):
        return
    try:
        if path.is_dir():
            raise sqlite3.DatabaseError("it is a folder")
        with closing(_connect(path)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict.splitlines()[-1])
    except sqlite3.Error as error:
        if reason := trouble(error, path.parent):
            raise StorageError(f"{path}: {reason}") from error
        folder = shlex.quote(address(path.parent))
        raise DamagedError(
            f"{path} is damaged ({first_line(error)}); put back a copy of it, or let a new experiment begin with what "
            f"this one's trials scored (--set name=NEW --set search.warm_start={folder})"
        ) from error


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(str(path.absolute()), timeout=LOCK_S, check_same_thread=False)


def _storage(path: Path) -> RDBStorage:
    """The database at `path`, whatever signs the path has: in a URL a `?` would begin a query."""
    return RDBStorage(f"sqlite:///{path.name}", engine_kwargs={"creator": partial(_connect, path)})


@contextmanager
def opened(path: Path) -> Iterator[RDBStorage]:
    """`open_storage` for a while; afterwards the one file is all of it, unless another process has it open too."""
    storage = open_storage(path)
    try:
        yield storage
    finally:
        storage.engine.dispose()


def flush(path: Path) -> None:
    """Have the disk hold all that the study at `path` was told."""
    log = path.with_name(f"{path.name}-wal")
    if log.is_file():
        with log.open("rb") as file:
            os.fsync(file.fileno())


def _file_system(path: Path) -> str:
    """The type of the file system `path` is on, e.g. "ext4"; empty where that is unknown."""
    folder = path.absolute().parent
    mounts = [m for m in psutil.disk_partitions(all=True) if folder.is_relative_to(m.mountpoint)]
    return max(mounts, key=lambda m: len(m.mountpoint)).fstype if mounts else ""


def still_running(path: Path, name: str) -> bool:
    """Whether the study counts on a trial that no driver runs any more."""
    if not is_there(path):
        return False
    check(path)
    return bool(trials_of(_storage(path), name, (TrialState.RUNNING,)))


def trials_of(storage: RDBStorage, name: str, states: tuple[TrialState, ...] | None = None) -> list[FrozenTrial]:
    """The trials of the study `name`, in some states or in all; empty where there is no such study yet."""
    studies = [study._study_id for study in storage.get_all_studies() if study.study_name == name]
    return [trial for n in studies for trial in storage.get_all_trials(n, deepcopy=False, states=states)]
