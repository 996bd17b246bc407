"""Rows read in several passes, with what they share read once, give what rows read one by one give."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from raykft.models import rows as rows_module
from raykft.models.generate import Prompt, generate
from raykft.models.likelihood import Choice, candidate_logprobs
from raykft.models.load import load_base
from raykft.models.packed import PackedModel
from raykft.models.rows import MAX_POSITIONS, REREAD_TOKENS, Reader, batches, passes
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
CPU = torch.device("cpu")
OPENING = [1, 10, 20]
LENGTHS = [9, 1, 4, 4, 2, 7, 1, 3]


@pytest.fixture
def packed(tiny_model_dir: Path) -> PackedModel:
    torch.set_num_threads(1)
    base = load_base(resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=CPU)
    model = PackedModel(base)
    for slot in (0, 1):
        generator = torch.Generator().manual_seed(slot)
        model.add_adapter(slot, rank=4, alpha=8.0, preset="all-linear", generator=generator)
        for pair in model.adapter(slot).values():
            pair.B.data.normal_(0, 0.3, generator=generator)
    return model


@pytest.fixture
def many_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every length is read in a pass of its own."""
    monkeypatch.setattr(rows_module, "FULL_PASS", {"cpu": 1})


def prompt_rows() -> list[list[int]]:
    generator = torch.Generator().manual_seed(7)
    return [[*OPENING, *torch.randint(30, 200, (n,), generator=generator).tolist()] for n in LENGTHS]


def test_generation_in_many_passes_is_that_of_single_rows(packed: PackedModel, many_passes: None) -> None:
    prompts = [Prompt((0, 1, None)[n % 3], row, 6) for n, row in enumerate(prompt_rows())]
    together = generate(packed, prompts, stop_ids={-1}, batch_size=64)
    assert together == [generate(packed, [p], stop_ids={-1}, batch_size=1)[0] for p in prompts]
    assert len({tuple(g.ids) for g in together}) > 3  # the rows do differ


def test_candidates_in_many_passes_are_those_of_single_choices(packed: PackedModel, many_passes: None) -> None:
    choices = [
        Choice((0, None)[n % 2], row, [[5], [6, 7, 8], [9] * (1 + n % 4)]) for n, row in enumerate(prompt_rows())
    ]
    together = candidate_logprobs(packed, choices, batch_size=64)
    for choice, sums in zip(choices, together, strict=True):
        assert sums == pytest.approx(candidate_logprobs(packed, [choice], batch_size=1)[0], abs=1e-4)


def test_a_shared_opening_is_read_once_for_all_batches(packed: PackedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    forward = rows_module.forward_rows

    def counting(*args: torch.Tensor) -> torch.Tensor:
        read.append(args[2].numel())
        return forward(*args)

    monkeypatch.setattr(rows_module, "forward_rows", counting)
    opening = list(range(30, 150))
    rows = [[*opening, *row] for row in prompt_rows()]
    reader = Reader(packed)
    first, second = reader.prefill([0] * 4, rows[:4], 0), reader.prefill([0] * 4, rows[4:], 0)
    assert [count for count in read if count >= len(opening)] == [len(opening) + len(OPENING)]
    for prefilled, part in ((first, rows[:4]), (second, rows[4:])):
        for n, row in enumerate(part):
            alone = Reader(packed).prefill([0], [row], 0)
            torch.testing.assert_close(prefilled.states_ND[n], alone.states_ND[0], atol=1e-4, rtol=1e-4)


def test_an_opening_is_not_used_for_rows_that_begin_otherwise(packed: PackedModel) -> None:
    reader = Reader(packed)
    rows = [[*OPENING, 40, 41], [*OPENING, 50]]
    reader.prefill([0, 0], rows, 0)
    others = [[9, 8, 7, 40, 41], [9, 8, 7, 50]]
    read = reader.prefill([0, 0], others, 0)
    for n, row in enumerate(others):
        alone = Reader(packed).prefill([0], [row], 0)
        torch.testing.assert_close(read.states_ND[n], alone.states_ND[0], atol=1e-4, rtol=1e-4)
    long = [[*OPENING, *range(60, 62 + REREAD_TOKENS), last] for last in (40, 41)]
    assert reader.prefill([0, 0], long, 0).mask_NP.shape[1] == len(long[0])


@given(st.lists(st.integers(1, 400), min_size=1, max_size=80), st.integers(1, 50))
def test_every_row_is_in_one_pass_of_rows_of_like_length(lengths: list[int], max_rows: int) -> None:
    found = passes(lengths, CPU, max_rows)
    assert sorted(i for group in found for i in group) == list(range(len(lengths)))
    for group in found:
        assert len(group) <= max_rows
        longest = max(lengths[i] for i in group)
        shorter = [lengths[i] for i in group if lengths[i] < longest]
        # Longer rows join a pass only as long as the rows before do not fill it.
        assert not shorter or len(shorter) * max(shorter) < rows_module.FULL_PASS["cpu"]


@given(st.lists(st.integers(1, 30_000), min_size=1, max_size=80), st.integers(1, 50))
def test_no_batch_holds_more_than_it_may(lengths: list[int], batch_size: int) -> None:
    found = batches(lengths, batch_size)
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    for batch in found:
        assert len(batch) <= batch_size
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= MAX_POSITIONS
