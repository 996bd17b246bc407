"""Before a run goes on: files that cannot be read are put aside, so that what they were is made again.

A damaged file keeps its content under another name, `NAME.damaged`. What it was needed for follows from the files that
are left, as after a crash: a trial without a result is unfinished, one without a held-out score is asked again, and
what the driver writes of an experiment is written anew.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from raykft.config import ExperimentConfig, apply_sample
from raykft.data.read import read_records
from raykft.errors import DamagedError, RaykftError, StorageError, first_line
from raykft.leaderboard.files import (
    read_answers,
    read_baseline_rows,
    read_found,
    read_reports,
    read_result,
    read_scores,
    read_trial_config,
    result_of,
)
from raykft.leaderboard.read import begun, read_trials
from raykft.paths import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    ExperimentPaths,
    TrialPaths,
    is_there,
    is_whole_safetensors,
    read_json,
)
from raykft.records import Passage, Probe, TrialStatus
from raykft.search.experiment import Experiment, best_of, not_held_out
from raykft.storage.store import fetch, repeat_deletions
from raykft.trial import Trial, write_trial_config
from raykft.wording.running import WARNING

ASIDE = ".damaged"
# Patterns of what may be put aside beneath an experiment's directory: a storage has to lose it too.
DAMAGEABLE = ("*.json*", "baselines/*.json*", "trials/*/*.json*", "seeds/*/*.json*", "confirm/*/*.json*")
Check = Callable[[Path], Any]


def mend(experiment: Experiment, console: Console) -> None:
    """Put the damaged files of an experiment aside and say so. Trials that are still to be scored and have lost their
    adapter count as unfinished. The caller holds the experiment's lock.

    Raises:
        StorageError: files cannot be read or moved now. None of them counts as damaged for that.
    """
    paths = experiment.paths
    with repeat_deletions(paths.root, *DAMAGEABLE):
        done = repair(experiment.config, paths)
        for files in not_held_out(experiment, best_of(experiment, read_trials(paths))):
            if problem := adapter_problem(files):
                done.append(f"{problem}; {files.root.name} trains again, its result is now {_move(files.result).name}")
    warn(done, console)


def warn(done: Sequence[str], console: Console) -> None:
    """Say what was done about damaged files."""
    for line in done:
        console.print(WARNING(text=line), markup=False, highlight=False, soft_wrap=True)


def repair(config: ExperimentConfig, paths: ExperimentPaths) -> list[str]:
    """Put the damaged files of an experiment aside; returns what was done, for people.

    Raises:
        StorageError: see `mend`.
    """
    done = list(_put_aside(_of_experiment(paths)))
    for files in (*begun(paths.trials), *begun(paths.seed_runs)):
        done += _of_trial(config, files)
    return done


def adapter_problem(files: TrialPaths) -> str:
    """What is wrong with a trial's adapter; empty where nothing is."""
    fetch(files.adapter)
    try:
        read_json(files.adapter / ADAPTER_CONFIG)
    except DamagedError as error:
        return first_line(error)
    weights = files.adapter / ADAPTER_WEIGHTS
    return "" if is_whole_safetensors(weights) else f"{weights} is gone or damaged"


def _of_experiment(paths: ExperimentPaths) -> list[tuple[Path, Check]]:
    """What the driver writes anew, and how it is read."""
    kept: list[tuple[Path, Check]] = [
        (paths.environment, read_json),
        (paths.data_manifest, read_json),
        (paths.contamination, read_found),
        (paths.base_scores, read_baseline_rows),
        (paths.probes, lambda file: read_records(file, Probe)),
        (paths.passages, lambda file: file.stat().st_size and read_records(file, Passage)),
    ]
    answers = sorted(paths.baselines.glob("*.jsonl")) if paths.baselines.is_dir() else []
    boards = [paths.page, *(paths.leaderboard(suffix) for suffix in ("json", "csv", "md"))]
    return kept + [(file, read_answers) for file in answers] + [(file, _no_folder) for file in boards]


def _of_trial(config: ExperimentConfig, files: TrialPaths) -> Iterator[str]:
    yield from _put_aside([(files.result, read_result), (files.config, read_trial_config)])
    result = result_of(files)
    if result is not None and not is_there(files.config):
        write_trial_config(
            Trial(files.root.name, result.sample, files), _own_config(config, result.sample, files.root.name)
        )
        yield f"{files.config} is written anew from {files.result.name}"
    lost = list(_put_aside([(files.probe_results, read_answers)]))
    if lost and result is not None and result.status is TrialStatus.OK:
        lost.append(f"{files.root.name} trains again; its {files.result.name} is now {_move(files.result).name}")
    yield from lost
    held_out = list(_put_aside([(files.report, read_scores), (files.report_results, read_answers)]))
    if held_out:
        for file in filter(is_there, (files.report, files.report_results)):
            held_out.append(f"{file.name} goes with it, as {_move(file).name}")
    yield from held_out
    yield from _put_aside([(files.metrics, read_reports), (files.traceback, _no_folder)])


def _own_config(config: ExperimentConfig, sample: dict[str, Any], name: str) -> ExperimentConfig:
    """The config of a trial, or of a run with another seed, whose name ends with it."""
    try:
        own = apply_sample(config, sample)
    except RaykftError:  # an invalid trial keeps the experiment's
        own = config
    _, mark, seed = name.rpartition("-s")
    return own.model_copy(update={"seed": int(seed)}) if mark and seed.isdigit() else own


def _put_aside(files: Sequence[tuple[Path, Check]]) -> Iterator[str]:
    for file, check in files:
        if not is_there(file):
            continue
        try:
            check(file)
        except StorageError:
            raise
        except RaykftError as error:
            yield f"{first_line(error)}; it is now {_move(file).name}"


def _move(file: Path) -> Path:
    """Give `file` the first free name beside it that says what it is."""
    names = (file.with_name(f"{file.name}{ASIDE}{n or ''}") for n in range(1000))
    free = next(name for name in names if not name.exists())
    file.rename(free)
    return free


def _no_folder(file: Path) -> None:
    if file.is_dir():
        raise DamagedError(f"{file} is a folder and should be a file")
