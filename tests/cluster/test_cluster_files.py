"""The launcher files and Kubernetes manifests: Ray's own validators, and what those let pass."""

from __future__ import annotations

import ast
import copy
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from raykft import __version__

ROOT = Path(__file__).resolve().parents[2]
LOCAL = [ROOT / "cluster.yaml", ROOT / "configs" / "clusters" / "local.yaml"]
CLOUDS = [ROOT / "configs" / "clusters" / f"{name}.yaml" for name in ("aws", "gcp", "azure")]
MANIFESTS = sorted((ROOT / "jobs" / "kuberay").glob("*.yaml"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RAY_VERSION = re.search(r"==([\d.]+)$", next(d for d in PROJECT["dependencies"] if d.startswith("ray[")))[1]  # type: ignore[index]
PROVIDER_KEYS = {
    "local": {"type", "head_ip", "worker_ips"},
    "aws": {"type", "region", "availability_zone", "cache_stopped_nodes"},
    "gcp": {"type", "region", "availability_zone", "project_id"},
    "azure": {"type", "location", "resource_group"},
}
# Where each cloud is asked for a spot machine; a validator does not know it.
SPOT = {
    "aws": lambda node: node.get("InstanceMarketOptions") == {"MarketType": "spot"},
    "gcp": lambda node: node["scheduling"][0].get("provisioningModel") == "SPOT",
    "azure": lambda node: node["azure_arm_parameters"].get("priority") == "Spot",
}


def read(file: Path) -> Any:
    return yaml.safe_load(file.read_text(encoding="utf-8"))


def names(files: list[Path]) -> list[str]:
    return [f"{file.parent.name}-{file.stem}" for file in files]


def commands(tree: dict[str, Any]) -> list[str]:
    keys = ("initialization_commands", "setup_commands", "head_setup_commands")
    return [c for key in (*keys, "head_start_ray_commands", "worker_start_ray_commands") for c in tree.get(key, [])]


def start(tree: dict[str, Any], kind: str) -> str:
    """The one command that starts Ray on the `kind` of node."""
    (found,) = (c for c in tree[f"{kind}_start_ray_commands"] if "ray start" in c)
    return str(found)


@pytest.mark.parametrize("file", [*LOCAL, *CLOUDS], ids=names([*LOCAL, *CLOUDS]))
def test_ray_accepts_the_file(file: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    full = prepare_config(copy.deepcopy(read(file)))
    validate_config(full)
    for name, node in full["available_node_types"].items():
        assert node.get("min_workers", 0) <= node["max_workers"] <= full["max_workers"], name


@pytest.mark.parametrize("file", [*LOCAL, *CLOUDS], ids=names([*LOCAL, *CLOUDS]))
def test_what_every_launcher_file_must_say(file: Path) -> None:
    tree = read(file)
    assert set(tree["provider"]) == PROVIDER_KEYS[tree["provider"]["type"]]
    head = start(tree, "head")
    assert "--dashboard-host=127.0.0.1" in head
    assert "--autoscaling-config=~/ray_bootstrap_config.yaml" in head
    starts = [head] if tree["worker_start_ray_commands"] == [] else [head, start(tree, "worker")]
    for command in starts:
        assert "RAY_AUTH_MODE=token" in command
    assert tree["file_mounts"] == {"~/raykft": ".", "~/.ray/auth_token": "~/.ray/auth_token"}
    installs = [c for c in tree["setup_commands"] if "pip install" in c]
    assert len(installs) == 1
    assert "--constraint ~/raykft/constraints.txt" in installs[0]
    assert "raykft[cluster]" in installs[0]
    assert any("/mnt/shared/runs" in c for c in commands(tree))
    for command in commands(tree):
        shlex.split(command)  # quotes that do not close raise


@pytest.mark.parametrize("file", CLOUDS, ids=names(CLOUDS))
def test_a_clouds_head_takes_no_trials_and_its_gpus_grow_from_none(file: Path) -> None:
    tree = read(file)
    provider = tree["provider"]["type"]
    nodes = dict(tree["available_node_types"])
    head = nodes.pop(tree["head_node_type"])
    assert (head["resources"], head["max_workers"]) == ({"CPU": 0}, 0)
    for name, node in nodes.items():
        assert node["resources"]["GPU"] >= 1
        assert node["resources"]["CPU"] > node["resources"]["GPU"], "trials need a core beside the hosts'"
        assert (node["min_workers"], node["max_workers"] > 0) == (0, True)
        assert SPOT[provider](node["node_config"]) is name.endswith("_spot")
    assert sum(node["max_workers"] for node in nodes.values()) <= tree["max_workers"]
    assert tree["docker"]["image"].startswith(f"rayproject/ray:{RAY_VERSION}-py311")
    assert "--volume=/mnt/shared:/mnt/shared" in tree["docker"]["run_options"]


def test_the_on_premise_head_takes_no_trials() -> None:
    tree = read(LOCAL[0])
    assert {"--num-cpus=0", "--num-gpus=0"} <= set(start(tree, "head").split())
    assert tree["min_workers"] == tree["max_workers"] == len(tree["provider"]["worker_ips"])


def test_the_ray_of_all_files_is_the_projects() -> None:
    (extra,) = PROJECT["optional-dependencies"]["cluster"]
    assert extra.endswith(f"=={RAY_VERSION}")
    assert f"\nray=={RAY_VERSION}\n" in (ROOT / "constraints.txt").read_text()
    assert {cluster_spec(read(file))["rayVersion"] for file in MANIFESTS} == {RAY_VERSION}
    assert f"rayproject/ray:{RAY_VERSION}-py311" in (ROOT / "docs" / "cluster.md").read_text()


def cluster_spec(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]
    return spec.get("rayClusterSpec", spec)


@pytest.mark.parametrize("file", MANIFESTS, ids=names(MANIFESTS))
def test_a_manifest_has_a_token_an_idle_head_and_gpu_workers_on_shared_storage(file: Path) -> None:
    spec = cluster_spec(read(file))
    assert spec["authOptions"] == {"mode": "token"}
    assert spec["enableInTreeAutoscaling"] is True
    assert spec["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0"
    for group in spec["workerGroupSpecs"]:
        assert group["minReplicas"] <= group["replicas"] <= group["maxReplicas"]
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        # KubeRay takes text only; a bare 0 in YAML is refused by the API server.
        assert all(isinstance(value, str) for value in group["rayStartParams"].values())
        pod = group["template"]["spec"]
        (container,) = pod["containers"]
        assert container["image"].endswith(f"/raykft:{__version__}")
        assert container["volumeMounts"] == [{"name": "shared", "mountPath": "/mnt/shared"}]
        assert [v["name"] for v in pod["volumes"]] == ["shared"]
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert limits == requests
        assert ("nvidia.com/gpu" in limits) is (group is not spec["headGroupSpec"])


def test_the_manifests_run_the_job_that_submit_runs() -> None:
    from raykft.cluster.jobs import STOP_VARIABLES

    kinds = {read(file)["kind"]: read(file) for file in MANIFESTS}
    assert set(kinds) == {"RayCluster", "RayJob"}
    assert all(tree["apiVersion"] == "ray.io/v1" for tree in kinds.values())
    job = kinds["RayJob"]["spec"]
    words = shlex.split(job["entrypoint"])
    assert words[:2] == ["exec", "python"]
    assert (ROOT / words[2]).is_file()
    assert yaml.safe_load(job["runtimeEnvYAML"])["env_vars"] == STOP_VARIABLES
    assert job["shutdownAfterJobFinishes"] is True
    assert job["submissionMode"] == "K8sJobMode"
    assert min(job["ttlSecondsAfterFinished"], job["activeDeadlineSeconds"]) > 0


@pytest.mark.parametrize("file", [*LOCAL, *CLOUDS, *MANIFESTS], ids=names([*LOCAL, *CLOUDS, *MANIFESTS]))
def test_no_file_holds_a_secret(file: Path) -> None:
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"hf_[A-Za-z0-9]{8}|AKIA[0-9A-Z]{12}|[0-9a-f]{32}|PRIVATE KEY", text)
    assert not re.search(r"(TOKEN|SECRET|PASSWORD|KEY)\w*=(?!\$\()\S", text), "a value is set in plain text"


@pytest.mark.parametrize("entry", sorted((ROOT / "jobs").glob("*.py")), ids=lambda path: path.stem)
def test_a_job_takes_its_variables_over_before_anything_else(entry: Path) -> None:
    """Whoever does not leaves them in the head's memory, and cannot read a storage that they open."""
    body = ast.parse(entry.read_text(encoding="utf-8")).body
    statements = [node for node in body if not isinstance(node, ast.Import | ast.ImportFrom)][1:]  # after the docstring
    assert ast.unparse(statements[0]) == "receive()"
    assert any(ast.unparse(node) == "from raykft.cluster.secrets import receive" for node in body)
