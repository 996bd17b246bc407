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
    unknown = np.isnan(gain) | np.isnan(forgetting)
    gain, forgetting = np.where(unknown, -np.inf, gain), np.where(unknown, np.inf, forgetting)
    order = np.lexsort((forgetting, -gain), axis=-1)  # from the largest gain; of equal gains the least forgetting first
    gain, forgetting = (np.take_along_axis(values, order, axis=-1) for values in (gain, forgetting))
    first = np.concatenate([np.ones_like(unknown[..., :1]), gain[..., 1:] != gain[..., :-1]], axis=-1)
    start = np.maximum.accumulate(np.where(first, np.arange(gain.shape[-1]), 0), axis=-1)  # of its equals in gain
    least = np.concatenate([np.full_like(gain[..., :1], np.inf), np.minimum.accumulate(forgetting, axis=-1)], axis=-1)
    of_equals, of_better = np.take_along_axis(forgetting, start, axis=-1), np.take_along_axis(least, start, axis=-1)
    best = np.empty_like(unknown)
    np.put_along_axis(best, order, (forgetting == of_equals) & (forgetting < of_better), axis=-1)
    return best | unknown


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
