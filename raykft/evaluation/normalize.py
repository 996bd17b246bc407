"""One canonical spelling for English and Japanese answers, so that containment is a plain string question.

The result holds lower-case words separated by single spaces, Japanese without spaces, numbers as ASCII digits
and dates as `⟨YYYY-MM-DD⟩`, `⟨YYYY-MM⟩` or, without a year, `⟨--MM-DD⟩`. A minus sign stays in front of its
number; all other hyphens become spaces. Where punctuation or a line break separated two Japanese characters,
`、` remains: without it 「芝、大門駅」 would turn into the name of another station.

Every pattern here has bounded repetitions or can start only once in a run, so the time is linear in the text.
"""

from __future__ import annotations

import re
import unicodedata
from decimal import Decimal
from functools import lru_cache

# Inside a regex character class: kana without the middle dot, ideographs, 々 〆 〇.
CJK = "\u3041-\u3096\u309d-\u309f\u30a1-\u30fa\u30fc-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々〆〇"
# A letter or digit of a script that separates its words; Japanese has no word borders to respect.
WORD_CHAR = rf"[^\W_{CJK}]"

_CACHE_SIZE = 8192
_CACHED_CHARS = 1000  # a full cache of longer texts would hold hundreds of megabytes
_LONG_CACHE_SIZE = 8
_MAX_PASSES = 12

_DASHES = dict.fromkeys(map(ord, "‐‑‒–−﹣－"), "-")  # the long vowel mark ー is a letter and stays
_CLAUSE_DASHES = dict.fromkeys(map(ord, "—―"), ";")  # never a minus sign: "staff —320" is not -320
_TILDES = dict.fromkeys(map(ord, "〜～∼"), "~")
_QUOTES = dict.fromkeys(map(ord, "“”„«»『』「」"), '"') | dict.fromkeys(map(ord, "‘’`´"), "'")
# Soft hyphens, zero-width spaces and joiners, byte order marks: nobody sees them, so no alias may break on them.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
# Stands for the hyphens of a date token while the others are removed; private, so never part of a text.
_JOINT = "\ue000"
_FOLD = _DASHES | _CLAUSE_DASHES | _TILDES | _QUOTES | _INVISIBLE | {ord(_JOINT): " "}
_NEEDS_FOLD = re.compile(f"[{re.escape(''.join(map(chr, _FOLD)))}]")

_SPACES = re.compile(r" {2,}|[^\S\n ]+")
_LINE_BREAKS = re.compile(r" ?(?:\n ?)+")
_TOKEN_OR_BRACKET = re.compile(r"(⟨(?:[0-9]{4}-[0-9]{2}(?:-[0-9]{2})?|--[0-9]{2}-[0-9]{2})⟩)|[⟨⟩]")
_POSSESSIVE = re.compile(rf"(?<=\w)(?:'s)+(?!{WORD_CHAR})")
_INNER_APOSTROPHE = re.compile(r"(?<=[^\W\d_])'(?=[^\W\d_])")

# ---- dates

_KANJI_DIGITS = {char: value for value, char in enumerate("〇一二三四五六七八九")} | {"零": 0}
_KANJI_TENS = {"十": 10, "百": 100, "千": 1000}
_KANJI_MYRIADS = {"万": 10**4, "億": 10**8, "兆": 10**12}
_KANJI_SMALL = "〇零一二三四五六七八九十百千"
_ERA_START = {"令和": 2018, "平成": 1988, "昭和": 1925, "大正": 1911, "明治": 1867}
_MONTHS = {
    "january": 1,
    "february": 2,
    "march": 3,
    "april": 4,
    "may": 5,
    "june": 6,
    "july": 7,
    "august": 8,
    "september": 9,
    "october": 10,
    "november": 11,
    "december": 12,
}
_MONTHS |= {name[:3]: number for name, number in _MONTHS.items()} | {"sept": 9}

_HAS_KANJI_NUMERAL = re.compile(rf"[{_KANJI_SMALL}万億兆]")
_HAS_NUMERAL = re.compile(rf"[0-9{_KANJI_SMALL}万億兆元]")
_MONTH_WORD = "|".join(sorted(_MONTHS, key=len, reverse=True))
_MONTH_STARTS = tuple(dict.fromkeys(name[:3] for name in _MONTHS))
_HAS_MONTH = re.compile(rf"(?<!{WORD_CHAR})(?:{_MONTH_WORD})(?!{WORD_CHAR})")
_JA_NUMBER = rf"(?:[0-9]{{1,4}}|[{_KANJI_SMALL}]{{1,8}})"
_ERAS = "|".join(_ERA_START)
_HAS_ERA = re.compile(_ERAS)
# 平成31年4月26日, and 平成31.4.26 with the mark repeated
_ERA_YEAR = re.compile(rf"({_ERAS}) ?({_JA_NUMBER}|元)(?:(年)|(?= ?([./\-]) ?[0-9]{{1,2}} ?\4 ?[0-9]{{1,2}}(?![0-9])))")
# One year told in both calendars: 2019年(平成31年), 平成31(2019)年
_ANY_YEAR = rf"(?:{_ERAS}) ?(?:{_JA_NUMBER}|元)|{_JA_NUMBER}"
_YEAR_TWICE = re.compile(rf"(?<![0-9{_KANJI_SMALL}])({_ANY_YEAR}) ?年? ?\( ?({_ANY_YEAR}) ?年? ?\) ?年?")
_JA_DATE = re.compile(
    rf"(?<![0-9{_KANJI_SMALL}])(?:(?P<year>{_JA_NUMBER})年 ?の? ?)?"
    rf"(?P<month>{_JA_NUMBER})月(?: ?の? ?(?P<day>{_JA_NUMBER})日)?"
)
YEAR = r"(?:1[5-9]|20|21)[0-9]{2}"
_BEFORE_DIGITS = rf"(?<!{WORD_CHAR})(?<![/.\-⟨{_JOINT}])"
# What the two below cannot do without, without their look-behinds at every character.
_SPLIT_YEAR = re.compile(r"(?:1[5-9]|20|21)[0-9]{2} ?[/.\-]|[/.\-](?:1[5-9]|20|21)[0-9]{2}")
_YEAR_FIRST = re.compile(
    rf"{_BEFORE_DIGITS}({YEAR})(?: ?/ ?|([-.]))([0-9]{{1,2}})(?:(?(2)\2| ?/ ?)([0-9]{{1,2}}))?(?![0-9])"
)
_YEAR_LAST = re.compile(rf"{_BEFORE_DIGITS}([0-9]{{1,2}})([-/.])([0-9]{{1,2}})\2({YEAR})(?![0-9])")
_CLAUSE_END = frozenset(("", ".", ",", ";", ":", "!", "?", ")", "\n"))
_DAY = r"[0-9]{1,2}"
_ORDINAL = r"(?:st|nd|rd|th)?"
# "It opened in March. 14 people work there." Without its stop that reads the same, so it is the noun that decides.
_COUNTED = r" (?:people|men|women|children|staff|(?!this|was|has|its|plus|alias|thus|us|is|as)[a-z]{2,20}s)(?![a-z0-9])"
_EN_DATE = re.compile(
    rf"(?<!{WORD_CHAR})(?<![/.\-⟨])(?:"
    rf"(?P<d1>{_DAY}){_ORDINAL} (?:day )?(?:of )?(?P<m1>{_MONTH_WORD})\.?,? (?:of )?(?P<y1>[0-9]{{4}})"
    rf"|(?P<m2>{_MONTH_WORD})\.? (?:the )?(?P<d2>{_DAY}){_ORDINAL},? (?:of )?(?P<y2>[0-9]{{4}})"
    rf"|(?P<y3>{YEAR}),? (?P<m3>{_MONTH_WORD})\.? (?P<d3>{_DAY}){_ORDINAL}"
    rf"|(?P<m4>{_MONTH_WORD})\.?,? (?:of )?(?P<y4>[0-9]{{4}})"
    rf"|(?P<d5>{_DAY})(?P<o5>{_ORDINAL}) (?:day )?(?P<of5>of )?(?P<m5>{_MONTH_WORD})"
    rf"|(?P<m6>{_MONTH_WORD})\.? (?:the )?(?P<d6>{_DAY})(?P<o6>{_ORDINAL})(?!{_COUNTED})"
    rf")(?!{WORD_CHAR})"
)

# ---- numbers

# 1 412 with a space that does not break, and digits of other scripts (of which NFKC only knows the wide ones).
_GROUPING_SPACE = re.compile(r"(?<=[0-9])[\u00a0\u2007\u2009\u202f](?=[0-9]{3}(?![0-9]))")
_GROUPING_SPACES = "\u00a0\u2007\u2009\u202f"
_FOREIGN_DIGIT = re.compile(r"[^\D0-9]")
_GROUPED = re.compile(r",[0-9]{3}")
_LAKHS = re.compile(r"(?<![0-9,.])[0-9]{1,2}(?:,[0-9]{2})+,[0-9]{3}(?![0-9])(?!,[0-9])")
_THOUSANDS = re.compile(r"(?<![0-9,.])[0-9]{1,3}(?:,[0-9]{3})+(?![0-9])(?!,[0-9])")
_MYRIAD_PART = r"[0-9]{1,12}(?:\.[0-9]{1,6})?[十百千]?[万億兆]"
_MYRIADS = re.compile(rf"(?<![0-9.])(?:{_MYRIAD_PART}){{1,4}}(?:[0-9]{{1,4}}(?![0-9.年]))?")
_MYRIAD_TERM = re.compile(r"([0-9]+(?:\.[0-9]+)?)([十百千]?)([万億兆]?)")
# Counters end a number. The look-aheads spare words that may follow a name: 健三社長, 雄一代表, 六本木.
_COUNTER = (
    "社(?!長|員|内|史)|代(?!表|理)|本(?![人社部日店木])|名(?!前|誉|古)|人(?!事|材)|日(?!本)|台(?!場)|"
    "[年月円個階号丁駅か件ヶカ箇つ回歳才時分秒週度倍席基隻冊枚棟店校番位株期種点周世%％]|拠点|ドル|トン|キロ|メートル"
)
_KANJI_COUNT = re.compile(rf"(?<![0-9{_KANJI_SMALL}万億兆])[0-9]{{0,4}}[{_KANJI_SMALL}万億兆]{{1,16}}(?={_COUNTER})")
_EN_FACTORS = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_EN_LARGE = re.compile(rf"(?<![0-9.])([0-9]{{1,15}}(?:\.[0-9]{{1,9}})?) ?({'|'.join(_EN_FACTORS)})(?!{WORD_CHAR})")
_PERCENT = re.compile(rf"(?<=[0-9]) ?(?:%|percent(?!{WORD_CHAR})|per cent(?!{WORD_CHAR})|パーセント)")

# ---- punctuation and spaces

_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff"
_KATAKANA_DOT = re.compile(rf"(?<=[{_KATAKANA}]) ?・ ?(?=[{_KATAKANA}])")
# Here and below a pattern begins with what it looks for, not with what stands before: the engine then skips the rest.
_GAP_CHAR = rf"[^\w%+⟨⟩{_JOINT}]"
_CJK_GAP = re.compile(rf"{_GAP_CHAR}(?<=[{CJK}]{_GAP_CHAR}){_GAP_CHAR}*(?=[{CJK}])")
_SEPARATOR = re.compile(r"[、。・,.;:!?/|~\n\-…]")
# A hyphen is a minus sign where a number follows and no word precedes; hiragana is a particle, not a word.
_NO_MINUS = re.compile(r"(?<=[^\s(\[{<>,:;=\"'\u3041-\u3096])-|-(?![0-9])")
# A point stays inside a number, and where it begins a name: .NET
_NO_DECIMAL_POINT = re.compile(r"\.(?:(?<![0-9]\.)(?![^\W\d_])|(?<=[\w.]\.)(?=[^\W\d_])|(?<=[0-9]\.)(?![0-9]))")
_NO_PERCENT = re.compile(r"(?<![0-9])%")
_NO_CJK_COMMA = re.compile(rf"(?<![{CJK}])、|、(?![{CJK}])")
# Signs without which a name is another: C#, and the slash that a path begins with.
_NO_SHARP = re.compile(r"(?<![^\W\d_])#|#(?=\w)")
_NO_PATH = re.compile(r"(?<=[^ ])/|/(?![^\W\d_])")
# The same for ASCII alone.
_ASCII_PUNCTUATION = {n: " " for n in range(128) if not (chr(n).isalnum() or chr(n) in " %+#/.-")}
_PUNCTUATION = re.compile(rf"[^\w %+#/.\-、⟨⟩{_JOINT}]|_")
# Before these words an "a" is a name, not an article: vitamin A is, groups A and B.
_AFTER_NO_ARTICLE = "is|was|are|were|has|had|and|or|of|in|on|at|to|for|from|by|with"
_ARTICLES = re.compile(rf"(?<!{WORD_CHAR})(?:(?:a|an|the) )+(?=[\w⟨])(?!(?:{_AFTER_NO_ARTICLE})(?!{WORD_CHAR}))")
_SPACE_AT_CJK = re.compile(rf" (?:(?<=[{CJK}] )(?!-)|(?=[{CJK}]))")
_RUN_OF_SPACES = re.compile(r" {2,}")


def compatible(text: str) -> str:
    """NFKC with one kind of apostrophe and without the spaces that group thousands, before NFKC makes plain ones of
    them; case and punctuation stay.
    """
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", _without_grouping_spaces(text)).replace("’", "'")


def small_letters(text: str) -> str:
    """The text in small letters, to see whether a word of a pattern that ignores case can be in it at all.

    As such a pattern reads them, İ and ı are i.
    """
    return text.lower() if text.isascii() else text.replace("İ", "i").lower().replace("ı", "i")


def _without_grouping_spaces(text: str) -> str:
    return _GROUPING_SPACE.sub("", text) if any(space in text for space in _GROUPING_SPACES) else text


def fold(text: str) -> str:
    """NFKC, case-folded, with one kind of dash, tilde and quote; punctuation and line breaks stay."""
    if not text.isascii():
        # Before NFKC makes plain spaces of them: between digits they group thousands.
        text = _without_grouping_spaces(text)
        text = _FOREIGN_DIGIT.sub(lambda match: str(unicodedata.digit(match[0])), text)
        folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    else:
        folded = text.lower()
    # str.translate looks up every character of a Japanese text; most texts have none of these
    return folded.translate(_FOLD) if _NEEDS_FOLD.search(folded) else folded


def normalize(text: str) -> str:
    """The canonical spelling of `text`; normalizing it again changes nothing."""
    return _normalize_short(text) if len(text) <= _CACHED_CHARS else _normalize_long(text)


def _normalize(text: str) -> str:
    # One rewrite can complete the input of another (三 百人 is a number without its space), hence the loop.
    # A pass only removes characters or turns numerals and units into digits, so few are needed.
    current = _single_pass(text)
    for _ in range(_MAX_PASSES):
        following = _single_pass(current)
        if following == current:
            break
        current = following
    return current


_normalize_short = lru_cache(maxsize=_CACHE_SIZE)(_normalize)
_normalize_long = lru_cache(maxsize=_LONG_CACHE_SIZE)(_normalize)


def _single_pass(text: str) -> str:
    text = fold(text)
    if "  " in text or not text.isprintable():  # of white space a plain space alone is printable
        text = _SPACES.sub(" ", text)
    if "\n" in text:
        text = _LINE_BREAKS.sub("\n", text)
    if "⟨" in text or "⟩" in text:
        text = _TOKEN_OR_BRACKET.sub(lambda match: match[1].replace("-", _JOINT) if match[1] else " ", text)
    if "'" in text:
        text = _INNER_APOSTROPHE.sub("", _POSSESSIVE.sub("", text))
    if _HAS_NUMERAL.search(text):
        text = _rewrite_numbers(_rewrite_dates(text))
    return _strip_punctuation(text).replace(_JOINT, "-")


def _rewrite_dates(text: str) -> str:
    if _HAS_ERA.search(text):
        text = _YEAR_TWICE.sub(_year_twice, text)
        text = _ERA_YEAR.sub(_era_year, text)
    if "月" in text:
        text = _JA_DATE.sub(_ja_date, text)
    if _SPLIT_YEAR.search(text):
        text = _YEAR_LAST.sub(_year_last_date, _YEAR_FIRST.sub(_year_first_date, text))
    if any(start in text for start in _MONTH_STARTS) and _HAS_MONTH.search(text):
        text = _EN_DATE.sub(_en_date, text)
    return text


def _rewrite_numbers(text: str) -> str:
    if "," in text and _GROUPED.search(text):
        for grouped in (_THOUSANDS, _LAKHS):
            text = grouped.sub(lambda match: match[0].replace(",", ""), text)
    if not text.isascii():
        if any(unit in text for unit in _KANJI_MYRIADS):
            text = _MYRIADS.sub(_myriads, text)
        if _HAS_KANJI_NUMERAL.search(text):
            text = _KANJI_COUNT.sub(_kanji_count, text)
    if "illion" in text or "thousand" in text:
        text = _EN_LARGE.sub(lambda match: _plain(Decimal(match[1]) * _EN_FACTORS[match[2]]), text)
    if "%" in text or "cent" in text or "パーセント" in text:
        text = _PERCENT.sub("%", text)
    return text


def _strip_punctuation(text: str) -> str:
    if not text.isascii():
        if "・" in text:
            text = _KATAKANA_DOT.sub("", text)
        text = _CJK_GAP.sub(lambda match: "、" if _SEPARATOR.search(match[0]) else "", text)
        if "、" in text:
            text = _NO_CJK_COMMA.sub(" ", text)
    if "-" in text:
        text = _NO_MINUS.sub(" ", text)
    if "." in text:
        text = _NO_DECIMAL_POINT.sub(" ", text)
    if "%" in text:
        text = _NO_PERCENT.sub(" ", text)
    if "#" in text:
        text = _NO_SHARP.sub(" ", text)
    if "/" in text:
        text = _NO_PATH.sub(" ", text)
    text = text.translate(_ASCII_PUNCTUATION) if text.isascii() else _PUNCTUATION.sub(" ", text)
    if "  " in text:
        text = _RUN_OF_SPACES.sub(" ", text)
    if "a " in text or "an " in text or "the " in text:
        text = _ARTICLES.sub("", text)
    if " " in text and not text.isascii():
        text = _SPACE_AT_CJK.sub("", text)
    return text.strip()


def _token(year: int | None, month: int, day: int | None) -> str | None:
    """The date token with joints for hyphens, or None where the parts are no date."""
    if not 1 <= month <= 12 or (day is not None and not 1 <= day <= 31):
        return None
    if year is None:
        return None if day is None else f"⟨{_JOINT}{_JOINT}{month:02d}{_JOINT}{day:02d}⟩"
    if not 1000 <= year <= 9999:
        return None
    tail = "" if day is None else f"{_JOINT}{day:02d}"
    return f"⟨{year:04d}{_JOINT}{month:02d}{tail}⟩"


def kanji_to_int(numeral: str) -> int:
    """The value of a positional (二〇一九), multiplicative (二千十九) or mixed (2千) numeral."""
    if all(char in _KANJI_DIGITS for char in numeral):
        return int("".join(str(_KANJI_DIGITS[char]) for char in numeral))
    total = section = current = 0
    for char in numeral:
        if char in _KANJI_DIGITS:
            current = current * 10 + _KANJI_DIGITS[char]
        elif char in _KANJI_TENS:
            section += (current or 1) * _KANJI_TENS[char]
            current = 0
        elif char in _KANJI_MYRIADS:
            total += ((section + current) or 1) * _KANJI_MYRIADS[char]
            section = current = 0
        else:
            current = current * 10 + int(char)
    return total + section + current


def _plain(value: Decimal) -> str:
    """A decimal without exponent and without trailing zeros behind the point."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _era_year(match: re.Match[str]) -> str:
    number = 1 if match[2] == "元" else kanji_to_int(match[2])
    return f"{_ERA_START[match[1]] + number}{match[3] or ''}"


def _year_twice(match: re.Match[str]) -> str:
    eras = sum(part[:2] in _ERA_START for part in match.groups())
    first, second = (_ERA_YEAR.sub(_era_year, f"{part}年") for part in match.groups())
    return first if eras == 1 and kanji_to_int(first[:-1]) == kanji_to_int(second[:-1]) else match[0]


def _ja_date(match: re.Match[str]) -> str:
    year, day = (kanji_to_int(part) if part else None for part in match.group("year", "day"))
    return _token(year, kanji_to_int(match["month"]), day) or match[0]


def _year_first_date(match: re.Match[str]) -> str:
    year, mark, month, day = match.groups()
    if day is None and (mark == "." or (mark == "-" and len(month) == 1)):
        return match[0]  # 2019.4 is a decimal number, 2019-4 a house number or a score
    if match.string[match.end() : match.end() + 1] in {"/", "-"} and day is None:
        return match[0]  # part of a longer number, such as a telephone number
    return _token(int(year), int(month), None if day is None else int(day)) or match[0]


def _year_last_date(match: re.Match[str]) -> str:
    first, mark, second, year = int(match[1]), match[2], int(match[3]), int(match[4])
    if mark == "." or first > 12 or first == second:
        return _token(year, second, first) or match[0]
    if second > 12:
        return _token(year, first, second) or match[0]
    return match[0]  # 4/5/2019 is April in one country and May in another


def _en_date(match: re.Match[str]) -> str:
    parts = {name: part for name, part in match.groupdict().items() if part}
    form = next(name[1] for name in parts if name[0] == "m")
    month_word, year, day = parts[f"m{form}"], parts.get(f"y{form}"), parts.get(f"d{form}")
    marked = parts.get(f"o{form}") or "of5" in parts or match.string[match.end() : match.end() + 1] in _CLAUSE_END
    if year is None and month_word == "may" and not marked:
        return match[0]  # "may 14 people" is a verb; "on may 14." is a date
    return _token(int(year) if year else None, _MONTHS[month_word], int(day) if day else None) or match[0]


def _myriads(match: re.Match[str]) -> str:
    total = Decimal(0)
    for number, small, large in _MYRIAD_TERM.findall(match[0]):
        total += Decimal(number) * _KANJI_TENS.get(small, 1) * _KANJI_MYRIADS.get(large, 1)
    return _plain(total)


def _kanji_count(match: re.Match[str]) -> str:
    return str(kanji_to_int(match[0]))
