"""One driver per experiment directory: two would train the same trials and write the same files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from raykft.errors import ExperimentError, ResourceError
from raykft.paths import LOCK, STORED_LOCK
from raykft.storage.store import StoredPath, StoredText, address
from raykft.storage.trouble import typed

BEAT_SECONDS = 15.0
# A driver on another machine whose file system shares no locks is taken for dead after so long without a beat.
SILENCE_SECONDS = 4 * BEAT_SECONDS
# Between writing a lock where only the last word counts and reading it back: longer than another one's look and write.
SETTLE_SECONDS = 2.0
NO_LOCKS = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` while the body runs. The lock of a process that died, however it did, holds nobody up.

    Raises:
        ExperimentError: another process holds it; the message says which.
        StorageError: the storage does not let it be locked.
    """
    with typed(directory):
        stream = _opened(directory / LOCK)
    with _closing(stream):
        with typed(directory):
            holder = _read(stream)
            if not _take(stream) or _beats(directory, stream, holder):
                raise _held(directory, holder)
            _write(stream, _myself())

        def beat() -> None:
            with suppress(OSError):  # whoever writes files next says so
                os.utime(stream.fileno())

        try:
            with _beating(beat), _locked_in_storage(directory):
                yield
        finally:
            # The file stays: removing it would take it from under one who waits for it. Where it cannot be written
            # its kernel's lock ends with this process, and its beat has ended.
            with suppress(OSError):
                _write(stream, {})


@contextmanager
def _closing(stream: IO[str]) -> Iterator[None]:
    """Close `stream` after the body; what could not be written of it is not told over what the body has to tell."""
    try:
        yield
    finally:
        with suppress(OSError):
            stream.close()


def _opened(file: Path) -> IO[str]:
    """The lock's file, to be read and written; a link in its place would have another file emptied."""
    try:
        return os.fdopen(os.open(file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o666), "r+", encoding="utf-8")
    except OSError as error:
        if error.errno in {errno.ELOOP, errno.EISDIR}:
            kind = "link" if error.errno == errno.ELOOP else "folder"
            raise ExperimentError(f"{file} is a {kind} and not the lock of this directory; remove it") from error
        raise


@contextmanager
def _locked_in_storage(directory: Path) -> Iterator[None]:
    """Hold the storage that `directory` is a copy of, for machines that share nothing else.

    Object stores know no locks. This is an object that says who holds it and is written again with every beat: of two
    that start in the same moment the one that wrote first gives way. A driver that is cut off from the storage for
    `SILENCE_SECONDS` may lose it to another without knowing.
    """
    if not isinstance(directory, StoredPath):
        yield
        return
    lock, mine = StoredText(directory / STORED_LOCK), _myself() | {"token": secrets.token_hex(8)}
    if (holder := lock.read()) and _lives(holder, lock):
        raise _held(directory, holder)
    lock.write(mine)
    time.sleep(SETTLE_SECONDS)
    if (holder := lock.read()) != mine:
        raise _held(directory, holder or {})

    def beat() -> None:
        with suppress(ResourceError):  # whoever writes files next says so
            lock.write(mine)

    try:
        with _beating(beat):
            yield
    finally:
        with suppress(ResourceError):  # then it falls silent
            if lock.read() == mine:
                lock.remove()


def _lives(holder: dict[str, Any], lock: StoredText) -> bool:
    if holder.get("host") == socket.gethostname() and not _runs(holder.get("pid")):
        return False
    return lock.age_seconds() < SILENCE_SECONDS


def _runs(pid: Any) -> bool:
    """Whether another process of this machine has that id."""
    if not isinstance(pid, int) or pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _myself() -> dict[str, Any]:
    return {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")}


def _held(directory: Path, holder: dict[str, Any]) -> ExperimentError:
    return ExperimentError(
        f"another process works on {address(directory)}: pid {holder.get('pid', '?')} on "
        f"{holder.get('host', 'an unknown host')}, since {holder.get('since', 'just now')}; "
        "let it end or stop it first, or choose another `name` (--set name=NEW)"
    )


def _take(stream: IO[str]) -> bool:
    """The kernel's own lock, which ends with the process; True also where the file system knows none."""
    try:
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def _beats(directory: Path, stream: IO[str], holder: dict[str, Any]) -> bool:
    """Whether a holder on another machine is alive though its lock does not reach this one."""
    if not holder or holder.get("host") == socket.gethostname():
        return False
    # Both times are the file server's: clocks of machines differ. Only the holder beats, so the time is asked of
    # another file.
    with tempfile.NamedTemporaryFile(dir=directory, prefix=f"{LOCK}.") as now:
        return os.fstat(now.fileno()).st_mtime - os.fstat(stream.fileno()).st_mtime < SILENCE_SECONDS


@contextmanager
def _beating(beat: Callable[[], None]) -> Iterator[None]:
    """Call `beat` every `BEAT_SECONDS` while the body runs."""
    done = threading.Event()

    def run() -> None:
        while not done.wait(BEAT_SECONDS):
            beat()

    thread = threading.Thread(target=run, name="raykft-lock", daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def _read(stream: IO[str]) -> dict[str, Any]:
    stream.seek(0)
    try:
        holder = json.loads(stream.read() or "{}")
    except (ValueError, RecursionError):  # its holder died while it wrote
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(stream: IO[str], holder: dict[str, Any]) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(holder) if holder else "")
    stream.flush()
