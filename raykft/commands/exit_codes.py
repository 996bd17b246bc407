"""How commands end; the README says what each code means."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from raykft.errors import USAGE_ERRORS

if TYPE_CHECKING:
    from raykft.leaderboard.board import Leaderboard

ALL_SCORED, NONE_SCORED, WRONG_USAGE, SOME_FAILED, INCOMPLETE, INTERRUPTED = 0, 1, 2, 3, 4, 130


def exit_code(board: Leaderboard) -> int:
    """That of a search with this board."""
    if board.winner is None:
        return NONE_SCORED
    if not all(t.status.finished for t in board.trials):
        return INCOMPLETE
    return SOME_FAILED if any(t.status.failed for t in board.trials) else ALL_SCORED


def exit_code_of(error: BaseException | None) -> int:
    """That of a command which ends with this error, or with none."""
    if isinstance(error, typer.Exit):
        return int(error.exit_code)
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    if isinstance(error, USAGE_ERRORS):
        return WRONG_USAGE
    return ALL_SCORED if error is None else NONE_SCORED
