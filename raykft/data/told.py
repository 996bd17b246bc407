"""Questions with the facts before them: what a model is asked that need not know them by heart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from raykft.records import Fact, TrainRow

FACTS_PROMPT = "{facts}\n\n{question}"  # the default of `data.facts_prompt`
_GAP = re.compile(r"\{(facts|question)\}")


def with_facts(template: str, texts: Sequence[str], question: str) -> str:
    """`template` with the facts' texts and the question in it; braces in these stay what they are."""
    parts = {"facts": " ".join(texts), "question": question}
    return _GAP.sub(lambda gap: parts[gap[1]], template)


def told_rows(rows: Sequence[TrainRow], facts: Iterable[Fact], template: str) -> dict[str, str]:
    """By the id of every row that names facts: its question with those facts before it."""
    known = {fact.id: fact.text for fact in facts}
    texts = {row.id: [known[name] for name in row.fact_ids if known.get(name)] for row in rows}
    return {row.id: with_facts(template, texts[row.id], row.question) for row in rows if texts[row.id]}
