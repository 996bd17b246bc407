"""One experiment: `tune(config)` from data to leaderboard, and `resume` for what is left of one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from raykft.cluster.connect import connected
from raykft.cluster.known import check_named, check_storage_named, remember
from raykft.config import ExperimentConfig, load_resolved, validate
from raykft.errors import ConfigError, ExperimentError
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import TrialRecord, finished, open_experiment, read_trials
from raykft.models.source import check_model_present
from raykft.paths import ExperimentPaths
from raykft.search.experiment import (
    Experiment,
    best_of,
    checked,
    not_held_out,
    prepare_directory,
    write_board,
    write_config,
)
from raykft.search.extras import check_extras
from raykft.search.live import live_page
from raykft.search.notes import write_notes
from raykft.search.race import next_runs
from raykft.search.repair import mend
from raykft.search.space import make_space
from raykft.search.study import opened, still_running
from raykft.search.warm_start import earlier_trials
from raykft.storage import store
from raykft.storage.lock import locked
from raykft.storage.runs import COMPLETE, INTERRUPTED, recorded
from raykft.storage.store import fetch, keep
from raykft.storage.trouble import typed
from raykft.untrusted.console import make_console
from raykft.wording import running as words


def tune(config: ExperimentConfig, console: Console | None = None) -> Leaderboard:
    """Run the search that `config` describes, or what is left of it, and return its leaderboard.

    An experiment directory of the same config is continued: finished trials stay, the total is `search.trials`.

    Raises:
        RaykftError: bad input or resources, before anything is trained; the message says what to do.
    """
    remember(config.search.warm_start)
    return _tune(config, console or make_console())


def _tune(config: ExperimentConfig, console: Console) -> Leaderboard:
    """`tune`, whoever wrote the config: a directory from elsewhere names no storage in the user's place."""
    remember(config.resources.address)
    space = make_space(config)
    check_extras(config)
    for caution in config.cautions:
        console.print(words.WARNING(text=caution), markup=False)
    experiment = checked(config)
    earlier = [] if _has_begun(experiment.paths) else earlier_trials(experiment)
    check_model_present(config.base_model)
    paths = prepare_directory(config)
    with locked(paths.root), typed(paths.root):
        fetch(paths.root, light=True)
        mend(experiment, console)
        write_config(experiment)
        keep(paths.root, light=True)
        records = read_trials(paths)
        if _is_complete(experiment, records):
            console.print(words.ALL_ENDED(n=config.search.trials, place=paths.root))
        else:
            with (
                recorded(paths) as ended,
                connected(config.resources.address) as embedded,
                opened(paths.study) as journal,
            ):
                # It imports ray, which may only be imported once `connected` has set its environment.
                from raykft.search.run import run_search

                with live_page(paths):
                    whole = run_search(experiment, space, records, earlier, journal, console, embedded=embedded)
                ended(COMPLETE if whole else INTERRUPTED)
        board = write_board(paths)
        write_notes(board)
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
        ConfigError: `trials` is less than the experiment's own, or its cluster was never named here.
    """
    paths = open_experiment(Path(directory))
    config = load_resolved(paths.config)
    if paths.root.name != config.name:
        raise ExperimentError(f"{paths.root} holds the experiment {config.name!r}; give the directory that name again")
    # It may have been moved, or be mounted elsewhere on this machine.
    tree = config.resolved() | {"storage_path": store.address(paths.root.parent)}
    if trials is not None:
        if trials < config.search.trials:
            raise ConfigError(f"--trials {trials} is less than the {config.search.trials} of {paths.root}")
        tree["search"] |= {"trials": trials}
    if address is None:
        check_named(config.resources.address, paths.root, "raykft resume")
    else:
        tree["resources"] |= {"address": address}
    if not _has_begun(paths):
        check_storage_named(config.search.warm_start, paths.root)
    return _tune(validate(tree, str(paths.config)), console or make_console())


def _has_begun(paths: ExperimentPaths) -> bool:
    """Whether a trial has: what the searcher began with is then in the study."""
    return paths.trials.is_dir() and any(paths.trials.iterdir())


def _is_complete(experiment: Experiment, records: Sequence[TrialRecord]) -> bool:
    config = experiment.config
    if len(finished(records)) < config.search.trials:
        return False
    if next_runs(config, experiment.paths) or not_held_out(experiment, best_of(experiment, records)):
        return False
    return not still_running(experiment.paths.study, config.name)
