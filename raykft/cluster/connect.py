"""Connect to Ray: an embedded one on this machine's loopback, or a running cluster."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

from raykft.cluster.ray_compat import no_log_monitor
from raykft.errors import ResourceError
from raykft.provenance import available_cores

FAREWELL_S = 5.0  # for what belonged to an embedded Ray to end by itself
_temp_dirs: list[str] = []  # of embedded Rays, removed when they end
# Workers need time to detach from a host in the middle of a step; with the default of 2 s Tune loses the next trial.
WORKER_ENVIRONMENT = {"TUNE_FUNCTION_THREAD_TIMEOUT_S": "120", "RAY_CHDIR_TO_TRIAL_DIR": "0"}
PREFIX = "raykft-"  # of the folders of embedded Rays, before the driver's pid
OWNER = "host"  # in such a folder: where the driver runs
CONNECT_S = 5.0  # for a head to answer


@contextmanager
def connected(address: str | None) -> Iterator[bool]:
    """A connection to Ray for as long as the body runs; yields whether Ray was started here and for this alone.

    Raises:
        ResourceError: the cluster cannot be reached, or this process is connected to another one.
    """
    owned = connect(address)
    try:
        yield is_embedded(address)
    finally:
        if owned:
            disconnect()


def is_embedded(address: str | None) -> bool:
    """Whether an experiment with this `resources.address` runs on a Ray of its own on this machine."""
    return address == "local" or not (address or os.environ.get("RAY_ADDRESS"))


def connect(address: str | None) -> bool:
    """Connect to `address` (or RAY_ADDRESS), or start an embedded Ray that listens on loopback only.

    Returns:
        Whether the connection is this call's own and `disconnect` should end it; False where Ray was connected
        before, as in a notebook.

    Raises:
        ResourceError: the cluster cannot be reached, or this process is connected to another one already.
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
        _check_same_cluster(address or os.environ.get("RAY_ADDRESS"))
        return False
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "ERROR",
        "configure_logging": True,
        "runtime_env": {"env_vars": WORKER_ENVIRONMENT},
        "namespace": "raykft",
    }
    if embedded:
        options |= {
            "address": "local",
            # One CPU more than hosts can take, for the thin trials.
            "num_cpus": available_cores() + 1,
            "include_dashboard": False,
            "object_store_memory": 256 << 20,
            "_temp_dir": _short_temp_dir(),
        }
    else:
        options["address"] = address or os.environ["RAY_ADDRESS"]
        check_answers(options["address"])
    with warnings.catch_warnings(), no_log_monitor():  # of an embedded Ray; elsewhere this process starts none
        warnings.simplefilter("ignore")
        try:
            ray.init(**options)
        except Exception as error:  # of no class of its own where Ray has not come up in time
            if embedded:
                disconnect()  # what of it did come up
                why = str(error).rstrip(".")
                raise ResourceError(
                    f"cannot start an embedded Ray: {why}; try again, on a busy machine once it is less so"
                ) from error
            raise ResourceError(f"cannot connect to the Ray cluster at {options['address']!r}: {error}") from error
    return True


def _check_same_cluster(wanted: str | None) -> None:
    """Refuse to run on the cluster that this process is connected to where another one was asked for."""
    import ray

    if wanted is None or wanted in {"auto", "local"} or wanted.startswith("ray://"):
        return  # what a Ray client is connected to, it does not tell
    here = ray.get_runtime_context().gcs_address
    if _resolved(wanted) != _resolved(here):
        raise ResourceError(
            f"this process is connected to the Ray cluster at {here}, and {wanted} was asked for; "
            "call ray.shutdown() first, or leave the address out"
        )


def _resolved(address: str) -> tuple[str, str]:
    """Host as a number where that can be found out, and port."""
    host, _, port = address.rpartition(":")
    try:
        return socket.gethostbyname(host.strip("[]")), port
    except OSError:
        return host, port


def check_answers(address: str) -> None:
    """Refuse a dead address in seconds; Ray itself tries for ten minutes.

    Raises:
        ResourceError: nothing listens there, or a job server does.
    """
    if address.startswith(("http://", "https://")):
        raise ResourceError(
            f"{address} is a job server's address, which `raykft submit` takes; this connects to Ray itself: "
            "HOST:6379, or ray://HOST:10001 through an ssh tunnel"
        )
    shown = address
    if address == "auto":
        address = _auto()
        shown = f"auto ({address})"
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if not colon or not port.isdigit():
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        if shown != address:
            raise ResourceError(
                f"nothing answers at {shown}: {error}; it may be the Ray of another search on this machine, which "
                "listens to itself alone: unset RAY_ADDRESS, or give HOST:6379 of a cluster"
            ) from error
        raise ResourceError(
            f"nothing answers at {address}: {error}; is the head up (`ray status` there), and is this its port "
            "(6379, or ray:// with 10001)?"
        ) from error


def _auto() -> str:
    """What Ray itself would connect to for `auto`."""
    from raykft.cluster.ray_compat import found_address

    try:
        return found_address()
    except ConnectionError as error:
        raise ResourceError(
            f"no Ray was found for the address auto: {error}; unset RAY_ADDRESS, or give HOST:6379 of a cluster"
        ) from error


def disconnect() -> None:
    """Leave the cluster; an embedded Ray ends with it."""
    import ray

    processes = _processes_of(_temp_dirs)
    ray.shutdown()
    _, left = psutil.wait_procs(processes, timeout=FAREWELL_S)
    for process in left:  # agents of a node whose control store died first wait for it
        with suppress(psutil.NoSuchProcess):
            process.kill()
    while _temp_dirs:
        shutil.rmtree(_temp_dirs.pop(), ignore_errors=True)


def _processes_of(folders: list[str]) -> list[psutil.Process]:
    """All that embedded Rays have started: what this process did for their folders, and what descends from that."""
    found: list[psutil.Process] = []
    for child in psutil.Process().children():
        with suppress(psutil.Error):
            if any(folder in part for folder in folders for part in child.cmdline()):
                found += [child, *child.children(recursive=True)]
    return found


def _short_temp_dir() -> str:
    """A folder for an embedded Ray inside one that nobody else may enter: Ray opens its own to everybody."""
    # Unix socket paths may be no longer than ~107 characters and Ray appends 60 of its own.
    parent = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir())
    _sweep(parent)
    directory = tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-", dir=parent)
    _temp_dirs.append(directory)
    Path(directory, OWNER).write_text(socket.gethostname(), encoding="utf-8")
    return os.path.join(directory, "r")


def _sweep(parent: Path) -> None:
    """Remove what drivers of this user and this host that were killed have left behind.

    Containers may share /tmp and not their processes: a pid says something on its own host alone.
    """
    for path in parent.glob(f"{PREFIX}*-*"):
        pid = path.name.removeprefix(PREFIX).partition("-")[0]
        with suppress(OSError, UnicodeDecodeError):
            here = (path / OWNER).read_text(encoding="utf-8") == socket.gethostname()
            if here and path.lstat().st_uid == os.getuid() and pid.isdigit() and not psutil.pid_exists(int(pid)):
                shutil.rmtree(path, ignore_errors=True)
