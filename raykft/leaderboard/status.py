"""How far an experiment is, told by its files alone."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path

from raykft.config import load_resolved
from raykft.leaderboard.read import finished, open_experiment, read_trials
from raykft.records import TrialStatus
from raykft.storage.runs import how_it_ended


def experiment_status(directory: Path) -> list[str]:
    """One line, one about how the last run ended, and one for every trial that has not.

    Raises:
        ExperimentError: the directory holds no experiment.
    """
    paths = open_experiment(directory)
    trials = read_trials(paths)
    total = load_resolved(paths.config).search.trials
    counts = Counter("damaged" if t.damaged else str(t.status) for t in trials)
    names = {str(TrialStatus.UNFINISHED): "running"}
    told = ", ".join(f"{n} {names.get(status, status)}" for status, n in sorted(counts.items()))
    lines = [f"{paths.root.name}: {len(finished(trials))} of {total} trials ended" + (f" ({told})" if told else "")]
    if (ending := how_it_ended(paths)) is not None:
        lines.append(f"  {ending}")
    for trial in trials:
        if trial.damaged:
            lines.append(f"  {trial.trial_id}: {trial.reason}")
        elif trial.status is TrialStatus.INTERRUPTED:
            lines.append(f"  {trial.trial_id}: interrupted after epoch {trial.epoch} of {trial.epochs}; it will go on")
        elif trial.status is TrialStatus.UNFINISHED:
            metrics = paths.trial(trial.trial_id).metrics
            # Files do not tell a running trial from one whose driver was killed; the time of its last epoch does.
            age = f", last report {time.time() - metrics.stat().st_mtime:.0f} s ago" if metrics.is_file() else ""
            lines.append(f"  {trial.trial_id}: epoch {trial.epoch} of {trial.epochs}{age}")
    return lines
