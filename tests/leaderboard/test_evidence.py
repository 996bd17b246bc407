"""Intervals, rank groups, front and verdicts of a whole experiment, read back from its files."""

from __future__ import annotations

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.cells import cell_len
from rich.console import Console

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.evidence import COMPARED, RESAMPLED, front, gather
from raykft.leaderboard.read import read_baselines, read_trials
from raykft.leaderboard.render import markdown_board, print_board
from raykft.leaderboard.verdicts import hint_changes, short, verdicts
from raykft.paths import ExperimentPaths, read_json, write_json

STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"
LAST = "t001-r16-lr1.4e-3-e6-all-d0.25"


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    return FakeExperiment(tmp_path_factory.mktemp("fake"))


@pytest.fixture(scope="module")
def board(fake: FakeExperiment) -> Leaderboard:
    return load_leaderboard(fake.paths.root)


@pytest.fixture
def own(tmp_path: Path) -> FakeExperiment:
    """An experiment that a test may change."""
    return FakeExperiment(tmp_path, facts=16)


def find(board: Leaderboard, start: str) -> str:
    return next((sentence for sentence in verdicts(board) if sentence.startswith(start)), "")


def printed(board: Leaderboard, width: int) -> str:
    out = io.StringIO()
    print_board(board, Console(file=out, width=width, highlight=False), details=True)
    return out.getvalue()


def test_every_main_figure_lies_in_its_own_interval(board: Leaderboard) -> None:
    rows = {row["trial_id"]: row for row in board.rows}
    for name in TRIALS:
        splits = ["select"] if name == LAST else ["select", "report"]
        for key in (f"{split}.{metric}" for split in splits for metric in (*COMPARED, "level_2", "premise", "clean")):
            assert rows[name][f"{key}.low"] <= rows[name][key] <= rows[name][f"{key}.high"], (name, key)
            assert rows[name][f"{key}.low"] < rows[name][f"{key}.high"]
        assert rows[name]["select.forgetting.low"] >= 0
    assert "report.score.low" not in rows[LAST]
    assert "select.gain.low" not in rows[STOPPED]
    assert rows["base + BM25"]["report.knowledge.low"] < rows["base + BM25"]["report.knowledge"]
    # By definition 0 and 1: no error, rather than an error of 0.
    assert (rows["base"]["select.gain"], rows["base + needed facts"]["select.gain"]) == (0.0, pytest.approx(1.0))
    assert "select.gain.low" not in rows["base"]


def test_rank_groups_follow_the_order_of_the_scores(board: Leaderboard) -> None:
    rows = {row["trial_id"]: row for row in board.rows}
    groups = [rows[t.trial_id]["rank_group"] for t in board.trials if t.rank is not None]
    assert groups[0] == 1
    assert groups[-1] == 4  # far below the others, and told apart from them
    assert rows[STOPPED]["rank_group"] is None
    assert {rows[t.trial_id]["report.rank_group"] for t in board.reported} == {1}
    scores = [t.report["score"] for t in board.reported]
    assert scores == sorted(scores, reverse=True)


def test_a_trial_stopped_early_never_reaches_the_front(board: Leaderboard) -> None:
    stopped = next(t for t in board.trials if t.trial_id == STOPPED)
    assert stopped.select["forgetting"] < min(t.select["forgetting"] for t in board.trials if t.rank is not None)
    assert board.front is not None
    assert STOPPED not in board.front.members
    # It would be there if it counted as fully trained.
    promoted = [*board.trials[:-1], replace(stopped, status="ok", rank=5)]
    found = front(promoted, None)
    assert found is not None
    assert STOPPED in found.members
    assert front([stopped], None) is None


def test_the_front_comes_with_its_certainty(board: Leaderboard) -> None:
    assert board.front is not None
    chances = board.front.members.values()
    assert all(chance is not None and 0 < chance <= 1 for chance in chances)
    assert board.front.knee in board.front.members
    assert board.front.volume_interval is not None
    assert board.front.volume_interval.low < board.front.volume < board.front.volume_interval.high
    tree = json.loads(board.to_json())
    assert tree["front"] == list(board.front.members)
    assert tree["hypervolume"] == board.front.volume


def test_a_figure_of_other_rules_gets_no_interval(own: FakeExperiment) -> None:
    winner = load_leaderboard(own.paths.root).winner
    assert winner is not None
    file = own.paths.trial(winner.trial_id).result
    tree = read_json(file)
    tree["metrics"]["level_2"] += 0.01
    write_json(file, tree)
    bounds = load_leaderboard(own.paths.root).evidence["select"].intervals[winner.trial_id]
    assert "level_2" not in bounds
    assert "level_3" in bounds


def test_missing_answers_take_away_intervals_and_nothing_else(own: FakeExperiment) -> None:
    (own.paths.trial(LAST).probe_results).unlink()
    (own.paths.baselines / "bm25.jsonl").unlink()
    board = load_leaderboard(own.paths.root)
    assert LAST not in board.evidence["select"].figures
    assert "bm25" not in board.evidence["report"].figures
    assert all(row["rank_group"] is None for row in board.rows)  # a gap must not look like a rank
    assert len(board.rows) == 9
    assert not any("BM25" in sentence for sentence in verdicts(board))


def test_without_the_base_models_answers_nothing_is_measured_against_them(own: FakeExperiment) -> None:
    (own.paths.baselines / "base.jsonl").unlink()
    board = load_leaderboard(own.paths.root)
    assert "knowledge" in board.evidence["select"].figures[LAST]
    assert not {"gain", "score"} & board.evidence["select"].figures[LAST].keys()
    assert markdown_board(board)


def test_settings_of_another_version_do_not_hide_an_experiment(own: FakeExperiment) -> None:
    before = load_leaderboard(own.paths.root).evidence["select"].intervals
    text = own.paths.config.read_text().replace("evaluate:", "evaluate:\n  no_longer_known: 3", 1)
    own.paths.config.write_text(text)
    board = load_leaderboard(own.paths.root)
    assert board.evidence["select"].intervals == before
    assert markdown_board(board)


def test_verdicts_of_a_close_race(board: Leaderboard) -> None:
    told = verdicts(board)
    winner = board.winner
    assert winner is not None
    assert told[0] == "3 of 4 ranked trials were scored on the report split, chosen by the select split alone"
    tied = find(board, "insufficient evidence to tell the winner from t000")
    assert "report split, Holm-corrected" in tied
    assert find(board, "the winner knows more than base: +0.")
    assert "p < .001" in find(board, "the winner knows more than base:")
    assert find(board, "the winner knows less than base + needed facts: -0.")
    assert find(board, "insufficient evidence to tell the winner's knowledge from that of base + BM25")
    gap = winner.select["score"] - winner.report["score"]
    assert find(board, f"optimism of the winner (select - report score): {gap:+.2f} [")
    assert find(board, "on the front of gain against forgetting: ")
    assert find(board, "hypervolume of that front: ")
    assert find(board, "warning: early stopping was not trustworthy; scores after epoch 2")
    assert find(board, "1-SEED")
    assert not find(board, "CONTAMINATED")


def test_verdicts_of_a_clear_winner_before_the_report(own: FakeExperiment) -> None:
    for name in TRIALS:
        if name != LAST:
            (own.paths.trial(name).root / "report.json").unlink(missing_ok=True)
            result = read_json(own.paths.trial(name).result)
            write_json(own.paths.trial(name).result, result | {"status": "failed"})
    best = own.paths.trial("t000-r32-lr7e-4-e6-mlp-d0.5").result
    write_json(best, read_json(best) | {"status": "ok"})
    board = load_leaderboard(own.paths.root)
    assert board.reported == []
    assert verdicts(board)[0].startswith("no trial was scored on held-out probes")
    assert find(board, "the winner's score is significantly above that of every other trial of the select split")
    assert not find(board, "warning")  # two finished trials say nothing about a correlation


def test_a_winner_that_forgets_too_much_is_worse_than_no_tuning(own: FakeExperiment) -> None:
    for name in TRIALS:
        if name != LAST:
            shutil.rmtree(own.paths.trial(name).root)
    board = load_leaderboard(own.paths.root)
    assert board.winner is not None
    assert board.winner.trial_id == LAST
    assert find(board, "the winner knows more than base: +0.")
    assert find(board, "the untouched base model scores better than the winner, which forgot too much: -")


def test_few_clusters_of_probes_are_called_insufficient(tmp_path: Path) -> None:
    board = load_leaderboard(FakeExperiment(tmp_path, facts=6).paths.root)
    assert board.evidence["report"].units["knowledge"] < 8
    assert find(board, "insufficient evidence: the report split has 3 independent groups of probes")
    assert all("score" not in bounds for bounds in board.evidence["report"].intervals.values())
    assert {row["rank_group"] for row in board.rows if row["rank"]} == {1}
    # General questions are enough for forgetting, though not for the score it is a part of.
    bounds = board.evidence["report"].intervals[board.reported[0].trial_id]
    assert bounds.keys() == {"forgetting", "forgetting_signed", "graded_forgetting"}


def test_a_base_model_that_knows_the_domain_is_reported(own: FakeExperiment) -> None:
    (own.paths.baselines / "base.jsonl").write_text((own.paths.baselines / "facts_needed.jsonl").read_text())
    tree = read_json(own.paths.baselines / "base.json")
    tree["rows"]["base"] = tree["rows"]["facts_needed"]
    write_json(own.paths.baselines / "base.json", tree)
    assert find(load_leaderboard(own.paths.root), "the base model already scores 0.")


def test_hint_changes_count_pairs(fake: FakeExperiment) -> None:
    probes = [p for p in fake.of("select") if p.kind == "hint"]
    results = {id: r for id, r in fake.base["select"].results.items() if id in {p.id for p in probes}}
    right = {p.id: p.fact_ids[0] in {"s00", "s01"} if "hint" in p.tags else p.fact_ids[0] == "s02" for p in probes}
    results = {id: replace(result, correct=right[id]) for id, result in results.items()}
    assert hint_changes(probes, results) == (2, 1)
    assert hint_changes(probes, {}) == (0, 0)


@pytest.mark.parametrize("width", [80, 120, 160, 240])
def test_tables_fit_the_terminal_and_show_ties(board: Leaderboard, width: int) -> None:
    text = printed(board, width)
    lines = text.splitlines()
    assert all(cell_len(line.rstrip()) <= width for line in lines if "/" not in line)
    assert "…" not in text
    start = next(n for n, line in enumerate(lines) if line.startswith("report split"))
    winner = next(line for line in lines[start:] if "t005-r32" in line)
    assert winner.startswith("1= ")
    assert "[-.44 .8" in winner  # the score's interval is there at every width
    assert winner.count("[") == (1 if width == 80 else 4)
    assert ("forget en↓" in text) is (width >= 160)
    for title in ("base + needed facts", "base + BM25", 'always "no"', "optim."):
        assert title in text


def test_markdown_has_the_same_tables_and_sentences(board: Leaderboard) -> None:
    text = markdown_board(board)
    assert "| 1= | t005-r32-lr7e-4-e5-mlp-d0.25 |" in text
    assert all(f"- {sentence}" in text.replace("\\|", "|").replace("&lt;", "<") for sentence in verdicts(board))
    header = next(line for line in text.splitlines() if line.startswith("| # |"))
    rows = [line for line in text.splitlines() if line.startswith("| 1=")]
    assert {row.count("|") for row in rows[:3]} == {header.count("|")}


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.4149, ".41"), (-0.05, "-.05"), (1.02, "1.02"), (-1.2, "-1.20"), (-0.001, ".00"), (0.999, "1.00"), (0, ".00")],
)
def test_short_numbers(value: float, text: str) -> None:
    assert short(value) == text


def test_reading_costs_no_resampling_until_asked(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise AssertionError("resampled")

    monkeypatch.setattr("raykft.leaderboard.board.gather", refuse)
    assert load_leaderboard(fake.paths.root).winner is not None


def test_fewer_draws_give_about_the_same_interval(fake: FakeExperiment, board: Leaderboard) -> None:
    paths = ExperimentPaths(fake.paths.root)
    quick = gather(paths, read_baselines(paths), read_trials(paths), draws=1000)["select"].intervals[LAST]["knowledge"]
    full = board.evidence["select"].intervals[LAST]["knowledge"]
    assert (quick.low, quick.high) == pytest.approx((full.low, full.high), abs=0.04)


@pytest.mark.parametrize("kept", ["", None])
def test_without_its_passages_forgetting_keeps_its_error_to_itself(own: FakeExperiment, kept: str | None) -> None:
    file = own.paths.root / "passages.jsonl"
    file.unlink() if kept is None else file.write_text(kept)
    bounds = load_leaderboard(own.paths.root).evidence["select"].intervals[LAST]
    assert "forgetting" not in bounds  # the stored figure counts them
    assert "gain" in bounds


def test_facts_are_counted_by_their_paraphrases(board: Leaderboard, fake: FakeExperiment) -> None:
    told = find(board, "of ")
    facts = {p.fact_ids for p in fake.probes if p.level == 2 and p.kind == "recall" and p.split == "report"}
    counts = [int(word) for word in told.replace(";", " ").split() if word.isdigit()]
    assert counts[0] == len(facts) == sum(counts[1:4])


def test_given_away_probes_are_also_left_out(own: FakeExperiment) -> None:
    flagged = [p.id for p in own.probes if p.split == "report" and p.level == 2][:6]
    findings = [{"item": name} for name in flagged]
    write_json(own.paths.root / "contamination.json", {"allowed": True, "findings": findings})
    told = find(load_leaderboard(own.paths.root), "CONTAMINATED")
    assert "give away 6 probe(s); without them the winner's knowledge on the report split is 0." in told


def test_trials_that_gained_and_lost_alike_are_not_all_resampled(tmp_path: Path) -> None:
    many = FakeExperiment(tmp_path, facts=16)
    best = load_leaderboard(many.paths.root).trials[0]
    tree = read_json(many.paths.trial(best.trial_id).result)
    for n in range(2 * RESAMPLED):
        copy = many.paths.trial(f"u{n:03d}")
        shutil.copytree(many.paths.trial(best.trial_id).root, copy.root)
        copy.report.unlink()
        write_json(copy.result, tree)
    board = load_leaderboard(many.paths.root)
    resampled = [t for t in board.trials if t.trial_id in board.evidence["select"].figures]
    assert RESAMPLED <= len(resampled) <= RESAMPLED + len(TRIALS)
    assert board.front is not None
    assert len(board.front.members) == 1 + 2 * RESAMPLED
    assert {chance is None for chance in board.front.members.values()} == {False, True}
    assert find(board, "on the front")


def test_of_very_many_trials_the_best_are_resampled_and_all_are_ranked(tmp_path: Path) -> None:
    many = FakeExperiment(tmp_path)
    for n in range(RESAMPLED):
        many.write_run(many.paths.trial(f"u{n:03d}"), 0.1 + 0.3 * n / RESAMPLED, 0.5)
    # It gains least of all and forgets least of all, so that it is on the front.
    gentle = many.paths.trial("gentle")
    many.write_run(gentle, 0.05, 0.5)
    tree = read_json(gentle.result)
    tree["metrics"] |= {"score": -9.0, "gain": -0.5, "forgetting": -1.0}
    write_json(gentle.result, tree)

    board = load_leaderboard(many.paths.root)
    ranked = [t.trial_id for t in board.trials if t.rank]
    found = board.evidence["select"]
    assert len(ranked) == len(TRIALS) + RESAMPLED + 1
    assert ranked[-1] == "gentle"
    assert {*ranked[:RESAMPLED], "gentle"} <= found.figures.keys()
    assert ranked[-2] not in found.figures
    assert "gentle" in board.front.members
    assert None not in board.front.members.values()
    assert set(board.rank_groups["select"]) == set(ranked[:RESAMPLED])
    rows = {row["trial_id"]: row for row in board.rows}
    assert "select.score.low" in rows[ranked[0]]
    assert "select.score.low" not in rows[ranked[-2]]
    assert all(low <= rows[name]["rank"] <= high for name, (low, high) in board.measurement.rank_intervals.items())
    assert len(board.measurement.rank_intervals) == len(ranked)
