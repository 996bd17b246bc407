"""Optuna as a Ray Tune searcher, hardened where Ray's own loses or distorts what trials told it."""

from __future__ import annotations

import logging
import math
import random
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, UpdateFinishedTrialError
from optuna.samplers import BaseSampler
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState
from ray import cloudpickle
from ray.tune.search.optuna import OptunaSearch

from raykft.cluster.ray_compat import asked_of, study_of, told_of
from raykft.config import ExperimentConfig
from raykft.config.search import LEARNING
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.read import TrialRecord
from raykft.records import TrialStatus
from raykft.search.names import TRIAL_ID, name_of
from raykft.search.space import Space
from raykft.search.study import trials_of

log = logging.getLogger(__name__)
SCORE, RUNG_SCORE = "score", "rung_score"  # of a trial's end, and of every epoch
# What a trial that could not be trained counts as, unless a trained one did worse.
WORST = {SCORE: 0.0, "gain": 0.0, "knowledge": 0.0, "forgetting": 1.0}
# Optuna's key for the values of constraints, of which one above 0 is infeasible. `Trial.set_constraint` writes a key a
# constraint instead, which optuna-dashboard 0.21 does not read: to it every trial would be feasible. Optuna reads both.
CONSTRAINTS = "constraints"
ORPHAN, EARLIER = "orphan", "warm_start"  # user attributes
# User attributes for those who read the study: optuna-dashboard has a column for each, and plots the numbers.
NAME, STATUS, FIGURES = "trial", "status", ("gain", "knowledge", "forgetting")
STOPPED_AFTER = "stopped_after"
REPEATS = "repeats"  # the number of the trial whose recipe it would have been
# How often in a row a sampler may repeat a recipe, and when a space is taken to hold nothing new.
PATIENCE, MAX_REPEATS = 5, 50


# From a seed and a number of trials to draw at random first. Each passes `raykft.testing.contracts.SearcherContract`;
# a new one is added here and to `SearchConfig.searcher`.
SAMPLERS: dict[str, Callable[[int, int], BaseSampler]] = {
    "tpe": lambda seed, startup: optuna.samplers.TPESampler(
        seed=seed, multivariate=True, group=True, constant_liar=True, n_startup_trials=startup
    ),
    "gp": lambda seed, startup: optuna.samplers.GPSampler(
        seed=seed, n_startup_trials=startup, warn_independent_sampling=False
    ),
    # The population is what it draws at random before it breeds; Optuna's 50 are more than most searches have.
    "nsga2": lambda seed, startup: optuna.samplers.NSGAIISampler(seed=seed, population_size=max(4, startup)),
    "qmc": lambda seed, _startup: optuna.samplers.QMCSampler(
        seed=seed, scramble=True, warn_asynchronous_seeding=False, warn_independent_sampling=False
    ),
    "random": lambda seed, _startup: optuna.samplers.RandomSampler(seed=seed),
    # Only asked for what the grid's points leave open.
    "grid": lambda seed, _startup: optuna.samplers.RandomSampler(seed=seed),
}


class StudySearch(OptunaSearch):  # type: ignore[misc]
    """OptunaSearch that tells Optuna how a trial ended, and survives a crash.

    Ray's own tells a trial stopped by the scheduler as COMPLETE with its low-fidelity value, and leaves one whose
    value is missing RUNNING for ever, where constant-liar sampling counts it. This one tells

    - a finished trial as COMPLETE;
    - a stopped one as PRUNED, with its value at the epoch where it was stopped; as FAIL if there are several
      objectives, because Optuna knows no pruned trials there;
    - one whose recipe cannot be trained (`TrialStatus.untrainable`) as COMPLETE, infeasible and with the worst values,
      to a sampler that learns; as FAIL to others;
    - one that was lost (a bug, a dead process) as FAIL: that says nothing of its recipe.

    Args:
        budget: forgetting above this is infeasible; None for no such rule.
        constrained: whether the sampler may be told that a trial is infeasible by a constraint of its own. Optuna's
            gp wants the same constraints of all trials, so there the worst values have to do.
        grid: samples to propose one after the other instead of asking the sampler.
        name: the id of a trial by its number and sample.
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
        name: Callable[[int, dict[str, Any]], str] = lambda number, _sample: f"t{number:03d}",
    ) -> None:
        self._name = name
        self._draw = space
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
            self.study.set_metric_names(self._objectives)  # shown by optuna-dashboard, read on resuming

    @property
    def study(self) -> optuna.Study:
        study: optuna.Study = study_of(self)
        return study

    def adopt(self, trial_id: str, study_id: int) -> None:
        """Let `trial_id` be a trial that the study has already, and that an earlier run left RUNNING there."""
        asked_of(self)[trial_id] = optuna.Trial(self.study, study_id)

    def suggest(self, trial_id: str) -> dict[str, Any] | None:
        if trial_id not in asked_of(self):
            proposed = self._propose()
            if proposed is None:
                no_more: Any = self.FINISHED  # a word that Tune understands
                return no_more  # type: ignore[no-any-return]
            asked_of(self)[trial_id] = proposed
        trial = asked_of(self)[trial_id]
        sample = self._draw(trial)
        name = self._name(trial.number, sample)
        if trial.user_attrs.get(NAME) != name:
            trial.set_user_attr(NAME, name)
        return {**sample, TRIAL_ID: name}

    def _propose(self) -> optuna.Trial | None:
        """A trial of a recipe that has not been trained yet; None where none is to be had.

        All trials share one seed, so a repeated recipe would be the same adapter bit for bit. The study is told the
        values that it has; one that is still training is not waited for. A sampler that insists is not asked again:
        the next ones are drawn at random.
        """
        for attempt in range(MAX_REPEATS):
            if self._grid is not None and not self._enqueue_from(self._grid):
                return None
            trial = self._ask(at_random=attempt >= PATIENCE)
            self._draw(trial)
            before = self._twin_of(trial)
            if before is None:
                return trial
            log.info("trial %d would repeat the recipe of trial %d and is not trained", trial.number, before.number)
            trial.set_user_attr(REPEATS, before.number)
            if before.state == TrialState.COMPLETE and self._learns:
                self.study.tell(trial, before.values)
            else:
                self.study.tell(trial, state=TrialState.FAIL)
        return None

    def _ask(self, *, at_random: bool) -> optuna.Trial:
        if not at_random:
            return self.study.ask()
        own = self.study.sampler
        self.study.sampler = optuna.samplers.RandomSampler(seed=len(self.study.get_trials(deepcopy=False)))
        try:
            trial = self.study.ask()
            self._draw(trial)  # while the sampler is this one
        finally:
            self.study.sampler = own
        return trial

    def _twin_of(self, trial: optuna.Trial) -> FrozenTrial | None:
        """An earlier trial of the same recipe: one that is done or in training, lost ones excepted."""
        states = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.RUNNING)
        for other in self.study.get_trials(deepcopy=False, states=states):
            own = other.number < trial.number and not {EARLIER, REPEATS, ORPHAN} & other.user_attrs.keys()
            if own and other.params == trial.params:
                return other
        return None

    def on_trial_result(self, trial_id: str, result: dict[str, Any]) -> None:
        trial, value = asked_of(self).get(trial_id), result.get(RUNG_SCORE)
        # Optuna takes no reports in a study of several objectives.
        if trial is not None and len(self._objectives) == 1 and value is not None and _is_finite(value):
            self._safely(lambda: trial.report(value, step=result["training_iteration"]))

    def on_trial_complete(self, trial_id: str, result: dict[str, Any] | None = None, error: bool = False) -> None:
        trial = asked_of(self).get(trial_id)
        if trial is None or trial_id in told_of(self):
            return
        # After a crash of the driver the study may have been told already.
        if not self._frozen(trial).state.is_finished():
            self._safely(lambda: self._tell(trial, result or {}, error))
        told_of(self).add(trial_id)

    def add_points(self, points: Sequence[Mapping[str, Any]]) -> None:
        """Propose these samples first; settings they leave open are drawn by the sampler."""
        trials = self.study.get_trials(deepcopy=False)
        known = [t.system_attrs.get("fixed_params") for t in trials if not t.user_attrs.get(ORPHAN)]
        # Not Ray's `points_to_evaluate`: that one refuses a point that names only some of the dimensions.
        for point in points:
            if point not in known:
                self.study.enqueue_trial(dict(point))

    def add_earlier(self, trials: Sequence[TrialRecord]) -> None:
        """Begin with what the trials of an earlier experiment scored."""
        known = {t.user_attrs.get(EARLIER) for t in self.study.get_trials(deepcopy=False)}
        for trial in trials:
            values = [trial.select.get(name, math.nan) for name in self._objectives]
            if trial.trial_id in known or not all(map(_is_finite, values)):
                continue
            params, distributions = self._draw.params(trial.sample)
            over = self._over_budget(trial.select)
            self.study.add_trial(
                optuna.trial.create_trial(
                    values=values,
                    params=params,
                    distributions=distributions,
                    user_attrs={EARLIER: trial.trial_id, STATUS: str(trial.status), **_figures(trial.select)},
                    system_attrs={CONSTRAINTS: over} if over else {},
                )
            )

    def save(self, checkpoint_path: str) -> None:
        Path(checkpoint_path).write_bytes(cloudpickle.dumps(self.__dict__.copy()))

    def restore(self, checkpoint_path: str) -> None:
        self.__dict__.update(cloudpickle.loads(Path(checkpoint_path).read_bytes()))

    def _tell(self, trial: optuna.Trial, row: dict[str, Any], error: bool) -> None:
        values = [row.get(name, math.nan) for name in self._objectives]
        self._describe(trial, row)
        if error or not row:
            self.study.tell(trial, state=TrialState.FAIL)
        elif not row.get("final"):
            self._tell_stopped(trial, row)
        elif all(map(_is_finite, values)):
            self._constrain(trial, self._over_budget(row))
            self.study.tell(trial, values)
        elif self._learns and "status" in row and TrialStatus(row["status"]).untrainable:
            self._tell_untrainable(trial)
        else:
            self.study.tell(trial, state=TrialState.FAIL)

    def _describe(self, trial: optuna.Trial, row: Mapping[str, Any]) -> None:
        """What is told to readers alone. A process that died says nothing, and what that was the files tell."""
        if not row:
            return
        ended = TrialStatus.OK if row.get("final") else TrialStatus.STOPPED
        trial.set_user_attr(STATUS, str(row.get("status", ended)))
        for name, value in _figures(row).items() if row.get("final") else ():
            trial.set_user_attr(name, value)

    def _constrain(self, trial: optuna.Trial, excesses: list[float]) -> None:
        if excesses:
            self.study._storage.set_trial_system_attr(trial._trial_id, CONSTRAINTS, excesses)

    def _tell_stopped(self, trial: optuna.Trial, row: dict[str, Any]) -> None:
        epoch, value = row["training_iteration"], row.get(RUNG_SCORE, math.nan)
        if len(self._objectives) > 1:
            trial.set_user_attr(STOPPED_AFTER, epoch)
            self.study.tell(trial, state=TrialState.FAIL)
            return
        # Ray does not pass a stopped trial's last result to `on_trial_result`; Optuna takes a pruned trial's value
        # from what was reported.
        if epoch not in self._frozen(trial).intermediate_values and _is_finite(value):
            trial.report(value, step=epoch)
        self.study.tell(trial, state=TrialState.PRUNED)

    def _tell_untrainable(self, trial: optuna.Trial) -> None:
        told = [t.values for t in self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))]
        worst = []
        for place, name in enumerate(self._objectives):
            seen = [WORST[name], *(values[place] for values in told)]
            worst.append(min(seen) if METRICS[name].higher_is_better else max(seen))
        untrainable = [1.0] if self._constrained else []
        self._constrain(trial, [*self._over_budget({"forgetting": 1.0}), *untrainable])
        self.study.tell(trial, worst)

    def _over_budget(self, metrics: Mapping[str, float]) -> list[float]:
        if self._budget is None:
            return []
        forgetting = metrics.get("forgetting", math.nan)
        # Every trial needs the constraint; one whose forgetting is unknown is not blamed for it.
        return [forgetting - self._budget if _is_finite(forgetting) else 0.0]

    def _enqueue_from(self, grid: Sequence[Mapping[str, Any]]) -> bool:
        """Make the next point of the grid the one that `ask` returns; False if none is left.

        Optuna's own grid sampler wants to end a study at its last point, which is an error where others run the study.
        """
        trials = self.study.get_trials(deepcopy=False)
        if any(t.state == TrialState.WAITING for t in trials):
            return True
        taken = {frozenset(t.params.items()) for t in trials if not t.user_attrs.get(ORPHAN)}
        free = next((point for point in grid if frozenset(point.items()) not in taken), None)
        if free is not None:
            self.study.enqueue_trial(dict(free))
        return free is not None

    def _frozen(self, trial: optuna.Trial) -> FrozenTrial:
        frozen: FrozenTrial = self.study._storage.get_trial(trial._trial_id)
        return frozen

    @staticmethod
    def _safely(call: Callable[[], Any]) -> None:
        try:
            call()
        except UpdateFinishedTrialError as error:  # told before a crash of the driver
            log.warning("the Optuna trial was finished before: %s", error)


def make_searcher(
    config: ExperimentConfig, space: Space, storage: RDBStorage, *, first: bool, earlier: Sequence[TrialRecord] = ()
) -> StudySearch:
    """The searcher of an experiment.

    Args:
        space: what it draws from.
        first: no trial has run yet, so `search.points` are still to be tried.
        earlier: finished trials of another experiment to begin with (`search.warm_start`).
    """
    chosen = config.search
    search = StudySearch(
        space,
        chosen.objectives or (SCORE,),
        make_sampler(config, len(trials_of(storage, config.name))),
        config.name,
        storage,
        learns=chosen.searcher in LEARNING,
        constrained=chosen.searcher != "gp",
        budget=chosen.objective.forgetting_budget if chosen.constrain_forgetting else None,
        grid=space.grid(config.seed) if chosen.searcher == "grid" else None,
        name=partial(name_of, config),
    )
    if first:
        search.add_earlier(earlier)
        search.add_points(chosen.points)
    return search


def make_sampler(config: ExperimentConfig, begun: int = 0) -> BaseSampler:
    """Optuna's sampler for `search.searcher`.

    Args:
        begun: trials that the study has. A sampler that goes on draws from a seed of its own: from the first one it
            would draw again what it has drawn.
    """
    seed = random.Random(f"{config.seed}:{begun}").getrandbits(31) if begun else config.seed
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)  # in name only; the versions are pinned
        return SAMPLERS[config.search.searcher](seed, config.search.startup_trials)


def _figures(row: Mapping[str, Any]) -> dict[str, float]:
    return {name: float(row[name]) for name in FIGURES if _is_finite(row.get(name))}


def _is_finite(value: Any) -> bool:
    return value is not None and math.isfinite(value)
