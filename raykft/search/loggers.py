"""Figures of a running search for TensorBoard, MLflow, Weights & Biases and Prometheus (`logging:` in the config).

All of them are fed by the driver. They get sampled values, finite metrics and the outcome of trials, nothing from the
environment and no text of a model. Where their servers are and how to log in to them they read from their own
environment variables, so that no address with a password in it comes into an experiment's files. A logger that
fails is switched off with a warning: the search goes on.
"""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from ray import tune
from ray.util.metrics import Counter, Gauge

from raykft.config import ExperimentConfig
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.files import Result, result_of
from raykft.paths import ExperimentPaths
from raykft.records import TrialStatus
from raykft.search.names import id_of, sample_of

log = logging.getLogger(__name__)
PROGRESS = ("epoch", "step", "tokens", "seconds", "loss")
# Columns of TensorBoard's HPARAMS tab: how far a trial came, and what it is judged by.
IN_HPARAMS = ("score", "gain", "knowledge", "forgetting", "rung_score", "loss", "epoch")
# After so many seconds event files hold what was written; `flush` of tensorboardX does not wait for its queue.
FLUSH_SECONDS = 2
PROJECT = "raykft"


class TrialLogger(Protocol):
    """Where figures go. Trials are told by their name; each is started before, and ended after, anything else."""

    def start(self, trial_id: str, sample: Mapping[str, Any]) -> None: ...

    def log(self, trial_id: str, figures: Mapping[str, float], epoch: int) -> None: ...

    def end(self, trial_id: str, result: Mapping[str, Any]) -> None: ...

    def close(self) -> None: ...


class LoggingCallback(tune.Callback):  # type: ignore[misc]
    """Tune's events for one logger, which runs in a thread of its own: a slow server does not hold up the search."""

    def __init__(self, title: str, logger: TrialLogger, paths: ExperimentPaths) -> None:
        self._title = title
        self._logger: TrialLogger | None = logger
        self._paths = paths
        self._started: set[str] = set()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"log-{title}")

    def __reduce__(self) -> Any:
        # Tune pickles callbacks into its snapshot; open files and connections do not belong there.
        return (tune.Callback, ())

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._start(trial)

    def on_trial_result(
        self, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any
    ) -> None:
        figures = finite(result)
        # A trial that could not be trained reports an epoch beyond all others, and nothing else.
        if "loss" in figures:
            name = self._start(trial)
            self._call(lambda to: to.log(name, figures, int(figures["epoch"])))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        self._end(trial)

    def on_experiment_end(self, trials: list[Any], **info: Any) -> None:
        self._call(lambda to: to.close())
        self._thread.shutdown()

    def _start(self, trial: Any) -> str:
        name, sample = id_of(trial.config), sample_of(trial.config)
        if name not in self._started:  # one that goes on after its process died is started again
            self._started.add(name)
            self._call(lambda to: to.start(name, sample))
        return name

    def _end(self, trial: Any) -> None:
        name = self._start(trial)
        result = result_of(self._paths.trial(name)) or Result(status=TrialStatus.FAILED)
        told = {"status": result.status, "metrics": result.metrics}
        self._call(lambda to: to.end(name, told))

    def _call(self, action: Callable[[TrialLogger], None]) -> None:
        self._thread.submit(self._run, action)

    def _run(self, action: Callable[[TrialLogger], None]) -> None:
        if self._logger is None:
            return
        try:
            action(self._logger)
        except Exception as error:  # whatever a server or a full disk does, trials are worth more than plots
            log.warning("logging to %s ends here, the search goes on: %s: %s", self._title, type(error).__name__, error)
            self._logger = None


class TensorBoard:
    """Event files in `tensorboard/<trial>`: curves by epoch, and the samples with the last figures under HPARAMS.

    What all trials have in common is in a file of its own in `tensorboard/`.
    """

    def __init__(self, config: ExperimentConfig, paths: ExperimentPaths) -> None:
        self._root = paths.tensorboard
        self._space = config.search.space
        self._writers: dict[str, Any] = {}

    def start(self, trial_id: str, sample: Mapping[str, Any]) -> None:
        from tensorboardX import SummaryWriter

        from raykft.search import hparams

        if not self._root.is_dir() or not any(file.is_file() for file in self._root.iterdir()):
            with SummaryWriter(str(self._root)) as about:
                about.file_writer.add_summary(hparams.described(self._space, IN_HPARAMS))
        writer = self._writers[trial_id] = SummaryWriter(str(self._root / trial_id), flush_secs=FLUSH_SECONDS)
        writer.file_writer.add_summary(hparams.began(sample))

    def log(self, trial_id: str, figures: Mapping[str, float], epoch: int) -> None:
        for name, value in figures.items():
            self._writers[trial_id].add_scalar(name, value, global_step=epoch)

    def end(self, trial_id: str, result: Mapping[str, Any]) -> None:
        from raykft.search import hparams

        writer = self._writers.pop(trial_id)
        writer.file_writer.add_summary(hparams.ended(TrialStatus(result["status"])))
        writer.close()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


class MLflow:
    """One MLflow run a trial, at MLFLOW_TRACKING_URI or else in `mlflow.db` in the experiment's directory."""

    def __init__(self, config: ExperimentConfig, paths: ExperimentPaths) -> None:
        from mlflow import MlflowClient

        address = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{paths.mlflow}"
        self._client = MlflowClient(address)
        found = self._client.get_experiment_by_name(config.name)
        self._experiment = found.experiment_id if found else self._client.create_experiment(config.name)
        self._runs: dict[str, str] = {}

    def start(self, trial_id: str, sample: Mapping[str, Any]) -> None:
        run = self._client.create_run(self._experiment, run_name=trial_id, tags={"source": PROJECT})
        self._runs[trial_id] = run.info.run_id
        for path, value in sample.items():
            self._client.log_param(run.info.run_id, path, value)

    def log(self, trial_id: str, figures: Mapping[str, float], epoch: int) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        self._client.log_batch(self._runs[trial_id], [Metric(k, v, now, epoch) for k, v in figures.items()])

    def end(self, trial_id: str, result: Mapping[str, Any]) -> None:
        run = self._runs.pop(trial_id)
        self._client.set_tag(run, "status", result["status"])
        # MLflow's own status knows nothing of stopping early.
        status = TrialStatus(result["status"])
        ended = "FINISHED" if status.learned else "FAILED" if status.failed else "KILLED"
        self._client.set_terminated(run, ended)

    def close(self) -> None:
        for run in self._runs.values():
            self._client.set_terminated(run, "KILLED")


class WeightsAndBiases:
    """One run a trial, grouped by experiment, in the project WANDB_PROJECT or `raykft`; files in `wandb/`."""

    def __init__(self, config: ExperimentConfig, paths: ExperimentPaths) -> None:
        self._group = config.name
        self._directory = paths.root
        self._runs: dict[str, Any] = {}

    def start(self, trial_id: str, sample: Mapping[str, Any]) -> None:
        import wandb

        self._runs[trial_id] = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or PROJECT,
            group=self._group,
            name=trial_id,
            config=dict(sample),
            dir=str(self._directory),
            reinit="create_new",
            # Neither the terminal's output, nor the code, nor the machine's description is anybody's business.
            settings=wandb.Settings(
                console="off", silent=True, disable_code=True, disable_git=True, x_disable_meta=True
            ),
        )

    def log(self, trial_id: str, figures: Mapping[str, float], epoch: int) -> None:
        self._runs[trial_id].log(dict(figures), step=epoch)

    def end(self, trial_id: str, result: Mapping[str, Any]) -> None:
        run = self._runs.pop(trial_id)
        run.summary["status"] = result["status"]
        run.finish(exit_code=0 if TrialStatus(result["status"]).learned else 1)

    def close(self) -> None:
        for run in self._runs.values():
            run.finish(exit_code=255)


class Prometheus:
    """Counters and a gauge among Ray's own metrics. Tags are the experiment and the outcome, never a trial's name."""

    def __init__(self, config: ExperimentConfig) -> None:
        tags = {"experiment": config.name}
        self._trials = Counter("raykft_trials", "Trials that have ended, by outcome", ("experiment", "status"))
        self._tokens = Counter("raykft_tokens", "Tokens trained in epochs that have been reported", ("experiment",))
        self._best = Gauge("raykft_best_score", "The highest score of a fully trained trial", ("experiment",))
        for metric in (self._trials, self._tokens, self._best):
            metric.set_default_tags(tags)
        self._seen: dict[str, float] = {}
        self._highest = -math.inf

    def start(self, trial_id: str, sample: Mapping[str, Any]) -> None:
        self._seen[trial_id] = 0.0

    def log(self, trial_id: str, figures: Mapping[str, float], epoch: int) -> None:
        fresh = figures["tokens"] - self._seen[trial_id]
        if fresh > 0:  # an epoch that is trained again after a crash was counted before
            self._tokens.inc(fresh)
            self._seen[trial_id] = figures["tokens"]

    def end(self, trial_id: str, result: Mapping[str, Any]) -> None:
        self._seen.pop(trial_id, None)
        self._trials.inc(1, {"status": result["status"]})
        score = finite(result["metrics"]).get("score")
        if score is not None and score > self._highest:
            self._highest = score
            self._best.set(score)

    def close(self) -> None: ...


def make_loggers(config: ExperimentConfig, paths: ExperimentPaths) -> list[LoggingCallback]:
    """One callback for every entry of `logging`; one whose server cannot be reached now is left out with a warning.

    Tune's own loggers are switched off: they would write the same figures three times more, under its own ids.
    """
    os.environ["TUNE_DISABLE_AUTO_CALLBACK_LOGGERS"] = "1"
    make: dict[str, Callable[[], TrialLogger]] = {
        "tensorboard": lambda: TensorBoard(config, paths),
        "mlflow": lambda: MLflow(config, paths),
        "wandb": lambda: WeightsAndBiases(config, paths),
        "prometheus": lambda: Prometheus(config),
    }
    callbacks = []
    for title in dict.fromkeys(config.logging):
        try:
            callbacks.append(LoggingCallback(title, make[title](), paths))
        except Exception as error:
            log.warning("no logging to %s, the search goes on: %s: %s", title, type(error).__name__, error)
    return callbacks


def finite(row: Mapping[str, Any]) -> dict[str, float]:
    """The metrics and progress in a report that are finite numbers."""
    figures = {name: row[name] for name in (*PROGRESS, *METRICS) if name in row}
    return {k: float(v) for k, v in figures.items() if isinstance(v, int | float) and math.isfinite(v)}
