"""The compute type: chosen by rates, told by config or environment, and casting that leaves buffers alone."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from raykft.errors import ConfigError
from raykft.models import dtype as module
from raykft.models.dtype import choose_dtype, measure_rates
from raykft.models.load import load_base
from raykft.models.numerics import Rates
from raykft.models.packed import Block, PackedModel
from raykft.models.shape import assumed_shape
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("rates", "chosen"), [(Rates(90.0, 200.0), torch.bfloat16), (Rates(150.0, 88.0), torch.float32)]
)
def test_auto_takes_the_faster_type(monkeypatch: pytest.MonkeyPatch, rates: Rates, chosen: torch.dtype) -> None:
    monkeypatch.delenv(module.OVERRIDE)
    monkeypatch.setattr(module, "measure_rates", lambda shape: rates)
    assert choose_dtype("auto", CPU, None) is chosen
    assert choose_dtype("fp32", CPU, None) is torch.float32
    assert choose_dtype("bf16", CPU, None) is torch.bfloat16
    monkeypatch.setenv(module.OVERRIDE, "bf16")
    assert choose_dtype("auto", CPU, None) is torch.bfloat16
    assert choose_dtype("fp32", CPU, None) is torch.float32  # what a config says stands
    monkeypatch.setenv(module.OVERRIDE, "fp8")
    with pytest.raises(ConfigError, match="DTYPE 'fp8' is no type to compute in; use one of: auto, bf16"):
        choose_dtype("auto", CPU, None)


def test_rates_are_those_of_the_models_own_shapes() -> None:
    shape = assumed_shape(1e6)
    assert (shape.hidden, shape.intermediate) in module._products(shape)
    found = measure_rates(shape)
    assert min(found.fp32_gflops, found.bf16_gflops) > 0
    assert found.as_dict().keys() == {"fp32_gflops", "bf16_gflops", "chosen"}


@pytest.mark.parametrize(("asked", "dtype"), [("bf16", torch.bfloat16), ("fp32", torch.float32)])
def test_parameters_are_cast_and_rotary_frequencies_are_not(
    tiny_model_dir: Path, asked: str, dtype: torch.dtype
) -> None:
    base = load_base(
        resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=CPU, compute_dtype=asked
    )
    assert base.model.dtype is dtype
    assert {p.dtype for p in base.model.parameters()} == {dtype}
    assert base.model.model.rotary_emb.inv_freq.dtype is torch.float32
    assert base.model.lm_head.weight.data_ptr() == base.model.model.embed_tokens.weight.data_ptr()  # still tied


def test_bf16_computes_what_fp32_does_up_to_rounding(tiny_model_dir: Path) -> None:
    ids = list(range(5, 45))
    found = {}
    for asked in ("fp32", "bf16"):
        base = load_base(
            resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=CPU, compute_dtype=asked
        )
        packed = PackedModel(base)
        with torch.no_grad():
            (hidden,) = packed.hidden([Block(None, [ids])])
            (logits,) = packed.logits([(None, hidden)])
        found[asked] = logits.log_softmax(-1)
    assert found["bf16"].dtype is torch.float32
    assert (found["fp32"] - found["bf16"]).abs().max() < 0.1
