"""Connect to Ray: an embedded one on this machine's loopback, or a running cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import sys
import tempfile
import warnings
from dataclasses import dataclass
from typing import Any

from raykft.errors import ResourceError

_temp_dirs: list[str] = []  # of embedded Rays, removed when they end
# Workers need time to detach from a host in the middle of a step; with the default of 2 s Tune loses the next trial.
WORKER_ENVIRONMENT = {"TUNE_FUNCTION_THREAD_TIMEOUT_S": "120", "RAY_CHDIR_TO_TRIAL_DIR": "0"}


@dataclass(frozen=True)
class HostPlan:
    """How many hosts, on what, with how many CPU threads each."""

    hosts: int
    device: str
    threads: int

    @property
    def actor_options(self) -> dict[str, Any]:
        return {"num_gpus": 1, "num_cpus": 1} if self.device == "cuda" else {"num_gpus": 0, "num_cpus": 1}


def is_embedded(address: str | None) -> bool:
    """Whether an experiment with this `resources.address` runs on a Ray of its own on this machine."""
    return not (address or os.environ.get("RAY_ADDRESS"))


def connect(address: str | None) -> bool:
    """Connect to `address` (or RAY_ADDRESS), or start an embedded Ray that listens on loopback only.

    Returns:
        Whether the connection is this call's own and `disconnect` should end it; False where Ray was connected
        before, as in a notebook.

    Raises:
        ResourceError: the cluster cannot be reached.
    """
    embedded = is_embedded(address)
    if embedded and "ray" not in sys.modules:
        # Both are read when ray is first imported: set later, the servers would want a token this process does not
        # send. The token never leaves this process tree's environment.
        os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
        if os.environ.setdefault("RAY_AUTH_MODE", "token") == "token":
            os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    for name, value in {
        "RAY_AIR_NEW_OUTPUT": "0",
        "TUNE_DISABLE_SIGINT_HANDLER": "1",
        **WORKER_ENVIRONMENT,
    }.items():
        os.environ.setdefault(name, value)
    import ray

    if ray.is_initialized():
        return False
    settings: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "ERROR",
        "configure_logging": True,
        "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
        "namespace": "raykft",
    }
    if embedded:
        settings |= {
            "address": "local",
            # One CPU more than hosts can take, for the thin trials.
            "num_cpus": available_cores() + 1,
            "include_dashboard": False,
            "object_store_memory": 256 << 20,
            "_temp_dir": _short_temp_dir(),
        }
    else:
        settings["address"] = address or os.environ["RAY_ADDRESS"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            ray.init(**settings)
        except (ConnectionError, RuntimeError, ValueError, OSError) as error:
            where = "an embedded Ray" if embedded else f"the Ray cluster at {settings['address']!r}"
            raise ResourceError(f"cannot connect to {where}: {error}") from error
    return True


def disconnect() -> None:
    """Leave the cluster; an embedded Ray ends with it."""
    import ray

    ray.shutdown()
    while _temp_dirs:
        shutil.rmtree(_temp_dirs.pop(), ignore_errors=True)


def available_cores() -> int:
    """CPU cores this process may use (containers and `taskset` included)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def plan_hosts(*, device: str, hosts: int | str, useful: int, embedded: bool = True) -> HostPlan:
    """Decide hosts and threads: one per GPU, or one single-threaded host per core; never more than `useful`.

    Raises:
        ResourceError: more hosts than devices, or CUDA asked for where the cluster has none.
    """
    import ray

    gpus = int(ray.cluster_resources().get("GPU", 0))
    if device == "cuda" and not gpus:
        raise ResourceError(
            "resources.device 'cuda': Ray sees no GPU; use 'auto' or 'cpu', or start Ray on a GPU machine"
        )
    cuda = gpus > 0 and device != "cpu"
    # A cluster's CPU count includes the one reserved for trials only in an embedded Ray.
    units = gpus if cuda else available_cores() if embedded else int(ray.cluster_resources().get("CPU", 1))
    if hosts != "auto" and int(hosts) > units:
        kind = "GPUs" if cuda else "CPU cores"
        raise ResourceError(
            f"resources.hosts {hosts}: only {units} {kind} are available; use 'auto' or at most {units}"
        )
    count = min(units, useful) if hosts == "auto" else int(hosts)
    threads = 1 if cuda else max(1, units // count) if hosts != "auto" else 1
    return HostPlan(count, "cuda" if cuda else "cpu", threads)


def _short_temp_dir() -> str:
    # Unix socket paths may be no longer than ~107 characters and Ray appends 60 of its own.
    directory = tempfile.mkdtemp(prefix="raykft-", dir="/tmp" if os.path.isdir("/tmp") else None)
    _temp_dirs.append(directory)
    return directory
