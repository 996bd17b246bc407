"""Whole files that a user named: plain ones of bounded size, and nothing that would be waited for."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from raykft.errors import RaykftError
from raykft.untrusted.messages import shortened, shown
from raykft.wording import errors as words

MAX_PATH_CHARS = 300


def read_plain(path: Path, max_bytes: int, kind: type[RaykftError], remedy: str) -> bytes:
    """The content of a plain file.

    Args:
        kind: of the error.
        remedy: what to do about a file of more than `max_bytes`.

    Raises:
        kind: the file is missing, no plain file, too large or unreadable.
    """
    name = shortened(str(path), MAX_PATH_CHARS)
    try:
        # Opening some devices acts on them, so it is asked before; and again of what was opened in the end.
        _check_plain(path.stat(), name, kind)
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(handle, "rb") as stream:
            _check_plain(os.fstat(handle), name, kind)
            # Files of /proc have a size of 0, so what counts is what is read.
            content = stream.read(max_bytes + 1) if os.fstat(handle).st_size <= max_bytes else None
    except FileNotFoundError:
        raise kind(words.CANNOT_READ(file=name, why=words.NOT_THERE())) from None
    except (OSError, ValueError) as error:  # a NUL in a path is a ValueError
        raise kind(words.CANNOT_READ(file=name, why=getattr(error, "strerror", None) or error)) from None
    if content is None or len(content) > max_bytes:
        raise kind(f"{name} has more than {_size(max_bytes)}, which is the most that is read; {remedy}")
    return content


def path_problem(value: str) -> str | None:
    """Why no file can have the path `value`; None if one can."""
    if "\0" in value:
        return f"{shown(value)} holds a NUL character, and no path can"
    try:
        Path(value).expanduser()
    except RuntimeError:
        return f"{shown(value)} names the home of a user who is not here; write the whole path"
    return None


def _check_plain(found: os.stat_result, name: str, kind: type[RaykftError]) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise kind(words.IS_FOLDER(file=name))
    if not stat.S_ISREG(found.st_mode):
        raise kind(f"{name} is no plain file (a pipe, socket or device), and only such are read")


def _size(count: int) -> str:
    return f"{count >> 20} MiB" if count < 2**30 else f"{count >> 30} GiB"
