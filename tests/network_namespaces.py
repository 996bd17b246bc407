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
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import slow_cables

OBJECT_STORE = 80 << 20
PORT = 6379
NODE_UP_S = 180  # for a node to come up; half a minute where nothing else runs
SEED = 0  # of the packets that are lost
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


def why_no_netem() -> str:
    """Why the kernel holds up and loses no packets here; empty where it can."""
    name = f"rk{os.getpid()}d"
    _ip("netns", "add", name)
    set_up = f"tc -n {name} qdisc add dev lo root netem delay 1ms"
    done = subprocess.run(set_up.split(), capture_output=True, text=True, check=False)
    _ip("netns", "del", name)
    return f"the kernel has no netem: {done.stderr.strip()}" if done.returncode else ""


def why_no_delay() -> str:
    """Why packets can be held up and lost neither by the kernel nor by a process here; empty where they can."""
    kernel, own = why_no_netem(), slow_cables.why_not()
    return f"{kernel}; and no TAP devices in its place: {own}" if kernel and own else ""


def _ip(*words: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=check)


@dataclass
class Network:
    """Namespaces by name, each with an address of 10.77.0.0/24 and a cable to a bridge."""

    prefix: str
    directory: Path
    settings: dict[str, str]  # of Ray, as environment variables
    by_hand: bool = False  # a process carries the packets, instead of the kernel's veth devices
    ray: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    carrier: subprocess.Popen[str] | None = None

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
            _ip("netns", "add", self.space(name))
        if self.by_hand:
            self._start_carrier()
        for name in NAMES:
            space, cable = self.space(name), self.cable(name)
            if not self.by_hand:
                _ip("link", "add", cable, "type", "veth", "peer", "name", "up0", "netns", space)
            _ip("link", "set", cable, "master", f"{self.prefix}br", "up")
            _ip("-n", space, "addr", "add", f"{self.ip_of(name)}/24", "dev", "up0")
            _ip("-n", space, "link", "set", "up0", "up")
            _ip("-n", space, "link", "set", "lo", "up")

    def _start_carrier(self) -> None:
        pairs = [word for name in NAMES for word in (self.cable(name), self.space(name))]
        command = [sys.executable, slow_cables.__file__, str(SEED), *pairs]
        self.carrier = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self.carrier.stdout
        assert self.carrier.stdout.readline() == "ready\n"

    def cut(self, name: str) -> None:
        """Pull the cable: what is sent is lost, and no connection hears of it."""
        _ip("link", "set", self.cable(name), "down")

    def heal(self, name: str) -> None:
        _ip("link", "set", self.cable(name), "up")

    def slow(self, name: str, delay_ms: int, loss_percent: int) -> None:
        """Have all packets towards a node wait, and lose some of them."""
        if self.carrier:
            assert self.carrier.stdin
            print(self.cable(name), delay_ms, loss_percent, file=self.carrier.stdin, flush=True)
            return
        words = f"tc qdisc add dev {self.cable(name)} root netem delay {delay_ms}ms loss {loss_percent}%"
        subprocess.run(words.split(), check=True)

    def inside(self, name: str, *command: str) -> list[str]:
        """A command as it is started inside a namespace."""
        return ["ip", "netns", "exec", self.space(name), *command]

    def run(self, name: str, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Start a process inside a namespace."""
        with log.open("ab") as stream:
            return subprocess.Popen(
                self.inside(name, *command),
                stdout=stream,
                stderr=stream,
                start_new_session=True,
                env=self._environment(),
            )

    def _environment(self) -> dict[str, str]:
        """Without the haste that other tests ask Ray for."""
        own = {k: v for k, v in os.environ.items() if not k.startswith(("RAY_health_check", "RAY_gcs_rpc"))}
        # Else Ray refuses a second node; and on a busy machine one takes longer to come up than Ray waits for it.
        ours = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1", "RAY_raylet_start_wait_time_s": "45"}
        return own | ours | self.settings

    def start_ray(self, name: str, **resources: int) -> None:
        own = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={self.directory}"]
        words = own if name == "head" else [f"--address={self.address}"]
        words += [f"--{key.replace('_', '-')}={value}" for key, value in resources.items()]
        words += [f"--node-ip-address={self.ip_of(name)}", f"--object-store-memory={OBJECT_STORE}", "--block"]
        ray = str(Path(sys.executable).with_name("ray"))
        self.ray[name] = self.run(
            name, ray, "start", *words, "--disable-usage-stats", log=self.directory / f"{name}.log"
        )

    def bring_up(self, name: str, nodes: int, **resources: int) -> None:
        """Start Ray on a node and wait until the cluster has so many; again where Ray gave up, as it does on a busy
        machine after fifteen seconds without its own agent."""
        deadline, log = time.monotonic() + NODE_UP_S, self.directory / f"{name}.log"
        while self.nodes() < nodes:
            assert time.monotonic() < deadline, f"{name} did not come up within {NODE_UP_S} s:\n{log.read_text()}"
            if name not in self.ray or self.ray[name].poll() is not None:
                self.start_ray(name, **resources)
            time.sleep(0.2)

    def nodes(self) -> int:
        """How many nodes the cluster knows to live."""
        # Ray's own client would wait half a minute for a head that is not there yet.
        code = f"""
import socket
socket.create_connection(({self.ip_of("head")!r}, {PORT}), timeout=2).close()
import ray
from ray._raylet import GcsClient
print(sum(n.state == 0 for n in GcsClient(address={self.address!r}).get_all_node_info(timeout=5).values()))
"""
        done = subprocess.run(
            self.inside("head", sys.executable, "-c", code),
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
        if self.carrier:
            self.carrier.communicate(timeout=10)  # its cables go with it
        for name in NAMES:
            _ip("netns", "del", self.space(name), check=False)
            _ip("link", "del", self.cable(name), check=False)
        _ip("link", "del", f"{self.prefix}br", check=False)
        shutil.rmtree(self.directory, ignore_errors=True)


@contextmanager
def namespaces(settings: Mapping[str, str] = MappingProxyType({}), *, by_hand: bool = False) -> Iterator[Network]:
    """The nodes' namespaces and cables, without Ray.

    Args:
        settings: of Ray, as environment variables.
        by_hand: whether a process of ours carries the packets (`slow_cables`).
    """
    directory = Path(tempfile.mkdtemp(prefix="rkft-", dir="/tmp"))
    network = Network(f"rk{os.getpid() % 100000}", directory, dict(settings), by_hand)
    try:
        network.build()
        yield network
    finally:
        network.remove()


@contextmanager
def namespaced_cluster(
    settings: Mapping[str, str] = MappingProxyType({}), *, by_hand: bool = False
) -> Iterator[Network]:
    """A head and a driver's node without devices, and two nodes with a logical GPU each."""
    with namespaces(settings, by_hand=by_hand) as network:
        devices = {"head": (1, 0), "driver": (2, 0), "one": (1, 1), "two": (1, 1)}
        for number, (name, (cpus, gpus)) in enumerate(devices.items()):
            # One after another: they share a folder, and choose the names of their sockets in it.
            network.bring_up(name, number + 1, num_cpus=cpus, num_gpus=gpus)
        yield network


def wait_until(condition: object, seconds: float) -> None:
    """Wait for `condition()` to hold; an AssertionError where it does not within `seconds`."""
    assert callable(condition)
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"it did not happen within {seconds} s"
        time.sleep(0.2)
