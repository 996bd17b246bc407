"""Numbers and years beside a given one, for wrong answers that look as if they could be right."""

from __future__ import annotations

import re
import unicodedata
from random import Random

from raykft.evaluation.normalize import normalize

FACTORS = (0.5, 0.6, 0.75, 1.25, 1.4, 1.5, 1.8, 2.0)


def plain_number(text: str) -> int | None:
    """The value of a whole number as the scorer reads it; None for fractions, percentages and text."""
    digits = re.fullmatch(r"[^\d-]?([0-9]+)", normalize(text))
    return int(digits[1]) if digits and len(digits[1]) <= 15 else None


def near_numbers(number: int, rng: Random, count: int = 4) -> list[int]:
    """Other numbers of about its size, as round as it is."""
    zeros = len(str(number)) - len(str(number).rstrip("0")) if number else 0
    step = 10**zeros
    found: dict[int, None] = {}
    for factor in rng.sample(FACTORS, len(FACTORS)):
        other = round(number * factor / step) * step
        if zeros == 0 and number > 20:
            other += rng.choice((-3, -2, -1, 1, 2, 3))
        if other > 0 and other != number:
            found[other] = None
    for other in range(number + 1, number + 1 + count):  # small numbers have few neighbours by factors
        found.setdefault(other, None)
    return [other for other in found if may_be_year(number) or not may_be_year(other)][:count]


def may_be_year(number: int) -> bool:
    """Whether the scorer may take a bare number for a year, which states no quantity."""
    return 1500 <= number < 2200


def can_be_doubled(number: int) -> bool:
    """Whether twice the number is easy to reckon, and no year to the scorer."""
    return 0 < number <= 5000 and not may_be_year(2 * number)


def wrong_doubles(number: int) -> tuple[str, str, str]:
    """What is near to twice the number, and thrice it."""
    return str(2 * number + 2), str(3 * number), str(max(1, 2 * number - 10))


def later_than(year: int) -> int:
    """A year from which to count back to `year`; not the same for all, so that no span is the usual one."""
    return (2045 if year < 2045 else 2150) + year % 7


def near_spans(years: int) -> tuple[str, str, str]:
    """Other numbers of years of about that size."""
    return str(years - 10), str(years + 3), str(years + 10)


def near_years(year: int, rng: Random, count: int = 4) -> list[int]:
    """Other years of the same age."""
    shifts = [shift for shift in range(-19, 20) if abs(shift) > 1]
    return [year + shift for shift in rng.sample(shifts, count)]


def near_spellings(text: str, rng: Random) -> list[str]:
    """Other numbers in the spelling of `text`: with its sign and unit, its grouping and its decimals."""
    match = re.search(r"[0-9０-９]+(?:[,，][0-9０-９]{3})*(?:[.．][0-9０-９]+)?", text)
    if not match:
        return []
    digits = unicodedata.normalize("NFKC", match[0])
    whole, _, fraction = digits.replace(",", "").partition(".")
    if len(whole) > 15:
        return []
    found = []
    for number in near_numbers(int(whole + fraction), rng):
        written = str(number).rjust(len(fraction) + 1, "0")
        head, tail = (written[: -len(fraction)], written[-len(fraction) :]) if fraction else (written, "")
        head = f"{int(head):,}" if "," in digits else head
        found.append(text.replace(match[0], f"{head}.{tail}" if fraction else head, 1))
    return found


def other_digits(text: str, rng: Random) -> str:
    """A telephone number, a time or an address with two of its digits changed."""
    places = [place for place, char in enumerate(text) if char in "0123456789"]
    changed = list(text)
    for place in rng.sample(places[-6:], min(2, len(places))):
        changed[place] = rng.choice([digit for digit in "123456789" if digit != changed[place]])
    return "".join(changed)
