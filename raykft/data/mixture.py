"""Which rows a trial trains on: seeded, nested shares of what there is.

Whatever a smaller share takes, a larger one takes too (with the same seed), so recipes that differ in a share are
comparable.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

from raykft.errors import DataError
from raykft.records import TrainRow


@dataclass(frozen=True)
class Pool:
    """What there is to train on, in this order: the domain's rows, then the distractors.

    Attributes:
        phrasings: of every domain row which wording it is, from 1; 0 for a row that asks for another format.
    """

    phrasings: tuple[int, ...]
    distractors: int = 0

    @classmethod
    def of(cls, train: Iterable[TrainRow], distractors: int) -> Pool:
        return cls(tuple(0 if row.form else row.phrasing for row in train), distractors)

    @property
    def domain(self) -> int:
        """Rows of the domain."""
        return len(self.phrasings)

    @cached_property
    def wordings(self) -> Counter[int]:
        """How many rows there are of every value of `phrasings`."""
        return Counter(self.phrasings)

    def plain(self, phrasings: int | None) -> list[int]:
        """The places of the rows that ask for no format, in the wordings 1 to `phrasings` (None: in all)."""
        return [n for n, wording in enumerate(self.phrasings) if _is_plain(wording, phrasings)]


@dataclass(frozen=True, slots=True)
class Share:
    """How much of a pool a recipe takes; the fields are the settings of a config's `data`, where None is all."""

    phrasings: int | None = None
    formats: float | None = None
    distractor_ratio: float = 0.0


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows that a share takes, by kind."""

    plain: int
    formats: int
    distractors: int


def counts(pool: Pool, share: Share) -> Counts:
    """How many rows of every kind a share takes.

    Rows in another format are counted per plain row that is taken, distractors per domain row that is.

    Raises:
        DataError: it asks for more of a kind than there is.
    """
    most = max(pool.wordings, default=0)
    if share.phrasings is not None and share.phrasings > most:
        raise DataError(
            f"data.phrasings {share.phrasings} needs rows of data.train with `phrasing: {share.phrasings}`, but the "
            f"largest there is {most}; add rows in further wordings or lower it"
        )
    plain = sum(rows for wording, rows in pool.wordings.items() if _is_plain(wording, share.phrasings))
    formats = pool.wordings[0]
    if share.formats is not None:
        wanted = round(plain * share.formats)
        if wanted > formats:
            raise DataError(
                f"data.formats {share.formats} of {plain} plain rows needs {wanted} rows of data.train that ask for "
                f"another format (`form`), but it has {formats}; add such rows or lower it"
            )
        formats = wanted
    distractors = round((plain + formats) * share.distractor_ratio)
    if distractors > pool.distractors:
        raise DataError(
            f"data.distractor_ratio {share.distractor_ratio} of {plain + formats} training rows needs {distractors} "
            f"distractors, but data.distractors has {pool.distractors}; add rows there or lower the ratio"
        )
    return Counts(plain, formats, distractors)


class Mixer:
    """The order in which recipes of one seed take from a pool.

    Attributes:
        formats: places in the pool of the rows in another format; a share takes the first of them.
        distractors: the same of the distractors.
    """

    def __init__(self, pool: Pool, seed: int) -> None:
        self.pool = pool
        self.formats = _shuffled([n for n, p in enumerate(pool.phrasings) if not p], f"formats:{seed}")
        self.distractors = _shuffled(range(pool.domain, pool.domain + pool.distractors), f"distractors:{seed}")

    def rows(self, share: Share) -> list[int]:
        """The places in the pool of all that a share takes, in the pool's order but for the distractors.

        Raises:
            DataError: as `counts`.
        """
        found = counts(self.pool, share)
        domain = sorted([*self.pool.plain(share.phrasings), *self.formats[: found.formats]])
        return [*domain, *self.distractors[: found.distractors]]


def _is_plain(wording: int, phrasings: int | None) -> bool:
    return wording > 0 and (phrasings is None or wording <= phrasings)


def _shuffled(places: Sequence[int], seed: str) -> list[int]:
    order = list(places)
    random.Random(seed).shuffle(order)
    return order
