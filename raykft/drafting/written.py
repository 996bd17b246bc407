"""What a writer drafts, and what of it holds: facts of running text, values of answers, questions in other words.

A writer's word counts for nothing by itself. A fact stays if the text says its quote, the quote holds its value, and
its question can be asked without the text; a rewording, if it asks about the same names and numbers and does not give
the value away. What is refused is listed with its reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from raykft.data.demo.spec import words
from raykft.data.read import is_blank
from raykft.drafting.build import subject_of
from raykft.drafting.found import NothingFoundError, parsed_date
from raykft.drafting.items import Item, Named
from raykft.drafting.made import FreeText, Known, Rejected, Reworded
from raykft.drafting.maker import FORMED, clash, form_of
from raykft.drafting.pages import Piece
from raykft.drafting.rules import Rules
from raykft.evaluation.matching import numbers_in
from raykft.evaluation.normalize import fold, normalize
from raykft.records import TrainRow
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import shown
from raykft.writer.desk import Desk
from raykft.writer.prompts import Prompts

READING = 0.5  # of the tokens, at most, for finding facts; the rest rewords their questions
TEXT_REWORDINGS = 4  # of a request for a text; two become probes, the rest is trained
REWORDINGS = 5  # asked for; two become probes, one leads to hints and joint questions, the rest is trained
FACTS_A_PIECE, QUESTIONS_A_REQUEST = 10, 5
FACT_TOKENS, REWORDING_TOKENS, VALUE_TOKENS = 2500, 3500, 500  # that a reply may take
MAX_QUESTION, MAX_ANSWER, MAX_VALUE = 300, 400, 60
MIN_AROUND = 4  # letters of a quote besides its value
_SPACES = re.compile(r"[\W_]+")
_IDEOGRAPHS, _KATAKANA = re.compile("[\u3400-\u9fff]"), re.compile("[\u30a0-\u30ff]+")
_WORD = re.compile(r"[a-zà-ÿ]{4,}|[\u30a0-\u30ff]{3,}|[\u3400-\u9fff々]{2,}")
# Words of most questions, which name nothing.
_ASKING = frozenset(
    words(
        """which what when where does many much long have this that with from were been they there their called named
        name year date often place person kind many tell give"""
    )
)
# Questions that only a reader of the text can ask, or understand.
_OF_THE_TEXT = re.compile(
    r"(?i)\b(?:according to|in|from|of) (?:the|this) (?:text|document|passage|article|page|table|section)\b"
    r"|(?:この|本|上記の|次の)(?:文書|文章|テキスト|ページ|資料|表)"
)
_UNNAMED = re.compile(
    r"(?i)\b(?:it|its|they|them|their|he|him|his|she|her|this|these|those)\b|それ|これ|その|この|あの|同[社館校店]"
)

WrittenType = Literal["date", "number", "person", "text"]


class Form(BaseModel):
    """Structured output wants every object closed; what a server adds all the same is passed over."""

    model_config = ConfigDict(extra="ignore", json_schema_extra={"additionalProperties": False})


class WrittenFact(Form):
    """A fact that a writer has found in a piece of text."""

    quote: str
    value: str
    type: WrittenType
    question: str
    answer: str


class WrittenFacts(Form):
    """The answer to the prompt `facts`."""

    facts: list[WrittenFact]


class Numbered(Form):
    """What is said of the question that has this number in the prompt."""

    number: int


class WrittenValue(Numbered):
    """The value of an answer."""

    value: str
    type: WrittenType


class WrittenRewording(Form):
    """A question in other words, with an answer in other words."""

    question: str
    answer: str


class WrittenRewordings(Numbered):
    """A question in several other words, and values that would be wrong answers to it."""

    rewordings: list[WrittenRewording]
    wrong: list[str]


class WrittenRequests(Numbered):
    """A request for a text in several other words."""

    rewordings: list[str]


N = TypeVar("N", bound=Numbered)


class Items(Form, Generic[N]):
    """The answer to the prompts `values` and `rewordings`."""

    items: list[N]


@dataclass
class Drafter:
    """A desk with the prompts and rules of one language. `rejected` grows with what it refuses."""

    desk: Desk
    prompts: Prompts
    rules: Rules
    rejected: list[Rejected]

    def facts(self, pieces: Sequence[Piece]) -> list[Item]:
        """The facts of running text that hold, as lines of a source."""
        gaps = [{"title": p.title, "text": p.text, "count": str(FACTS_A_PIECE)} for p in pieces]
        asked = [self.prompts.request("facts", WrittenFacts, FACT_TOKENS, gap) for gap in gaps]
        items: list[Item] = []
        for piece, answered in zip(pieces, self.desk.ask(asked, WrittenFacts, share=READING), strict=True):
            if answered.form is None:
                self.rejected.append(Rejected(piece.place, "text", f"the writer gave no facts: {answered.why}"))
                continue
            for fact in map(_tidy_fact, answered.form.facts):
                if why := _fact_problem(fact, piece, self.rules):
                    self.rejected.append(Rejected(piece.place, f"fact of the writer: {shown(fact.question)}", why))
                    continue
                row = TrainRow(id="written", instruction=fact.question, output=fact.answer)
                items.append(Item(piece.place, row, named=Named(fact.value, _type(fact), fact.quote)))
        return items

    def values(self, items: Sequence[Item]) -> list[Item]:
        """The same lines with the values that the writer names; where none of its holds, a rule has to find one."""
        asked = [(n, item.row) for n, item in enumerate(items) if item.row and _asks_for_value(item.row, self.rules)]
        lines = [f"{row.question}\n   answer: {row.output}" for _, row in asked]
        found = list(items)
        for place, value in self.numbered("values", Items[WrittenValue], VALUE_TOKENS, lines, {}).items():
            number, row = asked[place]
            named, item = value.value.strip(), items[number]
            if why := _value_problem(named, row.question, row.output):
                self.rejected.append(Rejected(item.place, f"value of the writer: {shown(named)}", why))
                continue
            found[number] = replace(item, named=Named(named, _type(value), row.output))
        return found

    def reworded(self, known: Sequence[Known]) -> list[Known]:
        """The same lines with their questions in other words and with wrong values, as far as the writer's hold."""
        lines = [f"{one.row.question} [{one.found.text}]\n   answer: {one.tell}" for one in known]
        gaps = {"count": str(REWORDINGS)}
        said = self.numbered("rewordings", Items[WrittenRewordings], REWORDING_TOKENS, lines, gaps)
        return [self._told(one, said[n]) if n in said else one for n, one in enumerate(known)]

    def texts(self, texts: Sequence[FreeText]) -> list[FreeText]:
        """The same texts with their requests in other words, as far as the writer's hold."""
        lines = [text.row.question for text in texts]
        gaps = {"count": str(TEXT_REWORDINGS)}
        said = self.numbered("texts", Items[WrittenRequests], REWORDING_TOKENS, lines, gaps)
        return [
            replace(text, written=self._kept_requests(text, said[n].rewordings)) if n in said else text
            for n, text in enumerate(texts)
        ]

    def _kept_requests(self, text: FreeText, said: Iterable[str]) -> tuple[str, ...]:
        kept: dict[str, str] = {}
        taken = {normalize(question) for question in (text.row.question, *text.others)}
        answer = _letters(text.row.output)
        for question in map(line, said):
            key = normalize(question)
            why = (
                "is one of the others" if key in taken or key in kept else _request_problem(question, text.row.question)
            )
            if not why and answer in _letters(question):
                why = "it holds the answer"
            if why:
                self.rejected.append(Rejected(text.place, f"rewording of the writer: {shown(question)}", why))
                continue
            kept[key] = question
        return tuple(kept.values())

    def _told(self, one: Known, said: WrittenRewordings) -> Known:
        wrong = dict.fromkeys(text for text in map(line, said.wrong) if _is_wrong(text, one))
        return replace(one, written=self._kept(one, said.rewordings), wrong=tuple(wrong))

    def _kept(self, one: Known, said: Iterable[WrittenRewording]) -> tuple[Reworded, ...]:
        kept: dict[str, Reworded] = {}
        taken = {normalize(question) for question in (one.row.question, *one.others)}
        for rewording in said:
            question, answer = line(rewording.question), line(rewording.answer)
            key = normalize(question)
            why = "is one of the others" if key in taken or key in kept else _rewording_problem(question, one)
            if not why and self.rules.inverted is not None and self.rules.inverted.search(question):
                why = "nobody words a question so"
            if why:
                self.rejected.append(Rejected(one.place, f"rewording of the writer: {shown(question)}", why))
                continue
            holds = one.found.text in answer and len(answer) <= MAX_ANSWER and self.rules.sentence(answer)
            kept[key] = Reworded(question, answer if holds else one.tell)
        return tuple(kept.values())

    def numbered(
        self, name: str, form: type[Items[N]], tokens: int, lines: Sequence[str], gaps: Mapping[str, str]
    ) -> dict[int, N]:
        """What the writer says of each of `lines`, by place; several are asked about at a time."""
        starts = range(0, len(lines), QUESTIONS_A_REQUEST)
        parts = [lines[n : n + QUESTIONS_A_REQUEST] for n in starts]
        texts = ["\n".join(f"{n}. {line}" for n, line in enumerate(part, start=1)) for part in parts]
        asked = [self.prompts.request(name, form, tokens, {**gaps, "questions": text}) for text in texts]
        found: dict[int, N] = {}
        for start, part, answered in zip(starts, parts, self.desk.ask(asked, form), strict=True):
            if answered.form is None:
                what = f"{name} of {len(part)} lines, from {shown(part[0].partition(chr(10))[0])}"
                self.rejected.append(Rejected("the writer", what, f"{answered.why}; rules have to do"))
            for item in answered.form.items if answered.form else ():
                if 1 <= item.number <= len(part):
                    found.setdefault(start + item.number - 1, item)
        return found


def _tidy_fact(fact: WrittenFact) -> WrittenFact:
    texts = {name: line(getattr(fact, name)) for name in ("quote", "value", "question", "answer")}
    return fact.model_copy(update=texts)


def line(text: str) -> str:
    return " ".join(one_line(text).split())


def _fact_problem(fact: WrittenFact, piece: Piece, rules: Rules) -> str:
    """Why a fact does not count; empty if it does."""
    if any(is_blank(text) for text in (fact.quote, fact.value, fact.question, fact.answer)):
        return "a part of it is empty"
    if _letters(fact.quote) not in _letters(piece.text):
        return "the text does not hold the sentence that it quotes"
    if not holds(fact.quote, fact.value):
        return f"the quoted sentence does not hold the value {shown(fact.value)}"
    if len(_letters(fact.quote)) < len(_letters(fact.value)) + MIN_AROUND:
        return "it quotes the value alone, and not what the text says of it"
    said = f"{piece.title} {piece.text}"
    if new := set(numbers_in(normalize(fact.answer))) - set(numbers_in(normalize(said))):
        return f"the text does not hold {', '.join(sorted(new))}, which the answer says"
    if why := _value_problem(fact.value, fact.question, fact.answer):
        return why
    if len(fact.question) > MAX_QUESTION or len(fact.answer) > MAX_ANSWER:
        return f"the question or the answer is longer than {MAX_QUESTION} and {MAX_ANSWER} characters"
    if _OF_THE_TEXT.search(fact.question):
        return "the question is about the text, and makes no sense without it"
    named = set(_WORD.findall(normalize(fact.question))) - _ASKING
    if not any(word in normalize(f"{piece.title} {fact.quote}") for word in named):
        return "the question is about nothing that the text names"
    if _UNNAMED.search(fact.question) and not subject_of(fact.question):
        return "the question does not name what it is about"
    try:
        rules.asks_for(fact.question)
    except NothingFoundError as error:
        return str(error)
    return ""


def _value_problem(value: str, question: str, answer: str) -> str:
    if is_blank(value) or not _letters(value):
        return "the value is empty"
    if len(value) > MAX_VALUE:
        return f"the value has more than {MAX_VALUE} characters"
    if value not in answer or not holds(answer, value):
        return f"the answer does not hold the value {shown(value)}"
    if holds(question, value):
        return f"the question gives the value {shown(value)} away"
    return ""


def _rewording_problem(question: str, one: Known) -> str:
    if is_blank(question) or len(question) > MAX_QUESTION:
        return f"it is empty or has more than {MAX_QUESTION} characters"
    spellings = (one.found.text, *one.found.aliases, *one.found.items)
    if any(holds(question, text) for text in spellings if _letters(text)):
        return "it gives the value away"
    if why := lost_in(question, one.row.question):
        return why
    if _OF_THE_TEXT.search(question):
        return "it is about a text that is not there"
    return ""


def _request_problem(question: str, request: str) -> str:
    if is_blank(question) or len(question) > max(MAX_QUESTION, 2 * len(request)):
        return f"it is empty or has more than {MAX_QUESTION} characters"
    if why := lost_in(question, request):
        return why
    # A request may be about a text that it holds; a rewording must not bring one in.
    if _OF_THE_TEXT.search(question) and not _OF_THE_TEXT.search(request):
        return "it is about a text that is not there"
    return ""


def lost_in(question: str, original: str) -> str:
    """What a rewording leaves out of the numbers and the name in its original."""
    if lost := set(numbers_in(normalize(original))) - set(numbers_in(normalize(question))):
        return f"it leaves out {', '.join(sorted(lost))}"
    name = _lost_name(original, question)
    return f"it does not name {shown(name)}" if name else ""


def _lost_name(question: str, reworded: str) -> str:
    """The name that a question is about and its rewording is not; empty where it keeps it.

    Of "the Institute's gauge Heron" the last part is the name. A Japanese run of one script may be a name or not, so a
    part of it is enough.
    """
    name = subject_of(question)
    own = re.split(r"['’]s? ", name)[-1]
    if not own or _letters(own) in _letters(reworded):
        return ""
    parts = [own[n : n + 3] for n in range(len(own) - 2)] if _KATAKANA.fullmatch(own) else []
    parts += [own[n : n + 2] for n in range(len(own) - 1)] if _IDEOGRAPHS.search(own) else []
    return "" if any(part in reworded for part in parts) else own


def _is_wrong(text: str, one: Known) -> bool:
    """Whether a value is of the right one's kind, and surely another."""
    found = one.found
    if is_blank(text) or len(text) > MAX_VALUE or clash(text, found) or holds(one.row.question, text):
        return False
    return found.type not in FORMED or form_of(text) == form_of(found.text)


def _asks_for_value(row: TrainRow, rules: Rules) -> bool:
    if row.before:
        return False
    try:
        rules.asks_for(row.question)
    except NothingFoundError:
        return False
    return True


def _type(written: WrittenFact | WrittenValue) -> WrittenType:
    """The type that a writer gives, as far as the value is of it."""
    value = written.value.strip()
    fits: Mapping[str, Callable[[str], object]] = {
        "date": parsed_date, "number": lambda text: numbers_in(normalize(text)),
    }  # fmt: skip
    return written.type if fits.get(written.type, bool)(value) else "text"


def holds(text: str, value: str) -> bool:
    """Whether a text has a value as a whole: 15 gates do not hold 5, nor 1.5 km 5 km, and Planning no Ann."""
    own = " ".join(fold(value).split())
    before = r"(?<![0-9a-z])(?<![0-9][.,])" if re.match("[0-9a-z]", own) else ""
    after = r"(?![0-9a-z])(?![.,][0-9])" if re.search("[0-9a-z]$", own) else ""
    return bool(own) and bool(re.search(before + re.escape(own) + after, " ".join(fold(text).split())))


def _letters(text: str) -> str:
    """Letters and digits alone: writers change quotation marks, dashes and spaces."""
    return _SPACES.sub("", normalize(text))
