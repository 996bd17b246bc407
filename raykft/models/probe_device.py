"""What this process can compute with: devices, and whether bitsandbytes really quantizes on them."""

from __future__ import annotations

import subprocess
from typing import Any

import torch

from raykft.models.dtype import measure_rates
from raykft.models.quantize import round_trip

# NF4 has 16 levels a block: standard normal weights come back with a relative error of about 0.09.
MAX_NF4_ERROR = 0.15


def device_facts() -> dict[str, Any]:
    """CUDA devices with their memory, the driver's version, `quantization`: "" or what is wrong with it, and how fast a
    core multiplies."""
    return {
        "cuda": torch.version.cuda,
        "driver": _driver_version(),
        "gpus": [_gpu(n) for n in range(torch.cuda.device_count())] if torch.cuda.is_available() else [],
        "quantization": quantization_problem(),
        "compute": _one_thread_rates(),
    }


def _one_thread_rates() -> dict[str, float | str]:
    """Of one core, as a host on a CPU has."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return measure_rates().as_dict()
    finally:
        torch.set_num_threads(threads)


def _gpu(index: int) -> dict[str, Any]:
    free, total = torch.cuda.mem_get_info(index)
    return {"name": torch.cuda.get_device_name(index), "free_bytes": free, "total_bytes": total}


def quantization_problem() -> str:
    """Quantize and restore a small matrix where trials will; "" if what comes back is what NF4 makes of it."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    weight = torch.randn(64, 128, generator=torch.Generator().manual_seed(0)).to(device)
    try:
        error = ((round_trip(weight, "nf4") - weight).norm() / weight.norm()).item()
    except Exception as failure:  # a missing or broken native library shows in many ways
        return f"NF4 on {device}: {type(failure).__name__}: {failure}"
    return "" if 0 < error < MAX_NF4_ERROR else f"NF4 on {device} restores weights with a relative error of {error:.2f}"


def _driver_version() -> str:
    """The NVIDIA driver's, "" where there is none."""
    command = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.splitlines()[0].strip() if done.returncode == 0 and done.stdout.strip() else ""
