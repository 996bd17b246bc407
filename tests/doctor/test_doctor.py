"""`raykft doctor`: what each finding means, on this machine and on every node of a cluster; no secret is shown."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support import experiment_tree, write_config

from raykft.config import ExperimentConfig, validate
from raykft.doctor.nodes import (
    GIB,
    PACKAGES,
    Check,
    Request,
    _folder,
    _judge_config,
    _judge_folder,
    _leave_marker,
    _remove_marker,
    _storage,
    _unreachable,
    checks_json,
    diagnose,
    failed,
    inspect_node,
    judge,
    model_problem,
    render_checks,
    versions,
)
from raykft.doctor.speed import render_measurement
from raykft.models.shape import shape_of
from raykft.planning.fitting import Machine
from raykft.search import extras

SECRET = "hf_neverShowThisToken"
FOLDER = {"path": "/there", "free_bytes": 50 * GIB, "problem": ""}
GPU = {"name": "NVIDIA H100", "free_bytes": 79 * GIB, "total_bytes": 80 * GIB}
RATES = {"fp32_gflops": 90.0, "bf16_gflops": 195.0, "chosen": "bf16"}
DEVICE = {"cuda": None, "driver": "", "gpus": [], "quantization": "", "compute": RATES}
WANTED = {"raykft": "1", "python": "3.11", **dict.fromkeys(PACKAGES, "2")}
WELL: dict[str, Any] = {
    "versions": WANTED,
    "device": DEVICE,
    "memory_bytes": 20 * GIB,
    "cache": FOLDER,
    "storage": FOLDER | {"shared": True},
    "model": "",
    "token": True,
}
HUB = "'org/model' is not in the Hugging Face cache here"


def config_of(tmp_path: Path, **change: Any) -> ExperimentConfig:
    return validate(experiment_tree(tmp_path, "org/model") | change, "test")


def judged(facts: dict[str, Any], config: ExperimentConfig | None, **more: Any) -> dict[str, Check]:
    settings = {"skew_s": 0.0, "gpus": 0.0} | more
    return {check.name: check for check in judge("n1", WELL | facts, WANTED, config, **settings)}


def shown(renderable: Any) -> str:
    console = Console(width=240)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_a_node_that_lacks_nothing(tmp_path: Path) -> None:
    checks = judged({}, config_of(tmp_path))
    names = ["versions", "GPU", "bitsandbytes", "compute type", "free memory", "cache", "storage"]
    names += ["base model", "HF token", "clock"]
    assert list(checks) == names
    assert {check.status for check in checks.values()} == {"ok"}
    assert not any(check.step for check in checks.values())
    assert not failed(list(checks.values()))


@pytest.mark.parametrize(
    ("facts", "more", "name", "status", "fragments"),
    [
        ({"versions": WANTED | {"torch": "1"}}, {}, "versions", "fail", ["torch 1 (driver: 2)", "constraints.txt"]),
        ({"versions": WANTED | {"peft": ""}}, {}, "versions", "fail", ["not installed: peft", "pip install"]),
        ({}, {"gpus": 2.0}, "GPU", "fail", ["counts 2 GPU(s), torch sees none", "built without CUDA"]),
        ({"device": DEVICE | {"cuda": "12.8"}}, {"gpus": 1.0}, "GPU", "fail", ["CUDA 12.8", "nvidia-smi"]),
        ({"device": DEVICE | {"gpus": [GPU], "cuda": "12.8", "driver": "570.1"}}, {"gpus": 1.0}, "GPU", "ok",
         ["NVIDIA H100 79.0 of 80.0 GiB free", "CUDA 12.8", "driver 570.1"]),
        ({"device": DEVICE | {"quantization": "NF4 on cpu: OSError"}}, {}, "bitsandbytes", "fail", ["OSError", "pip"]),
        ({"memory_bytes": GIB}, {}, "free memory", "warn", ["1.0 GiB", "raykft plan"]),
        ({"cache": FOLDER | {"free_bytes": 5 * GIB}}, {}, "cache", "warn", ["5.0 GiB free", "RAYKFT_CACHE"]),
        ({"cache": FOLDER | {"free_bytes": GIB // 2}}, {}, "cache", "fail", ["0.5 GiB free"]),
        ({"storage": FOLDER | {"problem": "Read-only file system", "shared": True}}, {}, "storage", "fail",
         ["cannot be written: Read-only file system", "--set storage_path"]),
        ({"storage": FOLDER | {"shared": False}}, {}, "shared storage", "fail", ["does not see", "mount"]),
        ({"model": HUB}, {}, "base model", "warn", ["the first run downloads it"]),
        ({"model": HUB, "token": False}, {}, "HF token", "warn", ["HF_TOKEN", "hf auth login"]),
        ({"model": "base_model 'package:x' is not installed; run: pip install x"}, {}, "base model", "fail",
         ["pip install x"]),
        ({}, {"skew_s": 60.0}, "clock", "warn", ["off by 60.0 s", "chrony"]),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_the_next_step(
    tmp_path: Path, facts: dict[str, Any], more: dict[str, Any], name: str, status: str, fragments: list[str]
) -> None:
    checks = judged(facts, config_of(tmp_path), **more)
    assert checks[name].status == status
    text = f"{checks[name].detail} {checks[name].step}"
    assert all(fragment in text for fragment in fragments)
    assert bool(checks[name].step) == (status != "ok")
    assert failed(list(checks.values())) == (status == "fail")


def test_offline_a_missing_hub_model_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert judged({"model": HUB}, config_of(tmp_path))["base model"].status == "warn"
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert judged({"model": HUB}, config_of(tmp_path))["base model"].status == "fail"


@pytest.fixture(autouse=True)
def _online(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is judged here is not what this machine's environment says; nothing is ever looked up in a network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")


def test_cuda_that_nothing_offers(tmp_path: Path) -> None:
    check = judged({}, config_of(tmp_path, resources={"device": "cuda"}))["GPU"]
    assert (check.status, check.step) == ("warn", "use nodes with GPUs, or resources.device auto")


def test_other_machines_cannot_write_to_the_terminal() -> None:
    text = shown(render_checks([Check("evil\x1b[2J", "x", "fail", "[red]a\x07b[/red]", "step")]))
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "[red]a b[/red]" in text


def test_a_node_that_cannot_run_a_task() -> None:
    check = _unreachable("n2", RuntimeError("Traceback\n  ...\nModuleNotFoundError: No module named 'raykft'\n"))
    assert check.status == "fail"
    assert check.detail == "RuntimeError: ModuleNotFoundError: No module named 'raykft'"
    assert "pip install raykft" in check.step


def test_folders_are_tried_and_left_as_they_were(tmp_path: Path) -> None:
    found = _folder(tmp_path / "not" / "there")
    assert found["problem"] == ""
    assert found["free_bytes"] > 0
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").touch()
    assert _folder(tmp_path / "file")["problem"] == "Not a directory"


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))
    return f"file://{tmp_path}/store"


def test_a_storage_elsewhere_is_tried_and_left_as_it_was(tmp_path: Path, bucket: str) -> None:
    found = _storage(Request(storage=bucket))
    assert found == {"path": bucket, "free_bytes": None, "problem": "", "shared": True}
    assert [file for file in (tmp_path / "store").rglob("*") if file.is_file()] == []
    assert _judge_folder("n1", "storage", found, "").status == "ok"


def test_a_node_that_does_not_see_what_the_driver_left_in_a_storage(tmp_path: Path, bucket: str) -> None:
    marker = _leave_marker(bucket)
    assert _storage(Request(storage=bucket, marker=marker))["shared"]
    assert not _storage(Request(storage=f"file://{tmp_path}/another", marker=marker))["shared"]
    _remove_marker(bucket, marker)
    assert not _storage(Request(storage=bucket, marker=marker))["shared"]


def test_a_storage_elsewhere_that_cannot_be_written(
    tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("raykft.storage.mirror.PAUSES_S", ())
    (tmp_path / "store").touch()  # no folder
    assert _leave_marker(bucket) == ""
    found = _storage(Request(storage=bucket, marker="any"))
    assert bucket in found["problem"]
    assert found["shared"]  # one complaint is enough
    assert _judge_folder("n1", "storage", found, "").status == "fail"


@pytest.mark.parametrize(
    ("name", "fragment"),
    [
        ("package:no-such-model", "pip install no-such-model"),
        ("./no/such/dir", "no such directory"),
        ("no/such.gguf", "no such .gguf file"),
        ("org/model", "not in the Hugging Face cache"),
    ],
)
def test_models_that_are_not_there(name: str, fragment: str) -> None:
    assert fragment in model_problem(name)


@pytest.mark.torch
def test_a_token_is_noticed_and_never_shown(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, cache: Path) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", os.environ.get("CUDA_VISIBLE_DEVICES", "0"))
    monkeypatch.setenv("HF_TOKEN", SECRET)
    facts = inspect_node(Request("org/model", str(tmp_path)))
    assert facts["token"] is True
    assert facts["device"]["quantization"] == ""
    assert facts["versions"] == versions()
    text = shown(render_checks(list(judge("n", facts, versions(), config_of(tmp_path), skew_s=0.0, gpus=0.0))))
    assert "HF token" in text
    assert SECRET not in text + json.dumps(facts)


def test_what_an_experiment_lacks_is_said_before_nodes_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not list(_judge_config(config_of(tmp_path)))
    search = {"searcher": "nsga2", "trials": 2, "space": {"adapter.rank": {"choice": [2, 4]}}}
    monkeypatch.setattr(extras, "find_spec", lambda name: None)
    caution, missing = _judge_config(config_of(tmp_path, search=search, logging=["mlflow"]))
    assert (caution.status, missing.status) == ("warn", "fail")
    assert "nsga2 is made for several objectives" in caution.detail
    assert "needs the package mlflow" in missing.detail
    assert missing.step.startswith("pip install 'raykft[mlflow]'")


@pytest.mark.torch
def test_the_measurement_names_its_model_line_and_memory(tiny_model_dir: Path) -> None:
    from raykft.train.measure import Measurement, StepTime

    steps = (StepTime(1, 100, 0.2), StepTime(2, 300, 0.4))
    measured = Measurement("tiny", "cpu", "the CPU", shape_of(str(tiny_model_dir)), steps, 700 << 20)
    text = shown(
        render_measurement(measured, Machine(2, 1 << 34, False), "next: x", quantization="nf4", residency="auto")
    )
    assert "tiny on the CPU, rank 16, all-linear, one thread" in text
    assert "t(T) = 0.100 s + 1.000 ms x T, off by 0% at most" in text
    assert "400 tokens a step reach 80% of the fastest rate" in text
    assert "600 libraries" in text
    assert "measured 700" in text
    slower = dataclasses.replace(measured, steps=(*steps, StepTime(4, 600, 1.4)))
    assert "off by 0%" not in shown(
        render_measurement(slower, Machine(2, 1 << 34, False), "", quantization="nf4", residency="auto")
    )


@pytest.mark.ray
def test_this_machine(embedded_ray: None, tmp_path: Path, tiny_model_dir: Path) -> None:
    import torch

    config = validate(experiment_tree(tmp_path, str(tiny_model_dir)), "test")
    checks = {check.name: check for check in diagnose(config)}
    assert {"versions", "GPU", "bitsandbytes", "free memory", "cache", "storage", "base model", "clock"} <= set(checks)
    rates = checks_json(list(checks.values()))["compute"]
    assert rates["chosen"] == ("bf16" if rates["bf16_gflops"] > rates["fp32_gflops"] else "fp32")
    assert checks["base model"].detail == str(tiny_model_dir)
    assert checks["versions"].status == checks["bitsandbytes"].status == checks["clock"].status == "ok"
    assert not config.directory.exists()
    wanting = validate(experiment_tree(tmp_path, str(tiny_model_dir)) | {"resources": {"device": "cuda"}}, "test")
    anywhere = [check.status for check in diagnose(wanting) if check.node == "all nodes"]
    assert anywhere == ([] if torch.cuda.is_available() else ["fail"])


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.ray
def test_every_node_of_a_cluster_is_asked(tmp_path: Path, tiny_model_dir: Path, cache: Path) -> None:
    """One node has no CPU to spare, as during a search, and counts GPUs that are not there."""
    import torch

    config = write_config(tmp_path / "c.yaml", experiment_tree(tmp_path, str(tiny_model_dir)))
    code = f"""
import json, os, dataclasses
os.makedirs("/tmp/ray", exist_ok=True)
from ray.cluster_utils import Cluster
settings = {{"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}}
cluster = Cluster(initialize_head=True, head_node_args=settings)
try:
    cluster.add_node(num_cpus=0, num_gpus=64, object_store_memory=100 << 20)
    from raykft.config import load_config
    from raykft.doctor.nodes import checks_json, diagnose
    checks = diagnose(load_config({str(config)!r}), cluster.address)
finally:
    cluster.shutdown()
print(json.dumps([dataclasses.asdict(check) for check in checks]))
"""
    environment = os.environ | {"HF_TOKEN": SECRET}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    checks = json.loads(done.stdout.splitlines()[-1])
    nodes = {check["node"] for check in checks}
    assert len(nodes) == 2
    for node in nodes:
        names = {c["name"] for c in checks if c["node"] == node}
        assert {"versions", "GPU", "storage", "base model", "HF token", "clock"} <= names
    counted = [c for c in checks if c["name"] == "GPU" and "Ray counts 64 GPU(s), torch sees none" in c["detail"]]
    assert [c["status"] for c in counted] == ([] if torch.cuda.is_available() else ["fail"])
    assert not [c for c in checks if c["name"] == "shared storage"]
    assert not list(tmp_path.glob(".raykft-doctor-*"))
    assert SECRET not in done.stdout + done.stderr
