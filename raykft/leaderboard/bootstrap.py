"""Resample the probes of one split and recompute every figure of the leaderboard, rules and all, in each resample.

What is drawn with replacement are clusters of facts: answers to several questions about one fact stand or fall
together, so they come or stay away together, and so do facts that share a question (connected components over
`Probe.fact_ids`; a probe without facts is a cluster). General probes and passages are drawn one by one, each
language and kind among its own. All rows of a leaderboard see the same resamples, which makes differences paired.

The figures are those of `raykft.evaluation.levels`, `forgetting` and `objective` for many weightings at once: a figure
is an array [1 + draws], first the value itself (every weight 1), then the resamples. Suffixes: W weightings, U units
drawn, C components.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from raykft.evaluation.forgetting import SHARES, GeneralScores, chance, fluency_loss, of_kind, share_loss
from raykft.evaluation.free import BY_LEVEL, counted, is_free
from raykft.evaluation.graded import EVEN, general_loss, shares
from raykft.evaluation.levels import KNOWLEDGE_LEVELS, LEVELS, premise_skill
from raykft.leaderboard.statistics import Array
from raykft.records import Passage, Probe, ProbeResult, Split

DRAWS = 10_000
SEED = 20_240_601
_STREAMS = {"select": 0, "report": 1, "passages": 2}

Figures = dict[str, Array]


class Resamples:
    """The resamples of one split: their weights, and what they make of a model's answers.

    `units` says, by metric, how many independent units a figure rests on.
    """

    def __init__(
        self,
        probes: Iterable[Probe],
        passages: Sequence[Passage],
        split: Split,
        *,
        draws: int = DRAWS,
        seed: int = SEED,
        level_weights: Mapping[int, float] = EVEN,
    ) -> None:
        own = [probe for probe in probes if probe.split == split]
        rng = np.random.default_rng([seed, _STREAMS[split]])
        self._weightings = 1 + draws
        self._domain = _Domain([p for p in own if p.level > 0], draws, rng, level_weights)
        general = [p for p in own if p.level == 0]
        # Both splits read the same passages, so they share their resamples as well.
        text_rng = np.random.default_rng([seed, _STREAMS["passages"]])
        self._languages = [
            _Language(
                [p for p in general if p.lang == lang], [p for p in passages if p.lang == lang], draws, rng, text_rng
            )
            for lang in dict.fromkeys([*(p.lang for p in general), *(p.lang for p in passages)])
        ]
        self._probe_ids = {p.id for p in own if p.level > 0}
        self._general_ids = {p.id for p in general}
        self.units = dict(self._domain.units)
        self.units |= dict.fromkeys(("forgetting", "forgetting_signed", "graded_forgetting"), len(general))
        ranking = self.units["graded_knowledge"]
        self.units["score"] = min(ranking, len(general)) if general else ranking

    def knowledge(self, results: Mapping[str, ProbeResult]) -> Figures | None:
        """Levels, premise, hint, clean and knowledge; None unless every domain probe of the split has a result."""
        return self._domain.figures(results) if results.keys() >= self._probe_ids else None

    def forgetting(self, base: GeneralScores, tuned: GeneralScores) -> Figures | None:
        """Forgetting and its signed form; None unless both models answered every general probe of the split."""
        if not (base.results.keys() >= self._general_ids and tuned.results.keys() >= self._general_ids):
            return None
        zero = np.zeros(self._weightings)
        fluent = [language.fluency_losses(base, tuned) for language in self._languages]
        parts = [
            [*language.share_losses(base, tuned), *of_text]
            for language, of_text in zip(self._languages, fluent, strict=True)
        ]
        clipped = [_mean([np.maximum(0.0, loss) for loss in losses], zero) for losses in parts]
        signed = [_mean(losses, zero) for losses in parts]
        graded = [loss for of_text in fluent for loss in of_text] or [
            loss for language in self._languages for loss in language.graded_losses(base, tuned)
        ]
        # Nothing measured is nothing lost, as in the formula for one value.
        return {
            "forgetting": np.nan_to_num(_mean(clipped, zero)),
            "forgetting_signed": np.nan_to_num(_mean(signed, zero)),
            "graded_forgetting": np.nan_to_num(_mean(graded, zero)),
        }


def clusters(probes: Sequence[Probe]) -> list[int]:
    """The cluster number of every probe: probes that share a fact, directly or through others, share a number."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        parent.setdefault(name, name)
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    names = [probe.fact_ids or (f"probe {probe.id}",) for probe in probes]
    for first, *others in names:
        for other in others:
            parent[root(other)] = root(first)
    numbers: dict[str, int] = {}
    return [numbers.setdefault(root(first), len(numbers)) for first, *_ in names]


@dataclass(frozen=True, slots=True)
class _Component:
    """A ratio of sums: `field` of the probes at `places`, each counting `shares`, over the sum of shares."""

    field: str
    places: list[int]
    shares: list[float]


class _Domain:
    """The domain probes of a split by cluster, and the weights of the clusters."""

    def __init__(
        self, probes: Sequence[Probe], draws: int, rng: np.random.Generator, level_weights: Mapping[int, float]
    ) -> None:
        self._probes = probes
        self._level_weights = level_weights
        self._cluster = np.array(clusters(probes), dtype=np.intp)
        self._judged = any(not is_free(probe) for probe in probes)
        self._components = _components(probes)
        count = int(self._cluster.max()) + 1 if len(probes) else 0
        self._weights_WU = _weights(count, draws, rng)
        under_UC = np.stack([self._by_cluster(c, None) for c in self._components.values()], axis=1)
        self._under_WC = self._weights_WU @ under_UC
        supported = dict(zip(self._components, np.count_nonzero(under_UC, axis=0).tolist(), strict=True))
        self.units = {f"level_{level}": supported[f"level_{level}"] for level in LEVELS}
        self.units |= {"premise": min(supported["yes"], supported["no"]), "hint": supported["hint"]}
        judged = len({cluster for cluster, p in zip(self._cluster.tolist(), probes, strict=True) if not is_free(p)})
        self.units |= dict.fromkeys(("knowledge", "gain", "clean"), judged)
        self.units |= dict.fromkeys(("graded_knowledge", "graded_gain"), judged or count)
        self.units |= {name: supported[name] for name in BY_LEVEL.values() if name in supported}

    def figures(self, results: Mapping[str, ProbeResult]) -> Figures:
        rows = [results[probe.id] for probe in self._probes]
        fields = {
            "score": np.array([row.score for row in rows]),
            "correct": np.array([row.correct for row in rows], dtype=float),
            "clean": np.array([row.clean for row in rows], dtype=float),
            # An answer with the right polarity is never "wrong", whatever else it lacks or adds.
            "side": np.array([row.outcome in {"correct", "partial"} for row in rows], dtype=float),
            "grade": np.array([math.nan if row.grade is None else row.grade for row in rows]),
        }
        over_UC = np.stack([self._by_cluster(c, fields[c.field]) for c in self._components.values()], axis=1)
        over_WC = self._weights_WU @ over_UC
        shares_WC = _ratio(over_WC, self._under_WC, self._under_WC > 0)
        found: Figures = dict(zip(self._components, shares_WC.T, strict=True))
        if (graded := self._graded(results)) is not None:
            found["graded_knowledge"] = graded
        if not self._judged:
            return {name: found[name] for name in ("graded_knowledge", *BY_LEVEL.values()) if name in found}
        found["premise"] = (found.pop("yes") + found.pop("no")) / 2
        skill = premise_skill(found["premise"])
        parts = [*(found[f"level_{level}"] for level in KNOWLEDGE_LEVELS), skill, found["hint"]]
        found["knowledge"] = _mean(parts, skill)
        return found

    def _graded(self, results: Mapping[str, ProbeResult]) -> Array | None:
        """Graded knowledge; None for a row that has no grades."""
        grades = np.array([math.nan if (g := results[p.id].grade) is None else g for p in self._probes])
        known = np.flatnonzero(~np.isnan(grades)).tolist()
        if not known:
            return None
        counting = counted([self._probes[n] for n in known])
        counts = shares(counting, self._level_weights)
        ids = {probe.id for probe in counting}
        places = [n for n in known if self._probes[n].id in ids]
        component = _Component("grade", places, [counts.get(self._probes[n].id, 0.0) for n in places])
        over_W, under_W = (self._weights_WU @ self._by_cluster(component, values) for values in (grades, None))
        return _ratio(over_W, under_W, under_W > 0)

    def _by_cluster(self, component: _Component, values: Array | None) -> Array:
        """The sum of shares (times `values`) of every cluster."""
        places = np.array(component.places, dtype=np.intp)
        weights = np.array(component.shares) * (1.0 if values is None else values[places])
        return np.bincount(self._cluster[places], weights, self._weights_WU.shape[1]).astype(float)


class _Language:
    """The general probes and passages of one language, with weights for every kind."""

    def __init__(
        self,
        probes: Sequence[Probe],
        passages: Sequence[Passage],
        draws: int,
        rng: np.random.Generator,
        text_rng: np.random.Generator,
    ) -> None:
        self._kinds = [(own, _weights(len(own), draws, rng)) for kind in SHARES if (own := of_kind(probes, kind))]
        self._passages = passages
        self._text_weights_WU = _weights(len(passages), draws, text_rng)

    def share_losses(self, base: GeneralScores, tuned: GeneralScores) -> list[Array]:
        """The relative loss of every kind; NaN in resamples whose base has too little to lose."""
        return [_share_loss(probes, weights_WU, base, tuned) for probes, weights_WU in self._kinds]

    def fluency_losses(self, base: GeneralScores, tuned: GeneralScores) -> list[Array]:
        """The relative loss of fluency; empty where the base model's is not known."""
        bits = self._bits_per_byte(base)
        return [] if bits is None else [fluency_loss(bits, self._bits_per_byte(tuned))]

    def graded_losses(self, base: GeneralScores, tuned: GeneralScores) -> list[Array]:
        """The relative loss of every kind of graded question."""
        return [
            general_loss(*(_mean_grade(known, weights_WU, scores) for scores in (base, tuned)))
            for probes, weights_WU in self._kinds
            if any(known := [base.results[p.id].grade is not None and p.id for p in probes])
        ]

    def _bits_per_byte(self, scores: GeneralScores) -> Array | None:
        if not self._passages or any(passage.id not in scores.nats for passage in self._passages):
            return None
        nats = np.array([scores.nats[passage.id] for passage in self._passages])
        length_bytes = np.array([len(passage.text.encode()) for passage in self._passages], dtype=float)
        bits: Array = self._text_weights_WU @ nats / math.log(2) / (self._text_weights_WU @ length_bytes)
        return bits


def _mean_grade(ids: Sequence[str | bool], weights_WU: Array, scores: GeneralScores) -> Array:
    """The mean grade of the probes whose ids are given; False stands for one that is not graded."""
    counted = np.array([bool(id) for id in ids], dtype=float)
    grades = np.array([scores.results[id].grade or 0.0 if isinstance(id, str) else 0.0 for id in ids])
    total = weights_WU @ counted
    return _ratio(weights_WU @ grades, total, total > 0)


def _share_loss(probes: Sequence[Probe], weights_WU: Array, base: GeneralScores, tuned: GeneralScores) -> Array:
    """The loss of probes of one kind in many weightings."""
    columns = [[float(scores.results[p.id].correct) for p in probes] for scores in (base, tuned)]
    before, now, guess = (weights_WU @ np.array([*columns, [chance(p) for p in probes]]).T).T / len(probes)
    return share_loss(before, now, count=len(probes), chance=guess)


def _components(probes: Sequence[Probe]) -> dict[str, _Component]:
    """Every ratio that `raykft.evaluation.levels` forms: macro means over facts for levels, plain means elsewhere."""
    found = {}
    for level in LEVELS:
        by_fact: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, probe in enumerate(probes):
            if probe.level == level and probe.kind not in {"premise", "hint", "free"}:
                by_fact[probe.fact_ids or ("", probe.id)].append(place)
        found[f"level_{level}"] = _macro("score", by_fact)
    plain = {
        "yes": ("side", [n for n, p in enumerate(probes) if p.kind == "premise" and p.polarity == "yes"]),
        "no": ("side", [n for n, p in enumerate(probes) if p.kind == "premise" and p.polarity == "no"]),
        "hint": ("correct", [n for n, p in enumerate(probes) if "hint" in p.tags]),
        "clean": ("clean", [n for n, p in enumerate(probes) if not is_free(p)]),
    }
    found |= {name: _Component(field, places, [1.0] * len(places)) for name, (field, places) in plain.items()}
    for level, name in BY_LEVEL.items():
        free: defaultdict[tuple[str, ...], list[int]] = defaultdict(list)
        for place, probe in enumerate(probes):
            if is_free(probe) and probe.level == level:
                free[probe.fact_ids or ("", probe.id)].append(place)
        if free:
            found[name] = _macro("grade", free)
    return found


def _macro(field: str, by_fact: Mapping[tuple[str, ...], Sequence[int]]) -> _Component:
    """The mean over facts of the mean over the probes of each."""
    weighted = [(place, 1 / len(group)) for group in by_fact.values() for place in group]
    return _Component(field, [place for place, _ in weighted], [share for _, share in weighted])


def _weights(units: int, draws: int, rng: np.random.Generator) -> Array:
    """How often each unit is drawn: [1 + draws, units], the first row all 1."""
    drawn = rng.integers(0, max(1, units), size=(draws, units))
    offsets = np.arange(draws)[:, None] * units
    counts = np.bincount((drawn + offsets).ravel(), minlength=draws * units).reshape(draws, units)
    return np.vstack([np.ones(units), counts])


def _mean(parts: Sequence[Array], like: Array) -> Array:
    """The mean of the parts that a weighting supports; NaN where it supports none, shaped as `like`."""
    stacked = np.stack(parts) if parts else np.full((1, *like.shape), np.nan)
    counts = np.count_nonzero(~np.isnan(stacked), axis=0)
    return _ratio(np.nansum(stacked, axis=0), counts.astype(float), counts > 0)


def _ratio(over: Array, under: Array, where: npt.NDArray[np.bool_]) -> Array:
    """`over / under`, NaN elsewhere."""
    found: Array = np.divide(over, under, out=np.full_like(over, np.nan), where=where)
    return found
