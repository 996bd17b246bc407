"""Load a frozen base model: tokenizer, weights, quantization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import psutil
import torch

from raykft.errors import ModelError, ResourceError
from raykft.models.dtype import choose_dtype
from raykft.models.numerics import choose_residency, keeps_both_orders
from raykft.models.quantize import quantize_linears
from raykft.models.shape import ModelShape, shape_of_config
from raykft.models.source import ModelSource


@dataclass
class BaseModel:
    """A frozen causal language model on one device."""

    model: Any  # transformers.PreTrainedModel
    tokenizer: Any  # transformers.PreTrainedTokenizerFast
    source: ModelSource
    quantization: str
    residency: str
    device: torch.device
    both_orders: bool  # keep every weight in both memory orders (see raykft.models.lowrank)
    kernel: str = "auto"  # of low-rank products (see raykft.models.kernels)


def limit_threads(threads: int) -> None:
    """Let torch compute with so many threads in this process."""
    torch.set_num_threads(threads)


def pick_device(device: str) -> torch.device:
    """`auto` takes CUDA where there is one."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ResourceError("resources.device 'cuda': no CUDA device is visible here; use 'auto' or 'cpu'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def load_base(
    source: ModelSource,
    *,
    quantization: str,
    residency: str,
    device: torch.device,
    kernel: str = "auto",
    compute_dtype: str = "auto",
) -> BaseModel:
    """Load and quantize. The model stays in `train()` mode, gradients off; dropout in it must be zero.

    Args:
        compute_dtype: "bf16", "fp32", or "auto" for the one that is multiplied faster here.

    Raises:
        ModelError: the files are missing or are no causal language model.
        ResourceError: not enough free memory.
    """
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as hf_logging

    hf_logging.disable_progress_bar()
    try:
        config = AutoConfig.from_pretrained(source.location, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(source.location, trust_remote_code=False)
        model = AutoModelForCausalLM.from_pretrained(
            source.location,
            config=config,
            dtype=torch.bfloat16,
            use_safetensors=True,
            trust_remote_code=False,
        )
    except (OSError, ValueError) as error:
        raise ModelError(f"cannot load base_model {source.name!r}: {error}") from error
    residency = choose_residency(residency, quantization, device.type)
    model.requires_grad_(False)
    try:
        quantize_linears(model, quantization, residency, device)
        cast_parameters(model, choose_dtype(compute_dtype, device, _shape(model, source)))
    except torch.OutOfMemoryError as error:
        raise ResourceError(f"base_model {source.name!r} does not fit on {device}: {error}") from error
    # train() rather than eval(): see raykft.models.quantize; attention and hidden dropout are zero in causal models.
    model.train()
    _refuse_dropout(model)
    return BaseModel(model, tokenizer, source, quantization, residency, device, both_orders(model, device), kernel)


def cast_parameters(model: torch.nn.Module, dtype: torch.dtype) -> None:
    """Parameters in another type, and buffers as they are: the angles of rotary embeddings are fp32 frequencies times
    positions, and rounded to bf16 they are off by .9 at position 512 of a Llama 3."""
    for parameter in model.parameters():
        if parameter.is_floating_point():
            parameter.data = parameter.data.to(dtype)


def _shape(model: Any, source: ModelSource) -> ModelShape | None:
    try:
        return shape_of_config(model.config.to_dict(), source.name)
    except ModelError:  # an architecture that only loading knows
        return None


def both_orders(model: torch.nn.Module, device: torch.device) -> bool:
    """See `raykft.models.numerics.keeps_both_orders`."""
    weights_bytes = sum(p.numel() * p.element_size() for p in model.parameters())
    bytes_each = next(model.parameters()).element_size()
    return keeps_both_orders(device.type, bytes_each, weights_bytes, psutil.virtual_memory().total)


def check_memory(
    weights_bytes: int, hosts: int, per_host_extra_bytes: int = 1 << 30, *, may_be_fp32: bool = True
) -> None:
    """Refuse before loading when the hosts' copies of a model cannot fit into this machine's free memory.

    Args:
        weights_bytes: size of the bf16 weights on disk; in memory they may take twice as much (fp32).
        hosts: processes on this machine that each hold a copy.
        per_host_extra_bytes: interpreter, libraries, adapters and activations of one host.
        may_be_fp32: whether the hosts may compute in it.
    """
    needed = hosts * (weights_bytes * (2 if may_be_fp32 else 1) + per_host_extra_bytes)
    free = psutil.virtual_memory().available
    if needed > free:
        raise ResourceError(
            f"not enough memory: {hosts} host(s) need about {needed / 2**30:.1f} GiB, {free / 2**30:.1f} GiB are free; "
            "lower resources.hosts or choose a smaller base_model"
        )


def _refuse_dropout(model: Any) -> None:
    active = [n for n, m in model.named_modules() if isinstance(m, torch.nn.Dropout) and m.p > 0]
    rates = [k for k in ("attention_dropout", "attn_pdrop", "resid_pdrop") if getattr(model.config, k, 0)]
    if active or rates:
        raise ModelError(
            f"the base model has dropout of its own ({[*rates, *active][:3]}); set it to 0 in its config.json"
        )
