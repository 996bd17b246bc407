"""What a draft is made of: lines whose value was found, and the probes, rows and refusals that come of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from raykft.drafting.found import Found
from raykft.drafting.items import Given
from raykft.records import Fact, Probe, TrainRow

NOT_ASKED = "; it is trained and not asked"


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the base model answers a probe alone, and with the facts that it needs before it."""

    alone: bool
    told: bool


@dataclass
class Drafted:
    """All that was made of the sources."""

    facts: list[Fact] = field(default_factory=list)
    train: list[TrainRow] = field(default_factory=list)
    drafts: list[Draft] = field(default_factory=list)
    rejected: list[Rejected] = field(default_factory=list)
    evidence: dict[str, str] = field(default_factory=dict)  # by fact: the sentence of the source that holds its value
    verdicts: Mapping[str, Verdict] = field(default_factory=dict)  # by probe, where the base model has been asked

    @property
    def first(self) -> list[TrainRow]:
        """The training rows without those that teach a fact again."""
        return [row for row in self.train if not teaches_again(row)]


def teaches_again(row: TrainRow) -> bool:
    """Whether a row teaches what another one does, in other words or in another format."""
    return row.phrasing > 1 or bool(row.form)


WRITTEN = "written"  # the pool of distractors by a writer


def is_written(row: TrainRow) -> bool:
    """Whether a distractor is a writer's own."""
    return row.pool == WRITTEN


@dataclass(frozen=True, slots=True)
class Reworded:
    """A question in a writer's words, and an answer to it in other words."""

    question: str
    answer: str


@dataclass(frozen=True, slots=True)
class Known:
    """A line whose value was found: what is asked, told and taught.

    `others` are further wordings of the question in the source, kept back as paraphrases; `written` are those of a
    writer, of which the last are taught, and `wrong` are wrong values that it says are of the same kind.
    """

    place: str
    row: TrainRow
    found: Found
    given: Given | None
    evidence: str
    others: tuple[str, ...] = ()
    written: tuple[Reworded, ...] = ()
    wrong: tuple[str, ...] = ()

    @property
    def tell(self) -> str:
        return self.row.output


@dataclass(frozen=True, slots=True)
class FreeText:
    """A line whose answer is a text, in which no value was found; `why` is the reason.

    `others` are further wordings of its question in the source, and `written` those of a writer, of which the last are
    taught.
    """

    place: str
    row: TrainRow
    why: str
    others: tuple[str, ...] = ()
    written: tuple[str, ...] = ()


def dropped(drafts: Iterable[Draft], ids: Iterable[str]) -> list[Draft]:
    """The drafts without those of `ids` and without the twins that cannot stand alone."""
    gone = set(ids)
    pairs = {draft.probe.pair_id for draft in drafts if draft.probe.id in gone and draft.probe.pair_id}
    return [
        draft
        for draft in drafts
        if draft.probe.id not in gone and (not draft.probe.pair_id or draft.probe.pair_id not in pairs)
    ]
