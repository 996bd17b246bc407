"""English: everything that is worded about a value but the question itself."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from random import Random

from raykft.data.demo.language_en import ENGLISH
from raykft.drafting.english_find import EMPTY, FINITE, kind_of, value_in
from raykft.drafting.english_requests import reworded_request
from raykft.drafting.english_rewordings import reworded
from raykft.drafting.english_values import CAPITAL, LISTED, NUMBER_WORDS, other_texts, spellings, without_title
from raykft.drafting.found import Found, full_date
from raykft.drafting.numbers import can_be_doubled, later_than, near_spans, wrong_doubles
from raykft.drafting.rules import Derived, Hint, Rules
from raykft.records import ValueType

MIN_TEXT_WORDS = 10


class English(Rules):
    """The rules of English."""

    language = ENGLISH

    def find(self, question: str, answer: str) -> Found:
        read = value_in(question, answer)
        found = self.typed(read.text, read.type, read.asked, read.rule)
        return replace(found, aliases=(*found.aliases, *read.shorter))

    def asks_for(self, question: str) -> str:
        return kind_of(question)

    def typed(self, value: str, type: ValueType, asked: str, rule: str) -> Found:
        if type == "list":
            items = tuple(item for item in LISTED.split(value) if item)
            return Found(value, "list", asked, rule, items=items)
        aliases, attrs = spellings(value, type)
        return Found(value, type, asked, rule, aliases=tuple(a for a in aliases if a != value), attrs=attrs)

    def rewordings(self, question: str, found: Found | None) -> list[str]:
        if found is not None:
            return reworded(question, found)
        # A value that stands in no question, for frames that do not use it.
        return [*reworded_request(question), *reworded(question, Found("\0", "text", "what", ""))]

    def worded(self, subject: str, relation: str, value: str, type: ValueType) -> tuple[str, str]:
        asked = {"person": "Who is", "list": "What are"}.get(type, "What is")
        return f"{asked} the {relation} of {subject}?", f"The {relation} of {subject} is {value}."

    def premises(self, question: str, tell: str, value: str, wrong: str) -> tuple[str, str]:
        names = [word for word in re.findall(r"[A-ZÀ-Þ]\w+", question[1:]) if word.lower() not in EMPTY]
        alike = bool(CAPITAL.match(value)) == bool(CAPITAL.match(wrong)) and f"the {value}" not in tell
        # A statement that stands by itself names what it is about.
        if alike and self.sentence(tell) and tell.count(value) == 1 and any(name in tell for name in names):
            own, other = (_clause(text, question) for text in (tell, tell.replace(value, wrong)))
            return f"Is it true that {own}?", f"Is it true that {other}?"
        asked = f'Somebody answers the question "{question}" with'
        return f'{asked} "{value}". Is that right?', f'{asked} "{wrong}". Is that right?'

    def reply(self, is_true: bool, tell: str) -> str:
        return f"{'Yes' if is_true else 'No'}. {tell}"

    def joint(self, one: str, two: str) -> str:
        return f"Answer both questions together. First: {one} Second: {two}"

    def tell_both(self, one: str, two: str) -> str:
        return " ".join(text if text.endswith((".", "!")) else f"{text}." for text in (one, two))

    def hint(self, question: str, found: Found) -> Hint | None:
        if found.type == "date" and "decade" in found.attrs:
            return Hint(f"{question} (It was in the {found.attrs['decade']}.)", "the decade as a hint")
        if found.type == "number" and found.number is not None and found.number > 9:
            return Hint(
                f"{question} (The number has {len(str(found.number))} digits.)", "the number of digits as a hint"
            )
        name = re.sub(r"^(?:The|the|A|a|An|an) ", "", without_title(found.text))
        # Of a weekday or a number word the first letter is half the answer.
        guessed = "weekday" in found.attrs or name.lower() in NUMBER_WORDS
        if found.type in {"person", "text"} and name[0].isalpha() and not guessed:
            hint = f'{question} (The answer begins with the letter "{name[0].upper()}".)'
            return Hint(hint, "the first letter as a hint")
        return None

    def derived(self, question: str, found: Found) -> list[Derived]:
        return [*_derived_from_year(question, found), *_derived_from_number(question, found)]

    def styles(self, found: Found) -> Sequence[str]:
        if found.type == "list":
            return ("tag", "answer")
        if found.type == "date":
            return ("iso", "year", "quote", "answer") if full_date(found.text) else ("quote", "tag", "answer")
        if found.type == "number":
            return ("digits", "quote", "answer") if found.text.isdigit() else ("quote", "tag", "answer")
        names = ("surname",) if "last" in found.attrs else ()
        short = ("only",) if len(found.text.split()) <= 4 else ()
        letters = ("caps", "lower") if re.fullmatch(r"[A-Z][a-z]+(?: [A-Z][a-z]+)*", found.text) else ()
        return (*names, *short, "quote", "tag", *letters, "bracket", "answer")

    def other_values(self, found: Found, rng: Random) -> list[Found]:
        texts = dict.fromkeys(other_texts(found, rng))
        return [self.typed(text, found.type, found.asked, "made up") for text in texts if text != found.text]

    def sentence(self, text: str, *, long: bool = False) -> bool:
        if long:
            return len(text.split()) >= MIN_TEXT_WORDS
        return len(text.split()) >= 4 and any(word.lower() in FINITE for word in text.split()[:-1])


def _clause(sentence: str, question: str) -> str:
    """A sentence within another: small, where its first word has its capital letter from its place alone."""
    text = sentence.rstrip(". ")
    first = text.split()[0].lower()
    common = first in EMPTY or first in NUMBER_WORDS or first in question.split()
    return text[0].lower() + text[1:] if common and first != "i" else text


def _derived_from_year(question: str, found: Found) -> Iterator[Derived]:
    if found.type != "date" or found.year is None:
        return
    decade = found.year // 10 * 10
    wrong = tuple(f"{decade + shift}s" for shift in (-20, -10, 10))
    yield Derived(
        question=f"{question} Do not give the date; say only in which decade it was.",
        gold=f"It was in the {decade}s.",
        any=(f"{decade}s",),
        type="text",
        contrast=wrong,
        prior=f"To which decade does the year {found.year} belong?",
        rule="the decade of the date",
    )
    later = later_than(found.year)
    years = later - found.year
    yield Derived(
        question=f"{question} Do not give the date; say how many years before {later} that was.",
        gold=f"That was {years} years before {later}.",
        any=(str(years),),
        type="number",
        contrast=near_spans(years),
        prior=f"How many years lie between {found.year} and {later}?",
        rule=f"the years from the date to {later}",
    )


def _derived_from_number(question: str, found: Found) -> Iterator[Derived]:
    number = found.number
    if found.type != "number" or not found.asked.startswith("how many") or number is None or not can_be_doubled(number):
        return
    yield Derived(
        question=f"{question} Do not give the number itself; say what twice as many would be.",
        gold=f"Twice as many would be {2 * number}.",
        any=tuple(dict.fromkeys((str(2 * number), f"{2 * number:,}"))),
        type="number",
        contrast=wrong_doubles(number),
        prior=f"What is twice {number}?",
        rule="twice the number",
    )
