"""Log-probabilities of candidates and texts, and the drift of an adapter, for rows of several adapters at a time.

Shapes: N rows, L positions, P prefix positions, D features, V vocabulary, n compared positions.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import accumulate, groupby
from typing import NamedTuple

import torch
import torch.nn.functional as F

from raykft.models.kv_cache import rows_of
from raykft.models.numerics import MAX_POSITIONS
from raykft.models.packed import Block, PackedModel
from raykft.models.rows import Prefilled, Reader, batches, forward_rows, head_rows, passes, slot_order

# How many logits are held at a time: 64 MiB a tensor.
MAX_LOGITS = 2**24


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
def candidate_logprobs(packed: PackedModel, choices: Sequence[Choice], *, batch_size: int) -> list[list[float]]:
    """Sum of log P(candidate tokens | prefix), in nats, for every candidate of every choice.

    The prefix is computed once and its KV cache shared by the candidates.
    """
    results: dict[int, list[float]] = {}
    reader = Reader(packed)
    for batch in batches([len(c.prefix_ids) for c in choices], batch_size):
        batch.sort(key=lambda i: slot_order(choices[i].slot))
        for index, logprobs in zip(batch, _choose(reader, [choices[i] for i in batch]), strict=True):
            results[index] = logprobs
    return [results[i] for i in range(len(choices))]


class _Candidate(NamedTuple):
    """One candidate of the choice in row `row`."""

    row: int
    ids: list[int]


def _choose(reader: Reader, choices: list[Choice]) -> list[list[float]]:
    packed = reader.packed
    slots = [c.slot for c in choices]
    prefixes = reader.prefill(slots, [c.prefix_ids for c in choices], 0)
    candidates = [_Candidate(row, ids) for row, c in enumerate(choices) for ids in c.candidate_ids]
    firsts = [c.ids[0] for c in candidates]
    # The distribution after a prefix serves the first token of all its candidates.
    sums = _logprobs(packed, slots, prefixes.states_ND, [c.row for c in candidates], firsts)
    longer = [n for n, c in enumerate(candidates) if len(c.ids) > 1]
    lengths = [len(candidates[n].ids) - 1 for n in longer]
    limit = MAX_POSITIONS // (prefixes.mask_NP.shape[1] + max(lengths, default=0))
    for group in passes(lengths, packed.device, limit):
        numbers = [longer[i] for i in group]
        for n, logprob in zip(numbers, _tails(packed, slots, prefixes, [candidates[n] for n in numbers]), strict=True):
            sums[n] += logprob
    values = iter(sums)
    return [[next(values) for _ in c.candidate_ids] for c in choices]


def _tails(
    packed: PackedModel, slots: Sequence[int | None], prefixes: Prefilled, candidates: Sequence[_Candidate]
) -> Iterator[float]:
    """Summed log P of every candidate's tokens after its first."""
    rows = [c.row for c in candidates]
    row_slots = [slots[row] for row in rows]
    tails = [c.ids[:-1] for c in candidates]
    width = max(map(len, tails))
    device = packed.device
    ids = torch.tensor([tail + [0] * (width - len(tail)) for tail in tails], device=device)
    real = torch.tensor([[1] * len(tail) + [0] * (width - len(tail)) for tail in tails], device=device)
    mask = torch.cat([prefixes.mask_NP[rows], real], 1)
    position = prefixes.last_N1[rows] + 1 + torch.arange(width, device=device)
    cache = rows_of(prefixes.cache, rows, mask.shape[1])
    states = forward_rows(packed, row_slots, ids, mask, position, cache)[real.bool()]
    state_slots = [slot for slot, tail in zip(row_slots, tails, strict=True) for _ in tail]
    targets = [token for c in candidates for token in c.ids[1:]]
    logprobs = iter(_logprobs(packed, state_slots, states, range(len(targets)), targets))
    return (sum(next(logprobs) for _ in tail) for tail in tails)


def _logprobs(
    packed: PackedModel,
    slots: Sequence[int | None],
    states_ND: torch.Tensor,
    rows: Sequence[int],
    tokens: Sequence[int],
) -> list[float]:
    """log P of each of `tokens` after the state in the row named beside it."""
    size = max(1, MAX_LOGITS // packed.base.model.config.get_text_config().vocab_size)
    at, wanted = torch.tensor(rows, device=packed.device), torch.tensor(tokens, device=packed.device)
    found = torch.empty(len(tokens), device=packed.device)
    for start in range(0, len(slots), size):
        stop = min(start + size, len(slots))
        logits = head_rows(packed, slots[start:stop], states_ND[start:stop])
        here = (at >= start) & (at < stop)
        row = at[here] - start
        found[here] = logits[row, wanted[here]] - logits.logsumexp(-1)[row]
    values: list[float] = found.tolist()
    return values


@torch.inference_mode()
def text_nats(packed: PackedModel, slot: int | None, texts_ids: Sequence[list[int]]) -> list[float]:
    """Negative log-likelihood in nats of every text after its first token."""
    totals = []
    for ids in texts_ids:
        (hidden,) = packed.hidden([Block(slot, [ids])])
        (logits,) = packed.logits([(slot, hidden[:-1])])
        targets = torch.tensor(ids[1:], device=packed.device)
        totals.append(F.cross_entropy(logits, targets, reduction="sum").item())
    return totals


@torch.inference_mode()
def drift_nats(packed: PackedModel, exchanges: Sequence[Exchange], *, batch_size: int) -> list[float]:
    """KL(base || adapter) of the next token in nats, summed over the positions of every exchange.

    Both read the same rows in passes of the same shape, so an adapter that adds nothing drifts by exactly 0.
    """
    results: dict[int, float] = {}
    for batch in batches([len(e.prompt_ids) + len(e.answer_ids) for e in exchanges], batch_size):
        batch.sort(key=lambda i: slot_order(exchanges[i].slot))
        for index, nats in zip(batch, _drift(packed, [exchanges[i] for i in batch]), strict=True):
            results[index] = nats
    return [results[i] for i in range(len(exchanges))]


def _drift(packed: PackedModel, exchanges: list[Exchange]) -> list[float]:
    groups = [list(group) for _, group in groupby(exchanges, key=lambda e: e.slot)]
    blocks = [_exchange_block(group) for group in groups]
    tuned = packed.hidden(blocks)
    base = packed.hidden([block._replace(slot=None) for block in blocks])
    nats: list[float] = []
    for block, group, tuned_states, base_states in zip(blocks, groups, tuned, base, strict=True):
        ends = accumulate(block.shape.lengths)
        places = [n for end, e in zip(ends, group, strict=True) for n in range(end - e.positions, end)]
        at = torch.tensor(places, device=packed.device)
        base_nD, tuned_nD = base_states[at], tuned_states[at]
        kl_n = _divergence(packed, block.slot, base_nD, tuned_nD)
        nats += [part.sum().item() for part in torch.split(kl_n, [e.positions for e in group])]
    return nats


def _exchange_block(exchanges: list[Exchange]) -> Block:
    # The last prompt token is compared after, so it belongs to the rows.
    most = min(len(e.prompt_ids) for e in exchanges) - 1
    return Block.sharing(exchanges[0].slot, [[*e.prompt_ids, *e.answer_ids] for e in exchanges], most)


def _divergence(packed: PackedModel, slot: int | None, base_nD: torch.Tensor, tuned_nD: torch.Tensor) -> torch.Tensor:
    """KL(base || adapter) `[n]` in nats of the next-token distributions after the given states."""
    parts = []
    size = max(1, MAX_LOGITS // packed.base.model.config.get_text_config().vocab_size)
    for base_states, tuned_states in zip(torch.split(base_nD, size), torch.split(tuned_nD, size), strict=True):
        (base_nV,), (tuned_nV,) = packed.logits([(None, base_states)]), packed.logits([(slot, tuned_states)])
        terms = F.kl_div(tuned_nV.log_softmax(-1), base_nV.log_softmax(-1), reduction="none", log_target=True)
        parts.append(terms.sum(-1).clamp(min=0))  # a divergence is never negative; its rounding error may be
    return torch.cat(parts)
