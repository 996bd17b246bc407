"""Rows of a board for other programs: chosen columns, an order, and Parquet with units."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from leaderboard.fake_experiment import FakeExperiment
from pyarrow import parquet
from typer.testing import CliRunner

from raykft.cli import app
from raykft.errors import ConfigError
from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.rows import chosen, csv_text, parquet_bytes

ROWS: list[dict[str, Any]] = [
    {"trial_id": "a", "x": 1, "s": None},
    {"trial_id": "b", "x": 3, "s": [1, 2]},
    {"trial_id": "=c", "x": None, "s": 0.5},
    {"trial_id": "d", "x": 2},
]


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return FakeExperiment(tmp_path_factory.mktemp("rows")).paths.root


def test_rows_without_a_value_are_last_in_either_order() -> None:
    assert [row["trial_id"] for row in chosen(ROWS, sort="x")] == ["b", "d", "a", "=c"]
    assert [row["trial_id"] for row in chosen(ROWS, sort="x", ascending=True)] == ["a", "d", "b", "=c"]
    assert chosen(ROWS, ["x", "trial_id"])[0] == {"x": 1, "trial_id": "a"}


def test_an_unknown_column_is_named_with_near_ones() -> None:
    with pytest.raises(ConfigError, match=r"'trial_di'; there are 3, such as trial_id"):
        chosen(ROWS, ["trial_di"])


def test_parquet_keeps_types_and_units(directory: Path) -> None:
    board = load_leaderboard(directory)
    table = parquet.read_table(io.BytesIO(parquet_bytes(board.rows)))
    rows = table.to_pylist()
    assert len(rows) == len(board.rows)
    for ours, read in zip(board.rows, rows, strict=True):
        assert read["trial_id"] == ours["trial_id"]
        assert read["select.knowledge"] == pytest.approx(ours.get("select.knowledge"), nan_ok=True)
        assert (read["badges"] or []) == ours.get("badges", [])
    units = json.loads(table.schema.metadata[b"units"])
    assert units == board.to_pandas().attrs["units"]
    mixed = parquet.read_table(io.BytesIO(parquet_bytes(ROWS))).to_pydict()
    assert mixed["s"] == [None, "[1, 2]", "0.5", None]
    assert mixed["x"] == [1.0, 3.0, None, 2.0]


def test_formulas_stay_text() -> None:
    assert list(csv.reader(io.StringIO(csv_text(ROWS))))[3][0] == "'=c"


def test_the_command_writes_what_it_is_asked_for(directory: Path, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, ["leaderboard", str(directory), *words])

    told = run("--format", "csv", "--columns", "trial_id,select.score", "--sort", "select.score")
    lines = list(csv.DictReader(io.StringIO(told.stdout)))
    scores = [float(line["select.score"]) for line in lines if line["select.score"]]
    assert list(lines[0]) == ["trial_id", "select.score"]
    assert scores == sorted(scores, reverse=True)
    assert len(scores) > 2

    file = tmp_path / "board.parquet"
    assert run("--format", "parquet", "--out", str(file)).exit_code == 0
    assert parquet.read_table(file).num_rows == len(load_leaderboard(directory).rows)
    tree = json.loads(run("--format", "json", "--columns", "trial_id").stdout)
    assert {tuple(row) for row in tree["rows"]} == {("trial_id",)}
    assert tree["winner"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--format", "parquet"], "--out FILE"),
        (["--sort", "rank"], "--format csv, json or parquet"),
        (["--format", "md", "--sort", "rank"], "md has its own order"),
        (["--format", "csv", "--sort", "ranc"], "such as rank"),
        (["--format", "csv", "--out", "/nowhere/it/is/board.csv"], "cannot write"),
    ],
)
def test_what_does_not_go_together_is_said(directory: Path, words: list[str], said: str) -> None:
    told = CliRunner().invoke(app, ["leaderboard", str(directory), *words])
    assert told.exit_code != 0
    assert said in str(told.exception)
