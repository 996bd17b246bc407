"""Boards of recipes that were trained with several seeds: means, their intervals, and the objection of the answers."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.verdicts import verdicts

FIRST, SECOND, *_ = TRIALS


def race(fake: FakeExperiment, **runs: tuple[float, float | None]) -> Leaderboard:
    """The board after the first two trials have run with two more seeds each: (how much each knows, its grades)."""
    for name, (knows, grade) in {FIRST: runs["first"], SECOND: runs["second"]}.items():
        shutil.rmtree(fake.paths.trial(name).root)
        for seed in range(3):
            files = fake.paths.seed_run(name, seed) if seed else fake.paths.trial(name)
            fake.write_run(files, knows, 0.65, seed=seed, grade=grade)
    return load_leaderboard(fake.paths.root)


def test_figures_are_means_over_seeds_and_so_are_their_intervals(tmp_path: Path) -> None:
    board = race(FakeExperiment(tmp_path), first=(0.78, None), second=(0.6, None))
    winner = board.winner
    assert winner is not None
    rows = {row["trial_id"]: row for row in board.rows}
    for metric in ("score", "knowledge", "forgetting", "level_2"):
        mean = np.mean([run.select[metric] for run in winner.runs])
        row = rows[winner.trial_id]
        assert row[f"select.{metric}"] == pytest.approx(mean)
        assert row[f"select.{metric}.low"] <= mean <= row[f"select.{metric}.high"]
    assert rows[FIRST]["seeds"] == rows[SECOND]["seeds"] == 3
    assert board.badges(winner) == []
    assert any(sentence.startswith("the winner's score over 3 seeds") for sentence in verdicts(board))


@pytest.mark.parametrize("objective", ["graded", "gain_minus_forgetting"])
def test_answers_may_object_to_the_graded_winner(tmp_path: Path, objective: str) -> None:
    """One that is sure of the right answers, and says others: like a model that cannot stop."""
    board = race(FakeExperiment(tmp_path, objective=objective), first=(0.05, 0.95), second=(0.9, 0.6))
    assert [t.trial_id for t in board.trials[:2]] == [SECOND, FIRST]
    assert [t.rank for t in board.trials[:2]] == [1, 2]
    objects = [sentence for sentence in verdicts(board) if "disagree" in sentence]
    if objective == "graded":
        assert f"{FIRST} leads by graded ones, but {SECOND} answers significantly better" in objects[0]
        assert "disagree" in markdown_board(board)
    else:
        assert not objects


def test_without_a_significant_difference_graded_numbers_decide(tmp_path: Path) -> None:
    board = race(FakeExperiment(tmp_path, objective="graded"), first=(0.70, 0.95), second=(0.72, 0.6))
    assert [t.trial_id for t in board.trials[:2]] == [FIRST, SECOND]
    assert not board.overruled
    assert board.measurement.agreement is not None
    assert "tests: paired bootstrap over clusters of facts, Holm-corrected" in markdown_board(board)
