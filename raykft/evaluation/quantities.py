"""Quantities by value and unit: 75 years is 75 where the question asks for years, 320人 is 320名, 5千円 is not 5円."""

from __future__ import annotations

import re
from decimal import Decimal
from itertools import pairwise

from raykft.evaluation.normalize import kanji_to_int


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
    "ドル 米ドル dollars dollar usd",
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
    "フィート feet foot ft",
    "マイル miles mile mi",
    "インチ inches inch",
    "ヤード yards yard yd",
)
_UNIT_CLASSES: dict[str, frozenset[int]] = {}
for _class, _members in enumerate(_CLASSES):
    for _member in _members.split():
        _UNIT_CLASSES[_member] = _UNIT_CLASSES.get(_member, frozenset()) | {_class}
_NUMERAL = "一二三四五六七八九十百千万〇"
# Sizes of units in the smallest of their kind; キロ is whatever the alias is.
_SIZES: dict[str, tuple[str, Decimal]] = {}
for _kind, _listed in {
    "length": "ミリ 1 ミリメートル 1 millimeter 1 mm 1 センチ 10 センチメートル 10 centimeter 10 cm 10 "
    "メートル 1000 meter 1000 metre 1000 m 1000 キロメートル 1000000 kilometer 1000000 kilometre 1000000 km 1000000",
    "mass": "グラム 1 gram 1 g 1 キログラム 1000 kilogram 1000 kg 1000 "
    "トン 1000000 ton 1000000 tonne 1000000 t 1000000",
    "time": "秒 1 秒間 1 second 1 sec 1 s 1 分 60 分間 60 minute 60 min 60 時間 3600 hour 3600 h 3600 "
    "日 86400 日間 86400 day 86400 週間 604800 week 604800",
    "age": "か月 1 ヶ月 1 カ月 1 month 1 年 12 年間 12 year 12 世紀 1200 century 1200 centuries 1200 decade 120",
    "volume": "ミリリットル 1 ml 1 milliliter 1 リットル 1000 liter 1000 litre 1000 l 1000 キロリットル 1000000",
}.items():
    for _unit, _factor in zip(_listed.split()[::2], _listed.split()[1::2], strict=True):
        _SIZES[_unit] = (_kind, Decimal(_factor))
_FEW = ("a", "an", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")
_AMOUNT = rf"(?:[0-9]+|{'|'.join(sorted(_FEW, key=len, reverse=True))})"
_COMPOUND = re.compile(
    rf"(?i)(?<![\w.,])(?P<big>{_AMOUNT}) ?(?P<big_unit>hours?|days?|weeks?|years?|feet|foot|ft|pounds?|lbs?|met(?:er"
    rf"|re)s?|kilomet(?:er|re)s?|km)"
    rf"(?: and|,| )? ?(?P<small>[1-9][0-9]*|{'|'.join(sorted(_FEW[2:], key=len, reverse=True))}) ?"
    r"(?P<small_unit>minutes?|mins?|seconds?|months?|weeks?|days?|hours?|inches|ounces?|oz|centimet(?:er|re)s?|cm"
    r"|met(?:er|re)s?)\b"
)
_COMPOUND_JA = re.compile(
    rf"(?<![0-9.,{_NUMERAL}])(?P<big>[0-9]+|[{_NUMERAL}]+)(?P<big_unit>時間|年|日|週間|分|キロ|キロメートル|メートル)と?"
    rf"(?P<small>[1-9][0-9]*|[{_NUMERAL}]+)(?P<small_unit>分|秒|[かヶカ]月|日間|時間|メートル|センチ)(?!の)"
)
_KILO = {"length": "km", "mass": "kg"}
_THINGS = frozenset(("つ", "個", "基", "本", "枚", "台", "冊", "棟", "隻", "件", "点"))
_MONEY = re.compile(r"いくら|料金|値段|価格|cost|price|how much|fee")
_NO_UNITS = frozenset(_split("in of at and or to for on is was as all a with from by there they it this that since"))


def in_one_unit(text: str) -> str:
    """The text (NFKC) with quantities of two units in the smaller one: 1時間20分 is 80分 and has no 20分.

    Where the sizes of the units are not known, a line break stands for the quantity.
    """
    return _COMPOUND_JA.sub(_together, _COMPOUND.sub(_together, text))


def has_two_units(text: str) -> bool:
    """Whether a text has a quantity such as 1 hour 20 minutes."""
    return _COMPOUND.search(text) is not None or _COMPOUND_JA.search(text) is not None


def _together(match: re.Match[str]) -> str:
    big, small = (_size(_number(match[n]), match[f"{n}_unit"].casefold(), "") for n in ("big", "small"))
    if big is None or small is None or big[0] != small[0]:
        return "\n"
    return f"{(big[1] + small[1]) / (small[1] / Decimal(_number(match['small'])))} {match['small_unit']}"


def _number(word: str) -> str:
    if word.casefold() in _FEW:
        return str(max(1, _FEW.index(word.casefold()) - 1))
    return word if word.isascii() else str(kanji_to_int(word))


def states_quantity(alias: str, text: str, question: str) -> bool:
    """Whether a text in the lenient form states the quantity that an alias is, with a unit that means the same.

    A bare number counts where the question names the unit, as in "how many years"; a quantity in another unit of its
    kind counts where it is exactly the same: 90 minutes, 1.5 hours.
    """
    wanted = _ALIAS.fullmatch(in_one_unit(alias))
    if not wanted or not wanted["unit"]:
        return False
    unit = wanted["unit"]
    if not text.isascii():
        # 百十七段: a numeral before the counter of the alias, which may be none that normalization knows
        text = re.sub(rf"(?<![{_NUMERAL}0-9])[{_NUMERAL}]{{1,9}}(?={re.escape(unit)}|キロ)", _digits, text)
    pattern = _SAID if text.isascii() else _SAID_JA
    said = [(found["value"], found["unit"] or "") for found in pattern.finditer(text)]
    for value, other in said:
        if _canonical(value) != _canonical(wanted["value"]):
            continue
        if other and other not in _NO_UNITS:
            if _same_unit(unit, other) or _counts_the_same(unit, other, question):
                return True
        elif _asks_for(unit, question):
            return True
    return _states_size(wanted["value"], unit, said)


def _digits(match: re.Match[str]) -> str:
    return str(kanji_to_int(match[0]))


def _states_size(value: str, unit: str, said: list[tuple[str, str]]) -> bool:
    """Whether one of the quantities, or two in a row (1 hour 30 minutes), is as large as the alias."""
    if unit == "キロ":
        return any(_states_size(value, name, said) for name in _KILO.values())
    wanted = _size(value, unit, "")
    if wanted is None:
        return False
    sizes = [_size(number, other, wanted[0]) for number, other in said]
    together = [(wanted[0], one[1] + other[1]) for one, other in pairwise(sizes) if one and other and one[1] > other[1]]
    return wanted in [*sizes, *together]


def _size(value: str, unit: str, kind: str) -> tuple[str, Decimal] | None:
    """The kind of a quantity and its size in the smallest unit of the kind."""
    # 42キロあり: the unit is what a run of katakana or a known counter is; キロ alone is one of the kind.
    known = unit if unit in _SIZES or unit.startswith("キロ") else unit.rstrip("s")
    known = _KILO.get(kind, known) if known == "キロ" else known
    if known not in _SIZES or value.endswith("%"):
        return None
    return _SIZES[known][0], Decimal(value) * _SIZES[known][1]


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
    if unit in {"円", "yen", "dollars", "euros", "pounds", "ドル", "ユーロ", "ポンド"} and _MONEY.search(question):
        return True
    if unit in _THINGS and re.search(r"いくつ|何個|数は", question):
        return True
    if unit.isascii():
        stem = unit.removesuffix("s")
        return re.search(rf"(?<![a-z]){re.escape(stem)}s?(?![a-z])", question) is not None
    return re.search(rf"(?:何|なん|いく|幾){re.escape(unit)}|{re.escape(unit)}数", question) is not None
