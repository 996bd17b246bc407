"""What the base model says of the answers of rows; asked once a row, for all trials."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from raykft.data.encode import EncodedRow
from raykft.models.numerics import CHUNK_LOGITS
from raykft.models.packed import Block, PackedModel
from raykft.models.soft_targets import Teaching
from raykft.train.recipe import TEACHER_TOP
from raykft.train.teachings import Teachings


class Teacher:
    """The frozen base model of a host. Only for the thread that computes there."""

    def __init__(self, packed: PackedModel, cache: Path | None = None) -> None:
        """
        Args:
            cache: a folder where what it says is kept for other hosts and later runs.
        """
        self._packed = packed
        self._cache = cache
        self._known: dict[EncodedRow, Teaching] = {}

    @cached_property
    def _kept(self) -> Teachings | None:
        # Not made before it is needed: a cache may hold very many files, and most experiments have no teacher.
        return Teachings(self._cache, _of(self._packed)) if self._cache else None

    def about(self, row: EncodedRow) -> Teaching:
        """For the positions of the row's answer."""
        if row not in self._known:
            self._known[row] = self._look_up(row)
        return self._known[row]

    def _look_up(self, row: EncodedRow) -> Teaching:
        if self._kept is None:
            return self._ask(row)
        said = self._kept.read(row)
        if said is None:
            said = self._ask(row)
            self._kept.write(row, said)
        return said

    @torch.no_grad()
    def _ask(self, row: EncodedRow) -> Teaching:
        # A row by itself: what is said of it must not depend on the rows beside it.
        (states,) = self._packed.hidden([Block(None, [row.ids[:-1]])])
        vocabulary = self._packed.base.model.config.get_text_config().vocab_size
        chunks = torch.split(states[row.prompt_tokens - 1 :], max(1, CHUNK_LOGITS // vocabulary))
        said = [self._likeliest(chunk) for chunk in chunks]
        return Teaching(*(torch.cat(parts).cpu() for parts in zip(*said, strict=True)))

    def _likeliest(self, states_nD: torch.Tensor) -> Teaching:
        (logits,) = self._packed.logits([(None, states_nD)])
        shares, kept = logits.softmax(1).topk(min(TEACHER_TOP, logits.shape[1]), 1)
        return Teaching(kept, shares)


def _of(packed: PackedModel) -> dict[str, Any]:
    """What the base model's shares depend on; the last bits of hosts of different kinds may differ, and do no harm."""
    base = packed.base
    return {
        "model": base.source.digest,
        "quantization": base.quantization,
        "residency": base.residency,
        "dtype": str(base.model.dtype),
    }
