"""Level 5 of the demo domain: a learned fact has to be combined with something the model knew before.

Every question asks for a property of the learned value, so neither the value nor the answer is in it.
The property on its own is the `prior` question, which is put to the untuned model first.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from raykft.data.demo.language import Language
from raykft.data.demo.spec import PriorRow, Value
from raykft.data.demo.world import World
from raykft.records import ValueType


@dataclass(frozen=True, slots=True)
class PriorItem:
    """The texts of one level-5 probe and the fact it builds on."""

    key: str
    question: str
    gold: str
    any: tuple[str, ...]
    type: ValueType
    prior: str
    contrast: tuple[str, ...]


def prior_items(language: Language, world: World) -> list[PriorItem]:
    """All level-5 items, in the order of the facts."""
    order = [fact.key for fact in language.facts]
    return [_item(language, row, world) for row in sorted(language.prior_rows, key=lambda row: order.index(row.key))]


def _item(language: Language, row: PriorRow, world: World) -> PriorItem:
    value = world.values[row.key]
    answer = value.attrs[row.attr]
    names = {
        "year": value.text,
        **value.attrs,
        "v": value.text,
        "a": language.indefinite(value.text),
        "l": value.text.lower(),
        "p": answer,
        "q": language.indefinite(answer),
    }
    accepted = (answer, *language.also(row.attr, value))
    return PriorItem(
        key=row.key,
        question=row.question,
        gold=row.gold.format(**names),
        any=accepted,
        type="number" if row.attr == "number" else "text",
        prior=row.prior.format(**names),
        contrast=_wrong(language, row, value, accepted),
    )


def _wrong(language: Language, row: PriorRow, value: Value, accepted: tuple[str, ...]) -> tuple[str, ...]:
    """Four wrong answers; the learned value itself (a planet, a month) is not one of them."""
    pools = [pool for pool in language.pools.values() if any(v.text == value.text for v in pool)]
    known = tuple(sorted({v.attrs[row.attr] for pool in pools for v in pool}))
    options = language.prior_options.get(row.attr) or known
    mentioned = {*accepted, value.text, value.attrs.get("month")}
    wrong = [option for option in options if option not in mentioned]
    return tuple(Random(f"{row.key}-{row.attr}-{value.text}").sample(wrong, min(4, len(wrong))))
