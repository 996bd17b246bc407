"""The Optuna study as a file, read without Ray."""

from __future__ import annotations

from pathlib import Path

from optuna.storages import RDBStorage
from optuna.trial import TrialState


def still_running(path: Path, name: str) -> bool:
    """Whether the study counts on a trial that no driver runs any more."""
    if not path.is_file():
        return False
    storage = RDBStorage(f"sqlite:///{path}")
    studies = [study._study_id for study in storage.get_all_studies() if study.study_name == name]
    return any(storage.get_all_trials(n, deepcopy=False, states=(TrialState.RUNNING,)) for n in studies)
