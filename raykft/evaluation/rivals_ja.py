"""Japanese clauses that tell the fact of another event, thing or person than the question asks for.

What is compared is what a value is told of: its verb (着工, not 開業), what stands before は and が (馬, not 牛), or
after them where the value comes first.
"""

from __future__ import annotations

import re
from collections.abc import Callable

States = Callable[[str], bool]

_GAP = "\n"
_JA_DATED = re.compile(
    r"(?P<value>[0-9]{4}年(?:[0-9]{1,2}月(?:[0-9]{1,2}日)?)?)(?:の[\u3400-\u9fff]{1,3})?に(?P<verb>[\u3400-\u9fff]{1,4})"
)
_JA_GIVEN = re.compile(
    r"(?<![^、。\n])(?P<subject>[^、。はがを\n]{1,15}?)(?:が|は|なら|では|で(?=[0-9]))(?P<value>[^、。を\n]{1,24}?)(?:です|でした|だった|である"
    r"|で|だ)?(?=[、。\n]|$)"
)
_JA_ALONE = re.compile(r"(?<![^。\n])(?P<value>[^、。はがをに\n]{1,12}?)(?:です|でした|だ)(?=[。\n])")
_JA_NOUN = re.compile(r"[\u3400-\u9fff々]{1,}|[\u30a1-\u30fc]{2,}|[A-Za-z]{2,}")
_JA_ANY_NOUN = frozenset(["名前", "名", "年", "人", "方", "何", "誰", "日", "者", "物"])
_JA_DIGIT = re.compile("[0-9一二三四五六七八九十百千]")
_JA_NO_VALUE = re.compile(
    r"(?:し|た|て|い|く|る|う|ず|れ|え|に|を|と|ん|ます|せん)$|有名|人気|評判|不明|これ|それ|あれ|次|以下|以上|正解|違|本当|確か|多分|おそらく"
)
# What the question asks with, 書いたのは, and who does what in the answer, 野口蓮が書き
_JA_PREDICATE = re.compile(r"(?P<verb>[\u3400-\u9fff]{1,3})[\u3041-\u3096]{0,4}[ただ](?:の|人|会社)は")
_JA_DOES = re.compile(
    r"(?<![^、。\n])(?P<subject>[^、。はがを\n]{2,15})[がは](?P<rest>[^、。\n]{0,24}?[\u3400-\u9fff]{1,3}[\u3041-\u3096]{1,"
    r"6})(?=[、。\n]|$)"
)
_JA_WHEN = re.compile(r"今|現|年|月|当時|以前|昔|後|前|元|最")


def without_other_events(text: str, question: str, states: States, facts: frozenset[str]) -> str:
    """The text (NFKC) without the year of 着工 where that of 開業 is told, the number of 馬 where that of 牛 is."""
    told = [(match[0], match["value"], match["verb"][:2] in question) for match in _JA_DATED.finditer(text)]
    if predicate := _JA_PREDICATE.search(question):
        does = _JA_DOES.finditer(text)
        told += [(match[0], match["subject"], predicate["verb"] in match["rest"]) for match in does]
    counted = any(word[:1].isdigit() for word in facts)
    for match in _JA_GIVEN.finditer(text):
        one, other = match["subject"], match["value"]
        if _JA_WHEN.search(one) and not states(one):
            continue
        if states(one):
            told.append((match[0], one, _shares_noun(other, question)))
        elif states(other) or _is_ja_value(other, counted):
            told.append((match[0], other, _shares_noun(one, question)))
    alone = [match["value"] for match in _JA_ALONE.finditer(text)]
    told += [(value, value, True) for value in alone if _is_ja_value(value, counted) or states(value)]
    if any(fits and not states(value) for _, value, fits in told) and not any(
        fits and states(value) for _, value, fits in told
    ):
        for clause, value, fits in told:
            if not fits and states(value):
                text = text.replace(clause, _GAP)
    return text


def _shares_noun(part: str, question: str) -> bool:
    return any(noun in question and noun not in _JA_ANY_NOUN for noun in _JA_NOUN.findall(part))


def _is_ja_value(value: str, counted: bool) -> bool:
    """Whether a run could be a value of the fact's kind: with digits or without, and neither verb nor adjective."""
    if counted != bool(_JA_DIGIT.search(value)):
        return False
    return counted or not _JA_NO_VALUE.search(value)
