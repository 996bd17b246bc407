"""From scored answers to levels, premise, hint, behaviour and the knowledge score K.

A fraction that no probe supports is None and is left out of K. Levels are macro means: first over the probes
of one fact (probes with the same `fact_ids`), then over facts, so a fact with many questions counts once.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from statistics import fmean, median
from typing import Any

from raykft.errors import DataError
from raykft.records import Probe, ProbeResult

LEVELS = (1, 2, 3, 4, 5)
# Level 1 asks the training questions again: it measures memory and stays out of the headline.
KNOWLEDGE_LEVELS = (2, 3, 4, 5)

_Pair = tuple[Probe, ProbeResult]


def summarize(probes: Iterable[Probe], results: Iterable[ProbeResult]) -> dict[str, Any]:
    """Aggregate to `{"levels": {"1": …, "5": …}, "premise": …, "hint": …, "overall": …}`.

    Level-0 (general) probes are left out; `accuracy` is for them.
    Raises DataError unless every probe has exactly one result.
    """
    domain = [pair for pair in _joined(probes, results) if pair[0].level > 0]
    recall = [pair for pair in domain if pair[0].kind not in {"premise", "hint"}]
    levels = {str(level): _level([pair for pair in recall if pair[0].level == level], level) for level in LEVELS}
    premise = _premise([pair for pair in domain if pair[0].kind == "premise"])
    hint = _hint(domain)
    parts = [levels[str(level)]["score"] for level in KNOWLEDGE_LEVELS] + [premise["skill"], hint["score"]]
    return {
        "levels": levels,
        "premise": premise,
        "hint": hint,
        "overall": {"knowledge": _mean([part for part in parts if part is not None])}
        | _behaviour([result for _, result in domain]),
    }


def accuracy(probes: Iterable[Probe], results: Iterable[ProbeResult]) -> float:
    """Share of correct answers, for the general (level-0) probes.

    Raises DataError where there is no probe or not exactly one result per probe.
    """
    pairs = _joined(probes, results)
    if not pairs:
        raise DataError("there is no probe to take an accuracy of; pass at least one")
    return fmean(result.correct for _, result in pairs)


def _joined(probes: Iterable[Probe], results: Iterable[ProbeResult]) -> list[_Pair]:
    """Probes with their results, in the order of the probes."""
    listed, scored = list(probes), list(results)
    by_id = {result.id: result for result in scored}
    known = {probe.id for probe in listed}
    if len(known) < len(listed) or len(by_id) < len(scored):
        raise DataError("a probe or a result occurs twice; every probe is scored once")
    if missing := [probe.id for probe in listed if probe.id not in by_id]:
        raise DataError(f"{len(missing)} probes have no result, such as {missing[0]!r}; score every probe")
    if unknown := [id for id in by_id if id not in known]:
        raise DataError(f"result {unknown[0]!r} belongs to no probe given; pass the probes that were scored")
    return [(probe, by_id[probe.id]) for probe in listed]


def _mean(values: Sequence[float | bool]) -> float | None:
    return fmean(values) if values else None


def _macro(pairs: Sequence[_Pair], field: str) -> float | None:
    """Mean over facts of the mean of one result field over that fact's probes."""
    groups: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for probe, result in pairs:
        groups[probe.fact_ids or ("", probe.id)].append(float(getattr(result, field)))
    return _mean([fmean(values) for values in groups.values()])


def _level(pairs: Sequence[_Pair], level: int) -> dict[str, Any]:
    entry: dict[str, Any] = {"n": len(pairs)}
    entry |= {field: _macro(pairs, field) for field in ("score", "correct", "clean")}
    if level == 3:
        entry["compliant"] = _macro([pair for pair in pairs if pair[1].compliant is not None], "compliant")
    return entry


def _premise(pairs: Sequence[_Pair]) -> dict[str, Any]:
    """`score` is the balanced accuracy of yes and no: a model that always says the same gets .5.

    `skill`, what counts for K, removes that chance level: 2·score - 1, at least 0. Otherwise a model that knows
    nothing would have a knowledge of .08 (docs/decisions/002-premise-without-chance.md).

    `stated` is the mean over both sides of the stricter probe score, which wants the true fact after a "no".
    """
    sides = {side: [result for probe, result in pairs if probe.polarity == side] for side in ("yes", "no")}
    if not all(sides.values()):
        return {"n": len(pairs)} | dict.fromkeys(("score", "skill", "yes_rate", "no_rate", "stated", "clean"))
    # An answer with the right polarity is never "wrong", whatever else it lacks or adds.
    rates = {
        side: fmean(result.outcome in {"correct", "partial"} for result in side_results)
        for side, side_results in sides.items()
    }
    return {
        "n": len(pairs),
        "score": fmean(rates.values()),
        "skill": max(0.0, 2 * fmean(rates.values()) - 1),
        "yes_rate": rates["yes"],
        "no_rate": rates["no"],
        "stated": fmean(fmean(result.score for result in side_results) for side_results in sides.values()),
        "clean": fmean(result.clean for _, result in pairs),
    }


def _hint(pairs: Sequence[_Pair]) -> dict[str, Any]:
    """Shares of right answers with and without a hint, and how often the hint turns a right answer wrong."""
    hinted = [pair for pair in pairs if "hint" in pair[0].tags]
    plain = [pair for pair in pairs if "plain" in pair[0].tags]
    with_hint = {probe.pair_id: result.correct for probe, result in hinted if probe.pair_id is not None}
    right_without = [probe.pair_id for probe, result in plain if result.correct and probe.pair_id in with_hint]
    return {
        "n": len(hinted),
        "score": _mean([result.correct for _, result in hinted]),
        "plain": _mean([result.correct for _, result in plain]),
        "hint_harm": _mean([not with_hint[pair_id] for pair_id in right_without]),
    }


def _behaviour(results: Sequence[ProbeResult]) -> dict[str, Any]:
    lengths = [result.overgeneration for result in results]
    return {
        "clean": _mean([result.clean for result in results]),
        "overgeneration": median(lengths) if lengths else None,
        "repetition": _mean([result.repetition for result in results]),
        "stop_rate": _mean([result.stopped for result in results if result.stopped is not None]),
        "refusal_rate": _mean([result.outcome == "refused" for result in results]),
        "n": len(results),
    }
