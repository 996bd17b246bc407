"""Shared fixtures. The environment is set before anything imports ray."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ["RAY_AUTH_MODE"] = "disabled"
os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["OMP_NUM_THREADS"] = "1"
# Equality bit for bit is a promise of fp32; tests of bf16 ask for it.
os.environ["RAYKFT_COMPUTE_DTYPE"] = "fp32"
# A node that died is known after some seconds instead of half a minute, and a head that died is given up.
os.environ |= {
    "RAY_health_check_initial_delay_ms": "1000",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
    # Workers that Ray starts ahead lack the job's environment, so no actor of ours is ever one of them.
    "RAY_prestart_worker_first_driver": "0",
}

import pytest

ROOT = Path(__file__).resolve().parents[1]


# Where a Ray that is started again in the middle of a test finds the cache of all tests.
SESSION_CACHE = "RAYKFT_SESSION_CACHE"
TIERS = ("torch", "ray", "model", "slow", "gpu")


@pytest.hookimpl(tryfirst=True)  # xdist looks for groups in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Cheap tiers first, so that a mistake shows in seconds; `gpu` tests skip without CUDA unless one is expected.

    Where several processes share the tests (`pytest -n`), those of a file stay together with their fixtures, unless
    they are marked `spread`; clusters of several nodes come one after another.
    """

    def tier(item: pytest.Item) -> int:
        return max((n for n, name in enumerate(TIERS, start=1) if item.get_closest_marker(name)), default=0)

    items.sort(key=tier)
    for item in items:
        alone = bool(item.get_closest_marker("spread"))
        name = "cluster" if item.get_closest_marker("cluster") else item.nodeid if alone else item.path.name
        item.add_marker(pytest.mark.xdist_group(name))
    if os.environ.get("RAYKFT_EXPECT_GPU") == "1":
        return
    gpu = [item for item in items if item.get_closest_marker("gpu")]
    if gpu:
        import torch

        if not torch.cuda.is_available():
            for item in gpu:
                item.add_marker(pytest.mark.skip(reason="no CUDA device"))


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache of this test run's own; the converted model is kept between runs because it never changes."""
    shared = ROOT / ".pytest_cache" / "raykft"
    before = os.environ.get("RAYKFT_CACHE")
    os.environ["RAYKFT_CACHE"] = os.environ[SESSION_CACHE] = str(tmp_path_factory.mktemp("cache"))
    (shared / "models").mkdir(parents=True, exist_ok=True)
    (Path(os.environ["RAYKFT_CACHE"]) / "models").symlink_to(shared / "models")
    yield Path(os.environ["RAYKFT_CACHE"])
    if before is None:
        del os.environ["RAYKFT_CACHE"]
    else:
        os.environ["RAYKFT_CACHE"] = before


@pytest.fixture(scope="session")
def tiny_model_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a real (byte-level) tokenizer and a chat template, on disk."""
    from tests_support import write_tiny_model

    return write_tiny_model(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def experiment(tmp_path: Path, tiny_model_dir: Path) -> Any:
    """A valid experiment on the tiny model with the small demo domain, as plain data to be changed by a test."""
    from tests_support import experiment_tree

    return experiment_tree(tmp_path, str(tiny_model_dir))


@pytest.fixture
def small_experiment(experiment: Any, tmp_path: Path) -> Any:
    """The same with a few short probes a kind, three epochs and small rungs: the tiny model's answers take no time."""
    from tests_support import cut_probes

    cut_probes(tmp_path, experiment)
    experiment["evaluate"] = {"rung_probes": 2, "rung_general": 1}
    experiment["train"] = {"epochs": 3, "batch_size": 8, "max_length": 512}
    return experiment


@pytest.fixture(scope="session")
def embedded_ray(cache: Path) -> Iterator[None]:
    from raykft.cluster.connect import connect, disconnect

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        connect(None)
    yield
    disconnect()
