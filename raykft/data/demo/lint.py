"""The rules a domain must obey to measure what it claims to; run on every build, for every seed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass
from itertools import combinations, product

from raykft.data.demo.probes import Domain
from raykft.data.split import split_of
from raykft.records import Fact, Probe, TrainRow

# Japanese writes no spaces: only letters and digits of other scripts have to stop where a phrase does.
_WORD = r"[^\W\u3040-\u30ff\u3400-\u9fff々]"
_TWINS = ("false_premise", "true_premise")


class DomainError(ValueError):
    """A generated domain breaks a rule; the message names the record."""


def check(domain: Domain) -> None:
    """Raise `DomainError` with all broken rules, or return."""
    problems = [*_identity(domain), *_facts(domain), *_premises(domain)]
    context = _Context(
        trained=frozenset(row.question for row in domain.train),
        facts={fact.id: fact for fact in domain.facts},
        values=frozenset(text for fact in domain.facts for text in _spellings(fact)),
        list_items=frozenset(item for fact in domain.facts if fact.type == "list" for item in fact.aliases),
    )
    for probe in domain.probes:
        problems += [f"{probe.id}: {text}" for text in _probe(probe, context)]
    for row in domain.further:
        problems += [f"{row.id}: {text}" for text in _further(row, domain, context)]
    if problems:
        raise DomainError("; ".join(problems))


def mentions(text: str, phrase: str) -> bool:
    """Whether a text contains a phrase, ignoring case; where a phrase begins or ends with a word, a whole word."""
    folded, wanted = (unicodedata.normalize("NFKC", s).casefold() for s in (text, phrase))
    if wanted not in folded:
        return False
    before = rf"(?<!{_WORD})" if re.match(_WORD, wanted) else ""
    after = rf"(?!{_WORD})" if re.search(rf"{_WORD}\Z", wanted) else ""
    return re.search(before + re.escape(wanted) + after, folded) is not None


@dataclass(frozen=True, slots=True)
class _Context:
    """What the rules look up: training questions, facts, all spellings of these, and the items of all list facts."""

    trained: frozenset[str]
    facts: dict[str, Fact]
    list_items: frozenset[str]
    values: frozenset[str]


def _identity(domain: Domain) -> list[str]:
    known = {fact.id for fact in domain.facts}
    owners = [(row.id, row.fact_ids) for row in domain.train]
    owners += [(row.id, row.fact_ids) for row in domain.further]
    owners += [(probe.id, probe.fact_ids) for probe in domain.probes]
    ids = [fact.id for fact in domain.facts] + [key for key, _ in owners]
    twice = [key for key, n in Counter(ids).items() if n > 1]
    lost = [key for key, facts in owners if not facts or not known.issuperset(facts)]
    questions = Counter(probe.question for probe in domain.probes if probe.level != 3)
    asked = [text for text, n in questions.items() if n > 1]
    return [
        *(f"id {key} is used twice" for key in twice),
        *(f"{key} names no fact, or an unknown one" for key in lost),
        *(f"two probes ask: {text}" for text in asked),
    ]


def _facts(domain: Domain) -> list[str]:
    """Every fact is probed at level 2, and no spelling of a fact is part of another fact's, near misses aside."""
    probed = {key for probe in domain.probes if probe.level == 2 for key in probe.fact_ids}
    problems = [f"{fact.id} has no level-2 probe" for fact in domain.facts if fact.id not in probed]
    for one, two in combinations(domain.facts, 2):
        pairs = [sorted(pair, key=len) for pair in product(_spellings(one), _spellings(two))]
        problems += [
            f"{one.id} and {two.id} overlap: {short!r}, {long!r}"
            for short, long in pairs
            if short.casefold() in long.casefold() and not _is_near_miss(short, long, domain)
        ]
    return problems


def _spellings(fact: Fact) -> tuple[str, ...]:
    """What counts as the fact: for a list its items, never the whole line."""
    return fact.aliases if fact.type == "list" else (fact.value, *fact.aliases)


def _is_near_miss(short: str, long: str, domain: Domain) -> bool:
    """Whether every probe that wants the short name forbids the long one, which then hides the short one in it."""
    wanting = [probe for probe in domain.probes if any(short in key.any for key in probe.key_facts)]
    return short != long and bool(wanting) and all(long in probe.forbidden for probe in wanting)


def _premises(domain: Domain) -> list[str]:
    """False and true premises come in pairs, in the training rows as in the probes."""
    pairs: dict[str | None, list[str | None]] = {}
    for probe in domain.probes:
        if probe.kind == "premise":
            pairs.setdefault(probe.pair_id, []).append(probe.polarity)
    problems = [f"{key} lacks its twin" for key, found in pairs.items() if sorted(map(str, found)) != ["no", "yes"]]
    kinds = {kind: Counter(row.fact_ids for row in domain.train if row.kind == kind) for kind in _TWINS}
    if kinds["false_premise"] != kinds["true_premise"]:
        problems.append("a premise row of the training set lacks its twin")
    return problems


def _probe(probe: Probe, context: _Context) -> list[str]:
    """The rules for a single probe."""
    problems: list[str] = []
    tested = [context.facts[key] for key in probe.fact_ids if key in context.facts]
    names = {fact.group for fact in tested}
    if len(names) != 1 or any(split_of(name) != probe.split for name in names):
        problems.append("its split is not that of its fact group")
    if (probe.question in context.trained) != (probe.level == 1):
        problems.append("its question must be a training question at level 1 and only there")
    if probe.pattern is not None and not re.search(probe.pattern, unicodedata.normalize("NFKC", probe.gold)):
        problems.append("its gold does not match its pattern")
    aliases = [alias for key in probe.key_facts for alias in key.any]
    for key in probe.key_facts:
        if not any(mentions(probe.gold, alias) for alias in key.any):
            problems.append(f"its gold lacks {key.any[0]!r}")
        if probe.kind in ("recall", "list", "hint") and not any(alias in probe.gold for alias in key.any):
            problems.append(f"its gold does not contain {key.any[0]!r} verbatim")
    if probe.kind != "premise":
        secret = sorted({*aliases, *(text for fact in tested for text in (fact.value, *fact.aliases))})
        problems += [f"its question gives away {text!r}" for text in secret if mentions(probe.question, text)]
    if probe.prior and any(mentions(probe.prior.question, text) for text in probe.prior.any):
        problems.append("its question about prior knowledge contains the answer")
    return problems + _wrong_answers(probe, aliases, context)


def _further(row: TrainRow, domain: Domain, context: _Context) -> list[str]:
    """A row of a further wording or format asks what nothing else asks, and names no fact's value."""
    problems = [f"its question gives away {text!r}" for text in context.values if mentions(row.question, text)]
    if any(probe.question == row.question for probe in domain.probes) or row.question in context.trained:
        problems.append("it asks what a probe asks, or another row")
    return problems


def _wrong_answers(probe: Probe, aliases: list[str], context: _Context) -> list[str]:
    """Wrong answers are wrong, are not in the gold, and a forbidden one is not in the question."""
    problems: list[str] = []
    gold = probe.gold
    for alias in sorted(aliases, key=len, reverse=True):
        gold = gold.replace(alias, "|")
    for wrong in {*probe.contrast, *probe.forbidden}:
        near_miss = wrong in context.list_items and wrong in probe.forbidden and wrong not in aliases
        if not near_miss and any(mentions(alias, wrong) or mentions(wrong, alias) for alias in aliases):
            problems.append(f"wrong answer {wrong!r} is an accepted one")
        if mentions(gold, wrong):
            problems.append(f"wrong answer {wrong!r} is in the gold")
    problems += [f"forbidden {text!r} is in the question" for text in probe.forbidden if mentions(probe.question, text)]
    if probe.kind in ("recall", "list", "hint") and len(set(probe.contrast)) < 3:
        problems.append("it has fewer than three wrong answers")
    if probe.kind != "premise" and not probe.forbidden:
        problems.append("it forbids nothing")
    return problems
