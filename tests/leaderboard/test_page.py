"""The HTML report: complete, self-contained, and safe whatever a model wrote."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.page import level_bars, page_html, scatter, write_page, wrong_answers
from raykft.paths import write_json

MEGABYTE = 10**6


class Page(HTMLParser):
    """Collects elements that load something, script bodies, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.scripts: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in {"script", "style"} else self._inside
        self.scripts += [""] if tag == "script" else []
        self.loads += [f"{tag} {name}={value}" for name, value in attrs if name in {"src", "href", "srcset", "action"}]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif not self._inside:
            self.text += data


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    fake = FakeExperiment(tmp_path_factory.mktemp("report"))
    config = json.loads(fake.paths.trial("t003-r16-lr1.2e-3-e5-att-d0.5").config.read_text())
    bad = fake.paths.trial("t009<img src=x onerror=alert(1)>")
    write_json(bad.config, config | {"sample": {"note": "</script><script>alert(2)</script>"}})
    return fake


@pytest.fixture(scope="module")
def board(fake: FakeExperiment) -> Leaderboard:
    return load_leaderboard(fake.paths.root)


@pytest.fixture(scope="module")
def html(board: Leaderboard) -> str:
    return page_html(board)


def test_the_page_loads_nothing_and_forbids_it(html: str) -> None:
    page = Page(html)
    assert page.loads == []
    assert "default-src 'none'" in html
    assert len(html.encode()) < 6 * MEGABYTE
    assert "Plotly" in page.scripts[1]


def test_answers_and_names_are_text(html: str) -> None:
    page = Page(html)
    assert page.handlers == []
    assert len(page.scripts) == 3  # figures, plotly.js and the page's own
    assert not any("alert(" in script for script in (page.scripts[0], page.scripts[2]))
    assert re.search(r"<script>alert\('[sr]\d\d-l2a'\)</script>", page.text)  # an answer, shown as it was written
    assert "t009<img src=x onerror=alert(1)>" in page.text


def test_figures_travel_as_json_without_any_tag(html: str) -> None:
    figures = Page(html).scripts[0]
    assert "<" not in figures
    assert json.loads(figures).keys() == {"scatter", "levels"}


def test_the_scatter_has_trials_front_winner_and_baselines(board: Leaderboard) -> None:
    traces = {trace.name: trace for trace in scatter(board).data}
    assert traces.keys() == {"front", "trials", "winner", "baselines"}
    assert board.winner is not None
    assert list(traces["winner"].x) == [board.winner.select["forgetting"]]
    assert len(traces["trials"].x) == len(TRIALS) - 1
    assert list(traces["front"].x) == sorted(traces["front"].x)
    bound = board.evidence["select"].intervals[board.winner.trial_id]["gain"]
    assert traces["winner"].error_y.array[0] == pytest.approx(bound.high - board.winner.select["gain"])
    assert traces["winner"].error_y.arrayminus[0] == pytest.approx(board.winner.select["gain"] - bound.low)


def test_level_bars_show_the_held_out_scores(board: Leaderboard) -> None:
    assert board.winner is not None
    traces = {trace.name: trace for trace in level_bars(board, board.winner).data}
    assert list(traces) == ["winner", "base", "base + needed facts", "base + BM25", 'always "no"']
    assert list(traces["winner"].x) == ["L1", "L2", "L3", "L4", "L5", "premise", "hint"]
    assert traces["winner"].y[1] == board.winner.report["level_2"]


def test_wrong_answers_stand_beside_the_expected_and_the_base_models(fake: FakeExperiment, board: Leaderboard) -> None:
    assert board.winner is not None
    rows = wrong_answers(board, board.winner)
    assert {row["split"] for row in rows} == {"select", "report"}
    assert all(row["outcome"] == "wrong" and row["answer"] != row["gold"] for row in rows)
    first = rows[0]
    assert first["base"] == fake.base[first["split"]].results[first["id"]].answer


def test_the_report_is_written_into_the_experiment(fake: FakeExperiment) -> None:
    file = write_page(fake.paths.root)
    assert file == fake.paths.root / "report.html"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_an_experiment_without_a_score_still_makes_a_page(tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path, facts=2)
    for name in TRIALS:
        fake.paths.trial(name).result.unlink()
    write_json(fake.paths.root / "contamination.json", {"allowed": True, "findings": [{"item": "p1"}]})
    page = Page(page_html(load_leaderboard(fake.paths.root)))
    assert "No trial has a score yet" in page.text
    assert "CONTAMINATED" in page.text
    assert json.loads(page.scripts[0]) == {}
