"""Base and tuned answers side by side for the probes of one trial."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.errors import ExperimentError
from raykft.leaderboard.files import read_shown
from raykft.leaderboard.lines import paragraph
from raykft.leaderboard.read import baseline_results
from raykft.paths import ExperimentPaths, is_there
from raykft.untrusted.escapes import one_line, plain
from raykft.wording import tables as words
from raykft.wording.messages import called
from raykft.wording.names import OUTCOMES

COLOURS = {
    "correct": "green",
    "partial": "yellow",
    "wrong": "red",
    "refused": "magenta",
    "empty": "red",
    "unjudged": "",
}


def side_by_side(paths: ExperimentPaths, trial_id: str, questions: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One record a probe: question, both answers, outcome.

    Args:
        questions: the probes' questions by id.

    Raises:
        ExperimentError: the trial does not exist or has no scored answers.
        DamagedError: they cannot be read.
    """
    trial = paths.trial(trial_id)
    if not trial.root.is_dir():
        raise ExperimentError(
            f"there is no trial {trial_id!r}; see `raykft leaderboard {shlex.quote(str(paths.root))}`"
        )
    if not is_there(trial.probe_results):
        raise ExperimentError(f"trial {trial_id!r} has no scored answers: it was stopped, failed or is still running")
    base = _base_answers(paths)
    for row in read_shown(trial.probe_results):
        yield {**row, "question": questions.get(row["id"], ""), "base_answer": base.get(row["id"], "")}


def _base_answers(paths: ExperimentPaths) -> dict[str, str]:
    return {id: result.answer for id, result in baseline_results(paths, "base").items()}


def render_answers(rows: list[dict[str, Any]]) -> RenderableType:
    """A terminal table. Answers are untrusted: they become plain text, never markup or control codes."""
    table = Table(show_lines=True, expand=True)
    table.add_column(words.PROBE(), no_wrap=True)
    for title in (words.QUESTION, words.BASE_MODEL, words.TUNED):
        table.add_column(title(), ratio=1, overflow="fold")  # an answer in Japanese is one long word
    for row in rows:
        outcome = one_line(called(OUTCOMES, row["outcome"]))
        verdict = Text(f"{one_line(row['id'])}\n{outcome}", style=COLOURS.get(row["outcome"], ""))
        table.add_row(verdict, *(paragraph(plain(row[key])) for key in ("question", "base_answer", "answer")))
    return Group(table)
