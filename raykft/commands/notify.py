"""`--notify COMMAND`: tell somebody that a command that takes hours has ended, however it ended."""

from __future__ import annotations

import os
import subprocess
from contextlib import AbstractContextManager
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from raykft.commands.exit_codes import ALL_SCORED, INCOMPLETE, INTERRUPTED, SOME_FAILED, exit_code_of
from raykft.errors import first_line
from raykft.untrusted.terminal import say
from raykft.wording import commands as texts

if TYPE_CHECKING:
    from raykft.leaderboard.board import Leaderboard

Notify = Annotated[
    str | None,
    typer.Option("--notify", metavar="COMMAND", help=texts.NOTIFY.en),
]
OUTCOMES = {
    ALL_SCORED: "done",
    SOME_FAILED: "some trials failed",
    INCOMPLETE: "incomplete",
    INTERRUPTED: "interrupted",
}
SECONDS = 60


class Notice(AbstractContextManager["Notice"]):
    """Runs a command of the user's when its body ends, by an error too.

    What is told comes from models and files. So it reaches the command by its environment and its input, and never as
    a part of the command itself: RAYKFT_OUTCOME, RAYKFT_EXIT_CODE, RAYKFT_EXPERIMENT (the directory), RAYKFT_WINNER,
    and as input the head of the board, or the error.
    """

    def __init__(self, command: str | None) -> None:
        self._command = command
        self._board: Leaderboard | None = None

    def tell(self, board: Leaderboard) -> None:
        """There is a board."""
        self._board = board

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._command is None:
            return
        code = exit_code_of(error)
        own = {"RAYKFT_OUTCOME": OUTCOMES.get(code, "failed"), "RAYKFT_EXIT_CODE": str(code)}
        if self._board is not None:
            winner = self._board.winner
            own |= {"RAYKFT_EXPERIMENT": str(self._board.directory), "RAYKFT_WINNER": winner.trial_id if winner else ""}
        _run(self._command, own, self._text(error))

    def _text(self, error: BaseException | None) -> str:
        if self._board is None:
            return f"{first_line(error)}\n" if error is not None else ""
        from rich.cells import set_cell_size

        from raykft.leaderboard.head import head

        return "".join(f"{set_cell_size(line.title, 10)}{line.text}\n" for line in head(self._board))


def _run(command: str, told: dict[str, Any], text: str) -> None:
    """A command that fails or hangs is said to have; it changes nothing of how the search ended."""
    try:
        done = subprocess.run(
            command, shell=True, env=os.environ | told, input=text, text=True, timeout=SECONDS, check=False
        )
    except (OSError, ValueError, subprocess.TimeoutExpired) as error:
        say(f"--notify: the command did not end well: {first_line(error)}", err=True)
        return
    if done.returncode:
        say(f"--notify: the command ended with exit code {done.returncode}", err=True)
