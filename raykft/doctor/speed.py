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
from raykft.wording import doctor as words

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
        advice = words.PLAN_WITH(rate=rate, tokens=tokens)
    else:
        advice = words.SMALL_MODEL()
    return render_measurement(measured, this_machine(), advice, quantization=quantization, residency=residency)


def render_measurement(
    measured: Measurement, machine: Machine, advice: str, *, quantization: str, residency: str
) -> RenderableType:
    """Measured step times t(T), and the memory of the largest step beside what the memory model says of it."""
    table = Table(box=None, pad_edge=False)
    for title in words.COLUMNS.values():
        table.add_column(title(), justify="right")
    for step in measured.steps:
        table.add_row(str(step.slots), str(step.tokens), f"{step.seconds:.3f}", f"{step.rate:.0f}")
    line = measured.line
    about = {"model": measured.model, "place": measured.place, "rank": measured.rank, "preset": measured.preset}
    return Group(
        Text(words.MEASURED(**about)),
        table,
        Text(words.LINE(fixed=line.fixed_s, token=1000 * line.token_s, deviation=line.deviation)),
        Text(words.KNEE(tokens=line.knee_tokens, share=KNEE)),
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
    mib = 2**20
    return words.MEMORY(
        weights=planned.weights / mib,
        slot=planned.slots / last.slots / mib,
        token=planned.activations / last.tokens / mib,
        libraries=planned.runtime / mib,
        total=planned.total / mib,
        measured=measured.memory_bytes / mib,
        scope=words.WITHOUT_LIBRARIES() if measured.device == "cuda" else "",
    )
