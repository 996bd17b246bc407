"""Packed training equals training alone, resumes exactly, and agrees with a plain PEFT loop."""

from __future__ import annotations

import copy
import json
import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from tests_support import reference_model

from raykft.data.encode import EncodedRow
from raykft.errors import (
    CheckpointError,
    DataError,
    DivergedError,
    ModelError,
    OutOfMemoryError,
    ResourceError,
    TrialError,
)
from raykft.models.adapter_files import save_adapter
from raykft.models.load import load_base
from raykft.models.packed import Block, PackedModel
from raykft.models.soft_targets import distilled, leash, pull_
from raykft.models.source import resolve_model
from raykft.models.targets import PRESETS
from raykft.testing.contracts import RECIPE
from raykft.train import average, teachings
from raykft.train import slot as slot_module
from raykft.train.checkpoint import Snapshot
from raykft.train.engine import HostEngine
from raykft.train.loop import packed_step
from raykft.train.optimizer import make_optimizer
from raykft.train.recipe import Recipe
from raykft.train.schedule import epoch_batches, learning_rate_factor
from raykft.train.slot import NOT_YET, Slot
from raykft.train.teacher import Teacher

pytestmark = pytest.mark.torch
MIXED = [
    RECIPE,
    replace(RECIPE, rank=2, learning_rate=3e-2, target_layers="attention", seed=1, batch_size=2),
    replace(RECIPE, rank=8, target_layers="all-linear+lm_head", seed=2, accumulation=2, epochs=2),
    replace(RECIPE, target_layers="mlp", seed=3, dropout=0.2, lr_schedule="linear"),
    replace(RECIPE, target_layers="all-linear+lm_head", seed=4, batch_size=2, kl_weight=2.0, ema_epochs=0.7),
    replace(RECIPE, seed=5, rank=3, distill_weight=0.6, dropout=0.1),
    replace(RECIPE, seed=6, rank=2, text_ratio=0.5, distractor_ratio=0.5, kl_weight=1.0, accumulation=2),
    replace(RECIPE, seed=7, target_layers="attention", phrasings=2, formats=0.5),
]
WITH_TEXT = 6  # the trial of which some rows are pieces of text


def rows(seed: int, count: int = 10) -> list[EncodedRow]:
    """Rows of unequal length that share their first two tokens."""
    generator = torch.Generator().manual_seed(seed)
    made = []
    for _ in range(count):
        length = int(torch.randint(6, 14, (1,), generator=generator))
        ids = torch.randint(5, 250, (length,), generator=generator).tolist()
        made.append(EncodedRow((3, 4, *ids), prompt_tokens=4))
    return [replace(row, prompt_tokens=1) if seed == WITH_TEXT and n % 3 == 1 else row for n, row in enumerate(made)]


@pytest.fixture
def packed(tiny_model_dir: Path) -> PackedModel:
    torch.set_num_threads(1)
    source = resolve_model(str(tiny_model_dir))
    return PackedModel(load_base(source, quantization="nf4", residency="auto", device=torch.device("cpu")))


def weights(slot: Slot) -> torch.Tensor:
    return slot.parameters.flat.detach().clone()


def slot_of(packed: PackedModel, number: int, recipe: Recipe, made: list[EncodedRow], at: int | None = None) -> Slot:
    """The trial `number`; where its recipe has a teacher, it is asked about every other row."""
    teacher, taught = Teacher(packed), {}
    for n, row in enumerate(made):
        if n % 2 == 0 and recipe.kl_weight:
            taught[n] = leash(teacher.about(row), recipe.kl_weight)
        elif n % 2 == 0 and recipe.distill_weight:
            said = teacher.about(row)
            taught[n] = distilled(said, said.ids_nK[:, 0].tolist(), recipe.distill_weight)  # it is right about all
    return Slot(packed, number if at is None else at, recipe, made, taught=taught)


def train(packed: PackedModel, slots: list[Slot]) -> dict[int, list[float]]:
    """All slots to their end, packed; a slot that is done leaves the others alone."""
    losses: dict[int, list[float]] = {slot.number: [] for slot in slots}
    while running := [slot for slot in slots if not slot.finished]:
        for number, loss in packed_step(packed, running).items():
            losses[number].append(loss)
    return losses


def alone(packed: PackedModel, number: int) -> tuple[list[float], torch.Tensor]:
    slot = slot_of(packed, number, MIXED[number], rows(number))
    losses = train(packed, [slot])[number]
    result = weights(slot)
    packed.remove_adapter(number)
    return losses, result


def test_packed_trials_equal_the_same_trials_alone_bit_for_bit(packed: PackedModel) -> None:
    """Other ranks, targets, rates, batches, accumulation, dropout and lengths beside it change nothing."""
    solo = {number: alone(packed, number) for number in range(len(MIXED))}
    slots = [slot_of(packed, number, recipe, rows(number)) for number, recipe in enumerate(MIXED)]
    losses = train(packed, slots)
    for slot in slots:
        assert losses[slot.number] == solo[slot.number][0]
        assert torch.equal(weights(slot), solo[slot.number][1])


def test_a_trial_that_joins_late_or_leaves_early_changes_nobody(packed: PackedModel) -> None:
    solo_losses, solo_weights = alone(packed, 0)
    first, second = (Slot(packed, n, MIXED[n], rows(n)) for n in (0, 1))
    losses = []
    for step in range(len(solo_losses)):
        company = [first, second] if 2 <= step < 6 else [first]
        losses.append(packed_step(packed, company)[0])
    assert losses == solo_losses
    assert torch.equal(weights(first), solo_weights)


def test_a_neighbour_that_becomes_nan_is_failed_and_changes_nobody(packed: PackedModel) -> None:
    solo_losses, solo_weights = alone(packed, 0)
    good, bad = (Slot(packed, n, MIXED[n], rows(n)) for n in (0, 1))
    bad.parameters.flat.data.fill_(float("nan"))
    losses = [packed_step(packed, [good, bad])[0]]
    assert bad.failure is not None
    assert "nan" in bad.failure
    losses += train(packed, [good])[0]
    assert losses == solo_losses
    assert torch.equal(weights(good), solo_weights)


def test_shared_prefixes_change_the_cost_not_the_gradient(packed: PackedModel) -> None:
    """The same rows with their prefix computed once a block, and once a row (batch of one, accumulated)."""
    recipe = replace(RECIPE, batch_size=10, epochs=1, group_by_length=False)
    grouped = Slot(packed, 0, recipe, rows(0))
    packed_step_gradients(packed, grouped)
    single = Slot(packed, 1, replace(recipe, batch_size=1, accumulation=10), rows(0))
    packed_step_gradients(packed, single)
    torch.testing.assert_close(grouped.parameters.grad, single.parameters.grad, atol=1e-6, rtol=1e-4)


def packed_step_gradients(packed: PackedModel, slot: Slot) -> None:
    """Run one whole optimizer step but keep its gradient."""
    slot.parameters.zero_grad = lambda: None  # type: ignore[method-assign]
    slot.parameters.clip = lambda max_norm, norm: None  # type: ignore[method-assign]
    while slot.step == 0:
        packed_step(packed, [slot])


@pytest.mark.parametrize("number", range(len(MIXED)))
def test_a_checkpoint_resumes_exactly(packed: PackedModel, tmp_path: Path, number: int) -> None:
    _, expected = alone(packed, number)
    slot = slot_of(packed, number, MIXED[number], rows(number))
    while slot.step < slot.total_steps // 2:
        packed_step(packed, [slot])
    slot.snapshot().write(tmp_path)
    packed.remove_adapter(number)
    torch.manual_seed(123)  # nothing may depend on global state
    again = slot_of(packed, number, MIXED[number], rows(number), at=number + 10)
    again.restore(Snapshot.read(tmp_path))
    assert (again.step, again.tokens) == (slot.step, slot.tokens)
    train(packed, [again])
    assert torch.equal(weights(again), expected)


def test_a_checkpoint_of_another_recipe_is_refused(packed: PackedModel, tmp_path: Path) -> None:
    Slot(packed, 0, MIXED[0], rows(0)).snapshot().write(tmp_path)
    with pytest.raises(ModelError, match="another recipe"):
        Slot(packed, 1, replace(MIXED[0], learning_rate=1.0), rows(0)).restore(Snapshot.read(tmp_path))


def test_a_checkpoint_from_before_there_were_such_settings_is_taken(packed: PackedModel, tmp_path: Path) -> None:
    Slot(packed, 0, RECIPE, rows(0)).snapshot().write(tmp_path)
    file = tmp_path / "state.json"
    state = json.loads(file.read_text())
    for setting in NOT_YET:
        del state["recipe"][setting]
    file.write_text(json.dumps(state))
    Slot(packed, 1, RECIPE, rows(0)).restore(Snapshot.read(tmp_path))
    with pytest.raises(CheckpointError, match="another recipe"):
        Slot(packed, 2, replace(RECIPE, kl_weight=1.0), rows(0)).restore(Snapshot.read(tmp_path))


def test_a_checkpoint_of_another_kind_of_device_goes_on(packed: PackedModel, tmp_path: Path) -> None:
    """The state of a GPU's generator has 16 bytes, a CPU's thousands: dropout goes on from a seed of its own."""
    recipe = replace(RECIPE, dropout=0.2)
    found = Slot(packed, 0, recipe, rows(0)).snapshot()
    replace(found, tensors=found.tensors | {"dropout_rng": torch.zeros(16, dtype=torch.uint8)}).write(tmp_path)
    states = []
    for number in (1, 2):
        slot = Slot(packed, number, recipe, rows(0))
        slot.restore(Snapshot.read(tmp_path))
        states.append(slot.dropout_rng.get_state())
        packed_step(packed, [slot])
    assert torch.equal(*states)


def test_a_moving_average_is_what_is_read_between_epochs(packed: PackedModel) -> None:
    """It changes nothing of the training itself, and is the mean of the last steps, newer ones counting more."""
    plain = Slot(packed, 0, RECIPE, rows(0))
    states = []
    while not plain.finished:
        packed_step(packed, [plain])
        states.append(weights(plain))
    packed.remove_adapter(0)
    slot = Slot(packed, 0, replace(RECIPE, ema_epochs=0.5), rows(0))
    horizon = 0.5 * slot.steps_per_epoch
    mean = torch.zeros_like(states[0])
    for number, state in enumerate(states, start=1):
        packed_step(packed, [slot])
        mean.lerp_(state, max(1 / horizon, 1 / number))
        ends = number % slot.steps_per_epoch == 0
        torch.testing.assert_close(weights(slot), mean if ends else state, rtol=0, atol=1e-6 if ends else 0)
        assert torch.equal(slot.snapshot().tensors["parameters"], state)
    assert not torch.allclose(weights(slot), states[-1], atol=1e-4)


def test_an_average_that_was_restored_is_shown_as_before(packed: PackedModel, tmp_path: Path) -> None:
    recipe = replace(RECIPE, ema_epochs=1.0)
    slot = Slot(packed, 0, recipe, rows(0))
    while slot.epoch < 1:
        packed_step(packed, [slot])
    slot.snapshot().write(tmp_path)
    again = Slot(packed, 1, recipe, rows(0))
    again.restore(Snapshot.read(tmp_path))
    assert torch.equal(weights(again), weights(slot))
    assert again.average is not None
    assert not torch.equal(weights(again), again.average.trained)


def test_weights_are_exchanged_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(average, "PIECE", 4)
    flat = torch.arange(10.0)
    mean = average.Average(flat, 2.0)
    flat += 10
    mean.after_step(5)
    mean.show()
    assert torch.equal(flat, torch.arange(10.0) + 5)
    assert torch.equal(mean.trained, torch.arange(10.0) + 10)
    mean.show()
    mean.hide()
    assert torch.equal(flat, torch.arange(10.0) + 10)


def test_a_horizon_beyond_the_training_makes_a_plain_mean(packed: PackedModel) -> None:
    slot = Slot(packed, 0, replace(RECIPE, ema_epochs=100.0), rows(0))
    seen = []
    while not slot.finished:
        packed_step(packed, [slot])
        assert slot.average is not None
        seen.append(slot.average.trained.clone())
    torch.testing.assert_close(weights(slot), torch.stack(seen).mean(0), rtol=1e-4, atol=1e-6)


def test_a_leash_keeps_an_adapter_near_the_base_model(packed: PackedModel) -> None:
    """On the rows it is for. What the teacher says of a row does not depend on what it was asked before."""
    made = rows(7)
    far: dict[float, float] = {}
    for weight in (0.0, 200.0):
        slot = slot_of(packed, 0, replace(RECIPE, kl_weight=weight, epochs=6, learning_rate=2e-2), made)
        train(packed, [slot])
        held = [row for n, row in enumerate(made) if n % 2 == 0]
        total = 0.0
        for row in held:
            said = Teacher(packed).about(row)
            (states,) = packed.hidden([Block(0, [row.ids[:-1]])])
            (logits,) = packed.logits([(0, states[row.prompt_tokens - 1 :])])
            total += float(pull_(leash(said, 1.0), logits.detach().softmax(1)))
        far[weight] = total
        packed.remove_adapter(0)
    assert far[200.0] < 0.3 * far[0.0], far
    one, other = Teacher(packed), Teacher(packed)
    for row in made:
        one.about(row)
    assert torch.equal(one.about(made[-1]).shares_nK, other.about(made[-1]).shares_nK)


def test_what_a_teacher_said_is_asked_once(
    packed: PackedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another host finds it in the cache; of another model, or where a file is damaged, it is asked again."""
    made = rows(7)
    said = [Teacher(packed, tmp_path).about(row) for row in made]
    files = sorted(tmp_path.rglob("*.safetensors"))
    assert len(files) == len(made)
    assert sorted(tmp_path.rglob("*")) == sorted([*files, *{file.parent for file in files}])
    asked: list[EncodedRow] = []
    usual = Teacher._ask

    def ask(self: Teacher, row: EncodedRow) -> Any:
        asked.append(row)
        return usual(self, row)

    monkeypatch.setattr(Teacher, "_ask", ask)
    other = Teacher(packed, tmp_path)
    for row, before in zip(made, said, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(other.about(row), before, strict=True))
    assert not asked
    files[0].write_bytes(files[0].read_bytes()[:-4])
    files[1].write_bytes(b"")
    again = Teacher(packed, tmp_path)
    assert all(
        torch.equal(again.about(row).shares_nK, before.shares_nK) for row, before in zip(made, said, strict=True)
    )
    assert len(asked) == 2
    asked.clear()
    Teacher(replace_of(packed, quantization="int8"), tmp_path).about(made[0])
    assert len(asked) == 1


def replace_of(packed: PackedModel, **changes: Any) -> Any:
    """The model, as if it were held otherwise."""
    other = copy.copy(packed)
    other.base = replace(packed.base, **changes)
    return other


def test_a_cache_that_cannot_be_written_is_done_without(packed: PackedModel, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    row = rows(7)[0]
    assert torch.equal(Teacher(packed, tmp_path / "file").about(row).ids_nK, Teacher(packed).about(row).ids_nK)


def test_the_oldest_of_very_many_rows_are_dropped(
    packed: PackedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = rows(7)
    first = Teacher(packed, tmp_path)
    for n, row in enumerate(made):
        first.about(row)
        newest = max(tmp_path.rglob("*.safetensors"), key=lambda file: file.stat().st_mtime_ns)
        os.utime(newest, (n, n))
    monkeypatch.setattr(teachings, "KEPT_ROWS", 3)
    Teacher(packed, tmp_path).about(made[-1])
    assert sorted(file.stat().st_mtime for file in tmp_path.rglob("*.safetensors")) == [7, 8, 9]


@pytest.mark.parametrize("file", ["state.json", "state.safetensors"])
@pytest.mark.parametrize("content", [None, b"", b"half", b"\x00\xff{]", b"{}", (2).to_bytes(8, "little") + b"{}"])
def test_a_damaged_checkpoint_is_refused_by_name(
    packed: PackedModel, tmp_path: Path, file: str, content: bytes | None
) -> None:
    slot = Slot(packed, 0, MIXED[0], rows(0))
    slot.snapshot().write(tmp_path / "1")
    damaged = tmp_path / "1" / file
    damaged.unlink()
    if content == b"half":
        slot.snapshot().write(tmp_path / "2")
        content = (tmp_path / "2" / file).read_bytes()[:-20]
    if content is not None:
        damaged.write_bytes(content)
    with pytest.raises(CheckpointError, match=str(tmp_path / "1")):
        Slot(packed, 1, MIXED[0], rows(0)).restore(Snapshot.read(tmp_path / "1"))


def test_the_loop_agrees_with_plain_peft_and_torch(packed: PackedModel, tmp_path: Path) -> None:
    """Same initial adapter, same batches: PEFT layers, torch AdamW and clip_grad_norm_ give the same losses."""
    from peft import PeftModel

    slot = Slot(packed, 0, replace(RECIPE, epochs=2, accumulation=2), rows(0))
    save_adapter(tmp_path, packed.adapter(0), base_name="x", alpha=8.0, dropout=0.0)
    peft: Any = PeftModel.from_pretrained(reference_model(packed.base), tmp_path, is_trainable=True)
    parameters = [p for p in peft.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=slot.recipe.learning_rate, weight_decay=slot.recipe.weight_decay)
    mine, theirs = [], []
    for step in range(slot.total_steps):
        slot._open_window()
        window, count = [list(b) for b in slot._window], slot.window_tokens
        loss = torch.zeros(())
        for index in (i for batch in window for i in batch):
            row = slot.rows[index]
            ids = torch.tensor([row.ids])
            labels = ids.clone()
            labels[0, : row.prompt_tokens] = -100
            nll = torch.nn.functional.cross_entropy(peft(ids).logits[0, :-1].float(), labels[0, 1:], reduction="sum")
            (nll / count).backward()
            loss += nll.detach() / count
        torch.nn.utils.clip_grad_norm_(parameters, slot.recipe.max_grad_norm)
        factor = learning_rate_factor(
            step, total_steps=slot.total_steps, warmup_steps=slot.warmup_steps, schedule=slot.recipe.lr_schedule
        )
        optimizer.param_groups[0]["lr"] = slot.recipe.learning_rate * factor
        optimizer.step()
        optimizer.zero_grad()
        theirs.append(loss.item())
        tokens, total = 0, 0.0
        while slot.step == step:
            supervised = sum(slot.rows[i].answer_tokens for i in slot._window[0])
            total += packed_step(packed, [slot])[0] * supervised
            tokens += supervised
        mine.append(total / tokens)
    assert mine == pytest.approx(theirs, rel=2e-3)
    assert mine[-1] < mine[0]


@pytest.mark.parametrize("preset", PRESETS)
def test_every_module_of_a_preset_is_trained(packed: PackedModel, preset: str) -> None:
    slot = Slot(packed, 0, replace(RECIPE, target_layers=preset), rows(0))
    assert len(slot.untrained_modules()) == len(slot.modules)  # B starts at zero
    train(packed, [slot])
    assert slot.untrained_modules() == []
    kinds = {name.rsplit(".", 1)[-1] for name in slot.modules}
    assert ("q_proj" in kinds, "up_proj" in kinds, "lm_head" in kinds) == PRESETS[preset]


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_learning_rate_schedules(schedule: str) -> None:
    factors = [learning_rate_factor(s, total_steps=20, warmup_steps=4, schedule=schedule) for s in range(20)]
    assert factors[:4] == [0.25, 0.5, 0.75, 1.0]
    assert factors[4:] == sorted(factors[4:], reverse=True)
    assert (factors[-1] == 1.0) is (schedule == "constant")


@pytest.mark.parametrize("grouped", [True, False])
def test_every_row_once_an_epoch_in_an_order_of_its_own(grouped: bool) -> None:
    lengths = [n % 7 for n in range(50)]
    settings: dict[str, Any] = {"batch_size": 4, "seed": 0, "group_by_length": grouped}
    first, second = (epoch_batches(lengths, epoch=e, **settings) for e in (0, 1))
    assert sorted(i for b in first for i in b) == list(range(50))
    assert first != second
    assert first == epoch_batches(lengths, epoch=0, **settings)
    assert max(len(b) for b in first) == 4


def test_8bit_optimizers_need_cuda() -> None:
    with pytest.raises(ResourceError, match="adamw8bit.*needs a CUDA device"):
        make_optimizer("adamw8bit", torch.nn.Parameter(torch.zeros(3)), learning_rate=1.0, weight_decay=0.0)


class TestEngine:
    """The engine's one worker serves several trials."""

    @pytest.fixture
    def engine(self, packed: PackedModel) -> Any:
        from raykft.records import TrainRow

        made = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(6)]
        noise = [TrainRow(id=f"d{n}", instruction=f"Say {n}.", output="Hm.", kind="distractor") for n in range(6)]
        base = load_base(packed.base.source, quantization="nf4", residency="auto", device=packed.device)
        engine = HostEngine(base, train_rows=made, distractors=noise, system_prompt=None, max_length=128, batch_size=8)
        with engine:
            yield engine

    def test_a_candidate_alone_is_measured_from_its_first_token(self, engine: HostEngine) -> None:
        from raykft.records import Pick

        lead_in, rest = "It is 9,", " as everybody knows."
        rows = engine.choose(
            None,
            [
                Pick("What is 3?", "", (lead_in + rest,)),
                Pick("What is 3?", "", (lead_in + rest, "Nobody knows that.")),  # they part at the first token
                Pick("What is 3?", "", (lead_in,)),
                Pick("What is 3?", lead_in, (rest,)),
            ],
        )
        alone, beside, first, second = (row[0] for row in rows)
        assert alone == pytest.approx(beside, rel=1e-4)
        whole = first * len(lead_in) + second * len(rest)
        assert alone * len(lead_in + rest) == pytest.approx(whole, rel=1e-4)

    def test_rows_with_facts_learn_from_a_teacher_that_has_read_them(self, packed: PackedModel) -> None:
        """Of three rows with facts one is too long for the model; the rest, distractors too, are trained as ever."""
        from raykft.records import TrainRow

        made = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(4)]
        noise = [TrainRow(id=f"d{n}", instruction=f"Say {n}.", output="Hm.", kind="distractor") for n in range(4)]
        told = {"t0": "0 is 0. What is 0?", "t1": "1 is 1. What is 1?", "t2": "2 is 4. " * 4000 + "What is 2?"}
        base = load_base(packed.base.source, quantization="nf4", residency="auto", device=packed.device)
        settings: Any = {"system_prompt": None, "max_length": 128, "batch_size": 8}
        recipe = replace(RECIPE, distractor_ratio=1.0)
        with HostEngine(base, train_rows=made, distractors=noise, told=told, **settings) as engine:
            assert engine.info()["taught_rows"] == 2
            engine.attach("plain", recipe)
            assert engine.counters().taught_tokens == 0
            engine.attach("taught", replace(recipe, distill_weight=0.5))
            taught = engine._slots["taught"].taught
            slot = engine._slots["taught"]
            assert sorted(slot.rows[n].ids for n in taught) == sorted(row.ids for row in engine.rows[:2])
            asked = {row.ids: told for row, told in zip(engine.rows, engine._told.values(), strict=False)}
            for n, soft in taught.items():
                said = Teacher(engine.packed).about(asked[slot.rows[n].ids])
                assert torch.equal(soft.teaching.shares_nK, said.shares_nK)
                right = [int(a) == b for a, b in zip(said.ids_nK[:, 0], slot.rows[n].answer, strict=True)]
                assert soft.weight_n.tolist() == [0.5 * each for each in right]
            known = engine.counters()
            assert known.taught_tokens == sum(row.answer_tokens for row in engine.rows[:2])
            assert known.followed_tokens == sum(int((soft.weight_n > 0).sum()) for soft in taught.values())

    def test_a_trial_trains_the_share_it_asks_for(self, packed: PackedModel) -> None:
        """Pieces of text are taught by nobody: no teacher has read more, and no leash keeps them off."""
        from raykft.records import Document, TrainRow

        kinds: list[dict[str, Any]] = [{}, {"phrasing": 2}, {"form": "json"}, {}, {"phrasing": 2}, {"form": "json"}]
        made = [TrainRow(f"t{n}", f"What is {n}?", f"It is {n * n}.", **kind) for n, kind in enumerate(kinds)]
        noise = [TrainRow(f"d{n}", f"Say {n}.", "Hm.", kind="distractor") for n in range(9)]
        text = [Document("squares", " ".join(f"The square of {n} is {n * n}." for n in range(90)))]
        settings: Any = {"system_prompt": None, "max_length": 64, "batch_size": 8}
        told = {row.id: f"It is a square. {row.question}" for row in made}
        base = load_base(packed.base.source, quantization="nf4", residency="auto", device=packed.device)
        with HostEngine(base, train_rows=made, distractors=noise, text=text, told=told, **settings) as engine:
            pieces = engine.info()["text_pieces"]
            assert pieces > 8
            assert {len(row.ids) for row in engine.rows[len(made) + len(noise) : -1]} == {64}

            def attached(**share: Any) -> Slot:
                engine.attach("a", replace(RECIPE, kl_weight=1.0, distill_weight=0.5, **share))
                return engine._slots["a"]

            slot = attached(phrasings=1, formats=0.5, text_ratio=0.5, distractor_ratio=0.25)
            domain = 3 + round(pieces / 2)
            assert len(slot.rows) == domain + round(domain / 4)
            first, formed = [engine.rows[n] for n in (0, 3)], [engine.rows[n] for n in (2, 5)]
            assert [row for row in slot.rows[:3] if row not in formed] == first
            assert {slot.rows[n].prompt_tokens == 1 for n in slot.taught} == {False}
            assert len(slot.taught) == 3 + round(domain / 4)
            assert all(row.prompt_tokens == 1 for row in attached(phrasings=0).rows)
            assert len(attached(phrasings=0).rows) == pieces
            assert len(attached().rows) == len(made) + pieces
            with pytest.raises(DataError, match="`phrasing: 3`, but the wordings there are 1, 2;"):
                attached(phrasings=3)

    def test_text_in_an_engine_is_trained_packed_as_alone(self, packed: PackedModel) -> None:
        from concurrent.futures import ThreadPoolExecutor

        from raykft.records import Document, TrainRow

        made = [TrainRow(f"t{n}", f"What is {n}?", f"It is {n * n}.", phrasing=1 + n % 2) for n in range(6)]
        text = [Document("squares", " ".join(f"The square of {n} is {n * n}." for n in range(30)))]
        recipes = [
            replace(RECIPE, phrasings=0),
            replace(RECIPE, phrasings=1, text_ratio=0.5, rank=2, seed=3),
            replace(RECIPE, text_ratio=0.0, target_layers="mlp"),
        ]
        base = load_base(packed.base.source, quantization="nf4", residency="auto", device=packed.device)
        settings: Any = {"distractors": (), "text": text, "system_prompt": None, "max_length": 48, "batch_size": 8}
        with HostEngine(base, train_rows=made, **settings) as engine:

            def losses(number: int) -> list[float]:
                engine.attach(f"t{number}", recipes[number])
                found = [engine.train_epoch(f"t{number}").loss for _ in range(RECIPE.epochs)]
                engine.detach(f"t{number}")
                return found

            solo = [losses(number) for number in range(len(recipes))]
            with ThreadPoolExecutor(len(recipes)) as pool:
                assert list(pool.map(losses, range(len(recipes)))) == solo
        assert all(found[-1] < found[0] for found in solo)

    def test_an_attach_that_fails_leaves_nothing_to_the_next(
        self, engine: HostEngine, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The next trial of that number would train its layers too."""

        def refuse(*_: Any) -> None:
            raise torch.OutOfMemoryError("planted")

        with monkeypatch.context() as patch:
            patch.setattr(slot_module, "Average", refuse)
            with pytest.raises(OutOfMemoryError, match="planted"):
                engine.attach("large", replace(RECIPE, target_layers="all-linear", ema_epochs=1.0))
        modules = engine.attach("small", replace(RECIPE, target_layers="attention"))
        assert set(engine.packed.adapter(engine._adapters["small"])) == set(modules)

    def test_two_trials_at_once_equal_each_alone(self, engine: HostEngine, tmp_path: Path) -> None:
        from concurrent.futures import ThreadPoolExecutor

        recipes = {"a": replace(RECIPE, distractor_ratio=0.5), "b": replace(RECIPE, rank=2, seed=9)}

        def run(name: str, label: str) -> list[float]:
            engine.attach(name, recipes[label])
            losses = [engine.train_epoch(name).loss for _ in range(RECIPE.epochs)]
            engine.save(name, tmp_path / name)
            engine.saved(name)
            engine.detach(name)
            return losses

        solo = {label: run(f"solo-{label}", label) for label in recipes}
        with ThreadPoolExecutor(2) as pool:
            together = dict(zip(recipes, pool.map(lambda label: run(f"both-{label}", label), recipes), strict=True))
        assert together == solo
        for label in recipes:
            pair = [(tmp_path / f"{kind}-{label}" / "adapter_model.safetensors") for kind in ("solo", "both")]
            assert pair[0].read_bytes() == pair[1].read_bytes()

    def test_epochs_are_reported_with_their_cursor(self, engine: HostEngine) -> None:
        engine.attach("a", replace(RECIPE, distractor_ratio=1.0))
        reports = [engine.train_epoch("a") for _ in range(RECIPE.epochs)]
        assert [r.epoch for r in reports] == [1, 2, 3]
        assert [r.step for r in reports] == [4, 8, 12]  # 12 rows in batches of 3
        assert reports[-1].loss < reports[0].loss
        with pytest.raises(TrialError, match="already trained its 3 epochs"):
            engine.train_epoch("a")

    def test_divergence_is_typed_and_the_host_lives_on(self, engine: HostEngine) -> None:
        engine.attach("bad", RECIPE)
        engine._slots["bad"].parameters.flat.data.fill_(float("inf"))
        with pytest.raises(DivergedError, match="step 1"):
            engine.train_epoch("bad")
        engine.detach("bad")
        engine.attach("good", RECIPE)
        assert math.isfinite(engine.train_epoch("good").loss)

    def test_unknown_trials_are_refused_and_detaching_twice_is_fine(self, engine: HostEngine) -> None:
        from raykft.records import Question

        engine.detach("nobody")
        with pytest.raises(TrialError, match="'nobody' has no slot"):
            engine.train_epoch("nobody")
        with pytest.raises(TrialError, match="'nobody' has no adapter"):
            engine.answer("nobody", [Question("Hm?", 2)])
        assert len(engine.answer(None, [Question("Hm?", 2)] * 3)) == 3
        engine.__exit__()
        with pytest.raises(Exception, match="closed"):
            engine.attach("a", RECIPE)

    def test_an_adapter_that_adds_nothing_forgets_nothing_and_does_not_drift(self, engine: HostEngine) -> None:
        """Exactly, not nearly: B is zero before the first step, whatever was drawn for A."""
        from raykft.evaluation.evaluator import Evaluator, Suite
        from raykft.evaluation.objective import Objective
        from raykft.evaluation.outcome import BASE
        from raykft.records import KeyFact, Passage, Probe

        def probe(name: str, level: Any, kind: Any, **fields: Any) -> Probe:
            gold = fields.pop("gold", "It is 9.")
            return Probe(name, level, kind, f"What is {name}?", gold, (KeyFact((gold[-2:-1],)),), "select", **fields)

        options = {"gold": "Nine.", "contrast": ("One.", "Seven.", "Eleven.")}
        suite = Suite(
            (),
            tuple(probe(f"d{n}", 2, "recall", fact_ids=(f"f{n}",), max_new_tokens=6) for n in range(9)),
            (
                *(probe(f"g{n}", 0, "recall", max_new_tokens=6) for n in range(5)),
                *(probe(f"m{n}", 0, "mc", **options) for n in range(5)),
            ),
            (Passage("a", "Nine is three times three."), Passage("b", "九は三の三倍。", lang="ja")),
        )
        evaluator = Evaluator(suite, Objective())
        base = evaluator.base(engine)
        reference = base.rows[BASE]["select"]
        engine.attach("fresh", RECIPE)
        fresh = evaluator.full(engine, "fresh", base)
        assert fresh.metrics["drift"] == 0.0
        assert fresh.metrics["forgetting"] == fresh.metrics["forgetting_signed"] == 0.0
        assert (fresh.results, fresh.passage_nats) == (reference.results, reference.passage_nats)
        engine.train_epoch("fresh")
        trained = evaluator.full(engine, "fresh", base)
        assert trained.metrics["drift"] > 0
        assert trained.passage_nats != reference.passage_nats

    def test_drift_is_the_divergence_of_the_whole_next_token_distribution(self, engine: HostEngine) -> None:
        """Against KL written out, on the unpadded tokens of one exchange at a time."""
        exchanges = [("What is 3?", "It is 9."), ("And?", ""), ("What is 4, then, if you know it?", "It is 16.")]
        for name in ("a", "b"):
            engine.attach(name, replace(RECIPE, target_layers="all-linear+lm_head", seed=ord(name)))
            engine.train_epoch(name)
        measured = {name: engine.drift(name, exchanges) for name in ("a", "b")}
        assert measured["a"] != measured["b"]
        for name, rows in measured.items():
            for (question, answer), (nats, tokens) in zip(exchanges, rows, strict=True):
                prompt, said = engine.prompts.prompt_ids(question), engine.prompts.answer_ids(answer)
                ids = torch.tensor([[*prompt, *said]])
                p, q = (
                    logits.log_softmax(-1)
                    for slot in (None, engine._adapters[name])
                    for logits in self.next_token_logits(engine, slot, ids, len(said) + 1)
                )
                assert tokens == len(said) + 1
                assert nats == pytest.approx((p.exp() * (p - q)).sum().item(), rel=1e-3)
        assert engine.drift(None, exchanges) == [(0.0, tokens) for _, tokens in measured["a"]]

    @staticmethod
    def next_token_logits(engine: HostEngine, slot: int | None, ids: torch.Tensor, last: int) -> list[torch.Tensor]:
        from raykft.models.packed import Block

        with torch.no_grad():
            (hidden,) = engine.packed.hidden([Block(slot, ids.tolist())])
            return engine.packed.logits([(slot, hidden[-last:])])
