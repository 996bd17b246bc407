"""The single number a search maximizes, from knowledge and forgetting."""

from __future__ import annotations

# Below this distance between the base model and the base with the facts in context the ratio is noise.
MIN_ORACLE_RANGE = 0.2


def gain(knowledge: float, base: float, oracle: float | None) -> float:
    """Knowledge on a scale where the base model is 0 and the base with the facts in its context is 1.

    Where the oracle is missing, or less than `MIN_ORACLE_RANGE` above the base, 1 stands for perfect knowledge.
    """
    top = oracle if oracle is not None and oracle - base >= MIN_ORACLE_RANGE else 1.0
    return (knowledge - base) / (top - base) if top > base else 0.0


def objective(name: str, *, knowledge: float, gain: float, forgetting: float, budget: float, penalty: float) -> float:
    """Higher is better.

    Args:
        name: "gain_minus_penalty" is G - penalty * max(0, F - budget), "gain_minus_forgetting" is G - F, "gain" and
            "knowledge" ignore forgetting.
    """
    if name == "gain_minus_penalty":
        return gain - penalty * max(0.0, forgetting - budget)
    if name == "gain_minus_forgetting":
        return gain - forgetting
    return {"gain": gain, "knowledge": knowledge}[name]
