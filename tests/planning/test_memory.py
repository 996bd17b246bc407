"""The memory model and the shapes it is made of, held against real layers."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tests_support import write_tiny_model

from raykft.errors import ModelError
from raykft.models import load
from raykft.models.load import BaseModel, load_base
from raykft.models.packed import PackedModel
from raykft.models.shape import FAMILIES, PRESET_KINDS, ModelShape, shape_of, shape_of_config
from raykft.models.source import resolve_model
from raykft.models.targets import PRESETS
from raykft.models.tokenizer_file import FileTokenizer
from raykft.planning import memory
from raykft.planning.memory import Numerics, host_memory, numerics_of
from raykft.train.loop import packed_step
from raykft.train.measure import _recipe, _rows, measure
from raykft.train.slot import Slot

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


def base_of(directory: Path, quantization: str = "none") -> BaseModel:
    torch.set_num_threads(1)
    return load_base(resolve_model(str(directory)), quantization=quantization, residency="auto", device=CPU)


def numerics_here(shape: ModelShape, quantization: str = "none", residency: str = "auto") -> Numerics:
    return numerics_of(
        shape,
        quantization=quantization,
        residency=residency,
        device="cpu",
        fast_bf16=False,
        machine_bytes=psutil.virtual_memory().total,
    )


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("family", FAMILIES)
def test_shapes_count_every_parameter(family: str, tied: bool) -> None:
    """Of a small model of each architecture, made by Transformers without memory."""
    from transformers import AutoConfig, AutoModelForCausalLM

    sizes = {
        "vocab_size": 300,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 3,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "tie_word_embeddings": tied,
        "pad_token_id": 0,
    }
    config = AutoConfig.for_model(family, **sizes)
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(config)
    shape = shape_of_config(config.to_dict(), "test")
    assert shape.parameters == sum(p.numel() for p in model.parameters())
    linears = [m for n, m in model.named_modules() if isinstance(m, torch.nn.Linear) and n != "lm_head"]
    assert shape.linear_weights == sum(m.weight.numel() for m in linears)
    bare = {k: v for k, v in config.to_dict().items() if k != "tie_word_embeddings"}
    assert (
        shape_of_config(bare, "test").tied
        is type(config)(**{k: v for k, v in sizes.items() if k[:3] != "tie"}).tie_word_embeddings
    )


def test_presets_are_those_of_loaded_models(tiny_model_dir: Path) -> None:
    assert set(PRESET_KINDS) == set(PRESETS)
    packed, shape = PackedModel(base_of(tiny_model_dir)), shape_of(str(tiny_model_dir))
    for preset in PRESETS:
        packed.add_adapter(0, rank=3, alpha=6.0, preset=preset, generator=torch.Generator())
        held = sum(pair.A.numel() + pair.B.numel() for pair in packed.adapter(0).values())
        assert shape.lora_parameters(3, preset) == held
        packed.remove_adapter(0)


@pytest.mark.parametrize("quantization", ["nf4", "int8", "none"])
@pytest.mark.parametrize("residency", ["auto", "dequantized"])
@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_numerics_are_those_of_loading(device: str, residency: str, quantization: str, tiny_model_dir: Path) -> None:
    shape = shape_of(str(tiny_model_dir))
    found = numerics_of(
        shape, quantization=quantization, residency=residency, device=device, fast_bf16=True, machine_bytes=1 << 34
    )
    assert found.residency == load.choose_residency(residency, quantization, device)
    if device == "cpu":
        base = base_of(tiny_model_dir, quantization)
        here = numerics_here(shape, quantization, residency)
        assert here.dtype_bytes == base.model.dtype.itemsize
        assert here.both_orders == base.both_orders


@pytest.mark.parametrize("tied", [True, False])
def test_weights_are_those_held(tmp_path: Path, tied: bool) -> None:
    directory = write_tiny_model(tmp_path / "model", tied=tied)
    packed, shape = PackedModel(base_of(directory)), shape_of(str(directory))
    tensors = list(packed.base.model.parameters())
    tensors += [
        t for layer in packed.layers.values() if layer.frozen for t in (layer.frozen.weight_DE, layer.frozen.weight_ED)
    ]
    held = {t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors}
    assert memory.weights_bytes(shape, numerics_here(shape)) == sum(held.values())


def test_quantized_weights_are_half_a_byte_and_their_scales() -> None:
    import bitsandbytes.functional as bnb

    weight = torch.randn(256, 512)
    packed, state = bnb.quantize_4bit(weight, blocksize=64, compress_statistics=True, quant_type="nf4")
    scales = state.absmax.nbytes + state.state2.absmax.nbytes
    assert memory.NF4_BYTES * weight.numel() == pytest.approx(packed.nbytes + scales, rel=1e-3)


def test_activations_are_what_the_backward_pass_reads(tmp_path: Path) -> None:
    """Saved tensors of a real step, without weights, per token: the formula leaves out small change only."""
    directory = write_tiny_model(tmp_path / "model", layers=4)
    packed, shape = PackedModel(base_of(directory)), shape_of(str(directory))

    def saved_bytes(rows: int) -> int:
        trial = Slot(packed, 0, _recipe(rows), _rows(rows, shape.vocab, 0))
        known = {p.untyped_storage().data_ptr() for p in packed.base.model.parameters()}
        known |= {p.untyped_storage().data_ptr() for pair in packed.adapter(0).values() for p in (pair.A, pair.B)}
        seen: dict[int, int] = {}

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            storage = tensor.untyped_storage()
            if storage.data_ptr() not in known:
                seen[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            packed_step(packed, [trial])
        packed.remove_adapter(0)
        return sum(seen.values())

    per_token = (saved_bytes(8) - saved_bytes(4)) / (4 * 32)
    assert memory.activation_bytes_per_token(shape, numerics_here(shape)) == pytest.approx(per_token, rel=0.25)


def test_the_larger_of_training_and_answering_counts(tiny_model_dir: Path) -> None:
    shape = shape_of(str(tiny_model_dir))
    settings: dict[str, Any] = {"slots": 2, "rank": 4, "preset": "mlp", "optimizer": "adamw"}
    few = host_memory(shape, numerics_here(shape), **settings, step_tokens=4, positions=4)
    assert few.total == few.weights + few.slots + few.runtime + max(few.activations, few.kv_cache)
    assert few.slots == 2 * 16 * shape.lora_parameters(4, "mlp")
    averaged = host_memory(shape, numerics_here(shape), **settings, step_tokens=4, positions=4, averaged=True)
    assert averaged.slots == 2 * 20 * shape.lora_parameters(4, "mlp")
    shared = host_memory(shape, numerics_here(shape), **settings, step_tokens=4, positions=4, shared=True)
    assert shared.total == few.total + few.weights + few.slots + few.kv_cache + few.runtime
    many = host_memory(shape, numerics_here(shape), **settings, step_tokens=4, positions=1 << 30)
    assert many.kv_cache == memory.MAX_POSITIONS * 2 * 2 * 32 * numerics_here(shape).dtype_bytes


def test_measuring_shows_steps_and_a_line_through_them(tiny_model_dir: Path) -> None:
    measured = measure(str(tiny_model_dir), quantization="nf4", residency="auto", device="cpu", threads=1)
    assert [(step.slots, step.tokens) for step in measured.steps] == [(1, 32), (1, 128), (2, 256), (4, 512)]
    assert all(step.seconds > 0 and step.rate == step.tokens / step.seconds for step in measured.steps)
    assert measured.shape == shape_of(str(tiny_model_dir))
    assert measured.memory_bytes > 50 << 20
    steps = tuple(dataclasses.replace(step, seconds=0.5 + 0.002 * step.tokens) for step in measured.steps)
    line = dataclasses.replace(measured, steps=steps).line
    assert (line.fixed_s, line.token_s) == pytest.approx((0.5, 0.002))
    assert line.deviation == pytest.approx(0, abs=1e-9)
    assert line.rate(250) == pytest.approx(250)


class TestFileTokenizer:
    """As Transformers' own, for all that a plan asks."""

    def test_ids_and_prompts(self, tiny_model_dir: Path) -> None:
        from transformers import AutoTokenizer

        own, theirs = FileTokenizer(tiny_model_dir), AutoTokenizer.from_pretrained(tiny_model_dir)
        assert own.eos_token_id == theirs.eos_token_id
        assert set(theirs.all_special_ids) <= set(own.all_special_ids)
        talk = [{"role": "system", "content": ""}, {"role": "user", "content": "Où? 東京\n"}]
        for more in ({}, {"add_generation_prompt": True}):
            text = own.apply_chat_template(talk, **more)
            assert text == theirs.apply_chat_template(talk, tokenize=False, **more)
            assert own(text)["input_ids"] == theirs(text)["input_ids"]
            assert own.decode(own(text)["input_ids"]) == theirs.decode(theirs(text)["input_ids"])

    @pytest.mark.parametrize(
        ("template", "expected"),
        [
            ("{{ messages[0]['content'] | tojson }}", '"é<b>"'),
            ([{"name": "tools", "template": "T"}, {"name": "default", "template": "D"}], "D"),
            ("{{ strftime_now('%Y') | length }}{{ eos_token }}", "4<|im_end|>"),
            ("{% for m in messages %}{% if m.role == 'user' %}{% break %}{% endif %}{% endfor %}x", "x"),
        ],
    )
    def test_dialects(self, tmp_path: Path, template: Any, expected: str) -> None:
        directory = self.with_template(tmp_path, template)
        talk = [{"role": "user", "content": "é<b>"}]
        assert FileTokenizer(directory).apply_chat_template(talk) == expected

    @pytest.mark.parametrize("template", ["{% for %}", [{"name": "tools", "template": "T"}]])
    def test_a_template_that_cannot_be_read(self, tmp_path: Path, template: Any) -> None:
        with pytest.raises(ModelError, match="cannot read the tokenizer"):
            FileTokenizer(self.with_template(tmp_path, template))

    def test_templates_are_sandboxed(self, tmp_path: Path) -> None:
        from jinja2.exceptions import SecurityError

        directory = self.with_template(tmp_path, "{{ ''.__class__.__mro__[1].__subclasses__() }}")
        with pytest.raises(SecurityError):
            FileTokenizer(directory).apply_chat_template([])

    @staticmethod
    def with_template(tmp_path: Path, template: Any) -> Path:
        directory = write_tiny_model(tmp_path / "model", template=False)
        file = directory / "tokenizer_config.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | {"chat_template": template}))
        return directory
