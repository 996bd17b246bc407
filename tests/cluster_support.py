"""A Ray cluster of several nodes on this machine's loopback, with logical GPUs, and experiments of fakes on it."""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree

OBJECT_STORE = 80 << 20


@dataclass
class LoopbackCluster:
    """A head with two CPUs, and workers that come and go."""

    cluster: Any
    workers: list[Any]

    @property
    def address(self) -> str:
        return str(self.cluster.address)

    def join(self, **resources: Any) -> Any:
        """Add a node: one CPU and one logical GPU unless `resources` say otherwise. On the main thread only."""
        node = {"num_cpus": 1, "num_gpus": 1} | resources
        worker = self.cluster.add_node(node_ip_address="127.0.0.1", object_store_memory=OBJECT_STORE, **node)
        self.workers.append(worker)
        return worker

    def kill_head(self) -> None:
        """The head goes as in a power cut, and with it the cluster's memory. The workers are left alone."""
        self.cluster.head_node.kill_all_processes(check_alive=False, allow_graceful=False)

    def kill(self, worker: Any) -> None:
        """The node goes as in a power cut: its processes end by SIGKILL. Returns once the cluster knows."""
        self.workers.remove(worker)
        self.cluster.remove_node(worker, allow_graceful=False)
        self.cluster.wait_for_nodes()


@contextmanager
def loopback_cluster(workers: int = 2, **resources: Any) -> Iterator[LoopbackCluster]:
    """A cluster for the body; a Ray that this process was connected to before is connected again afterwards."""
    import ray
    from ray.cluster_utils import Cluster

    from raykft.cluster.connect import connect, disconnect

    before = ray.is_initialized()
    if before:
        disconnect()
    Path("/tmp/ray").mkdir(exist_ok=True)  # `Cluster` writes a file there
    directory = tempfile.mkdtemp(prefix="rkft-", dir="/tmp")  # socket paths must stay short
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        head = {"num_cpus": 2, "num_gpus": 0, "temp_dir": directory, "include_dashboard": False}
        head |= {"node_ip_address": "127.0.0.1", "object_store_memory": OBJECT_STORE}
        made = LoopbackCluster(Cluster(initialize_head=True, head_node_args=head), [])
        try:
            for _ in range(workers):
                made.join(**resources)
            yield made
        finally:
            ray.shutdown()
            made.cluster.shutdown()
            shutil.rmtree(directory, ignore_errors=True)
            if before:
                # The processes of a Ray keep the environment it was started in, and the test may have changed it.
                with pytest.MonkeyPatch.context() as patch:
                    patch.setenv("RAYKFT_CACHE", os.environ["RAYKFT_SESSION_CACHE"])
                    connect(None)


def fake_experiment(tmp_path: Path, address: str | None, *, seconds: float = 0.05, **resources: Any) -> dict[str, Any]:
    """An experiment that trains nothing for `seconds` an epoch, as plain data to be changed by a test."""
    tree = experiment_tree(tmp_path, f"fake:{seconds}")
    tree["train"] |= {"epochs": 4}
    space = {"adapter.rank": {"choice": [2, 4, 8]}, "train.learning_rate": {"log": [1e-4, 1e-2]}}
    tree["search"] = {"race": False, "trials": 6, "scheduler": "none", "space": space}
    tree["evaluate"] = {"report_top": 2, "baselines": ["facts_needed"]}
    tree["resources"] = {"slots_per_host": 1, **resources}
    if address:
        tree["resources"]["address"] = address
    return tree
