"""What the base model says about rows that adapters are held to; computed once a row, for all trials of a host."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from raykft.data.encode import EncodedRow
from raykft.models.leash import Teaching
from raykft.models.packed import Block, PackedModel

TOP = 20  # kept tokens a position; published work finds no difference to the whole vocabulary (arXiv 2412.14964)


class Teacher:
    """The frozen base model of a host. Only for the thread that computes there."""

    def __init__(self, packed: PackedModel) -> None:
        self._packed = packed
        self._known: dict[EncodedRow, Teaching] = {}

    def about(self, rows: Sequence[EncodedRow]) -> list[Teaching]:
        """For the positions of every row's answer."""
        return [self._known.get(row) or self._known.setdefault(row, self._ask(row)) for row in rows]

    @torch.no_grad()
    def _ask(self, row: EncodedRow) -> Teaching:
        # A row by itself: what is said of it must not depend on the rows beside it.
        (states,) = self._packed.hidden([Block(None, [row.ids[:-1]])])
        ((logits),) = self._packed.logits([(None, states[row.prompt_tokens - 1 :])])
        shares, kept = logits.softmax(1).topk(min(TOP, logits.shape[1]), 1)
        return Teaching(kept.cpu(), shares.cpu())
