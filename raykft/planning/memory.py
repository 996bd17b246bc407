"""What a training host needs in memory, worked out from the model's shape. No torch: tests hold this arithmetic
against real layers.

All sizes are bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from raykft.models.numerics import (
    BLOCKSIZE,
    CHUNK_LOGITS,
    FP32_BYTES,
    MAX_POSITIONS,
    choose_residency,
    dtype_bytes,
    keeps_both_orders,
)
from raykft.models.shape import ModelShape

STATE_BLOCKSIZE = 256
# Half a byte a weight; a block's scale is one byte and every 256 scales share one of four bytes (double quantization).
NF4_BYTES = 0.5 + 1 / BLOCKSIZE + 4 / (BLOCKSIZE * STATE_BLOCKSIZE)
# fp32 weight and gradient, and AdamW's two moments in fp32 or in 8 bits.
TRAINED_BYTES = {"adamw": 16, "adamw8bit": 10, "paged_adamw8bit": 10}
# Logits, their gradient in fp32 and its copy in the compute dtype.
LOGIT_COPIES = 3
# Interpreter and libraries of a host on a CPU; context, cuBLAS workspaces and kernels of one on a GPU.
RUNTIME = {"cpu": 600 << 20, "cuda": 1 << 30}


@dataclass(frozen=True)
class Numerics:
    """How weights lie in memory: the choices of `raykft.models.load`."""

    device: str
    quantization: str
    residency: str
    dtype_bytes: int
    both_orders: bool


@dataclass(frozen=True)
class HostMemory:
    """One host's memory. Training and answering alternate on one thread, so the larger of the two counts.

    `evaluation` is that of an evaluation host on the same device.
    """

    weights: int
    slots: int
    activations: int
    kv_cache: int
    runtime: int
    evaluation: int = 0

    @property
    def total(self) -> int:
        return self.weights + self.slots + max(self.activations, self.kv_cache) + self.runtime + self.evaluation


def numerics_of(
    shape: ModelShape, *, quantization: str, residency: str, device: str, fast_bf16: bool, machine_bytes: int
) -> Numerics:
    """The choices that loading would make (`raykft.models.numerics`).

    Args:
        residency: "auto", "quantized" or "dequantized".
        device: "cpu" or "cuda".
        fast_bf16: whether the CPU computes in bf16, because it multiplies it faster.
        machine_bytes: all memory of the machine.
    """
    size = dtype_bytes(device, fast_bf16=fast_bf16)
    both_orders = keeps_both_orders(device, size, shape.parameters * size, machine_bytes)
    return Numerics(device, quantization, choose_residency(residency, quantization, device), size, both_orders)


def weights_bytes(shape: ModelShape, numerics: Numerics) -> int:
    """The frozen model: linear layers as they are resident, the rest in the compute dtype."""
    per_linear: float = numerics.dtype_bytes
    if numerics.residency == "quantized" and numerics.quantization != "none":
        per_linear = NF4_BYTES if numerics.quantization == "nf4" else 1 + FP32_BYTES / shape.hidden
    rest = (shape.parameters - shape.linear_weights) * numerics.dtype_bytes
    second = (shape.linear_weights + shape.head.weights) * numerics.dtype_bytes if numerics.both_orders else 0
    return round(shape.linear_weights * per_linear + rest + second)


def slot_bytes(shape: ModelShape, *, rank: int, preset: str, optimizer: str, averaged: bool = False) -> int:
    """One trial's adapter with its gradients and moments, and its moving average where it has one."""
    return (TRAINED_BYTES[optimizer] + FP32_BYTES * averaged) * shape.lora_parameters(rank, preset)


def activation_bytes_per_token(shape: ModelShape, numerics: Numerics) -> int:
    """What the backward pass reads again: nothing is recomputed.

    Of every layer: the linears' inputs (two of the hidden size, the attention's output, the MLP's product), queries,
    repeated keys and values, their attention, gate, its activation and up; and each norm's input in fp32.
    """
    elements = 2 * shape.hidden + 5 * shape.query_size + 4 * shape.intermediate
    return shape.layers * (elements * numerics.dtype_bytes + shape.norms * shape.hidden * FP32_BYTES)


def kv_bytes_per_position(shape: ModelShape, numerics: Numerics) -> int:
    return 2 * shape.layers * shape.kv_size * numerics.dtype_bytes


def host_memory(
    shape: ModelShape,
    numerics: Numerics,
    *,
    slots: int,
    rank: int,
    preset: str,
    optimizer: str,
    step_tokens: int,
    positions: int,
    shared: bool = False,
    averaged: bool = False,
) -> HostMemory:
    """A host whose slots all train the same recipe.

    Args:
        step_tokens: tokens of one packed step, all slots together, padding included.
        positions: positions that a batch of answers asks the key-value cache for; it never holds many more than
            `MAX_POSITIONS`.
        averaged: whether adapters have a moving average.
        shared: whether an evaluation host, with the base and its own adapters, sits on the same device.
    """
    weights, adapters = (
        weights_bytes(shape, numerics),
        slots * slot_bytes(shape, rank=rank, preset=preset, optimizer=optimizer, averaged=averaged),
    )
    kv_cache, runtime = min(positions, MAX_POSITIONS) * kv_bytes_per_position(shape, numerics), RUNTIME[numerics.device]
    logits = min(step_tokens * shape.vocab, CHUNK_LOGITS) * LOGIT_COPIES * FP32_BYTES
    return HostMemory(
        weights=weights,
        slots=adapters,
        activations=step_tokens * activation_bytes_per_token(shape, numerics) + logits,
        kv_cache=kv_cache,
        runtime=runtime,
        evaluation=weights + adapters + kv_cache + runtime if shared else 0,
    )
