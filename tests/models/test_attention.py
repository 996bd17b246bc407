"""Attention of rows that lie one after another: against each row alone, and the GPU's way against the CPU's."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.nn.attention import varlen as torch_varlen

from raykft.models import attention
from raykft.models.attention import BlockShape, choose_attention, padded, sequences_of, varlen

CPU = torch.device("cpu")
HEADS, KV_HEADS, SIZE = 4, 2, 8
SHAPES = {
    "one row": (BlockShape(0, (5,)),),
    "rows of a length": (BlockShape(0, (3, 3)), BlockShape(2, (4, 4))),
    "ragged": (BlockShape(0, (3, 17, 1)), BlockShape(0, (9,))),
    "ragged after prefixes": (BlockShape(5, (3, 17, 9)), BlockShape(0, (11, 1)), BlockShape(1, (2, 6))),
}


def tokens_of(shapes: tuple[BlockShape, ...]) -> int:
    return sum(shape.tokens for shape in shapes)


def inputs(shapes: tuple[BlockShape, ...], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = [(n, tokens_of(shapes), SIZE) for n in (HEADS, KV_HEADS, KV_HEADS)]
    return [torch.randn(size, generator=generator, requires_grad=True) for size in sizes]


def text_by_text(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, shapes: tuple[BlockShape, ...], window: int | None
) -> torch.Tensor:
    """Softmax over the keys each token may look at, written out."""
    out = torch.zeros(q.shape[1], HEADS, SIZE)
    start = 0
    for shape in shapes:
        prefix = list(range(start, start + shape.P))
        ends = list(itertools.accumulate(shape.lengths, initial=start + shape.P))
        texts = [prefix, *([*prefix, *range(a, b)] for a, b in itertools.pairwise(ends))]
        for text in texts:
            for at, token in enumerate(text):
                seen = text[max(0, at + 1 - window) if window else 0 : at + 1]
                for head in range(HEADS):
                    kv = head * KV_HEADS // HEADS
                    weights = torch.softmax(k[kv, seen] @ q[head, token] / SIZE**0.5, 0)
                    out[token, head] = weights @ v[kv, seen]
        start += shape.tokens
    return out


def reference_kernel(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    ends_q: torch.Tensor,
    ends_k: torch.Tensor,
    longest_q: int,
    longest_k: int,
    *,
    scale: float | None,
    window_size: tuple[int, int],
    enable_gqa: bool,
) -> torch.Tensor:
    """What `varlen_attn` is documented to do, sequence by sequence, in any dtype on a CPU."""
    assert ends_q.dtype == ends_k.dtype == torch.int32
    assert ends_q[-1] == q.shape[0]
    assert ends_k[-1] == k.shape[0] == v.shape[0]
    assert (ends_q.diff().max(), ends_k.diff().max()) == (longest_q, longest_k)
    out = []
    for (q0, q1), (k0, k1) in zip(
        itertools.pairwise(ends_q.tolist()), itertools.pairwise(ends_k.tolist()), strict=True
    ):
        behind = torch.arange(k1 - k0 - (q1 - q0), k1 - k0)[:, None] - torch.arange(k1 - k0)
        mask = (behind >= -window_size[1]) & ((behind <= window_size[0]) | (window_size[0] < 0))
        rows = [t.transpose(0, 1)[None] for t in (q[q0:q1], k[k0:k1], v[k0:k1])]
        found = F.scaled_dot_product_attention(*rows, attn_mask=mask, scale=scale, enable_gqa=enable_gqa)
        out.append(found[0].transpose(0, 1))
    return torch.cat(out)


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_every_text_attends_to_itself_alone(name: str, window: int | None) -> None:
    shapes = SHAPES[name]
    q, k, v = inputs(shapes)
    expected = text_by_text(q, k, v, shapes, window)
    found = padded(q, k, v, shapes, None, window)
    torch.testing.assert_close(found, expected)
    upstream = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, (q, k, v), upstream)
    torch.testing.assert_close(torch.autograd.grad(found, (q, k, v), upstream), wanted)


@pytest.mark.parametrize("window", [None, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_one_call_for_all_texts_is_the_same(name: str, window: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_varlen, "varlen_attn", reference_kernel)
    shapes = SHAPES[name]
    q, k, v = inputs(shapes)
    expected, found = (way(q, k, v, shapes, 0.3, window) for way in (padded, varlen))
    torch.testing.assert_close(found, expected)
    upstream = torch.randn(found.shape, generator=torch.Generator().manual_seed(1))
    wanted = torch.autograd.grad(expected, (q, k, v), upstream)
    torch.testing.assert_close(torch.autograd.grad(found, (q, k, v), upstream), wanted)


def test_a_text_is_the_same_bit_for_bit_beside_others() -> None:
    own, other = SHAPES["ragged after prefixes"][0], BlockShape(2, (40, 3))
    n = own.tokens
    q, k, v = inputs((own, other))
    alone = padded(q[:, :n], k[:, :n], v[:, :n], (own,), None, None)
    spoiled = [torch.cat([t[:, :n], torch.full_like(t[:, n:], torch.nan)], 1) for t in (q, k, v)]
    assert padded(*spoiled, (own, other), None, None)[:n].equal(alone)  # type: ignore[arg-type]


def test_what_a_measuring_pass_leaves_serves_one_that_trains() -> None:
    shapes = (BlockShape(3, (2, 7, 4)),)
    attention._places.cache_clear()
    sequences_of.cache_clear()
    q, k, v = inputs(shapes)
    with torch.inference_mode():
        padded(q, k, v, shapes, None, None)
        assert not sequences_of(shapes, CPU).ends_q.is_inference()
    padded(q, k, v, shapes, None, None).sum().backward()  # type: ignore[no-untyped-call]


def from_the_first_key(*arguments: Any, **keywords: Any) -> torch.Tensor:
    """Puts the first query at the first key, as if no row came after a prefix."""
    q, k, v, ends_q, ends_k, *longest = arguments
    starts = zip(ends_k[:-1], itertools.pairwise(ends_q), strict=True)
    keys = torch.cat([torch.arange(k0, k0 + q1 - q0) for k0, (q0, q1) in starts])
    return reference_kernel(q, k[keys], v[keys], ends_q, ends_q, longest[0], longest[0], **keywords)


def wider(*arguments: Any, **keywords: Any) -> torch.Tensor:
    """Counts a window without the token itself."""
    back, ahead = keywords.pop("window_size")
    return reference_kernel(*arguments, window_size=(back if back < 0 else back + 1, ahead), **keywords)


def looking_ahead(*arguments: Any, **keywords: Any) -> torch.Tensor:
    return reference_kernel(*arguments, **keywords | {"window_size": (keywords["window_size"][0], 1)})


def of_an_older_torch(
    q: Any, k: Any, v: Any, ends_q: Any, ends_k: Any, longest_q: int, longest_k: int, is_causal: bool = False
) -> torch.Tensor:
    raise AssertionError("it does not know `scale`")


def without_grouped_heads(
    q: torch.Tensor, k: torch.Tensor, v: torch.Tensor, *arguments: Any, scale: Any, window_size: Any
) -> torch.Tensor:
    """That of torch 2.11: as many heads of keys as of queries."""
    assert q.shape[1] == k.shape[1] == v.shape[1]
    return reference_kernel(q, k, v, *arguments, scale=scale, window_size=window_size, enable_gqa=False)


def refusing_kernel(*arguments: Any, **keywords: Any) -> torch.Tensor:
    raise RuntimeError("FlashAttention only supports Ampere GPUs or newer")


@pytest.mark.parametrize(
    ("kernel", "chosen"),
    [
        (reference_kernel, varlen),
        (from_the_first_key, padded),
        (wider, padded),
        (looking_ahead, padded),
        (without_grouped_heads, varlen),
        (of_an_older_torch, padded),
        (refusing_kernel, padded),
    ],
)
@pytest.mark.parametrize("measuring", [False, True])
def test_the_gpus_way_is_taken_only_where_it_agrees(
    kernel: Any, chosen: Any, measuring: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch_varlen, "varlen_attn", kernel)
    monkeypatch.setattr(attention, "_KINDS", ("cpu",))
    choose_attention.cache_clear()
    try:
        with torch.inference_mode(mode=measuring):
            assert choose_attention(CPU, torch.bfloat16, HEADS, KV_HEADS, SIZE) is chosen
            assert choose_attention(CPU, torch.float32, HEADS, KV_HEADS, SIZE) is padded
    finally:
        choose_attention.cache_clear()


def test_a_cpu_pads() -> None:
    assert choose_attention(CPU, torch.bfloat16, HEADS, KV_HEADS, SIZE) is padded


@pytest.mark.gpu
@pytest.mark.parametrize("head_dim", [64, 128, 256])
def test_a_gpu_agrees(head_dim: int) -> None:
    device = torch.device("cuda")
    if torch.cuda.get_device_capability() < (8, 0):
        pytest.skip("FlashAttention needs compute capability 8.0")
    assert choose_attention(device, torch.bfloat16, 8, 2, head_dim) is varlen


@pytest.mark.gpu
@pytest.mark.parametrize("length", [40, 300])
def test_on_a_gpu_gradients_are_the_same_twice_and_beside_others(length: int) -> None:
    """At 300 keys the kernel adds up gradients of queries from several blocks, in an order it may not keep."""
    device = torch.device("cuda")
    own, other = BlockShape(6, (length, 7)), BlockShape(0, (length, 90))
    q, k, v = (t.detach().to(device, torch.bfloat16) for t in inputs((own, other)))
    attend = choose_attention(device, torch.bfloat16, HEADS, KV_HEADS, SIZE)

    def gradients(shapes: tuple[BlockShape, ...]) -> list[torch.Tensor]:
        leaves = [t[:, : tokens_of(shapes)].clone().requires_grad_() for t in (q, k, v)]
        out = attend(*leaves, shapes, None, None)  # type: ignore[arg-type]
        return [t[:, : own.tokens] for t in torch.autograd.grad(out[: own.tokens].float().square().sum(), leaves)]

    alone = gradients((own,))
    for found in (gradients((own,)), gradients((own, other))):
        assert all(a.equal(b) for a, b in zip(alone, found, strict=True))
