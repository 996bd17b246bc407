"""The type a host computes in, chosen by multiplying some of its model's own shapes in both.

bf16 is the faster one on GPUs and on CPUs with matrix units (AMX) or bf16 dot products (avx512_bf16); elsewhere oneDNN
emulates it, and fp32 wins (docs/decisions/012). The frozen weights are the rounded bf16 values either way; adapters,
their gradients and moments are fp32 in both.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Sequence

import torch

from raykft.errors import ConfigError
from raykft.models.numerics import Rates
from raykft.models.shape import ModelShape

OVERRIDE = "RAYKFT_COMPUTE_DTYPE"  # what `auto` is, without measuring
DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
SECONDS = 0.05  # of multiplying, all shapes and both types together
ROWS = 64  # of the left factor: a small training step
MOST_COLUMNS = 8192  # of the head, which has as many as the vocabulary
SMALL = ((576, 576), (576, 1536), (1536, 576))  # where no model says otherwise: SmolLM2's


def choose_dtype(asked: str, device: torch.device, shape: ModelShape | None) -> torch.dtype:
    """The type for `resources.compute_dtype` "bf16", "fp32" or "auto".

    Raises:
        ConfigError: the environment variable `RAYKFT_COMPUTE_DTYPE` names no type.
    """
    if asked == "auto":
        asked = os.environ.get(OVERRIDE, "auto")
    if asked == "auto":
        return torch.bfloat16 if device.type == "cuda" else DTYPES[measure_rates(shape).chosen]
    if asked not in DTYPES:
        raise ConfigError(f"{OVERRIDE} {asked!r} is no type to compute in; use one of: auto, {', '.join(DTYPES)}")
    return DTYPES[asked]


def measure_rates(shape: ModelShape | None = None) -> Rates:
    """Products a second of this CPU, in both types, with the threads that torch has now."""
    found = {name: _gflops(dtype, _products(shape)) for name, dtype in DTYPES.items()}
    return Rates(fp32_gflops=found["fp32"], bf16_gflops=found["bf16"])


def has_bf16_units() -> bool:
    """Whether this CPU has instructions for bf16 products, and need not emulate them."""
    return bool(torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported())


def _products(shape: ModelShape | None) -> Sequence[tuple[int, int]]:
    if shape is None:
        return SMALL
    hidden, wide = shape.hidden, shape.intermediate
    return (hidden, shape.query_size), (hidden, wide), (wide, hidden), (hidden, min(shape.vocab, MOST_COLUMNS))


def _gflops(dtype: torch.dtype, shapes: Sequence[tuple[int, int]]) -> float:
    """The rate over one product of every shape: as a model needs them all, slow ones count for their time."""
    generator = torch.Generator().manual_seed(0)
    seconds = 0.0
    for columns, rows in shapes:
        x = torch.randn(ROWS, columns, generator=generator).to(dtype)
        weight = torch.randn(rows, columns, generator=generator).to(dtype)
        x @ weight.t()  # the first one sets things up
        until = time.perf_counter() + SECONDS / len(shapes) / len(DTYPES)
        times: list[float] = []
        while not times or time.perf_counter() < until:
            started = time.perf_counter()
            x @ weight.t()
            times.append(time.perf_counter() - started)
        seconds += statistics.median(times)
    return sum(2 * ROWS * columns * rows for columns, rows in shapes) / seconds / 1e9
