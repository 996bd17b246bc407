"""What the driver does as trials begin, report and end: files of stopped trials, released slots, progress."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raykft.config import ExperimentConfig, apply_sample
from raykft.errors import first_line
from raykft.leaderboard.store import read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json
from raykft.search.names import NUMBER, name_of, sample_of
from raykft.search.progress import Progress
from raykft.search.stopper import Interrupt
from raykft.search.trainable import HALT, is_loss
from raykft.trial import last_row, write_result, write_trial_config

CLEAN_UP_SECONDS = 10.0


class DriverCallback(tune.Callback):  # type: ignore[misc]
    """Tune's events for one experiment."""

    def __init__(
        self,
        config: ExperimentConfig,
        paths: ExperimentPaths,
        broker: Any,
        hosts: Any,
        progress: Progress,
        stopper: Interrupt,
    ) -> None:
        self._config = config
        self._paths = paths
        self._broker = broker
        self._hosts = hosts
        self._progress = progress
        self._stopper = stopper

    def __reduce__(self) -> Any:
        # Tune pickles callbacks into its snapshot; a terminal and actor handles do not belong there.
        return (tune.Callback, ())

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._progress.started(self._name(trial))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if HALT in result:
            self._stopper.halt(result[HALT])
        elif "loss" in result:  # not the last word of a trial that failed
            self._progress.reported(self._name(trial), result)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # Its process died holding a lease. Tune starts it again behind all that wait, who would wait for that lease.
        released = self._release(self._name(trial))
        ray.wait(released, num_returns=len(released), timeout=CLEAN_UP_SECONDS)

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
        if not files.config.is_file():  # it failed before it could write its first file
            write_trial_config(files, name, sample_of(trial.config), self._config)
        if not files.result.is_file():
            status, reason = _why(trial)
            write_result(files, name, sample_of(trial.config), last_row(files), status=status, reason=reason)
        shutil.rmtree(files.checkpoint, ignore_errors=True)
        self._release(name)
        self._progress.ended(name, read_json(files.result))

    def _write_stopped(self, trial: Any, name: str, files: TrialPaths) -> None:
        row = last_row(files)
        at = f"after epoch {row.get('epoch', 0)} of {self._applied(trial).train.epochs}"
        reason = f"stopped early by {self._config.search.scheduler} {at}"
        write_result(files, name, sample_of(trial.config), row, status="stopped", reason=reason)

    def _release(self, name: str) -> list[Any]:
        # The trial does both itself unless its process was killed; both are harmless when repeated.
        return [self._broker.release.remote(name), *(host.detach.remote(name) for host in self._hosts.known())]

    def _applied(self, trial: Any) -> ExperimentConfig:
        return apply_sample(self._config, sample_of(trial.config))

    def _name(self, trial: Any) -> str:
        return name_of(trial.config[NUMBER], self._config, sample_of(trial.config))


def mark_interrupted(paths: ExperimentPaths) -> None:
    """Say of every trial that was running when the search was stopped how far it came.

    Tune ends an interrupted run without telling callbacks of the trials it ends. Their checkpoints stay: given the
    same directory, `raykft tune` and `raykft resume` go on from there.
    """
    for trial in read_trials(paths):
        if trial.status == "unfinished":
            files = paths.trial(trial.trial_id)
            reason = f"the run was interrupted after epoch {trial.epoch} of {trial.epochs}"
            write_result(files, trial.trial_id, trial.sample, last_row(files), status="interrupted", reason=reason)


def _why(trial: Any) -> tuple[str, str]:
    """Status and reason of a trial that Tune gave up: its process died too often, or raykft itself has a bug."""
    error = trial.get_pickled_error() if trial.pickled_error_file else None
    cause = getattr(error, "cause", None) or error
    if isinstance(cause, BaseException) and is_loss(cause):
        return "lost", f"its process died {trial.num_failures} times: {first_line(cause)}"
    where = f"; traceback: {trial.error_file}" if trial.error_file and Path(trial.error_file).is_file() else ""
    return "failed", f"{type(cause).__name__}: {cause}{where}"
