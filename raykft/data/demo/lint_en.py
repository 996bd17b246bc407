"""The rules a domain must obey to measure what it claims to; run on every build, for every seed."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from itertools import combinations

from raykft.data.demo.probes_en import Domain
from raykft.data.split import split_of
from raykft.records import Fact, Probe


class DomainError(ValueError):
    """A generated domain breaks a rule; the message names the record."""


def check(domain: Domain) -> None:
    """Raise `DomainError` with all broken rules, or return."""
    problems = [*_identity(domain), *_facts(domain), *_premises(domain)]
    trained = {row.question for row in domain.train}
    facts = {fact.id: fact for fact in domain.facts}
    for probe in domain.probes:
        problems += [f"{probe.id}: {text}" for text in _probe(probe, trained, facts)]
    if problems:
        raise DomainError("; ".join(problems))


def mentions(text: str, phrase: str) -> bool:
    """Whether a text contains a phrase as whole words, ignoring case."""
    folded, wanted = (unicodedata.normalize("NFKC", s).casefold() for s in (text, phrase))
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", folded) is not None


def _identity(domain: Domain) -> list[str]:
    known = {fact.id for fact in domain.facts}
    owners = [(row.id, row.fact_ids) for row in domain.train]
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


def _spellings(fact: Fact) -> list[str]:
    return [text.casefold() for text in (fact.value, *fact.aliases)]


def _facts(domain: Domain) -> list[str]:
    """Every fact is probed at level 2, and no spelling of a fact is part of another fact's."""
    probed = {key for probe in domain.probes if probe.level == 2 for key in probe.fact_ids}
    problems = [f"{fact.id} has no level-2 probe" for fact in domain.facts if fact.id not in probed]
    for one, two in combinations(domain.facts, 2):
        pairs = [(a, b) for a in _spellings(one) for b in _spellings(two) if a in b or b in a]
        problems += [f"{one.id} and {two.id} overlap: {a!r}, {b!r}" for a, b in pairs]
    return problems


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


_TWINS = ("false_premise", "true_premise")


def _probe(probe: Probe, trained: set[str], facts: dict[str, Fact]) -> list[str]:
    """The rules for a single probe."""
    problems: list[str] = []
    tested = [facts[key] for key in probe.fact_ids if key in facts]
    names = {fact.group for fact in tested}
    if len(names) != 1 or any(split_of(name) != probe.split for name in names):
        problems.append("its split is not that of its fact group")
    if (probe.question in trained) != (probe.level == 1):
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
    return problems + _wrong_answers(probe, aliases)


def _wrong_answers(probe: Probe, aliases: list[str]) -> list[str]:
    """Wrong answers are wrong, are not in the gold, and a forbidden one is not in the question."""
    problems: list[str] = []
    for wrong in {*probe.contrast, *probe.forbidden}:
        if any(mentions(alias, wrong) or mentions(wrong, alias) for alias in aliases):
            problems.append(f"wrong answer {wrong!r} is an accepted one")
        if mentions(probe.gold, wrong):
            problems.append(f"wrong answer {wrong!r} is in the gold")
    problems += [f"forbidden {text!r} is in the question" for text in probe.forbidden if mentions(probe.question, text)]
    if probe.kind in ("recall", "list", "hint") and len(set(probe.contrast)) < 3:
        problems.append("it has fewer than three wrong answers")
    if probe.kind != "premise" and not probe.forbidden:
        problems.append("it forbids nothing")
    return problems
