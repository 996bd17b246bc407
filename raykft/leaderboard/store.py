"""Read an experiment directory. Files are the only source: no Ray, no database, no running job is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from raykft.errors import ExperimentError
from raykft.paths import ExperimentPaths, TrialPaths, read_json, read_jsonl

BASE_FILE = "base.json"
REPORT_FILE = "report.json"
# Ended for good. An interrupted or unfinished trial does not count towards `search.trials`.
FINISHED = ("ok", "stopped", "diverged", "out_of_memory", "failed")


@dataclass(frozen=True)
class TrialRecord:
    """One trial as its files tell it. `select` are the scores it was chosen by, `report` the held-out ones."""

    trial_id: str
    status: str
    reason: str = ""
    sample: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    tokens: int = 0
    select: dict[str, float] = field(default_factory=dict)
    report: dict[str, float] = field(default_factory=dict)
    rank: int | None = None


@dataclass(frozen=True)
class BaseRecord:
    """The base model: closed-book, and with the needed facts in its context (the oracle)."""

    select: dict[str, float]
    report: dict[str, float]
    oracle_select: dict[str, float]
    oracle_report: dict[str, float]


def open_experiment(directory: Path) -> ExperimentPaths:
    """Check that `directory` holds an experiment.

    Raises:
        ExperimentError: it does not.
    """
    paths = ExperimentPaths(directory.absolute())
    if not paths.config.is_file():
        hint = f"; experiments here: {', '.join(near)}" if (near := _experiments_near(directory)) else ""
        raise ExperimentError(f"{directory} holds no experiment (no {paths.config.name}){hint}")
    return paths


def read_base(paths: ExperimentPaths) -> BaseRecord | None:
    file = paths.baselines / BASE_FILE
    if not file.is_file():
        return None
    tree = read_json(file)
    metrics, oracle = tree["metrics"], tree["oracle"]
    return BaseRecord(
        metrics.get("select", {}),
        metrics.get("report", {}),
        oracle.get("select", {}),
        oracle.get("report", {}),
    )


def read_trials(paths: ExperimentPaths) -> list[TrialRecord]:
    """All trials, best first: ranked ones by their `score` on the select split, then the rest by name."""
    directories = sorted(p for p in paths.trials.iterdir() if p.is_dir()) if paths.trials.is_dir() else []
    records = [_read_trial(TrialPaths(d)) for d in directories if TrialPaths(d).config.is_file()]
    return ranked(records)


def ranked(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    scored = [r for r in records if r.status == "ok" and "score" in r.select]
    # Equal scores go to the cheaper trial, then by name, so that the order never depends on the file system.
    scored.sort(key=lambda r: (-r.select["score"], r.tokens, r.trial_id))
    rest = sorted((r for r in records if r not in scored), key=lambda r: (-r.epoch, r.trial_id))
    return [*(_with_rank(r, n) for n, r in enumerate(scored, start=1)), *rest]


def finished(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [r for r in records if r.status in FINISHED]


def _with_rank(record: TrialRecord, rank: int) -> TrialRecord:
    return TrialRecord(**{**record.__dict__, "rank": rank})


def _read_trial(paths: TrialPaths) -> TrialRecord:
    written = read_json(paths.config)
    result: dict[str, Any] = {"status": "unfinished", "reason": "the run ended before the trial did"}
    if paths.result.is_file():
        result = read_json(paths.result)
    elif paths.metrics.is_file():
        rows = list(read_jsonl(paths.metrics))
        result |= rows[-1] if rows else {}
    report = paths.root / REPORT_FILE
    return TrialRecord(
        trial_id=paths.root.name,
        status=result["status"],
        reason=result.get("reason", ""),
        sample=written["sample"],
        epoch=result.get("epoch", 0),
        epochs=written["config"]["train"]["epochs"],
        seconds=result.get("seconds", 0.0),
        tokens=result.get("tokens", 0),
        select=result.get("metrics", {}),
        report=read_json(report) if report.is_file() else {},
    )


def _experiments_near(directory: Path) -> list[str]:
    parent = directory if directory.is_dir() else directory.parent
    try:
        return sorted(str(p) for p in parent.iterdir() if ExperimentPaths(p).config.is_file())[:5]
    except OSError:
        return []
