"""Draws one consistent set of values for the demo company, and wrong answers of the same type.

A value is only accepted if none of its spellings is part of a spelling of another fact or of any question:
otherwise an answer about one fact could be credited to another, or a question would give its answer away.
The one exception is the near miss: two lists each hold a name made from the same stem, and in some languages
one name is part of the other. Each of the two facts has the other's name as its first wrong answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Final

from raykft.data.demo.language import Language
from raykft.data.demo.spec import FactSpec, Value

DECOYS: Final = 4
LIST_ITEMS: Final = {
    "languages": "language",
    "rivers": "river",
    "stations_a": "station",
    "stations_b": "station",
}
NEAR_LISTS: Final = {"railway": "ferry", "ferry": "railway"}
NUMBER_RANGES: Final[dict[str, tuple[int, int, int]]] = {
    "tens": (31, 98, 1),
    "hundreds": (113, 987, 1),
    "millions": (21, 97, 1),
    "thousands": (12_300, 98_700, 100),
}
YEARS: Final = (2002, 2023)
FOUNDING_YEARS: Final = (1988, 2001)
_PLACEHOLDER: Final = "?"


@dataclass(frozen=True, slots=True)
class World:
    """The drawn value of every fact, and for each fact wrong answers that could have been drawn instead."""

    values: dict[str, Value]
    decoys: dict[str, tuple[Value, ...]]


def clash(one: Value, other: Value) -> bool:
    """Whether a spelling of one value is part of a spelling of the other."""
    pairs = ((a.casefold(), b.casefold()) for a in one.needles for b in other.needles)
    return any(a in b or b in a for a, b in pairs)


def kind_of(pool: str) -> str:
    """The pool whose values are of the same kind: wrong answers come from there."""
    return "date" if pool in ("founding", "next_day") else LIST_ITEMS.get(pool, pool)


def draw(language: Language, seed: int | None = None) -> World:
    """The values of a seed (default: the language's); every other seed avoids all values of the default one.

    Raises:
        ValueError: a pool is used up, which names the seed and the fact.
    """
    if seed is None or seed == language.default_seed:
        return _Drawing(language, language.default_seed, frozenset()).world()
    default = draw(language).values.values()
    return _Drawing(language, seed, frozenset(needle for value in default for needle in value.needles)).world()


class _Drawing:
    """One run of the generator: every fact has its own random stream, so that facts do not shift each other."""

    def __init__(self, language: Language, seed: int, avoid: frozenset[str]) -> None:
        self.language, self.seed, self.avoid = language, seed, avoid
        self.sentences = language.sentences.casefold()
        self.near = self._near_names()
        self.values: dict[str, Value] = {}

    def world(self) -> World:
        for fact in sorted(self.language.facts, key=_draw_order):
            options = (self._with_near_miss(fact, value) for value in self._options(fact))
            drawn = next((value for value in options if self._is_free(fact, value)), None)
            if drawn is None:
                raise ValueError(f"seed {self.seed}: no value left for {fact.key}")
            self.values[fact.key] = drawn
        return World(self.values, {fact.key: self._decoys(fact) for fact in self.language.facts})

    def _random(self, name: str) -> Random:
        return Random(f"{self.language.stream}-{self.seed}-{name}")

    def _near_names(self) -> dict[str, str]:
        """The near-miss name of each list pool, none of them used by the default seed."""
        pairs = [
            {pool: shape.format(stem.text) for pool, shape in self.language.near_misses.items()}
            for stem in self.language.pools["near_stem"]
        ]
        return self._random("near").choice([pair for pair in pairs if self.avoid.isdisjoint(pair.values())])

    def _with_near_miss(self, fact: FactSpec, value: Value) -> Value:
        if fact.pool not in self.near:
            return value
        items = tuple(self.near[fact.pool] if item == _PLACEHOLDER else item for item in value.items)
        return Value(self.language.join(items), items=items)

    def _is_free(self, fact: FactSpec, value: Value) -> bool:
        """Whether a value is new, occurs in no sentence and cannot be taken for another fact's."""
        others = dict(self.values)
        near = others.pop(NEAR_LISTS.get(fact.key, ""), Value(""))
        return (
            self.avoid.isdisjoint(value.needles)
            and not _shares_name(value, others.values())
            and not any(needle.casefold() in self.sentences for needle in value.needles)
            and not any(clash(value, other) for other in others.values())
            and set(near.items).isdisjoint(value.items)
        )

    def _options(self, fact: FactSpec) -> Iterator[Value]:
        """The candidates for a fact; the second near-miss date is the day after the first."""
        if fact.pool == "next_day":
            before = date.fromisoformat(self.values["lowered"].attrs["iso"])
            return iter([self.language.day(before + timedelta(days=1))])
        return self._candidates(fact.pool, self._random(fact.key))

    def _candidates(self, pool: str, rng: Random) -> Iterator[Value]:
        """An endless or exhaustible stream of random values of a pool."""
        language = self.language
        if pool == "person":
            while True:
                is_woman = rng.random() < 0.5
                first = rng.choice(language.names["women" if is_woman else "men"])
                yield language.person(first, rng.choice(language.names["last"]), is_woman)
        elif pool in ("date", "founding"):
            while True:
                year = rng.randint(*(YEARS if pool == "date" else FOUNDING_YEARS))
                yield self._day(pool, date(year, rng.randint(1, 12), rng.randint(3, 26)))
        elif pool == "year":
            while True:
                year = rng.randint(*YEARS)
                if year % 10:  # 2010 would be given away by its decade, the 2010s
                    yield language.year(year)
        elif pool in NUMBER_RANGES:
            low, high, step = NUMBER_RANGES[pool]
            while True:
                number = rng.randrange(low, high, step)
                if number % (10 * step):
                    yield language.number(number, pool)
        elif pool in LIST_ITEMS:
            while True:
                yield self._list_value(pool, rng)
        else:
            yield from rng.sample(language.pools[pool], len(language.pools[pool]))

    def _list_value(self, pool: str, rng: Random) -> Value:
        items = [value.text for value in rng.sample(self.language.pools[LIST_ITEMS[pool]], 3)]
        if pool in self.near:
            items[rng.randrange(3)] = _PLACEHOLDER
        return Value(self.language.join(items), items=tuple(items))

    def _decoys(self, fact: FactSpec) -> tuple[Value, ...]:
        """Wrong answers: up to two values of other facts of the same type (the hardest), then unused ones."""
        rng = self._random(f"{fact.key}-decoys")
        chosen = self._rivals(fact, rng)[:2]
        for value in self._candidates(kind_of(fact.pool), rng):
            if len(chosen) >= DECOYS:
                break
            known = (*self.values.values(), *chosen)
            if not any(clash(value, other) for other in known) and not _shares_name(value, known):
                chosen.append(value)
        if len(chosen) < 3:
            raise ValueError(f"seed {self.seed}: only {len(chosen)} wrong answers for {fact.key}")
        if kind_of(fact.pool) == "date":  # all in the form of the right one
            return tuple(self._day(fact.pool, date.fromisoformat(value.attrs["iso"])) for value in chosen)
        return tuple(chosen)

    def _day(self, pool: str, day: date) -> Value:
        return self.language.founding_day(day) if pool == "founding" else self.language.day(day)

    def _rivals(self, fact: FactSpec, rng: Random) -> list[Value]:
        """Values of other facts that could be mistaken for this one, the near miss first."""
        if fact.key in NEAR_LISTS:
            names = self.near.values()
            return [
                Value(stop) for stop in sorted(self.values[NEAR_LISTS[fact.key]].items, key=lambda s: s not in names)
            ]
        near = {"lowered": "power", "power": "lowered"}.get(fact.key)
        kind = kind_of(fact.pool)
        same = [f.key for f in self.language.facts if kind_of(f.pool) == kind and f.key not in (fact.key, near)]
        rng.shuffle(same)
        return [self.values[key] for key in ([near] if near else []) + same]


def _draw_order(fact: FactSpec) -> int:
    """Dates and years first: short numbers have to avoid their digits, not the other way round."""
    if fact.key in ("lowered", "power"):
        return 0
    ranks = {"founding": 1, "date": 2, "year": 3, "thousands": 4, "millions": 5, "hundreds": 6, "tens": 7}
    return ranks.get(fact.pool, 8)


def _shares_name(value: Value, others: Iterable[Value]) -> bool:
    """Whether a person's first or last name belongs to somebody else already."""
    names = {other.attrs.get(part) for other in others for part in ("first", "last")} - {None}
    return not names.isdisjoint((value.attrs.get("first"), value.attrs.get("last")))
