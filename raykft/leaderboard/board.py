"""The leaderboard as plain rows: the same rows feed the terminal, JSON, CSV, Markdown and the Python API."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from raykft.evaluation.objective import GRADED
from raykft.leaderboard.evidence import RESAMPLED, Evidence, Front, front, gather
from raykft.leaderboard.guard import crowned
from raykft.leaderboard.measurement import Measurement, measure
from raykft.leaderboard.read import (
    BaselineRecord,
    TrialRecord,
    open_experiment,
    read_baselines,
    read_curves,
    read_findings,
    read_rules,
    read_trials,
)
from raykft.leaderboard.rows import csv_text, units_of
from raykft.leaderboard.statistics import rank_groups
from raykft.paths import ExperimentPaths, write_atomic
from raykft.records import Split, TrialStatus
from raykft.untrusted.escapes import json_text
from raykft.wording.messages import Phrase
from raykft.wording.names import BASELINES

CONTAMINATED, PARTIAL, ONE_SEED, PROXY_ONLY = "CONTAMINATED", "PARTIAL", "1-SEED", "PROXY-ONLY"
NO_EFFECT = "NO-EFFECT"
# The reason of a row whose adapter changes nothing.
WITHOUT_EFFECT = "the adapter changes nothing: all its answers and likelihoods equal the base model's"


@dataclass(frozen=True)
class Leaderboard:
    """Ranked trials of one experiment below the rows of its baselines.

    `findings` are those of the contamination check; `overruled` says why the winner is not the first by graded scores.
    Intervals and rank groups are worked out when first asked for.
    """

    directory: Path
    baselines: list[BaselineRecord]
    trials: list[TrialRecord]
    findings: list[Any] = field(default_factory=list)
    overruled: Phrase | None = None

    @property
    def winner(self) -> TrialRecord | None:
        """The best trial on the select split, if any trial has a score."""
        return next((t for t in self.trials if t.rank == 1), None)

    @property
    def reported(self) -> list[TrialRecord]:
        """The trials that were scored on the report split, best there first."""
        scored = [t for t in self.trials if "score" in t.report]
        return sorted(scored, key=lambda t: (-t.report["score"], t.rank or len(self.trials)))

    @cached_property
    def evidence(self) -> dict[Split, Evidence]:
        """Resampled figures by split; empty for an experiment that kept no probes."""
        return gather(ExperimentPaths(self.directory), self.baselines, self.trials)

    @cached_property
    def front(self) -> Front | None:
        """Learning against forgetting on the select split; None before a trial has finished."""
        return front(self.trials, self.evidence.get("select"))

    @cached_property
    def rank_groups(self) -> dict[Split, dict[str, int]]:
        """By split and trial: its rank, shared by trials that the probes cannot tell from the best of them."""
        ranked = {"select": [t for t in self.trials if t.rank is not None], "report": self.reported}
        return {split: _groups(ranked[split], evidence) for split, evidence in self.evidence.items()}

    @cached_property
    def shared_ranks(self) -> dict[Split, Counter[int]]:
        """By split and rank: how many trials share it."""
        return {split: Counter(groups.values()) for split, groups in self.rank_groups.items()}

    @cached_property
    def measurement(self) -> Measurement:
        """What of the select split's figures is signal."""
        paths = ExperimentPaths(self.directory)
        ranked = [t for t in self.trials if t.rank is not None]
        return measure(
            self.trials,
            self.evidence.get("select"),
            {t.trial_id: [run.select for run in t.runs] for t in ranked if t.runs},
            read_curves(paths, ranked[:RESAMPLED]),
            read_rules(paths).objective.name,
        )

    @property
    def rows(self) -> list[dict[str, Any]]:
        """One flat record a row; metrics are prefixed `select.` and `report.`, sampled values carry their path.

        A metric's interval is in the same key with `.low` and `.high` appended.
        """
        return [*(self._baseline_row(b) for b in self.baselines), *(self._trial_row(t) for t in self.trials)]

    def badges(self, trial: TrialRecord) -> list[str]:
        """What to keep in mind about a trial's figures."""
        conditions = {
            CONTAMINATED: bool(self.findings),
            PARTIAL: trial.status in {TrialStatus.STOPPED, TrialStatus.INTERRUPTED},
            ONE_SEED: trial.rank is not None and len(trial.runs) < 2,
            NO_EFFECT: trial.reason == WITHOUT_EFFECT,
            PROXY_ONLY: "probe_lp" in trial.select and "knowledge" not in trial.select,
        }
        return [badge for badge, holds in conditions.items() if holds]

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame; `attrs["units"]` has the unit of every column that is a metric."""
        import pandas

        frame = pandas.DataFrame(self.rows)
        frame.attrs["units"] = units_of(list(frame))
        return frame

    def to_json(self, rows: Sequence[dict[str, Any]] | None = None) -> str:
        """All of the board, with other `rows` where some were chosen."""
        found = self.front
        tree = {
            "experiment": str(self.directory),
            "winner": self.winner.trial_id if self.winner else None,
            "report_evaluations": sum(bool(t.report) for t in self.trials),
            "front": list(found.members) if found else [],
            "hypervolume": found.volume if found else None,
            "measurement": self.measurement.as_dict(),
            "rows": self.rows if rows is None else list(rows),
        }
        return json_text(tree) + "\n"

    def to_csv(self) -> str:
        return csv_text(self.rows)

    def _baseline_row(self, baseline: BaselineRecord) -> dict[str, Any]:
        title = BASELINES[baseline.name].en if baseline.name in BASELINES else baseline.name
        row: dict[str, Any] = {"rank": None, "rank_group": None, "trial_id": title, "status": "baseline", "reason": ""}
        return row | self._metrics(baseline.name, baseline)

    def _trial_row(self, trial: TrialRecord) -> dict[str, Any]:
        name = trial.trial_id
        row: dict[str, Any] = {
            "rank": trial.rank,
            "rank_group": self.rank_groups.get("select", {}).get(name),
            "trial_id": name,
            "status": trial.status,
            "reason": trial.reason,
            "badges": self.badges(trial),
            "epochs_run": trial.epoch,
            "epochs": trial.epochs,
            "seconds": round(trial.seconds, 1),
            "tokens": trial.tokens,
        }
        row |= trial.sample | self._metrics(name, trial)
        if (group := self.rank_groups.get("report", {}).get(name)) is not None:
            row["report.rank_group"] = group
        if (gap := optimism_of(trial)) is not None:
            row["optimism"] = gap
        if name in self.measurement.rank_intervals:
            row["rank_interval"] = list(self.measurement.rank_intervals[name])
        row["seeds"] = max(1, len(trial.runs))
        if trial.runs:
            scores = trial.seeds.values()
            row |= {"seeds.score.low": min(scores), "seeds.score.high": max(scores)}
        return row

    def _metrics(self, name: str, record: BaselineRecord | TrialRecord) -> dict[str, Any]:
        row: dict[str, Any] = {}
        splits: dict[Split, Mapping[str, float]] = {"select": record.select, "report": record.report}
        for split, metrics in splits.items():
            bounds = self.evidence[split].intervals.get(name, {}) if split in self.evidence else {}
            for metric, value in metrics.items():
                row[f"{split}.{metric}"] = value
                if metric in bounds:
                    row[f"{split}.{metric}.low"] = bounds[metric].low
                    row[f"{split}.{metric}.high"] = bounds[metric].high
        return row


def load_leaderboard(directory: str | Path) -> Leaderboard:
    """Read the leaderboard of an experiment directory, finished or not.

    Raises:
        ExperimentError: the directory holds no experiment.
    """
    paths = open_experiment(Path(directory))
    baselines, trials = read_baselines(paths), read_trials(paths)
    overruled: Phrase | None = None
    if read_rules(paths).objective.name == GRADED:
        trials, overruled = crowned(paths, baselines, trials)
    return Leaderboard(paths.root, baselines, trials, read_findings(paths), overruled)


def write_leaderboard(paths: ExperimentPaths, board: Leaderboard, markdown: str) -> None:
    """Keep the leaderboard beside the experiment's other files in every format."""
    write_atomic(paths.leaderboard("json"), board.to_json())
    write_atomic(paths.leaderboard("csv"), board.to_csv())
    write_atomic(paths.leaderboard("md"), markdown)


def optimism_of(trial: TrialRecord) -> float | None:
    """By how much the score that the search saw exceeds the held-out one."""
    if "score" not in trial.select or "score" not in trial.report:
        return None
    return trial.select["score"] - trial.report["score"]


def _groups(best_first: Sequence[TrialRecord], evidence: Evidence) -> dict[str, int]:
    """Rank groups of the best; none at all unless each of them could be resampled, or a gap would look like a rank."""
    best_first = best_first[:RESAMPLED]
    figures = [evidence.figures.get(t.trial_id, {}).get("score") for t in best_first]
    known = [figure for figure in figures if figure is not None]
    if len(known) < len(figures):
        return {}
    groups = rank_groups(known, evidence.units["score"])
    return {t.trial_id: group for t, group in zip(best_first, groups, strict=True)}
