"""Do the data measure what they claim to? Rules across all files that need no model.

An error would make scores wrong, and nothing starts with one; a warning makes them weak, or leaves something
unmeasured. Whether an answer counts is always asked of the scorer itself, so that a rule and the scores cannot
disagree. docs/data-flow.md explains every rule in `RULES`.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from raykft.data.contamination import Overlap, Scorer, find_overlaps, flagged_probes
from raykft.data.domain import Domain
from raykft.errors import DataError
from raykft.records import Fact, KeyFact, Probe
from raykft.untrusted.messages import MAX_PROBLEMS
from raykft.wording import data as words
from raykft.wording.names import LIST, OUTCOMES

Severity = Literal["error", "warning"]
Problem = tuple[str, str]  # a rule and what breaks it

RULES: dict[str, Severity] = {
    "unscorable": "error",
    "gold-breaks-pattern": "error",
    "gold-lacks-key-fact": "error",
    "gold-claims-wrong": "error",
    "gold-scored-wrong": "error",
    "answer-in-question": "error",
    "contrast-accepted": "error",
    "contrast-type": "error",
    "contrast-plural": "warning",
    "no-options": "error",
    "few-options": "warning",
    "alias-in-other-fact": "error",
    "group-in-both-splits": "error",
    "not-verbatim": "error",
    "contamination": "error",
    "gold-too-long": "warning",
    "fact-without-probe": "warning",
    "few-report-probes": "warning",
    "few-level-probes": "warning",
    "no-general-probes": "warning",
    "few-general-probes": "warning",
    "no-premise-probes": "warning",
    "free-texts-alone": "warning",
    "no-distractors": "warning",
    "unused-columns": "warning",
    "two-answers": "warning",
    "signs-not-scored": "warning",
    "alias-function-words": "warning",
    "number-with-unit": "warning",
    "language": "warning",
}

# With fewer, the 95 % interval of a score is wider than the differences between good trials.
REPORT_PROBES, LEVEL_PROBES, GENERAL_PROBES = 160, 40, 100
WRONG_OPTIONS = 3

_NAMES_SHOWN, _QUOTED = 3, 80
SCORED_LANGUAGES = {"en", "ja"}
UNREAD_SIGNS = "<>≠±=@°"  # of which nothing is compared
# Words that answers may leave out or replace: "in Eastholm" is answered by "Eastholm" or "near Eastholm".
_FUNCTION_WORDS = re.compile(
    r"(?:in|at|on|by|from|to|for|of|with|about|near|because|it is|it was|they are|there are)\s+(?P<rest>.+)"
    r"|(?P<said>.+?)(?:です|でした|である|だった|のこと|にある|にあります)。?"
)
_NUMBER_WITH_UNIT = re.compile(r"(?![0-9]{4}年)-?[0-9][0-9,]*(?:\.[0-9]+)?\s*[^\W\d_].*")
# Such questions name what is asked for: to have it denied, chosen, or written in some form.
_MAY_NAME_ANSWER = frozenset(("premise", "mc", "instruct"))


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken rule. `item` is the id of the probe or the fact group, "" where all of the data are meant."""

    severity: Severity
    rule: str
    item: str
    message: str

    def __str__(self) -> str:
        return f"[{self.rule}] {self.message}"


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found; the findings tell the `overlaps` too."""

    findings: tuple[Finding, ...]
    overlaps: tuple[Overlap, ...]

    def lines(self, severity: Severity) -> list[str]:
        return [str(finding) for finding in self.findings if finding.severity == severity]


def check_domain(domain: Domain, score: Scorer, *, allow_contamination: bool = False) -> Report:
    """Every rule, and the contamination check, whose findings are only warnings with `allow_contamination`."""
    overlaps = find_overlaps(domain, score)
    findings = (
        *(finding for probe in (*domain.probes, *domain.general) for finding in _probe_findings(probe, score)),
        *_hidden_aliases(domain, score),
        *_groups_in_both_splits(domain),
        *_contamination(overlaps, "warning" if allow_contamination else "error"),
        *(Finding(RULES[rule], rule, "", message) for rule, message in _advice(domain)),
    )
    return Report(findings, overlaps)


def _probe_findings(probe: Probe, score: Scorer) -> Iterator[Finding]:
    name = (words.PROBE if probe.level else words.GENERAL_PROBE)(id=probe.id)
    try:
        problems = [*_gold_problems(probe, score), *_question_problems(probe, score), *_contrast_problems(probe, score)]
    except DataError as error:
        problems = [("unscorable", str(error))]
    for rule, problem in problems:
        yield Finding(RULES[rule], rule, probe.id, words.OF_PROBE(probe=name, problem=problem))


def _gold_problems(probe: Probe, score: Scorer) -> Iterator[Problem]:
    """The gold answer must be scored as right, and fit into the tokens an answer may take."""
    result = score(probe, probe.gold)
    missing = [key.any[0] for key in probe.key_facts if not _states(probe.gold, key, score)]
    if result.compliant is False:
        yield "gold-breaks-pattern", words.GOLD_BREAKS_PATTERN(gold=probe.gold, pattern=probe.pattern)
    elif missing and not result.correct:
        yield "gold-lacks-key-fact", words.GOLD_LACKS_FACT(gold=probe.gold, missing=_listed(missing))
    elif result.wrong_claims:
        claims = _listed(result.wrong_claims)
        yield "gold-claims-wrong", words.GOLD_CLAIMS_WRONG(gold=probe.gold, claims=claims)
    elif not result.clean:
        outcome = OUTCOMES[result.outcome]()
        yield "gold-scored-wrong", words.GOLD_SCORED_WRONG(gold=probe.gold, outcome=outcome)
    length = len(probe.gold.split())
    if probe.kind != "mc" and length > probe.max_new_tokens:
        yield "gold-too-long", words.GOLD_TOO_LONG(n=length, limit=probe.max_new_tokens)


def _question_problems(probe: Probe, score: Scorer) -> Iterator[Problem]:
    """Repeating the question must earn nothing, or a model that only echoes it has knowledge."""
    if probe.kind in _MAY_NAME_ANSWER:
        return
    if probe.kind == "free":
        if score(probe, probe.question).correct:
            yield "answer-in-question", f"its question {probe.question[:_QUOTED]!r} is its gold answer"
        return
    plain = replace(probe, kind="recall", pattern=None, slot=None, polarity=None)
    if score(plain, probe.question).score > 0:
        named = [key.any[0] for key in probe.key_facts if _states(probe.question, key, score)]
        yield "answer-in-question", words.GIVES_AWAY(question=probe.question, named=_listed(named))


def _contrast_problems(probe: Probe, score: Scorer) -> Iterator[Problem]:
    """Wrong answers must be wrong, and of the type of the first key fact, which they are compared with."""
    options = list(dict.fromkeys(probe.contrast))
    if probe.kind == "mc":
        if len(options) < WRONG_OPTIONS:
            few = words.FEW_OPTIONS(n=len(options), least=WRONG_OPTIONS)
            yield "few-options" if options else "no-options", few
        return  # that the right option is none of them is a rule about the gold
    for wrong in options:
        if stated := [key for key in probe.key_facts if _states(wrong, key, score, probe.forbidden)]:
            # The scorer forgives a plural s, but not to names: what a name does not state differs by that s alone.
            differs = not any(_states(wrong, replace(key, type="person"), score, probe.forbidden) for key in stated)
            rule = "contrast-plural" if differs else "contrast-accepted"
            yield rule, words.CONTRAST_RIGHT(wrong=wrong)
        elif probe.key_facts and not _is_of_type(wrong, probe.key_facts[0], score):
            yield "contrast-type", words.CONTRAST_TYPE(wrong=wrong, kind=probe.key_facts[0].type)


def _states(text: str, key: KeyFact, score: Scorer, forbidden: tuple[str, ...] = ()) -> bool:
    """Whether the scorer finds a key fact; a longer `forbidden` string hides a shorter alias inside it."""
    return score(_asking_for(key, forbidden), text).correct


def _is_of_type(wrong: str, key: KeyFact, score: Scorer) -> bool:
    """Whether a wrong answer is a date where dates are asked for, and a number where numbers are."""
    if key.type not in {"date", "number"}:
        return True
    if not _has_digit(wrong) and not all(map(_has_digit, key.any)):
        return True  # in words, as an accepted answer is
    return bool(score(_asking_for(key), wrong).wrong_claims)


def _asking_for(key: KeyFact, forbidden: tuple[str, ...] = ()) -> Probe:
    """A probe for one key fact alone, whose question and gold excuse nothing."""
    return Probe("", 2, "recall", "", key.any[0], (key,), "select", forbidden=forbidden)


def _has_digit(text: str) -> bool:
    return any(char.isdigit() for char in text)


def _hidden_aliases(domain: Domain, score: Scorer) -> Iterator[Finding]:
    """Another fact's value must not count as an answer because an alias is part of it: 大門駅 in 芝大門駅."""
    longer = _longer_values(domain.facts)
    told: set[tuple[str, str]] = set()
    for probe in domain.probes:
        about = {*probe.fact_ids, *(key.fact_id for key in probe.key_facts)}
        accepted = {alias for key in probe.key_facts for alias in key.any}
        for alias in sorted(accepted) if probe.kind != "premise" else ():
            for fact_id, value in longer.get(alias.casefold(), ()):
                if fact_id in about or value in accepted or (alias, value) in told:
                    continue
                if _states(value, KeyFact((alias,)), score, probe.forbidden):
                    told.add((alias, value))
                    message = words.HIDDEN_ALIAS(id=probe.id, value=value, fact=fact_id, alias=alias)
                    yield Finding("error", "alias-in-other-fact", probe.id, message)


def _longer_values(facts: Sequence[Fact]) -> dict[str, list[tuple[str, str]]]:
    """For every spelling of a fact, without case, the ids and spellings of facts that it is part of.

    Dates and numbers are left out: a year is part of its date and yet right. So are free texts, which no probe asks for
    in a word.
    """
    spellings = [
        (fact.id, text)
        for fact in facts
        if fact.type not in {"date", "number", "free"}
        for text in (fact.aliases if fact.type == "list" and fact.aliases else (fact.value, *fact.aliases))
    ]
    folded = [text.casefold() for _, text in spellings]
    return {
        short: [spelling for spelling, text in zip(spellings, folded, strict=True) if short in text != short]
        for short in set(folded)
    }


def _groups_in_both_splits(domain: Domain) -> Iterator[Finding]:
    """Trials are chosen on one split and reported on the other, so no fact group may be in both."""
    group_of = {fact.id: fact.group or fact.id for fact in domain.facts}
    asked: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for probe in domain.probes:
        for fact_id in probe.fact_ids:
            asked[group_of[fact_id]].setdefault(probe.split, probe.id)
    for group, probes in asked.items():
        if len(probes) > 1:
            message = words.BOTH_SPLITS(group=group, select=probes["select"], report=probes["report"])
            yield Finding("error", "group-in-both-splits", group, message)


def _contamination(overlaps: Sequence[Overlap], severity: Severity) -> Iterator[Finding]:
    repeats = []
    for overlap in overlaps:
        if overlap.kind == "verbatim":
            yield Finding(severity, "not-verbatim", overlap.item, overlap.message)
        else:
            repeats.append(overlap)
    if not repeats:
        return
    lines = [f"\n  {overlap.message}" for overlap in repeats[:MAX_PROBLEMS]]
    if len(repeats) > MAX_PROBLEMS:
        lines.append(f"\n  {words.AND_MORE(n=len(repeats) - MAX_PROBLEMS)}")
    marks = words.MARKED()
    if severity == "error":
        marks = words.REMOVE(marks=marks)
    count = words.GIVEN_AWAY(n=len(flagged_probes(repeats)), marks=marks)
    yield Finding(severity, "contamination", "", count + "".join(lines))


def _advice(domain: Domain) -> Iterator[Problem]:
    """What makes the scores weak, or leaves a part of them unmeasured."""
    probed = {fact_id for probe in domain.probes if probe.level == 2 for fact_id in probe.fact_ids}
    if unprobed := [fact.id for fact in domain.facts if fact.id not in probed and fact.type != "free"]:
        yield "fact-without-probe", words.FACTS_UNPROBED(n=len(unprobed), names=_listed(unprobed))
    yield from _free_texts(domain, probed)
    report = Counter(probe.level for probe in domain.probes if probe.split == "report")
    if report.total() < REPORT_PROBES:
        yield "few-report-probes", words.FEW_REPORT(n=report.total(), least=REPORT_PROBES)
    if levels := [words.LEVEL_HAS(level=level, n=n) for level, n in sorted(report.items()) if n < LEVEL_PROBES]:
        yield "few-level-probes", words.FEW_OF_LEVEL(least=LEVEL_PROBES, levels=LIST().join(levels))
    languages = Counter(probe.lang for probe in domain.general)
    if not languages:
        yield "no-general-probes", words.NO_GENERAL()
    for language, n in sorted(languages.items()):
        if n < GENERAL_PROBES:
            yield "few-general-probes", words.FEW_GENERAL(n=n, lang=language, least=GENERAL_PROBES)
    if not _free_alone(domain) and not any(probe.kind == "premise" for probe in domain.probes):
        yield "no-premise-probes", words.NO_PREMISES()
    if not domain.distractors:
        yield "no-distractors", words.NO_DISTRACTORS()
    yield from (("unused-columns", note) for note in domain.notes)
    yield from _narrow_aliases(domain)
    yield from _two_answers(domain)
    yield from _unread(domain)


def _free_alone(domain: Domain) -> bool:
    return bool(domain.probes) and all(probe.kind == "free" for probe in domain.probes)


def _free_texts(domain: Domain, probed: Container[str]) -> Iterator[Problem]:
    """What a search on free texts alone does not see."""
    if not _free_alone(domain):
        return
    asked = dict.fromkeys(fact_id for probe in domain.probes for fact_id in probe.fact_ids)
    once = [fact_id for fact_id in asked if fact_id not in probed]
    message = words.FREE_ALONE()
    if once:
        message += words.FREE_ONCE(n=len(once), total=len(asked))
    yield "free-texts-alone", message


def _unread(domain: Domain) -> Iterator[Problem]:
    """What of the answers the scorer does not look at."""
    probes = (*domain.probes, *domain.general)
    languages = sorted({probe.lang for probe in probes} - SCORED_LANGUAGES)
    if languages:
        yield "language", words.OTHER_LANGUAGES(langs=_listed(languages))
    aliases = {alias for probe in probes for key in probe.key_facts for alias in key.any}
    if signs := sorted(alias for alias in aliases if any(char in UNREAD_SIGNS for char in alias)):
        yield "signs-not-scored", words.UNREAD_SIGNS(n=len(signs), signs=_listed(signs))


def _narrow_aliases(domain: Domain) -> Iterator[Problem]:
    """Accepted answers with more words than a right answer needs."""
    keys = [key for probe in (*domain.probes, *domain.general) for key in probe.key_facts]
    worded: list[str] = []
    united: list[str] = []
    for alias, fact in dict.fromkeys((alias, key) for key in keys for alias in key.any):
        if fact.type == "number":
            if _NUMBER_WITH_UNIT.fullmatch(alias) and not any(map(_is_bare, fact.any)):
                united.append(alias)
        elif (match := _FUNCTION_WORDS.fullmatch(alias)) and (match["rest"] or match["said"]) not in fact.any:
            worded.append(alias)
    if worded:
        yield "alias-function-words", words.FUNCTION_WORDS(names=_listed(dict.fromkeys(worded)))
    if united:
        yield "number-with-unit", words.NUMBER_UNITS(names=_listed(dict.fromkeys(united)))


def _is_bare(alias: str) -> bool:
    return not any(char.isalpha() for char in alias)


def _two_answers(domain: Domain) -> Iterator[Problem]:
    """One question with different answers teaches that anything goes."""
    asked: defaultdict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
    for number, row in enumerate(domain.train, start=1):
        turns = tuple(map(_folded, (*(turn.text for turn in row.before), row.question)))
        asked[turns].setdefault(_folded(row.output), []).append(words.ROW(id=row.id, n=number))
    for turns, answers in asked.items():
        if len(answers) > 1:
            told = words.BETWEEN().join(
                words.ANSWERS(ids=ids[0], answer=answer[:60]) for answer, ids in answers.items()
            )
            yield "two-answers", words.TWO_ANSWERS(question=turns[-1][:80], answers=told)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _listed(items: Iterable[str]) -> str:
    """The first few of some names, quoted."""
    names = list(items)
    told = LIST().join(map(repr, names[:_NAMES_SHOWN]))
    return words.MORE(names=told, n=len(names) - _NAMES_SHOWN) if len(names) > _NAMES_SHOWN else told
