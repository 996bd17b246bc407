"""Score a model on the probes: cheaply at every rung, fully at the end, and the base model once for comparison.

Needs no torch: the model is anything that answers questions (`Answerer`), usually a training host.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields
from statistics import fmean
from typing import Any, Protocol

from raykft.evaluate.forgetting import bits_per_byte, forgetting
from raykft.evaluate.levels import accuracy, summarize
from raykft.evaluate.normalize import normalize
from raykft.evaluate.objective import gain, objective
from raykft.evaluate.scoring import score_answer
from raykft.records import Fact, Passage, Pick, Probe, ProbeResult, Question, Reply, Split


class Answerer(Protocol):
    """A model with adapters: what the evaluator asks. `trial_id` None is the base model itself."""

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        """Greedy answers."""

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        """Log-probability per byte of every candidate, in nats."""

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        """Negative log-likelihood of every text, in nats."""


@dataclass(frozen=True)
class Suite:
    """All that adapters are asked."""

    facts: tuple[Fact, ...]
    probes: tuple[Probe, ...]
    general: tuple[Probe, ...] = ()
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class Objective:
    """How knowledge and forgetting become one score (see `raykft.evaluate.objective`)."""

    name: str = "gain_minus_penalty"
    forgetting_budget: float = 0.05
    penalty: float = 5.0


@dataclass
class BaseScores:
    """The base model's own figures, the yardstick of gain and forgetting. Split-wise where the probes are split."""

    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    oracle: dict[str, dict[str, float]] = field(default_factory=dict)
    answers: dict[str, str] = field(default_factory=dict)
    rung: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> BaseScores:
        return cls(**{f.name: tree[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class FullScores:
    """Flat metrics (names of `raykft.evaluate.metrics`) and every answer's result."""

    metrics: dict[str, float]
    results: list[ProbeResult]


class Evaluator:
    """Asks, scores and aggregates. Holds no model; `base` must have run before adapters are scored."""

    def __init__(
        self,
        suite: Suite,
        objective: Objective,
        *,
        rung_probes: int = 24,
        rung_general: int = 12,
        rung_passages: int = 1,
    ) -> None:
        self.suite = suite
        self.objective = objective
        general = [p for p in suite.general if p.split == "select"]
        self.rung_picks = _picks(_rung_candidates(suite.probes), rung_probes)
        self.rung_general = _picks(general, rung_general)
        self.rung_passages = suite.passages[:rung_passages]

    def base(self, model: Answerer, *, facts_in_context: bool) -> BaseScores:
        """Score the base model on both splits, closed-book and (the oracle) with the needed facts in the prompt."""
        base = BaseScores()
        running_text = self._running_text(model, None)  # the same passages for both splits
        for split in _splits(self.suite.probes):
            probes = self._probes(split)
            metrics, results = self._ask(model, None, probes)
            general, general_results = self._general(model, None, split)
            base.metrics[split] = metrics | general | running_text
            base.answers |= {r.id: r.answer for r in [*results, *general_results]}
            if facts_in_context:
                base.oracle[split], _ = self._ask(model, None, probes, contexts=True)
        base.rung = self._rung(model, None)
        return base

    def rung(self, model: Answerer, trial_id: str, base: BaseScores) -> dict[str, float]:
        """The cheap scores of an unfinished trial: the same quantities after every epoch.

        `rung_score` is the log-probability share of right answers on domain probes minus forgetting measured the
        same way: that share on general probes in place of their accuracy, and bits per byte.
        """
        now = self._rung(model, trial_id)
        lost = forgetting(
            base_accuracy=base.rung.get("general_lp"),
            accuracy=now.get("general_lp"),
            base_bits=base.rung.get("bits"),
            bits=now.get("bits"),
        )
        return {"probe_lp": now["probe_lp"], "rung_score": now["probe_lp"] - lost.clipped}

    def full(self, model: Answerer, trial_id: str, base: BaseScores, split: Split = "select") -> FullScores:
        """Generate and score an answer to every probe of `split`; forgetting against `base`."""
        metrics, results = self._ask(model, trial_id, self._probes(split))
        general, general_results = self._general(model, trial_id, split)
        metrics |= general | self._running_text(model, trial_id)
        return FullScores(metrics | self._derived(metrics, base, split), [*results, *general_results])

    def _derived(self, metrics: dict[str, float], base: BaseScores, split: Split) -> dict[str, float]:
        reference, oracle = base.metrics[split], base.oracle.get(split, {})
        lost = forgetting(
            base_accuracy=reference.get("general_accuracy"),
            accuracy=metrics.get("general_accuracy"),
            base_bits=reference.get("bits_per_byte"),
            bits=metrics.get("bits_per_byte"),
        )
        gained = gain(metrics["knowledge"], reference["knowledge"], oracle.get("knowledge"))
        score = objective(
            self.objective.name,
            knowledge=metrics["knowledge"],
            gain=gained,
            forgetting=lost.clipped,
            budget=self.objective.forgetting_budget,
            penalty=self.objective.penalty,
        )
        return {"gain": gained, "forgetting": lost.clipped, "forgetting_signed": lost.signed, "score": score}

    def _probes(self, split: Split) -> list[Probe]:
        return [p for p in self.suite.probes if p.split == split]

    def _ask(
        self, model: Answerer, trial_id: str | None, probes: Sequence[Probe], contexts: bool = False
    ) -> tuple[dict[str, float], list[ProbeResult]]:
        facts = {fact.id: fact.text for fact in self.suite.facts} if contexts else {}
        questions = [Question(_in_context(p, facts), p.max_new_tokens) for p in probes]
        results = _score(probes, model.answer(trial_id, questions))
        return flatten(summarize(probes, results)), results

    def _general(
        self, model: Answerer, trial_id: str | None, split: Split
    ) -> tuple[dict[str, float], list[ProbeResult]]:
        probes = [p for p in self.suite.general if p.split == split]
        if not probes:
            return {}, []
        replies = model.answer(trial_id, [Question(p.question, p.max_new_tokens) for p in probes])
        results = _score(probes, replies)
        return {"general_accuracy": accuracy(probes, results)}, results

    def _running_text(self, model: Answerer, trial_id: str | None) -> dict[str, float]:
        if not self.suite.passages:
            return {}
        nats = model.text_nats(trial_id, [p.text for p in self.suite.passages])
        return {"bits_per_byte": bits_per_byte(nats, self.suite.passages)}

    def _rung(self, model: Answerer, trial_id: str | None) -> dict[str, float]:
        shares = [_softmax_first(row) for row in model.choose(trial_id, [*self.rung_picks, *self.rung_general])]
        domain, general = shares[: len(self.rung_picks)], shares[len(self.rung_picks) :]
        scores = {"probe_lp": fmean(domain) if domain else 0.0}
        if general:
            scores["general_lp"] = fmean(general)
        if self.rung_passages:
            nats = model.text_nats(trial_id, [p.text for p in self.rung_passages])
            scores["bits"] = bits_per_byte(nats, self.rung_passages)
        return scores


def flatten(summary: dict[str, Any]) -> dict[str, float]:
    """`summarize`'s tree as flat metrics; parts that were not measured are left out."""
    flat = {f"level_{level}": entry["score"] for level, entry in summary["levels"].items()}
    flat |= {"premise": summary["premise"]["score"], "hint": summary["hint"]["score"]}
    overall = summary["overall"]
    names = ("knowledge", "clean", "overgeneration", "repetition", "stop_rate", "refusal_rate")
    flat |= {name: overall[name] for name in names}
    return {name: float(value) for name, value in flat.items() if value is not None}


def _score(probes: Sequence[Probe], replies: Sequence[Reply]) -> list[ProbeResult]:
    return [score_answer(p, r.text, r.stopped) for p, r in zip(probes, replies, strict=True)]


def _splits(probes: Sequence[Probe]) -> list[Split]:
    return [split for split in ("select", "report") if any(p.split == split for p in probes)]


def _in_context(probe: Probe, facts: dict[str, str]) -> str:
    known = " ".join(facts[fact_id] for fact_id in probe.fact_ids if fact_id in facts)
    return f"{known}\n\n{probe.question}" if known else probe.question


def _rung_candidates(probes: Sequence[Probe]) -> list[Probe]:
    """Paraphrase probes of the select split with contrasts, one a fact before a second of any fact."""
    usable = [p for p in probes if p.level == 2 and p.split == "select" and p.kind == "recall" and p.contrast]
    seen: dict[tuple[str, ...], int] = {}
    turn: dict[str, int] = {}
    for probe in usable:
        turn[probe.id] = seen.get(probe.fact_ids, 0)
        seen[probe.fact_ids] = turn[probe.id] + 1
    return sorted(usable, key=lambda p: turn[p.id])


def _picks(probes: Sequence[Probe], limit: int) -> list[Pick]:
    return [pick for probe in probes if (pick := _pick(probe))][:limit]


def _pick(probe: Probe) -> Pick | None:
    """Split the gold answer before the key fact: what comes before leads in, the fact and its contrasts compete."""
    for alias in sorted(probe.key_facts[0].any, key=len, reverse=True):
        position = probe.gold.find(alias)
        if position >= 0:
            others = [c for c in probe.contrast if normalize(c) != normalize(alias)]
            return Pick(probe.question, probe.gold[:position], (alias, *others[:3])) if others else None
    return None


def _softmax_first(values: Sequence[float]) -> float:
    top = max(values)
    weights = [math.exp(value - top) for value in values]
    return weights[0] / sum(weights)
