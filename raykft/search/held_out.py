"""Scores on the report split: other facts' probes, asked only of the best trials that the select split has chosen."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

from raykft.errors import LostError
from raykft.evaluation.outcome import FullScores
from raykft.hosts.crew import Crew, held
from raykft.hosts.remote import get
from raykft.leaderboard.read import TrialRecord
from raykft.paths import ExperimentPaths, TrialPaths, write_json, write_jsonl
from raykft.search.baselines import keep_tuned_with_retrieval
from raykft.search.trainable import LOSS_WAIT_S, MAX_LOSSES, is_loss
from raykft.wording.running import SCORED_AGAIN


def score_held_out(crew: Crew, runs: Sequence[TrialPaths]) -> None:
    """Score finished runs on the report split, dealt out among the hosts; another host takes that of one that dies.

    Raises:
        LostError: hosts died more often than `MAX_LOSSES` times with one run.
        ResourceError: no host is up.
    """
    todo, losses = list(runs), dict.fromkeys(runs, 0)
    while todo:
        names = crew.hosts.up()
        hands = [todo[n :: len(names)] for n in range(len(names))]
        with ThreadPoolExecutor(len(names)) as pool:
            lost = [each for hand in pool.map(partial(_score_hand, crew), names, hands) for each in hand]
        for files, error in lost:
            losses[files] += 1
            if losses[files] > MAX_LOSSES:
                raise LostError(f"hosts died {losses[files]} times while they scored {files.root.name}") from error
        todo = [files for files, _ in lost]
        if todo:
            crew.console.print(SCORED_AGAIN(n=len(todo)))
            time.sleep(LOSS_WAIT_S * 2 ** max(losses.values()))


def _score_hand(crew: Crew, host: str, hand: Sequence[TrialPaths]) -> list[tuple[TrialPaths, Exception]]:
    """Score what one host was dealt; what is left of it once the host has died."""
    for n, files in enumerate(hand):
        # Not under the trial's own name: the process of a trial that the scheduler has just ended may detach late.
        name = f"{files.root.name}.report"
        try:
            with crew.attached(host, name, files.adapter):
                score_adapter(crew.evaluator, host, name, files)
        except Exception as error:
            if not is_loss(error):
                raise
            return [(files, error) for files in hand[n:]]
    return []


def score_adapter(evaluator: Any, host: str, trial_id: str, files: TrialPaths) -> FullScores:
    """Score an adapter that `host` holds on the report split, and keep the result."""
    full: FullScores = get(evaluator.full.remote(host, trial_id, "report"))
    write_jsonl(files.report_results, (r.as_dict() for r in full.results), lasting=True)
    # Last: its presence says that the trial has been scored on the report split.
    write_json(files.report, {"metrics": full.metrics, "passage_nats": full.passage_nats}, lasting=True)
    return full


def score_with_retrieval(crew: Crew, paths: ExperimentPaths, winner: TrialRecord) -> None:
    """Ask the best trial with BM25's facts in its prompt: does tuning add to retrieval at all?

    Raises:
        LostError: a host died more often than `MAX_LOSSES` times.
    """
    for loss in range(MAX_LOSSES + 1):
        try:
            row = _with_retrieval(crew, paths.trial(winner.trial_id).adapter, f"{winner.trial_id}.bm25")
        except Exception as error:
            if not is_loss(error) or loss == MAX_LOSSES:
                raise
            time.sleep(LOSS_WAIT_S * 2**loss)
        else:
            if row is not None:
                keep_tuned_with_retrieval(row, paths)
            return


def _with_retrieval(crew: Crew, adapter: Path, name: str) -> Any:
    with ExitStack() as everywhere:
        for handle in [*(crew.hosts[host] for host in crew.hosts.up()), *crew.evaluation_hosts]:
            everywhere.enter_context(held(handle, name, adapter))
        return get(crew.evaluator.in_context.remote(name, "bm25"))
