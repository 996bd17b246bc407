"""The page of a search at work: written again as trials end, and no trouble of the search where it cannot be."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard.page import LIVE_SECONDS, write_page
from raykft.paths import write_json
from raykft.search import live
from raykft.search.experiment import write_board
from raykft.search.live import live_page


@pytest.fixture
def fake(tmp_path: Path) -> FakeExperiment:
    fake = FakeExperiment(tmp_path, facts=8)
    write_json(fake.paths.last_run, {"began": "now", "pid": os.getpid(), "host": socket.gethostname()})
    return fake


def until(holds: Callable[[], bool]) -> None:
    for _ in range(1000):
        if holds():
            return
        time.sleep(0.01)
    pytest.fail("it did not happen")


def test_the_page_follows_the_trials(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "REST", 0)
    last = fake.paths.trial(list(TRIALS)[-1])
    ended = last.result.read_bytes()
    last.result.unlink()
    with live_page(fake.paths, look_seconds=0.01):
        until(fake.paths.page.is_file)
        before = fake.paths.page.stat().st_mtime_ns
        time.sleep(0.1)
        assert fake.paths.page.stat().st_mtime_ns == before  # nothing ended
        last.result.write_bytes(ended)
        until(lambda: fake.paths.page.stat().st_mtime_ns > before)
    assert f'data-live="{LIVE_SECONDS}"' in fake.paths.page.read_text(encoding="utf-8")


def test_a_page_that_cannot_be_written_stops_nobody(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[int] = []

    def fails(_: Path) -> Path:
        tried.append(1)
        raise OSError("no space left on device")

    monkeypatch.setattr(live, "write_page", fails)
    monkeypatch.setattr(live, "REST", 0)
    with live_page(fake.paths, look_seconds=0.01):
        until(lambda: len(tried) > 2)  # it goes on trying


def test_it_takes_no_more_than_its_share(fake: FakeExperiment, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[float] = []

    def slowly(_: Path) -> Path:
        written.append(time.monotonic())
        time.sleep(0.05)
        (fake.paths.trials / f"t{len(written)}").mkdir()
        write_json(fake.paths.trials / f"t{len(written)}" / "result.json", {})
        return fake.paths.page

    monkeypatch.setattr(live, "write_page", slowly)
    with live_page(fake.paths, look_seconds=0.01):
        until(lambda: len(written) > 1)
    assert written[1] - written[0] >= 0.05 * live.REST


def test_the_last_page_of_a_run_looks_no_more(fake: FakeExperiment) -> None:
    write_page(fake.paths.root)
    assert "data-live" in fake.paths.page.read_text(encoding="utf-8")
    write_json(fake.paths.last_run, {"began": "then", "ended": "now", "how": "complete", "why": ""})
    write_board(fake.paths)
    assert "data-live" not in fake.paths.page.read_text(encoding="utf-8")
