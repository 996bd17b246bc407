"""A second, more lenient spelling, for key facts that the plain normal form does not find.

Accents, HTML entities, "&", old kanji, ヴ, (株), numbers in words, 2.5M, fractions and 割 come to one form. It is
applied to aliases and answers alike, and what is compared are still whole words and whole numbers.
"""

from __future__ import annotations

import html
import re
import unicodedata
from decimal import Decimal

from raykft.evaluation.dialects import american, in_full
from raykft.evaluation.normalize import normalize


def _split(words: str) -> list[str]:
    return words.split()


_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_ACCENTED = re.compile("[\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]")
_LETTERS = str.maketrans(
    {
        "ø": "o",
        "Ø": "O",
        "æ": "ae",
        "Æ": "Ae",
        "œ": "oe",
        "Œ": "Oe",
        "ł": "l",
        "Ł": "L",
        "đ": "d",
        "Đ": "D",
        "ð": "d",
        "þ": "th",
        "Þ": "Th",
        "ı": "i",
        "ß": "ss",
    }
)
_OLD = (
    "齋齊邊邉國澤濱廣髙﨑嶋櫻瀧龍眞惠德榮學會實寶藝圓壽鐵關縣驛號"
    "體舊與條莊靜豐鹽彌禮祿檜曾增冨嶽峯來爲黑淺淸氣樂應發賣讀驗"
)
_NEW = (
    "斎斉辺辺国沢浜広高崎島桜滝竜真恵徳栄学会実宝芸円寿鉄関県駅号"
    "体旧与条荘静豊塩弥礼禄桧曽増富岳峰来為黒浅清気楽応発売読験"
)
_KANJI = str.maketrans(_OLD, _NEW)
_V_SOUNDS = (("ヴァ", "バ"), ("ヴィ", "ビ"), ("ヴェ", "ベ"), ("ヴォ", "ボ"), ("ヴュ", "ビュ"), ("ヴ", "ブ"))
# The final long vowel of コンピューター, not that of コーヒー
_LONG_END = re.compile(r"(?<=[ァ-ヺー][ァ-ヺー][タバザダラヤナガカサマワパァャリ])ー(?![ァ-ヺー])")
_FURIGANA = re.compile(r"(?<=[\u3400-\u9fff々])[（(][\u3041-\u3096\u30a1-\u30fa・ー ]{1,20}[）)](?=\s?[\u3400-\u9fff])")
_COMPANY = (
    ("㈱", "株式会社"),
    ("(株)", "株式会社"),
    ("（株）", "株式会社"),
    ("㈲", "有限会社"),
    ("(有)", "有限会社"),
    ("（有）", "有限会社"),
)
_AND = re.compile(r"(?<=\w) ?[&＆] ?(?=\w)")

_SUFFIX = re.compile(r"(?<![\w.])([0-9]+(?:[.,][0-9]+)?) ?(k|K|M|mn|bn|B)\b(?!\w)")
_SUFFIXES = {"k": 10**3, "K": 10**3, "M": 10**6, "mn": 10**6, "bn": 10**9, "B": 10**9}
_UNITS = _split(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen"
)
_TENS = _split("twenty thirty forty fifty sixty seventy eighty ninety")
_WORDS = {word: n for n, word in enumerate(_UNITS)} | {word: 10 * n for n, word in enumerate(_TENS, start=2)}
_SCALES = {"hundred": 100, "thousand": 10**3, "million": 10**6, "billion": 10**9}
_WORD = "|".join(sorted((*_WORDS, *_SCALES), key=len, reverse=True))
_SPELLED = re.compile(rf"(?<![\w-])(?:{_WORD})(?: (?:and )?(?:{_WORD}))*(?![\w])")
_DOZEN = re.compile(r"(?<!\w)(?:(?:(?P<n>[0-9]{1,3}) )?dozens?|half dozen)(?!\w)")
_AND_A_HALF = re.compile(r"(?<![\w.])([0-9]+|one) and (?:a )?half(?!\w)")
_MINUS = re.compile(r"(?:(?<!\w)(?:minus|negative) |マイナス|氷点下|零下)(?=[0-9])")
_DEGREES = re.compile(r"(?<=[0-9]) ?(?:degrees?|deg)?(?: (celsius|centigrade|fahrenheit|c|f)(?!\w))")
_ORDINALS = {
    word: str(n)
    for n, word in enumerate(
        _split(
            "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth "
            "fourteenth fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
        ),
        start=1,
    )
} | {
    f"twenty{gap}{word}": str(20 + n)
    for n, word in enumerate(_split("first second third fourth fifth sixth seventh eighth ninth"), start=1)
    for gap in "- "
}
_ORDINALS |= {"thirtieth": "30", "thirty-first": "31", "thirty first": "31"}
_MONTH = "january|february|march|april|may|june|july|august|september|october|november|december"
_ORDINAL = "|".join(sorted(_ORDINALS, key=len, reverse=True))
_ORDINAL_DAY = re.compile(
    rf"(?i)\b(?:(?P<a>{_ORDINAL})(?P<of> (?:day )?(?:of )?(?:{_MONTH})\b)"
    rf"|(?P<m>(?:{_MONTH}) (?:the )?)(?P<b>{_ORDINAL})\b)"
)
_PARTS = {
    "half": 2,
    "halves": 2,
    "third": 3,
    "thirds": 3,
    "quarter": 4,
    "quarters": 4,
    "fourth": 4,
    "fourths": 4,
    "fifth": 5,
    "fifths": 5,
    "tenth": 10,
    "tenths": 10,
}
_EN_FRACTION = re.compile(
    rf"(?<![\w-])(?:(?P<n>[0-9]|one) )?(?:of )?(?P<d>{'|'.join(sorted(_PARTS, key=len, reverse=True))})(?![\w])"
)
_SLASH = re.compile(
    r"(?<![\w/.])([0-9]{1,2})[/⁄]([0-9]{1,2})(?![\w/])"
    r"|(?<![\w/.])([0-9]{1,2})[/⁄]([0-9]{1,2})(?=[\u3041-\u30ff\u3400-\u9fff])"
)
_JA_FRACTION = re.compile(r"([0-9]{1,3}|[一二三四五六七八九十]{1,3})分の([0-9]{1,3}|[一二三四五六七八九十]{1,3})")
_JA_TENTHS = re.compile(r"([0-9]{1,2}|[一二三四五六七八九])割(?:([0-9]|[一二三四五六七八九])分)?(半)?")
_JA_HALF = re.compile(r"半分|半数")
_KANJI_NUMERAL = re.compile(
    r"(?<![\u3400-\u9fff])[一二三四五六七八九十百千]{1,7}(?=$|です|でした|だ(?:$|[よと])|くらい|ほど|、|分の)"
)
# 3人に2人 and "two out of three" are shares, 第3代 is 三代目.
_JA_OUT_OF = re.compile(r"([0-9]{1,4})(人|名|社|台|本|軒|世帯|件|校|個)(?:に|のうち|中)([0-9]{1,4})\2")
_EN_OUT_OF = re.compile(r"(?<![\w.])([0-9]{1,4}) (?:out of|in)(?: every)? ([0-9]{1,4})(?![\w.])")
_ONE_IN = re.compile(r"(?<!\w)one (?=(?:out of|in) (?:every )?[0-9])")
_JA_ORDINAL = re.compile(r"第([0-9]+|[一二三四五六七八九十百]+)(代|回|位|号|番)目?")
# 1時間半, "an hour and a half", "half an hour"
_JA_AND_HALF = re.compile(r"(?<![0-9.])([0-9]+)(時間|年|か月|ヶ月|日|週間|分)半")
_PERIOD = "hour|day|week|month|year|minute|mile|kilometer|ton|tonne|century|decade"
_EN_AND_HALF = re.compile(rf"(?<![\w.])(?:(an?|one|[0-9]+) )?({_PERIOD})s? and (?:a )?half(?!\w)")
_PART_OF = re.compile(rf"(?<![\w.])([0-9.]+)% of ({_PERIOD})(?!\w)")
_SPEEDS = (
    (re.compile(r"(?<!\w)(?:km|kilometers?) (?:per|an) hour|(?<![a-z])(?:kph|kmh)(?!\w)"), "km h"),
    (re.compile(r"(?<!\w)miles? (?:per|an) hour"), "mph"),
    (re.compile(r"(?<!\w)(?:m|meters?) (?:per|a) second"), "m s"),
)
_SAINT = re.compile(r"(?<!\w)sainte? (?=[a-z])")
_PLUS_MINUS = re.compile(r"\b([A-Z]{1,2})[- ](plus|minus)\b")
_HALF_AN = re.compile(rf"(?<!\w)(?:half an? |half )({_PERIOD})(?!\w)")
_MONEY = re.compile(
    r"(?:(?P<sign>[€$£¥￥])|\b(?P<code>EUR|USD|GBP|JPY)\b) ?(?P<amount>[0-9][0-9.,]*(?: ?(?:million|billion|thousand"
    r"|trillion|mn?|bn|[kKM万億千百])(?![a-z])){0,2})"
)
_MONEY_NAMES = {
    "€": "euro",
    "$": "dollar",
    "£": "pound",
    "¥": "yen",
    "￥": "yen",
    "EUR": "euro",
    "USD": "dollar",
    "GBP": "pound",
    "JPY": "yen",
}
_JA_DIGITS = {char: n for n, char in enumerate("〇一二三四五六七八九")}
_ADDRESS = re.compile(
    r"([0-9]+)丁目の?([0-9]+)番(?:地)?(?:の)?([0-9]+)号?|([0-9]+)丁目の?([0-9]+)番地?(?![0-9])"
    r"|([0-9]+)番地?の?([0-9]+)号"
)


def plain_letters(text: str) -> str:
    """Without entities, accents and old forms of kanji; case and punctuation stay."""
    if "&" in text:
        text = _ENTITY.sub(lambda match: html.unescape(match[0]), text)
        text = _AND.sub(" and ", text)
    if text.isascii():
        return text
    if _ACCENTED.search(text):
        decomposed = unicodedata.normalize("NFD", text.translate(_LETTERS))
        text = unicodedata.normalize("NFC", re.sub("(?<=[A-Za-z])[\u0300-\u036f]+", "", decomposed))
    for old, new in _COMPANY:
        text = text.replace(old, new)
    text = unicodedata.normalize("NFKC", _FURIGANA.sub("", text)).translate(_KANJI)
    if "ヴ" in text:
        for old, new in _V_SOUNDS:
            text = text.replace(old, new)
    return _LONG_END.sub("", text)


def lenient(text: str) -> str:
    """The lenient normal form."""
    text = in_full(plain_letters(text))
    text = _MONEY.sub(lambda match: f"{match['amount']} {_MONEY_NAMES[match['sign'] or match['code']]}", text)
    text = _PLUS_MINUS.sub(lambda match: match[1] + ("+" if match[2] == "plus" else "-"), text)
    text = _SUFFIX.sub(lambda match: str(int(Decimal(match[1].replace(",", ".")) * _SUFFIXES[match[2]])), text)
    text = _ORDINAL_DAY.sub(_day, text)
    text = _SLASH.sub(_slash, text)
    text = american(normalize(text))
    for pattern, unit in _SPEEDS:
        text = pattern.sub(unit, text)
    return _numbers(_SAINT.sub("st ", text))


def _numbers(text: str) -> str:
    text = _EN_AND_HALF.sub(_and_a_half, _HALF_AN.sub(r"0.5 \1s", text))
    text = _SPELLED.sub(_spelled, text)
    text = _EN_OUT_OF.sub(_share, _ONE_IN.sub("1 ", text))
    text = _AND_A_HALF.sub(lambda match: f"{match[1].replace('one', '1')}.5", text)
    text = _DOZEN.sub(lambda match: str(6 if match[0].startswith("half") else 12 * int(match["n"] or 1)), text)
    text = _EN_FRACTION.sub(
        lambda match: _percent(int(match["n"].replace("one", "1") if match["n"] else 1), _PARTS[match["d"]]), text
    )
    text = _PART_OF.sub(lambda match: f"{Decimal(match[1]) / 100} {match[2]}s", text)
    text = _MINUS.sub("-", text)
    text = _DEGREES.sub(lambda match: f" {'f' if match[1][0] == 'f' else 'c'}", text)
    if text.isascii():
        return text
    text = _JA_AND_HALF.sub(r"\1.5\2", text)
    text = _JA_ORDINAL.sub(lambda match: f"{_value(match[1])}{match[2]}目", text)
    text = _JA_OUT_OF.sub(lambda match: _percent(int(match[3]), int(match[1])), text)
    text = _JA_FRACTION.sub(lambda match: _percent(_value(match[2]), _value(match[1])), text)
    text = _JA_TENTHS.sub(
        lambda match: f"{10 * _value(match[1]) + (_value(match[2]) if match[2] else 0) + (5 if match[3] else 0)}%", text
    )
    text = _JA_HALF.sub("50%", text)
    text = _KANJI_NUMERAL.sub(lambda match: str(_value(match[0])), text)
    return _ADDRESS.sub(lambda match: " ".join(part for part in match.groups() if part), text)


def _day(match: re.Match[str]) -> str:
    return (
        f"{_ORDINALS[match['a'].casefold()]}{match['of']}"
        if match["a"]
        else f"{match['m']}{_ORDINALS[match['b'].casefold()]}"
    )


def _slash(match: re.Match[str]) -> str:
    part, whole = (int(number) for number in match.groups() if number)
    return _percent(part, whole) if 0 < part < whole else match[0]


def _and_a_half(match: re.Match[str]) -> str:
    """ "an hour and a half", of which normalization takes the articles"""
    whole = match[1] if match[1] and match[1].isdigit() else "1"
    return f"{whole}.5 {match[2]}s"


def _share(match: re.Match[str]) -> str:
    """ "2 out of 3" as percent; "64 in 2019" is none."""
    part, whole = int(match[1]), int(match[2])
    return _percent(part, whole) if 0 < part < whole <= 1000 else match[0]


def _percent(part: int, whole: int) -> str:
    """A share as percent with three digits behind the point."""
    if not whole:
        return f"{part}"
    share = f"{100 * part / whole:.3f}".rstrip("0").rstrip(".")
    return f"{share}%"


def _spelled(match: re.Match[str]) -> str:
    words = [word for word in re.split(r"[ -]", match[0]) if word != "and"]
    if words == ["one"]:
        return match[0]  # mostly a pronoun
    total = current = 0
    last = 10**18
    for word in words:
        if word in _WORDS:
            if current % 100 and not (current % 10 == 0 and _WORDS[word] < 10 and current % 100 >= 20):
                return match[0]  # two numbers side by side
            current += _WORDS[word]
        elif word == "hundred":
            current = (current or 1) * 100
        elif _SCALES[word] < last:
            total, current, last = total + (current or 1) * _SCALES[word], 0, _SCALES[word]
        else:
            return match[0]
    return str(total + current)


def _value(numeral: str) -> int:
    if numeral.isascii():
        return int(numeral)
    total = current = 0
    for char in numeral:
        if char in "十百千":
            total, current = total + (current or 1) * {"十": 10, "百": 100, "千": 1000}[char], 0
        else:
            current = current * 10 + _JA_DIGITS[char]
    return total + current
