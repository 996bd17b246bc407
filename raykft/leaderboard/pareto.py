"""Learning against forgetting: which trials no other trial beats in both. Gain is maximized, forgetting minimized.

The last axis are trials; leading axes, such as resamples, are handled at once. Callers pass fully trained trials
only: a trial stopped after one epoch has forgotten little because it has learned little, and would sit on every front.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from raykft.leaderboard.statistics import Array

# The corner that hypervolumes are measured from: nothing learned, everything forgotten.
WORST_GAIN, WORST_FORGETTING = 0.0, 1.0


def non_dominated(gain: Array, forgetting: Array) -> npt.NDArray[np.bool_]:
    """Whether no other trial is at least as good in both and better in one; equal trials do not beat each other."""
    beaten = np.zeros(gain.shape, dtype=bool)
    for rival in range(gain.shape[-1]):
        rival_gain, rival_forgetting = gain[..., rival, None], forgetting[..., rival, None]
        as_good = (rival_gain >= gain) & (rival_forgetting <= forgetting)
        beaten |= as_good & ((rival_gain > gain) | (rival_forgetting < forgetting))
    return ~beaten


def hypervolume(gain: Array, forgetting: Array) -> Array:
    """The area between the front and the worst corner; larger is better, and 1 is as good as facts in the context."""
    order = np.argsort(-gain, axis=-1)
    widths = np.maximum(0.0, np.take_along_axis(gain, order, axis=-1) - WORST_GAIN)
    steps = widths - np.concatenate([widths[..., 1:], np.zeros_like(widths[..., :1])], axis=-1)
    lowest = np.minimum.accumulate(np.take_along_axis(forgetting, order, axis=-1), axis=-1)
    area: Array = (steps * np.maximum(0.0, WORST_FORGETTING - lowest)).sum(axis=-1)
    return area


def knee(gain: Array, forgetting: Array) -> int:
    """The index of the trial with the largest gain minus forgetting."""
    return int(np.argmax(gain - forgetting))
