"""One escape for each place where text goes that a model, a data file or a folder's name may have chosen.

HTML is escaped by the template of `raykft/leaderboard/page.py`.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

# Spreadsheets run a text that begins with one of these as a formula; the wide ones too, under a Japanese locale.
FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
# Brackets alone are text, as those of intervals; they make a link with what follows, and an image after a mark.
_MARKDOWN = re.compile(
    r"[\\`*<>|~#&]|(?<=!)\[|\](?=[(\[:])|(?<=[a-z]):(?=//)|(?<=\bwww)\.|(?<=\w)@(?=\w)", re.IGNORECASE
)
_ASCII = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def plain(text: str) -> str:
    """`text` for a terminal: without characters that move the cursor, change colours or reverse what is read."""
    return text if text.isprintable() else "".join(c if c == "\n" or _is_seen(c) else " " for c in text)


def one_line(text: str) -> str:
    """`text` for one line of a terminal, a cell or a list."""
    return " ".join(plain(text).split("\n"))


def csv_cell(value: Any) -> Any:
    """A cell, or a column's name, of a CSV file: one line that no spreadsheet takes for a formula or for two rows."""
    if value is None or isinstance(value, bool | int | float):
        return value
    text = one_line(" ".join(map(str, value)) if isinstance(value, list | tuple) else str(value))
    return f"'{text}" if text.lstrip().startswith(FORMULA) else text


def markdown(text: str) -> str:
    """`text` as Markdown that shows it as it is: no link, image, HTML, code or further column of a table."""
    return _MARKDOWN.sub(lambda found: _ASCII.get(found[0], f"\\{found[0]}"), one_line(text))


def markdown_code(text: str) -> str:
    """`text` as code in Markdown, in which nothing else is read."""
    return "`" + one_line(text).replace("`", "'") + "`"


def json_text(value: Any) -> str:
    """`value` as JSON for people: letters of all scripts as they are, whatever a terminal would act on as `\\u...`."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    return text if text.isascii() and "\x7f" not in text else "".join(map(_json_character, text))


def _json_character(character: str) -> str:
    # Outside strings JSON holds ASCII alone, so all that is replaced stands in a string.
    return character if character == "\n" or _is_seen(character) else json.dumps(character)[1:-1]


def _is_seen(character: str) -> bool:
    return character.isprintable() or unicodedata.category(character) == "Zs"
