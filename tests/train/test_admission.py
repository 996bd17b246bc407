"""How many trials share a step, and what becomes of them when memory runs out: nothing but time is lost."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from raykft.errors import LostError, ModelError, OutOfMemoryError
from raykft.models import shape
from raykft.models.load import load_base
from raykft.models.packed import PackedModel
from raykft.models.source import resolve_model
from raykft.records import Pick, Question, TrainRow
from raykft.testing.contracts import RECIPE as SMALL
from raykft.train import engine as engine_module
from raykft.train import inference, measure
from raykft.train.admission import KNEE, MAX_SLOTS, Line, StepLimit, slots_to_knee
from raykft.train.engine import HostEngine
from raykft.train.loop import packed_step
from raykft.train.measure import StepTime, line_through, shape_of_model
from raykft.train.recipe import EpochResult
from raykft.train.slot import Slot

pytestmark = pytest.mark.torch
RECIPE = replace(SMALL, dropout=0.2, epochs=2, batch_size=2, accumulation=2)
RECIPES = {"a": RECIPE, "b": replace(RECIPE, rank=2, seed=1, batch_size=3), "c": replace(RECIPE, seed=2, epochs=3)}


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Iterator[HostEngine]:
    torch.set_num_threads(1)
    base = load_base(
        resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=torch.device("cpu")
    )
    rows = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(9)]
    engine = HostEngine(base, train_rows=rows, distractors=(), system_prompt=None, max_length=128, batch_size=8)
    with engine:
        yield engine


@pytest.fixture(autouse=True)
def unlimited(engine: HostEngine) -> None:
    engine._limit = StepLimit()
    engine._inference._batch_size = 8


def train(engine: HostEngine, name: str, directory: Path) -> tuple[list[EpochResult], bytes]:
    engine.attach(name, RECIPES[name])
    reports = [engine.train_epoch(name) for _ in range(RECIPES[name].epochs)]
    engine.save(name, directory / name)
    engine.saved(name)
    engine.detach(name)
    timeless = [replace(report, seconds=0.0) for report in reports]
    return timeless, (directory / name / "adapter_model.safetensors").read_bytes()


def train_together(engine: HostEngine, directory: Path) -> dict[str, Any]:
    with ThreadPoolExecutor(len(RECIPES)) as pool:
        return dict(zip(RECIPES, pool.map(lambda name: train(engine, name, directory), RECIPES), strict=True))


@pytest.fixture(scope="module")
def alone(engine: HostEngine, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return {name: train(engine, name, tmp_path_factory.mktemp("alone")) for name in RECIPES}


class TooSmall:
    """Memory for `tokens` a step; a larger one fails, as on a GPU, after part of its work has been done."""

    def __init__(self, tokens: int) -> None:
        self.tokens = tokens
        self.failed: list[int] = []
        self.taken: list[int] = []

    def __call__(self, packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
        size = sum(slot.next_tokens for slot in slots)
        if size <= self.tokens:
            self.taken.append(size)
            return packed_step(packed, slots)
        self.failed.append(size)
        for slot in slots:  # dropout is drawn, tokens are counted, some gradients are there
            slot.next_block()
            torch.rand(3, generator=slot.dropout_rng)
            slot.parameters.grad.fill_(1.0)
        raise torch.OutOfMemoryError("CUDA out of memory")


def test_trials_that_do_not_fit_together_take_turns_and_stay_the_same(
    engine: HostEngine, alone: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    largest = max(max(len(row.ids) for row in engine.rows) * recipe.batch_size for recipe in RECIPES.values())
    memory = TooSmall(largest)  # enough for each, for hardly any two
    monkeypatch.setattr(engine_module, "packed_step", memory)
    assert train_together(engine, tmp_path) == alone
    assert memory.failed
    assert engine.counters().step_limit == memory.failed[-1] // 2
    assert max(memory.taken) <= largest


def test_a_first_step_that_cannot_make_its_moments_begins_again(
    engine: HostEngine, alone: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One slot of the step has stepped, the next could not: only the second repeats it."""
    refused: list[int] = []

    def stumbling(packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
        last = slots[-1]
        if len(slots) > 1 and not refused and len(last._window) == 1 and last.step == 0:
            step = last.optimizer.step

            def refuse() -> None:
                refused.append(last.number)
                last.optimizer.step = step  # type: ignore[method-assign]
                last.optimizer.state[last.parameters.flat] = {"step": torch.tensor(1.0)}
                raise torch.OutOfMemoryError("CUDA out of memory")

            last.optimizer.step = refuse  # type: ignore[assignment, method-assign]
        return packed_step(packed, slots)

    monkeypatch.setattr(engine_module, "packed_step", stumbling)
    assert train_together(engine, tmp_path) == alone
    assert refused


def test_a_trial_too_large_by_itself_is_told(engine: HostEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "packed_step", TooSmall(1))
    engine.attach("a", RECIPE)
    with pytest.raises(OutOfMemoryError, match="ran out of memory: CUDA"):
        engine.train_epoch("a")
    engine.detach("a")
    assert engine.counters().step_limit is None


def test_a_trial_alone_in_its_step_gets_a_second_try(
    engine: HostEngine, alone: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the failed step held, and what others held that have gone since, is free by then."""
    failed: set[int] = set()

    def once_a_step(packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
        second = len(slots[0]._window) < slots[0].recipe.accumulation
        if second and slots[0].step not in failed:
            failed.add(slots[0].step)
            raise torch.OutOfMemoryError("CUDA out of memory")
        return packed_step(packed, slots)

    def always(packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
        failed.clear()
        return once_a_step(packed, slots)

    monkeypatch.setattr(engine_module, "packed_step", once_a_step)
    assert train(engine, "a", tmp_path) == alone["a"]
    assert len(failed) > 2
    monkeypatch.setattr(engine_module, "packed_step", always)  # the first micro-batch fits, the second never does
    engine.attach("a", RECIPE)
    with pytest.raises(OutOfMemoryError):
        engine.train_epoch("a")
    engine.detach("a")


@pytest.mark.parametrize("kind", ["generate", "candidate_logprobs", "drift_nats"])
def test_questions_that_do_not_fit_together_are_asked_in_smaller_batches(
    engine: HostEngine, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    def ask() -> Any:
        if kind == "generate":
            return engine.answer(None, [Question(f"What is {n}?", 4) for n in range(7)])
        if kind == "drift_nats":
            return [row[1] for row in engine.drift(None, [("Hm?", "It is 9.")] * 5)]
        return [[round(p, 4) for p in row] for row in engine.choose(None, [Pick("Hm?", "", ("Yes", "No"))] * 5)]

    expected, sizes, real = ask(), [], getattr(inference, kind)

    def small(*args: Any, batch_size: int, **options: Any) -> Any:
        sizes.append(batch_size)
        if batch_size > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(*args, batch_size=batch_size, **options)

    monkeypatch.setattr(inference, kind, small)
    assert ask() == expected
    assert sizes == [8, 4, 2]

    def never(*_: Any, **__: Any) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(inference, kind, never)
    with pytest.raises(OutOfMemoryError):
        ask()
    monkeypatch.setattr(inference, kind, real)
    assert ask() == expected
    assert engine._inference._batch_size == 2  # failures that no size could help leave it alone


def test_only_the_trial_whose_rows_do_not_fit_fails(engine: HostEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    real = inference.text_nats

    def small(packed: PackedModel, slot: int | None, rows: Sequence[Sequence[int]]) -> list[float]:
        if max(map(len, rows)) > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(packed, slot, rows)

    monkeypatch.setattr(inference, "text_nats", small)
    queue = engine._inference
    short, long = queue.text_nats(None, ["What is 3?"]), queue.text_nats(None, ["What is 3? " * 9])
    queue.run(queue.take())
    assert short.future.result() == engine.text_nats(None, ["What is 3?"])
    with pytest.raises(OutOfMemoryError):
        long.future.result()
    assert queue._batch_size == 8


def test_a_host_measures_itself(engine: HostEngine) -> None:
    capacity = engine.capacity()
    assert capacity.line.token_s > 0
    assert capacity.row_tokens == sum(len(row.ids) for row in engine.rows) / len(engine.rows)
    assert shape_of_model(engine.packed.base).layers == engine.packed.base.model.config.num_hidden_layers
    assert not engine._adapters
    with pytest.raises(ModelError, match="slot 0 has no adapter"):
        engine.packed.adapter(0)


@pytest.mark.parametrize("fits", [0, 1, 2, 3])
def test_measuring_goes_as_far_as_memory_does(engine: HostEngine, monkeypatch: pytest.MonkeyPatch, fits: int) -> None:
    largest = [slots * rows * measure.ROW_TOKENS for slots, rows in measure.STEPS][fits]

    def step(packed: PackedModel, slots: Sequence[Slot]) -> dict[int, float]:
        if sum(slot.next_tokens for slot in slots) >= largest:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return packed_step(packed, slots)

    monkeypatch.setattr(measure, "packed_step", step)
    if fits < 2:
        with pytest.raises(OutOfMemoryError):
            engine.capacity()
    else:
        assert len(measure.time_steps(engine.packed)) == fits
    with pytest.raises(ModelError, match="slot 0 has no adapter"):
        engine.packed.adapter(0)


def test_an_unknown_architecture_gets_the_shape_of_a_llama_as_large(
    engine: HostEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(shape.FAMILIES, "llama")
    monkeypatch.setattr(measure, "assumed_shape", lambda parameters: parameters)
    monkeypatch.setattr(measure, "SMALLEST", 1)
    model = engine.packed.base.model
    assert shape_of_model(engine.packed.base) == sum(p.numel() for p in model.parameters())


def test_a_host_that_cannot_go_on_leaves_nobody_waiting(tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some errors of a GPU cleaning up fails like everything else."""
    broken = threading.Event()
    base = load_base(
        resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=torch.device("cpu")
    )
    rows = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(9)]
    settings: dict[str, Any] = {"train_rows": rows, "distractors": (), "system_prompt": None}
    engine = HostEngine(base, **settings, max_length=128, batch_size=8, on_broken=broken.set)
    engine.attach("a", RECIPE)
    engine.attach("b", RECIPE)

    def fault(*_: Any) -> None:
        raise RuntimeError("CUDA error: an illegal memory access was encountered")

    monkeypatch.setattr(engine_module, "packed_step", fault)
    monkeypatch.setattr(Slot, "restart_step", fault)
    with pytest.raises(RuntimeError, match="illegal memory access"):
        engine.train_epoch("a")
    assert broken.wait(10)
    for ask in (lambda: engine.train_epoch("b"), lambda: engine.answer(None, [Question("Hm?", 4)])):
        with pytest.raises(LostError, match="this host broke down: .*illegal memory access"):
            ask()
    engine.__exit__()


def test_the_knee_is_where_steps_reach_their_share_of_the_fastest_rate() -> None:
    line = Line(0.2, 1e-3, 0.0)
    assert line.rate(line.knee_tokens) * line.token_s == pytest.approx(KNEE)
    assert (slots_to_knee(800, 100), slots_to_knee(801, 100)) == (8, 9)
    assert slots_to_knee(line.knee_tokens, 1) == MAX_SLOTS
    assert slots_to_knee(Line(-0.1, 1e-3, 0.0).knee_tokens, 100) == 1
    noisy = line_through([StepTime(1, 10, 0.2), StepTime(1, 20, 0.1)])
    assert noisy.token_s > 0


def test_turns_are_fair_and_fill_the_limit() -> None:
    limit, sizes = StepLimit(), {"a": 60, "b": 30, "c": 30, "d": 10}
    assert limit.choose(sizes) == ["a", "b", "c", "d"]
    limit.halve(130)
    assert limit.tokens == 65
    served = dict.fromkeys(sizes, 0)
    for _ in range(40):
        chosen = limit.choose(sizes)
        assert sum(sizes[t] for t in chosen) <= 65
        for trial_id in chosen:
            served[trial_id] += 1
    assert min(served.values()) >= 13  # nobody waits longer than two steps
    limit.halve(1)
    assert limit.tokens == 1
    assert {limit.choose(sizes)[0] for _ in range(8)} == set(sizes)  # one at a time, whatever its size
    assert len(limit.choose(sizes)) == 1
    assert limit.choose({"new": 5, "a": 60}) == ["new"]
