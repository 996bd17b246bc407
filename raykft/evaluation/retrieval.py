"""What a base model can do with the facts in its prompt: those it needs, all of them, or the three that BM25 finds.

These are the rivals of tuning, so they see the same questions. Documents are the facts' texts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from raykft.data.told import FACTS_PROMPT, with_facts
from raykft.evaluation.normalize import CJK, normalize
from raykft.records import Fact, Probe

if TYPE_CHECKING:
    import bm25s  # for which scipy is imported: half a second that only those who retrieve should wait

TOP = 3
_BYTES_PER_TOKEN = 3
_TERM = re.compile(rf"[{CJK}]+|[^\s、{CJK}]+")
_CJK_CHAR = re.compile(rf"[{CJK}]")


def terms(text: str) -> list[str]:
    """What BM25 counts: normalized words, numbers and dates; in Japanese, which has no spaces, pairs of neighbours."""
    found: list[str] = []
    for run in _TERM.findall(normalize(text)):
        if len(run) > 1 and _CJK_CHAR.match(run):
            found += [run[start : start + 2] for start in range(len(run) - 1)]
        else:
            found.append(run)
    return found


def estimated_tokens(text: str) -> int:
    """A cautious count without a tokenizer: three UTF-8 bytes a token, that is one token a Japanese character.

    English facts full of invented names measure 3.5 bytes a token with SmolLM2's tokenizer. A tokenizer that never
    saw Japanese can need twice the estimate there; pass its own count instead.
    """
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


class Retriever:
    """BM25 over facts."""

    def __init__(self, facts: Sequence[Fact]) -> None:
        self.facts = tuple(facts)
        documents = [terms(fact.text) for fact in self.facts]
        self._index: bm25s.BM25 | None = None
        if any(documents):
            import bm25s

            self._index = bm25s.BM25(backend="numpy")
            self._index.index(documents, show_progress=False)

    def top(self, question: str, limit: int = TOP) -> list[Fact]:
        """The best facts, best first; equals in the order of the file. Facts without a common term never come."""
        asked = terms(question)
        if self._index is None or not asked:
            return []
        scores = self._index.get_scores(asked)
        order = np.argsort(-scores, kind="stable")[:limit]
        return [self.facts[position] for position in order if scores[position] > 0]

    def recall(self, probes: Iterable[Probe], limit: int = TOP) -> float | None:
        """The share of its facts that a probe finds, mean over the probes that have some; None without such probes."""
        shares = []
        for probe in probes:
            if needed := set(probe.fact_ids):
                found = {fact.id for fact in self.top(probe.question, limit)}
                shares.append(len(needed & found) / len(needed))
        return fmean(shares) if shares else None


class Contexts:
    """Builds the prompts of the baselines that read facts: the facts, an empty line, the question.

    Args:
        facts: The closed world, in the order in which they are told.
        max_tokens: What all facts together may take; leave room for the question and the answer.
        count_tokens: Counts the tokens of a text.
        template: What is asked, with `{facts}` and `{question}` in it (`data.facts_prompt`).
    """

    def __init__(
        self,
        facts: Sequence[Fact],
        *,
        max_tokens: int,
        count_tokens: Callable[[str], int] = estimated_tokens,
        template: str = FACTS_PROMPT,
    ) -> None:
        self._template = template
        self.retriever = Retriever(facts)
        self._texts = {fact.id: fact.text for fact in facts}
        everything = " ".join(self._texts.values())
        self._everything = everything if count_tokens(everything) <= max_tokens else None

    def needed(self, probe: Probe) -> str:
        """The facts that the probe tests: what a perfect memory would know."""
        return self._prompt([self._texts[name] for name in probe.fact_ids if name in self._texts], probe)

    def all_facts(self, probe: Probe) -> str | None:
        """Every fact; None, for every probe alike, where they do not fit."""
        return None if self._everything is None else self._prompt([self._everything], probe)

    def retrieved(self, probe: Probe) -> str:
        """The facts that BM25 finds for the question."""
        return self._prompt([fact.text for fact in self.retriever.top(probe.question)], probe)

    def by_name(self) -> dict[str, Callable[[Probe], str | None]]:
        """The baselines by their names in the leaderboard."""
        return {"facts_needed": self.needed, "facts_all": self.all_facts, "bm25": self.retrieved}

    def _prompt(self, texts: Sequence[str], probe: Probe) -> str:
        return with_facts(self._template, texts, probe.question) if any(texts) else probe.question
