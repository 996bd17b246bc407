"""Questions in other English words, by frames: what a question asks about, turned into another construction.

A frame gives nothing where it is not sure of the parts of a question: a missing probe is better than a wrong one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from raykft.data.demo.spec import words
from raykft.drafting.english_verbs import BY_BASE, BY_PARTICIPLE, BY_PAST, BY_THIRD, Verb
from raykft.drafting.found import Found

Frame = Callable[[str, Found], Iterator[str]]

# Nouns and phrases for which another says the same of organizations, people and things.
SYNONYMS: Final = {
    "headquarters": "head office",
    "head office": "headquarters",
    "employees": "staff members",
    "staff members": "employees",
    "chief executive officer": "CEO",
    "CEO": "chief executive officer",
    "telephone number": "phone number",
    "phone number": "telephone number",
    "slogan": "motto",
    "motto": "slogan",
    "clients": "customers",
    "branches": "branch offices",
    "annual revenue": "yearly revenue",
    "annual": "yearly",
    "purpose": "aim",
    "price": "cost",
    "e-mail address": "email address",
}
_ROLE: Final = re.compile(
    r"(?:\w+ ){0,3}(?:director|head|chief|CEO|president|manager|curator|secretary|treasurer|chair(?:man|woman|person)?|"
    r"officer|engineer|founder|owner|mayor|coach|captain|editor|architect|designer|keeper|leader|representative|"
    r"principal|dean|chef|diver|inventor|author|chairperson|professor|supervisor|librarian)"
)
_SUBJECT: Final = r"(?:the |an? |one |[A-ZÀ-Þ0-9])[^?]*"
_PEOPLE: Final = frozenset(
    words(
        "people employees students visitors members volunteers workers guides teachers children men women staff guests"
    )
)
_DIMENSIONS: Final = {
    "old": "age", "long": "length", "tall": "height", "high": "height", "wide": "width", "deep": "depth",
    "heavy": "weight", "large": "size", "big": "size",
}  # fmt: skip
_ATTRIBUTES: Final = "colour|color|size|name|type|kind|shape|age|height|length|weight|price|address|capacity|language"
_PLACES: Final = "city|town|village|country|building|street|region|prefecture|district|county|state|room"


def reworded(question: str, found: Found) -> list[str]:
    """All that the frames make of a question; those with another word of the same meaning come first."""
    text = re.sub(r"\s+", " ", question).strip().rstrip("?. ").strip()
    made = [asked for frame in FRAMES for asked in frame(text, found)]
    other = [changed for asked in made if (changed := _other_word(asked, text)) != asked]
    return [asked for asked in dict.fromkeys([*other, *made]) if asked.rstrip("?.") != text]


def _other_word(asked: str, question: str) -> str:
    """One word or phrase of the question exchanged for another of the same meaning."""
    for old, new in SYNONYMS.items():
        pattern = re.compile(rf"(?<![\w-]){re.escape(old)}(?![\w-])")
        if pattern.search(asked) and pattern.search(question) and not re.search(rf"\b{re.escape(new)}\b", question):
            return pattern.sub(new, asked, count=1)
    return asked


def _of(text: str, found: Found) -> Iterator[str]:
    """What is the motto of the museum? Who is the director of X?"""
    match = re.fullmatch(r"(?i:(what|which|who)) (is|are|was|were) the (.+)", text)
    match = match or re.fullmatch(r"(?i:(name|state|give|tell me))( )the (.+)", text)
    parts = _relation_and_subject(match[3]) if match and match[3].split()[-1] not in BY_PARTICIPLE else None
    if match and parts:
        yield from _relation(
            *parts, match[2].strip() or "is", person=match[1].lower() == "who" or found.type == "person"
        )


def _possessive(text: str, found: Found) -> Iterator[str]:
    """What is the museum's motto?"""
    match = re.fullmatch(rf"(?i:what|which|who) (is|are|was|were) ({_SUBJECT}?)(?:['’]s|(?<=s)['’]) ([a-z].+)", text)
    if not match:
        return
    be, subject, relation = match.groups()
    if " of " in subject or relation.split()[-1] in BY_PARTICIPLE:
        return
    person = found.type == "person" or text.lower().startswith("who")
    if person and _ROLE.fullmatch(relation):
        yield f"Which person {'has been' if be in {'was', 'were'} else 'serves as'} the {relation} of {subject}?"
    yield f"Name the {relation} of {subject}."
    yield f"If somebody asks for the {relation} of {subject}, what is the right answer?"


def _relation_and_subject(text: str) -> tuple[str, str] | None:
    """'date of birth of Ann Lee' into its two parts, at the last "of" before which all is lower case."""
    cuts = [match.span() for match in re.finditer(r" of ", text)]
    for start, end in reversed(cuts):
        relation, subject = text[:start], text[end:]
        common = not re.search(r"[A-Z]", relation) or relation in {"CEO", "CTO", "CFO"}
        if common and re.fullmatch(_SUBJECT, subject):
            return relation, subject
    return None


def _relation(relation: str, subject: str, be: str, *, person: bool) -> Iterator[str]:
    owner = f"{subject}'" if subject.endswith("s") else f"{subject}'s"
    if person and _ROLE.fullmatch(relation):
        yield f"Which person {'held the position' if be == 'was' else 'holds the position'} of {relation} at {subject}?"
        yield f"Name {owner} {relation}."
    elif person:
        yield f"Name {owner} {relation}."
        yield f"If somebody asks for {owner} {relation}, whom should one name?"
    else:
        yield f"If somebody asks for {owner} {relation}, what is the right answer?"
        yield f"State {owner} {relation}."


def _when_passive(text: str, found: Found) -> Iterator[str]:
    """When was the museum founded? In what year was it founded?"""
    match = re.fullmatch(r"(?:When|(?:On|In) (?:what|which) (?:date|day|year)|What year) (was|were|is|are) (.+)", text)
    if match and (parts := _subject_and_participle(match[2])):
        be, (subject, participle, rest) = match[1], parts
        noun = _date_noun(found)
        yield f"What is the {noun} {_PREPOSITION[noun]} which {subject} {be} {participle}{rest}?"
        yield f"{_capital(subject)} {be} {participle}{rest} {_PREPOSITION[noun]} which {noun}?"


def _when_active(text: str, found: Found) -> Iterator[str]:
    """When did the museum open?"""
    match = re.fullmatch(r"(?:When|(?:On|In) (?:what|which) (?:date|day|year)|What year) did (.+)", text)
    if match and (parts := _subject_and_verb(match[1])):
        subject, verb, rest = parts
        noun = _date_noun(found)
        yield f"What is the {noun} {_PREPOSITION[noun]} which {subject} {verb.past}{rest}?"
        yield f"{_capital(subject)} {verb.past}{rest} {_PREPOSITION[noun]} which {noun}?"


_PREPOSITION: Final = {"day of the week": "on", "date": "on", "year": "in", "month": "in"}


def _date_noun(found: Found) -> str:
    if "weekday" in found.attrs:
        return "day of the week"
    return "date" if "month" in found.attrs or found.type != "date" else "year" if found.text.isdigit() else "month"


def _when_is(text: str, _found: Found) -> Iterator[str]:
    """When is the festival?"""
    match = re.fullmatch(r"When (?:is|was) ((?:the |[A-ZÀ-Þ])[^?]*)", text)
    if match and not any(word in BY_PARTICIPLE or word.endswith("ed") for word in match[1].split()):
        yield f"What is the date of {match[1]}?"
        yield (
            f"On which date does {match[1]} take place?"
            if " is " in text
            else f"On which date did {match[1]} take place?"
        )


def _who_did(text: str, found: Found) -> Iterator[str]:
    """Who founded the museum? Who leads it?"""
    match = re.fullmatch(r"Who (\w+) (.+)", text)
    if not match or match[1] in {"is", "was", "are", "were", "did", "does", "do", "has", "had"}:
        return
    word, rest = match.groups()
    verb = BY_PAST.get(word)
    if verb and re.fullmatch(_SUBJECT, rest) and word not in {"led", "ran", "was"} and not _has_preposition(rest):
        yield f"By whom {'were' if _is_plural(rest) else 'was'} {rest} {verb.participle}?"
    if verb or word in BY_THIRD:
        if found.type == "person":
            yield f"Name the person who {word} {rest}."
            yield f"Which person {word} {rest}?"
        else:  # a trust or a mayor
            yield f"Say who {word} {rest}."


def _is_plural(subject: str) -> bool:
    """Whether a thing without a name of its own is many: the watches, but Tidal Works."""
    last = subject.split()[-1]
    return last[0].islower() and last.endswith("s") and not last.endswith(("ss", "us", "is", "'s"))


def _has_preposition(text: str) -> bool:
    """Whether something follows the object, so that it cannot become the subject."""
    return re.search(r" (?:in|at|on|for|from|with|to|as|by|during|after|before) ", text) is not None


def _where_is(text: str, _found: Found) -> Iterator[str]:
    """Where is the head office located?"""
    match = re.fullmatch(rf"Where (is|are) ({_SUBJECT}?)(?: (?:located|situated|based|found|headquartered))?", text)
    if match and match[2].split()[-1] in BY_PARTICIPLE:
        return
    if match and "headquartered" not in text:
        yield f"In which place can one find {match[2]}?"
        yield f"What is the location of {match[2]}?"
    elif match:
        yield f"In which place does {match[2]} have its headquarters?"


def _where_did(text: str, _found: Found) -> Iterator[str]:
    """Where was it built? Where did it open? Where does it keep its records?"""
    passive = re.fullmatch(r"Where (was|were|is|are) (.+)", text)
    if passive and (done := _subject_and_participle(passive[2])):
        subject, participle, rest = done
        yield f"What is the name of the place where {subject} {passive[1]} {participle}{rest}?"
        yield f"{_capital(subject)} {passive[1]} {participle}{rest} in which place?"
    active = re.fullmatch(r"Where (did|does|do) (.+)", text)
    if active and (parts := _subject_and_verb(active[2])):
        yield f"What is the name of the place where {parts[0]} {_form(parts[1], active[1])}{parts[2]}?"


def _how_many(text: str, _found: Found) -> Iterator[str]:
    """How many people work there? How many rooms does it have? How many rooms are there in it?"""
    if match := re.fullmatch(rf"How many (\w+) ({'|'.join(_DIMENSIONS)}) (?:is|are|was|were) (.+)", text):
        yield f"What is the {_DIMENSIONS[match[2]]} of {match[3]} in {match[1]}?"
        yield f"State the {_DIMENSIONS[match[2]]} of {match[3]}, counted in {match[1]}."
    elif match := re.fullmatch(r"How many (.+?) (does|do|did) (.+)", text):
        if parts := _subject_and_verb(match[3]):
            subject, verb, rest = parts
            form = _form(verb, match[2])
            yield f"What is the number of {match[1]} that {subject} {form}{rest}?"
            yield f"{_capital(subject)} {form} how many {match[1]}{rest}?"
    elif match := re.fullmatch(r"How many (.+?) (?:are|were) there (.+)", text):
        yield f"What is the number of {match[1]} {match[2]}?"
    elif match := re.fullmatch(r"How many ([\w ]+?) (\w+) (.+)", text):
        noun, word, rest = match.groups()
        if word in {"are", "were"}:
            yield f"What is the number of {noun} that {word} {rest}?"
        elif word in BY_BASE or word in BY_PAST:
            which = "who" if noun.split()[-1] in _PEOPLE else "that"
            yield f"What is the number of {noun} {which} {word} {rest}?"


def _how_much(text: str, _found: Found) -> Iterator[str]:
    """How much does a ticket cost? How tall is the tower?"""
    if match := re.fullmatch(r"How much (?:does|do) (.+?) cost( .+)?", text):
        yield f"What is the price of {match[1]}{match[2] or ''}?"
        yield f"What does one pay for {match[1]}{match[2] or ''}?"
    elif match := re.fullmatch(r"How much did (.+?) cost( .+)?", text):
        yield f"What was the cost of {match[1]}{match[2] or ''}?"
        yield f"What was spent on {match[1]}{match[2] or ''}?"
    elif match := re.fullmatch(r"How much (?:is|are) (.+)", text):
        yield f"What is the price of {match[1]}?"
    elif match := re.fullmatch(rf"How ({'|'.join(_DIMENSIONS)}) (?:is|are|was) (.+)", text):
        yield f"What is the {_DIMENSIONS[match[1]]} of {match[2]}?"


def _called(text: str, found: Found) -> Iterator[str]:
    """What is the ferry called? What is the name of the ferry?"""
    if match := re.fullmatch(r"(?:What|How) (is|are|was|were) (.+?) (?:called|named)", text):
        be, subject = match.groups()
        many = "s" if found.type == "list" else ""
        yield f"What name{many} {'do' if be in {'are', 'were'} else 'does'} {subject} go by?"
        yield f"Give the name{many} of {subject}."
    elif match := re.fullmatch(r"(?:What|Which) (is|was) the name of (.+)", text):
        yield f"What {match[1]} {match[2]} called?"
        yield f"By what name does {match[2]} go?" if match[1] == "is" else f"By what name did {match[2]} go?"


def _what_does(text: str, _found: Found) -> Iterator[str]:
    """What does the company produce? Which award did it win?"""
    match = re.fullmatch(r"(?:What|Which)( [a-z][\w -]*?)? (does|do|did) (.+)", text)
    parts = _subject_and_verb(match[3]) if match else None
    if not match or not parts:
        return
    subject, verb, rest = parts
    form, noun = _form(verb, match[2]), (match[1] or "").strip()
    if noun:
        yield f"Name the {noun} that {subject} {form}{rest}."
        if len(rest.split()) != 1:  # "calls which piers at?" is no English
            yield f"{_capital(subject)} {form} which {noun}{rest}?"
    else:
        yield f"Tell me what {subject} {form}{rest}."


def _which_did(text: str, _found: Found) -> Iterator[str]:
    """Which company built the ferry? Which stations are on the railway? Which charity is its partner?"""
    match = re.fullmatch(r"(?:What|Which) ([a-z][a-z -]*?) (\w+) (.+)", text)
    if (
        not match
        or match[2] in {"does", "did", "do", "of", "and"}
        or match[1].split()[0] in {"is", "are", "was", "were"}
    ):
        return
    noun, verb, rest = match.groups()
    if verb in {"is", "are", "was", "were"}:
        noun_phrase = re.fullmatch(rf"(?:{_ATTRIBUTES})|(?:kind|type|sort) of .+", noun)
        if re.match(r"(?:on|in|at|for|behind|under|near|beside|part|responsible|used|made) ", rest):
            yield f"Name the {noun} that {verb} {rest}."
        elif named := re.fullmatch(rf"({_SUBJECT}) (\w+) (after|from|by|for|with|of|in|on|at)", rest):
            if named[2] in BY_PARTICIPLE:
                yield f"Name the {noun} that {rest.replace(named[2], f'{verb} {named[2]}', 1)}."
        elif noun_phrase and "of" in noun:
            yield f"{_capital(rest)} {verb} what {noun}?"
        elif not noun_phrase and re.fullmatch(rf"{_SUBJECT}['’]s? [a-z ]+", rest):
            yield f"Name the {noun} that {verb} {rest}."
    elif verb in BY_THIRD or verb in BY_PAST:
        yield f"Name the {noun} that {verb} {rest}."


def _in_which(text: str, _found: Found) -> Iterator[str]:
    """In which city did it receive the prize? In what kind of building was its workshop?"""
    match = re.fullmatch(
        r"(In|At|On|By|From|For) (?:what|which) ([a-z][a-z -]*?) (did|does|was|is|were|are) (.+)", text
    )
    if not match or match[2] in {"year", "date", "day"}:
        return
    preposition, noun, verb, rest = match[1].lower(), match[2], match[3], match[4]
    if verb in {"did", "does"}:
        if parts := _subject_and_verb(rest):
            yield f"Name the {noun} {preposition} which {parts[0]} {_form(parts[1], verb)}{parts[2]}."
    elif parts_ := _subject_and_participle(rest):
        yield f"Name the {noun} {preposition} which {parts_[0]} {verb} {parts_[1]}{parts_[2]}."
    elif re.match(r"(?:kind|type|sort) of ", noun) and re.fullmatch(_SUBJECT, rest):
        yield f"Name the {noun} that {rest} {verb} {preposition}."


def _which_place(text: str, _found: Found) -> Iterator[str]:
    """In which city is the museum?"""
    match = re.fullmatch(
        rf"(?:In )?(?:what|which|What|Which) ({_PLACES}) (is|was|are) ({_SUBJECT}?)( located| based| in)*", text
    )
    if match and not any(word in BY_PARTICIPLE for word in match[3].split()[-1:]):
        yield f"Name the {match[1]} where one {'finds' if match[2] != 'was' else 'found'} {match[3]}."
        yield f"Where is {match[3]}? Name the {match[1]}."


def _attribute(text: str, _found: Found) -> Iterator[str]:
    """What colour is the logo?"""
    match = re.fullmatch(rf"(?:What|Which) ({_ATTRIBUTES}) (is|are|was|were) ({_SUBJECT})", text)
    if match:
        yield f"State the {match[1]} of {match[3]}."
        yield f"If somebody asks for the {match[1]} of {match[3]}, what is the right answer?"


def _superlative(text: str, _found: Found) -> Iterator[str]:
    """What is the oldest clock in the museum?"""
    match = re.fullmatch(r"(?:What|Which) (is|was) the (\w+est) ([a-z]+[^s\s]) (in|of|at|on|from) (.+)", text)
    if match:
        yield f"Which of the {match[3]}s {match[4]} {match[5]} {match[1]} the {match[2]}?"


FRAMES: Final[tuple[Frame, ...]] = (
    _called, _of, _possessive, _when_passive, _when_active, _when_is, _who_did, _where_is, _where_did, _how_many,
    _how_much, _what_does, _which_place, _attribute, _superlative, _in_which, _which_did,
)  # fmt: skip


def _subject_and_verb(text: str) -> tuple[str, Verb, str] | None:
    """'the museum open its doors' into subject, verb and what follows; None where no known verb is found."""
    tokens = text.split(" ")
    for place in range(1, len(tokens)):
        verb = BY_BASE.get(tokens[place])
        subject = " ".join(tokens[:place])
        if verb and re.fullmatch(_SUBJECT, subject) and tokens[place - 1] not in {"the", "a", "an", "of", "its", "and"}:
            rest = " ".join(tokens[place + 1 :])
            return subject, verb, f" {rest}" if rest else ""
    return None


def _subject_and_participle(text: str) -> tuple[str, str, str] | None:
    """'the museum founded in Ostrel' into subject, participle and what follows."""
    tokens = text.split(" ")
    for place in range(1, len(tokens)):
        subject, rest = " ".join(tokens[:place]), " ".join(tokens[place + 1 :])
        before = tokens[place - 1].lower()
        if (
            tokens[place] in BY_PARTICIPLE
            and re.fullmatch(_SUBJECT, subject)
            and before not in {"the", "a", "an", "first"}
        ):
            return subject, tokens[place], f" {rest}" if rest else ""
    return None


def _form(verb: Verb, auxiliary: str) -> str:
    """The verb as a statement has it where the question has an auxiliary."""
    return {"did": verb.past, "does": verb.third, "do": verb.base}[auxiliary]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
