"""The lines above the table: true, few, whole at 80 columns, and with a command that works."""

from __future__ import annotations

import io
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer.main
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.cells import cell_len
from rich.console import Console

from raykft.cli import app
from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.head import HeadLine, head, portion
from raykft.leaderboard.render import print_board, shortened
from raykft.paths import read_json, write_json
from raykft.records import TrialStatus

WINNER = "t005-r32-lr7e-4-e5-mlp-d0.25"
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"


def printed(board: Leaderboard, width: int, *, details: bool = False) -> list[str]:
    out = io.StringIO()
    print_board(board, Console(file=out, width=width, highlight=False), details=details)
    return [line.rstrip() for line in out.getvalue().splitlines()]


def told(board: Leaderboard) -> dict[str, HeadLine]:
    return {line.label: line for line in head(board) if line.label}


def command(board: Leaderboard) -> list[str]:
    """The words of the proposed command, which the command line takes."""
    line = head(board)[-1]
    assert line.command
    program, name, *rest = shlex.split(line.text)
    assert program == "raykft"
    group = typer.main.get_command(app)
    for inner in [name, *rest[:1]] if name == "data" else [name]:
        group = group.commands[inner]
    group.make_context(
        name, rest[1:] if name == "data" else list(rest)
    )  # refuses unknown options and missing arguments
    return [name, *rest]


@pytest.fixture
def own(tmp_path: Path) -> FakeExperiment:
    (tmp_path / "a b").mkdir()
    fake = FakeExperiment(tmp_path / "a b", objective="graded")
    for name in TRIALS:
        (fake.paths.trial(name).root / "adapter").mkdir()
    return fake


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    return load_leaderboard(FakeExperiment(tmp_path_factory.mktemp("head")).paths.root)


def test_the_head_tells_the_figures_of_the_board(board: Leaderboard) -> None:
    lines = head(board)
    winner, rows = board.winner, {b.name: b.report for b in board.baselines}
    assert winner is not None
    assert (lines[0].label, lines[0].text) == ("winner", WINNER)
    bound = board.evidence["report"].intervals[WINNER]["knowledge"]
    knows = told(board)["knows"].text
    value = 100 * winner.report["knowledge"]
    assert knows.startswith(f"{value:.0f} % ({100 * bound.low:.0f} to {100 * bound.high:.0f}); base ")
    for name, title in {"base": "base", "facts_needed": "base with the facts", "bm25": "base with BM25"}.items():
        assert f"{title} {100 * rows[name]['knowledge']:.0f} %" in knows
    forgot = told(board)["forgot"].text
    assert forgot.startswith(f"{portion(winner.report['forgetting'])} of the base's general ability: ")
    assert f"{100 * winner.report['forgetting']:.0f} % (" in forgot
    assert f"score {winner.report['score']:.2f} [" in lines[1].text
    low, high = board.measurement.rank_intervals[WINNER]
    assert f"rank {low} to {high} of 4" in lines[1].text
    tied = board.shared_ranks["select"][1] - 1
    order = told(board)["order"].text
    assert order.startswith(
        f"{100 * (board.measurement.decided_pairs or 0):.0f} % of pairs of trials are decided; {tied} "
    )


@pytest.mark.parametrize("width", [80, 160])
def test_at_most_eight_lines_stand_above_the_table_and_fit(board: Leaderboard, width: int) -> None:
    lines = printed(board, width)
    above = lines[: lines.index("")]
    assert len(above) <= 8
    assert all(cell_len(line) <= width for line in above if "raykft" not in line)
    assert above[0] == f"winner:  {WINNER}"
    assert above[-1].strip() == head(board)[-1].text  # on one line, however long
    assert lines[len(above) + 1].startswith("select split")
    text = "\n".join(lines)
    assert "measurement:" not in text
    assert "hypervolume" not in text
    assert "--details; all columns: --format md" in text
    assert "hypervolume" in "\n".join(printed(board, width, details=True))


def test_of_many_trials_the_best_are_listed(board: Leaderboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raykft.leaderboard.render.MOST_TRIALS", 2)
    best = [t.trial_id for t in board.trials]
    text = "\n".join(printed(board, 160)).split("report split")[0]
    assert [name for name in best if name in text] == best[:2]
    assert f"and {len(best) - 2} more trials" in text
    assert "base + BM25" in text
    every = "\n".join(printed(board, 160, details=True))
    assert all(name in every for name in best)
    assert "more trials" not in every


def test_columns_go_before_names_and_names_before_numbers(board: Leaderboard) -> None:
    for width in (30, 36, 44, 60, 80):
        lines = printed(board, width)
        start = next(n for n, line in enumerate(lines) if line.startswith("select split"))
        header = next(line for line in lines[start:] if "trial" in line and "#" in line)
        row = next(line for line in lines[start:] if line.startswith(("1=", "1 ")))
        assert "score" in header
        assert re.search(r"0\.\d\d", row)
        whole = WINNER in row
        assert whole or header.split() == ["#", "trial", "score↑", "forget↓"], width
        assert whole is (width >= 60) or (width == 44 and whole)
        assert row.split()[1].startswith("t005-")
    left_out = " ".join(printed(board, 44))
    assert "left out for width: " in left_out
    assert "gain, know, L1" in left_out
    assert "gain, know" not in " ".join(printed(board, 400))


@pytest.mark.parametrize("width", [12, 20, 33])
def test_a_long_name_loses_its_middle(width: int) -> None:
    for name in ("t012-r16-lr1.4e-3-e8-allh-d0.25-b8-w0.1", "実験番号一二三四五六七八九十百千万億兆京"):
        short = shortened(name, width)
        assert cell_len(short) <= width
        assert short[0] == name[0]
        assert short[-1] == name[-1]
        assert "…" in short
    assert shortened("t012-r16", width) == "t012-r16"


def test_what_to_type_is_quoted_and_chosen_by_what_the_board_says(own: FakeExperiment) -> None:
    directory = str(own.paths.root)
    board = load_leaderboard(directory)
    assert board.winner is not None
    winner = board.winner.trial_id
    # One seed each, and another that the probes cannot tell from the winner.
    assert command(board) == ["confirm", directory, "--top", "2", "--seeds", "3"]
    object.__setattr__(board, "measurement", replace(board.measurement, seeds_advised=5))
    assert command(board) == ["confirm", directory, "--top", "2", "--seeds", "5"]
    object.__setattr__(board, "measurement", replace(board.measurement, seeds_advised=40))
    object.__setattr__(board, "shared_ranks", {"select": {1: 1}})
    assert command(board) == ["export", directory, winner, "test-adapter"]
    shutil.rmtree(own.paths.trial(winner).adapter)
    assert command(load_leaderboard(directory)) == ["show", directory, winner, "--wrong"]
    own.paths.trial(STOPPED).result.unlink()
    assert command(load_leaderboard(directory)) == ["resume", directory]


@pytest.mark.parametrize(("value", "significant", "behind"), [(0.2, True, 2), (0.2, False, 0), (-0.2, True, 0)])
def test_held_out_questions_may_tell_apart_what_those_that_chose_cannot(
    own: FakeExperiment, monkeypatch: pytest.MonkeyPatch, value: float, significant: bool, behind: int
) -> None:
    board = load_leaderboard(own.paths.root)
    assert board.winner is not None
    assert len(board.reported) == 3
    gap = SimpleNamespace(value=value, significant=significant)
    monkeypatch.setattr(type(board.evidence["report"]), "against", lambda _self, _own, names: dict.fromkeys(names, gap))
    equal = {t.trial_id: 1 for t in board.trials if t.rank is not None}  # the questions that chose tell nothing apart
    object.__setattr__(board, "rank_groups", board.rank_groups | {"select": equal})
    object.__setattr__(board, "shared_ranks", board.shared_ranks | {"select": {1: 4}})
    order = told(board)["order"].text
    assert f"; {3 - behind} more may be as good as the winner; " in order
    assert ("2 of equal rank behind on held-out questions; " in order) == (behind > 0)


def test_given_away_probes_come_before_anything_else(own: FakeExperiment) -> None:
    write_json(own.paths.contamination, {"allowed": True, "findings": [{"item": "p1"}, {"item": "p1"}]})
    board = load_leaderboard(own.paths.root)
    assert told(board)["caution"].text.startswith("CONTAMINATED: training rows give away 1 probe(s)")
    assert command(board) == ["data", "check", str(own.paths.config)]


def test_a_winner_that_is_not_above_the_base_is_not_exported(own: FakeExperiment) -> None:
    for name in TRIALS:
        shutil.rmtree(own.paths.trial(name).root)
        own.write_run(own.paths.trial(name), 0.0, 0.3, reported=True)
        (own.paths.trial(name).root / "adapter").mkdir()
    board = load_leaderboard(own.paths.root)
    assert "not shown to be above the untouched base model's" in told(board)["caution"].text
    assert command(board) == ["resume", str(own.paths.root), "--trials", str(2 * len(board.trials))]


def test_without_a_score_the_head_says_so_and_why(own: FakeExperiment) -> None:
    for name in TRIALS:
        file = own.paths.trial(name).result
        write_json(file, read_json(file) | {"status": TrialStatus.FAILED, "reason": "a\nbroken \x1b[31mrule"})
    board = load_leaderboard(own.paths.root)
    assert told(board)["winner"].text == "none: no trial has a score yet"
    assert told(board)["caution"].text.startswith("4 trial(s) failed: failed, a broken")
    assert command(board) == ["doctor"]
    assert not any("\x1b" in line for line in printed(board, 80))
    for name in TRIALS:
        shutil.rmtree(own.paths.trial(name).root)
    assert command(load_leaderboard(own.paths.root)) == ["resume", str(own.paths.root), "--trials", "2"]


def test_a_running_search_is_looked_at_and_not_resumed(own: FakeExperiment) -> None:
    write_json(own.paths.last_run, {"began": "now", "pid": 1, "host": "another machine"})
    assert command(load_leaderboard(own.paths.root)) == ["status", str(own.paths.root)]
    write_json(own.paths.last_run, {"began": "now", "pid": 1, "host": "h", "ended": "now", "how": "interrupted"})
    assert command(load_leaderboard(own.paths.root)) == ["resume", str(own.paths.root)]


@pytest.mark.parametrize(
    ("share", "words"),
    [
        (0, "next to nothing"),
        (-0.2, "next to nothing"),
        (0.06, "about a twentieth"),
        (0.31, "about a third"),
        (2, "nearly all"),
    ],
)
def test_shares_in_words(share: float, words: str) -> None:
    assert portion(share) == words
