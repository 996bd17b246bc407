"""How sure the leaderboard can be: every row's answers of one split, resampled together.

Needs the answers themselves (`probes.jsonl` and the result files). Where an experiment did not keep them, or a row did
not answer every probe, there is simply no interval.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from raykft.evaluation.forgetting import GeneralScores
from raykft.evaluation.free import BY_LEVEL
from raykft.evaluation.objective import GRADED, Objective, gain, score
from raykft.evaluation.outcome import BASE, FACTS_NEEDED
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
from raykft.records import Split

SPLITS: tuple[Split, ...] = ("select", "report")
# Kept resampled, for differences between rows.
COMPARED = ("score", "gain", "knowledge", "forgetting", "graded_knowledge", "graded_gain", "graded_forgetting")
LEVELS = ("level_1", "level_2", "level_3", "level_4", "level_5")
SHARES = ("knowledge", *LEVELS, "premise", "hint", "clean", *BY_LEVEL.values())
# What gets an interval.
BOUNDED = (*COMPARED, *SHARES[1:], "forgetting_signed")
# A stored figure that differs by more was computed by other rules; an interval from today's would not be its own.
_TOLERANCE = 1e-6
# Resamples whose fronts are found at once: a block of 300 trials takes a quarter of a megabyte.
FRONT_BLOCK = 100
# The trials that are resampled: the best ones, those on the front and those with a held-out score. A trial takes 10 ms
# and half a megabyte, and nobody looks at the interval of the thousandth.
RESAMPLED = 100


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
        members: trial → the share of resamples in which no other trial that was resampled beats it in both, for trials
            on the front.
        volume, volume_interval: the hypervolume with the worst corner at gain 0, forgetting 1.
    """

    members: dict[str, float | None]
    knee: str
    volume: float
    volume_interval: Interval | None


def gather(
    paths: ExperimentPaths, baselines: Sequence[BaselineRecord], trials: Sequence[TrialRecord], draws: int = DRAWS
) -> dict[Split, Evidence]:
    """The evidence of both splits; empty for an experiment that kept no probes.

    Args:
        trials: best first; of more than `RESAMPLED` only those that matter are resampled.
    """
    probes = read_probes(paths)
    if not probes:
        return {}
    trials = _worth_it(trials)
    passages = read_passages(paths)
    rules = read_rules(paths)
    answered = {b.name: baseline_results(paths, b.name) for b in baselines}
    found: dict[Split, Evidence] = {}
    for split in SPLITS:
        if any(p.split == split and p.level > 0 for p in probes):
            resamples = Resamples(probes, passages, split, draws=draws, level_weights=rules.level_weights)
            scores = {b.name: [GeneralScores(answered[b.name], b.nats.get(split, {}))] for b in baselines}
            scores |= {t.trial_id: _of_seeds(paths, t, split) for t in trials}
            stored = {b.name: getattr(b, split) for b in baselines} | {t.trial_id: getattr(t, split) for t in trials}
            found[split] = _evidence(resamples, rules.objective, scores, stored, {b.name for b in baselines})
    return found


def _worth_it(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """The trials that are resampled, in their order."""
    # Of many that gained and lost alike one is enough, or all would count as on the front.
    first = {(t.select["gain"], t.select["forgetting"]): t.trial_id for t in reversed(_with_both(trials))}
    shown = set(_front_by_value(trials)) & set(first.values())
    return [t for n, t in enumerate(trials) if n < RESAMPLED or t.report or t.trial_id in shown]


def _of_seeds(paths: ExperimentPaths, trial: TrialRecord, split: Split) -> list[GeneralScores]:
    """What a trial's recipe answered with each of its seeds, as far as that is in its figures."""
    if not trial.runs:
        return [GeneralScores(trial_results(paths.trial(trial.trial_id), split), trial.nats.get(split, {}))]
    runs = [run for run in trial.runs if getattr(run, split)]
    return [GeneralScores(trial_results(run.files, split), run.nats.get(split, {})) for run in runs]


def front(trials: Sequence[TrialRecord], evidence: Evidence | None) -> Front | None:
    """The front of `trials`; only ranked ones, which were trained to the end, can be on it."""
    known = _with_both(trials)
    if not known:
        return None
    gains, losses = _gains_and_losses(known)
    members: dict[str, float | None] = dict.fromkeys(_front_by_value(trials))
    volume_interval = None
    names = [t.trial_id for t in known if evidence and "forgetting" in evidence.figures.get(t.trial_id, {})]
    shown = {t.trial_id for t in _worth_it(trials)}
    if evidence is not None and len(names) >= min(len(known), RESAMPLED) and members.keys() & shown <= set(names):
        gain_TW, lost_TW = (np.stack([evidence.figures[n][m] for n in names]) for m in ("gain", "forgetting"))
        on_front_WT, volumes_W = _fronts(gain_TW, lost_TW)
        chances = dict(zip(names, on_front_WT[1:].mean(axis=0), strict=True))
        members = {name: chances.get(name) for name in members}
        volume_interval = interval(volumes_W, evidence.units["score"])
    return Front(
        members,
        known[pareto.knee(gains, losses)].trial_id,
        float(pareto.hypervolume(gains, losses)),
        volume_interval,
    )


def _with_both(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    return [t for t in trials if t.rank is not None and {"gain", "forgetting"} <= t.select.keys()]


def _front_by_value(trials: Sequence[TrialRecord]) -> list[str]:
    """The trials that no other beats in both, in their order."""
    known = _with_both(trials)
    on_front = pareto.non_dominated(*_gains_and_losses(known)) if known else ()
    return [t.trial_id for t, on in zip(known, on_front, strict=True) if on]


def _gains_and_losses(trials: Sequence[TrialRecord]) -> tuple[Array, Array]:
    return np.array([t.select["gain"] for t in trials]), np.array([t.select["forgetting"] for t in trials])


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
    scores: Mapping[str, Sequence[GeneralScores]],
    stored: Mapping[str, Mapping[str, float]],
    baselines: Collection[str],
) -> Evidence:
    """
    Args:
        scores: what every row answered, once a seed.
        stored: the figures that the row has.
    """
    figures: dict[str, Figures] = {}
    intervals: dict[str, dict[str, Interval]] = {}
    base = scores[BASE][0] if BASE in scores else GeneralScores({}, {})
    # The base model and the base with the needed facts come first: gain is measured between them.
    for name in dict.fromkeys(chain([BASE, FACTS_NEEDED], scores)):
        # Baselines are the base model itself: a prompt makes it forget nothing that the other prompts ask.
        forgets = name not in baselines or name == BASE
        found = [_figures(resamples, objective, run, base, figures, name, forgets) for run in scores.get(name, ())]
        known = [each for each in found if each is not None]
        if not known or len(known) < len(found):
            continue
        mean = _mean(known)
        intervals[name] = _intervals(mean, stored.get(name, {}), resamples.units)
        figures[name] = {metric: mean[metric] for metric in COMPARED if metric in mean}
    return Evidence(resamples.units, figures, intervals)


def _figures(
    resamples: Resamples,
    objective: Objective,
    scores: GeneralScores,
    base: GeneralScores,
    before: Mapping[str, Figures],
    name: str,
    forgets: bool,
) -> Figures | None:
    """Every figure of one run, resampled; None where it did not answer all probes.

    Args:
        before: the figures of rows that came earlier, the yardsticks among them.
    """
    found = resamples.knowledge(scores.results)
    if found is None:
        return None
    yardstick = found if name == BASE else before.get(BASE)
    for gained, known in (("gain", "knowledge"), ("graded_gain", "graded_knowledge")):
        if yardstick is not None and known in found and known in yardstick:
            found[gained] = gain(found[known], yardstick[known], before.get(FACTS_NEEDED, {}).get(known))
    lost = resamples.forgetting(base, scores) if forgets else None
    if lost is not None and ("graded_gain" if objective.name == GRADED else "gain") in found:
        found |= lost
        found["score"] = score(objective, found)
        found["score_signed"] = score(objective, found | {"forgetting": lost["forgetting_signed"]})
    return found


def _mean(runs: Sequence[Figures]) -> Figures:
    """Over the seeds of a recipe, of the figures that all of them have."""
    if len(runs) == 1:
        return runs[0]
    shared = [metric for metric in runs[0] if all(metric in run for run in runs)]
    return {metric: np.mean([run[metric] for run in runs], axis=0) for metric in shared}


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
