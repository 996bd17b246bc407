"""One trial from start to finish, in the order things happen. No Ray in it.

Read this page first. `run_trial` is the whole life of one sampled recipe: a slot on a host, epoch after epoch of
training, a cheap score after each, a full score at the end, and the files that remain. What it talks to are two small
protocols: on a cluster they are Ray actors (`raykft.search.trainable`), in a test or notebook plain objects.
"""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from raykft.config import ExperimentConfig
from raykft.errors import (
    CheckpointError,
    ConfigError,
    DamagedError,
    DataError,
    DivergedError,
    LostError,
    ModelError,
    OutOfMemoryError,
    TrialError,
)
from raykft.evaluation.metrics import METRICS
from raykft.evaluation.outcome import FullScores
from raykft.hosts.protocol import Host
from raykft.paths import (
    CHECKPOINT_STATE,
    CHECKPOINT_TENSORS,
    TrialPaths,
    append_jsonl,
    is_whole_safetensors,
    read_json,
    read_jsonl,
    sync_tree,
    write_json,
    write_jsonl,
)
from raykft.records import Split, TrialStatus
from raykft.storage.store import discard
from raykft.train.recipe import EpochResult, Recipe

log = logging.getLogger(__name__)
# What a trial's end is called when it is no score; any other error is a bug or a broken rule.
OUTCOMES: dict[TrialStatus, tuple[type[Exception], ...]] = {
    TrialStatus.DIVERGED: (DivergedError,),
    TrialStatus.OUT_OF_MEMORY: (OutOfMemoryError,),
    TrialStatus.LOST: (LostError,),
    TrialStatus.INVALID: (ConfigError, DataError, ModelError),
}
TOO_LARGE = "out_of_memory_at"  # in config.json: the micro-batch that did not fit


class Scorer(Protocol):
    """What scores the trial's adapter."""

    def elsewhere(self) -> bool:
        """Whether rungs score the adapter as it was saved, on another host: then the trial may train on meanwhile."""

    def rung(self, trial_id: str) -> dict[str, float]:
        """The cheap scores, the same quantities after every epoch."""

    def full(self, trial_id: str, split: Split) -> FullScores:
        """An answer to every probe of a split."""


@dataclass(frozen=True)
class Trial:
    """One sampled recipe: its name, what the searcher chose by config path, and where its files are."""

    trial_id: str
    sample: dict[str, Any]
    paths: TrialPaths


# Called once an epoch with every metric; may raise to end the trial early (a scheduler's stop).
Tell = Callable[[dict[str, Any]], None]


def run_trial(
    trial: Trial, config: ExperimentConfig, host: Host, scorer: Scorer, tell: Tell, checkpoint: Path | None = None
) -> None:
    """Train and score one sampled recipe; where the device is too small for it, once more with smaller micro-batches.

    Args:
        config: the trial's own config, the sample applied.
        checkpoint: continue from here instead of from the start.

    Raises:
        TrialError: the trial diverged, ran out of memory, or a requested layer was not trained.
    """

    def live(config: ExperimentConfig, checkpoint: Path | None, note: str) -> None:
        _live(trial, recipe_of(config), host, scorer, tell, checkpoint, note)

    _with_batches_that_fit(trial, config, checkpoint, live)


def _live(
    trial: Trial, recipe: Recipe, host: Host, scorer: Scorer, tell: Tell, checkpoint: Path | None, note: str
) -> None:
    """The life of a trial. `note` is kept as the reason of its result."""
    name, paths = trial.trial_id, trial.paths
    modules, checkpoint = _attach(host, trial, recipe, checkpoint)
    clock = _Clock(earlier=_drop_rows(paths, after=int(checkpoint.name) if checkpoint else 0))
    epochs = _Epochs(host, name)
    try:
        while True:
            epoch = epochs.next()
            last = epoch.epoch == recipe.epochs
            # Copied now and written while it is scored, or trains on.
            host.save(name, paths.adapter, None if last else paths.checkpoint / str(epoch.epoch))
            if last:
                _check_trained(epoch, modules)
            if scorer.elsewhere() and not last:
                epochs.begin_next()
            row = {"epochs": recipe.epochs, "final": last} | _progress(epoch, clock) | scorer.rung(name)
            if last:
                full = scorer.full(name, "select")
                row |= full.metrics
                host.saved(name)
                write_jsonl(paths.probe_results, (r.as_dict() for r in full.results))
                append_jsonl(paths.metrics, row)
                sync_tree(paths.root)
                write_result(trial, row, TrialStatus.OK, reason=note, passage_nats=full.passage_nats)
                tell(complete(row))
                return
            host.saved(name)  # before anybody hears of the epoch
            append_jsonl(paths.metrics, row)
            _drop_checkpoints(paths, epoch.epoch)
            # While the scheduler thinks: a slot that waits for it idles, and what a stopped trial has trained ahead is
            # thrown away with its slot.
            epochs.begin_next()
            tell(complete(row))
    finally:
        host.detach(name)
        epochs.close()


def _attach(host: Host, trial: Trial, recipe: Recipe, checkpoint: Path | None) -> tuple[list[str], Path | None]:
    """Give the trial its slot; returns the adapted modules, and the checkpoint that it goes on from.

    One that cannot be used counts as none: the trial goes on from an older one, or from the start.
    """
    while True:
        try:
            return host.attach(trial.trial_id, recipe, checkpoint), checkpoint
        except CheckpointError as error:
            if checkpoint is None:
                raise
            discard(checkpoint)
            checkpoint = latest_checkpoint(trial.paths)
            instead = f"from epoch {checkpoint.name}" if checkpoint else "from the start"
            log.warning("%s trains again %s: %s", trial.trial_id, instead, error)


class _Epochs:
    """A trial's epochs one after another, each of which may begin before it is asked for."""

    def __init__(self, host: Host, trial_id: str) -> None:
        self._train = lambda: host.train_epoch(trial_id)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="next-epoch")
        self._begun: Future[EpochResult] | None = None

    def begin_next(self) -> Future[EpochResult]:
        """Let the next one begin now, if it has not yet."""
        self._begun = self._begun or self._thread.submit(self._train)
        return self._begun

    def next(self) -> EpochResult:
        epoch, self._begun = self.begin_next(), None
        return epoch.result()

    def close(self) -> None:
        self._thread.shutdown(wait=False)


class _Clock:
    """Seconds a trial has taken, those of earlier runs included."""

    def __init__(self, earlier: float) -> None:
        self._started = time.monotonic() - earlier

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started


def _progress(epoch: EpochResult, clock: _Clock) -> dict[str, Any]:
    return {
        "epoch": epoch.epoch,
        "step": epoch.step,
        "loss": epoch.loss,
        "tokens": epoch.tokens,
        "seconds": clock.seconds,
    }


def _check_trained(epoch: EpochResult, modules: Sequence[str]) -> None:
    if idle := epoch.untrained:
        raise TrialError(f"{len(idle)} of {len(modules)} requested modules received no training, such as {idle[0]!r}")


# Where memory is short.


def _with_batches_that_fit(
    trial: Trial,
    config: ExperimentConfig,
    checkpoint: Path | None,
    live: Callable[[ExperimentConfig, Path | None, str], None],
) -> None:
    """Call `live`; where memory runs out in it, once more from the start with smaller micro-batches.

    What a trial becomes depends on its recipe alone and not on when memory ran out, so nothing of the first try is
    used, and one that was interrupted goes on with the batches it had.
    """
    size, paths = config.train.batch_size, trial.paths
    too_large = _known_too_large(paths)
    if too_large is None:
        try:
            write_trial_config(trial, config)
            live(config, checkpoint, "")
        except OutOfMemoryError:
            if size == 1:
                raise
            discard(paths.checkpoint)
            too_large, checkpoint = size, None
        else:
            return
    smaller = _smaller_batches(config)
    write_trial_config(trial, smaller, too_large)
    live(smaller, checkpoint, f"ran out of memory with micro-batches of {too_large}, trained with smaller ones")


def _known_too_large(paths: TrialPaths) -> int | None:
    """The micro-batch that an earlier run of the trial found too large."""
    try:
        found = read_json(paths.config).get(TOO_LARGE) if paths.config.exists() else None
    except DamagedError as error:
        log.warning("%s is written anew: %s", paths.config, error)
        return None
    return found if isinstance(found, int) else None


def _smaller_batches(config: ExperimentConfig) -> ExperimentConfig:
    """Half the micro-batch (or the next smaller share of an odd one), accumulated so that steps see as many rows."""
    size = config.train.batch_size
    parts = next(n for n in range(2, size + 1) if size % n == 0)
    changes = {"batch_size": size // parts, "accumulation": config.train.accumulation * parts}
    return config.model_copy(update={"train": config.train.model_copy(update=changes)})


# What goes in and what remains.


def recipe_of(config: ExperimentConfig) -> Recipe:
    """The training settings of a config as plain values."""
    own = ("learning_rate", "epochs", "batch_size", "accumulation", "lr_schedule", "warmup_fraction", "weight_decay")
    more = ("max_grad_norm", "optimizer", "group_by_length", "kl_weight", "distill_weight", "ema_epochs")
    return Recipe(
        rank=config.adapter.rank,
        alpha=config.adapter.alpha,
        dropout=config.adapter.dropout,
        target_layers=config.adapter.target_layers,
        phrasings=config.data.phrasings,
        formats=config.data.formats,
        text_ratio=config.data.text_ratio,
        distractor_ratio=config.data.distractor_ratio,
        seed=config.seed,
        **{name: getattr(config.train, name) for name in (*own, *more)},
    )


def complete(row: dict[str, Any]) -> dict[str, Any]:
    """`row` with every metric present: Ray Tune aborts a whole experiment when a report lacks one it needs."""
    return {name: float("nan") for name in METRICS} | row


def outcome_of(error: BaseException) -> TrialStatus:
    """The status of a trial that `error` ended."""
    return next((status for status, kinds in OUTCOMES.items() if isinstance(error, kinds)), TrialStatus.FAILED)


def write_trial_config(trial: Trial, config: ExperimentConfig, too_large: int | None = None) -> None:
    """Write `config.json`, the first file of a trial."""
    note = {TOO_LARGE: too_large} if too_large else {}
    tree = {"trial_id": trial.trial_id, "sample": trial.sample, **note, "config": config.resolved()}
    write_json(trial.paths.config, tree)


def write_result(
    trial: Trial,
    row: dict[str, Any],
    status: TrialStatus,
    *,
    reason: str = "",
    passage_nats: dict[str, float] | None = None,
) -> None:
    """Write `result.json`, the last file of a trial. The disk holds it before this returns.

    Args:
        row: what it last reported.
    """
    progress = {k: row[k] for k in ("epoch", "step", "tokens", "seconds", "loss") if k in row}
    write_json(
        trial.paths.result,
        {
            "trial_id": trial.trial_id,
            "status": status,
            "reason": reason,
            "sample": trial.sample,
            **progress,
            "metrics": {k: v for k, v in row.items() if k in METRICS and v == v},
            "passage_nats": passage_nats or {},
        },
        lasting=True,
    )


def last_row(paths: TrialPaths) -> dict[str, Any]:
    """What the trial last wrote to `metrics.jsonl`; empty where that cannot be read."""
    return next(reversed(_rows(paths)), {})


def latest_checkpoint(paths: TrialPaths) -> Path | None:
    """The newest whole checkpoint whose epoch is in `metrics.jsonl`; None where the trial must start anew."""
    reported = last_row(paths).get("epoch", 0)
    known = sorted((p for p in _checkpoints(paths) if int(p.name) <= reported), key=lambda p: -int(p.name))
    return next(filter(_is_whole, known), None)


def _is_whole(checkpoint: Path) -> bool:
    """Whether a checkpoint can be read. Its tensors are only looked at where they are: a storage may keep them."""
    state, tensors = checkpoint / CHECKPOINT_STATE, checkpoint / CHECKPOINT_TENSORS
    if not state.exists():  # its writer was stopped before the end
        return False
    try:
        read_json(state)
    except DamagedError as error:
        log.warning("a checkpoint counts as none: %s", error)
        return False
    if tensors.exists() and not is_whole_safetensors(tensors):
        log.warning("a checkpoint counts as none: %s is damaged", tensors)
        return False
    return True


def _rows(paths: TrialPaths) -> list[dict[str, Any]]:
    """What the trial told after its epochs, up to the first row that cannot be read."""
    rows: list[dict[str, Any]] = []
    if not paths.metrics.exists():
        return rows
    try:
        for row in read_jsonl(paths.metrics):
            if not isinstance(row.get("epoch"), int):
                raise DamagedError(f"{paths.metrics} is damaged: a row has no epoch")
            rows.append(row)
    except DamagedError as error:
        log.warning("only %d epochs of %s are known: %s", len(rows), paths.root.name, error)
    return rows


def _drop_rows(paths: TrialPaths, *, after: int) -> float:
    """Keep the rows up to the epoch that a trial goes on after; returns the seconds they took.

    A trial that died between its checkpoint and its report trains an epoch again, and one cut off while it wrote
    leaves half a line.
    """
    kept = [row for row in _rows(paths) if row["epoch"] <= after]
    write_jsonl(paths.metrics, kept)
    return float(kept[-1].get("seconds", 0.0)) if kept else 0.0


def _drop_checkpoints(paths: TrialPaths, epoch: int) -> None:
    """Once an epoch is in `metrics.jsonl`, older checkpoints have no use."""
    for old in _checkpoints(paths):
        if int(old.name) < epoch:
            shutil.rmtree(old, ignore_errors=True)


def _checkpoints(paths: TrialPaths) -> list[Path]:
    return [p for p in paths.checkpoint.glob("*") if p.name.isdigit()]
