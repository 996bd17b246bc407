"""Which errors are a storage's fault. They pass, and nobody's work is to be given up for them."""

from __future__ import annotations

import errno
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from raykft.errors import RaykftError, StorageError, first_line
from raykft.wording import errors as words

FULL = {errno.ENOSPC, errno.EDQUOT}
# A disk that fails or became read-only, a mount that is gone, a server that does not answer, rights that were taken.
FAILING = {
    errno.EIO,
    errno.EROFS,
    errno.ESTALE,
    errno.EACCES,
    errno.EPERM,
    errno.ENOTCONN,
    errno.EHOSTDOWN,
    errno.EREMOTEIO,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
    errno.ECONNABORTED,
    errno.ENODEV,
    errno.ENXIO,
    errno.EUCLEAN,
}
# SQLite's own words for the same, by its primary result codes.
FROM_SQLITE = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
    sqlite3.SQLITE_PERM: errno.EACCES,
    sqlite3.SQLITE_CANTOPEN: errno.EACCES,
}


def trouble(error: BaseException, directory: Path) -> str | None:
    """What is wrong with the storage of the experiment in `directory`, and what to do, where `error` tells of that.

    Its causes are not looked at, and what raykft raised itself is no storage's fault.
    """
    number = _number(error)
    if number is None:
        return None
    told = {"place": directory, "why": first_line(error), "again": shlex.quote(str(directory))}
    return words.STORAGE_FULL(**told) if number in FULL else words.STORAGE_FAILS(**told)


@contextmanager
def typed(directory: Path) -> Iterator[None]:
    """Trouble with the storage of `directory` leaves the body as a `StorageError`."""
    try:
        yield
    except RaykftError:
        raise
    except Exception as error:
        link: BaseException | None = error
        while link is not None:
            if reason := trouble(link, directory):
                raise StorageError(reason) from error
            link = link.__cause__
        raise


def _number(error: BaseException) -> int | None:
    """The error number of trouble with a storage; None for any other error."""
    number: int | None = None
    if isinstance(error, OSError):
        number = error.errno
    elif isinstance(error, sqlite3.Error):
        number = FROM_SQLITE.get(getattr(error, "sqlite_errorcode", 0) & 0xFF)
    # safetensors says it in words alone.
    if number is None and not isinstance(error, RaykftError) and (said := re.search(r"\(os error (\d+)\)", str(error))):
        number = int(said[1])
    return number if number in FULL | FAILING else None
