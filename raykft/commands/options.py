"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from raykft.errors import ConfigError
from raykft.wording.messages import Lang

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="the experiment's YAML file")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="the experiment directory, or its URL")]
TrialId = Annotated[str, typer.Argument(metavar="TRIAL", help="a trial's id from the leaderboard")]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help="change a setting of the file; may be repeated"),
]
Language = Annotated[Lang, typer.Option("--lang", envvar="RAYKFT_LANG", help="of the board and its page")]


def check_format(format: str, known: tuple[str, ...]) -> None:
    """Refuse a `--format` that a command does not have.

    Raises:
        ConfigError: `format` is not among `known`.
    """
    if format not in known:
        raise ConfigError(f"--format {format!r} is not known; use one of: {', '.join(known)}")
