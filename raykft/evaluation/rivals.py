"""An answer that gives what was asked another value: "starters include smoked eel; the signature dish is turbot".

The words of the question tell which of several values is meant: the role that it names (`roles.py`), the verb that it
asks with (opened, not begun), the things that it counts (cows, not horses), and the opposites of all (`opposites.py`).
Where a clause that fits the question has another value, the value of a clause that does not fit is not asserted.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from raykft.evaluation.opposites import CLAUSE, without_opposites
from raykft.evaluation.rivals_ja import without_other_events
from raykft.evaluation.roles import without_other_roles

States = Callable[[str], bool]

_GAP = "\n"
_YEAR = re.compile(r"(?<![0-9])(?:1[5-9]|20|21)[0-9]{2}(?![0-9])")
_FUNCTION = frozenset(
    [
        "the",
        "and",
        "but",
        "was",
        "were",
        "are",
        "been",
        "its",
        "his",
        "her",
        "their",
        "there",
        "this",
        "that",
        "which",
        "who",
        "whom",
        "whose",
        "what",
        "when",
        "where",
        "how",
        "many",
        "much",
        "year",
        "month",
        "date",
        "day",
        "did",
        "does",
        "has",
        "have",
        "had",
        "can",
        "will",
        "would",
        "now",
        "then",
        "about",
        "around",
        "only",
        "just",
        "also",
        "more",
        "than",
        "over",
        "some",
        "any",
        "all",
        "one",
        "for",
        "from",
        "with",
        "into",
        "not",
        "she",
        "they",
        "where",
    ]
)
_CAPITAL = re.compile(r"(?<![\w’'-])[A-Z][\w’'-]+")
_BARE = re.compile(r"\W*(?:(?:in|at|on|by) )?(?:the )?[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){0,3}\W*")
_NO_NAME = frozenset(
    [
        "The",
        "It",
        "He",
        "She",
        "They",
        "In",
        "On",
        "At",
        "Its",
        "His",
        "Her",
        "Their",
        "This",
        "That",
        "There",
        "And",
        "But",
        "After",
        "Before",
        "Since",
        "When",
        "While",
        "Then",
        "A",
        "An",
    ]
)
_NUMBER = re.compile(r"(?<![\w.])[0-9]")
_WORD = re.compile(r"\w")
_NAME_WORDS = frozenset(("of", "the", "and", "&", "de", "van", "von", "for", "in", "at"))
_TIMES = frozenset(
    (
        "today",
        "currently",
        "current",
        "still",
        "since",
        "again",
        "thus",
        "therefore",
        "probably",
        "likely",
        "think",
        "believ",
    )
)
_RELATIVE = re.compile(r"(?P<head>[A-Z][\w’'-]{0,30}), (?P<clause>(?:which|who|whose|where|whom)\b[^.;,\n]*)")
# "Harrow, a small town near Linden" is Harrow.
_NEAR = re.compile(
    r"\b(?P<near>[0-9.]+ ?(?:km|kilomet\w+|miles?|minutes?|met\w+|m|hours?) (?:away )?(?:from|(?:north|south|east"
    r"|west) of)|near|close to|outside|(?:to the )?(?:north|south|east|west) of|not far from|next to|opposite|beside"
    r"|adjacent to"
    r"|a suburb of) (?P<name>(?:the )?[A-Z][\w’'-]{0,30}(?: [A-Z][\w’'-]{0,30}){0,3})"
)
_ASKS_NEAR = re.compile(r"(?i)\b(?:near|close|next|beside|opposite)|近|隣|そば|向かい")
_JA_NEAR = re.compile(
    r"(?<![^、。\n])(?P<name>[^、。はがを\n]{1,20})の(?:近く|隣|そば|向かい|近郊)(?:の|に(?:ある|建つ|位置する))(?=[\u3400-\u9fff\u30a1-\u30fc])"
    r"|(?<=。)(?P<alone>[^、。はがを\n]{1,20})の(?:近く|隣|そば|向かい|近郊)(?=です|だ|にあ)"
)
_COUNTED = re.compile(r"(?i)\bhow many (?P<things>[a-z]+(?: [a-z]+)?)")
_COUNT = re.compile(r"(?<![\w.,])(?P<value>[0-9][0-9,.]*|[a-z]+(?:-[a-z]+)?) (?P<thing>[a-z]{3,})")
_IRREGULAR = {
    past: forms.split()[0]
    for forms in [
        "grow grew grown",
        "write wrote written",
        "build built",
        "sell sold",
        "buy bought",
        "make made",
        "win won",
        "lead led",
        "begin began begun",
        "hold held",
        "take took taken",
        "give gave given",
        "run ran",
        "leave left",
        "lose lost",
        "meet met",
        "pay paid",
        "spend spent",
        "teach taught",
        "become became",
        "draw drew drawn",
        "fly flew flown",
        "sing sang sung",
        "speak spoke spoken",
        "stand stood",
        "choose chose chosen",
        "keep kept",
        "find found",
        "sink sank sunk",
        "wear wore worn",
    ]
    for past in forms.split()[1:]
}
# Words for the same event, of which question and answer may each use one
_SAME_EVENT = {
    word: group[0]
    for group in (
        ("write", "author", "writer", "penn", "author"),
        ("found", "founder", "establish", "launch", "start", "set"),
        ("design", "designer", "architect", "plann"),
        ("lead", "leader", "head", "direct", "director", "manag", "run", "boss", "chief"),
        ("own", "owner", "belong"),
        ("build", "erect", "construct", "builder"),
        ("base", "bas", "locat", "headquarter", "situat", "lie", "stand"),
        ("make", "manufactur", "produc", "maker"),
        ("discover", "find", "discovery"),
        ("compose", "compos", "composer"),
        ("invent", "inventor", "devis", "create", "creat"),
        ("employ", "employee", "staff", "people", "work", "worker"),
        ("open", "inaugurat"),
        ("name", "call", "known"),
        ("win", "victory", "winner"),
        ("move", "relocat", "mov"),
        ("die", "died", "death"),
        ("cost", "price", "ticket", "charg"),
    )
    for word in group
}
# What happens to people at another time than anything else that is asked
_LIFE = (
    re.compile(r"\b(?:born|died|retired|married|divorced)\b"),
    re.compile("生まれ|死去|亡くな|結婚|離婚|引退|退職|逝去"),
)
_PRONOUN = re.compile(r"(?i)^\W*(?:(?:and|but|while|whereas|then|later) )*(?:it|he|she|they|its|his|her|their|there)\b")
_OWN_SUBJECT = re.compile(
    r"^\W*(?:(?:and|but|while|whereas|although|though|then|[Ii]n [0-9]{4},?|[Tt]oday|[Nn]ow) )*"
    r"(?:[Tt]he [a-z]|[Aa]n? [a-z]|[Tt]heir [a-z]|[A-Z][\w’'-]*|[a-z]+ (?:is|are|was|were|has|had|of|beside|near)\b)"
)
_VERB = re.compile(
    rf"\b(?:is|are|was|were|has|have|had|does|did|{'|'.join(_IRREGULAR)}|[a-z]{{2,}}ed)\b|(?<=[A-Za-z] )[a-z]{{3,}}s "
    rf"(?=the|an?|in|at|on|by|from|to|its)"
)
_SUBJECT_WORDS = 4
_STOPS = frozenset(".;\n。")
_IT, _THEY = re.compile(r"(?i)\bit\b"), re.compile(r"(?i)\b(?:he|she|they)\b")
_CONCESSIVE = re.compile(r"(?i)(?:although|though|even though|despite|in spite of|while)\b")
_COPULA_END = re.compile(r"\b(?:is|are|was|were) (?:made (?:of|from) |called |(?:the|an?) )?[a-z]+(?: [a-z]+)?\W*$")
_APPOSITION = re.compile(
    r"(?P<head>[A-Z][\w’'-]{0,30}(?: [A-Z][\w’'-]{0,30}){0,3}), (?=(?:an?|the|one of|its|his|her|their) "
    r"[a-z])(?P<rest>[^,.;\n]+)"
)
_ENDING, _SMALL_WORD = re.compile(r"(?:ing|ed|es|s|e)$"), re.compile(r"(?<![\w’'-])[a-z]{3,}")
_ASKS_YEAR = re.compile(r"(?i)\b(?:year|when)\b|何年|いつ|年")
_STEM_MIN = 5  # letters that two words share, as do discover and discovery


@dataclass(frozen=True, slots=True)
class _Asked:
    """What a question tells about the clause that answers it."""

    words: frozenset[str]  # content words, as beginnings
    names: frozenset[str]
    things: frozenset[str]  # what it counts, as beginnings
    asks_year: bool
    years: tuple[str, ...]


def fitting(text: str, question: str, states: States, facts: frozenset[str], is_person: bool) -> str:
    """The text (NFKC) without values of clauses that do not fit the question, where they give it the fact.

    `facts` are the words of the facts as they are written; where they all have capitals, no common noun is a rival.
    """
    if not states(text):
        return text
    asked = _asked(question)
    named = all(word[:1].isupper() or word in _NAME_WORDS for word in facts)
    text = without_opposites(text, question, states)
    if "," in text:
        text = _without_attributes(text, question, asked, states)
    if not _ASKS_NEAR.search(question):
        text = _without_neighbours(text, states)
    if asked.years:
        text = _without_other_years(text, asked, states)
    if asked.asks_year:
        text = _without_lives(text, question, states)
    if asked.things:
        text = _without_other_counts(text, asked, states)
    text = _without_worse_fits(text, asked, states, facts, is_person, _value_pattern(asked, facts, named))
    if not text.isascii():
        text = without_other_events(text, question, states, facts)
    return without_other_roles(text, question, states, named)


@lru_cache(maxsize=1024)
def _asked(question: str) -> _Asked:
    counted = _COUNTED.search(question)
    return _Asked(
        words=frozenset(_content(question.casefold())),
        names=_names(question),
        things=frozenset(map(_stem, counted["things"].split())) - {""} if counted else frozenset(),
        asks_year=_ASKS_YEAR.search(question) is not None,
        years=tuple(_YEAR.findall(question)),
    )


def _content(text: str) -> set[str]:
    words = _SMALL_WORD.findall(text)
    return {_stem(word) for word in words if word not in _FUNCTION}


def _names(text: str) -> frozenset[str]:
    return frozenset(_CAPITAL.findall(text)) - _NO_NAME


@lru_cache(maxsize=8192)
def _stem(word: str) -> str:
    word = _IRREGULAR.get(word, word)
    word = _ENDING.sub("", word) if len(word) > 4 else word
    return _SAME_EVENT.get(word, word)


def _without_attributes(text: str, question: str, asked: _Asked, states: States) -> str:
    """Without what is told of another name: the Wend, which flows into the Tarrow; Brava, a subsidiary of Nordmark."""

    def relative(match: re.Match[str]) -> str:
        return match[0] if match["head"] in question or _fits(match["clause"], asked) else f"{match['head']}, {_GAP}"

    def apposition(match: re.Match[str]) -> str:
        other = not (_names(match["head"]) & asked.names or states(match["head"]))
        return (
            f"{match['head']}, {_GAP}"
            if other and states(match["rest"]) and not _fits(match["rest"], asked)
            else match[0]
        )

    return _APPOSITION.sub(apposition, _RELATIVE.sub(relative, text))


def _without_neighbours(text: str, states: States) -> str:
    """Without places that only tell where another one lies."""

    def cut(match: re.Match[str]) -> str:
        others = any(not states(name) for name in _names(text[: match.start()] + text[match.end() :]))
        return f"{match['near']} {_GAP}" if others and states(match["name"]) else match[0]

    text = _NEAR.sub(cut, text)
    if text.isascii():
        return text
    return _JA_NEAR.sub(lambda match: _GAP if states(match["name"] or match["alone"]) else match[0], text)


def _value_pattern(asked: _Asked, facts: frozenset[str], named: bool) -> Callable[[str], bool]:
    """Whether a clause has a value that could stand in the place of the fact."""
    if asked.asks_year:
        return lambda clause: _YEAR.search(clause) is not None
    if any(word[:1].isdigit() for word in facts):
        return lambda clause: _NUMBER.search(clause) is not None
    if named:
        return lambda clause: bool(_names(clause) - asked.names)
    return lambda clause: _COPULA_END.search(clause) is not None


def _without_worse_fits(
    text: str,
    asked: _Asked,
    states: States,
    facts: frozenset[str],
    is_person: bool,
    has_value: Callable[[str], bool],
) -> str:
    """Without the fact where another value stands in a clause that has more of the question's words."""
    clauses = _clauses(text)
    if len(clauses) < 2 or not clauses[0][0].isascii():
        return text
    right: list[tuple[int, str]] = []
    rivals: list[tuple[int, str]] = []
    pronoun = _THEY if is_person else _IT
    of_fact = False  # whether the last subject is the fact itself, so that "he" is
    for clause, fit, is_heading in _fits_of(clauses, asked):
        if is_heading:
            continue
        if states(clause):
            right.append((fit, clause))
            of_fact = states(" ".join(clause.split()[:_SUBJECT_WORDS]))
        elif has_value(clause) and not (of_fact and pronoun.search(_VERB.split(clause, maxsplit=1)[0])):
            rivals.append((fit, clause))
    if not right or not rivals:
        return text
    first = rivals[0][1]
    if (
        first is clauses[0][0]
        and clauses[0][1] in _STOPS
        and _BARE.fullmatch(first)
        and not _names(first) & asked.names
    ):
        rivals[0] = (len(asked.words), first)  # "Delve." is an answer by itself
    best, rival = max(right), max(rivals)
    background = all(_CONCESSIVE.match(clause.strip()) for _, clause in right)
    if not background and (rival[0] <= best[0] or not _is_foreign(best[1], asked, facts)):
        return text
    for _, clause in right:
        text = text.replace(clause, _GAP)
    return text


def _clauses(text: str) -> list[tuple[str, str]]:
    """The clauses that say something, each with the mark behind it."""
    found, last = [], 0
    for match in CLAUSE.finditer(text):
        found.append((text[last : match.start()], match[0]))
        last = match.end()
    return [(clause, mark) for clause, mark in [*found, (text[last:], "")] if _WORD.search(clause)]


def _fits_of(clauses: list[tuple[str, str]], asked: _Asked) -> Iterator[tuple[str, int, bool]]:
    """Each clause, how many words of the question it has or takes from the one before, and whether it is a heading."""
    subject: set[str] = set()
    whole: set[str] = set()
    for clause, mark in clauses:
        own = _matched(clause, asked)
        verb = _VERB.search(clause)
        if _PRONOUN.match(clause) or not _OWN_SUBJECT.match(clause):
            own |= subject if verb else whole  # "gold in 1992" takes the verb from "she won silver in 1988" as well
            subject |= _matched(clause[: verb.start()], asked) if verb else set()
        else:
            subject = _matched(clause[: verb.start()] if verb else clause, asked)
        whole = own
        if mark == ":":
            subject = own
        yield clause, len(own), mark == ":"


def _matched(clause: str, asked: _Asked) -> set[str]:
    """The words of the question that a clause has, whatever their endings."""
    said = _content(clause.casefold())
    long = [other for other in said if len(other) >= _STEM_MIN]
    return {
        word
        for word in asked.words
        if word in said
        or (len(word) >= _STEM_MIN and any(word.startswith(other) or other.startswith(word) for other in long))
    }


def _is_foreign(clause: str, asked: _Asked, facts: frozenset[str]) -> bool:
    """Whether a clause speaks of things, events or names that neither the question nor the fact has."""
    own = {_stem(word.casefold()) for word in facts}
    names = {name for name in _names(clause) - asked.names if name not in facts}
    return bool(names or _content(clause) - asked.words - own - _TIMES)


def _fits(clause: str, asked: _Asked) -> bool:
    return bool(_matched(clause, asked))


def _without_lives(text: str, question: str, states: States) -> str:
    """Without the year in which somebody was born, where the question asks for something else that somebody did."""
    for pattern in _LIFE:
        if pattern.search(text) and not pattern.search(question):
            for clause in CLAUSE.split(text):
                if pattern.search(clause) and states(clause):
                    text = text.replace(clause, _GAP)
    return text


def _without_other_years(text: str, asked: _Asked, states: States) -> str:
    """Without what is told of another year than the question's, where that is told too."""
    clauses = [clause for clause in CLAUSE.split(text) if _YEAR.search(clause)]
    if any(year in clause for year in asked.years for clause in clauses if not states(clause)):
        for clause in clauses:
            if states(clause) and not any(year in clause for year in asked.years):
                text = text.replace(clause, _GAP)
    return text


def _without_other_counts(text: str, asked: _Asked, states: States) -> str:
    """Without the number of horses, where that of the cows stands beside it."""
    counts = [match for match in _COUNT.finditer(text) if match["value"][0].isdigit() or states(match["value"])]
    if any(_stem(match["thing"]) in asked.things and not states(match["value"]) for match in counts):
        for match in reversed(counts):
            if _stem(match["thing"]) not in asked.things | _FUNCTION and states(match["value"]):
                text = text[: match.start()] + _GAP + text[match.start("thing") :]
    return text
