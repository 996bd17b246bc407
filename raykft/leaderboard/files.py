"""What the files of trials and baselines hold, checked: whoever wrote them may have been cut off, or be a stranger.

A file that breaks its rule raises `DamagedError`, whose message names it.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError
from pydantic_core import from_json

from raykft.errors import DamagedError
from raykft.paths import TrialPaths, is_there, read_json, read_jsonl
from raykft.records import ProbeResult, Split, TrialStatus
from raykft.untrusted.messages import shown

log = logging.getLogger(__name__)
_FIGURES = {bool, int, float, type(None)}
T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)


class _Written(BaseModel):
    """Fields of other versions are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Scores(_Written):
    """`report.json`, and one split of a baseline."""

    metrics: dict[str, FiniteFloat]
    passage_nats: dict[str, FiniteFloat] = {}


class Result(_Written):
    """`result.json`."""

    status: TrialStatus
    reason: str = ""
    sample: dict[str, Any] = {}
    epoch: NonNegativeInt = 0
    tokens: NonNegativeInt = 0
    seconds: FiniteFloat = 0.0
    metrics: dict[str, FiniteFloat] = {}
    passage_nats: dict[str, FiniteFloat] = {}


class _Epochs(_Written):
    epochs: NonNegativeInt


class _Recipe(_Written):
    train: _Epochs
    seed: int = 0


class TrialConfig(_Written):
    """`config.json` of a trial, as far as a leaderboard needs it."""

    sample: dict[str, Any]
    config: _Recipe


class Findings(_Written):
    """`contamination.json`."""

    findings: list[dict[str, Any]]


class Baselines(_Written):
    """`baselines/base.json`."""

    rows: dict[str, dict[Split, Scores] | None]


class _Shown(_Written):
    """What is shown of every row of `probe_results.jsonl`."""

    id: str
    level: int
    outcome: str
    correct: bool
    answer: str


class _Report(_Written):
    """What every row of `metrics.jsonl` has."""

    epoch: NonNegativeInt
    tokens: NonNegativeInt = 0
    seconds: FiniteFloat = 0.0
    rung_score: float | None = None


def read_result(file: Path) -> Result:
    return _checked(file, Result)


def read_trial_config(file: Path) -> TrialConfig:
    return _checked(file, TrialConfig)


def read_scores(file: Path) -> Scores:
    return _checked(file, Scores)


def read_baseline_rows(file: Path) -> dict[str, dict[Split, Scores] | None]:
    return _checked(file, Baselines).rows


def read_found(file: Path) -> list[dict[str, Any]]:
    return _checked(file, Findings).findings


def read_answers(file: Path) -> dict[str, ProbeResult]:
    """What was answered, by probe id. Such a file is written in one go, so a line that is cut off is damage."""
    array, count = _as_array(file, whole=True)
    results = _at_once(array, list[ProbeResult])
    if not results or len(results) != count:
        results = _valid(file, list(read_jsonl(file, whole=True)), list[ProbeResult])
    return {result.id: result for result in results}


def read_shown(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of answers as they are, of older versions too."""
    rows = list(read_jsonl(file, whole=True))
    _valid(file, rows, list[_Shown])
    return rows


def read_reports(file: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`: what a trial told after its epochs. Figures all of them, so texts are damage."""
    rows = _rows_at_once(file) or list(read_jsonl(file))
    _valid(file, rows, list[_Report])
    if not {type(value) for row in rows for value in row.values()} <= _FIGURES:
        name = next(name for row in rows for name, value in row.items() if type(value) not in _FIGURES)
        raise DamagedError(f"{file} is damaged: {shown(name)} is no number; put back a whole copy of it")
    return rows


def result_of(files: TrialPaths) -> Result | None:
    """What a trial ended with; None where it has not, or nobody can tell any more."""
    if not is_there(files.result):
        return None
    try:
        return read_result(files.result)
    except DamagedError as error:
        log.warning("%s counts as not ended: %s", files.root.name, error)
        return None


def _checked(file: Path, kind: type[M]) -> M:
    found = _at_once(_bytes_of(file), kind)
    return _valid(file, read_json(file), kind) if found is None else found


def _bytes_of(file: Path) -> bytes:
    """Empty where the file cannot be read: whoever reads it again is told why."""
    try:
        return file.read_bytes()
    except OSError:
        return b""


def _as_array(file: Path, *, whole: bool) -> tuple[bytes, int]:
    """The lines of a file as one JSON array, and how many they are; none where the file ends within a line and should
    be `whole`."""
    *lines, cut_off = _bytes_of(file).split(b"\n")
    filled = [] if whole and cut_off else [line for line in lines if line.strip()]
    # A line break is allowed between values and nowhere within one, so no text can go on in the next line.
    return b"[" + b",\n".join(filled) + b"]", len(filled)


# Boards of thousands of trials are read in one pass, several times as fast as line by line, and by Python's own reader.
# What is not as it should be gives nothing here: a slower look then says why, or forgives it (a lone surrogate, say).


def _at_once(content: bytes, kind: type[T]) -> T | None:
    try:
        return _adapter(kind).validate_json(content)
    except ValidationError:
        return None


def _rows_at_once(file: Path) -> list[dict[str, Any]]:
    array, count = _as_array(file, whole=False)
    try:
        rows = from_json(array)
    except ValueError:
        return []
    return rows if len(rows) == count and all(isinstance(row, dict) for row in rows) else []


def _valid(file: Path, value: Any, kind: type[T]) -> T:
    try:
        valid: T = _adapter(kind).validate_python(value)
        return valid
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, problem["loc"]))[:80]
        raise DamagedError(
            f"{file} is damaged: {problem['msg']}, in {where or 'all of it'}; put back a whole copy of it"
        ) from None


def _adapter(kind: type[T]) -> TypeAdapter[T]:
    """Building one takes longer than reading a file with it."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


_adapters: dict[Any, TypeAdapter[Any]] = {}
