"""Networks that break: a node's cable is pulled, for ten seconds or for good; no trial is lost or scored twice.

Each test takes a minute or two, most of it Ray's own patience, and needs the right to make network namespaces: ask for
them with RAYKFT_NETWORK_TESTS=1. What they took is in docs/log.md.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_support import fake_experiment
from network_namespaces import (
    Network,
    namespaced_cluster,
    namespaces,
    wait_until,
    why_no_delay,
    why_no_netem,
    why_not,
)
from tests_support import assert_scored_once, write_config

from raykft.config import load_config
from raykft.leaderboard.board import load_leaderboard
from raykft.paths import ExperimentPaths
from raykft.trial import latest_checkpoint

WANTED = "RAYKFT_NETWORK_TESTS"
pytestmark = [
    pytest.mark.ray,
    pytest.mark.cluster,
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get(WANTED), reason=f"asked for with {WANTED}=1"),
]
TRIALS = 6
HEALING_S = 10  # how long a cable is out; Ray's health check gives a node up after about 65
# Of every packet to the driver's node and the workers: from one of them to another and back takes .4 s.
DELAY_MS, LOSS_PERCENT = 200, 5
# By then a run has to be over, whatever was cut; and where every call takes .4 s, some eight of them an epoch.
ENDS_S, SLOW_ENDS_S = 180, 300
DRIVER = """
import sys
from pathlib import Path
from raykft.config import load_config
from raykft.search.driver import resume, tune
from raykft.testing.fake_cluster import fake_hosts
with fake_hosts():
    tune(load_config(sys.argv[1])) if sys.argv[2] == "tune" else resume(Path(sys.argv[1]), address=sys.argv[3])
"""


IMPATIENT = {  # Ray gives up a silent node after some ten seconds instead of 65, and its control store after ten
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_gcs_rpc_server_reconnect_timeout_s": "10",
}


@pytest.fixture
def network(request: pytest.FixtureRequest) -> Iterator[Network]:
    if reason := why_not():
        pytest.skip(reason)
    with namespaced_cluster(getattr(request, "param", {})) as made:
        yield made


def slow_down(network: Network) -> None:
    for node in ("driver", "one", "two"):
        network.slow(node, DELAY_MS, LOSS_PERCENT)


impatient = pytest.mark.parametrize("network", [IMPATIENT], indirect=True, ids=["impatient"])


class Run:
    """A search of fakes, driven from the namespace of the driver's node."""

    def __init__(self, network: Network, tmp_path: Path) -> None:
        self.network, self.log = network, tmp_path / "log"
        self.config = write_config(tmp_path / "c.yaml", self.tree(tmp_path))
        self.paths = ExperimentPaths(load_config(self.config).directory)
        self.driver = self.drive("driver", str(self.config), "tune")

    def tree(self, tmp_path: Path) -> dict[str, object]:
        tree = fake_experiment(tmp_path, self.network.address, seconds=1.0)
        tree["search"]["trials"] = TRIALS
        return tree

    def drive(self, node: str, *words: str) -> subprocess.Popen[bytes]:
        return self.network.run(node, sys.executable, "-c", DRIVER, *words, log=self.log)

    def until_both_nodes_work(self) -> None:
        def begun() -> bool:
            assert self.driver.poll() is None, self.said
            return sum(latest_checkpoint(self.paths.trial(d.name)) is not None for d in self.trials()) >= 2

        wait_until(begun, 120)

    def trials(self) -> list[Path]:
        return list(self.paths.trials.iterdir()) if self.paths.trials.is_dir() else []

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8", errors="replace")

    def ended(self, process: subprocess.Popen[bytes], within_s: float = ENDS_S) -> int:
        """Its exit code; it has to end by itself."""
        started = time.monotonic()
        try:
            code = process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it hung for {within_s} s:\n{self.said}") from None
        print(f"ended with {code} after {time.monotonic() - started:.0f} s")
        return code

    def assert_ends_well(self, process: subprocess.Popen[bytes], within_s: float = ENDS_S) -> None:
        """With every trial scored once."""
        assert self.ended(process, within_s) == 0, self.said
        assert_scored_once(load_leaderboard(self.paths.root), TRIALS)


@pytest.mark.parametrize("node", ["one", "driver", "head"])
def test_a_node_that_comes_back_after_ten_seconds_loses_nothing(network: Network, tmp_path: Path, node: str) -> None:
    run = Run(network, tmp_path)
    run.until_both_nodes_work()
    network.cut(node)
    time.sleep(HEALING_S)
    network.heal(node)
    run.assert_ends_well(run.driver)


@impatient
def test_a_worker_that_stays_away_is_done_without(network: Network, tmp_path: Path) -> None:
    run = Run(network, tmp_path)
    run.until_both_nodes_work()
    network.cut("one")
    run.assert_ends_well(run.driver)


@impatient
def test_a_driver_that_is_cut_off_ends_and_another_goes_on(network: Network, tmp_path: Path) -> None:
    run = Run(network, tmp_path)
    run.until_both_nodes_work()
    network.cut("driver")
    assert run.ended(run.driver) != 0
    wait_until(lambda: network.nodes() == 3, 60)
    again = run.drive("head", str(run.paths.root), "resume", network.address)
    run.assert_ends_well(again)


def test_packets_wait_and_get_lost_as_they_are_told_to() -> None:
    """What the next test rests on, whoever carries them."""
    if reason := why_not() or why_no_delay():
        pytest.skip(reason)
    with namespaces(by_hand=bool(why_no_netem())) as network:
        assert travel(network, "one")[0] < DELAY_MS / 2
        slow_down(network)
        median_ms, lost_percent = travel(network, "one")
        assert DELAY_MS <= median_ms < 2 * DELAY_MS
        assert 1 < lost_percent < 12  # of 400 draws; chance alone leaves these bounds once in thousands of times
        assert travel(network, "head")[1] == 0


def travel(network: Network, node: str, packets: int = 400) -> tuple[float, float]:
    """From the driver's node to another: how long packets take (median, ms), and how many get lost (percent)."""
    receiver = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(({network.ip_of(node)!r}, 7777))
s.settimeout(20)
print("bound", flush=True)
times = []
try:
    while True:
        sent = float(s.recv(100))
        times.append(time.time() - sent)
        s.settimeout(2)
except TimeoutError:
    print(1000 * sorted(times)[len(times) // 2], 100 - 100 * len(times) / {packets})
"""
    sender = f"""
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for n in range({packets}):
    s.sendto(str(time.time()).encode(), ({network.ip_of(node)!r}, 7777))
    time.sleep(0.002)
"""
    listening = subprocess.Popen(
        network.inside(node, sys.executable, "-c", receiver), stdout=subprocess.PIPE, text=True
    )
    assert listening.stdout
    assert listening.stdout.readline() == "bound\n"
    subprocess.run(network.inside("driver", sys.executable, "-c", sender), check=True)
    median_ms, lost_percent = map(float, listening.communicate(timeout=60)[0].split())
    return median_ms, lost_percent


def test_a_slow_network_that_loses_packets(tmp_path: Path) -> None:
    if reason := why_not() or why_no_delay():
        pytest.skip(reason)
    with namespaced_cluster(by_hand=bool(why_no_netem())) as network:
        slow_down(network)
        run = Run(network, tmp_path)
        run.assert_ends_well(run.driver, SLOW_ENDS_S)
