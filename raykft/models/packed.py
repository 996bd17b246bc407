"""Several LoRA adapters on one frozen base model, in one forward and backward pass.

Rows of different trials ("slots") are laid one after another; every linear layer multiplies all rows with the frozen
weight once and adds each slot's low-rank product to that slot's rows only. Nothing is padded but, for attention alone,
a slot's rows to the longest of its own, so no shape a trial sees depends on its neighbours, and a packed trial equals
the trial alone.

Shapes: T tokens of all slots, n of one block's rows, D features.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from raykft.data.encode import shared_prefix
from raykft.errors import ModelError
from raykft.models.attention import BlockShape, choose_attention
from raykft.models.head import head_nll
from raykft.models.kernels import KernelChoice, always, choose_kernels
from raykft.models.lean import make_lean
from raykft.models.load import BaseModel
from raykft.models.lowrank import FrozenWeight, LoraPair, Part, Parts, Stacks, adapted_product, add_lowrank
from raykft.models.quantize import check_not_repacked
from raykft.models.soft_targets import SoftTargets
from raykft.models.targets import HEAD, adaptable_modules, resolve_preset

ATTENTION_NAME = "raykft_packed"


class Segment(NamedTuple):
    """Rows `start:stop` of the flattened tokens belong to `slot` (None: the base model alone)."""

    slot: int | None
    start: int
    stop: int


class Block(NamedTuple):
    """One slot's micro-batch: token ids of `rows`, all of which continue those of `prefix`.

    What every row begins with (the chat template's opening) is computed once for the block, not once a row.
    """

    slot: int | None
    rows: Sequence[Sequence[int]]
    prefix: Sequence[int] = ()

    @classmethod
    def sharing(cls, slot: int | None, texts: Sequence[Sequence[int]], most: int) -> Block:
        """Whole texts as a block whose prefix is what they begin with, but no more than `most` tokens."""
        shared = min(shared_prefix(texts), most) if len(texts) > 1 else 0
        return cls(slot, [text[shared:] for text in texts], texts[0][:shared])

    @property
    def shape(self) -> BlockShape:
        return BlockShape(len(self.prefix), tuple(map(len, self.rows)))

    @property
    def ids(self) -> list[int]:
        """Of all tokens, as they lie in a pass."""
        return [*self.prefix, *(token for row in self.rows for token in row)]


class Inputs(NamedTuple):
    """Token ids and positions of a pass, on the device."""

    ids_T: torch.Tensor
    positions_T: torch.Tensor


@dataclass
class Router:
    """What the layers must know of the current pass; one per model, shared by all its layers."""

    segments: Sequence[Segment] = ()
    shapes: Sequence[BlockShape] | None = None  # None while generating: rows then are an ordinary batch
    dropout: dict[int, tuple[float, torch.Generator]] = field(default_factory=dict)
    kernels: KernelChoice = field(default_factory=lambda: always("loop"))
    constant: bool = False  # no adapter changes from one pass to the next


class PackedLinear(nn.Module):
    """A frozen linear layer with any number of adapters, one per slot."""

    def __init__(self, base: nn.Linear, router: Router, *, both_orders: bool) -> None:
        super().__init__()
        self.base = base
        self.router = router
        self.pairs: dict[int, LoraPair] = {}
        self._stacks: Stacks = {}
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

    def forget_stacks(self) -> None:
        self._stacks.clear()

    def parts(self, x_TD: torch.Tensor) -> Parts:
        """The segments whose slot adapts this layer, with the dropout factors of their rows."""
        parts = Parts()
        parts.stacks = self._stacks if self.router.constant else None
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
        self.lean_modules = make_lean(model)
        # A ready-made 4-D mask is passed through untouched and ignored by `_attention`, which knows the blocks.
        self._no_mask = torch.ones(1, 1, 1, 1, dtype=torch.bool, device=self.device)
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
    def constant_adapters(self) -> Iterator[None]:
        """No adapter changes while the body runs: kernels may keep what they make of its factors."""
        self.router.constant = True
        try:
            yield
        finally:
            self.router.constant = False
            for layer in self.layers.values():
                layer.forget_stacks()

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

    def upload(self, blocks: Sequence[Block], *more: Sequence[int]) -> tuple[Inputs, list[torch.Tensor]]:
        """What a pass over `blocks` must be told, and further whole numbers, on the device by one copy that nobody
        waits for."""
        ids = [token for block in blocks for token in block.ids]
        positions = [n for block in blocks for n in block.shape.positions()]
        lists = (ids, positions, *more)
        whole = torch.tensor([n for each in lists for n in each], pin_memory=self.device.type == "cuda")
        parts = torch.split(whole.to(self.device, non_blocking=True), [len(each) for each in lists])
        return Inputs(*parts[:2]), list(parts[2:])

    def states(
        self,
        blocks: Sequence[Block],
        inputs: Inputs,
        dropout: dict[int, tuple[float, torch.Generator]] | None = None,
    ) -> torch.Tensor:
        """Last hidden states `[T, D]` of all tokens, computed in one packed pass without a KV cache.

        Raises:
            ModelError: bitsandbytes has repacked a layer for inference.
        """
        check_not_repacked(self.quantized)
        shapes = [block.shape for block in blocks]
        segments = list(_segments([block.slot for block in blocks], [shape.tokens for shape in shapes]))
        with self.route(segments, shapes, dropout):
            out = self.decoder(
                input_ids=inputs.ids_T.unsqueeze(0),
                position_ids=inputs.positions_T.unsqueeze(0),
                attention_mask=self._no_mask,
                use_cache=False,
            )
        states: torch.Tensor = out.last_hidden_state.squeeze(0)
        return states

    def hidden(
        self, blocks: Sequence[Block], dropout: dict[int, tuple[float, torch.Generator]] | None = None
    ) -> list[torch.Tensor]:
        """Last hidden states `[n, D]` of every block's rows, by `states`."""
        inputs, _ = self.upload(blocks)
        parts = torch.split(self.states(blocks, inputs, dropout), [block.shape.tokens for block in blocks])
        return [part[block.shape.P :] for part, block in zip(parts, blocks, strict=True)]

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
        slots: Sequence[int],
        sizes: Sequence[int],
        states_nD: torch.Tensor,
        targets_n: torch.Tensor,
        dropout: dict[int, tuple[float, torch.Generator]] | None = None,
        soft_targets: Sequence[SoftTargets | None] = (),
    ) -> torch.Tensor:
        """Summed negative log-likelihood `[S]` of every slot's targets after its states, in nats, with its soft
        targets.

        Args:
            sizes: how many of the rows are each slot's, one slot after another.
        """
        head = self.layers[HEAD]
        if head.frozen is None:
            raise ModelError("the output head is quantized; raykft quantizes every layer but the head")
        with self.route(list(_segments(slots, sizes)), dropout=dropout):
            parts = head.parts(states_nD)
        return head_nll(head.frozen, states_nD, targets_n, sizes, parts, self.softcap, soft_targets)


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
    """Causal attention within each row in a packed pass; Transformers' own SDPA otherwise (generation)."""
    shapes = module.raykft_router.shapes
    if shapes is None:
        out, _ = sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
        return out, None
    # The gradient of a view is a view; that of a selection fills a tensor of zeros first.
    q, k, v = query.squeeze(0), key.squeeze(0), value.squeeze(0)
    attend = choose_attention(q.device, q.dtype, q.shape[0], k.shape[0], q.shape[2])
    return attend(q, k, v, shapes, kwargs.get("scaling"), kwargs.get("sliding_window")).unsqueeze(0), None


AttentionInterface.register(ATTENTION_NAME, _attention)
AttentionMaskInterface.register(ATTENTION_NAME, sdpa_mask)
