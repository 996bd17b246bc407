"""Whatever the driver's environment holds, no file of a run holds it: neither the experiment's nor Ray's own."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import load_config
from raykft.paths import ExperimentPaths

pytestmark = [pytest.mark.ray, pytest.mark.spread, pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]
NAMES = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AZURE_STORAGE_CONNECTION_STRING",
    "GOOGLE_APPLICATION_CREDENTIALS_JSON",
    "HF_TOKEN",
    "HUGGING_FACE_HUB_TOKEN",
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "OPENAI_API_KEY",
    "PGPASSWORD",
    "WANDB_API_KEY",
)
# Ray's folder is copied as it is about to be removed; sockets are no files.
DRIVER = """
import os, shutil, stat, sys
from raykft.cluster import connect
from raykft.config import load_config
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts

remove = shutil.rmtree
def keep(directory, *args, **options):
    if connect.PREFIX not in str(directory):
        return remove(directory, *args, **options)
    print("mode", oct(stat.S_IMODE(os.stat(directory).st_mode)), flush=True)
    for folder, _, files in os.walk(directory):
        for file in files:
            path = os.path.join(folder, file)
            if stat.S_ISREG(os.lstat(path).st_mode):
                shutil.copyfile(path, os.path.join(sys.argv[2], path.replace("/", "%")))
    remove(directory, **options)
connect.shutil.rmtree = keep
with fake_hosts():
    tune(load_config(sys.argv[1]))
"""


def secret_of(name: str) -> str:
    return f"planted-{name.lower()}-7c41e9"


def test_twelve_planted_secrets_are_in_no_file_of_a_run(tmp_path: Path) -> None:
    tree = experiment_tree(tmp_path, "fake:0.05")
    space = {"train.learning_rate": {"log": [1e-4, 1e-2]}}
    tree["search"] = {"race": False, "trials": 2, "startup_trials": 1, "space": space}
    tree["evaluate"] = {"report_top": 1, "baselines": []}
    tree["logging"] = ["tensorboard", "prometheus"]
    config = write_config(tmp_path / "c.yaml", tree)
    ray_files = tmp_path / "ray"
    ray_files.mkdir()
    environment = {k: v for k, v in os.environ.items() if not k.startswith("RAY_ADDRESS")}
    environment |= {name: secret_of(name) for name in NAMES}
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, str(config), str(ray_files)],
        cwd=ROOT, env=environment, capture_output=True, timeout=200, check=False,
    )  # fmt: skip
    said = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, said
    assert "mode 0o700" in said
    paths = ExperimentPaths(load_config(config).directory)
    mine = [file for file in paths.root.rglob("*") if file.is_file()]
    rays = [file for file in ray_files.iterdir() if file.is_file()]
    assert len(mine) > 20
    assert any("raylet" in file.name for file in rays)
    assert any("worker-" in file.name for file in rays)
    for name in NAMES:
        secret = secret_of(name)
        assert secret not in said
        assert [str(file) for file in (*mine, *rays) if secret.encode() in file.read_bytes()] == []
    assert [str(file) for file in mine if stat.S_IMODE(file.stat().st_mode) & stat.S_IWOTH] == []
