"""What may be imported before Ray's environment is set."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

RUNS = ("raykft.search.driver", "raykft.search.adapter", "raykft.search.confirm", "raykft.cli")


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
from raykft import cluster
assert cluster.connect(None)
import ray
assert ray.get(ray.remote(lambda: 7).remote()) == 7
cluster.disconnect()
"""
    bare = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    done = subprocess.run([sys.executable, "-c", code], env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
