"""Damaged input: `python benchmarks/mutations.py --cases 10000`.

Each case takes one sound file of a small experiment (a data file of any kind, answers, or the experiment file) and
damages it: bytes flipped, cut or doubled; hostile fragments; wrong types; fields renamed, exchanged or left out. Then
`raykft data check` or `raykft score` reads it. Cases run in a process of their own, so that hangs and crashes are
counted too; a case is made again from its seed and number alone (`--only NUMBER`).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import math
import multiprocessing
import random
import re
import resource
import sys
import tempfile
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import typer
import yaml

from raykft import cli, scaffold
from raykft.paths import read_jsonl, write_json
from raykft.provenance import environment

RESULTS = Path(__file__).resolve().parent / "results"
MAX_SECONDS, MAX_CHARS, MAX_MEMORY, POLL_SECONDS = 10.0, 2000, 8 << 30, 0.25
FACTS = ("f3", "f4")
DATA_CONFIG = "data-only.yaml"  # of cases whose experiment file is sound: the shorter it is, the sooner it is read
KINDS = ("ok", "refused", "traceback", "hang", "crash", "unnamed", "long", "control")

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

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Source:
    """A file that is damaged: its name, its sound content, and the setting of the experiment that names it."""

    name: str
    content: bytes
    setting: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a case: one of `KINDS`, the processor's seconds, and what was said."""

    number: int
    source: str
    mutation: str
    kind: str
    seconds: float
    said: str


def sound_files(folder: Path) -> list[Source]:
    """Two facts of the museum of `raykft init`, their rows in every form that is read, and answers to their probes."""
    scaffold.init(folder)
    for name in ("train", "probes"):
        rows = [r for r in read_jsonl(folder / f"{name}.jsonl") if r["fact_ids"] and {*r["fact_ids"]} <= {*FACTS}]
        (folder / f"{name}.jsonl").write_bytes(b"".join(map(_line, rows)))
    names = ("facts", "train", "probes", "distractors", "general")
    found = {name: (folder / f"{name}.jsonl").read_bytes() for name in names}
    sources = [Source(f"{name}.jsonl", content, name) for name, content in found.items()]
    passages = b"".join(_line({"id": f"x{n}", "text": "A harbour town. " * 20, "lang": "en"}) for n in range(3))
    sources.append(Source("passages.jsonl", passages, "passages"))
    rows = [{"instruction": r["instruction"], "output": r["output"]} for r in read_jsonl(folder / "train.jsonl")]
    chat = [{"messages": [_turn("user", r["instruction"]), _turn("assistant", r["output"])]} for r in rows]
    forms = {
        "chat.jsonl": b"".join(map(_line, chat)),
        "alpaca.json": json.dumps([row | {"system": "S", "history": [["a", "b"]]} for row in rows]).encode(),
        "wrapped.json": json.dumps({"version": 1, "data": rows}).encode(),
        "rows.csv": _separated(rows, ",").encode(),
        "semicolon.csv": _separated(rows, ";").encode("utf-8-sig"),
        "wide.csv": _separated(rows, ",").encode("utf-16"),
        "rows.tsv": _separated(rows, "\t").encode(),
        "rows.parquet": _parquet(rows),
        "chat.parquet": _parquet(chat),
    }
    sources += [Source(name, content, "train") for name, content in forms.items()]
    answers = [{"probe_id": p["id"], "answer": p["gold"], "stopped": True} for p in read_jsonl(folder / "probes.jsonl")]
    sources.append(Source("answers.jsonl", b"".join(map(_line, answers))))
    tree = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    tree["data"]["passages"] = "passages.jsonl"
    (folder / "passages.jsonl").write_bytes(passages)
    (folder / "config.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    few = {name: tree[name] for name in ("name", "base_model", "data")}
    (folder / DATA_CONFIG).write_text(yaml.safe_dump(few), encoding="utf-8")
    return [*sources, Source("config.yaml", (folder / "config.yaml").read_bytes())]


class Cases:
    """Makes and runs cases; number and seed say everything about one."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        *data, experiment = sound_files(folder)
        # Two fifths of all cases are experiment files: they have more settings than data files have forms.
        self._sources = [*data, *[experiment] * (len(data) * 2 // 3)]

    def run(self, number: int) -> Outcome:
        """Damage a file, read it as the command line does, and judge what is said."""
        rng = random.Random(f"{self._seed}:{number}")
        source = rng.choice(self._sources)
        content, mutation = mutated(source, rng)
        started = time.process_time()
        kind, said = self.judge(source, content)
        return Outcome(number, source.name, mutation, kind, time.process_time() - started, said)

    def judge(self, source: Source, content: bytes) -> tuple[str, str]:
        """What becomes of `content` in the place of `source`: a kind, and the error or traceback that is said."""
        file = self._folder / f"damaged-{source.name}"
        file.write_bytes(content)
        try:
            code, said = _command(self._arguments(source, file))
        except Exception:
            return "traceback", traceback.format_exc(limit=-3)
        kind = judged(code, said, file.name)
        return kind, "" if kind == "ok" else said[max(0, said.find("error: ")) :][: 2 * MAX_CHARS]

    def _arguments(self, source: Source, file: Path) -> list[str]:
        config = self._folder / DATA_CONFIG
        if source.name == "config.yaml":
            return ["data", "check", str(file)]
        if not source.setting:
            return ["score", "--probes", str(self._folder / "probes.jsonl"), "--answers", str(file)]
        return ["data", "check", str(config), "--set", f"data.{source.setting}={file.name}"]


def judged(code: int, said: str, name: str) -> str:
    """The kind of outcome of a command that ended by itself."""
    error = said.partition("error: ")[2]
    if any(c != "\n" and unicodedata.category(c) in {"Cc", "Cf", "Cs"} for c in said):
        return "control"
    if code == 0:
        return "ok"
    if "Traceback" in said or not error:
        return "traceback"
    if len(error) > MAX_CHARS:
        return "long"
    # A damaged setting may name any file; the message names that one then.
    return "refused" if name in error or re.search(r"(^|[\s'])/\w", error) else "unnamed"


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
        return b"".join(map(_line, tree))
    return json.dumps(tree).encode()


def _has_odd_text(tree: Any) -> bool:
    return not repr(tree).isprintable() or "\\ud8" in repr(tree)


def _places(tree: Any) -> Iterable[tuple[Any, Any]]:
    """Every place of a tree: a dict or list, and a key or index there."""
    if isinstance(tree, dict | list):
        for key in tree if isinstance(tree, dict) else range(len(tree)):
            yield tree, key
            yield from _places(tree[key])


def _command(arguments: list[str]) -> tuple[int, str]:
    """Exit code and output of a command, run in this process as from a shell."""
    if isinstance(cli.app, typer.Typer):
        cli.app = typer.main.get_command(cli.app)  # once for all cases
    sys.argv = ["raykft", *arguments]
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    return 0, said.getvalue()


def _line(row: Any) -> bytes:
    return json.dumps(row).encode() + b"\n"


def _turn(role: str, text: str) -> dict[str, str]:
    return {"role": role, "content": text}


def _separated(rows: Rows, mark: str) -> str:
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), delimiter=mark)
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def _parquet(rows: Rows) -> bytes:
    import pyarrow
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), stream)
    return stream.getvalue()


def _serve(pipe: Any, seed: int) -> None:
    """The process that runs cases: a number comes, an outcome goes."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    with tempfile.TemporaryDirectory() as folder:
        cases = Cases(Path(folder) / "museum", seed)
        cases.run(0)  # imports
        pipe.send(None)
        while (number := pipe.recv()) is not None:
            pipe.send(cases.run(number))


class Runner:
    """Cases in a process that is started anew after one that hangs or crashes it."""

    def __init__(self, seed: int, serve: Callable[[Any, int], None] = _serve) -> None:
        self._seed, self._serve = seed, serve
        self._process: Any = None
        self._pipe: Any = None

    def run(self, number: int) -> Outcome:
        if self._process is None:
            self._start()
        before = self._seconds()
        self._pipe.send(number)
        try:
            if self._answers(before):
                outcome: Outcome = self._pipe.recv()
                return outcome
            kind, seconds = "hang", self._seconds() - before
        except EOFError:
            kind, seconds = "crash", 0.0
        self.close()
        return Outcome(number, "", "", kind, seconds, "")

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._process = None

    def _answers(self, before: float) -> bool:
        """Whether an answer comes: a busy machine may take its time, the case may neither work nor wait for long."""
        asleep = 0.0
        while asleep < MAX_SECONDS and self._seconds() - before < MAX_SECONDS:
            if self._pipe.poll(POLL_SECONDS):
                return True
            waits = psutil.Process(self._process.pid).status() == psutil.STATUS_SLEEPING
            asleep = asleep + POLL_SECONDS if waits else 0.0
        return False

    def _seconds(self) -> float:
        """Of the processor, by the process that runs the cases."""
        times = psutil.Process(self._process.pid).cpu_times()
        return float(times.user + times.system)

    def _start(self) -> None:
        context = multiprocessing.get_context("fork")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=self._serve, args=(theirs, self._seed), daemon=True)
        self._process.start()
        theirs.close()
        self._pipe.recv()


def attack(seed: int, numbers: Sequence[int], processes: int = 1, deadline: float = math.inf) -> list[Outcome]:
    """Run cases in so many processes, until a time of `perf_counter`; what is wrong is printed at once."""
    runners = [Runner(seed) for _ in range(processes)]

    def run(part: int) -> list[Outcome]:
        outcomes = []
        for number in numbers[part::processes]:
            if time.perf_counter() > deadline:
                break
            outcomes.append(runners[part].run(number))
            if outcomes[-1].kind not in {"ok", "refused"}:
                print(outcomes[-1], flush=True)
        runners[part].close()
        return outcomes

    with ThreadPoolExecutor(processes) as pool:
        found = [outcome for outcomes in pool.map(run, range(processes)) for outcome in outcomes]
    return sorted(found, key=lambda outcome: outcome.number)


def summary(outcomes: list[Outcome]) -> dict[str, Any]:
    """Counts by file and kind, and the cases that are neither read nor refused as they should be."""
    by_source: dict[str, Counter[str]] = {}
    for outcome in outcomes:
        by_source.setdefault(outcome.source or "?", Counter())[outcome.kind] += 1
    rows = [{"file": name} | {kind: counts[kind] for kind in KINDS} for name, counts in sorted(by_source.items())]
    wrong = [asdict(o) for o in outcomes if o.kind not in {"ok", "refused"}]
    refusals = [len(o.said.removeprefix("error: ")) for o in outcomes if o.kind == "refused"]
    return {
        "rows": rows,
        "total": dict(Counter(o.kind for o in outcomes)),
        "slowest_seconds": round(max(o.seconds for o in outcomes), 2),
        "longest_message": max(refusals, default=0),
        "wrong": wrong[:50],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--first", type=int, default=0, help="the number of the first case")
    parser.add_argument("--minutes", type=float, default=600.0, help="begin no further case after so long")
    parser.add_argument("--processes", type=int, default=1, help="that run cases side by side")
    parser.add_argument("--only", type=int, help="run this case alone and print what is said")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/mutations-<date>.json)")
    chosen = parser.parse_args()
    started = time.perf_counter()
    if chosen.only is not None:
        print(json.dumps(asdict(attack(chosen.seed, [chosen.only])[0]), indent=2))
        return
    numbers = range(chosen.first, chosen.first + chosen.cases)
    outcomes = attack(chosen.seed, numbers, chosen.processes, started + 60 * chosen.minutes)
    found = summary(outcomes)
    settings = {
        "cases": len(outcomes),
        "seed": chosen.seed,
        "first": chosen.first,
        "seconds": round(time.perf_counter() - started),
    }
    path = chosen.out or RESULTS / f"mutations-{datetime.now(UTC):%Y-%m-%d}.json"
    write_json(path, {"benchmark": "mutations", "settings": settings, "environment": environment(), **found})
    for row in found["rows"]:
        print("  ".join(f"{value:>14}" if key == "file" else f"{key} {value:>5}" for key, value in row.items()))
    print(
        found["total"], f"slowest {found['slowest_seconds']} s, longest message {found['longest_message']} characters"
    )
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
