"""The score of one answer: key facts hit, wrong claims made, and what follows from the two.

With m key facts, h of them hit and b distinct wrong claims (forbidden values, slot violations, and dates or
numbers of the asked type that neither the gold nor the question contains):

- recall and its relatives: score = max(0, (h - b) / m), correct = (h = m), clean = (h = m and b = 0)
- format:  score = clean = the pattern matches the head and h = m and b = 0, correct = it matches and h = m
- premise: score = correct = the polarity is right and, where it is "no", the true fact is stated;
  clean needs b = 0 as well

The outcome is `correct` exactly for clean answers; `partial` has some of the facts, or all with a wrong claim
or in the wrong format, or the right polarity without the fact.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from raykft.evaluate import behaviour
from raykft.evaluate.matching import (
    Date,
    Matcher,
    compile_matcher,
    dates_in,
    is_coarser_or_equal,
    is_year,
    numbers_in,
)
from raykft.evaluate.normalize import normalize
from raykft.records import KeyFact, Outcome, Probe, ProbeResult

_LIST_MARKER = re.compile(r"^[^\S\n]*[0-9]{1,2}[.)](?=[^\S\n])", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CompiledProbe:
    """A probe with everything that does not depend on the answer worked out once."""

    probe: Probe
    matcher: Matcher
    pattern: re.Pattern[str] | None
    slot: re.Pattern[str] | None
    forbidden: tuple[str, ...]
    asks_date: bool
    asks_year: bool
    asks_number: bool
    known_dates: tuple[Date, ...]  # an answer may state these or less
    accepted_dates: tuple[Date, ...]  # an answer may state these, less or more
    known_numbers: frozenset[str]


@lru_cache(maxsize=8192)
def compile_probe(probe: Probe) -> CompiledProbe:
    """Work out matcher, regexes and known values of a probe; cached, so scoring by probe stays fast.

    Raises DataError for an alias or forbidden value that normalization leaves empty, re.error for a broken
    regex.
    """
    forbidden = probe.forbidden
    if probe.polarity == "no":
        # Denying the false value means naming it; what the question does not mention stays forbidden.
        asked = normalize(probe.question)
        forbidden = tuple(value for value in forbidden if normalize(value) not in asked)
    date_facts = [fact for fact in probe.key_facts if _is_date(fact)]
    accepted = _dates((alias for fact in date_facts for alias in fact.any), with_years=True)
    given = [probe.gold, probe.question, *(alias for fact in probe.key_facts for alias in fact.any)]
    if probe.prior:
        given += [probe.prior.question, *probe.prior.any]
    return CompiledProbe(
        probe=probe,
        matcher=compile_matcher(probe.key_facts, forbidden),
        pattern=re.compile(probe.pattern) if probe.pattern is not None else None,
        slot=re.compile(probe.slot) if probe.slot is not None else None,
        forbidden=forbidden,
        asks_date=bool(date_facts),
        asks_year=any(month == day == "" for _, month, day in accepted),
        asks_number=any(fact.type == "number" and fact not in date_facts for fact in probe.key_facts),
        known_dates=_dates(given, with_years=True),
        accepted_dates=accepted,
        known_numbers=frozenset(number for text in given for number in numbers_in(normalize(text))),
    )


def score_answer(probe: Probe, answer: str, stopped: bool | None = None) -> ProbeResult:
    """Score one answer; `stopped` (did generation end by itself? None: not known) is passed on."""
    compiled = compile_probe(probe)
    found = compiled.matcher.find(normalize(answer))
    wrong_claims = _wrong_claims(compiled, answer, found.forbidden)
    n_facts, n_hits, n_wrong = len(found.hits), sum(found.hits), len(wrong_claims)
    is_empty = not answer.strip()
    compliant: bool | None = None
    if compiled.pattern is not None:
        region = unicodedata.normalize("NFKC", behaviour.head(answer, probe.gold)).strip()
        compliant = compiled.pattern.search(region) is not None

    polarity_right = False
    has_all = n_hits == n_facts and not is_empty
    if probe.kind == "premise":
        stated = behaviour.polarity(answer, probe.question)
        if n_hits == 0 and behaviour.refuses(answer, probe.gold):
            stated = None  # "I do not know" denies nothing
        polarity_right = stated is not None and stated == probe.polarity
        correct = polarity_right and (probe.polarity == "yes" or has_all)
        score = float(correct)
    else:
        correct = has_all and compliant is not False
        if compiled.pattern is not None or not n_facts:
            score = float(correct and not n_wrong)
        else:
            score = max(0.0, (n_hits - n_wrong) / n_facts)
    clean = correct and not n_wrong

    outcome: Outcome
    if is_empty:
        outcome = "empty"
    elif clean:
        outcome = "correct"
    elif (polarity_right or correct) if probe.kind == "premise" else (n_hits > 0 or has_all):
        outcome = "partial"
    elif n_hits == 0 and not n_wrong and behaviour.refuses(answer, probe.gold):
        outcome = "refused"
    else:
        outcome = "wrong"
    return ProbeResult(
        id=probe.id,
        level=probe.level,
        kind=probe.kind,
        outcome=outcome,
        correct=correct,
        clean=clean,
        score=score,
        wrong_claims=wrong_claims,
        overgeneration=behaviour.overgeneration(answer, probe.gold),
        repetition=behaviour.repetition(answer),
        echo=behaviour.echoes(answer, probe.question),
        stopped=stopped,
        compliant=compliant,
        answer=answer,
    )


def _wrong_claims(compiled: CompiledProbe, answer: str, forbidden_hits: tuple[bool, ...]) -> tuple[str, ...]:
    """The distinct wrong claims in the order forbidden, slot, dates, numbers; one value counts once."""
    claims: dict[str, str] = {}  # normalized → as shown

    def claim(normalized: str, shown: str) -> None:
        if not any(normalized in other or other in normalized for other in claims):
            claims[normalized] = shown

    for value, is_hit in zip(compiled.forbidden, forbidden_hits, strict=True):
        if is_hit:
            claims[normalize(value)] = value
    if compiled.slot is not None:
        for match in compiled.slot.finditer(unicodedata.normalize("NFKC", answer)):
            value = (match[1] if compiled.slot.groups else match[0]) or ""
            filled = normalize(value)
            if filled and not any(compiled.matcher.hits(filled)):
                claim(filled, value.strip())
    if compiled.asks_date:
        for spelling, date in dates_in(normalize(answer), with_years=compiled.asks_year).items():
            if not _is_supported(date, compiled):
                claim(spelling, spelling)
    if compiled.asks_number:
        for number, spelling in numbers_in(normalize(_LIST_MARKER.sub("", answer))).items():
            # Not by `claim`: the 5 in 15 is another number.
            if number not in compiled.known_numbers and not any(number in numbers_in(other) for other in claims):
                claims[spelling] = spelling
    return tuple(claims.values())


def _is_date(fact: KeyFact) -> bool:
    """A date, or a "number" that is a year by every alias: its rivals are other years, not quantities."""
    return fact.type == "date" or (fact.type == "number" and all(map(is_year, fact.any)))


def _dates(texts: Iterable[str], with_years: bool) -> tuple[Date, ...]:
    return tuple({date: None for text in texts for date in dates_in(normalize(text), with_years).values()})


def _is_supported(date: Date, compiled: CompiledProbe) -> bool:
    return any(is_coarser_or_equal(date, known) for known in compiled.known_dates) or any(
        is_coarser_or_equal(accepted, date) for accepted in compiled.accepted_dates
    )
