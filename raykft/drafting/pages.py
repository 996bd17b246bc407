"""Running text as pieces of a page or less: Markdown, HTML, plain text, and PDF where its reader is installed.

What is around a page's text (menus, footers, scripts, forms) is left out, headings stay with what is below them, and
tables are read row by row with the names of their columns.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from raykft.data.demo.spec import words
from raykft.data.read import is_blank
from raykft.data.tables import MARKS, decoded
from raykft.errors import DataError, ResourceError
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import shortened
from raykft.untrusted.reading import read_plain

SUFFIXES = (".md", ".markdown", ".html", ".htm", ".txt", ".pdf")
MAX_TEXT_BYTES = 64 << 20
PIECE_BYTES = 2400  # some 500 tokens of English or of Japanese: what a small model reads with care
# With what follows its end; of text without ends, six hundred characters.
_SENTENCE = re.compile(r".{1,600}?(?:[.!?]\s+|[。！？]|$)|.{1,600}", re.DOTALL)
_HEADINGS = {f"h{n}": n for n in range(1, 7)}
# What a reader does not see, as far as it can be told without the rules of a style sheet, is left out too.
_AROUND = (
    "script, style, noscript, template, nav, body > header, footer, aside, form, iframe, svg, "
    "[hidden], [aria-hidden=true], "
    "[style*='display:none'], [style*='display: none'], [style*='visibility:hidden'], [style*='visibility: hidden']"
)
_INLINE = frozenset(
    words(
        """a abbr b bdi bdo cite code data dfn em i kbd mark q rp rt ruby s samp small span strong sub sup time u var
        wbr"""
    )
)
_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_.:-]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph, an item of a list or a row of a table; a heading has a `level` of 1 to 6."""

    text: str
    level: int = 0


@dataclass(frozen=True, slots=True)
class Piece:
    """Some paragraphs of one document: `place` finds them again, `title` says what they are about."""

    place: str
    title: str
    text: str


def read_pieces(path: Path, encoding: str | None = None) -> list[Piece]:
    """The text of one file, in order.

    Raises:
        DataError: the file is missing, broken, too large, or holds no text.
        ResourceError: what reads such files is not installed.
    """
    content = read_plain(path, MAX_TEXT_BYTES, DataError, "divide it")
    suffix = path.suffix.lower()
    if suffix == ".pdf":
        pages = _pdf_pages(path, content)
        pieces = [
            piece
            for number, text in enumerate(pages, start=1)
            for piece in _pieces(f"{path.name} page {number}", path.stem, _paragraphs(text))
        ]
    else:
        title, blocks = _blocks(path, content, encoding)
        pieces = list(_pieces(path.name, title, blocks))
    if not pieces:
        cause = "its pages may be pictures, which a program for text recognition can read" if suffix == ".pdf" else ""
        raise DataError(f"{path} holds no text that can be read{'; ' if cause else ''}{cause}")
    return pieces


def _blocks(path: Path, content: bytes, encoding: str | None) -> tuple[str, list[Block]]:
    suffix = path.suffix.lower()
    if suffix in {".html", ".htm"}:
        return _html_blocks(_text(path, content, encoding or _declared(content)), path.stem)
    text = _text(path, content, encoding)
    if suffix == ".txt":
        return path.stem, list(_paragraphs(text))
    return _html_blocks(_rendered(text), path.stem)


def _declared(content: bytes) -> str | None:
    """The encoding that a page names, as browsers take it; a byte order mark says more."""
    named = _CHARSET.search(content[:2048])
    if named is None or content.startswith(tuple(MARKS)):
        return None
    name = named[1].decode().lower()
    return {"shift_jis": "cp932", "sjis": "cp932", "x-sjis": "cp932", "iso-8859-1": "cp1252"}.get(name, name)


def _text(path: Path, content: bytes, encoding: str | None) -> str:
    try:
        return decoded(content, encoding)
    except DataError as error:
        raise DataError(f"{path} {error}") from error


def _rendered(text: str) -> str:
    try:
        from markdown_it import MarkdownIt
    except ModuleNotFoundError as error:
        raise _missing("markdown-it-py", "Markdown") from error
    return str(MarkdownIt("commonmark").enable("table").render(text))


def _paragraphs(text: str) -> Iterator[Block]:
    for paragraph in re.split(r"\n\s*\n", text):
        yield from _block(paragraph)


def _block(text: str, level: int = 0) -> Iterator[Block]:
    line = " ".join(one_line(text).split())
    if not is_blank(line):
        yield Block(line, level)


def _html_blocks(html: str, name: str) -> tuple[str, list[Block]]:
    """The title of a page, and its text from top to bottom."""
    try:
        from selectolax.lexbor import LexborHTMLParser
    except ModuleNotFoundError as error:
        raise _missing("selectolax", "HTML and Markdown") from error
    page = LexborHTMLParser(html)
    title = page.css_first("title")
    for node in page.css(_AROUND):
        node.decompose()
    body = page.css_first("main") or page.css_first("article") or page.body
    blocks = [] if body is None else list(_walked(body))
    return " ".join(title.text().split()) if title is not None and not is_blank(title.text()) else name, blocks


def _walked(body: Any) -> Iterator[Block]:
    """Blocks from top to bottom: text runs on through inline elements and ends at the bounds of every other one.

    No recursion: pages of strangers are nested as deeply as they like.
    """
    run: list[str] = []
    within = [("body", body.iter(include_text=True))]
    while within:
        tag, children = within[-1]
        child = next(children, None)
        runs_on = tag in _INLINE if child is None else child.tag in {"-text", "br"} | _INLINE
        if not runs_on:
            yield from _block("".join(run))
            run = []
        if child is None:
            within.pop()
        elif child.tag == "-text":
            run.append(child.text_content or "")
        elif child.tag == "br":
            run.append(" ")
        elif child.tag in _HEADINGS:
            yield from _block(child.text(deep=True), _HEADINGS[child.tag])
        elif child.tag == "table" and not _holds_tables(child):
            yield from _rows(child)
        elif not child.tag.startswith(("-", "_")):  # comments and the like
            within.append((child.tag, child.iter(include_text=True)))


def _holds_tables(table: Any) -> bool:
    """Whether a table only gives a page its shape, and is read like any other element."""
    return any(inner.mem_id != table.mem_id for inner in table.css("table"))


def _rows(table: Any) -> Iterator[Block]:
    """Every row as a line; below a row of names, each cell with the name of its column."""
    names: list[str] = []
    for row in table.css("tr"):
        cells = [" ".join(cell.text(deep=True).split()) for cell in row.css("th, td")]
        if not row.css("td"):
            names = cells
            continue
        if len(names) == len(cells):
            cells = [f"{name}: {cell}" if name and cell else cell for name, cell in zip(names, cells, strict=True)]
        yield from _block("; ".join(filter(None, cells)))


def _pdf_pages(path: Path, content: bytes) -> list[str]:
    try:
        from pypdf import PdfReader
    except ModuleNotFoundError as error:
        raise _missing("pypdf", "PDF") from error
    try:
        reader = PdfReader(io.BytesIO(content))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = [] if locked else [page.extract_text() for page in reader.pages]
    except Exception as error:  # of a format with thirty years of broken writers the reader raises whatever comes
        raise DataError(f"{path} cannot be read as PDF: {shortened(one_line(str(error)), 200)}") from error
    if locked:
        raise DataError(f"{path} is locked with a password; save it without one")
    return pages


def _pieces(place: str, title: str, blocks: Iterable[Block]) -> Iterator[Piece]:
    """Blocks below one heading together, as many as go into a piece."""
    headings: list[tuple[int, str]] = []
    held: list[str] = []
    number = 0

    def piece() -> Iterator[Piece]:
        nonlocal number
        if held:
            number += 1
            names = list(dict.fromkeys((title, *(text for _, text in headings))))
            section = f" § {headings[-1][1]}" if headings else f" part {number}"
            yield Piece(f"{place}{section}", " › ".join(names), "\n".join(held))
            held.clear()

    for block in blocks:
        if block.level:
            yield from piece()
            headings = [*(one for one in headings if one[0] < block.level), (block.level, block.text)]
            continue
        for text in _cut(block.text):
            if sum(map(_size, held)) + _size(text) > PIECE_BYTES:
                yield from piece()
            held.append(text)
    yield from piece()


def _cut(text: str) -> Sequence[str]:
    """A paragraph; one that is longer than a piece at its sentences' ends."""
    if _size(text) <= PIECE_BYTES:
        return [text]
    parts = [""]
    for sentence in _SENTENCE.findall(text):
        if parts[-1] and _size(parts[-1]) + _size(sentence) > PIECE_BYTES:
            parts.append("")
        parts[-1] += sentence
    return [part.strip() for part in parts]


def _size(text: str) -> int:
    return len(text.encode())


def _missing(package: str, kind: str) -> ResourceError:
    return ResourceError(f"{kind} needs the package {package}; run: pip install 'raykft[writer]'")
