"""What a training step costs on this machine, for `raykft doctor`: measured times, and the memory model beside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.config import ExperimentConfig
from raykft.doctor.nodes import model_problem
from raykft.planning.fitting import Machine, this_machine
from raykft.planning.memory import host_memory, numerics_of
from raykft.train.admission import KNEE

if TYPE_CHECKING:
    from raykft.train.measure import Measurement


def measure_here(config: ExperimentConfig | None) -> RenderableType:
    """Time training steps in this process and show them: of the config's base model where it is on this machine, else
    of a small random one.

    Raises:
        ModelError: the base model is here and cannot be loaded.
        ResourceError: memory is short.
    """
    from raykft.train.measure import ROW_TOKENS, measure

    here = config is not None and not model_problem(config.base_model)
    quantization = config.quantization if config and here else "none"
    residency = config.resources.residency if config else "auto"
    measured = measure(
        config.base_model if config and here else None,
        quantization=quantization,
        residency=residency,
        device=config.resources.device if config else "auto",
        threads=1,  # as a host has
    )
    if config and here:
        slots = config.resources.slots_per_host
        tokens = (1 if slots == "auto" else slots) * config.train.batch_size * ROW_TOKENS
        rate = measured.line.rate(tokens)
        advice = f"next: raykft plan CONFIG --tokens-per-second {rate:.0f}, the rate at {tokens} tokens a step"
    else:
        advice = "a small model to compare machines by; next: --config CONFIG measures its model, where that is here"
    return render_measurement(measured, this_machine(), advice, quantization=quantization, residency=residency)


def render_measurement(
    measured: Measurement, machine: Machine, advice: str, *, quantization: str, residency: str
) -> RenderableType:
    """Measured step times t(T), and the memory of the largest step beside what the memory model says of it."""
    table = Table(box=None, pad_edge=False)
    for title in ("slots", "T: tokens a step", "t: seconds", "tokens/s"):
        table.add_column(title, justify="right")
    for step in measured.steps:
        table.add_row(str(step.slots), str(step.tokens), f"{step.seconds:.3f}", f"{step.rate:.0f}")
    line = measured.line
    return Group(
        Text(f"{measured.model} on {measured.place}, rank {measured.rank}, {measured.preset}, one thread"),
        table,
        Text(f"t(T) = {line.fixed_s:.3f} s + {1000 * line.token_s:.3f} ms x T, off by {line.deviation:.0%} at most"),
        Text(f"{line.knee_tokens:.0f} tokens a step reach {KNEE:.0%} of the fastest rate (slots_per_host: auto)"),
        Text(_memory_line(measured, machine, quantization=quantization, residency=residency)),
        Text(advice),
    )


def _memory_line(measured: Measurement, machine: Machine, *, quantization: str, residency: str) -> str:
    numerics = numerics_of(
        measured.shape,
        quantization=quantization,
        residency=residency,
        device=measured.device,
        fast_bf16=machine.fast_bf16,
        machine_bytes=machine.memory_bytes,
    )
    last = measured.steps[-1]
    planned = host_memory(
        measured.shape,
        numerics,
        slots=last.slots,
        rank=measured.rank,
        preset=measured.preset,
        optimizer="adamw",
        step_tokens=last.tokens,
        positions=0,
    )
    mib, scope = 2**20, " without libraries" if measured.device == "cuda" else ""
    return (
        f"memory model: {planned.weights / mib:,.0f} MiB weights + {planned.slots / last.slots / mib:,.1f} a slot + "
        f"{planned.activations / last.tokens / mib:,.2f} a token + {planned.runtime / mib:,.0f} libraries "
        f"= {planned.total / mib:,.0f} MiB for the last step; measured {measured.memory_bytes / mib:,.0f}{scope}"
    )
