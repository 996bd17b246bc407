"""What `soak.py` kills: the processes of a run, and nodes of a Ray cluster of its own on this machine's loopback."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]
# What a process is, by what its command line says, the first that fits; whatever else descends from a driver is
# "other": git, compilers, shells.
KINDS = {
    "gcs": "gcs_server",
    "raylet": "raylet/raylet",
    "trial": "ray::ImplicitFunc",
    "host": "TrainingHost",
    "evaluator": "ray::Evaluator",
    "broker": "ray::Broker",
    "idle worker": "ray::IDLE",
    "dashboard": "dashboard/dashboard.py",
    "dashboard agent": "ray::DashboardAgent",
    "environment agent": "ray::RuntimeEnvAgent",
    "log monitor": "log_monitor.py",
    "autoscaler": "autoscaler/_private/monitor.py",
}
OTHER = "other"
ACTORS = ("trial", "host", "evaluator", "broker")  # they end with a run, wherever they are
ON_NODES = ("driver", "raylet", *ACTORS, "idle worker", "dashboard agent", "environment agent")
# After a node's death a new one takes its place within so many seconds, as a cluster's own scaling has it.
REPLACED_S = (0.0, 10.0)


def kind_of(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    return next((kind for kind, sign in KINDS.items() if sign in command), OTHER)


class Nodes:
    """A cluster's head and workers, all of whose processes descend from this one."""

    def __init__(self, cluster: Any, workers: int) -> None:
        self._cluster, self._wanted, self._due = cluster, workers, 0.0

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def processes(self) -> list[psutil.Process]:
        """Workers' raylets with all that they have started, and actors on the head, with which a cluster dies."""
        workers = [raylet for worker in self._cluster.workers for raylet in self._raylets(worker)]
        return [*workers, *_below(workers), *self._actors(self._raylets(self._cluster.cluster.head_node))]

    def actors(self) -> list[psutil.Process]:
        """What belongs to a run, on any node."""
        return self._actors([psutil.Process()])

    def _actors(self, parents: Sequence[psutil.Process]) -> list[psutil.Process]:
        found = []
        for process in _below(parents):
            with suppress(psutil.NoSuchProcess):
                if kind_of(process) in ACTORS:
                    found.append(process)
        return found

    def replace(self, rng: random.Random) -> None:
        """Take away what is left of nodes that died, and have others join after a while."""
        for worker in list(self._cluster.workers):
            if not [process for process in self._raylets(worker) if _lives(process)]:
                self._cluster.workers.remove(worker)
                self._cluster.cluster.worker_nodes.discard(worker)
                worker.kill_all_processes(check_alive=False, allow_graceful=False)
                self._due = time.monotonic() + rng.uniform(*REPLACED_S)
        if len(self._cluster.workers) < self._wanted and time.monotonic() > self._due:
            self._cluster.join()

    def complete(self, rng: random.Random) -> None:
        """Have as many nodes as there should be."""
        self._due = 0.0
        while True:
            self.replace(rng)
            self._due = 0.0
            if len(self._cluster.workers) == self._wanted:
                return

    def _raylets(self, node: Any) -> list[psutil.Process]:
        """A node's raylet; a node without one is dead."""
        found = []
        for info in node.all_processes.get("raylet", ()):
            with suppress(psutil.NoSuchProcess):
                found.append(psutil.Process(info.process.pid))
        return found


def _below(parents: Sequence[psutil.Process]) -> list[psutil.Process]:
    found = []
    for process in parents:
        with suppress(psutil.NoSuchProcess):
            found += process.children(recursive=True)
    return found


def _lives(process: psutil.Process) -> bool:
    with suppress(psutil.NoSuchProcess):
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    return False


@contextmanager
def cluster(workers: int) -> Iterator[Nodes]:
    """A head without devices and `workers` nodes with a logical GPU each."""
    # Read when ray is first imported: a cluster without a token that listens on loopback only.
    os.environ["RAY_AUTH_MODE"], os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "disabled", "0"
    sys.path.append(str(ROOT / "tests"))
    from cluster_support import loopback_cluster

    with loopback_cluster(workers) as made:
        yield Nodes(made, workers)
