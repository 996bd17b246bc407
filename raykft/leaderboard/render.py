"""The leaderboard for people: a terminal table and Markdown. Names and reasons are escaped, whoever wrote them."""

from __future__ import annotations

from typing import Any

from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from raykft.evaluate.metrics import METRICS
from raykft.leaderboard.board import BASE, ORACLE, Leaderboard
from raykft.leaderboard.store import TrialRecord

LEVELS = ("level_1", "level_2", "level_3", "level_4", "level_5")
WIDE = ("score", "gain", "knowledge", *LEVELS, "premise", "hint", "forgetting", "clean", "overgeneration")
NARROW = ("score", "knowledge", "level_1", "level_2", "forgetting")
WIDE_COLUMNS = 136  # terminal width from which the wide table fits


def terminal_board(board: Leaderboard, width: int) -> RenderableType:
    """Tables and closing lines for a terminal of `width` columns."""
    metrics = WIDE if width >= WIDE_COLUMNS else NARROW
    parts: list[RenderableType] = [_select_table(board, metrics)]
    if any(t.report for t in board.trials):
        parts += ["", _report_table(board, metrics)]
    return Group(*parts, "", Text("\n".join(closing_lines(board))))


def closing_lines(board: Leaderboard) -> list[str]:
    """Counts, the winner, why trials failed, and what to type next."""
    counts: dict[str, int] = {}
    for trial in board.trials:
        counts[trial.status] = counts.get(trial.status, 0) + 1
    lines = ["trials: " + (", ".join(f"{n} {status}" for status, n in sorted(counts.items())) or "none yet")]
    for trial in board.trials:
        if trial.status in {"failed", "diverged", "out_of_memory"}:
            lines.append(f"{trial.trial_id} {trial.status}: {_one_line(trial.reason)}")
    if counts.keys() & {"interrupted", "unfinished"}:
        lines.append("the search is not complete: the same `raykft tune` command continues it")
    winner = board.winner
    if winner is None:
        lines.append("no trial has a score yet")
        return lines
    lines.append(f"winner: {winner.trial_id}  ({_sample_text(winner)})")
    lines.append(f"adapter: {board.directory / 'trials' / winner.trial_id / 'adapter'}")
    lines.append(f"next: raykft show {board.directory} {winner.trial_id}")
    return lines


def _select_table(board: Leaderboard, metrics: tuple[str, ...]) -> Table:
    table = _table("select split: what the search saw", metrics)
    table.add_column("epochs", justify="right")
    wide = metrics is WIDE
    if wide:
        table.add_column("sec", justify="right")
    table.add_column("status")
    if board.base is not None:
        table.add_row("", BASE, *_cells(board.base.select, metrics), style="cyan")
        table.add_row("", ORACLE, *_cells(board.base.oracle_select, metrics), style="cyan")
    for trial in board.trials:
        seconds = [f"{trial.seconds:.0f}"] if wide else []
        table.add_row(
            "" if trial.rank is None else str(trial.rank),
            escape(trial.trial_id),
            *_cells(trial.select, metrics),
            f"{trial.epoch}/{trial.epochs}",
            *seconds,
            escape(trial.status),
            style="bold green" if trial.rank == 1 else None if trial.rank else "dim",
        )
    return table


def _report_table(board: Leaderboard, metrics: tuple[str, ...]) -> Table:
    scored = [t for t in board.trials if t.report]
    title = f"report split: held-out probes, only for the {len(scored)} trials chosen above"
    table = _table(title, metrics)
    if board.base is not None:
        table.add_row("", BASE, *_cells(board.base.report, metrics), style="cyan")
        table.add_row("", ORACLE, *_cells(board.base.oracle_report, metrics), style="cyan")
    for trial in scored:
        style = "bold green" if trial.rank == 1 else None
        table.add_row(str(trial.rank or ""), escape(trial.trial_id), *_cells(trial.report, metrics), style=style)
    return table


def _table(title: str, metrics: tuple[str, ...]) -> Table:
    """A table with the columns both splits have; headers say which direction is good."""
    table = Table(title=title, title_justify="left", pad_edge=False, box=None, padding=(0, 1, 0, 0))
    table.add_column("#", justify="right")
    table.add_column("trial", no_wrap=True)
    for name in metrics:
        metric = METRICS[name]
        arrow = "" if name in LEVELS else {True: "↑", False: "↓", None: ""}[metric.higher_is_better]
        table.add_column(metric.title + arrow, justify="right")
    return table


def _cells(values: dict[str, float], metrics: tuple[str, ...]) -> list[str]:
    return [f"{values[name]:.2f}" if name in values else "-" for name in metrics]


def _sample_text(trial: TrialRecord) -> str:
    return ", ".join(f"{path}={_short(value)}" for path, value in trial.sample.items())


def _short(value: Any) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 200 else line[:197] + "..."


def markdown_board(board: Leaderboard) -> str:
    """The leaderboard as Markdown tables."""
    lines = [f"# {_md(board.directory.name)}", "", "## select split: what the search saw", ""]
    header = ["#", "trial", *(METRICS[m].title for m in WIDE), "epochs", "sec", "status"]
    rows = []
    if board.base is not None:
        rows.append(["", BASE, *_cells(board.base.select, WIDE), "", "", ""])
        rows.append(["", ORACLE, *_cells(board.base.oracle_select, WIDE), "", "", ""])
    for t in board.trials:
        end = [f"{t.epoch}/{t.epochs}", f"{t.seconds:.0f}", t.status]
        rows.append([str(t.rank or ""), t.trial_id, *_cells(t.select, WIDE), *end])
    lines += _md_table(header, rows)
    if scored := [t for t in board.trials if t.report]:
        lines += ["", "## report split: held-out probes", ""]
        rows = []
        if board.base is not None:
            rows.append(["", BASE, *_cells(board.base.report, WIDE)])
            rows.append(["", ORACLE, *_cells(board.base.oracle_report, WIDE)])
        rows += [[str(t.rank or ""), t.trial_id, *_cells(t.report, WIDE)] for t in scored]
        lines += _md_table(header[: len(WIDE) + 2], rows)
    return "\n".join([*lines, "", *(f"- {_md(line)}" for line in closing_lines(board))]) + "\n"


def _md_table(header: list[str], rows: list[list[str]]) -> list[str]:
    body = [[_md(cell) for cell in row] for row in rows]
    return [f"| {' | '.join(cells)} |" for cells in [header, ["---"] * len(header), *body]]


def _md(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("\n", " ")


def print_board(board: Leaderboard, console: Console) -> None:
    console.print(terminal_board(board, console.width))
