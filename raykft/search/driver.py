"""One experiment: `tune(config)` from data to leaderboard."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console

from raykft.config import ExperimentConfig, dump_yaml, load_resolved
from raykft.data.contamination import Overlap, as_record
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import check_domain
from raykft.data.read import raise_problems
from raykft.errors import ExperimentError
from raykft.evaluation.scoring import score_answer
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.store import (
    TrialRecord,
    finished,
    read_trials,
)
from raykft.models.source import check_model_present
from raykft.paths import ExperimentPaths, ensure_dir, write_atomic, write_json
from raykft.search.crew import Crew, connected
from raykft.search.space import distributions


def tune(config: ExperimentConfig, console: Console | None = None) -> Leaderboard:
    """Run the search that `config` describes, or what is left of it, and return its leaderboard.

    An experiment directory of the same config is continued: finished trials stay, the total is `search.trials`.

    Raises:
        RaykftError: bad input or resources, before anything is trained; the message says what to do.
    """
    console = console or Console()
    distributions(config)
    domain, overlaps = _checked(config)
    check_model_present(config.base_model)
    paths = open_directory(config)
    write_json(paths.contamination, as_record(overlaps, allowed=config.data.allow_contamination))
    records = read_trials(paths)
    todo = config.search.trials - len(finished(records))
    if todo > 0 or _unreported(records, domain, config):
        _run(config, domain, paths, todo, first=not records, console=console)
    else:
        console.print(f"all {config.search.trials} trials of {paths.root} have ended; raise search.trials for more")
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    return board


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


def _run(
    config: ExperimentConfig, domain: Domain, paths: ExperimentPaths, todo: int, *, first: bool, console: Console
) -> None:
    useful = max(1, todo)
    with (
        connected(config) as embedded,
        Crew(config, domain, paths, useful_trials=useful, embedded=embedded, console=console) as crew,
    ):
        crew.score_base()
        interrupted = _search(crew, todo, first=first) if todo > 0 else False
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
    """Create the experiment directory, or check that it belongs to this config.

    Raises:
        ExperimentError: it holds another experiment, or files that are none.
    """
    paths = ExperimentPaths(config.directory)
    if paths.config.is_file():
        before, now = load_resolved(paths.config).identity(), config.identity()
        changed = sorted(_different(before, now))
        if changed:
            raise ExperimentError(
                f"{paths.root} already holds another experiment; it differs in: {', '.join(changed)}. "
                "Choose another `name` (--set name=NEW) or move the directory away"
            )
    elif paths.root.is_dir() and any(paths.root.iterdir()):
        raise ExperimentError(
            f"{paths.root} is not empty and holds no experiment; choose another `name` or storage_path"
        )
    ensure_dir(paths.root)
    ensure_dir(paths.trials)
    write_atomic(paths.config, dump_yaml(config))
    return paths


def _different(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _different(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != now:
        yield prefix


def _search(crew: Crew, trials: int, *, first: bool) -> bool:
    """Run `trials` more trials. Returns whether the user interrupted."""
    import ray
    from ray import tune as ray_tune

    from raykft.search.callbacks import DriverCallback, mark_interrupted
    from raykft.search.progress import Progress
    from raykft.search.scheduler import make_scheduler
    from raykft.search.searcher import make_searcher, open_storage
    from raykft.search.stopper import Interrupt
    from raykft.search.trainable import Trainable

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
    callback = DriverCallback(config, crew.paths, crew.broker, crew.hosts, progress)
    stopper = Interrupt()
    trainable = Trainable(config.resolved(), crew.paths.root, crew.broker, crew.evaluator, crew.hosts)
    tuner = ray_tune.Tuner(
        ray_tune.with_resources(trainable.__call__, {"cpu": 0.01}),
        tune_config=ray_tune.TuneConfig(
            search_alg=make_searcher(config, open_storage(crew.paths.study), first=first),
            scheduler=make_scheduler(config),
            num_samples=trials,
            max_concurrent_trials=concurrent,
            reuse_actors=True,
            trial_dirname_creator=lambda trial: trial.trial_id,
        ),
        run_config=ray_tune.RunConfig(
            name="tune",
            storage_path=str(crew.paths.ray),
            stop=stopper,
            verbose=0,
            callbacks=[callback],
            failure_config=ray_tune.FailureConfig(max_failures=1),
        ),
    )

    def on_interrupt() -> None:
        stopper.interrupted = True
        crew.console.print("stopping: what is finished is kept; press Ctrl-C again to stop at once")

    with progress, _interrupt(on_interrupt):
        tuner.fit()
    if stopper.interrupted:
        mark_interrupted(crew.paths)
    return stopper.interrupted


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
