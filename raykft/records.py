"""The plain records that travel between stages. Standard library only; no behaviour beyond trivial views.

Every record is one JSON object on one line of a JSONL file. `raykft.data` reads and validates them; everything
above works with these frozen dataclasses and never with raw dictionaries.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Literal

ValueType = Literal["text", "date", "number", "person", "list", "free"]
RowKind = Literal["qa", "paraphrase", "false_premise", "true_premise", "statement", "distractor"]
ProbeKind = Literal["recall", "format", "list", "premise", "hint", "long", "mc", "instruct", "free"]
Split = Literal["select", "report"]
Polarity = Literal["yes", "no"]
Outcome = Literal["correct", "partial", "wrong", "refused", "empty", "unjudged"]


class TrialStatus(StrEnum):
    """What became of a trial. The values are what files say."""

    OK = "ok"
    STOPPED = "stopped"  # early, by the scheduler
    DIVERGED = "diverged"
    OUT_OF_MEMORY = "out_of_memory"
    INVALID = "invalid"  # the sample makes no valid recipe
    LOST = "lost"  # its host or process died too often
    FAILED = "failed"  # a bug or a broken rule
    INTERRUPTED = "interrupted"  # by the user; it can go on
    UNFINISHED = "unfinished"  # it runs, or its run ended before it did

    @property
    def finished(self) -> bool:
        """Whether it ended for good, and counts towards `search.trials`."""
        return self not in {TrialStatus.INTERRUPTED, TrialStatus.UNFINISHED}

    @property
    def failed(self) -> bool:
        """Whether it ended without what was asked of it: the command ends with an exit code of its own then."""
        return self.finished and not self.learned

    @property
    def ranked(self) -> bool:
        """Whether it was trained to its end and has a full score."""
        return self is TrialStatus.OK

    @property
    def learned(self) -> bool:
        """Whether its curve says how good its recipe is."""
        return self in {TrialStatus.OK, TrialStatus.STOPPED}

    @property
    def untrainable(self) -> bool:
        """Whether it is the sample's own fault that there is no score."""
        return self in {TrialStatus.DIVERGED, TrialStatus.OUT_OF_MEMORY, TrialStatus.INVALID}


# Read by pydantic when `raykft.data` validates these classes; a plain dict, so this module stays dependency-free.
_STRICT = {"extra": "forbid"}


@dataclass(frozen=True, slots=True)
class Fact:
    """One statement about the domain with its accepted answers (the closed world the domain consists of).

    One of type "free" is a text as a whole: its value is no answer to look for, and no rival of other values.
    """

    id: str
    subject: str
    relation: str
    value: str
    text: str
    aliases: tuple[str, ...] = ()
    type: ValueType = "text"
    group: str = ""

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Turn:
    """What was said in a conversation: by `role` "system", "user" or "assistant"."""

    role: Literal["system", "user", "assistant"]
    text: str

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class TrainRow:
    """One supervised question-answer pair; a distractor is the same with `kind="distractor"`.

    `before` are the turns that lead to the question: read by the model, and no part of the loss. A system turn among
    them takes the place of `data.system_prompt`.
    `phrasing` is 1 for the first wording of what a row teaches and 2, 3, ... for further ones. `form` names the other
    format that a row asks its answer in (such as "json") and is empty for a plain answer. Both say what
    `data.phrasings` and `data.formats` choose from; of a distractor they mean nothing.
    """

    id: str
    instruction: str
    output: str
    input: str = ""
    fact_ids: tuple[str, ...] = ()
    kind: RowKind = "qa"
    pool: str = ""
    before: tuple[Turn, ...] = ()
    phrasing: int = 1
    form: str = ""

    __pydantic_config__ = _STRICT

    @property
    def question(self) -> str:
        """The user turn: the instruction, and the alpaca `input` below it where there is one."""
        return f"{self.instruction}\n\n{self.input}" if self.input else self.instruction


@dataclass(frozen=True, slots=True)
class KeyFact:
    """One thing an answer must contain: any of the aliases counts (OR); a probe's key facts are ANDed."""

    any: tuple[str, ...]
    type: ValueType = "text"
    fact_id: str | None = None

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Prior:
    """The world knowledge a level-5 probe needs besides the learned fact, asked of the base model first."""

    question: str
    any: tuple[str, ...]

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Probe:
    """One question that tests facts. Fields are explained in docs/data-flow.md; level 0 is general knowledge."""

    id: str
    level: Literal[0, 1, 2, 3, 4, 5]
    kind: ProbeKind
    question: str
    gold: str
    key_facts: tuple[KeyFact, ...]
    split: Split
    lang: str = "en"
    forbidden: tuple[str, ...] = ()
    slot: str | None = None
    pattern: str | None = None
    polarity: Polarity | None = None
    contrast: tuple[str, ...] = ()
    fact_ids: tuple[str, ...] = ()
    pair_id: str | None = None
    prior: Prior | None = None
    max_new_tokens: int = 48
    source: str | None = None
    tags: tuple[str, ...] = ()

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of running text on which bits per byte are measured."""

    id: str
    text: str
    lang: str = "en"

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Document:
    """A text that is trained as it stands, without questions."""

    id: str
    text: str

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said to one probe. `stopped` is None where the source of the answer does not tell."""

    probe_id: str
    answer: str
    stopped: bool | None = None

    __pydantic_config__ = _STRICT


@dataclass(frozen=True, slots=True)
class ProbeResult:
    """The score of one answer. `score`, `overgeneration` (length ratio) and `repetition` are fractions/ratios.

    A probe with a `pattern` keeps the two factors of its score: `compliant`, the form, and `content`, all key facts
    and nothing wrong. `unsupported` are claims that nothing in the domain supports, None where they were not looked
    for. `unchecked` says which regular expression of the probe did not finish on the answer. `grade` is how probable
    the right answer was among its rivals (`raykft.evaluation.graded`), None where that was not asked. Of a free text
    only the very words are `correct`; other words are "unjudged", and `grade` says how probable its own are.
    """

    id: str
    level: int
    kind: str
    outcome: Outcome
    correct: bool
    clean: bool
    score: float
    wrong_claims: tuple[str, ...]
    overgeneration: float
    repetition: float
    echo: bool
    stopped: bool | None = None
    compliant: bool | None = None
    answer: str = ""
    content: bool | None = None
    unsupported: tuple[str, ...] | None = None
    unchecked: str = ""
    grade: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked: the user turn, and how many tokens the answer may take."""

    text: str
    max_new_tokens: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What a model said, and whether it ended by itself.

    Attributes:
        tokens: read and written for it, with those of the chat template; 0 where nobody has counted.
    """

    text: str
    stopped: bool
    tokens: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class Pick:
    """Candidate continuations of an answer that begins with `lead_in`; the first one is right.

    Rivals are compared from where their tokens part; of a single candidate every token counts.
    """

    question: str
    lead_in: str
    candidates: tuple[str, ...]
