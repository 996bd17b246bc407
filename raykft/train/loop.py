"""The one training loop: a packed step advances every given slot by one micro-batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raykft.models.packed import PackedModel
from raykft.train.optimizer import norms
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
    """Add to the gradients; returns the summed loss of every slot, then its number of supervised tokens.

    All that the device must be told of a step goes there in one copy, and one comes back.
    """
    batches = [slot.next_block() for slot in slots]
    dropout = {k: v for slot in slots for k, v in slot.dropout().items()}
    blocks, places, start = [batch.block for batch in batches], list[int](), 0
    for batch in batches:
        places += (start + batch.block.shape.P + place for place in batch.places)
        start += batch.block.shape.tokens
    targets = [token for batch in batches for token in batch.targets]
    windows = [slot.window_tokens for slot in slots]
    given, (at, wanted, per_window) = packed.upload(blocks, places, targets, windows)
    states = packed.states(blocks, given, dropout).index_select(0, at)
    sizes = [len(batch.targets) for batch in batches]
    soft = [batch.soft and batch.soft.to(packed.device) for batch in batches]
    sums = packed.nll([slot.number for slot in slots], sizes, states, wanted, dropout, soft if any(soft) else ())
    (sums / per_window).sum().backward()  # type: ignore[no-untyped-call]
    return [*sums.detach().tolist(), *map(float, sizes)]


def _finish(slots: Sequence[Slot], losses: Sequence[float]) -> list[float]:
    due = []
    for slot, loss in zip(slots, losses, strict=True):
        if not math.isfinite(loss):
            slot.failure = f"the training loss became {loss} at step {slot.step + 1}"
        elif slot.finish_block(loss):
            due.append(slot)
    for slot, norm in zip(due, norms([slot.parameters for slot in due]), strict=True):
        slot.finish_step(norm)
    return []
