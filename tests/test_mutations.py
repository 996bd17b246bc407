"""Damaged files of every kind: some hundreds of the ten thousand that `benchmarks/mutations.py` makes by default."""

from __future__ import annotations

import importlib
import json
import os
import random
import time
from pathlib import Path
from typing import Any

import pytest

from raykft import cli

ROOT = Path(__file__).resolve().parents[1]
CHUNK, CHUNKS, SEED = 25, 14, 20_261_129


@pytest.fixture
def mutations(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setattr("sys.argv", ["raykft"])
    monkeypatch.setattr(cli, "app", cli.app)
    monkeypatch.setattr("signal.signal", lambda *_: None)  # SIGTERM ends the tests as before
    return importlib.import_module("mutations")


@pytest.fixture
def cases(mutations: Any, tmp_path: Path) -> Any:
    return mutations.Cases(tmp_path / "museum", SEED)


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_damaged_files_are_read_or_refused_in_a_short_sentence(cases: Any, chunk: int) -> None:
    outcomes = [cases.run(number) for number in range(chunk * CHUNK, (chunk + 1) * CHUNK)]
    assert not [o for o in outcomes if o.kind not in {"ok", "refused"}]
    assert any(o.kind == "refused" for o in outcomes)


def test_what_is_damaged_is_sound_before(mutations: Any, tmp_path: Path) -> None:
    sources = mutations.sound_files(tmp_path / "museum")
    cases = mutations.Cases(tmp_path / "again", SEED)
    assert {s.name.rpartition(".")[2] for s in sources} == {"jsonl", "json", "csv", "tsv", "parquet", "yaml"}
    for source in sources:
        assert cases.judge(source, source.content) == ("ok", "")


def test_a_case_is_made_again_from_its_number(mutations: Any, tmp_path: Path) -> None:
    (source, *_) = mutations.sound_files(tmp_path / "museum")
    made = [mutations.mutated(source, random.Random(f"0:{n}")) for n in (7, 7, 8)]
    assert made[0] == made[1] != made[2]


@pytest.mark.parametrize(
    ("code", "said", "kind"),
    [
        (0, "no problems found\n", "ok"),
        (2, "error: a.csv line 3 is wrong\n", "refused"),
        (2, "warning: a\nerror: /b/c.csv does not exist\n", "refused"),
        (2, "error: line 3 is wrong\n", "unnamed"),
        (2, f"error: a.csv {'x' * 2000}", "long"),
        (2, "error: a.csv \x1b[2J", "control"),
        (0, "warning: \u202e", "control"),
        (1, "Traceback (most recent call last):\n", "traceback"),
        (1, "", "traceback"),
    ],
)
def test_outcomes_are_told_apart(mutations: Any, code: int, said: str, kind: str) -> None:
    assert mutations.judged(code, said, "a.csv") == kind


def test_tracebacks_are_counted(cases: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> Any:
        raise ZeroDivisionError

    monkeypatch.setattr("raykft.config.load_config", fails)
    outcomes = [cases.run(number) for number in range(20)]
    of_config = [o for o in outcomes if o.source != "answers.jsonl" and not o.source.startswith("runs/")]
    assert {o.kind for o in of_config} == {"traceback"}
    assert all("ZeroDivisionError" in o.said for o in outcomes if o.kind == "traceback")


def test_hangs_and_crashes_are_counted_and_the_next_case_runs(mutations: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def serve(pipe: Any, _seed: int) -> None:
        pipe.send(None)
        while True:
            number = pipe.recv()
            if number == 1:
                time.sleep(60)
            while number == 2:
                pass
            if number == 3:
                os._exit(9)
            pipe.send(mutations.Outcome(number, "a.csv", "cut", "ok", 0.1, ""))

    monkeypatch.setattr(mutations, "MAX_SECONDS", 0.5)
    runner = mutations.Runner(0, serve)
    outcomes = [runner.run(number) for number in range(5)]
    runner.close()
    assert [o.kind for o in outcomes] == ["ok", "hang", "hang", "crash", "ok"]
    found = mutations.summary(outcomes)
    assert found["total"] == {"ok": 2, "hang": 2, "crash": 1}
    assert len(found["wrong"]) == 3


def test_a_run_that_was_stopped_goes_on(mutations: Any, tmp_path: Path) -> None:
    journal, case = mutations.Journal(tmp_path / "m.json", 3), mutations.Outcome
    done = [case(n, "a.csv", "cut", "ok", 0.1, "\ud800") for n in range(3)]
    for outcome in done:
        journal.add(outcome)
    (file,) = tmp_path.iterdir()
    with file.open("a") as stream:
        stream.write('{"number": 3, "sou')
    assert list(mutations.Journal(tmp_path / "m.json", 3).read().values()) == done
    assert mutations.Journal(tmp_path / "m.json", 4).read() == {}
    journal.remove()
    assert not list(tmp_path.iterdir())


def test_the_committed_result_is_clean(mutations: Any) -> None:
    (file,) = sorted((ROOT / "benchmarks" / "results").glob("mutations-*.json"))[-1:]
    record = json.loads(file.read_text(encoding="utf-8"))
    assert record["settings"]["cases"] >= 10_000
    assert set(record["total"]) == {"ok", "refused"}
    assert sum(record["total"].values()) == record["settings"]["cases"]
    assert record["slowest_seconds"] < mutations.MAX_SECONDS
    assert record["longest_message"] <= mutations.MAX_CHARS
