"""Answers that take no model: what a score is worth shows where these stand.

A measure that a dummy does well on measures something else than knowledge: always denying, or copying the form of
the right answer without its content (which is what overlap metrics such as BLEU reward).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from raykft.evaluation.picks import YES_NO
from raykft.records import Probe

_MARKS = {"ja": "。"}
_YES_OR_NO = re.compile("|".join(rf"^{word}(?!\w)" for words in YES_NO.values() for word in words.values()))


def always_no(probe: Probe) -> str:
    """A flat no in the language of the probe."""
    return YES_NO.get(probe.lang, YES_NO["en"])["no"] + _MARKS.get(probe.lang, ".")


def template_copy(probes: Sequence[Probe]) -> Callable[[Probe], str]:
    """A function from probe to its gold answer with every key fact replaced by a wrong value of the same type.

    The wrong values are the contrasts that `probes` hold for a fact. A premise is always affirmed. A free text has no
    value to be replaced: nothing is said.
    """
    rivals = {p.key_facts[0].fact_id: p.contrast for p in reversed(probes) if p.key_facts and p.contrast}

    def copy(probe: Probe) -> str:
        if probe.kind == "free":
            return ""
        answer = _YES_OR_NO.sub(YES_NO.get(probe.lang, YES_NO["en"])["yes"], probe.gold, count=1)
        for n, fact in enumerate(probe.key_facts):
            # What a probe contrasts with its own answer suits it best: a decade, where the fact is a date.
            own = probe.contrast if n == 0 or len({k.fact_id for k in probe.key_facts}) == 1 else ()
            wrong = own or rivals.get(fact.fact_id, ())
            value = wrong[n % len(wrong)] if wrong else ""
            stated = sorted((alias for alias in fact.any if alias in answer), key=len, reverse=True)
            answer = answer.replace(stated[0], value) if stated else value
        return answer

    return copy
