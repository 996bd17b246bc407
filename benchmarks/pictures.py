"""Pictures of an experiment's board for the README: terminal and page, in both languages, compressed.

    python benchmarks/pictures.py EXPERIMENT [OUT]

Sixteen files in OUT (docs/images): `terminal-LANG-WIDTH.png` for 80 and 160 columns, `page-LANG-WIDTH-MODE.png` for
1400 and 400 pixels, and `opening-LANG-MODE.png`, the first lines of the page alone. EXPERIMENT is only read, and its
place on this machine is in no picture: commands show `runs/NAME`.

Needs Chromium (Debian's package `chromium`), Japanese fonts (`fonts-noto-cjk`) and Pillow (`pip install
'raykft[bench]'`). Nothing is fetched.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
import tempfile
from collections.abc import Iterator
from contextlib import chdir
from dataclasses import replace
from pathlib import Path
from typing import Any

from rich.cells import cell_len
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.leaderboard.page import page_html
from raykft.leaderboard.render import print_board
from raykft.wording.messages import Lang, speaking

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
COLUMNS = (80, 160)
PAGES = {1400: 1240, 400: 1000}  # width → height of a window that holds the opening and the first figures
OPENING_WIDTH = 1400
MOST_BYTES = 150_000
NO_ASCII = re.compile(r"[^\x00-\x7f]")
COLOURS = 128  # of a picture's palette: text with its smoothed edges, and marks
RED, GREEN, YELLOW, CYAN, GREY = (180, 35, 24), (20, 108, 58), (154, 91, 0), (0, 105, 120), (89, 99, 110)
BLACK, WHITE, BLUE, MAGENTA = (31, 35, 40), (255, 255, 255), (11, 87, 164), (122, 76, 194)
THEME = TerminalTheme(WHITE, BLACK, [BLACK, RED, GREEN, YELLOW, BLUE, MAGENTA, CYAN, GREY])
# Lines that are longer than the terminal go on in the next one, as they do there.
TERMINAL = """<!doctype html><meta charset="utf-8"><style>
body {{ margin: 0; overflow: hidden; background: {background}; color: {foreground}; }}
pre {{ margin: 0; padding: 10px; width: max-content; }}
code {{ display: block; width: COLUMNSch; white-space: pre-wrap; word-break: break-all; }}
pre, code {{ font: 15px/1.3 "DejaVu Sans Mono", "Noto Sans Mono CJK JP", monospace; }}
i {{ display: inline-block; width: 1ch; font-style: inherit; text-align: center; }}
i.wide {{ width: 2ch; transform: scale(1.15); }}
{stylesheet}
</style><pre><code>{code}</code></pre>"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Pictures of an experiment's board.")
    parser.add_argument("experiment", type=Path, metavar="EXPERIMENT")
    parser.add_argument("out", type=Path, nargs="?", default=IMAGES, metavar="OUT")
    asked = parser.parse_args()
    browser = _browser()
    asked.out.mkdir(parents=True, exist_ok=True)
    for file in pictures(asked.experiment, asked.out, browser):
        print(f"{file.stat().st_size:>8,} bytes  {file}")


def pictures(experiment: Path, out: Path, make_browser: Any) -> Iterator[Path]:
    """Draw all of them; each is yielded once it is written.

    Raises:
        SystemExit: a picture is too large for a README.
    """
    out = out.resolve()
    board = load_leaderboard(experiment)
    with tempfile.TemporaryDirectory() as folder, make_browser(Path(folder, "profile")) as browser:
        # Read where it lies, shown as `runs/NAME`.
        Path(folder, "runs").mkdir()
        Path(folder, "runs", board.directory.name).symlink_to(board.directory.resolve())
        with chdir(folder):
            shown = replace(board, directory=Path("runs", board.directory.name))
            for lang in Lang:
                with speaking(lang):
                    yield from _terminals(shown, out, browser, lang)
                    yield from _pages(shown, out, browser, lang)


def _terminals(board: Leaderboard, out: Path, browser: Any, lang: Lang) -> Iterator[Path]:
    for columns in COLUMNS:
        Path("terminal.html").write_text(terminal_html(board, columns, lang), encoding="utf-8")
        browser.look(2000, 2000)
        browser.open(Path("terminal.html").resolve().as_uri())
        width, height = browser.run(
            "(() => { const r = document.querySelector('pre').getBoundingClientRect();"
            " return [Math.ceil(r.width), Math.ceil(r.height)]; })()"
        )
        browser.look(width, height)
        yield _keep(browser, out / f"terminal-{lang}-{columns}.png")


def _pages(board: Leaderboard, out: Path, browser: Any, lang: Lang) -> Iterator[Path]:
    Path("page.html").write_text(page_html(board), encoding="utf-8")
    address = Path("page.html").resolve().as_uri()
    for dark, mode in ((False, "light"), (True, "dark")):
        for width, height in PAGES.items():
            browser.look(width, height, dark=dark)
            browser.open(address)
            # A picture has nothing to scroll.
            browser.run("document.documentElement.style.overflow = 'hidden'")
            yield _keep(browser, out / f"page-{lang}-{width}-{mode}.png")
        browser.look(OPENING_WIDTH, 800, dark=dark)
        browser.run("document.documentElement.style.overflow = 'hidden'")
        end = browser.run("Math.ceil(document.querySelector('nav').getBoundingClientRect().top)")
        browser.look(OPENING_WIDTH, end, dark=dark)
        yield _keep(browser, out / f"opening-{lang}-{mode}.png")


def terminal_html(board: Leaderboard, columns: int, lang: Lang) -> str:
    """What `raykft leaderboard` prints in a terminal of so many columns."""
    console = Console(
        record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor", highlight=False
    )
    spoken = "" if lang is Lang.EN else f" --lang {lang}"
    console.print(Text(f"$ raykft leaderboard {board.directory}{spoken}", style="bold"))
    print_board(board, console)
    page = console.export_html(theme=THEME, code_format=TERMINAL.replace("COLUMNS", str(columns)))
    head, body, code = page.partition("<code>")
    # A cell is a cell, whichever font has the character: only those of ASCII are as wide as the font says.
    return head + body + NO_ASCII.sub(_cell, code)


def _cell(found: re.Match[str]) -> str:
    return f"<i{' class=wide' if cell_len(found[0]) == 2 else ''}>{found[0]}</i>"


def _keep(browser: Any, file: Path) -> Path:
    """A picture of the window with a palette of its own, a fifth as large as in full colour."""
    from PIL import Image

    browser.picture(file)
    with Image.open(file) as picture:
        few = picture.convert("RGB").quantize(COLOURS, kmeans=2, dither=Image.Dither.NONE)
    few.save(file, optimize=True)
    if (size := file.stat().st_size) > MOST_BYTES:
        sys.exit(f"{file} has {size:,} bytes; a README's picture may have {MOST_BYTES:,}")
    return file


def _browser() -> Any:
    """The one that the tests use."""
    sys.path.append(str(ROOT / "tests"))
    from leaderboard.browser import CHROMIUM, Browser

    if CHROMIUM is None:
        sys.exit("there is no Chromium; on Debian: apt-get install chromium fonts-noto-cjk")
    try:
        import PIL  # noqa: F401
    except ImportError:
        sys.exit("there is no Pillow to compress pictures with; pip install 'raykft[bench]'")
    return Browser


if __name__ == "__main__":
    main()
