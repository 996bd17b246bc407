"""NF4 and LLM.int8 quantization of the linear layers, resident quantized or as their dequantized values.

Keeping the NF4-rounded weights in the compute dtype gives bit for bit the products of dequantizing them in every
forward. It also avoids a fault of bitsandbytes on CPU: an eval-mode forward repacks `Linear4bit` for inference and
later training gradients are silently wrong. Hence `quantized` residency is for CUDA, `dequantized` for CPU.

Of int8 the two are different models: bitsandbytes rounds activations to int8 as well, which moves logits by 1.3 %.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable

import torch
from torch import nn

from raykft.errors import ModelError
from raykft.models.numerics import BLOCKSIZE
from raykft.models.targets import HEAD


def _is_worth_reading(record: logging.LogRecord) -> bool:
    """False for bitsandbytes' regret, on import, that a CPU kernel which no path here calls is not installed."""
    return not str(record.msg).startswith("Failed to load CPU gemm_4bit_forward")


# With this module rather than before its own imports of bitsandbytes: other libraries may import it first.
logging.getLogger("bitsandbytes.backends.cpu.ops").addFilter(_is_worth_reading)


def quantize_linears(model: nn.Module, quantization: str, residency: str, device: torch.device) -> None:
    """Quantize every linear layer but the head, in place, and move the model to `device`.

    Args:
        quantization: "nf4" (double quantization), "int8" (row-wise absmax) or "none".
        residency: "quantized" keeps bitsandbytes layers, "dequantized" keeps the rounded values in the model's dtype.
    """
    if quantization != "none":
        if residency == "quantized" and device.type == "cpu":
            raise ModelError(
                "resources.residency 'quantized' is not available on CPU: bitsandbytes corrupts gradients there after "
                "an eval-mode forward; use 'dequantized' or 'auto' (of NF4 the products are bitwise the same)"
            )
        for name, module in list(model.named_modules()):
            if isinstance(module, nn.Linear) and name.rsplit(".", 1)[-1] != HEAD:
                _replace(model, name, module, quantization, residency, device)
    model.to(device)


def check_not_repacked(layers: Iterable[nn.Module]) -> None:
    """Refuse to go on with a `Linear4bit` whose weight an eval-mode forward on CPU has repacked for inference.

    Raises:
        ModelError: what trains next would get wrong gradients, or none.
    """
    for layer in layers:
        if getattr(getattr(layer.weight, "quant_state", None), "packing_format_for_cpu", False):
            raise ModelError(
                "bitsandbytes has repacked a 4-bit layer for inference on CPU, gradients through it would be wrong; "
                "keep the base model in train() mode, and load it with resources.residency 'dequantized' on CPU"
            )


def _replace(
    model: nn.Module, name: str, linear: nn.Linear, quantization: str, residency: str, device: torch.device
) -> None:
    if residency == "dequantized":
        rounded = round_trip(linear.weight.data.to(device), quantization)
        linear.weight = nn.Parameter(rounded, requires_grad=False)
    else:
        parent = model.get_submodule(name.rpartition(".")[0])
        setattr(parent, name.rpartition(".")[2], _bnb_layer(linear, quantization, device))


def round_trip(weight: torch.Tensor, quantization: str) -> torch.Tensor:
    """`weight` [out, in] after quantization and dequantization, same shape and dtype."""
    import bitsandbytes.functional as bnb

    if quantization == "nf4":
        packed, state = bnb.quantize_4bit(
            weight.contiguous(), blocksize=BLOCKSIZE, compress_statistics=True, quant_type="nf4"
        )
        restored: torch.Tensor = bnb.dequantize_4bit(packed, state).to(weight.dtype).reshape(weight.shape)
        return restored
    codes, absmax, _ = bnb.int8_vectorwise_quant(weight.to(torch.float16))
    rows: torch.Tensor = codes.float() * (absmax.float() / 127.0).unsqueeze(1)
    return rows.to(weight.dtype)


def _bnb_layer(linear: nn.Linear, quantization: str, device: torch.device) -> nn.Module:
    import bitsandbytes as bnb

    bias = linear.bias is not None
    layer: nn.Module
    if quantization == "nf4":
        layer = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=bias,
            compute_dtype=linear.weight.dtype,
            quant_type="nf4",
            compress_statistics=True,
            device="meta",  # else it draws weights, on the CPU and for nothing
        )
        layer.weight = bnb.nn.Params4bit(
            linear.weight.data,
            requires_grad=False,
            quant_type="nf4",
            compress_statistics=True,
            blocksize=BLOCKSIZE,
        )
    else:
        # Threshold 0: outlier columns would be chosen over all rows of a batch, so packed trials would leak.
        layer = bnb.nn.Linear8bitLt(
            linear.in_features,
            linear.out_features,
            bias=bias,
            has_fp16_weights=False,
            threshold=0.0,
            device="meta",
        )
        layer.weight = bnb.nn.Int8Params(linear.weight.data, requires_grad=False, has_fp16_weights=False)
    if bias:
        layer.bias = linear.bias
    return layer.to(device)
