"""Values in English: how dates, numbers, times and names are written, and others of their kind."""

from __future__ import annotations

import re
from datetime import date
from random import Random
from typing import Final

from raykft.data.demo.language_en import ENGLISH, ONES, TENS
from raykft.data.demo.pools_en import MONTHS
from raykft.data.demo.spec import words
from raykft.drafting.found import Found, full_date, parsed_date
from raykft.drafting.numbers import near_numbers, near_spellings, near_years, other_digits, plain_number
from raykft.records import ValueType

NUMBER_WORDS: Final = {
    word: number
    for number, word in enumerate(
        words(
            """one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
            seventeen eighteen nineteen twenty"""
        ),
        start=1,
    )
} | {word: 10 * number for number, word in enumerate(TENS, start=2)}
_MONTH: Final = "|".join(f"{name}|{name[:3]}\\b\\.?" for name in MONTHS)
_YEAR: Final = r"(?:1[5-9]|20|21)\d\d"
DATE: Final = re.compile(
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH}),? {_YEAR}\b"
    rf"|\b(?:{_MONTH}) \d{{1,2}}(?:st|nd|rd|th)?,? {_YEAR}\b|\b(?:{_MONTH}),? {_YEAR}\b"
    rf"|\b{_YEAR}-\d\d-\d\d\b|(?<![\d.,$€£¥-]){_YEAR}(?![\d%]|[.,]\d)"
)
NUMBER: Final = re.compile(
    r"(?<![\w.,-])[$€£¥]?\d+(?:,\d{3})*(?:\.\d+)?(?:%|(?: (?:percent|per cent|thousand|million|billion|trillion)\b))?"
    r"(?![\w/:]|[.,-]\d)"
)
NUMBER_WORD: Final = re.compile(rf"(?i)\b(?:{'|'.join(sorted(NUMBER_WORDS, key=len, reverse=True))})\b")
TIME: Final = re.compile(r"\b\d{1,2}[:.]\d\d(?: ?[ap]\.?m\b\.?)?|\b\d{1,2} ?[ap]\.?m\b\.?|\bnoon\b|\bmidnight\b")
OFTEN: Final = re.compile(
    r"\b(?:once|twice|(?:three|four|five|six) times) (?:a|an|per|every|each) \w+|\bevery (?:\w+ )?\w+"
    r"|\b(?:dai|week|month|year)ly\b"
)
_WEEKDAYS: Final = words("monday tuesday wednesday thursday friday saturday sunday")
LISTED: Final = re.compile(r"\s*,\s*(?:and|or|&)?\s*|\s+(?:and|or|&)\s+")
# What the demo company's values are wrong answers to.
_POOLS: Final = {
    "where": "town", "town": "town", "city": "city", "country": "country", "street": "street",
    "animal": "animal", "planet": "planet", "element": "element", "colour": "shade", "color": "shade",
    "dish": "dish", "fruit": "fruit", "sport": "sport", "river": "river", "language": "language",
    "bank": "bank", "award": "award", "prize": "award", "university": "university", "charity": "charity",
    "instrument": "instrument", "company": "supplier", "firm": "supplier", "motto": "motto", "slogan": "motto",
}  # fmt: skip
_MONEY: Final = {"$": "dollars", "€": "euros", "£": "pounds", "¥": "yen"}
_TITLE: Final = re.compile(
    r"^(?:(?:Professor|Prof|Doctor|Dr|Mr|Mrs|Ms|Miss|Sir|Dame|Captain|Capt|Reverend|Rev)\.? )+(?=[A-ZÀ-Þ])"
)
CAPITAL: Final = re.compile(r"[A-ZÀ-Þ]")


def spellings(value: str, type: ValueType) -> tuple[tuple[str, ...], dict[str, str]]:
    """The other spellings of a value that count, and what is known about it."""
    if type == "date":
        if day := full_date(value):
            known = ENGLISH.day(day)
            return (known.text, *known.aliases), dict(known.attrs)
        parts = parsed_date(value)
        return (), {} if parts is None else {"year": str(parts[0]), "decade": f"{parts[0] // 10 * 10}s"}
    if type == "number":
        aliases = [f"{value[1:]} {_MONEY[value[0]]}"] if value[0] in _MONEY else []
        number = plain_number(value) or NUMBER_WORDS.get(value.lower())
        if number is None:
            return tuple(aliases), {}
        aliases += [f"{number:,}", str(number), *_spelled(number)]
        return tuple(dict.fromkeys(aliases)), {"number": str(number)}
    if value.lower().rstrip("s") in _WEEKDAYS:
        return (value.rstrip("s"), f"{value.rstrip('s')}s"), {"weekday": value.rstrip("s")}
    name = without_title(value)
    short = (name,) if name != value else ()
    if type == "person" and len(names := name.split()) == 2:
        return (*short, f"{names[1]}, {names[0]}"), {"first": names[0], "last": names[1]}
    return short, {}


def without_title(name: str) -> str:
    """A person's name, or a thing's, without what may be left out before it."""
    return _TITLE.sub("", name) or name


def other_texts(found: Found, rng: Random) -> list[str]:
    """Wrong values that could be right: other days, numbers, names, or what the demo company has of that kind."""
    texts: list[str] = []
    if found.type == "date" and found.year is not None:
        day = full_date(found.text)
        for year in near_years(found.year, rng):
            if day is None:
                texts.append(found.text.replace(str(found.year), str(year)))
            else:
                texts.append(
                    _like(found.text, day.replace(year=year, month=rng.randint(1, 12), day=rng.randint(1, 28)))
                )
    elif found.type == "number":
        texts = _near(found, rng)
    elif found.text.lower().rstrip("s") in _WEEKDAYS:
        texts = [day.capitalize() for day in rng.sample(_WEEKDAYS, len(_WEEKDAYS))]
    elif found.asked == "how often":
        texts = rng.sample(("once a day", "twice a day", "once a month", "every two weeks", "once a year"), 5)
    elif TIME.fullmatch(found.text):
        texts = [re.sub(r"^\d+", str(hour), found.text) for hour in rng.sample(range(1, 12), 5)]
    elif sum(map(str.isdigit, found.text)) >= 3 and not re.search(_MONTH, found.text):
        texts = [other_digits(found.text, rng) for _ in range(4)]
    elif found.type == "text" and (pool := _POOLS.get(found.asked.split()[-1])) and len(found.text.split()) < 4:
        texts = [value.text for value in rng.sample(list(ENGLISH.pools[pool]), 4)]
    elif found.type == "person":
        pools = ENGLISH.names
        first = rng.sample([*pools["women"], *pools["men"]], 4)
        texts = [f"{name} {last}" for name, last in zip(first, rng.sample(list(pools["last"]), 4), strict=True)]
    return texts


def _like(text: str, day: date) -> str:
    """A day in the spelling of another date."""
    written = ENGLISH.day(day)
    if re.match(r"\d{4}-", text):
        return written.attrs["iso"]
    return written.aliases[0] if CAPITAL.match(text) else written.text


def _spelled(number: int) -> tuple[str, ...]:
    if 0 < number < 20:
        return (next(word for word, value in NUMBER_WORDS.items() if value == number),)
    if 20 <= number < 100:
        tens, ones = TENS[number // 10 - 2], number % 10
        return (f"{tens}-{ONES[ones - 1]}" if ones else tens,)
    return ()


def _near(found: Found, rng: Random) -> list[str]:
    """Numbers beside a value in its own spelling: with its sign, its unit, its decimals, or in words."""
    if found.text.lower() in NUMBER_WORDS and found.number is not None:
        spelled = {number: word for word, number in NUMBER_WORDS.items()}
        near = [spelled[n] for n in near_numbers(found.number, rng, 8) if n in spelled]
        return [word.capitalize() if found.text[0].isupper() else word for word in near][:4]
    return near_spellings(found.text, rng)
