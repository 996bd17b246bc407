"""BLEU and ROUGE of a trial, and the commands that read a finished experiment."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.console import Console
from typer.testing import CliRunner

from raykft.cli import app
from raykft.errors import ExperimentError
from raykft.leaderboard.overlap import overlap_of, render_overlap

BEST = next(iter(TRIALS))
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    return FakeExperiment(tmp_path_factory.mktemp("fake"))


def test_held_out_answers_are_compared_with_the_base(fake: FakeExperiment) -> None:
    split, rows = overlap_of(fake.paths, BEST)
    assert split == "report"
    asked = [p for p in fake.probes if p.split == "report" and p.level > 0 and p.kind != "mc"]
    domain = [row for row in rows if row.probes == "domain en"]
    assert {row.metric for row in domain} == {"BLEU-4", "ROUGE-1", "ROUGE-2"}
    assert {row.n for row in domain} == {len(asked)}
    assert all(0 <= value <= 100 for row in rows for value in (row.base, row.tuned))
    out = io.StringIO()
    Console(file=out, width=140).print(render_overlap(split, rows))
    assert "report split" in out.getvalue()
    assert domain[0].signature in out.getvalue().replace("\n", "")


def test_a_trial_without_answers_is_an_error(fake: FakeExperiment) -> None:
    with pytest.raises(ExperimentError, match="no scored answers"):
        overlap_of(fake.paths, STOPPED)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["show", "DIR", BEST], "p"),
        (["show", "DIR", BEST, "--overlap"], "ROUGE-2"),
        (["leaderboard", "DIR", "--format", "json"], '"rank_group"'),
        (["report", "DIR"], "report.html"),
    ],
)
def test_commands_read_the_experiment_alone(fake: FakeExperiment, arguments: list[str], shown: str) -> None:
    """Without its data files: what was asked is kept beside the answers."""
    given = [str(fake.paths.root) if argument == "DIR" else argument for argument in arguments]
    result = CliRunner().invoke(app, given)
    assert result.exit_code == 0, result.output
    assert shown in result.output
    assert (Path(fake.paths.root) / "report.html").is_file() or arguments[0] != "report"
