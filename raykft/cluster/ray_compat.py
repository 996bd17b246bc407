"""Every part of Ray that raykft uses and Ray does not promise to keep, behind names of our own.

An upgrade of Ray breaks here or nowhere: `missing` says of the installed Ray what is no longer as raykft needs it, and
a test asks it. Nothing of Ray is imported before it is used, because Ray reads its environment when it is imported.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Private:
    """Something in a module of Ray's, with the members of a class that are used or replaced.

    `own` are attributes that its `__init__` sets; `why` says what would be lost without it.
    """

    module: str
    name: str
    why: str
    members: tuple[str, ...] = ()
    own: tuple[str, ...] = ()


PRIVATE = {
    "TuneController": Private(
        "ray.tune.execution.tune_controller",
        "TuneController",
        "keeping the processes of trials from one to the next",
        ("_maybe_reuse_cached_actor",),
        ("_actor_cache", "_trial_to_actor", "_resetting_trials"),
    ),
    "RunOfTune": Private("ray.tune.tune", "TuneController", "searches run by a controller of raykft's own"),
    "ObjectCache": Private(
        "ray.tune.utils.object_cache",
        "_ObjectCache",
        "keeping the processes of trials from one to the next",
        ("cache_object", "flush_cached_objects"),
        ("_cached_objects", "_num_cached_objects"),
    ),
    "OptunaSearch": Private(
        "ray.tune.search.optuna",
        "OptunaSearch",
        "telling Optuna how a trial really ended",
        (),
        ("_ot_study", "_ot_trials", "_completed_trials"),
    ),
    "AsyncHyperBandScheduler": Private(
        "ray.tune.schedulers", "AsyncHyperBandScheduler", "rungs that know trials of earlier runs", (), ("_brackets",)
    ),
    "TuneTrial": Private(
        "ray.tune.experiment.trial",
        "Trial",
        "the reason of a trial that Tune gave up",
        ("pickled_error_file", "error_file", "num_failures"),
    ),
    "JobSubmissionClient": Private(
        "ray.job_submission",
        "JobSubmissionClient",
        "deadlines for a dead head, and secrets handed over in memory",
        ("_do_request",),
        (),
    ),
    "GcsClient": Private("ray._raylet", "GcsClient", "secrets handed over in memory"),
    "InnerGcsClient": Private(  # which the one above passes its calls to
        "ray._raylet", "InnerGcsClient", "secrets handed over in memory", ("internal_kv_get", "internal_kv_del")
    ),
    "internal_kv_get": Private("ray.experimental.internal_kv", "_internal_kv_get", "secrets handed over in memory"),
    "ENV_VARS_TO_PROPAGATE": Private(
        "ray.tune.execution.class_cache", "ENV_VARS_TO_PROPAGATE", "keeping keys out of Ray's logs"
    ),
    "cluster_state": Private(
        "ray._private.state", "state", "nodes that an autoscaler may add", ("get_cluster_config",)
    ),
    "available_resources_per_node": Private(
        "ray._private.state", "available_resources_per_node", "hosts on devices that are free"
    ),
    "canonicalize_bootstrap_address_or_die": Private(
        "ray._private.services",
        "canonicalize_bootstrap_address_or_die",
        "saying at once that nothing answers at `auto`",
    ),
    "Node": Private(
        "ray._private.node", "Node", "an embedded Ray without the process that reads its logs", ("start_log_monitor",)
    ),
}


def __getattr__(name: str) -> Any:
    if name not in PRIVATE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _found(PRIVATE[name])


def _found(part: Private) -> Any:
    return getattr(importlib.import_module(part.module), part.name)


def missing() -> Iterator[str]:
    """One sentence for everything that the installed Ray lacks of `PRIVATE`."""
    import ray

    for part in PRIVATE.values():
        where = f"{part.module}.{part.name}"
        try:
            found = _found(part)
        except (ImportError, AttributeError):
            yield f"Ray {ray.__version__} has no {where}, which raykft needs for {part.why}; see {__name__}"
            continue
        source = inspect.getsource(found) if part.own else ""
        lost = [m for m in part.members if not hasattr(found, m)] + [m for m in part.own if f"self.{m}" not in source]
        if lost:
            yield (
                f"{where} of Ray {ray.__version__} has no {', '.join(lost)}, which raykft needs for {part.why}; "
                "see raykft.cluster.ray_compat"
            )


# The cluster's control store.


def node_kinds() -> Sequence[tuple[dict[str, float], int]]:
    """Resources of every kind of node that an autoscaler known to the control store may add, and how many (-1: any)."""
    config = _found(PRIVATE["cluster_state"]).get_cluster_config()
    groups = config.node_group_configs if config is not None else ()
    return [(dict(group.resources), int(group.max_count)) for group in groups]


@contextmanager
def no_keys_in_environments() -> Iterator[None]:
    """While the body runs, Tune writes no key of the driver's environment into the description of a trial's process.

    Ray writes those down in plain text, in the logs of every node. A process has the keys of its own node, or those
    that `raykft.cluster.secrets` hands over.
    """
    part = PRIVATE["ENV_VARS_TO_PROPAGATE"]
    module, names = importlib.import_module(part.module), _found(part)
    setattr(module, part.name, {name for name in names if name.startswith(("RAY_", "TUNE_"))})
    try:
        yield
    finally:
        setattr(module, part.name, names)


@contextmanager
def no_log_monitor() -> Iterator[None]:
    """A Ray that starts while the body runs has no process that looks ten times a second for new lines in all logs.

    It sends them to drivers that asked (`log_to_driver`); where none does, it takes a share of a core that grows with
    the number of trials.
    """
    node = _found(PRIVATE["Node"])
    start = node.start_log_monitor
    node.start_log_monitor = lambda _self: None
    try:
        yield
    finally:
        node.start_log_monitor = start


def bundled_allocator() -> Path | None:
    """The jemalloc that Ray's packages for Linux bring for Ray's own servers; None elsewhere."""
    import ray

    library = Path(ray.__file__).parent / "core" / "libjemalloc.so"
    return library if library.is_file() else None


def found_address() -> str:
    """HOST:PORT of the Ray that the address `auto` means on this machine.

    Raises:
        ConnectionError: there is none, or there are several.
    """
    return str(_found(PRIVATE["canonicalize_bootstrap_address_or_die"])("auto"))


def free_resources() -> list[Mapping[str, float]]:
    """What is free on every node."""
    return list(_found(PRIVATE["available_resources_per_node"])().values())


def upload(client: Any, name: str, data: bytes) -> int:
    """Leave `data` in the control store through a job server, under the key `gcs://NAME`; returns the HTTP status.

    The upload of packages is the one way into the control store through the job server. No package is made of it,
    because no runtime environment names it as one.
    """
    return int(client._do_request("PUT", f"/api/packages/gcs/{name}", data=data).status_code)


def server_version(client: Any) -> str:
    """The version of Ray behind a job client."""
    return str(client._server_ray_version)


def job_client(address: str, headers: dict[str, str] | None, *, answer_s: float, upload_s: float) -> Any:
    """A job client that gives up: Ray's own waits for a dead head as long as TCP does."""

    class Client(_found(PRIVATE["JobSubmissionClient"])):  # type: ignore[misc]
        def _do_request(self, method: str, endpoint: str, **options: Any) -> Any:
            return super()._do_request(
                method, endpoint, timeout=(answer_s, answer_s if method == "GET" else upload_s), **options
            )

    return Client(address, headers=headers)


# Tune.


def brackets_of(scheduler: Any) -> Sequence[Any]:
    """The brackets of an `AsyncHyperBandScheduler`."""
    brackets: Sequence[Any] = scheduler._brackets
    return brackets


def keep_first_rungs(scheduler: Any, count: int) -> None:
    """Let every bracket of an `AsyncHyperBandScheduler` compare trials at its first `count` rungs only."""
    for bracket in brackets_of(scheduler):
        bracket._rungs = bracket._rungs[-count:]  # the last rung comes first


def study_of(search: Any) -> Any:
    """The Optuna study behind an `OptunaSearch`."""
    return search._ot_study


def asked_of(search: Any) -> dict[str, Any]:
    """The Optuna trial of every trial that an `OptunaSearch` has proposed."""
    trials: dict[str, Any] = search._ot_trials
    return trials


def told_of(search: Any) -> set[str]:
    """The trials whose end an `OptunaSearch` has heard of."""
    told: set[str] = search._completed_trials
    return told


@dataclass(frozen=True)
class Failure:
    """Why Tune gave a trial up: its last error if there is one, how often it failed, the traceback's file."""

    error: BaseException | None
    times: int
    traceback: str


def failure_of(trial: Any) -> Failure:
    """Of a Tune trial that failed for good."""
    from ray import cloudpickle

    kept = Path(trial.pickled_error_file or "")  # on this machine at once, in Tune's storage only some time later
    error = cloudpickle.loads(kept.read_bytes()) if kept.is_file() else None
    cause = getattr(error, "cause", None) or error
    return Failure(cause if isinstance(cause, BaseException) else None, trial.num_failures, trial.error_file or "")
