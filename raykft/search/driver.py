"""One experiment: `tune(config)` from data to leaderboard."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from raykft import storage
from raykft.config import ExperimentConfig, dump_yaml, load_resolved, validate
from raykft.data.contamination import Overlap, as_record
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import check_domain
from raykft.data.read import raise_problems
from raykft.errors import ConfigError, ExperimentError, ResourceError
from raykft.evaluation.scoring import score_answer
from raykft.extras import check_extras
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.store import (
    TrialRecord,
    finished,
    open_experiment,
    read_trials,
)
from raykft.models.source import check_model_present
from raykft.paths import ExperimentPaths, ensure_dir, read_jsonl, write_atomic, write_json
from raykft.search.crew import Crew, connected
from raykft.search.lock import LOCK_FILE, locked
from raykft.search.space import make_space
from raykft.search.study import opened, still_running
from raykft.search.warm_start import earlier_trials
from raykft.storage import fetch, keep, repeat_deletions

if TYPE_CHECKING:
    from raykft.search.backlog import Backlog
    from raykft.search.resume import Unfinished


def tune(config: ExperimentConfig, console: Console | None = None) -> Leaderboard:
    """Run the search that `config` describes, or what is left of it, and return its leaderboard.

    An experiment directory of the same config is continued: finished trials stay, the total is `search.trials`.

    Raises:
        RaykftError: bad input or resources, before anything is trained; the message says what to do.
    """
    console = console or Console()
    make_space(config)
    check_extras(config)
    for caution in config.cautions:
        console.print(f"warning: {caution}", markup=False)
    domain, overlaps = _checked(config)
    earlier_trials(config, domain)
    check_model_present(config.base_model)
    paths = check_directory(config)
    with locked(paths.root):
        fetch(paths.root, light=True)
        write_atomic(paths.config, dump_yaml(config))
        write_json(paths.contamination, as_record(overlaps, allowed=config.data.allow_contamination))
        keep(paths.root, light=True)
        if _is_complete(config, domain, paths):
            console.print(f"all {config.search.trials} trials of {paths.root} have ended; raise search.trials for more")
        else:
            _run(config, domain, paths, console)
        board = load_leaderboard(paths.root)
        write_leaderboard(paths, board, markdown_board(board))
        keep(paths.root, light=True)
    return board


def resume(
    directory: str | Path, *, trials: int | None = None, address: str | None = None, console: Console | None = None
) -> Leaderboard:
    """Go on with the experiment in `directory`, whatever ended its last run.

    Args:
        trials: a new, higher total.
        address: of another Ray cluster than the experiment began on.

    Raises:
        ExperimentError: the directory holds no experiment, or was renamed.
        ConfigError: `trials` is less than the experiment's own.
    """
    paths = open_experiment(Path(directory))
    config = load_resolved(paths.config)
    if paths.root.name != config.name:
        raise ExperimentError(f"{paths.root} holds the experiment {config.name!r}; give the directory that name again")
    # It may have been moved, or be mounted elsewhere on this machine.
    tree = config.resolved() | {"storage_path": storage.address(paths.root.parent)}
    if trials is not None:
        if trials < config.search.trials:
            raise ConfigError(f"--trials {trials} is less than the {config.search.trials} of {paths.root}")
        tree["search"] |= {"trials": trials}
    if address is not None:
        tree["resources"] |= {"address": address}
    return tune(validate(tree, str(paths.config)), console)


def _is_complete(config: ExperimentConfig, domain: Domain, paths: ExperimentPaths) -> bool:
    records = read_trials(paths)
    if len(finished(records)) < config.search.trials or _unreported(records, domain, config):
        return False
    return not still_running(paths.study, config.name)


def checked_domain(config: ExperimentConfig) -> Domain:
    """The experiment's data.

    Raises:
        DataError: it is not sound, or training rows give probes away and `data.allow_contamination` is false.
    """
    return _checked(config)[0]


def _checked(config: ExperimentConfig) -> tuple[Domain, tuple[Overlap, ...]]:
    domain = load_domain(config)
    checked = check_domain(domain, score_answer, allow_contamination=config.data.allow_contamination)
    raise_problems(checked.lines("error"))
    return domain, checked.overlaps


def _run(config: ExperimentConfig, domain: Domain, paths: ExperimentPaths, console: Console) -> None:
    with connected(config) as embedded, opened(paths.study) as journal:
        # They import ray, which may only be imported once `connected` has set its environment.
        from raykft.search.backlog import Backlog
        from raykft.search.resume import reconcile
        from raykft.search.searcher import make_searcher

        earlier = earlier_trials(config, domain)
        search = make_searcher(config, journal, first=not read_trials(paths), earlier=earlier)
        with repeat_deletions(paths.trials, "*/result.json", "*/checkpoint"):
            remains = reconcile(paths, search)
        for line in remains.lines():
            console.print(line, markup=False, highlight=False)
        todo = config.search.trials - len(remains.reused)
        useful = max(1, todo)
        with Crew(config, domain, paths, useful_trials=useful, embedded=embedded, console=console) as crew:
            crew.score_base()
            keep(paths.root, light=True)
            interrupted = (
                _search(crew, Backlog(search, remains.unfinished), todo, remains.reused) if todo > 0 else False
            )
            if not interrupted:
                _report(crew)


def _report(crew: Crew) -> None:
    """Score the best trials, chosen on the select split, on the report split."""
    records = read_trials(crew.paths)
    open_trials = _unreported(records, crew.domain, crew.config)
    if not open_trials:
        return
    crew.console.print(f"scoring the best {len(open_trials)} trial(s) on the report split ...")
    crew.report(open_trials)
    crew.winner_with_retrieval(records[0])


def _unreported(records: Sequence[TrialRecord], domain: Domain, config: ExperimentConfig) -> list[TrialRecord]:
    """The best trials, chosen on the select split, that have not been scored on the report split yet."""
    if not any(p.split == "report" for p in domain.probes):
        return []
    chosen = [t for t in records if t.rank is not None][: config.evaluate.report_top]
    return [t for t in chosen if not t.report]


def open_directory(config: ExperimentConfig) -> ExperimentPaths:
    """The experiment directory with its config in it.

    Raises:
        ExperimentError: it holds another experiment, or files that are none.
    """
    paths = check_directory(config)
    write_atomic(paths.config, dump_yaml(config))
    return paths


def check_directory(config: ExperimentConfig) -> ExperimentPaths:
    """Create the experiment directory, or check that it belongs to this config.

    Raises:
        ExperimentError: it holds another experiment, or files that are none.
    """
    paths = ExperimentPaths(config.directory)
    fetch(paths.root, light=True)
    if paths.config.is_file():
        before, now = load_resolved(paths.config).identity(), config.identity()
        changed = sorted(_different(before, now))
        if changed:
            raise ExperimentError(
                f"{paths.root} already holds another experiment; it differs in: {', '.join(changed)}. "
                "Choose another `name` (--set name=NEW) or move the directory away"
            )
    elif paths.root.is_dir() and any(p.name != LOCK_FILE for p in paths.root.iterdir()):
        raise ExperimentError(
            f"{paths.root} is not empty and holds no experiment; choose another `name` or storage_path"
        )
    ensure_dir(paths.root)
    ensure_dir(paths.trials)
    return paths


def _different(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _different(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != now:
        yield prefix


def _search(crew: Crew, search: Backlog, trials: int, ended: Sequence[TrialRecord]) -> bool:
    """Run `trials` trials that `search` proposes, after those that `ended` in earlier runs.

    Returns whether the user interrupted.

    Raises:
        ResourceError: no trial can go on: the storage is full, or no host has come up again.
    """
    import ray
    from ray import tune as ray_tune
    from ray.tune.search import ConcurrencyLimiter

    from raykft.search.callbacks import mark_interrupted
    from raykft.search.loggers import make_loggers
    from raykft.search.processes import cheap_collections, keep_processes
    from raykft.search.progress import Progress
    from raykft.search.scheduler import make_scheduler, remember
    from raykft.search.stopper import Interrupt
    from raykft.search.stored import StoringCallback
    from raykft.search.trainable import MAX_LOSSES, Trainable, halting

    config = crew.config
    concurrent = crew.slots * len(crew.hosts)
    tokens = [host.tokens_trained for host in crew.hosts.values()]
    progress = Progress(
        crew.console,
        config.search.trials,
        config.search.trials - trials,
        concurrent,
        lambda: sum(ray.get([method.remote() for method in tokens], timeout=30)),
    )
    stopper = Interrupt()
    callback = StoringCallback(config, crew.paths, crew.broker, crew.hosts, progress, stopper)
    limiter = ConcurrencyLimiter(search, max_concurrent=concurrent)
    crew.on_growth = limiter.set_max_concurrency
    scheduler = make_scheduler(config, [_reports(crew.paths, trial) for trial in ended])

    # Tune pickles the searcher with all it holds, so this one holds the paths and not the crew.
    paths = crew.paths
    search.on_resume = lambda tune_id, trial: remember(scheduler, tune_id, _kept_reports(paths, trial))
    trainable = Trainable(config.resolved(), crew.paths.root, crew.broker, crew.evaluator, crew.hosts)
    tuner = ray_tune.Tuner(
        ray_tune.with_resources(trainable.__call__, {"cpu": 0.01}),
        tune_config=ray_tune.TuneConfig(
            search_alg=limiter,
            scheduler=scheduler,
            num_samples=trials,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=ray_tune.RunConfig(
            name="tune",
            storage_path=str(crew.paths.ray),
            stop=stopper,
            verbose=0,
            callbacks=[callback, *make_loggers(config, crew.paths)],
            failure_config=ray_tune.FailureConfig(max_failures=MAX_LOSSES),
        ),
    )

    def on_interrupt() -> None:
        stopper.interrupted = True
        crew.console.print("stopping: what is finished is kept; press Ctrl-C again to stop at once")

    try:
        with progress, _interrupt(on_interrupt), keep_processes(), cheap_collections():
            tuner.fit()
    except Exception as error:
        if reason := halting(error, crew.paths.root):
            raise ResourceError(reason) from error
        raise
    crew.say_limits()
    if stopper.halted:
        raise ResourceError(stopper.halted)
    if stopper.interrupted:
        fetch(crew.paths.trials, light=True)
        mark_interrupted(crew.paths)
    return stopper.interrupted


def _reports(paths: ExperimentPaths, trial: TrialRecord) -> Sequence[dict[str, Any]]:
    """A trial's reports, where they say how much it had learned: not those of one that could not be trained."""
    file = paths.trial(trial.trial_id).metrics
    return list(read_jsonl(file)) if trial.status in {"ok", "stopped"} and file.is_file() else []


def _kept_reports(paths: ExperimentPaths, trial: Unfinished) -> Sequence[dict[str, Any]]:
    """An unfinished trial's reports up to the epoch that it goes on from."""
    rows = read_jsonl(paths.trial(trial.trial_id).metrics) if trial.epoch else ()
    return [row for row in rows if row["epoch"] <= trial.epoch]


@contextmanager
def _interrupt(action: Any) -> Iterator[None]:
    """Run `action` at the first Ctrl-C; a second one raises KeyboardInterrupt as usual."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(_number: int, _frame: Any) -> None:
        signal.signal(signal.SIGINT, before)
        action()

    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
