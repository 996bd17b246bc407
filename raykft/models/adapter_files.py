"""Adapters on disk: standard PEFT directories (`adapter_config.json`, `adapter_model.safetensors`)."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from raykft.errors import ModelError
from raykft.models.lowrank import LoraPair
from raykft.models.packed import PackedModel
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS, write_json

PREFIX = "base_model.model."


def save_adapter(directory: Path, pairs: dict[str, LoraPair], *, base_name: str, alpha: float, dropout: float) -> None:
    """Write the adapter so that `peft.PeftModel.from_pretrained(base, directory)` reproduces its logits."""
    directory.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, torch.Tensor] = {}
    for name, pair in pairs.items():
        tensors[f"{PREFIX}{name}.lora_A.weight"] = pair.A.detach().to("cpu").contiguous().clone()
        tensors[f"{PREFIX}{name}.lora_B.weight"] = pair.B.detach().to("cpu").contiguous().clone()
    rank = next(iter(pairs.values())).A.shape[0]
    scratch = directory / f".{ADAPTER_WEIGHTS}"
    save_file(tensors, scratch, metadata={"format": "pt"})
    scratch.replace(directory / ADAPTER_WEIGHTS)
    write_json(
        directory / ADAPTER_CONFIG,
        _peft_config(sorted({n.rsplit(".", 1)[-1] for n in pairs}), rank, base_name, alpha, dropout),
    )


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
        ModelError: no such files, not LoRA, or modules or shapes that this base model does not have.
    """
    try:
        config = json.loads((directory / ADAPTER_CONFIG).read_text(encoding="utf-8"))
        tensors = load_file(directory / ADAPTER_WEIGHTS)
    except OSError as error:
        raise ModelError(f"{directory} is no PEFT adapter directory: {error}") from error
    unsupported = [k for k in ("use_dora", "use_rslora", "rank_pattern", "alpha_pattern") if config.get(k)]
    if config.get("peft_type") != "LORA" or config.get("bias", "none") != "none" or unsupported:
        found = unsupported or config.get("peft_type")
        raise ModelError(f"{directory}: only plain LoRA adapters without bias can be read; found {found}")
    for key in [k for k in tensors if k.endswith(".lora_A.weight")]:
        name = key.removeprefix(PREFIX).removesuffix(".lora_A.weight")
        layer = packed.layers.get(name)
        A, B = tensors[key].float(), tensors[key.replace("lora_A", "lora_B")].float()
        if layer is None or (A.shape[1], B.shape[0]) != (layer.base.in_features, layer.base.out_features):
            raise ModelError(f"{directory}: module {name!r} does not fit base model {packed.base.source.name!r}")
        scale = config["lora_alpha"] / config["r"]
        layer.pairs[slot] = LoraPair(
            torch.nn.Parameter(A.to(packed.device)), torch.nn.Parameter(B.to(packed.device)), scale
        )
    return dict(config)


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
