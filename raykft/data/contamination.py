"""Was a question that measures knowledge or forgetting already among what is trained?

Texts are compared as lower-case words without punctuation; Japanese, which has no spaces, as characters where n-grams
are counted and as runs of one script where edits are. A row gives a probe away where

- it asks the same question (`exact`),
- it holds 80 % of the probe's n-grams: 5 words (13 in a long text) or 8 characters (`containment`),
- it holds 60 % of them and its answer is an answer to the probe (`containment_with_answer`),
- one word in five differs at most and its answer is an answer to the probe (`edit_with_answer`).

A text that is trained gives a probe away where one of its lines or sentences asks the same question, or a stretch of it
holds the n-grams of the probe. It may state what a probe is about, in words that are an edit of the question too.

N-grams that more than a fifth of the rows share, such as the domain's own name, count for nothing. Why these rules,
and what they find in the bundled domains: docs/decisions/007-contamination.md.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from raykft.data.domain import Domain
from raykft.records import Document, Probe, ProbeResult, TrainRow
from raykft.wording import data as words
from raykft.wording.verdicts import KNOWN_BEFORE

# `raykft.evaluation.scoring.score_answer`, handed in by the callers because `data` lies below `evaluate`.
Scorer = Callable[[Probe, str], ProbeResult]
OverlapKind = Literal["train", "distractor", "text", "split", "verbatim"]
OverlapRule = Literal["exact", "containment", "containment_with_answer", "edit_with_answer", "no_training_question"]

COPIED = 0.8
COPIED_WITH_ANSWER = 0.6
EDITED = 0.8
NOVEL_KNOWLEDGE = 0.05
STRETCH, STRETCH_STEP = 1000, 500  # characters

_WORDS, _WORDS_OF_LONG_TEXT, _LONG_TEXT = 5, 13, 100
_CHARACTERS = 8
_MIN_NGRAMS = 5  # of fewer, all are asked for: one changed word would move the share by a quarter or more
_MIN_UNITS = 5  # the shortest question that one changed word leaves at EDITED
_COMMON_FRACTION, _COMMON_ROWS = 0.2, 4

_SCRIPTS = ("\u3041-\u309f", "\u30a1-\u30fa\u30fc-\u30ff", "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff々〆〇")
_JAPANESE = re.compile(f"[{''.join(_SCRIPTS)}]")
_UNIT = re.compile("|".join(f"[{script}]+" for script in (*_SCRIPTS, rf"^\W_{''.join(_SCRIPTS)}")))
_DIGIT = re.compile(r"\d")
_SENTENCE_END = re.compile(r'[.?!:。？！：\n"“”「」『』]+')
_INSIDE_WORDS = re.compile(r"['’`]|(?<=[0-9])[,.](?=[0-9])")

Gram = tuple[str, ...] | str
Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Overlap:
    """One reason not to trust a probe: `item` is its id, `other` that of the row or probe it repeats.

    `score` is the share that decided, 1 for the same question. The kind `verbatim` is the reverse case, a level-1
    probe whose question no training row asks: `other` is empty and `score` 0.
    """

    kind: OverlapKind
    item: str
    other: str
    score: float
    rule: OverlapRule

    @property
    def message(self) -> str:
        """What was found, by which rule, and what to do about it."""
        if self.kind == "verbatim":
            return words.NOT_VERBATIM(id=self.item)
        item = (words.REPORT_ITEM if self.kind == "split" else words.ITEM)()
        about = {"other": words.PARTNERS[self.kind](), "how": words.HOW[self.rule](share=self.score)}
        return words.REPEATS(item=item, id=self.item, row=self.other, **about)


def find_overlaps(domain: Domain, score: Scorer) -> tuple[Overlap, ...]:
    """Probes × training rows, distractors and texts, report × select probes, and level 1 the other way round.

    The strongest row is named for every probe and kind. Level 1 repeats training questions on purpose, so its probes
    are compared between the splits only.
    """
    twins = _twins(domain.probes)
    asked = [_Question(p, score, twins.get(p.id)) for p in (*domain.probes, *domain.general) if p.level != 1]
    report = [_Question(p, score, twins.get(p.id)) for p in domain.probes if p.split == "report"]
    select = [_Row(p.id, p.gold, p.fact_ids, (_units(p.question),)) for p in domain.probes if p.split == "select"]
    train = [_row(row) for row in domain.train]
    trained = {text for row in train for text in row.texts}
    return (
        *_compare("train", asked, train),
        *_compare("distractor", asked, [_row(row) for row in domain.distractors]),
        *_compare("text", asked, [row for document in domain.text for row in _stretches(document)]),
        *_compare("split", report, select),
        *(
            Overlap("verbatim", p.id, "", 0.0, "no_training_question")
            for p in domain.probes
            if p.level == 1 and _units(p.question) not in trained
        ),
    )


def _twins(probes: Sequence[Probe]) -> dict[str, Probe]:
    """By probe: the premise probe of the same pair whose right answer is the other one."""
    pairs: dict[str, dict[str, Probe]] = {}
    for probe in probes:
        if probe.kind == "premise" and probe.pair_id and probe.polarity:
            pairs.setdefault(probe.pair_id, {})[probe.polarity] = probe
    whole = [(sides["yes"], sides["no"]) for sides in pairs.values() if len(sides) == 2]
    return {one.id: other for yes, no in whole for one, other in ((yes, no), (no, yes))}


def flagged_probes(overlaps: Iterable[Overlap]) -> frozenset[str]:
    """The ids of the probes that training or selection gives away; scores without them are the ones to believe."""
    return frozenset(overlap.item for overlap in overlaps if overlap.kind != "verbatim")


def as_record(overlaps: Iterable[Overlap], *, allowed: bool) -> dict[str, Any]:
    """The content of an experiment's `contamination.json`; level-1 probes that nothing trains are kept apart."""
    overlaps = list(overlaps)
    return {
        "allowed": allowed,
        "findings": [asdict(overlap) for overlap in overlaps if overlap.kind != "verbatim"],
        "not_verbatim": [overlap.item for overlap in overlaps if overlap.kind == "verbatim"],
    }


def novelty_problem(knowledge: float, low: float, high: float) -> str | None:
    """A warning where the base model knows the domain before it is taught, else None.

    `low` and `high` bound the 95 % interval of `knowledge`, the base model's closed-book knowledge score.
    """
    if low < NOVEL_KNOWLEDGE:
        return None
    return KNOWN_BEFORE(knowledge=knowledge, low=low, high=high, expected=NOVEL_KNOWLEDGE)


def _units(text: str) -> tuple[str, ...]:
    """Words without case and punctuation; Japanese falls into runs of hiragana, katakana and ideographs."""
    folded = _INSIDE_WORDS.sub("", unicodedata.normalize("NFKC", text).casefold())
    return tuple(map(sys.intern, _UNIT.findall(folded)))


def _probe_grams(units: Sequence[str]) -> set[Gram]:
    """The n-grams a probe is looked for by: of characters where any is Japanese, of words elsewhere."""
    if _is_japanese(units):
        return _character_grams(units)
    return _word_grams(units, _WORDS if len(units) <= _LONG_TEXT else _WORDS_OF_LONG_TEXT)


def _row_grams(units: Sequence[str]) -> set[Gram]:
    """The n-grams of every kind that a row holds: a short English probe may be part of a long or a mixed text."""
    grams = _word_grams(units, _WORDS) | _word_grams(units, _WORDS_OF_LONG_TEXT)
    return grams | _character_grams(units) if _is_japanese(units) else grams


def _is_japanese(units: Sequence[str]) -> bool:
    return any(map(_JAPANESE.match, units))


def _word_grams(units: Sequence[str], size: int) -> set[Gram]:
    return {tuple(units[n : n + size]) for n in range(len(units) - size + 1)}


def _character_grams(units: Sequence[str]) -> set[Gram]:
    text = "".join(units)
    return {text[n : n + _CHARACTERS] for n in range(len(text) - _CHARACTERS + 1)}


@dataclass(frozen=True, slots=True)
class _Row:
    """What was trained (or selected on): its answer, and the units of each text that may be its question."""

    id: str
    answer: str
    fact_ids: tuple[str, ...]
    texts: tuple[tuple[str, ...], ...]


def _row(row: TrainRow) -> _Row:
    """An alpaca row may ask in its `input`, below an instruction such as "Answer the question"."""
    texts = (row.question, row.input) if row.input else (row.question,)
    return _Row(row.id, row.output, row.fact_ids, tuple(map(_units, texts)))


def _stretches(document: Document) -> Iterator[_Row]:
    """A text in parts as rows that ask and answer at once. They overlap, so that none cuts every question in two."""
    last = max(1, len(document.text) - STRETCH_STEP)
    for start in range(0, last, STRETCH_STEP):
        part = document.text[start : start + STRETCH]
        whole = map(_units, (*part.splitlines(), *_SENTENCE_END.split(part)))
        yield _Row(document.id, part, (), (_units(part), *filter(None, whole)))


class _Question:
    """A probe that is looked for among rows."""

    def __init__(self, probe: Probe, score: Scorer, twin: Probe | None = None) -> None:
        self.probe = probe
        self._twin = twin
        self.units = _units(probe.question)
        self.grams = _probe_grams(self.units)
        self._score = score
        self._needles = _needles(probe)

    @property
    def has_own_form(self) -> bool:
        """Format and premise probes put a trained question in another form, which leaves it nearly whole."""
        return self.probe.pattern is not None or self.probe.kind == "premise"

    def may_be_answered_by(self, row: _Row) -> bool:
        """A look a tenth as dear as scoring: False only for rows about other facts or without any word of an alias."""
        if row.fact_ids and self.probe.fact_ids and not set(row.fact_ids) & set(self.probe.fact_ids):
            return False
        if self._needles is None:
            return True
        answer = " ".join(_units(row.answer))
        return any(needle in answer for needle in self._needles)

    def is_answered_by(self, row: _Row) -> bool:
        """Whether the row's answer counts for the probe, at least in part.

        One that counts for a premise and for its twin states the fact that both are about and gives neither away: to
        turn it into yes or no is what they ask for.
        """
        if not self.may_be_answered_by(row) or not self._counts(self.probe, row):
            return False
        return self._twin is None or not self._counts(self._twin, row)

    def _counts(self, probe: Probe, row: _Row) -> bool:
        result = self._score(probe, row.answer)
        return result.outcome in {"correct", "partial"} and result.compliant is not False


def _needles(probe: Probe) -> tuple[str, ...] | None:
    """The longest word of every alias, or None where a right answer may hold none of them: dates, numbers, yes."""
    aliases = [alias for key in probe.key_facts for alias in key.any]
    varied = any(key.type in {"date", "number"} for key in probe.key_facts) or any(map(_DIGIT.search, aliases))
    if varied or not aliases or probe.kind == "premise":
        return None
    return tuple(max(_units(alias), key=len, default="") for alias in aliases)


def _compare(kind: OverlapKind, questions: Sequence[_Question], rows: Sequence[_Row]) -> Iterator[Overlap]:
    if not rows:
        return
    index = _Index(rows, questions)
    for question in questions:
        if found := index.strongest(question, text=kind == "text"):
            row, score, rule = found
            yield Overlap(kind, question.probe.id, row.id, round(score, 4), rule)


class _Index:
    """Which rows hold which n-grams and units; only those that some probe holds are kept."""

    def __init__(self, rows: Sequence[_Row], questions: Sequence[_Question]) -> None:
        self._rows = rows
        self._asking = {text: row for row in reversed(rows) for text in row.texts}
        self._grams = self._postings(
            {gram for question in questions for gram in question.grams},
            ({gram for text in row.texts for gram in _row_grams(text)} for row in rows),
        )
        self._units = self._postings(
            {unit for question in questions for unit in question.units},
            ({unit for text in row.texts for unit in text} for row in rows),
        )

    def _postings(self, wanted: set[Key], held: Iterable[set[Key]]) -> dict[Key, NDArray[np.int64]]:
        """The row numbers of every wanted key, without the keys that are too common to tell rows apart."""
        numbers: dict[Key, list[int]] = {key: [] for key in wanted}
        for number, keys in enumerate(held):
            for key in keys & wanted:
                numbers[key].append(number)
        limit = max(_COMMON_ROWS, _COMMON_FRACTION * len(self._rows))
        return {key: np.array(where, dtype=np.int64) for key, where in numbers.items() if len(where) <= limit}

    def _holding(self, where: Sequence[NDArray[np.int64]], least: float) -> Iterator[tuple[int, _Row]]:
        """Rows that at least `least` of the postings `where` name, with how many do."""
        if not where:
            return
        counts = np.bincount(np.concatenate(where), minlength=len(self._rows))
        for number in np.flatnonzero(counts >= max(1, least)):
            yield int(counts[number]), self._rows[int(number)]

    def strongest(self, question: _Question, *, text: bool) -> tuple[_Row, float, OverlapRule] | None:
        """The row that gives a probe away most clearly, with its score and the rule.

        Args:
            text: rows are stretches of text, which neither answer in a probe's form nor are edits of a question.
        """
        if row := self._asking.get(question.units):
            return row, 1.0, "exact"
        copies = self._copies(question)
        for share, row in copies:
            if share >= COPIED and (not question.has_own_form or (text and share == 1)):
                return row, share, "containment"
            if question.is_answered_by(row):
                return row, share, "containment" if share >= COPIED else "containment_with_answer"
        for similarity, row in () if text else self._edits(question):
            if question.is_answered_by(row):
                return row, similarity, "edit_with_answer"
        return None

    def _copies(self, question: _Question) -> list[tuple[float, _Row]]:
        """Rows by the share of the probe's n-grams they hold, largest first."""
        where = [self._grams[gram] for gram in question.grams if gram in self._grams]
        share = COPIED_WITH_ANSWER if len(where) >= _MIN_NGRAMS else 1.0
        found = [(held / len(where), row) for held, row in self._holding(where, share * len(where))]
        return sorted(found, key=lambda pair: -pair[0])

    def _edits(self, question: _Question) -> list[tuple[float, _Row]]:
        """Rows whose question is the probe's but for a few units, the most similar first."""
        size = len(question.units)
        if not _MIN_UNITS <= size <= _LONG_TEXT:  # a word changed in a long text leaves most n-grams whole
            return []
        where = [self._units[unit] for unit in set(question.units) if unit in self._units]
        # `size` and the longer row's `size + edits` units allow edits <= (1 - EDITED) * (size + edits).
        edits = size * (1 - EDITED) / EDITED
        found = [
            (max(_similarity(question.units, text) for text in row.texts), row)
            for _, row in self._holding(where, len(where) - edits)
            if question.may_be_answered_by(row)
        ]
        return sorted((pair for pair in found if pair[0] >= EDITED), key=lambda pair: -pair[0])


def _similarity(one: Sequence[str], two: Sequence[str]) -> float:
    """1 - edit distance / length of the longer; 0 where the lengths alone rule out `EDITED`."""
    longer = max(len(one), len(two))
    if min(len(one), len(two)) < EDITED * longer:
        return 0.0
    row = list(range(len(two) + 1))
    for i, a in enumerate(one, start=1):
        diagonal, row[0] = row[0], i
        for j, b in enumerate(two, start=1):
            diagonal, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, diagonal + (a != b))
    return 1 - row[-1] / longer
