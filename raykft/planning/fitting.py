"""Which recipes of a search fit into a host's memory, and how many trials at once. Arithmetic, no torch."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from raykft.config import ExperimentConfig
from raykft.data.domain import Domain
from raykft.errors import ConfigError
from raykft.models.shape import ModelShape
from raykft.planning.budget import Rows
from raykft.planning.memory import HostMemory, host_memory, numerics_of
from raykft.provenance import available_cores
from raykft.train.admission import MAX_SLOTS

MAX_CORNERS = 4096
RESERVE = 0.05  # of the memory, left free for fragmentation and what the formulas leave out


@dataclass(frozen=True)
class Machine:
    """This computer, for plans without a GPU."""

    cores: int
    memory_bytes: int
    fast_bf16: bool


@dataclass(frozen=True)
class Corner:
    """A combination of extreme settings with its memory, all slots of a host training it at once."""

    settings: dict[str, Any]
    memory: HostMemory
    slots_that_fit: int


def this_machine() -> Machine:
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        flags = ""
    # A guess for plans, which import no torch; a search measures.
    fast_bf16 = "amx_bf16" in flags or "avx512_bf16" in flags
    return Machine(available_cores(), psutil.virtual_memory().total, fast_bf16)


def corners_of(
    config: ExperimentConfig,
    domain: Domain,
    rows: Rows,
    shape: ModelShape,
    machine: Machine,
    *,
    slots: int,
    cuda: bool,
    limit: int,
) -> list[Corner]:
    """The memory of every combination of the values that memory depends on."""
    numerics = numerics_of(
        shape,
        quantization=config.quantization,
        residency=config.resources.residency,
        device="cuda" if cuda else "cpu",
        fast_bf16=machine.fast_bf16,
        machine_bytes=machine.memory_bytes,
    )
    if numerics.device == "cpu" and numerics.residency == "quantized" and config.quantization != "none":
        raise ConfigError("resources.residency 'quantized' is for CUDA; use 'auto', or plan for a --gpu")
    positions = config.evaluate.batch_size * max(
        (rows.count(p.question) + p.max_new_tokens for p in (*domain.probes, *domain.general)), default=0
    )
    paths = ("adapter.rank", "adapter.target_layers", "train.batch_size", "train.optimizer")
    axes = [config.corner_values(path) for path in paths]
    row_count = len(rows.lengths)

    def memory(slots: int, rank: int, preset: str, batch: int, optimizer: str) -> HostMemory:
        return host_memory(
            shape,
            numerics,
            slots=slots,
            rank=rank,
            preset=preset,
            optimizer=optimizer,
            step_tokens=slots * min(batch, row_count) * rows.longest,
            positions=positions,
            shared=0 < config.resources.evaluation_hosts < 1,
            averaged=max(config.corner_values("train.ema_epochs")) > 0,
        )

    corners = []
    for values in itertools.islice(itertools.product(*axes), MAX_CORNERS):
        fitting = [n for n in range(1, slots + 1) if memory(n, *values).total <= limit * (1 - RESERVE)]
        settings = dict(zip(paths, values, strict=True))
        corners.append(Corner(settings, memory(slots, *values), max(fitting, default=0)))
    return corners


def admitted(slots: int, trials: int, hosts: int) -> int:
    """At most so many slots a host that a search still learns from three quarters of its trials what to try next."""
    return max(1, min(slots, trials // (4 * hosts)))


def slots_that_fit(
    config: ExperimentConfig,
    domain: Domain,
    rows: Rows,
    shape: ModelShape,
    machine: Machine,
    *,
    cuda: bool,
    memory_bytes: int,
) -> int:
    """How many trials of a search's largest recipe a host of `memory_bytes` can train at once; 1 where none fits."""
    corners = corners_of(config, domain, rows, shape, machine, slots=MAX_SLOTS, cuda=cuda, limit=memory_bytes)
    return max(1, min(corner.slots_that_fit for corner in corners))
