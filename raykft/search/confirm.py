"""`raykft confirm`: train the best trials again with other seeds. One seed tells a recipe from its luck badly."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from rich.console import Console

from raykft.cluster.connect import connected
from raykft.config import ExperimentConfig, apply_sample, load_resolved
from raykft.errors import ConfigError, ExperimentError, TrialError
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import TrialRecord, open_experiment, read_trials
from raykft.paths import TrialPaths, read_json, write_json
from raykft.search.experiment import Experiment, checked, write_board, write_evidence
from raykft.storage.lock import locked
from raykft.storage.store import address, discard, keep
from raykft.trial import Trial, run_trial

if TYPE_CHECKING:
    from raykft.hosts.crew import Crew

MIN_SEEDS = 2


class _Run(NamedTuple):
    """One recipe with one seed. The run with the experiment's own seed is the trial itself and not repeated."""

    record: TrialRecord
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
    paths = open_experiment(Path(directory))
    # It may have been moved or renamed.
    place = {"name": paths.root.name, "storage_path": address(paths.root.parent)}
    experiment = checked(load_resolved(paths.config).model_copy(update=place))
    with locked(paths.root):
        return _confirm(experiment, top, seeds, console or Console())


def _confirm(experiment: Experiment, top: int, seeds: int, console: Console) -> Leaderboard:
    paths, own = experiment.paths, experiment.config.seed
    chosen = [t for t in read_trials(paths) if t.rank is not None][:top]
    if not chosen:
        raise ExperimentError(f"no trial of {paths.root} has a score yet; finish `raykft tune` first")
    runs = [_Run(t, own + n, paths.seed_run(t.trial_id, own + n)) for t in chosen for n in range(1, seeds)]
    todo = [run for run in runs if not run.files.report.is_file()]
    if todo:
        console.print(f"training {len(chosen)} trial(s) with {seeds - 1} more seed(s): {len(todo)} run(s) ...")
        with connected(experiment.config.resources.address) as embedded:
            _run_all(experiment, todo, console, embedded=embedded)
    write_json(paths.seeds, {"trials": {t.trial_id: _spread(t, own, runs) for t in chosen}})
    board = write_board(paths)
    keep(paths.root)
    return board


def _run_all(experiment: Experiment, runs: Sequence[_Run], console: Console, *, embedded: bool) -> None:
    # They import ray, which may only be imported once `connected` has set its environment.
    from raykft.hosts.crew import Crew
    from raykft.search.baselines import score_base

    config, domain, paths = experiment.config, experiment.domain, experiment.paths
    with Crew(config, domain, paths, useful_trials=len(runs), embedded=embedded, console=console) as crew:
        write_evidence(experiment, crew.infos)
        score_base(crew.evaluator, paths, console)

        def train(run: _Run) -> None:
            with _leased(crew, run.files.root.name) as host:
                try:
                    _train_and_score(crew, config, run, host)
                except TrialError as error:
                    # The others go on; the spread is that of the runs that have a score.
                    console.print(f"{run.files.root.name} failed: {error}", markup=False)
                else:
                    console.print(f"{run.files.root.name} done", markup=False)

        pool = ThreadPoolExecutor(len(crew.hosts) * crew.slots)
        try:
            list(pool.map(train, runs))
        finally:
            # After Ctrl-C nobody waits for a run to end: the hosts go, and finished runs are kept.
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _leased(crew: Crew, name: str) -> Iterator[str]:
    """A slot, by the name of its host."""
    from raykft.hosts.remote import get

    try:
        yield get(crew.broker.acquire.remote(name))
    finally:
        get(crew.broker.release.remote(name))


def _train_and_score(crew: Crew, config: ExperimentConfig, run: _Run, host: str) -> None:
    from raykft.hosts.remote import RemoteHost
    from raykft.search.held_out import score_adapter
    from raykft.search.trainable import HostScorer

    name, files = run.files.root.name, run.files
    if not files.result.is_file():
        own = apply_sample(config, run.record.sample).model_copy(update={"seed": run.seed})
        trial = Trial(name, run.record.sample, files)
        run_trial(trial, own, RemoteHost(crew.hosts[host]), HostScorer(crew.evaluator, host), tell=lambda _row: None)
    discard(files.checkpoint)
    with crew.attached(host, name, files.adapter):
        score_adapter(crew.evaluator, host, name, files)


def _spread(record: TrialRecord, seed: int, runs: Sequence[_Run]) -> dict[str, list[object]]:
    """The trial's own figures and those of its runs: on the report split where it has been scored there."""
    figures = [(seed, record.report or record.select)]
    for run in runs:
        if run.record.trial_id == record.trial_id and run.files.report.is_file():
            figures.append((run.seed, read_json(run.files.report)["metrics"]))
    return {
        "seeds": [s for s, _ in figures],
        "scores": [metrics["score"] for _, metrics in figures],
        "metrics": [metrics for _, metrics in figures],
    }
