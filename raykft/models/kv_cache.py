"""Key-value caches of fixed capacity, whose rows can be copied out and put together.

Transformers' DynamicCache concatenates the whole cache anew for every token: half the time of a decode step on CPU.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
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
            self.allocate(key_states.shape[0], key_states)
        self._keys[:, :, start:stop] = key_states
        self._values[:, :, start:stop] = value_states
        self.use(stop)
        return self.keys, self.values

    def batch_select_indices(self, indices: torch.Tensor) -> None:
        keys, values = self.keys, self.values
        self.allocate(len(indices), keys)
        self.put(slice(None), keys[indices], values[indices], keys.shape[2])

    def allocate(self, rows: int, like: torch.Tensor) -> None:
        """New buffers of `rows` rows with the heads of `like`; nothing in them is in use."""
        if not self.is_initialized:
            self.lazy_initialization(like, like)
        shape = (rows, like.shape[1], self.capacity, like.shape[3])
        self._keys, self._values = like.new_empty(shape), like.new_empty(shape)
        self.use(0)

    def put(self, rows: torch.Tensor | slice, keys: torch.Tensor, values: torch.Tensor, stop: int) -> None:
        """Let the first `stop` positions of `rows` end with the given ones and hold zeros before them.

        Zeros, because a masked position still takes part in the product with the values, where NaN times 0 is NaN.
        """
        start = stop - keys.shape[2]
        for buffer, states in ((self._keys, keys), (self._values, values)):
            if start:
                buffer[rows, :, :start] = 0
            buffer[rows, :, start:stop] = states
        self.use(stop)

    def use(self, count: int) -> None:
        """Declare the first `count` positions to be in use."""
        self.keys, self.values = self._keys[:, :, :count], self._values[:, :, :count]


class StaticLayer(BufferedLayer):
    """One layer of a batch that is decoded in passes of one shape: all of the capacity is looked at, through a mask.

    New keys and values go where the device's own `at_1` says.
    """

    def __init__(self, layer: BufferedLayer, at_1: torch.Tensor, rows: torch.Tensor) -> None:
        super().__init__(layer.capacity)
        keys, values = layer.keys[rows], layer.values[rows]
        self.allocate(len(rows), keys)
        self.put(slice(None), keys, values, keys.shape[2])
        for buffer in (self._keys, self._values):
            buffer[:, :, keys.shape[2] :] = 0  # masked, but NaN times 0 is NaN
        self.use(self.capacity)
        self._at_1 = at_1

    def update(
        self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any
    ) -> tuple[torch.Tensor, torch.Tensor]:
        self._keys.index_copy_(2, self._at_1, key_states)
        self._values.index_copy_(2, self._at_1, value_states)
        return self.keys, self.values


def static_cache(cache: Cache, at_1: torch.Tensor, rows: torch.Tensor) -> Cache:
    """The chosen rows of a cache of `BufferedLayer` as one whose shapes stay as they are."""
    return Cache(layers=[StaticLayer(layer, at_1, rows) for layer in cache.layers])


def make_cache(config: Any, capacity: int) -> Cache:
    """A cache for up to `capacity` positions; Transformers' own where a layer keeps only a shorter window."""
    text = config.get_text_config()
    if not fits(config, capacity):
        return DynamicCache(config=config)
    return Cache(layers=[BufferedLayer(capacity) for _ in range(text.num_hidden_layers)])


def fits(config: Any, capacity: int) -> bool:
    """Whether every layer of the model keeps all of `capacity` positions, so that caches can be put together."""
    window = getattr(config.get_text_config(), "sliding_window", None)
    return not window or window >= capacity


def rows_of(cache: Cache, indices: Sequence[int], capacity: int) -> Cache:
    """A copy of some rows (any of them several times) with room for `capacity` positions; `cache` stays as it is."""
    if not isinstance(cache.layers[0], BufferedLayer):
        selected = copy.deepcopy(cache)
        selected.batch_select_indices(torch.tensor(indices, device=cache.layers[0].keys.device))
        return selected
    layers = []
    for layer in cache.layers:
        at = torch.tensor(indices, device=layer.keys.device)
        layers.append(BufferedLayer(capacity))
        layers[-1].allocate(len(indices), layer.keys)
        layers[-1].put(slice(None), layer.keys[at], layer.values[at], layer.keys.shape[2])
    return Cache(layers=layers)


def joined(parts: Sequence[Cache], rows: Sequence[Sequence[int]], capacity: int) -> Cache:
    """One cache of the rows of several, which all end at the position where the longest ends.

    Args:
        rows: of every part, where its rows go.
    """
    count, width = sum(map(len, rows)), max(part.get_seq_length() for part in parts)
    layers = []
    for number, first in enumerate(parts[0].layers):
        layers.append(BufferedLayer(capacity))
        layers[-1].allocate(count, first.keys)
        for part, at in zip(parts, rows, strict=True):
            layer = part.layers[number]
            layers[-1].put(torch.tensor(at, device=layer.keys.device), layer.keys, layer.values, width)
    return Cache(layers=layers)
