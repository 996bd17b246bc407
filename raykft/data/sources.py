"""Training rows and distractors from local files or a Hugging Face dataset.

Accepted shapes of a row: raykft's own (`instruction`, `output`, ...), alpaca (`instruction`, `input`, `output`, with
`system` and `history`), prompt/completion, chat `messages` and ShareGPT's `conversations`. `columns` maps these names
to the source's own, and `phrasing` and `form`, which are read of no other column. Whatever a row says before its last
question (a system turn, earlier turns) is trained with it.
"""

from __future__ import annotations

import codecs
import difflib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from raykft.data.read import raise_problems, read_bytes, read_records, validate_record
from raykft.data.tables import Row, read_table
from raykft.errors import DataError
from raykft.records import RowKind, TrainRow, Turn
from raykft.untrusted.messages import MAX_PROBLEM_CHARS, listed, shortened, shown

OWN = frozenset(TrainRow.__dataclass_fields__)
# Columns that a shape reads; what else a row has is not used, and named once.
SHAPES: dict[str, tuple[str, ...]] = {
    "messages": ("messages",),
    "conversations": ("conversations", "system"),
    "alpaca": ("instruction", "input", "output", "system", "history"),
    "prompt": ("prompt", "completion"),
}
# What somebody else's column of such a name holds need not be that.
AUGMENTED = ("phrasing", "form")
ROLES: dict[str, Literal["system", "user", "assistant"]] = {
    "human": "user",
    "gpt": "assistant",
    "user": "user",
    "assistant": "assistant",
    "system": "system",
}


def read_rows(
    *,
    path: str | None = None,
    hub: str | None = None,
    subset: str | None = None,
    split: str = "train",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    encoding: str | None = None,
    kind: RowKind = "qa",
    notes: list[str] | None = None,
) -> list[TrainRow]:
    """Read rows from a file or a hub dataset.

    A `.jsonl` file whose first row is of raykft's own form is read strictly.

    Args:
        notes: gets what a user should know of the source, such as columns that are not used.

    Raises:
        DataError: with file or dataset, row, field and rule.
    """
    if path is not None and not columns and _is_native(Path(path)):
        return read_records(Path(path), TrainRow)[:limit]
    where = path or f"dataset {hub!r}"
    rows: list[TrainRow] = []
    problems: list[str] = []
    unused: Counter[str] = Counter()
    prefix = "d" if kind == "distractor" else "r"
    for number, (place, raw) in enumerate(_load(path, hub, subset, split, encoding), start=1):
        if limit is not None and len(rows) >= limit:
            break
        try:
            rows.append(convert_row(raw, f"{prefix}{number:05d}", kind, columns or {}))
        except DataError as error:
            problems.append(f"{where} {place}: {error}")
        else:
            unused.update(_unused(raw, columns or {}))
    raise_problems(problems)
    if not rows:
        raise DataError(f"{where} has no rows; at least one question with its answer is needed")
    if unused and notes is not None:
        notes.append(f"{where}: columns that are not used: {listed(sorted(unused))}")
    return rows


def convert_row(raw: Any, row_id: str, kind: RowKind, columns: Mapping[str, str]) -> TrainRow:
    """One source row of any accepted shape as a `TrainRow`.

    Raises:
        DataError: the row has none of the accepted shapes, or an empty question or answer.
    """
    if not isinstance(raw, Mapping):
        raise DataError(f"must be a JSON object with named fields, not {type(raw).__name__}")
    missing = [source for source in columns.values() if source not in raw]
    if missing:
        raise DataError(f"has no column {shown(missing[0])} (data columns mapping); it has: {listed(list(raw))}")
    row = dict(raw) | {name: raw[source] for name, source in columns.items()}
    shape = _shape(row)
    if shape == "alpaca":
        turns = [*_system(row), *_history(row.get("history"))]
        value = {"instruction": row["instruction"], "input": row.get("input") or "", "output": row["output"]}
    elif shape is None:
        raise DataError(
            "needs instruction/output, prompt/completion, messages or conversations; it has: "
            f"{listed(list(raw))}; map other names with `columns: {{instruction: ..., output: ...}}`"
        )
    else:
        *turns, question, answer = _conversation(shape, row)
        value = {"instruction": question.text, "output": answer.text}
    before = tuple({"role": turn.role, "text": turn.text} for turn in turns)
    augmented = {name: row[name] for name in AUGMENTED if columns.get(name)}
    return validate_record(value | augmented | {"id": row_id, "kind": kind, "before": before}, TrainRow)


def _shape(row: Mapping[str, Any]) -> str | None:
    if row.get("messages"):
        return "messages"
    if row.get("conversations"):
        return "conversations"
    if "instruction" in row and "output" in row:
        return "alpaca"
    return "prompt" if "prompt" in row and "completion" in row else None


def _unused(raw: Mapping[str, Any], columns: Mapping[str, str]) -> Iterable[str]:
    """The columns of a row that hold something and are not read. An id is a name, and `source` says where from."""
    row = dict(raw) | {name: raw[source] for name, source in columns.items()}
    used = {*SHAPES[_shape(row) or "alpaca"], *columns.values(), "id"}
    return (str(name) for name, value in raw.items() if name not in used and value not in (None, "", [], {}))


def _conversation(shape: str, row: Mapping[str, Any]) -> list[Turn]:
    """The turns of a row, of which the last two are the question and the answer that is trained."""
    if shape == "prompt" and not isinstance(row["prompt"], list):
        return [Turn("user", row["prompt"]), Turn("assistant", row["completion"])]
    if shape == "prompt":  # conversational, as in TRL
        name, listed = "prompt/completion", [*row["prompt"], *_listed(row["completion"], "completion")]
    else:
        name, listed = shape, _listed(row[shape], shape)
    turns = [*_system(row), *(_turn(each, name) for each in listed)]
    roles = [turn.role for turn in turns if turn.role != "system"]
    systems = [n for n, turn in enumerate(turns) if turn.role == "system"]
    alternating = all(role == ("user", "assistant")[n % 2] for n, role in enumerate(roles))
    if not roles or len(roles) % 2 or not alternating or systems not in ([], [0]):
        raise DataError(
            f"`{name}` must be user and assistant in turn, the last an answer, after at most one system turn; it has "
            f"{shown([turn.role for turn in turns])}"
        )
    return turns


def _listed(value: Any, name: str) -> list[Any]:
    if isinstance(value, str):  # a CSV or Parquet column may hold it as JSON
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise DataError(f"`{name}` must be a list of turns, not text") from None
    if not isinstance(value, list | tuple):
        raise DataError(f"`{name}` must be a list of turns, not {type(value).__name__}")
    return list(value)


def _turn(raw: Any, name: str) -> Turn:
    if not isinstance(raw, Mapping):
        raise DataError(f"`{name}` must be a list of {{role, content}} objects, and holds {type(raw).__name__}")
    role, text = raw.get("role", raw.get("from")), raw.get("content", raw.get("value"))
    if not isinstance(role, str) or role not in ROLES:
        raise DataError(f"`{name}` has a turn of {shown(role)}; only {', '.join(ROLES)} can be trained")
    if not isinstance(text, str):
        raise DataError(f"`{name}` has a turn of {role!r} whose content is {type(text).__name__} and not text")
    return Turn(ROLES[role], text)


def _system(row: Mapping[str, Any]) -> list[Turn]:
    """The system turn of alpaca and ShareGPT rows."""
    text = row.get("system")
    if text in (None, ""):
        return []
    if not isinstance(text, str):
        raise DataError(f"field 'system' must be text, not {type(text).__name__}")
    return [Turn("system", text)]


def _history(history: Any) -> list[Turn]:
    """Earlier questions and answers of an alpaca row."""
    turns = []
    for pair in _listed(history, "history") if history not in (None, "") else []:
        if not (isinstance(pair, list | tuple) and len(pair) == 2 and all(isinstance(text, str) for text in pair)):
            raise DataError("`history` must be a list of [question, answer]")
        turns += [Turn("user", pair[0]), Turn("assistant", pair[1])]
    return turns


def _is_native(path: Path) -> bool:
    """Whether `path` is to be read as raykft JSONL. Missing and broken files are: that reader explains them best."""
    if path.suffix not in {".jsonl", ""}:
        return False
    try:
        lines = read_bytes(path).removeprefix(codecs.BOM_UTF8).split(b"\n")
        first = json.loads(next((line for line in lines if line.strip()), b""))
    except (DataError, ValueError, RecursionError):
        return True
    if not isinstance(first, dict):
        return True
    if _shape(first) not in {None, "alpaca"}:
        return False
    unknown = [name for name in first if name not in OWN]
    own = isinstance(first.get("id"), str)
    # A misspelled field of ours is an error, a column of somebody else's is not.
    meant = any(difflib.get_close_matches(name, OWN) for name in unknown)
    return (own and (not unknown or meant)) or (_shape(first) is None and "id" in first)


def _load(
    path: str | None, hub: str | None, subset: str | None, split: str, encoding: str | None
) -> Sequence[Row] | Iterable[Row]:
    if path is not None:
        return read_table(Path(path), encoding)
    import datasets  # slow to import and only needed for datasets of the hub

    datasets.disable_progress_bars()
    try:
        loaded = datasets.load_dataset(hub, subset, split=split)
    except Exception as error:  # `datasets` raises dozens of types, all of them about the source
        cause = shortened(str(error.__cause__ or error), MAX_PROBLEM_CHARS)
        raise DataError(f"cannot read dataset {hub!r} with Hugging Face datasets: {cause}") from error
    return (Row(f"row {number}", raw) for number, raw in enumerate(loaded, start=1))
