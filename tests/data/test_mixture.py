"""Mixtures are seeded, complete and nested."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from raykft.data.mixture import Counts, Mixer, Pool, Share, counts
from raykft.errors import DataError

# Of ten facts: a first wording each, a second one of six, a third one of three, and twelve rows in another format.
POOL = Pool((*[1] * 10, *[2] * 6, *[0] * 12, *[3] * 3), distractors=100)
SHARES = st.builds(
    Share,
    phrasings=st.sampled_from([1, 2, 3, None]),
    formats=st.sampled_from([0, 0.2, 0.5]),
    distractor_ratio=st.floats(0, 2),
)


def mix(rows: int, distractors: int, ratio: float, seed: int) -> list[int]:
    return Mixer(Pool((1,) * rows, distractors), seed).rows(Share(distractor_ratio=ratio))


@given(st.integers(1, 50), st.integers(0, 2**31 - 1), st.floats(0, 2), st.floats(0, 2))
def test_smaller_ratios_are_nested_in_larger_ones(rows: int, seed: int, a: float, b: float) -> None:
    small, large = (mix(rows, 200, ratio, seed) for ratio in sorted((a, b)))
    assert set(small) <= set(large)
    assert large[:rows] == list(range(rows))
    assert len(large) == rows + round(rows * max(a, b)) == len(set(large))


def test_another_seed_draws_other_rows() -> None:
    assert mix(10, 100, 1.0, 0) == mix(10, 100, 1.0, 0)
    assert mix(10, 100, 1.0, 0) != mix(10, 100, 1.0, 1)
    half = Share(phrasings=1, formats=0.5)
    assert Mixer(POOL, 0).rows(half) != Mixer(POOL, 1).rows(half)


def test_the_mix_of_the_demo_stays_what_it_was() -> None:
    """Scores of earlier experiments are scores of these rows."""
    assert mix(40, 300, 0.25, 0) == [*range(40), *PINNED]


PINNED = [291, 177, 262, 223, 209, 293, 246, 227, 145, 294]


@given(SHARES, SHARES, st.integers(0, 2**31 - 1))
def test_a_share_that_is_smaller_in_everything_is_within_the_larger(a: Share, b: Share, seed: int) -> None:
    sides = [(a.phrasings or 3, b.phrasings or 3), (a.formats, b.formats), (a.distractor_ratio, b.distractor_ratio)]
    small, large = (Share(*(choose(pair) for pair in sides)) for choose in (min, max))
    mixer = Mixer(POOL, seed)
    taken = mixer.rows(large)
    assert set(mixer.rows(small)) <= set(taken)
    assert len(set(taken)) == len(taken)


@given(SHARES, st.integers(0, 9))
def test_a_share_takes_as_many_of_every_kind_as_it_says(share: Share, seed: int) -> None:
    taken, found = Mixer(POOL, seed).rows(share), counts(POOL, share)
    kinds = [POOL.phrasings[n] if n < POOL.domain else -1 for n in taken]
    assert found == Counts(sum(kind > 0 for kind in kinds), kinds.count(0), kinds.count(-1))
    assert max(kinds) <= (share.phrasings or 3)
    assert taken[: found.plain + found.formats] == sorted(taken[: found.plain + found.formats])


def test_what_a_share_counts_per_row() -> None:
    """Formats per plain row that is taken, distractors per domain row that is."""
    share = Share(phrasings=2, formats=0.5, distractor_ratio=0.5)
    assert counts(POOL, share) == Counts(16, 8, 12)
    assert counts(POOL, replace(share, phrasings=1)) == Counts(10, 5, 8)  # 7.5 is rounded
    assert counts(POOL, Share()) == Counts(19, 12, 0)  # all there is
    assert Mixer(POOL, 0).rows(Share()) == list(range(31))


@pytest.mark.parametrize(
    ("share", "fragment"),
    [
        (Share(phrasings=4), r"`phrasing: 4`, but the largest there is 3; add rows"),
        (Share(formats=1.0), r"data.formats 1.0 of 19 plain rows needs 19 rows .* but it has 12; add"),
        (Share(distractor_ratio=4.0), "of 31 training rows needs 124 distractors, but data.distractors has 100"),
    ],
)
def test_a_share_of_more_than_there_is_is_refused(share: Share, fragment: str) -> None:
    with pytest.raises(DataError, match=fragment):
        Mixer(POOL, 0).rows(share)
