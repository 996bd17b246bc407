"""The base model's own scores without a search: what it says of a config's probes, alone and with the facts."""

from __future__ import annotations

import tempfile

from rich.console import Console

from raykft.cluster.connect import connected
from raykft.config import ExperimentConfig
from raykft.evaluation.outcome import BaseScores
from raykft.models.source import check_model_present
from raykft.search.experiment import checked, prepare_directory


def base_scores(config: ExperimentConfig, console: Console) -> BaseScores:
    """Ask the base model of `config` on its hosts.

    What it says is cached, so that a search with the same data asks nothing again.

    Raises:
        DataError, ModelError, ResourceError: as `raykft tune` would.
    """
    check_model_present(config.base_model)
    with tempfile.TemporaryDirectory(prefix="raykft-base-") as folder:
        experiment = checked(config.model_copy(update={"storage_path": folder}))
        prepare_directory(experiment.config)
        with connected(config.resources.address) as embedded:
            # They import ray, which may only be imported once `connected` has set its environment.
            from raykft.hosts.crew import Crew
            from raykft.search.baselines import score_base

            parts = (experiment.config, experiment.domain, experiment.paths)
            with Crew(*parts, useful_trials=1, embedded=embedded, console=console) as crew:
                return score_base(crew.evaluator, experiment.paths, console)
