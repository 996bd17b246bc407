"""A board in the formats that other programs read."""

from __future__ import annotations

from pathlib import Path

from raykft.errors import ConfigError, ResourceError
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.leaderboard.rows import chosen, csv_text, parquet_bytes

ROWS = ("json", "csv", "parquet")  # formats of rows alone


def written(
    board: Leaderboard, format: str, *, columns: str = "", sort: str = "", ascending: bool = False
) -> str | bytes:
    """The board in JSON, CSV or Markdown, or as the bytes of a Parquet file.

    Args:
        columns: names parted by commas; all by default.
        sort: a column, largest first unless `ascending`.

    Raises:
        ConfigError: a format without rows is to be sorted, or no row has such a column.
    """
    names = [name.strip() for name in columns.split(",") if name.strip()]
    if format not in ROWS:
        if names or sort:
            raise ConfigError(f"--columns and --sort choose rows of {', '.join(ROWS)}; {format} has its own order")
        return markdown_board(board)
    rows = chosen(board.rows, names, sort, ascending=ascending)
    if format == "json":
        return board.to_json(rows)
    return csv_text(rows) if format == "csv" else parquet_bytes(rows)


def save(file: Path, content: str | bytes) -> None:
    """Write a board to a file.

    Raises:
        ResourceError: it cannot be written.
    """
    try:
        file.write_bytes(content.encode() if isinstance(content, str) else content)
    except OSError as error:
        raise ResourceError(f"cannot write {file}: {error.strerror or error}; name another file with --out") from error
