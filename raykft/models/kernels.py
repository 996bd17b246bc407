"""Low-rank products of all slots of a layer at once, and the choice among ways to multiply them.

`loop` launches a handful of small operations per slot, which is what a GPU is slowest at. `bmm` and `grouped` call the
same number of operators however many slots there are, but for dropout, whose factors are drawn slot by slot:

- `bmm` pads ranks and row counts of the slots to the largest and multiplies them as one batch;
- `grouped` pads ranks to a multiple of eight and multiplies ragged groups of rows (`torch.nn.functional.grouped_mm`).

With both, padding is zeros of a slot's own or rows that are never read, so a neighbour's NaN or Inf stays its own, and
a neighbour that changes its *values* changes no bit of the others. Not guaranteed, unlike with `loop`: bitwise the
numbers a slot has alone. A neighbour's rank and row count enter shapes, and libraries sum in another order for another
shape. The head's loss (`raykft.models.head`) goes slot after slot with every kernel.

Shapes: T tokens of a layer, n of them in parts, S parts, N rows of the longest, R largest rank, D features in, E out.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from raykft.errors import ResourceError
from raykft.models.lowrank import LOOP, Kernel, LoraPair, Part, Parts

RANK_MULTIPLE = 8  # of `grouped_mm`: rows of bf16 operands begin at multiples of 16 bytes
SLOT_COUNTS = (1, 4, 16)
# What is measured: a step of some 64 rows a slot, of rank 16, no slot's as many as its neighbour's.
ROWS, RANK, WARM_UPS, REPEATS = 64, 16, 2, 5
_RAGGED = (0, 17, -23, 6)  # equal slots take a short cut that real rows hardly ever do
LAYOUTS = 64  # kept; a training pass has one for the rows of all its blocks, a decoding batch one per set of live rows


@dataclass(frozen=True, eq=False)
class Layout:
    """Where the rows of S parts lie among a layer's T, and where among S blocks of N.

    `rows` are their places in the layer, `padded_n` those in the blocks (None: parts of N rows each fill them),
    `part_n` the part of every row, `ends_S` where each part ends among the n rows, int32.
    """

    S: int
    N: int
    rows: slice | torch.Tensor
    padded_n: torch.Tensor | None
    part_n: torch.Tensor
    ends_S: torch.Tensor

    @property
    def is_batch(self) -> bool:
        """Whether the rows of all parts are a batch as they lie, so that products can be added in place."""
        return isinstance(self.rows, slice) and self.padded_n is None

    def take(self, t_T: torch.Tensor) -> torch.Tensor:
        """The n rows of all parts; a view where they follow one another."""
        return t_T[self.rows]

    def add(self, t_T: torch.Tensor, t_n: torch.Tensor) -> None:
        if isinstance(self.rows, slice):
            t_T[self.rows].add_(t_n)
        else:
            t_T.index_add_(0, self.rows, t_n)

    def pad(self, t_n: torch.Tensor) -> torch.Tensor:
        """`[S, N, ...]`, zero where a part has fewer rows; a view where none has."""
        if self.padded_n is None:
            return t_n.reshape(self.S, self.N, -1)
        blocks = t_n.new_zeros(self.S * self.N, t_n.shape[1])
        return blocks.index_copy_(0, self.padded_n, t_n).view(self.S, self.N, -1)

    def unpad(self, t_SN: torch.Tensor) -> torch.Tensor:
        """The n rows of `[S, N, ...]` that `pad` filled."""
        flat = t_SN.flatten(0, 1)
        return flat if self.padded_n is None else flat.index_select(0, self.padded_n)


def layout_of(parts: Sequence[Part], device: torch.device) -> Layout:
    """All layers of a pass share one, so that index tensors reach a GPU once a pass, not once a layer."""
    return _layout(tuple((part.start, part.stop) for part in parts), device)


@lru_cache(maxsize=LAYOUTS)
def _layout(spans: tuple[tuple[int, int], ...], device: torch.device) -> Layout:
    sizes = [stop - start for start, stop in spans]
    longest = max(sizes)
    adjacent = all(left[1] == right[0] for left, right in pairwise(spans))
    places = [row for start, stop in spans for row in range(start, stop)]
    padded = [part * longest + row for part, size in enumerate(sizes) for row in range(size)]
    owners = [part for part, size in enumerate(sizes) for _ in range(size)]
    ends = [sum(sizes[: n + 1]) for n in range(len(sizes))]
    return Layout(
        S=len(spans),
        N=longest,
        rows=slice(spans[0][0], spans[-1][1]) if adjacent else torch.tensor(places, device=device),
        padded_n=None if len(set(sizes)) == 1 else torch.tensor(padded, device=device),
        part_n=torch.tensor(owners, device=device),
        ends_S=torch.tensor(ends, dtype=torch.int32, device=device),
    )


@lru_cache(maxsize=LAYOUTS)
def _scales(scales: tuple[float, ...], device: torch.device) -> torch.Tensor:
    """`[S]` fp32: rounded to bf16 they would all be off by up to 0.4 %."""
    return torch.tensor(scales, dtype=torch.float32, device=device)


@lru_cache(maxsize=LAYOUTS)
def _rank_places(ranks: tuple[int, ...], largest: int, device: torch.device) -> torch.Tensor:
    """Where the factors' rows, one slot's after another's, lie among S blocks of `largest`."""
    places = [part * largest + row for part, rank in enumerate(ranks) for row in range(rank)]
    return torch.tensor(places, device=device)


def stacked_factors(parts: Sequence[Part], dtype: torch.dtype, multiple: int = 1) -> tuple[torch.Tensor, torch.Tensor]:
    """All parts' A `[S, R, D]` and B `[S, E, R]` in `dtype`, zero beyond a part's rank; `multiple` divides R.

    Made once for all passes in which adapters stay what they are and the same ones take part.
    """
    stacks = parts.stacks if isinstance(parts, Parts) else None
    if stacks is None:
        return _stacked_factors(parts, dtype, multiple)
    key = (*(id(part.pair) for part in parts), dtype, multiple)
    if key not in stacks:
        stacks.clear()
        stacks[key] = _stacked_factors(parts, dtype, multiple)
    return stacks[key]


def _stacked_factors(parts: Sequence[Part], dtype: torch.dtype, multiple: int) -> tuple[torch.Tensor, torch.Tensor]:
    all_A, all_B = ([getattr(part.pair, name) for part in parts] for name in "AB")
    ranks = tuple(A.shape[0] for A in all_A)
    largest = math.ceil(max(ranks) / multiple) * multiple
    if all(rank == largest for rank in ranks):
        return torch.stack(all_A).to(dtype), torch.stack(all_B).to(dtype)
    S, D, E = len(parts), all_A[0].shape[1], all_B[0].shape[0]
    A, B = torch.cat(all_A).to(dtype), torch.cat(all_B, 1).to(dtype)
    places = _rank_places(ranks, largest, A.device)
    A = A.new_zeros(S * largest, D).index_copy_(0, places, A).view(S, largest, D)
    B = B.new_zeros(E, S * largest).index_copy_(1, places, B).view(E, S, largest)
    return A, B.transpose(0, 1).contiguous()


def accumulate(parts: Sequence[Part], dA_SRD: torch.Tensor, dB_SER: torch.Tensor) -> None:
    """Add to every factor's `.grad`, in its dtype; what lies in padded ranks is dropped. No two parts share a pair."""
    gradients, updates = [], []
    for part, dA, dB in zip(parts, dA_SRD.float(), dB_SER.float(), strict=True):
        rank = part.pair.A.shape[0]
        for factor, update in ((part.pair.A, dA[:rank]), (part.pair.B, dB[:, :rank])):
            if not factor.requires_grad:
                continue
            if factor.grad is None:
                factor.grad = torch.zeros_like(factor)
            gradients.append(factor.grad)
            updates.append(update)
    if gradients:
        torch._foreach_add_(gradients, updates)


def _inputs(layout: Layout, x_TD: torch.Tensor, parts: Sequence[Part]) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The rows of all parts times their dropout factors, and these; None if no part drops any."""
    x_nD = layout.take(x_TD)
    if all(part.keep_nD is None for part in parts):
        return x_nD, None
    ones = (x_nD.new_ones(part.stop - part.start, x_nD.shape[1]) for part in parts)
    keep_nD = torch.cat([one if part.keep_nD is None else part.keep_nD for part, one in zip(parts, ones, strict=True)])
    return x_nD * keep_nD, keep_nD


class Bmm:
    """One batch of S products. Wasteful where one slot has many more rows or a much larger rank than the others."""

    name = "bmm"

    def add(self, out_TE: torch.Tensor, x_TD: torch.Tensor, parts: Sequence[Part]) -> list[torch.Tensor]:
        layout = layout_of(parts, x_TD.device)
        x_nD, _ = _inputs(layout, x_TD, parts)
        A_SRD, B_SER = stacked_factors(parts, x_TD.dtype)
        x_SND = layout.pad(x_nD)
        h_SNR = torch.bmm(x_SND, A_SRD.transpose(1, 2)).mul_(self._scale(parts, x_TD.device))
        if layout.is_batch:
            out_SNE = layout.take(out_TE).view(layout.S, layout.N, -1)
            out_SNE.baddbmm_(h_SNR, B_SER.transpose(1, 2))
        else:
            layout.add(out_TE, layout.unpad(torch.bmm(h_SNR, B_SER.transpose(1, 2))))
        return [h_SNR, A_SRD, B_SER]

    def add_gradients(
        self,
        dx_TD: torch.Tensor | None,
        dy_TE: torch.Tensor,
        x_TD: torch.Tensor,
        parts: Sequence[Part],
        saved: Sequence[torch.Tensor],
    ) -> None:
        h_SNR, A_SRD, B_SER = saved
        layout = layout_of(parts, x_TD.device)
        x_nD, keep_nD = _inputs(layout, x_TD, parts)
        x_SND = layout.pad(x_nD)
        dy_SNE = layout.pad(layout.take(dy_TE))
        dh_SNR = torch.bmm(dy_SNE, B_SER).mul_(self._scale(parts, x_TD.device))
        accumulate(parts, torch.bmm(dh_SNR.transpose(1, 2), x_SND), torch.bmm(dy_SNE.transpose(1, 2), h_SNR))
        if dx_TD is None:
            return
        if layout.is_batch and keep_nD is None:
            layout.take(dx_TD).view(layout.S, layout.N, -1).baddbmm_(dh_SNR, A_SRD)
            return
        dx_nD = layout.unpad(torch.bmm(dh_SNR, A_SRD))
        layout.add(dx_TD, dx_nD if keep_nD is None else dx_nD.mul_(keep_nD))

    @staticmethod
    def _scale(parts: Sequence[Part], device: torch.device) -> torch.Tensor:
        return _scales(tuple(part.pair.scale for part in parts), device)[:, None, None]


class Grouped:
    """Ragged groups of rows. On CUDA bf16 only, and D and E must be multiples of eight (`fits`)."""

    name = "grouped"

    def add(self, out_TE: torch.Tensor, x_TD: torch.Tensor, parts: Sequence[Part]) -> list[torch.Tensor]:
        layout = layout_of(parts, x_TD.device)
        x_nD, _ = _inputs(layout, x_TD, parts)
        A_SRD, B_SER = stacked_factors(parts, x_TD.dtype, RANK_MULTIPLE)
        h_nR = F.grouped_mm(x_nD, A_SRD.transpose(1, 2), offs=layout.ends_S).mul_(self._scale(parts, layout))
        layout.add(out_TE, F.grouped_mm(h_nR, B_SER.transpose(1, 2), offs=layout.ends_S))
        return [h_nR, A_SRD, B_SER]

    def add_gradients(
        self,
        dx_TD: torch.Tensor | None,
        dy_TE: torch.Tensor,
        x_TD: torch.Tensor,
        parts: Sequence[Part],
        saved: Sequence[torch.Tensor],
    ) -> None:
        h_nR, A_SRD, B_SER = saved
        layout = layout_of(parts, x_TD.device)
        ends = layout.ends_S
        x_nD, keep_nD = _inputs(layout, x_TD, parts)
        dy_nE = layout.take(dy_TE).contiguous()  # the gradient of a sum is one number, seen T times E times
        dh_nR = F.grouped_mm(dy_nE, B_SER, offs=ends).mul_(self._scale(parts, layout))
        accumulate(parts, F.grouped_mm(dh_nR.t(), x_nD, offs=ends), F.grouped_mm(dy_nE.t(), h_nR, offs=ends))
        if dx_TD is None:
            return
        dx_nD = F.grouped_mm(dh_nR, A_SRD, offs=ends)
        layout.add(dx_TD, dx_nD if keep_nD is None else dx_nD.mul_(keep_nD))

    @staticmethod
    def fits(in_features: int, out_features: int) -> bool:
        return in_features % RANK_MULTIPLE == 0 and out_features % RANK_MULTIPLE == 0

    @staticmethod
    def _scale(parts: Sequence[Part], layout: Layout) -> torch.Tensor:
        scales_S = _scales(tuple(part.pair.scale for part in parts), layout.part_n.device)
        return scales_S[layout.part_n].unsqueeze(1)


KERNELS: dict[str, Kernel] = {kernel.name: kernel for kernel in (LOOP, Bmm(), Grouped())}


@dataclass(frozen=True)
class KernelChoice:
    """The kernel by number of slots in a pass: that of the number in `by_slots` nearest in ratio.

    `seconds` are the measured times of all adapted layers of a pass, forward and backward, by kernel and slots.
    """

    by_slots: dict[int, str]
    seconds: dict[str, dict[int, float]] = field(default_factory=dict)

    def pick(self, slots: int, in_features: int, out_features: int) -> Kernel:
        """For one layer of a pass; a layer that `grouped` cannot multiply goes slot after slot."""
        if not slots:
            return LOOP
        nearest = min(self.by_slots, key=lambda measured: abs(math.log(measured / slots)))
        name = self.by_slots[nearest]
        return LOOP if name == "grouped" and not Grouped.fits(in_features, out_features) else KERNELS[name]

    def report(self) -> dict[str, Any]:
        """Plain values for environment.json."""
        milliseconds = {k: {str(n): round(1e3 * s, 3) for n, s in v.items()} for k, v in self.seconds.items()}
        return {"by_slots": {str(n): name for n, name in self.by_slots.items()}, "measured_ms": milliseconds}


def always(name: str) -> KernelChoice:
    return KernelChoice({1: name})


def choose_kernels(
    wanted: str, layers: Iterable[tuple[int, int]], device: torch.device, dtype: torch.dtype
) -> KernelChoice:
    """The kernel asked for, or the fastest of all by number of slots.

    On a CPU `auto` is `loop` unmeasured: it alone is bitwise equal to training alone, and the others gain nothing where
    a launch costs nothing.

    Args:
        wanted: "auto" or a kernel's name.
        layers: `(in_features, out_features)` of every adaptable layer.

    Raises:
        ResourceError: `grouped` where it does not run.
    """
    grouped_runs = _runs_grouped(device, dtype)
    if wanted == "grouped" and not hasattr(F, "grouped_mm"):
        raise ResourceError(
            f"resources.kernel 'grouped' is not in torch {torch.__version__}; use 'auto' or a newer torch"
        )
    if wanted == "grouped" and not grouped_runs:
        raise ResourceError(
            "resources.kernel 'grouped' multiplies bf16 on CUDA devices of compute capability 9.0 and more only, this "
            f"host computes in {str(dtype).removeprefix('torch.')} on {_device_name(device)}; use 'auto'"
        )
    if wanted != "auto":
        return always(wanted)
    if device.type != "cuda":
        return always(LOOP.name)
    names = [name for name in KERNELS if name != "grouped" or grouped_runs]
    return fastest(measure_kernels(names, Counter(layers), device, dtype))


def _runs_grouped(device: torch.device, dtype: torch.dtype) -> bool:
    # Below capability 9.0 `grouped_mm` falls back to a loop that waits for the device in every call.
    is_bf16_on_cuda = device.type == "cuda" and dtype is torch.bfloat16 and hasattr(F, "grouped_mm")
    return is_bf16_on_cuda and torch.cuda.get_device_capability(device) >= (9, 0)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "a CPU"


def fastest(seconds: dict[str, dict[int, float]]) -> KernelChoice:
    """The choice that measured times, by kernel and slots, lead to."""
    counts = next(iter(seconds.values()))
    return KernelChoice({n: min(seconds, key=lambda name: seconds[name][n]) for n in counts}, seconds)


def measure_kernels(
    names: Iterable[str], layers: Counter[tuple[int, int]], device: torch.device, dtype: torch.dtype
) -> dict[str, dict[int, float]]:
    """Seconds of all `layers`, forward and backward, by kernel and number of slots."""
    return {
        name: {
            slots: sum(
                count * _seconds(always(name).pick(slots, *shape), slots, *shape, device, dtype)
                for shape, count in layers.items()
            )
            for slots in SLOT_COUNTS
        }
        for name in names
    }


def _seconds(
    kernel: Kernel, slots: int, in_features: int, out_features: int, device: torch.device, dtype: torch.dtype
) -> float:
    """The median over a few passes through one layer, launches and all."""
    parts = []
    ends = [0, *itertools.accumulate(ROWS + _RAGGED[slot % len(_RAGGED)] for slot in range(slots))]
    for slot in range(slots):
        A = nn.Parameter(torch.zeros(RANK, in_features, device=device))
        B = nn.Parameter(torch.zeros(out_features, RANK, device=device))
        parts.append(Part(ends[slot], ends[slot + 1], LoraPair(A, B, 1.0), None))
    x_TD = torch.zeros(ends[-1], in_features, device=device, dtype=dtype)
    out_TE = torch.zeros(ends[-1], out_features, device=device, dtype=dtype)
    dx_TD, dy_TE = torch.zeros_like(x_TD), torch.zeros_like(out_TE)
    times = []
    with torch.no_grad():
        for _ in range(WARM_UPS + REPEATS):
            started = _now(device)
            saved = kernel.add(out_TE, x_TD, parts)
            kernel.add_gradients(dx_TD, dy_TE, x_TD, parts, saved)
            times.append(_now(device) - started)
    return statistics.median(times[WARM_UPS:])


def _now(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
