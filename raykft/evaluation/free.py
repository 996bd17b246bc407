"""Free texts: answers in which no single fact can be looked for, such as explanations. Their probes have kind "free".

Nothing says whether another text says the same, so none is judged right or wrong. What is measured is how probable the
gold text itself is after the question, from a likelihood alone: the geometric mean of the probability of its bytes,
2^(-bits per byte). It does not depend on the text's length, nor on how a tokenizer cuts it, and is the quantity whose
loss on running text is called a loss of fluency (`forgetting.fluency_loss`): 1 where the text is known by heart. Beside
it BLEU and ROUGE tell how far what the model writes resembles the gold text (`overlap`). Neither tells whether it is
true. docs/decisions/017-free-texts.md
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from raykft.records import Pick, Probe, ProbeResult

# By level, the metric of it: asked in the words that were trained, and in others.
BY_LEVEL = {1: "free_verbatim", 2: "free_paraphrase"}
OVERLAPS = ("free_bleu", "free_rouge1", "free_rouge2")
_PERCENT = 100.0


def is_free(probe: Probe) -> bool:
    return probe.kind == "free"


def free_pick(probe: Probe) -> Pick:
    """The gold text alone, without rivals."""
    return Pick(probe.question, "", (probe.gold,))


def counted(probes: Sequence[Probe]) -> list[Probe]:
    """The probes that graded knowledge is made of, in their order: those that ask for facts, wherever there are some.

    Of a domain of free texts alone, these: a text's paraphrases where it has any, otherwise its training question. Most
    such texts are worded once, and without those nothing would be left to rank by.
    """
    asking = [probe for probe in probes if not is_free(probe)]
    if asking:
        return asking
    reworded = {probe.fact_ids for probe in probes if probe.level > 1 and probe.fact_ids}
    return [probe for probe in probes if probe.level > 1 or probe.fact_ids not in reworded]


def byte_probability(logprob: float) -> float:
    """From log P per byte, in nats; 0 where it is not finite."""
    return math.exp(logprob) if math.isfinite(logprob) else 0.0


def free_metrics(probes: Sequence[Probe], results: Mapping[str, ProbeResult]) -> dict[str, float]:
    """The figures of the free probes among `probes`, by metric; what was not measured, or asked, is left out.

    Probabilities are means over facts of the mean over a fact's probes. BLEU and ROUGE need answers in one language:
    scores by different tokens are not averaged.
    """
    free = [probe for probe in probes if is_free(probe)]
    if not free:
        return {}
    found = {}
    for level, name in BY_LEVEL.items():
        graded = [(p, g) for p in free if p.level == level and (g := results[p.id].grade) is not None]
        if graded:
            found[name] = _by_fact(graded)
    languages = {probe.lang for probe in free}
    if len(languages) == 1:
        from raykft.evaluation.overlap import bleu_rouge  # it imports sacrebleu, which most domains do not need

        answers = [results[probe.id].answer for probe in free]
        same = bleu_rouge([probe.gold for probe in free], answers, lang=languages.pop())
        figures = (same.bleu, _PERCENT * same.rouge1, _PERCENT * same.rouge2)
        found |= dict(zip(OVERLAPS, figures, strict=True))
    return found


def _by_fact(graded: Iterable[tuple[Probe, float]]) -> float:
    facts: defaultdict[tuple[str, ...], list[float]] = defaultdict(list)
    for probe, grade in graded:
        facts[probe.fact_ids or ("", probe.id)].append(grade)
    return fmean(map(fmean, facts.values()))
