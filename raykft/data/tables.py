"""Local files as rows of text, exactly as they are written: no cache, no guessing of types, no home needed.

A value is what stands in the file: `NA`, `007` and `12.50` are text. JSON numbers keep their spelling too. What cannot
be read is said with the line it stands in.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from raykft.data.read import read_bytes, too_long
from raykft.errors import DataError
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import MAX_VALUE_CHARS, listed, shortened, shown

SUFFIXES = (".jsonl", ".json", ".csv", ".tsv", ".parquet")
SEPARATORS = ",;\t|"
MARKS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
# What a file that is no UTF-8 may be; the first that reads all of it is named as a guess.
GUESSES = ("cp932", "euc_jp", "gb18030", "cp1252")
csv.field_size_limit(2**27)


class Row(NamedTuple):
    """One row and where it stands, such as `line 7`."""

    place: str
    value: Any


def read_table(path: Path, encoding: str | None = None) -> list[Row]:
    """All rows of a file, in order.

    Args:
        encoding: of a text file; by default UTF-8, or what its byte order mark says.

    Raises:
        DataError: the file is missing, of no known type, or broken; with the line and what is wrong with it.
    """
    if path.suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown file type; known: {', '.join(SUFFIXES)}")
    content = read_bytes(path)
    try:
        return list(_bounded(_rows(path.suffix, content, encoding)))
    except DataError as error:
        raise DataError(f"{path} {error}") from error


def _rows(kind: str, content: bytes, encoding: str | None) -> Iterator[Row]:
    if kind == ".parquet":
        return _parquet(content)
    text = decoded(content, encoding)
    if kind in {".csv", ".tsv"}:
        return _separated(text, "\t" if kind == ".tsv" else None)
    return _json_lines(text) if kind == ".jsonl" else _json(text)


def _bounded(rows: Iterator[Row]) -> Iterator[Row]:
    for row in rows:
        if problem := too_long(_size(row.value)):
            raise DataError(f"{row.place} {problem}")
        yield row


def _size(value: Any) -> int:
    """Characters or bytes in all texts of a row."""
    if isinstance(value, str | bytes):
        return len(value)
    if isinstance(value, Mapping):
        value = value.values()
    return sum(map(_size, value)) if isinstance(value, Iterable) else 0


def decoded(content: bytes, encoding: str | None) -> str:
    mark = next((name for bytes_, name in MARKS.items() if content.startswith(bytes_)), None)
    chosen = encoding or mark or "utf-8"
    try:
        text = content.decode("utf-8-sig" if chosen.lower() in {"utf-8", "utf8"} else chosen)
    except LookupError:
        raise DataError(f"cannot be read: {_no_encoding(encoding)}") from None
    except UnicodeDecodeError as error:
        line = 1 + content[: error.start].count(b"\n")
        raise DataError(
            f"line {line} is not {chosen.removesuffix('-sig')}: byte {content[error.start]:#04x} "
            f"({error.reason}); {_hint(content)}"
        ) from None
    except ValueError:  # encodings of something else than texts
        raise DataError(f"cannot be read: {_no_encoding(encoding)}") from None
    if "\0" in text:
        line = 1 + text[: text.index("\0")].count("\n")
        raise DataError(f"line {line} holds NUL characters; {_hint(content)}")
    return text


def _no_encoding(encoding: str | None) -> str:
    return f"{shown(encoding)} is no encoding of text files; take one of Python's, such as cp932 or utf-16"


def _hint(content: bytes) -> str:
    """What to do about bytes that are no UTF-8."""
    zeros = content[:1000].count(0)
    guess = "utf-16-le" if zeros > len(content[:1000]) // 4 else next((g for g in GUESSES if _reads(content, g)), None)
    save = 'save it as "CSV UTF-8"'
    return f"{save}, or say `encoding: {guess}` beside `path` if it is that" if guess else save


def _reads(content: bytes, encoding: str) -> bool:
    try:
        content.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _separated(text: str, separator: str | None) -> Iterator[Row]:
    separator = separator or _sniffed(text)
    # Strict, so that a quote that is never closed is no row of half a file.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    header: list[str] | None = None
    start = 1
    try:
        for fields in reader:
            line, start = start, reader.line_num + 1
            if not fields:
                continue
            if header is None:
                header = _header([name.strip() for name in fields])
            elif len(fields) != len(header):
                raise DataError(
                    f"line {line} has {len(fields)} fields and the header {len(header)} ({listed(header)}); put "
                    f"quotes around a field that holds {separator!r}"
                )
            else:
                yield Row(f"line {line}", dict(zip(header, fields, strict=True)))
    except csv.Error as error:
        raise DataError(f"line {start} cannot be read: {error}; is a quote missing, or one too many?") from error


def _sniffed(text: str) -> str:
    """The separator that makes most fields of the header; a comma where all make one."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    counts = {mark: len(next(csv.reader([first], delimiter=mark), [])) for mark in SEPARATORS}
    return max(counts, key=lambda mark: counts[mark])


def _header(names: list[str]) -> list[str]:
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise DataError(f"line 1 names the column {shown(twice[0])} more than once; a header names every column once")
    if "" in names:
        raise DataError(f"line 1 has a column without a name: {listed(list(map(repr, names)))}")
    return names


def _json_lines(text: str) -> Iterator[Row]:
    """Only line feeds separate rows: U+2028 and the like are characters that JSON strings may hold."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield Row(f"line {number}", _parsed(line, f"line {number}"))


def _json(text: str) -> Iterator[Row]:
    """A list of rows, an object of which one field is that list, or rows line by line as in JSONL."""
    try:
        whole = _parsed(text, "")
    except DataError:
        first, _, rest = text.lstrip().partition("\n")
        if not first.startswith("{") or not first.rstrip().endswith("}") or not rest.strip():
            raise
        yield from _json_lines(text)
        return
    if isinstance(whole, Mapping):
        lists = {name: value for name, value in whole.items() if isinstance(value, list)}
        if len(lists) != 1:
            yield Row("row 1", whole)
            return
        (whole,) = lists.values()
    if not isinstance(whole, list):
        raise DataError(f"holds {type(whole).__name__}, and a list of rows is needed")
    for number, value in enumerate(whole, start=1):
        yield Row(f"row {number}", value)


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text, parse_int=str, parse_float=str)
    except json.JSONDecodeError as error:
        place = where or f"line {error.lineno}"
        raise DataError(f"{place} is not valid JSON: {error.msg} at column {error.colno}") from error
    except RecursionError as error:
        raise DataError(f"{where or 'line 1'} cannot be read as JSON: it is nested too deeply") from error


def _parquet(content: bytes) -> Iterator[Row]:
    import pyarrow
    from pyarrow import parquet

    try:
        rows = parquet.read_table(pyarrow.BufferReader(content)).to_pylist()
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        raise DataError(f"cannot be read as Parquet: {shortened(one_line(str(error)), MAX_VALUE_CHARS)}") from error
    for number, row in enumerate(rows, start=1):
        yield Row(f"row {number}", {name: _text(value) for name, value in row.items()})


def _text(value: Any) -> Any:
    """A number or a date of a Parquet column as text; lists and objects keep their form."""
    if value is None or isinstance(value, str | list | Mapping | bool | bytes):
        return value
    return str(value)
