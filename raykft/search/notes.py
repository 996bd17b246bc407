"""Notes for optuna-dashboard: what a board says on the study, and on its trials their outcome and where adapters are.

They are written when a run has ended, in the dashboard's own form (its `save_note`), which takes no package: Markdown
in pieces among the study's system attributes, with a version that the dashboard raises when somebody edits a note. Such
a note is the user's and stays.
"""

from __future__ import annotations

import logging
import shlex
from collections.abc import Iterator, Mapping
from typing import Any

from optuna.storages import RDBStorage

from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.head import head
from raykft.leaderboard.read import TrialRecord
from raykft.paths import ExperimentPaths, is_there
from raykft.search.names import number_of
from raykft.search.study import opened
from raykft.storage.store import address, keep
from raykft.untrusted.escapes import markdown, markdown_code
from raykft.wording import notes as words
from raykft.wording.names import LIST, STATUSES

log = logging.getLogger(__name__)
OWN_VERSION = 1
PIECE = 2045  # characters of a note in one attribute, as the dashboard divides them
# The dashboard and some samplers read all notes again and again; of more trials only the best have one.
MOST = 300
FIGURES = ("score", "gain", "knowledge", "forgetting")


def write_notes(board: Leaderboard) -> None:
    """Note on the experiment's study what its board says. Its troubles are none of the search."""
    paths = ExperimentPaths(board.directory)
    if not is_there(paths.study):
        return
    try:
        with opened(paths.study) as storage:
            _write(storage, board)
        keep(paths.study)
    except Exception as error:  # somebody holds the database, a disk that is full
        log.warning("the study has no notes for optuna-dashboard: %s", error)


def _write(storage: RDBStorage, board: Leaderboard) -> None:
    found = next((s for s in storage.get_all_studies() if s.study_name == board.directory.name), None)
    if found is None:
        return
    known, study = found.system_attrs, found._study_id
    values = found.system_attrs.get("study:metric_names", ["score"])
    _note(storage, study, known, None, "\n".join(_of_study(board, values)))
    trials = {trial.number: trial._trial_id for trial in storage.get_all_trials(study, deepcopy=False)}
    for trial in board.trials[:MOST]:
        number = number_of(trial.trial_id)
        if number in trials:
            _note(storage, study, known, trials[number], "\n\n".join(_of_trial(board, trial)))


def _note(storage: RDBStorage, study: int, known: Mapping[str, Any], trial: int | None, text: str) -> None:
    prefix = "dashboard" if trial is None else f"dashboard:{trial}"
    version, piece = f"{prefix}:note_ver", f"{prefix}:note_str:"
    if known.get(version, OWN_VERSION) > OWN_VERSION:
        return
    count = max(-(-len(text) // PIECE), sum(key.startswith(piece) for key in known))
    attributes = {f"{piece}{n}": text[n * PIECE : (n + 1) * PIECE] for n in range(count)} | {version: OWN_VERSION}
    for key, value in attributes.items():
        if known.get(key) != value:
            storage.set_study_system_attr(study, key, value)


def _of_study(board: Leaderboard, values: list[str]) -> Iterator[str]:
    yield f"## {markdown(board.directory.name)}"
    yield ""
    for line in head(board):
        text = markdown_code(line.text) if line.command else markdown(line.text)
        yield f"- **{line.title}**: {text}" if line.title else f"  - {text}"
    yield ""
    yield words.ABOUT(values=LIST().join(METRICS[name].heading for name in values if name in METRICS))
    yield ""
    page = ExperimentPaths(board.directory).page.name
    yield words.BOARD(command=_command(board, "leaderboard"), page=markdown_code(page))


def _of_trial(board: Leaderboard, trial: TrialRecord) -> Iterator[str]:
    about = {"epoch": trial.epoch, "epochs": trial.epochs, "seconds": trial.seconds}
    told = words.TRIAL(trial=markdown(trial.trial_id), status=STATUSES[trial.status](), **about)
    yield f"{told} ({words.WINNER()})" if trial is board.winner else told
    if trial.reason:
        yield markdown(trial.reason)
    several = [words.SEEDS(n=len(trial.runs))] if len(trial.runs) > 1 else []
    for message, figures in ((words.FIGURES, trial.select), (words.HELD_OUT, trial.report)):
        if "score" in figures:
            yield message(figures=LIST().join([*_figures(figures), *several]))
    paths = ExperimentPaths(board.directory)
    adapter = paths.trial(trial.trial_id).adapter
    # Those of a storage are not brought here to be looked at.
    if trial.rank is None or not (adapter.is_dir() or address(paths.root) != str(paths.root)):
        yield words.NO_ADAPTER()
        return
    yield words.ADAPTER(place=markdown_code(str(adapter.relative_to(paths.root))))
    yield words.ANSWERS(command=_command(board, "show", trial.trial_id))
    yield words.EXPORT(command=_command(board, "export", trial.trial_id, "OUT"))


def _figures(values: Mapping[str, float]) -> Iterator[str]:
    for name in FIGURES:
        if name in values:
            yield words.FIGURE(name=METRICS[name].heading, value=values[name])


def _command(board: Leaderboard, name: str, *rest: str) -> str:
    return markdown_code(shlex.join(["raykft", name, address(board.directory), *rest]))
