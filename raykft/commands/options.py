"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raykft.errors import ConfigError
from raykft.wording.errors import NO_SUCH_FORMAT
from raykft.wording.messages import Lang
from raykft.wording.names import LIST

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="the experiment's YAML file")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="the experiment directory, or its URL")]
TrialId = Annotated[str, typer.Argument(metavar="TRIAL", help="a trial's id from the leaderboard")]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help="change a setting of the file; may be repeated"),
]
_asked: list[Lang] = []


def _note(lang: Lang) -> Lang:
    """An error is told when the command has ended, and its language with it."""
    _asked[:] = [lang]
    return lang


def asked_language() -> Lang:
    """The language of this process's command line; English before it is read."""
    return _asked[-1] if _asked else Lang.EN


Language = Annotated[
    Lang, typer.Option("--lang", envvar="RAYKFT_LANG", callback=_note, help="of the board and its page")
]


def check_format(format: str, known: tuple[str, ...]) -> None:
    """Refuse a `--format` that a command does not have.

    Raises:
        ConfigError: `format` is not among `known`.
    """
    if format not in known:
        raise ConfigError(NO_SUCH_FORMAT(format=format, known=LIST().join(known)))
