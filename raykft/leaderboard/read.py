"""Read an experiment directory. Files are the only source: no Ray, no database, no running job is needed."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from pydantic import TypeAdapter

from raykft.data.read import read_records
from raykft.errors import DamagedError, DataError, ExperimentError, StorageError, first_line
from raykft.evaluation.graded import by_level
from raykft.evaluation.objective import OBJECTIVES, Objective
from raykft.leaderboard.files import (
    Result,
    Scores,
    read_answers,
    read_baseline_rows,
    read_found,
    read_reports,
    read_result,
    read_scores,
    read_trial_config,
)
from raykft.paths import ExperimentPaths, TrialPaths, is_there
from raykft.records import Passage, Probe, ProbeResult, Split, TrialStatus
from raykft.storage.store import address, fetch, located
from raykft.untrusted.yaml_text import read_yaml
from raykft.wording.errors import EXPERIMENTS_HERE, NO_EXPERIMENT
from raykft.wording.names import LIST

log = logging.getLogger(__name__)
T = TypeVar("T")


@dataclass(frozen=True)
class SeedRun:
    """A recipe trained with one seed: its figures of both splits, empty where it was not scored."""

    seed: int
    files: TrialPaths
    status: TrialStatus
    select: dict[str, float] = field(default_factory=dict)
    report: dict[str, float] = field(default_factory=dict)
    nats: dict[Split, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class TrialRecord:
    """One trial as its files tell it. `select` are the scores it was chosen by, `report` the held-out ones; where its
    recipe was trained with several seeds, both are means over them.

    `runs` are the trained seeds that have a score, the trial's own first, and `failed_seeds` counts those that have
    none; without other seeds both are empty. One that is `damaged` counts as unfinished: its files do not tell what
    became of it, and its `reason` says which of them.
    """

    trial_id: str
    status: TrialStatus
    reason: str = ""
    sample: dict[str, Any] = field(default_factory=dict)
    epoch: int = 0
    epochs: int = 0
    seconds: float = 0.0
    tokens: int = 0
    select: dict[str, float] = field(default_factory=dict)
    report: dict[str, float] = field(default_factory=dict)
    rank: int | None = None
    runs: tuple[SeedRun, ...] = ()
    failed_seeds: int = 0
    nats: dict[Split, dict[str, float]] = field(default_factory=dict)
    seed: int = 0
    damaged: bool = False

    @property
    def seeds(self) -> dict[int, float]:
        """The score of every seed on the select split."""
        return {run.seed: run.select["score"] for run in self.runs}


@dataclass(frozen=True)
class BaselineRecord:
    """A model or a rule that no trial trained, such as the base model with facts in its prompt."""

    name: str
    select: dict[str, float]
    report: dict[str, float]
    nats: dict[Split, dict[str, float]] = field(default_factory=dict)


@dataclass(frozen=True)
class Rules:
    """What of an experiment's config its figures depend on."""

    objective: Objective
    grace_epochs: int
    level_weights: Mapping[int, float]


def open_experiment(directory: Path) -> ExperimentPaths:
    """Check that `directory`, or the URL it is named by, holds an experiment; what a URL holds is brought here.

    Raises:
        ExperimentError: it does not.
        ResourceError: the storage behind the URL cannot be read.
    """
    paths = ExperimentPaths(located(directory))
    fetch(paths.root, light=True)
    if not is_there(paths.config):
        hint = EXPERIMENTS_HERE(names=LIST().join(near)) if (near := _experiments_near(directory)) else ""
        raise ExperimentError(NO_EXPERIMENT(place=address(paths.root), file=paths.config.name, hint=hint))
    return paths


def read_baselines(paths: ExperimentPaths) -> list[BaselineRecord]:
    """The baselines that were measured, in the order they were written; the base model first."""
    none: dict[str, dict[Split, Scores] | None] = {}
    rows = _unless_damaged(paths.base_scores, read_baseline_rows, none, "the baselines are left out")
    return [_baseline(name, row) for name, row in rows.items() if row]


def read_trials(paths: ExperimentPaths) -> list[TrialRecord]:
    """All trials, best first: ranked ones by their `score` on the select split, then the rest by name."""
    others = _other_seeds(paths)
    return ranked(
        [_with_seeds(_read_trial(files), files, others.get(files.root.name, ())) for files in begun(paths.trials)]
    )


def ranked(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Best first: by score among those that were trained with as many seeds, those with more of them first, and those
    that failed with one of them last.

    More seeds are given to the best alone, and a mean of several does not compete with a single lucky score.
    """
    scored: list[TrialRecord] = []
    rest: list[TrialRecord] = []
    for record in records:
        (scored if record.status.ranked and "score" in record.select else rest).append(record)
    # Equal scores go to the cheaper trial, then by name, so that the order never depends on the file system.
    scored.sort(key=lambda r: (r.failed_seeds, -len(r.runs), -r.select["score"], r.tokens, r.trial_id))
    rest.sort(key=lambda r: (-r.epoch, r.trial_id))
    return [*(_with_rank(r, n) for n, r in enumerate(scored, start=1)), *rest]


def finished(records: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [r for r in records if r.status.finished]


def read_probes(paths: ExperimentPaths) -> list[Probe]:
    """Every probe that was asked, general ones included; empty for an experiment that did not keep them."""
    return _kept(paths.probes, Probe)


def read_passages(paths: ExperimentPaths) -> list[Passage]:
    """The running text that fluency was measured on; empty for an experiment that did not keep it."""
    file = paths.passages
    return _kept(file, Passage) if not is_there(file) or file.stat().st_size else []


def read_rules(paths: ExperimentPaths) -> Rules:
    """Not validated as a config: an experiment of an older version has other settings besides, and stays readable."""
    tree = read_yaml(paths.config)
    try:
        search, weights = tree["search"], tree.get("evaluate", {}).get("level_weights") or {}
        own = {f.name: search["objective"][f.name] for f in fields(Objective) if f.name in search["objective"]}
        found = {"objective": own, "grace_epochs": search["grace_epochs"], "level_weights": by_level(weights)}
        rules = TypeAdapter(Rules).validate_python(found)
    except (KeyError, TypeError, ValueError, AttributeError):
        rules = None
    if rules is None or rules.objective.name not in OBJECTIVES:
        raise DamagedError(f"{paths.config} is damaged: it has no valid `search` section; put back a whole copy of it")
    return rules


def trial_results(files: TrialPaths, split: Split) -> dict[str, ProbeResult]:
    """What a trial answered, by probe id; empty where it was not asked."""
    return _results(files.probe_results if split == "select" else files.report_results)


def baseline_results(paths: ExperimentPaths, name: str) -> dict[str, ProbeResult]:
    """What a baseline answered on both splits, by probe id; empty where its answers were not kept."""
    return _results(paths.baseline_results(name))


def rung_scores(paths: ExperimentPaths, trial_id: str) -> dict[int, float]:
    """What early stopping compared of a trial, by epoch."""
    rows = curve_of(paths.trial(trial_id))
    return {row["epoch"]: row["rung_score"] for row in rows if row.get("rung_score") is not None}


def read_curves(paths: ExperimentPaths, trials: Sequence[TrialRecord]) -> dict[str, list[dict[str, Any]]]:
    """What trials told after every epoch, by trial."""
    curves = {t.trial_id: curve_of(paths.trial(t.trial_id)) for t in trials}
    return {name: rows for name, rows in curves.items() if rows}


def curve_of(files: TrialPaths) -> list[dict[str, Any]]:
    """What a trial told after its epochs; nothing where that cannot be read."""
    return _unless_damaged(files.metrics, read_reports, [], "its curve is left out")


def read_findings(paths: ExperimentPaths) -> list[Any]:
    """What the contamination check found: probes whose answers the training rows give away."""
    return _unless_damaged(paths.contamination, read_found, [], "whether training rows give probes away is not known")


def _unless_damaged(file: Path, read: Callable[[Path], T], otherwise: T, without: str) -> T:
    """What `read` finds in a file; `otherwise` where there is none, and with a warning where it is damaged."""
    if not is_there(file):
        return otherwise
    try:
        return read(file)
    except (DamagedError, DataError) as error:
        log.warning("%s: %s", without, first_line(error))
        return otherwise


def _kept(file: Path, kind: type[T]) -> list[T]:
    """The records of a file that may be missing."""
    return _unless_damaged(file, lambda file: read_records(file, kind), [], "what was asked is left out")


def _results(file: Path) -> dict[str, ProbeResult]:
    return _unless_damaged(file, _answers_of, {}, "its answers are left out")


def _answers_of(file: Path) -> dict[str, ProbeResult]:
    try:
        now = file.stat()
    except OSError:
        return read_answers(file)  # it says what is wrong
    return _answers(file, now.st_mtime_ns, now.st_size)


@lru_cache(maxsize=128)
def _answers(file: Path, _written: int, _size: int) -> dict[str, ProbeResult]:
    """A board and its page read the same answers three times; nobody changes them."""
    return read_answers(file)


def forget_answers() -> None:
    """Free the memory of answers that were read: tens of megabytes, where a process goes on."""
    _answers.cache_clear()


def _baseline(name: str, row: Mapping[Split, Scores]) -> BaselineRecord:
    metrics = {split: scores.metrics for split, scores in row.items()}
    nats = {split: scores.passage_nats for split, scores in row.items()}
    return BaselineRecord(name, metrics.get("select", {}), metrics.get("report", {}), nats)


def _with_rank(record: TrialRecord, rank: int) -> TrialRecord:
    return replace(record, rank=rank)


def begun(folder: Path) -> list[TrialPaths]:
    """The trials in a folder that have written a file, by name."""
    if not is_there(folder):
        return []
    try:
        with os.scandir(folder) as entries:
            found = [TrialPaths(folder / name) for name in sorted(e.name for e in entries if _is_folder(e))]
    except NotADirectoryError as error:
        raise DamagedError(f"{folder} is a file and should be a folder; put back a copy of it") from error
    except OSError as error:
        raise StorageError(f"cannot read {folder}: {error.strerror or error}") from error
    # One after the other: nearly every trial has the first, and a path takes longer to put together than to look for.
    return [
        t for t in found if is_there(t.config) or is_there(t.result) or is_there(t.metrics) or is_there(t.checkpoint)
    ]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    """Or a link to one. What an entry knows by itself costs no call; a link that leads in a circle is none."""
    return Path(entry).is_dir() if entry.is_symlink() else entry.is_dir()


def _other_seeds(paths: ExperimentPaths) -> dict[str, list[SeedRun]]:
    """Every run with another seed that has ended, by the trial whose recipe it is."""
    found: dict[str, list[SeedRun]] = {}
    for files in begun(paths.seed_runs):
        record = _read_trial(files)
        if record.status.finished:
            trial_id, _, _ = files.root.name.rpartition("-s")
            found.setdefault(trial_id, []).append(_as_run(record, files))
    return found


def _as_run(record: TrialRecord, files: TrialPaths) -> SeedRun:
    return SeedRun(record.seed, files, record.status, record.select, record.report, record.nats)


def _with_seeds(record: TrialRecord, files: TrialPaths, others: Sequence[SeedRun]) -> TrialRecord:
    """`record` with the means over its seeds."""
    if not others or not record.status.ranked or "score" not in record.select:
        return record
    scored = [run for run in others if run.status.ranked and "score" in run.select]
    runs = (_as_run(record, files), *sorted(scored, key=lambda run: run.seed))
    return replace(
        record,
        select=_mean([run.select for run in runs]),
        report=_mean([run.report for run in runs if run.report]),
        runs=runs,
        failed_seeds=len(others) - len(scored),
    )


def _mean(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Of the metrics that all rows have."""
    shared = [name for name in rows[0] if all(name in row for row in rows)] if rows else []
    return {name: fmean(row[name] for row in rows) for name in shared}


def _read_trial(paths: TrialPaths) -> TrialRecord:
    """A trial, or what is left of it where one of its files is damaged: it is set aside, and the others are read."""
    try:
        return _whole_trial(paths)
    except DamagedError as error:
        log.warning("%s is set aside: %s", paths.root.name, error)
        return TrialRecord(paths.root.name, TrialStatus.UNFINISHED, f"set aside: {error}", damaged=True)


def _whole_trial(paths: TrialPaths) -> TrialRecord:
    written = read_trial_config(paths.config)
    file = paths.result
    result = read_result(file) if is_there(file) else _so_far(paths)
    report = _unless_damaged(paths.report, read_scores, Scores(metrics={}), "a score on the report split is left out")
    return TrialRecord(
        trial_id=paths.root.name,
        status=result.status,
        reason=result.reason,
        sample=written.sample,
        epoch=result.epoch,
        epochs=written.config.train.epochs,
        seconds=result.seconds,
        tokens=result.tokens,
        select=result.metrics,
        report=report.metrics,
        nats={"select": result.passage_nats, "report": report.passage_nats},
        seed=written.config.seed,
    )


def _so_far(paths: TrialPaths) -> Result:
    """What is known of a trial that has not ended."""
    last: dict[str, Any] = next(reversed(curve_of(paths)), {})
    told = {name: last[name] for name in ("epoch", "tokens", "seconds") if name in last}
    return Result(status=TrialStatus.UNFINISHED, reason="the run ended before the trial did", **told)


def _experiments_near(directory: Path) -> list[str]:
    parent = directory if directory.is_dir() else directory.parent
    try:
        return sorted(str(p) for p in parent.iterdir() if ExperimentPaths(p).config.is_file())[:5]
    except OSError:
        return []
