"""Experiments as Ray jobs: what is sent, what is refused, and one real job server with token authentication."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import requests
from tests_support import experiment_tree, write_config

from raykft.cluster import jobs
from raykft.config import dump_yaml, load_config
from raykft.data.domain import load_domain
from raykft.errors import ConfigError, DataError, ModelError, ResourceError
from raykft.leaderboard.status import experiment_status
from raykft.paths import ExperimentPaths, append_jsonl
from raykft.records import TrialStatus
from raykft.trial import Trial, write_result, write_trial_config

TOKEN = "planted-cluster-token-5f2c9e"
SECRET = "hf_planted-secret-81d07b"
needs_job_client = pytest.mark.skipif(
    find_spec("aiohttp") is None, reason="Ray's job client is not installed: pip install 'raykft[cluster]'"
)
needs_job_server = pytest.mark.skipif(
    find_spec("aiohttp") is None or find_spec("opencensus") is None,
    reason="Ray's job server is not installed: pip install 'raykft[cluster]'",
)


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    return experiment_tree(tmp_path / "shared", "org/model")


def config_of(tmp_path: Path, tree: dict[str, Any]) -> Any:
    return load_config(write_config(tmp_path / "c.yaml", tree))


def test_only_named_variables_are_forwarded(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*jobs.FORWARDED, "MINE", "OTHER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("MINE", "1")
    monkeypatch.setenv("OTHER", "2")
    assert jobs.forwarded_environment(["MINE"]) == {"HF_TOKEN": SECRET, "MINE": "1"}
    with pytest.raises(ConfigError, match="GONE: this variable is not set"):
        jobs.forwarded_environment(["GONE"])
    with pytest.raises(ConfigError, match="give the name only") as error:
        jobs.forwarded_environment([f"HF_TOKEN={SECRET}"])
    assert SECRET not in str(error.value)


@pytest.mark.parametrize(
    ("changes", "kind", "fragments"),
    [
        ({"storage_path": "runs"}, ConfigError, ["'runs' is relative", "--set storage_path="]),
        ({"base_model": "/models/llama"}, ModelError, ["/models/llama", "--shared", "hub id"]),
        ({"base_model": "./llama"}, ModelError, ["/llama' is a path", "--shared"]),
        ({"data.facts": "/nowhere/facts.jsonl"}, DataError, ["data.facts", "/nowhere/facts.jsonl", "--shared"]),
        ({"data.train": "/nowhere/t.jsonl"}, DataError, ["data.train.path", "/nowhere/t.jsonl"]),
    ],
)
def test_what_the_cluster_could_not_find_is_refused(
    tmp_path: Path, tree: dict[str, Any], changes: dict[str, str], kind: type[Exception], fragments: list[str]
) -> None:
    for dotted, value in changes.items():
        section, _, key = dotted.rpartition(".")
        (tree[section] if section else tree)[key] = value
    with pytest.raises(kind) as error:
        jobs.pack(config_of(tmp_path, tree))
    for fragment in fragments:
        assert fragment in str(error.value)


def test_large_data_is_refused_with_both_ways_out(
    tmp_path: Path, tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "MAX_UPLOAD_BYTES", 1000)
    with pytest.raises(DataError, match=r"--shared DIR.*hub"):
        jobs.pack(config_of(tmp_path, tree))


def test_files_on_shared_storage_stay_where_they_are(tmp_path: Path, tree: dict[str, Any]) -> None:
    mounted = tmp_path / "mounted"
    tree["base_model"] = str(mounted / "model")
    tree["data"]["facts"] = str(mounted / "facts.jsonl")
    tree["data"]["probes"] = str(Path(tree["storage_path"]) / "probes.jsonl")
    tree["data"]["train"] = {"hub": "org/rows"}
    bundle = jobs.pack(config_of(tmp_path, tree), [mounted])
    assert bundle.config.data.facts == str(mounted / "facts.jsonl")
    assert bundle.config.base_model == str(mounted / "model")
    assert {path.name for path in bundle.uploads} == {"distractors.jsonl", "general.jsonl", "passages.jsonl"}


def test_a_bundle_unpacks_to_the_same_data_and_the_same_experiment_again(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["resources"] = {"address": "ray://elsewhere"}
    config = config_of(tmp_path, tree)
    bundle = jobs.pack(config)
    assert bundle.config.resources.address is None
    assert jobs.pack(config).config.identity() == bundle.config.identity()
    folder = tmp_path / "job"
    folder.mkdir()
    jobs._write_bundle(bundle, jobs.ENTRIES / "tune.py", folder)
    for _ in range(2):
        unpacked = load_config(jobs.unpack(folder / jobs.CONFIG_FILE))
    assert unpacked.identity() == bundle.config.identity()
    assert load_domain(unpacked).counts() == load_domain(config).counts()
    stored = Path(tree["storage_path"]) / jobs.STORED_INPUTS
    assert all(Path(path).is_relative_to(stored) for path in (unpacked.data.facts, unpacked.data.train.path or ""))
    assert not list(stored.rglob(".*")), "a partial copy was left behind"


def test_where_the_storage_is_a_url_data_lies_on_the_head_and_is_checked(
    tmp_path: Path, tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch, cache: Path
) -> None:
    monkeypatch.setattr(jobs, "HEAD_INPUTS", tmp_path / "head")
    tree["storage_path"] = f"file://{tmp_path}/store"
    config = config_of(tmp_path, tree)
    bundle = jobs.pack(config)
    assert bundle.config.storage_path == tree["storage_path"]
    folder = tmp_path / "job"
    folder.mkdir()
    jobs._write_bundle(bundle, jobs.ENTRIES / "tune.py", folder)
    unpacked = load_config(jobs.unpack(folder / jobs.CONFIG_FILE))
    facts = Path(unpacked.data.facts)
    assert facts.is_relative_to(tmp_path / "head")
    facts.write_text("another's facts\n", encoding="utf-8")
    jobs.unpack(folder / jobs.CONFIG_FILE)
    assert load_domain(unpacked).counts() == load_domain(config).counts()


def test_two_files_of_one_name_do_not_meet(tmp_path: Path, tree: dict[str, Any]) -> None:
    for field in ("facts", "probes"):
        source = load_config(write_config(tmp_path / "c.yaml", tree)).data
        copy = tmp_path / field / "data.jsonl"
        copy.parent.mkdir()
        copy.write_bytes(Path(getattr(source, field)).read_bytes())
        tree["data"][field] = str(copy)
    bundle = jobs.pack(config_of(tmp_path, tree))
    assert bundle.config.data.facts != bundle.config.data.probes


def test_the_entries_are_short_and_the_uploaded_folder_holds_no_environment(
    tmp_path: Path, tree: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    bundle = jobs.pack(config_of(tmp_path, tree))
    for job in jobs.JOBS:
        entry = jobs.ENTRIES / f"{job}.py"
        assert len(entry.read_text().splitlines()) <= 40
        folder = tmp_path / job
        folder.mkdir()
        jobs._write_bundle(bundle, entry, folder)
        assert holders_of(SECRET, folder) == []
        assert {path.name for path in folder.iterdir()} == {"jobs", jobs.INPUTS, jobs.CONFIG_FILE}


def test_status_of_a_directory_comes_from_its_files(tmp_path: Path, tree: dict[str, Any]) -> None:
    config = config_of(tmp_path, tree)
    paths = ExperimentPaths(config.directory)
    paths.root.mkdir(parents=True)
    paths.config.write_text(dump_yaml(config))
    assert experiment_status(paths.root) == ["test: 0 of 2 trials ended"]
    stopped, running = (Trial(name, {}, paths.trial(name)) for name in ("t000", "t001"))
    for trial in (stopped, running):
        write_trial_config(trial, config)
    append_jsonl(running.paths.metrics, {"epoch": 1, "epochs": 2, "seconds": 1.0, "tokens": 5})
    write_result(stopped, {"epoch": 2}, TrialStatus.STOPPED, reason="poor")
    head, line = experiment_status(paths.root)
    assert head == "test: 1 of 2 trials ended (1 stopped, 1 running)"
    assert re.fullmatch(r"  t001: epoch 1 of 2, last report \d s ago", line)


# --- a job server that is not there, or not as expected


class _Answers(BaseHTTPRequestHandler):
    """Answers every GET with `status` and `body`."""

    status, body = 200, "{}"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.body.encode())

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def serve() -> Iterator[Any]:
    servers = []

    def start(status: int, body: str) -> str:
        handler = type("Handler", (_Answers,), {"status": status, "body": body})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize("address", ["head:8265", "ray://head:10001", "auto", ""])
def test_an_address_that_is_no_job_server_is_refused_with_an_example(address: str) -> None:
    with pytest.raises(ConfigError, match=r"http://head:8265"):
        jobs.job_status(address, "x")


@needs_job_client
@pytest.mark.parametrize(
    ("status", "body", "fragments"),
    [
        (200, json.dumps({"ray_version": "2.41.0"}), ["Ray 2.41.0", "2.60.0", "must be equal"]),
        (200, "<html>", ["no job server answers"]),
        (200, "{}", ["is no Ray job server", "8265"]),
        (500, "broken", ["no job server answers"]),
        (404, "", ["404"]),
        (401, "Unauthorized", ["asks for a token", "RAY_AUTH_TOKEN_PATH"]),
        (403, "Forbidden", ["refused the token"]),
    ],
)
def test_every_wrong_answer_says_what_to_do(serve: Any, status: int, body: str, fragments: list[str]) -> None:
    with pytest.raises(ResourceError) as error:
        jobs.job_status(serve(status, body), "x")
    for fragment in fragments:
        assert fragment in str(error.value)


@needs_job_client
def test_nobody_waits_long_for_a_dead_or_silent_head(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "ANSWER_S", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        started = time.monotonic()
        with pytest.raises(ResourceError, match="no job server answers at"):
            jobs.job_status(f"http://127.0.0.1:{port}", "x")
    with pytest.raises(ResourceError, match=f"127.0.0.1:{port}.*ssh -L"):
        jobs.stop(f"http://127.0.0.1:{port}", "x")
    assert time.monotonic() - started < 5


@needs_job_client
def test_the_given_address_wins_over_rays_variables(serve: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "http://127.0.0.1:9")
    with pytest.raises(ResourceError, match="2.41.0"):
        jobs.job_status(serve(200, json.dumps({"ray_version": "2.41.0"})), "x")
    assert os.environ["RAY_ADDRESS"] == "http://127.0.0.1:9"
    assert "RAY_API_SERVER_ADDRESS" not in os.environ


def test_the_token_comes_from_where_ray_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert jobs._token() is None
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("from-home\n")
    assert jobs._token() == "from-home"
    monkeypatch.setenv("RAY_AUTH_TOKEN_PATH", str(tmp_path / "none"))
    with pytest.raises(ResourceError, match="RAY_AUTH_TOKEN_PATH: cannot read"):
        jobs._token()
    monkeypatch.setenv("RAY_AUTH_TOKEN", TOKEN)
    assert jobs._token() == TOKEN
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    assert jobs._token() is None


# --- a real one


class Head:
    """`ray start --head` in a process of its own, on loopback, asking for a token."""

    def __init__(self, temp_dir: Path, environment: dict[str, str]) -> None:
        ports = free_ports(6)
        names = ("port", "dashboard-port", "dashboard-agent-listen-port", "ray-client-server-port")
        names = (*names, "dashboard-agent-grpc-port", "metrics-export-port")
        self.temp_dir = temp_dir
        self.address = f"http://127.0.0.1:{ports[1]}"
        settings = {"node-ip-address": "127.0.0.1", "dashboard-host": "127.0.0.1", "temp-dir": temp_dir}
        settings |= {"num-cpus": 2, "num-gpus": 0, "object-store-memory": 100 << 20}
        settings |= dict(zip(names, ports, strict=True))
        options = [f"--{name}={value}" for name, value in settings.items()]
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", *options]
        self._log = temp_dir / "start.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*command, "--disable-usage-stats"], env=environment, stdout=log, stderr=subprocess.STDOUT
            )

    def wait_until_ready(self, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            try:
                jobs.job_status(self.address, "none")
            except ResourceError as error:
                if "does not exist" in str(error):
                    return
                if time.monotonic() > deadline or self._process.poll() is not None:
                    raise AssertionError(f"no job server: {error}\n{self._log.read_text()}") from error
                time.sleep(0.5)

    def end(self) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def holders_of(text: str, root: Path) -> list[Path]:
    """The files beneath `root` that contain `text`."""
    return [p for p in root.rglob("*") if p.is_file() and not p.is_symlink() and text.encode() in p.read_bytes()]


@pytest.fixture
def token_environment(tmp_path: Path, cache: Path) -> dict[str, str]:
    wanted = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": TOKEN, "HF_TOKEN": SECRET, "HOME": str(tmp_path / "home")}
    dropped = ("RAY_ADDRESS", "RAY_AUTH_TOKEN_PATH")
    return {k: v for k, v in os.environ.items() if k not in dropped} | wanted


@pytest.fixture
def head(tmp_path: Path, token_environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    (tmp_path / "home").mkdir()
    for name in ("RAY_AUTH_MODE", "RAY_AUTH_TOKEN"):
        monkeypatch.setenv(name, token_environment[name])
    # Unix socket paths may be no longer than ~107 characters.
    with tempfile.TemporaryDirectory(prefix="rk-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        started = Head(Path(folder), {k: v for k, v in token_environment.items() if k != "HF_TOKEN"})
        try:
            started.wait_until_ready(60)
            yield started
        finally:
            started.end()


def raykft(environment: dict[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    code = f"import sys; from raykft.cli import main; sys.argv = {['raykft', *map(str, arguments)]!r}; main()"
    return subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=150, check=False
    )


PROBE = """
import hashlib, os, sys
from raykft.cluster.secrets import receive

receive()
import ray

def digest():
    return hashlib.sha256(os.environ["HF_TOKEN"].encode()).hexdigest()

ray.init()
print("driver", digest())
print("worker", ray.get(ray.remote(num_cpus=1)(digest).remote()))
sys.exit(int(sys.argv[2]))
"""


@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.filterwarnings("ignore:ssl=None is deprecated:DeprecationWarning")  # Ray's client, with a newer aiohttp
@needs_job_server
def test_jobs_end_stop_and_continue_with_no_secret_in_any_file(
    head: Head,
    tmp_path: Path,
    experiment: dict[str, Any],
    tiny_model_dir: Path,
    token_environment: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One head for all: variables and exit code of a small job; a long search that is stopped, then continued."""
    monkeypatch.setenv("HF_TOKEN", SECRET)
    experiment["resources"] = {"hosts": 1, "slots_per_host": 1}
    experiment["search"]["scheduler"] = "none"
    experiment["evaluate"] = {"baselines": []}
    file = write_config(tmp_path / "c.yaml", experiment)
    directory = Path(experiment["storage_path"]) / "test"
    where: dict[str, Any] = {"shared": [tiny_model_dir], "python": sys.executable}

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "ENTRIES", tmp_path)
        (tmp_path / "tune.py").write_text(PROBE)
        log: list[str] = []
        probe = jobs.submit(load_config(file), head.address, arguments=["7"], **where)
        assert jobs.follow(head.address, probe, log.append) == 7
    digest = hashlib.sha256(SECRET.encode()).hexdigest()
    assert {f"driver {digest}", f"worker {digest}"} <= set("".join(log).splitlines())

    job = jobs.submit(load_config(file, ["search.trials=500"]), head.address, **where)
    deadline = time.monotonic() + 300  # on a busy machine
    while not list(directory.glob("trials/*/result.json")):
        told = jobs.job_status(head.address, job)
        assert not told.ended, told
        assert time.monotonic() < deadline, told
        time.sleep(0.3)
    stopped = jobs.stop(head.address, job)
    assert (stopped.status, stopped.directory) == ("STOPPED", str(directory))
    assert (directory / "leaderboard.json").is_file(), "the driver was killed before it could end"

    results = [json.loads(path.read_text()) for path in directory.glob("trials/*/result.json")]
    total = len([r for r in results if TrialStatus(r["status"]).finished]) + 1
    options = ["--address", head.address, "--shared", tiny_model_dir, "--python", sys.executable, "--follow"]
    again = raykft(token_environment, "submit", file, *options, "--", "--set", f"search.trials={total}")
    assert again.returncode == 0, again.stdout + again.stderr
    assert "winner:" in again.stdout
    assert experiment_status(directory)[0].startswith(f"test: {total} of {total} trials ended")

    for secret in (SECRET, TOKEN):
        assert holders_of(secret, directory.parent) == []
        assert holders_of(secret, head.temp_dir) == []
        assert secret not in again.stdout + again.stderr + "".join(log)
    record = requests.get(f"{head.address}/api/jobs/", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=10)
    assert job in record.text
    assert SECRET not in record.text
    monkeypatch.setenv("RAY_AUTH_TOKEN", "a guess")
    with pytest.raises(ResourceError, match="refused the token"):
        jobs.job_status(head.address, job)
