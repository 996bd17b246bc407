"""What the files of trials and baselines hold, checked: whoever wrote them may have been cut off, or be a stranger.

A file that breaks its rule raises `DamagedError`, whose message names it.
"""

from __future__ import annotations

import logging
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError

from raykft.errors import DamagedError
from raykft.paths import TrialPaths, is_there, read_json, read_jsonl
from raykft.records import ProbeResult, Split, TrialStatus
from raykft.untrusted.messages import shown

log = logging.getLogger(__name__)
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
    known = {f.name for f in fields(ProbeResult)}
    rows = [{name: value for name, value in row.items() if name in known} for row in read_jsonl(file, whole=True)]
    return {result.id: result for result in _valid(file, rows, list[ProbeResult])}


def read_shown(file: Path) -> list[dict[str, Any]]:
    """The rows of a file of answers as they are, of older versions too."""
    rows = list(read_jsonl(file, whole=True))
    _valid(file, rows, list[_Shown])
    return rows


def read_reports(file: Path) -> list[dict[str, Any]]:
    """The rows of `metrics.jsonl`: what a trial told after its epochs. Figures all of them, so texts are damage."""
    rows = list(read_jsonl(file))
    _valid(file, rows, list[_Report])
    texts = (name for row in rows for name, value in row.items() if not isinstance(value, int | float | None))
    if (name := next(texts, None)) is not None:
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
    return _valid(file, read_json(file), kind)


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
