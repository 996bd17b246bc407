"""How many trials a host of a search trains at once, from what one host measured of itself. Arithmetic, no Ray."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raykft.config import ExperimentConfig
from raykft.data.domain import Domain
from raykft.models.shape import ModelShape
from raykft.planning.budget import Rows, count_tokens, mean_batch
from raykft.planning.fitting import Machine, admitted, slots_that_fit
from raykft.provenance import available_cores
from raykft.train.admission import KNEE, MAX_SLOTS, HostCapacity, Line, slots_to_knee
from raykft.wording import running as words


def most_slots(config: ExperimentConfig, todo: int, hosts: int) -> int:
    """Slots a host that `todo` trials can fill and that leave the searcher something to learn from.

    A search that goes on may take as many as it could from its beginning.
    """
    return min(admitted(MAX_SLOTS, max(todo, config.search.trials), hosts), math.ceil(todo / hosts))


@dataclass(frozen=True)
class Room:
    """How many trials at once make steps efficient, and how many memory holds."""

    useful: int
    fitting: int


def room(
    config: ExperimentConfig,
    domain: Domain,
    rows: Rows,
    line: Line,
    row_tokens: float,
    shape: ModelShape,
    machine: Machine,
    *,
    cuda: bool,
    memory_bytes: int,
) -> Room:
    """For hosts whose steps cost `line`, with rows of `row_tokens` on average."""
    return Room(
        slots_to_knee(line.knee_tokens, mean_batch(config, len(rows.domain) + len(rows.text)) * row_tokens),
        slots_that_fit(config, domain, rows, shape, machine, cuda=cuda, memory_bytes=memory_bytes),
    )


def slots_for(
    config: ExperimentConfig, domain: Domain, capacity: HostCapacity, most: int, *, cuda: bool
) -> tuple[int, str]:
    """As many slots as make steps efficient and as memory holds, `most` at most; and the reasons in words."""
    line, shape = capacity.line, capacity.shape
    machine = Machine(available_cores(), capacity.machine_bytes, capacity.fast_bf16)
    found = room(
        config,
        domain,
        count_tokens(config, domain),
        line,
        capacity.row_tokens,
        shape,
        machine,
        cuda=cuda,
        memory_bytes=capacity.memory_bytes,
    )
    assumed = words.ASSUMED(shape=shape.assumed) if shape.assumed else ""
    reached = {"tokens": line.knee_tokens, "useful": found.useful, "share": KNEE, "rate": 1 / line.token_s}
    fits = {"fitting": found.fitting, "assumed": assumed, "trials": config.search.trials, "most": most}
    return min(found.useful, found.fitting, most), words.SLOTS_BECAUSE(**reached, **fits)
