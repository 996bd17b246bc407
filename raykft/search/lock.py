"""One driver per experiment directory: two would train the same trials and write the same files."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from raykft.errors import ExperimentError

LOCK_FILE = ".lock"
BEAT_SECONDS = 15.0
# A driver on another machine whose file system shares no locks is taken for dead after so long without a beat.
SILENCE_SECONDS = 4 * BEAT_SECONDS
NO_LOCKS = {errno.ENOTSUP, errno.ENOLCK, errno.ENOSYS, errno.EINVAL}


@contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Hold `directory` while the body runs. The lock of a process that died, however it did, holds nobody up.

    Raises:
        ExperimentError: another process holds it; the message says which.
    """
    with (directory / LOCK_FILE).open("a+", encoding="utf-8") as stream:
        holder = _read(stream)
        if not _take(stream) or _beats(stream, holder):
            raise ExperimentError(
                f"another process works on {directory}: pid {holder.get('pid', '?')} on "
                f"{holder.get('host', 'an unknown host')}, since {holder.get('since', 'just now')}; "
                "let it end or stop it first, or choose another `name` (--set name=NEW)"
            )
        _write(stream, {"host": socket.gethostname(), "pid": os.getpid(), "since": time.strftime("%Y-%m-%d %H:%M:%S")})
        done = threading.Event()
        beat = threading.Thread(target=_beat, args=(stream.fileno(), done), name="raykft-lock", daemon=True)
        beat.start()
        try:
            yield
        finally:
            done.set()
            beat.join()
            _write(stream, {})  # the file stays: removing it would take it from under one who waits for it


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


def _beats(stream: IO[str], holder: dict[str, Any]) -> bool:
    """Whether a holder on another machine is alive though its lock does not reach this one."""
    if not holder or holder.get("host") == socket.gethostname():
        return False
    # Both times are the file server's: clocks of machines differ.
    before = os.fstat(stream.fileno()).st_mtime
    os.utime(stream.fileno())
    return os.fstat(stream.fileno()).st_mtime - before < SILENCE_SECONDS


def _beat(file: int, done: threading.Event) -> None:
    while not done.wait(BEAT_SECONDS):
        os.utime(file)


def _read(stream: IO[str]) -> dict[str, Any]:
    stream.seek(0)
    try:
        holder = json.loads(stream.read() or "{}")
    except json.JSONDecodeError:  # its holder died while it wrote
        return {}
    return holder if isinstance(holder, dict) else {}


def _write(stream: IO[str], holder: dict[str, Any]) -> None:
    stream.seek(0)
    stream.truncate()
    stream.write(json.dumps(holder) if holder else "")
    stream.flush()
