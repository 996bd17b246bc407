"""One run of a search, once Ray is connected: base scores, trials, and the best of them on the report split."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from optuna.storages import RDBStorage
from ray import tune
from ray.tune.schedulers import TrialScheduler
from ray.tune.search import ConcurrencyLimiter
from rich.console import Console

from raykft.cluster.ray_compat import no_keys_in_environments
from raykft.errors import ResourceError
from raykft.hosts.crew import Crew
from raykft.leaderboard.read import TrialRecord, curve_of, read_trials
from raykft.paths import ExperimentPaths
from raykft.search.backlog import Backlog
from raykft.search.baselines import score_base
from raykft.search.callbacks import DriverCallback, mark_interrupted
from raykft.search.experiment import Experiment, best_of, not_held_out, write_evidence
from raykft.search.held_out import score_held_out, score_with_retrieval
from raykft.search.loggers import make_loggers
from raykft.search.processes import cheap_collections, keep_processes
from raykft.search.progress import Progress
from raykft.search.resume import Unfinished, reconcile
from raykft.search.scheduler import make_scheduler, remember
from raykft.search.searcher import make_searcher
from raykft.search.seeds import run_race
from raykft.search.space import Space
from raykft.search.stopper import Interrupt, interruptible
from raykft.search.trainable import MAX_LOSSES, Trainable, halting
from raykft.storage.store import fetch, keep, repeat_deletions
from raykft.wording import running as words


def run_search(
    experiment: Experiment,
    space: Space,
    records: Sequence[TrialRecord],
    earlier: Sequence[TrialRecord],
    journal: RDBStorage,
    console: Console,
    *,
    embedded: bool,
) -> bool:
    """Run what is left of a search; False where the user interrupted.

    Args:
        records: what is there of it.
        earlier: trials of another experiment that the searcher begins with.
        journal: where the study is kept.
        embedded: whether Ray was started for this run alone.

    Raises:
        ResourceError: no trial can go on: the storage is full, or no host has come up again.
    """
    config, paths = experiment.config, experiment.paths
    searcher = make_searcher(config, space, journal, first=not records, earlier=earlier)
    with repeat_deletions(paths.trials, "*/result.json", "*/checkpoint"):
        remains = reconcile(paths, searcher, records)
    for line in remains.lines():
        console.print(line, markup=False, highlight=False)
    todo = config.search.trials - len(remains.reused)
    entrants = config.search.race.top if config.search.race else 1
    scheduler = make_scheduler(config, [_curve(paths, trial) for trial in remains.reused])
    # Tune pickles the searcher with all it holds, so this one holds the paths and not the crew.
    backlog = Backlog(searcher, remains.unfinished, partial(_remember, scheduler, paths))
    limiter = ConcurrencyLimiter(backlog, max_concurrent=1)
    with Crew(
        config,
        experiment.domain,
        paths,
        useful_trials=max(todo, entrants),
        embedded=embedded,
        console=console,
        on_capacity=limiter.set_max_concurrency,
    ) as crew:
        write_evidence(experiment, crew.infos)
        score_base(crew.evaluator, paths, console)
        keep(paths.root, light=True)
        if todo > 0 and not run_trials(crew, limiter, scheduler, todo):
            return False
        run_race(crew)
        _hold_out(experiment, crew)
    return True


def run_trials(crew: Crew, limiter: ConcurrencyLimiter, scheduler: TrialScheduler, todo: int) -> bool:
    """Run `todo` trials that the searcher in `limiter` proposes; False where the user interrupted.

    Raises:
        ResourceError: no trial can go on.
    """
    config, paths, stopper = crew.config, crew.paths, Interrupt()
    total = config.search.trials
    stage = "screening" if config.search.race else "searching"
    progress = Progress(crew.console, total, total - todo, lambda: limiter.max_concurrent, crew.tokens_trained, stage)
    callback = DriverCallback(config, paths, crew.broker, crew.hosts, progress, stopper)
    tuner = _tuner(crew, limiter, scheduler, todo, stopper, callback)

    def on_interrupt() -> None:
        stopper.interrupted = True
        crew.console.print(words.STOPPING())

    try:
        with progress, interruptible(on_interrupt), no_keys_in_environments(), keep_processes(), cheap_collections():
            tuner.fit()
    except Exception as error:
        if reason := halting(error, paths.root):
            raise ResourceError(reason) from error
        raise
    crew.say_limits()
    crew.say_teaching()
    if stopper.halted:
        raise ResourceError(stopper.halted)
    if stopper.interrupted:
        callback.let_go_of_all()
        fetch(paths.trials, light=True)
        mark_interrupted(paths)
    return not stopper.interrupted


def _tuner(
    crew: Crew,
    limiter: ConcurrencyLimiter,
    scheduler: TrialScheduler,
    todo: int,
    stopper: Interrupt,
    callback: DriverCallback,
) -> tune.Tuner:
    config, paths = crew.config, crew.paths
    trainable = Trainable(config.resolved(), paths.root, crew.broker, crew.evaluator, crew.hosts)
    return tune.Tuner(
        tune.with_resources(trainable.__call__, {"cpu": 0.01}),
        tune_config=tune.TuneConfig(
            search_alg=limiter,
            scheduler=scheduler,
            num_samples=todo,
            reuse_actors=True,
            trial_dirname_creator=_directory_name,
        ),
        run_config=tune.RunConfig(
            name="tune",
            storage_path=str(paths.ray),
            stop=stopper,
            verbose=0,
            callbacks=[callback, *make_loggers(config, paths)],
            failure_config=tune.FailureConfig(max_failures=MAX_LOSSES),
        ),
    )


def _directory_name(trial: Any) -> str:
    return str(trial.trial_id)


def _hold_out(experiment: Experiment, crew: Crew) -> None:
    """Score the best trials, chosen on the select split, on the report split."""
    records = read_trials(experiment.paths)
    runs = not_held_out(experiment, best_of(experiment, records))
    if not runs:
        return
    crew.console.print(words.SCORING_BEST(n=len(runs)))
    score_held_out(crew, runs)
    if "bm25" in experiment.config.evaluate.baselines:
        score_with_retrieval(crew, experiment.paths, records[0])


def _curve(paths: ExperimentPaths, trial: TrialRecord) -> Sequence[dict[str, Any]]:
    """What a trial told after its epochs, where that says how good it is."""
    return curve_of(paths.trial(trial.trial_id)) if trial.status.learned else []


def _remember(scheduler: TrialScheduler, paths: ExperimentPaths, tune_id: str, trial: Unfinished) -> None:
    """Let the scheduler know what an unfinished trial told up to the epoch that it goes on from."""
    rows = curve_of(paths.trial(trial.trial_id)) if trial.epoch else ()
    remember(scheduler, tune_id, [row for row in rows if row["epoch"] <= trial.epoch])
