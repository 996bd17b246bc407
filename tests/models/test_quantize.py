"""bitsandbytes' 4-bit layers: their fault on CPU, and that nothing here can run into it."""

from __future__ import annotations

import logging
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from raykft.errors import ModelError
from raykft.models.load import BaseModel, load_base
from raykft.models.packed import Block, PackedModel
from raykft.models.quantize import _bnb_layer, check_not_repacked
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
OUT, IN = 64, 128


@pytest.fixture
def layer() -> Any:
    """A 4-bit layer on CPU, in train mode as it is made."""
    linear = torch.nn.Linear(IN, OUT, bias=False, dtype=torch.bfloat16)
    torch.nn.init.normal_(linear.weight, generator=torch.Generator().manual_seed(0))
    return _bnb_layer(linear, "nf4", CPU)


def input_gradient(layer: Any) -> torch.Tensor | None:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(4, IN, generator=generator, dtype=torch.bfloat16).requires_grad_()
    dy = torch.randn(4, OUT, generator=generator, dtype=torch.bfloat16)
    (layer(x) * dy).sum().backward()
    return x.grad


def answer_in_eval_mode(layer: Any) -> None:
    """What an evaluation between two epochs does to a layer."""
    layer.eval()
    with torch.no_grad():
        layer(torch.ones(1, IN, dtype=torch.bfloat16))
    layer.train()


def test_an_eval_forward_on_cpu_spoils_training_in_bitsandbytes(layer: Any) -> None:
    """The fault itself. Once a release no longer has it, `quantized` residency can be allowed on CPU."""
    if not layer.support_avx512bf16_for_cpu:
        pytest.skip("this CPU lacks AVX512-BF16: bitsandbytes repacks nothing on it")
    before = input_gradient(layer)
    assert before is not None
    check_not_repacked([layer])
    answer_in_eval_mode(layer)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # "an autograd kernel was not registered"
        after = input_gradient(layer)
    assert after is None or (after - before).norm() > 0.5 * before.norm()
    with pytest.raises(ModelError, match=r"repacked.*train\(\) mode"):
        check_not_repacked([layer])


def test_a_repacked_layer_is_found_whatever_else_is_there(layer: Any) -> None:
    plain = torch.nn.Linear(2, 2)
    eight_bit = _bnb_layer(torch.nn.Linear(IN, OUT, dtype=torch.bfloat16), "int8", CPU)
    check_not_repacked([plain, eight_bit, layer])
    layer.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(ModelError, match="repacked"):
        check_not_repacked([plain, eight_bit, layer])


def load(directory: Path, residency: str = "auto") -> BaseModel:
    return load_base(resolve_model(str(directory)), quantization="nf4", residency=residency, device=CPU)


def test_no_base_model_on_cpu_has_a_layer_to_repack(tiny_model_dir: Path) -> None:
    with pytest.raises(ModelError, match="not available on CPU"):
        load(tiny_model_dir, "quantized")
    packed = PackedModel(load(tiny_model_dir))
    assert packed.quantized == []
    modules = list(packed.base.model.modules())
    assert {type(m).__module__.split(".")[0] for m in modules}.isdisjoint({"bitsandbytes"})
    assert all(m.training for m in modules)


def test_every_pass_checks_the_quantized_layers(tiny_model_dir: Path, layer: Any) -> None:
    packed = PackedModel(load(tiny_model_dir))
    packed.quantized = [layer]  # as on a GPU
    packed.hidden([Block(None, [[1, 2, 3]])])
    layer.weight.quant_state.packing_format_for_cpu = True
    with pytest.raises(ModelError, match="repacked"):
        packed.hidden([Block(None, [[1, 2, 3]])])


def test_only_the_missing_cpu_kernel_of_bitsandbytes_is_not_reported(caplog: pytest.LogCaptureFixture) -> None:
    logger = logging.getLogger("bitsandbytes.backends.cpu.ops")
    with caplog.at_level(logging.WARNING):
        logger.warning("Failed to load CPU gemm_4bit_forward from kernels-community: %s. Please", "no kernels")
        logger.warning("Failed to load something else")
        logging.getLogger("bitsandbytes.backends.utils").warning("Failed to load CPU gemm_4bit_forward elsewhere")
    assert caplog.messages == ["Failed to load something else", "Failed to load CPU gemm_4bit_forward elsewhere"]


def test_quantizing_on_cpu_prints_nothing() -> None:
    code = "import torch; from raykft.models.quantize import round_trip; round_trip(torch.ones(8, 64), 'nf4')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "")


@pytest.mark.parametrize("quantization", ["nf4", "int8"])
@pytest.mark.parametrize("bias", [False, True])
def test_making_a_quantized_layer_draws_nothing(quantization: str, bias: bool) -> None:
    """Initializing weights that are replaced at once took 27 s of an 8B model and everybody's random numbers."""
    linear = torch.nn.Linear(IN, OUT, bias=bias, dtype=torch.bfloat16)
    before = torch.get_rng_state()
    made = _bnb_layer(linear, quantization, CPU)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(p.is_meta for p in made.parameters())
    x = torch.randn(3, IN, dtype=torch.bfloat16)
    assert (made(x) - linear(x)).abs().max() < 0.3 * linear(x).abs().max()
