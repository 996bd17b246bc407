"""Texts that are trained as they stand: plain text and Markdown files, or a column of a table or hub dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from raykft.data.read import is_blank, raise_problems, read_bytes
from raykft.data.sources import load_source
from raykft.data.tables import SUFFIXES, decoded
from raykft.errors import DataError
from raykft.records import Document
from raykft.untrusted.messages import listed, shown

PLAIN = (".txt", ".md", ".markdown")
COLUMN = "text"


def read_documents(
    *,
    path: str | None = None,
    hub: str | None = None,
    subset: str | None = None,
    split: str = "train",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    encoding: str | None = None,
) -> list[Document]:
    """Read documents from a file or a hub dataset: a `.txt` or `.md` file is one, a table has one a row.

    Args:
        columns: may map `text` to the source's own column; others are not read.
        limit: so many rows of a table at most.

    Raises:
        DataError: with file or dataset, row, field and rule.
    """
    if path is not None and Path(path).suffix in PLAIN:
        return [_whole(Path(path), encoding)]
    if path is not None and Path(path).suffix not in SUFFIXES:
        raise DataError(f"{path}: unknown file type for data.text; known: {', '.join((*PLAIN, *SUFFIXES))}")
    where, column = path or f"dataset {hub!r}", (columns or {}).get(COLUMN, COLUMN)
    name = Path(path).name if path else where
    found: list[Document] = []
    problems: list[str] = []
    for place, raw in load_source(path, hub, subset, split, encoding):
        if limit is not None and len(found) + len(problems) >= limit:
            break
        if problem := _problem(raw, column):
            problems.append(f"{where} {place}: {problem}")
        else:
            found.append(Document(f"{name} {place}", raw[column]))
    raise_problems(problems)
    if not found:
        raise DataError(f"{where} has no rows; data.text needs at least one with a text")
    return found


def _whole(path: Path, encoding: str | None) -> Document:
    content = read_bytes(path)
    try:
        text = decoded(content, encoding)
    except DataError as error:
        raise DataError(f"{path} {error}") from error
    if is_blank(text):
        raise DataError(f"{path} is empty; data.text needs text that can be seen")
    return Document(path.name, text)


def _problem(raw: object, column: str) -> str | None:
    if not isinstance(raw, Mapping):
        return f"must be a JSON object with named fields, not {type(raw).__name__}"
    if column not in raw:
        return f"has no column {column!r}; it has: {listed(list(raw))}; map another with `columns: {{text: ...}}`"
    text = raw[column]
    if not isinstance(text, str) or is_blank(text):
        return f"column {column!r} = {shown(text)} must hold text that can be seen"
    return None
