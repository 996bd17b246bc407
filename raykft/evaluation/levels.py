"""From scored answers to levels, premise, hint, behaviour and the knowledge score K.

A fraction that no probe supports is None and is left out of K. Levels are macro means: first over the probes
of one fact (probes with the same `fact_ids`), then over facts, so a fact with many questions counts once. "Right"
means `correct`: all key facts, whatever else the answer says; `clean` is the stricter column.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Sequence
from statistics import fmean, median
from typing import Any

import numpy as np

from raykft.errors import DataError
from raykft.evaluation import behaviour
from raykft.evaluation.normalize import normalize
from raykft.evaluation.objective import Array
from raykft.records import Probe, ProbeResult

LEVELS = (1, 2, 3, 4, 5)
# Level 1 asks the training questions again: it measures memory and stays out of the headline.
KNOWLEDGE_LEVELS = (2, 3, 4, 5)
# How many of the paraphrases of one fact are answered right.
SHARES_RIGHT = ("none", "some", "all")
# A level-4 probe is long where its gold answer has more characters than this, unless it is tagged `short` or `long`.
# Half as many say the same in Japanese.
LONG_GOLD_CHARS = 80
_OVERLONG = 2.0

_Pair = tuple[Probe, ProbeResult]


def summarize(
    probes: Iterable[Probe], results: Iterable[ProbeResult], prior_known: Collection[str] | None = None
) -> dict[str, Any]:
    """Aggregate to `{"levels": {"1": …, "5": …}, "premise": …, "hint": …, "overall": …}`.

    Level-0 (general) probes are left out; `accuracy` is for them. Of free texts nothing is judged, so they count for
    behaviour alone (`free.free_metrics` is for the rest). `prior_known` holds the ids of the probes whose
    `prior` the base model knows (see `scoring.prior_probe`); level 5 is then scored on those alone as well.
    Raises DataError unless every probe has exactly one result.
    """
    domain = [pair for pair in _joined(probes, results) if pair[0].level > 0]
    recall = [pair for pair in domain if pair[0].kind not in {"premise", "hint", "free"}]
    at = {level: [pair for pair in recall if pair[0].level == level] for level in LEVELS}
    levels = {str(level): _level(pairs) for level, pairs in at.items()}
    levels["2"] |= _paraphrases(at[2], levels)
    levels["3"] |= _two_factors(at[3])
    levels["4"]["by_length"] = _by_length(at[4])
    if prior_known is not None:
        levels["5"]["prior_known"] = _level([pair for pair in at[5] if pair[0].id in prior_known])
    premise = _premise([pair for pair in domain if pair[0].kind == "premise"])
    hint = _hint(domain)
    parts = [levels[str(level)]["score"] for level in KNOWLEDGE_LEVELS] + [premise["skill"], hint["score"]]
    return {
        "levels": levels,
        "premise": premise,
        "hint": hint,
        "overall": {"knowledge": _mean([part for part in parts if part is not None])}
        | {"clean": _mean([result.clean for probe, result in domain if probe.kind != "free"])}
        | _behaviour([result for _, result in domain])
        | _diversity([result for probe, result in domain if probe.kind == "recall"]),
    }


def premise_skill(score: float | Array) -> Array:
    """What a balanced accuracy of yes and no is worth: 0 at chance and below."""
    skill: Array = np.maximum(0.0, 2 * score - 1)
    return skill


def accuracy(probes: Iterable[Probe], results: Iterable[ProbeResult]) -> float:
    """Share of correct answers, for the general (level-0) probes.

    Raises DataError where there is no probe or not exactly one result per probe.
    """
    pairs = _joined(probes, results)
    if not pairs:
        raise DataError("there is no probe to take an accuracy of; pass at least one")
    return fmean(result.correct for _, result in pairs)


def knowledge_shift(
    probes: Iterable[Probe], base: Iterable[ProbeResult], tuned: Iterable[ProbeResult]
) -> dict[str, dict[str, int]]:
    """Facts by how many of their paraphrases are right before and after: `shift[in base][in tuned]`, 3 x 3 counts.

    Read from greedy answers to the level-2 recall probes, as Gekhman et al. 2024 (SliCK) do with many samples: "all"
    is about their HighlyKnown, "none" their Unknown. Both models must have answered the same probes.
    """
    asked = [probe for probe in probes if probe.level == 2 and probe.kind == "recall"]
    ids = {probe.id for probe in asked}
    before, after = (
        _shares_right(_joined(asked, [result for result in results if result.id in ids])) for results in (base, tuned)
    )
    counts = Counter((before[fact], after[fact]) for fact in before)
    return {old: {new: counts[old, new] for new in SHARES_RIGHT} for old in SHARES_RIGHT}


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


def _by_fact(pairs: Sequence[_Pair]) -> dict[tuple[str, ...], list[ProbeResult]]:
    groups: defaultdict[tuple[str, ...], list[ProbeResult]] = defaultdict(list)
    for probe, result in pairs:
        groups[probe.fact_ids or ("", probe.id)].append(result)
    return groups


def _macro(pairs: Sequence[_Pair], field: str) -> float | None:
    """Mean over facts of the mean of one result field over that fact's probes; results without a value are left out."""
    known = [pair for pair in pairs if getattr(pair[1], field) is not None]
    return _mean([fmean(float(getattr(result, field)) for result in group) for group in _by_fact(known).values()])


def _level(pairs: Sequence[_Pair]) -> dict[str, Any]:
    return {"n": len(pairs)} | {field: _macro(pairs, field) for field in ("score", "correct", "clean")}


def _shares_right(pairs: Sequence[_Pair]) -> dict[tuple[str, ...], str]:
    """Per fact, one of SHARES_RIGHT."""
    right = {fact: [result.correct for result in group] for fact, group in _by_fact(pairs).items()}
    return {fact: "all" if all(flags) else "some" if any(flags) else "none" for fact, flags in right.items()}


def _paraphrases(pairs: Sequence[_Pair], levels: dict[str, dict[str, Any]]) -> dict[str, float | None]:
    """Shares of facts with all and with at least one paraphrase right, and what paraphrasing costs."""
    shares = Counter(_shares_right(pairs).values())
    facts = shares.total()
    verbatim, paraphrased = levels["1"]["score"], levels["2"]["score"]
    return {
        "all_paraphrases": shares["all"] / facts if facts else None,
        "coverage": 1 - shares["none"] / facts if facts else None,
        "verbatim_gap": None if verbatim is None or paraphrased is None else verbatim - paraphrased,
    }


def _two_factors(pairs: Sequence[_Pair]) -> dict[str, float | None]:
    """Form and content of the probes that ask for a form."""
    return {field: _macro(pairs, field) for field in ("compliant", "content")}


def _by_length(pairs: Sequence[_Pair]) -> dict[str, dict[str, Any]]:
    lengths = {probe.id: _length(probe) for probe, _ in pairs}
    return {name: _level([pair for pair in pairs if lengths[pair[0].id] == name]) for name in ("short", "long")}


def _length(probe: Probe) -> str:
    for tag in ("short", "long"):
        if tag in probe.tags:
            return tag
    limit = LONG_GOLD_CHARS / 2 if behaviour.is_japanese(probe.gold) else LONG_GOLD_CHARS
    return "long" if len(normalize(probe.gold)) > limit else "short"


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
        "skill": float(premise_skill(fmean(rates.values()))),
        "yes_rate": rates["yes"],
        "no_rate": rates["no"],
        "stated": fmean(fmean(result.score for result in side_results) for side_results in sides.values()),
        "clean": fmean(result.clean for _, result in pairs),
    }


def _hint(pairs: Sequence[_Pair]) -> dict[str, Any]:
    """Shares of right answers with and without a hint, and what the hint did to pairs of which both were asked.

    `harmed` and `helped` count the discordant pairs (the b and c of McNemar's test); `hint_harm` is the share of pairs
    right without the hint that it turned wrong.
    """
    hinted = [pair for pair in pairs if "hint" in pair[0].tags]
    plain = [pair for pair in pairs if "plain" in pair[0].tags]
    with_hint = {probe.pair_id: result.correct for probe, result in hinted if probe.pair_id is not None}
    both = [(result.correct, with_hint[probe.pair_id]) for probe, result in plain if probe.pair_id in with_hint]
    harmed = sum(without and not hint for without, hint in both)
    return {
        "n": len(hinted),
        "score": _mean([result.correct for _, result in hinted]),
        "plain": _mean([result.correct for _, result in plain]),
        "pairs": len(both),
        "harmed": harmed,
        "helped": sum(hint and not without for without, hint in both),
        "hint_harm": _mean([not hint for without, hint in both if without]),
    }


def _behaviour(results: Sequence[ProbeResult]) -> dict[str, Any]:
    lengths = [result.overgeneration for result in results]
    claims = [len(result.unsupported) for result in results if result.unsupported is not None]
    return {
        "overgeneration": median(lengths) if lengths else None,
        "overlong_rate": _mean([length > _OVERLONG for length in lengths]),
        "repetition": _mean([result.repetition for result in results]),
        "compression": _mean([behaviour.compression_ratio(_scored(result)) for result in results]),
        "echo_rate": _mean([result.echo for result in results]),
        "stop_rate": _mean([result.stopped for result in results if result.stopped is not None]),
        "newline_tail": _mean([behaviour.newline_tail(result.answer) for result in results]),
        "refusal_rate": _mean([result.outcome == "refused" for result in results]),
        "unsupported_claims": _mean(claims),
        "unchecked": sum(bool(result.unchecked) for result in results),
        "n": len(results),
    }


def _diversity(results: Sequence[ProbeResult]) -> dict[str, float | None]:
    """Whether one answer "explodes": the share of the most frequent one, and different answers per question.

    Over the recall probes, whose answers differ from fact to fact; the paraphrases of a fact share theirs, so even a
    perfect model gives only about one answer a fact.
    """
    answers = Counter(normalize(_scored(result)) for result in results)
    return {
        "top_answer_share": max(answers.values()) / len(results) if results else None,
        "unique_answers": len(answers) / len(results) if results else None,
    }


def _scored(result: ProbeResult) -> str:
    return result.answer[: behaviour.SCORED_CHARS]
