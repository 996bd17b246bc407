"""A search of two objectives on real Ray with a tiny random model: study, front, hypervolume, event files."""

from __future__ import annotations

from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import pytest
from rich.console import Console
from tests_support import write_config

from raykft.config import load_config
from raykft.leaderboard.verdicts import verdicts
from raykft.paths import ExperimentPaths, read_json
from raykft.search.driver import tune

pytestmark = [
    pytest.mark.ray,
    pytest.mark.spread,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run


def test_a_search_of_two_objectives_ends_with_a_front(
    embedded_ray: None, tmp_path: Path, small_experiment: dict[str, Any]
) -> None:
    small = small_experiment
    small["evaluate"] |= {"baselines": ["facts_needed"]}
    small["search"] = {
        "race": False,
        "trials": 5,
        "startup_trials": 2,
        "grace_epochs": 1,
        "reduction_factor": 2,
        "scheduler": "hyperband",
        "fidelity": "epochs",
        "objectives": ["knowledge", "forgetting"],
        "space": {
            "adapter.dropout": {"uniform": [0, 0.1], "when": {"adapter.target_layers": "attention"}},
            "adapter.target_layers": {"choice": ["attention", "mlp"]},
            "train.learning_rate": {"log": [1e-3, 1e-1]},
            "train.epochs": {"int": [2, 3]},
        },
    }
    said = StringIO()
    config = load_config(write_config(tmp_path / "c.yaml", small))
    board = tune(config, Console(file=said, width=160))
    paths = ExperimentPaths(config.directory)
    assert len(board.trials) == 5
    assert {t.status for t in board.trials} <= {"ok", "stopped"}
    assert {t.epochs for t in board.trials} == {3}
    for trial in board.trials:
        assert ("adapter.dropout" in trial.sample) == (trial.sample["adapter.target_layers"] == "attention")

    study = optuna.load_study(study_name="test", storage=f"sqlite:///{paths.study}")
    told = {"ok": "COMPLETE", "stopped": "FAIL"}
    for trial in board.trials:
        asked = study.trials[int(trial.trial_id[1:4])]
        assert asked.state.name == told[trial.status]
        if trial.status == "ok":
            assert asked.values == [trial.select["knowledge"], trial.select["forgetting"]]

    finished = {t.trial_id for t in board.trials if t.status == "ok"}
    assert board.front is not None
    assert board.front.members.keys() <= finished
    assert read_json(paths.leaderboard("json"))["hypervolume"] == board.front.volume
    (volume,) = (line for line in verdicts(board) if line.startswith("hypervolume"))
    assert volume.endswith("(measured from gain 0, forgetting 1)")

    curves = {p.name for p in (paths.root / "tensorboard").iterdir() if p.is_dir()}
    assert curves == {t.trial_id for t in board.trials}
    assert not list(paths.ray.rglob("events.out.tfevents*"))  # Tune's own logger does not write them again
    assert "the search goes on" not in said.getvalue()
