"""Adapters from anywhere: read to the logits that PEFT gives them, or refused in one sentence that says why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from raykft.errors import ModelError
from raykft.models.adapter_files import load_adapter
from raykft.models.adapter_layout import check_adapter, read_layout
from raykft.models.load import load_base
from raykft.models.packed import Block, PackedModel
from raykft.models.shape import ModelShape, shape_of
from raykft.models.source import resolve_model

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore")]
ROW = [1, 10, 40, 50, 60, 70, 99, 120, 7]
ALL = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]
FIRST = "base_model.model.model.layers.0.mlp.down_proj"
Tensors = dict[str, torch.Tensor]


@pytest.fixture(scope="module")
def shape(tiny_model_dir: Path) -> ModelShape:
    return shape_of(str(tiny_model_dir))


@pytest.fixture(scope="module")
def packed(tiny_model_dir: Path) -> PackedModel:
    source = resolve_model(str(tiny_model_dir))
    return PackedModel(load_base(source, quantization="none", residency="auto", device=torch.device("cpu")))


def logits(packed: PackedModel, slot: int | None) -> torch.Tensor:
    with torch.no_grad():
        (hidden,) = packed.hidden([Block(slot, [ROW])])
        return packed.logits([(slot, hidden)])[0].float()


def write_peft(model: Path, directory: Path, **settings: Any) -> torch.Tensor:
    """An adapter of random weights as PEFT writes it; returns the logits PEFT has with it."""
    from peft import LoraConfig, get_peft_model
    from transformers import AutoModelForCausalLM

    torch.manual_seed(1)
    base = AutoModelForCausalLM.from_pretrained(model, dtype=torch.float32)
    wrapped = get_peft_model(base, LoraConfig(**{"r": 4, "lora_alpha": 8, "target_modules": ALL} | settings)).eval()
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            torch.nn.init.normal_(parameter, std=0.2)
    wrapped.save_pretrained(directory)
    with torch.no_grad():
        found: torch.Tensor = wrapped(torch.tensor([ROW])).logits[0].float()
    return found


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"use_rslora": True},
        {"rank_pattern": {"q_proj": 8, r"layers\.1\.mlp\.up_proj": 2}, "alpha_pattern": {"q_proj": 32}},
        {"use_rslora": True, "rank_pattern": {"v_proj": 1}},
        {"target_modules": "all-linear"},
        {"target_modules": r".*\.(q|v)_proj"},
        {"layers_to_transform": [1]},
        {"layers_to_transform": 0, "layers_pattern": "layers"},
        {"exclude_modules": ["layers.0.mlp.up_proj"]},
        {"target_modules": [*ALL, "lm_head"]},
        {"init_lora_weights": "gaussian", "lora_dropout": 0.3},
    ],
    ids=lambda settings: "-".join(settings) or "plain",
)
def test_what_is_read_computes_what_peft_computes(
    packed: PackedModel, shape: ModelShape, tiny_model_dir: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    theirs = write_peft(tiny_model_dir, tmp_path, **settings)
    check_adapter(tmp_path, shape)
    load_adapter(packed, 3, tmp_path)
    try:
        ours = logits(packed, 3)
    finally:
        for layer in packed.layers.values():
            layer.pairs.pop(3, None)
    assert (theirs - logits(packed, None)).abs().max() > 0.05  # the adapter does something
    assert (ours - theirs).abs().max() <= 1e-4 * theirs.abs().max()


@pytest.fixture
def plain(tiny_model_dir: Path, tmp_path: Path) -> Path:
    write_peft(tiny_model_dir, tmp_path)
    return tmp_path


def renamed(tensors: Tensors, change: Callable[[str], str]) -> Tensors:
    return {change(key): value for key, value in tensors.items()}


def with_value(tensors: Tensors, value: float, dtype: torch.dtype = torch.float32) -> Tensors:
    key = f"{FIRST}.lora_B.weight"
    changed = tensors[key].to(dtype).clone()
    changed[0, 0] = value
    return tensors | {key: changed}


# What is done to the tensors of a good adapter, and what is said of it then.
TENSORS: dict[str, tuple[Callable[[Tensors], Tensors], str]] = {
    "no tensor": (lambda _: {}, "no LoRA tensors found .* it is empty"),
    "only B": (lambda t: {k: v for k, v in t.items() if "lora_B" in k}, "has no lora_A beside it"),
    "only A": (lambda t: {k: v for k, v in t.items() if "lora_A" in k}, "has no lora_B beside it"),
    "one B missing": (lambda t: {k: v for k, v in t.items() if k != f"{FIRST}.lora_B.weight"}, "has no lora_B"),
    "half of the layers": (lambda t: {k: v for k, v in t.items() if "layers.0" in k}, "no tensors for: .*layers.1"),
    "a projection missing": (lambda t: {k: v for k, v in t.items() if "k_proj" not in k}, "no tensors for: .*k_proj"),
    "a layer's projection missing": (
        lambda t: {k: v for k, v in t.items() if "layers.1.self_attn.v_proj" not in k},
        r"no tensors for: model\.layers\.1\.self_attn\.v_proj$",
    ),
    "other prefix": (lambda t: renamed(t, lambda k: k.removeprefix("base_model.model.")), "no low-rank factors"),
    "compiled": (lambda t: renamed(t, lambda k: k.replace("layers.0", "layers.0._orig_mod")), "no tensors for"),
    "two adapters": (
        lambda t: (
            renamed(t, lambda k: k.replace("A.weight", "A.one.weight"))
            | renamed(t, lambda k: k.replace("A.weight", "A.two.weight"))
        ),
        "several adapters",
    ),
    "shards": (lambda t: {k: v.flatten()[:0] for k, v in t.items()}, "no matrix but of shape"),
    "NaN": (lambda t: with_value(t, float("nan")), "1 of its .* values are NaN or infinite"),
    "infinite in bf16": (lambda t: with_value(t, float("inf"), torch.bfloat16), "1 of its .* values are NaN"),
    "NaN in fp16": (lambda t: with_value(t, float("nan"), torch.float16), "1 of its .* values are NaN"),
    "eight bits": (lambda t: {k: v.to(torch.float8_e4m3fn) for k, v in t.items()}, "of type F8_E4M3"),
    "other rank": (lambda t: t | {f"{FIRST}.lora_A.weight": torch.ones(2, 128)}, "has rank 2, and .* says 4"),
    "other base": (
        lambda t: {k: torch.ones(v.shape[0] + 1, 4) if "lora_B" in k else v for k, v in t.items()},
        "is no layer of the base model",
    ),
    "bias": (lambda t: t | {f"{FIRST}.lora_B.bias": torch.ones(64)}, "no low-rank factors.*lora_B.bias"),
    "DoRA": (lambda t: t | {f"{FIRST}.lora_magnitude_vector": torch.ones(64)}, "no low-rank factors.*magnitude"),
    "embedding": (
        lambda t: t | {"base_model.model.model.embed_tokens.lora_embedding_A": torch.ones(4, 259)},
        "no low-rank factors.*lora_embedding_A",
    ),
    "trained norm": (lambda t: t | {"base_model.model.model.norm.weight": torch.ones(64)}, "no low-rank.*norm.weight"),
}


@pytest.mark.parametrize(("change", "said"), TENSORS.values(), ids=TENSORS)
def test_tensors_that_are_not_all_of_an_adapter_are_refused(
    plain: Path, shape: ModelShape, change: Callable[[Tensors], Tensors], said: str
) -> None:
    file = plain / "adapter_model.safetensors"
    save_file({k: v.clone() for k, v in change(load_file(file)).items()}, file)
    with pytest.raises(ModelError, match=said) as refused:
        check_adapter(plain, shape)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"peft_type": "LOHA"}, "peft_type is 'LOHA'"),
        ({"bias": "all"}, "bias is 'all'"),
        ({"bias": "lora_only"}, "bias is 'lora_only'"),
        ({"use_dora": True}, "use_dora=True"),
        ({"lora_bias": True}, "lora_bias=True"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save="),
        ({"trainable_token_indices": [1, 2]}, "trainable_token_indices="),
        ({"layer_replication": [[0, 2], [1, 2]]}, "layer_replication="),
        ({"alora_invocation_tokens": [5]}, "alora_invocation_tokens="),
        ({"fan_in_fan_out": True}, "fan_in_fan_out=True"),
        ({"invented_next_year": {"x": 1}}, "invented_next_year="),
        ({"init_lora_weights": "pissa"}, "init_lora_weights is 'pissa'"),
        ({"init_lora_weights": "pissa_niter_16"}, "'pissa_niter_16'"),
        ({"init_lora_weights": "olora"}, "'olora'"),
        ({"init_lora_weights": "loftq"}, "'loftq'"),
        ({"lora_alpha": None}, "lora_alpha is missing"),
        ({"lora_alpha": "16"}, "lora_alpha is '16'"),
        ({"r": 4.0}, "r is 4.0"),
        ({"r": True}, "r is True"),
        ({"rank_pattern": {"q_proj": 0}}, "q_proj is 0"),
        ({"rank_pattern": {"(": 4}}, "no regular expression"),
        ({"target_modules": "(unclosed"}, "no regular expression"),
        ({"target_modules": 3}, "target_modules is 3"),
        ({"layers_to_transform": ["0"]}, "layers_to_transform is"),
    ],
    ids=str,
)
def test_settings_that_compute_something_else_are_refused_by_name(
    plain: Path, shape: ModelShape, change: dict[str, Any], said: str
) -> None:
    file = plain / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(ModelError, match=said) as refused:
        check_adapter(plain, shape)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("adapter_model.safetensors", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("adapter_config.json", b"version https://git-lfs.github.com/spec/v1\noid sha256:1\n", "git lfs pull"),
        ("adapter_model.safetensors", b"", "cannot be read"),
        ("adapter_model.safetensors", b"\x80\x02}q\x00.", "cannot be read"),
        ("adapter_config.json", b"{'r': 4}", "not valid JSON"),
        ("adapter_config.json", b"\xff\xfe", "not valid JSON"),
        ("adapter_config.json", b"[]", "holds no settings"),
    ],
)
def test_files_that_are_no_adapter_are_refused(plain: Path, name: str, content: bytes, said: str) -> None:
    (plain / name).write_bytes(content)
    with pytest.raises(ModelError, match=said) as refused:
        read_layout(plain)
    assert str(refused.value).count("\n") == 0


def test_a_file_cut_off_anywhere_is_refused(plain: Path) -> None:
    file = plain / "adapter_model.safetensors"
    whole = file.read_bytes()
    for share in (0.001, 0.1, 0.5, 0.99):
        file.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(ModelError, match="cannot be read"):
            read_layout(plain)


def test_keys_of_a_named_adapter_are_read(packed: PackedModel, plain: Path) -> None:
    load_adapter(packed, 1, plain)
    file = plain / "adapter_model.safetensors"
    save_file(renamed(load_file(file), lambda k: k.replace(".weight", ".default.weight")), file)
    load_adapter(packed, 2, plain)
    assert torch.equal(logits(packed, 1), logits(packed, 2))
    for layer in packed.layers.values():
        layer.pairs.clear()


def test_the_layer_below_an_adapted_head_must_be_the_base_models(packed: PackedModel, plain: Path) -> None:
    file = plain / "adapter_model.safetensors"
    tensors = load_file(file)
    head = packed.layers["lm_head"].base.weight.detach().float()
    save_file(tensors | {"base_model.model.lm_head.base_layer.weight": head.clone()}, file)
    load_adapter(packed, 1, plain)
    save_file(tensors | {"base_model.model.lm_head.base_layer.weight": head + 0.1}, file)
    with pytest.raises(ModelError, match="holds a trained lm_head"):
        load_adapter(packed, 2, plain)
    assert not any(2 in layer.pairs for layer in packed.layers.values())
    for layer in packed.layers.values():
        layer.pairs.clear()


def test_an_unknown_base_model_is_checked_as_far_as_can_be(plain: Path) -> None:
    layout = check_adapter(plain, None)
    assert len(layout.modules) == 14
    assert {module.scale for module in layout.modules.values()} == {2.0}


@pytest.mark.skipif(os.name != "posix", reason="permissions")
def test_a_folder_without_the_files_says_so(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no PEFT adapter directory"):
        read_layout(tmp_path)
