"""Scores on the report split: other facts' probes, asked only of the best trials that the select split has chosen."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import Any

from raykft.evaluation.evaluator import FullScores
from raykft.hosts.crew import Crew, held
from raykft.hosts.remote import get
from raykft.leaderboard.read import TrialRecord
from raykft.paths import ExperimentPaths, TrialPaths, write_json, write_jsonl
from raykft.search.baselines import keep_tuned_with_retrieval


def score_held_out(crew: Crew, runs: Sequence[TrialPaths]) -> None:
    """Score finished runs on the report split, dealt out among the hosts."""

    def score(host: str, hand: Sequence[TrialPaths]) -> None:
        for files in hand:
            # Not under the trial's own name: the process of a trial that the scheduler has just ended may detach late.
            name = f"{files.root.name}.report"
            with crew.attached(host, name, files.adapter):
                score_adapter(crew.evaluator, host, name, files)

    names = crew.hosts.up()
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(score, names, [runs[n :: len(names)] for n in range(len(names))]))


def score_adapter(evaluator: Any, host: str, trial_id: str, files: TrialPaths) -> FullScores:
    """Score an adapter that `host` holds on the report split, and keep the result."""
    full: FullScores = get(evaluator.full.remote(host, trial_id, "report"))
    write_jsonl(files.report_results, (r.as_dict() for r in full.results))
    # Last: its presence says that the trial has been scored on the report split.
    write_json(files.report, {"metrics": full.metrics, "passage_nats": full.passage_nats})
    return full


def score_with_retrieval(crew: Crew, paths: ExperimentPaths, winner: TrialRecord) -> None:
    """Ask the best trial with BM25's facts in its prompt: does tuning add to retrieval at all?"""
    adapter, name = paths.trial(winner.trial_id).adapter, f"{winner.trial_id}.bm25"
    with ExitStack() as everywhere:
        for handle in [*(crew.hosts[host] for host in crew.hosts.up()), *crew.evaluation_hosts]:
            everywhere.enter_context(held(handle, name, adapter))
        row = get(crew.evaluator.in_context.remote(name, "bm25"))
    if row is not None:
        keep_tuned_with_retrieval(row, paths)
