"""Score a model on the probes: cheaply at every rung, fully at the end, and the base model once for comparison.

Needs no torch: the model is anything that answers questions (`Answerer`), usually a training host.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

from raykft.evaluation.answerer import Answerer
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
from raykft.evaluation.free import counted, free_metrics
from raykft.evaluation.graded import Graded, bits_by_language, domain_grades, general_grades, grades_of, picks_of
from raykft.evaluation.graded import ask as ask_grades
from raykft.evaluation.graded import forgetting as graded_forgetting
from raykft.evaluation.graded import knowledge as graded_knowledge
from raykft.evaluation.levels import summarize
from raykft.evaluation.objective import Objective, gain, score
from raykft.evaluation.outcome import (
    ALWAYS_NO,
    BASE,
    FACTS_NEEDED,
    SPLITS,
    TEMPLATE_COPY,
    BaseScores,
    FullScores,
    SplitScores,
)
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
from raykft.records import Fact, Passage, Probe, ProbeResult, Question, Reply, Split

# What a model is shown in place of a probe's bare question; None where that does not fit.
Context = Callable[[Probe], str | None]


@dataclass(frozen=True)
class Suite:
    """All that adapters are asked."""

    facts: tuple[Fact, ...]
    probes: tuple[Probe, ...]
    general: tuple[Probe, ...] = ()
    passages: tuple[Passage, ...] = ()
    level_weights: Mapping[int, float] = field(default_factory=dict)  # of graded knowledge; 1 where nothing is said


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
        self._graded = {split: domain_grades(self._domain(split), suite.facts) for split in SPLITS}
        self._graded_general = {split: general_grades(self._general(split)) for split in SPLITS}
        # What counts for graded knowledge, one probe of every fact before a second of any. Where there are passages,
        # they alone tell what is forgotten.
        asked = 0 if self.rung_passages else rung_general
        counting = {probe.id for probe in counted([g.probe for g in self._graded["select"]])}
        ranking = [g for g in self._graded["select"] if g.probe.id in counting]
        self._rung_graded = (
            in_turns(ranking, lambda g: g.probe.fact_ids)[:rung_probes],
            in_turns(self._graded_general["select"], lambda g: (g.probe.lang, g.probe.kind))[:asked],
        )
        # The drift is for people to read, not for the search: measured once, where the best trials are reported.
        self._splits: list[Split] = [s for s in SPLITS if any(p.split == s for p in suite.probes)]
        self._last_split: Split = "report" if "report" in self._splits else "select"
        self._world = closed_world(suite.facts)
        self._sheet = FactSheet(suite.facts)

    def graded(self, split: Split) -> list[Graded]:
        """What is asked for grades alone: a choice is graded by the log-probabilities that answer it."""
        return [*self._graded[split], *(g for g in self._graded_general[split] if not is_choice(g.probe))]

    def base(self, model: Answerer, contexts: Mapping[str, Context] | None = None) -> BaseScores:
        """Score the base model closed-book, then with every one of `contexts`, and the dummies.

        On both splits, but for contexts other than the needed facts: the search has no use for them, so they are asked
        of the report split only (where there is one). A context that does not fit some probe is left out whole: rows
        are compared probe by probe.
        """
        splits = self._splits
        nats = self._nats(model, None, self.suite.passages)  # the same passages for both splits
        known = self._prior_known(model)
        base = BaseScores(prior_known=known, rung=self._rung(model, None))
        base.rows[BASE] = {split: self._closed_book(model, None, split, nats, known) for split in splits}
        for name, context in (contexts or {}).items():
            asked = splits if name == FACTS_NEEDED else [self._last_split]
            # Graded gain is measured up to the base with the needed facts; the search has no use for other grades.
            if row := self._in_context(model, None, asked, context, known, grade=name == FACTS_NEEDED):
                base.rows[name] = row
        base.rows[ALWAYS_NO] = self._said(splits, always_no, known)
        base.rows[TEMPLATE_COPY] = self._said(splits, template_copy(self.suite.probes), known)
        base.rows = {name: self._with_gain(row, base) for name, row in base.rows.items()}
        return base

    def rung(self, model: Answerer, trial_id: str, base: BaseScores) -> dict[str, float]:
        """The cheap scores of an unfinished trial: the same quantities after every epoch.

        `rung_score` is the log-probability share of right answers on domain probes minus forgetting measured the
        same way: that share on general probes in place of their accuracy, and bits per byte. For the objective "graded"
        it is the graded score itself, on as many probes as a rung asks.
        """
        if self.objective.name == "graded":
            return self._graded_rung(model, trial_id, base)
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

    def _graded_rung(self, model: Answerer, trial_id: str, base: BaseScores) -> dict[str, float]:
        domain, general = self._rung_graded
        grades = ask_grades(model, trial_id, [*domain, *general])
        nats = self._nats(model, trial_id, self.rung_passages)
        before, shown = base.rows[BASE]["select"], base.rows.get(FACTS_NEEDED, {}).get("select")
        asked = [g.probe for g in domain]
        known = [self._known(asked, each) for each in (grades, before.grades)]
        top = self._known(asked, shown.grades) if shown else None
        bits = bits_by_language(self.rung_passages, before.general, GeneralScores({}, nats))
        lost = graded_forgetting([g.probe for g in general], before.grades, grades, bits)
        invalid = len(self.rung_passages) - len(nats)
        return {"rung_score": float(gain(known[0], known[1], top)) - lost, "invalid": float(invalid)}

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
        graded_choices = {g.probe.id: g for g in self._graded_general[split] if is_choice(g.probe)}
        graded = self.graded(split)
        picks = [*(choice_pick(p) for p in choices), *picks_of(graded)]
        rows = model.choose(trial_id, picks) if picks else []
        logprobs, others = rows[: len(choices)], rows[len(choices) :]
        grades = grades_of(graded, others)
        for probe, row in zip(choices, logprobs, strict=True):
            if probe.id in graded_choices:
                grades[probe.id] = graded_choices[probe.id].grade([row])
        results = [
            *(self._score(p, reply) for p, reply in zip(written, replies, strict=True)),
            *(choice_result(p, row) for p, row in zip(choices, logprobs, strict=True)),
        ]
        results = [replace(r, grade=grades.get(r.id)) for r in results]
        domain = self._domain_scores(split, [*written, *choices], results, prior_known)
        scores = FullScores(domain.metrics, [*domain.results, *(r for r in results if r.level == 0)], nats)
        figures = self._general_figures(split, scores.general) | self._graded_knowledge(split, grades)
        return replace(scores, metrics=scores.metrics | figures)

    def _graded_knowledge(self, split: Split, grades: Mapping[str, float]) -> dict[str, float]:
        own = self._graded[split]
        return {"graded_knowledge": self._known([g.probe for g in own], grades)} if own else {}

    def _known(self, asked: Sequence[Probe], grades: Mapping[str, float]) -> float:
        return graded_knowledge(asked, grades, self.suite.level_weights)

    def _in_context(
        self,
        model: Answerer,
        trial_id: str | None,
        splits: Sequence[Split],
        context: Context,
        prior_known: Collection[str] | None,
        *,
        grade: bool = False,
    ) -> SplitScores | None:
        probes = [p for p in self.suite.probes if p.split in splits]
        prompts = [context(p) for p in probes]
        questions = [
            Question(text, p.max_new_tokens) for p, text in zip(probes, prompts, strict=True) if text is not None
        ]
        if len(questions) < len(probes):
            return None
        replies = model.answer(trial_id, questions)
        graded = [g for split in splits for g in self._graded[split]] if grade else []
        shown = dict(zip((p.id for p in probes), prompts, strict=True))
        grades = ask_grades(model, trial_id, [g.shown(shown[g.probe.id] or "") for g in graded])
        results = [
            replace(self._score(p, reply), grade=grades.get(p.id)) for p, reply in zip(probes, replies, strict=True)
        ]
        found = {split: self._domain_scores(split, probes, results, prior_known) for split in splits}
        if not grades:
            return found
        return {
            split: replace(scores, metrics=scores.metrics | self._graded_knowledge(split, grades))
            for split, scores in found.items()
        }

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
        asked, own = [probe for probe, _ in pairs], [result for _, result in pairs]
        figures = flatten(summarize(asked, own, prior_known)) | free_metrics(asked, {r.id: r for r in own})
        return FullScores(figures, own)

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
        metrics |= self._gained(scores, base, split)
        metrics |= self._graded_against_base(scores, base, split)
        metrics["score"] = float(score(self.objective, scores.metrics | metrics))
        return metrics

    def _graded_against_base(self, scores: FullScores, base: BaseScores, split: Split) -> dict[str, float]:
        """The same of graded numbers, signed; nothing where no probe can be graded."""
        if "graded_knowledge" not in scores.metrics:
            return {}
        asked, before = [g.probe for g in self._graded_general[split]], base.rows[BASE][split]
        bits = bits_by_language(self.suite.passages, before.general, scores.general)
        lost = graded_forgetting(asked, before.grades, scores.grades, bits)
        gained = self._gain(scores, base, split, "graded_knowledge")
        return {"graded_gain": gained, "graded_forgetting": lost}

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
            split: replace(scores, metrics=scores.metrics | self._gained(scores, base, split))
            for split, scores in row.items()
        }

    def _gained(self, scores: FullScores, base: BaseScores, split: Split) -> dict[str, float]:
        """Of generated answers; nothing where all are free texts, of which none is right or wrong."""
        return {"gain": self._gain(scores, base, split, "knowledge")} if "knowledge" in scores.metrics else {}

    @staticmethod
    def _gain(scores: FullScores, base: BaseScores, split: Split, metric: str) -> float:
        shown = base.rows[FACTS_NEEDED][split].metrics.get(metric) if FACTS_NEEDED in base.rows else None
        return float(gain(scores.metrics[metric], base.rows[BASE][split].metrics[metric], shown))

    def _domain(self, split: Split) -> list[Probe]:
        return [p for p in self.suite.probes if p.split == split]

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
