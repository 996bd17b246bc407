"""Experiments whose `storage_path` is a URL (`s3://`, `gs://`, `abfs://`, `hdfs://`, `file://`), by way of pyarrow.

Every process works on a copy below its own cache: plain files at plain paths. A `StoredPath` is a path in such a copy;
sent to another process it becomes the same path in that one's copy. `fetch`, `keep`, `discard` and their like move
files between copy and storage, and do nothing for any other path.

Who is to write what is the callers' affair: hosts keep adapters and checkpoints, a trial its own files, the driver all
others. Nobody keeps files that another writes at that time: its copy may be old.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PosixPath
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from raykft.errors import ConfigError, ExperimentError
from raykft.paths import STORAGE_MARKER, cache_dir, write_atomic
from raykft.storage.mirror import Mirror

SCHEMES = ("s3", "gs", "gcs", "abfs", "abfss", "hdfs", "viewfs", "file")
COPIES = "experiments"  # beneath the cache
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # of an experiment
SECRET = re.compile(
    r"secret|passw|^pass|pwd|^pw$|token|signature|^sig$|key|auth|^sas|cred|login|bearer|jwt|^psk$", re.IGNORECASE
)
CONTAINER_SCHEMES = ("abfs", "abfss")  # in which what stands before the @ is no user but a container


class StoredPath(PosixPath):
    """A path in this process's copy of a storage. All paths made from it are such paths too."""

    __slots__ = ()

    def __reduce__(self) -> Any:
        mirror, relative = _mirror_of(self)
        return _arrive, (mirror.url, relative)


def _arrive(url: str, relative: str) -> StoredPath:
    return StoredPath(_mirror(url).root / relative)


def problem_of(storage: str) -> str | None:
    """What is wrong with a `storage_path`; secrets in it are not repeated. Folders are always right."""
    if not is_url(storage):
        return None
    scheme = storage.partition("://")[0]
    if scheme not in SCHEMES:
        known = ", ".join(f"{s}://" for s in SCHEMES)
        return f"{scheme}:// is no storage raykft can write to; use {known} or mount it and give the folder"
    try:
        parts = urlsplit(storage)
        secret = bool(parts.password or parts.fragment) or (bool(parts.username) and scheme not in CONTAINER_SCHEMES)
        # Some servers part a query at semicolons too.
        pairs = parse_qsl(parts.query.replace(";", "&"), keep_blank_values=True)
        secret |= any(SECRET.search(key) for key, _ in pairs)
    except ValueError:
        return f"this {scheme}:// address is malformed"
    if secret:
        return (
            f"the {scheme}:// address holds a user, password or key, which would get into files and logs; leave it "
            "out: credentials are taken from the environment (AWS_PROFILE, GOOGLE_APPLICATION_CREDENTIALS, ...)"
        )
    if scheme == "file" and parts.netloc:
        return f"file://{parts.netloc}/... names a machine; a folder is file:///... with three slashes"
    if any(part in {".", ".."} for part in parts.path.split("/")):
        return f"the path {parts.path!r} holds `.` or `..`; give it without"
    return None


def is_url(storage: str) -> bool:
    return "://" in storage


def names_url(place: str) -> bool:
    """Whether `located` takes this text, once it has been a `Path`, for a URL: `s3:/bucket` and `./s3:/bucket` too."""
    return is_url(place) or _as_url(str(Path(place).expanduser())) is not None


def directory(storage: str, name: str) -> Path:
    """Where the experiment `name` of a `storage_path` lies for this process: absolute, as Ray's workers need it."""
    if not is_url(storage):
        return Path(storage).expanduser().absolute() / name
    return StoredPath(_mirror(storage).root / name)


def located(place: str | Path) -> Path:
    """An experiment that a user named by its folder or its URL; also by the folder of a copy that a message named.

    Raises:
        ConfigError: the URL cannot be used.
        ExperimentError: the URL ends with no experiment's name.
    """
    url = _as_url(str(place))
    if url is None:
        path = Path(place).absolute()
        # A marker in anybody else's folder says nothing: whoever wrote it would choose where files go.
        own = (cache_dir() / COPIES).absolute()
        copied = path.is_relative_to(own) and any((parent / STORAGE_MARKER).is_file() for parent in path.parents)
        return StoredPath(path) if copied else path
    if problem := problem_of(url):
        raise ConfigError(problem)
    location, mark, query = url.partition("?")
    storage, _, name = location.rstrip("/").rpartition("/")
    if not NAME.fullmatch(name) or storage.endswith((":", "/")):
        raise ExperimentError(f"{url} names no experiment; give STORAGE_PATH/NAME, such as s3://bucket/runs/my-domain")
    return directory(storage + mark + query, name)


def _as_url(text: str) -> str | None:
    """`text` if it is a URL, be it without one of its slashes: `Path` drops that."""
    if is_url(text):
        return text
    scheme, colon, rest = text.partition(":/")
    if not colon or scheme not in SCHEMES or Path(text).exists():
        return None
    return f"{scheme}://{'/' if scheme == 'file' else ''}{rest}"


def address(path: Path) -> str:
    """The URL of a path in a copy; any other path as it is."""
    if not isinstance(path, StoredPath):
        return str(path)
    mirror, relative = _mirror_of(path)
    return mirror.address(relative)


def fetch(path: Path, *, light: bool = False) -> None:
    """Bring a file or folder up to date from the storage; `light` leaves adapters and checkpoints there.

    Of a checkpoint `state.json` comes all the same: it says that there is one. Nothing is deleted here, and a file that
    was changed here since is not replaced.

    Raises:
        ResourceError: the storage cannot be read.
    """
    if isinstance(path, StoredPath):
        mirror, relative = _mirror_of(path)
        mirror.pull(relative, light=light)


def keep(path: Path, *, light: bool = False) -> None:
    """Write what has changed of a file or folder to the storage; `light` leaves out adapters and checkpoints.

    Raises:
        ResourceError: the storage cannot be written to. The files are still here.
    """
    if isinstance(path, StoredPath):
        mirror, relative = _mirror_of(path)
        mirror.push(relative, light=light)


def discard(path: Path) -> None:
    """Delete a file or folder here, and in the storage if it is of one; what is not there is fine."""
    if isinstance(path, StoredPath):
        mirror, relative = _mirror_of(path)
        mirror.remove(relative)
    if path.is_file():
        path.unlink()
    shutil.rmtree(path, ignore_errors=True)


@contextmanager
def repeat_deletions(folder: Path, *patterns: str) -> Iterator[None]:
    """Of what matches beneath `folder`, files or folders, the storage loses whatever the body deletes here."""
    before = [path for pattern in patterns for path in folder.glob(pattern)] if isinstance(folder, StoredPath) else []
    yield
    for path in before:
        if not path.exists():
            discard(path)


def discard_others(path: Path) -> None:
    """Delete in the storage what lies beside the folder `path`."""
    if isinstance(path, StoredPath):
        mirror, relative = _mirror_of(path.parent)
        for name in mirror.children(relative):
            if name != path.name:
                mirror.remove(f"{relative}/{name}")


def release(path: Path) -> None:
    """Delete the copy of a folder that has been kept; `fetch` brings it again."""
    if isinstance(path, StoredPath):
        shutil.rmtree(path, ignore_errors=True)


class StoredText:
    """A small JSON object that lies in the storage alone."""

    def __init__(self, path: StoredPath) -> None:
        self._mirror, self._relative = _mirror_of(path)

    def read(self) -> dict[str, Any] | None:
        """Its content; None where there is none, or none that was written here."""
        text = self._mirror.read(self._relative)
        try:
            tree = json.loads(text) if text else None
        except ValueError:
            return None
        return tree if isinstance(tree, dict) else None

    def write(self, tree: dict[str, Any]) -> None:
        self._mirror.write(self._relative, json.dumps(tree))

    def remove(self) -> None:
        self._mirror.remove(self._relative)

    def age_seconds(self) -> float:
        """How long ago it was written. Both times are the storage's: clocks of machines differ."""
        probe = f"{self._relative}.{secrets.token_hex(4)}"
        now_ns = self._mirror.write(probe, "")
        self._mirror.remove(probe)
        written_ns = self._mirror.time_ns(self._relative)
        return (now_ns - written_ns) / 1e9 if written_ns is not None else float("inf")


def _mirror(storage: str) -> Mirror:
    """The copy of a storage in this process's cache."""
    location, mark, query = storage.partition("?")
    url = location.rstrip("/") + mark + query
    root = cache_dir() / COPIES / hashlib.sha256(url.encode()).hexdigest()[:16]
    if not (root / STORAGE_MARKER).is_file():
        write_atomic(root / STORAGE_MARKER, url)
    return Mirror(url, root)


def _mirror_of(path: Path) -> tuple[Mirror, str]:
    for root in (path, *path.parents):
        marker = root / STORAGE_MARKER
        if marker.is_file():
            relative = path.relative_to(root).as_posix()
            return Mirror(marker.read_text(encoding="utf-8"), Path(root)), "" if relative == "." else relative
    raise ExperimentError(
        f"{path} belongs to no storage: {STORAGE_MARKER} above it was deleted; name the experiment's URL"
    )
