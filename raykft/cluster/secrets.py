"""Environment variables of a job, such as HF_TOKEN, on a way on which Ray writes them down nowhere.

Variables in a runtime environment end up in plain text in the log files of every node and in the answers of the job
server. These are kept in the memory of the head's control store instead, under a random key that only the job knows;
every process of the job fetches them as it starts, and the driver deletes them as it ends.
"""

from __future__ import annotations

import atexit
import json
import os
import secrets
from typing import Any

from raykft.cluster import ray_compat
from raykft.errors import ResourceError

KEY_VARIABLE = "RAYKFT_ENVIRONMENT_KEY"
HOOK = "raykft.cluster.secrets.receive_in_worker"
ANSWER_S = 10


def hand_over(client: Any, variables: dict[str, str]) -> dict[str, Any]:
    """Leave `variables` with the cluster of a job client; returns what its job's runtime environment needs for them."""
    if not variables:
        return {"env_vars": {}}
    name = f"raykft_environment_{secrets.token_hex(16)}.zip"
    status = ray_compat.upload(client, name, json.dumps(variables).encode())
    if status != 200:
        raise ResourceError(f"the cluster did not take the environment variables (HTTP {status})")
    return {"env_vars": {KEY_VARIABLE: f"gcs://{name}"}, "worker_process_setup_hook": HOOK}


def receive() -> None:
    """In a job's driver, before it starts Ray: set the variables that were handed over, and delete them at its end."""
    if key := os.environ.get(KEY_VARIABLE):
        store = ray_compat.GcsClient(address=os.environ["RAY_ADDRESS"])
        _adopt(store.internal_kv_get(key.encode(), None, ANSWER_S))
        atexit.register(store.internal_kv_del, key.encode(), False, None, ANSWER_S)


def receive_in_worker() -> None:
    """What Ray runs in every new worker of the job."""
    _adopt(ray_compat.internal_kv_get(os.environ[KEY_VARIABLE]))


def _adopt(value: bytes | None) -> None:
    if value is None:
        raise ResourceError("the job's environment variables are gone from the cluster; submit the job again")
    os.environ.update(json.loads(value))
