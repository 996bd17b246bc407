"""A key-value cache of fixed capacity.

Transformers' DynamicCache concatenates the whole cache anew for every token: half the time of a decode step on CPU.
"""

from __future__ import annotations

from typing import Any

import torch
from transformers import Cache, DynamicCache
from transformers.cache_utils import DynamicLayer


class BufferedLayer(DynamicLayer):  # type: ignore[misc]
    """One layer's keys and values, `[N, heads, capacity, head_dim]` buffers of which the first `n` are in use."""

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.capacity = capacity

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        start = self.get_seq_length()
        stop = start + key_states.shape[-2]
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            self._keys = self._buffer(key_states)
            self._values = self._buffer(value_states)
        self._keys[:, :, start:stop] = key_states
        self._values[:, :, start:stop] = value_states
        self._view(stop)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        used = self.get_seq_length()
        self._keys, self._values = self._keys[indices], self._values[indices]
        self._view(used)

    def _buffer(self, states: torch.Tensor) -> torch.Tensor:
        return states.new_empty(*states.shape[:2], self.capacity, states.shape[3])

    def _view(self, used: int) -> None:
        self.keys, self.values = self._keys[:, :, :used], self._values[:, :, :used]


def make_cache(config: Any, capacity: int) -> Cache:
    """A cache for up to `capacity` positions; Transformers' own where a layer keeps only a shorter window."""
    text = config.get_text_config()
    window = getattr(text, "sliding_window", None)
    if window and window < capacity:
        return DynamicCache(config=config)
    return Cache(layers=[BufferedLayer(capacity) for _ in range(text.num_hidden_layers)])
