"""`--help` in the language that is asked for.

In English it is the library's, to the byte. A line of Japanese has no spaces to break at, so that the Japanese one is
set here. Its language is that of `--lang`, wherever it stands beside `--help`, or of RAYKFT_LANG.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any, TypeVar

import typer
from typer.core import TyperCommand, TyperGroup

from raykft.wording import commands as words
from raykft.wording.messages import Lang, Message, called, speaking

VARIABLE = "RAYKFT_LANG"
KEY = "raykft.lang"  # of a context's meta, which the contexts of its subcommands share: what --lang says
MAX_WIDTH, LEFT_WIDTH = 80, 30  # as in English
F = TypeVar("F", bound=Callable[..., Any])
_ABOUT = {message.en: message for message in vars(words).values() if isinstance(message, Message)}


class Command(TyperCommand):
    """A command whose help speaks the reader's language."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # `--help` ends the reading of arguments before a --lang behind it is seen.
        if any(param.name == "lang" and param.envvar == VARIABLE for param in self.params):
            _note(ctx, args)
        return super().parse_args(ctx, args)

    def get_help(self, ctx: Any) -> str:
        return japanese_help(self, ctx) if _is_japanese(ctx) else super().get_help(ctx)


class Group(TyperGroup):
    """A group of them."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if ctx.parent is None:
            _note(ctx, _before_command(args))
        return super().parse_args(ctx, args)

    def get_help(self, ctx: Any) -> str:
        return japanese_help(self, ctx) if _is_japanese(ctx) else super().get_help(ctx)


def command(app: typer.Typer, about: Message, name: str | None = None) -> Callable[[F], F]:
    """Make a function a command of `app` that says `about` of itself."""
    return app.command(name, cls=Command, help=about.en)


def said_first(ctx: typer.Context) -> Lang | None:
    """What `--lang` says before or behind the command's name."""
    found: Lang | None = ctx.meta.get(KEY)
    return found


def _note(ctx: Any, args: Sequence[str]) -> None:
    said = [value for option, value in pairwise(args) if option == "--lang"]
    said += [arg.removeprefix("--lang=") for arg in args if arg.startswith("--lang=")]
    if said and said[-1] in set(Lang):
        ctx.meta[KEY] = Lang(said[-1])


def _before_command(args: Sequence[str]) -> Sequence[str]:
    """The options that stand before the name of a command: one begins with no dash and is no value of --lang."""
    for place, arg in enumerate(args):
        if not arg.startswith("-") and (place == 0 or args[place - 1] != "--lang"):
            return args[:place]
    return args


def _is_japanese(ctx: Any) -> bool:
    return (said_first(ctx) or os.environ.get(VARIABLE)) == Lang.JA


def japanese_help(command: Any, ctx: Any) -> str:
    """What `--help` prints of a command or group: its usage, what it does, arguments, options and commands."""
    width = max(min(shutil.get_terminal_size().columns, MAX_WIDTH) - 2, 50)
    with speaking(Lang.JA):
        parts = [called(words.LIBRARY, part) for part in command.collect_usage_pieces(ctx)]
        sections: dict[Message, list[tuple[str, str, str]]] = {
            words.ARGUMENTS: [],
            words.OPTIONS: [],
            words.COMMANDS: [],
        }
        for param in command.get_params(ctx):
            if (record := param.get_help_record(ctx)) is not None:
                heading = words.ARGUMENTS if param.param_type_name == "argument" else words.OPTIONS
                about = param.help or ""
                sections[heading].append((record[0], _said(about), _notes(record[1].removeprefix(about))))
        for name, each in getattr(command, "commands", {}).items():
            first, stop, _ = _said(each.help).partition("。")
            sections[words.COMMANDS].append((name, first + stop, ""))
        lines = [f"{words.USAGE()}: {ctx.command_path} {' '.join(parts)}"]
        for paragraph in _said(command.help).split("\n\n"):
            lines += ["", *_indented(paragraph, width, 2)]
        for heading, rows in sections.items():
            lines += ["", f"{heading()}:", *_listed(rows, width)] if rows else []
        return "\n".join(lines)


def _said(text: str) -> str:
    """An English text of this command line in the language that is spoken."""
    return _ABOUT[text].template() if text in _ABOUT else called(words.LIBRARY, text)


def _notes(noted: str) -> str:
    """What the library adds in brackets to an option's own text, in the language that is spoken."""
    noted = noted.strip().removeprefix("[").removesuffix("]")
    notes = []
    for note in noted.split("; ") if noted else []:
        kind, _, value = note.partition(": ")
        notes.append(words.NOTES[kind](value=value) if kind in words.NOTES else _said(note))
    return words.NOTE(text=words.BETWEEN_NOTES().join(notes)) if notes else ""


def _listed(rows: Sequence[tuple[str, str, str]], width: int) -> Iterator[str]:
    """Names, what is said of them and notes, in two columns; a name that is too long has a line of its own."""
    from rich.cells import cell_len

    column = min(max(cell_len(name) for name, _, _ in rows), LEFT_WIDTH) + 4
    for name, text, note in rows:
        lines = list(_indented(text, width, column))
        if note and cell_len(f"{lines[-1]}  {note}") <= width:
            lines[-1] += f"  {note}"
        elif note:  # whole, where a line holds it
            lines += _indented(note, width, column)
        if cell_len(name) + 4 <= column:
            lines[0] = f"  {name}".ljust(column) + lines[0].lstrip(" ")
        else:
            yield f"  {name}"
        yield from lines


def _indented(text: str, width: int, by: int) -> Iterator[str]:
    from raykft.leaderboard.lines import broken

    return (" " * by + line for line in broken(text, width - by))
