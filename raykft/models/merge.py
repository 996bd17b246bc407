"""One model out of base and adapter: what was evaluated, as weights that any program loads.

A trial is scored on the quantized base, that is on its rounded weights. Merged are those same rounded weights with the
adapter added, `W' = round_trip(W) + scale * B A`, computed in fp32 and stored in bf16; merging into the original
weights would give a model that nobody has scored. Layers without an adapter keep their rounded weights too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from raykft.errors import ModelError
from raykft.models.adapter_files import load_adapter
from raykft.models.load import BaseModel, load_base
from raykft.models.packed import PackedModel
from raykft.models.proof import SLOT, Distance, distance, logits_of, plain
from raykft.models.source import ModelSource
from raykft.models.targets import HEAD


def load_rounded(source: ModelSource, quantization: str, compute_dtype: str = "auto") -> BaseModel:
    """The base model on the CPU with the weights that trials are scored on, dequantized."""
    return load_base(
        source,
        quantization=quantization,
        residency="dequantized",
        device=torch.device("cpu"),
        compute_dtype=compute_dtype,
    )


@torch.no_grad()
def merge_adapter(base: BaseModel, adapter: Path, rows: Sequence[Sequence[int]] = ()) -> tuple[Any, Distance | None]:
    """Add the adapter in `adapter` to the weights of `base`; returns its model in bf16, plain layers again, and its
    distance from base and adapter.

    A head that is tied to the embeddings and has an adapter becomes a matrix of its own: embeddings stay as they are.

    Args:
        rows: token ids of the texts on which the distance is measured; none where there are none.

    Raises:
        ModelError: the directory holds no LoRA adapter, or one of another base model.
    """
    packed = PackedModel(base)
    load_adapter(packed, SLOT, adapter)
    pairs = packed.adapter(SLOT)
    scored = logits_of(packed, rows)
    model: Any = plain(packed)
    for name, pair in pairs.items():
        linear = model.get_submodule(name)
        weight = linear.weight.float() + pair.scale * (pair.B @ pair.A)
        linear.weight = nn.Parameter(weight.to(linear.weight.dtype), requires_grad=False)
        if name.rsplit(".", 1)[-1] == HEAD:
            model.config.tie_word_embeddings = False
            model.config.get_text_config().tie_word_embeddings = False
    merged = model.to(torch.bfloat16).eval()
    found = [merged(torch.tensor([list(row)])).logits[0].float() for row in rows]
    return merged, distance(scored, found)


def write_merged(base: BaseModel, adapter: Path, out: Path, rows: Sequence[Sequence[int]] = ()) -> Distance | None:
    """Merge and write safetensors, config and tokenizer into the directory `out`; returns what `merge_adapter` does."""
    model, distance = merge_adapter(base, adapter, rows)
    try:
        model.save_pretrained(out)
        base.tokenizer.save_pretrained(out)
    except OSError as error:
        raise ModelError(f"cannot write the merged model to {out}: {error}") from error
    config = out / "config.json"
    tree = json.loads(config.read_text(encoding="utf-8"))
    # Where the base lay on this machine is nobody else's business.
    tree.pop("_name_or_path", None)
    config.write_text(json.dumps(tree, indent=2) + "\n", encoding="utf-8")
    return distance
