"""JSONL files into records. Every problem names file, line, field and rule."""

from __future__ import annotations

import codecs
import json
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from raykft.errors import DataError
from raykft.untrusted.messages import MAX_VALUE_CHARS, shortened, shown, summary
from raykft.untrusted.reading import read_plain

T = TypeVar("T")
MAX_BYTES, MAX_ROW_BYTES = 2**30, 2**22


def read_records(path: Path, kind: type[T], key: str = "id") -> list[T]:
    """Read one record a line; empty lines are skipped. The field `key` identifies a record.

    Raises:
        DataError: the file is missing, unreadable or empty; a line is no JSON object; a field is missing, unknown
            or breaks its rule; an id is repeated. The first `MAX_PROBLEMS` problems are told at once.
    """
    rows: list[T] = []
    problems: list[str] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(_lines(path), start=1):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        if problem := too_long(len(line)):
            problems.append(f"{where} {problem}")
            continue
        try:
            row: Any = validate_record(json.loads(line.decode()), kind)
        except UnicodeDecodeError as error:
            problems.append(f"{where} is not UTF-8 text: {error.reason} at byte {error.start} of the line")
            continue
        except json.JSONDecodeError as error:
            problems.append(f"{where} is not valid JSON: {error.msg} at column {error.colno}")
            continue
        except (ValueError, RecursionError) as error:  # a number of thousands of digits, brackets without end
            problems.append(f"{where} cannot be read as JSON: {error}")
            continue
        except DataError as error:
            problems += [f"{where} {problem}" for problem in str(error).splitlines()]
            continue
        identity = getattr(row, key)
        if identity in first_line:
            problems.append(
                f"{where} repeats {key} {shown(identity)} of line {first_line[identity]}; it must be unique"
            )
        first_line.setdefault(identity, number)
        rows.append(row)
    raise_problems(problems)
    if not rows:
        raise DataError(f"{path} is empty; it must hold at least one {kind.__name__} object, one a line")
    return rows


def validate_record(value: Any, kind: type[T]) -> T:
    """Turn parsed JSON into a record.

    Raises:
        DataError: one line of text per problem, each naming the field and the rule.
    """
    if not isinstance(value, dict):
        raise DataError(f"must be a JSON object with named fields, not {type(value).__name__}")
    value = {name: field for name, field in value.items() if name not in RETIRED.get(kind.__name__, ())}
    try:
        record: T = _adapter(kind).validate_python(value, strict=False)
    except ValidationError as error:
        raise DataError("\n".join(_describe(problem, kind) for problem in error.errors())) from None
    empty = [name for name in MUST_HOLD_TEXT if is_blank(getattr(record, name, "x"))]
    if empty:
        raise DataError(f"field {empty[0]!r} is empty; it must hold text that can be seen")
    if (phrasing := getattr(record, "phrasing", 1)) < 1:
        raise DataError(
            f"field 'phrasing' = {shown(phrasing)}: the first wording of a row is 1, further ones are 2, 3, ..."
        )
    return record


def is_blank(text: str) -> bool:
    """Whether nothing of `text` can be seen: spaces, control and format characters, and fillers that look like it."""
    return all(char.isspace() or char in FILLERS or unicodedata.category(char) in {"Cc", "Cf"} for char in text)


def raise_problems(problems: Sequence[str], head: str = "") -> None:
    """Raise one DataError for all `problems`, if there are any, below a line that says what they are problems of."""
    if problems:
        raise DataError(f"{head}\n{summary(problems)}".lstrip("\n"))


MUST_HOLD_TEXT = ("id", "instruction", "question", "output", "text")
# Letters without a shape: Hangul fillers and the empty Braille cell.
FILLERS = "\u115f\u1160\u3164\uffa0\u2800"
# Fields that once were, and do nothing in files that have them still.
RETIRED = {"TrainRow": ("known_to_base",)}
_adapters: dict[type[Any], TypeAdapter[Any]] = {}


def _adapter(kind: type[Any]) -> TypeAdapter[Any]:
    """Building a validator takes longer than reading a file with it."""
    if kind not in _adapters:
        _adapters[kind] = TypeAdapter(kind)
    return _adapters[kind]


def read_bytes(path: Path) -> bytes:
    """The content of a data file: a plain one of at most `MAX_BYTES`.

    Raises:
        DataError: it is missing, no plain file, too large or unreadable.
    """
    return read_plain(path, MAX_BYTES, DataError, "give a file with fewer rows")


def too_long(size: int) -> str | None:
    """What is wrong with a row of `size` bytes or characters; None if nothing is."""
    if size <= MAX_ROW_BYTES:
        return None
    return f"is a row of {size / 2**20:.1f} MiB; at most {MAX_ROW_BYTES >> 20} MiB are read, so divide it"


def _lines(path: Path) -> list[bytes]:
    """Only line feeds separate records: U+2028 and the like are characters that JSON strings may hold."""
    return read_bytes(path).removeprefix(codecs.BOM_UTF8).split(b"\n")


def _describe(problem: Any, kind: type[Any]) -> str:
    name = shortened(".".join(str(part) for part in problem["loc"]), MAX_VALUE_CHARS)
    if problem["type"] in {"extra_forbidden", "unexpected_keyword_argument"}:
        return f"has an unknown field {name!r}; {kind.__name__} has: {', '.join(kind.__dataclass_fields__)}"
    if problem["type"] == "missing" or problem["type"] == "missing_argument":
        return f"lacks the field {name!r}"
    return f"field {name!r} = {shown(problem['input'])}: {problem['msg']}"
