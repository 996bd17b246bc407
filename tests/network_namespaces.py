"""A Ray cluster whose nodes live in network namespaces of their own, joined by a bridge: their cables can be pulled.

Linux only, and only where this user may make network namespaces (usually root).
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

OBJECT_STORE = 80 << 20
PORT = 6379
NAMES = ("head", "driver", "one", "two")


def why_not() -> str:
    """Why there can be no such cluster here; empty where there can."""
    if not shutil.which("ip"):
        return "no `ip` command (iproute2)"
    name = f"rk{os.getpid()}t"
    made = _ip("netns", "add", name, check=False)
    if made.returncode:
        return f"no right to make network namespaces: {made.stderr.strip()}"
    linked = _ip("link", "add", name, "type", "veth", "peer", "name", "up0", "netns", name, check=False)
    _ip("netns", "del", name, check=False)
    return f"no veth devices: {linked.stderr.strip()}" if linked.returncode else ""


def why_no_delay() -> str:
    """Why packets cannot be held up or lost here; empty where they can."""
    name = f"rk{os.getpid()}d"
    _ip("netns", "add", name)
    set_up = f"tc -n {name} qdisc add dev lo root netem delay 1ms"
    done = subprocess.run(set_up.split(), capture_output=True, text=True, check=False)
    _ip("netns", "del", name)
    return f"the kernel has no netem: {done.stderr.strip()}" if done.returncode else ""


def _ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)


@dataclass
class Network:
    """Namespaces by name, each with an address of 10.77.0.0/24 and a cable to a bridge."""

    prefix: str
    directory: Path
    settings: dict[str, str]  # of Ray, as environment variables
    ray: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"{self.ip_of('head')}:{PORT}"

    def ip_of(self, name: str) -> str:
        return f"10.77.0.{1 + NAMES.index(name)}"

    def space(self, name: str) -> str:
        return f"{self.prefix}{name}"

    def cable(self, name: str) -> str:
        return f"{self.prefix}{NAMES.index(name)}"

    def build(self) -> None:
        _ip("link", "add", f"{self.prefix}br", "type", "bridge")
        _ip("link", "set", f"{self.prefix}br", "up")
        for name in NAMES:
            space, cable = self.space(name), self.cable(name)
            _ip("netns", "add", space)
            _ip("link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", space)
            _ip("link", "set", cable, "master", f"{self.prefix}br", "up")
            _ip("-n", space, "addr", "add", f"{self.ip_of(name)}/24", "dev", "up0")
            _ip("-n", space, "link", "set", "up0", "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def cut(self, name: str) -> None:
        """Pull the cable: what is sent is lost, and no connection hears of it."""
        _ip("link", "set", self.cable(name), "down")

    def heal(self, name: str) -> None:
        _ip("link", "set", self.cable(name), "up")

    def slow(self, name: str, delay_ms: int, loss_percent: int) -> None:
        words = f"tc qdisc add dev {self.cable(name)} root netem delay {delay_ms}ms loss {loss_percent}%"
        subprocess.run(words.split(), check=True)

    def run(self, name: str, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a process inside a namespace."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                ["ip", "netns", "exec", self.space(name), *command],
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=self._environment(),
            )

    def _environment(self) -> dict[str, str]:
        """Without the haste that other tests ask Ray for."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_health_check", "RAY_gcs_rpc"))}
        return own | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"} | self.settings  # else Ray refuses a second node

    def start_ray(self, name: str, **resources: int) -> None:
        own = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.directory}"]
        words = own if name == "head" else [f"--address={self.address}"]
        words += [f"--{key.replace('_', '-')}={value}" for key, value in resources.items()]
        words += [f"--node-ip-address={self.ip_of(name)}", f"--object-store-memory={OBJECT_STORE}", "--block"]
        ray = str(Path(sys.executable).with_name("ray"))
        self.ray[name] = self.run(
            name, ray, "start", *words, "--disable-usage-stats", log=self.directory / f"{name}.log"
        )

    def nodes(self) -> int:
        """How many nodes the cluster knows to live."""
        code = f"""
import ray
from ray._raylet import GcsClient
print(sum(n.state == 0 for n in GcsClient(address={self.address!r}).get_all_node_info(timeout=5).values()))
"""
        done = subprocess.run(
            ["ip", "netns", "exec", self.space("head"), sys.executable, "-c", code],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return int(done.stdout) if done.returncode == 0 and done.stdout.strip().isdigit() else 0

    def remove(self) -> None:
        for name in NAMES:
            found = _ip("netns", "pids", self.space(name), check=False).stdout.split()
            for pid in map(int, found):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        for process in self.ray.values():
            process.wait(10)
        for name in NAMES:
            _ip("netns", "del", self.space(name), check=False)
            _ip("link", "del", self.cable(name), check=False)
        _ip("link", "del", f"{self.prefix}br", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def namespaced_cluster(**settings: str) -> Iterator[Network]:
    """A head and a driver's node without devices, and two nodes with a logical GPU each."""
    directory = Path(tempfile.mkdtemp(prefix="rkft-", dir="/tmp"))
    network = Network(f"rk{os.getpid() % 100000}", directory, settings)
    try:
        network.build()
        devices = {"head": (1, 0), "driver": (2, 0), "one": (1, 1), "two": (1, 1)}
        for number, (name, (cpus, gpus)) in enumerate(devices.items()):
            network.start_ray(name, num_cpus=cpus, num_gpus=gpus)
            # One after another: they share a folder, and choose the names of their sockets in it.
            wait_until(lambda: network.nodes() > number, 60)  # noqa: B023
        yield network
    finally:
        network.remove()


def wait_until(condition: object, seconds: float) -> None:
    """Wait for `condition()` to hold; an AssertionError where it does not within `seconds`."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.2)
