"""Five questions of a newcomer, each answered where the page opens and in a section that the answer leads to.

docs/reading-the-board.md says what is held here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from leaderboard.browser import CHROMIUM, Browser
from leaderboard.fake_experiment import FakeExperiment

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.effects import effects, outcome
from raykft.leaderboard.opening import MOST_SAID, OpeningLine, opening
from raykft.leaderboard.page import page_html, write_page
from raykft.leaderboard.read import read_curves, read_probes, trial_results
from raykft.leaderboard.render import sample_text
from raykft.paths import read_json, read_jsonl, write_json, write_jsonl
from raykft.wording.messages import Lang, speaking

RATES = [1e-4 * 1.4**n for n in range(10)]
LONG = "Who <b>founded</b>\x1b[31m it? " * 10
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeExperiment:
    """A search in which a higher rate teaches more."""
    fake = FakeExperiment(tmp_path_factory.mktemp("opening"), objective="gain")
    for n, rate in enumerate(RATES):
        files = fake.paths.trial(f"t1{n:02d}-r{8 * (1 + n % 2)}-mlp")
        fake.write_run(files, 0.1 + 0.07 * n, 0.65, reported=n > 6)
        for file in (files.config, files.result):
            tree = read_json(file)
            tree["sample"] |= {"train.learning_rate": rate, "adapter.rank": 8 * (1 + n % 2)}
            write_json(file, tree)
    return fake


@pytest.fixture(scope="module")
def board(fake: FakeExperiment) -> Leaderboard:
    return load_leaderboard(fake.paths.root)


def lines(board: Leaderboard) -> list[OpeningLine]:
    by = outcome(board.trials, read_curves_of(board))
    assert by is not None
    return opening(board, effects(board.trials, by))


def read_curves_of(board: Leaderboard) -> dict[str, list[dict[str, object]]]:
    from raykft.paths import ExperimentPaths

    return {name: list(rows) for name, rows in read_curves(ExperimentPaths(board.directory), board.trials).items()}


def said(board: Leaderboard, label: str) -> list[str]:
    return [line.text for line in lines(board) if line.label == label]


def test_which_recipe_is_said_with_its_settings(board: Leaderboard) -> None:
    winner = board.winner
    assert winner is not None
    assert said(board, "winner") == [winner.trial_id]
    assert said(board, "recipe") == [sample_text(winner)]


def test_the_setting_that_matters_most_is_named(board: Leaderboard) -> None:
    (text,) = said(board, "matters")
    found = re.match(r"train\.learning_rate goes with (\d+)% of the differences \[", text)
    assert found, text
    assert int(found[1]) > 30
    assert text.endswith("what the others do cannot be told")
    (nothing,) = (line.text for line in opening(board, unknown(board)) if line.label == "matters")
    assert nothing == "it cannot be told that any of the 2 settings does anything"
    assert not [line for line in opening(board, []) if line.label == "matters"]


def unknown(board: Leaderboard) -> list[object]:
    from dataclasses import replace

    by = outcome(board.trials, read_curves_of(board))
    assert by is not None
    return [replace(effect, p=1.0) for effect in effects(board.trials, by)]


def test_an_answer_that_is_right_and_one_that_is_wrong_are_the_winners_own(
    fake: FakeExperiment, board: Leaderboard
) -> None:
    winner = board.winner
    assert winner is not None
    results = trial_results(fake.paths.trial(winner.trial_id), "report")
    asked = [p for p in read_probes(fake.paths) if p.split == "report" and p.level == 2 and p.kind == "recall"]
    count, right, wrong = said(board, "says")
    known = [p for p in asked if results[p.id].correct]
    assert any(p.question in right and results[p.id].answer in right for p in known)
    assert "; the base model “<script>" in right
    assert any(p.question in wrong and p.gold in wrong for p in asked if not results[p.id].correct)
    assert count == f"{len(known)} of {len(asked)} paraphrases that were not trained are answered right"


def test_in_japanese_only_what_is_quoted_is_not(board: Leaderboard) -> None:
    with speaking(Lang.JA):
        told = [*said(board, "says"), *said(board, "matters")]
    assert len(told) == 4
    for text in told:
        own = re.sub("「.*?」", "", text).replace("train.learning_rate", "")
        assert not re.search("[A-Za-z]{3,}", own), own
        assert re.search("[ぁ-ん]", own)


def test_what_a_model_says_is_short_text(fake: FakeExperiment, tmp_path: Path) -> None:
    other = FakeExperiment(tmp_path, facts=8)
    write_jsonl(
        other.paths.probes, (row | {"question": LONG} for row in list(read_jsonl(other.paths.root / "probes.jsonl")))
    )
    board = load_leaderboard(other.paths.root)
    _, right, _ = (line.text for line in opening(board, []) if line.label == "says")
    shown = re.findall("“(.*?)”", right)[0]
    assert len(shown) == MOST_SAID
    assert "\x1b" not in right
    page = page_html(board)
    assert "&lt;b&gt;founded&lt;/b&gt;" in page
    assert "<b>founded" not in page


def test_a_board_without_a_winner_opens_as_its_head(tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path, facts=8)
    for trial in list(fake.paths.trials.iterdir()):
        (trial / "result.json").unlink()
    found = opening(load_leaderboard(fake.paths.root), [])
    assert {line.label for line in found} <= {"winner", "caution", "next", ""}


QUESTIONS = {"winner": "trials", "sure": "measurement", "forgot": "front", "matters": "matters", "says": "answers"}


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("there is no Chromium (Debian's package `chromium`)")
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.mark.parametrize("lang", Lang)
def test_the_five_answers_are_in_the_first_window_and_lead_to_their_sections(
    browser: Browser, fake: FakeExperiment, board: Leaderboard, lang: Lang
) -> None:
    with speaking(lang):
        write_page(fake.paths.root)
        told = {line.label: line.text for line in reversed(lines(board))}
    browser.look(1400, 1000)
    for label, section in QUESTIONS.items():
        browser.open(fake.paths.page.as_uri())
        answer = f"document.querySelector('.head dd.{label}')"
        assert browser.run(f"{answer}.textContent") == told[label]
        assert 0 < browser.run(f"{answer}.getBoundingClientRect().bottom") < 1000
        browser.run(f"{answer}.previousElementSibling.querySelector('a').click()")
        assert browser.run("location.hash") == f"#{section}"
        assert browser.run(f"document.querySelector('#{section} h2').getBoundingClientRect().top") < 1000
    # On a telephone too, within a thumb's length of the top.
    browser.look(400, 900)
    browser.open(fake.paths.page.as_uri())
    assert browser.run("document.querySelector('.head dd.matters').getBoundingClientRect().bottom") < 900
    assert browser.run("document.querySelector('.head dd.says').getBoundingClientRect().bottom") < 1000


@pytest.mark.parametrize("name", ["reading-the-board.md", "reading-the-board.ja.md"])
def test_the_guide_names_every_place(name: str) -> None:
    guide = (ROOT / "docs" / name).read_text(encoding="utf-8")
    with speaking(Lang.JA if ".ja." in name else Lang.EN):
        from raykft.wording import opening as words
        from raykft.wording.head import LABELS
        from raykft.wording.page import HEADINGS

        titles = [LABELS["winner"](), words.RECIPE(), words.SURE(), LABELS["forgot"](), words.MATTERS(), words.SAYS()]
        headings = [HEADINGS[section]() for section in QUESTIONS.values()]
    for title in titles:
        assert f"**{title}**" in guide
    for heading in headings:
        assert f"*{heading}*" in guide
