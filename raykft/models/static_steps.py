"""Decoding in passes of one shape, which a GPU records once and replays.

A pass of ordinary decoding launches some thousand kernels, which on a GPU is all that it costs; replayed, it costs what
the kernels do. For that nothing may depend on how far a batch has come but through numbers on the device: tokens,
positions, the place in the cache, and the mask over a cache of fixed size. On other devices the same passes run
unrecorded: more arithmetic than ordinary ones, and the same answers.

Shapes: N rows, C positions of the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch

from raykft.models.kv_cache import BufferedLayer, static_cache
from raykft.models.packed import PackedModel
from raykft.models.rows import Prefilled, forward_rows, head_rows

log = logging.getLogger(__name__)
_KINDS = ("cuda",)  # of devices that record
RECORDED_FROM = 8  # tokens still to come: recording takes about as long as two passes


class StaticSteps:
    """Greedy steps of a batch whose prompts have been read; finished rows are computed along."""

    def __init__(
        self, packed: PackedModel, slots: Sequence[int | None], read: Prefilled, tokens_N: Sequence[int], more: int
    ) -> None:
        """
        Args:
            read: its cache is of `BufferedLayer`, with room for `more` positions.
            tokens_N: what every row goes on with.
        """
        device = packed.device
        self._packed, self._slots, self._left = packed, list(slots), more
        self._at_1 = torch.tensor([read.mask_NP.shape[1]], device=device)
        self._position_N1 = read.last_N1.clone()
        everything = torch.arange(len(slots), device=device)
        self._cache = static_cache(read.cache, self._at_1, everything)
        width, capacity = read.mask_NP.shape[1], self._cache.layers[0].capacity
        dtype = read.states_ND.dtype
        self._mask_N11C = torch.full((len(slots), 1, 1, capacity), -torch.inf, device=device, dtype=dtype)
        self._mask_N11C[:, 0, 0, :width].masked_fill_(read.mask_NP.bool(), 0)
        self._ids_N1 = torch.tensor(tokens_N, device=device).unsqueeze(1)
        self._passes = 0
        self._replay: Callable[[], None] | None = None

    @classmethod
    def serves(cls, read: Prefilled) -> bool:
        """Whether the cache keeps every position of every layer."""
        return all(isinstance(layer, BufferedLayer) for layer in read.cache.layers)

    def step(self) -> list[int]:
        """The next token of every row."""
        if self._replay is not None:
            self._replay()
        elif self._passes and self._left >= RECORDED_FROM and self._packed.device.type in _KINDS:
            self._replay = self._record() or self._advance
            self._replay()
        else:  # the first one also makes whatever is kept between passes
            self._advance()
        self._passes += 1
        self._left -= 1
        tokens: list[int] = self._ids_N1.squeeze(1).tolist()
        return tokens

    def keep(self, rows: Sequence[int]) -> None:
        """Go on with some of the rows. What was recorded is of another shape."""
        at = torch.tensor(rows, device=self._packed.device)
        self._cache = static_cache(self._cache, self._at_1, at)
        self._slots = [self._slots[row] for row in rows]
        self._position_N1, self._ids_N1 = self._position_N1[at], self._ids_N1[at]
        self._mask_N11C = self._mask_N11C[at]
        self._passes, self._replay = 0, None

    def _advance(self) -> None:
        """One pass. Python is asked for nothing in it, and nothing in it is asked of Python."""
        self._mask_N11C.index_fill_(3, self._at_1, 0)
        self._position_N1 += 1
        hidden = forward_rows(self._packed, self._slots, self._ids_N1, self._mask_N11C, self._position_N1, self._cache)
        self._ids_N1.copy_(head_rows(self._packed, self._slots, hidden[:, -1]).argmax(-1, keepdim=True))
        self._at_1 += 1

    def _record(self) -> Callable[[], None] | None:
        """What replays a pass; None where the device or a library in between cannot record it."""
        graph: Any = torch.cuda.CUDAGraph()
        try:
            with torch.cuda.graph(graph):
                self._advance()
        except RuntimeError as error:
            log.warning("decoding goes on without a recorded pass: %s", error)
            return None
        replay: Callable[[], None] = graph.replay
        return replay
