"""`raykft confirm`: train the best trials again with other seeds. One seed tells a recipe from its luck badly."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from raykft.cluster.connect import connected
from raykft.cluster.known import check_named, remember
from raykft.config import load_resolved
from raykft.errors import ConfigError, DamagedError, ExperimentError
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import TrialRecord, open_experiment, read_trials
from raykft.search.experiment import Experiment, checked, not_held_out, write_board, write_evidence
from raykft.search.notes import write_notes
from raykft.search.race import SeedTrial
from raykft.search.repair import adapter_problem, repair, warn
from raykft.storage.lock import locked
from raykft.storage.store import address as address_of
from raykft.storage.store import keep
from raykft.storage.trouble import typed
from raykft.untrusted.console import make_console
from raykft.wording import running as words

MIN_SEEDS, MAX_SEEDS = 2, 100


def confirm(
    directory: str | Path, *, top: int = 3, seeds: int = 3, address: str | None = None, console: Console | None = None
) -> Leaderboard:
    """Train the best `top` trials of an experiment with `seeds` seeds in all; the board then ranks them by their means.

    Every run is scored on both splits. Finished ones, those of the race among them, are not done again.

    Args:
        address: of another Ray cluster than the experiment ran on.

    Raises:
        ExperimentError: the directory holds no experiment, no trial with a score, or another process works on it.
        ConfigError: fewer than two seeds or too many, no trial, or the experiment's cluster was never named here.
    """
    if top < 1 or not MIN_SEEDS <= seeds <= MAX_SEEDS:
        meant = f"at least 1 trial and {MIN_SEEDS} to {MAX_SEEDS} seeds are meant"
        raise ConfigError(f"--top {top} --seeds {seeds}: {meant}")
    paths = open_experiment(Path(directory))
    # It may have been moved or renamed.
    place: dict[str, Any] = {"name": paths.root.name, "storage_path": address_of(paths.root.parent)}
    config = load_resolved(paths.config)
    if address is None:
        check_named(config.resources.address, paths.root, "raykft confirm")
    else:
        remember(address)
        place["resources"] = config.resources.model_copy(update={"address": address})
    experiment = checked(config.model_copy(update=place))
    console = console or make_console()
    with locked(paths.root), typed(paths.root):
        warn(repair(experiment.config, paths), console)
        return _confirm(experiment, top, seeds, console)


def _confirm(experiment: Experiment, top: int, seeds: int, console: Console) -> Leaderboard:
    paths, own = experiment.paths, experiment.config.seed
    chosen = [t for t in read_trials(paths) if t.rank is not None][:top]
    if not chosen:
        raise ExperimentError(f"no trial of {paths.root} has a score yet; finish `raykft tune` first")
    for files in not_held_out(experiment, chosen):
        if problem := adapter_problem(files):
            again = f"raykft resume {shlex.quote(address_of(paths.root))}"
            raise DamagedError(f"{problem}; `{again}` trains {files.root.name} again")
    runs = [SeedTrial(t, own + n, paths.seed_run(t.trial_id, own + n)) for t in chosen for n in range(1, seeds)]
    todo = [run for run in runs if not run.ended]
    if todo or not_held_out(experiment, chosen):
        console.print(words.CONFIRMING(n=len(chosen), seeds=seeds - 1, runs=len(todo)))
        with connected(experiment.config.resources.address) as embedded:
            _train_and_report(experiment, todo, chosen, console, embedded=embedded)
    board = write_board(paths)
    write_notes(board)
    keep(paths.root)
    return board


def _train_and_report(
    experiment: Experiment,
    todo: Sequence[SeedTrial],
    chosen: Sequence[TrialRecord],
    console: Console,
    *,
    embedded: bool,
) -> None:
    # They import ray, which may only be imported once `connected` has set its environment.
    from raykft.hosts.crew import Crew
    from raykft.search.baselines import score_base
    from raykft.search.held_out import score_held_out
    from raykft.search.seeds import train_seeds

    config, domain, paths = experiment.config, experiment.domain, experiment.paths
    with Crew(config, domain, paths, useful_trials=max(1, len(todo)), embedded=embedded, console=console) as crew:
        write_evidence(experiment, crew.infos)
        score_base(crew.evaluator, paths, console)
        train_seeds(crew, todo)
        names = {t.trial_id for t in chosen}
        # Read anew: they have more seeds now.
        score_held_out(crew, not_held_out(experiment, [t for t in read_trials(paths) if t.trial_id in names]))
