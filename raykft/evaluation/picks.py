"""Questions that are answered by log-probability: the right answer against wrong ones, nothing is generated.

The cheap scores of unfinished trials are made of them, and the multiple choice among the general probes.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from raykft.evaluation.forgetting import LOCALITY
from raykft.evaluation.normalize import normalize
from raykft.records import Pick, Polarity, Probe, ProbeResult

T = TypeVar("T")
YES_NO: dict[str, dict[Polarity, str]] = {"en": {"yes": "Yes", "no": "No"}, "ja": {"yes": "はい", "no": "いいえ"}}
# Twins of premise probes weigh about as much among the rungs' questions as in the knowledge score: one pair for every
# eight paraphrases.
PARAPHRASES_A_PAIR = 8
RIVALS = 3


def domain_picks(probes: Sequence[Probe], limit: int) -> list[Pick]:
    """`limit` paraphrase probes of the select split, one a fact before a second of any, and some premise twins."""
    selected = [p for p in probes if p.split == "select" and p.level == 2]
    paraphrases = in_turns([p for p in selected if p.kind == "recall" and p.contrast], lambda p: p.fact_ids)
    return [*_picks(paraphrases, limit), *_premise_picks(selected, limit // PARAPHRASES_A_PAIR)]


def general_picks(probes: Sequence[Probe], limit: int) -> list[Pick]:
    """`limit` general questions of the select split, the languages taking turns."""
    usable = [p for p in probes if p.split == "select" and p.contrast and LOCALITY not in p.tags]
    return _picks(in_turns(usable, lambda p: p.lang), limit)


def is_choice(probe: Probe) -> bool:
    """Whether a probe is multiple choice, which is never generated."""
    return probe.level == 0 and probe.kind == "mc"


def choice_pick(probe: Probe) -> Pick:
    """All options of a multiple-choice probe, the right one first."""
    return Pick(probe.question, "", (probe.gold, *probe.contrast))


def choice_result(probe: Probe, logprobs: Sequence[float]) -> ProbeResult:
    """The result of a multiple-choice probe from the options' log-probabilities per byte.

    A tie is no choice of the right option, and an outcome `empty` says that a value was not finite.
    """
    valid = all(map(math.isfinite, logprobs))
    # The right option comes first, so the last of the largest is another one wherever there is a tie.
    chosen = max(range(len(logprobs)), key=lambda n: (logprobs[n], n)) if valid else None
    correct = chosen == 0
    return ProbeResult(
        id=probe.id,
        level=probe.level,
        kind=probe.kind,
        outcome="empty" if chosen is None else "correct" if correct else "wrong",
        correct=correct,
        clean=correct,
        score=float(correct),
        wrong_claims=(),
        overgeneration=0.0,
        repetition=0.0,
        echo=False,
        answer="" if chosen is None else choice_pick(probe).candidates[chosen],
    )


def in_turns(items: Iterable[T], group: Callable[[T], Hashable]) -> list[T]:
    """One item of every group before a second of any; within a turn in the order given."""
    turns: Counter[Hashable] = Counter()
    placed: list[tuple[int, T]] = []
    for item in items:
        placed.append((turns[group(item)], item))
        turns[group(item)] += 1
    return [item for _, item in sorted(placed, key=lambda pair: pair[0])]


def share_of_first(values: Sequence[float]) -> float:
    """The first candidate's part of a softmax; 0 where a value is not finite, so that no broken model looks good."""
    if not all(map(math.isfinite, values)):
        return 0.0
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return weights[0] / sum(weights)


def _picks(probes: Sequence[Probe], limit: int) -> list[Pick]:
    return [pick for probe in probes if (pick := _pick(probe))][:limit]


def _pick(probe: Probe) -> Pick | None:
    """Split the gold answer before the key fact: what comes before leads in, the fact and its contrasts compete."""
    aliases = probe.key_facts[0].any if probe.key_facts else ()
    for alias in sorted(aliases, key=len, reverse=True):
        position = probe.gold.find(alias)
        if position >= 0:
            others = [c for c in probe.contrast if normalize(c) != normalize(alias)]
            return Pick(probe.question, probe.gold[:position], (alias, *others[:RIVALS])) if others else None
    return None


def _premise_picks(probes: Sequence[Probe], pairs: int) -> list[Pick]:
    """Yes against no as the first word, always both twins: a leaning to one word then gains nothing."""
    twins: dict[str, dict[Polarity, Probe]] = {}
    for probe in probes:
        if probe.kind == "premise" and probe.polarity and probe.pair_id:
            twins.setdefault(probe.pair_id, {})[probe.polarity] = probe
    whole = [sides for sides in twins.values() if len(sides) == 2][:pairs]
    return [premise_pick(probe) for sides in whole for probe in sides.values()]


def premise_pick(probe: Probe) -> Pick:
    """Yes against no as the answer's first word."""
    words = YES_NO.get(probe.lang, YES_NO["en"])
    right: Polarity = "yes" if probe.polarity == "yes" else "no"
    wrong: Polarity = "no" if right == "yes" else "yes"
    return Pick(probe.question, "", (words[right], words[wrong]))
