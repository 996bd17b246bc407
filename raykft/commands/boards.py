"""The commands that show what an experiment found: `report`, `leaderboard` and `show`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from raykft.commands.options import Directory, Language, check_format
from raykft.untrusted.terminal import say
from raykft.wording import commands as texts
from raykft.wording.messages import Lang, speaking

FORMATS = ("table", "json", "csv", "md", "parquet")


def report(directory: Directory, lang: Language = Lang.EN) -> None:
    _without_threads()
    from raykft.leaderboard.page import write_page
    from raykft.storage.store import keep

    with speaking(lang):
        file = write_page(directory)
    keep(file)
    say(f"wrote {file}")


def leaderboard(
    directory: Directory,
    format: Annotated[str, typer.Option("--format", help=texts.FORMAT.en)] = "table",
    details: Annotated[bool, typer.Option("--details", help=texts.DETAILS.en)] = False,
    explain: Annotated[bool, typer.Option("--explain", help=texts.EXPLAIN.en)] = False,
    columns: Annotated[str, typer.Option("--columns", metavar="A,B,C", help=texts.COLUMNS.en)] = "",
    sort: Annotated[str, typer.Option("--sort", metavar="COLUMN", help=texts.SORT.en)] = "",
    ascending: Annotated[bool, typer.Option("--ascending", help=texts.ASCENDING.en)] = False,
    out: Annotated[Path | None, typer.Option("--out", metavar="FILE", help=texts.OUT.en)] = None,
    lang: Language = Lang.EN,
) -> None:
    _without_threads()
    from raykft.errors import ConfigError
    from raykft.leaderboard.board import load_leaderboard
    from raykft.leaderboard.render import print_board
    from raykft.leaderboard.written import save, written
    from raykft.untrusted.console import make_console

    check_format(format, FORMATS)
    if format == "table" and (columns or sort or out):
        raise ConfigError("--columns, --sort and --out go with --format csv, json or parquet")
    if format == "parquet" and out is None:
        raise ConfigError("--format parquet is no text; name a file with --out FILE")
    board = load_leaderboard(directory)
    with speaking(lang):
        if format == "table":
            print_board(board, make_console(), details=details, explain=explain)
            return
        content = written(board, format, columns=columns, sort=sort, ascending=ascending)
    if out is None:
        say(str(content), end="")
    else:
        save(out, content)
        say(f"wrote {out}")


def show(
    directory: Directory,
    trial: Annotated[str, typer.Argument(metavar="TRIAL", help=texts.TRIAL.en)],
    level: Annotated[int | None, typer.Option(help=texts.LEVEL.en)] = None,
    wrong: Annotated[bool, typer.Option("--wrong", help=texts.WRONG.en)] = False,
    overlap: Annotated[bool, typer.Option("--overlap", help=texts.OVERLAP.en)] = False,
    mecab: Annotated[bool, typer.Option("--mecab", help=texts.MECAB.en)] = False,
    lang: Language = Lang.EN,
) -> None:
    with speaking(lang):
        if overlap:
            _show_overlap(directory, trial, mecab)
        else:
            _show_answers(directory, trial, level, wrong)


def _without_threads() -> None:
    """Before NumPy is imported: a board's products of matrices are small, and OpenBLAS' threads spend more time of the
    processors in waiting for each other than in multiplying. Nobody else reads this, as boards start no process."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def _show_answers(directory: Path, trial: str, level: int | None, wrong: bool) -> None:
    from raykft.leaderboard.read import open_experiment, read_probes
    from raykft.leaderboard.show import render_answers, side_by_side
    from raykft.untrusted.console import make_console

    paths = open_experiment(directory)
    questions = {p.id: p.question for p in read_probes(paths)}
    rows = [
        row
        for row in side_by_side(paths, trial, questions)
        if (level is None or row["level"] == level) and not (wrong and row["correct"])
    ]
    make_console().print(render_answers(rows))


def _show_overlap(directory: Path, trial: str, mecab: bool) -> None:
    from raykft.leaderboard.overlap import overlap_of, render_overlap
    from raykft.leaderboard.read import open_experiment
    from raykft.untrusted.console import make_console

    rows = overlap_of(open_experiment(directory), trial, "ja-mecab" if mecab else "char")
    make_console().print(render_overlap(*rows))
