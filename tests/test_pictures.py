"""The maker of the README's pictures: what is in them, how large they are, and that the experiment stays as it was."""

from __future__ import annotations

import hashlib
import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from leaderboard.browser import CHROMIUM, Browser
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.cells import cell_len

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.wording.messages import Lang, speaking

ROOT = Path(__file__).resolve().parents[1]
FIRST, *_ = TRIALS


@pytest.fixture
def pictures(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("pictures")


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    return load_leaderboard(FakeExperiment(tmp_path_factory.mktemp("pictures"), facts=8).paths.root)


@pytest.mark.parametrize("columns", [80, 160])
@pytest.mark.parametrize("lang", Lang)
def test_a_terminals_picture_has_a_cell_for_every_character(
    pictures: Any, board: Leaderboard, lang: Lang, columns: int
) -> None:
    with speaking(lang):
        html = pictures.terminal_html(board, columns, lang)
    assert "http" not in html
    shown = re.sub("<[^>]*>", "", html.partition("<code>")[2].partition("</code>")[0])
    assert shown.startswith("$ raykft leaderboard ")
    assert FIRST in shown
    assert ("最良" in shown) is (lang is Lang.JA)
    assert f"width: {columns}ch" in html
    cells = re.findall("<i( class=wide)?>(.)</i>", html)
    assert cells
    assert all(cell_len(sign) == (2 if wide else 1) for wide, sign in cells)
    assert not re.search(r"[^\x00-\x7f]", re.sub("<i[^>]*>.</i>", "", html.partition("<code>")[2]))


def test_without_chromium_it_is_said(
    pictures: Any, monkeypatch: pytest.MonkeyPatch, board: Leaderboard, tmp_path: Path
) -> None:
    from leaderboard import browser

    monkeypatch.setattr(browser, "CHROMIUM", None)
    monkeypatch.setattr("sys.argv", ["pictures", str(board.directory), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="there is no Chromium"):
        pictures.main()
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium (Debian's package `chromium`)")
def test_all_pictures_are_drawn_small_enough_and_nothing_else_changes(
    pictures: Any, board: Leaderboard, tmp_path: Path
) -> None:
    from PIL import Image

    def content() -> dict[str, str]:
        files = [file for file in board.directory.rglob("*") if file.is_file()]
        return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    before = content()
    found = list(pictures.pictures(board.directory, tmp_path, Browser))
    assert content() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == sorted(file.name for file in found)
    assert len(found) == 16
    sizes = {}
    for file in found:
        assert file.stat().st_size <= pictures.MOST_BYTES
        with Image.open(file) as picture:
            assert picture.mode == "P"
            colours = picture.convert("RGB").getcolors(1 << 24)
            assert colours is not None
            assert len(colours) > 16  # no empty window
            sizes[file.stem] = picture.size
    assert sizes["page-ja-400-dark"] == (400, 1000)
    assert sizes["page-en-1400-light"][0] == sizes["opening-en-dark"][0] == 1400
    assert sizes["terminal-en-160"][0] > 1.8 * sizes["terminal-en-80"][0]
    with (
        Image.open(tmp_path / "page-en-1400-dark.png") as dark,
        Image.open(tmp_path / "page-en-1400-light.png") as light,
    ):
        assert sum(dark.convert("RGB").getpixel((5, 5))) < 150 < sum(light.convert("RGB").getpixel((5, 5)))
