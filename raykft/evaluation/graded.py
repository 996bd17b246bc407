"""Graded numbers: how probable the right answer is among its rivals, question by question. Nothing is generated.

They are continuous where a generated answer is right or wrong, cost a fraction of it, and repeat from seed to seed
(docs/log.md). They do not see whether a model stops, repeats itself or says something else altogether, so people read
generated answers, and the two are shown beside each other.

Every probe of levels 2 to 5, premise twins and hints included, becomes one pick or more; so does every free text
(`free`), whose grade is no share but the probability of its bytes, and which counts where a domain has nothing else:

- a question whose answer holds key facts: each fact against values of other facts of its kind, after what the gold
  answer says before it;
- a format probe: the gold answer against the same form with other values, and against the right value in the form of a
  plain sentence;
- a premise probe: yes against no.

A share is the right candidate's part of a softmax over log-probabilities per byte, with the part of chance removed: 0
is chance, 1 certainty, below 0 worse than chance. A fact's grade is the mean over the probes that test it, and graded
knowledge the mean over facts: every fact counts once, however many probes it has.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

import numpy as np

from raykft.evaluation.answerer import Answerer
from raykft.evaluation.forgetting import LOCALITY, GeneralScores, fluency_loss
from raykft.evaluation.free import byte_probability, counted, free_pick, is_free
from raykft.evaluation.normalize import normalize
from raykft.evaluation.objective import Array
from raykft.evaluation.picks import RIVALS, choice_pick, is_choice, premise_pick, share_of_first
from raykft.records import Fact, KeyFact, Passage, Pick, Probe

LEVELS = (2, 3, 4, 5)
EVEN: Mapping[int, float] = {}  # weights of levels that count the same
MIN_GRADE = 0.05  # of the base model: below it a relative loss is noise


@dataclass(frozen=True)
class Graded:
    """A probe and the picks that grade it."""

    probe: Probe
    picks: tuple[Pick, ...]

    def grade(self, rows: Sequence[Sequence[float]]) -> float:
        """The mean over its picks of the share above chance, from the candidates' log-probabilities per byte; of a free
        text the probability of its bytes."""
        if is_free(self.probe):
            return byte_probability(rows[0][0])
        return fmean(above_chance(share_of_first(row), len(row)) for row in rows)

    def shown(self, question: str) -> Graded:
        """The same asked with other words, such as facts before the question."""
        return replace(self, picks=tuple(replace(pick, question=question) for pick in self.picks))


def above_chance(share: float, candidates: int) -> float:
    """0 where all candidates are alike, 1 where the right one takes all."""
    return (share - 1 / candidates) / (1 - 1 / candidates)


def domain_grades(probes: Sequence[Probe], facts: Sequence[Fact]) -> list[Graded]:
    """All of `probes` that can be graded: of levels 2 to 5, with a key fact in the gold answer and rivals for it; and
    free texts of any level."""
    sentences = {p.fact_ids: p.gold for p in probes if p.kind == "recall" and p.level in (1, 2)}
    rivals = _Rivals(facts)
    twins = _whole_pairs(probes)
    found = []
    for probe in probes:
        if is_free(probe):
            found.append(Graded(probe, (free_pick(probe),)))
            continue
        if probe.level not in LEVELS:
            continue
        if probe.kind == "premise":
            picks = [premise_pick(probe)] if probe.pair_id in twins else []
        elif probe.kind == "format":
            picks = _format_picks(probe, rivals, sentences.get(probe.fact_ids))
        else:
            picks = _fact_picks(probe, rivals)
        if picks:
            found.append(Graded(probe, tuple(picks)))
    return found


def general_grades(probes: Sequence[Probe]) -> list[Graded]:
    """General questions with rivals: short answers and multiple choice, without neighbours of the domain."""
    found, rivals = [], _Rivals(())
    for probe in probes:
        if LOCALITY in probe.tags or not probe.contrast:
            continue
        picks = [choice_pick(probe)] if is_choice(probe) else _fact_picks(probe, rivals)
        if picks:
            found.append(Graded(probe, tuple(picks)))
    return found


def ask(model: Answerer, trial_id: str | None, graded: Sequence[Graded]) -> dict[str, float]:
    """The grade of every probe, by id. A likelihood that is not finite grades as a share of 0."""
    picks = picks_of(graded)
    return grades_of(graded, model.choose(trial_id, picks) if picks else [])


def picks_of(graded: Iterable[Graded]) -> list[Pick]:
    """All that is asked for `graded`, to be asked together with other picks."""
    return [pick for each in graded for pick in each.picks]


def grades_of(graded: Sequence[Graded], rows: Sequence[Sequence[float]]) -> dict[str, float]:
    """The grade of every probe, by id, from what was answered to `picks_of`."""
    left = iter(rows)
    return {each.probe.id: each.grade([next(left) for _ in each.picks]) for each in graded}


def by_level(weights: Mapping[Any, float]) -> dict[int, float]:
    """From the names that columns have, such as "level_2"."""
    return {int(name.removeprefix("level_")): float(weight) for name, weight in weights.items()}


def shares(probes: Sequence[Probe], level_weights: Mapping[int, float] = EVEN) -> dict[str, float]:
    """What every graded probe counts in graded knowledge, by id: every fact counts once, and its probes share that.

    Args:
        level_weights: what a probe of a level counts within its facts; 1 where nothing is said. Facts that are asked
            about at levels of weight 0 alone do not count.
    """
    weights = {probe.id: level_weights.get(probe.level, 1.0) for probe in probes}
    facts: defaultdict[str, list[str]] = defaultdict(list)
    for probe in probes:
        for fact in probe.fact_ids or (probe.id,):
            if weights[probe.id] > 0:
                facts[fact].append(probe.id)
    found: defaultdict[str, float] = defaultdict(float)
    for ids in facts.values():
        total = sum(weights[id] for id in ids)
        for id in ids:
            found[id] += weights[id] / total / len(facts)
    return found


def knowledge(probes: Sequence[Probe], grades: Mapping[str, float], level_weights: Mapping[int, float] = EVEN) -> float:
    """The mean over facts of the mean over the probes of each, weighted by level; 0 where there are none.

    Of `probes` those that count (`free.counted`).
    """
    return sum(share * grades[id] for id, share in shares(counted(probes), level_weights).items())


def general_loss(base: float | Array, now: float | Array) -> Array:
    """The fall of a mean grade relative to the base model's; NaN where that has too little to lose."""
    before = np.asarray(base, dtype=float)
    found: Array = np.divide(before - now, before, out=np.full_like(before, np.nan), where=before > MIN_GRADE)
    return found


def forgetting(
    probes: Sequence[Probe],
    before: Mapping[str, float],
    now: Mapping[str, float],
    bits: Sequence[tuple[float | None, float | None]],
) -> float:
    """What was lost of fluency, signed, the mean over languages; without running text, of general grades, the mean over
    languages and kinds of question; 0 where nothing was measured.

    Grades of general questions rise while what is said gets worse, because tuning teaches the form of a short answer:
    they repeat less from seed to seed than fluency does and foretell less of what is forgotten (docs/log.md).

    Args:
        probes: the general ones that were graded.
        before: grades of the base model by probe id; `now` those of the adapter.
        bits: bits per byte of both on the running text of each language (see `bits_by_language`).
    """
    fluent = [float(fluency_loss(base, tuned)) for base, tuned in bits if base is not None]
    if known := [loss for loss in fluent if not math.isnan(loss)]:
        return fmean(known)
    kinds: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for probe in probes:
        kinds[probe.lang, probe.kind].append(probe.id)
    parts = [float(general_loss(_mean(before, ids), _mean(now, ids))) for ids in kinds.values()]
    return fmean([loss for loss in parts if not math.isnan(loss)] or [0.0])


def bits_by_language(
    passages: Sequence[Passage], base: GeneralScores, now: GeneralScores
) -> list[tuple[float | None, float | None]]:
    """Bits per byte of two models on the passages of every language."""
    languages = dict.fromkeys(p.lang for p in passages)
    groups = [[p for p in passages if p.lang == lang] for lang in languages]
    return [(base.bits_per_byte(own), now.bits_per_byte(own)) for own in groups]


def _mean(grades: Mapping[str, float], ids: Sequence[str]) -> float:
    return fmean(grades[id] for id in ids)


class _Rivals:
    """Wrong values of the right kind for every fact: of the same relation before others of the same type."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self._facts = facts

    def of(self, key: KeyFact, probe: Probe, *, first: bool) -> list[str]:
        """Up to `RIVALS`: the probe's own for its first key fact, else other facts' values."""
        right = {normalize(alias) for each in probe.key_facts for alias in each.any}
        # What a probe forbids may be a wrong value of any of its facts.
        alike = [value for value in probe.forbidden if _has_digits(value) == _has_digits(key.any[0])]
        own = [*(probe.contrast if first else ()), *alike]
        this = next((f for f in self._facts if f.id == key.fact_id), None)
        others = [f for f in self._facts if f.type == key.type and f.id != key.fact_id]
        others.sort(key=lambda f: this is None or f.relation != this.relation)  # stable: in the file's order
        found: dict[str, str] = {}
        for value in [*own, *(f.value for f in others)]:
            if normalize(value) not in right and not any(alias in value for alias in key.any):
                found.setdefault(normalize(value), value)
        return list(found.values())[:RIVALS]


def _fact_picks(probe: Probe, rivals: _Rivals) -> list[Pick]:
    picks = []
    for n, key in enumerate(probe.key_facts):
        at = _place(probe.gold, key)
        wrong = rivals.of(key, probe, first=n == 0)
        if at is not None and wrong:
            start, alias = at
            picks.append(Pick(probe.question, probe.gold[:start], (alias, *(_cased(value, alias) for value in wrong))))
    return picks


def _format_picks(probe: Probe, rivals: _Rivals, sentence: str | None) -> list[Pick]:
    if not probe.key_facts or (at := _place(probe.gold, probe.key_facts[0])) is None:
        return []
    start, alias = at
    before, after = probe.gold[:start], probe.gold[start + len(alias) :]
    wrong = [f"{before}{_cased(value, alias)}{after}" for value in rivals.of(probe.key_facts[0], probe, first=True)]
    if sentence is not None and normalize(sentence) != normalize(probe.gold):
        wrong.append(sentence)
    return [Pick(probe.question, "", (probe.gold, *wrong))] if wrong else []


def _place(gold: str, key: KeyFact) -> tuple[int, str] | None:
    """Where the longest alias stands in the gold answer, and how it is written there."""
    for alias in sorted(key.any, key=len, reverse=True):
        if (start := gold.casefold().find(alias.casefold())) >= 0:
            return start, gold[start : start + len(alias)]
    return None


def _has_digits(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _cased(value: str, like: str) -> str:
    """`value` in small or capital letters where the right one is: a probe may ask for them."""
    return value.lower() if like.islower() else value.upper() if like.isupper() and len(like) > 1 else value


def _whole_pairs(probes: Iterable[Probe]) -> set[str]:
    sides: defaultdict[str, set[str | None]] = defaultdict(set)
    for probe in probes:
        if probe.kind == "premise" and probe.pair_id:
            sides[probe.pair_id].add(probe.polarity)
    return {pair for pair, both in sides.items() if both >= {"yes", "no"}}
