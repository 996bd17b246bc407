"""`raykft confirm`: train the best trials again with other seeds. One seed tells a recipe from its luck badly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from rich.console import Console

from raykft import storage
from raykft.config import ExperimentConfig, apply_sample, load_resolved
from raykft.data.domain import Domain
from raykft.errors import ConfigError, ExperimentError, TrialError
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.store import CONFIRM_FILE, REPORT_FILE, TrialRecord, open_experiment, read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json, write_json
from raykft.search.crew import Crew, connected, get
from raykft.search.driver import checked_domain
from raykft.search.lock import locked
from raykft.trial import run_trial

MIN_SEEDS = 2


class _Run(NamedTuple):
    """One recipe with one seed. The run with the experiment's own seed is the trial itself and not repeated."""

    trial: TrialRecord
    seed: int
    files: TrialPaths


def confirm(directory: str | Path, *, top: int = 3, seeds: int = 3, console: Console | None = None) -> Leaderboard:
    """Train the best `top` trials of an experiment with `seeds` seeds in all, and show the spread of their scores.

    Every run is scored on both splits; finished ones are kept when the command is given again.

    Raises:
        ExperimentError: the directory holds no experiment, no trial with a score, or another process works on it.
        ConfigError: fewer than two seeds, or no trial asked for.
    """
    if top < 1 or seeds < MIN_SEEDS:
        raise ConfigError(f"--top {top} --seeds {seeds}: at least 1 trial and {MIN_SEEDS} seeds are needed")
    console = console or Console()
    paths = open_experiment(Path(directory))
    config = load_resolved(paths.config)
    domain = checked_domain(config)
    with locked(paths.root):
        return _confirm(config, domain, paths, top, seeds, console)


def _confirm(
    config: ExperimentConfig, domain: Domain, paths: ExperimentPaths, top: int, seeds: int, console: Console
) -> Leaderboard:
    chosen = [t for t in read_trials(paths) if t.rank is not None][:top]
    if not chosen:
        raise ExperimentError(f"no trial of {paths.root} has a score yet; finish `raykft tune` first")
    runs = [_Run(t, config.seed + n, _files(paths, t, config.seed + n)) for t in chosen for n in range(1, seeds)]
    todo = [run for run in runs if not (run.files.root / REPORT_FILE).is_file()]
    if todo:
        with (
            connected(config) as embedded,
            Crew(config, domain, paths, useful_trials=len(todo), embedded=embedded, console=console) as crew,
        ):
            crew.score_base()
            console.print(f"training {len(chosen)} trial(s) with {seeds - 1} more seed(s): {len(todo)} run(s) ...")
            _run_all(crew, config, todo)
    write_json(paths.root / CONFIRM_FILE, {"trials": {t.trial_id: _spread(t, config.seed, runs) for t in chosen}})
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    storage.keep(paths.root)
    return board


def _files(paths: ExperimentPaths, trial: TrialRecord, seed: int) -> TrialPaths:
    return TrialPaths(paths.root / "confirm" / f"{trial.trial_id}-s{seed}")


def _run_all(crew: Crew, config: ExperimentConfig, runs: Sequence[_Run]) -> None:
    @contextmanager
    def leased(name: str) -> Iterator[str]:
        try:
            yield get(crew.broker.acquire.remote(name))
        finally:
            get(crew.broker.release.remote(name))

    def train(run: _Run) -> None:
        with leased(run.files.root.name) as host:
            try:
                _train_and_score(crew, config, run, host)
            except TrialError as error:
                # The others go on; the spread is that of the runs that have a score.
                crew.console.print(f"{run.files.root.name} failed: {error}", markup=False)
            else:
                crew.console.print(f"{run.files.root.name} done", markup=False)

    pool = ThreadPoolExecutor(len(crew.hosts) * crew.slots)
    try:
        list(pool.map(train, runs))
    finally:
        # After Ctrl-C nobody waits for a run to end: the hosts go, and finished runs are kept.
        pool.shutdown(wait=False, cancel_futures=True)


def _train_and_score(crew: Crew, config: ExperimentConfig, run: _Run, host: str) -> None:
    # They import ray, which may only be imported once `connected` has set its environment.
    from raykft.evaluation.actor import ActorProxy
    from raykft.search.trainable import HostScorer

    name, files = run.files.root.name, run.files
    if not files.result.is_file():
        recipe = apply_sample(config, run.trial.sample).model_copy(update={"seed": run.seed})
        scorer = HostScorer(crew.evaluator, host)
        run_trial(name, recipe, run.trial.sample, ActorProxy(crew.hosts[host]), scorer, files, report=lambda _: None)
    storage.erase(files.checkpoint)
    with crew.attached(host, name, files.adapter):
        crew.score_report(host, name, files)


def _spread(trial: TrialRecord, seed: int, runs: Sequence[_Run]) -> dict[str, list[object]]:
    """The trial's own figures and those of its runs: on the report split where it has been scored there."""
    figures = [(seed, trial.report or trial.select)]
    for run in runs:
        report = run.files.root / REPORT_FILE
        if run.trial.trial_id == trial.trial_id and report.is_file():
            figures.append((run.seed, read_json(report)["metrics"]))
    return {
        "seeds": [s for s, _ in figures],
        "scores": [metrics["score"] for _, metrics in figures],
        "metrics": [metrics for _, metrics in figures],
    }
