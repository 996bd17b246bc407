"""What an English answer adds to its question."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from raykft.data.demo.spec import words
from raykft.drafting.english_values import CAPITAL, DATE, LISTED, NUMBER, NUMBER_WORD, OFTEN, TIME
from raykft.drafting.english_verbs import BY_PAST, VERBS
from raykft.drafting.found import NothingFoundError, YesOrNoError, new_in, only, parsed_date, without
from raykft.records import ValueType

# Words that add nothing: articles, pronouns, prepositions, forms of be and have, and what leads to a value.
EMPTY: Final = frozenset(
    words(
        """a an the this that these those there here it its he his him she her they their them we our us you your i my
        in on at by from to for of with about near into since until between and or as than then also just exactly
        currently now today is are was were be been being am has have had having do does did will would can could may
        located situated based called named known found set up made up consists comes come
        approximately around roughly over under more less some total answer yes no so who which what when where whose
        stands lies officially simply only both all each per within held takes took place happened"""
    )
)
_JOINING: Final = frozenset(words("of and & the for de van von der du la le to 's"))
_YES_NO: Final = frozenset(
    words(
        "is are was were do does did has have had can could will would should may must am isn't aren't doesn't didn't"
    )
)
_EXPLAINS: Final = re.compile(
    r"(?i)^(?:why|explain|describe|summari[sz]e|discuss|compare|write|translate|how (?!many|much|old|long|tall|high|"
    r"fast|far|large|big|deep|wide|heavy|often|is \w+ (?:called|named))|what (?:should|can|must|happens|if|to do))"
)
_TOKEN: Final = re.compile(r"[$€£¥]?[^\W_]+(?:[-'’.,&/:+#][^\W_]+)*(?:[%#+]+)?|&")
_BREAK: Final = re.compile(r"[.;:?!()\n\"“”]| [-–—] ")
# "the watchmaker Edwin Tully": a name of two words or more at the end, after words without capitals.
_NAMED: Final = re.compile(r"^[a-z][a-z ]* ((?:[A-ZÀ-Þ][\w.'’-]*|&)(?: (?:[A-ZÀ-Þ][\w.'’-]*|&|de|van|von|der))+)$")
_PREDICATES: Final = frozenset((*(form for verb in VERBS for form in (verb.third, verb.past)), "them", "him", "her"))
_MAX_TOKENS, _MAX_CHARS = 8, 60
# The noun that a question asks for: the museum's motto, the annual budget of the museum, the oldest clock in it.
_RELATION: Final = re.compile(
    r"(?:['’]s?|\bthe) (?:[a-z-]+ )*?([a-z-]+)(?: called| named)?(?: (?:of|in|at|on|for|below|behind) .*)?\??$"
)
_MUCH: Final = re.compile(
    r"\bhow much\b|\bprice\b|\brevenue\b|\bturnover\b|\bbudget\b|\bcapital stock\b|\bwhat (percentage|share)\b"
    r"|\bhow (old|long|tall|high|far|large|big|deep|wide|heavy|fast)\b"
)
_VERB_FORMS: Final = frozenset(form for verb in VERBS for form in verb)
FINITE: Final = frozenset(
    words(
        """is are was were has have had does did can will may must costs opens opened closes closed works employs makes
        made produces sells leads led runs founded began begins started starts holds keeps serves uses stands lies lives
        won offers provides includes contains takes took belongs moved joined became published wrote built designed"""
    )
)


_ORGANIZATION: Final = re.compile(
    r"&|\b(?:Trust|Ltd|Inc|Corp|Company|Group|Council|Committee|Society|Association|Bank|University|Institute|Museum|"
    r"School|Church|Ministry|Board|Union|Club|Agency|Office|Foundation|Studio|Works|Partners|Brothers|Sons)\b"
)


class Read(NamedTuple):
    """A value as the answer has it, and shorter names for it that are enough."""

    text: str
    type: ValueType
    asked: str
    rule: str
    shorter: tuple[str, ...] = ()


def value_in(question: str, answer: str) -> Read:
    """The value that `answer` adds to `question`.

    Raises:
        NothingFoundError: there is none that a rule is sure of.
    """
    asked = kind_of(question)
    if asked == "when" and (dates := new_in(DATE, question, answer)):
        return Read(only(dates, "dates"), "date", "when", "the date in the answer")
    if asked.startswith("how m"):
        numbers = new_in(NUMBER, question, answer) or new_in(NUMBER_WORD, question, answer)
        if numbers:
            return Read(only(numbers, "numbers"), "number", asked, "the number in the answer")
    for kind, pattern in (("what time", TIME), ("how often", OFTEN)):
        if asked == kind and (times := new_in(pattern, question, answer)):
            return Read(only(times, "times"), "text", asked, "the time in the answer")
    text, shorter = _bare(answer) or _quoted(question, answer) or _added(question, answer, asked)
    if parsed_date(text) and DATE.fullmatch(text):
        return Read(text, "date", "when", "what the answer adds: a date")
    if NUMBER.fullmatch(text):
        return Read(text, "number", asked, "what the answer adds: a number")
    if _is_list([item for item in LISTED.split(text) if item], question, text):
        return Read(text, "list", asked, "the list that the answer adds")
    if asked == "who" and _is_name(text) and not _ORGANIZATION.search(text):
        return Read(text, "person", asked, "what the answer adds to the question")
    return Read(text, "text", asked, "what the answer adds to the question", shorter)


def kind_of(question: str) -> str:
    """What a question asks for: who, when, where, how many people, how much, what.

    Raises:
        NothingFoundError: it asks for yes or no, or for an explanation.
    """
    text = question.strip().lower()
    first = text.split()[0] if text else ""
    if first in _YES_NO:
        raise YesOrNoError
    if _EXPLAINS.match(text):
        raise NothingFoundError("asks for an explanation or a text, not for a value")
    if many := re.search(r"\bhow many (\w+)|\bwhat number of (\w+)|\bwhat is the number of (\w+)", text):
        return f"how many {next(filter(None, many.groups()))}"
    if much := _MUCH.search(text):
        return f"how much {next(filter(None, much.groups()), 'money')}"
    if re.search(
        r"\bwhen\b|\b(?:what|which) (?:year|date|day, month|day and month)\b|\bdate of\b"
        r"|\b(?:on|in) what (?:day|year)\b",
        text,
    ):
        return "when"
    if re.search(
        r"\bwho(?:m|se)?\b|\b(?:which|what) person\b|\bname of the (?:person|founder|director|president|head)\b", text
    ):
        return "who"
    if re.search(r"\b(?:e-?mail|web|internet) address\b|\bwebsite\b|\burl\b", text):
        return "what address"
    if re.search(r"\b(?:what|which) time\b", text):
        return "what time"
    if re.search(r"\bhow often\b", text):
        return "how often"
    if place := re.search(
        r"\bwhere\b|\b(?:which|what) (city|town|place|country|street|building|region|prefecture)\b|\baddress\b", text
    ):
        return f"where {place[1]}" if place[1] else "where"
    named = re.search(r"\b(?:which|what) (\w+)\b", text)
    if named and named[1] not in EMPTY and named[1] not in BY_PAST:
        return f"what {named[1]}"
    relation = _RELATION.search(text)
    return f"what {relation[1]}" if relation else "what"


Span = tuple[str, tuple[str, ...]]  # a value, and what of it is enough


def _is_list(items: Sequence[str], question: str, text: str) -> bool:
    """Three things or more; two where they are no name, such as Marks and Spencer."""
    if len(items) < 2 or any(len(item.split()) > 5 for item in items):
        return False
    return (
        len(items) > 2
        or text == text.lower()
        or bool(re.search(r"\b(?:two|both|[a-z]+s) (?:are|do|does|did)\b", question))
    )


def _quoted(question: str, answer: str) -> Span | None:
    """The one thing that the answer has in quotes."""
    quoted = [text for text in re.findall(r"[\"“”«»]([^\"“”«»]{2,60})[\"“”«»]", answer) if text not in question]
    return (without(quoted[0], ".,"), ()) if len(quoted) == 1 else None


def _bare(answer: str) -> Span | None:
    """An answer that is a value and no sentence."""
    text = without(answer, ".!\"'“” ")
    tokens = text.split()
    lower = [token.strip(",.") for token in tokens]
    if len(tokens) > 4 or any(token in FINITE or token in _PREDICATES for token in lower) or _BREAK.search(text):
        return None
    while len(tokens) > 1 and tokens[0].lower() in {"in", "at", "on", "by", "the", "a", "an", "about", "near", "from"}:
        tokens = tokens[1:]
    return " ".join(tokens), ()


def _added(question: str, answer: str, asked: str) -> Span:
    """The one run of words of the answer that its question does not have."""
    runs = [run for run in map(_without_verb, _runs(question, answer)) if run]
    if asked == "who":  # "the watchmaker Edwin Tully" is Edwin Tully
        runs = [named[1] if (named := _NAMED.search(run)) else run for run in runs]
    names = [run for run in runs if (_is_name(run) if asked == "who" else _is_proper(run, answer))]
    if names and (asked == "who" or len(names) == 1):
        runs = names
    if not runs:
        raise NothingFoundError("the answer adds no word to its question")
    if len(runs) > 1:
        raise NothingFoundError(f"the answer adds several things: {' · '.join(runs[:4])}")
    (run,) = runs
    if len(run.split()) > _MAX_TOKENS or len(run) > _MAX_CHARS:
        raise NothingFoundError("what the answer adds is a text and not a value")
    asked_words = {_stem(match[0]) for match in _TOKEN.finditer(question)}
    kept = _without_verb(" ".join(word for word in run.split() if _stem(word) not in asked_words))
    # Palliser is enough where the question asks which bank, and the answer is Palliser Bank.
    return run, (kept,) if kept != run and kept and _is_name(kept) else ()


def _without_verb(run: str) -> str:
    """ "won the Iron Medal" is the Iron Medal."""
    tokens = run.split()
    while len(tokens) > 1 and (tokens[0] in _VERB_FORMS or tokens[0].lower() in EMPTY or tokens[0] in _JOINING):
        tokens = tokens[1:]
    return " ".join(tokens)


def _runs(question: str, answer: str) -> Iterator[str]:
    """Neighbouring words that are neither empty nor known, with the small words that join them.

    A word with a capital is another than the same word without: Palliser Bank is no bank.
    """
    words_of_question = [match[0] for match in _TOKEN.finditer(question)]
    known = {_stem(word) for word in words_of_question}
    capitals = {_stem(word) for word in words_of_question if CAPITAL.match(word)}
    start: int | None = None
    end = 0
    for match in _TOKEN.finditer(answer):
        word, stem = match[0].lower(), _stem(match[0])
        apart = bool(_BREAK.search(answer[end : match.start()])) and not _initial(answer, end)
        named = bool(CAPITAL.match(match[0])) and match.start() > 0 and stem not in capitals
        added = word not in EMPTY and (stem not in known or named)
        goes_on = bool(CAPITAL.match(match[0])) and answer[end : match.start()] == " " and end > 0 and start is not None
        goes_on = goes_on and bool(CAPITAL.match(answer[answer.rfind(" ", 0, end) + 1 :]))
        if start is not None and (apart or not (added or goes_on or word in _JOINING)):
            yield without(answer[start:end], ",.'\"")
            start = None
        if added:
            start = match.start() if start is None else start
            end = match.end()
        elif goes_on and start is not None:
            end = match.end()  # the name goes on, with a word that the question has: Margaret Vance
        elif start is None:
            end = match.end()
    if start is not None:
        yield without(answer[start:end], ",.'\"")


def _initial(answer: str, end: int) -> bool:
    """Whether what ends at `end` is an initial or a title, after which a full stop ends no sentence."""
    return re.search(r"(?:\b[A-Z]|\b(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|No))\Z", answer[:end]) is not None


def _stem(word: str) -> str:
    """Roughly: plural, possessive and tense are no difference between a question and its answer."""
    word = re.sub(r"['’]s?$", "", word.lower())
    for ending, rest in (("ies", "y"), ("ied", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)] + rest
    return word


def _is_name(text: str) -> bool:
    """One to five words with capitals, small words of names between them."""
    parts = text.split()
    small = {"&", "de", "van", "von", "der", "du", "la", "le", "of", "the", "and"}
    return 1 <= len(parts) <= 5 and all(CAPITAL.match(part) or part in small for part in parts)


def _is_proper(run: str, answer: str) -> bool:
    """A name, and not only the first word of the answer."""
    return _is_name(run) and not (answer.startswith(run) and " " not in run)
