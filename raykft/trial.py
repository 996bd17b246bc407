"""One trial from start to finish, in the order things happen. No Ray in it.

Read this page first. `run_trial` is the whole life of one sampled recipe: a slot on a host, epoch after epoch of
training, a cheap score after each, a full score at the end, and the files that remain. What it talks to are two small
protocols: on a cluster they are Ray actors (`raykft.search.trainable`), in a test or notebook plain objects.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from raykft.config import ExperimentConfig
from raykft.errors import TrialError
from raykft.evaluation.evaluator import Answerer, FullScores
from raykft.evaluation.metrics import METRICS
from raykft.paths import TrialPaths, append_jsonl, write_json, write_jsonl
from raykft.records import Split
from raykft.train.recipe import EpochReport, Recipe


class Host(Answerer, Protocol):
    """The place where the trial trains: `raykft.train.engine.HostEngine` or the Ray actor around it."""

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]: ...

    def train_epoch(self, trial_id: str) -> EpochReport: ...

    def untrained_modules(self, trial_id: str) -> list[str]: ...

    def save_adapter(self, trial_id: str, directory: Path) -> None: ...

    def save_checkpoint(self, trial_id: str, directory: Path) -> None: ...

    def detach(self, trial_id: str) -> None: ...


class Scorer(Protocol):
    """What scores the trial's adapter."""

    def rung(self, trial_id: str) -> dict[str, float]: ...

    def full(self, trial_id: str, split: Split) -> FullScores: ...


Report = Callable[[dict[str, Any]], None]


def run_trial(
    trial_id: str,
    config: ExperimentConfig,
    sample: dict[str, Any],
    host: Host,
    scorer: Scorer,
    paths: TrialPaths,
    report: Report,
    checkpoint: Path | None = None,
) -> None:
    """Train and score one sampled recipe.

    Args:
        config: the trial's own config, the sample applied.
        sample: what the searcher chose, by config path; kept for the leaderboard.
        report: called once an epoch with every metric; may raise to end the trial early (a scheduler's stop).
        checkpoint: continue from here instead of from the start.

    Raises:
        TrialError: the trial diverged, ran out of memory, or a requested layer was not trained.
    """
    recipe = recipe_of(config)
    write_trial_config(paths, trial_id, sample, config)
    started = time.monotonic()
    modules = host.attach(trial_id, recipe, checkpoint)
    ahead = ThreadPoolExecutor(1, thread_name_prefix="next-epoch")
    try:
        epoch = host.train_epoch(trial_id)
        while True:
            row = {"epochs": recipe.epochs} | _row(epoch, started) | scorer.rung(trial_id)
            if epoch.epoch < recipe.epochs:
                row |= {"score": row["rung_score"], "final": False}
                host.save_checkpoint(trial_id, paths.checkpoint)
            else:
                _check_trained(host, trial_id, modules)
                full = scorer.full(trial_id, "select")
                row |= full.metrics | {"final": True}
                write_jsonl(paths.probe_results, (r.as_dict() for r in full.results))
            host.save_adapter(trial_id, paths.adapter)
            append_jsonl(paths.metrics, row)
            if row["final"]:
                write_result(paths, trial_id, sample, row, status="ok", passage_nats=full.passage_nats)
                report(complete(row))
                return
            # The next epoch begins while the scheduler thinks: a slot that waits for it idles, and what a stopped
            # trial has trained ahead is thrown away with its slot.
            coming = ahead.submit(host.train_epoch, trial_id)
            report(complete(row))
            epoch = coming.result()
    finally:
        host.detach(trial_id)
        ahead.shutdown(wait=False)


def recipe_of(config: ExperimentConfig) -> Recipe:
    """The training settings of a config as plain values."""
    return Recipe(
        rank=config.adapter.rank,
        alpha=config.adapter.alpha,
        dropout=config.adapter.dropout,
        target_layers=config.adapter.target_layers,
        distractor_ratio=config.data.distractor_ratio,
        seed=config.seed,
        **{
            name: getattr(config.train, name)
            for name in (
                "learning_rate",
                "epochs",
                "batch_size",
                "accumulation",
                "lr_schedule",
                "warmup_fraction",
                "weight_decay",
                "max_grad_norm",
                "optimizer",
                "group_by_length",
            )
        },
    )


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with every metric present: Ray Tune aborts a whole experiment when a report lacks one it needs."""
    return {name: float("nan") for name in METRICS} | row


def write_trial_config(paths: TrialPaths, trial_id: str, sample: dict[str, Any], config: ExperimentConfig) -> None:
    """Write `config.json`, the first file of a trial."""
    write_json(paths.config, {"trial_id": trial_id, "sample": sample, "config": config.resolved()})


def write_result(
    paths: TrialPaths,
    trial_id: str,
    sample: dict[str, Any],
    row: dict[str, Any],
    *,
    status: str,
    reason: str = "",
    passage_nats: dict[str, float] | None = None,
) -> None:
    """Write `result.json`, the last file of a trial."""
    # The score of an unfinished trial is its rung score; calling it a score beside full ones would mislead.
    hidden = set() if status == "ok" else {"score"}
    metrics = {k: v for k, v in row.items() if k in METRICS and k not in hidden and v == v}
    progress = {k: row[k] for k in ("epoch", "step", "tokens", "seconds", "loss") if k in row}
    write_json(
        paths.result,
        {
            "trial_id": trial_id,
            "status": status,
            "reason": reason,
            "sample": sample,
            **progress,
            "metrics": metrics,
            "passage_nats": passage_nats or {},
        },
    )


def _row(epoch: EpochReport, started: float) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "step": epoch.step,
        "loss": epoch.loss,
        "tokens": epoch.tokens,
        "seconds": time.monotonic() - started,
    }


def _check_trained(host: Host, trial_id: str, modules: Sequence[str]) -> None:
    idle = host.untrained_modules(trial_id)
    if idle:
        raise TrialError(f"{len(idle)} of {len(modules)} requested modules received no training, such as {idle[0]!r}")
