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
    name = f"{'probe' if probe.level else 'general probe'} {probe.id!r}"
    try:
        problems = [*_gold_problems(probe, score), *_question_problems(probe, score), *_contrast_problems(probe, score)]
    except DataError as error:
        problems = [("unscorable", str(error))]
    for rule, problem in problems:
        yield Finding(RULES[rule], rule, probe.id, f"{name}: {problem}")


def _gold_problems(probe: Probe, score: Scorer) -> Iterator[Problem]:
    """The gold answer must be scored as right, and fit into the tokens an answer may take."""
    result = score(probe, probe.gold)
    missing = [key.any[0] for key in probe.key_facts if not _states(probe.gold, key, score)]
    if result.compliant is False:
        yield "gold-breaks-pattern", f"its gold {probe.gold!r} does not match its pattern {probe.pattern!r}"
    elif missing and not result.correct:
        yield "gold-lacks-key-fact", f"its gold {probe.gold!r} lacks {_listed(missing)}, which its key facts want"
    elif result.wrong_claims:
        yield (
            "gold-claims-wrong",
            f"its gold {probe.gold!r} holds {_listed(result.wrong_claims)}, which counts as wrong",
        )
    elif not result.clean:
        yield "gold-scored-wrong", f"its gold {probe.gold!r} is scored as {result.outcome}; a premise begins yes or no"
    words = len(probe.gold.split())
    if probe.kind != "mc" and words > probe.max_new_tokens:
        yield "gold-too-long", f"its gold has {words} words, but max_new_tokens={probe.max_new_tokens} cuts answers off"


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
        yield "answer-in-question", f"its question {probe.question!r} gives away {_listed(named)}"


def _contrast_problems(probe: Probe, score: Scorer) -> Iterator[Problem]:
    """Wrong answers must be wrong, and of the type of the first key fact, which they are compared with."""
    options = list(dict.fromkeys(probe.contrast))
    if probe.kind == "mc":
        if len(options) < WRONG_OPTIONS:
            few = f"it has {len(options)} wrong options in `contrast`; give {WRONG_OPTIONS} or more"
            yield "few-options" if options else "no-options", few
        return  # that the right option is none of them is a rule about the gold
    for wrong in options:
        if stated := [key for key in probe.key_facts if _states(wrong, key, score, probe.forbidden)]:
            # The scorer forgives a plural s, but not to names: what a name does not state differs by that s alone.
            differs = not any(_states(wrong, replace(key, type="person"), score, probe.forbidden) for key in stated)
            rule = "contrast-plural" if differs else "contrast-accepted"
            yield rule, f"its wrong answer {wrong!r} in `contrast` is scored as right; list it in `forbidden` too"
        elif probe.key_facts and not _is_of_type(wrong, probe.key_facts[0], score):
            yield "contrast-type", f"its wrong answer {wrong!r} in `contrast` is not a {probe.key_facts[0].type}"


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
                    message = (
                        f"probe {probe.id!r}: {value!r}, the value of fact {fact_id!r}, would be scored as {alias!r}; "
                        "drop the shorter alias, or list the other value in `forbidden`"
                    )
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
            message = (
                f"fact group {group!r} is asked in both splits (select {probes['select']!r}, report "
                f"{probes['report']!r}); give all its probes one, as raykft.data.split.split_of(group) does"
            )
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
        lines.append(f"\n  ... and {len(repeats) - MAX_PROBLEMS} more")
    marks = "the leaderboard is marked CONTAMINATED"
    if severity == "error":
        marks = f"remove these rows or probes, or set `data.allow_contamination: true`, with which {marks}"
    count = f"{len(flagged_probes(repeats))} of the probes are given away; {marks}:"
    yield Finding(severity, "contamination", "", count + "".join(lines))


def _advice(domain: Domain) -> Iterator[Problem]:
    """What makes the scores weak, or leaves a part of them unmeasured."""
    probed = {fact_id for probe in domain.probes if probe.level == 2 for fact_id in probe.fact_ids}
    if unprobed := [fact.id for fact in domain.facts if fact.id not in probed and fact.type != "free"]:
        yield "fact-without-probe", f"{len(unprobed)} facts have no probe of level 2: {_listed(unprobed)}"
    yield from _free_texts(domain, probed)
    report = Counter(probe.level for probe in domain.probes if probe.split == "report")
    if report.total() < REPORT_PROBES:
        few = (
            f"{report.total()} probes have split 'report'; {REPORT_PROBES} or more keep the 95 % interval within ±0.08"
        )
        yield "few-report-probes", few
    if levels := [f"level {level} has {n}" for level, n in sorted(report.items()) if n < LEVEL_PROBES]:
        few = f"fewer than {LEVEL_PROBES} probes of a level have split 'report': {', '.join(levels)}"
        yield "few-level-probes", few
    languages = Counter(probe.lang for probe in domain.general)
    if not languages:
        yield "no-general-probes", "there are no general probes (`data.general`), so forgetting is not measured"
    for language, n in sorted(languages.items()):
        if n < GENERAL_PROBES:
            few = f"{n} general probes have lang {language!r}; forgetting needs {GENERAL_PROBES} or more of a language"
            yield "few-general-probes", few
    if not _free_alone(domain) and not any(probe.kind == "premise" for probe in domain.probes):
        yield "no-premise-probes", "there are no premise probes, so a model that says yes to everything goes unnoticed"
    if not domain.distractors:
        yield "no-distractors", "there are no distractors, so nothing can be mixed in against forgetting"
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
    message = (
        "the probes are free texts alone: how probable these are is all that trials are ranked by, and whether what a "
        "model writes instead is true is not measured"
    )
    if once:
        message += f"; {len(once)} of {len(asked)} are asked in their training words alone, which measures memory"
    yield "free-texts-alone", message


def _unread(domain: Domain) -> Iterator[Problem]:
    """What of the answers the scorer does not look at."""
    probes = (*domain.probes, *domain.general)
    languages = sorted({probe.lang for probe in probes} - SCORED_LANGUAGES)
    if languages:
        yield (
            "language",
            (
                f"probes have lang {_listed(languages)}: answers are compared by rules for English and Japanese, and "
                "right ones in other languages may be scored wrong"
            ),
        )
    aliases = {alias for probe in probes for key in probe.key_facts for alias in key.any}
    if signs := sorted(alias for alias in aliases if any(char in UNREAD_SIGNS for char in alias)):
        yield (
            "signs-not-scored",
            (
                f"{len(signs)} accepted answers hold signs that are not compared, such as {_listed(signs)}: the same "
                "without them, or with others, counts as right"
            ),
        )


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
        told = _listed(dict.fromkeys(worded))
        message = (
            f"accepted answers hold words that answers leave out, such as {told}: list them without these words too"
        )
        yield "alias-function-words", message
    if united:
        message = (
            f"accepted numbers have a unit, such as {_listed(dict.fromkeys(united))}: without it they count only where "
            "the question names it; list the number alone too where it should always count"
        )
        yield "number-with-unit", message


def _is_bare(alias: str) -> bool:
    return not any(char.isalpha() for char in alias)


def _two_answers(domain: Domain) -> Iterator[Problem]:
    """One question with different answers teaches that anything goes."""
    asked: defaultdict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
    for number, row in enumerate(domain.train, start=1):
        turns = tuple(map(_folded, (*(turn.text for turn in row.before), row.question)))
        asked[turns].setdefault(_folded(row.output), []).append(f"{row.id!r} (row {number})")
    for turns, answers in asked.items():
        if len(answers) > 1:
            told = "; ".join(f"{ids[0]} answers {answer[:60]!r}" for answer, ids in answers.items())
            yield "two-answers", f"the training question {turns[-1][:80]!r} has different answers: {told}"


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _listed(items: Iterable[str]) -> str:
    """The first few of some names, quoted."""
    names = list(items)
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return ", ".join(map(repr, names[:_NAMES_SHOWN])) + more
