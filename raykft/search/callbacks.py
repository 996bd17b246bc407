"""What the driver does as trials begin, report and end: files of stopped trials, released slots, progress."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raykft.cluster.places import check_nodes
from raykft.cluster.ray_compat import failure_of
from raykft.config import ExperimentConfig, apply_sample
from raykft.errors import first_line
from raykft.hosts.broker import Hosts
from raykft.leaderboard.files import result_of
from raykft.leaderboard.read import read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json, write_atomic
from raykft.records import TrialStatus
from raykft.search.names import id_of, sample_of
from raykft.search.progress import Progress
from raykft.search.stopper import Interrupt
from raykft.search.study import flush
from raykft.search.trainable import HALT, halting, is_loss
from raykft.storage.store import discard, fetch, keep
from raykft.trial import Trial, last_row, write_result, write_trial_config
from raykft.wording import running as words
from raykft.wording.messages import phrase

CLEAN_UP_SECONDS = 10.0
CHECK_SECONDS = 10.0  # between looks at the node


class DriverCallback(tune.Callback):  # type: ignore[misc]
    """Tune's events for one experiment.

    Where the experiment's storage is a URL, a trial's files are brought before they are read, and what is added here
    goes there; for a folder `fetch` and `keep` do nothing.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        paths: ExperimentPaths,
        broker: Any,
        hosts: Hosts,
        progress: Progress,
        stopper: Interrupt,
    ) -> None:
        self._config = config
        self._paths = paths
        self._broker = broker
        self._hosts = hosts
        self._progress = progress
        self._stopper = stopper
        self._running: set[str] = set()
        self._checked = time.monotonic()

    def __reduce__(self) -> Any:
        # Tune pickles callbacks into its snapshot; a terminal and actor handles do not belong there.
        return (tune.Callback, ())

    def on_step_begin(self, iteration: int, trials: list[Any], **info: Any) -> None:
        # Where the only node has died Tune waits for another, without end and without a word.
        if time.monotonic() - self._checked > CHECK_SECONDS:
            self._checked = time.monotonic()
            check_nodes()

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._running.add(id_of(trial.config))
        self._progress.started(id_of(trial.config))
        # Before the trial's own files: whoever finds them must find them in the study.
        self._stored(lambda: flush(self._paths.study))
        self._stored(lambda: keep(self._paths.study))

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        if HALT in result:
            self._stopper.halt(result[HALT])
        elif "loss" in result:  # not the last word of a trial that failed
            self._progress.reported(id_of(trial.config), result)

    def on_trial_recover(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        # Its process died holding a lease. Tune starts it again behind all that wait, who would wait for that lease.
        self._let_go(id_of(trial.config))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial, self._stopped_early)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._let_go(id_of(trial.config))  # what its process had asked for goes on without it
        self._end(trial, lambda ended: _why(trial, ended.paths))

    def _end(self, tuned: Any, why: Callable[[Trial], tuple[TrialStatus, str]]) -> None:
        """The last files of a trial, and its slot given back. Without its files nothing may be said of its end."""
        name = id_of(tuned.config)
        trial = Trial(name, sample_of(tuned.config), self._paths.trial(name))
        if self._stored(lambda: self._settle(trial, why)):
            self._running.discard(name)
            self._release(name)
            self._stored(lambda: self._put(trial))

    def _settle(self, trial: Trial, why: Callable[[Trial], tuple[TrialStatus, str]]) -> None:
        files = trial.paths
        fetch(files.root, light=True)
        if not files.config.is_file():  # it failed before it could write its first file
            write_trial_config(trial, self._config)
        if result_of(files) is None:
            status, reason = why(trial)
            write_result(trial, last_row(files), status, reason=reason)
        shutil.rmtree(files.checkpoint, ignore_errors=True)
        self._progress.ended(trial.trial_id, read_json(files.result))

    def _put(self, trial: Trial) -> None:
        keep(trial.paths.root, light=True)
        discard(trial.paths.checkpoint)
        keep(self._paths.study)

    def _stopped_early(self, trial: Trial) -> tuple[TrialStatus, str]:
        epochs = apply_sample(self._config, trial.sample).train.epochs
        at = {"epoch": last_row(trial.paths).get("epoch", 0), "epochs": epochs}
        return TrialStatus.STOPPED, phrase(words.STOPPED_EARLY, scheduler=self._config.search.scheduler, **at).english

    def _release(self, name: str) -> list[Any]:
        # The trial does both itself unless its process was killed; both are harmless when repeated.
        return [self._broker.release.remote(name), *(host.detach.remote(name) for host in self._hosts.known())]

    def _let_go(self, *names: str) -> None:
        """Returns once no host trains or writes for these trials, as far as hosts answer."""
        released = [reference for name in names for reference in self._release(name)]
        ray.wait(released, num_returns=len(released), timeout=CLEAN_UP_SECONDS)

    def let_go_of_all(self) -> None:
        """Of every trial that has not ended, once Tune has ended their processes: hosts finish what they were asked."""
        self._let_go(*self._running)

    def _stored(self, action: Callable[[], object]) -> bool:
        """Whether the storage took part; where it did not, no trial can go on."""
        try:
            action()
        except Exception as error:
            if reason := halting(error, self._paths.root):
                self._stopper.halt(reason)
                return False
            raise
        return True


def mark_interrupted(paths: ExperimentPaths) -> None:
    """Say of every trial that was running when the search was stopped how far it came.

    Tune ends an interrupted run without telling callbacks of the trials it ends. Their checkpoints stay: given the
    same directory, `raykft tune` and `raykft resume` go on from there.
    """
    for record in read_trials(paths):
        if record.status is TrialStatus.UNFINISHED and not record.damaged:
            trial = Trial(record.trial_id, record.sample, paths.trial(record.trial_id))
            reason = phrase(words.INTERRUPTED, epoch=record.epoch, epochs=record.epochs).english
            write_result(trial, last_row(trial.paths), TrialStatus.INTERRUPTED, reason=reason)


def _why(tuned: Any, files: TrialPaths) -> tuple[TrialStatus, str]:
    """Status and reason of a trial that Tune gave up: its process died too often, or raykft itself has a bug."""
    failure = failure_of(tuned)
    if failure.error is not None and is_loss(failure.error):
        return TrialStatus.LOST, f"its process died {failure.times} times: {first_line(failure.error)}"
    said, text = f"{type(failure.error).__name__}: {failure.error}", ""
    if (kept := Path(failure.traceback)).is_file():
        text = kept.read_text(encoding="utf-8", errors="replace").strip()
        write_atomic(files.traceback, text + "\n")  # Tune's own goes with the run
    if failure.error is None and text:
        said = text.splitlines()[-1]
    return TrialStatus.FAILED, said + (f"; traceback: {files.traceback}" if text else "")
