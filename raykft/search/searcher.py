"""Optuna as a Ray Tune searcher, hardened where Ray's own loses or distorts what trials told it."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from ray import cloudpickle
from ray.tune.search.optuna import OptunaSearch

from raykft.config import ExperimentConfig
from raykft.config_search import LEARNING
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.store import TrialRecord
from raykft.search.names import NUMBER
from raykft.search.space import Space, make_space

log = logging.getLogger(__name__)
SCORE = "score"
# What a trial that could not be trained counts as, unless a trained one did worse.
WORST = {SCORE: 0.0, "gain": 0.0, "knowledge": 0.0, "forgetting": 1.0}
UNTRAINABLE = ("diverged", "out_of_memory", "invalid")  # outcomes that are the sample's fault
TRAINABLE, FORGETS = "trainable", "forgetting"  # names of constraints; above 0 is infeasible
ORPHAN, EARLIER = "orphan", "warm_start"  # user attributes
STOPPED_AFTER = "stopped_after"


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """OptunaSearch that tells Optuna how a trial ended, and survives a crash.

    Ray's own tells a trial stopped by the scheduler as COMPLETE with its low-fidelity value, and leaves one whose
    value is missing RUNNING for ever, where constant-liar sampling counts it. This one tells

    - a finished trial as COMPLETE;
    - a stopped one as PRUNED, with its value at the epoch where it was stopped; as FAIL if there are several
      objectives, because Optuna knows no pruned trials there;
    - one whose recipe cannot be trained (`UNTRAINABLE`) as COMPLETE, infeasible and with the worst values, to a
      sampler that learns; as FAIL to others;
    - one that was lost (a bug, a dead process) as FAIL: that says nothing of its recipe.

    Args:
        budget: forgetting above this is infeasible; None for no such rule.
        constrained: whether the sampler may be told that a trial is infeasible by a constraint of its own. Optuna's
            gp wants the same constraints of all trials, so there the worst values have to do.
        grid: samples to propose one after the other instead of asking the sampler.
    """

    def __init__(
        self,
        space: Space,
        objectives: Sequence[str],
        sampler: BaseSampler,
        study_name: str,
        storage: RDBStorage,
        *,
        learns: bool = True,
        constrained: bool = True,
        budget: float | None = None,
        grid: list[dict[str, Any]] | None = None,
    ) -> None:
        self._objectives = list(objectives)
        self._learns = learns
        self._constrained = constrained
        self._budget = budget
        self._grid = grid
        modes = ["max" if METRICS[name].higher_is_better else "min" for name in objectives]
        single = len(modes) == 1
        super().__init__(
            space=space,
            metric=self._objectives[0] if single else self._objectives,
            mode=modes[0] if single else modes,
            sampler=sampler,
            study_name=study_name,
            storage=storage,
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ExperimentalWarning)
            self._ot_study.set_metric_names(self._objectives)  # shown by optuna-dashboard, read on resuming

    @property
    def study(self) -> optuna.Study:
        study: optuna.Study = self._ot_study
        return study

    def adopt(self, trial_id: str, study_id: int) -> None:
        """Let `trial_id` be a trial that the study has already, and that an earlier run left RUNNING there."""
        self._ot_trials[trial_id] = optuna.Trial(self._ot_study, study_id)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if trial_id not in self._ot_trials:
            if self._grid is not None and not self._enqueue_from(self._grid):
                no_more: Any = self.FINISHED  # a word that Tune understands
                return no_more  # type: ignore[no-any-return]
            self._ot_trials[trial_id] = self._ot_study.ask()
        trial = self._ot_trials[trial_id]
        return {**self._space(trial), NUMBER: trial.number}

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        value = result.get(SCORE)
        # Optuna takes no reports in a study of several objectives.
        if trial_id in self._ot_trials and len(self._objectives) == 1 and _is_finite(value):
            self._safely(lambda: super(StudySearch, self).on_trial_result(trial_id, result))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        trial = self._ot_trials.get(trial_id)
        if trial is None or trial_id in self._completed_trials:
            return
        # After a crash of the driver the study may have been told already.
        if not self._frozen(trial).state.is_finished():
            self._safely(lambda: self._tell(trial, result or {}, error))
        self._completed_trials.add(trial_id)

    def add_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Propose these samples first; settings they leave open are drawn by the sampler."""
        trials = self._ot_study.get_trials(deepcopy=False)
        known = [t.system_attrs.get("fixed_params") for t in trials if not t.user_attrs.get(ORPHAN)]
        # Not Ray's `points_to_evaluate`: that one refuses a point that names only some of the dimensions.
        for point in points:
            if point not in known:
                self._ot_study.enqueue_trial(dict(point))

    def add_earlier(self, trials: Sequence[TrialRecord]) -> None:
        """Begin with what the trials of an earlier experiment scored."""
        known = {t.user_attrs.get(EARLIER) for t in self._ot_study.get_trials(deepcopy=False)}
        for trial in trials:
            values = [trial.select.get(name, math.nan) for name in self._objectives]
            if trial.trial_id in known or not all(map(_is_finite, values)):
                continue
            params, distributions = self._space.params(trial.sample)
            self._ot_study.add_trial(
                optuna.trial.create_trial(
                    values=values,
                    params=params,
                    distributions=distributions,
                    user_attrs={EARLIER: trial.trial_id},
                    constraints=self._over_budget(trial.select),
                )
            )

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(self.__dict__.copy()))

    def restore(self, checkpoint_path: str) -> None:
        self.__dict__.update(cloudpickle.loads(Path(checkpoint_path).read_bytes()))

    def _tell(self, trial: optuna.Trial, row: dict[str, Any], error: bool) -> None:
        values = [row.get(name) for name in self._objectives]
        if error or not row:
            self._ot_study.tell(trial, state=TrialState.FAIL)
        elif not row.get("final"):
            self._tell_stopped(trial, row)
        elif all(map(_is_finite, values)):
            for name, excess in self._over_budget(row).items():
                trial.set_constraint(name, excess)
            self._ot_study.tell(trial, values)
        elif self._learns and row.get("status") in UNTRAINABLE:
            self._tell_untrainable(trial)
        else:
            self._ot_study.tell(trial, state=TrialState.FAIL)

    def _tell_stopped(self, trial: optuna.Trial, row: dict[str, Any]) -> None:
        epoch, value = row["training_iteration"], row.get(SCORE, math.nan)
        if len(self._objectives) > 1:
            trial.set_user_attr(STOPPED_AFTER, epoch)
            self._ot_study.tell(trial, state=TrialState.FAIL)
            return
        # Ray does not pass a stopped trial's last result to `on_trial_result`; Optuna takes a pruned trial's value
        # from what was reported.
        if epoch not in self._frozen(trial).intermediate_values and _is_finite(value):
            trial.report(value, step=epoch)
        self._ot_study.tell(trial, state=TrialState.PRUNED)

    def _tell_untrainable(self, trial: optuna.Trial) -> None:
        told = [t.values for t in self._ot_study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
        worst = []
        for place, name in enumerate(self._objectives):
            seen = [WORST[name], *(values[place] for values in told)]
            worst.append(min(seen) if METRICS[name].higher_is_better else max(seen))
        if self._constrained:
            trial.set_constraint(TRAINABLE, 1.0)
        for name, excess in self._over_budget({"forgetting": 1.0}).items():
            trial.set_constraint(name, excess)
        self._ot_study.tell(trial, worst)

    def _over_budget(self, metrics: Mapping[str, float]) -> dict[str, float]:
        if self._budget is None:
            return {}
        forgetting = metrics.get("forgetting", math.nan)
        # Every trial needs the constraint; one whose forgetting is unknown is not blamed for it.
        return {FORGETS: forgetting - self._budget if _is_finite(forgetting) else 0.0}

    def _enqueue_from(self, grid: Sequence[Mapping[str, Any]]) -> bool:
        """Make the next point of the grid the one that `ask` returns; False if none is left.

        Optuna's own grid sampler wants to end a study at its last point, which is an error where others run the study.
        """
        trials = self._ot_study.get_trials(deepcopy=False)
        if any(t.state == TrialState.WAITING for t in trials):
            return True
        taken = {frozenset(t.params.items()) for t in trials if not t.user_attrs.get(ORPHAN)}
        free = next((point for point in grid if frozenset(point.items()) not in taken), None)
        if free is not None:
            self._ot_study.enqueue_trial(dict(free))
        return free is not None

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        frozen: FrozenTrial = self._ot_study._storage.get_trial(trial._trial_id)
        return frozen

    @staticmethod
    def _safely(call: Callable[[], Any]) -> None:
        try:
            call()
        except UpdateFinishedTrialError as error:  # told before a crash of the driver
            log.warning("the Optuna trial was finished before: %s", error)


def make_searcher(
    config: ExperimentConfig, storage: RDBStorage, *, first: bool, earlier: Sequence[TrialRecord] = ()
) -> StudySearch:
    """The searcher of an experiment.

    Args:
        first: no trial has run yet, so `search.points` are still to be tried.
        earlier: finished trials of another experiment to begin with (`search.warm_start`).
    """
    settings = config.search
    space = make_space(config)
    search = StudySearch(
        space,
        settings.objectives or (SCORE,),
        make_sampler(config),
        config.name,
        storage,
        learns=settings.searcher in LEARNING,
        constrained=settings.searcher != "gp",
        budget=settings.objective.forgetting_budget if settings.constrain_forgetting else None,
        grid=space.grid(config.seed) if settings.searcher == "grid" else None,
    )
    if first:
        search.add_earlier(earlier)
        search.add_points(settings.points)
    return search


def make_sampler(config: ExperimentConfig) -> BaseSampler:
    """Optuna's sampler for `search.searcher`; those of a grid are only asked for what its points leave open."""
    seed, startup = config.seed, config.search.startup_trials
    make: dict[str, Callable[[], BaseSampler]] = {
        "tpe": lambda: optuna.samplers.TPESampler(
            seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=startup
        ),
        "gp": lambda: optuna.samplers.GPSampler(seed=seed, n_startup_trials=startup, warn_independent_sampling=False),
        # The population is what it draws at random before it breeds; Optuna's 50 are more than most searches have.
        "nsga2": lambda: optuna.samplers.NSGAIISampler(seed=seed, population_size=max(4, startup)),
        "qmc": lambda: optuna.samplers.QMCSampler(
            seed=seed, scramble=True, warn_asynchronous_seeding=False, warn_independent_sampling=False
        ),
        "random": lambda: optuna.samplers.RandomSampler(seed=seed),
        "grid": lambda: optuna.samplers.RandomSampler(seed=seed),
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # in name only; the versions are pinned
        return make[config.search.searcher]()


def _is_finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)
