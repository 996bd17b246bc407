"""The leaderboard as plain rows: the same rows feed the terminal, JSON, CSV, Markdown and the Python API."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raykft.leaderboard.store import BaseRecord, TrialRecord, open_experiment, read_base, read_trials
from raykft.paths import ExperimentPaths, write_atomic

BASE, ORACLE = "base", "base + facts in context"


@dataclass(frozen=True)
class Leaderboard:
    """Ranked trials of one experiment below the base model's own rows."""

    directory: Path
    base: BaseRecord | None
    trials: list[TrialRecord]

    @property
    def winner(self) -> TrialRecord | None:
        """The best trial on the select split, if any trial has a score."""
        return next((t for t in self.trials if t.rank == 1), None)

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record a row; metrics are prefixed `select.` and `report.`, sampled values carry their path."""
        baselines = []
        if self.base is not None:
            baselines = [
                _row(BASE, self.base.select, self.base.report),
                _row(ORACLE, self.base.oracle_select, self.base.oracle_report),
            ]
        return [*baselines, *(_trial_row(t) for t in self.trials)]

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame."""
        import pandas

        return pandas.DataFrame(self.rows)

    def to_json(self) -> str:
        tree = {
            "experiment": str(self.directory),
            "winner": self.winner.trial_id if self.winner else None,
            "report_evaluations": sum(bool(t.report) for t in self.trials),
            "rows": self.rows,
        }
        return json.dumps(tree, ensure_ascii=False, indent=2) + "\n"

    def to_csv(self) -> str:
        rows = self.rows
        columns = list(dict.fromkeys(name for row in rows for name in row))
        stream = io.StringIO()
        writer = csv.DictWriter(stream, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows({name: _csv_cell(value) for name, value in row.items()} for row in rows)
        return stream.getvalue()


def load_leaderboard(directory: str | Path) -> Leaderboard:
    """Read the leaderboard of an experiment directory, finished or not.

    Raises:
        ExperimentError: the directory holds no experiment.
    """
    paths = open_experiment(Path(directory))
    return Leaderboard(paths.root, read_base(paths), read_trials(paths))


def write_leaderboard(paths: ExperimentPaths, board: Leaderboard, markdown: str) -> None:
    """Keep the leaderboard beside the experiment's other files in every format."""
    write_atomic(paths.leaderboard("json"), board.to_json())
    write_atomic(paths.leaderboard("csv"), board.to_csv())
    write_atomic(paths.leaderboard("md"), markdown)


def _row(name: str, select: dict[str, float], report: dict[str, float]) -> dict[str, Any]:
    row: dict[str, Any] = {"rank": None, "trial_id": name, "status": "baseline", "reason": ""}
    return row | _prefixed("select", select) | _prefixed("report", report)


def _trial_row(trial: TrialRecord) -> dict[str, Any]:
    row = {
        "rank": trial.rank,
        "trial_id": trial.trial_id,
        "status": trial.status,
        "reason": trial.reason,
        "epochs_run": trial.epoch,
        "epochs": trial.epochs,
        "seconds": round(trial.seconds, 1),
        "tokens": trial.tokens,
    }
    return row | trial.sample | _prefixed("select", trial.select) | _prefixed("report", trial.report)


def _prefixed(prefix: str, metrics: dict[str, float]) -> dict[str, float]:
    return {f"{prefix}.{name}": value for name, value in metrics.items()}


def _csv_cell(value: Any) -> Any:
    # A spreadsheet runs text that begins with one of these as a formula.
    if isinstance(value, str) and value[:1] in {"=", "+", "-", "@", "\t", "\r"}:
        return "'" + value
    return value
