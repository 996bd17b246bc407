"""Graded numbers choose the winner, and what the models say may object.

A likelihood does not see a model that cannot stop or says something else altogether. So where recipes have raced with
the same seeds, and what a rival *answered* is better than what the winner answered, paired over facts and corrected for
the number of rivals, the rival goes first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from raykft.leaderboard.evidence import gather
from raykft.leaderboard.read import BaselineRecord, TrialRecord
from raykft.leaderboard.statistics import against
from raykft.paths import ExperimentPaths
from raykft.wording.messages import Phrase, phrase
from raykft.wording.verdicts import DISAGREEMENT

MIN_SEEDS = 2


def crowned(
    paths: ExperimentPaths, baselines: Sequence[BaselineRecord], trials: Sequence[TrialRecord]
) -> tuple[list[TrialRecord], Phrase | None]:
    """The trials in the order that generated answers leave, and why another goes first than graded numbers say.

    Args:
        trials: best first, ranked by graded numbers.
    """
    unchanged = (list(trials), None)
    finalists = _finalists(trials)
    if len(finalists) < 2:
        return unchanged
    evidence = gather(paths, baselines, finalists).get("select")
    figures = {t.trial_id: evidence.figures.get(t.trial_id, {}) for t in finalists} if evidence else {}
    said = {name: f["gain"] - f["forgetting"] for name, f in figures.items() if {"gain", "forgetting"} <= f.keys()}
    first, *rivals = finalists
    if evidence is None or len(said) < len(finalists):
        return unchanged
    gaps = against(said[first.trial_id], [said[t.trial_id] for t in rivals], evidence.units["score"])
    better = [t for t, gap in zip(rivals, gaps, strict=True) if gap.significant and gap.value < 0]
    if not better:
        return unchanged
    best = max(better, key=lambda t: float(said[t.trial_id][0]))
    order = [best, *(t for t in trials if t.trial_id != best.trial_id)]
    ranks = [t.rank for t in trials]
    why = phrase(DISAGREEMENT, first=first.trial_id, best=best.trial_id)
    return [replace(t, rank=rank) for t, rank in zip(order, ranks, strict=True)], why


def _finalists(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Those with as many seeds as the first."""
    ranked = [t for t in trials if t.rank is not None]
    if not ranked or len(ranked[0].runs) < MIN_SEEDS:
        return []
    standing = (ranked[0].failed_seeds, len(ranked[0].runs))
    return [t for t in ranked if (t.failed_seeds, len(t.runs)) == standing]
