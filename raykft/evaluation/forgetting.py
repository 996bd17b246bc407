"""What the adapter cost the base model, language by language: answers, choices, instructions and fluency.

The loss of a share is its fall relative to what there was to lose, (base - tuned) / (base - chance), and is left
out where the base has too little to lose for the ratio to mean anything (docs/decisions/006-what-can-be-forgotten.md).
Every loss is signed: negative is a gain.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from raykft.evaluation.matching import Matcher, compile_matcher
from raykft.evaluation.normalize import normalize
from raykft.evaluation.objective import Array
from raykft.records import Fact, KeyFact, Passage, Probe, ProbeResult

# A `recall` probe with this tag asks for a real neighbour of the domain; it is watched for spill, not for loss.
LOCALITY = "locality"
SHARES = ("recall", "mc", "instruct")
# The base's share must be this far above chance, and twice the standard error that guessing would have.
MIN_MARGIN = 0.1
MIN_ITEMS = 3  # right answers of the base above chance: a ratio over fewer is the luck of one


@dataclass(frozen=True, slots=True)
class Forgetting:
    """`clipped` counts losses only, `signed` lets gains make up for losses; both are fractions."""

    clipped: float
    signed: float


@dataclass(frozen=True, slots=True)
class GeneralScores:
    """One model on the general probes of a split, by id, and on running text: finite nats by passage id."""

    results: Mapping[str, ProbeResult]
    nats: Mapping[str, float]

    def share(self, probes: Sequence[Probe]) -> float | None:
        """The share of `probes` answered correctly."""
        return _mean([self.results[probe.id].correct for probe in probes])

    def bits_per_byte(self, passages: Sequence[Passage]) -> float | None:
        """None where there is no passage, or the model gave one of them no finite likelihood."""
        if not passages or any(passage.id not in self.nats for passage in passages):
            return None
        return bits_per_byte([self.nats[passage.id] for passage in passages], passages)


def bits_per_byte(nats: Sequence[float], passages: Sequence[Passage]) -> float:
    """Negative log-likelihood per UTF-8 byte of text, in bits: comparable across tokenizers."""
    return sum(nats) / math.log(2) / sum(len(p.text.encode()) for p in passages)


def fluency_loss(base_bits: float | Array, bits: float | Array | None) -> Array:
    """1 - 2^(-ΔBPB): 0 for no change, towards 1 as text becomes improbable; negative for an improvement.

    A model without a finite likelihood (`bits` None) has lost everything.
    """
    change = np.asarray(math.inf if bits is None else bits) - np.asarray(base_bits)
    lost: Array = 1 - np.exp2(-change)
    return lost


def share_loss(base: float | Array, tuned: float | Array, *, count: int, chance: float | Array = 0.0) -> Array:
    """The fall of a share of `count` items relative to the base's distance from chance; NaN if that is too small."""
    room = np.asarray(base - chance, dtype=float)
    margin = np.maximum(max(MIN_MARGIN, MIN_ITEMS / count), 2 * np.sqrt(chance * (1 - np.asarray(chance)) / count))
    found: Array = np.divide(base - tuned, room, out=np.full_like(room, np.nan), where=room >= margin)
    return found


def chance(probe: Probe) -> float:
    """That a general probe is answered right by guessing; only a choice can be."""
    return 1 / (1 + len(probe.contrast)) if probe.kind == "mc" else 0.0


def losses(
    probes: Sequence[Probe], passages: Sequence[Passage], base: GeneralScores, tuned: GeneralScores
) -> dict[str, dict[str, float]]:
    """Language → component (`SHARES` and `fluency`) → loss, for what could be measured."""
    found: dict[str, dict[str, float]] = {}
    for lang in dict.fromkeys([*(p.lang for p in probes), *(p.lang for p in passages)]):
        parts = {kind: _kind_loss([p for p in of_kind(probes, kind) if p.lang == lang], base, tuned) for kind in SHARES}
        own = [passage for passage in passages if passage.lang == lang]
        base_bits = base.bits_per_byte(own)
        parts["fluency"] = None if base_bits is None else float(fluency_loss(base_bits, tuned.bits_per_byte(own)))
        if measured := {name: value for name, value in parts.items() if value is not None}:
            found[lang] = measured
    return found


def forgetting(parts_by_language: Mapping[str, Mapping[str, float]]) -> Forgetting:
    """F: the mean over languages of the mean over components; 0 where nothing was measured."""
    if not parts_by_language:
        return Forgetting(0.0, 0.0)
    each = [
        (fmean(max(0.0, part) for part in parts.values()), fmean(parts.values()))
        for parts in parts_by_language.values()
    ]
    return Forgetting(fmean(clipped for clipped, _ in each), fmean(signed for _, signed in each))


def forgetting_metrics(parts_by_language: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """F overall and by language, and every component's loss averaged over the languages that have it."""
    total = forgetting(parts_by_language)
    metrics = {"forgetting": total.clipped, "forgetting_signed": total.signed}
    by_component: defaultdict[str, list[float]] = defaultdict(list)
    for lang, parts in parts_by_language.items():
        metrics[f"forgetting_{lang}"] = forgetting({lang: parts}).clipped
        for name, value in parts.items():
            by_component[name].append(value)
    return metrics | {f"{name}_loss": fmean(values) for name, values in by_component.items()}


def changes(probes: Sequence[Probe], base: GeneralScores, tuned: GeneralScores) -> dict[str, float]:
    """What became of single answers: lost, gained, and unchanged among the neighbours of the domain.

    Conditioning on "the base was right" alone makes any perturbation look like forgetting, so both sides are told.
    """
    pairs = [_before_and_now(probe, base, tuned) for probe in of_kind(probes, "recall")]
    neighbours = [_before_and_now(probe, base, tuned) for probe in probes if LOCALITY in probe.tags]
    shares = {
        "general_lost": _mean([not now for before, now in pairs if before]),
        "general_gained": _mean([now for before, now in pairs if not before]),
        "locality": _mean([before == now for before, now in neighbours]),
    }
    return {name: share for name, share in shares.items() if share is not None}


def lost_per_fact_gained(
    general: Sequence[Probe],
    domain: Sequence[Probe],
    base: GeneralScores,
    tuned: GeneralScores,
    base_domain: Mapping[str, ProbeResult],
    tuned_domain: Mapping[str, ProbeResult],
) -> float | None:
    """FUAR: general items that the base knew and are lost, over facts acquired; None where no fact was.

    A fact counts as known where at least half of its paraphrase (level 2) questions are answered correctly.
    After Jang et al. 2022, Towards Continual Knowledge Learning of Language Models.
    """
    known = [probe for probe in general if probe.kind in {"recall", "mc"}]
    lost = sum(_before_and_now(probe, base, tuned) == (True, False) for probe in known)
    acquired = len(_known_facts(domain, tuned_domain) - _known_facts(domain, base_domain))
    return lost / acquired if acquired else None


def closed_world(facts: Sequence[Fact]) -> Matcher:
    """What finds the values of the domain in a normalized answer. Numbers are left out: they occur everywhere; and so
    are free texts, which no answer names."""
    named = [(fact.type, [v for v in (fact.value, *fact.aliases) if normalize(v)]) for fact in facts]
    left_out = {"number", "free"}
    return compile_matcher([KeyFact(tuple(values), kind) for kind, values in named if values and kind not in left_out])


def spill(probes: Sequence[Probe], scores: GeneralScores, world: Matcher) -> float | None:
    """The share of answers about neighbours of the domain that name a value of the domain itself."""
    return _mean([_spills(p, scores.results[p.id].answer, world) for p in probes if LOCALITY in p.tags])


def of_kind(probes: Sequence[Probe], kind: str) -> list[Probe]:
    """The general probes that measure one component of forgetting."""
    return [probe for probe in probes if probe.kind == kind and LOCALITY not in probe.tags]


def _kind_loss(probes: Sequence[Probe], base: GeneralScores, tuned: GeneralScores) -> float | None:
    before, now = base.share(probes), tuned.share(probes)
    if before is None or now is None:
        return None
    loss = float(share_loss(before, now, count=len(probes), chance=fmean(map(chance, probes))))
    return None if math.isnan(loss) else loss


def _before_and_now(probe: Probe, base: GeneralScores, tuned: GeneralScores) -> tuple[bool, bool]:
    return base.results[probe.id].correct, tuned.results[probe.id].correct


def _spills(probe: Probe, answer: str, world: Matcher) -> bool:
    asked = world.hits(normalize(f"{probe.question}\n{probe.gold}"))
    return any(said and not given for said, given in zip(world.hits(normalize(answer)), asked, strict=True))


def _known_facts(probes: Sequence[Probe], results: Mapping[str, ProbeResult]) -> set[tuple[str, ...]]:
    answers: defaultdict[tuple[str, ...], list[bool]] = defaultdict(list)
    for probe in probes:
        if probe.level == 2 and probe.kind == "recall":
            answers[probe.fact_ids].append(results[probe.id].correct)
    return {fact_ids for fact_ids, correct in answers.items() if fmean(correct) >= 0.5}


def _mean(values: Sequence[bool]) -> float | None:
    return fmean(values) if values else None
