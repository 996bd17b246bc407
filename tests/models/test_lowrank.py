"""The layer and head functions against the same arithmetic left to autograd."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from raykft.models import head
from raykft.models.head import head_nll
from raykft.models.lowrank import FrozenWeight, LoraPair, Part, adapted_product, add_lowrank
from raykft.models.soft_targets import SoftTargets, Teaching, distilled, leash, of_rows, pull_

pytestmark = pytest.mark.torch
D, E, V = 12, 20, 50


def pair(rank: int, rows_in: int, rows_out: int) -> LoraPair:
    A, B = torch.randn(rank, rows_in), torch.randn(rows_out, rank)
    return LoraPair(nn.Parameter(A), nn.Parameter(B), scale=0.5)


def frozen(rows_in: int, rows_out: int, bias: bool = False) -> tuple[FrozenWeight, nn.Linear]:
    linear = nn.Linear(rows_in, rows_out, bias=bias).requires_grad_(False)
    return FrozenWeight(linear, both_orders=True), linear


def gradients(loss: torch.Tensor, *tensors: torch.Tensor) -> list[torch.Tensor]:
    for tensor in tensors:
        tensor.grad = None
    loss.backward()
    found = [t.grad for t in tensors]
    assert all(g is not None for g in found)
    return [g.clone() for g in found if g is not None]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("dropout", [False, True])
def test_an_adapted_product_and_its_gradients(bias: bool, dropout: bool) -> None:
    torch.manual_seed(0)
    weight, linear = frozen(D, E, bias)
    x = torch.randn(9, D, requires_grad=True)
    pairs = [pair(2, D, E), pair(4, D, E)]
    keep = (torch.rand(4, D) > 0.3) / 0.7 if dropout else None
    parts = [Part(0, 4, pairs[0], keep), Part(6, 9, pairs[1], None)]  # rows 4 and 5 belong to no adapter

    def written_out() -> torch.Tensor:
        first = x[:4] if keep is None else x[:4] * keep
        low = [(rows @ p.A.t()) @ p.B.t() * p.scale for rows, p in zip((first, x[6:]), pairs, strict=True)]
        return F.linear(x, linear.weight, linear.bias) + torch.cat([low[0], torch.zeros(2, E), low[1]])

    tensors = [x, *(t for p in pairs for t in (p.A, p.B))]
    target = torch.randn(9, E)
    ours, reference = adapted_product(weight, x, parts), written_out()
    torch.testing.assert_close(ours, reference)
    expected = gradients((written_out() * target).sum(), *tensors)
    for got, want in zip(gradients((ours * target).sum(), *tensors), expected, strict=True):
        torch.testing.assert_close(got, want)
    on_top = add_lowrank(F.linear(x, linear.weight, linear.bias), x, parts)
    torch.testing.assert_close(on_top, reference)
    for got, want in zip(gradients((on_top * target).sum(), *tensors), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_gradients_accumulate_over_passes() -> None:
    torch.manual_seed(0)
    weight, _ = frozen(D, E)
    adapter = pair(2, D, E)
    x = torch.randn(3, D)  # needs no gradient, like the embeddings below the first layer
    (once,) = gradients(adapted_product(weight, x, [Part(0, 3, adapter, None)]).sum(), adapter.B)
    adapted_product(weight, x, [Part(0, 3, adapter, None)]).sum().backward()
    assert adapter.B.grad is not None
    torch.testing.assert_close(adapter.B.grad, 2 * once)


def test_low_precision_activations_keep_full_precision_gradients() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(D, E, bias=False, dtype=torch.bfloat16).requires_grad_(False)
    weight, adapter = FrozenWeight(linear, both_orders=False), pair(2, D, E)
    x = torch.randn(3, D, dtype=torch.bfloat16, requires_grad=True)
    y = adapted_product(weight, x, [Part(0, 3, adapter, None)])
    y.float().sum().backward()
    assert y.dtype == torch.bfloat16
    assert adapter.A.grad is not None
    assert adapter.A.grad.dtype == torch.float32
    exact = x.float() @ linear.weight.float().t() + 0.5 * (x.float() @ adapter.A.t()) @ adapter.B.t()
    torch.testing.assert_close(y.float(), exact, rtol=0.03, atol=0.1)


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1 << 24, 2 * V])
def test_the_head_loss_is_cross_entropy_of_whole_logits(
    monkeypatch: pytest.MonkeyPatch, softcap: float | None, chunk: int
) -> None:
    monkeypatch.setattr(head, "CHUNK_LOGITS", chunk)  # the smaller one makes chunks of two rows
    torch.manual_seed(0)
    weight, linear = frozen(D, V)
    sizes = (5, 1, 3)
    states = torch.randn(9, D, requires_grad=True)
    targets = torch.randint(0, V, (9,))
    adapter = pair(2, D, V)
    parts = [Part(6, 9, adapter, None)]
    weights = torch.tensor([0.5, 1.0, 0.25])  # what a slot's mean and accumulation multiply its sum with

    def written_out() -> torch.Tensor:
        low = (states[6:] @ adapter.A.t()) @ adapter.B.t() * adapter.scale
        logits = states @ linear.weight.t() + torch.cat([torch.zeros(6, V), low])
        if softcap:
            logits = softcap * torch.tanh(logits / softcap)
        each = F.cross_entropy(logits, targets, reduction="none").split(sizes)
        return torch.stack([part.sum() for part in each])

    tensors = (states, adapter.A, adapter.B)
    ours, reference = head_nll(weight, states, targets, sizes, parts, softcap), written_out()
    torch.testing.assert_close(ours, reference)
    expected = gradients((reference * weights).sum(), *tensors)
    for got, want in zip(gradients((ours * weights).sum(), *tensors), expected, strict=True):
        torch.testing.assert_close(got, want)


@pytest.mark.parametrize("softcap", [None, 3.0])
@pytest.mark.parametrize("chunk", [1 << 24, 2 * V])
@pytest.mark.parametrize("hard", [1.0, 0.25, 0.0])
def test_soft_targets_add_the_divergence_from_the_teacher(
    monkeypatch: pytest.MonkeyPatch, softcap: float | None, chunk: int, hard: float
) -> None:
    """Of two slots with a teacher and one without, against what autograd makes of the whole distributions."""
    monkeypatch.setattr(head, "CHUNK_LOGITS", chunk)
    torch.manual_seed(0)
    weight, linear = frozen(D, V)
    sizes, kept = (5, 1, 3), V // 3
    states = torch.randn(9, D, requires_grad=True)
    targets = torch.randint(0, V, (9,))
    adapter = pair(2, D, V)
    parts = [Part(6, 9, adapter, None)]
    weights = torch.tensor([0.5, 1.0, 0.25])
    teacher = torch.randn(9, V).softmax(1)
    shares, ids = teacher.topk(kept, 1)
    # The second row of the first slot is not taught, nor is the second slot.
    strength = torch.tensor([2.0, 0.0, 2.0, 2.0, 2.0, 0.0, 0.5, 0.5, 0.5])
    counts = torch.where(strength > 0, hard, 1.0)
    taught = SoftTargets(Teaching(ids, shares), strength, counts)
    soft_targets = [taught.of(slice(0, 5)), None, taught.of(slice(6, 9))]

    def written_out() -> torch.Tensor:
        low = (states[6:] @ adapter.A.t()) @ adapter.B.t() * adapter.scale
        logits = states @ linear.weight.t() + torch.cat([torch.zeros(6, V), low])
        if softcap:
            logits = softcap * torch.tanh(logits / softcap)
        own = logits.softmax(1)
        binned_own = torch.cat([own.gather(1, ids), 1 - own.gather(1, ids).sum(1, keepdim=True)], 1)
        binned = torch.cat([shares, 1 - shares.sum(1, keepdim=True)], 1)
        divergence = (binned * (binned.log() - binned_own.log())).sum(1)
        each = counts * F.cross_entropy(logits, targets, reduction="none") + strength * divergence
        return torch.stack([part.sum() for part in each.split(sizes)])

    tensors = (states, adapter.A, adapter.B)
    ours = head_nll(weight, states, targets, sizes, parts, softcap, soft_targets)
    torch.testing.assert_close(ours, reference := written_out())
    expected = gradients((reference * weights).sum(), *tensors)
    for got, want in zip(gradients((ours * weights).sum(), *tensors), expected, strict=True):
        torch.testing.assert_close(got, want)


def test_a_leash_on_the_whole_vocabulary_is_the_whole_divergence() -> None:
    """And zero, gradient too, where the adapter says what the base does."""
    torch.manual_seed(0)
    teacher, own = torch.randn(4, V).softmax(1), torch.randn(4, V).softmax(1)
    shares, ids = teacher.topk(V, 1)
    held = leash(Teaching(ids, shares), 3.0)
    wanted = 3 * F.kl_div(own.log(), teacher, reduction="sum")
    torch.testing.assert_close(pull_(held, own.clone()), wanted, atol=1e-4, rtol=1e-5)
    gradient = teacher.clone()
    torch.testing.assert_close(pull_(held, gradient), torch.zeros(()), atol=1e-5, rtol=0)
    torch.testing.assert_close(gradient, teacher, atol=1e-5, rtol=0)


@pytest.mark.parametrize("gap", [1.0, 15.0, 25.0, 60.0, 120.0])
def test_a_leash_pulls_rightly_on_an_adapter_that_is_sure(gap: float) -> None:
    """Of a token the base model hardly names: what is left for the others is then less than fp32 can take off one."""
    torch.manual_seed(0)
    logits = torch.randn(2, V, dtype=torch.float64)
    logits[:, 3] += gap
    logits.requires_grad_()
    teacher = torch.randn(2, V, dtype=torch.float64).softmax(1)
    shares, ids = teacher.topk(4, 1)
    own = logits.softmax(1)
    binned = torch.cat([shares, 1 - shares.sum(1, keepdim=True)], 1)
    rest = own.scatter(1, ids, 0.0).sum(1, keepdim=True)
    wanted = (binned * (binned.log() - torch.cat([own.gather(1, ids), rest], 1).log())).sum()
    (gradient,) = torch.autograd.grad(wanted, logits)
    mine = own.detach().float()
    before = mine.clone()
    found = pull_(leash(Teaching(ids, shares.float()), 1.0), mine)
    assert torch.isfinite(found)
    assert torch.isfinite(mine).all()
    torch.testing.assert_close((mine - before).double(), gradient, atol=2e-6, rtol=1e-3)
    if gap < 60:  # beyond, shares below 1e-30 count as that
        torch.testing.assert_close(found.double(), wanted, atol=1e-4, rtol=1e-4)


def test_a_teacher_is_followed_where_its_first_choice_is_right() -> None:
    said = Teaching(torch.tensor([[7, 1], [1, 7], [3, 2]]), torch.tensor([[0.9, 0.1], [0.6, 0.4], [0.5, 0.2]]))
    soft = distilled(said, [7, 7, 3], 0.75)
    assert soft.weight_n.tolist() == [0.75, 0.0, 0.75]
    assert soft.hard_n.tolist() == [0.25, 1.0, 0.25]


def test_rows_of_a_block_are_taught_or_not() -> None:
    said = Teaching(torch.tensor([[7, 1], [1, 7]]), torch.tensor([[0.9, 0.1], [0.6, 0.4]]))
    assert of_rows([(3, None), (1, None)]) is None
    both = of_rows([(1, None), (2, leash(said, 2.0)), (2, distilled(said, [7, 1], 1.0))])
    assert both is not None
    assert both.weight_n.tolist() == [0.0, 2.0, 2.0, 1.0, 1.0]
    assert both.hard_n.tolist() == [1.0, 1.0, 1.0, 0.0, 0.0]
    assert both.teaching.ids_nK.tolist() == [[0, 0], *[[7, 1], [1, 7]] * 2]
