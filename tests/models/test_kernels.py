"""The kernels of low-rank products against autograd on plain operators, and what neighbours may not change."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from raykft.errors import ResourceError
from raykft.hosts.actor import HostConfig, TrainingHost
from raykft.models import kernels
from raykft.models.kernels import KERNELS, Grouped, always, choose_kernels, fastest, layout_of, measure_kernels
from raykft.models.load import load_base
from raykft.models.lowrank import LOOP, FrozenWeight, Kernel, LoraPair, Part, adapted_product, add_lowrank
from raykft.models.packed import Block, PackedModel
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
D, E = 16, 24  # multiples of eight, as `grouped` needs them
CPU = torch.device("cpu")
NAMES = tuple(KERNELS)


@dataclass(frozen=True)
class Case:
    """Parts as (first row, rank, dropout?), each up to `rows` later; rows of no part have no adapter."""

    spans: tuple[tuple[int, int], ...]
    ranks: tuple[int, ...]
    dropped: tuple[int, ...] = ()
    T: int = 12


CASES = {
    "one slot": Case(((0, 12),), (3,)),
    "equal": Case(((0, 4), (4, 8), (8, 12)), (8, 8, 8)),
    "equal, all dropping": Case(((0, 6), (6, 12)), (8, 8), dropped=(0, 1)),
    "mixed ranks": Case(((0, 4), (4, 8), (8, 12)), (1, 8, 5)),
    "mixed rows": Case(((0, 1), (1, 8), (8, 12)), (8, 8, 8)),
    "mixed rows and ranks, one dropping": Case(((0, 1), (1, 8), (8, 12)), (2, 11, 8), dropped=(1,)),
    "rows of no slot at either end": Case(((2, 5), (5, 9)), (4, 2)),
    "rows of no slot between": Case(((0, 4), (6, 10)), (4, 4)),
    "rows of no slot between mixed ones, dropping": Case(((1, 4), (6, 11)), (3, 9), dropped=(0, 1)),
}


def parts_of(case: Case, device: torch.device = CPU, dtype: torch.dtype = torch.float32, seed: int = 0) -> list[Part]:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=generator)

    parts = []
    for n, ((start, stop), rank) in enumerate(zip(case.spans, case.ranks, strict=True)):
        A, B = (nn.Parameter(normal(*shape).to(device)) for shape in ((rank, D), (E, rank)))
        keep = ((normal(stop - start, D) > -0.5) / 0.7).to(device, dtype) if n in case.dropped else None
        parts.append(Part(start, stop, LoraPair(A, B, scale=0.3 * (n + 1)), keep))
    return parts


def factors(parts: Sequence[Part]) -> list[nn.Parameter]:
    return [p for part in parts for p in (part.pair.A, part.pair.B)]


def rows_of(case: Case, device: torch.device = CPU, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    """x `[T, D]` that wants a gradient, the frozen weight `[E, D]` and the gradient of the product `[T, E]`."""
    generator = torch.Generator().manual_seed(1)
    made = [torch.randn(*shape, generator=generator).to(device, dtype) for shape in ((case.T, D), (E, D), (case.T, E))]
    return [made[0].requires_grad_(), *made[1:]]


def written_out(x: torch.Tensor, weight: torch.Tensor, parts: Sequence[Part]) -> torch.Tensor:
    rows = list((x @ weight.t()).unbind())
    for start, stop, pair, keep in parts:
        adapted = x[start:stop] if keep is None else x[start:stop] * keep
        low = (adapted @ pair.A.t()) @ pair.B.t() * pair.scale
        for row in range(start, stop):
            rows[row] = rows[row] + low[row - start]
    return torch.stack(rows)


def run(
    kernel: Kernel, x: torch.Tensor, weight: torch.Tensor, dy: torch.Tensor, parts: Sequence[Part]
) -> list[torch.Tensor]:
    """The product, its input's gradient and every factor's, from scratch."""
    for tensor in (x, *factors(parts)):
        tensor.grad = None
    linear = nn.Linear(D, E, bias=False, device=x.device, dtype=x.dtype).requires_grad_(False)
    linear.weight.copy_(weight)
    y = adapted_product(FrozenWeight(linear, both_orders=False), x, parts, kernel)
    (y * dy).sum().backward()
    return collected(y, x, parts)


def collected(y: torch.Tensor, x: torch.Tensor, parts: Sequence[Part]) -> list[torch.Tensor]:
    gradients = [tensor.grad for tensor in (x, *factors(parts))]
    assert all(g is not None for g in gradients)
    return [y.detach(), *(g.clone() for g in gradients if g is not None)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_products_and_gradients_are_those_of_plain_operators(case: Case, name: str) -> None:
    parts, (x, weight, dy) = parts_of(case), rows_of(case)
    reference = written_out(x, weight, parts)
    (reference * dy).sum().backward()
    expected = collected(reference, x, parts)
    for got, want in zip(run(KERNELS[name], x, weight, dy, parts), expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)
    for tensor in (x, *factors(parts)):
        tensor.grad = None
    y = add_lowrank(x @ weight.t(), x, parts, KERNELS[name])  # as over a quantized layer
    (y * dy).sum().backward()
    for got, want in zip(collected(y, x, parts), expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", NAMES)
def test_gradients_accumulate_and_frozen_factors_have_none(name: str) -> None:
    case = CASES["mixed rows and ranks, one dropping"]
    parts, (x, weight, dy) = parts_of(case), rows_of(case)
    once = run(KERNELS[name], x, weight, dy, parts)[2:]
    y = add_lowrank(x.detach() @ weight.t(), x.detach(), parts, KERNELS[name])  # an input without a gradient
    (y * dy).sum().backward()
    for parameter, gradient in zip(factors(parts), once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)
    for parameter in factors(parts):
        parameter.grad = None
    parts[1].pair.A.requires_grad_(False)
    add_lowrank(x @ weight.t(), x, parts, KERNELS[name]).sum().backward()  # its gradient is one number, expanded
    assert parts[1].pair.A.grad is None
    assert parts[1].pair.B.grad is not None


@pytest.mark.parametrize("name", NAMES)
def test_low_precision_products_have_full_precision_gradients(name: str) -> None:
    case = CASES["mixed rows and ranks, one dropping"]
    parts, (x, weight, dy) = parts_of(case, dtype=torch.bfloat16), rows_of(case, dtype=torch.bfloat16)
    y, dx, *rest = run(KERNELS[name], x, weight, dy, parts)
    assert {y.dtype, dx.dtype} == {torch.bfloat16}
    assert {g.dtype for g in rest} == {torch.float32}
    exact_x, exact_weight, exact_dy = (t.detach().float() for t in (x, weight, dy))
    exact_parts = [part._replace(keep_nD=None if part.keep_nD is None else part.keep_nD.float()) for part in parts]
    exact = run(LOOP, exact_x.requires_grad_(), exact_weight, exact_dy, exact_parts)
    for got, want in zip([y, dx, *rest], exact, strict=True):
        assert (got.float() - want).norm() < 0.02 * want.norm()


def test_the_scale_is_not_rounded_to_the_dtype_of_the_rows() -> None:
    rows, scale = torch.zeros(128, 8, dtype=torch.bfloat16), 4 / 3
    rows[:, 0] = torch.arange(128) / 128 + 1  # every bf16 number from 1 to 2
    pair = LoraPair(nn.Parameter(torch.ones(8, 8)), nn.Parameter(torch.ones(8, 8)), scale)
    expected = rows[:, :1] * scale
    assert not torch.equal(expected, rows[:, :1] * torch.tensor(scale, dtype=torch.bfloat16))
    for kernel in KERNELS.values():
        out = torch.zeros_like(rows)
        kernel.add(out, rows, [Part(0, 128, pair, None)])
        assert torch.equal(out / 8, expected.expand(-1, 8))  # eight ranks, all alike


def disturb(part: Part, x: torch.Tensor, dy: torch.Tensor, value: float) -> None:
    with torch.no_grad():
        x[part.start : part.stop] = value
        dy[part.start : part.stop] = value
        part.pair.A.fill_(value)
        part.pair.B.fill_(value)


def check_neighbours(kernel: Kernel, case: Case, device: torch.device, dtype: torch.dtype, value: float) -> None:
    """Part 1's rows, gradients and factors are `value`: nothing of any other row or part may change by a bit."""
    parts, (x, weight, dy) = parts_of(case, device, dtype), rows_of(case, device, dtype)
    disturbed, (bad_x, _, bad_dy) = parts_of(case, device, dtype), rows_of(case, device, dtype)
    bad = disturbed[1]
    disturb(bad, bad_x, bad_dy, value)
    before, after = run(kernel, x, weight, dy, parts), run(kernel, bad_x, weight, bad_dy, disturbed)
    others = [row for row in range(case.T) if not bad.start <= row < bad.stop]
    for one, two in zip(before[:2], after[:2], strict=True):  # product, gradient of the input
        assert torch.isfinite(one[others]).all()
        assert torch.equal(one[others], two[others])
        assert not torch.equal(one[bad.start : bad.stop], two[bad.start : bad.stop])
    for n in range(len(parts)):
        same = [torch.equal(one, two) for one, two in zip(before[2:][2 * n :][:2], after[2:][2 * n :][:2], strict=True)]
        assert same == [n != 1] * 2


NEIGHBOURS = {name: case for name, case in CASES.items() if len(case.spans) > 1}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.0])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_neighbour_changes_no_bit(case: Case, name: str, value: float) -> None:
    check_neighbours(KERNELS[name], case, CPU, torch.float32, value)


def grouped_by_hand(a: torch.Tensor, b: torch.Tensor, *, offs: torch.Tensor) -> torch.Tensor:
    """What `grouped_mm` is documented to compute, refusing what its CUDA kernel refuses."""
    ends = offs.tolist()
    assert ends == sorted(set(ends)), "an empty group"
    assert ends[-1] == a.shape[0 if b.dim() == 3 else 1], "rows that no group covers come back uninitialized"
    assert offs.dtype is torch.int32
    for operand in (a, b):
        lead, last = operand.stride()[-2:]
        assert 1 in (lead, last), "neither row- nor column-major"
        assert 2 * max(lead, last) % 16 == 0, "strides in bf16 must be multiples of 16 bytes"
        assert 2 * operand.storage_offset() % 16 == 0, "and so must its first byte be"
    groups = [slice(start, stop) for start, stop in zip([0, *ends], ends, strict=False)]
    if b.dim() == 3:
        return torch.cat([a[rows] @ b[n] for n, rows in enumerate(groups)])
    return torch.stack([a[:, rows] @ b[rows] for rows in groups])


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_groups_cover_their_rows_and_are_aligned(monkeypatch: pytest.MonkeyPatch, case: Case) -> None:
    parts, (x, weight, dy) = parts_of(case), rows_of(case)
    expected = run(LOOP, x, weight, dy, parts)
    monkeypatch.setattr(F, "grouped_mm", grouped_by_hand)
    for got, want in zip(run(KERNELS["grouped"], x, weight, dy, parts), expected, strict=True):
        torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


class CountOperators(TorchDispatchMode):
    """Counts what is computed; views cost no launch."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.count += not func.is_view
        return func(*args, **(kwargs or {}))


def operators(kernel: Kernel, slots: int, ranks: Sequence[int]) -> int:
    case = Case(tuple((4 * n, 4 * n + 4) for n in range(slots)), tuple(ranks), T=4 * slots)
    parts, (x, _, dy) = parts_of(case), rows_of(case)
    with torch.no_grad():
        for _ in range(2):  # layouts and gradient buffers are made in the first pass
            counted = CountOperators()
            with counted:
                saved = kernel.add(torch.zeros_like(dy), x, parts)
                kernel.add_gradients(torch.zeros_like(x), dy, x, parts, saved)
    return counted.count


def test_only_the_loop_calls_more_operators_for_more_slots() -> None:
    for ranks in (lambda n: [8] * n, lambda n: [1 + k % 7 for k in range(n)]):
        counts = {name: [operators(KERNELS[name], n, ranks(n)) for n in (2, 4, 16)] for name in NAMES}
        two, four, sixteen = counts["loop"]
        assert (four, sixteen) == (pytest.approx(2 * two, rel=0.2), pytest.approx(8 * two, rel=0.2))
        for name in ("bmm", "grouped"):
            assert len(set(counts[name])) == 1
            assert counts[name][0] < four


def test_layouts_made_while_generating_serve_training() -> None:
    case = Case(((0, 3), (3, 8), (9, 12)), (3, 5, 2))  # no other test's spans, which would be cached
    parts, (x, weight, dy) = parts_of(case), rows_of(case)
    expected = run(LOOP, x, weight, dy, parts)
    for name in ("bmm", "grouped"):
        kernels._layout.cache_clear()
        with torch.inference_mode():
            add_lowrank(x @ weight.t(), x, parts, KERNELS[name])
        for got, want in zip(run(KERNELS[name], x, weight, dy, parts), expected, strict=True):
            torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-4)


def test_rows_that_are_a_batch_as_they_lie_are_not_copied() -> None:
    batch = layout_of(parts_of(CASES["equal"]), CPU)
    x = torch.zeros(12, D)
    assert batch.is_batch
    assert batch.pad(batch.take(x)).data_ptr() == x.data_ptr()
    for name in ("mixed rows", "rows of no slot between"):
        assert not layout_of(parts_of(CASES[name]), CPU).is_batch


def test_the_choice_is_the_fastest_at_the_nearest_number_of_slots() -> None:
    measured = {
        "loop": {1: 1.0, 4: 4.0, 16: 16.0},
        "bmm": {1: 2.0, 4: 3.0, 16: 4.0},
        "grouped": {1: 2.5, 4: 3.5, 16: 3.0},
    }
    choice = fastest(measured)
    picked = {slots: choice.pick(slots, D, E).name for slots in (0, 1, 3, 4, 7, 9, 16, 100)}
    assert picked == {
        0: "loop",
        1: "loop",
        3: "bmm",
        4: "bmm",
        7: "bmm",
        9: "grouped",
        16: "grouped",
        100: "grouped",
    }
    assert choice.pick(16, D, 50257).name == "loop"  # `grouped` cannot multiply odd sizes
    assert choice.report()["by_slots"] == {"1": "loop", "4": "bmm", "16": "grouped"}
    assert choice.report()["measured_ms"]["bmm"] == {"1": 2000.0, "4": 3000.0, "16": 4000.0}
    assert not Grouped.fits(D, 20)


def test_the_choice_on_a_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("measured on a CPU")

    monkeypatch.setattr(kernels, "measure_kernels", refuse)
    shapes = [(D, E)]
    assert choose_kernels("auto", shapes, CPU, torch.float32) == always("loop")
    assert choose_kernels("bmm", shapes, CPU, torch.float32) == always("bmm")
    with pytest.raises(ResourceError, match=r"'grouped'.*bf16 on CUDA.*on a CPU; use 'auto'"):
        choose_kernels("grouped", shapes, CPU, torch.bfloat16)


@pytest.mark.parametrize("runs_grouped", [True, False])
def test_the_choice_on_a_gpu_is_among_what_runs_there(monkeypatch: pytest.MonkeyPatch, runs_grouped: bool) -> None:
    def measured(names: list[str], layers: Counter[tuple[int, int]], *_: object) -> dict[str, dict[int, float]]:
        assert layers == {(D, E): 2, (E, D): 1}
        return {name: {1: 1.0 / (1 + n)} for n, name in enumerate(names)}  # the last is the fastest

    monkeypatch.setattr(kernels, "measure_kernels", measured)
    monkeypatch.setattr(kernels, "_runs_grouped", lambda *_: runs_grouped)
    choice = choose_kernels("auto", [(D, E), (E, D), (D, E)], torch.device("cuda"), torch.bfloat16)
    assert choice.pick(2, D, E).name == ("grouped" if runs_grouped else "bmm")
    assert set(choice.seconds) == (set(NAMES) if runs_grouped else {"loop", "bmm"})


def test_measuring_weighs_every_shape_by_its_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    real = measure_kernels(NAMES, Counter({(D, E): 1}), CPU, torch.float32)
    assert all(seconds > 0 for by_slots in real.values() for seconds in by_slots.values())
    monkeypatch.setattr(kernels, "_seconds", lambda kernel, slots, inner, outer, *_: slots * inner)
    assert measure_kernels(["bmm"], Counter({(2, E): 3, (5, E): 1}), CPU, torch.float32) == {
        "bmm": {1: 11, 4: 44, 16: 176}
    }


def model_of(directory: Path, device: torch.device, residency: str = "auto") -> PackedModel:
    """Three adapters of their own rank and layers, whose B is not zero, as after training."""
    source = resolve_model(str(directory))
    packed = PackedModel(load_base(source, quantization="nf4", residency=residency, device=device))
    for slot, (rank, preset) in enumerate(((4, "attention"), (9, "all-linear"), (2, "all-linear+lm_head"))):
        generator = torch.Generator().manual_seed(slot)
        packed.add_adapter(slot, rank=rank, alpha=8.0, preset=preset, generator=generator)
        for pair in packed.adapter(slot).values():
            pair.B.data.copy_(torch.randn(pair.B.shape, generator=generator) * 0.1)
    return packed


def model_pass(packed: PackedModel, name: str, seed: int = 1) -> tuple[list[float], list[list[torch.Tensor]]]:
    """Losses and gradients of a pass over two rows of each slot; `seed` makes those of slot 1."""
    packed.use_kernels(always(name))
    generators = [torch.Generator().manual_seed(n) for n in (0, seed + 10, 2)]
    texts = [torch.randint(1, 250, (2, n), generator=g) for n, g in zip((6, 9, 4), generators, strict=True)]
    hidden = packed.hidden([Block(slot, ids[:, :-1].tolist()) for slot, ids in enumerate(texts)])
    targets = torch.cat([ids[:, 1:].reshape(-1) for ids in texts]).to(packed.device)
    sums = packed.nll(range(len(hidden)), [len(rows) for rows in hidden], torch.cat(hidden), targets)
    sums.sum().backward()  # type: ignore[no-untyped-call]
    gradients = []
    for slot in range(3):
        gradients.append([p.grad for pair in packed.adapter(slot).values() for p in (pair.A, pair.B)])
        for pair in packed.adapter(slot).values():
            pair.A.grad = pair.B.grad = None
    return sums.tolist(), gradients


@pytest.mark.parametrize("name", ["bmm", "grouped"])
def test_a_model_has_the_losses_and_gradients_of_the_loop(tiny_model_dir: Path, name: str) -> None:
    packed = model_of(tiny_model_dir, CPU)
    assert packed.kernels == always("loop")
    losses, gradients = model_pass(packed, "loop")
    ours, our_gradients = model_pass(packed, name)
    assert ours == pytest.approx(losses, rel=1e-5)
    for one, two in zip(chain(*gradients), chain(*our_gradients), strict=True):
        torch.testing.assert_close(one, two, atol=1e-4, rtol=1e-3)


def check_model_neighbours(packed: PackedModel, name: str) -> None:
    losses, gradients = model_pass(packed, name)
    for value in (None, float("nan")):  # other rows in the same shape, then a diverged adapter on top
        if value is not None:
            for pair in packed.adapter(1).values():
                pair.A.data.fill_(value)
        after, gradients_after = model_pass(packed, name, seed=5)
        assert (after[0], after[2]) == (losses[0], losses[2])
        assert after[1] != losses[1]
        for slot in (0, 2):
            assert all(torch.equal(a, b) for a, b in zip(gradients[slot], gradients_after[slot], strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_diverged_trial_changes_no_bit_of_the_others(tiny_model_dir: Path, name: str) -> None:
    check_model_neighbours(model_of(tiny_model_dir, CPU), name)


@pytest.mark.parametrize(("wanted", "used"), [("auto", "loop"), ("bmm", "bmm")])
def test_a_host_reports_its_kernel(
    tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch, wanted: str, used: str
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # what the host sets for its process
    settings = HostConfig(
        base_model=str(tiny_model_dir),
        quantization="nf4",
        residency="auto",
        device="cpu",
        system_prompt=None,
        plain_prompt="{question}",
        max_length=64,
        batch_size=1,
        threads=1,
        hosts_on_node=1,
        kernel=wanted,
    )
    host = TrainingHost(settings, (), ())
    assert host.info()["attention"] == "padded"
    assert host.info()["kernel"] == {"by_slots": {"1": used}, "measured_ms": {}}
    host._engine.__exit__()


@pytest.fixture
def cuda() -> torch.device:
    return torch.device("cuda")


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_on_a_gpu_products_are_close_to_exact_ones(case: Case, name: str, cuda: torch.device) -> None:
    parts, (x, weight, dy) = parts_of(case, cuda, torch.bfloat16), rows_of(case, cuda, torch.bfloat16)
    got = run(KERNELS[name], x, weight, dy, parts)
    exact_parts = [part._replace(keep_nD=None if part.keep_nD is None else part.keep_nD.float()) for part in parts]
    exact_x, exact_weight, exact_dy = (t.detach().float() for t in (x, weight, dy))
    exact = run(LOOP, exact_x.requires_grad_(), exact_weight, exact_dy, exact_parts)
    for ours, want in zip(got, exact, strict=True):
        assert (ours.float() - want).norm() < 0.02 * want.norm()


@pytest.mark.gpu
@pytest.mark.parametrize("value", [float("nan"), float("inf"), 3.0])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("case", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_on_a_gpu_a_neighbour_changes_no_bit(case: Case, name: str, value: float, cuda: torch.device) -> None:
    check_neighbours(KERNELS[name], case, cuda, torch.bfloat16, value)


@pytest.mark.gpu
def test_on_a_gpu_the_choice_is_measured(cuda: torch.device) -> None:
    choice = choose_kernels("auto", [(64, 64), (64, 128)], cuda, torch.bfloat16)
    assert set(choice.by_slots) == set(kernels.SLOT_COUNTS)
    assert set(choice.seconds) == set(NAMES)


@pytest.mark.gpu
@pytest.mark.parametrize("residency", ["quantized", "dequantized"])
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_a_diverged_trial_changes_no_bit_of_the_others(
    tiny_model_dir: Path, name: str, residency: str, cuda: torch.device
) -> None:
    check_model_neighbours(model_of(tiny_model_dir, cuda, residency), name)


@pytest.mark.gpu
@pytest.mark.parametrize("name", NAMES)
def test_on_a_gpu_a_model_has_about_the_losses_of_a_cpu(tiny_model_dir: Path, name: str, cuda: torch.device) -> None:
    losses, _ = model_pass(model_of(tiny_model_dir, CPU), "loop")
    assert model_pass(model_of(tiny_model_dir, cuda), name)[0] == pytest.approx(losses, rel=0.02)
