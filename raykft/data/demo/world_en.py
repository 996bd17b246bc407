"""Draws one consistent set of values for the English demo company, and wrong answers of the same type.

A value is only accepted if none of its spellings is part of a spelling of another fact or of any question:
otherwise an answer about one fact could be credited to another, or a question would give its answer away.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from raykft.data.demo import company_en, culture_en
from raykft.data.demo import pools_en as pools
from raykft.data.demo.spec import FactSpec, GroupSpec, Value

GROUPS: Final[tuple[GroupSpec, ...]] = company_en.GROUPS + culture_en.GROUPS
FACTS: Final[tuple[FactSpec, ...]] = tuple(fact for group in GROUPS for fact in group.facts)
DEFAULT_SEED: Final = 97
DECOYS: Final = 4
LIST_ITEMS: Final = {
    "languages": "language",
    "rivers": "river",
    "stations_a": "station",
    "stations_b": "station",
}
NEAR_ENDINGS: Final = {"stations_a": "gate", "stations_b": "garth"}
TENS: Final = pools.words("twenty thirty forty fifty sixty seventy eighty ninety")
ONES: Final = pools.words("one two three four five six seven eight nine")


@dataclass(frozen=True, slots=True)
class World:
    """The drawn value of every fact, and for each fact wrong answers that could have been drawn instead."""

    values: dict[str, Value]
    decoys: dict[str, tuple[Value, ...]]


def clash(one: Value, other: Value) -> bool:
    """Whether a spelling of one value is part of a spelling of the other."""
    pairs = ((a.casefold(), b.casefold()) for a in one.needles for b in other.needles)
    return any(a in b or b in a for a, b in pairs)


def date_value(day: date) -> Value:
    """A date in the three spellings that count, with the calendar knowledge level 5 asks about."""
    month = pools.MONTHS[day.month - 1]
    attrs = {
        "iso": day.isoformat(),
        "year": str(day.year),
        "month": month,
        "next_month": pools.MONTHS[day.month % 12],
        "season": pools.MONTH_SEASONS[day.month % 12 // 3],
        "decade": f"{day.year // 10 * 10}s",
    }
    return Value(f"{day.day} {month} {day.year}", (f"{month} {day.day}, {day.year}", day.isoformat()), attrs)


def number_value(number: int, pool: str) -> Value:
    """A number with the spellings that count: grouped or not, and in words below a hundred."""
    if pool == "millions":
        return Value(f"{number} million", (f"{number},000,000", f"{number}000000"))
    if number >= 1000:
        return Value(f"{number:,}", (str(number),))
    if number >= 100:
        return Value(str(number), attrs={"kind": "three-digit"})
    tens, ones = TENS[number // 10 - 2], number % 10
    return Value(str(number), (f"{tens}-{ONES[ones - 1]}" if ones else tens,))


def join_items(items: Iterable[str]) -> str:
    """Three items as running text."""
    *head, last = items
    return f"{', '.join(head)} and {last}"


def candidates(pool: str, rng: Random) -> Iterator[Value]:
    """An endless or exhaustible stream of random values of a pool."""
    if pool == "person":
        while True:
            woman = rng.random() < 0.5
            first, last = rng.choice(pools.WOMEN if woman else pools.MEN), rng.choice(pools.SURNAMES)
            attrs = {"first": first, "last": last, "gender": "woman" if woman else "man"}
            yield Value(f"{first} {last}", (f"{last}, {first}",), attrs)
    elif pool in ("date", "founding"):
        while True:
            year = rng.randint(*(pools.YEARS if pool == "date" else pools.FOUNDING_YEARS))
            yield date_value(date(year, rng.randint(1, 12), rng.randint(3, 26)))
    elif pool == "year":
        while True:
            year = rng.randint(*pools.YEARS)
            yield Value(str(year), attrs={"decade": f"{year // 10 * 10}s"})
    elif pool in pools.NUMBER_RANGES:
        low, high, step = pools.NUMBER_RANGES[pool]
        while True:
            number = rng.randrange(low, high, step)
            if number % (10 * step):
                yield number_value(number, pool)
    elif pool in LIST_ITEMS:
        while True:
            yield _list_value(pool, rng)
    else:
        yield from rng.sample(pools.POOLS[pool], len(pools.POOLS[pool]))


def _list_value(pool: str, rng: Random) -> Value:
    items = [value.text for value in rng.sample(pools.POOLS[LIST_ITEMS[pool]], 3)]
    if pool in NEAR_ENDINGS:
        items[rng.randrange(3)] = "?"
    return Value(join_items(items), items=tuple(items))


def _with_near_miss(value: Value, name: str) -> Value:
    items = tuple(name if item == "?" else item for item in value.items)
    return Value(join_items(items), items=items)


def _draw_order(fact: FactSpec) -> int:
    """Dates and years first: short numbers have to avoid their digits, not the other way round."""
    if fact.key in ("lowered", "power"):
        return 0
    ranks = {"founding": 1, "date": 2, "year": 3, "thousands": 4, "millions": 5, "hundreds": 6, "tens": 7}
    return ranks.get(fact.pool, 8)


def kind_of(pool: str) -> str:
    """The pool whose values are of the same kind: wrong answers come from there."""
    return "date" if pool in ("founding", "next_day") else LIST_ITEMS.get(pool, pool)


def question_corpus() -> Value:
    """All sentences of the fact tables as one pseudo-value: a drawn value must not occur in any of them."""
    lines = [line[2:] for table in (company_en.TABLE, culture_en.TABLE) for line in table.splitlines()]
    return Value("\n".join(line for line in lines if " | " not in line))


def draw(seed: int = DEFAULT_SEED) -> World:
    """The values of a seed; every other seed avoids all values of the default one."""
    if seed == DEFAULT_SEED:
        return _draw(seed, frozenset())
    return _draw(seed, frozenset(n for value in draw().values.values() for n in value.needles))


def _draw(seed: int, avoid: frozenset[str]) -> World:
    corpus = question_corpus().text.casefold()
    stem = _near_stem(seed, avoid)
    values: dict[str, Value] = {}
    for fact in sorted(FACTS, key=_draw_order):
        rng = Random(f"velmora-{seed}-{fact.key}")
        for value in _options(fact, rng, values):
            option = value
            if fact.pool in NEAR_ENDINGS:
                option = _with_near_miss(value, stem + NEAR_ENDINGS[fact.pool])
            fresh = avoid.isdisjoint(option.needles) and not _shares_name(option, values.values())
            hidden = not any(needle.casefold() in corpus for needle in option.needles)
            if fresh and hidden and not any(clash(option, other) for other in values.values()):
                values[fact.key] = option
                break
        else:
            raise ValueError(f"seed {seed}: no value left for {fact.key}")
    return World(values, {fact.key: _decoys(fact, values, seed) for fact in FACTS})


def _near_stem(seed: int, avoid: frozenset[str]) -> str:
    stems = [v.text for v in pools.POOLS["near_stem"] if v.text + NEAR_ENDINGS["stations_a"] not in avoid]
    return Random(f"velmora-{seed}-near").choice(stems)


def _options(fact: FactSpec, rng: Random, values: dict[str, Value]) -> Iterator[Value]:
    """The candidates for a fact; the second near-miss date is the day after the first."""
    if fact.pool == "next_day":
        before = date.fromisoformat(values["lowered"].attrs["iso"])
        return iter([date_value(before + timedelta(days=1))])
    return candidates(fact.pool, rng)


def _shares_name(value: Value, others: Iterable[Value]) -> bool:
    """Whether a person's first or last name belongs to somebody else already."""
    names = {other.attrs.get(part) for other in others for part in ("first", "last")} - {None}
    return not names.isdisjoint((value.attrs.get("first"), value.attrs.get("last")))


def _decoys(fact: FactSpec, values: dict[str, Value], seed: int) -> tuple[Value, ...]:
    """Wrong answers: up to two values of other facts of the same type (the hardest), then unused ones."""
    own = values[fact.key]
    rng = Random(f"velmora-{seed}-{fact.key}-decoys")
    chosen = [value for value in _rivals(fact, values, rng)[:2] if not clash(value, own)]
    for value in candidates(kind_of(fact.pool), rng):
        if len(chosen) >= DECOYS:
            break
        known = (*values.values(), *chosen)
        if not any(clash(value, other) for other in known) and not _shares_name(value, known):
            chosen.append(value)
    if len(chosen) < 3:
        raise ValueError(f"seed {seed}: only {len(chosen)} wrong answers for {fact.key}")
    return tuple(chosen)


def _rivals(fact: FactSpec, values: dict[str, Value], rng: Random) -> list[Value]:
    """Values of other facts that could be mistaken for this one, the near miss first."""
    if fact.pool in NEAR_ENDINGS:
        other = values["ferry" if fact.key == "railway" else "railway"]
        stops = sorted(other.items, key=lambda item: not item.endswith(tuple(NEAR_ENDINGS.values())))
        return [Value(stop) for stop in stops]
    near = {"lowered": "power", "power": "lowered"}.get(fact.key)
    kind = kind_of(fact.pool)
    same = [f.key for f in FACTS if kind_of(f.pool) == kind and f.key not in (fact.key, near)]
    rng.shuffle(same)
    return [values[key] for key in ([near] if near else []) + same]
