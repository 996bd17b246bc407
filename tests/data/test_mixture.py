"""Mixtures are seeded, complete and nested."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raykft.data.mixture import mix
from raykft.errors import DataError


@given(st.integers(1, 50), st.integers(0, 2**31 - 1), st.floats(0, 2), st.floats(0, 2))
def test_smaller_ratios_are_nested_in_larger_ones(rows: int, seed: int, a: float, b: float) -> None:
    small, large = (mix(rows, 200, ratio, seed) for ratio in sorted((a, b)))
    assert set(small) <= set(large)
    assert large[:rows] == list(range(rows))
    assert len(large) == rows + round(rows * max(a, b)) == len(set(large))


def test_another_seed_draws_other_distractors() -> None:
    assert mix(10, 100, 1.0, 0) == mix(10, 100, 1.0, 0)
    assert mix(10, 100, 1.0, 0) != mix(10, 100, 1.0, 1)


def test_too_few_distractors() -> None:
    with pytest.raises(DataError, match="needs 20 distractors; 5 are given"):
        mix(10, 5, 2.0, 0)
