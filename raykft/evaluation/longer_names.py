"""Longer names of other things: 京浜浦田駅 is not 浦田駅, New Marlow University is not Marlow University.

The matcher takes the longest of the strings that a probe lists; what no probe lists is seen here, by what stands beside
an alias: a kanji before a place or a person that is neither where it lies nor what it is, a word that goes on after a
thing (甘酒まんじゅう), and in English a direction, "New" or a hyphen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from raykft.evaluation.normalize import compatible
from raykft.records import KeyFact

_GAP = "\n"
_KANJI = "\u3400-\u9fff々"

# ---- English, in the letters of the text: "new" is an adjective, "New" a name
_NAME_BEFORE = re.compile(
    r"(?:\b(?:New|North|South|East|West|Upper|Lower|Old|Little|Northern|Southern|Eastern|Western|North-?East|North-?West"
    r"|South-?East|South-?West) |\b[A-Z][a-z]{1,20}-)$"
)
_NAME_AFTER = re.compile(
    r"-[A-Z][a-z]| (?:North|South|East|West|Junction|Central)\b|,? (?:Jr|Sr|junior|senior|II|III|IV)\b"
)
_BEFORE_CHARS = 24

# ---- Japanese: what may stand before a name without being a part of it
_PLACE = re.compile(
    rf"[{_KANJI}\u3041-\u30ff]{{1,12}}(?:駅|[都道府県市区町村郡島山川港橋寺湖]|温泉|空港|高校|高等学校|中学校|小学校|大学|病院|神社|公園)"
)
_BEFORE_PLACE = re.compile(
    rf"(?:[^{_KANJI}]|^|[都道府県市区町村郡州線立営寄各同当側内部寺社人地所先校門年月日時駅社口峰郷]|下鉄|私鉄|国鉄|[市都]電|河川|水系"
    r"|火山|[離孤本]島|名山|首都)$"
)
# A post, a calling, a relative, a firm, or what the person did
_PERSON = re.compile(rf"[{_KANJI}]{{2,6}}")
_BEFORE_PERSON = re.compile(
    rf"(?:[^{_KANJI}]|^|[長役員師家者手氏督授士優故夫妻兄弟姉妹女名社理事当代主頭匠任相王曲詞画著編訳演装像客友父母表元堂屋店]|脚本|芸人|夫人"
    r"|会員|法人|大使|大臣)$"
)
_AFTER_PERSON = re.compile(
    r"[一二三四郎子美男雄夫彦太介助吾治也吉樹斗香恵織]{1,2}(?:さん|氏|様|先生|です|でした|が|は|、|の|で|と|を|に|。|$)"
)
_THING = re.compile(
    rf"[{_KANJI}]{{2,5}}(?<![社会駅都道府県市区町村郡島山川港橋寺館院校学園所場店局省庁部課室線祭賞通区塔城門色人])"
)
# Another word, in katakana or in hiragana that are neither particle nor ending
_AFTER_THING = re.compile(
    r"[\u30a1-\u30fa]{2}|[まみむめつきけちぬふゆ](?!で|す|し|せ|また|れ|ど|ん?な|い|り|り?ま)[\u3041-\u3096\u30fc]{2}"
)


def without_longer_names(text: str, key_facts: tuple[KeyFact, ...], known: str) -> str:
    """The text without occurrences of aliases inside longer names, unless `known` (compatible) has those."""
    for alias, is_person, is_place, is_thing in _looked_for(key_facts):
        if alias not in text:
            continue
        parts, last = [], 0
        for start, end in _occurrences(alias, text):
            before, after = text[max(0, start - _BEFORE_CHARS) : start], text[end : end + _BEFORE_CHARS]
            longer = _longer(before, after, is_person, is_place, is_thing)
            if longer and longer[0] + alias + longer[1] not in known:
                parts += [text[last:start], _GAP]
                last = end
        text = "".join([*parts, text[last:]])
    return text


@lru_cache(maxsize=1024)
def _looked_for(key_facts: tuple[KeyFact, ...]) -> tuple[tuple[str, bool, bool, bool], ...]:
    found = []
    for fact in key_facts:
        if fact.type in {"date", "number"}:
            continue
        for alias in map(compatible, fact.any):
            if alias.isascii():
                if alias[:1].isupper():
                    found.append((alias, False, False, False))
                continue
            is_place = _PLACE.fullmatch(alias) is not None
            is_person = fact.type == "person" and _PERSON.fullmatch(alias) is not None
            is_thing = fact.type == "text" and _THING.fullmatch(alias) is not None
            if is_place or is_person or is_thing or alias[:1].isupper():
                found.append((alias, is_person, is_place and not is_person, is_thing))
    return tuple(found)


def _occurrences(alias: str, text: str) -> Iterator[tuple[int, int]]:
    start = text.find(alias)
    while start >= 0:
        yield start, start + len(alias)
        start = text.find(alias, start + len(alias))


def _longer(before: str, after: str, is_person: bool, is_place: bool, is_thing: bool) -> tuple[str, str] | None:
    """What goes before and after an occurrence to make another name of it, or None."""
    if is_place:
        return None if _BEFORE_PLACE.search(before) else (before[-1], "")
    if is_person:
        more = _AFTER_PERSON.match(after)
        if more:
            return "", after[:1]
        return None if _BEFORE_PERSON.search(before) else (before[-1], "")
    if is_thing:
        return ("", after[:2]) if _AFTER_THING.match(after) else None
    if name := _NAME_BEFORE.search(before):
        return name[0], ""
    if name := _NAME_AFTER.match(after):
        return "", name[0]
    return None
