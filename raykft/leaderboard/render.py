"""The leaderboard for people: terminal tables and Markdown. Names and reasons are escaped, whoever wrote them."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.evaluation.free import BY_LEVEL, OVERLAPS
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import Leaderboard, optimism_of
from raykft.leaderboard.head import head
from raykft.leaderboard.lines import JapaneseText, broken, paragraph
from raykft.leaderboard.measurement import ColumnMeasure
from raykft.leaderboard.read import BaselineRecord, TrialRecord
from raykft.leaderboard.verdicts import bounds, verdicts
from raykft.paths import ExperimentPaths
from raykft.records import Split
from raykft.storage.runs import how_it_ended
from raykft.storage.store import address
from raykft.untrusted.escapes import markdown, one_line
from raykft.wording import tables as words
from raykft.wording.columns import EXPLAINED, MEANINGS, TITLES
from raykft.wording.head import SEPARATOR
from raykft.wording.messages import Lang, called, spoken
from raykft.wording.names import BADGES, BASELINES, LIST, STATUSES

LEVELS = ("level_1", "level_2", "level_3", "level_4", "level_5")
SHOWN = ("score", "gain", "knowledge", *LEVELS, "premise", "hint", "forgetting", "clean", "overgeneration")
# Shown where a domain has free texts, after the hints.
FREE = (*BY_LEVEL.values(), *OVERLAPS)
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
    "forgetting",
    SEEDS,
    STATUS,
    "knowledge",
    EPOCHS,
    "level_2",
    "level_1",
    "gain",
    *FREE,
    *SHOWN,
    SECONDS,
    *MORE,
)
REPORT_WANTED = ("score", "forgetting", "knowledge", OPTIMISM, "gain", "level_2", SEEDS, *FREE, *SHOWN, NOTES, *MORE)
# The first so many are kept even where names must be shortened for them, to no less than `MIN_NAME` columns.
ESSENTIAL, MIN_NAME = 2, 12
MOST_FAILURES, MOST_TRIALS = 3, 30  # told without `--details`
_HEAD_STYLES = {"winner": "bold green", "caution": "yellow"}
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

    @property
    def meaning(self) -> str:
        """What the column holds; nothing for a searched setting."""
        if self.name in METRICS:
            return METRICS[self.name].meaning
        return MEANINGS[self.name]() if self.name in MEANINGS else ""


@dataclass(frozen=True)
class Sheet:
    """A table before it is drawn. Rows are baselines, then trials; `classes` are keys of `STYLES`, one a row."""

    title: str
    columns: list[Column]
    classes: list[str]


def print_board(board: Leaderboard, console: Console, *, details: bool = False, explain: bool = False) -> None:
    # Commands may be longer than a line, and all else fits it.
    console.print(terminal_board(board, console.width, details=details, explain=explain), crop=False)


def terminal_board(board: Leaderboard, width: int, *, details: bool = False, explain: bool = False) -> RenderableType:
    """A few plain lines, then the tables, for a terminal of `width` columns.

    Args:
        details: also how well the board measures and all that may be concluded.
        explain: also what every column means.
    """
    selected = select_sheet(board) if details else _first_rows(select_sheet(board))
    parts: list[RenderableType] = [_head(board, width), "", *_drawn(selected, SELECT_WANTED, width)]
    if (more := len(board.trials) - MOST_TRIALS) > 0 and not details:
        parts.append(_text(words.MORE_TRIALS(n=more), "dim"))
    if board.reported:
        every = report_sheet(board)
        fits = _width([c for c in every.columns if c.name in {"#", "trial", *WITH_INTERVAL}]) <= width
        sheet = every if fits else report_sheet(board, WITH_INTERVAL[:1])
        parts += ["", *_drawn(sheet, REPORT_WANTED, width)]
    if explain:
        parts += ["", *_explained(board)]
    if details:
        return Group(*parts, *_details(board, width), "", *map(_text, closing_lines(board)))
    rest = _unbroken(words.REST(place=_place(board)))
    return Group(*parts, "", *map(_text, what_became(board)[: 1 + MOST_FAILURES]), rest)


def _first_rows(sheet: Sheet) -> Sheet:
    """The baselines and the best trials: what scrolls away is not read."""
    most = MOST_TRIALS + sheet.classes.count("baseline")
    columns = [replace(column, cells=column.cells[:most]) for column in sheet.columns]
    return Sheet(sheet.title, columns, sheet.classes[:most])


def _head(board: Leaderboard, width: int) -> RenderableType:
    lines = head(board)
    indent = max(cell_len(line.title) for line in lines) + 2
    drawn = []
    for line in lines:
        label = set_cell_size(f"{line.title}:" if line.title else "", indent)
        text = line.text if line.command else _that_fit(line.parts, width - indent)
        line_of = _unbroken if line.command else _text
        drawn.append(line_of(f"{label}{text}", _HEAD_STYLES.get(line.label, "")))
    return Group(*drawn)


def _that_fit(parts: Sequence[str], width: int) -> str:
    """As many of the first parts as a line holds; the first one whatever its length."""
    text = parts[0]
    for part in parts[1:]:
        if cell_len(longer := f"{text}{SEPARATOR()}{part}") > width:
            break
        text = longer
    return text


def _details(board: Leaderboard, width: int) -> Iterator[RenderableType]:
    if (box := measurement_sheet(board)) is not None:
        wanted = [column.name for column in box.columns]
        yield from ("", *_drawn(box, wanted, width, lead=wanted[0]), _text(measured(board)))
    if told := verdicts(board):
        findings = Table.grid(padding=(0, 1))
        for sentence in told:
            findings.add_row("-", _text(sentence))
        yield from ("", findings)


def meanings(board: Leaderboard) -> list[tuple[str, str]]:
    """The columns of a board's tables, each with what it holds."""
    columns = {column.name: column for sheet in sheets(board) for column in sheet.columns}
    return [(column.title, column.meaning) for column in columns.values() if column.meaning]


def _explained(board: Leaderboard) -> Iterator[RenderableType]:
    rows = Table.grid(padding=(0, 2))
    for title, meaning in meanings(board):
        rows.add_row(_text(title), _text(meaning))
    yield _text(EXPLAINED())
    yield rows


def markdown_board(board: Leaderboard) -> str:
    """The leaderboard as Markdown tables."""
    lines = [f"# {markdown(board.directory.name)}"]
    for sheet in sheets(board):
        rows = zip(*(column.cells for column in sheet.columns), strict=True)
        lines += ["", f"## {sheet.title}", "", *_md_table([column.title for column in sheet.columns], rows)]
    box = [measured(board)] if board.measurement.columns else []
    told = [*box, *verdicts(board), *closing_lines(board)]
    return "\n".join([*lines, "", *(f"- {markdown(line)}" for line in told)]) + "\n"


def sheets(board: Leaderboard) -> list[Sheet]:
    """Every table in full width."""
    box = measurement_sheet(board)
    reported = [report_sheet(board)] if board.reported else []
    return [select_sheet(board), *reported, *([box] if box else [])]


def what_became(board: Leaderboard) -> list[str]:
    """How many trials ended how, and a line for each that failed."""
    counts = Counter(trial.status for trial in board.trials)
    failed = [t for t in board.trials if t.status.failed]
    told = LIST().join(words.COUNT(n=n, status=STATUSES[status]()) for status, n in sorted(counts.items()))
    return [
        words.TRIALS(counts=told or words.NONE_YET()),
        *(f"{trial.trial_id} {STATUSES[trial.status]()}: {_one_line(trial.reason)}" for trial in failed),
    ]


def closing_lines(board: Leaderboard) -> list[str]:
    """Counts, the winner, why trials failed, and what to type next."""
    lines = what_became(board)
    ending = how_it_ended(ExperimentPaths(board.directory))
    if ending is not None:
        lines.append(ending)
    elif not all(trial.status.finished for trial in board.trials):
        lines.append(words.INCOMPLETE())
    winner = board.winner
    if winner is None:
        lines.append(words.NO_SCORE())
        return lines
    lines.append(words.WINNER(trial=winner.trial_id, sample=sample_text(winner)))
    adapter = ExperimentPaths(board.directory).trial(winner.trial_id).adapter
    if adapter.is_dir():  # one that was only evaluated lies where it was
        lines.append(words.ADAPTER(place=adapter))
    lines.append(words.NEXT(command=f"raykft show {_place(board)} {shlex.quote(winner.trial_id)}"))
    return lines


def _place(board: Leaderboard) -> str:
    return shlex.quote(address(board.directory))


def sample_text(trial: TrialRecord) -> str:
    """The sampled values of a trial on one line."""
    return ", ".join(f"{path}={short_value(value)}" for path, value in trial.sample.items())


def select_sheet(board: Leaderboard, *, settings: bool = False, most: int | None = None) -> Sheet:
    """What the search saw, of the best `most` trials where that is given; with `settings` also a column for every
    searched one."""
    rows: list[Record] = [*(b for b in board.baselines if b.select), *board.trials[:most]]
    columns = [
        *_leading(board, rows, "select"),
        *_seed_column(board, rows, "select"),
        *(_metric(board, rows, "select", name) for name in _known_metrics(rows, "select")),
        _trial_column(EPOCHS, rows, lambda t: f"{t.epoch}/{t.epochs}"),
        _trial_column(SECONDS, rows, lambda t: f"{t.seconds:.0f}"),
        _trial_column(STATUS, rows, lambda t: STATUSES[t.status](), left=True),
    ]
    if settings:
        paths = dict.fromkeys(path for trial in board.trials for path in trial.sample)
        columns += [_setting(path, rows) for path in paths]
    return Sheet(words.SELECT(), columns, [_class(row) for row in rows])


def report_sheet(board: Leaderboard, with_interval: Sequence[str] = WITH_INTERVAL) -> Sheet:
    """Held-out figures, with intervals of some."""
    rows: list[Record] = [*(b for b in board.baselines if b.report), *board.reported]
    names = _known_metrics(rows, "report")
    metrics = [_metric(board, rows, "report", name, with_interval=name in with_interval) for name in names]
    columns = [
        *_leading(board, rows, "report"),
        metrics[0],
        _trial_column(OPTIMISM, rows, lambda t: "" if (gap := optimism_of(t)) is None else f"{gap:+.2f}"),
        *_seed_column(board, rows, "report"),
        *metrics[1:],
        _trial_column(NOTES, rows, lambda t: " ".join(called(BADGES, b) for b in board.badges(t)), left=True),
    ]
    title = words.REPORT(n=len(board.reported))
    if any("[" in cell for column in metrics for cell in column.cells):
        title = words.REPORT_INTERVALS(title=title)
    return Sheet(title, columns, [_class(row) for row in rows])


def measurement_sheet(board: Leaderboard) -> Sheet | None:
    """What of every column is signal; columns that say little are grey."""
    found = board.measurement
    if not found.columns:
        return None
    names = list(found.columns)
    figures = [found.columns[name] for name in names]

    def column(name: str, cell: Callable[[ColumnMeasure], float | None], form: str = ".2f") -> Column:
        values = [cell(figure) for figure in figures]
        return Column(name, TITLES[name](), ["-" if value is None else f"{value:{form}}" for value in values])

    columns = [
        Column("column", TITLES["column"](), [METRICS[name].heading for name in names], left=True),
        column("spread", lambda c: c.spread),
        column("noise", lambda c: c.noise),
        column("snr", lambda c: c.snr, ".1f"),
        column("reliability", lambda c: c.reliability),
        column("decided pairs", lambda c: c.decided_pairs, ".0%"),
    ]
    classes = ["" if figure.readable else "unranked" for figure in figures]
    title = words.MEASUREMENT(score=METRICS["score"].heading, objective=found.ranked_by)
    return Sheet(title, columns, classes)


def measured(board: Leaderboard) -> str:
    """What stands below the measurement box."""
    found = board.measurement
    grey = [METRICS[name].heading for name, column in found.columns.items() if not column.readable]
    said = [
        *([words.DECIDES(share=found.decided_pairs)] if found.decided_pairs is not None else []),
        found.advice,
        *([words.AGREEMENT(agreement=found.agreement)] if found.agreement is not None else []),
        *([words.GREY(columns=LIST().join(grey))] if grey else []),
        words.TESTS(test=words.TEST()),
    ]
    return SEPARATOR().join(said)


def _leading(board: Leaderboard, rows: Sequence[Record], split: Split) -> list[Column]:
    names = [called(BASELINES, r.name) if isinstance(r, BaselineRecord) else r.trial_id for r in rows]
    return [
        _trial_column("#", rows, lambda t: _rank(board, t, split)),
        Column("trial", TITLES["trial"](), names, left=True),
    ]


def _trial_column(name: str, rows: Sequence[Record], cell: Callable[[TrialRecord], str], left: bool = False) -> Column:
    return Column(name, called(TITLES, name), [cell(row) if isinstance(row, TrialRecord) else "" for row in rows], left)


def _setting(path: str, rows: Sequence[Record]) -> Column:
    return _trial_column(path, rows, lambda trial: short_value(trial.sample.get(path, "")))


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
    return Column(name, metric.heading + arrow, cells, left=any(intervals))


def _known_metrics(rows: Sequence[Record], split: Split) -> list[str]:
    known = {name for row in rows for name in _values(row, split)}
    more = [name for name in MORE if name in known]
    if not (free := [name for name in FREE if name in known]):
        return [*SHOWN, *more]
    # Beside free texts no column is empty: most of the others may have nothing to show.
    place = SHOWN.index("hint") + 1
    return [name for name in (*SHOWN[:place], *free, *SHOWN[place:]) if name in known or name == "score"] + more


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


def _drawn(sheet: Sheet, wanted: Sequence[str], width: int, lead: str = "trial") -> Iterator[RenderableType]:
    """The columns that fit, in their own order, chosen in the order of `wanted`, and a line that names the others."""
    columns = _fitting(sheet, wanted, width, lead)
    title = "\n".join(broken(sheet.title, _width(columns))) if spoken() is Lang.JA else sheet.title
    table = Table(title=title, title_justify="left", pad_edge=False, box=None, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(Text(column.title), justify="left" if column.left else "right", no_wrap=True)
    for name, *cells in zip(sheet.classes, *(column.cells for column in columns), strict=True):
        table.add_row(*map(Text, cells), style=STYLES[name])
    yield table
    shown = {column.name for column in columns}
    # What a search did not measure is not missed.
    missed = [c for c in sheet.columns if c.name not in shown and any(cell not in {"", "-"} for cell in c.cells)]
    if missed:
        titles = LIST().join(column.title.rstrip("↑↓") for column in missed)
        yield _text(words.LEFT_OUT(columns=titles), "dim")


def _fitting(sheet: Sheet, wanted: Sequence[str], width: int, lead: str) -> list[Column]:
    """Columns go before names get shorter, and names before a number would be cut."""
    by_name = {column.name: column for column in sheet.columns}
    kept = [by_name[name] for name in ("#", lead) if name in by_name]
    for name in [name for name in wanted[:ESSENTIAL] if name in by_name]:
        room = width - _width([by_name[name], *(c for c in kept if c.name != lead)]) - 1
        if room >= min(by_name[lead].width, MIN_NAME):
            kept.append(by_name[name])
    others = [column for column in kept if column.name != lead]
    room = max(MIN_NAME, width - (_width(others) + 1 if others else 0))
    shorter = Column(lead, by_name[lead].title, [shortened(cell, room) for cell in by_name[lead].cells], left=True)
    kept = [shorter if column.name == lead else column for column in kept]
    for name in dict.fromkeys(wanted[ESSENTIAL:]):
        if name in by_name and by_name[name] not in kept and _width([*kept, by_name[name]]) <= width:
            kept.append(by_name[name])
    names = {column.name: column for column in kept}
    return [names[column.name] for column in sheet.columns if column.name in names]


def shortened(name: str, width: int) -> str:
    """`name` in at most `width` columns, its middle left out: trials' names begin with their number and end with what
    was searched last."""
    if cell_len(name) <= width:
        return name
    tail = chop_cells(name[::-1], (width - 1) // 2)[0][::-1]
    return chop_cells(name, width - 1 - cell_len(tail))[0] + "…" + tail


def _width(columns: Sequence[Column]) -> int:
    return sum(column.width + 1 for column in columns) - 1


def short_value(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."


def _md_table(header: list[str], rows: Iterable[Sequence[str]]) -> list[str]:
    body = [list(map(markdown, row)) for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *body]]


def _text(line: str, style: str = "") -> Text | JapaneseText:
    return paragraph(one_line(line), style)


def _unbroken(line: str, style: str = "") -> Text:
    """One line however long it is: whoever copies a command copies all of it."""
    return Text(one_line(line), style=style, no_wrap=True, overflow="ignore")
