"""A board's rows as files: chosen columns in a chosen order, as CSV, JSON or Parquet."""

from __future__ import annotations

import csv
import difflib
import io
import json
from collections.abc import Sequence
from typing import Any

from raykft.errors import ConfigError
from raykft.evaluation.metrics import METRICS
from raykft.untrusted.escapes import csv_cell
from raykft.untrusted.messages import listed, shown

Row = dict[str, Any]


def chosen(rows: Sequence[Row], columns: Sequence[str] = (), sort: str = "", *, ascending: bool = False) -> list[Row]:
    """The rows by one column, rows without a value last, with some columns in their order.

    Raises:
        ConfigError: no row has a column of that name.
    """
    known = column_names(rows)
    for name in (*columns, *filter(None, (sort,))):
        if name not in known:
            near = difflib.get_close_matches(name, known, n=3) or known[:8]
            raise ConfigError(f"no column is called {shown(name)}; there are {len(known)}, such as {listed(near)}")
    if sort:
        have = [row for row in rows if row.get(sort) is not None]
        texts = any(isinstance(row[sort], str) for row in have)
        have.sort(key=lambda row: str(row[sort]) if texts else row[sort], reverse=not ascending)
        rows = [*have, *(row for row in rows if row.get(sort) is None)]
    return [{name: row.get(name) for name in columns} for row in rows] if columns else list(rows)


def column_names(rows: Sequence[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def csv_text(rows: Sequence[Row]) -> str:
    """One line a row under a header of all columns; no cell is taken for a formula."""
    columns = column_names(rows)
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(map(csv_cell, columns))
    writer.writerows([csv_cell(row.get(name)) for name in columns] for row in rows)
    return stream.getvalue()


def units_of(columns: Sequence[str]) -> dict[str, str]:
    """The unit of every column that is a metric."""
    return {column: METRICS[name].unit for column in columns if (name := _metric_of(column)) in METRICS}


def parquet_bytes(rows: Sequence[Row]) -> bytes:
    """A Parquet file of the rows; the units are in its metadata under `units`, as JSON.

    A column of values of several types, such as a setting that is a number or a list, is text.
    """
    import pyarrow
    from pyarrow import parquet

    columns = column_names(rows)
    arrays = {name: pyarrow.array(_of_one_type([row.get(name) for row in rows])) for name in columns}
    table = pyarrow.table(arrays).replace_schema_metadata({"units": json.dumps(units_of(columns))})
    stream = io.BytesIO()
    parquet.write_table(table, stream)
    return stream.getvalue()


def _of_one_type(values: Sequence[Any]) -> list[Any]:
    """Numbers as numbers and lists of texts as lists; anything mixed as JSON text, None as None."""
    kinds = {_kind(value) for value in values if value is not None}
    if len(kinds) <= 1 and kinds <= {"bool", "number", "str", "texts", "numbers"}:
        if kinds == {"number"}:
            return [None if value is None else float(value) for value in values]
        return [str(value) if isinstance(value, str) else value for value in values]  # an enum is its text
    return [None if value is None else value if isinstance(value, str) else json.dumps(value) for value in values]


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, list | tuple) and value:
        inner = "".join({_kind(each) for each in value})
        return {"str": "texts", "number": "numbers"}.get(inner, "mixed")
    return "texts" if isinstance(value, list) else "str" if isinstance(value, str) else "mixed"


def _metric_of(column: str) -> str:
    """The metric in a column: `forgetting` of `select.forgetting.low`."""
    split, _, rest = column.partition(".")
    return rest.removesuffix(".low").removesuffix(".high") if split in {"select", "report"} else ""
