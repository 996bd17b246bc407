"""Several LoRA adapters on one frozen base model, in one forward and backward pass.

Rows of different trials ("slots") are laid one after another; every linear layer multiplies all rows with the frozen
weight once and adds each slot's low-rank product to that slot's rows only. Attention runs per slot on that slot's own
padded block, so no shape a trial sees depends on its neighbours, and a packed trial equals the trial alone.

Shapes: T tokens of all slots, D features, B rows of L positions after P shared ones in a block, H heads of size d.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from raykft.errors import ModelError
from raykft.models.head import head_nll
from raykft.models.kernels import KernelChoice, always, choose_kernels
from raykft.models.load import BaseModel
from raykft.models.lowrank import FrozenWeight, LoraPair, Part, adapted_product, add_lowrank
from raykft.models.quantize import check_not_repacked
from raykft.models.targets import HEAD, adaptable_modules, resolve_preset

ATTENTION_NAME = "raykft_packed"


class Segment(NamedTuple):
    """Rows `start:stop` of the flattened tokens belong to `slot` (None: the base model alone)."""

    slot: int | None
    start: int
    stop: int


class Block(NamedTuple):
    """One slot's micro-batch: right-padded rows `ids_BL` int64, all of which continue the tokens `prefix_P`.

    What every row begins with (the chat template's opening) is computed once for the block, not once a row.
    """

    slot: int | None
    ids_BL: torch.Tensor
    prefix_P: torch.Tensor

    @property
    def shape(self) -> BlockShape:
        return BlockShape(self.prefix_P.shape[0], *self.ids_BL.shape)


class BlockShape(NamedTuple):
    """P shared tokens, then B rows of L tokens, laid one after another."""

    P: int
    B: int
    L: int

    @property
    def tokens(self) -> int:
        return self.P + self.B * self.L


@dataclass
class Router:
    """What the layers must know of the current pass; one per model, shared by all its layers."""

    segments: Sequence[Segment] = ()
    shapes: Sequence[BlockShape] | None = None  # None while generating: rows then are an ordinary batch
    dropout: dict[int, tuple[float, torch.Generator]] = field(default_factory=dict)
    kernels: KernelChoice = field(default_factory=lambda: always("loop"))


class PackedLinear(nn.Module):
    """A frozen linear layer with any number of adapters, one per slot."""

    def __init__(self, base: nn.Linear, router: Router, *, both_orders: bool) -> None:
        super().__init__()
        self.base = base
        self.router = router
        self.pairs: dict[int, LoraPair] = {}
        # A bitsandbytes layer multiplies its packed weight itself.
        self.frozen = FrozenWeight(base, both_orders=both_orders) if type(base) is nn.Linear else None

    @property
    def weight(self) -> torch.Tensor:
        """The frozen weight, for code that ties or inspects it."""
        return self.base.weight

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x_TD = x.reshape(-1, x.shape[-1])
        parts = self.parts(x_TD)
        kernel = self.router.kernels.pick(len(parts), self.base.in_features, self.base.out_features)
        if self.frozen is not None:
            y_TE = adapted_product(self.frozen, x_TD, parts, kernel)
        else:
            y_TE = self.base(x_TD)
            if parts:
                y_TE = add_lowrank(y_TE, x_TD, parts, kernel)
        return y_TE.view(*x.shape[:-1], y_TE.shape[-1])

    def parts(self, x_TD: torch.Tensor) -> list[Part]:
        """The segments whose slot adapts this layer, with the dropout factors of their rows."""
        parts = []
        for slot, start, stop in self.router.segments:
            pair = self.pairs.get(slot) if slot is not None else None
            if slot is None or pair is None or start == stop:
                continue
            keep = None
            if slot in self.router.dropout:
                rate, generator = self.router.dropout[slot]
                shape = (stop - start, x_TD.shape[1])
                drawn = torch.rand(shape, generator=generator, device=x_TD.device)
                keep = (drawn >= rate).to(x_TD.dtype) / (1 - rate)
            parts.append(Part(start, stop, pair, keep))
        return parts


class PackedModel:
    """A base model whose linear layers are `PackedLinear`, with adapters attached by slot number."""

    def __init__(self, base: BaseModel) -> None:
        self.base = base
        self.device = base.device
        self.router = Router()
        model = base.model
        self.layers: dict[str, PackedLinear] = {}
        for name in adaptable_modules(model):
            layer = PackedLinear(model.get_submodule(name), self.router, both_orders=base.both_orders)
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], layer)
            self.layers[name] = layer
        # Without the head, whose loss has a product of its own.
        inner = [layer.base for name, layer in self.layers.items() if name != HEAD]
        shapes = [(linear.in_features, linear.out_features) for linear in inner]
        self.use_kernels(choose_kernels(base.kernel, shapes, base.device, model.dtype))
        self.quantized = [layer.base for layer in self.layers.values() if layer.frozen is None]
        for module in model.modules():
            if "Attention" in type(module).__name__:
                module.raykft_router = self.router
        model.set_attn_implementation(ATTENTION_NAME)
        self.decoder = model.get_decoder()
        self.softcap: float | None = getattr(model.config, "final_logit_softcapping", None)

    @property
    def kernels(self) -> KernelChoice:
        """How the layers multiply low-rank factors."""
        return self.router.kernels

    def use_kernels(self, kernels: KernelChoice) -> None:
        self.router.kernels = kernels

    def add_adapter(self, slot: int, *, rank: int, alpha: float, preset: str, generator: torch.Generator) -> list[str]:
        """Attach a fresh adapter, initialized as PEFT does: A Kaiming-uniform (a=√5), B zero.

        Args:
            generator: the trial's own CPU generator, so that the values do not depend on the neighbours.

        Returns:
            The names of the adapted modules.
        """
        names = resolve_preset(preset, list(self.layers))
        for name in names:
            base = self.layers[name].base
            bound = 1 / math.sqrt(base.in_features)  # kaiming_uniform with a=√5 over `in_features`
            A = torch.empty(rank, base.in_features).uniform_(-bound, bound, generator=generator)
            B = torch.zeros(base.out_features, rank)
            self.layers[name].pairs[slot] = LoraPair(
                nn.Parameter(A.to(self.device)), nn.Parameter(B.to(self.device)), alpha / rank
            )
        return names

    def remove_adapter(self, slot: int) -> None:
        for layer in self.layers.values():
            layer.pairs.pop(slot, None)

    def adapter(self, slot: int) -> dict[str, LoraPair]:
        """The adapter of `slot` by module name.

        Raises:
            ModelError: there is none.
        """
        pairs = {name: layer.pairs[slot] for name, layer in self.layers.items() if slot in layer.pairs}
        if not pairs:
            raise ModelError(f"slot {slot} has no adapter")
        return pairs

    @contextmanager
    def route(
        self,
        segments: Sequence[Segment],
        shapes: Sequence[BlockShape] | None = None,
        dropout: dict[int, tuple[float, torch.Generator]] | None = None,
    ) -> Iterator[None]:
        """Tell the layers which rows belong to which slot while the body runs."""
        router = self.router
        router.segments, router.shapes, router.dropout = segments, shapes, dropout or {}
        try:
            yield
        finally:
            router.segments, router.shapes, router.dropout = (), None, {}

    def hidden(
        self, blocks: Sequence[Block], dropout: dict[int, tuple[float, torch.Generator]] | None = None
    ) -> list[torch.Tensor]:
        """Last hidden states `[B, L, D]` of every block's rows, computed in one packed pass without a KV cache.

        Raises:
            ModelError: bitsandbytes has repacked a layer for inference.
        """
        check_not_repacked(self.quantized)
        shapes = [block.shape for block in blocks]
        sizes = [shape.tokens for shape in shapes]
        ids = torch.cat([part.reshape(-1) for block in blocks for part in (block.prefix_P, block.ids_BL)])
        positions = torch.cat([_positions(shape) for shape in shapes])
        # A ready-made 4-D mask is passed through untouched and ignored by `_attention`, which knows the blocks.
        no_mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.device)
        with self.route(list(_segments([block.slot for block in blocks], sizes)), shapes, dropout):
            out = self.decoder(
                input_ids=ids.unsqueeze(0).to(self.device),
                position_ids=positions.unsqueeze(0).to(self.device),
                attention_mask=no_mask,
                use_cache=False,
            )
        parts = torch.split(out.last_hidden_state[0], sizes)
        return [part[s.P :].view(s.B, s.L, -1) for part, s in zip(parts, shapes, strict=True)]

    def logits(self, hidden: Sequence[tuple[int | None, torch.Tensor]]) -> list[torch.Tensor]:
        """fp32 logits `[n, V]` for rows `[n, D]` of several slots (the head may carry adapters too)."""
        sizes = [rows.shape[0] for _, rows in hidden]
        segments = list(_segments([slot for slot, _ in hidden], sizes))
        with self.route(segments):
            logits = self.base.model.lm_head(torch.cat([rows for _, rows in hidden])).float()
        if self.softcap:
            logits = torch.tanh(logits / self.softcap) * self.softcap
        return list(torch.split(logits, sizes))

    def nll(
        self,
        hidden: Sequence[tuple[int, torch.Tensor]],
        targets: Sequence[torch.Tensor],
        dropout: dict[int, tuple[float, torch.Generator]] | None = None,
    ) -> torch.Tensor:
        """Summed negative log-likelihood `[S]` of every slot's targets `[n]` after its states `[n, D]`, in nats."""
        head = self.layers[HEAD]
        sizes = [rows.shape[0] for _, rows in hidden]
        states = torch.cat([rows for _, rows in hidden])
        if head.frozen is None:
            raise ModelError("the output head is quantized; raykft quantizes every layer but the head")
        with self.route(list(_segments([slot for slot, _ in hidden], sizes)), dropout=dropout):
            parts = head.parts(states)
        return head_nll(head.frozen, states, torch.cat(list(targets)), sizes, parts, self.softcap)


def _segments(slots: Sequence[int | None], sizes: Sequence[int]) -> Iterator[Segment]:
    start = 0
    for slot, size in zip(slots, sizes, strict=True):
        yield Segment(slot, start, start + size)
        start += size


def _attention(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention block by block in a packed pass; Transformers' own SDPA otherwise (generation).

    Rows are padded on the right, so causality alone keeps padding out of every real position.
    """
    shapes = module.raykft_router.shapes
    if shapes is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    window, scale = kwargs.get("sliding_window"), kwargs.get("scaling")
    sizes = [shape.tokens for shape in shapes]
    blocks = zip(*(torch.split(t[0], sizes, 1) for t in (query, key, value)), shapes, strict=True)
    return torch.cat([_block_attention(q, k, v, shape, scale, window) for q, k, v, shape in blocks]).unsqueeze(0), None


def _block_attention(
    q: torch.Tensor,
    k: torch.Tensor,
    v: torch.Tensor,
    shape: BlockShape,
    scale: float | None,
    window: int | None,
) -> torch.Tensor:
    """Attention of one block, `[H, P + B*L, d]` to `[P + B*L, H, d]`: the prefix sees itself, every row both."""
    P, B, L = shape
    (q_P, q_rows), (k_P, k_rows), (v_P, v_rows) = (torch.split(t, [P, B * L], 1) for t in (q, k, v))
    q_rows, k_rows, v_rows = (t.reshape(-1, B, L, t.shape[-1]).transpose(0, 1) for t in (q_rows, k_rows, v_rows))
    mask = None
    if P:
        k_rows = torch.cat([k_P.expand(B, -1, -1, -1), k_rows], 2)
        v_rows = torch.cat([v_P.expand(B, -1, -1, -1), v_rows], 2)
    if P or (window and window < L):
        mask = _causal_mask(L, P + L, window, q.device)
    rows = F.scaled_dot_product_attention(q_rows, k_rows, v_rows, attn_mask=mask, is_causal=mask is None, scale=scale)
    out = rows.transpose(1, 2).reshape(B * L, *q.shape[::2])
    if not P:
        return out
    mask = _causal_mask(P, P, window, q.device)
    prefix = F.scaled_dot_product_attention(q_P[None], k_P[None], v_P[None], attn_mask=mask, scale=scale)
    return torch.cat([prefix[0].transpose(0, 1), out])


def _causal_mask(queries: int, keys: int, window: int | None, device: torch.device) -> torch.Tensor:
    """True where query i, the last `queries` of `keys` positions, may look at key j."""
    distance = torch.arange(keys - queries, keys, device=device)[:, None] - torch.arange(keys, device=device)
    return (distance >= 0) & (distance < window) if window else distance >= 0


def _positions(shape: BlockShape) -> torch.Tensor:
    return torch.cat([torch.arange(shape.P), torch.arange(shape.P, shape.P + shape.L).repeat(shape.B)])


AttentionInterface.register(ATTENTION_NAME, _attention)
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
