"""The thin Tune trial: it leases a host, runs `raykft.trial.run_trial` against actors, and reports.

Runs in a process of its own and imports neither torch nor transformers; the work is done by the host.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import ray
from ray import tune

from raykft.config import apply_sample, validate
from raykft.errors import DivergedError, OutOfMemoryError, TrialError
from raykft.evaluation.actor import ActorProxy
from raykft.evaluation.evaluator import FullScores
from raykft.paths import ExperimentPaths
from raykft.records import Split
from raykft.search.names import NUMBER, sample_of, trial_name
from raykft.trial import complete, run_trial, write_result

# What early stopping compares for a trial without a usable score: below anything a trained one can report.
WORST_RUNG = -1.0
STATUS = {DivergedError: "diverged", OutOfMemoryError: "out_of_memory"}


class Trainable:
    """Callable given to Tune. A module-level class, because Tune pickles it for snapshots."""

    def __init__(
        self, config: dict[str, Any], directory: Path, broker: Any, evaluator: Any, hosts: dict[str, Any]
    ) -> None:
        self.config = config
        self.directory = directory
        self.broker = broker
        self.evaluator = evaluator
        self.hosts = hosts

    def __call__(self, tune_config: dict[str, Any]) -> None:
        sample = sample_of(tune_config)
        config = apply_sample(validate(self.config, "the experiment"), sample)
        trial_id = trial_name(tune_config[NUMBER], config)
        paths = ExperimentPaths(self.directory).trial(trial_id)
        name = ray.get(self.broker.acquire.remote(trial_id))
        state = paths.checkpoint / "state.json"
        try:
            run_trial(
                trial_id,
                config,
                sample,
                ActorProxy(self.hosts[name]),
                HostScorer(self.evaluator, name),
                paths,
                report=tune.report,
                checkpoint=paths.checkpoint if state.is_file() else None,
            )
        except TrialError as error:
            status = next((s for kind, s in STATUS.items() if isinstance(error, kind)), "failed")
            reason = str(getattr(error, "cause", None) or error)
            write_result(paths, trial_id, sample, {}, status=status, reason=reason)
            tune.report(complete({"epoch": 10**9, "rung_score": WORST_RUNG, "final": True}))
        finally:
            ray.get(self.broker.release.remote(trial_id))


class HostScorer:
    """The evaluator actor bound to the host that holds this trial's adapter."""

    def __init__(self, evaluator: Any, host: str) -> None:
        self._evaluator = ActorProxy(evaluator)
        self._host = host

    def rung(self, trial_id: str) -> dict[str, float]:
        scores: dict[str, float] = self._evaluator.rung(self._host, trial_id)
        return scores

    def full(self, trial_id: str, split: Split) -> FullScores:
        scores: FullScores = self._evaluator.full(self._host, trial_id, split)
        return scores


class Broker:
    """Leases host slots to trials (`ray.remote` is applied by the driver); asynchronous, so waiting blocks nobody."""

    def __init__(self, hosts: list[str], slots: int) -> None:
        self._load = dict.fromkeys(hosts, 0)
        self._slots = slots
        self._leases: dict[str, str] = {}

    async def acquire(self, trial_id: str) -> str:
        """A host with a free slot, the least loaded first. The same trial asking again gets the same host."""
        while trial_id not in self._leases:
            name = min(self._load, key=lambda host: self._load[host])
            if self._load[name] < self._slots:
                self._leases[trial_id] = name
                self._load[name] += 1
            else:
                await asyncio.sleep(0.05)
        return self._leases[trial_id]

    async def release(self, trial_id: str) -> None:
        name = self._leases.pop(trial_id, None)
        if name is not None:
            self._load[name] -= 1
