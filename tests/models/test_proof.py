"""What was scored is what is saved: planted differences are seen, at the end of a trial and in an export."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
from models.test_merge import TRIAL, write_experiment
from safetensors.torch import load_file, save_file
from tests_support import write_tiny_model

from raykft.errors import ModelError, RaykftError, StorageError
from raykft.export import export
from raykft.models.adapter_files import save_adapter
from raykft.models.load import BaseModel
from raykft.models.merge import load_rounded
from raykft.models.packed import PackedModel
from raykft.models.proof import check_saved, distance_in_peft
from raykft.models.source import resolve_model
from raykft.models.targets import PRESETS
from raykft.paths import ExperimentPaths, write_json, write_jsonl
from raykft.provenance import environment
from raykft.records import KeyFact, Probe, TrainRow
from raykft.testing.contracts import RECIPE
from raykft.train import checkpoint as checkpoint_module
from raykft.train.engine import HostEngine

pytestmark = pytest.mark.torch
ROWS = [[1, 10, 20, 30, 40], [1, 99, 7]]
PROBES = [
    Probe(f"p{n}", 1, "recall", f"What is {n}?", f"It is {n}.", (KeyFact((str(n),)),), "select") for n in range(3)
]


def base_of(model: Path, quantization: str = "nf4") -> BaseModel:
    return load_rounded(resolve_model(str(model)), quantization, "fp32")


def saved_adapter(model: Path, out: Path, preset: str = "all-linear") -> PackedModel:
    packed = PackedModel(base_of(model))
    generator = torch.Generator().manual_seed(1)
    packed.add_adapter(0, rank=4, alpha=8.0, preset=preset, generator=generator)
    for pair in packed.adapter(0).values():
        pair.B.data.normal_(0, 0.3, generator=generator)
    save_adapter(out, packed.adapter(0), base_name="base", alpha=8.0, dropout=0.0)
    return packed


@pytest.mark.parametrize("tied", [True, False], ids=["tied", "untied"])
@pytest.mark.parametrize("preset", PRESETS)
def test_plain_peft_computes_what_was_scored(tmp_path: Path, preset: str, tied: bool) -> None:
    model = write_tiny_model(tmp_path / "model", tied=tied)
    packed = saved_adapter(model, tmp_path / "adapter", preset)
    check_saved(tmp_path / "adapter", packed.adapter(0), packed.layers)
    found = distance_in_peft(base_of(model), tmp_path / "adapter", ROWS)
    assert found is not None
    assert found.logits < 1e-5
    assert found.same_next == 1.0


def _config(**changes: object) -> Callable[[Path], None]:
    def change(adapter: Path) -> None:
        file = adapter / "adapter_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def _one_bit(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    name = sorted(tensors)[0]
    tensors[name].view(torch.int32).view(-1)[0] ^= 1
    save_file(tensors, file)


def _one_layer_less(adapter: Path) -> None:
    file = adapter / "adapter_model.safetensors"
    tensors = load_file(file)
    del tensors[sorted(tensors)[-1]]
    save_file(tensors, file)


PLANTED: dict[str, tuple[Callable[[Path], None], type[RaykftError], str]] = {
    "scale": (_config(lora_alpha=16), ModelError, "PEFT would scale"),
    "rslora": (_config(use_rslora=True), ModelError, "PEFT would scale"),
    "fewer layers": (_config(target_modules=["q_proj", "v_proj"]), ModelError, "PEFT would adapt other layers"),
    "more layers": (_config(target_modules="all-linear"), ModelError, "PEFT would adapt other layers"),
    "one bit": (_one_bit, StorageError, "does not hold what was written"),
    "a tensor gone": (_one_layer_less, StorageError, "does not hold what was written"),
}


@pytest.mark.parametrize("planted", PLANTED)
def test_a_saved_adapter_that_is_another_is_seen(tmp_path: Path, tiny_model_dir: Path, planted: str) -> None:
    change, kind, message = PLANTED[planted]
    packed = saved_adapter(tiny_model_dir, tmp_path / "adapter", "attention")
    change(tmp_path / "adapter")
    with pytest.raises(kind, match=message):
        check_saved(tmp_path / "adapter", packed.adapter(0), packed.layers)


def test_a_trial_whose_adapter_was_saved_wrong_does_not_end_well(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After every epoch: a trial that is stopped is exported too."""
    right = checkpoint_module.save_adapter
    monkeypatch.setattr(checkpoint_module, "save_adapter", lambda *a, **k: right(*a, **(k | {"alpha": 1.0})))
    base = base_of(tiny_model_dir)
    rows = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(4)]
    with HostEngine(base, train_rows=rows, distractors=(), system_prompt=None, max_length=64, batch_size=2) as host:
        host.attach("t", RECIPE)
        host.train_epoch("t")
        host.save("t", tmp_path / "adapter")
        with pytest.raises(ModelError, match="PEFT would scale"):
            host.saved("t")


def test_an_exported_adapter_states_what_plain_peft_makes_of_it(tmp_path: Path, tiny_model_dir: Path) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    write_jsonl(ExperimentPaths(directory).probes, map(asdict, PROBES))
    card = " ".join((export(directory, TRIAL, tmp_path / "out") / "README.md").read_text().split())
    assert "the logits of plain PEFT" in card
    assert "the same at 100.0% of the positions" in card
    unchecked = (export(directory, TRIAL, tmp_path / "unchecked", check=False) / "README.md").read_text()
    assert "plain PEFT" not in unchecked


@pytest.mark.parametrize("digest", ["another", None])
def test_another_base_model_of_that_name_is_no_proof(
    tmp_path: Path, tiny_model_dir: Path, digest: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    directory = write_experiment(tmp_path, tiny_model_dir)
    paths = ExperimentPaths(directory)
    write_jsonl(paths.probes, map(asdict, PROBES))
    found = digest or resolve_model(str(tiny_model_dir)).digest
    write_json(
        paths.environment, environment() | {"hosts": [{"model_digest": found, "dtype": "float32", "device": "x"}]}
    )
    card = (export(directory, TRIAL, tmp_path / "out") / "README.md").read_text()
    assert ("plain PEFT" in card) is (digest is None)
    assert ("another one than the trial was scored on" in caplog.text) is (digest is not None)


def test_a_base_model_of_a_hub_is_not_downloaded_to_be_compared(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import socket

    directory = write_experiment(tmp_path, tiny_model_dir)
    paths = ExperimentPaths(directory)
    write_jsonl(paths.probes, map(asdict, PROBES))
    config = paths.trial(TRIAL).config
    tree = json.loads(config.read_text())
    tree["config"]["base_model"] = "nobody/nothing-of-this-name"
    config.write_text(json.dumps(tree))
    monkeypatch.setattr(socket.socket, "connect", lambda *_: pytest.fail("it connects"))
    assert "plain PEFT" not in (export(directory, TRIAL, tmp_path / "out") / "README.md").read_text()
    assert "'nobody/nothing-of-this-name' is not on this machine" in caplog.text


def test_an_adapter_that_peft_reads_otherwise_is_not_exported(
    tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As if raykft had a scale of its own: what was scored is then another model than others will load."""
    from raykft.models import proof

    directory = write_experiment(tmp_path, tiny_model_dir)
    write_jsonl(ExperimentPaths(directory).probes, map(asdict, PROBES))
    right = proof.load_adapter

    def doubled(packed: PackedModel, slot: int, adapter: Path) -> dict[str, object]:
        config = right(packed, slot, adapter)
        for pair in packed.adapter(slot).values():
            pair.B.data *= 2
        return config

    monkeypatch.setattr(proof, "load_adapter", doubled)
    with pytest.raises(ModelError, match="plain PEFT makes another model"):
        export(directory, TRIAL, tmp_path / "out")
    assert not (tmp_path / "out").exists()
