"""Greedy answers for rows of several adapters at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from raykft.models.packed import PackedModel
from raykft.models.rows import Reader, batches, forward_rows, head_rows, slot_order

# Finished rows are carried along until this share of a batch is left: dropping them copies the cache.
COMPACT_BELOW = 0.75


class Prompt(NamedTuple):
    """One prompt for one slot (None: the base model)."""

    slot: int | None
    ids: list[int]
    max_new_tokens: int


class Generation(NamedTuple):
    """New token ids without the stop token; `stopped` tells whether the model ended by itself."""

    ids: list[int]
    stopped: bool


@torch.inference_mode()
def generate(
    packed: PackedModel, prompts: Sequence[Prompt], *, stop_ids: set[int], batch_size: int
) -> list[Generation]:
    """Greedy decoding. Prompts of like length share a batch, whatever their slot; finished rows leave it."""
    results: dict[int, Generation] = {}
    reader = Reader(packed)
    for batch in batches([len(p.ids) + p.max_new_tokens for p in prompts], batch_size):
        batch.sort(key=lambda i: slot_order(prompts[i].slot))
        for index, generation in zip(batch, _decode(reader, [prompts[i] for i in batch], stop_ids), strict=True):
            results[index] = generation
    return [results[i] for i in range(len(prompts))]


def _decode(reader: Reader, prompts: list[Prompt], stop_ids: set[int]) -> list[Generation]:
    packed = reader.packed
    new_tokens = max(p.max_new_tokens for p in prompts)
    last_ND, mask_NP, position, cache = reader.prefill([p.slot for p in prompts], [p.ids for p in prompts], new_tokens)
    rows = list(range(len(prompts)))  # the prompt behind every row of the running batch
    new: list[list[int]] = [[] for _ in prompts]
    stopped = [False] * len(prompts)
    live = set(rows)
    while True:
        slots = [prompts[i].slot for i in rows]
        tokens = head_rows(packed, slots, last_ND).argmax(-1).tolist()
        for index, token in zip(rows, tokens, strict=True):
            if index not in live:
                continue
            stopped[index] = token in stop_ids
            if not stopped[index]:
                new[index].append(token)
            if stopped[index] or len(new[index]) == prompts[index].max_new_tokens:
                live.discard(index)
        if not live:
            return [Generation(ids, done) for ids, done in zip(new, stopped, strict=True)]
        keep = list(range(len(rows)))
        if len(live) <= COMPACT_BELOW * len(rows):
            keep = [row for row, index in enumerate(rows) if index in live]
            cache.batch_select_indices(torch.tensor(keep, device=packed.device))
            rows = [rows[row] for row in keep]
        step_ids = torch.tensor([[tokens[row]] for row in keep], device=packed.device)
        position = position[keep] + 1
        mask_NP = F.pad(mask_NP[keep], (0, 1), value=1)
        last_ND = forward_rows(packed, [prompts[i].slot for i in rows], step_ids, mask_NP, position, cache)[:, -1]
