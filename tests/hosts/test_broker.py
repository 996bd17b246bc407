"""The broker by itself: which hosts are up, and what is said when none is. No Ray cluster, only coroutines."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from raykft.errors import LostError, ResourceError
from raykft.hosts import broker
from raykft.hosts.broker import Broker


class Handle:
    """Stands for an actor that fails to answer its first `fails` questions."""

    def __init__(self, fails: int = 0) -> None:
        self.fails = fails
        self.info = SimpleNamespace(remote=self._info)

    async def _info(self) -> dict[str, Any]:
        self.fails -= 1
        if self.fails >= 0:
            raise ConnectionError("it is being started again")
        return {}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "PULSE_SECONDS", 0.01)


def test_hosts_that_all_died_at_once_are_waited_for() -> None:
    found = asyncio.run(Broker({"a": Handle(3), "b": Handle(10**9)}, slots=1).up())
    assert found == ["a"]


def test_only_hosts_that_are_up_are_named() -> None:
    assert asyncio.run(Broker({"a": Handle(), "b": Handle(10**9), "c": Handle()}, slots=1).up()) == ["a", "c"]


@pytest.mark.parametrize("ask", [lambda b: b.up(), lambda b: b.acquire("t")])
def test_no_host_for_too_long_is_said_with_the_next_step(ask: Any) -> None:
    with pytest.raises(ResourceError, match=r"none of the 2 .* up for 0 s; .*`raykft doctor`.*run the same command"):
        asyncio.run(ask(Broker({"a": Handle(10**9), "b": Handle(10**9)}, slots=1, patience_s=0.05)))


@pytest.mark.parametrize("asked", [broker.Hosts.up, broker.Hosts.loads, lambda hosts: hosts["gpu1"]])
def test_a_broker_that_died_is_a_loss_of_ours(asked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `benchmarks/soak.py --real`: the only node, killed at the report stage, ended a run in a traceback."""
    import ray

    def died(*_: Any, **__: Any) -> Any:
        raise ray.exceptions.ActorDiedError

    monkeypatch.setattr(ray, "get", died)
    call = SimpleNamespace(remote=lambda: None)
    with pytest.raises(LostError, match="a raykft actor died: "):
        asked(broker.Hosts(SimpleNamespace(up=call, loads=call, hosts=call), {}))
