"""What may be imported before Ray's environment is set, and how many hosts a cluster gets."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raykft.cluster import connect as connection
from raykft.cluster import places, ray_compat
from raykft.cluster.connect import check_answers, connect
from raykft.errors import ResourceError

RUNS = ("raykft.search.driver", "raykft.search.evaluate", "raykft.search.confirm", "raykft.cli")


@pytest.mark.parametrize("module", RUNS)
def test_ray_is_not_imported_before_its_environment_is_set(module: str) -> None:
    """Ray reads whether to send a token once, when it is imported; `cluster.connect` decides that."""
    code = f"import sys, {module}; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.ray
@pytest.mark.parametrize("first", ["", "import ray"])
def test_an_embedded_ray_starts_whether_or_not_ray_was_imported_before(first: str) -> None:
    code = f"""
{first}
from raykft.cluster.connect import connect, disconnect
assert connect(None)
import ray
assert ray.get(ray.remote(lambda: 7).remote()) == 7
disconnect()
"""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


GPU_NODE = {"CPU": 4.0, "GPU": 2.0}
CPU_NODE = {"CPU": 8.0}


@pytest.mark.parametrize(
    ("nodes", "later", "asked", "expected"),
    [
        # hosts that train, on what, for evaluation alone, most on a node
        ([CPU_NODE, GPU_NODE, GPU_NODE], [], {}, (4, "cuda", 0, 2)),
        ([CPU_NODE, GPU_NODE], [], {"device": "cpu"}, (12, "cpu", 0, 8)),
        ([CPU_NODE, CPU_NODE], [], {"device": "cpu", "slots": 32}, (16, "cpu", 0, 8)),  # a core a host, not .68
        ([CPU_NODE, GPU_NODE], [], {"useful": 1}, (1, "cuda", 0, 1)),
        ([CPU_NODE, GPU_NODE, GPU_NODE], [], {"evaluation_hosts": 1}, (3, "cuda", 1, 2)),
        ([CPU_NODE, GPU_NODE], [], {"evaluation_hosts": 0.25}, (2, "cuda", 2, 2)),
        ([CPU_NODE, {"CPU": 1.0, "GPU": 4.0}], [], {}, (1, "cuda", 0, 1)),  # a host needs a core beside its GPU
        ([CPU_NODE], [(GPU_NODE, 3)], {}, (6, "cuda", 0, 2)),  # an autoscaler may add three
        ([CPU_NODE, GPU_NODE], [(GPU_NODE, 3)], {"may_grow": False}, (2, "cuda", 0, 2)),
        ([CPU_NODE], [], {"device": "cuda", "hosts": 4, "patient": True}, (4, "cuda", 0, 1)),
    ],
)
def test_hosts_are_planned_for_what_the_nodes_hold(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[dict[str, float]],
    later: list[tuple[dict[str, float], int]],
    asked: dict[str, Any],
    expected: tuple[int, str, int, int],
) -> None:
    plan = planned(monkeypatch, nodes, later, **asked)
    assert (plan.hosts, plan.device, plan.evaluation, plan.on_node) == expected


@pytest.mark.parametrize(
    ("nodes", "asked", "message"),
    [
        ([CPU_NODE], {"device": "cuda"}, "Ray sees no GPU"),
        ([GPU_NODE], {"hosts": 3}, "resources.hosts 3: 3 GPUs .* only 2 are available"),
        ([GPU_NODE], {"hosts": 2, "evaluation_hosts": 1}, "and resources.evaluation_hosts 1: 3 GPUs"),
        ([CPU_NODE], {"evaluation_hosts": 0.5}, "is a share of a GPU"),
        ([CPU_NODE], {"hosts": 9}, "9 CPU cores are needed, only 8"),
    ],
)
def test_hosts_that_never_fit_are_refused(
    monkeypatch: pytest.MonkeyPatch, nodes: list[dict[str, float]], asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(ResourceError, match=message):
        planned(monkeypatch, nodes, [], **asked)


@pytest.mark.parametrize("slots", [1, 2, 40, 256])
def test_hosts_leave_room_for_their_trials(slots: int) -> None:
    plan = places.HostPlan(hosts=1, device="cpu", slots=slots)
    assert 0 < plan.bundle["CPU"] <= max(1 - slots * places.TRIAL_CPUS, places.TRIAL_CPUS) + 1e-9


def test_a_shared_gpu_is_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = planned(monkeypatch, [GPU_NODE], [], evaluation_hosts=0.25)
    assert len(plan.places) == plan.hosts
    trains, answers = plan.actor_options(), plan.actor_options(evaluates=True)
    assert (trains["num_gpus"], answers["num_gpus"]) == (0.75, 0.25)
    assert trains["num_cpus"] + answers["num_cpus"] <= plan.bundle["CPU"]


@pytest.mark.ray
def test_a_launcher_file_on_the_head_tells_what_may_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(ray_compat.cluster_state, "get_cluster_config", lambda: None)
    assert places.autoscaled_nodes() == []
    tree = {
        "max_workers": 6,
        "head_node_type": "head",
        "available_node_types": {
            "head": {"resources": {"CPU": 0}},
            "gpu": {"resources": {"CPU": 8, "GPU": 1}, "max_workers": 4},
        },
    }
    (tmp_path / "ray_bootstrap_config.yaml").write_text(json.dumps(tree), encoding="utf-8")
    assert places.autoscaled_nodes() == [({"CPU": 8, "GPU": 1}, 4)]


def planned(
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[dict[str, float]],
    later: list[tuple[dict[str, float], int]],
    **asked: Any,
) -> places.HostPlan:
    monkeypatch.setattr(places, "_nodes", lambda: nodes)
    monkeypatch.setattr(places, "autoscaled_nodes", lambda: later)
    return places.plan_hosts(**{"device": "auto", "hosts": "auto", "useful": 100, "embedded": False} | asked)


def test_the_address_auto_is_looked_at_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when another search's Ray, which listens on loopback, is found under the machine's own address."""

    def none_here() -> str:  # on this machine there may be one, of another test
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray_compat, "found_address", none_here)
    with pytest.raises(ResourceError, match="no Ray was found for the address auto: Could not find"):
        check_answers("auto")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    monkeypatch.setattr(ray_compat, "found_address", lambda: f"127.0.0.1:{port}")
    with pytest.raises(ResourceError, match=rf"nothing answers at auto \(127.0.0.1:{port}\).*unset RAY_ADDRESS"):
        check_answers("auto")


@pytest.mark.parametrize("address", ["", "local"])
def test_addresses_that_need_no_look(address: str) -> None:
    check_answers(address)


def test_addresses_where_nothing_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_answers(f"127.0.0.1:{port}")
    for address in (f"127.0.0.1:{port}", f"ray://127.0.0.1:{port}", "127.0.0.1:99999"):
        with pytest.raises(ResourceError, match=f"nothing answers at {address}.*is the head up"):
            check_answers(address)
    with pytest.raises(
        ResourceError, match="job server's address, which `raykft submit` takes; this connects to Ray itself: HOST:6379"
    ):
        check_answers("http://127.0.0.1:8265")


@pytest.mark.ray
def test_a_dead_head_is_said_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
    code = f"from raykft.cluster.connect import connect; connect({address!r})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert f"ResourceError: nothing answers at {address}" in done.stderr


@pytest.mark.ray
def test_an_embedded_ray_that_does_not_come_up_is_said_and_ends() -> None:
    code = """
import subprocess, sys, psutil, ray
from raykft.cluster import connect
from raykft.errors import ResourceError
connect.FAREWELL_S = 0.2
def half(_temp_dir, **_):
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)", _temp_dir])
    raise Exception("The current node timed out during startup.")  # as Ray does it, after 30 s
ray.init = half
try:
    connect.connect(None)
except ResourceError as error:
    print(error)
alive = [p for p in psutil.Process().children() if p.status() != psutil.STATUS_ZOMBIE]
print(alive, connect._temp_dirs)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    said, left = done.stdout.splitlines()
    assert said.startswith("cannot start an embedded Ray: The current node timed out during startup; try again")
    assert left == "[] []"


@pytest.mark.ray
def test_another_address_than_the_one_connected_to_is_refused(embedded_ray: None) -> None:
    import ray

    here = ray.get_runtime_context().gcs_address
    port = here.rpartition(":")[2]
    assert connect(None) is False  # as in a notebook: the connection that is there
    assert connect(here) is False
    with pytest.raises(ResourceError, match=f"connected to the Ray cluster at {here}, and 127.0.0.1:1 was asked for"):
        connect("127.0.0.1:1")
    with pytest.raises(ResourceError, match=r"ray.shutdown\(\) first"):
        connect(f"192.0.2.7:{port}")


def test_the_folder_of_an_embedded_ray_is_nobody_elses_and_swept_after_a_kill(tmp_path: Path) -> None:
    import shutil
    import stat

    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    left = [Path("/tmp") / f"{connection.PREFIX}{pid}-test" for pid in (dead.pid, os.getpid())]
    left.append(Path("/tmp") / f"{connection.PREFIX}{dead.pid}-elsewhere")
    for folder, host in zip(left, (socket.gethostname(), socket.gethostname(), "another-container"), strict=True):
        folder.mkdir()
        (folder / connection.OWNER).write_text(host)
    made = Path(connection._short_temp_dir())
    try:
        assert stat.S_IMODE(made.parent.stat().st_mode) == 0o700
        assert str(os.getpid()) in made.parent.name
        assert [folder.exists() for folder in left] == [False, True, True]
    finally:
        connection._temp_dirs.remove(str(made.parent))
        for folder in (made.parent, *left[1:]):
            shutil.rmtree(folder)


@pytest.mark.ray
def test_nothing_of_an_embedded_ray_outlives_it_whatever_died_first() -> None:
    """Agents whose control store is gone wait for it, and nobody ends them."""
    code = """
import psutil, time
from raykft.cluster.connect import connect, disconnect
connect(None)
time.sleep(3)
tree = psutil.Process().children(recursive=True)
(store,) = [p for p in tree if "gcs_server" in " ".join(p.cmdline())]
print("reads logs:", [p.pid for p in tree if "log_monitor" in " ".join(p.cmdline())])
store.kill()
time.sleep(1)
disconnect()
psutil.wait_procs(tree, timeout=5)  # what was killed takes a moment to go
print("left:", [p.cmdline() for p in tree if p.is_running() and p.status() != psutil.STATUS_ZOMBIE])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=120)
    assert "left: []" in done.stdout, done.stdout + done.stderr
    assert "reads logs: []" in done.stdout  # nobody is told what they say
