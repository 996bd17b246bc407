"""`--notify`: told of every end, by environment and input, and never by the command itself."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from raykft.cli import app
from raykft.commands import notify
from raykft.commands.notify import Notice
from raykft.errors import ConfigError, ResourceError
from raykft.leaderboard import head

SPY = """
import os, sys
told = (os.environ.get("RAYKFT_" + name, "-") for name in ("OUTCOME", "EXIT_CODE", "WINNER"))
open(sys.argv[1], "w").write(" ".join(told) + "\\n" + sys.stdin.read())
"""


def spy(file: Path) -> str:
    return shlex.join([sys.executable, "-c", SPY, str(file)])


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ResourceError("the disk is full\nmore"), "failed 2 -\nthe disk is full\n"),
        (ConfigError("bad $(touch x)"), "failed 2 -\nbad $(touch x)\n"),
        (KeyboardInterrupt(), "interrupted 130 -\nKeyboardInterrupt\n"),
        (ZeroDivisionError("bug"), "failed 1 -\nbug\n"),
        (typer.Exit(4), "incomplete 4 -\n0\n"),
    ],
)
def test_every_end_is_told(tmp_path: Path, error: BaseException, told: str) -> None:
    with pytest.raises(type(error)), Notice(spy(tmp_path / "told")):
        raise error
    text = (tmp_path / "told").read_text()
    assert text.splitlines()[0] == told.splitlines()[0]
    if not isinstance(error, typer.Exit):
        assert text == told


def test_a_board_is_told_by_its_head(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line = head.HeadLine("winner", ("t001; `touch here`",))
    monkeypatch.setattr(head, "head", lambda board: [line])
    board: Any = SimpleNamespace(directory=tmp_path, winner=SimpleNamespace(trial_id="t001"))
    with Notice(spy(tmp_path / "told")) as notice:
        notice.tell(board)
    assert (tmp_path / "told").read_text() == "done 0 t001\nwinner    t001; `touch here`\n"


@pytest.mark.parametrize(("command", "said"), [("exit 7", "exit code 7"), ("sleep 9", "timed out")])
def test_a_command_that_fails_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: str, said: str
) -> None:
    monkeypatch.setattr(notify, "SECONDS", 0.2)
    with Notice(command):
        pass
    assert said in capsys.readouterr().err


def test_nobody_is_told_unless_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notify, "_run", lambda *_: pytest.fail("told"))
    with Notice(None):
        pass


def test_a_search_that_cannot_begin_is_told_too(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["tune", str(tmp_path / "none.yaml"), "--notify", spy(tmp_path / "told")])
    assert done.exit_code
    assert (tmp_path / "told").read_text().startswith("failed 2 -\n")
