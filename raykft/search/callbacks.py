"""What the driver does as trials begin, report and end: files of stopped trials, released slots, progress."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raykft.config import ExperimentConfig, apply_sample
from raykft.leaderboard.store import read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json, read_jsonl
from raykft.search.names import NUMBER, sample_of, trial_name
from raykft.search.progress import Progress
from raykft.trial import write_result, write_trial_config


class DriverCallback(tune.Callback):  # type: ignore[misc]
    """Tune's events for one experiment."""

    def __init__(
        self,
        config: ExperimentConfig,
        paths: ExperimentPaths,
        broker: Any,
        hosts: dict[str, Any],
        progress: Progress,
    ) -> None:
        self._config = config
        self._paths = paths
        self._broker = broker
        self._hosts = hosts
        self._progress = progress

    def __reduce__(self) -> Any:
        # Tune pickles callbacks into its snapshot; a terminal and actor handles do not belong there.
        return (tune.Callback, ())

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._progress.started(self._name(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        self._progress.reported(self._name(trial), result)

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        name = self._name(trial)
        files = self._paths.trial(name)
        if not files.result.is_file():
            self._write_stopped(trial, name, files)
        shutil.rmtree(files.checkpoint, ignore_errors=True)
        self._release(name)
        self._progress.ended(name, read_json(files.result))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        name = self._name(trial)
        files = self._paths.trial(name)
        if not files.result.is_file():
            write_result(files, name, sample_of(trial.config), _last_row(files), status="failed", reason=_reason(trial))
        if not files.config.is_file():  # it failed before it could write its first file
            write_trial_config(files, name, sample_of(trial.config), self._applied(trial))
        self._release(name)
        self._progress.ended(name, read_json(files.result))

    def _write_stopped(self, trial: Any, name: str, files: TrialPaths) -> None:
        row = _last_row(files)
        at = f"after epoch {row.get('epoch', 0)} of {self._applied(trial).train.epochs}"
        reason = f"stopped early by {self._config.search.scheduler} {at}"
        write_result(files, name, sample_of(trial.config), row, status="stopped", reason=reason)

    def _release(self, name: str) -> None:
        # The trial does both itself unless its process was killed; both are harmless when repeated.
        self._broker.release.remote(name)
        for host in self._hosts.values():
            host.detach.remote(name)

    def _applied(self, trial: Any) -> ExperimentConfig:
        return apply_sample(self._config, sample_of(trial.config))

    def _name(self, trial: Any) -> str:
        return trial_name(trial.config[NUMBER], self._applied(trial))


def mark_interrupted(paths: ExperimentPaths) -> None:
    """Say of every trial that was running when the user stopped the search how far it came.

    Tune ends an interrupted run without telling callbacks of the trials it ends.
    """
    for trial in read_trials(paths):
        if trial.status == "unfinished":
            files = paths.trial(trial.trial_id)
            reason = f"the run was interrupted after epoch {trial.epoch} of {trial.epochs}"
            write_result(files, trial.trial_id, trial.sample, _last_row(files), status="interrupted", reason=reason)
            shutil.rmtree(files.checkpoint, ignore_errors=True)


def _last_row(files: TrialPaths) -> dict[str, Any]:
    rows = list(read_jsonl(files.metrics)) if files.metrics.is_file() else []
    return rows[-1] if rows else {}


def _reason(trial: Any) -> str:
    error = trial.get_pickled_error() if trial.pickled_error_file else None
    cause = getattr(error, "cause", None) or error
    where = f"; traceback: {trial.error_file}" if trial.error_file and Path(trial.error_file).is_file() else ""
    if isinstance(cause, ray.exceptions.RayActorError):
        cause = f"its process or host died: {str(cause).splitlines()[0]}"
    return f"{type(cause).__name__ if isinstance(cause, Exception) else ''} {cause}".strip() + where
