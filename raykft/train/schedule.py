"""Learning-rate curve and batch order: pure functions of a trial's own settings."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence


def learning_rate_factor(step: int, *, total_steps: int, warmup_steps: int, schedule: str) -> float:
    """Factor in (0, 1] on the peak learning rate for optimizer step `step` (counted from 0).

    Args:
        schedule: "constant", "linear" (to 0) or "cosine" (to 0), each after a linear warm-up.
    """
    if step < warmup_steps:
        return (step + 1) / warmup_steps
    progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
    if schedule == "linear":
        return 1 - progress
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    return 1.0


def epoch_batches(
    lengths: Sequence[int], *, batch_size: int, seed: int, epoch: int, group_by_length: bool
) -> list[list[int]]:
    """The micro-batches of one epoch as row positions; every row occurs once.

    With `group_by_length` rows are sorted within random groups of a few batches, as in Transformers'
    LengthGroupedSampler: less padding, and still a different composition every epoch.
    """
    rng = random.Random(f"order:{seed}:{epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    if group_by_length:
        group = batch_size * max(1, min(len(order) // (batch_size * 4), 50))
        order = [
            row
            for start in range(0, len(order), group)
            for row in sorted(order[start : start + group], key=lambda i: lengths[i], reverse=True)
        ]
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if group_by_length:
        rng.shuffle(batches)
    return batches
