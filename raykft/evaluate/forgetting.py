"""What the adapter cost the base model: general short answers and fluency on running text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from raykft.records import Passage


@dataclass(frozen=True, slots=True)
class Forgetting:
    """`clipped` counts losses only, `signed` lets gains make up for losses; both are fractions."""

    clipped: float
    signed: float


def bits_per_byte(nats: Sequence[float], passages: Sequence[Passage]) -> float:
    """Negative log-likelihood per UTF-8 byte of text, in bits: comparable across tokenizers."""
    return sum(nats) / math.log(2) / sum(len(p.text.encode()) for p in passages)


def fluency_loss(base_bits: float, bits: float) -> float:
    """1 - 2^(-ΔBPB): 0 for no change, towards 1 as text becomes improbable; negative for an improvement."""
    return 1 - 2 ** -(bits - base_bits)


def forgetting(
    *, base_accuracy: float | None, accuracy: float | None, base_bits: float | None, bits: float | None
) -> Forgetting:
    """Mean of the relative loss of general accuracy and the loss of fluency, over the parts that were measured."""
    parts: list[float] = []
    if base_accuracy and accuracy is not None:
        parts.append((base_accuracy - accuracy) / base_accuracy)
    if base_bits is not None and bits is not None:
        parts.append(fluency_loss(base_bits, bits))
    if not parts:
        return Forgetting(0.0, 0.0)
    return Forgetting(fmean(max(0.0, part) for part in parts), fmean(parts))
