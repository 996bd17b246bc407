"""`report.html`: the leaderboard, its two figures and the winner's wrong answers in one file that needs no network.

Everything in it may come from a model or a stranger's data file. The template escapes all text, figures travel as JSON
whose every `<` is written as an escape, and a content security policy forbids the page any request.
"""

from __future__ import annotations

import html
import json
from importlib.resources import files
from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from jinja2 import Environment, StrictUndefined
from plotly.offline import get_plotlyjs

from raykft.evaluation.metrics import METRICS
from raykft.evaluation.overlap import HEADER
from raykft.leaderboard.board import BASELINE_TITLES, Leaderboard, load_leaderboard
from raykft.leaderboard.overlap import overlap_of
from raykft.leaderboard.read import TrialRecord, baseline_results, read_probes, trial_results
from raykft.leaderboard.render import LEVELS, Sheet, closing_lines, sample_text, sheets
from raykft.leaderboard.statistics import Interval
from raykft.leaderboard.verdicts import verdicts
from raykft.paths import ExperimentPaths, write_atomic
from raykft.records import Split

TRIALS, FRONT, WINNER, BASELINES = "#4c78a8", "#9ecae9", "#2a9d55", "#e08214"
BAR_COLOURS = (WINNER, "#888888", BASELINES, "#5e60ce", "#bc5090", "#c2a83e", "#4c78a8", "#222222")


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
    """The whole page, plotly.js included (5 MB)."""
    source = files("raykft.leaderboard").joinpath("page.html.j2").read_text(encoding="utf-8")
    template = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True).from_string(source)
    winner = board.winner
    figures = {"scatter": scatter(board)} if board.front else {}
    if winner is not None:
        figures["levels"] = level_bars(board, winner)
    wrong = wrong_answers(board, winner) if winner else []
    overlap = overlap_of(ExperimentPaths(board.directory), winner.trial_id) if winner else None
    return template.render(
        name=board.directory.name,
        contaminated=len(board.findings),
        winner=winner and {"id": winner.trial_id, "sample": sample_text(winner)},
        verdicts=verdicts(board),
        sheets=[_table(sheet) for sheet in sheets(board)],
        counts=closing_lines(board)[0],
        figures=list(figures),
        overlap=overlap and {"split": overlap[0], "header": HEADER, "rows": [row.cells() for row in overlap[1]]},
        wrong=wrong,
        kinds=sorted({(row["level"], row["kind"]) for row in wrong}),
        figures_json=_script_json({name: figure.to_plotly_json() for name, figure in figures.items()}),
        plotly_js=get_plotlyjs(),
    )


def scatter(board: Leaderboard) -> go.Figure:
    """Gain against forgetting of the fully trained trials on the select split, with the front and the baselines."""
    trials = [t for t in board.trials if t.rank is not None]
    front = board.front
    members = [t for t in trials if front is not None and t.trial_id in front.members]
    members.sort(key=lambda t: t.select["forgetting"])
    figure = go.Figure(layout=_layout("forgetting ↓", "gain ↑"))
    figure.add_scatter(
        x=[t.select["forgetting"] for t in members],
        y=[t.select["gain"] for t in members],
        mode="lines",
        line={"shape": "hv", "color": FRONT, "width": 2},
        name="front",
        hoverinfo="skip",
    )
    groups = {"trials": [t for t in trials if t.rank != 1], "winner": [t for t in trials if t.rank == 1]}
    for name, group in groups.items():
        mark = {"color": WINNER, "size": 14, "symbol": "star"} if name == "winner" else {"color": TRIALS, "size": 9}
        figure.add_scatter(
            x=[t.select["forgetting"] for t in group],
            y=[t.select["gain"] for t in group],
            error_x=_error_bars(board, "select", [(t.trial_id, t.select) for t in group], "forgetting"),
            error_y=_error_bars(board, "select", [(t.trial_id, t.select) for t in group], "gain"),
            text=[_label(f"{t.trial_id}: {sample_text(t)}") for t in group],
            mode="markers",
            marker=mark,
            name=name,
        )
    # A prompt changes no weight: baselines forget nothing, except the one that puts a prompt on top of the winner.
    known = [b for b in board.baselines if "gain" in b.select and b.name != "tuned_bm25"]
    figure.add_scatter(
        x=[0.0] * len(known),
        y=[b.select["gain"] for b in known],
        text=[_label(BASELINE_TITLES.get(b.name, b.name)) for b in known],
        mode="markers",
        marker={"color": BASELINES, "size": 9, "symbol": "diamond-open"},
        name="baselines",
    )
    return figure


def level_bars(board: Leaderboard, winner: TrialRecord) -> go.Figure:
    """Every level of the winner and the baselines, held-out where the winner was reported."""
    split: Split = "report" if winner.report else "select"
    metrics = (*LEVELS, "premise", "hint")
    rows = [(winner.trial_id, "winner", getattr(winner, split))]
    rows += [(b.name, BASELINE_TITLES.get(b.name, b.name), getattr(b, split)) for b in board.baselines]
    figure = go.Figure(layout=_layout("", f"score ({split} split)") | {"barmode": "group"})
    for place, (name, title, values) in enumerate(rows):
        known = [metric for metric in metrics if metric in values]
        figure.add_bar(
            x=[METRICS[metric].title for metric in known],
            y=[values[metric] for metric in known],
            error_y=_bars([values[m] for m in known], [_interval(board, split, name, m) for m in known]),
            name=_label(title),
            marker={"color": BAR_COLOURS[place % len(BAR_COLOURS)]},
        )
    return figure


def wrong_answers(board: Leaderboard, winner: TrialRecord) -> list[dict[str, Any]]:
    """What the winner got wrong on both splits, beside the gold and the base model's answer."""
    paths = ExperimentPaths(board.directory)
    base = baseline_results(paths, "base")
    results = {s: trial_results(paths.trial(winner.trial_id), s) for s in ("select", "report")}
    rows = []
    for probe in read_probes(paths):
        result = results[probe.split].get(probe.id)
        if result is not None and not result.clean:
            before = base.get(probe.id)
            rows.append(
                {
                    "id": probe.id,
                    "split": probe.split,
                    "level": probe.level,
                    "kind": probe.kind,
                    "outcome": result.outcome,
                    "question": probe.question,
                    "gold": probe.gold,
                    "base": before.answer if before else "",
                    "answer": result.answer,
                    "claims": ", ".join(result.wrong_claims),
                }
            )
    return rows


def _table(sheet: Sheet) -> dict[str, Any]:
    rows = zip(*(column.cells for column in sheet.columns), strict=True)
    return {
        "title": sheet.title,
        "header": [(column.title, column.left) for column in sheet.columns],
        "rows": [
            (row_class, [(cell, column.left) for cell, column in zip(row, sheet.columns, strict=True)])
            for row_class, row in zip(sheet.classes, rows, strict=True)
        ],
    }


def _layout(x: str, y: str) -> dict[str, Any]:
    return {
        "template": "none",
        "height": 460,
        "margin": {"l": 60, "r": 20, "t": 20, "b": 50},
        "legend": {"orientation": "h", "y": 1.12},
        "xaxis": {"title": x, "zeroline": False, "gridcolor": "#e6e6e6"},
        "yaxis": {"title": y, "zeroline": False, "gridcolor": "#e6e6e6"},
        "font": {"family": "system-ui, sans-serif", "size": 13},
    }


def _interval(board: Leaderboard, split: Split, row: str, metric: str) -> Interval | None:
    return board.evidence[split].intervals.get(row, {}).get(metric) if split in board.evidence else None


def _error_bars(board: Leaderboard, split: Split, rows: list[tuple[str, dict[str, float]]], metric: str) -> Any:
    return _bars([values[metric] for _, values in rows], [_interval(board, split, name, metric) for name, _ in rows])


def _bars(values: list[float], intervals: list[Interval | None]) -> dict[str, Any]:
    """Plotly's asymmetric error bars; none where there is no interval."""
    pairs = list(zip(values, intervals, strict=True))
    return {
        "type": "data",
        "symmetric": False,
        "array": [bound.high - value if bound else None for value, bound in pairs],
        "arrayminus": [value - bound.low if bound else None for value, bound in pairs],
        "thickness": 1,
        "width": 3,
    }


def _label(text: str) -> str:
    """Plotly reads some tags in labels."""
    return html.escape(text, quote=False)


def _script_json(value: Any) -> str:
    """JSON that cannot end the script element it stands in."""
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c")
