"""The same rows from every kind of file, exactly as they are written; broken files say where and why."""

from __future__ import annotations

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest

from raykft.data.read import MAX_BYTES, MAX_ROW_BYTES, is_blank, read_records
from raykft.data.sources import read_rows
from raykft.data.tables import read_table
from raykft.errors import DataError
from raykft.records import Probe

ROWS = [
    ("国コードは何ですか。", "NA"),
    ("Which number?", "007"),
    ("What is in the\nsecond line; or, else?", 'It says "None", null and 12.50.'),
    ("区切りは？", "タブ\tと|と；"),
]


def csv_text(mark: str) -> str:
    """`ROWS` by RFC 4180."""
    quoted = [[f'"{value.replace(chr(34), chr(34) * 2)}"' for value in row] for row in ROWS]
    return "\r\n".join([mark.join(("instruction", "output")), *(mark.join(row) for row in quoted)]) + "\r\n"


def objects() -> list[dict[str, str]]:
    return [{"instruction": question, "output": answer} for question, answer in ROWS]


def write_parquet(path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(objects()), path)


FILES: dict[str, Any] = {
    "utf8.csv": csv_text(",").encode(),
    "bom.csv": csv_text(",").encode("utf-8-sig"),
    "utf16.csv": csv_text(",").encode("utf-16"),
    "cp932.csv": csv_text(",").encode("cp932"),
    "semicolon.csv": csv_text(";").encode(),
    "tab.csv": csv_text("\t").encode(),
    "bar.csv": csv_text("|").encode(),
    "tab.tsv": csv_text("\t").encode(),
    "lf.csv": csv_text(",").replace("\r\n", "\n").encode(),
    "lines.jsonl": "\n".join(json.dumps(o, ensure_ascii=False) for o in objects()).encode(),
    "list.json": json.dumps(objects()).encode(),
    "wrapped.json": json.dumps({"version": 2, "data": objects()}).encode(),
    "lines.json": "\n".join(json.dumps(o) for o in objects()).encode(),
    "rows.parquet": write_parquet,
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    content = FILES[name]
    if callable(content):
        content(tmp_path / name)
    else:
        (tmp_path / name).write_bytes(content)
    rows = read_rows(path=str(tmp_path / name), encoding="cp932" if "cp932" in name else None)
    assert [(row.question, row.output) for row in rows] == ROWS


def test_no_home_and_no_cache_are_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "HF_HOME", "XDG_CACHE_HOME", "RAYKFT_CACHE"):
        monkeypatch.setenv(name, "/proc/sys")
    file = tmp_path / "qa[1].csv"
    (tmp_path / "qa1.csv").write_text("instruction,output\nOld?,Yes.\n")
    file.write_text("instruction,output\nWhich?,This.\n")
    stamp = file.stat().st_mtime_ns
    assert read_rows(path=str(file))[0].output == "This."
    file.write_text("instruction,output\nWhich?,That.\n")
    os.utime(file, ns=(stamp, stamp))  # an edit within the same moment
    assert read_rows(path=str(file))[0].output == "That."


@pytest.mark.parametrize(
    ("name", "content", "fragments"),
    [
        ("a.csv", b"instruction,output\nQ?,A.\nQ?,A, and more.\n", ["line 3 has 3 fields and the header 2", "quotes"]),
        ("a.csv", b"instruction,output\nQ?\n", ["line 2 has 1 fields"]),
        ("a.csv", b'instruction,output\nQ?,"A.\nQ2?,A2.\n', ["line 2 cannot be read", "quote"]),
        ("a.csv", b'instruction,output\nQ?,"A" b\n', ["line 2 cannot be read"]),
        ("a.csv", b"output,output\nQ?,A.\n", ["names the column 'output' more than once"]),
        ("a.csv", b"instruction,output,\nQ?,A.,\n", ["column without a name"]),
        ("a.csv", b"frage,antwort\nQ?,A.\n", ["line 2", "needs instruction/output", "frage, antwort"]),
        ("a.csv", b"", ["has no rows"]),
        ("a.csv", "質問,回答\nいつ？,今。\n".encode("cp932"), ["line 1 is not utf-8: byte 0x8e", "encoding: cp932"]),
        ("a.csv", "instruction,output\nQ?,A.\n".encode("utf-16-le"), ["NUL", "encoding: utf-16-le"]),
        ("a.jsonl", b'{"prompt": "Q?", "completion": "A."}\n{"prompt": \n', ["line 2 is not valid JSON"]),
        ("a.json", b'[{"prompt": "Q?", "completion": "A."},]', ["line 1 is not valid JSON"]),
        ("a.json", b"3", ["a list of rows is needed"]),
        ("a.json", b"[3]", ["row 1", "must be a JSON object"]),
        ("a.json", b"[" * 100_000, ["nested too deeply"]),
        ("a.parquet", b"PAR1 no", ["as Parquet"]),
        ("a.xlsx", b"PK", ["unknown file type"]),
    ],
    ids=range(17),
)
def test_broken_files_say_where_and_why(tmp_path: Path, name: str, content: bytes, fragments: list[str]) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError) as error:
        read_rows(path=str(tmp_path / name))
    for fragment in [name, *fragments]:
        assert fragment in str(error.value)


def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "loop.csv").symlink_to(tmp_path / "loop.csv")
    (tmp_path / "zero.csv").symlink_to("/dev/zero")
    (tmp_path / "memory.csv").symlink_to("/proc/self/mem")
    (tmp_path / "huge.csv").touch()
    os.truncate(tmp_path / "huge.csv", MAX_BYTES + 1)  # a hole, which takes no room
    names = ("pipe.csv", "folder.csv", "loop.csv", "none.csv", "zero.csv", "memory.csv", "huge.csv", f"{'x' * 300}.csv")
    for name in names:
        for read in (read_table, lambda path: read_records(path, Probe)):
            with pytest.raises(DataError, match=name[-12:]) as error:
                read(tmp_path / name)
            assert len(str(error.value)) < 500


@pytest.mark.parametrize("form", ["rows.jsonl", "own.jsonl", "list.json", "lines.json", "a.csv", "a.tsv", "a.parquet"])
@pytest.mark.parametrize("size", [MAX_ROW_BYTES + 1, 50_000_000])
def test_a_row_of_any_length_is_refused_in_a_sentence(tmp_path: Path, form: str, size: int) -> None:
    import pyarrow
    from pyarrow import parquet

    file, text = tmp_path / form, "x" * size
    row = {"instruction": "Q?", "output": text} | ({"id": "t2"} if form == "own.jsonl" else {})
    first = {"instruction": "Q?", "output": "A."} | ({"id": "t1"} if form == "own.jsonl" else {})
    if form.endswith(".parquet"):
        parquet.write_table(pyarrow.Table.from_pylist([first, row]), file)
    elif form == "list.json":
        file.write_text(json.dumps([first, row]))
    elif form.startswith("a."):
        mark = "," if form.endswith("csv") else "\t"
        file.write_text("\n".join(mark.join(values) for values in (row, first.values(), row.values())))
    else:
        file.write_text("".join(json.dumps(r) + "\n" for r in (first, row)))
    started = time.monotonic()
    with pytest.raises(DataError, match=form) as error:
        read_rows(path=str(file))
    assert re.search(r"(:|line |row )[23] is a row of \d+\.\d MiB", str(error.value))
    assert len(str(error.value)) < 500
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("name", ["shiftjis9", "rot13", "zlib", "idna", "punycode", "undefined", "a\0b", "x" * 5000])
def test_an_unknown_encoding_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text("instruction,output\nQ?,Ä.\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"a\.csv .*(no encoding|is not)") as error:
        read_rows(path=str(tmp_path / "a.csv"), encoding=name)
    assert len(str(error.value)) < 500


def test_numbers_of_json_and_parquet_are_text_as_written(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    (tmp_path / "a.json").write_text(
        '[{"instruction": "How many?", "output": 12.50}, {"instruction": 7, "output": 412}]'
    )
    assert [(r.question, r.output) for r in read_rows(path=str(tmp_path / "a.json"))] == [
        ("How many?", "12.50"),
        ("7", "412"),
    ]
    parquet.write_table(pyarrow.table({"prompt": [1, 2], "completion": [2.5, 10.0]}), tmp_path / "a.parquet")
    assert [r.output for r in read_rows(path=str(tmp_path / "a.parquet"))] == ["2.5", "10.0"]


def jsonl(tmp_path: Path, *rows: Any) -> str:
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps(row, ensure_ascii=False) for row in rows) + "\n", encoding="utf-8")
    return str(file)


def turns(*texts: str, names: tuple[str, str] = ("role", "content"), roles: tuple[str, ...] = ()) -> list[Any]:
    roles = roles or ("user", "assistant") * (len(texts) // 2)
    return [{names[0]: role, names[1]: text} for role, text in zip(roles, texts, strict=True)]


@pytest.mark.parametrize(
    "row",
    [
        {"id": "x1", "messages": turns("Q?", "A."), "source": "museum"},
        {"id": 7, "instruction": "Q?", "output": "A."},
        {"id": "x1", "instruction": "Q?", "output": "A.", "category": "museum"},
        {"conversations": turns("Q?", "A.", names=("from", "value"), roles=("human", "gpt"))},
        {"id": "x1", "conversations": turns("Q?", "A.", names=("from", "value"), roles=("human", "gpt"))},
        {"prompt": turns("Q?", roles=("user",)), "completion": turns("A.", roles=("assistant",))},
        {"messages": json.dumps(turns("Q?", "A."))},
    ],
    ids=range(7),
)
def test_rows_of_others_are_read_whatever_else_they_carry(tmp_path: Path, row: dict[str, Any]) -> None:
    notes: list[str] = []
    (read,) = read_rows(path=jsonl(tmp_path, row), notes=notes)
    assert (read.question, read.output, read.before) == ("Q?", "A.", ())
    extra = {"source", "category"} & row.keys()
    assert bool(notes) is bool(extra)
    assert all(name in notes[0] for name in extra)


def test_a_misspelled_field_of_raykfts_own_rows_is_an_error(tmp_path: Path) -> None:
    file = jsonl(tmp_path, {"id": "t1", "instruction": "Q?", "output": "A.", "fact_idz": ["f1"]})
    with pytest.raises(DataError, match="unknown field 'fact_idz'"):
        read_rows(path=file)


@pytest.mark.parametrize(
    ("row", "before"),
    [
        ({"messages": turns("S", "Q?", "A.", roles=("system", "user", "assistant"))}, [("system", "S")]),
        ({"messages": turns("a", "b", "Q?", "A.")}, [("user", "a"), ("assistant", "b")]),
        ({"instruction": "Q?", "output": "A.", "system": "S"}, [("system", "S")]),
        (
            {"instruction": "Q?", "output": "A.", "system": "S", "history": [["a", "b"]]},
            [("system", "S"), ("user", "a"), ("assistant", "b")],
        ),
        (
            {"system": "S", "conversations": turns("Q?", "A.", names=("from", "value"), roles=("human", "gpt"))},
            [("system", "S")],
        ),
    ],
    ids=range(5),
)
def test_what_comes_before_the_question_is_kept(tmp_path: Path, row: dict[str, Any], before: list[Any]) -> None:
    (read,) = read_rows(path=jsonl(tmp_path, row))
    assert (read.question, read.output) == ("Q?", "A.")
    assert [(turn.role, turn.text) for turn in read.before] == before


@pytest.mark.parametrize(
    "listed",
    [
        turns("a", "b", "c", roles=("user", "assistant", "user")),
        turns("a", "b", roles=("assistant", "user")),
        turns("a", "b", roles=("user", "tool")),
        turns("q", "s", "a", roles=("user", "system", "assistant")),
        [{"role": "user", "content": [{"type": "image"}]}, {"role": "assistant", "content": "x"}],
        ["q", "a"],
        "no list",
    ],
    ids=range(7),
)
def test_conversations_that_cannot_be_trained_are_refused(tmp_path: Path, listed: Any) -> None:
    with pytest.raises(DataError, match=r"rows.jsonl line 1: `messages`"):
        read_rows(path=jsonl(tmp_path, {"messages": listed}))


@pytest.mark.parametrize(
    "text", ["", "   ", "\u200b", "\u200b\u200b", "\u3000", "\u00a0\ufeff", "\u3164", "\u2800\n", "\x00"]
)
def test_text_that_cannot_be_seen_is_empty(tmp_path: Path, text: str) -> None:
    assert is_blank(text)
    for row in ({"id": "t", "instruction": "Q?", "output": text}, {"prompt": text, "completion": "A."}):
        with pytest.raises(DataError, match="is empty"):
            read_rows(path=jsonl(tmp_path, row))


@pytest.mark.parametrize("text", ["-", "は", "0", "\u200d👍", "。"])
def test_text_that_can_be_seen_is_not(text: str) -> None:
    assert not is_blank(text)
