"""The fact tables of a demo company as plain objects, and the reader of the compact text they are written in.

A fact needs about ten sentences (question, answer, paraphrases, ...). Written as Python calls these fill
thousands of lines; as marked lines they can be read and corrected like a text. Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Value:
    """One value a fact can take. `attrs` holds world knowledge about it; `items` the entries of a list."""

    text: str
    aliases: tuple[str, ...] = ()
    attrs: dict[str, str] = field(default_factory=dict)
    items: tuple[str, ...] = ()

    @property
    def accepted(self) -> tuple[str, ...]:
        """Every string that counts as this value (for a list: its items, each of which is wanted)."""
        return (self.text, *self.aliases)

    @property
    def needles(self) -> tuple[str, ...]:
        """Every string that must not turn up by accident in another fact or in a question."""
        return (*self.accepted, *self.items)


@dataclass(frozen=True, slots=True)
class FactSpec:
    """The sentences around one value; `{v}` is the value, `{a}` the value with its indefinite article."""

    key: str
    relation: str
    pool: str
    label: str
    style: str
    group: str
    ask: str
    tell: str
    paraphrases: tuple[str, ...]
    hint: tuple[str, str] | None = None
    probe_premise: str | None = None
    train_premise: str | None = None
    extra: str | None = None


@dataclass(frozen=True, slots=True)
class GroupSpec:
    """Two facts that make sense together, with the question that asks for both."""

    name: str
    ask: str
    tell: str
    facts: tuple[FactSpec, FactSpec]


@dataclass(frozen=True, slots=True)
class Formatted:
    """A question with its format rule, the well-formed answer and the pattern of well-formed answers."""

    question: str
    gold: str
    pattern: str
    any: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Form:
    """A format that training rows ask for. `ask` holds the question `{q}`, `answer` the value `{v}` or its `{tell}`."""

    name: str
    ask: str
    answer: str


@dataclass(frozen=True, slots=True)
class PriorRow:
    """A question about an attribute of a fact's value, its answer, and the question about the attribute alone."""

    key: str
    attr: str
    question: str
    gold: str
    prior: str


def words(text: str) -> tuple[str, ...]:
    """The words of a text, for tables of single words."""
    return tuple(text.split())


def table(rows: str, *names: str) -> tuple[Value, ...]:
    """The values of a table whose first column is the value and whose other columns are named attributes."""
    cells = [[cell.strip() for cell in row.split("|")] for row in rows.strip().splitlines()]
    return tuple(Value(row[0], attrs=dict(zip(names, row[1:], strict=True))) for row in cells)


def with_article(text: str) -> str:
    """The text after its indefinite article."""
    vowel = text[0].lower() in "aeiou" or text.startswith("hour")
    return f"{'an' if vowel else 'a'} {text}"


def parse_groups(text: str) -> tuple[GroupSpec, ...]:
    """Read the marked lines of a fact table.

    `=` opens a group, `4`/`g` are its joint question and answer, `f` opens a fact (key, relation, pool, label
    and style between bars). Then `q` question, `a` answer, `p` paraphrase (three), `h`/`H` the question
    without and with a category hint, `?` the premise question of the probes, `!` that of the training rows,
    `+` a second training question.
    """
    return tuple(_group(block) for block in _blocks(text.splitlines(), "="))


def parse_prior(text: str) -> tuple[PriorRow, ...]:
    """Read blocks of four lines: fact key and attribute, question, answer, question about the attribute alone."""
    blocks = (block.splitlines() for block in text.strip().split("\n\n"))
    return tuple(PriorRow(*head.split(), *texts) for head, *texts in blocks)


def parse_wordings(text: str) -> dict[str, tuple[str, ...]]:
    """Read blocks of a fact's key and its question in further wordings, one a line."""
    blocks = (block.splitlines() for block in text.strip().split("\n\n"))
    return {key: tuple(wordings) for key, *wordings in blocks}


def _blocks(lines: list[str], mark: str) -> Iterator[list[str]]:
    """The runs of non-empty lines that start with the given mark."""
    block: list[str] = []
    for line in filter(str.strip, lines):
        if line.startswith(mark + " ") and block:
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _group(lines: list[str]) -> GroupSpec:
    head = {line[0]: line[2:] for line in lines[:3]}
    name = head["="]
    facts = [_fact(block, name) for block in _blocks(lines[3:], "f")]
    if len(facts) != 2:
        raise ValueError(f"group {name} has {len(facts)} facts instead of 2")
    return GroupSpec(name, head["4"], head["g"], (facts[0], facts[1]))


def _fact(lines: list[str], group: str) -> FactSpec:
    key, relation, pool, label, style = (part.strip() for part in lines[0][2:].split("|"))
    marked: dict[str, list[str]] = {}
    for line in lines[1:]:
        marked.setdefault(line[0], []).append(line[2:])
    if len(marked.get("p", [])) != 3 or set(marked) - set("qaphH?!+"):
        raise ValueError(f"fact {key} needs three paraphrases and only known marks, has {sorted(marked)}")

    def one(mark: str) -> str | None:
        return marked[mark][0] if mark in marked else None

    return FactSpec(
        key=key,
        relation=relation,
        pool=pool,
        label=label,
        style=style,
        group=group,
        ask=marked["q"][0],
        tell=marked["a"][0],
        paraphrases=tuple(marked["p"]),
        hint=(marked["h"][0], marked["H"][0]) if "h" in marked else None,
        probe_premise=one("?"),
        train_premise=one("!"),
        extra=one("+"),
    )
