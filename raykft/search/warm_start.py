"""`search.warm_start`: what an earlier experiment scored, if its scores mean the same here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from raykft.config import ExperimentConfig, load_resolved
from raykft.errors import ExperimentError
from raykft.evaluation.outcome import FACTS_NEEDED
from raykft.leaderboard.read import TrialRecord, open_experiment, read_trials
from raykft.paths import read_json
from raykft.search.experiment import Experiment


def earlier_trials(experiment: Experiment) -> list[TrialRecord]:
    """The fully trained trials of `search.warm_start`, in the order they were named; none without that setting.

    Raises:
        ExperimentError: it holds no experiment, none of its trials has a score, or its scores cannot be compared.
    """
    config = experiment.config
    if config.search.warm_start is None:
        return []
    paths = open_experiment(Path(config.search.warm_start).expanduser())
    before = load_resolved(paths.config)
    hashes = read_json(paths.data_manifest)["sha256"] if paths.data_manifest.is_file() else {}
    then, now = _meaning(before, hashes), _meaning(config, experiment.manifest["sha256"])
    if different := sorted(key for key in then.keys() | now.keys() if then.get(key) != now.get(key)):
        raise ExperimentError(
            f"search.warm_start: scores of {paths.root} cannot be compared with this experiment's; they differ in: "
            f"{', '.join(different)}. Make them equal, or leave warm_start out"
        )
    trials = sorted((t for t in read_trials(paths) if t.rank is not None), key=lambda t: t.trial_id)
    if not trials:
        raise ExperimentError(f"search.warm_start: no trial of {paths.root} has a score; leave warm_start out")
    return trials


def _meaning(config: ExperimentConfig, hashes: dict[str, str]) -> dict[str, Any]:
    """What a score depends on besides the sample and the seed, by config path; data files by their content."""
    data = config.data.with_files(lambda _, path: hashes.get(path, path))
    tree = config.model_copy(update={"data": data}).resolved()
    facts: dict[str, Any] = {key: tree[key] for key in ("base_model", "quantization")}
    for section in ("data", "adapter", "train"):
        searched = {p.removeprefix(f"{section}.") for p, d in config.search.space.items() if not d.when}
        facts |= {f"{section}.{key}": value for key, value in tree[section].items() if key not in searched}
    facts.pop("data.allow_contamination")
    search = tree["search"]
    # The scale of gain, and so of scores, depends on whether the base was asked with the facts in its context.
    facts["evaluate.baselines"] = FACTS_NEEDED in tree["evaluate"]["baselines"]
    return facts | {f"search.{key}": search.get(key) for key in ("space", "objective", "objectives", "fidelity")}
