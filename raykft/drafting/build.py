"""Facts and probes from what was found in the lines of a source.

Facts are paired as they stand in the source, and a pair is a group: its two facts are asked together at level 4 and are
in one split. Probes are worded by rule and none is made to fill a level up.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from random import Random

from raykft.data.demo.spec import FactSpec, Formatted
from raykft.data.split import split_of
from raykft.drafting.found import Found, NothingFoundError
from raykft.drafting.items import Given, Item, Named, script_of
from raykft.drafting.rules import Rules
from raykft.evaluation.normalize import normalize
from raykft.records import Fact, KeyFact, Polarity, Prior, Probe, TrainRow

WRONG, FORBIDDEN, REWORDINGS = 4, 2, 2  # of each fact: wrong answers, those that may not be said, paraphrases
SHORT_TOKENS, LONG_TOKENS = 48, 96
NOT_ASKED = "; it is trained and not asked"
MIN_SHARE = 0.4  # of the groups that each split should hold
ASKED = 3  # rewordings of a writer that are asked; further ones are taught
_SALTS = 50


@dataclass(frozen=True, slots=True)
class Draft:
    """A probe, the line it comes from, and the rule that made it."""

    probe: Probe
    place: str
    rule: str


@dataclass(frozen=True, slots=True)
class Rejected:
    """A line, or a probe of it, that is not used, and why."""

    place: str
    what: str
    why: str


@dataclass
class Drafted:
    """All that was made of the sources."""

    facts: list[Fact] = field(default_factory=list)
    train: list[TrainRow] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)  # by fact: the sentence of the source that holds its value

    @property
    def first(self) -> list[TrainRow]:
        """The training rows without those that teach a fact again."""
        return [row for row in self.train if not teaches_again(row)]


def teaches_again(row: TrainRow) -> bool:
    """Whether a row teaches what another one does, in other words or in another format."""
    return row.phrasing > 1 or bool(row.form)


@dataclass(frozen=True, slots=True)
class Reworded:
    """A question in a writer's words, and an answer to it in other words."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Known:
    """A line whose value was found: what is asked, told and taught.

    `others` are further wordings of the question in the source, kept back as paraphrases; `written` are those of a
    writer, of which the last are taught.
    """

    place: str
    row: TrainRow
    found: Found
    given: Given | None
    evidence: str
    others: tuple[str, ...] = ()
    written: tuple[Reworded, ...] = ()

    @property
    def tell(self) -> str:
        return self.row.output


# Of every line, what a writer makes of its question.
Reword = Callable[[Sequence[Known]], Sequence[tuple[Reworded, ...]]]


def draft(items: Sequence[Item], rules: Rules, *, seed: int, max_facts: int, reword: Reword | None = None) -> Drafted:
    """Facts, training rows and probes of all lines; lines without a value are trained and not asked."""
    made = Drafted()
    known = _known(items, rules, made)
    chosen = _chosen(known, max_facts, seed, made)
    if reword is not None:
        chosen = [replace(one, written=texts) for one, texts in zip(chosen, reword(chosen), strict=True)]
    groups = _groups(chosen)
    salt = _salt(len(groups), seed)
    for number, group in enumerate(groups):
        name = _group_name(number, salt)
        for one in group:
            made.facts.append(_fact(one, chosen.index(one), name, rules))
            made.evidence[made.facts[-1].id] = one.evidence
    fact_of = {id(one): fact for one, fact in zip((one for group in groups for one in group), made.facts, strict=True)}
    ids = {one.row.id: fact_of[id(one)].id for one in chosen}
    made.train = [replace(row, fact_ids=(ids[row.id],)) if row.id in ids else row for row in made.train]
    maker = _Maker(rules, chosen, fact_of, seed)
    for group in groups:
        made.drafts += maker.probes_of(group)
    for one in chosen:
        made.train += maker.further_rows(one)
    return made


def _known(items: Sequence[Item], rules: Rules, made: Drafted) -> list[Known]:
    known: dict[str, Known] = {}  # by question
    told: dict[str, str] = {}  # by answer, the question that was first
    for item in items:
        row = item.row or _row_of(item, rules)
        question, answer = row.question, row.output
        if row.before:
            made.train.append(row)
            made.rejected.append(Rejected(item.place, "probes", f"the row has earlier turns{NOT_ASKED}"))
            continue
        twin = known.get(normalize(question))
        if twin is not None:
            why = "asks what an earlier line asks" + (
                "" if normalize(twin.tell) == normalize(answer) else ", and answers otherwise"
            )
            made.rejected.append(Rejected(item.place, "line", f"{why} ({twin.place}); left out"))
            continue
        if script_of(question) not in {rules.code, ""} and rules.code == "ja":
            made.train.append(row)
            made.rejected.append(Rejected(item.place, "probes", f"the question is not in Japanese{NOT_ASKED}"))
            continue
        same = known.get(told.get(normalize(answer), ""))
        if same is not None and _same_fact(same, question, rules):
            known[normalize(same.row.question)] = replace(same, others=(*same.others, question))
            made.rejected.append(
                Rejected(
                    item.place, "training row", f"another wording of {same.place}; kept back as a paraphrase probe"
                )
            )
            continue
        try:
            found = _found(item, row, rules)
        except NothingFoundError as error:
            made.train.append(row)
            made.rejected.append(Rejected(item.place, "probes", f"{error}{NOT_ASKED}"))
            continue
        made.train.append(row)
        evidence = item.named.quote if item.named else answer
        known[normalize(question)] = Known(item.place, row, found, item.given, evidence)
        told.setdefault(normalize(answer), normalize(question))
    return list(known.values())


def _row_of(item: Item, rules: Rules) -> TrainRow:
    given = item.given
    assert given is not None
    question, answer = rules.worded(given.subject, given.relation, given.value, given.type)
    number = re.findall(r"\d+", item.place)
    return TrainRow(id=f"t{int(number[-1]) if number else 0:04d}", instruction=question, output=answer)


def _found(item: Item, row: TrainRow, rules: Rules) -> Found:
    if item.given is None:
        found = _named(item.named, row, rules) if item.named else rules.find(row.question, row.output)
        if not normalize(found.text) or found.text not in row.output:
            raise NothingFoundError("what the answer adds has no letter or digit of its own")
        return found
    given = item.given
    found = rules.typed(given.value, given.type, f"what {given.relation}", "the value column")
    return replace(found, aliases=tuple(dict.fromkeys((*found.aliases, *given.aliases))))


def _named(named: Named, row: TrainRow, rules: Rules) -> Found:
    """The value that a writer has named, as a rule finds it where it finds the same.

    Raises:
        NothingFoundError: the question asks for no value.
    """
    asked = rules.asks_for(row.question)
    with suppress(NothingFoundError):
        found = rules.find(row.question, row.output)
        if found.text == named.value:
            return found
    return rules.typed(named.value, named.type, asked, "the value that the writer names")


def _same_fact(one: Known, question: str, rules: Rules) -> bool:
    """Two lines with one whole sentence for an answer are two wordings of a question, unless one gives it away."""
    return rules.sentence(one.tell) and normalize(one.found.text) not in normalize(question)


def _chosen(known: list[Known], max_facts: int, seed: int, made: Drafted) -> list[Known]:
    if len(known) <= max_facts:
        return known
    kept = sorted(Random(seed).sample(range(len(known)), max_facts))
    made.rejected.append(
        Rejected(
            "all sources",
            "probes",
            f"{len(known) - max_facts} of {len(known)} facts are trained and not asked: every score would take as much "
            f"longer, and {max_facts} tell recipes apart (--facts N asks about more)",
        )
    )
    return [known[number] for number in kept]


def _groups(known: Sequence[Known]) -> list[list[Known]]:
    """Neighbouring facts in pairs; facts of one named value stay in one group, since one gives the other away."""
    by_value: dict[str, list[Known]] = defaultdict(list)
    for number, one in enumerate(known):
        by_value[f"{number}" if one.found.type in _FORMED else normalize(one.found.text)].append(one)
    groups: list[list[Known]] = []
    single: list[Known] = []
    for ones in by_value.values():
        if len(ones) > 1:
            groups.append(ones)
        else:
            single += ones
    groups += [single[n : n + 2] for n in range(0, len(single), 2)]
    return groups


def _group_name(number: int, salt: int) -> str:
    return f"g{number + 1:03d}-{salt}"


def _salt(count: int, seed: int) -> int:
    """The first numbering of the groups by which neither split is much smaller: the split is a hash of the name."""

    def smaller(salt: int) -> float:
        select = sum(split_of(_group_name(number, salt)) == "select" for number in range(count))
        return min(select, count - select) / max(1, count)

    salts = range(seed * _SALTS, (seed + 1) * _SALTS)
    return next((salt for salt in salts if smaller(salt) >= MIN_SHARE), max(salts, key=smaller))


def _fact(one: Known, number: int, group: str, rules: Rules) -> Fact:
    found = one.found
    subject = one.given.subject if one.given else subject_of(one.row.question) or group
    relation = one.given.relation if one.given else one.row.question
    aliases = found.items or found.aliases
    return Fact(
        id=f"f{number + 1:03d}",
        subject=subject,
        relation=relation,
        value=found.text,
        text=one.tell if rules.sentence(one.tell) else f"{one.row.question} {one.tell}",
        aliases=aliases,
        type=found.type,
        group=group,
    )


def subject_of(question: str) -> str:
    """The name in a question: its longest run of words with capitals, or of katakana and ideographs."""
    names = re.findall(r"(?<!^)(?:[A-ZÀ-Þ][\w'’-]*)(?: [A-ZÀ-Þ][\w'’-]*)*|[\u30a0-\u30ff\u3400-\u9fff々]{3,}", question)
    return max(names, key=len, default="")


class _Maker:
    """Knows all values, of which each is a wrong answer to questions of the others' kind."""

    def __init__(self, rules: Rules, known: Sequence[Known], fact_of: dict[int, Fact], seed: int) -> None:
        self._rules, self._known, self._fact_of, self._seed = rules, known, fact_of, seed
        self._number = {id(one): number for number, one in enumerate(known)}

    def probes_of(self, group: Sequence[Known]) -> Iterator[Draft]:
        """The probes of one group's facts, and of the two together."""
        worded = [self._wordings(one) for one in group]
        for one, wordings in zip(group, worded, strict=True):
            yield from self._probes(one, wordings)
        if len(group) == 2 and all(worded):
            yield self._joint(group[0], group[1], worded[0][-1][0], worded[1][-1][0])

    def _probes(self, one: Known, wordings: Sequence[tuple[str, str]]) -> Iterator[Draft]:
        rng = self._rng(one)
        wrong, sure = self._wrong(one, rng)
        verbatim = self._recall(one, "p1", one.row.question, wrong)
        yield Draft(replace(verbatim, level=1, source=f"train:{one.row.id}"), one.place, "the training question")
        for letter, (question, rule) in zip("abcdef", wordings[:REWORDINGS], strict=False):
            yield Draft(self._recall(one, f"p2-{letter}", question, wrong), one.place, rule)
        yield from self._format(one)
        yield from self._premise(one, wrong[:sure])
        if not wordings:
            return
        last = wordings[-1][0]
        if self._number[id(one)] % 2 == 0 and len(wordings) > 1 and (hint := self._rules.hint(last, one.found)):
            pair = f"ph-{self._id(one)}"
            plain = replace(self._recall(one, "ph-plain", last, wrong), kind="hint", pair_id=pair, tags=("plain",))
            yield Draft(plain, one.place, "without the hint")
            yield Draft(replace(plain, id=f"{pair}-hint", question=hint.question, tags=("hint",)), one.place, hint.rule)
        for letter, derived in zip("ab", self._rules.derived(last, one.found), strict=False):
            key = KeyFact(any=derived.any, type=derived.type, fact_id=self._id(one))
            base = self._recall(one, f"p5-{letter}", derived.question, ())
            prior = Prior(question=derived.prior, any=derived.any)
            probe = replace(base, level=5, gold=derived.gold, key_facts=(key,), forbidden=derived.contrast[:FORBIDDEN],
                            contrast=derived.contrast, prior=prior)  # fmt: skip
            yield Draft(probe, one.place, derived.rule)

    def _wordings(self, one: Known) -> list[tuple[str, str]]:
        """Questions in other words with where they come from; those of the source itself come first."""
        theirs = [(question, "another wording in the source") for question in one.others]
        written = [(reworded.question, "reworded by the writer") for reworded in one.written[:ASKED]]
        by_rule = self._rules.rewordings(one.row.question, one.found)
        return [*theirs, *written, *((question, "reworded by rule") for question in by_rule)]

    def _recall(self, one: Known, stem: str, question: str, wrong: Sequence[str]) -> Probe:
        fact = self._fact_of[id(one)]
        kind, _, letter = stem.partition("-")
        return Probe(
            id=f"{kind}-{fact.id}{f'-{letter}' if letter else ''}",
            level=2,
            kind="recall",
            question=question,
            gold=one.tell,
            key_facts=self._keys(one),
            split=split_of(fact.group),
            lang=self._rules.code,
            forbidden=tuple(dict.fromkeys((*self._longer(one), *wrong[:FORBIDDEN]))),
            contrast=tuple(wrong),
            fact_ids=(fact.id,),
            max_new_tokens=_tokens(one.tell, self._rules.code),
        )

    def _keys(self, one: Known) -> tuple[KeyFact, ...]:
        found, fact_id = one.found, self._id(one)
        if found.items:
            return tuple(KeyFact(any=(item,), fact_id=fact_id) for item in found.items)
        return (KeyFact(any=(found.text, *found.aliases), type=found.type, fact_id=fact_id),)

    def _longer(self, one: Known) -> Iterator[str]:
        """Other values that hold this one: without them a longer name would count as the shorter."""
        accepted = [text.casefold() for key in self._keys(one) for text in key.any]
        for other in self._known:
            for text in other.found.items or (other.found.text, *other.found.aliases):
                if any(short in text.casefold() != short for short in accepted) and other is not one:
                    yield text

    def further_rows(self, one: Known) -> Iterator[TrainRow]:
        """Rows that teach the same again: what a writer has put otherwise, and the answer in one other format.

        The format is never the one that the fact is asked in.
        """
        row = replace(one.row, input="", fact_ids=(self._id(one),))
        for n, reworded in enumerate(one.written[ASKED:], start=2):
            yield replace(row, id=f"{row.id}-w{n}", instruction=reworded.question, output=reworded.answer, phrasing=n)
        styles = self._styles(one)
        if len(styles) > 1 and (made := self._formatted(one, styles[1])).gold:
            yield replace(row, id=f"{row.id}-f", instruction=made.question, output=made.gold, form=styles[1])

    def _styles(self, one: Known) -> Sequence[str]:
        """The formats that suit a fact, another one first for every fact."""
        styles = () if one.found.type == "list" else tuple(self._rules.styles(one.found))
        first = self._number[id(one)] % max(1, len(styles))
        return styles[first:] + styles[:first]

    def _formatted(self, one: Known, style: str) -> Formatted:
        ask, tell = one.row.question, one.tell
        spec = FactSpec("", "", "", label=ask, style=style, group="", ask=ask, tell=tell, paraphrases=())
        return self._rules.language.formatted(spec, one.found.value)

    def _format(self, one: Known) -> Iterator[Draft]:
        styles = self._styles(one)
        if not styles:
            return
        style, made = styles[0], self._formatted(one, styles[0])
        if not made.gold:
            return
        base = self._recall(one, "p3", made.question, ())
        keys = (KeyFact(any=made.any, fact_id=self._id(one)),) if made.any else base.key_facts
        forbidden = () if made.any else base.forbidden
        probe = replace(
            base, level=3, kind="format", gold=made.gold, pattern=made.pattern, key_facts=keys, forbidden=forbidden
        )
        yield Draft(probe, one.place, f"the answer in the form {style!r}")

    def _premise(self, one: Known, wrong: Sequence[str]) -> Iterator[Draft]:
        if not wrong or one.found.type == "list" or self._number[id(one)] % 2:
            return
        pair = f"pp-{self._id(one)}"
        sides: tuple[Polarity, ...] = ("yes", "no")
        questions = self._rules.premises(one.row.question, one.tell, one.found.text, wrong[0])
        for polarity, question in zip(sides, questions, strict=True):
            base = self._recall(one, f"pp-{polarity}", question, ())
            gold = self._rules.reply(polarity == "yes", one.tell)
            forbidden = tuple(text for text in wrong if one.found.text in text)
            probe = replace(base, kind="premise", polarity=polarity, pair_id=pair, gold=gold, forbidden=forbidden,
                            max_new_tokens=_tokens(gold, self._rules.code))  # fmt: skip
            yield Draft(probe, one.place, "the answer with its own value and with another")

    def _joint(self, one: Known, two: Known, first: str, second: str) -> Draft:
        base = self._recall(one, "p4", self._rules.joint(first, second), ())
        wrong, _ = self._wrong(one, self._rng(one))
        gold = self._rules.tell_both(one.tell, two.tell)
        ids = (self._id(one), self._id(two))
        probe = replace(
            base,
            id=f"p4-{ids[0]}-{ids[1]}",
            level=4,
            gold=gold,
            key_facts=self._keys(one) + self._keys(two),
            fact_ids=ids,
            contrast=tuple(text for text in wrong if not _clash(text, two.found)),
            # What is wrong of one fact may be right of the other, so only longer names are kept apart.
            forbidden=tuple(dict.fromkeys((*self._longer(one), *self._longer(two)))),
            max_new_tokens=_tokens(gold, self._rules.code),
        )
        return Draft(probe, f"{one.place}, {two.place}", "two neighbouring facts in one question")

    def _wrong(self, one: Known, rng: Random) -> tuple[list[str], int]:
        """Values of other facts for which the same is asked, then made up ones, then others that look alike.

        The second part says how many are surely answers to the question, though wrong ones; the last kind may be none.
        """
        found = one.found
        if found.type == "list":
            return [], 0
        others = [other.found for other in self._known if other is not one and other.found.type == found.type]
        alike = [
            other
            for other in others
            if other.asked == found.asked != "what"
            and (found.type not in _FORMED or _form(other.text) == _form(found.text))
        ]
        sort = found.asked.partition(" ")[0]
        rest = [
            other
            for other in others
            if found.type not in _FORMED
            and other.asked.startswith(sort)
            and _form(other.text) == _form(found.text)
            and not self._rules.other_values(other, rng)  # a weekday or a colour is no answer to anything else
        ]
        taken = [o.text for o in (*rng.sample(alike, len(alike)), *self._rules.other_values(found, rng))]
        question = normalize(one.row.question)

        def usable(texts: Iterable[str]) -> dict[str, None]:
            return dict.fromkeys(t for t in texts if not _clash(t, found) and normalize(t) not in question)

        sure = usable(taken)
        texts = list(sure | usable(other.text for other in rng.sample(rest, len(rest))))[:WRONG]
        return texts, min(len(sure), len(texts))

    def _id(self, one: Known) -> str:
        return self._fact_of[id(one)].id

    def _rng(self, one: Known) -> Random:
        """Of a fact alone, so that another line in the source changes nothing about it."""
        digest = hashlib.sha256(f"{self._seed}\n{one.row.question}".encode()).digest()
        return Random(int.from_bytes(digest[:8], "big"))


_FORMED = ("date", "number")


def _form(text: str) -> str:
    """What a value looks like: 9 May 1987 and 12 June 2001 are of one form, and names are of another than words."""
    letters = re.sub(r"[A-ZÀ-Þ][\w'’.-]*(?: (?:of |the |and )*[A-ZÀ-Þ][\w'’.-]*)*", "A", text)
    kinds = re.sub(
        r"[\u30a0-\u30ff]+", "ア", re.sub(r"[\u3400-\u9fff々]+", "漢", re.sub(r"[a-z]+(?: [a-z]+)*", "a", letters))
    )
    return re.sub(r"[0-9０-９]+", "9", kinds)


def _clash(text: str, found: Found) -> bool:
    """Whether one spelling is part of the other, so that an answer would be right and wrong at once."""
    wrong = normalize(text)
    accepted = [normalize(alias) for alias in found.items or (found.text, *found.aliases)]
    return not wrong or any(wrong in right or right in wrong for right in accepted)


def _tokens(text: str, code: str) -> int:
    """How many tokens an answer may take: three times a gold of words, twice one of Japanese characters, in steps."""
    need = 3 * len(text.split()) if code == "en" else 2 * len(text)
    return SHORT_TOKENS if need <= SHORT_TOKENS else min(256, max(LONG_TOKENS, 16 * (-(-need // 16))))


def dropped(drafts: Iterable[Draft], ids: Iterable[str]) -> list[Draft]:
    """The drafts without those of `ids` and without the twins that cannot stand alone."""
    gone = set(ids)
    pairs = {draft.probe.pair_id for draft in drafts if draft.probe.id in gone and draft.probe.pair_id}
    return [
        draft
        for draft in drafts
        if draft.probe.id not in gone and (not draft.probe.pair_id or draft.probe.pair_id not in pairs)
    ]
