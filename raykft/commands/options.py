"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raykft.commands.help import VARIABLE, said_first
from raykft.errors import ConfigError
from raykft.wording import commands as texts
from raykft.wording.errors import NO_SUCH_FORMAT
from raykft.wording.messages import Lang
from raykft.wording.names import LIST

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help=texts.CONFIG.en)]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help=texts.DIRECTORY.en)]
TrialId = Annotated[str, typer.Argument(metavar="TRIAL", help=texts.TRIAL.en)]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help=texts.OVERRIDES.en),
]
_asked: list[Lang] = []


def _note(ctx: typer.Context, lang: Lang | None) -> Lang | None:
    """What is said on the command line, before or behind the command, outdoes the environment.

    An error is told when the command has ended, and its language with it.
    """
    said = said_first(ctx) or lang
    if said is not None:
        _asked[:] = [said]
    return said


def asked_language() -> Lang:
    """The language of this process's command line; English before it is read."""
    return _asked[-1] if _asked else Lang.EN


Language = Annotated[Lang, typer.Option("--lang", envvar=VARIABLE, callback=_note, help=texts.LANGUAGE.en)]
# Before the name of a command. Hidden, for every command that has a language says so itself.
AnyLanguage = Annotated[Lang | None, typer.Option("--lang", hidden=True, callback=_note, help=texts.ANY_LANGUAGE.en)]


def check_format(format: str, known: tuple[str, ...]) -> None:
    """Refuse a `--format` that a command does not have.

    Raises:
        ConfigError: `format` is not among `known`.
    """
    if format not in known:
        raise ConfigError(NO_SUCH_FORMAT(format=format, known=LIST().join(known)))
