"""A merged model is the base and adapter that were scored, and an exported adapter is the trial's own."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
import torch
from tests_support import experiment_tree, write_tiny_model

from raykft.config import dump_yaml, validate
from raykft.data.encode import PromptFormat
from raykft.errors import ConfigError, ExperimentError
from raykft.export import ask, export, find_trial
from raykft.models.adapter_files import load_adapter, save_adapter
from raykft.models.merge import load_rounded
from raykft.models.packed import Block, PackedModel
from raykft.models.proof import Distance, distance
from raykft.models.source import resolve_model
from raykft.models.targets import PRESETS
from raykft.paths import ExperimentPaths, write_atomic, write_jsonl
from raykft.records import KeyFact, Probe, TrialStatus
from raykft.trial import Trial, write_result, write_trial_config

pytestmark = pytest.mark.torch
TRIAL = "t000-r4-lr2e-4-e2-all-d0"
ROWS = [[1, 10, 20, 30, 40], [1, 99, 7]]


def write_experiment(tmp_path: Path, model: Path, preset: str = "all-linear", quantization: str = "nf4") -> Path:
    """An experiment directory with one finished trial, as the search leaves it."""
    tree = experiment_tree(tmp_path, str(model)) | {"quantization": quantization}
    tree["adapter"] = {"rank": 4, "target_layers": preset}
    config = validate(tree, "test")
    paths = ExperimentPaths(tmp_path / "experiment")
    write_atomic(paths.config, dump_yaml(config))
    files = paths.trial(TRIAL)
    write_trial_config(Trial(TRIAL, {"adapter.rank": 4}, files), config)
    torch.set_num_threads(1)
    base = load_rounded(resolve_model(str(model)), quantization)
    packed = PackedModel(base)
    generator = torch.Generator().manual_seed(1)
    packed.add_adapter(0, rank=4, alpha=8.0, preset=preset, generator=generator)
    for pair in packed.adapter(0).values():
        pair.B.data.normal_(0, 0.3, generator=generator)
    save_adapter(files.adapter, packed.adapter(0), base_name=base.source.location, alpha=8.0, dropout=0.0)
    row = {"epoch": 2, "score": 0.5, "level_2": 0.25}
    write_result(Trial(TRIAL, {"adapter.rank": 4}, files), row, TrialStatus.OK)
    return paths.root


def scored_logits(directory: Path, row: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
    """Of the tuned and the base model, as the host computes them."""
    trial = find_trial(directory, TRIAL)
    packed = PackedModel(load_rounded(resolve_model(trial.config.base_model), trial.config.quantization))
    load_adapter(packed, 0, trial.files.adapter)
    with torch.no_grad():
        states = [packed.hidden([Block(slot, [row])])[0] for slot in (0, None)]
        tuned, base = packed.logits([(0, states[0]), (None, states[1])])
    return tuned, base


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize(
    ("preset", "quantization"), [*((preset, "nf4") for preset in PRESETS), ("all-linear", "int8"), ("mlp", "none")]
)
def test_a_merged_model_has_the_scored_logits(tmp_path: Path, preset: str, quantization: str, tied: bool) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = write_experiment(tmp_path, write_tiny_model(tmp_path / "model", tied=tied), preset, quantization)
    out = export(directory, TRIAL, tmp_path / "merged", merge=True)
    assert not [p.name for p in out.iterdir() if p.suffix in {".bin", ".pt"}]
    loaded = AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16, trust_remote_code=False)
    assert {p.dtype for p in loaded.parameters()} == {torch.bfloat16}
    head, embeddings = loaded.lm_head.weight, loaded.get_input_embeddings().weight
    assert torch.equal(head, embeddings) is (tied and preset != "all-linear+lm_head")
    merged = loaded.float()
    for row in ROWS:
        tuned, base = scored_logits(directory, row)
        mine = merged(torch.tensor([row])).logits[0]
        scale = tuned.abs().max().item()
        assert (tuned - base).abs().max() > 0.2 * scale  # the adapter does something
        assert (mine - tuned).abs().max() < 0.02 * scale  # bf16 has 8 bits
    assert AutoTokenizer.from_pretrained(out).chat_template


def test_the_card_of_a_merged_model_states_its_distance(tmp_path: Path, tiny_model_dir: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    directory = write_experiment(tmp_path, tiny_model_dir, "all-linear")
    probes = [
        Probe(f"p{n}", 1, "recall", f"What is {n}?", f"It is {n}.", (KeyFact((str(n),)),), "select") for n in range(3)
    ]
    write_jsonl(ExperimentPaths(directory).probes, map(asdict, probes))
    out = export(directory, TRIAL, tmp_path / "merged", merge=True)

    prompts = PromptFormat(AutoTokenizer.from_pretrained(tiny_model_dir), "")
    merged = AutoModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16, trust_remote_code=False)
    scored, mine = [], []
    for probe in probes:
        row = [*prompts.prompt_ids(probe.question), *prompts.answer_ids(probe.gold)]
        scored.append(scored_logits(directory, row)[0])
        mine.append(merged(torch.tensor([row])).logits[0].detach().float())
    before, now = (torch.cat(rows) - torch.cat(rows).mean(-1, keepdim=True) for rows in (scored, mine))
    measured = float((before - now).norm() / before.norm())
    assert 0 < measured < 0.02
    card = " ".join((out / "README.md").read_text(encoding="utf-8").split())
    assert f"at {len(before)} positions of the experiment's" in card
    stated = float(re.search(r"its logits differ from the scored model.s by ([0-9.e-]+), ", card)[1])
    assert stated == pytest.approx(measured, rel=0.1)


def test_a_merged_model_that_is_another_is_far_away() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(5, 11, generator=generator)
    assert distance([logits], [logits + 3]) == Distance(5, pytest.approx(0, abs=1e-5), 1.0)
    assert distance([logits], [-logits]) == Distance(5, pytest.approx(2), 0.0)
    assert distance([], []) is None


def test_merged_weights_are_the_rounded_ones_plus_the_product(tmp_path: Path, tiny_model_dir: Path) -> None:
    """Exactly, layer by layer: adapted layers in bf16 after an fp32 sum, the others untouched."""
    from safetensors.torch import load_file

    directory = write_experiment(tmp_path, tiny_model_dir, "mlp")
    written = load_file(export(directory, TRIAL, tmp_path / "merged", merge=True) / "model.safetensors")
    rounded = load_rounded(resolve_model(str(tiny_model_dir)), "nf4").model.state_dict()
    original = load_file(tiny_model_dir / "model.safetensors")
    adapter = load_file(directory / "trials" / TRIAL / "adapter" / "adapter_model.safetensors")
    for name, weight in written.items():
        key = f"base_model.model.{name.removesuffix('.weight')}.lora_{{}}.weight"
        expected = rounded[name].float()
        if key.format("A") in adapter:
            expected = expected + 2.0 * adapter[key.format("B")] @ adapter[key.format("A")]
        assert torch.equal(weight, expected.to(torch.bfloat16)), name
    q = "model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(written[q], original[q])  # rounded, though no adapter sits on it


def test_an_exported_adapter_is_the_trials_own_with_a_card(tmp_path: Path, tiny_model_dir: Path) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    out = export(directory, TRIAL, tmp_path / "deep" / "adapter")
    own = directory / "trials" / TRIAL / "adapter"
    assert {p.name for p in out.iterdir()} == {"README.md", "adapter_config.json", "adapter_model.safetensors"}
    assert (out / "adapter_model.safetensors").read_bytes() == (own / "adapter_model.safetensors").read_bytes()
    settings: dict[str, Any] = json.loads((out / "adapter_config.json").read_text())
    assert settings == json.loads((own / "adapter_config.json").read_text()) | {
        "base_model_name_or_path": str(tiny_model_dir)
    }
    card = (out / "README.md").read_text()
    for fragment in ("library_name: peft", "rounded to NF4", "`adapter.rank`: 4", "| score | 0.500 | - |", "1-SEED"):
        assert fragment in card
    assert "not scored on the held-out report split" in card
    assert not [p for p in out.parent.iterdir() if p.name.startswith(".")]


def test_exports_that_are_refused(tmp_path: Path, tiny_model_dir: Path) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    full = tmp_path / "full"
    full.mkdir()
    (full / "notes.txt").write_text("mine")
    for target in (full, full / "notes.txt"):
        with pytest.raises(ExperimentError, match="not an empty directory"):
            export(directory, TRIAL, target)
    with pytest.raises(ExperimentError, match="no trial 't9'"):
        export(directory, "t9", tmp_path / "x")
    with pytest.raises(ExperimentError, match="not a plain name"):
        export(directory, "../t9", tmp_path / "x")
    with pytest.raises(ExperimentError, match="holds no experiment"):
        export(tmp_path, TRIAL, tmp_path / "x")
    (directory / "trials" / TRIAL / "adapter" / "adapter_model.safetensors").unlink()
    with pytest.raises(ExperimentError, match="left no adapter"):
        export(directory, TRIAL, tmp_path / "x")
    assert not (tmp_path / "x").exists()
    assert (full / "notes.txt").read_text() == "mine"


def test_a_merge_that_fails_leaves_nothing(tmp_path: Path, tiny_model_dir: Path) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    own = directory / "trials" / TRIAL / "adapter" / "adapter_config.json"
    own.write_text(json.dumps(json.loads(own.read_text()) | {"use_dora": True}))
    with pytest.raises(Exception, match="use_dora"):
        export(directory, TRIAL, tmp_path / "out" / "x", merge=True)
    assert not list((tmp_path / "out").iterdir())


def test_asking_answers_as_base_and_tuned(tmp_path: Path, tiny_model_dir: Path) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    answers = ask(directory, TRIAL, "Who founded it?", max_new_tokens=6)
    again = ask(directory, TRIAL, "Who founded it?", max_new_tokens=6)
    assert answers == again
    assert answers.base != answers.tuned
    for question, tokens in (("  ", 6), ("Who?", 0)):
        with pytest.raises(ConfigError):
            ask(directory, TRIAL, question, max_new_tokens=tokens)
