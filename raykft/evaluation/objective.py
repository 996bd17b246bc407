"""The single number a search maximizes, from knowledge and forgetting; for one value or for many resamples at once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
# Below this distance between the base model and the base with the needed facts in its prompt the ratio is noise.
MIN_RANGE = 0.2
GRADED = "graded"  # the objective that ranks by likelihoods instead of by what models say


@dataclass(frozen=True)
class Objective:
    """How knowledge and forgetting become one score.

    Attributes:
        name: "gain_minus_penalty" is G - penalty * max(0, F - budget), "gain_minus_forgetting" is G - F, "gain" and
            "knowledge" ignore forgetting. "graded" is the graded gain less the graded forgetting, which is signed.
    """

    name: str = "gain_minus_penalty"
    forgetting_budget: float = 0.05
    penalty: float = 5.0


def gain(knowledge: float | Array, base: float | Array, facts_needed: float | Array | None) -> Array:
    """Knowledge on a scale where the base model is 0 and the base with the needed facts in its prompt is 1.

    Where that one is missing, or less than `MIN_RANGE` above the base, 1 stands for perfect knowledge.
    """
    base = np.asarray(base, dtype=float)
    top: Array = np.ones_like(base)
    if facts_needed is not None:
        top = np.where(facts_needed - base >= MIN_RANGE, facts_needed, top)
    found: Array = np.divide(knowledge - base, top - base, out=np.zeros_like(base), where=top > base)
    return found


def score(objective: Objective, metrics: Mapping[str, Any]) -> Array:
    """Higher is better.

    Args:
        metrics: numbers or arrays by name, of which the objective takes those it needs.
    """
    return np.asarray(_FORMULAS[objective.name](objective, metrics))


def _with_penalty(objective: Objective, metrics: Mapping[str, Any]) -> Any:
    excess = np.maximum(0.0, metrics["forgetting"] - objective.forgetting_budget)
    return metrics["gain"] - objective.penalty * excess


_FORMULAS: dict[str, Callable[[Objective, Mapping[str, Any]], Any]] = {
    "gain_minus_penalty": _with_penalty,
    "gain_minus_forgetting": lambda _, metrics: metrics["gain"] - metrics["forgetting"],
    "gain": lambda _, metrics: metrics["gain"],
    "knowledge": lambda _, metrics: metrics["knowledge"],
    GRADED: lambda _, metrics: metrics["graded_gain"] - metrics["graded_forgetting"],
}
OBJECTIVES = tuple(_FORMULAS)
