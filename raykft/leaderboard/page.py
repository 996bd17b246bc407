"""`report.html`: the leaderboard in one file that needs no network, in the order in which one asks of it.

Everything in it may come from a model or a stranger's data file. The template escapes all text, answers travel as JSON
whose every `<` is written as an escape and are only ever shown as text, and a content security policy forbids the page
any request and any script or style but its own (docs/decisions/014).
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from raykft.errors import ExperimentError
from raykft.evaluation.overlap import OverlapRow
from raykft.leaderboard.board import CONTAMINATED, Leaderboard, load_leaderboard
from raykft.leaderboard.charts import (
    Figure,
    curves_figure,
    front_figure,
    generated_figure,
    levels_figure,
    slice_figure,
)
from raykft.leaderboard.effects import effects, outcome
from raykft.leaderboard.opening import opening
from raykft.leaderboard.overlap import overlap_cells, overlap_of, overlap_titles
from raykft.leaderboard.page_data import answers, compared, fact_map, outcomes_of, provenance, script_words
from raykft.leaderboard.parallel import parallel_figure
from raykft.leaderboard.read import TrialRecord, read_curves
from raykft.leaderboard.render import (
    MORE,
    Column,
    Sheet,
    meanings,
    measured,
    measurement_sheet,
    report_sheet,
    select_sheet,
    what_became,
)
from raykft.leaderboard.verdicts import verdicts
from raykft.paths import ExperimentPaths, write_atomic
from raykft.records import Split
from raykft.storage.runs import at_work
from raykft.wording import page as words
from raykft.wording.columns import EXPLAINED
from raykft.wording.messages import Lang, Message, spoken
from raykft.wording.names import BADGES, SPLITS

MOST_DRAWN, MOST_LISTED = 300, 500  # trials in a figure, and in the table
LIVE_SECONDS = 20  # after which the page of a running search looks again


def write_page(directory: str | Path) -> Path:
    """Write `report.html` into an experiment directory and return its path.

    Raises:
        ExperimentError: the directory holds no experiment.
    """
    board = load_leaderboard(directory)
    file = ExperimentPaths(board.directory).page
    write_atomic(file, page_html(board))
    return file


def page_html(board: Leaderboard) -> str:
    """The whole page in the language that is spoken; some hundred kilobytes, most of them answers."""
    style, script = _style(), _own("page.js")
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(
        _own("page.html.j2")
    )
    found = _content(board)
    shown = {"front": "overview", "matters": "slices", "compare": "compared", "held-out": "reported"}
    shown |= {"answers": "answering", "findings": "verdicts"}
    sections = [id for id in words.SECTIONS if id == "trials" or found[shown.get(id, id)]]
    policy = (
        f"default-src 'none'; script-src 'sha256-{_digest(script)}'; style-src 'sha256-{_digest(style)}'; "
        "base-uri 'none'; form-action 'none'"
    )
    own = {"style": style, "script": script, "policy": policy, "sections": sections}
    return template.render(lang=spoken(), words=words, explained=EXPLAINED, say=_said, **own, **found)


def _content(board: Leaderboard) -> dict[str, Any]:
    winner, paths = board.winner, ExperimentPaths(board.directory)
    curves = read_curves(paths, board.trials[:MOST_DRAWN])
    by = outcome(board.trials[:MOST_DRAWN], curves)
    by_setting = effects(board.trials[:MOST_DRAWN], by) if by else []
    said, side_by_side = answers(board), compared(board)
    overlap = _overlap(paths, winner)
    box = measurement_sheet(board)
    return {
        "name": board.directory.name,
        "live": LIVE_SECONDS if at_work(paths) else 0,
        "contaminated": len(board.findings),
        "opening": opening(board, by_setting),
        "winner": winner is not None,
        "counts": what_became(board)[0],
        "overview": _known([front_figure(board), levels_figure(board, winner) if winner else None]),
        "curves": _known([curves_figure(board, curves), generated_figure(board)]),
        "slices": [slice_figure(effect, by) for effect in by_setting] if by else [],
        "parallel": parallel_figure(by_setting, by) if by else None,
        "outcome": by.title if by else "",
        "trials": _table(select_sheet(board, settings=True, most=MOST_LISTED)),
        "meanings": [] if spoken() is Lang.EN else meanings(board),
        "listed": MOST_LISTED,
        "unlisted": max(0, len(board.trials) - MOST_LISTED),
        "compared": len(side_by_side) > 1,
        "reported": _table(report_sheet(board)) if board.reported else None,
        "facts": fact_map(board),
        "answering": [trial["id"] for trial in said["trials"]],
        "badge": BADGES[CONTAMINATED](),
        "outcomes": {name: message() for name, message in outcomes_of(board).items()},
        "splits": {name: message() for name, message in SPLITS.items()},
        "left_out": said["left_out"],
        "measurement": _table(box) if box else None,
        "measured": measured(board) if box else "",
        "verdicts": verdicts(board),
        "overlap": overlap
        and {
            "split": SPLITS[overlap[0]](),
            "header": overlap_titles(),
            "rows": [overlap_cells(row) for row in overlap[1]],
        },
        "provenance": provenance(board),
        "data_json": _script_json({"trials": side_by_side, "answers": said, "words": script_words(board)}),
    }


def _table(sheet: Sheet) -> dict[str, Any]:
    trial = next((column for column in sheet.columns if column.name == "trial"), None)
    names = trial.cells if trial else [""] * len(sheet.classes)
    rows = zip(sheet.classes, names, zip(*(column.cells for column in sheet.columns), strict=True), strict=True)
    most = MOST_LISTED + sheet.classes.count("baseline")
    return {
        "title": sheet.title,
        "header": [
            {
                "title": column.title,
                "left": column.left,
                "fixed": column.name in {"#", "trial"},
                "less": column.name in MORE,
                "meaning": _meaning(column),
            }
            for column in sheet.columns
        ],
        "rows": [
            {
                "style": style,
                "trial": "" if style == "baseline" else name,
                "cells": [
                    (cell, column.left, column is trial) for cell, column in zip(row, sheet.columns, strict=True)
                ],
            }
            for style, name, row in itertools.islice(rows, most)
        ],
    }


def _meaning(column: Column) -> str:
    """Shown where the heading is pointed at. English readers have docs/evaluation.md, which is in English."""
    return "" if spoken() is Lang.EN else column.meaning


def _overlap(paths: ExperimentPaths, winner: TrialRecord | None) -> tuple[Split, list[OverlapRow]] | None:
    """None for an experiment that did not keep what was answered."""
    try:
        return overlap_of(paths, winner.trial_id) if winner else None
    except ExperimentError:
        return None


def _known(figures: Sequence[Figure | None]) -> list[Figure]:
    return [figure for figure in figures if figure is not None]


def _said(message: Message, **values: Any) -> Markup:
    """A message as HTML: its own text as it is, its values escaped unless they are HTML themselves."""
    return Markup(message.template(values.get("n"))).format(**values)


def _style() -> str:
    return _own("page.css") + (_own("page.ja.css") if spoken() is Lang.JA else "")


def _own(name: str) -> str:
    return files("raykft.leaderboard").joinpath(name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """As a content security policy names a script or style that may be used."""
    return base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
