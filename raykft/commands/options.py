"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[Path, typer.Argument(metavar="CONFIG", help="the experiment's YAML file")]
Directory = Annotated[Path, typer.Argument(metavar="DIR", help="the experiment directory, or its URL")]
TrialId = Annotated[str, typer.Argument(metavar="TRIAL", help="a trial's id from the leaderboard")]
Overrides = Annotated[
    list[str],
    typer.Option("--set", metavar="A.B=VALUE", help="change a setting of the file; may be repeated"),
]
