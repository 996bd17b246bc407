"""The score of one answer: key facts hit, wrong claims made, and what follows from the two.

With m key facts, h of them hit and b distinct wrong claims (forbidden values, slot violations, and dates or
numbers of the asked type that neither the gold nor the question contains):

- recall and its relatives: score = max(0, (h - b) / m), correct = (h = m), clean = (h = m and b = 0)
- format:  score = clean = the pattern matches the head and h = m and b = 0, correct = it matches and h = m
- premise: score = correct = the polarity is right and, where it is "no", the true fact is stated;
  clean needs b = 0 as well
- instruct: the same as format; a probe without key facts asks for the form alone
- mc: correct = clean = the right option is given and none of the others
- free: score = correct = clean = the same words as the gold; any others are "unjudged", for nothing says what they mean

The outcome is `correct` exactly for clean answers; `partial` has some of the facts, or all with a wrong claim
or in the wrong format, or the right polarity without the fact.

Answers are untrusted: their first `behaviour.SCORED_CHARS` characters are read, at most MAX_CLAIMS wrong claims are
told, and the regular expressions of a probe get REGEX_TIMEOUT_S each. An answer on which one does not finish is never
clean, nor compliant where it was the `pattern`.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

import regex  # type: ignore[import-untyped]

from raykft.errors import DataError
from raykft.evaluation import behaviour
from raykft.evaluation.alternatives import decided
from raykft.evaluation.claims import MAX_CLAIMS, FactSheet
from raykft.evaluation.longer_names import without_longer_names
from raykft.evaluation.matching import (
    Date,
    Matcher,
    compile_matcher,
    dates_in,
    is_coarser_or_equal,
    is_year,
    numbers_in,
)
from raykft.evaluation.normalize import compatible, normalize
from raykft.evaluation.premises import restated
from raykft.evaluation.quantities import has_two_units, in_one_unit
from raykft.evaluation.retracted import asserted
from raykft.evaluation.rivals import fitting
from raykft.evaluation.signs import contradicted
from raykft.evaluation.variants import found_again, month_of
from raykft.records import KeyFact, Outcome, Polarity, Probe, ProbeResult

REGEX_TIMEOUT_S = 0.5
_MAX_FILLED = 200  # fillings of a slot that are looked at


@dataclass(frozen=True, slots=True)
class CompiledProbe:
    """A probe with everything that does not depend on the answer worked out once."""

    probe: Probe
    matcher: Matcher
    pattern: regex.Pattern[str] | None
    slot: regex.Pattern[str] | None
    forbidden: tuple[str, ...]
    asks_date: bool
    asks_year: bool
    asks_number: bool
    known_dates: tuple[Date, ...]  # an answer may state these or less
    accepted_dates: tuple[Date, ...]  # an answer may state these, less or more
    known_numbers: frozenset[str]
    known: str  # all that the probe itself says, but for its wrong answers
    words: frozenset[str]  # of the key facts, as they are written
    is_person: bool


@lru_cache(maxsize=8192)
def compile_probe(probe: Probe) -> CompiledProbe:
    """Work out matcher, regexes and known values of a probe; cached, so scoring by probe stays fast.

    Raises DataError for an alias or forbidden value that normalization leaves empty, and for a broken regex.
    """
    forbidden = probe.forbidden
    if probe.kind == "mc":
        forbidden += probe.contrast
    if probe.polarity == "no":
        # Denying the false value means naming it; what the question does not mention stays forbidden.
        asked = normalize(probe.question)
        forbidden = tuple(value for value in forbidden if normalize(value) not in asked)
    date_facts = [fact for fact in probe.key_facts if _is_date(fact)]
    accepted = _dates((alias for fact in date_facts for alias in fact.any), with_years=True)
    months = (month_of(alias) for fact in date_facts for alias in fact.any)
    accepted += tuple(("", f"{month:02d}", "") for month in months if month)
    given = [probe.gold, probe.question, *(alias for fact in probe.key_facts for alias in fact.any)]
    if probe.prior:
        given += [probe.prior.question, *probe.prior.any]
    return CompiledProbe(
        probe=probe,
        matcher=compile_matcher(probe.key_facts, forbidden),
        pattern=_compiled(probe.pattern),
        slot=_compiled(probe.slot),
        forbidden=forbidden,
        asks_date=bool(date_facts),
        asks_year=any(month == day == "" for _, month, day in accepted),
        asks_number=any(fact.type == "number" and fact not in date_facts for fact in probe.key_facts),
        known_dates=_dates(given, with_years=True),
        accepted_dates=accepted,
        known_numbers=frozenset(number for text in given for number in numbers_in(normalize(text))),
        known="\n".join(map(compatible, given)),
        is_person=all(fact.type == "person" for fact in probe.key_facts),
        words=frozenset(word for fact in probe.key_facts for alias in fact.any for word in compatible(alias).split()),
    )


def score_answer(probe: Probe, answer: str, stopped: bool | None = None, sheet: FactSheet | None = None) -> ProbeResult:
    """Score one answer; `stopped` (did generation end by itself? None: not known) is passed on.

    With the `sheet` of the domain the claims that it does not support are listed, for all but general probes.
    """
    if probe.kind == "free":
        return _free_result(probe, answer, stopped, sheet)
    compiled = compile_probe(probe)
    said = behaviour.without_thoughts(answer)
    text = said[: behaviour.SCORED_CHARS]
    found = compiled.matcher.find(normalize(text))
    compliant, pattern_finished = _obeys(compiled, text)
    filled, slot_finished = _filled(compiled, text)
    wrong_claims = _wrong_claims(compiled, text, found.forbidden, filled)
    hits = _asserted_hits(compiled, text.strip(), found.hits, bool(wrong_claims))
    n_facts, n_hits, n_wrong = len(hits), sum(hits), len(wrong_claims)
    is_empty = not text.strip()

    polarity_right = False
    has_all = n_hits == n_facts and not is_empty
    content = has_all and not n_wrong
    if probe.kind == "premise":
        stated = behaviour.polarity(text, probe.question)
        if stated is None and has_all:
            stated = _restated(compiled, text.strip())
        if n_hits == 0 and behaviour.refuses(text, probe.gold):
            stated = None  # "I do not know" denies nothing
        polarity_right = stated is not None and stated == probe.polarity
        correct = polarity_right and (probe.polarity == "yes" or has_all)
        score = float(correct)
    elif probe.kind == "mc":
        correct = content
        score = float(correct)
    else:
        correct = has_all and compliant is not False
        if compiled.pattern is not None or not n_facts:
            score = float(correct and content)
        else:
            score = max(0.0, (n_hits - n_wrong) / n_facts)
    clean = correct and not n_wrong and slot_finished

    outcome: Outcome
    if is_empty:
        outcome = "empty"
    elif clean:
        outcome = "correct"
    elif (polarity_right or correct) if probe.kind == "premise" else (n_hits > 0 or correct):
        outcome = "partial"
    elif n_hits == 0 and not n_wrong and behaviour.refuses(text, probe.gold):
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
        overgeneration=behaviour.overgeneration(said, probe.gold),
        repetition=behaviour.repetition(text),
        echo=behaviour.echoes(text, probe.question),
        stopped=stopped,
        compliant=compliant,
        answer=answer,
        content=content if compiled.pattern is not None else None,
        unsupported=sheet.unsupported(probe, text) if sheet is not None and probe.level else None,
        unchecked="" if pattern_finished and slot_finished else "slot" if pattern_finished else "pattern",
    )


def _free_result(probe: Probe, answer: str, stopped: bool | None, sheet: FactSheet | None) -> ProbeResult:
    """The result of a free text, of which its very words alone are right."""
    said = behaviour.without_thoughts(answer)
    text = said[: behaviour.SCORED_CHARS]
    same = normalize(text) == normalize(probe.gold)
    outcome: Outcome = "correct" if same else "empty" if not text.strip() else "unjudged"
    if outcome == "unjudged" and behaviour.refuses(text, probe.gold):
        outcome = "refused"
    return ProbeResult(
        id=probe.id,
        level=probe.level,
        kind=probe.kind,
        outcome=outcome,
        correct=same,
        clean=same,
        score=float(same),
        wrong_claims=(),
        overgeneration=behaviour.overgeneration(said, probe.gold),
        repetition=behaviour.repetition(text),
        echo=behaviour.echoes(text, probe.question),
        stopped=stopped,
        answer=answer,
        unsupported=sheet.unsupported(probe, text) if sheet is not None else None,
    )


def prior_probe(probe: Probe) -> Probe:
    """The question about the world that a level-5 probe builds on, as a general probe with the id `ID/prior`.

    Asked of the base model, it tells whether the probe tests the learned fact alone (see `levels.summarize`).
    Raises DataError where the probe has no `prior`.
    """
    if probe.prior is None:
        raise DataError(f"probe {probe.id!r} has no `prior`; only probes that build on prior knowledge can ask for it")
    return Probe(
        id=f"{probe.id}/prior",
        level=0,
        kind="recall",
        question=probe.prior.question,
        gold=probe.prior.any[0],
        key_facts=(KeyFact(probe.prior.any),),
        split=probe.split,
        lang=probe.lang,
        max_new_tokens=probe.max_new_tokens,
        tags=("prior",),
    )


@lru_cache(maxsize=1024)
def _compiled(source: str | None) -> regex.Pattern[str] | None:
    """A user's regular expression; `regex` reads what `re` reads, and can give up after a time."""
    try:
        return None if source is None else regex.compile(source)
    except (regex.error, RecursionError) as error:
        raise DataError(f"{source!r} is not a valid regular expression: {error}") from None


def _obeys(compiled: CompiledProbe, text: str) -> tuple[bool | None, bool]:
    """Whether the head of the answer has the requested form (None: none is requested), and whether that was found."""
    if compiled.pattern is None:
        return None, True
    region = unicodedata.normalize("NFKC", behaviour.head(text, compiled.probe.gold)).strip()
    try:
        return compiled.pattern.search(region, timeout=REGEX_TIMEOUT_S) is not None, True
    except TimeoutError:
        return False, False


def _filled(compiled: CompiledProbe, text: str) -> tuple[list[str], bool]:
    """What the answer puts into the slot, as far as the search came, and whether it came to the end."""
    values: list[str] = []
    if compiled.slot is None:
        return values, True
    try:
        matches = compiled.slot.finditer(unicodedata.normalize("NFKC", text), timeout=REGEX_TIMEOUT_S)
        for match in islice(matches, _MAX_FILLED):
            values.append((match[1] if compiled.slot.groups else match[0]) or "")
    except TimeoutError:
        return values, False
    return values, True


def _asserted_hits(compiled: CompiledProbe, text: str, hits: tuple[bool, ...], counted: bool) -> tuple[bool, ...]:
    """The key facts that an answer states in any form, without what it takes back, leaves open or says of others.

    Where the gold itself does so, what the answer takes back counts as well. `counted`: the answer has wrong claims.
    """
    kept = _kept(compiled, text, counted)
    if kept != text and _kept_gold(compiled):
        text = kept
        hits = tuple(map(bool.__and__, hits, compiled.matcher.hits(normalize(kept))))
    return _all_hits(compiled, text, hits)


def _kept(compiled: CompiledProbe, text: str, counted: bool = False) -> str:
    """What an answer asserts of the thing that is asked for."""
    probe = compiled.probe
    kept = without_longer_names(asserted(text, probe.question), probe.key_facts, compiled.known)
    if compiled.asks_number and not has_two_units(compiled.known):
        kept = in_one_unit(kept)

    def states(piece: str) -> bool:
        return any(compiled.matcher.hits(normalize(piece)))

    def states_somehow(piece: str) -> bool:
        return any(_all_hits(compiled, piece, compiled.matcher.hits(normalize(piece))))

    if not states(kept):
        if not states_somehow(kept):
            return kept
        states = states_somehow
    kept = decided(kept, probe.question, states, counted)
    if probe.kind == "premise":
        return kept  # where the premise is false, the words of the question fit the wrong answer
    return fitting(kept, probe.question, states, compiled.words, compiled.is_person)


def _kept_gold(compiled: CompiledProbe) -> bool:
    """Whether the gold answer keeps its key facts when it is read like an answer."""
    gold, hits = compiled.probe.gold, compiled.matcher.hits
    return hits(normalize(_kept(compiled, gold))) == hits(normalize(gold))


def _all_hits(compiled: CompiledProbe, text: str, hits: tuple[bool, ...]) -> tuple[bool, ...]:
    """`hits` of the plain spelling with those of a second look, and without those whose sign is another."""
    if not all(hits) and text.strip():
        hits = found_again(compiled.probe, compiled.forbidden, text, hits)
    return tuple(hit and _sign_agrees(fact, text) for fact, hit in zip(compiled.probe.key_facts, hits, strict=True))


def _sign_agrees(fact: KeyFact, text: str) -> bool:
    left = tuple(alias for alias in fact.any if not contradicted(alias, text))
    return left == fact.any or bool(left and compile_matcher([KeyFact(left, fact.type)]).hits(normalize(text))[0])


def _restated(compiled: CompiledProbe, text: str) -> Polarity | None:
    """Yes or no by stating the fact instead."""
    probe = compiled.probe
    statement = behaviour.statement(text, probe.question)
    kept = asserted(statement, probe.question)
    hits = _all_hits(compiled, kept, compiled.matcher.hits(normalize(kept)))
    return restated(probe, statement, kept) if all(hits) else None


def _wrong_claims(
    compiled: CompiledProbe, text: str, forbidden_hits: tuple[bool, ...], filled: Iterable[str]
) -> tuple[str, ...]:
    """The distinct wrong claims in the order forbidden, slot, dates, numbers; one value counts once."""
    claims: dict[str, str] = {}  # normalized → as shown
    numbers: set[str] = set()  # stated by the claims so far

    def claim(normalized: str, shown: str) -> None:
        if len(claims) < MAX_CLAIMS:
            claims[normalized] = shown
            numbers.update(numbers_in(normalized))

    def is_new(normalized: str) -> bool:
        return not any(normalized in other or other in normalized for other in claims)

    for value, is_hit in zip(compiled.forbidden, forbidden_hits, strict=True):
        if is_hit:
            claim(normalize(value), value)
    for value in dict.fromkeys(filled):
        slot_value = normalize(value)
        if slot_value and is_new(slot_value) and not any(compiled.matcher.hits(slot_value)):
            claim(slot_value, value.strip())
    if compiled.asks_date:
        for spelling, date in dates_in(normalize(text), with_years=compiled.asks_year).items():
            if is_new(spelling) and not _is_supported(date, compiled):
                claim(spelling, spelling)
    if compiled.asks_number:
        for number, spelling in numbers_in(normalize(behaviour.without_list_markers(text))).items():
            # Not by `is_new`: the 5 in 15 is another number.
            if number not in compiled.known_numbers and number not in numbers:
                claim(spelling, spelling)
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
