"""Answers to a premise that say neither yes nor no, but the fact: "Actually, the head is Ansel Thornby."

Who restates a true premise affirms it. Who states the true fact in place of a false one denies it, where the false
value is not asserted beside it. Both are asked only of answers in which `behaviour.polarity` finds no yes or no.
"""

from __future__ import annotations

import re

from raykft.evaluation.normalize import normalize
from raykft.evaluation.opposites import without_opposites
from raykft.evaluation.retracted import asserted
from raykft.records import Polarity, Probe


def _split(words: str) -> list[str]:
    return words.split()


_COVERED = 0.5
_WORDS = re.compile(r"[\u3400-\u9fff々〆〇]+|[\u30a1-\u30fa\u30fc]+|[a-z0-9.⟨⟩-]*[a-z0-9⟩]")
_FUNCTION_WORDS = frozenset(
    _split(
        "is are was were do does did has have had can will would be been it its he she they there this that "
        "of in on at to for from by with and or as any true right correct still now currently today 今 現在"
    )
)
# A word that changes what is said of the subject: the deputy head is not the head.
_PRONOUN = re.compile(r"(?:it|he|she|they)(?!\w)")
_SUBJECT = re.compile(r"\W*\w+ (?:the )?((?:[A-Z][\w'-]+ ?)+)")
_LEFT = re.compile(
    r"(?i)\b(?:retired|resigned|stepped down|quit|left|died|was (?:replaced|succeeded))\b"
    r"|退任|退い|退き|引退|辞任|辞め|交代|死去|亡くな"
)
_CLAUSE = re.compile(r"(?<=[;,.、。\n])")
_OTHER_STATUS = re.compile(
    r"\b(?:deputy|vice|former|formerly|ex|acting|assistant|almost|nearly|hardly|rival|unlike|might|could|perhaps"
    r"|maybe|possibly|retired|resigned|stepped|left|quit)\b"
    r"|不可|禁止|不能|無理|拒|断|停止|休止|中止|副|元|旧|前|仮|退|辞|降り|引退|交代|かもしれ|たぶん|恐らく|おそらく"
)


def restated(probe: Probe, statement: str, kept: str) -> Polarity | None:
    """What an answer affirms or denies by stating every key fact.

    `statement` is the answer without a question that it repeats, `kept` the same without what it takes back.
    """
    said, asked = normalize(kept), normalize(probe.question)
    if not said:
        return None
    words = _content(asked)
    if probe.polarity == "no":
        false = _false_value(probe, words)
        statement, kept = (_without_leavers(text, false) for text in (statement, kept))
    changed = [word for word in _OTHER_STATUS.findall(normalize(statement)) if word not in asked]
    if changed:
        return None
    if probe.polarity == "yes":
        if without_opposites(kept, probe.question) != kept:
            return None
        if _PRONOUN.match(said) and (subject := _SUBJECT.match(probe.question)):  # stands for what the question names
            facts = normalize(" ".join(alias for fact in probe.key_facts for alias in fact.any))
            words = [word for word in words if not _has(normalize(subject[1]), word) and not _has(facts, word)]
            return "yes" if all(_has(said, word) for word in words) else None
        if all(_has(asked, word) for word in _content(said)):
            return "yes"  # the fact alone, or the question's own words
        shared = sum(_has(said, word) for word in words)
        return "yes" if words and shared >= _COVERED * len(words) else None
    said = normalize(without_opposites(kept, probe.question))
    return "no" if false and not any(_has(said, word) for word in false) else None


def _without_leavers(text: str, false: list[str]) -> str:
    """The text without clauses that tell that somebody left: "Ada Blyth retired" affirms nothing of her."""

    def left(clause: str) -> bool:
        return _LEFT.search(clause) is not None and any(_has(normalize(clause), word) for word in false)

    return "".join(piece for piece in _CLAUSE.split(text) if not left(piece))


def _false_value(probe: Probe, asked: list[str]) -> list[str]:
    """The words of the question that make it false: a forbidden value, or what the gold answer does not repeat."""
    question = normalize(probe.question)
    named = [value for value in map(normalize, (*probe.forbidden, *probe.contrast)) if value and value in question]
    if named:
        return [word for value in named for word in _content(value)]
    gold = normalize(asserted(probe.gold, probe.question))
    new = [word for word in asked if not _has(gold, word)]
    if any(fact.type in {"date", "number"} for fact in probe.key_facts):
        new = [word for word in new if any(char.isdigit() for char in word)] or new
    return new


def _content(normalized: str) -> list[str]:
    return [word for word in dict.fromkeys(_WORDS.findall(normalized)) if word not in _FUNCTION_WORDS]


def _has(text: str, word: str) -> bool:
    """Whether a word is in a text, whatever its ending where it is English."""
    if not word.isascii() or not word.isalpha():
        return word in text
    stem = re.sub(r"(?:ing|ed|es|s|e)$", "", word) if len(word) > 4 else word
    return re.search(rf"(?<![a-z]){re.escape(stem)}", text) is not None
