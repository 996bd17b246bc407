"""Optuna as a Ray Tune searcher, hardened where Ray's own loses or distorts what trials told it."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from ray import cloudpickle
from ray.tune.search.optuna import OptunaSearch

from raykft.config import ExperimentConfig
from raykft.search.names import NUMBER
from raykft.search.space import distributions

log = logging.getLogger(__name__)
METRIC = "score"


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """OptunaSearch that tells stopped trials as PRUNED and unusable ones as FAIL, and survives a crash.

    Ray's own tells a trial stopped by the scheduler as COMPLETE with its low-fidelity value, and leaves one whose
    value is missing RUNNING for ever, where constant-liar sampling counts it.
    """

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        sample: dict[str, Any] | None = super().suggest(trial_id)
        if sample is None:
            return None
        return {**sample, NUMBER: self._ot_trials[trial_id].number}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        value = result.get(METRIC)
        if trial_id in self._ot_trials and value is not None and math.isfinite(value):
            self._safely(lambda: super(StudySearch, self).on_trial_result(trial_id, result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        trial = self._ot_trials.get(trial_id)
        if trial is None or trial_id in self._completed_trials:
            return
        result = result or {}
        value = result.get(METRIC)
        if error or value is None or not math.isfinite(value):
            self._tell(trial_id, trial, None, TrialState.FAIL)
        elif not result.get("final"):
            # Ray does not pass a stopped trial's last result to `on_trial_result`; Optuna takes a pruned trial's
            # value from what was reported.
            if result["training_iteration"] not in self._frozen(trial).intermediate_values:
                self._safely(lambda: trial.report(value, step=result["training_iteration"]))
            self._tell(trial_id, trial, None, TrialState.PRUNED)
        else:
            self._tell(trial_id, trial, value, TrialState.COMPLETE)

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(self.__dict__.copy()))

    def restore(self, checkpoint_path: str) -> None:
        self.__dict__.update(cloudpickle.loads(Path(checkpoint_path).read_bytes()))

    def _tell(self, trial_id: str, trial: optuna.Trial, value: float | None, state: TrialState) -> None:
        # After a crash of the driver the study may have been told already.
        if not self._frozen(trial).state.is_finished():
            self._safely(lambda: self._ot_study.tell(trial, value, state=state))
        self._completed_trials.add(trial_id)

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        frozen: FrozenTrial = self._ot_study._storage.get_trial(trial._trial_id)
        return frozen

    @staticmethod
    def _safely(call: Callable[[], Any]) -> None:
        try:
            call()
        except UpdateFinishedTrialError as error:  # told before a crash of the driver
            log.warning("the Optuna trial was finished before: %s", error)


def open_storage(path: Path) -> RDBStorage:
    """The experiment's Optuna storage (opens in optuna-dashboard); trials left RUNNING by a crash are failed."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = RDBStorage(f"sqlite:///{path}")
    for study in storage.get_all_studies():
        for trial in storage.get_all_trials(study._study_id, deepcopy=False, states=(TrialState.RUNNING,)):
            storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
    return storage


def make_searcher(config: ExperimentConfig, storage: RDBStorage, *, first: bool) -> StudySearch:
    """The searcher of an experiment.

    Args:
        first: no trial has run yet, so `search.points` are still to be tried.
    """
    settings = config.search
    sampler: optuna.samplers.BaseSampler
    if settings.searcher == "tpe":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)  # `group`; stable in effect since Optuna 2.8
            sampler = optuna.samplers.TPESampler(
                seed=config.seed,
                multivariate=True,
                group=True,
                constant_liar=True,
                n_startup_trials=settings.startup_trials,
            )
    else:
        sampler = optuna.samplers.RandomSampler(seed=config.seed)
    search = StudySearch(
        space=distributions(config),
        metric=METRIC,
        mode="max",
        sampler=sampler,
        study_name=config.name,
        storage=storage,
    )
    for point in settings.points if first else []:
        # Not Ray's `points_to_evaluate`: that one refuses a point that names only some of the dimensions.
        search._ot_study.enqueue_trial(dict(point))
    return search
