"""The page in a real browser: what is clicked does what it says, what was planted does nothing, nothing is fetched."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from leaderboard.browser import CHROMIUM, Browser, NavigatedError
from leaderboard.fake_experiment import TRIALS, FakeExperiment

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.page import LIVE_SECONDS, page_html, write_page
from raykft.paths import append_jsonl, write_json
from raykft.wording.messages import Lang, speaking

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian's package `chromium`)")
FIRST, SECOND, *_ = TRIALS
AXE = "4.14.1"
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"
PLANTED = "t009<img src=x onerror=alert(1)>"
# Names of trials in the order of the table, the hidden ones left out.
LISTED = "[...document.querySelectorAll('#trials tr[data-trial]')].filter(r => !r.hidden).map(r => r.dataset.trial)"


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    fake = FakeExperiment(tmp_path_factory.mktemp("browser"))
    config = json.loads(fake.paths.trial(STOPPED).config.read_text())
    bad = fake.paths.trial(PLANTED)
    sample = {"note": "</script><script>window.planted = 1</script>", "url": "javascript:alert(1)", "s": "}</style><b>"}
    write_json(bad.config, config | {"sample": sample})
    append_jsonl(bad.metrics, {"epoch": 1, "rung_score": 0.2})
    write_page(fake.paths.root)
    return load_leaderboard(fake.paths.root)


@pytest.fixture(scope="module")
def japanese(board: Leaderboard) -> str:
    """The address of the same board's page in Japanese."""
    file = board.directory / "report-ja.html"
    with speaking(Lang.JA):
        file.write_text(page_html(board), encoding="utf-8")
    return file.as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    with Browser(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def page(browser: Browser, board: Leaderboard, japanese: str) -> Iterator[Browser]:
    browser.problems.clear()
    browser.requests.clear()
    browser.look(1400, 1000)
    browser.open(address(board))
    yield browser
    assert browser.problems == []
    assert {url.split("#")[0] for url in browser.requests} <= {address(board), japanese, "about:blank"}


def address(board: Leaderboard, fragment: str = "") -> str:
    return (board.directory / "report.html").as_uri() + fragment


def column(page: Browser, title: str) -> list[str]:
    """The cells of a column of the table of trials."""
    script = f"""(() => {{
      const table = document.querySelector('#trials table');
      const n = [...table.tHead.rows[0].cells].findIndex(c => c.textContent === {json.dumps(title)});
      return [...table.tBodies[0].rows].filter(r => r.dataset.trial).map(r => r.cells[n].textContent.trim());
    }})()"""
    found: list[str] = page.run(script)
    return found


def click(page: Browser, title: str) -> None:
    buttons = "[...document.querySelectorAll('#trials th button')]"
    page.run(f"{buttons}.find(b => b.textContent === {json.dumps(title)}).click()")


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The auditor of accessibility by Deque, from the npm registry."""
    folder, npm = tmp_path_factory.mktemp("axe"), shutil.which("npm")
    if npm is None:
        pytest.skip("there is no npm to fetch axe-core with")
    try:
        command = [npm, "pack", f"axe-core@{AXE}", "--silent"]
        subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=120)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"axe-core cannot be fetched: {error}")
    with tarfile.open(folder / f"axe-core-{AXE}.tgz") as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()


@pytest.mark.parametrize("width", [1400, 400])
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("lang", Lang)
def test_an_audit_finds_no_serious_fault(
    page: Browser, board: Leaderboard, japanese: str, axe: str, lang: Lang, width: int, dark: bool
) -> None:
    page.look(width, 1000, dark=dark)
    page.open(japanese if lang is Lang.JA else address(board))
    page.run(f"{axe}; 0")

    def faults() -> list[list[Any]]:
        audit = "axe.run().then(r => r.violations.map(v => [v.impact, v.id, v.nodes.length, v.nodes[0].html]))"
        return [each for each in page.run(audit) if each[0] in {"serious", "critical"}]

    assert faults() == []
    page.run("document.querySelector('main').insertAdjacentHTML('beforeend', '<button></button>')")
    assert [name for _, name, *_ in faults()] == ["button-name"]


def test_what_was_planted_is_shown_and_does_nothing(page: Browser) -> None:
    assert page.run("window.planted") is None
    assert page.run("document.querySelectorAll('img, b, iframe, [onerror], a[href^=javascript]').length") == 0
    assert PLANTED in page.run("document.querySelector('#trials').textContent")
    assert page.run("document.querySelectorAll('script').length") == 2
    assert "<script>alert(" in page.run("document.querySelector('#answers-found').textContent")


def test_columns_sort_both_ways_with_what_is_missing_last(page: Browser, board: Leaderboard) -> None:
    click(page, "know↑")
    values = column(page, "know↑")
    known = [float(v) for v in values if v != "-"]
    assert len(known) == len(TRIALS)
    assert known == sorted(known, reverse=True)
    assert values[len(known) :] == ["-", "-"]
    click(page, "know↑")
    values = column(page, "know↑")
    assert [float(v) for v in values[: len(known)]] == sorted(known)
    assert values[len(known) :] == ["-", "-"]
    # What trials are compared with stays on top.
    kinds = page.run("[...document.querySelectorAll('#trials tbody tr')].map(row => row.className)")
    assert [n for n, kind in enumerate(kinds) if kind == "baseline"] == [0, 1, 2, 3]
    click(page, "#")
    assert page.run(LISTED) == [t.trial_id for t in board.trials if t.rank] + page.run(LISTED)[len(TRIALS) :]
    assert page.run("document.querySelectorAll('#trials [aria-sort]').length") == 1


def test_a_column_is_sorted_by_keyboard(page: Browser) -> None:
    page.run("[...document.querySelectorAll('#trials th button')].find(b => b.textContent === 'forget↓').focus()")
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", windowsVirtualKeyCode=13, text="\r")
    lost = [float(v) for v in column(page, "forget↓") if v != "-"]
    assert lost == sorted(lost)


def type_in(page: Browser, place: str, text: str) -> None:
    field = f"document.querySelector('{place}')"
    page.run(f"{field}.value = {json.dumps(text)}, {field}.dispatchEvent(new Event('input'))")


def test_rows_are_filtered_and_columns_chosen(page: Browser) -> None:
    type_in(page, "#trials-needle", "mlp OK")
    assert set(page.run(LISTED)) == set(TRIALS)
    type_in(page, "#trials-needle", "d0.5 ok")
    assert page.run(LISTED) == [FIRST]
    head = "[...document.querySelectorAll('#trials th')].find(h => h.textContent.startsWith('repeat'))"
    assert page.run(f"getComputedStyle({head}).display") == "none"
    page.run("[...document.querySelectorAll('.columns label')].find(l => l.textContent.includes('repeat')).click()")
    assert page.run(f"getComputedStyle({head}).display") == "table-cell"


def test_trials_side_by_side_show_what_differs_and_have_an_address(page: Browser, board: Leaderboard) -> None:
    assert "Choose two or more" in page.run("document.querySelector('#compared').textContent")
    for name in (FIRST, STOPPED):
        page.run(f"document.querySelector('#trials input[data-trial={json.dumps(name)}]').click()")
    text = page.run("document.querySelector('#compared').textContent")
    assert "adapter.rank" in text
    assert "3216" in text  # the two ranks, cell by cell
    assert "quantization" not in text
    fragment = page.run("location.hash")
    assert fragment == f"#compare={quote(FIRST)},{quote(STOPPED)}"

    page.open(address(board, f"#compare={quote(FIRST)},{quote(SECOND)}"))
    text = page.run("document.querySelector('#compared').textContent")
    assert "questions that they do not answer alike" in text
    assert "adapter.rank" not in text  # equal in both
    count = int(page.run("document.querySelector('#compared h3').textContent").split()[0])
    data: dict[str, Any] = page.run("data")
    rows = [{r[0]: r[1] for r in t["rows"]} for t in data["answers"]["trials"] if t["id"] in (FIRST, SECOND)]
    assert count == sum(rows[0][n] != rows[1][n] for n in rows[0] if n in rows[1])


def test_answers_are_found_by_trial_outcome_level_and_text(page: Browser, board: Leaderboard) -> None:
    def choose(**fields: str) -> int:
        for field, value in fields.items():
            type_in(page, f"#answers-{field}", value)
        return int(page.run("document.querySelector('#answers-count').textContent").split()[0])

    everything = choose()
    assert page.run("document.querySelectorAll('#answers-found tbody tr').length") == 30
    page.run("document.querySelector('#answers-found button').click()")
    assert page.run("document.querySelectorAll('#answers-found tbody tr').length") == everything
    select = choose(split="select")
    assert choose(split="report") == everything - select
    right = choose(split="select", outcome="correct")
    assert choose(outcome="not correct") == select - right
    assert choose(outcome="", level="2", needle="s07") == 6
    assert choose(level="4", needle="s07") == 1
    assert choose(level="", needle="no such answer") == 0
    choose(trial=FIRST, needle="")
    assert page.run("location.hash") == f"#answers={quote(FIRST)}"
    page.open(address(board, f"#answers={quote(FIRST)}"))
    assert page.run("document.querySelector('#answers-trial').value") == FIRST
    assert page.run("document.querySelector('#answers').getBoundingClientRect().top") < 200


@pytest.mark.parametrize(
    "fragment", ["#compare=%E0%A4%A", "#compare=nobody", "#answers=<img src=x>", "#facts", "#x=y&z"]
)
def test_odd_addresses_do_no_harm(page: Browser, board: Leaderboard, fragment: str) -> None:
    page.open(address(board, fragment))
    assert page.run("document.querySelectorAll('#answers-found tbody tr').length") == 30


def test_a_telephone_scrolls_one_way_only(page: Browser) -> None:
    page.look(400, 900)
    assert page.run("document.documentElement.scrollWidth") <= 400
    size = page.run(
        "(() => { const t = document.querySelector('svg text'); return t.getBoundingClientRect().height; })()"
    )
    assert size >= 10


def test_dark_mode_and_print_have_their_own_colours(page: Browser) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    assert page.run(ground) == "rgb(255, 255, 255)"
    page.look(1400, 1000, dark=True)
    assert page.run(ground) == "rgb(20, 23, 27)"
    page.look(1400, 1000, dark=True, media="print")
    assert page.run(ground) == "rgb(255, 255, 255)"
    assert page.run("getComputedStyle(document.querySelector('nav')).display") == "none"


def test_text_stands_out_from_its_ground(page: Browser) -> None:
    """Contrast of 4.5 for every colour of text, in both modes (WCAG 2.2 AA)."""
    script = """(() => {
      const part = c => c <= .03928 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4;
      const light = colour => {
        const [r, g, b] = colour.match(/\\d+/g).map(v => part(v / 255));
        return .2126 * r + .7152 * g + .0722 * b;
      };
      const ground = light(getComputedStyle(document.body).backgroundColor);
      const says = e => [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim());
      const shown = [...document.querySelectorAll('body *')].filter(says)
        .filter(e => !e.closest('script, style, noscript, select, title'));
      return Math.min(...shown.map(e => {
        const own = light(getComputedStyle(e)[e.closest('svg') ? 'fill' : 'color']);
        return (Math.max(own, ground) + .05) / (Math.min(own, ground) + .05);
      }));
    })()"""
    assert page.run(script) >= 4.5
    page.look(1400, 1000, dark=True)
    assert page.run(script) >= 4.5


def test_everything_has_a_name_for_a_screen_reader(page: Browser) -> None:
    assert page.run("document.documentElement.lang") == "en"
    unnamed = "[...document.querySelectorAll('input, select')].filter(e => !e.labels.length && !e.ariaLabel).length"
    assert page.run(unnamed) == 0
    assert page.run("[...document.querySelectorAll('svg')].filter(e => !e.getAttribute('aria-label')).length") == 0
    levels = page.run("[...document.querySelectorAll('h1, h2, h3')].map(e => +e.tagName[1])")
    assert levels[0] == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_the_page_in_japanese_works_as_the_english_one(page: Browser, japanese: str) -> None:
    def count() -> int:
        return int(page.run("/件中(\\d+)件/.exec(document.querySelector('#answers-count').textContent)[1]"))

    page.open(japanese)
    assert page.run("document.documentElement.lang") == "ja"
    assert "Noto Sans CJK JP" in page.run("getComputedStyle(document.body).fontFamily")
    everything = count()
    type_in(page, "#answers-outcome", "correct")
    right = count()
    type_in(page, "#answers-outcome", "not correct")
    assert right + count() == everything
    type_in(page, "#answers-outcome", "")
    type_in(page, "#answers-split", "report")
    assert 0 < count() < everything
    click(page, "知識↑")
    known = [float(v) for v in column(page, "知識↑") if v != "-"]
    assert known == sorted(known, reverse=True)
    for name in (FIRST, STOPPED):
        page.run(f"document.querySelector('#trials input[data-trial={json.dumps(name)}]').click()")
    assert "状態" in page.run("document.querySelector('#compared').textContent")
    page.look(400, 900)
    assert page.run("document.documentElement.scrollWidth") <= 400
    # Everything that the script wrote, but for what was asked and answered.
    written = "['#answers-found th', '#compared th', '#answers-count', '#answers-found button']"
    text = page.run(
        f"{written}.map(s => [...document.querySelectorAll(s)].map(e => e.textContent).join(' ')).join(' ')"
    )
    for word in ("level", "recall", "select", "report", "question", "expected", "base model", "show all", "answers"):
        assert word not in text


def test_the_page_is_made_anew_with_the_same_bytes(board: Leaderboard, tmp_path: Path) -> None:
    file = board.directory / "report.html"
    before = file.read_bytes()
    write_page(board.directory)
    assert file.read_bytes() == before


def test_the_page_of_a_running_search_looks_again_and_keeps_its_place(browser: Browser, tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path)
    write_json(fake.paths.last_run, {"began": "now", "pid": os.getpid(), "host": socket.gethostname()})
    text = write_page(fake.paths.root).read_text(encoding="utf-8")
    assert f'data-live="{LIVE_SECONDS}"' in text
    fake.paths.page.write_text(text.replace(f'data-live="{LIVE_SECONDS}"', 'data-live="0.2"'), encoding="utf-8")
    browser.look(1400, 600)
    browser.open(fake.paths.page.as_uri())
    browser.run("scrollTo(0, 700); window.stays = 1; document.querySelector('#trials-needle').value = 't0'")
    time.sleep(1)
    assert browser.run("window.stays") == 1  # somebody has filtered
    browser.run("document.querySelector('#trials-needle').value = ''")
    deadline, again = time.monotonic() + 20, False
    while not again:
        assert time.monotonic() < deadline, "it did not look again"
        time.sleep(0.1)
        with suppress(NavigatedError):
            again = browser.run("window.stays === undefined && document.readyState === 'complete'") is True
    assert abs(browser.run("scrollY") - 700) < 5
