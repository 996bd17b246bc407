"""How many trials train at once on a host, and what the user is told of it."""

from __future__ import annotations

from dataclasses import replace
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from tests_support import experiment_tree, write_config

from raykft.config import ExperimentConfig, load_config
from raykft.data.domain import load_domain
from raykft.errors import LostError
from raykft.hosts import crew
from raykft.models.shape import assumed_shape
from raykft.planning.slots import most_slots, slots_for
from raykft.train.admission import HostCapacity, HostCounters, Line

GIB = 1 << 30
# 0.8 of a thousand tokens a second are reached by steps of 760 tokens: ten trials of four rows of 20, or nearly.
ROOMY = HostCapacity(Line(0.19, 1e-3, 0.0), 20.0, assumed_shape(1e8), 64 * GIB, 64 * GIB, fast_bf16=False)


def config(tmp_path: Path, trials: int = 400, **space: Any) -> ExperimentConfig:
    tree = experiment_tree(tmp_path, "fake:0")
    tree["search"] |= {"trials": trials, "space": {"adapter.rank": {"choice": [2, 4]}} | space}
    tree["resources"] = {"slots_per_host": "auto"}
    return load_config(write_config(tmp_path / "c.yaml", tree))


@pytest.mark.parametrize(
    ("trials", "todo", "hosts", "most"),
    [
        (400, 400, 2, 32),
        (16, 16, 2, 2),  # a quarter of them at once
        (16, 8, 2, 2),  # the same search, resumed
        (16, 1, 1, 1),
        (32, 32, 16, 1),
        (16, 40, 2, 5),  # `resume --trials`
    ],
)
def test_a_search_takes_a_quarter_of_its_trials_at_once(
    tmp_path: Path, trials: int, todo: int, hosts: int, most: int
) -> None:
    assert most_slots(config(tmp_path, trials), todo, hosts) == most


def test_slots_follow_from_the_knee_the_memory_and_the_search(tmp_path: Path) -> None:
    searched = config(tmp_path)
    domain = load_domain(searched)
    slots, why = slots_for(searched, domain, ROOMY, 32, cuda=False)
    assert slots == 10
    assert why.startswith("760 tokens a step (10 trials) reach 80% of 1000 tokens/s, 32 of a Llama-like shape of 0.1")
    assert why.endswith("fit in memory, a search of 400 takes 32 at most")
    assert slots_for(searched, domain, ROOMY, 7, cuda=False)[0] == 7
    full = replace(ROOMY, shape=assumed_shape(1e9), memory_bytes=12 * GIB)
    wide, narrow = (
        slots_for(searched, domain, replace(full, fast_bf16=units), 32, cuda=False)[0] for units in (True, False)
    )
    assert 1 <= narrow < wide <= 10  # bf16 takes less room than fp32, and the host's own matrix units count


def test_micro_batches_count_as_they_are_searched(tmp_path: Path) -> None:
    searched = config(tmp_path, **{"train.batch_size": {"choice": [1, 3]}})
    slots, _ = slots_for(searched, load_domain(searched), ROOMY, 32, cuda=False)
    assert slots == pytest.approx(760 / (2 * 20), abs=2)


def test_the_end_of_a_search_tells_what_its_hosts_have_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"host0": HostCounters(9, None, 400, 300), "host1": HostCounters(9, 640), "host2": LostError("gone")}

    def asked(name: str) -> Any:
        return SimpleNamespace(counters=SimpleNamespace(remote=lambda: limits[name]))

    def get(reply: Any) -> Any:
        if isinstance(reply, Exception):
            raise reply
        return reply

    class Hosts(dict[str, Any]):
        def loads(self) -> dict[str, int]:
            return dict.fromkeys(self, 0)

    monkeypatch.setattr(crew, "get", get)
    console = Console(file=StringIO(), record=True, width=300)
    own = SimpleNamespace(hosts=Hosts({name: asked(name) for name in limits}), slots=8, console=console)
    crew.Crew.say_limits(own)  # type: ignore[arg-type]
    crew.Crew.say_teaching(own)  # type: ignore[arg-type]
    limit, taught = console.export_text().splitlines()
    assert limit.startswith("host1 ran out of memory with 8 trials at once: its steps then held at most 640 tokens")
    assert "the right token at 75% of 400 places" in taught
