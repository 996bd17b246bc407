"""A storage that is named by a URL and a folder that is a copy of it: pyarrow's file systems behind a few calls.

A file and its object are the same where size and time agree: whichever is written last gets the other's time.
"""

from __future__ import annotations

import os
import re
import secrets
import shlex
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any, TypeVar

from raykft.errors import ExperimentError, ResourceError, first_line
from raykft.paths import ADAPTER, CHECKPOINT, CHECKPOINT_STATE, RAY, REPORT, RESULT, STORAGE_MARKER

T = TypeVar("T")
LOCAL_ONLY = (RAY,)  # folders of an experiment that travel only when asked for
HEAVY = (ADAPTER, CHECKPOINT)  # folders of a trial that hosts write and read
LAST = (CHECKPOINT_STATE, REPORT, RESULT)  # their presence says that the files beside them are whole
WHOLE_WRITES = ("s3", "gcs", "abfs")  # an object there appears whole, and folders need not be made
PAUSES_S = (0.5, 2.0, 5.0)  # before a transfer that failed is tried again
TRANSFERS = 16  # at once
RACY_NS = 2 * 10**9


@dataclass(frozen=True)
class Entry:
    """What a storage says of an object."""

    size: int
    time_ns: int


@dataclass(frozen=True)
class Mirror:
    """A storage and this process's copy of it. `relative` is a path beneath both; "" is everything."""

    url: str
    root: Path

    def pull(self, relative: str = "", *, light: bool = False) -> list[str]:
        """Download what differs and has not been changed here since; returns the names of what came."""
        found = self._entries(relative)
        wanted = [
            name
            for name, entry in found.items()
            if _travels(name, relative) and not (light and _is_weight(name)) and self._is_behind(name, entry)
        ]
        _at_once(lambda name: self._again(f"read {name} from", lambda: self._download(name, found[name])), wanted)
        return wanted

    def push(self, relative: str = "", *, light: bool = False) -> list[str]:
        """Upload what differs, files that say "finished" after all others; returns the names of what went."""
        found = self._entries(relative)
        changed = [
            name
            for name in self._files(relative)
            if _travels(name, relative) and not (light and _is_heavy(name)) and self._differs(name, found.get(name))
        ]
        last = [name for name in changed if PurePosixPath(name).name in LAST]
        for names in ([name for name in changed if name not in last], last):
            _at_once(lambda name: self._again(f"write {name} to", lambda: self._upload(name)), names)
        return changed

    def remove(self, relative: str) -> None:
        """Delete an object or folder of the storage; one that is not there is fine."""
        self._again(f"delete {relative} in", lambda: self._remove(relative))

    def children(self, relative: str) -> set[str]:
        """The names directly beneath a folder of the storage."""
        depth = len(PurePosixPath(relative).parts)
        return {PurePosixPath(name).parts[depth] for name in self._entries(relative)}

    def time_ns(self, relative: str) -> int | None:
        """When an object was written, by the storage's clock; None where there is none."""
        entry = self._entries(relative).get(relative)
        return entry.time_ns if entry else None

    def read(self, relative: str) -> str | None:
        """The text of a small object; None where there is none."""

        def read() -> str | None:
            try:
                with self._system.open_input_stream(self._key(relative), compression=None) as stream:
                    return str(stream.read(), "utf-8", "replace")
            except FileNotFoundError:
                return None

        return self._again(f"read {relative} from", read)

    def write(self, relative: str, text: str) -> int:
        """Write a small object; returns its time in ns by the storage's clock."""

        def write() -> int:
            with self._written(relative) as sink:
                sink.write(text.encode())
            return int(self._system.get_file_info(self._key(relative)).mtime_ns)

        return self._again(f"write {relative} to", write)

    def address(self, relative: str) -> str:
        """The URL of an object."""
        url, mark, query = self.url.partition("?")
        return "/".join(filter(None, (url, relative))) + mark + query

    @property
    def _system(self) -> Any:
        return _connect(self.url)[0]

    def _key(self, relative: str) -> str:
        return "/".join(filter(None, (_connect(self.url)[1], relative)))

    def _entries(self, relative: str) -> dict[str, Entry]:
        """The objects beneath `relative`, or the one at it, by name."""
        return self._again(f"look for {relative or 'files'} in", lambda: self._listed(relative))

    def _listed(self, relative: str) -> dict[str, Entry]:
        from pyarrow.fs import FileSelector, FileType

        (here,) = self._system.get_file_info([self._key(relative)])
        found = [here]
        if here.type != FileType.File:
            selector = FileSelector(self._key(relative), allow_not_found=True, recursive=True)
            found = self._system.get_file_info(selector)
        base = len(self._key("x")) - 1
        entries = {i.path[base:]: Entry(i.size, i.mtime_ns or 0) for i in found if i.type == FileType.File}
        if outside := [name for name in entries if ".." in PurePosixPath(name).parts]:
            raise ExperimentError(f"{self.address(outside[0])} lies outside of its folder; delete that object")
        return entries

    def _files(self, relative: str) -> list[str]:
        start = self.root / relative
        if start.is_file():
            return [relative]
        # `walk` passes over folders that are deleted meanwhile.
        files = [Path(folder, name) for folder, _, names in os.walk(start) for name in names]
        return sorted(file.relative_to(self.root).as_posix() for file in files)

    def _differs(self, name: str, entry: Entry | None) -> bool:
        try:
            here = (self.root / name).stat()
        except FileNotFoundError:  # a scratch file of someone else's
            return False
        return entry is None or (here.st_size, here.st_mtime_ns) != (entry.size, entry.time_ns)

    def _is_behind(self, name: str, entry: Entry) -> bool:
        file = self.root / name
        return not file.is_file() or (self._differs(name, entry) and file.stat().st_mtime_ns <= entry.time_ns)

    def _upload(self, name: str) -> None:
        file = self.root / name
        if not file.is_file():  # deleted since it was listed
            return
        before = file.stat()
        with _settled(file) as source, self._written(name) as sink:
            shutil.copyfileobj(source, sink, 1 << 20)
        after = file.stat()
        if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            time_ns = self._system.get_file_info(self._key(name)).mtime_ns
            os.utime(file, ns=(time_ns, time_ns))

    def _download(self, name: str, entry: Entry) -> None:
        file = self.root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        scratch = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
        try:
            with (
                self._system.open_input_stream(self._key(name), compression=None) as source,
                scratch.open("wb") as sink,
            ):
                shutil.copyfileobj(source, sink, 1 << 20)
            # Where times are whole seconds, the object may be written again within the same one: look again then.
            racy = entry.time_ns % 10**9 == 0 and time.time_ns() - entry.time_ns < RACY_NS
            time_ns = entry.time_ns - racy
            os.utime(scratch, ns=(time_ns, time_ns))
            if file.suffix == ".db":  # what a killed process left there belongs to the file that is replaced
                for ending in ("-journal", "-wal", "-shm"):
                    file.with_name(file.name + ending).unlink(missing_ok=True)
            scratch.replace(file)
        except FileNotFoundError:  # deleted since it was listed
            scratch.unlink(missing_ok=True)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise

    @contextmanager
    def _written(self, relative: str) -> Iterator[Any]:
        """A stream whose content is at `relative` once the body has ended, and nothing before."""
        key = self._key(relative)
        if self._system.type_name in WHOLE_WRITES:
            with self._system.open_output_stream(key, compression=None) as sink:
                yield sink
            return
        parent, _, name = key.rpartition("/")
        self._system.create_dir(parent, recursive=True)
        scratch = f"{parent}/.{name}.{secrets.token_hex(4)}"
        with self._system.open_output_stream(scratch, compression=None) as sink:
            yield sink
        self._system.move(scratch, key)

    def _remove(self, relative: str) -> None:
        from pyarrow.fs import FileType

        key = self._key(relative)
        (here,) = self._system.get_file_info([key])
        try:
            if here.type == FileType.File:
                self._system.delete_file(key)
            elif here.type == FileType.Directory:
                self._system.delete_dir(key)
        except FileNotFoundError:
            pass

    def _again(self, doing: str, action: Callable[[], T]) -> T:
        """What `action` returns; tried a few times, because networks fail.

        Raises:
            ResourceError: it failed every time.
        """
        for pause_s in PAUSES_S:
            try:
                return action()
            except OSError:
                time.sleep(pause_s)
        try:
            return action()
        except OSError as error:
            raise ResourceError(
                f"cannot {doing} {self.url} ({first_line(error)}); nothing is lost: what was to be written is in "
                f"{self.root}. Check the address, the credentials in this machine's environment and the connection, "
                f"then go on with `raykft resume {shlex.quote(self.address('NAME'))}`"
            ) from error


@lru_cache
def _connect(url: str) -> tuple[Any, str]:
    """pyarrow's file system for `url`, and the path in it."""
    try:
        from pyarrow.fs import FileSystem

        system, path = FileSystem.from_uri(url)
    except ImportError as error:
        raise ResourceError(f"storage_path {url} needs pyarrow ({error}); `pip install pyarrow`") from error
    except (OSError, ValueError, NotImplementedError) as error:
        raise ResourceError(
            f"storage_path {url} cannot be opened: {first_line(error)}; check the address and the credentials in this "
            "machine's environment, or give a folder (--set storage_path=DIR)"
        ) from error
    return system, path.rstrip("/")


def _travels(name: str, asked: str) -> bool:
    """Whether a file is for the storage at all. Hidden ones are locks and scratch files."""
    parts = PurePosixPath(name).parts
    if any(part.startswith(".") for part in parts) or name == STORAGE_MARKER or re.search(r"-(journal|wal|shm)$", name):
        return False
    asked_for_all = len(PurePosixPath(asked).parts) < 2
    return not (asked_for_all and len(parts) > 1 and parts[1] in LOCAL_ONLY)


def _is_heavy(name: str) -> bool:
    parts = PurePosixPath(name).parts  # experiment, "trials" or "confirm", trial, folder, file
    return len(parts) > 4 and parts[3] in HEAVY


def _is_weight(name: str) -> bool:
    return _is_heavy(name) and PurePosixPath(name).name != CHECKPOINT_STATE


@contextmanager
def _settled(file: Path) -> Iterator[Any]:
    """The content of `file` for reading; of a database a copy that no writer changes."""
    if file.suffix != ".db":
        with file.open("rb") as stream:
            yield stream
        return
    scratch = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(scratch)) as copy:
            source.backup(copy)
        with scratch.open("rb") as stream:
            yield stream
    finally:
        scratch.unlink(missing_ok=True)


def _at_once(action: Callable[[str], None], names: list[str]) -> None:
    if len(names) > 1:
        with ThreadPoolExecutor(min(TRANSFERS, len(names))) as pool:
            list(pool.map(action, names))
    else:
        for name in names:
            action(name)
