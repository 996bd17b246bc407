"""Rows of several slots read by the decoder with a key-value cache: how they are batched, prefilled and continued.

Shapes: N rows, L new positions, P cached positions (padded on the left), D features, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import Cache

from raykft.data.encode import shared_prefix
from raykft.models.kv_cache import fits, joined, make_cache, rows_of
from raykft.models.numerics import MAX_POSITIONS
from raykft.models.packed import PackedModel, Segment

# Bounds the key-value cache of a batch: 0.8 GB for the 135M demo model in fp32.
# Tokens of a pass from which a larger one is hardly faster per token: below, rows are rather padded than read apart.
FULL_PASS = {"cpu": 128, "cuda": 4096}
# A prefix that was read for an earlier batch is used again if it lacks no more than this many shared tokens.
REREAD_TOKENS = 32


def batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indices of rows of like length, at most `batch_size` rows and `MAX_POSITIONS` cached positions a batch."""
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # The newest row is the longest: all rows of its batch are padded to it.
        if found and len(found[-1]) < min(batch_size, MAX_POSITIONS // max(1, lengths[index])):
            found[-1].append(index)
        else:
            found.append([index])
    return found


def passes(lengths: Sequence[int], device: torch.device, max_rows: int) -> list[list[int]]:
    """Indices of rows to be read in one pass: of so like a length that little is padding, yet enough to fill a pass."""
    found: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        group = found[-1] if found else []
        longest = lengths[group[-1]] if group else 0
        full = longest * len(group) >= FULL_PASS.get(device.type, 1) and lengths[index] > longest
        if not group or full or len(group) >= max(1, max_rows):
            found.append([index])
        else:
            group.append(index)
    # Neighbours of one slot stay neighbours.
    return [sorted(group) for group in found]


class Prefilled(NamedTuple):
    """Rows whose prompts have been read.

    `states_ND` are the last hidden states, `mask_NP` and `cache` what later tokens may look at, `last_N1` the position
    of every row's last token.
    """

    states_ND: torch.Tensor
    mask_NP: torch.Tensor
    last_N1: torch.Tensor
    cache: Cache


class Prefix(NamedTuple):
    """Tokens that rows begin with, read once for each of `slots`.

    `whole` tells the kind of cache: whether every layer keeps all positions of the rows that follow.
    """

    ids: list[int]
    slots: list[int | None]
    whole: bool
    cache: Cache

    def serves(self, slots: Sequence[int | None], ids: list[int]) -> bool:
        """Whether rows of `slots` that begin with `ids` can go on from here at little loss."""
        count = len(self.ids)
        return set(slots) <= set(self.slots) and ids[:count] == self.ids and count >= len(ids) - REREAD_TOKENS


class Reader:
    """Reads prompts; one lives as long as a request, and what its batches begin with is read once."""

    def __init__(self, packed: PackedModel) -> None:
        self.packed = packed
        self._prefix: Prefix | None = None

    def prefill(self, slots: Sequence[int | None], rows: Sequence[list[int]], extra: int) -> Prefilled:
        """Read `rows`, neighbours of one slot together, with room for `extra` positions after them."""
        capacity = max(map(len, rows)) + extra
        whole = fits(self.packed.base.model.config, capacity)
        prefix = self._shared(slots, rows, whole=whole, capacity=capacity)
        shared = len(prefix.ids) if prefix else 0
        rest = [row[shared:] for row in rows]
        groups = [list(range(len(rows)))]
        if whole:
            groups = passes([len(row) for row in rest], self.packed.device, MAX_POSITIONS // capacity)
        parts = [self._read([slots[i] for i in at], [rest[i] for i in at], prefix, extra) for at in groups]
        if len(parts) == 1:
            return parts[0]
        order = torch.tensor([i for at in groups for i in at], device=self.packed.device).argsort()
        width = max(part.mask_NP.shape[1] for part in parts)
        return Prefilled(
            torch.cat([part.states_ND for part in parts])[order],
            torch.cat([F.pad(part.mask_NP, (width - part.mask_NP.shape[1], 0)) for part in parts])[order],
            torch.cat([part.last_N1 for part in parts])[order],
            joined([part.cache for part in parts], groups, capacity),
        )

    def _read(self, slots: list[int | None], rows: list[list[int]], prefix: Prefix | None, extra: int) -> Prefilled:
        packed = self.packed
        ids, mask = _left_pad(rows, packed.device)
        shared = len(prefix.ids) if prefix else 0
        mask = F.pad(mask, (shared, 0), value=1)
        position = mask.cumsum(1).sub(1).clamp(min=0)
        capacity = mask.shape[1] + extra
        if prefix:
            cache = rows_of(prefix.cache, [prefix.slots.index(slot) for slot in slots], capacity)
        else:
            cache = make_cache(packed.base.model.config, capacity)
        hidden = forward_rows(packed, slots, ids, mask, position[:, shared:], cache)
        return Prefilled(hidden[:, -1], mask, position[:, -1:], cache)

    def _shared(
        self, slots: Sequence[int | None], rows: Sequence[list[int]], *, whole: bool, capacity: int
    ) -> Prefix | None:
        """What all rows begin with, read once a slot; None where that would save nothing."""
        groups = list(dict.fromkeys(slots))
        shared = min(shared_prefix(rows), min(map(len, rows)) - 1)
        if not shared or len(rows) == len(groups):
            return None
        ids, known = rows[0][:shared], self._prefix
        if known and known.whole == whole and known.serves(groups, ids):
            return known
        cache = make_cache(self.packed.base.model.config, capacity)
        prefix = torch.tensor([ids] * len(groups), device=self.packed.device)
        position = torch.arange(shared, device=self.packed.device).expand(len(groups), -1)
        forward_rows(self.packed, groups, prefix, torch.ones_like(prefix), position, cache)
        self._prefix = Prefix(ids, groups, whole, cache)
        return self._prefix


def forward_rows(
    packed: PackedModel,
    slots: Sequence[int | None],
    ids_NL: torch.Tensor,
    mask_NP: torch.Tensor,
    position_NL: torch.Tensor,
    cache: Cache,
) -> torch.Tensor:
    """Last hidden states `[N, L, D]`; the keys and values of the new positions are added to `cache`.

    `mask_NP` covers the new positions too.
    """
    with packed.route(_row_segments(slots, ids_NL.shape[1])):
        out = packed.decoder(
            input_ids=ids_NL,
            attention_mask=mask_NP,
            position_ids=position_NL,
            past_key_values=cache,
            use_cache=True,
        )
    hidden: torch.Tensor = out.last_hidden_state
    return hidden


def head_rows(packed: PackedModel, slots: Sequence[int | None], states_ND: torch.Tensor) -> torch.Tensor:
    """Logits `[N, V]`, fp32."""
    parts = [(s.slot, states_ND[s.start : s.stop]) for s in _row_segments(slots, 1)]
    return torch.cat(packed.logits(parts))


def slot_order(slot: int | None) -> int:
    """Sort key that makes rows of one slot neighbours: a segment is one contiguous run."""
    return -1 if slot is None else slot


def _row_segments(slots: Sequence[int | None], length: int) -> list[Segment]:
    """Merge neighbouring rows of one slot into segments of flattened tokens."""
    segments: list[Segment] = []
    for row, slot in enumerate(slots):
        start, stop = row * length, (row + 1) * length
        if segments and segments[-1].slot == slot:
            segments[-1] = segments[-1]._replace(stop=stop)
        else:
            segments.append(Segment(slot, start, stop))
    return segments


def _left_pad(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask
