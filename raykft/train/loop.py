"""The one training loop: a packed step advances every given slot by one micro-batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from raykft.models.packed import PackedModel
from raykft.train.slot import Slot


def packed_step(packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
    """One forward and backward pass over the next micro-batch of every slot; slots step when their window is full.

    The loss of a slot is its summed negative log-likelihood over the supervised tokens of its optimizer step
    divided by their number (the `num_items_in_batch` convention), so neither padding, nor accumulation, nor a
    neighbour changes it. A slot whose loss or gradient is not finite is marked failed; the others are untouched.
    Where several replicas train the slots, the sums run over all of them (`raykft.train.parallel`).

    Returns:
        Mean loss per supervised token of every slot, in nats, its soft targets included.
    """
    replicas, stop = slots[0].replicas, any(slot.stopping for slot in slots)
    summed = replicas.together(lambda: _backward(packed, slots), 2 * len(slots), stop=stop)
    losses = [value / count for value, count in zip(summed[: len(slots)], summed[len(slots) :], strict=True)]
    replicas.together(lambda: _finish(slots, losses), 0)
    return {slot.number: loss for slot, loss in zip(slots, losses, strict=True)}


def _backward(packed: PackedModel, slots: Sequence[Slot]) -> list[float]:
    """Add to the gradients; returns the summed loss of every slot, then its number of supervised tokens."""
    batches = [slot.next_block() for slot in slots]
    dropout = {k: v for slot in slots for k, v in slot.dropout().items()}
    hidden = packed.hidden([batch.block for batch in batches], dropout)
    rows = [
        (slot.number, states.index_select(0, batch.places.to(states.device)))
        for slot, states, batch in zip(slots, hidden, batches, strict=True)
    ]
    targets = [batch.targets.to(packed.device) for batch in batches]
    soft = [batch.soft and batch.soft.to(packed.device) for batch in batches]
    sums = packed.nll(rows, targets, dropout, soft if any(soft) else ())
    windows = torch.tensor([slot.window_tokens for slot in slots], device=sums.device)
    (sums / windows).sum().backward()  # type: ignore[no-untyped-call]
    return [*sums.detach().tolist(), *(float(target.numel()) for target in targets)]


def _finish(slots: Sequence[Slot], losses: Sequence[float]) -> list[float]:
    for slot, loss in zip(slots, losses, strict=True):
        if math.isfinite(loss):
            slot.finish_block(loss)
        else:
            slot.failure = f"the training loss became {loss} at step {slot.step + 1}"
    return []
