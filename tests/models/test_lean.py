"""Norms and rotary embeddings in fewer operators are those of Transformers, and anything else is left alone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

from raykft.data.encode import EncodedRow
from raykft.models import lean
from raykft.models.lean import make_lean, undo
from raykft.models.load import BaseModel
from raykft.models.packed import PackedModel
from raykft.models.source import ModelSource
from raykft.testing.contracts import RECIPE
from raykft.testing.operators import count
from raykft.train.loop import packed_step
from raykft.train.slot import Slot

pytestmark = pytest.mark.torch
COMMON: dict[str, Any] = {
    "vocab_size": 96,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
HEADS = {"head_dim": 16, "query_pre_attn_scalar": 16}
# Configuration, and how many modules of two layers are replaced: norms (the last one too) and attention layers.
FAMILIES: dict[str, tuple[Callable[[], Any], int]] = {
    "llama": (lambda: LlamaConfig(**COMMON), 5 + 2),
    "qwen2": (lambda: Qwen2Config(**COMMON), 5 + 2),
    "qwen3": (lambda: Qwen3Config(**COMMON, head_dim=8), 9 + 2),
    "mistral": (lambda: MistralConfig(**COMMON), 5 + 2),
    "gemma2": (lambda: Gemma2Config(**COMMON, **HEADS), 9 + 2),
    "gemma3": (lambda: Gemma3TextConfig(**COMMON, **HEADS, sliding_window=8), 13 + 2),
    "phi3": (lambda: Phi3Config(**COMMON, partial_rotary_factor=0.5), 5 + 2),  # half of each head is not turned
}


def model_of(family: str, dtype: torch.dtype = torch.float32) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(FAMILIES[family][0](), dtype=dtype, attn_implementation="eager")
    for name, parameter in model.named_parameters():
        if "norm" in name:  # ones or zeros would hide how they enter
            parameter.data.add_(torch.randn_like(parameter) / 4)
    return model.requires_grad_(False).train()


def results(model: Any, seed: int = 0) -> list[torch.Tensor]:
    """Logits, and the gradient of the embeddings."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(0, 96, (2, 12), generator=generator)
    embedded = model.get_input_embeddings()(ids).detach().requires_grad_()
    logits = model(inputs_embeds=embedded).logits
    upstream = torch.randn(logits.shape, generator=generator).to(logits.dtype)
    return [logits.detach(), *torch.autograd.grad(logits, embedded, upstream)]


@pytest.mark.parametrize("family", FAMILIES)
def test_the_same_results_to_the_last_bit_forward_and_nearly_backward(family: str) -> None:
    model = model_of(family)
    expected = results(model)
    assert make_lean(model) == FAMILIES[family][1]
    logits, gradient = results(model)
    assert torch.equal(logits, expected[0])
    assert float((gradient - expected[1]).norm() / expected[1].norm()) < 1e-6
    undo(model)
    assert all(torch.equal(a, b) for a, b in zip(results(model), expected, strict=True))


@pytest.mark.parametrize("family", ["llama", "gemma3"])
def test_in_bf16_they_are_as_near_to_fp32_as_those_of_transformers(family: str) -> None:
    exact, model = model_of(family, torch.bfloat16).float(), model_of(family, torch.bfloat16)
    right, usual = ([results(each, seed) for seed in range(8)] for each in (exact, model))
    assert make_lean(model)
    ours = [results(model, seed) for seed in range(8)]

    def error(found: list[list[torch.Tensor]], which: int) -> float:
        pairs = zip(found, right, strict=True)
        return sum(float((a[which].float() - b[which]).norm() / b[which].norm()) for a, b in pairs)

    for which in (0, 1):
        assert ours[0][which].dtype is torch.bfloat16
        assert error(ours, which) < 1.1 * error(usual, which)


class LayerRMSNorm(nn.Module):
    """Called like one, and another: it takes the mean off too."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8), requires_grad=False)
        self.eps = 1e-6

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.layer_norm(x, (8,), self.weight, eps=self.eps)


def test_what_computes_something_else_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    norm = LayerRMSNorm()
    assert make_lean(norm) == 0
    assert "forward" not in norm.__dict__

    def interleaved(q: torch.Tensor, k: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> Any:
        def turned(x: torch.Tensor) -> torch.Tensor:
            other = torch.stack([-x[..., 1::2], x[..., ::2]], -1).flatten(-2)
            return x * cos.unsqueeze(1) + other * sin.unsqueeze(1)

        return turned(q), turned(k)

    model = model_of("llama")
    attention = model.model.layers[0].self_attn
    seen = type(attention).forward.__globals__
    for rotation, replaced in ((interleaved, 5), (lambda q, k: (q, k), 5), (None, 5), (seen[lean.ROTATE], 7)):
        with monkeypatch.context() as patch:
            patch.setitem(seen, lean.ROTATE, rotation)
            assert make_lean(copy.deepcopy(model)) == replaced


def test_a_trained_norm_is_left_alone() -> None:
    model = model_of("llama")
    model.model.norm.weight.requires_grad_()
    assert make_lean(model) == 6


def test_factors_of_rotations_are_made_once_a_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of("gemma3")  # two kinds of layers
    make_lean(model)
    made: list[int] = []
    usual = torch.cat

    def cat(tensors: Any, dim: int = 0, **more: Any) -> torch.Tensor:
        made.append(tensors[0].dim())
        return usual(tensors, dim, **more)

    monkeypatch.setattr(torch, "cat", cat)
    monkeypatch.setattr(lean, "_kept", {})
    results(model)
    kinds = len(set(model.config.layer_types))
    assert len(lean._kept) == kinds
    for _ in range(3):
        results(model)
        assert len(lean._kept) <= lean._KEPT


def packed_of(family: str) -> PackedModel:
    model = model_of(family)
    return PackedModel(
        BaseModel(model, None, ModelSource(family, family, ""), "none", "dequantized", torch.device("cpu"), False)
    )


def test_a_step_takes_no_more_operators_than_it_needs() -> None:
    """On a GPU each is a launch. Beside its seven products a layer has two norms, a rotation, attention, a gate and the
    sums where ways meet."""
    per_layer, rest = {}, {}
    for slots in (1, 3):
        totals = []
        for layers in (2, 4):
            with pytest.MonkeyPatch.context() as patch:
                patch.setitem(COMMON, "num_hidden_layers", layers)
                packed = packed_of("llama")
            rows = [EncodedRow((5, 6, 7 + n, 8, 9, 10 + n), 3) for n in range(4)]
            recipe = replace(RECIPE, batch_size=2, epochs=10)
            trials = [Slot(packed, n, replace(recipe, seed=n), rows) for n in range(slots)]
            packed_step(packed, trials)
            totals.append(count(lambda: packed_step(packed, trials)).total())  # noqa: B023 (called at once)
        per_layer[slots] = (totals[1] - totals[0]) / 2
        rest[slots] = totals[0] - 2 * per_layer[slots]
    assert per_layer[1] <= 131
    assert per_layer[3] - per_layer[1] <= 2 * 60  # of a slot: 7 times 6 products, the rest its attention
    assert rest[3] - rest[1] <= 2 * 20
