"""The negative control: `python -m raykft.data.demo.shuffle DOMAIN_DIR OUT_DIR [--seed N]`.

Copies a domain and teaches every fact with the value of another fact of the same answer type. Facts, probes and
all other files stay as they are, so a model trained on the copy learns as many sentences as before and none of
what the probes ask: its knowledge must stay near 0. Where it rises, the probes or their scoring leak.

Premise rows stay, told consistently with the exchange: the true premise asks for the taught value, and the false
one still asks for a third value and is denied. `taught.jsonl` holds the level-1 probes with the taught values as
the right answers: `raykft score --probes OUT_DIR/taught.jsonl` shows that the exchanged values were learned.
"""

from __future__ import annotations

import argparse
import re
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Final

from raykft.data.demo.build import write_records
from raykft.data.demo.spec import with_article
from raykft.data.read import read_records
from raykft.errors import DataError
from raykft.records import Fact, Probe, TrainRow

TRIES: Final = 100


def exchange(facts: Sequence[Fact], rows: Sequence[TrainRow], seed: int = 0) -> dict[str, Fact]:
    """For every fact id the other fact whose value is taught in its place, each value used once.

    Values are exchanged between facts of one answer type, within one kind of relation where that is possible.

    Raises:
        DataError: the facts of an answer type are too few to be exchanged.
    """
    texts: dict[str, str] = {}
    for row in rows:
        for key in row.fact_ids:
            texts[key] = f"{texts.get(key, '')}\n{row.question}\n{row.output}"
    kinds: dict[str, dict[str, list[Fact]]] = {}
    for fact in facts:
        kinds.setdefault(fact.type, {}).setdefault(fact.relation.partition(":")[0], []).append(fact)
    rng = Random(seed)
    taught: dict[str, Fact] = {}
    for answer_type, kind in kinds.items():
        done: list[Fact] = []
        waiting: list[Fact] = []
        for members in kind.values():  # facts that cannot be exchanged among themselves join the next kind
            waiting = waiting + members
            if found := _exchange_within(waiting, texts, rng):
                taught |= found
                done, waiting = waiting, []
        found = _exchange_within(done + waiting, texts, rng) if waiting else {}
        if found is None:
            raise DataError(
                f"the facts of type {answer_type!r} ({', '.join(fact.id for fact in done + waiting)}) are too few or "
                "too alike to exchange their values; add facts of this type in other groups"
            )
        taught |= found
    return taught


def _exchange_within(members: Sequence[Fact], texts: Mapping[str, str], rng: Random) -> dict[str, Fact] | None:
    """A random cycle through the facts in which each gets a suitable value, or None where none is found."""
    for _ in range(TRIES):
        order = rng.sample(members, len(members))
        pairs = list(zip(order, [*order[1:], order[0]], strict=True))
        if all(_suits(fact, other, texts.get(fact.id, "")) for fact, other in pairs):
            return {fact.id: other for fact, other in pairs}
    return None


def _suits(fact: Fact, other: Fact, text: str) -> bool:
    """Whether the other's value can be taught in place of the fact's; `text` is that of the fact's rows.

    It must be of another group, because the facts of a group are asked for together, and no row may mention it, as
    a false premise does: the row would deny what it tells.
    """
    return fact.group != other.group and other.value not in text


def shuffled(facts: Sequence[Fact], rows: Iterable[TrainRow], taught: Mapping[str, Fact]) -> list[TrainRow]:
    """The training rows with every value exchanged, in the same order.

    Raises:
        DataError: an answer does not hold the value of its fact, so it cannot be exchanged.
    """
    known = {fact.id: fact for fact in facts}
    return [_exchanged(row, [(known[key], taught[key]) for key in row.fact_ids]) for row in rows]


def taught_probes(probes: Iterable[Probe], rows: Iterable[TrainRow], taught: Mapping[str, Fact]) -> list[Probe]:
    """The level-1 probes with the taught values as the right answers; ids and questions stay."""
    verbatim = {probe.fact_ids[0]: probe for probe in probes if probe.level == 1}
    answers = {row.question: row.output for row in rows}
    return [
        replace(
            probe,
            gold=answers[probe.question],
            key_facts=tuple(replace(key, fact_id=fact_id) for key in verbatim[taught[fact_id].id].key_facts),
            forbidden=(),
            contrast=(),
        )
        for fact_id, probe in verbatim.items()
    ]


def write(domain: Path, out: Path, seed: int = 0) -> None:
    """Write the negative control of a domain folder into another folder.

    Raises:
        DataError: a file is missing or broken, `out` is the domain itself, or the values cannot be exchanged.
    """
    if out.resolve() == domain.resolve():
        raise DataError(f"{out} is the domain itself and would be overwritten; give another folder")
    facts = read_records(domain / "facts.jsonl", Fact)
    rows = read_records(domain / "train.jsonl", TrainRow)
    probes = read_records(domain / "probes.jsonl", Probe)
    taught = exchange(facts, rows, seed)
    told = shuffled(facts, rows, taught)
    out.mkdir(parents=True, exist_ok=True)
    for path in sorted(domain.glob("*.jsonl")):
        shutil.copyfile(path, out / path.name)
    write_records(out / "train.jsonl", told)
    write_records(out / "taught.jsonl", taught_probes(probes, told, taught))


def _exchanged(row: TrainRow, pairs: Iterable[tuple[Fact, Fact]]) -> TrainRow:
    """One row with the values of its facts replaced, all at once so that no replacement is replaced again."""
    new: dict[str, str] = {}
    for fact, other in pairs:
        if fact.value not in row.output:
            raise DataError(
                f"training row {row.id!r} does not tell the value {fact.value!r} of fact {fact.id!r}; "
                "only answers that hold the value word for word can be shuffled"
            )
        new[with_article(fact.value)] = with_article(other.value)
        new[fact.value] = other.value
        if fact.type == "list":
            new |= dict(zip(fact.aliases, other.aliases, strict=False))
    old = re.compile("|".join(re.escape(text) for text in sorted(new, key=len, reverse=True)))

    def told(text: str) -> str:
        return old.sub(lambda match: new[match[0]], text)

    return replace(row, instruction=told(row.instruction), input=told(row.input), output=told(row.output))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[2] if __doc__ else None)
    parser.add_argument("domain", type=Path, help="folder with facts.jsonl, train.jsonl and probes.jsonl")
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--seed", type=int, default=0, help="draw another exchange")
    options = parser.parse_args()
    try:
        write(options.domain, options.out, options.seed)
    except DataError as error:
        parser.error(str(error))
    print(options.out)


if __name__ == "__main__":
    main()
