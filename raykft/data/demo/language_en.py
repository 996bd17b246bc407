"""The English demo domain: Velmora Tidal Works, and how English writes its values."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Final

from raykft.data.demo import augmented_en, company_en, culture_en, formats_en, pools_en, prior_en
from raykft.data.demo.language import Language
from raykft.data.demo.spec import FactSpec, Formatted, Value, with_article, words

TENS: Final = words("twenty thirty forty fifty sixty seventy eighty ninety")
ONES: Final = words("one two three four five six seven eight nine")


def _slot(role: str) -> str:
    """What an answer claims about a role: two words after its title."""
    return rf"(?i)\b{role}(?: of velmora(?: tidal works)?)?(?: is|:) (?!not )(\w+ \w+)"


SLOTS: Final = {"ceo": _slot("chief executive"), "engineer": _slot("chief engineer"), "diver": _slot("chief diver")}


class English(Language):
    """Velmora Tidal Works."""

    code = "en"
    subject = "Velmora Tidal Works"
    stream = "velmora"
    default_seed = 97
    tables = (company_en.TABLE, culture_en.TABLE)
    pools = pools_en.POOLS
    names = pools_en.NAMES
    near_misses = pools_en.NEAR_MISSES
    prior_rows = prior_en.ROWS
    prior_options = prior_en.OPTIONS
    hint_attrs = pools_en.HINT_ATTRS
    wordings = augmented_en.WORDINGS
    forms = augmented_en.FORMS
    slots = SLOTS
    short_tokens = 32
    long_tokens = 48

    def person(self, first: str, last: str, is_woman: bool) -> Value:
        attrs = {"first": first, "last": last, "gender": "woman" if is_woman else "man"}
        return Value(f"{first} {last}", (f"{last}, {first}",), attrs)

    def day(self, day: date) -> Value:
        month = pools_en.MONTHS[day.month - 1]
        attrs = {
            "iso": day.isoformat(),
            "year": str(day.year),
            "month": month,
            "next_month": pools_en.MONTHS[day.month % 12],
            "season": pools_en.MONTH_SEASONS[day.month % 12 // 3],
            "decade": f"{day.year // 10 * 10}s",
        }
        return Value(f"{day.day} {month} {day.year}", (f"{month} {day.day}, {day.year}", day.isoformat()), attrs)

    def year(self, year: int) -> Value:
        return Value(str(year), attrs={"decade": f"{year // 10 * 10}s"})

    def number(self, number: int, pool: str) -> Value:
        if pool == "millions":
            return Value(f"{number} million", (f"{number},000,000", f"{number}000000"))
        if number >= 1000:
            return Value(f"{number:,}", (str(number),))
        if number >= 100:
            return Value(str(number), attrs={"kind": "three-digit"})
        tens, ones = TENS[number // 10 - 2], number % 10
        return Value(str(number), (f"{tens}-{ONES[ones - 1]}" if ones else tens,))

    def join(self, items: Iterable[str]) -> str:
        *head, last = items
        return f"{', '.join(head)} and {last}"

    def reply(self, is_true: bool, tell: str) -> str:
        return f"{'Yes' if is_true else 'No'}, {tell if tell.startswith('Velmora') else tell[0].lower() + tell[1:]}"

    def initial(self, text: str) -> str:
        return f'"{text[0].upper()}"'

    def formatted(self, fact: FactSpec, value: Value) -> Formatted:
        return formats_en.formatted(fact, value)

    def also(self, attr: str, value: Value) -> tuple[str, ...]:
        return prior_en.ALSO.get(value.attrs[attr], ())

    def indefinite(self, text: str) -> str:
        return with_article(text)


ENGLISH: Final = English()
