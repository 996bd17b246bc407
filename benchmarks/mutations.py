"""Damaged input: `python benchmarks/mutations.py --cases 10000`.

Each case takes one sound file (a data file of any kind, answers, the experiment file, or a file of an experiment
directory) and damages it: bytes flipped, cut or doubled; hostile fragments; wrong types; fields renamed, exchanged or
left out. Then `raykft data check` or `raykft score` reads it, or `leaderboard`, `status` and `show` the directory.
Cases run in a process of their own, so that hangs and crashes are counted too; a case is made again from its seed and
number alone (`--only NUMBER`). A run that was stopped goes on: the same command skips the cases it has done.
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
import threading
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stderr, redirect_stdout, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
import sound_experiment
import typer
import yaml
from damages import Source, line_of, mutated

from raykft import cli, scaffold
from raykft.paths import read_jsonl, write_json
from raykft.provenance import environment

RESULTS = Path(__file__).resolve().parent / "results"
MAX_SECONDS, MAX_CHARS, MAX_MEMORY, POLL_SECONDS = 10.0, 2000, 8 << 30, 0.25
FACTS = ("f3", "f4")
DATA_CONFIG = "data-only.yaml"  # of cases whose experiment file is sound: the shorter it is, the sooner it is read
BOARDS = ("leaderboard.json", "leaderboard.md", "environment.json")  # written for others
# Commands that read an experiment directory, with what comes after its name.
READERS = ((["leaderboard"],), (["status"],), (["show"], sound_experiment.FINISHED[0]))
KINDS = ("ok", "refused", "traceback", "hang", "crash", "unnamed", "long", "control")

Rows = list[dict[str, Any]]


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
        (folder / f"{name}.jsonl").write_bytes(b"".join(map(line_of, rows)))
    names = ("facts", "train", "probes", "distractors", "general")
    found = {name: (folder / f"{name}.jsonl").read_bytes() for name in names}
    sources = [Source(f"{name}.jsonl", content, name) for name, content in found.items()]
    passages = b"".join(line_of({"id": f"x{n}", "text": "A harbour town. " * 20, "lang": "en"}) for n in range(3))
    sources.append(Source("passages.jsonl", passages, "passages"))
    rows = [{"instruction": r["instruction"], "output": r["output"]} for r in read_jsonl(folder / "train.jsonl")]
    chat = [{"messages": [_turn("user", r["instruction"]), _turn("assistant", r["output"])]} for r in rows]
    forms = {
        "chat.jsonl": b"".join(map(line_of, chat)),
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
    sources.append(Source("answers.jsonl", b"".join(map(line_of, answers))))
    tree = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    tree["data"]["passages"] = "passages.jsonl"
    (folder / "passages.jsonl").write_bytes(passages)
    (folder / "config.yaml").write_text(yaml.safe_dump(tree, sort_keys=False), encoding="utf-8")
    few = {name: tree[name] for name in ("name", "base_model", "data")}
    (folder / DATA_CONFIG).write_text(yaml.safe_dump(few), encoding="utf-8")
    return [*sources, Source("config.yaml", (folder / "config.yaml").read_bytes())]


def directory_files(root: Path) -> list[Source]:
    """Of an experiment directory all that raykft reads as text."""
    files = (p for p in sorted(root.rglob("*")) if p.suffix in {".json", ".jsonl", ".yaml"} and p.name not in BOARDS)
    return [Source(f"runs/{p.name}", p.read_bytes(), place=p.relative_to(root).as_posix()) for p in files]


class Cases:
    """Makes and runs cases; number and seed say everything about one."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._folder, self._seed = folder, seed
        *data, experiment = sound_files(folder)
        self._root = sound_experiment.make(folder / "config.yaml").root
        # Experiment files have more settings than data files have forms.
        self._sources = [*data, *[experiment] * (len(data) * 2 // 3), *directory_files(self._root)]

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
        if source.place:
            file = self._root / source.place
            commands = [[*command, str(self._root), *trial] for command, *trial in READERS]
        else:
            file = self._folder / f"damaged-{source.name}"
            commands = [self._arguments(source, file)]
        file.write_bytes(content)
        try:
            found = [self._told(arguments, file.name) for arguments in commands]
        finally:
            if source.place:
                file.write_bytes(source.content)
        return max(found, key=lambda outcome: KINDS.index(outcome[0]))

    def _told(self, arguments: list[str], name: str) -> tuple[str, str]:
        try:
            code, said = _command(arguments)
        except Exception:
            return "traceback", traceback.format_exc(limit=-3)
        kind = judged(code, said, name)
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


def attack(
    seed: int,
    numbers: Sequence[int],
    processes: int = 1,
    deadline: float = math.inf,
    done: Callable[[Outcome], object] = lambda _outcome: None,
) -> list[Outcome]:
    """Run cases in so many processes, until a time of `perf_counter`; what is wrong is printed at once.

    Args:
        done: told of every case.
    """
    runners = [Runner(seed) for _ in range(processes)]

    def run(part: int) -> list[Outcome]:
        outcomes = []
        for number in numbers[part::processes]:
            if time.perf_counter() > deadline:
                break
            outcomes.append(runners[part].run(number))
            done(outcomes[-1])
            if outcomes[-1].kind not in {"ok", "refused"}:
                print(outcomes[-1], flush=True)
        runners[part].close()
        return outcomes

    with ThreadPoolExecutor(processes) as pool:
        found = [outcome for outcomes in pool.map(run, range(processes)) for outcome in outcomes]
    return sorted(found, key=lambda outcome: outcome.number)


class Journal:
    """The cases of a run that have been done, in a file beside its result, for a run that goes on."""

    def __init__(self, result: Path, seed: int) -> None:
        self._file = result.with_name(f"{result.stem}-seed{seed}.part.jsonl")
        self._lock = threading.Lock()

    def read(self) -> dict[int, Outcome]:
        rows = self._file.read_text(encoding="utf-8").splitlines() if self._file.is_file() else []
        outcomes = []
        for row in rows:
            with suppress(json.JSONDecodeError):  # the run was stopped while it wrote
                outcomes.append(Outcome(**json.loads(row)))
        return {outcome.number: outcome for outcome in outcomes}

    def add(self, outcome: Outcome) -> None:
        with self._lock, self._file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(outcome)) + "\n")

    def remove(self) -> None:
        self._file.unlink(missing_ok=True)


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
    parser.add_argument(
        "--minutes",
        type=float,
        default=600.0,
        help="begin no further case after so long; the same command then goes on",
    )
    parser.add_argument("--processes", type=int, default=1, help="that run cases side by side")
    parser.add_argument("--only", type=int, help="run this case alone and print what is said")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/mutations-<date>.json)")
    chosen = parser.parse_args()
    started = time.perf_counter()
    if chosen.only is not None:
        print(json.dumps(asdict(attack(chosen.seed, [chosen.only])[0]), indent=2))
        return
    path = chosen.out or RESULTS / f"mutations-{datetime.now(UTC):%Y-%m-%d}.json"
    journal, numbers = Journal(path, chosen.seed), range(chosen.first, chosen.first + chosen.cases)
    earlier = {number: outcome for number, outcome in journal.read().items() if number in numbers}
    left = [number for number in numbers if number not in earlier]
    fresh = attack(chosen.seed, left, chosen.processes, started + 60 * chosen.minutes, journal.add)
    outcomes = sorted([*earlier.values(), *fresh], key=lambda outcome: outcome.number)
    if len(outcomes) < chosen.cases:
        print(f"{len(outcomes)} of {chosen.cases} cases are done; the same command goes on")
        return
    found = summary(outcomes)
    settings = {
        "cases": len(outcomes),
        "seed": chosen.seed,
        "first": chosen.first,
        "processor_seconds": round(sum(outcome.seconds for outcome in outcomes)),
    }
    write_json(path, {"benchmark": "mutations", "settings": settings, "environment": environment(), **found})
    for row in found["rows"]:
        print("  ".join(f"{value:>14}" if key == "file" else f"{key} {value:>5}" for key, value in row.items()))
    print(
        found["total"], f"slowest {found['slowest_seconds']} s, longest message {found['longest_message']} characters"
    )
    journal.remove()
    print(f"wrote {path}")


if __name__ == "__main__":
    main()
