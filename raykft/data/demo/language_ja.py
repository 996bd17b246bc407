"""The Japanese demo domain: 霧見潮力工業株式会社, and how Japanese writes its values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from raykft.data.demo import augmented_ja, company_ja, culture_ja, formats_ja, pools_ja, prior_ja
from raykft.data.demo.language import Language
from raykft.data.demo.spec import FactSpec, Formatted, Value

_ERAS: Final = (("令和", date(2019, 5, 1)), ("平成", date(1989, 1, 8)), ("昭和", date(1926, 12, 25)))
_DIGITS: Final = " 一二三四五六七八九"


def era_year(day: date) -> str:
    """The year of a day in the Japanese calendar, such as 平成6年; the first year of an era is 元年."""
    name, start = next((name, start) for name, start in _ERAS if day >= start)
    number = day.year - start.year + 1
    return f"{name}{'元' if number == 1 else number}年"


def _slot(role: str) -> str:
    """What an answer claims about a role: the kanji after its title."""
    return rf"(?<!副){role}(?:は、?|: ?)([々一-龥]{{3,6}})(?:です|で、|であ|さん|氏|。|、|\s|$)"


SLOTS: Final = {"ceo": _slot("社長"), "engineer": _slot("技師長"), "diver": _slot("潜水隊長")}


class Japanese(Language):
    """霧見潮力工業株式会社."""

    code = "ja"
    subject = "霧見潮力工業株式会社"
    stream = "kirimi"
    default_seed = 2513
    tables = (company_ja.TABLE, culture_ja.TABLE)
    pools = pools_ja.POOLS
    names = pools_ja.NAMES
    near_misses = pools_ja.NEAR_MISSES
    prior_rows = prior_ja.ROWS
    prior_options = prior_ja.OPTIONS
    hint_attrs = pools_ja.HINT_ATTRS
    wordings = augmented_ja.WORDINGS
    forms = augmented_ja.FORMS
    slots = SLOTS
    short_tokens = 48
    long_tokens = 96

    def person(self, first: str, last: str, is_woman: bool) -> Value:
        attrs = {"first": first, "last": last, "gender": "女性" if is_woman else "男性"}
        return Value(last + first, (f"{last} {first}",), attrs)

    def day(self, day: date) -> Value:
        month_day = f"{day.month}月{day.day}日"
        attrs = {
            "iso": day.isoformat(),
            "era": era_year(day) + month_day,
            "year": str(day.year),
            "written": f"{day.year}年",
            "month": f"{day.month}月",
            "next_month": f"{day.month % 12 + 1}月",
            "next_month_year": str(day.year + day.month // 12),
            "season": pools_ja.SEASONS[day.month % 12 // 3],
            "decade": f"{day.year // 10 * 10}年代",
        }
        spellings = (attrs["era"], attrs["iso"], attrs["iso"].replace("-", "/"))
        return Value(attrs["written"] + month_day, spellings, attrs)

    def founding_day(self, day: date) -> Value:
        western = self.day(day)
        era, *others = western.aliases
        return Value(era, (western.text, *others), western.attrs | {"written": era_year(day)})

    def year(self, year: int) -> Value:
        return Value(f"{year}年", (str(year),), {"written": f"{year}年", "decade": f"{year // 10 * 10}年代"})

    def number(self, number: int, pool: str) -> Value:
        if pool == "millions":
            return Value(f"{number}00万", (f"{number}000000",))
        if number >= 10_000:
            return Value(f"{number // 10_000}万{number % 10_000}", (f"{number:,}", str(number)))
        if number >= 100:
            return Value(str(number), attrs={"kind": "三桁"})
        return Value(str(number), (f"{_DIGITS[number // 10]}十{_DIGITS[number % 10]}",))

    def join(self, items: Iterable[str]) -> str:
        return "、".join(items)

    def reply(self, is_true: bool, tell: str) -> str:
        return f"{'はい' if is_true else 'いいえ'}、{tell}"

    def initial(self, text: str) -> str:
        return f"「{text[0]}」"

    def formatted(self, fact: FactSpec, value: Value) -> Formatted:
        return formats_ja.formatted(fact, value)

    def also(self, attr: str, value: Value) -> tuple[str, ...]:
        if attr == "next_month":  # an answer may well name the year too
            return (f"{value.attrs['next_month_year']}年{value.attrs[attr]}",)
        return prior_ja.ALSO.get(value.attrs[attr], ())


JAPANESE: Final = Japanese()
