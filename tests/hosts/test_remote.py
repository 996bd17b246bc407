"""Calls to actors: they wait as long as it takes, and for nobody where all nodes are gone."""

from __future__ import annotations

import time
from typing import Any

import pytest
import ray

from raykft.cluster import places
from raykft.errors import ResourceError
from raykft.hosts import remote


def slow() -> str:
    time.sleep(1.0)
    return "done"


def test_a_call_outlasts_many_looks(embedded_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []
    monkeypatch.setattr(remote, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(remote, "check_nodes", lambda: looks.append(len(looks)))
    assert remote.get(ray.remote(slow).remote()) == "done"
    assert looks


def test_a_call_ends_with_the_last_node(embedded_ray: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "LOOK_SECONDS", 0.05)
    task = ray.remote(slow).remote()
    remote.get(ray.remote(slow).remote())  # with a node that lives

    def nodes() -> list[dict[str, Any]]:
        return [{"Alive": False}, {"Alive": False}]

    monkeypatch.setattr(ray, "nodes", nodes)
    with pytest.raises(ResourceError, match="`raykft resume` goes on"):
        remote.get([task, ray.remote(slow).remote()])
    monkeypatch.setattr(ray, "nodes", lambda: [*nodes(), {"Alive": True}])
    places.check_nodes()
