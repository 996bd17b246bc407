"""What the crew knows of hosts that come and go."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests_support import experiment_tree

from raykft.config import validate
from raykft.hosts import crew
from raykft.hosts.crew import Crew, TokenCount, base_key
from raykft.train.admission import HostCounters


def test_tokens_of_a_host_that_starts_again_or_is_gone_still_count() -> None:
    count = TokenCount()
    count.hear("host0", 100)
    count.hear("host1", 40)
    assert count.total == 140
    count.hear("host0", 30)  # it died and came up
    count.hear("host0", 50)
    assert count.total == 100 + 50 + 40


def test_tokens_are_asked_of_the_hosts_there_are_now(monkeypatch: pytest.MonkeyPatch) -> None:
    import ray

    told: dict[str, Any] = {"host0": HostCounters(10, None), "host1": ray.exceptions.RayActorError()}

    def get(reply: Any, timeout: float) -> Any:
        if isinstance(reply, Exception):
            raise reply
        return reply

    def handle(name: str) -> Any:
        return SimpleNamespace(counters=SimpleNamespace(remote=lambda: told[name]))

    monkeypatch.setattr(crew.ray, "get", get)
    hosts = {"host0": handle("host0"), "host1": handle("host1")}
    own: Any = SimpleNamespace(hosts=hosts, _tokens=TokenCount())
    assert Crew.tokens_trained(own) == 10  # one that does not answer takes nothing from the others
    told["host2"] = HostCounters(7, None)
    hosts["host2"] = handle("host2")
    del hosts["host1"]
    told["host0"] = HostCounters(25, None)
    assert Crew.tokens_trained(own) == 32  # one that joined counts
    del hosts["host0"]
    assert Crew.tokens_trained(own) == 32  # what one that was lost had trained stays


def test_int8_bases_that_are_held_otherwise_have_scores_of_their_own(tmp_path: Path) -> None:
    """Packed int8 weights are multiplied with activations in int8, their values with exact ones: 1.3 % of logits."""
    tree = experiment_tree(tmp_path, "x")
    info = {"model_digest": "d", "dtype": "bfloat16"}

    def keys(quantization: str) -> list[dict[str, Any]]:
        config = validate(tree | {"quantization": quantization}, "test")
        return [base_key(config, info | {"residency": how}) for how in ("quantized", "dequantized")]

    one, other = keys("int8")
    assert one != other
    same, again = keys("nf4")
    assert same == again
