"""How sure the leaderboard can be: every row's answers of one split, resampled together.

Needs the answers themselves (`probes.jsonl` and the result files). Where an experiment did not keep them, or a row did
not answer every probe, there is simply no interval.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from raykft.evaluation.evaluator import BASE, FACTS_NEEDED
from raykft.evaluation.forgetting import GeneralScores
from raykft.evaluation.objective import Objective, gain, score
from raykft.leaderboard import pareto
from raykft.leaderboard.bootstrap import DRAWS, Figures, Resamples
from raykft.leaderboard.read import (
    BaselineRecord,
    TrialRecord,
    baseline_results,
    read_passages,
    read_probes,
    read_rules,
    trial_results,
)
from raykft.leaderboard.statistics import Array, Difference, Interval, against, difference, interval, share_interval
from raykft.paths import ExperimentPaths
from raykft.records import ProbeResult, Split

SPLITS: tuple[Split, ...] = ("select", "report")
# Kept resampled, for differences between rows.
COMPARED = ("score", "gain", "knowledge", "forgetting", "graded_knowledge", "graded_gain", "graded_forgetting")
SHARES = ("knowledge", "level_1", "level_2", "level_3", "level_4", "level_5", "premise", "hint", "clean")
# What gets an interval.
BOUNDED = (*COMPARED, *SHARES[1:], "forgetting_signed")
# A stored figure that differs by more was computed by other rules; an interval from today's would not be its own.
_TOLERANCE = 1e-6
# Resamples whose fronts are found at once: a block of 300 trials takes a quarter of a megabyte.
FRONT_BLOCK = 100


@dataclass(frozen=True)
class Evidence:
    """One split. `figures` and `intervals` go from row (a baseline's name or a trial's id) to metric.

    Attributes:
        units: by metric, how many independent units were resampled.
    """

    units: Mapping[str, int]
    figures: Mapping[str, Figures]
    intervals: Mapping[str, Mapping[str, Interval]]

    def difference(self, first: str, second: str, metric: str) -> Difference | None:
        """How much row `first` exceeds `second`, paired; None where one of them was not resampled."""
        figures = [self.figures.get(row, {}).get(metric) for row in (first, second)]
        if figures[0] is None or figures[1] is None:
            return None
        return difference(figures[0], figures[1], self.units[metric])

    def against(self, leader: str, others: Sequence[str]) -> dict[str, Difference]:
        """The leader's score minus that of each of the others, Holm-corrected for their number."""
        known = [row for row in others if "score" in self.figures.get(row, {})]
        if "score" not in self.figures.get(leader, {}):
            return {}
        gaps = against(
            self.figures[leader]["score"], [self.figures[row]["score"] for row in known], self.units["score"]
        )
        return dict(zip(known, gaps, strict=True))


@dataclass(frozen=True)
class Front:
    """Learning against forgetting over the fully trained trials of the select split.

    Attributes:
        members: trial → the share of resamples in which no other trial beats it in both, for trials on the front.
        volume, volume_interval: the hypervolume with the worst corner at gain 0, forgetting 1.
    """

    members: dict[str, float | None]
    knee: str
    volume: float
    volume_interval: Interval | None


def gather(
    paths: ExperimentPaths, baselines: Sequence[BaselineRecord], trials: Sequence[TrialRecord], draws: int = DRAWS
) -> dict[Split, Evidence]:
    """The evidence of both splits; empty for an experiment that kept no probes."""
    probes = read_probes(paths)
    if not probes:
        return {}
    passages = read_passages(paths)
    objective = read_rules(paths).objective
    answered = {record.name: baseline_results(paths, record.name) for record in baselines}
    found: dict[Split, Evidence] = {}
    for split in SPLITS:
        if any(p.split == split and p.level > 0 for p in probes):
            resamples = Resamples(probes, passages, split, draws=draws)
            results = answered | {t.trial_id: trial_results(paths, t.trial_id, split) for t in trials}
            found[split] = _evidence(resamples, objective, split, baselines, trials, results)
    return found


def front(trials: Sequence[TrialRecord], evidence: Evidence | None) -> Front | None:
    """The front of `trials`; only ranked ones, which were trained to the end, can be on it."""
    known = [t for t in trials if t.rank is not None and {"gain", "forgetting"} <= t.select.keys()]
    if not known:
        return None
    names = [t.trial_id for t in known]
    gains, losses = (np.array([t.select[metric] for t in known]) for metric in ("gain", "forgetting"))
    on_front = pareto.non_dominated(gains, losses)
    chances: list[float | None] = [None] * len(known)
    volume_interval = None
    if evidence is not None and all("forgetting" in evidence.figures.get(name, {}) for name in names):
        gain_TW, lost_TW = (np.stack([evidence.figures[n][m] for n in names]) for m in ("gain", "forgetting"))
        on_front_WT, volumes_W = _fronts(gain_TW, lost_TW)
        chances = list(on_front_WT[1:].mean(axis=0))
        volume_interval = interval(volumes_W, evidence.units["score"])
    return Front(
        {name: chance for name, chance, on in zip(names, chances, on_front, strict=True) if on},
        names[pareto.knee(gains, losses)],
        float(pareto.hypervolume(gains, losses)),
        volume_interval,
    )


def _fronts(gain_TW: Array, lost_TW: Array) -> tuple[npt.NDArray[np.bool_], Array]:
    """Who is on the front of each resample, and its volume, in blocks that stay in the processor's cache."""
    on_front, volumes = [], []
    for first in range(0, gain_TW.shape[1], FRONT_BLOCK):
        gain, lost = (np.ascontiguousarray(values[:, first : first + FRONT_BLOCK].T) for values in (gain_TW, lost_TW))
        on_front.append(pareto.non_dominated(gain, lost))
        volumes.append(pareto.hypervolume(gain, lost))
    return np.concatenate(on_front), np.concatenate(volumes)


def _evidence(
    resamples: Resamples,
    objective: Objective,
    split: Split,
    baselines: Sequence[BaselineRecord],
    trials: Sequence[TrialRecord],
    results: Mapping[str, Mapping[str, ProbeResult]],
) -> Evidence:
    figures: dict[str, Figures] = {}
    intervals: dict[str, dict[str, Interval]] = {}
    stored = {r.name: getattr(r, split) for r in baselines} | {t.trial_id: getattr(t, split) for t in trials}
    nats = {r.name: r.nats.get(split, {}) for r in baselines} | {t.trial_id: t.nats.get(split, {}) for t in trials}
    adapters = {t.trial_id for t in trials}
    base = GeneralScores(results.get(BASE, {}), nats.get(BASE, {}))
    # The base model and the base with the needed facts come first: gain is measured between them.
    for name in dict.fromkeys(chain([BASE, FACTS_NEEDED], results)):
        found = resamples.knowledge(results.get(name, {}))
        if found is None:
            continue
        yardstick = figures[BASE] if name != BASE and BASE in figures else found
        if name == BASE or BASE in figures:
            for gained, known in (("gain", "knowledge"), ("graded_gain", "graded_knowledge")):
                if known in found and known in yardstick:
                    shown = figures.get(FACTS_NEEDED, {}).get(known)
                    found[gained] = gain(found[known], yardstick[known], shown)
        # Baselines are the base model itself: a prompt makes it forget nothing that the other prompts ask.
        if name in adapters or name == BASE:
            lost = resamples.forgetting(base, GeneralScores(results[name], nats[name]))
            if lost is not None and "gain" in found and (objective.name != "graded" or "graded_gain" in found):
                found |= lost
                found["score"] = score(objective, found)
                found["score_signed"] = score(objective, found | {"forgetting": lost["forgetting_signed"]})
        intervals[name] = _intervals(found, stored.get(name, {}), resamples.units)
        figures[name] = {metric: found[metric] for metric in COMPARED if metric in found}
    return Evidence(resamples.units, figures, intervals)


def _intervals(found: Figures, stored: Mapping[str, float], units: Mapping[str, int]) -> dict[str, Interval]:
    bounds = {}
    for metric in BOUNDED:
        if metric in found and metric in stored and _same(found[metric], stored[metric]):
            resampled = share_interval if metric in SHARES else interval
            if (bound := resampled(found[metric], units[metric])) is not None:
                bounds[metric] = bound
    for metric in {"forgetting", "score"} & bounds.keys():
        bounds[metric] = _with_signed(bounds[metric], interval(found[f"{metric}_signed"], units[metric]))
    if "forgetting" in bounds:
        bounds["forgetting"] = Interval(max(0.0, bounds["forgetting"].low), bounds["forgetting"].high)
    # What no resample changes is so by definition, such as the gain of the base model; its error is not 0 but none.
    return {metric: bound for metric, bound in bounds.items() if bound.low < bound.high}


def _with_signed(clipped: Interval, signed: Interval | None) -> Interval:
    """Both intervals together.

    Chance alone makes some parts of forgetting fall and others rise. Clipped, falls do not make up for rises, so that
    resamples of a model that forgot nothing lie above 0, and their interval misses it one time in five. The signed
    figure is the smaller one and has no such bias: it bounds forgetting from below, and the score from above.
    """
    return clipped if signed is None else Interval(min(clipped.low, signed.low), max(clipped.high, signed.high))


def _same(figure: Array, stored: float) -> bool:
    return abs(float(figure[0]) - stored) <= _TOLERANCE
