"""`benchmarks/boards.py` measures boards of as many trials as it is asked for."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest

from raykft.leaderboard.board import load_leaderboard

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.torch
def test_boards_of_copied_trials_are_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    boards, out = importlib.import_module("boards"), tmp_path / "out.json"
    boards.main(["--trials", "12", "--rounds", "1", "--work", str(tmp_path), "--out", str(out)])
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert [row["command"] for row in rows] == ["leaderboard", "report"]
    assert all(row["cpu_s"] > 0.2 and 30 < row["peak_mib"] < 1000 for row in rows)
    board = load_leaderboard(tmp_path / "runs" / "quickstart")
    assert [trial.rank for trial in board.trials] == [*range(1, 13)]
    page = board.directory / "report.html"
    assert rows[1]["page_bytes"] == page.stat().st_size > 100_000
