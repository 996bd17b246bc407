"""Training rows and distractors from raykft files or any Hugging Face `datasets` source.

Accepted shapes of a row: raykft's own (`instruction`, `output`, ...), alpaca (`instruction`, `input`, `output`),
prompt/completion, and chat `messages`. `columns` maps these names to the source's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from raykft.data.read import raise_problems, read_records, validate_record
from raykft.errors import DataError
from raykft.records import RowKind, TrainRow

BUILDERS = {".json": "json", ".jsonl": "json", ".csv": "csv", ".parquet": "parquet"}


def read_rows(
    *,
    path: str | None = None,
    hub: str | None = None,
    subset: str | None = None,
    split: str = "train",
    columns: Mapping[str, str] | None = None,
    limit: int | None = None,
    kind: RowKind = "qa",
) -> list[TrainRow]:
    """Read rows from a file or a hub dataset.

    A `.jsonl` file whose first row has an `id` and no column mapping is raykft's own format and read strictly.

    Raises:
        DataError: with file or dataset, row, field and rule.
    """
    if path is not None and not columns and _is_native(Path(path)):
        return read_records(Path(path), TrainRow)[:limit]
    where = path or f"dataset {hub!r}"
    rows: list[TrainRow] = []
    problems: list[str] = []
    prefix = "d" if kind == "distractor" else "r"
    for number, raw in enumerate(_load(path, hub, subset, split), start=1):
        if limit is not None and len(rows) >= limit:
            break
        try:
            rows.append(convert_row(raw, f"{prefix}{number:05d}", kind, columns or {}))
        except DataError as error:
            problems.append(f"{where} row {number}: {error}")
    raise_problems(problems)
    if not rows:
        raise DataError(f"{where} has no rows; at least one question with its answer is needed")
    return rows


def convert_row(raw: Mapping[str, Any], row_id: str, kind: RowKind, columns: Mapping[str, str]) -> TrainRow:
    """One source row of any accepted shape as a `TrainRow`.

    Raises:
        DataError: the row has none of the accepted shapes, or an empty question or answer.
    """
    missing = [source for source in columns.values() if source not in raw]
    if missing:
        raise DataError(f"has no column {missing[0]!r} (data columns mapping); it has: {', '.join(map(str, raw))}")
    row = dict(raw) | {name: raw[source] for name, source in columns.items()}
    if row.get("messages"):
        question, extra, answer = _from_messages(row["messages"])
    elif "instruction" in row and "output" in row:
        question, extra, answer = row["instruction"], row.get("input") or "", row["output"]
    elif "prompt" in row and "completion" in row:
        if isinstance(row["prompt"], list):  # conversational prompt/completion, as in TRL
            question, extra, answer = _from_messages([*row["prompt"], *row["completion"]])
        else:
            question, extra, answer = row["prompt"], "", row["completion"]
    else:
        raise DataError(
            "needs instruction/output, prompt/completion or messages; it has: "
            f"{', '.join(map(str, raw))}; map other names with `columns: {{instruction: ..., output: ...}}`"
        )
    value = {"id": row_id, "instruction": question, "input": extra, "output": answer, "kind": kind}
    return validate_record(value, TrainRow)


def _from_messages(messages: Any) -> tuple[str, str, str]:
    try:
        turns = [(m["role"], m["content"]) for m in messages if m["role"] != "system"]
    except (TypeError, KeyError) as error:
        raise DataError(f"`messages` must be a list of {{role, content}} objects ({error!r})") from None
    if [role for role, _ in turns] != ["user", "assistant"]:
        raise DataError(f"`messages` must be one user turn and one assistant turn; it has {[r for r, _ in turns]}")
    return turns[0][1], "", turns[1][1]


def _is_native(path: Path) -> bool:
    """Whether `path` is to be read as raykft JSONL. Missing and broken files are: that reader explains them best."""
    if path.suffix not in {".jsonl", ""}:
        return False
    try:
        with path.open(encoding="utf-8-sig") as stream:
            first = next((line for line in stream if line.strip()), "")
    except (OSError, UnicodeDecodeError):
        return True
    return '"id"' in first or not any(f'"{name}"' in first for name in ("prompt", "messages", "instruction"))


def _load(path: str | None, hub: str | None, subset: str | None, split: str) -> Iterable[Mapping[str, Any]]:
    if path is not None and not Path(path).is_file():
        raise DataError(f"{path} does not exist; check the path in the experiment file's `data` section")
    builder = BUILDERS.get(Path(path).suffix) if path is not None else None
    if path is not None and builder is None:
        raise DataError(f"{path}: unknown file type; known: {', '.join(BUILDERS)}")
    import datasets  # slow to import and only needed for foreign formats

    datasets.disable_progress_bars()
    try:
        if path is not None:
            loaded = datasets.load_dataset(builder, data_files=path, split="train")
        else:
            loaded = datasets.load_dataset(hub, subset, split=split)
    except Exception as error:  # `datasets` raises dozens of types, all of them about the source
        raise DataError(f"cannot read {path or f'dataset {hub!r}'} with Hugging Face datasets: {error}") from error
    return loaded  # type: ignore[no-any-return]
