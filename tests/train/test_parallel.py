"""Two processes that train one adapter together equal one that trains it alone, and end alike whatever happens to one.

This file is also the program of a replica: `python test_parallel.py RANK MODEL DIRECTORY`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from raykft.data.encode import EncodedRow
from raykft.models.load import load_base
from raykft.models.packed import PackedModel
from raykft.models.source import resolve_model
from raykft.testing.contracts import RECIPE as SMALL
from raykft.train.checkpoint import Snapshot
from raykft.train.loop import packed_step
from raykft.train.parallel import ALONE, Replicas
from raykft.train.recipe import Recipe
from raykft.train.slot import Slot

pytestmark = pytest.mark.torch
SIZE = 2
DEATH = 7  # exit code
RECIPE = replace(SMALL, target_layers="all-linear+lm_head", learning_rate=3e-3, epochs=2, batch_size=4, accumulation=2)
# 13 rows: the last micro-batch of an epoch has one row, and the second replica none of it.
RECIPES = {
    "whole": RECIPE,
    "single rows": replace(RECIPE, batch_size=1, accumulation=1, epochs=1),
    "dropout": replace(RECIPE, dropout=0.2),
}


def rows(count: int = 13) -> list[EncodedRow]:
    generator = torch.Generator().manual_seed(1)
    made = []
    for _ in range(count):
        length = int(torch.randint(6, 20, (1,), generator=generator))
        made.append(EncodedRow((3, 4, *torch.randint(5, 250, (length,), generator=generator).tolist()), 4))
    return made


def load(model: str) -> PackedModel:
    torch.set_num_threads(1)
    source = resolve_model(model)
    return PackedModel(load_base(source, quantization="nf4", residency="auto", device=torch.device("cpu")))


def train(
    packed: PackedModel, recipe: Recipe, replicas: Replicas, until: int | None = None
) -> tuple[Slot, list[float]]:
    slot, losses = Slot(packed, 0, recipe, rows(), replicas), []
    while not slot.finished and slot.step != until and not slot.failure:
        losses.append(packed_step(packed, [slot])[0])
    packed.remove_adapter(0)
    return slot, losses


def figures(slot: Slot, losses: list[float]) -> dict[str, Any]:
    """What a replica ended with; weights as the exact numbers they are."""
    return {"weights": slot.parameters.flat.tolist(), "losses": losses, "tokens": slot.tokens, "step": slot.step}


# The program of a replica.


def resumed(packed: PackedModel, replicas: Replicas, directory: Path) -> dict[str, Any]:
    """The first replica's checkpoint after two steps, continued by both in new slots."""
    first, _ = train(packed, RECIPES["dropout"], replicas, until=2)
    if replicas.index == 0:
        first.snapshot().write(directory / "checkpoint")
    torch.distributed.barrier()
    slot = Slot(packed, 0, RECIPES["dropout"], rows(), replicas)
    slot.restore(Snapshot.read(directory / "checkpoint"))
    while not slot.finished:
        packed_step(packed, [slot])
    packed.remove_adapter(0)
    return figures(slot, [])


def ended(packed: PackedModel, replicas: Replicas, disturb: Callable[[Slot], None]) -> str:
    """How the second step ends after `disturb` has happened to the second replica."""
    slot = Slot(packed, 0, RECIPE, rows(), replicas)
    packed_step(packed, [slot])
    if replicas.index == 1:
        disturb(slot)
    try:
        packed_step(packed, [slot])
        return slot.failure or "no failure"
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    finally:
        packed.remove_adapter(0)


def spoil(slot: Slot) -> None:
    slot.parameters.flat.data.fill_(float("nan"))


def stop(slot: Slot) -> None:
    slot.stopping = True


def fill_memory(slot: Slot) -> None:
    slot.next_block = refuse  # type: ignore[method-assign]


def fill_memory_late(slot: Slot) -> None:
    slot.optimizer.step = refuse  # type: ignore[method-assign]


def refuse() -> Any:
    raise torch.OutOfMemoryError("CUDA out of memory")


def stumble(slot: Slot) -> None:
    def next_block() -> Any:
        raise KeyError("a bug")

    slot.next_block = next_block  # type: ignore[method-assign]


DISTURBANCES = {"nan": spoil, "stop": stop, "memory": fill_memory, "late": fill_memory_late, "bug": stumble}


def run_rank(rank: int, model: str, directory: Path) -> None:
    torch.distributed.init_process_group("gloo", init_method=f"file://{directory}/meet", rank=rank, world_size=SIZE)
    packed, replicas = load(model), Replicas(rank, SIZE)
    told: dict[str, Any] = {name: figures(*train(packed, recipe, replicas)) for name, recipe in RECIPES.items()}
    told["resumed"] = resumed(packed, replicas, directory)
    told |= {name: ended(packed, replicas, disturb) for name, disturb in DISTURBANCES.items()}
    told["again"] = figures(*train(packed, RECIPE, replicas))  # after all these endings
    (directory / f"rank{rank}.json").write_text(json.dumps(told))
    torch.distributed.barrier()
    gone = ended(packed, replicas, lambda slot: os._exit(DEATH))
    (directory / "gone.json").write_text(json.dumps({"ended": gone, "broken": replicas.broken}))


# The tests.


@pytest.fixture(scope="module")
def directory(tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What two replicas have written after all scenarios; one pair of processes for all tests, as each loads torch."""
    directory = tmp_path_factory.mktemp("replicas")
    processes = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(tiny_model_dir), str(directory)],
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(SIZE)
    ]
    try:
        errors = [process.communicate(timeout=100)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, DEATH], "\n".join(errors)
    return directory


@pytest.fixture(scope="module")
def told(directory: Path) -> list[dict[str, Any]]:
    return [json.loads((directory / f"rank{rank}.json").read_text()) for rank in range(SIZE)]


@pytest.fixture(scope="module")
def packed(tiny_model_dir: Path) -> PackedModel:
    return load(str(tiny_model_dir))


@pytest.mark.parametrize("name", RECIPES)
def test_ranks_are_equal_bit_for_bit(told: list[dict[str, Any]], name: str) -> None:
    assert told[0][name] == told[1][name]


@pytest.mark.parametrize("name", ["whole", "single rows"])
def test_two_ranks_equal_one_process(told: list[dict[str, Any]], packed: PackedModel, name: str) -> None:
    alone = figures(*train(packed, RECIPES[name], ALONE))
    both = told[0][name]
    weights, expected = torch.tensor(both["weights"]), torch.tensor(alone["weights"])
    start = Slot(packed, 0, RECIPES[name], rows()).parameters.flat.detach()
    packed.remove_adapter(0)
    assert (both["tokens"], both["step"]) == (alone["tokens"], alone["step"])
    assert both["losses"] == pytest.approx(alone["losses"], rel=1e-6)
    assert torch.linalg.vector_norm(expected - start) > 0.05 * torch.linalg.vector_norm(start)
    assert torch.linalg.vector_norm(weights - expected) < 1e-6 * torch.linalg.vector_norm(expected)


def test_dropout_differs_between_ranks_and_resuming_equals_going_on(told: list[dict[str, Any]]) -> None:
    assert told[0]["dropout"]["losses"] != told[0]["whole"]["losses"]
    assert Replicas(0, 2).seed(0, 5) != Replicas(1, 2).seed(0, 5) != Replicas(1, 2).seed(0, 6)
    for rank in told:
        assert rank["resumed"]["weights"] == told[0]["dropout"]["weights"]
        assert rank["resumed"]["tokens"] == told[0]["dropout"]["tokens"]


@pytest.mark.parametrize(
    ("name", "endings"),
    [
        ("nan", ["the training loss became nan at step 1"] * 2),
        ("stop", ["TrialError: the epoch was stopped"] * 2),
        (
            "memory",
            [
                "OutOfMemoryError: the device of another replica of this trial ran out of memory",
                "OutOfMemoryError: the device ran out of memory: CUDA out of memory",
            ],
        ),
        (
            "late",
            [
                "OutOfMemoryError: the device of another replica of this trial ran out of memory",
                "OutOfMemoryError: the device ran out of memory: CUDA out of memory",
            ],
        ),
        ("bug", ["TrialError: another replica of this trial failed", "KeyError: 'a bug'"]),
    ],
)
def test_what_happens_to_one_rank_ends_the_step_of_all(
    told: list[dict[str, Any]], name: str, endings: list[str]
) -> None:
    assert [rank[name] for rank in told] == endings


def test_ranks_train_on_as_before_after_failures(told: list[dict[str, Any]]) -> None:
    assert told[0]["again"] == told[0]["whole"] == told[1]["again"]


def test_a_rank_that_dies_is_a_loss_and_not_waited_for(directory: Path) -> None:
    gone = json.loads((directory / "gone.json").read_text())
    assert gone["ended"].startswith("LostError: the replicas of this trial lost each other")
    assert gone["broken"]


if __name__ == "__main__":
    run_rank(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
