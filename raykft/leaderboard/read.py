"""Read an experiment directory. Files are the only source: no Ray, no database, no running job is needed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from statistics import fmean
from typing import Any, TypeVar

from raykft.config import parse_yaml
from raykft.data.read import read_records
from raykft.errors import ExperimentError
from raykft.evaluation.graded import by_level
from raykft.evaluation.objective import Objective
from raykft.paths import ExperimentPaths, TrialPaths, read_json, read_jsonl
from raykft.records import Passage, Probe, ProbeResult, Split, TrialStatus
from raykft.storage.store import address, fetch, located

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
    none; without other seeds both are empty.
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
    if not paths.config.is_file():
        hint = f"; experiments here: {', '.join(near)}" if (near := _experiments_near(directory)) else ""
        raise ExperimentError(f"{address(paths.root)} holds no experiment (no {paths.config.name}){hint}")
    return paths


def read_baselines(paths: ExperimentPaths) -> list[BaselineRecord]:
    """The baselines that were measured, in the order they were written; the base model first."""
    file = paths.base_scores
    if not file.is_file():
        return []
    tree = read_json(file)
    return [_baseline(name, row) for name, row in tree["rows"].items() if row]


def read_trials(paths: ExperimentPaths) -> list[TrialRecord]:
    """All trials, best first: ranked ones by their `score` on the select split, then the rest by name."""
    others = _other_seeds(paths)
    return ranked(
        [_with_seeds(_read_trial(files), files, others.get(files.root.name, ())) for files in _begun(paths.trials)]
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
    return _kept(paths.passages, Passage)


def read_rules(paths: ExperimentPaths) -> Rules:
    """Not validated: an experiment of an older version has other settings besides, and stays readable."""
    tree = parse_yaml(paths.config.read_text(encoding="utf-8"), str(paths.config))
    search, weights = tree["search"], tree.get("evaluate", {}).get("level_weights") or {}
    objective = {f.name: search["objective"][f.name] for f in fields(Objective) if f.name in search["objective"]}
    return Rules(Objective(**objective), search["grace_epochs"], by_level(weights))


def trial_results(files: TrialPaths, split: Split) -> dict[str, ProbeResult]:
    """What a trial answered, by probe id; empty where it was not asked."""
    return _results(files.probe_results if split == "select" else files.report_results)


def baseline_results(paths: ExperimentPaths, name: str) -> dict[str, ProbeResult]:
    """What a baseline answered on both splits, by probe id; empty where its answers were not kept."""
    return _results(paths.baseline_results(name))


def rung_scores(paths: ExperimentPaths, trial_id: str) -> dict[int, float]:
    """What early stopping compared of a trial, by epoch."""
    file = paths.trial(trial_id).metrics
    rows = read_jsonl(file) if file.is_file() else []
    return {row["epoch"]: row["rung_score"] for row in rows if "rung_score" in row}


def read_curves(paths: ExperimentPaths, trials: Sequence[TrialRecord]) -> dict[str, list[dict[str, Any]]]:
    """What trials told after every epoch, by trial."""
    files = {t.trial_id: paths.trial(t.trial_id).metrics for t in trials}
    return {name: list(read_jsonl(file)) for name, file in files.items() if file.is_file()}


def read_findings(paths: ExperimentPaths) -> list[Any]:
    """What the contamination check found: probes whose answers the training rows give away."""
    return list(read_json(paths.contamination)["findings"]) if paths.contamination.is_file() else []


def _kept(file: Path, kind: type[T]) -> list[T]:
    """The records of a file that may be missing or empty."""
    return read_records(file, kind) if file.is_file() and file.stat().st_size else []


def _results(file: Path) -> dict[str, ProbeResult]:
    if not file.is_file():
        return {}
    known = {f.name for f in fields(ProbeResult)}
    rows = ({name: value for name, value in row.items() if name in known} for row in read_jsonl(file))
    return {row["id"]: ProbeResult(**row | {"wrong_claims": tuple(row["wrong_claims"])}) for row in rows}


def _baseline(name: str, row: Mapping[Split, Any]) -> BaselineRecord:
    metrics = {split: scores["metrics"] for split, scores in row.items()}
    nats = {split: scores.get("passage_nats", {}) for split, scores in row.items()}
    return BaselineRecord(name, metrics.get("select", {}), metrics.get("report", {}), nats)


def _with_rank(record: TrialRecord, rank: int) -> TrialRecord:
    return replace(record, rank=rank)


def _begun(folder: Path) -> list[TrialPaths]:
    """The trials in a folder that have written their first file, by name."""
    found = [TrialPaths(p) for p in sorted(folder.iterdir()) if p.is_dir()] if folder.is_dir() else []
    return [files for files in found if files.config.is_file()]


def _other_seeds(paths: ExperimentPaths) -> dict[str, list[SeedRun]]:
    """Every run with another seed that has ended, by the trial whose recipe it is."""
    found: dict[str, list[SeedRun]] = {}
    for files in _begun(paths.seed_runs):
        if files.result.is_file():
            trial_id, _, _ = files.root.name.rpartition("-s")
            found.setdefault(trial_id, []).append(_as_run(_read_trial(files), files))
    return found


def _as_run(record: TrialRecord, files: TrialPaths) -> SeedRun:
    seed = read_json(files.config)["config"].get("seed", 0)
    return SeedRun(seed, files, record.status, record.select, record.report, record.nats)


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
    written = read_json(paths.config)
    result: dict[str, Any] = {"status": TrialStatus.UNFINISHED, "reason": "the run ended before the trial did"}
    if paths.result.is_file():
        result = read_json(paths.result)
    elif paths.metrics.is_file():
        rows = list(read_jsonl(paths.metrics))
        result |= rows[-1] if rows else {}
    report: dict[str, Any] = read_json(paths.report) if paths.report.is_file() else {}
    return TrialRecord(
        trial_id=paths.root.name,
        status=TrialStatus(result["status"]),
        reason=result.get("reason", ""),
        sample=written["sample"],
        epoch=result.get("epoch", 0),
        epochs=written["config"]["train"]["epochs"],
        seconds=result.get("seconds", 0.0),
        tokens=result.get("tokens", 0),
        select=result.get("metrics", {}),
        report=report.get("metrics", {}),
        nats={"select": result.get("passage_nats", {}), "report": report.get("passage_nats", {})},
    )


def _experiments_near(directory: Path) -> list[str]:
    parent = directory if directory.is_dir() else directory.parent
    try:
        return sorted(str(p) for p in parent.iterdir() if ExperimentPaths(p).config.is_file())[:5]
    except OSError:
        return []
