"""Drafts put to the base model, alone and with the facts that they need.

What it knows already need not be taught; for what it cannot answer with the fact before it no adapter is to blame.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console

from raykft.config import load_config
from raykft.drafting.made import Draft, Verdict
from raykft.evaluation.outcome import BASE, FACTS_NEEDED
from raykft.search.base_alone import base_scores

KNOWN_SHARE = 0.5  # of a fact's recall probes that the base model answers alone, beyond which it knows the fact
KNOWN = "the base model knows the fact already"


def verdicts(config: Path, console: Console) -> dict[str, Verdict]:
    """By probe, what the base model of a written draft says of it.

    Raises:
        ModelError, ResourceError: it cannot be asked here.
    """
    scores = base_scores(load_config(config), console)
    alone, told = ({r.id: r.correct for r in scores.results(name)} for name in (BASE, FACTS_NEEDED))
    return {probe: Verdict(right, told.get(probe, False)) for probe, right in alone.items()}


def known_already(drafts: Sequence[Draft], found: Mapping[str, Verdict]) -> dict[str, str]:
    """The probes of facts that the base model knows, with the reason to leave them out.

    A fact is judged by all of its recall probes together: single ones are answered by luck, and to drop those would
    make the base model look worse than it is.
    """
    right: dict[str, list[bool]] = defaultdict(list)
    for draft in drafts:
        if draft.probe.kind == "recall" and draft.probe.level <= 2 and draft.probe.id in found:
            right[draft.probe.fact_ids[0]].append(found[draft.probe.id].alone)
    known = {fact for fact, answers in right.items() if sum(answers) > KNOWN_SHARE * len(answers)}
    return {draft.probe.id: KNOWN for draft in drafts if known & set(draft.probe.fact_ids)}
