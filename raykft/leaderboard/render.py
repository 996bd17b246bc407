"""The leaderboard for people: terminal tables and Markdown. Names and reasons are escaped, whoever wrote them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import BASELINE_TITLES, Leaderboard, optimism_of
from raykft.leaderboard.measurement import TEST, ColumnMeasure
from raykft.leaderboard.read import BaselineRecord, TrialRecord
from raykft.leaderboard.verdicts import bounds, verdicts
from raykft.paths import ExperimentPaths
from raykft.records import Split
from raykft.storage.runs import how_it_ended
from raykft.untrusted.escapes import markdown, one_line

LEVELS = ("level_1", "level_2", "level_3", "level_4", "level_5")
SHOWN = ("score", "gain", "knowledge", *LEVELS, "premise", "hint", "forgetting", "clean", "overgeneration")
# Shown where a row has them and there is room: in Markdown, HTML and very wide terminals.
MORE = (
    "forgetting_en",
    "forgetting_ja",
    "forgetting_signed",
    "drift",
    "unsupported_claims",
    "stop_rate",
    "repetition",
    "refusal_rate",
)
WITH_INTERVAL = ("score", "gain", "knowledge", "forgetting")
OPTIMISM, SEEDS, EPOCHS, SECONDS, STATUS, NOTES = "optim.", "seeds", "epochs", "sec", "status", "notes"
# Which columns a narrow terminal keeps, the most wanted first.
SELECT_WANTED = (
    "score",
    SEEDS,
    STATUS,
    "forgetting",
    "knowledge",
    EPOCHS,
    "level_2",
    "level_1",
    "gain",
    *SHOWN,
    SECONDS,
    *MORE,
)
REPORT_WANTED = ("score", "forgetting", "knowledge", OPTIMISM, "gain", "level_2", SEEDS, *SHOWN, NOTES, *MORE)
STYLES = {"baseline": "cyan", "winner": "bold green", "unranked": "dim", "": None}

Record = BaselineRecord | TrialRecord


@dataclass(frozen=True)
class Column:
    """One column of a table, with the name that it is chosen by; its cells become single lines of plain text."""

    name: str
    title: str
    cells: list[str]
    left: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "cells", list(map(one_line, self.cells)))

    @property
    def width(self) -> int:
        return max(map(cell_len, [self.title, *self.cells]))


@dataclass(frozen=True)
class Sheet:
    """A table before it is drawn. Rows are baselines, then trials; `classes` are keys of `STYLES`, one a row."""

    title: str
    columns: list[Column]
    classes: list[str]


def print_board(board: Leaderboard, console: Console) -> None:
    console.print(terminal_board(board, console.width))


def terminal_board(board: Leaderboard, width: int) -> RenderableType:
    """Tables and closing lines for a terminal of `width` columns."""
    parts: list[RenderableType] = [_drawn(_select_sheet(board), SELECT_WANTED, width)]
    if board.reported:
        every = _report_sheet(board, WITH_INTERVAL)
        fits = _width([c for c in every.columns if c.name in {"#", "trial", *WITH_INTERVAL}]) <= width
        sheet = every if fits else _report_sheet(board, WITH_INTERVAL[:1])
        parts += ["", _drawn(sheet, REPORT_WANTED, width)]
    if (measured := _measurement_sheet(board)) is not None:
        wanted = [column.name for column in measured.columns]
        parts += ["", _drawn(measured, wanted, width, lead=wanted[0]), _text(_measured(board))]
    if told := verdicts(board):
        findings = Table.grid(padding=(0, 1))
        for sentence in told:
            findings.add_row("-", _text(sentence))
        parts += ["", findings]
    return Group(*parts, "", *map(_text, closing_lines(board)))


def markdown_board(board: Leaderboard) -> str:
    """The leaderboard as Markdown tables."""
    lines = [f"# {markdown(board.directory.name)}"]
    for sheet in sheets(board):
        rows = zip(*(column.cells for column in sheet.columns), strict=True)
        lines += ["", f"## {sheet.title}", "", *_md_table([column.title for column in sheet.columns], rows)]
    measured = [_measured(board)] if board.measurement.columns else []
    told = [*measured, *verdicts(board), *closing_lines(board)]
    return "\n".join([*lines, "", *(f"- {markdown(line)}" for line in told)]) + "\n"


def sheets(board: Leaderboard) -> list[Sheet]:
    """Every table in full width."""
    measured = _measurement_sheet(board)
    reported = [_report_sheet(board, WITH_INTERVAL)] if board.reported else []
    return [_select_sheet(board), *reported, *([measured] if measured else [])]


def closing_lines(board: Leaderboard) -> list[str]:
    """Counts, the winner, why trials failed, and what to type next."""
    counts: dict[str, int] = {}
    for trial in board.trials:
        counts[trial.status] = counts.get(trial.status, 0) + 1
    lines = ["trials: " + (", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "none yet")]
    for trial in board.trials:
        if trial.status.failed:
            lines.append(f"{trial.trial_id} {trial.status}: {_one_line(trial.reason)}")
    ending = how_it_ended(ExperimentPaths(board.directory))
    if ending is not None:
        lines.append(ending)
    elif not all(trial.status.finished for trial in board.trials):
        lines.append("the search is not complete: the same `raykft tune` command continues it")
    winner = board.winner
    if winner is None:
        lines.append("no trial has a score yet")
        return lines
    lines.append(f"winner: {winner.trial_id}  ({sample_text(winner)})")
    adapter = ExperimentPaths(board.directory).trial(winner.trial_id).adapter
    if adapter.is_dir():  # one that was only evaluated lies where it was
        lines.append(f"adapter: {adapter}")
    lines.append(f"next: raykft show {shlex.quote(str(board.directory))} {shlex.quote(winner.trial_id)}")
    return lines


def sample_text(trial: TrialRecord) -> str:
    """The sampled values of a trial on one line."""
    return ", ".join(f"{path}={_short(value)}" for path, value in trial.sample.items())


def _select_sheet(board: Leaderboard) -> Sheet:
    rows: list[Record] = [*(b for b in board.baselines if b.select), *board.trials]
    columns = [
        *_leading(board, rows, "select"),
        *_seed_column(board, rows, "select"),
        *(_metric(board, rows, "select", name) for name in _known_metrics(rows, "select")),
        _trial_column(EPOCHS, rows, lambda t: f"{t.epoch}/{t.epochs}"),
        _trial_column(SECONDS, rows, lambda t: f"{t.seconds:.0f}"),
        _trial_column(STATUS, rows, lambda t: t.status, left=True),
    ]
    return Sheet("select split: what the search saw", columns, [_class(row) for row in rows])


def _report_sheet(board: Leaderboard, with_interval: Sequence[str]) -> Sheet:
    rows: list[Record] = [*(b for b in board.baselines if b.report), *board.reported]
    names = _known_metrics(rows, "report")
    metrics = [_metric(board, rows, "report", name, with_interval=name in with_interval) for name in names]
    columns = [
        *_leading(board, rows, "report"),
        metrics[0],
        _trial_column(OPTIMISM, rows, lambda t: "" if (gap := optimism_of(t)) is None else f"{gap:+.2f}"),
        *_seed_column(board, rows, "report"),
        *metrics[1:],
        _trial_column(NOTES, rows, lambda t: " ".join(board.badges(t)), left=True),
    ]
    title = f"report split: held-out probes, only for the {len(board.reported)} trials chosen above"
    if any("[" in cell for column in metrics for cell in column.cells):
        title += "; 95 % intervals"
    return Sheet(title, columns, [_class(row) for row in rows])


def _measurement_sheet(board: Leaderboard) -> Sheet | None:
    """What of every column is signal; columns that say little are grey."""
    found = board.measurement
    if not found.columns:
        return None
    names = list(found.columns)
    figures = [found.columns[name] for name in names]

    def column(title: str, cell: Callable[[ColumnMeasure], float | None], form: str = ".2f") -> Column:
        values = [cell(figure) for figure in figures]
        return Column(title, title, ["-" if value is None else f"{value:{form}}" for value in values])

    columns = [
        Column("column", "column", [METRICS[name].title for name in names], left=True),
        column("spread", lambda c: c.spread),
        column("noise", lambda c: c.noise),
        column("snr", lambda c: c.snr, ".1f"),
        column("reliability", lambda c: c.reliability),
        column("decided pairs", lambda c: c.decided_pairs, ".0%"),
    ]
    classes = ["" if figure.readable else "unranked" for figure in figures]
    return Sheet(f"measurement: ranked by {METRICS['score'].title} ({found.ranked_by})", columns, classes)


def _measured(board: Leaderboard) -> str:
    found = board.measurement
    grey = [METRICS[name].title for name, column in found.columns.items() if not column.readable]
    said = [
        *([f"this board decides {found.decided_pairs:.0%} of its pairs"] if found.decided_pairs is not None else []),
        found.advice,
        *(
            [f"graded and generated scores agree at Spearman {found.agreement:.2f}"]
            if found.agreement is not None
            else []
        ),
        *([f"grey columns are mostly noise here: {', '.join(grey)}"] if grey else []),
        f"tests: {TEST}",
    ]
    return "; ".join(said)


def _leading(board: Leaderboard, rows: Sequence[Record], split: Split) -> list[Column]:
    names = [BASELINE_TITLES.get(r.name, r.name) if isinstance(r, BaselineRecord) else r.trial_id for r in rows]
    return [_trial_column("#", rows, lambda t: _rank(board, t, split)), Column("trial", "trial", names, left=True)]


def _trial_column(name: str, rows: Sequence[Record], cell: Callable[[TrialRecord], str], left: bool = False) -> Column:
    return Column(name, name, [cell(row) if isinstance(row, TrialRecord) else "" for row in rows], left)


def _metric(
    board: Leaderboard, rows: Sequence[Record], split: Split, name: str, *, with_interval: bool = False
) -> Column:
    metric = METRICS[name]
    arrow = "" if name in LEVELS else {True: "↑", False: "↓", None: ""}[metric.higher_is_better]
    known = board.evidence[split].intervals if with_interval and split in board.evidence else {}
    figures, intervals = [], []
    for row in rows:
        values = _values(row, split)
        figures.append(f"{values[name]:.2f}" if name in values else "-")
        bound = known.get(row.name if isinstance(row, BaselineRecord) else row.trial_id, {}).get(name)
        intervals.append(bounds(bound) if name in values else "")
    # Figures line up on their points, and intervals where they begin.
    widest = max(map(len, figures), default=0)
    cells = [f"{figure:>{widest}} {bound}".rstrip() for figure, bound in zip(figures, intervals, strict=True)]
    return Column(name, metric.title + arrow, cells, left=any(intervals))


def _known_metrics(rows: Sequence[Record], split: Split) -> list[str]:
    return [*SHOWN, *(name for name in MORE if any(name in _values(row, split) for row in rows))]


def _values(row: Record, split: Split) -> dict[str, float]:
    return row.select if split == "select" else row.report


def _rank(board: Leaderboard, trial: TrialRecord, split: Split) -> str:
    """`1=` for a rank shared with trials that cannot be told apart."""
    groups = board.rank_groups.get(split, {})
    if trial.trial_id not in groups:
        return str(trial.rank or "")
    group = groups[trial.trial_id]
    return f"{group}=" if board.shared_ranks[split][group] > 1 else f"{group} "


def _seed_column(board: Leaderboard, rows: Sequence[Record], split: Split) -> list[Column]:
    """How many seeds a row is the mean of, with its lowest and highest score; where any trial has several."""

    def cell(trial: TrialRecord) -> str:
        scores = [values["score"] for run in trial.runs if "score" in (values := getattr(run, split))]
        return f"{len(scores)}: {min(scores):.2f}-{max(scores):.2f}" if len(scores) > 1 else ""

    return [_trial_column(SEEDS, rows, cell)] if any(t.runs for t in board.trials) else []


def _class(row: Record) -> str:
    if isinstance(row, BaselineRecord):
        return "baseline"
    return "winner" if row.rank == 1 else "" if row.rank else "unranked"


def _drawn(sheet: Sheet, wanted: Sequence[str], width: int, lead: str = "trial") -> Table:
    """The columns that fit, in their own order, chosen in the order of `wanted`."""
    kept = [column for column in sheet.columns if column.name in {"#", lead}]
    by_name = {column.name: column for column in sheet.columns}
    for name in dict.fromkeys(wanted):
        if name in by_name and _width([*kept, by_name[name]]) <= width:
            kept.append(by_name[name])
    table = Table(title=sheet.title, title_justify="left", pad_edge=False, box=None, padding=(0, 1, 0, 0))
    columns = [column for column in sheet.columns if column in kept]
    for column in columns:
        table.add_column(Text(column.title), justify="left" if column.left else "right", no_wrap=True)
    for name, *cells in zip(sheet.classes, *(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells), style=STYLES[name])
    return table


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + 1 for column in columns) - 1


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."


def _md_table(header: list[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [list(map(markdown, row)) for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *body]]


def _text(line: str) -> Text:
    return Text(one_line(line))
