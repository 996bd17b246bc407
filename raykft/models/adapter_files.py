"""Adapters on disk: standard PEFT directories (`adapter_config.json`, `adapter_model.safetensors`)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import nn

from raykft.errors import ModelError
from raykft.models.adapter_layout import PREFIX, check_whole, read_layout
from raykft.models.lowrank import LoraPair
from raykft.models.packed import PackedModel
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS, write_json


def save_adapter(directory: Path, pairs: dict[str, LoraPair], *, base_name: str, alpha: float, dropout: float) -> None:
    """Write the adapter so that `peft.PeftModel.from_pretrained(base, directory)` reproduces its logits."""
    directory.mkdir(parents=True, exist_ok=True)
    # Copies: trained factors are views of one buffer, which safetensors does not write.
    tensors = {key: tensor.contiguous().clone() for key, tensor in tensors_of(pairs).items()}
    rank = next(iter(pairs.values())).A.shape[0]
    scratch = directory / f".{ADAPTER_WEIGHTS}"
    save_file(tensors, scratch, metadata={"format": "pt"})
    scratch.replace(directory / ADAPTER_WEIGHTS)
    write_json(
        directory / ADAPTER_CONFIG,
        _peft_config(sorted({n.rsplit(".", 1)[-1] for n in pairs}), rank, base_name, alpha, dropout),
    )


def tensors_of(pairs: Mapping[str, LoraPair]) -> dict[str, torch.Tensor]:
    """The factors in main memory by the keys that PEFT gives them."""
    return {
        f"{PREFIX}{name}.lora_{factor}.weight": matrix.detach().to("cpu")
        for name, pair in pairs.items()
        for factor, matrix in (("A", pair.A), ("B", pair.B))
    }


def _peft_config(targets: list[str], rank: int, base_name: str, alpha: float, dropout: float) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base_name,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": dropout,
        "bias": "none",
        "fan_in_fan_out": False,
        "target_modules": targets,
        "inference_mode": True,
    }


def load_adapter(packed: PackedModel, slot: int, directory: Path) -> dict[str, Any]:
    """Attach a PEFT LoRA directory to `slot`, whoever trained it. Returns its config.

    Raises:
        ModelError: it is no plain LoRA adapter that is whole and finite, or belongs to another base model; nothing has
            been attached then.
    """
    layout = read_layout(directory)
    for name, module in layout.modules.items():
        layer = packed.layers.get(name)
        if layer is None or (module.inputs, module.outputs) != (layer.base.in_features, layer.base.out_features):
            raise ModelError(f"{directory}: module {name!r} does not fit base model {packed.base.source.name!r}")
    check_whole(directory, layout, list(packed.layers))
    tensors = load_file(directory / ADAPTER_WEIGHTS)
    for name, key in layout.base_layers.items():
        _check_base_layer(packed, directory, name, tensors[key])
    for name, module in layout.modules.items():
        A, B = (nn.Parameter(tensors[key].float().to(packed.device)) for key in (module.A, module.B))
        packed.layers[name].pairs[slot] = LoraPair(A, B, module.scale)
    return layout.config


def _check_base_layer(packed: PackedModel, directory: Path, name: str, saved: torch.Tensor) -> None:
    """PEFT saves the layer below an adapter of the head or the embeddings; it has to be that of the base model."""
    try:
        own = packed.base.model.get_parameter(f"{name}.weight")
    except AttributeError:
        layer = packed.layers.get(name)
        own = layer.base.weight if layer is not None else None
    if own is None or own.shape != saved.shape:
        raise ModelError(f"{directory}: {name} does not fit base model {packed.base.source.name!r}")
    # It may have been saved in another type than the base is held in.
    kinds = {saved.dtype, own.dtype}
    coarse = next((t for t in (torch.float16, torch.bfloat16) if t in kinds), torch.float32)
    if not torch.equal(saved.to(coarse).cpu(), own.detach().to(coarse).cpu()):
        raise ModelError(f"{directory}: it holds a trained {name}, and only its low-rank factors could be applied")


def adapter_digest(directory: Path) -> str:
    """SHA-256 of what an adapter computes: its weights, and its config but for where its base model lies."""
    digest = hashlib.sha256()
    with (directory / ADAPTER_WEIGHTS).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    config = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
    config.pop("base_model_name_or_path", None)
    digest.update(json.dumps(config, sort_keys=True).encode())
    return digest.hexdigest()
