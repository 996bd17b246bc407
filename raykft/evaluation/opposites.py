"""Opposites: what an answer says of the end where the question asks for the start.

"It ends on 1 November and starts on 1 March" has no 1 November for a question about the start, and who says that a shop
is open on Tuesdays denies that it is closed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache

_GAP = "\n"

# Words of which an answer says one where the question asks for the other; each side a list of beginnings of words.
_OPPOSITES_EN = (
    ("start begin began begun commenc", "end ends ended ending finish conclud"),
    ("open", "close shut"),
    ("join enter hired", "left leave quit resign depart"),
    ("born birth", "died death die dies"),
    ("found establish", "dissolv bankrupt liquidat"),
    ("arriv", "depart leave left"),
    ("buy bought acquir purchas", "sell sold"),
    ("largest biggest highest tallest longest most oldest", "smallest lowest shortest least youngest newest"),
    ("won win winner", "lost loser"),
    ("wrote written author", "illustrat translat edited"),
    ("lyrics words", "compos music melody"),
    ("compos", "lyrics words"),
    ("import", "export"),
    ("entrance", "exit"),
    ("minimum", "maximum"),
    ("first", "last final"),
    ("built build construct erect", "demolish destroy torn raze"),
    ("install", "remov dismantl"),
    ("appoint elect", "dismiss sack"),
    ("north northern", "south southern"),
    ("east eastern", "west western"),
    ("own kept keep", "sold sell"),
    ("husband", "wife"),
    ("mother", "father"),
    ("brother", "sister"),
    ("sender", "recipient"),
    ("allow permit", "forbid banned prohibit"),
    ("free", "paid"),
)
_OPPOSITES_JA = (
    ("スタート 出発 起点 始発", "ゴール 到着 終点"),
    ("開始 始ま 始め", "終了 終わ"),
    ("入社 入団 加入 就職", "退社 退団 脱退 退職"),
    ("入学", "卒業"),
    ("開店 開業 開館 開園 開校 創業 創立 設立", "閉店 閉館 閉園 閉校 閉業 閉鎖 廃業 廃止 廃校 廃線 倒産 解散"),
    ("生まれ 誕生 生年", "亡くな 死去 没"),
    ("作曲", "作詞"),
    ("監督", "主演 脚本"),
    ("最大", "最小"),
    ("輸出", "輸入"),
    ("著者 著した", "訳者 翻訳"),
    ("入口 入り口", "出口"),
    ("上り", "下り"),
    ("往路", "復路"),
    ("勝っ 優勝", "敗れ 準優勝"),
    ("買っ 購入", "売っ 売却"),
    ("無料", "有料"),
    ("営業 開い", "休み 休業 定休 閉ま"),
    ("許可", "禁止"),
)
# Where a clause ends: at stops, and before a word that begins another statement.
_STARTS = (
    "it he she they the its his her their is was an? left began ran [a-z]+ed [A-Z][a-z]+_[a-z]+ed "
    "[a-z]+_(?:in|on|at|first|last|second) [a-z]{3,}s_(?:on|in|at|by|from|to|the|an?|with|for)"
)
_START = "|".join(_STARTS.split()).replace("_", " ")
CLAUSE = re.compile(
    r"[;!?\n。、]|:(?![0-9])|\.(?=\s|$)|\bbut\b"
    r"|,(?= (?:then|(?:[a-z]+|[0-9]+) years? (?:after|before|later|earlier)|and|but|while|whereas|although|though"
    r"|with|the|an?|its|his|her)\b)"
    rf"|\b(?:and|while|whereas|although|though) (?=(?:{_START})\b)"
)

_WORD = re.compile(r"\w+")

Pair = tuple[re.Pattern[str], re.Pattern[str]]


def without_opposites(text: str, question: str, states: Callable[[str], bool] = lambda _: True) -> str:
    """The text (NFKC) without clauses that say the opposite of what the question asks, of those that `states` picks."""
    for one, other in _asked(question):
        if not other.search(text):
            continue
        parts, last = [], 0
        for match in [*CLAUSE.finditer(text), None]:
            clause = text[last : match.start() if match else len(text)]
            gone = other.search(clause) and not one.search(clause) and states(clause)
            parts.append((_GAP if gone else clause) + (match[0] if match else ""))
            last = match.end() if match else last
        text = "".join(parts)
    return text


@lru_cache(maxsize=1024)
def _asked(question: str) -> tuple[Pair, ...]:
    """(what is asked, its opposite) for every pair of which the question has one side."""
    english = question.isascii()
    # Every word after a space, so that a word is begun by what stands behind one.
    said = "".join(f" {word}" for word in _WORD.findall(question.lower())) if english else question
    sides = [[any(start in said for start in side) for side in sides] for sides in _beginnings(english)]
    return tuple(
        (asked, opposite) if one else (opposite, asked)
        for (asked, opposite), (one, other) in zip(_pairs(english), sides, strict=True)
        if one != other
    )


@lru_cache(maxsize=2)
def _pairs(english: bool) -> tuple[Pair, ...]:
    """Both sides of each pair of opposites."""
    listed = _OPPOSITES_EN if english else _OPPOSITES_JA
    return tuple((_any_of(one, english), _any_of(other, english)) for one, other in listed)


@lru_cache(maxsize=2)
def _beginnings(english: bool) -> tuple[tuple[tuple[str, ...], ...], ...]:
    """The beginnings of words of each side of each pair, in English with the space before them."""
    mark = " " if english else ""
    listed = _OPPOSITES_EN if english else _OPPOSITES_JA
    return tuple(tuple(tuple(mark + start for start in side.split()) for side in sides) for sides in listed)


def _any_of(beginnings: str, english: bool) -> re.Pattern[str]:
    words = "|".join(map(re.escape, beginnings.split()))
    return re.compile(rf"(?i)\b(?:{words})\w*" if english else words)
