"""What a user has, line by line: questions with answers, or facts, from tables of any form that training reads."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, get_args

from raykft.data.read import is_blank, raise_problems
from raykft.data.sources import convert_row
from raykft.data.tables import SUFFIXES as TABLES
from raykft.data.tables import Row, read_table
from raykft.drafting.pages import SUFFIXES as TEXTS
from raykft.drafting.pages import Piece, read_pieces
from raykft.errors import DataError
from raykft.records import TrainRow, ValueType
from raykft.untrusted.messages import listed, shown

LanguageCode = Literal["en", "ja"]

# Names of columns, in lower case, as people head their tables.
QUESTION = ("question", "q", "questions", "質問", "質問文", "問い", "問", "設問")
ANSWER = ("answer", "a", "answers", "回答", "答え", "答", "解答", "回答文", "response")
SUBJECT = ("subject", "entity", "主語", "対象", "主題")
RELATION = ("relation", "attribute", "property", "属性", "項目", "関係")
VALUE = ("value", "値", "内容")
ALIASES = ("aliases", "alias", "別名", "別表記")
TYPE = ("type", "種類", "型")
_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_LATIN = re.compile("[A-Za-z]")
_OTHER = re.compile("[\u0400-\u052f\u0590-\u06ff\u0900-\u0dff\u0e00-\u0e7f\u1100-\u11ff\uac00-\ud7af]")


@dataclass(frozen=True, slots=True)
class Given:
    """The fact that a line of a facts table names itself."""

    subject: str
    relation: str
    value: str
    aliases: tuple[str, ...] = ()
    type: ValueType = "text"


@dataclass(frozen=True, slots=True)
class Named:
    """The value that a writer has named in an answer, and the words of the source that say it."""

    value: str
    type: ValueType
    quote: str


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a source; `row` is what is trained of it. A facts table has no wording of its own: `row` is None.

    `id` becomes that of its training row; lines of all sources differ in it.
    """

    place: str
    row: TrainRow | None = None
    given: Given | None = None
    named: Named | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """All lines of one file, and the columns that are not read; of running text its pieces, and no lines yet."""

    path: Path
    items: tuple[Item, ...]
    unused: tuple[str, ...] = ()
    facts: bool = field(default=False)
    pieces: tuple[Piece, ...] = ()


def read_sources(
    paths: Sequence[Path], columns: Mapping[str, str] | None = None, *, encoding: str | None = None, texts: bool = False
) -> list[Source]:
    """All sources, in order.

    Args:
        columns: names of the columns `question` and `answer`, where they are called otherwise.
        encoding: of text files that are no UTF-8.
        texts: whether there is a writer, without whom nothing can be drafted from running text.

    Raises:
        DataError: a file is missing, broken, or of no form that is known; with its line and what to do.
    """
    return [_source(path, columns or {}, encoding, texts) for path in paths]


def _source(path: Path, columns: Mapping[str, str], encoding: str | None, texts: bool) -> Source:
    if path.suffix.lower() in TEXTS:
        if not texts:
            raise DataError(
                f"{path}: questions cannot be drafted from running text by rule; name a language model that drafts "
                f"them (--writer), or give a table of questions and answers, or of facts (subject, relation, value), "
                f"as {', '.join(TABLES)}"
            )
        return Source(path, (), pieces=tuple(read_pieces(path, encoding)))
    rows = read_table(path, encoding)
    if not rows:
        raise DataError(f"{path} has no rows; at least one question with its answer is needed")
    names = list(rows[0].value) if isinstance(rows[0].value, Mapping) else []
    found = {key: _column(names, known) for key, known in _FACT_COLUMNS.items()}
    if found["subject"] and found["relation"] and found["value"]:
        items = _each(path, rows, lambda row: _fact_item(path, row, found))
        return Source(path, items, _unused(names, [*found.values()]), facts=True)
    question = columns.get("question") or _column(names, QUESTION)
    answer = columns.get("answer") or _column(names, ANSWER)
    mapped = {"instruction": question, "output": answer} if question and answer else {}
    if not mapped and names and not any(name in names for name in _SHAPES):
        raise DataError(
            f"{path} has the columns {listed(names)}; none of them is known as a question and an answer: name them "
            "with --question COLUMN --answer COLUMN"
        )
    items = _each(path, rows, lambda row: _question_item(path, row, mapped))
    return Source(path, items, _unused(names, [*mapped.values(), *_SHAPES]))


_FACT_COLUMNS = {"subject": SUBJECT, "relation": RELATION, "value": VALUE, "aliases": ALIASES, "type": TYPE}
_SHAPES = (
    "instruction",
    "input",
    "output",
    "system",
    "history",
    "prompt",
    "completion",
    "messages",
    "conversations",
    "id",
    "kind",
    "fact_ids",
    "pool",
    "before",
)


def _column(names: Sequence[str], known: Sequence[str]) -> str | None:
    by_name = {str(name).strip().lower(): name for name in names}
    return next((by_name[name] for name in known if name in by_name), None)


def _unused(names: Sequence[str], used: Sequence[str | None]) -> tuple[str, ...]:
    return tuple(name for name in names if name not in used)


def _each(path: Path, rows: Sequence[Row], make: Any) -> tuple[Item, ...]:
    items: list[Item] = []
    problems: list[str] = []
    for row in rows:
        try:
            items.append(make(row))
        except DataError as error:
            problems.append(f"{path} {row.place}: {error}")
    raise_problems(problems)
    return tuple(items)


def _question_item(path: Path, row: Row, columns: Mapping[str, str]) -> Item:
    value = row.value
    if isinstance(value, Mapping):  # raykft's own rows name facts that this draft does not know
        value = {name: text for name, text in value.items() if name not in {"fact_ids", "kind", "pool"}}
    return Item(f"{path.name} {row.place}", row=convert_row(value, "draft", "qa", columns))


def _fact_item(path: Path, row: Row, columns: Mapping[str, str | None]) -> Item:
    cells = {key: str(row.value.get(name) or "").strip() for key, name in columns.items() if name}
    for key in ("subject", "relation", "value"):
        if is_blank(cells[key]):
            raise DataError(f"column {columns[key]!r} is empty; a fact needs a subject, a relation and a value")
    kind = cells.get("type") or "text"
    if kind not in get_args(ValueType):
        raise DataError(
            f"column {columns['type']!r} is {shown(kind)}; a type is one of {', '.join(get_args(ValueType))}"
        )
    aliases = tuple(part.strip() for part in re.split(r"[|;；｜]", cells.get("aliases", "")) if part.strip())
    given = Given(cells["subject"], cells["relation"], cells["value"], aliases, kind)  # type: ignore[arg-type]
    return Item(f"{path.name} {row.place}", given=given)


def language_of(sources: Sequence[Source]) -> LanguageCode:
    """English or Japanese, by the script of most questions and pieces of text.

    Raises:
        DataError: most are in another script.
    """
    texts = [_text(item) for source in sources for item in source.items]
    texts += [piece.text for source in sources for piece in source.pieces]
    votes = [script_of(text) for text in texts]
    for code in ("ja", "en"):
        if votes.count(code) * 2 > len(votes):
            return code
    raise DataError(
        "drafts are made by rules for English and Japanese, and most lines are in neither; the formats of facts and "
        "probes are in docs/data-flow.md"
    )


def script_of(text: str) -> str:
    """`ja` where kana occur, `en` for Latin letters alone, else an empty string."""
    if _OTHER.search(text):
        return ""
    return "ja" if _KANA.search(text) else "en" if _LATIN.search(text) else ""


def _text(item: Item) -> str:
    if item.row is not None:
        return item.row.question
    assert item.given is not None
    given = item.given
    text = f"{given.subject} {given.relation} {given.value}"
    return text if _KANA.search(text) or not re.search("[\u4e00-\u9fff]", text) else f"{text}の"


def numbered(items: Iterator[Item] | Sequence[Item]) -> list[Item]:
    """The same with ids of their own, in order; their rows have them too."""
    return [
        replace(item, id=f"t{number:04d}", row=item.row and replace(item.row, id=f"t{number:04d}"))
        for number, item in enumerate(items, start=1)
    ]
