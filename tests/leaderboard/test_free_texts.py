"""Boards of free texts: columns of their own, ranked by likelihood, nothing of right and wrong; and boards without."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment, make_free, make_probes
from rich.console import Console

from raykft.evaluation import graded
from raykft.evaluation.free import BY_LEVEL, OVERLAPS
from raykft.evaluation.levels import summarize
from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.head import head
from raykft.leaderboard.overlap import overlap_of
from raykft.leaderboard.page import page_html
from raykft.leaderboard.page_data import fact_map
from raykft.leaderboard.read import trial_results
from raykft.leaderboard.render import markdown_board, print_board, select_sheet
from raykft.leaderboard.verdicts import verdicts
from raykft.wording.messages import Lang, speaking

FREE_COLUMNS = [*BY_LEVEL.values(), *OVERLAPS]


@pytest.fixture
def alone(tmp_path: Path) -> FakeExperiment:
    return FakeExperiment(tmp_path, objective="graded", probes=make_free())


@pytest.mark.parametrize("lang", Lang)
def test_a_board_of_free_texts_alone_ranks_by_their_probability_and_judges_nothing(
    alone: FakeExperiment, lang: Lang
) -> None:
    with speaking(lang):
        board = load_leaderboard(alone.paths.root)
        assert board.winner is not None
        columns = {column.name: column for column in select_sheet(board).columns}
        assert [name for name in columns if name in FREE_COLUMNS] == FREE_COLUMNS
        # What cannot be right or wrong has no column, empty or not.
        assert not {"gain", "knowledge", "level_1", "level_2", "premise", "hint", "clean"} & columns.keys()
        assert columns["free_verbatim"].cells[0] != "-"
        ranked = [t for t in board.trials if t.rank is not None]
        assert len(ranked) == len(TRIALS)
        assert ranked[0].trial_id in list(TRIALS)[:2]  # the two that know most
        for trial in ranked:
            assert trial.select["score"] == pytest.approx(
                trial.select["graded_gain"] - trial.select["graded_forgetting"]
            )
        bounds = board.evidence["select"].intervals[ranked[0].trial_id]
        assert {"score", "graded_knowledge", "free_verbatim", "free_paraphrase"} <= bounds.keys()
        assert bounds["free_paraphrase"].low <= ranked[0].select["free_paraphrase"] <= bounds["free_paraphrase"].high
        knows = next(line for line in head(board) if line.label == "knows")
        assert len(knows.parts) == 5  # the winner, three beside it, and what the figure is
        assert board.front is None  # of gain and loss of answers
        assert fact_map(board) is None
        assert verdicts(board)
        assert {"free_verbatim", "free_paraphrase", "graded_gain"} <= board.measurement.columns.keys()
        shown = io.StringIO()
        print_board(board, Console(file=shown, width=100), details=True, explain=True)
        assert columns["free_verbatim"].title.rstrip("↑") in shown.getvalue()
        assert "BLEU" in markdown_board(board)
        page = page_html(board)
        assert '"unjudged"' in page
        json.loads(board.to_json())


def test_beside_facts_free_texts_have_columns_and_move_no_score(tmp_path: Path) -> None:
    plain = make_probes()
    free = [probe for probe in make_free(8) if probe.kind == "free"]
    mixed = FakeExperiment(tmp_path, objective="graded", probes=[*plain, *free])
    board = load_leaderboard(mixed.paths.root)
    assert board.winner is not None
    results = trial_results(mixed.paths.trial(board.winner.trial_id), "select")
    asked = [p for p in mixed.of("select") if p.level > 0 and p.kind != "free"]
    grades = {p.id: grade for p in asked if (grade := results[p.id].grade) is not None}
    own = graded.knowledge([p for p in asked if p.id in grades], grades)
    assert board.winner.select["graded_knowledge"] == pytest.approx(own)
    judged = summarize(asked, [results[p.id] for p in asked])["overall"]
    assert board.winner.select["knowledge"] == pytest.approx(judged["knowledge"])
    assert board.winner.select["clean"] == pytest.approx(judged["clean"])
    # Resampled figures are those that are stored, or there would be no intervals.
    bounds = board.evidence["select"].intervals[board.winner.trial_id]
    assert {"score", "knowledge", "graded_gain", "level_2", "clean", "free_verbatim"} <= bounds.keys()
    assert board.evidence["select"].units["knowledge"] == board.evidence["select"].units["graded_knowledge"]
    names = [column.name for column in select_sheet(board).columns]
    assert names[names.index("hint") + 1 :][: len(FREE_COLUMNS)] == FREE_COLUMNS
    assert {row["fact"][0] for row in (fact_map(board) or {})["rows"]} == {"s"}  # texts are on no map of right answers


def test_a_board_of_facts_says_nothing_of_texts_as_wholes(tmp_path: Path) -> None:
    board = load_leaderboard(FakeExperiment(tmp_path, objective="graded").paths.root)
    shown = io.StringIO()
    print_board(board, Console(file=shown, width=300), details=True, explain=True)
    for text in (shown.getvalue(), markdown_board(board), board.to_json(), board.to_csv(), page_html(board)):
        for word in ("free L", "free_", "free text", '"free"', "unjudged", "not judged"):
            assert word not in text


def test_the_table_of_overlaps_has_a_set_of_free_texts(alone: FakeExperiment) -> None:
    split, rows = overlap_of(alone.paths, next(iter(TRIALS)))
    assert split == "report"
    sets = list(dict.fromkeys(row.probes for row in rows))
    assert sets == ["free en", "general en", "general ja"]
    bleu = next(row for row in rows if row.probes == "free en" and row.metric == "BLEU-4" and row.part == "full")
    assert 50 < bleu.tuned < 100  # the last words differ
