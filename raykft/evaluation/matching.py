"""Which accepted answers, forbidden values, dates and numbers does a normalized answer contain?

All functions take text that went through `normalize`. Latin and number aliases need token borders (320 is not
in 1320, cat not in category); Japanese ones do not, but their digits may not touch other digits. Longer
aliases come first and cover their span, so that 大門駅 is not found inside 芝大門駅.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from raykft.errors import DataError
from raykft.evaluation.normalize import CJK, WORD_CHAR, YEAR, normalize
from raykft.records import KeyFact, ValueType

_COVERED = "\uffff"
_NOT_AFTER_WORD = rf"(?<!{WORD_CHAR})"
_NOT_BEFORE_WORD = rf"(?!{WORD_CHAR})"
_NOT_BEFORE_SIGN = "(?![#+])"  # C is neither C# nor C++
_NOT_AFTER_NUMBER = rf"{_NOT_AFTER_WORD}(?<![.\-⟨])"
_NOT_BEFORE_NUMBER = r"(?![0-9]|\.[0-9])"

# What may stand before and after an alias, looked for at a position.
_ANYWHERE = re.compile("")
_AFTER_NO_WORD, _AFTER_NO_NUMBER = re.compile(_NOT_AFTER_WORD), re.compile(_NOT_AFTER_NUMBER)
_BEFORE_NO_WORD, _BEFORE_NO_NUMBER = re.compile(_NOT_BEFORE_WORD + _NOT_BEFORE_SIGN), re.compile(_NOT_BEFORE_NUMBER)
_BEFORE_YEAR, _AFTER_YEAR = re.compile(f"(?=⟨)|{_NOT_AFTER_NUMBER}"), re.compile(f"(?<=⟩)|{_NOT_BEFORE_NUMBER}")
# A station or town with a direction in front is another one (北茅野駅, 西大川町), and 東京都 is not 京都.
_PLACE = re.compile(rf"[{CJK}]{{1,12}}(?:駅|[都道府県市区町村郡島山川港橋寺]|温泉|空港|高校|大学)")
_AFTER_NO_DIRECTION = re.compile("(?<![東西南北新旧元上中下大小奥])")
_AFTER_NO_EAST = re.compile("(?<!東)")
# 杉浦誠一 is not 杉浦誠; 杉浦誠一人 would be, but nobody writes that.
_KANJI_PERSON = re.compile("[\u3400-\u9fff々]{3,6}")
_BEFORE_NO_GIVEN_NAME = re.compile(
    "(?![一二三四郎子美男雄夫彦太介助吾治也吉樹斗香](?:さん|氏|様|です|でした|が|は|、|の|で|と|を|に|$))"
)
_NUMBER_START, _WORD_START = re.compile("-?[0-9]"), re.compile(WORD_CHAR)

_TOKEN = re.compile(r"⟨([0-9-]+)⟩")
_YEAR_ALIAS = re.compile(rf"({YEAR})年?")
_LAST_WORD = re.compile(rf"[^\W\d_{CJK}]+\Z")
_PLURAL_MIN_LETTERS = 4

_NUMBER = re.compile(rf"{_NOT_AFTER_WORD}(?<!\.)-?[0-9]+(?:\.[0-9]+)*")
_YEAR = re.compile(rf"{_NOT_AFTER_NUMBER}{YEAR}(?![0-9%]|\.[0-9])")
_DIGIT = re.compile("[0-9]")
_MAYBE_NO_QUANTITY = re.compile("(?:1[5-9]|20|21)[0-9]{2}|1[つ人部番]")
# Years, and the "one" of 一つ or 一人, are written with digits but state no quantity.
_NO_QUANTITY = re.compile(
    r"(?:(?<=\bin )|(?<=\bsince )|(?<=\buntil )|(?<=\byear )|(?<=\bas of ))"
    rf"{YEAR}{_NOT_BEFORE_NUMBER}"
    rf"|{_NOT_AFTER_NUMBER}(?:{YEAR}年|1(?:つ|人(?!前)|部|番))"
)

# A date, month or year as (year, month, day); a part that is not stated is "".
Date = tuple[str, str, str]


class Found(NamedTuple):
    """What `Matcher.find` saw: a flag per key fact and one per forbidden value, in the order given."""

    hits: tuple[bool, ...]
    forbidden: tuple[bool, ...]


@dataclass(slots=True)
class _Alias:
    """One string to look for. The borders are shared by all aliases: to compile them anew costs a millisecond."""

    text: str
    body: re.Pattern[str] | None  # None: `text` itself
    before: re.Pattern[str]
    after: re.Pattern[str]
    plural: bool  # a final s may follow
    covers: bool
    facts: list[int] = field(default_factory=list)
    forbidden: list[int] = field(default_factory=list)

    def spans(self, text: str) -> Iterator[tuple[int, int]]:
        """Where the alias stands between its borders, from left to right and not overlapping."""
        done = 0
        for start, end in self._candidates(text):
            if start < done or not self.before.match(text, start):
                continue
            if self.plural and text.startswith("s", end) and self.after.match(text, end + 1):
                end += 1
            elif not self.after.match(text, end):
                continue
            done = end
            yield start, end

    def _candidates(self, text: str) -> Iterator[tuple[int, int]]:
        if self.body is not None:
            yield from (match.span() for match in self.body.finditer(text))
            return
        start = text.find(self.text)
        while start >= 0:
            yield start, start + len(self.text)
            start = text.find(self.text, start + 1)


class Matcher:
    """The compiled aliases and forbidden values of one probe; make it with `compile_matcher`."""

    __slots__ = ("_aliases", "_n_facts", "_n_forbidden")

    def __init__(self, aliases: Iterable[_Alias], n_facts: int, n_forbidden: int) -> None:
        self._aliases = tuple(sorted(aliases, key=lambda alias: -len(alias.text)))
        self._n_facts = n_facts
        self._n_forbidden = n_forbidden

    def hits(self, normalized_answer: str) -> tuple[bool, ...]:
        """One flag per key fact: does the answer contain any of its aliases?"""
        return self.find(normalized_answer).hits

    def find(self, normalized_answer: str) -> Found:
        """Hits and forbidden values in one walk: either kind covers the shorter strings of the other."""
        hits = [False] * self._n_facts
        forbidden = [False] * self._n_forbidden
        text = normalized_answer
        for alias in self._aliases:
            spans = list(alias.spans(text))
            if not spans:
                continue
            for index in alias.facts:
                hits[index] = True
            for index in alias.forbidden:
                forbidden[index] = True
            # A date has exact borders; covering it would only hide its year from another fact.
            if alias.covers:
                text = _covered(text, spans)
        return Found(tuple(hits), tuple(forbidden))


def compile_matcher(key_facts: Sequence[KeyFact], forbidden: Sequence[str] = ()) -> Matcher:
    """Compile a probe's aliases and forbidden values.

    Raises DataError for a string of which normalization leaves nothing: it could never be found.
    """
    found: dict[tuple[object, ...], _Alias] = {}

    def alias_for(raw: str, value_type: ValueType) -> _Alias:
        text = normalize(raw)
        if not text:
            raise DataError(f"{raw!r} holds no letter or digit to look for; write it in words")
        alias = _alias(text, value_type)
        return found.setdefault((alias.text, alias.body, alias.before, alias.after, alias.plural), alias)

    for index, fact in enumerate(key_facts):
        for raw in fact.any:
            alias_for(raw, fact.type).facts.append(index)
    for index, raw in enumerate(forbidden):
        alias_for(raw, "text").forbidden.append(index)
    return Matcher(found.values(), len(key_facts), len(forbidden))


def _covered(text: str, spans: Sequence[tuple[int, int]]) -> str:
    parts, end = [], 0
    for start, stop in spans:
        parts += [text[end:start], _COVERED]
        end = stop
    return "".join([*parts, text[end:]])


def _alias(text: str, value_type: ValueType) -> _Alias:
    """How to look for one normalized alias."""
    if year := _YEAR_ALIAS.fullmatch(text):
        body = re.compile(rf"{year[1]}|⟨{year[1]}-[0-9-]+⟩")
        return _Alias(text, body, _BEFORE_YEAR, _AFTER_YEAR, plural=False, covers=False)
    before, after = _ANYWHERE, _ANYWHERE
    plural = False
    if _NUMBER_START.match(text):
        before = _AFTER_NO_NUMBER
    elif _WORD_START.match(text):
        before = _AFTER_NO_WORD
    if text[-1] in "0123456789":
        after = _BEFORE_NO_NUMBER
    elif _WORD_START.match(text[-1]):
        last_word = _LAST_WORD.search(text)
        plural = bool(value_type in {"text", "list"} and last_word and len(last_word[0]) >= _PLURAL_MIN_LETTERS)
        after = _BEFORE_NO_WORD
    if text.startswith("京都"):
        before = _AFTER_NO_EAST
    elif _PLACE.fullmatch(text):
        before = _AFTER_NO_DIRECTION
    if value_type == "person" and _KANJI_PERSON.fullmatch(text):
        after = _BEFORE_NO_GIVEN_NAME
    pieces = _TOKEN.split(text)  # plain, token, plain, token, …, plain
    plain = _number_pattern if value_type == "number" else re.escape
    source = "".join(
        _date_pattern(piece) if index % 2 else plain(piece).replace("、", "、?") for index, piece in enumerate(pieces)
    )
    literal = len(pieces) == 1 and "、" not in text and source == re.escape(text)
    return _Alias(text, None if literal else re.compile(source), before, after, plural, literal)


def _number_pattern(text: str) -> str:
    """The numbers in an alias by their value: 12.5 is written 12.50 too, and 412 is 412.0. A version 1.2.3 stays."""
    parts, end = [], 0
    for match in _NUMBER.finditer(text):
        parts.append(re.escape(text[end : match.start()]))
        value = _canonical_number(match[0])
        is_version = match[0].count(".") > 1 or (match[0].startswith(("0", "-0")) and "." not in match[0])
        whole, _, fraction = value.partition(".")
        tail = rf"\.{fraction}0*" if fraction else r"(?:\.0+)?"
        parts.append(re.escape(match[0]) if is_version else re.escape(whole) + tail)
        end = match.end()
    return "".join([*parts, re.escape(text[end:])])


def _date_pattern(token: str) -> str:
    """A coarse date is matched by a finer one: 2019-04 by 2019-04-26, and --04-26 with any year."""
    if token.startswith("--"):
        return rf"⟨(?:--|[0-9]{{4}}-){token[2:]}⟩"
    return rf"⟨{token}(?:-[0-9]{{2}})?⟩" if len(token) == len("YYYY-MM") else rf"⟨{token}⟩"


def dates_in(normalized_text: str, with_years: bool = False) -> dict[str, Date]:
    """The dates and months stated, as spelling → parts; `with_years` adds years that stand alone."""
    found: dict[str, Date] = {}
    for spelling in _TOKEN.findall(normalized_text) if "⟨" in normalized_text else ():
        if spelling.startswith("--"):
            found[spelling] = ("", spelling[2:4], spelling[5:7])
        else:
            found[spelling] = (spelling[:4], spelling[5:7], spelling[8:10])
    if with_years:
        found.update((year, (year, "", "")) for year in _YEAR.findall(normalized_text))
    return found


def is_coarser_or_equal(date: Date, other: Date) -> bool:
    """Whether everything that `date` states is stated by `other` too."""
    return all(part in {"", its} for part, its in zip(date, other, strict=True))


def is_year(alias: str) -> bool:
    """Whether an alias is nothing but a year, such as 2011 or 2011年 (but not 2,011)."""
    return _YEAR_ALIAS.fullmatch(alias) is not None


def numbers_in(normalized_text: str) -> dict[str, str]:
    """The quantities stated outside dates, as canonical value → spelling; years and idioms are left out."""
    text = _TOKEN.sub(" ", normalized_text) if "⟨" in normalized_text else normalized_text
    if not _DIGIT.search(text):
        return {}
    if _MAYBE_NO_QUANTITY.search(text):
        text = _NO_QUANTITY.sub(" ", text)
    return {_canonical_number(spelling): spelling for spelling in _NUMBER.findall(text)}


def _canonical_number(spelling: str) -> str:
    """Without leading zeros and without trailing zeros behind the point; a version like 1.2.3 stays."""
    if spelling.count(".") > 1:
        return spelling
    sign, digits = ("-", spelling[1:]) if spelling.startswith("-") else ("", spelling)
    whole, _, fraction = digits.partition(".")
    fraction = fraction.rstrip("0")
    return sign + (whole.lstrip("0") or "0") + ("." + fraction if fraction else "")
