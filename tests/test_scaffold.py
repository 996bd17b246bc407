"""`raykft init`: what it writes is an experiment without mistakes, and it overwrites nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from raykft.config import load_config
from raykft.data.domain import load_domain
from raykft.data.lint import check_domain
from raykft.errors import ExperimentError, ResourceError
from raykft.evaluation.scoring import score_answer
from raykft.planning.fitting import Machine
from raykft.planning.plan import make_plan
from raykft.scaffold import init


def test_the_experiment_passes_its_own_checks(tmp_path: Path) -> None:
    config = load_config(init(tmp_path / "mine"))
    domain = load_domain(config)
    report = check_domain(domain, score_answer)
    assert report.lines("error") == []
    # Six facts are few, and it says so; nothing else is to be said.
    expected = ("[few-report-probes]", "[few-level-probes]", "[few-general-probes]")
    assert [line.split()[0] for line in report.lines("warning")] == list(expected)
    plan = make_plan(config, domain, Machine(cores=2, memory_bytes=8 << 30, fast_bf16=False))
    assert (plan.trials, plan.rows, plan.mixtures, plan.too_large) == (8, 6, 3, ())
    assert config.directory == Path("runs/museum").absolute()


def test_every_fact_is_asked_and_every_level_shown(tmp_path: Path) -> None:
    domain = load_domain(load_config(init(tmp_path)))
    facts = {fact.id for fact in domain.facts}
    for level in (1, 2):
        assert {f for p in domain.probes if p.level == level for f in p.fact_ids} == facts
    assert {row.fact_ids[0] for row in domain.train} == facts
    for split in ("select", "report"):
        assert {p.level for p in domain.probes if p.split == split} == {1, 2, 3, 4, 5}
    assert {p.kind for p in domain.probes} == {"recall", "format", "premise"}


def test_what_is_there_already_is_kept(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for target in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(ExperimentError, match=r"not an empty directory; choose another"):
            init(target)
    with pytest.raises(ResourceError, match=r"cannot write to .*; choose another directory"):
        init(tmp_path / "notes.txt" / "below")
    assert [p.name for p in tmp_path.iterdir()] == ["notes.txt"]
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_the_command_says_what_to_do_next(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "from raykft.cli import main; main()"]
    done = subprocess.run([*command, "init", "a museum"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "next: raykft data check 'a museum/config.yaml'"
    assert "#   raykft tune 'a museum/config.yaml'\n" in (tmp_path / "a museum" / "config.yaml").read_text()
    names = {"README.md", "config.yaml", "facts.jsonl", "train.jsonl", "probes.jsonl", "distractors.jsonl"}
    assert {p.name for p in (tmp_path / "a museum").iterdir()} == names | {"general.jsonl"}
    checked = subprocess.run([*command, "data", "check", "a museum/config.yaml"], cwd=tmp_path, capture_output=True)
    assert checked.returncode == 0
    again = subprocess.run([*command, "init", "a museum"], cwd=tmp_path, capture_output=True, text=True)
    assert (again.returncode, again.stdout) == (2, "")
    assert again.stderr.startswith("error: a museum exists")
