"""Starting an embedded Ray."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from raykft import cluster
from raykft.errors import ResourceError


@pytest.fixture
def starts(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Whether the next starts of Ray succeed; a fake stands in, for a lost race for a port cannot be staged."""
    outcomes: list[bool] = []

    def init(**settings: Any) -> None:
        if not outcomes.pop(0):
            raise RuntimeError("Failed to start GCS")

    monkeypatch.setitem(sys.modules, "ray", SimpleNamespace(init=init, shutdown=lambda: None))
    return outcomes


def test_a_lost_race_for_a_port_is_tried_again(starts: list[bool]) -> None:
    starts += [False, True]
    cluster._init({"address": "local"}, attempts=2)
    assert not starts


def test_ray_that_does_not_start_is_one_clear_error(starts: list[bool]) -> None:
    starts += [False, False, True]
    with pytest.raises(ResourceError, match="an embedded Ray: Failed to start GCS"):
        cluster._init({"address": "local"}, attempts=2)
    assert starts == [True]


def test_a_cluster_is_asked_once(starts: list[bool]) -> None:
    starts += [False, True]
    with pytest.raises(ResourceError, match="ray://head:10001"):
        cluster._init({"address": "ray://head:10001"}, attempts=1)
    assert starts == [True]
