"""The probes of facts, worded by rule; and the rows that teach the facts again.

No probe is made to fill a level up.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from random import Random

from raykft.data.demo.spec import FactSpec, Formatted
from raykft.data.split import split_of
from raykft.drafting.found import Found
from raykft.drafting.made import Draft, Known
from raykft.drafting.rules import Rules
from raykft.evaluation.normalize import normalize
from raykft.records import Fact, KeyFact, Polarity, Prior, Probe, TrainRow

WRONG, FORBIDDEN, REWORDINGS = 4, 2, 2  # of each fact: wrong answers, those that may not be said, paraphrases
ASKED = 3  # rewordings of a writer that are asked; further ones are taught
SHORT_TOKENS, LONG_TOKENS = 48, 96
FORMED = ("date", "number")  # types whose values all look alike
BY_WRITER = "reworded by the writer"


class Maker:
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
            yield self._joint(group[0], group[1], *map(self._of_two, worded))

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
        if self._takes_turn(one) and len(wordings) > 1 and (hint := self._rules.hint(last, one.found)):
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

    def _takes_turn(self, one: Known) -> bool:
        """Every second fact, now the first and now the second of two neighbours: sources alternate what they tell."""
        number = self._number[id(one)]
        return (number + number // 2) % 2 == 0

    def _wordings(self, one: Known) -> list[tuple[str, str]]:
        """Questions in other words with where they come from; those of the source itself come first."""
        theirs = [(question, "another wording in the source") for question in one.others]
        written = [(reworded.question, BY_WRITER) for reworded in one.written[:ASKED]]
        if len(theirs) + len(written) >= ASKED:  # people's and a model's words are better than those of a rule
            return [*theirs, *written]
        by_rule = self._rules.rewordings(one.row.question, one.found)
        return [*theirs, *written, *((question, "reworded by rule") for question in by_rule)]

    def _of_two(self, wordings: Sequence[tuple[str, str]]) -> str:
        """The wording that a fact has in a question about two: of a writer the first, for its later ones are forced.

        Of rules the furthest from the training question, as those come last.
        """
        written = [question for question, rule in wordings if rule == BY_WRITER]
        casual = self._rules.casual
        polite = (question for question in written if casual is None or not casual.search(question))
        return next(polite, wordings[-1][0])

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
        if not wrong or one.found.type == "list" or not self._takes_turn(one):
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
            contrast=tuple(text for text in wrong if not clash(text, two.found)),
            # What is wrong of one fact may be right of the other, so only longer names are kept apart.
            forbidden=tuple(dict.fromkeys((*self._longer(one), *self._longer(two)))),
            max_new_tokens=_tokens(gold, self._rules.code),
        )
        return Draft(probe, f"{one.place}, {two.place}", "two neighbouring facts in one question")

    def _wrong(self, one: Known, rng: Random) -> tuple[list[str], int]:
        """Those of a writer; or values of other facts for which the same is asked, then made up ones, then others that
        look alike.

        The second part says how many are surely answers to the question, though wrong ones; the last kind may be none.
        """
        found = one.found
        if found.type == "list":
            return [], 0
        if one.wrong:
            return list(one.wrong[:WRONG]), min(WRONG, len(one.wrong))
        others = [other.found for other in self._known if other is not one and other.found.type == found.type]
        alike = [
            other
            for other in others
            if other.asked == found.asked != "what"
            and (found.type not in FORMED or form_of(other.text) == form_of(found.text))
        ]
        sort = found.asked.partition(" ")[0]
        rest = [
            other
            for other in others
            if found.type not in FORMED
            and other.asked.startswith(sort)
            and form_of(other.text) == form_of(found.text)
            and not self._rules.other_values(other, rng)  # a weekday or a colour is no answer to anything else
        ]
        taken = [o.text for o in (*rng.sample(alike, len(alike)), *self._rules.other_values(found, rng))]
        question = normalize(one.row.question)

        def usable(texts: Iterable[str]) -> dict[str, None]:
            return dict.fromkeys(t for t in texts if not clash(t, found) and normalize(t) not in question)

        sure = usable(taken)
        texts = list(sure | usable(other.text for other in rng.sample(rest, len(rest))))[:WRONG]
        return texts, min(len(sure), len(texts))

    def _id(self, one: Known) -> str:
        return self._fact_of[id(one)].id

    def _rng(self, one: Known) -> Random:
        """Of a fact alone, so that another line in the source changes nothing about it."""
        digest = hashlib.sha256(f"{self._seed}\n{one.row.question}".encode()).digest()
        return Random(int.from_bytes(digest[:8], "big"))


def form_of(text: str) -> str:
    """What a value looks like: 9 May 1987 and 12 June 2001 are of one form, and names are of another than words."""
    letters = re.sub(r"[A-ZÀ-Þ][\w'’.-]*(?: (?:of |the |and )*[A-ZÀ-Þ][\w'’.-]*)*", "A", text)
    kinds = re.sub(
        r"[\u30a0-\u30ff]+", "ア", re.sub(r"[\u3400-\u9fff々]+", "漢", re.sub(r"[a-z]+(?: [a-z]+)*", "a", letters))
    )
    return re.sub(r"[0-9０-９]+", "9", kinds)


def clash(text: str, found: Found) -> bool:
    """Whether one spelling is part of the other, so that an answer would be right and wrong at once."""
    wrong = normalize(text)
    accepted = [normalize(alias) for alias in found.items or (found.text, *found.aliases)]
    return not wrong or any(wrong in right or right in wrong for right in accepted)


def _tokens(text: str, code: str) -> int:
    """How many tokens an answer may take: three times a gold of words, twice one of Japanese characters, in steps."""
    need = 3 * len(text.split()) if code == "en" else 2 * len(text)
    return SHORT_TOKENS if need <= SHORT_TOKENS else min(256, max(LONG_TOKENS, 16 * (-(-need // 16))))
