"""One trial from start to finish, in the order things happen. No Ray in it.

Read this page first. `run_trial` is the whole life of one sampled recipe: a slot on a host, epoch after epoch of
training, a cheap score after each, a full score at the end, and the files that remain. What it talks to are two small
protocols: on a cluster they are Ray actors (`raykft.search.trainable`), in a test or notebook plain objects.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from raykft import storage
from raykft.config import ExperimentConfig
from raykft.errors import ConfigError, DataError, DivergedError, LostError, ModelError, OutOfMemoryError, TrialError
from raykft.evaluation.evaluator import Answerer, FullScores
from raykft.evaluation.metrics import METRICS
from raykft.paths import TrialPaths, append_jsonl, read_json, read_jsonl, write_json, write_jsonl
from raykft.records import Split
from raykft.train.recipe import EpochReport, Recipe

# What a trial's end is called when it is no score; any other error is a bug or a broken rule: "failed".
OUTCOMES: dict[str, tuple[type[Exception], ...]] = {
    "diverged": (DivergedError,),
    "out_of_memory": (OutOfMemoryError,),
    "lost": (LostError,),
    "invalid": (ConfigError, DataError, ModelError),
}
TOO_LARGE = "out_of_memory_at"  # in config.json: the micro-batch that did not fit


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

    def fix(self, trial_id: str) -> bool:
        """Keep the adapter as it is now for the scoring to come; whether the trial may train on meanwhile."""

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
    """Train and score one sampled recipe; where the device is too small for it, once more with smaller micro-batches.

    Args:
        config: the trial's own config, the sample applied.
        sample: what the searcher chose, by config path; kept for the leaderboard.
        report: called once an epoch with every metric; may raise to end the trial early (a scheduler's stop).
        checkpoint: continue from here instead of from the start.

    Raises:
        TrialError: the trial diverged, ran out of memory, or a requested layer was not trained.
    """

    def attempt(config: ExperimentConfig, too_large: int | None, checkpoint: Path | None) -> None:
        write_trial_config(paths, trial_id, sample, config, too_large)
        reason = f"ran out of memory with micro-batches of {too_large}, trained with smaller ones" if too_large else ""
        _attempt(trial_id, recipe_of(config), sample, host, scorer, paths, report, checkpoint, reason)

    size = config.train.batch_size
    if too_large := _too_large_before(paths):
        attempt(_smaller_batches(config), too_large, checkpoint)
        return
    try:
        attempt(config, None, checkpoint)
    except OutOfMemoryError:
        if size == 1:
            raise
        # From the start: what a trial becomes depends on its recipe alone, not on when memory ran out.
        storage.erase(paths.checkpoint)
        attempt(_smaller_batches(config), size, None)


def _attempt(
    trial_id: str,
    recipe: Recipe,
    sample: dict[str, Any],
    host: Host,
    scorer: Scorer,
    paths: TrialPaths,
    report: Report,
    checkpoint: Path | None,
    reason: str,
) -> None:
    started = time.monotonic()
    modules = host.attach(trial_id, recipe, checkpoint)
    ahead = ThreadPoolExecutor(1, thread_name_prefix="next-epoch")
    try:
        epoch = host.train_epoch(trial_id)
        started -= _drop_rows(paths, epoch.epoch)
        while True:
            last = epoch.epoch == recipe.epochs
            host.save_adapter(trial_id, paths.adapter)
            if last:
                _check_trained(host, trial_id, modules)
            else:
                host.save_checkpoint(trial_id, paths.checkpoint / str(epoch.epoch))
            # Where other hosts score it, the trial trains its next epoch at the same time.
            coming = ahead.submit(host.train_epoch, trial_id) if scorer.fix(trial_id) and not last else None
            row = {"epochs": recipe.epochs, "final": last} | _row(epoch, started) | scorer.rung(trial_id)
            if last:
                full = scorer.full(trial_id, "select")
                row |= full.metrics
                write_jsonl(paths.probe_results, (r.as_dict() for r in full.results))
            else:
                row |= {"score": row["rung_score"]}
            append_jsonl(paths.metrics, row)
            if last:
                write_result(paths, trial_id, sample, row, status="ok", reason=reason, passage_nats=full.passage_nats)
                report(complete(row))
                return
            _drop_checkpoints(paths, epoch.epoch)
            # The next epoch begins while the scheduler thinks: a slot that waits for it idles, and what a stopped
            # trial has trained ahead is thrown away with its slot.
            coming = coming or ahead.submit(host.train_epoch, trial_id)
            report(complete(row))
            epoch = coming.result()
    finally:
        host.detach(trial_id)
        ahead.shutdown(wait=False)


def latest_checkpoint(paths: TrialPaths) -> Path | None:
    """The newest whole checkpoint whose epoch is in `metrics.jsonl`; None where the trial must start anew."""
    reported = last_row(paths).get("epoch", 0)
    whole = [p for p in _checkpoints(paths) if (p / "state.json").is_file() and int(p.name) <= reported]
    return max(whole, key=lambda p: int(p.name), default=None)


def last_row(paths: TrialPaths) -> dict[str, Any]:
    """What the trial last wrote to `metrics.jsonl`."""
    rows = list(read_jsonl(paths.metrics)) if paths.metrics.is_file() else []
    return rows[-1] if rows else {}


def outcome_of(error: BaseException) -> str:
    """The status of a trial that `error` ended."""
    return next((status for status, kinds in OUTCOMES.items() if isinstance(error, kinds)), "failed")


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


def write_trial_config(
    paths: TrialPaths,
    trial_id: str,
    sample: dict[str, Any],
    config: ExperimentConfig,
    too_large: int | None = None,
) -> None:
    """Write `config.json`, the first file of a trial."""
    note = {TOO_LARGE: too_large} if too_large else {}
    write_json(paths.config, {"trial_id": trial_id, "sample": sample, **note, "config": config.resolved()})


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


def _too_large_before(paths: TrialPaths) -> int | None:
    """The micro-batch that did not fit before this trial was interrupted."""
    size: int | None = read_json(paths.config).get(TOO_LARGE) if paths.config.is_file() else None
    return size


def _smaller_batches(config: ExperimentConfig) -> ExperimentConfig:
    """Half the micro-batch (or the next smaller share of an odd one), accumulated so that steps see as many rows."""
    size = config.train.batch_size
    parts = next(n for n in range(2, size + 1) if size % n == 0)
    changes = {"batch_size": size // parts, "accumulation": config.train.accumulation * parts}
    return config.model_copy(update={"train": config.train.model_copy(update=changes)})


def _drop_rows(paths: TrialPaths, epoch: int) -> float:
    """Keep the rows of the epochs before `epoch`; returns the seconds they took.

    A trial that died between its checkpoint and its report trains an epoch again, and one cut off while it wrote
    leaves half a line.
    """
    rows = list(read_jsonl(paths.metrics)) if paths.metrics.is_file() else []
    kept = [row for row in rows if row["epoch"] < epoch]
    write_jsonl(paths.metrics, kept)
    return float(kept[-1]["seconds"]) if kept else 0.0


def _drop_checkpoints(paths: TrialPaths, epoch: int) -> None:
    """Once an epoch is in `metrics.jsonl`, older checkpoints have no use."""
    for old in _checkpoints(paths):
        if int(old.name) < epoch:
            shutil.rmtree(old, ignore_errors=True)


def _checkpoints(paths: TrialPaths) -> list[Path]:
    return [p for p in paths.checkpoint.glob("*") if p.name.isdigit()]


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
