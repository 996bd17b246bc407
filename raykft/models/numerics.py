"""How a base model's numbers lie in memory: the choices that loading makes and planning foretells. No torch."""

from __future__ import annotations

from dataclasses import dataclass

BF16_BYTES, FP32_BYTES = 2, 4
BLOCKSIZE = 64  # weights of one NF4 scale, as in the QLoRA paper (arXiv 2305.14314) and bitsandbytes' default
CHUNK_LOGITS = 1 << 24  # that exist at a time: 64 MiB in fp32
MAX_POSITIONS = 1 << 14  # of a batch in the key-value cache
# A second copy of the weights, in the other memory order, may take so much of the machine's memory.
SECOND_COPY_SHARE = 1 / 8


@dataclass(frozen=True)
class Rates:
    """How fast a CPU multiplies, in billions of operations a second."""

    fp32_gflops: float
    bf16_gflops: float

    @property
    def chosen(self) -> str:
        """The faster type, "bf16" or "fp32"."""
        return "bf16" if self.bf16_gflops > self.fp32_gflops else "fp32"

    def as_dict(self) -> dict[str, float | str]:
        return {
            "fp32_gflops": round(self.fp32_gflops, 1),
            "bf16_gflops": round(self.bf16_gflops, 1),
            "chosen": self.chosen,
        }


def dtype_bytes(device: str, *, fast_bf16: bool) -> int:
    """Bytes of an activation: bf16 where that is multiplied faster, fp32 elsewhere.

    Args:
        device: "cpu" or "cuda", which always computes in bf16.
        fast_bf16: whether the CPU multiplies bf16 faster than fp32.
    """
    return BF16_BYTES if device == "cuda" or fast_bf16 else FP32_BYTES


def choose_residency(residency: str, quantization: str, device: str) -> str:
    """`auto`: dequantized on CPU (always) and wherever nothing is quantized; quantized on CUDA."""
    if residency != "auto":
        return residency
    return "dequantized" if device == "cpu" or quantization == "none" else "quantized"


def keeps_both_orders(device: str, bytes_each: int, weights_bytes: float, machine_bytes: int) -> bool:
    """Whether weights are kept in both memory orders: fp32 weights on a CPU, of which a second copy is small.

    Small is a share of the machine's memory, whatever of it is free just now: the choice changes the last bits of a
    product, and a trial should not depend on what else runs.
    """
    return device == "cpu" and bytes_each == FP32_BYTES and weights_bytes < machine_bytes * SECOND_COPY_SHARE
