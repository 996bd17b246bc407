"""Where lines of Japanese are broken on a terminal.

It has no spaces to break at, so that a library made for words breaks it anywhere or cuts it off. Here a line ends
between any two characters, except that punctuation does not begin it and an opening bracket does not end it (kinsoku,
JIS X 4051), and that words in Latin letters, intervals and p-values stay whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.text import Text

from raykft.wording.messages import Lang, spoken

NEVER_FIRST = "、。，．・：；？！）」』】〕〉》…ー々％°±〜～ぁぃぅぇぉっゃゅょゎァィゥェォッャュョヮヵヶ,.:;?!)]}%"
NEVER_LAST = "（「『【〔〈《([{"
# What is not broken: an interval, a curve, a p-value, a word in Latin letters, and everything else by its character.
_PIECE = re.compile(r"\[[^\[\]]{1,20}\]|[▁-█]+|p [=<] [\d.]+|[!-~]+|\s+|.")


@dataclass(frozen=True)
class JapaneseText:
    """A paragraph for rich, in a cell of a table too."""

    text: str
    style: str = ""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for line in (each for own in self.text.split("\n") for each in broken(own, options.max_width)):
            yield Text(line, style=self.style, no_wrap=True)

    def __rich_measure__(self, console: Console, options: ConsoleOptions) -> Measurement:
        return Measurement(1, max(map(cell_len, self.text.split("\n"))))


def paragraph(text: str, style: str = "") -> Text | JapaneseText:
    """A line for rich, which is broken as the language that is spoken is: rich cuts off Japanese in narrow cells."""
    return (JapaneseText if spoken() is Lang.JA else Text)(text, style=style)


def broken(text: str, width: int) -> list[str]:
    """`text` in lines of at most `width` columns."""
    lines = [""]
    for unit in _units(text):
        if cell_len(lines[-1] + unit.rstrip()) <= width:
            lines[-1] += unit
        else:
            # A word that is longer than a line is broken anywhere.
            lines += chop_cells(unit.lstrip(), width) or [""]
    return [stripped for line in lines if (stripped := line.rstrip())] or [""]


def _units(text: str) -> Iterator[str]:
    """Pieces of text that are not broken, each with the punctuation that belongs to it."""
    unit = ""
    for piece in _PIECE.findall(text):
        if unit and piece[0] not in NEVER_FIRST and unit[-1] not in NEVER_LAST:
            yield unit
            unit = ""
        unit += piece
    yield unit
