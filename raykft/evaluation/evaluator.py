"""Score a model on the probes: cheaply at every rung, fully at the end, and the base model once for comparison.

Needs no torch: the model is anything that answers questions (`Answerer`), usually a training host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from statistics import fmean
from typing import Any, Protocol

from raykft.evaluation.claims import FactSheet
from raykft.evaluation.dummies import always_no, template_copy
from raykft.evaluation.forgetting import (
    GeneralScores,
    changes,
    closed_world,
    fluency_loss,
    forgetting,
    forgetting_metrics,
    losses,
    lost_per_fact_gained,
    of_kind,
    spill,
)
from raykft.evaluation.levels import summarize
from raykft.evaluation.objective import Objective, gain, score
from raykft.evaluation.picks import (
    choice_pick,
    choice_result,
    domain_picks,
    general_picks,
    in_turns,
    is_choice,
    share_of_first,
)
from raykft.evaluation.scoring import prior_probe, score_answer
from raykft.records import Fact, Passage, Pick, Probe, ProbeResult, Question, Reply, Split

# Names of baselines, which are rows of the leaderboard and files of the experiment.
BASE, FACTS_NEEDED, ALWAYS_NO, TEMPLATE_COPY = "base", "facts_needed", "always_no", "template_copy"

# What a model is shown in place of a probe's bare question; None where that does not fit.
Context = Callable[[Probe], str | None]


class Answerer(Protocol):
    """A model with adapters: what the evaluator asks. `trial_id` None is the base model itself."""

    def answer(self, trial_id: str | None, questions: Sequence[Question]) -> list[Reply]:
        """Greedy answers."""

    def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
        """Log-probability per byte of every candidate, in nats."""

    def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
        """Negative log-likelihood of every text, in nats."""

    def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
        """Summed KL(base || adapter) in nats and number of tokens, for every question with its answer."""


@dataclass(frozen=True)
class Suite:
    """All that adapters are asked."""

    facts: tuple[Fact, ...]
    probes: tuple[Probe, ...]
    general: tuple[Probe, ...] = ()
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True)
class FullScores:
    """One model on one split: flat metrics (names of `raykft.evaluation.metrics`), every answer's result, and the nats
    of every passage that came out finite."""

    metrics: dict[str, float]
    results: list[ProbeResult]
    passage_nats: dict[str, float] = field(default_factory=dict)

    @property
    def domain(self) -> dict[str, ProbeResult]:
        return {result.id: result for result in self.results if result.level > 0}

    @property
    def general(self) -> GeneralScores:
        return GeneralScores({r.id: r for r in self.results if r.level == 0}, self.passage_nats)


SplitScores = dict[Split, FullScores]


@dataclass
class BaseScores:
    """What adapters are measured against: a row per baseline and split, and the base model's rung figures.

    `prior_known` are the probes whose question about the world the base model answers (None: there are none).
    """

    rows: dict[str, SplitScores] = field(default_factory=dict)
    prior_known: list[str] | None = None
    rung: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Everything but the answers, as JSON-ready data."""
        rows = {
            name: {
                split: {"metrics": scores.metrics, "passage_nats": scores.passage_nats}
                for split, scores in splits.items()
            }
            for name, splits in self.rows.items()
        }
        return {"rows": rows, "prior_known": self.prior_known, "rung": self.rung, "seconds": self.seconds}

    def results(self, name: str) -> list[ProbeResult]:
        """Every answer of one baseline, of both splits."""
        return [result for scores in self.rows[name].values() for result in scores.results]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> BaseScores:
        rows = {
            name: {split: _full_scores(scores) for split, scores in splits.items()}
            for name, splits in tree["rows"].items()
        }
        return cls(**tree | {"rows": rows})


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
        drift_prompts: int = 16,
    ) -> None:
        """
        Args:
            rung_passages: a language.
            drift_prompts: general questions of a split on whose base answers the drift is measured.
        """
        self.suite = suite
        self.objective = objective
        self.drift_prompts = drift_prompts
        self.rung_picks = domain_picks(suite.probes, rung_probes)
        self.rung_general = general_picks(suite.general, rung_general)
        languages = len({passage.lang for passage in suite.passages})
        self.rung_passages = in_turns(suite.passages, lambda p: p.lang)[: rung_passages * languages]
        # The drift is for people to read, not for the search: measured once, where the best trials are reported.
        self._last_split: Split = "report" if any(p.split == "report" for p in suite.probes) else "select"
        self._world = closed_world(suite.facts)
        self._sheet = FactSheet(suite.facts)

    def base(self, model: Answerer, contexts: Mapping[str, Context] | None = None) -> BaseScores:
        """Score the base model closed-book, then with every one of `contexts`, and the dummies.

        On both splits, but for contexts other than the needed facts: the search has no use for them, so they are asked
        of the report split only (where there is one). A context that does not fit some probe is left out whole: rows
        are compared probe by probe.
        """
        splits: list[Split] = [s for s in ("select", "report") if any(p.split == s for p in self.suite.probes)]
        nats = self._nats(model, None, self.suite.passages)  # the same passages for both splits
        known = self._prior_known(model)
        base = BaseScores(prior_known=known, rung=self._rung(model, None))
        base.rows[BASE] = {split: self._closed_book(model, None, split, nats, known) for split in splits}
        for name, context in (contexts or {}).items():
            asked = splits if name == FACTS_NEEDED else [self._last_split]
            if row := self._in_context(model, None, asked, context, known):
                base.rows[name] = row
        base.rows[ALWAYS_NO] = self._said(splits, always_no, known)
        base.rows[TEMPLATE_COPY] = self._said(splits, template_copy(self.suite.probes), known)
        base.rows = {name: self._with_gain(row, base) for name, row in base.rows.items()}
        return base

    def rung(self, model: Answerer, trial_id: str, base: BaseScores) -> dict[str, float]:
        """The cheap scores of an unfinished trial: the same quantities after every epoch.

        `rung_score` is the log-probability share of right answers on domain probes minus forgetting measured the
        same way: that share on general probes in place of their accuracy, and bits per byte.
        """
        now = self._rung(model, trial_id)
        parts = {}
        if base.rung.get("general_lp"):
            parts["share"] = (base.rung["general_lp"] - now["general_lp"]) / base.rung["general_lp"]
        if "bits" in base.rung:
            parts["fluency"] = float(fluency_loss(base.rung["bits"], now.get("bits")))
        lost = forgetting({"all": parts} if parts else {})
        return {
            "probe_lp": now["probe_lp"],
            "rung_score": now["probe_lp"] - lost.clipped,
            "invalid": now["invalid"],
        }

    def full(
        self,
        model: Answerer,
        trial_id: str,
        base: BaseScores,
        split: Split = "select",
        passage_nats: dict[str, float] | None = None,
    ) -> FullScores:
        """Generate and score an answer to every probe of `split`; forgetting against `base`.

        Args:
            passage_nats: what the same adapter's scores on the other split hold; passages belong to both.
        """
        nats = self._nats(model, trial_id, self.suite.passages) if passage_nats is None else passage_nats
        scores = self._closed_book(model, trial_id, split, nats, base.prior_known)
        return replace(scores, metrics=scores.metrics | self._against_base(model, trial_id, scores, base, split))

    def in_context(self, model: Answerer, trial_id: str, base: BaseScores, context: Context) -> SplitScores | None:
        """The last split's domain probes asked of an adapter with `context`; None where that does not fit."""
        row = self._in_context(model, trial_id, [self._last_split], context, base.prior_known)
        return row and self._with_gain(row, base)

    def _closed_book(
        self,
        model: Answerer,
        trial_id: str | None,
        split: Split,
        nats: dict[str, float],
        prior_known: Collection[str] | None,
    ) -> FullScores:
        """All that is asked of one split, in one request a kind: full batches are what makes it cheap.

        The base model is asked split by split as well, so that its batches are those of an adapter: then one that
        adds nothing answers the same, rounding and all.
        """
        asked = [p for p in (*self.suite.probes, *self.suite.general) if p.split == split]
        choices = [p for p in asked if is_choice(p)]
        written = [p for p in asked if not is_choice(p)]
        replies = model.answer(trial_id, [Question(p.question, p.max_new_tokens) for p in written])
        logprobs = model.choose(trial_id, [choice_pick(p) for p in choices]) if choices else []
        results = [
            *(self._score(p, reply) for p, reply in zip(written, replies, strict=True)),
            *(choice_result(p, row) for p, row in zip(choices, logprobs, strict=True)),
        ]
        domain = self._domain_scores(split, [*written, *choices], results, prior_known)
        scores = FullScores(domain.metrics, [*domain.results, *(r for r in results if r.level == 0)], nats)
        return replace(scores, metrics=scores.metrics | self._general_figures(split, scores.general))

    def _in_context(
        self,
        model: Answerer,
        trial_id: str | None,
        splits: Sequence[Split],
        context: Context,
        prior_known: Collection[str] | None,
    ) -> SplitScores | None:
        probes = [p for p in self.suite.probes if p.split in splits]
        prompts = [context(p) for p in probes]
        questions = [
            Question(text, p.max_new_tokens) for p, text in zip(probes, prompts, strict=True) if text is not None
        ]
        if len(questions) < len(probes):
            return None
        replies = model.answer(trial_id, questions)
        results = [self._score(p, reply) for p, reply in zip(probes, replies, strict=True)]
        return {split: self._domain_scores(split, probes, results, prior_known) for split in splits}

    def _said(
        self, splits: Sequence[Split], say: Callable[[Probe], str], prior_known: Collection[str] | None
    ) -> SplitScores:
        """The row of a dummy."""
        probes = [p for p in self.suite.probes if p.split in splits]
        results = [self._score(p, Reply(say(p), True)) for p in probes]
        return {split: self._domain_scores(split, probes, results, prior_known) for split in splits}

    def _score(self, probe: Probe, reply: Reply) -> ProbeResult:
        return score_answer(probe, reply.text, reply.stopped, self._sheet)

    def _prior_known(self, model: Answerer) -> list[str] | None:
        """The probes whose side question about the world the base model answers: what they test is the fact alone."""
        asking = [p for p in self.suite.probes if p.prior]
        if not asking:
            return None
        priors = [prior_probe(p) for p in asking]
        replies = model.answer(None, [Question(p.question, p.max_new_tokens) for p in priors])
        right = [self._score(prior, reply).correct for prior, reply in zip(priors, replies, strict=True)]
        return [p.id for p, is_right in zip(asking, right, strict=True) if is_right]

    @staticmethod
    def _domain_scores(
        split: Split, probes: Sequence[Probe], results: Sequence[ProbeResult], prior_known: Collection[str] | None
    ) -> FullScores:
        pairs = [(p, r) for p, r in zip(probes, results, strict=True) if p.split == split and p.level > 0]
        own = [result for _, result in pairs]
        return FullScores(flatten(summarize([probe for probe, _ in pairs], own, prior_known)), own)

    def _general_figures(self, split: Split, scores: GeneralScores) -> dict[str, float]:
        asked, passages = self._general(split), self.suite.passages
        no_choice = sum(is_choice(p) and scores.results[p.id].outcome == "empty" for p in asked)
        figures = {
            "general_accuracy": scores.share(of_kind(asked, "recall")),
            "choice_accuracy": scores.share(of_kind(asked, "mc")),
            "instruct_rate": scores.share(of_kind(asked, "instruct")),
            "spill": spill(asked, scores, self._world),
            "bits_per_byte": scores.bits_per_byte(passages),
            "invalid": float(no_choice + len(passages) - len(scores.nats)),
        }
        return {name: value for name, value in figures.items() if value is not None}

    def _against_base(
        self, model: Answerer, trial_id: str, scores: FullScores, base: BaseScores, split: Split
    ) -> dict[str, float]:
        """Forgetting, gain and the objective."""
        reference, asked = base.rows[BASE][split], self._general(split)
        before, now = reference.general, scores.general
        metrics = forgetting_metrics(losses(asked, self.suite.passages, before, now))
        metrics |= changes(asked, before, now)
        probes = [p for p in self.suite.probes if p.split == split]
        price = lost_per_fact_gained(asked, probes, before, now, reference.domain, scores.domain)
        if price is not None:
            metrics["fuar"] = price
        if split == self._last_split:
            drift, invalid = self._drift(model, trial_id, asked, before)
            metrics["invalid"] = scores.metrics["invalid"] + invalid
            if drift is not None:
                metrics["drift"] = drift
        metrics["gain"] = self._gain(scores, base, split)
        figures = {
            name: metrics.get(name, scores.metrics.get(name, 0.0)) for name in ("knowledge", "gain", "forgetting")
        }
        metrics["score"] = float(score(self.objective, **figures))
        return metrics

    def _drift(
        self, model: Answerer, trial_id: str, asked: Sequence[Probe], before: GeneralScores
    ) -> tuple[float | None, int]:
        """KL(base || adapter) in nats a token on the base model's own answers, and how many had no finite one."""
        written = in_turns([p for p in asked if not is_choice(p)], lambda p: p.lang)[: self.drift_prompts]
        if not written:
            return None, 0
        measured = model.drift(trial_id, [(p.question, before.results[p.id].answer) for p in written])
        finite = [(nats, tokens) for nats, tokens in measured if math.isfinite(nats)]
        tokens = sum(tokens for _, tokens in finite)
        return sum(nats for nats, _ in finite) / tokens if tokens else None, len(measured) - len(finite)

    def _with_gain(self, row: SplitScores, base: BaseScores) -> SplitScores:
        return {
            split: replace(scores, metrics=scores.metrics | {"gain": self._gain(scores, base, split)})
            for split, scores in row.items()
        }

    def _gain(self, scores: FullScores, base: BaseScores, split: Split) -> float:
        shown = base.rows[FACTS_NEEDED][split].metrics["knowledge"] if FACTS_NEEDED in base.rows else None
        return float(gain(scores.metrics["knowledge"], base.rows[BASE][split].metrics["knowledge"], shown))

    def _general(self, split: Split) -> list[Probe]:
        return [p for p in self.suite.general if p.split == split]

    def _nats(self, model: Answerer, trial_id: str | None, passages: Sequence[Passage]) -> dict[str, float]:
        """Nats by passage id; a likelihood that is not finite is left out."""
        nats = model.text_nats(trial_id, [p.text for p in passages]) if passages else []
        return {p.id: value for p, value in zip(passages, nats, strict=True) if math.isfinite(value)}

    def _rung(self, model: Answerer, trial_id: str | None) -> dict[str, float]:
        rows = model.choose(trial_id, [*self.rung_picks, *self.rung_general])
        shares = [share_of_first(row) for row in rows]
        domain, general = shares[: len(self.rung_picks)], shares[len(self.rung_picks) :]
        nats = self._nats(model, trial_id, self.rung_passages)
        invalid = sum(not all(map(math.isfinite, row)) for row in rows) + len(self.rung_passages) - len(nats)
        scores = {"probe_lp": fmean(domain) if domain else 0.0, "invalid": float(invalid)}
        if general:
            scores["general_lp"] = fmean(general)
        bits = GeneralScores({}, nats).bits_per_byte(self.rung_passages)
        return scores if bits is None else scores | {"bits": bits}


def flatten(summary: dict[str, Any]) -> dict[str, float]:
    """`summarize`'s tree as flat metrics; parts that were not measured are left out."""
    levels, overall = summary["levels"], summary["overall"]
    flat = {f"level_{level}": entry["score"] for level, entry in levels.items()}
    flat |= {"premise": summary["premise"]["score"], "hint": summary["hint"]["score"]}
    names = ("knowledge", "clean", "overgeneration", "repetition", "stop_rate", "refusal_rate")
    flat |= {name: overall[name] for name in names}
    flat |= {name: levels["2"][name] for name in ("all_paraphrases", "coverage", "verbatim_gap")}
    flat |= {"format_obeyed": levels["3"]["compliant"], "format_content": levels["3"]["content"]}
    flat |= {f"level_4_{length}": entry["score"] for length, entry in levels["4"]["by_length"].items()}
    flat |= {"level_5_prior": levels["5"].get("prior_known", {}).get("score")}
    flat |= {"hint_harm": summary["hint"]["hint_harm"]}
    more = ("overlong_rate", "compression", "echo_rate", "newline_tail", "unsupported_claims", "unchecked")
    flat |= {name: overall[name] for name in (*more, "top_answer_share", "unique_answers")}
    return {name: float(value) for name, value in flat.items() if value is not None}


def _full_scores(tree: dict[str, Any]) -> FullScores:
    return FullScores(tree["metrics"], [_result(row) for row in tree["results"]], tree["passage_nats"])


def _result(row: dict[str, Any]) -> ProbeResult:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
    return ProbeResult(**values)
