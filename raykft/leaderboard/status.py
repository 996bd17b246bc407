"""How far an experiment is, told by its files alone."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from raykft.config import load_resolved
from raykft.leaderboard.read import TrialRecord, finished, open_experiment, read_trials
from raykft.paths import ExperimentPaths
from raykft.records import TrialStatus
from raykft.storage.runs import how_it_ended
from raykft.wording import tables as words
from raykft.wording.names import LIST, RUNNING, STATUSES


def experiment_status(directory: Path) -> list[str]:
    """One line, one about how the last run ended, and one for every trial that has not.

    Raises:
        ExperimentError: the directory holds no experiment.
    """
    paths = open_experiment(directory)
    trials = read_trials(paths)
    names = STATUSES | {str(TrialStatus.UNFINISHED): RUNNING}
    counts = Counter("damaged" if t.damaged else str(t.status) for t in trials)
    told = LIST().join(words.COUNT(n=n, status=names[status]()) for status, n in sorted(counts.items()))
    so_far = {
        "name": paths.root.name,
        "ended": len(finished(trials)),
        "total": load_resolved(paths.config).search.trials,
    }
    ending = how_it_ended(paths)
    return [
        words.PROGRESS_COUNTS(**so_far, counts=told) if told else words.PROGRESS(**so_far),
        *([f"  {ending}"] if ending is not None else []),
        *(f"  {line}" for line in _not_ended(paths, trials)),
    ]


def _not_ended(paths: ExperimentPaths, trials: list[TrialRecord]) -> Iterator[str]:
    for trial in trials:
        place = {"trial": trial.trial_id, "epoch": trial.epoch, "epochs": trial.epochs}
        if trial.damaged:
            yield f"{trial.trial_id}: {trial.reason}"
        elif trial.status is TrialStatus.INTERRUPTED:
            yield words.WILL_GO_ON(**place)
        elif trial.status is TrialStatus.UNFINISHED:
            metrics = paths.trial(trial.trial_id).metrics
            if metrics.is_file():
                # Files do not tell a running trial from one whose driver was killed; the time of its last epoch does.
                yield words.AT_EPOCH_SINCE(**place, seconds=time.time() - metrics.stat().st_mtime)
            else:
                yield words.AT_EPOCH(**place)
