"""What an experiment is made of before anything runs: its checked data, its space, its directory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from raykft.config import ExperimentConfig, dump_yaml, load_resolved
from raykft.data.contamination import Overlap, as_record
from raykft.data.domain import Domain, load_domain, manifest
from raykft.data.lint import check_domain
from raykft.data.read import raise_problems
from raykft.errors import ExperimentError
from raykft.evaluation.scoring import score_answer
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.page import page_html
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.render import markdown_board
from raykft.paths import LOCK, ExperimentPaths, TrialPaths, ensure_dir, write_atomic, write_json, write_jsonl
from raykft.provenance import environment
from raykft.storage.store import fetch, keep
from raykft.wording import errors as words
from raykft.wording.names import LIST


@dataclass(frozen=True)
class Experiment:
    """A config with its data, and its directory. Of the data every check has been passed.

    Attributes:
        overlaps: training rows that give probes away; none unless `data.allow_contamination`.
    """

    config: ExperimentConfig
    domain: Domain
    overlaps: tuple[Overlap, ...]

    @cached_property
    def paths(self) -> ExperimentPaths:
        return ExperimentPaths(self.config.directory)

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Which data it is: hashes and counts."""
        return manifest(self.config, self.domain)


def checked(config: ExperimentConfig) -> Experiment:
    """The experiment of `config`, its data read and checked.

    Raises:
        DataError: the data is not sound, or training rows give probes away and `data.allow_contamination` is false.
    """
    domain = load_domain(config)
    found = check_domain(domain, score_answer, allow_contamination=config.data.allow_contamination)
    raise_problems(found.lines("error"), words.EXPERIMENT_BREAKS_RULES(name=config.name))
    return Experiment(config, domain, found.overlaps)


def best_of(experiment: Experiment, records: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials, chosen on the select split, that the report split is asked about."""
    return [t for t in records if t.rank is not None][: experiment.config.evaluate.report_top]


def not_held_out(experiment: Experiment, chosen: Sequence[TrialRecord]) -> list[TrialPaths]:
    """The runs of `chosen` trials that have no score on the report split yet: one of each seed that a trial's recipe
    was trained with.
    """
    if not any(p.split == "report" for p in experiment.domain.probes):
        return []
    own = [experiment.paths.trial(t.trial_id) for t in chosen]
    runs = [[run.files for run in t.runs] or [files] for t, files in zip(chosen, own, strict=True)]
    return [files for each in runs for files in each if not files.report.is_file()]


def prepare_directory(config: ExperimentConfig) -> ExperimentPaths:
    """Create the experiment directory, or see that it belongs to this config.

    Raises:
        ExperimentError: it holds another experiment, or files that are none.
    """
    paths = ExperimentPaths(config.directory)
    fetch(paths.root, light=True)
    if paths.config.is_file():
        before, now = load_resolved(paths.config).identity(), config.identity()
        changed = sorted(_different(before, now))
        if changed:
            raise ExperimentError(words.OTHER_EXPERIMENT(place=paths.root, settings=LIST().join(changed)))
    elif paths.root.is_dir() and any(p.name != LOCK for p in paths.root.iterdir()):
        raise ExperimentError(
            f"{paths.root} is not empty and holds no experiment; choose another `name` or storage_path"
        )
    ensure_dir(paths.root)
    ensure_dir(paths.trials)
    return paths


def write_config(experiment: Experiment) -> None:
    """Keep what is run, and what the contamination check found of it."""
    paths, config = experiment.paths, experiment.config
    write_atomic(paths.config, dump_yaml(config))
    write_json(paths.contamination, as_record(experiment.overlaps, allowed=config.data.allow_contamination))


def write_evidence(experiment: Experiment, infos: Sequence[dict[str, Any]]) -> None:
    """What runs, on what, and what is asked: kept with the answers, so that they can be read without the data.

    Args:
        infos: what every host says of itself.
    """
    domain, paths = experiment.domain, experiment.paths
    write_json(paths.environment, environment() | {"hosts": list(infos)})
    write_json(paths.data_manifest, experiment.manifest)
    write_jsonl(paths.probes, map(asdict, (*domain.probes, *domain.general)))
    write_jsonl(paths.passages, map(asdict, domain.passages))


def write_board(paths: ExperimentPaths) -> Leaderboard:
    """Read the leaderboard and keep it, and its page, beside the experiment's other files."""
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    write_atomic(paths.page, page_html(board))
    keep(paths.root, light=True)
    return board


def _different(before: Any, now: Any, prefix: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _different(before.get(key), now.get(key), f"{prefix}.{key}" if prefix else key)
    elif before != now:
        yield prefix
