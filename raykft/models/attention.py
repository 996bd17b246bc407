"""Causal attention of a packed pass, whose rows lie one after another without padding.

`padded` pads every trial's rows to the longest of its own for the attention alone: the only way on a CPU, and what
`varlen` is checked against. `varlen` is one call for the rows of all trials (`torch.nn.attention.varlen`, the kernel of
FlashAttention), where a GPU has it. With both, nothing a trial computes depends on the shapes of its neighbours.

Shapes: T tokens of all trials, n of one block's rows, B rows of at most L tokens after P shared ones, H heads of
size d.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F

LAYOUTS = 64  # of recent passes, kept: all layers of a pass ask for the same
MASK_ELEMENTS = 1 << 16  # of a mask that is kept
# FlashAttention's sums are in another order; in bf16 this much of the norm. A wrong mask is off by ten times that.
AGREEMENT = 0.03
_KINDS = ("cuda",)  # of devices that may have the kernel


class BlockShape(NamedTuple):
    """P shared tokens, then rows of so many tokens that continue them, laid one after another."""

    P: int
    lengths: tuple[int, ...]

    @property
    def tokens(self) -> int:
        return self.P + sum(self.lengths)

    def positions(self) -> list[int]:
        """Of every token in the text it belongs to."""
        return [*range(self.P), *(self.P + n for length in self.lengths for n in range(length))]


# Of `[H, T, d]` queries and of keys and values with as many heads or fewer, to `[T, H, d]`; then the softmax's scale
# and how far back a token looks (None: to the first).
Attention = Callable[
    [torch.Tensor, torch.Tensor, torch.Tensor, Sequence[BlockShape], float | None, int | None], torch.Tensor
]


def padded(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    shapes: Sequence[BlockShape],
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """An `Attention`, block by block."""
    groups = q.shape[0] // k.shape[0]
    if groups > 1:
        k, v = k.repeat_interleave(groups, 0), v.repeat_interleave(groups, 0)
    if len(shapes) == 1:
        return _block(q, k, v, shapes[0], scale, window)
    sizes = [shape.tokens for shape in shapes]
    blocks = zip(*(torch.split(t, sizes, 1) for t in (q, k, v)), shapes, strict=True)
    return torch.cat([_block(q, k, v, shape, scale, window) for q, k, v, shape in blocks])


def _block(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    shape: BlockShape,
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """`[H, P + n, d]` to `[P + n, H, d]`: the prefix sees itself, every row both.

    Rows are padded on the right, so causality alone keeps padding out of every real position.
    """
    P, B, L = shape.P, len(shape.lengths), max(shape.lengths)
    if not P:
        q_rows, k_rows, v_rows = (_pad(t, shape.lengths) for t in (q, k, v))
        mask = _causal_mask(L, L, window, q) if window and window < L else None
        return _unpad(_attend(q_rows, k_rows, v_rows, mask, scale), shape.lengths)
    (q_P, q_n), (k_P, k_n), (v_P, v_n) = (torch.split(t, [P, t.shape[1] - P], 1) for t in (q, k, v))
    q_rows, k_rows, v_rows = (_pad(t, shape.lengths) for t in (q_n, k_n, v_n))
    k_rows = torch.cat([k_P.expand(B, -1, -1, -1), k_rows], 2)
    v_rows = torch.cat([v_P.expand(B, -1, -1, -1), v_rows], 2)
    rows = _attend(q_rows, k_rows, v_rows, _causal_mask(L, P + L, window, q), scale)
    prefix = _attend(q_P[None], k_P[None], v_P[None], _causal_mask(P, P, window, q), scale)
    return torch.cat([prefix.squeeze(0).transpose(0, 1), _unpad(rows, shape.lengths)])


def _attend(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, mask: torch.Tensor | None, scale: float | None
) -> torch.Tensor:
    """Of `[B, H, L, d]`; without a mask each token looks at those before it."""
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=mask is None, scale=scale)


def _pad(t_Hnd: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """`[B, H, L, d]`, zero after every row's end; a view where all rows are equally long."""
    H, _, d = t_Hnd.shape
    B, L = len(lengths), max(lengths)
    if len(set(lengths)) > 1:
        t_Hnd = t_Hnd.new_zeros(H, B * L, d).index_copy_(1, _places(lengths, t_Hnd.device), t_Hnd)
    return t_Hnd.reshape(H, B, L, d).transpose(0, 1)


def _unpad(t_BHLd: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """`[n, H, d]`: what `_pad` filled."""
    t = t_BHLd.transpose(1, 2).flatten(0, 1)
    return t if len(set(lengths)) == 1 else t.index_select(0, _places(lengths, t.device))


@lru_cache(maxsize=LAYOUTS)
@torch.inference_mode(mode=False)  # a pass that trains may ask for what one that measures has left
def _places(lengths: tuple[int, ...], device: torch.device) -> torch.Tensor:
    """Where the rows' tokens lie once each row is padded to the longest."""
    longest = max(lengths)
    return torch.tensor([row * longest + n for row, length in enumerate(lengths) for n in range(length)], device=device)


def _causal_mask(queries: int, keys: int, window: int | None, like: torch.Tensor) -> torch.Tensor:
    """What to add to the score of query i, the last `queries` of `keys` positions, and key j: nothing where it may look
    there, else minus infinity. All layers of a pass share it."""
    make = _kept_mask if queries * keys <= MASK_ELEMENTS else _made_mask
    return make(queries, keys, window, like.device, like.dtype)


def _made_mask(queries: int, keys: int, window: int | None, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    hidden = (distance < 0) | (distance >= window) if window else distance < 0
    return torch.zeros(queries, keys, device=device, dtype=dtype).masked_fill_(hidden, -torch.inf)


_kept_mask = lru_cache(maxsize=LAYOUTS)(torch.inference_mode(mode=False)(_made_mask))


class Sequences(NamedTuple):
    """A pass as sequences of queries and of the keys they may look at: prefixes among themselves, rows with theirs.

    `keys` are the places of all keys among the T tokens (None: each token once, in order), `ends_q` and `ends_k` where
    each sequence begins and, last, where the last one ends, int32.
    """

    keys: torch.Tensor | None
    ends_q: torch.Tensor
    ends_k: torch.Tensor
    longest_q: int
    longest_k: int


@lru_cache(maxsize=LAYOUTS)
@torch.inference_mode(mode=False)
def sequences_of(shapes: tuple[BlockShape, ...], device: torch.device) -> Sequences:
    """Every block's prefix, then its rows."""
    keys: list[int] = []
    queries_per, keys_per = [], []
    start = 0
    for shape in shapes:
        prefix = range(start, start + shape.P)
        if shape.P:
            keys += prefix
            queries_per.append(shape.P)
            keys_per.append(shape.P)
        start += shape.P
        for length in shape.lengths:
            keys += [*prefix, *range(start, start + length)]
            queries_per.append(length)
            keys_per.append(shape.P + length)
            start += length
    ends_q, ends_k = (
        F.pad(torch.tensor(counts, dtype=torch.int32, device=device).cumsum(0, dtype=torch.int32), (1, 0))
        for counts in (queries_per, keys_per)
    )
    shared = any(shape.P for shape in shapes)
    at = torch.tensor(keys, device=device) if shared else None
    return Sequences(at, ends_q, ends_k, max(queries_per), max(keys_per))


def varlen(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    shapes: Sequence[BlockShape],
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """An `Attention`, all blocks in one call; CUDA, bf16 or fp16."""
    from torch.nn.attention.varlen import varlen_attn

    grouped: dict[str, Any] = {"enable_gqa": q.shape[0] != k.shape[0]}
    if "enable_gqa" not in _parameters(varlen_attn):  # torch 2.11: there each query head needs keys of its own
        groups, grouped = q.shape[0] // k.shape[0], {}
        k, v = k.repeat_interleave(groups, 0), v.repeat_interleave(groups, 0)
    found = sequences_of(tuple(shapes), q.device)
    q_T, k_T, v_T = (t.transpose(0, 1).contiguous() for t in (q, k, v))
    if found.keys is not None:
        # Unlike that of `index_select`, the gradient of indexing is summed in a fixed order on a GPU.
        k_T, v_T = k_T[found.keys], v_T[found.keys]
    # The kernel counts back from the last query's place among its keys, as a row after its prefix does.
    out = varlen_attn(
        q_T,
        k_T,
        v_T,
        found.ends_q,
        found.ends_k,
        found.longest_q,
        found.longest_k,
        scale=scale,
        window_size=(window - 1 if window else -1, 0),
        **grouped,
    )
    return cast(torch.Tensor, out)


@lru_cache(maxsize=8)
def _parameters(function: Callable[..., object]) -> frozenset[str]:
    return frozenset(inspect.signature(function).parameters)


def attention_of(config: Any, device: torch.device, dtype: torch.dtype) -> str:
    """The name of what a model's layers attend with, for a Transformers `config` of its text part."""
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    chosen = choose_attention(device, dtype, heads, getattr(config, "num_key_value_heads", None) or heads, size)
    return "varlen" if chosen is varlen else "padded"


@lru_cache
def choose_attention(device: torch.device, dtype: torch.dtype, heads: int, kv_heads: int, head_dim: int) -> Attention:
    """`varlen` where it works and agrees with `padded` on a small pass, `padded` otherwise.

    Asked by layers themselves, since a model may have layers of several head sizes; found out once for each.
    """
    if device.type not in _KINDS or dtype not in (torch.bfloat16, torch.float16):
        return padded
    try:
        agrees = all(_agree(device, dtype, (heads, kv_heads, head_dim), window) for window in (None, 6))
    # An older torch, without that function or with other arguments; a GPU or a head size that it does not serve.
    except (ImportError, TypeError, RuntimeError, ValueError):
        agrees = False
    return varlen if agrees else padded


@torch.inference_mode(mode=False)  # the first layer may ask in a pass that only measures
@torch.enable_grad()
def _agree(device: torch.device, dtype: torch.dtype, sizes: tuple[int, int, int], window: int | None) -> bool:
    """Whether outputs and gradients are the same on rows of several lengths, with and without a prefix."""
    heads, kv_heads, head_dim = sizes
    shapes = (BlockShape(5, (3, 17, 9)), BlockShape(0, (11, 1)))
    tokens = sum(shape.tokens for shape in shapes)
    generator = torch.Generator().manual_seed(0)  # the same on every device, and nobody else's
    drawn = [torch.randn(n, tokens, head_dim, generator=generator) for n in (heads, kv_heads, kv_heads)]
    upstream = torch.randn(tokens, heads, head_dim, generator=generator).to(device, dtype)
    results = []
    for attention in (padded, varlen):
        q, k, v = inputs = [t.to(device, dtype).requires_grad_() for t in drawn]
        out = attention(q, k, v, shapes, None, window)
        results.append([out, *torch.autograd.grad(out, inputs, upstream)])
    return all(_close(*pair) for pair in zip(*results, strict=True))


def _close(expected: torch.Tensor, found: torch.Tensor) -> bool:
    error = (expected.float() - found.float()).norm() / expected.float().norm()
    return bool(error < AGREEMENT)  # NaN is not
