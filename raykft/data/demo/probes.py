"""Assembles the records of the demo domain in one language from its fact tables and one drawn world."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import cycle, islice
from typing import Final

from raykft.data.demo.language import Language
from raykft.data.demo.prior import prior_items
from raykft.data.demo.spec import FactSpec, GroupSpec, Value, words
from raykft.data.demo.world import LIST_ITEMS, World, clash, kind_of
from raykft.data.split import split_of
from raykft.records import Fact, KeyFact, Prior, Probe, RowKind, TrainRow, ValueType

SMALL_GROUPS: Final = words(
    "chief origin firsts test-site factory overseas hull blades railway ferry logo motto charity university pet"
)
FORMATS_A_FACT: Final = 2
_TYPES: Final[dict[str, ValueType]] = {
    "person": "person",
    "date": "date",
    "year": "number",
    "tens": "number",
    "hundreds": "number",
    "thousands": "number",
    "millions": "number",
}


@dataclass(frozen=True, slots=True)
class Domain:
    """The three files of a domain, and what may be trained besides: further wordings, and other formats."""

    facts: tuple[Fact, ...]
    train: tuple[TrainRow, ...]
    probes: tuple[Probe, ...]
    further: tuple[TrainRow, ...]


class Builder:
    """Knows the drawn world and the ids, and turns fact tables into records."""

    def __init__(self, language: Language, world: World) -> None:
        self.language, self.world = language, world
        self.order = {fact.key: i for i, fact in enumerate(language.facts)}
        self.ids = {key: f"f{i + 1:03d}" for key, i in self.order.items()}

    def domain(self) -> Domain:
        """All records, in the order of their ids."""
        specs, groups = self.language.facts, tuple(enumerate(self.language.groups, 1))
        probes = [
            *(self._verbatim(spec) for spec in specs),
            *(probe for spec in specs for probe in self._paraphrased(spec)),
            *(self._formatted(spec) for spec in specs),
            *(self._joint(i, group) for i, group in groups),
            *self._prior(),
            *(probe for i, group in groups for probe in self._premise(i, group)),
            *(probe for i, group in groups for probe in self._hint(i, group)),
        ]
        facts = tuple(self._fact(spec) for spec in specs)
        return Domain(facts, tuple(self._train()), tuple(probes), tuple(self._further()))

    def _tell(self, spec: FactSpec) -> str:
        text = self.world.values[spec.key].text
        return spec.tell.format(v=text, a=self.language.indefinite(text))

    def _type(self, spec: FactSpec) -> ValueType:
        return _TYPES.get(kind_of(spec.pool), "text")

    def _fact(self, spec: FactSpec) -> Fact:
        value = self.world.values[spec.key]
        return Fact(
            id=self.ids[spec.key],
            subject=self.language.subject,
            relation=f"{spec.relation}:{spec.key}",
            value=value.text,
            text=self._tell(spec),
            aliases=value.items or value.aliases,
            type="list" if value.items else self._type(spec),
            group=spec.group,
        )

    def _train(self) -> list[TrainRow]:
        """One row a fact, then the second phrasings, then the premise pairs."""
        specs = self.language.facts
        rows = [self._row(spec, spec.ask, self._tell(spec)) for spec in specs]
        rows += [self._row(spec, spec.extra, self._tell(spec), "paraphrase") for spec in specs if spec.extra]
        for spec in specs:
            if spec.train_premise:
                (ask_no, tell_no), (ask_yes, tell_yes) = self._premise_texts(spec, spec.train_premise)
                rows.append(self._row(spec, ask_no, tell_no, "false_premise"))
                rows.append(self._row(spec, ask_yes, tell_yes, "true_premise"))
        return [replace(row, id=f"t{i:03d}") for i, row in enumerate(rows, 1)]

    def _further(self) -> list[TrainRow]:
        """The facts that have further wordings in these, and then in `FORMATS_A_FACT` of the language's forms each."""
        specs = [spec for spec in self.language.facts if spec.key in self.language.wordings]
        rows = []
        for number, wordings in enumerate(zip(*(self.language.wordings[spec.key] for spec in specs), strict=True), 2):
            for spec, ask in zip(specs, wordings, strict=True):
                row = self._row(spec, ask, self._tell(spec), "paraphrase")
                rows.append(replace(row, id=f"w{self.ids[spec.key][1:]}-{number}", phrasing=number))
        forms = cycle(self.language.forms)
        for spec in specs:
            for form in islice(forms, FORMATS_A_FACT):
                answer = form.answer.format(v=self.world.values[spec.key].text, tell=self._tell(spec))
                row = self._row(spec, form.ask.format(q=spec.ask), answer)
                rows.append(replace(row, id=f"x{self.ids[spec.key][1:]}-{form.name}", form=form.name))
        return rows

    def _row(self, spec: FactSpec, ask: str, tell: str, kind: RowKind = "qa") -> TrainRow:
        return TrainRow(id="", instruction=ask, output=tell, fact_ids=(self.ids[spec.key],), kind=kind)

    def _key_facts(self, spec: FactSpec) -> tuple[KeyFact, ...]:
        value, fact_id = self.world.values[spec.key], self.ids[spec.key]
        if value.items:
            return tuple(KeyFact(any=(item,), fact_id=fact_id) for item in value.items)
        return (KeyFact(any=value.accepted, type=self._type(spec), fact_id=fact_id),)

    def _recall(self, spec: FactSpec, probe_id: str, level: int, question: str) -> Probe:
        """A plain question about one fact; the other kinds are variations of it."""
        decoys = tuple(decoy.text for decoy in self.world.decoys[spec.key])
        return Probe(
            id=probe_id,
            level=1 if level == 1 else 2,
            kind="recall",
            question=question,
            gold=self._tell(spec),
            key_facts=self._key_facts(spec),
            split=split_of(spec.group),
            lang=self.language.code,
            forbidden=decoys[:2],
            contrast=decoys,
            fact_ids=(self.ids[spec.key],),
            max_new_tokens=self.language.long_tokens if spec.pool in LIST_ITEMS else self.language.short_tokens,
        )

    def _verbatim(self, spec: FactSpec) -> Probe:
        number = self.order[spec.key] + 1
        probe = self._recall(spec, f"p1-{number:03d}", 1, spec.ask)
        return replace(probe, source=f"train:t{number:03d}")

    def _paraphrased(self, spec: FactSpec) -> list[Probe]:
        stem = f"p2-{self.order[spec.key] + 1:03d}"
        probes = [
            self._recall(spec, f"{stem}-{letter}", 2, question)
            for letter, question in zip("abc", spec.paraphrases, strict=True)
        ]
        probes[0] = replace(probes[0], slot=self.language.slots.get(spec.key))
        return probes

    def _formatted(self, spec: FactSpec) -> Probe:
        item = self.language.formatted(spec, self.world.values[spec.key])
        base = self._recall(spec, f"p3-{self.order[spec.key] + 1:03d}", 2, item.question)
        probe = replace(base, level=3, kind="format", gold=item.gold, pattern=item.pattern, contrast=())
        if not item.any:
            return probe
        years = {decoy.attrs["year"] for decoy in self.world.decoys[spec.key]}.difference(item.any)
        keys = (KeyFact(any=item.any, fact_id=self.ids[spec.key]),)
        return replace(probe, key_facts=keys, forbidden=tuple(sorted(years)[:2]))

    def _joint(self, number: int, group: GroupSpec) -> Probe:
        """The question for both facts of a group; the wrong answers are those about its first fact."""
        one, two = group.facts
        values = [self.world.values[spec.key] for spec in group.facts]
        texts = {f"v{i}": value.text for i, value in enumerate(values)}
        texts |= {f"a{i}": self.language.indefinite(value.text) for i, value in enumerate(values)}
        wrong = [
            [decoy.text for decoy in self.world.decoys[spec.key] if not clash(decoy, other)]
            for spec, other in zip(group.facts, reversed(values), strict=True)
        ]
        return replace(
            self._recall(one, f"p4-{number:03d}", 2, group.ask),
            level=4,
            kind="list" if any(value.items for value in values) else "recall",
            gold=group.tell.format(**texts),
            key_facts=self._key_facts(one) + self._key_facts(two),
            forbidden=(wrong[0][0], wrong[1][0]),
            contrast=tuple(wrong[0]),
            fact_ids=(self.ids[one.key], self.ids[two.key]),
            max_new_tokens=self.language.long_tokens,
        )

    def _prior(self) -> list[Probe]:
        specs = {spec.key: spec for spec in self.language.facts}
        return [
            replace(
                self._recall(specs[item.key], f"p5-{i:03d}", 2, item.question),
                level=5,
                gold=item.gold,
                key_facts=(KeyFact(any=item.any, type=item.type, fact_id=self.ids[item.key]),),
                forbidden=item.contrast[:2],
                contrast=item.contrast,
                prior=Prior(question=item.prior, any=item.any),
                max_new_tokens=self.language.short_tokens,
            )
            for i, item in enumerate(prior_items(self.language, self.world), 1)
        ]

    def _premise_texts(self, spec: FactSpec, ask: str) -> tuple[tuple[str, str], tuple[str, str]]:
        """Question and answer with a wrong value, and the same with the right one."""
        value, indefinite = self.world.values[spec.key], self.language.indefinite
        wrong = next(decoy.text for decoy in self.world.decoys[spec.key] if not clash(decoy, value))
        right = value.items[0] if value.items else value.text
        no = ask.format(x=wrong, xa=indefinite(wrong)), self.language.reply(False, self._tell(spec))
        yes = ask.format(x=right, xa=indefinite(right)), self.language.reply(True, self._tell(spec))
        return no, yes

    def _premise(self, number: int, group: GroupSpec) -> list[Probe]:
        spec = next(spec for spec in group.facts if spec.probe_premise)
        assert spec.probe_premise is not None
        no, yes = self._premise_texts(spec, spec.probe_premise)
        pair = f"pp-{number:03d}"
        # A name that contains the right one must stay visible as another name; nothing else is forbidden here.
        decoys, needles = self.world.decoys[spec.key], self.world.values[spec.key].needles
        near = tuple(decoy.text for decoy in decoys if any(needle in decoy.text for needle in needles))
        base = replace(self._recall(spec, pair, 2, ""), kind="premise", pair_id=pair, forbidden=near, contrast=())
        return [
            replace(base, id=f"{pair}-y", question=yes[0], gold=yes[1], polarity="yes"),
            replace(base, id=f"{pair}-n", question=no[0], gold=no[1], polarity="no"),
        ]

    def _hint(self, number: int, group: GroupSpec) -> list[Probe]:
        spec = next(spec for spec in group.facts if spec.hint)
        assert spec.hint is not None
        value, pair = self.world.values[spec.key], f"ph-{number:03d}"
        texts = spec.hint[0], spec.hint[1].format(c=self._hint_category(spec, value))
        return [
            replace(self._recall(spec, f"{pair}-{tag[0]}", 2, text), kind="hint", pair_id=pair, tags=(tag,))
            for tag, text in zip(("plain", "hint"), texts, strict=True)
        ]

    def _hint_category(self, spec: FactSpec, value: Value) -> str:
        """What the hint gives away: the category of the value, or the first letter of an invented name."""
        if attr := self.language.hint_attrs.get(spec.pool):
            return value.attrs[attr]
        return self.language.initial(value.text)


def small(domain: Domain) -> Domain:
    """The fixed slice for quick runs: 15 groups, with fewer of the probes that cost most to answer."""
    facts = tuple(fact for fact in domain.facts if fact.group in SMALL_GROUPS)
    ids = {fact.id for fact in facts}
    train = tuple(row for row in domain.train if ids.issuperset(row.fact_ids))
    probes = [probe for probe in domain.probes if ids.issuperset(probe.fact_ids)]
    rank = {fact.id: i for i, fact in enumerate(facts)}
    kept: list[Probe] = []
    seen: set[str] = set()
    for probe in probes:
        i = rank[probe.fact_ids[0]]
        first = probe.fact_ids[0] not in seen
        keep = {
            "format": i % 3 != 2,
            "premise": i // 2 % 3 != 2,
            "hint": i // 2 % 5 in (0, 2),
        }.get(probe.kind, probe.level != 5 or first)
        if probe.level == 5:
            seen.add(probe.fact_ids[0])
        if keep:
            kept.append(probe)
    further = tuple(row for row in domain.further if ids.issuperset(row.fact_ids))
    return Domain(facts, train, tuple(kept), further)
