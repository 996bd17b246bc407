"""The thin Tune trial: it leases a host, runs `raykft.trial.run_trial` against actors, and reports.

Runs in a process of its own and imports neither torch nor transformers; the work is done by the host. A host that dies
takes its trials' slots with it: each leases another, or the same once it is up, and goes on from its checkpoint.
"""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import ray
from ray import tune

from raykft.config import ExperimentConfig, apply_sample, validate
from raykft.errors import LostError, RaykftError, ResourceError, first_line
from raykft.evaluation.outcome import FullScores
from raykft.hosts.remote import RemoteHost
from raykft.leaderboard.files import Result, result_of
from raykft.paths import ExperimentPaths, TrialPaths, write_atomic
from raykft.records import Split, TrialStatus
from raykft.search.names import id_of, sample_of
from raykft.storage.store import discard_others, fetch, keep
from raykft.storage.trouble import trouble
from raykft.trial import (
    Trial,
    complete,
    last_row,
    latest_checkpoint,
    outcome_of,
    run_trial,
    write_result,
    write_trial_config,
)

# What early stopping compares for a trial without a usable score: below anything a trained one can report.
WORST_RUNG = -1.0
# How often in a row a trial may lose its host without an epoch between, and how often its own process.
MAX_LOSSES = 3
# Between a loss and the next try, doubled each time; for a broker to answer; for a run to end.
LOSS_WAIT_S, BROKER_WAIT_S, END_WAIT_S = 0.5, 10.0, 600.0
HALT = "halt"  # in a report: why no trial at all can go on
DEATHS = (ray.exceptions.RayActorError, ray.exceptions.ObjectLostError, ray.exceptions.WorkerCrashedError, LostError)


class Trainable:
    """Callable given to Tune. A module-level class, because Tune pickles it for snapshots."""

    def __init__(self, config: dict[str, Any], directory: Path, broker: Any, evaluator: Any, hosts: Any) -> None:
        self.config = config
        self.directory = directory
        self.broker = broker
        self.evaluator = evaluator
        self.hosts = hosts

    def __call__(self, tune_config: dict[str, Any]) -> None:
        trial_id, experiment = id_of(tune_config), validate(self.config, "the experiment")
        trial = Trial(trial_id, sample_of(tune_config), ExperimentPaths(self.directory).trial(trial_id))
        try:
            fetch(trial.paths.root, light=True)
            result = result_of(trial.paths)
            if result and result.status.finished:  # its process died after the last file and before the last report
                _report_end(result)
                return
            self._run(trial, experiment)
        except RunEndedError:
            self._wait_for_the_end()
        except Exception as error:  # whatever ends one trial, the others go on
            if reason := halting(error, self.directory):
                _halt(reason)
            self._end(trial, experiment, error)
        finally:
            with suppress(ray.exceptions.RayError):  # a broker that is gone holds no lease
                ray.get(self.broker.release.remote(trial_id))

    def _end(self, trial: Trial, experiment: ExperimentConfig, error: Exception) -> None:
        try:
            status = _end(trial, experiment, error)
        except Exception as failure:
            if reason := halting(failure, self.directory):
                _halt(reason)
            raise
        _report_end(Result(status=status))

    @staticmethod
    def _wait_for_the_end() -> None:
        """To return would tell Tune that the trial is done. The run's end takes this process with it."""
        time.sleep(END_WAIT_S)

    def _run(self, trial: Trial, experiment: ExperimentConfig) -> None:
        config = apply_sample(experiment, trial.sample)
        survive_losses(trial.paths, self.broker, lambda checkpoint: self._attempt(trial, config, checkpoint))

    def _attempt(self, trial: Trial, config: ExperimentConfig, checkpoint: Path | None) -> None:
        name = ray.get(self.broker.acquire.remote(trial.trial_id))
        host, scorer = RemoteHost(self.hosts[name]), HostScorer(self.evaluator, name)

        def tell(row: dict[str, Any]) -> None:
            keep(trial.paths.root, light=True)
            discard_others(trial.paths.checkpoint / str(row["epoch"]))
            tune.report(row)

        run_trial(trial, config, host, scorer, tell, checkpoint)


class RunEndedError(Exception):
    """The whole run has ended or is ending: whoever it happens to is unfinished, and nothing is said of it."""


def survive_losses(paths: TrialPaths, broker: Any, attempt: Callable[[Path | None], None]) -> None:
    """Call `attempt` with the trial's last checkpoint, again whenever its host died, until it ends otherwise.

    Raises:
        LostError: hosts died more often than `MAX_LOSSES` times without an epoch between.
        RunEndedError: the broker is gone too. It lives on the driver's own node and as long as the run.
    """
    losses, before = 0, None
    while True:
        fetch(paths.checkpoint, light=True)
        checkpoint = latest_checkpoint(paths)
        try:
            attempt(checkpoint)
        except Exception as error:
            if not is_loss(error):
                raise
            losses = losses + 1 if checkpoint == before else 1
            before = checkpoint
            if not _is_up(broker):
                raise RunEndedError from error
            if losses > MAX_LOSSES:
                raise LostError(
                    f"its host died {losses} times without an epoch between: {first_line(error)}"
                ) from error
            time.sleep(LOSS_WAIT_S * 2**losses)  # a node that goes takes its actors one after another
        else:
            return


def _is_up(broker: Any) -> bool:
    """Whether the broker answers, if need be once it has been started again."""
    deadline = time.monotonic() + BROKER_WAIT_S
    while True:
        try:
            ray.get(broker.loads.remote(), timeout=BROKER_WAIT_S)
        except ray.exceptions.ActorDiedError:
            return False
        except ray.exceptions.RayError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.2)
        else:
            return True


class HostScorer:
    """The evaluator actor bound to the host that holds this trial's adapter."""

    def __init__(self, evaluator: Any, host: str) -> None:
        self._evaluator = evaluator
        self._host = host

    def elsewhere(self) -> bool:
        answer: bool = ray.get(self._evaluator.elsewhere.remote())
        return answer

    def rung(self, trial_id: str) -> dict[str, float]:
        scores: dict[str, float] = ray.get(self._evaluator.rung.remote(self._host, trial_id))
        return scores

    def full(self, trial_id: str, split: Split) -> FullScores:
        scores: FullScores = ray.get(self._evaluator.full.remote(self._host, trial_id, split))
        return scores


def is_loss(error: BaseException) -> bool:
    """Whether `error` tells of a process that died, here or at the far end of a chain of actors."""
    return any(isinstance(link, DEATHS) for link in _chain(error))


def halting(error: BaseException, directory: Path) -> str | None:
    """Why no trial of the experiment can go on after `error`; None where it is this trial's own affair."""
    links = [cause for link in _chain(error) for cause in _causes(link)]
    if refused := next((link for link in links if isinstance(link, ResourceError)), None):
        return str(refused)
    # The last one is what happened, those before it how it came here.
    return next((reason for link in reversed(links) if (reason := trouble(link, directory))), None)


def _chain(error: BaseException) -> list[BaseException]:
    """An error that came through actors, and what each of them had caught."""
    found: list[BaseException] = []
    link: object = error
    while isinstance(link, BaseException) and link not in found:
        found.append(link)
        link = getattr(link, "cause", None)  # an actor's death has causes that are no exceptions
    return found


def _causes(error: BaseException) -> list[BaseException]:
    """An error and what it was raised from; of raykft's own errors the cause is dealt with."""
    found: list[BaseException] = []
    link: BaseException | None = error
    while link is not None and link not in found:
        found.append(link)
        link = None if isinstance(link, RaykftError) else link.__cause__
    return found


def _halt(reason: str) -> NoReturn:
    """Have the search ended. The trial stays unfinished: it waits in a report until Tune stops it."""
    while True:
        tune.report(complete({"epoch": 0, "rung_score": WORST_RUNG, "final": False, HALT: reason}))


def _end(trial: Trial, experiment: ExperimentConfig, error: Exception) -> TrialStatus:
    """Keep what became of a trial without a score; a bug leaves its traceback."""
    status = outcome_of(error)
    cause = _chain(error)[-1]
    reason = str(cause)
    if status is TrialStatus.FAILED:
        write_atomic(trial.paths.traceback, "".join(traceback.format_exception(error)))
        reason = f"{type(cause).__name__}: {first_line(cause)}; traceback: {trial.paths.traceback}"
    if not trial.paths.config.is_file():
        write_trial_config(trial, experiment)
    write_result(trial, last_row(trial.paths), status, reason=reason)
    keep(trial.paths.root, light=True)
    return status


def _report_end(result: Result) -> None:
    if result.status is TrialStatus.OK:
        row: dict[str, Any] = {"epoch": result.epoch, "epochs": result.epoch, **result.metrics}
    else:
        # Beyond every rung, so that early stopping has nothing to decide.
        row = {"epoch": 10**9, "rung_score": WORST_RUNG, "status": result.status}
    tune.report(complete(row | {"final": True}))
