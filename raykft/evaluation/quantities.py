"""Quantities by value and unit: 75 years is 75 where the question asks for years, 320人 is 320名, 5千円 is not 5円."""

from __future__ import annotations

import re


def _split(words: str) -> list[str]:
    return words.split()


_ALIAS = re.compile(r"(?P<value>-?[0-9]+(?:\.[0-9]+)?%?) ?(?P<unit>[^\W\d_]+(?: [^\W\d_]+)?|)")
_SAID = re.compile(
    r"(?<![\w.-])(?P<value>-?[0-9]+(?:\.[0-9]+)?%?) ?(?P<unit>[a-z]+|[\u3400-\u9fff\u30a1-\u30fa\u30fcつヶか]+)?"
)
_SAID_JA = re.compile(
    r"(?<![0-9.a-z-])(?P<value>-?[0-9]+(?:\.[0-9]+)?%?) ?(?P<unit>[a-z]+|[\u3400-\u9fff\u30a1-\u30fa\u30fcつヶか]+)?"
)
_CLASSES = (
    "人 名 people person persons employees employee workers worker staff",
    "歳 才 years",
    "年 年間 years year",
    "時間 hours hour h",
    "分 分間 minutes minute min mins",
    "秒 秒間 seconds second s sec",
    "日 日間 days day",
    "週 週間 weeks week",
    "か月 ヶ月 カ月 ケ月 ヵ月 箇月 months month",
    "円 yen",
    "ドル dollars dollar usd",
    "ユーロ euros euro eur",
    "ポンド pounds pound gbp",
    "メートル metres metre meters meter m",
    "センチ センチメートル centimetres centimeters cm",
    "キロメートル kilometres kilometers kilometre kilometer km",
    "キログラム kilograms kilogram kg",
    "グラム grams gram g",
    "トン tonnes tons tonne ton t",
    "リットル litres liters litre liter l",
    "度 c",
    "ページ 頁 pages page",
    "つ 個 基 本 枚 台 冊 棟 隻 件 点 箇所 か所 カ所 ヶ所",
    "階 floors floor storeys stories",
    "回 度 times",
)
_UNIT_CLASSES: dict[str, frozenset[int]] = {}
for _number, _members in enumerate(_CLASSES):
    for _member in _members.split():
        _UNIT_CLASSES[_member] = _UNIT_CLASSES.get(_member, frozenset()) | {_number}
_THINGS = frozenset(("つ", "個", "基", "本", "枚", "台", "冊", "棟", "隻", "件", "点"))
_MONEY = re.compile(r"いくら|料金|値段|価格|cost|price|how much|fee")
_NO_UNITS = frozenset(_split("in of at and or to for on is was as all a with from by there they it this that since"))


def states_quantity(alias: str, text: str, question: str) -> bool:
    """Whether a text in the lenient form states the quantity that an alias is, with a unit that means the same.

    A bare number counts where the question names the unit, as in "how many years".
    """
    wanted = _ALIAS.fullmatch(alias)
    if not wanted or not wanted["unit"]:
        return False
    unit = wanted["unit"]
    pattern = _SAID if text.isascii() else _SAID_JA
    for said in pattern.finditer(text):
        if _canonical(said["value"]) != _canonical(wanted["value"]):
            continue
        other = said["unit"] or ""
        if other and other not in _NO_UNITS:
            if _same_unit(unit, other) or _counts_the_same(unit, other, question):
                return True
        elif _asks_for(unit, question):
            return True
    return False


def _canonical(value: str) -> str:
    number = value.rstrip("%")
    return (number.rstrip("0").rstrip(".") if "." in number else number) + value[len(number) :]


def _same_unit(unit: str, other: str) -> bool:
    if unit == other or unit.rstrip("s") == other.rstrip("s"):
        return True
    known = _UNIT_CLASSES.get(unit)
    # 320名が has its particle; 3基の is 3基
    return bool(known and known & _UNIT_CLASSES.get(other, frozenset()))


def _counts_the_same(unit: str, other: str, question: str) -> bool:
    """樽が1200樽 for 1200個: a counter of things, and the thing itself, which the question names."""
    return unit in _THINGS and other in question


def _asks_for(unit: str, question: str) -> bool:
    if unit in {"円", "yen", "dollars", "euros", "pounds"} and _MONEY.search(question):
        return True
    if unit in _THINGS and re.search(r"いくつ|何個|数は", question):
        return True
    if unit.isascii():
        stem = unit.removesuffix("s")
        return re.search(rf"(?<![a-z]){re.escape(stem)}s?(?![a-z])", question) is not None
    return re.search(rf"(?:何|なん|いく|幾){re.escape(unit)}|{re.escape(unit)}数", question) is not None
