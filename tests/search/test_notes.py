"""What optuna-dashboard is told of an experiment, in the form in which it reads it; it need not be installed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import optuna
import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.paths import ExperimentPaths, ensure_dir, read_json, write_json
from raykft.search import notes
from raykft.search.notes import PIECE, write_notes
from raykft.search.study import opened
from raykft.wording.messages import Lang, speaking

pytestmark = pytest.mark.ray
FIRST, *_ = TRIALS
FAILED = "t002-r8-lr1e-3-e6-mlp-d1"
REASON = "ValueError: <img src=x onerror=alert(1)> [more](javascript:alert(1)) *loud*"


@pytest.fixture
def fake(tmp_path: Path) -> FakeExperiment:
    fake = FakeExperiment(tmp_path, facts=8)
    ensure_dir(fake.paths.trial(FIRST).adapter)
    config = read_json(fake.paths.trial(FIRST).config)
    write_json(fake.paths.trial(FAILED).config, config)
    write_json(fake.paths.trial(FAILED).result, {"status": "failed", "reason": REASON, "metrics": {}})
    with opened(fake.paths.study) as storage:
        study = optuna.create_study(study_name="test", storage=storage, direction="maximize")
        storage.set_study_system_attr(study._study_id, "study:metric_names", ["score"])
        for _ in range(8):
            study.tell(study.ask(), 0.5)
    return fake


@pytest.fixture
def board(fake: FakeExperiment) -> Leaderboard:
    return load_leaderboard(fake.paths.root)


def attributes(paths: ExperimentPaths) -> dict[str, Any]:
    with opened(paths.study) as storage:
        return storage.get_study_system_attrs(1)


def note(paths: ExperimentPaths, trial: str | None = None) -> str:
    """As the dashboard puts it together."""
    with opened(paths.study) as storage:
        number = None if trial is None else int(trial[1:4])
        prefix = "dashboard" if number is None else f"dashboard:{storage.get_all_trials(1)[number]._trial_id}"
        found = storage.get_study_system_attrs(1)
    assert f"{prefix}:note_ver" in found
    pieces = [found[f"{prefix}:note_str:{n}"] for n in range(sum(k.startswith(f"{prefix}:note_str:") for k in found))]
    assert all(len(piece) <= 2045 for piece in pieces)
    return "".join(pieces)


def test_the_study_says_what_the_board_says(fake: FakeExperiment, board: Leaderboard) -> None:
    write_notes(board)
    told = note(fake.paths)
    assert f"- **winner**: {FIRST}" in told
    assert "(score)" in told
    assert f"`raykft leaderboard {fake.paths.root}`" in told


def test_a_trial_says_how_it_ended_and_where_its_adapter_is(fake: FakeExperiment, board: Leaderboard) -> None:
    write_notes(board)
    told = note(fake.paths, FIRST)
    assert told.startswith(f"**{FIRST}**: ok, 2 of 2 epochs, 94 s (the winner)")
    assert f"`trials/{FIRST}/adapter`" in told
    assert f"`raykft show {fake.paths.root} {FIRST}`" in told
    winner = board.winner
    assert winner is not None
    assert f"held-out questions: score {winner.report['score']:.2f}" in told
    assert "no adapter was kept" in note(fake.paths, list(TRIALS)[1])


def test_what_others_wrote_is_text_in_a_note(fake: FakeExperiment, board: Leaderboard) -> None:
    write_notes(board)
    told = note(fake.paths, FAILED)
    assert "failed" in told
    assert "&lt;img src=x onerror=alert(1)&gt;" in told
    assert "](" not in told.replace("\\](", "")
    assert "\\*loud\\*" in told


def test_notes_that_say_the_same_are_not_written_again(
    fake: FakeExperiment, board: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_notes(board)
    before = attributes(fake.paths)
    written: list[str] = []
    usual = optuna.storages.RDBStorage.set_study_system_attr

    def spied(self: Any, study: int, key: str, value: Any) -> None:
        written.append(key)
        usual(self, study, key, value)

    monkeypatch.setattr(optuna.storages.RDBStorage, "set_study_system_attr", spied)
    write_notes(board)
    assert not written
    with speaking(Lang.JA):
        write_notes(board)
    assert written
    assert "最良のレシピ" in note(fake.paths, FIRST)
    assert attributes(fake.paths).keys() == before.keys()


def test_a_note_that_somebody_edited_stays(fake: FakeExperiment, board: Leaderboard) -> None:
    write_notes(board)
    with opened(fake.paths.study) as storage:
        storage.set_study_system_attr(1, "dashboard:note_ver", 2)
        storage.set_study_system_attr(1, "dashboard:note_str:0", "mine")
    write_notes(board)
    assert note(fake.paths).startswith("mine")


def test_a_long_note_is_divided_and_a_shorter_one_leaves_nothing_of_it(
    fake: FakeExperiment, board: Leaderboard, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = ["x" * (2 * PIECE + 1)]
    monkeypatch.setattr(notes, "_of_study", lambda *_: iter(long))
    write_notes(board)
    assert note(fake.paths) == long[0]
    long[0] = "short"
    write_notes(board)
    assert note(fake.paths) == "short"


def test_trouble_with_the_study_is_none_of_the_search(
    fake: FakeExperiment, board: Leaderboard, caplog: pytest.LogCaptureFixture
) -> None:
    fake.paths.study.write_bytes(b"no database" * 100)
    with caplog.at_level(logging.WARNING):
        write_notes(board)
    assert "no notes for optuna-dashboard" in caplog.text
    fake.paths.study.unlink()
    write_notes(board)  # of an adapter that was only evaluated
    assert not fake.paths.study.exists()
