"""Every file name of an experiment, and the only way files are written: whole, or not at all."""

from __future__ import annotations

import errno
import json
import os
import secrets
import shlex
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raykft.errors import DamagedError, ExperimentError, ResourceError, StorageError
from raykft.wording import errors as words
from raykft.wording.messages import Message

PACKAGE_DATA = Path(__file__).parent / "data" / "demo"
# As PEFT and Transformers name them.
ADAPTER_CONFIG, ADAPTER_WEIGHTS, MODEL_CONFIG = "adapter_config.json", "adapter_model.safetensors", "config.json"
CHECKPOINT_STATE, CHECKPOINT_TENSORS = "state.json", "state.safetensors"  # the first is written last
RESULT, REPORT = "result.json", "report.json"  # written last, of a trial and of its held-out score
ADAPTER, CHECKPOINT, RAY = "adapter", "checkpoint", "ray"  # folders
LOCK, STORED_LOCK = ".lock", ".lock.json"  # of a directory, and of the storage it is a copy of
STORAGE_MARKER = "storage.url"  # in the folder of a storage's copies: which storage that is


@dataclass(frozen=True)
class TrialPaths:
    """The files of one trial. `result` is written last: its presence means the trial is finished."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.json"

    @property
    def metrics(self) -> Path:
        return self.root / "metrics.jsonl"

    @property
    def adapter(self) -> Path:
        return self.root / ADAPTER

    @property
    def checkpoint(self) -> Path:
        return self.root / CHECKPOINT

    @property
    def report(self) -> Path:
        """The score on the report split; its presence means that the trial has one."""
        return self.root / REPORT

    @property
    def report_results(self) -> Path:
        return self.root / "report_results.jsonl"

    @property
    def probe_results(self) -> Path:
        return self.root / "probe_results.jsonl"

    @property
    def traceback(self) -> Path:
        return self.root / "traceback.txt"

    @property
    def result(self) -> Path:
        return self.root / RESULT


@dataclass(frozen=True)
class ExperimentPaths:
    """The files of one experiment directory (docs/data-flow.md lists what is in each)."""

    root: Path

    @property
    def config(self) -> Path:
        return self.root / "config.resolved.yaml"

    @property
    def environment(self) -> Path:
        return self.root / "environment.json"

    @property
    def last_run(self) -> Path:
        """When the last run began, how it ended and why."""
        return self.root / "run.json"

    @property
    def data_manifest(self) -> Path:
        return self.root / "data_manifest.json"

    @property
    def contamination(self) -> Path:
        return self.root / "contamination.json"

    @property
    def baselines(self) -> Path:
        return self.root / "baselines"

    @property
    def base_scores(self) -> Path:
        """The figures of all baselines."""
        return self.baselines / "base.json"

    def baseline_results(self, name: str) -> Path:
        """What one baseline answered."""
        return self.baselines / f"{name}.jsonl"

    @property
    def probes(self) -> Path:
        """All that was asked, with its wording."""
        return self.root / "probes.jsonl"

    @property
    def passages(self) -> Path:
        return self.root / "passages.jsonl"

    @property
    def seed_runs(self) -> Path:
        """The best recipes trained with other seeds; in earlier versions only `raykft confirm` did that."""
        earlier = self.root / "confirm"
        return earlier if earlier.is_dir() else self.root / "seeds"

    def seed_run(self, trial_id: str, seed: int) -> TrialPaths:
        """The files of a trial's recipe trained with another seed."""
        return TrialPaths(self.seed_runs / f"{self.trial(trial_id).root.name}-s{seed}")

    @property
    def lock(self) -> Path:
        return self.root / LOCK

    @property
    def page(self) -> Path:
        return self.root / "report.html"

    @property
    def tensorboard(self) -> Path:
        return self.root / "tensorboard"

    @property
    def mlflow(self) -> Path:
        return self.root / "mlflow.db"

    @property
    def study(self) -> Path:
        return self.root / "optuna.db"

    @property
    def ray(self) -> Path:
        return self.root / RAY

    @property
    def trials(self) -> Path:
        return self.root / "trials"

    def trial(self, trial_id: str) -> TrialPaths:
        """The files of trial `trial_id`; the id must be one path component, whoever typed it."""
        if not trial_id or trial_id in {".", ".."} or any(c in trial_id for c in "/\\\0"):
            raise ExperimentError(
                f"trial id {trial_id!r} is not a plain name; see `raykft leaderboard {shlex.quote(str(self.root))}`"
            )
        return TrialPaths(self.trials / trial_id)

    def leaderboard(self, suffix: str) -> Path:
        return self.root / f"leaderboard.{suffix}"


def cache_dir() -> Path:
    """Where converted models and base scores are kept between experiments (`RAYKFT_CACHE` overrides)."""
    if override := os.environ.get("RAYKFT_CACHE"):
        return Path(override).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser().resolve() / "raykft"


def teacher_cache_dir() -> Path:
    """Where is kept what base models say of rows that adapters learn from or are held to."""
    return cache_dir() / "teacher"


def drop_oldest(files: Iterable[Path], keep: int) -> None:
    """Delete all but the `keep` newest files of a cache, which other processes may do at the same time."""
    files = list(files)
    if len(files) > keep:
        for file in sorted(files, key=_modified)[:-keep]:
            file.unlink(missing_ok=True)


def _modified(file: Path) -> float:
    try:
        return file.stat().st_mtime
    except OSError:  # somebody else has just dropped it
        return 0.0


def ensure_dir(path: Path, remedy: Message = words.OTHER_STORAGE) -> Path:
    """Create `path` and check that it can be written to; where it cannot, the error says the `remedy`."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path):
            pass
    except OSError as error:
        told = {"place": path, "why": error.strerror or error, "remedy": remedy()}
        raise ResourceError(words.NOT_WRITABLE(**told)) from error
    return path


def write_atomic(path: Path, content: str, *, lasting: bool = False) -> None:
    """Write `content` to a sibling and rename it over `path`, so that a reader never sees half a file.

    Args:
        lasting: have the disk hold it, under its name, before this returns.

    Raises:
        ExperimentError: a folder has that name.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    name = path.parent / f".{path.name}.{secrets.token_hex(4)}"
    # Its rights are what the umask leaves, as for any file.
    handle = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
            if lasting:
                stream.flush()
                os.fsync(stream.fileno())
        os.replace(name, path)
    except BaseException as error:
        with suppress(OSError):  # it must not hide why
            name.unlink()
        if isinstance(error, IsADirectoryError):
            raise ExperimentError(f"{path} is a folder and should be a file; move it away") from error
        raise
    if lasting:
        sync(path.parent)


def sync(path: Path) -> None:
    """Have the disk hold a file, or the names in a folder."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.ENOSYS}:  # mounts that know nothing of it
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Have the disk hold all files beneath `folder`, with their names."""
    for parent, _, names in os.walk(folder):
        for name in names:
            if not name.startswith("."):  # scratch files, which come and go
                sync(Path(parent, name))
        sync(Path(parent))


def write_json(path: Path, value: Any, *, lasting: bool = False) -> None:
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=2, sort_keys=False) + "\n", lasting=lasting)


def write_jsonl(path: Path, rows: Iterable[dict[str, Any]], *, lasting: bool = False) -> None:
    write_atomic(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), lasting=lasting)


def append_jsonl(path: Path, row: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file that raykft wrote.

    Raises:
        DamagedError: the file is gone or holds no JSON object.
        StorageError: it cannot be read now.
    """
    value = _parsed(path, _read(path))
    if not isinstance(value, dict):
        raise DamagedError(f"{path} is damaged: it holds no JSON object; put back a whole copy of it")
    return value


def read_jsonl(path: Path, *, whole: bool = False) -> Iterator[dict[str, Any]]:
    """The rows of a file that raykft wrote. A last line cut off by a crash is left out, unless the file is `whole`:
    written in one go, so that such a line is damage.

    Raises:
        DamagedError: the file is gone, or a line holds no JSON object.
        StorageError: it cannot be read now.
    """
    content = _read(path)
    lines = content.split("\n")
    if lines.pop() and whole:
        raise DamagedError(f"{path} is damaged: its last line is cut off; put back a whole copy of it")
    for number, line in enumerate(lines, start=1):
        if line.strip():
            row = _parsed(path, line, f" in line {number}")
            if not isinstance(row, dict):
                raise DamagedError(
                    f"{path} is damaged: line {number} holds no JSON object; put back a whole copy of it"
                )
            yield row


def is_whole_safetensors(path: Path) -> bool:
    """Whether a file of tensors is as long as its header says; their values are not looked at.

    Raises:
        StorageError: it cannot be read now.
    """
    try:
        with path.open("rb") as stream:
            head = int.from_bytes(stream.read(8), "little")
            size = os.fstat(stream.fileno()).st_size
            if not 2 <= head <= size - 8:
                return False
            header = json.loads(stream.read(head))
        ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
        return bool(size == 8 + head + max(ends, default=0))
    except _NO_FILE:
        return False
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError, AttributeError, KeyError, TypeError, IndexError):
        return False


def is_there(path: Path) -> bool:
    """Whether there is anything at `path`.

    Raises:
        StorageError: nobody can tell now.
    """
    try:
        return path.exists()
    except OSError as error:
        raise StorageError(f"cannot look for {path}: {error.strerror or error}") from error


# What an open says where the file itself is the trouble; anything else is the storage's.
_NO_FILE = (FileNotFoundError, IsADirectoryError, NotADirectoryError)


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except UnicodeDecodeError as error:
        raise DamagedError(f"{path} is damaged: it holds no UTF-8 text; put back a whole copy of it") from error
    except _NO_FILE as error:
        raise DamagedError(f"{path} is no file that can be read ({error.strerror}); put back a copy of it") from error
    except OSError as error:
        raise StorageError(f"cannot read {path}: {error.strerror or error}") from error


def _parsed(path: Path, text: str, where: str = "") -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        why = "it is empty" if not text else f"no valid JSON{where}"
        raise DamagedError(f"{path} is damaged: {why}; put back a whole copy of it") from error
