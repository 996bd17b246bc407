"""A small experiment directory as a search leaves it, made with a fake host and no Ray: for attacks on its readers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from raykft.config import ExperimentConfig, apply_sample, load_config
from raykft.data.domain import Domain
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import FACTS_NEEDED, BaseScores, FullScores
from raykft.evaluation.retrieval import Contexts
from raykft.paths import ExperimentPaths, append_jsonl, write_json, write_jsonl
from raykft.records import Split, TrialStatus
from raykft.search.experiment import checked, prepare_directory, write_board, write_config, write_evidence
from raykft.testing.fakes import FakeHost
from raykft.trial import Trial, run_trial, write_result, write_trial_config

FINISHED = ("t000-r8", "t001-r16")
STOPPED, RUNNING = "t002-r32", "t003-r64"


class Scorer:
    """As `raykft.trial.Scorer`, of a host in this process."""

    def __init__(self, host: FakeHost, domain: Domain) -> None:
        self._host, self._evaluator = (
            host,
            Evaluator(Suite(domain.facts, domain.probes, domain.general, domain.passages), Objective()),
        )
        self.base: BaseScores = self._evaluator.base(host, {FACTS_NEEDED: Contexts(domain.facts, max_tokens=0).needed})

    def elsewhere(self) -> bool:
        return False

    def rung(self, trial_id: str) -> dict[str, float]:
        return self._evaluator.rung(self._host, trial_id, self.base)

    def full(self, trial_id: str, split: Split) -> FullScores:
        return self._evaluator.full(self._host, trial_id, self.base, split)


def make(config_file: Path) -> ExperimentPaths:
    """Two trials that have ended, the first asked the report split too, one that was stopped, one still running."""
    loaded = load_config(config_file)
    config = loaded.model_copy(update={"storage_path": str(config_file.parent / "runs")})
    experiment = checked(config)
    paths, domain = prepare_directory(config), experiment.domain
    gold = {p.question: p.gold for p in (*domain.probes, *domain.general)}
    host = FakeHost(lambda trial, question: gold.get(question, "") if _knows(trial, question) else "No idea.")
    scorer = Scorer(host, domain)
    write_config(experiment)
    write_evidence(experiment, [host.info()])
    write_json(paths.base_scores, scorer.base.figures())
    for name in scorer.base.rows:
        write_jsonl(paths.baseline_results(name), (r.as_dict() for r in scorer.base.results(name)))
    for trial in _trials(paths):
        own = apply_sample(config, trial.sample)
        if trial.trial_id in FINISHED:
            run_trial(trial, own, host, scorer, lambda _row: None)
        else:
            _unfinished(trial, own)
    _report(paths, host, scorer)
    write_board(paths)
    return paths


def _trials(paths: ExperimentPaths) -> Iterator[Trial]:
    for trial_id in (*FINISHED, STOPPED, RUNNING):
        yield Trial(trial_id, {"adapter.rank": int(trial_id.partition("-r")[2])}, paths.trial(trial_id))


def _unfinished(trial: Trial, config: ExperimentConfig) -> None:
    row = {"epochs": config.train.epochs, "final": False, "epoch": 1, "seconds": 1.0, "loss": 0.5, "rung_score": 0.1}
    write_trial_config(trial, config)
    append_jsonl(trial.paths.metrics, row)
    if trial.trial_id == STOPPED:
        write_result(trial, row, TrialStatus.STOPPED, reason="stopped early by asha after epoch 1 of 8")


def _report(paths: ExperimentPaths, host: FakeHost, scorer: Scorer) -> None:
    files = paths.trial(FINISHED[0])
    host.attach_adapter(FINISHED[0], files.adapter)
    scores = scorer.full(FINISHED[0], "report")
    write_jsonl(files.report_results, (r.as_dict() for r in scores.results))
    write_json(files.report, {"metrics": scores.metrics, "passage_nats": scores.passage_nats})


def _knows(trial: str | None, question: str) -> bool:
    """Which half of all questions a trial answers."""
    return trial is not None and hashlib.sha256(json.dumps([trial, question]).encode()).digest()[0] < 128
