"""Which rows a trial trains on: all domain rows and a seeded, nested share of the distractors."""

from __future__ import annotations

import random

from raykft.errors import DataError


def distractor_count(domain_rows: int, ratio: float) -> int:
    """Distractor rows for `ratio` distractors per domain row."""
    return round(domain_rows * ratio)


def mix(domain_rows: int, distractor_rows: int, ratio: float, seed: int) -> list[int]:
    """Indices into [domain rows, then distractor rows].

    The distractors of a smaller ratio are a subset of those of a larger one (same seed), so ratios are comparable.

    Raises:
        DataError: the ratio asks for more distractors than there are.
    """
    wanted = distractor_count(domain_rows, ratio)
    if wanted > distractor_rows:
        raise DataError(
            f"data.distractor_ratio {ratio} of {domain_rows} training rows needs {wanted} distractors; "
            f"{distractor_rows} are given; add distractors or lower the ratio"
        )
    order = list(range(domain_rows, domain_rows + distractor_rows))
    random.Random(f"distractors:{seed}").shuffle(order)
    return [*range(domain_rows), *order[:wanted]]
