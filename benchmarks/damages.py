"""Damage to the content of a file: bytes, hostile fragments, wrong types, by random numbers alone."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import yaml

FRAGMENTS = (
    *("\0", "\ufeff", "\u2028", "\u202e", "\x1b[2J", "\x9b31m", "\r", "\n", "\t", '"', "'", "\\", ",", ";", "|", ":"),
    *("\\ud800", "\\u0000", "\\x00", '"\\ud800"', "\\UFFFFFFFF", "NaN", "-Infinity", "1e999", "9" * 5000, "1" * 90),
    *("[" * 3000, '{"a":' * 3000, "{a: " * 500, "- " * 500, "(" * 2000, "x" * 200_000, "霧" * 70_000, "{" * 50),
    *("!!int abc", "!!float x", "!!timestamp x", "!!set [1]", "!!python/object/apply:os.system [id]", "!<x> y"),
    *("&a [*a]", "*a", "&a", "<<: *a", "? ", "%TAG ! x", "---", "...", "| ", "> ", "# ", "2026-02-31", "25:61:61"),
    *("&a [x,x,x]\nb: &b [*a,*a,*a]\nc: [*b,*b,*b]", "1:1:1:1", "0x", "0b2", "~nosuch/x", "~", "/dev/zero", "/"),
    *("(a+)+$", "(?R)", "(a{0,99}){0,99}", "((a{0,999}){0,999}){0,999}", "[\\", "(?P<x>", "\\p{x}", "a{99999}"),
    *("(?<=a*)b", "..", "demo:", "demo:../../x", "package:", "hub://", "s3://u:p@h/x", "null", "true", "{}", "[]"),
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 10**12, 10**30, -(2**63), 0.5, 1e308, 1.0000001, "", " ", "\u200b", "\0", "\ud800"),
    *("x" * 100_000, "9" * 5000, "2026-02-31", "~nosuch/x", "NaN", "no", "[", "(a+)+$", "\x1b[2J", "a\nb", "f001"),
    *([], {}, [[]], [None], [1, 2], ["a"], [{}], {"a": 1}, {"a": {"b": []}}, {"choice": [1]}, {"int": [1, 10**12]}),
    *({"log": [0, 1]}, {"uniform": [1e308, -1e308]}, {"choice": [{}, 1]}, [["a"]] * 300, ["k"] * 5000, {"path": "x"}),
    *({"hub": "x", "path": "y"}, {"top": 10**9}, "select", "premise", [{"role": "user", "content": None}]),
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A file that is damaged: its name, its sound content, and the setting of the experiment that names it, or its
    place in the experiment's directory."""

    name: str
    content: bytes
    setting: str = ""
    place: str = ""


def mutated(source: Source, rng: random.Random) -> tuple[bytes, str]:
    """The content of `source` with one to four damages, and their names."""
    content, names = source.content, []
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        has_fields = not source.name.endswith((".csv", ".tsv", ".parquet"))
        mutation = rng.choice(STRUCTURAL if has_fields and rng.random() < 0.6 else BYTES)
        content = mutation(content, rng, source.name)
        names.append(mutation.__name__.strip("_"))
    return content, "+".join(names)


def _flipped(content: bytes, rng: random.Random, _name: str) -> bytes:
    damaged = bytearray(content)
    for _ in range(rng.choice((1, 1, 3, 30))):
        if damaged:
            damaged[rng.randrange(len(damaged))] ^= 1 << rng.randrange(8)
    return bytes(damaged)


def _cut(content: bytes, rng: random.Random, _name: str) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return rng.choice((content[:start], content[start:], content[:start] + content[end:]))


def _doubled(content: bytes, rng: random.Random, _name: str) -> bytes:
    start, end = sorted(rng.randrange(len(content) + 1) for _ in range(2))
    return content[:end] + content[start:end] * rng.choice((1, 1, 2)) + content[end:]


def _inserted(content: bytes, rng: random.Random, _name: str) -> bytes:
    at = rng.randrange(len(content) + 1)
    return content[:at] + rng.choice(FRAGMENTS).encode("utf-8") + content[at:]


def _replaced(content: bytes, rng: random.Random, _name: str) -> bytes:
    """A word or number with a hostile fragment in its place."""
    words = list(re.finditer(rb"[\w.-]+", content))
    if not words:
        return content
    word = rng.choice(words)
    return content[: word.start()] + rng.choice(FRAGMENTS).encode("utf-8") + content[word.end() :]


def _retyped(content: bytes, rng: random.Random, name: str) -> bytes:
    def change(parent: Any, key: Any) -> None:
        parent[key] = rng.choice(VALUES)

    return _restructured(content, rng, name, change)


def _dropped(content: bytes, rng: random.Random, name: str) -> bytes:
    def change(parent: Any, key: Any) -> None:
        del parent[key]

    return _restructured(content, rng, name, change)


def _renamed(content: bytes, rng: random.Random, name: str) -> bytes:
    def change(parent: Any, key: Any) -> None:
        new = rng.choice((f"{key}s", str(key)[:-1], str(key).upper(), rng.choice(FRAGMENTS), "\x1b[2J", "k" * 90_000))
        if isinstance(parent, dict):
            parent[new] = parent.pop(key)

    return _restructured(content, rng, name, change)


def _exchanged(content: bytes, rng: random.Random, name: str) -> bytes:
    def change(parent: Any, key: Any) -> None:
        other = rng.choice(list(parent if isinstance(parent, dict) else range(len(parent))))
        parent[key], parent[other] = parent[other], parent[key]

    return _restructured(content, rng, name, change)


BYTES: tuple[Callable[[bytes, random.Random, str], bytes], ...] = (_flipped, _cut, _doubled, _inserted, _replaced)
STRUCTURAL = (_retyped, _retyped, _dropped, _renamed, _exchanged)


# What Python's own readers say of what was damaged before.
UNREADABLE = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, RecursionError, yaml.YAMLError)


def _restructured(content: bytes, rng: random.Random, name: str, change: Callable[[Any, Any], None]) -> bytes:
    """`content` with a change at one place of what it means; unchanged where it has been broken before."""
    try:
        tree = _parsed(content, name)
        if places := list(_places(tree)):
            change(*rng.choice(places))
        return _written(tree, name)
    except UNREADABLE:
        return content


def _parsed(content: bytes, name: str) -> Any:
    if name.endswith(".yaml"):
        return yaml.safe_load(content.decode())
    if name.endswith(".jsonl"):
        return [json.loads(line) for line in content.decode().split("\n") if line.strip()]
    return json.loads(content)


def _written(tree: Any, name: str) -> bytes:
    if name.endswith(".yaml"):
        # JSON is YAML, and writes half of a surrogate pair, which PyYAML's own emitter does not.
        return json.dumps(tree, default=str).encode() if _has_odd_text(tree) else yaml.safe_dump(tree).encode()
    if name.endswith(".jsonl"):
        return b"".join(map(line_of, tree))
    return json.dumps(tree).encode()


def _has_odd_text(tree: Any) -> bool:
    return not repr(tree).isprintable() or "\\ud8" in repr(tree)


def _places(tree: Any) -> Iterable[tuple[Any, Any]]:
    """Every place of a tree: a dict or list, and a key or index there."""
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def line_of(row: Any) -> bytes:
    """A line of JSON Lines."""
    return json.dumps(row).encode() + b"\n"
