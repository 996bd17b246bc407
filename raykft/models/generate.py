"""Greedy answers for rows of several adapters at a time."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F

from raykft.errors import ConfigError
from raykft.models.packed import PackedModel
from raykft.models.rows import Reader, batches, forward_rows, head_rows, slot_order
from raykft.models.static_steps import StaticSteps

# Finished rows are carried along until this share of a batch is left: dropping them copies the cache, and in passes of
# one shape the next one must be recorded anew.
COMPACT_BELOW, COMPACT_STATIC_BELOW = 0.75, 0.5
SWITCH, DECODINGS = "RAYKFT_DECODING", ("dynamic", "static")


class Prompt(NamedTuple):
    """One prompt for one slot (None: the base model)."""

    slot: int | None
    ids: list[int]
    max_new_tokens: int


class Generation(NamedTuple):
    """New token ids without the stop token; `stopped` tells whether the model ended by itself."""

    ids: list[int]
    stopped: bool


def is_static() -> bool:
    """Whether the environment asks for passes of one shape."""
    asked = os.environ.get(SWITCH, "dynamic")
    if asked not in DECODINGS:
        raise ConfigError(f"{SWITCH} {asked!r} is no way of decoding; use one of: {', '.join(DECODINGS)}")
    return asked == "static"


@torch.inference_mode()
def generate(
    packed: PackedModel, prompts: Sequence[Prompt], *, stop_ids: set[int], batch_size: int, static: bool | None = None
) -> list[Generation]:
    """Greedy decoding. Prompts of like length share a batch, whatever their slot; finished rows leave it.

    Args:
        static: in passes of one shape (`raykft.models.static_steps`); what the environment says where left out.
    """
    results: dict[int, Generation] = {}
    reader = Reader(packed)
    decode = _decode_static if (is_static() if static is None else static) else _decode
    with packed.constant_adapters():
        for batch in batches([len(p.ids) + p.max_new_tokens for p in prompts], batch_size):
            batch.sort(key=lambda i: slot_order(prompts[i].slot))
            for index, generation in zip(batch, decode(reader, [prompts[i] for i in batch], stop_ids), strict=True):
                results[index] = generation
    return [results[i] for i in range(len(prompts))]


class _Answers:
    """What the rows of a batch have said, and which of them go on."""

    def __init__(self, prompts: Sequence[Prompt], stop_ids: set[int]) -> None:
        self._prompts, self._stop_ids = prompts, stop_ids
        self._new: list[list[int]] = [[] for _ in prompts]
        self._stopped = [False] * len(prompts)
        self.rows = list(range(len(prompts)))  # the prompt behind every row of the running batch
        self.live = set(self.rows)

    def take(self, tokens: Sequence[int]) -> None:
        """The next token of every row."""
        for index, token in zip(self.rows, tokens, strict=True):
            if index not in self.live:
                continue
            self._stopped[index] = token in self._stop_ids
            if not self._stopped[index]:
                self._new[index].append(token)
            if self._stopped[index] or len(self._new[index]) == self._prompts[index].max_new_tokens:
                self.live.discard(index)

    def compact(self, below: float) -> list[int] | None:
        """The rows to go on with once no more than such a share of them lives; None where all go on."""
        if len(self.live) > below * len(self.rows):
            return None
        keep = [row for row, index in enumerate(self.rows) if index in self.live]
        self.rows = [self.rows[row] for row in keep]
        return keep

    def slots(self) -> list[int | None]:
        return [self._prompts[index].slot for index in self.rows]

    def generations(self) -> list[Generation]:
        return [Generation(ids, done) for ids, done in zip(self._new, self._stopped, strict=True)]


def _decode(reader: Reader, prompts: list[Prompt], stop_ids: set[int]) -> list[Generation]:
    packed, answers = reader.packed, _Answers(prompts, stop_ids)
    new_tokens = max(p.max_new_tokens for p in prompts)
    last_ND, mask_NP, position, cache = reader.prefill(answers.slots(), [p.ids for p in prompts], new_tokens)
    while True:
        tokens_N = head_rows(packed, answers.slots(), last_ND).argmax(-1)
        answers.take(tokens_N.tolist())
        if not answers.live:
            return answers.generations()
        if (keep := answers.compact(COMPACT_BELOW)) is not None:
            at = torch.tensor(keep, device=packed.device)
            cache.batch_select_indices(at)
            tokens_N, position, mask_NP = tokens_N[at], position[at], mask_NP[at]
        position = position + 1
        mask_NP = F.pad(mask_NP, (0, 1), value=1)
        last_ND = forward_rows(packed, answers.slots(), tokens_N.unsqueeze(1), mask_NP, position, cache)[:, -1]


def _decode_static(reader: Reader, prompts: list[Prompt], stop_ids: set[int]) -> list[Generation]:
    answers = _Answers(prompts, stop_ids)
    new_tokens = max(p.max_new_tokens for p in prompts)
    read = reader.prefill(answers.slots(), [p.ids for p in prompts], new_tokens)
    if not StaticSteps.serves(read):
        return _decode(reader, prompts, stop_ids)
    tokens = head_rows(reader.packed, answers.slots(), read.states_ND).argmax(-1).tolist()
    steps = StaticSteps(reader.packed, answers.slots(), read, tokens, new_tokens)
    while True:
        answers.take(tokens)
        if not answers.live:
            return answers.generations()
        if (keep := answers.compact(COMPACT_STATIC_BELOW)) is not None:
            steps.keep(keep)
        tokens = steps.step()
