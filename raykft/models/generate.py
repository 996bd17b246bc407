"""Greedy answers, candidate log-probabilities, text likelihood and drift, for rows of several adapters at a time.

Shapes: N rows, P prefix positions (left-padded), C candidates a row, D features, V vocabulary, n compared positions.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import torch
import torch.nn.functional as F
from transformers import Cache

from raykft.data.encode import shared_prefix
from raykft.models.kv_cache import make_cache
from raykft.models.packed import Block, PackedModel, Segment

# Finished rows are carried along until this share of a batch is left: dropping them copies the cache.
COMPACT_BELOW = 0.75
# Bounds the key-value cache of a batch whose prompts are long: 0.8 GB for the 135M demo model in fp32.
MAX_POSITIONS = 1 << 14
# How many logits are held at a time where two models are compared: 64 MiB a tensor.
COMPARED_LOGITS = 2**24


class Prompt(NamedTuple):
    """One prompt for one slot (None: the base model)."""

    slot: int | None
    ids: list[int]
    max_new_tokens: int


class Generation(NamedTuple):
    """New token ids without the stop token; `stopped` tells whether the model ended by itself."""

    ids: list[int]
    stopped: bool


class Choice(NamedTuple):
    """Candidate continuations of one prefix for one slot."""

    slot: int | None
    prefix_ids: list[int]
    candidate_ids: list[list[int]]


class Exchange(NamedTuple):
    """A question and the base model's answer to it, on which the adapter of a slot is compared with the base."""

    slot: int | None
    prompt_ids: list[int]
    answer_ids: list[int]

    @property
    def positions(self) -> int:
        """Where the next token is compared: from the end of the prompt to the end of the answer."""
        return len(self.answer_ids) + 1


@torch.inference_mode()
def generate(
    packed: PackedModel, prompts: Sequence[Prompt], *, stop_ids: set[int], batch_size: int
) -> list[Generation]:
    """Greedy decoding. Prompts of like length share a batch, whatever their slot; finished rows leave it."""
    results: dict[int, Generation] = {}
    for batch in _batches([len(p.ids) + p.max_new_tokens for p in prompts], batch_size):
        # Rows of one slot must be neighbours: a segment is one contiguous run.
        batch.sort(key=lambda i: _slot_order(prompts[i].slot))
        for index, generation in zip(batch, _decode(packed, [prompts[i] for i in batch], stop_ids), strict=True):
            results[index] = generation
    return [results[i] for i in range(len(prompts))]


def _batches(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Indices of rows of like length, at most `batch_size` rows and `MAX_POSITIONS` cached positions a batch."""
    batches: list[list[int]] = []
    for index in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        # The newest row is the longest: all rows of its batch are padded to it.
        if batches and len(batches[-1]) < min(batch_size, MAX_POSITIONS // max(1, lengths[index])):
            batches[-1].append(index)
        else:
            batches.append([index])
    return batches


def _slot_order(slot: int | None) -> int:
    return -1 if slot is None else slot


def _decode(packed: PackedModel, prompts: list[Prompt], stop_ids: set[int]) -> list[Generation]:
    new_tokens = max(p.max_new_tokens for p in prompts)
    last_ND, mask_NP, position, cache = _prefill(
        packed, [p.slot for p in prompts], [p.ids for p in prompts], new_tokens
    )
    rows = list(range(len(prompts)))  # the prompt behind every row of the running batch
    new: list[list[int]] = [[] for _ in prompts]
    stopped = [False] * len(prompts)
    live = set(rows)
    while True:
        slots = [prompts[i].slot for i in rows]
        tokens = _head(packed, slots, last_ND).argmax(-1).tolist()
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
        last_ND = _forward(packed, [prompts[i].slot for i in rows], step_ids, mask_NP, position, cache)[:, -1]


def _prefill(
    packed: PackedModel, slots: list[int | None], rows: list[list[int]], extra: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, Cache]:
    """Read the prompts. Tokens that all rows begin with are computed once a slot, not once a row.

    Args:
        slots: of the rows, neighbours first.
        extra: positions to reserve in the cache after the prompts.

    Returns:
        Last hidden states `[N, D]`, attention mask `[N, P]`, last positions `[N, 1]` and the filled cache.
    """
    shared = min(shared_prefix(rows), min(len(row) for row in rows) - 1)
    groups = list(dict.fromkeys(slots))
    if len(rows) == len(groups):
        shared = 0  # every slot has one row: nothing to share
    ids, mask = _left_pad([row[shared:] for row in rows], packed.device)
    mask = F.pad(mask, (shared, 0), value=1)
    position = mask.cumsum(1).sub(1).clamp(min=0)
    cache = make_cache(packed.base.model.config, mask.shape[1] + extra)
    if shared:
        prefix = torch.tensor([rows[0][:shared]] * len(groups), device=packed.device)
        _forward(packed, groups, prefix, torch.ones_like(prefix), position[: len(groups), :shared], cache)
        cache.batch_select_indices(torch.tensor([groups.index(slot) for slot in slots], device=packed.device))
    hidden = _forward(packed, slots, ids, mask, position[:, shared:], cache)
    return hidden[:, -1], mask, position[:, -1:], cache


def _forward(
    packed: PackedModel,
    slots: list[int | None],
    ids_NL: torch.Tensor,
    mask_NP: torch.Tensor,
    position_NL: torch.Tensor,
    cache: Cache,
) -> torch.Tensor:
    """Last hidden states `[N, L, D]`; the keys and values of the new positions are added to `cache`."""
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


def _head(packed: PackedModel, slots: Sequence[int | None], rows: torch.Tensor) -> torch.Tensor:
    parts = [(s.slot, rows[s.start : s.stop]) for s in _row_segments(slots, 1)]
    return torch.cat(packed.logits(parts))


def _left_pad(rows: list[list[int]], device: torch.device) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(len(row) for row in rows)
    ids = torch.tensor([[0] * (width - len(row)) + row for row in rows], device=device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=device)
    return ids, mask


@torch.inference_mode()
def candidate_logprobs(packed: PackedModel, choices: Sequence[Choice], *, batch_size: int) -> list[list[float]]:
    """Sum of log P(candidate tokens | prefix), in nats, for every candidate of every choice.

    The prefix is computed once and its KV cache shared by the candidates.
    """
    results: dict[int, list[float]] = {}
    for batch in _batches([len(c.prefix_ids) for c in choices], batch_size):
        batch.sort(key=lambda i: _slot_order(choices[i].slot))
        for index, logprobs in zip(batch, _choose(packed, [choices[i] for i in batch]), strict=True):
            results[index] = logprobs
    return [results[i] for i in range(len(choices))]


def _choose(packed: PackedModel, choices: list[Choice]) -> list[list[float]]:
    counts = [len(c.candidate_ids) for c in choices]
    slots = [c.slot for c in choices]
    width = max(len(ids) for c in choices for ids in c.candidate_ids)
    last_ND, mask, position, cache = _prefill(packed, slots, [c.prefix_ids for c in choices], width)
    repeats = torch.tensor(counts, device=packed.device)
    rows = torch.arange(len(choices), device=packed.device).repeat_interleave(repeats)
    cache.batch_select_indices(rows)
    row_slots = [slots[i] for i in rows.tolist()]
    candidates = [ids for c in choices for ids in c.candidate_ids]
    target = torch.tensor([c + [0] * (width - len(c)) for c in candidates], device=packed.device)
    real = torch.tensor([[1] * len(c) + [0] * (width - len(c)) for c in candidates], device=packed.device)
    states = last_ND[rows].unsqueeze(1)
    if width > 1:
        step_mask = torch.cat([mask[rows], real[:, :-1]], 1)
        step_position = position[rows] + 1 + torch.arange(width - 1, device=packed.device)
        later = _forward(packed, row_slots, target[:, :-1], step_mask, step_position, cache)
        states = torch.cat([states, later], 1)
    logits = _head(packed, [s for s in row_slots for _ in range(width)], states.reshape(-1, states.shape[-1]))
    nll = F.cross_entropy(logits, target.reshape(-1), reduction="none").view(target.shape)
    sums = iter((-(nll * real).sum(1)).tolist())
    return [[next(sums) for _ in range(n)] for n in counts]


@torch.inference_mode()
def text_nats(packed: PackedModel, slot: int | None, texts_ids: Sequence[list[int]]) -> list[float]:
    """Negative log-likelihood in nats of every text after its first token."""
    totals = []
    for ids in texts_ids:
        row = torch.tensor([ids], device=packed.device)
        (hidden,) = packed.hidden([Block(slot, row, row[0, :0])])
        (logits,) = packed.logits([(slot, hidden[0, :-1])])
        totals.append(F.cross_entropy(logits, row[0, 1:], reduction="sum").item())
    return totals


@torch.inference_mode()
def drift_nats(packed: PackedModel, exchanges: Sequence[Exchange], *, batch_size: int) -> list[float]:
    """KL(base || adapter) of the next token in nats, summed over the positions of every exchange.

    Both read the same rows in passes of the same shape, so an adapter that adds nothing drifts by exactly 0.
    """
    results: dict[int, float] = {}
    for batch in _batches([len(e.prompt_ids) + len(e.answer_ids) for e in exchanges], batch_size):
        batch.sort(key=lambda i: _slot_order(exchanges[i].slot))
        for index, nats in zip(batch, _drift(packed, [exchanges[i] for i in batch]), strict=True):
            results[index] = nats
    return [results[i] for i in range(len(exchanges))]


def _drift(packed: PackedModel, exchanges: list[Exchange]) -> list[float]:
    groups = [list(group) for _, group in groupby(exchanges, key=lambda e: e.slot)]
    blocks = [_exchange_block(group) for group in groups]
    tuned = packed.hidden(blocks)
    base = packed.hidden([block._replace(slot=None) for block in blocks])
    nats: list[float] = []
    for block, group, tuned_BLD, base_BLD in zip(blocks, groups, tuned, base, strict=True):
        shared = block.shape.P
        spans = [(n, len(e.prompt_ids) - 1 - shared, e.positions) for n, e in enumerate(group)]
        tuned_nD, base_nD = (
            torch.cat([states[n, start : start + count] for n, start, count in spans])
            for states in (tuned_BLD, base_BLD)
        )
        kl_n = _divergence(packed, block.slot, base_nD, tuned_nD)
        nats += [part.sum().item() for part in torch.split(kl_n, [e.positions for e in group])]
    return nats


def _exchange_block(exchanges: list[Exchange]) -> Block:
    rows = [[*e.prompt_ids, *e.answer_ids] for e in exchanges]
    # The last prompt token is compared after, so it belongs to the rows.
    shared = min(shared_prefix(rows), min(len(e.prompt_ids) for e in exchanges) - 1) if len(rows) > 1 else 0
    width = max(len(row) for row in rows) - shared
    ids = torch.tensor([row[shared:] + [0] * (width - len(row) + shared) for row in rows])
    return Block(exchanges[0].slot, ids, torch.tensor(rows[0][:shared], dtype=torch.long))


def _divergence(packed: PackedModel, slot: int | None, base_nD: torch.Tensor, tuned_nD: torch.Tensor) -> torch.Tensor:
    """KL(base || adapter) `[n]` in nats of the next-token distributions after the given states."""
    parts = []
    size = max(1, COMPARED_LOGITS // packed.base.model.config.get_text_config().vocab_size)
    for base_states, tuned_states in zip(torch.split(base_nD, size), torch.split(tuned_nD, size), strict=True):
        (base_nV,), (tuned_nV,) = packed.logits([(None, base_states)]), packed.logits([(slot, tuned_states)])
        terms = F.kl_div(tuned_nV.log_softmax(-1), base_nV.log_softmax(-1), reduction="none", log_target=True)
        parts.append(terms.sum(-1).clamp(min=0))  # a divergence is never negative; its rounding error may be
    return torch.cat(parts)
