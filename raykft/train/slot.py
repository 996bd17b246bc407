"""One trial's place in a host: its adapter, data cursor, schedule, optimizer and counters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, NamedTuple

import torch
from torch import nn

from raykft.data.encode import EncodedRow
from raykft.errors import CheckpointError, first_line
from raykft.models.lowrank import LoraPair
from raykft.models.packed import Block, PackedModel
from raykft.models.soft_targets import SoftTargets, of_rows
from raykft.train.average import Average
from raykft.train.checkpoint import Snapshot, Taken, to_main_memory
from raykft.train.optimizer import FlatParameters, make_optimizer
from raykft.train.parallel import ALONE, Replicas
from raykft.train.recipe import Recipe
from raykft.train.schedule import epoch_batches, learning_rate_factor

# Settings that a checkpoint of an earlier version lacks.
NOT_YET = {
    "kl_weight": 0.0,
    "ema_epochs": 0.0,
    "distill_weight": 0.0,
    "phrasings": None,
    "formats": None,
    "text_ratio": 1.0,
}


class Batch(NamedTuple):
    """A micro-batch: where among its rows' tokens an answer's next one is to be foretold, those, and what is taught."""

    block: Block
    places: list[int]
    targets: list[int]
    soft: SoftTargets | None


class Slot:
    """Everything of one trial that changes while it trains. Depends on nothing but its recipe and rows."""

    def __init__(
        self,
        packed: PackedModel,
        number: int,
        recipe: Recipe,
        rows: Sequence[EncodedRow],
        replicas: Replicas = ALONE,
        taught: Mapping[int, SoftTargets] | None = None,
    ) -> None:
        """
        Args:
            taught: what a teacher says, by the number of a row that it is asked of.
        """
        self.packed = packed
        self.replicas = replicas
        self.stopping = False  # asked to end the running epoch
        self.number = number
        self.recipe = recipe
        self.rows = rows
        self.taught = taught or {}
        generator = torch.Generator().manual_seed(recipe.seed)
        self.modules = packed.add_adapter(
            number, rank=recipe.rank, alpha=recipe.alpha, preset=recipe.target_layers, generator=generator
        )
        pairs = packed.adapter(number)
        self._scales = {name: pair.scale for name, pair in pairs.items()}
        self.parameters = FlatParameters([p for pair in pairs.values() for p in (pair.A, pair.B)])
        self.optimizer = make_optimizer(
            recipe.optimizer,
            self.parameters.flat,
            learning_rate=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
        )
        self.dropout_rng = torch.Generator(device=packed.device).manual_seed(recipe.seed + 1)
        micro_batches = math.ceil(len(rows) / recipe.batch_size)
        self.steps_per_epoch = math.ceil(micro_batches / recipe.accumulation)
        self.total_steps = self.steps_per_epoch * recipe.epochs
        horizon = recipe.ema_epochs * self.steps_per_epoch
        self.average = Average(self.parameters.flat.data, horizon) if horizon else None
        self.warmup_steps = math.ceil(recipe.warmup_fraction * self.total_steps)
        self.step = 0  # optimizer steps done; the data cursor follows from it
        self.tokens = 0  # tokens trained on, padding left out
        self._epoch = -1
        self._windows: list[list[list[int]]] = []
        self._window: list[list[int]] = []
        self._window_tokens = 0
        self._window_losses: list[float] = []
        self._before: tuple[int, torch.Tensor] = (0, self.dropout_rng.get_state())  # tokens and dropout at its start
        self.losses: list[float] = []  # of the micro-batches of finished steps, for the owner to take
        self.failure: str | None = None

    @property
    def epoch(self) -> int:
        """Epochs completed."""
        return self.step // self.steps_per_epoch

    @property
    def finished(self) -> bool:
        return self.step >= self.total_steps

    @property
    def next_tokens(self) -> int:
        """Tokens of the next micro-batch, before what its rows share is computed once."""
        chosen, _ = self._next_rows()
        return sum(len(self.rows[i].ids) for i in chosen)

    def _next_rows(self) -> tuple[list[int], bool]:
        """The numbers of the next micro-batch's rows, and whether they count."""
        if not self._window:
            self._open_window()
        own = self.replicas.share(self._window[0])
        # A replica without a row computes along on one that counts for nothing: all do the same work in the same order.
        return list(own or self._window[0][:1]), bool(own)

    def next_block(self) -> Batch:
        """The next micro-batch."""
        if self.average:
            self.average.hide()
        numbers, own = self._next_rows()
        chosen = [self.rows[i] for i in numbers]
        # Nothing follows a row's last token, so it is never read; the last one of the prompt is foretold after.
        block = Block.sharing(
            self.number, [row.ids[:-1] for row in chosen], min(row.prompt_tokens for row in chosen) - 1
        )
        places: list[int] = []
        targets: list[int] = []
        start = -len(block.prefix)
        for row in chosen if own else ():
            places += range(start + row.prompt_tokens - 1, start + len(row.ids) - 1)
            targets += row.answer
            start += len(row.ids) - 1 - len(block.prefix)
        self.tokens += sum(len(self.rows[i].ids) for i in self._window[0])
        taught = [(self.rows[i].answer_tokens, self.taught.get(i)) for i in numbers] if own else []
        return Batch(block, places, targets, of_rows(taught))

    def _open_window(self) -> None:
        """Collect the micro-batches of the next optimizer step: the loss is averaged over all of them."""
        epoch, position = divmod(self.step, self.steps_per_epoch)
        if epoch != self._epoch:
            lengths = [len(row.ids) for row in self.rows]
            batches = epoch_batches(
                lengths,
                batch_size=self.recipe.batch_size,
                seed=self.recipe.seed,
                epoch=epoch,
                group_by_length=self.recipe.group_by_length,
            )
            size = self.recipe.accumulation
            self._windows = [batches[i : i + size] for i in range(0, len(batches), size)]
            self._epoch = epoch
        self._window = list(self._windows[position])
        self._window_tokens = sum(self.rows[i].answer_tokens for batch in self._window for i in batch)
        if self.replicas.size > 1:
            self.dropout_rng.manual_seed(self.replicas.seed(self.recipe.seed, self.step))
        self._window_losses = []
        self._before = (self.tokens, self.dropout_rng.get_state())

    @property
    def window_tokens(self) -> int:
        """Supervised tokens of the running optimizer step: what its summed loss is divided by."""
        return self._window_tokens

    def finish_block(self, loss: float) -> bool:
        """Count the micro-batch as done, `loss` nats a supervised token; whether its window is complete: then the
        gradient is whole, and `finish_step` is due."""
        self._window.pop(0)
        self._window_losses.append(loss)
        if self._window:
            return False
        self.replicas.sum(self.parameters.grad)
        return True

    def finish_step(self, norm: float) -> None:
        """Clip the gradient, of this `norm`, and step."""
        if not math.isfinite(norm):
            self.failure = f"the gradient norm became {norm} at step {self.step + 1}"
            return
        self.parameters.clip(self.recipe.max_grad_norm, norm)
        factor = learning_rate_factor(
            self.step,
            total_steps=self.total_steps,
            warmup_steps=self.warmup_steps,
            schedule=self.recipe.lr_schedule,
        )
        self.optimizer.param_groups[0]["lr"] = self.recipe.learning_rate * factor
        self.optimizer.step()
        self.parameters.zero_grad()
        self.step += 1
        self.losses += self._window_losses
        self._window_losses = []
        if self.average:
            self.average.after_step(self.step)
            self._show_average()

    def _show_average(self) -> None:
        """Between epochs an adapter is its average."""
        if self.average and self.step and self.step % self.steps_per_epoch == 0:
            self.average.show()

    def restart_step(self) -> None:
        """Take back what a pass that failed half-way did to a step: it begins again as if it had never begun."""
        stepped = not self._window and not self._window_losses
        if stepped:
            return
        self.parameters.zero_grad()
        if not self.step:
            self.optimizer.state.clear()  # the first step makes the moments, perhaps not all of them
        self._window, self._window_losses = [], []
        self.tokens = self._before[0]
        self.dropout_rng.set_state(self._before[1])

    def dropout(self) -> dict[int, tuple[float, torch.Generator]]:
        return {self.number: (self.recipe.dropout, self.dropout_rng)} if self.recipe.dropout else {}

    def untrained_modules(self) -> list[str]:
        """Adapted modules whose B is still all zero: they were requested but never received a gradient."""
        return [name for name, pair in self.packed.adapter(self.number).items() if not pair.B.detach().any()]

    def take(self, *, whole: bool) -> Taken:
        """Copies of the adapter and, where `whole`, of everything that resuming exactly needs, as they are now.

        Only between optimizer steps.
        """
        tensors: dict[str, torch.Tensor] = {"adapter": self.parameters.flat}
        scalars: dict[str, Any] = {}
        if whole:
            tensors |= {"parameters": self.parameters.flat, "dropout_rng": self.dropout_rng.get_state()}
            if self.average:
                tensors |= {"parameters": self.average.trained, "average": self.average.mean}
            for key, value in self.optimizer.state.get(self.parameters.flat, {}).items():
                if torch.is_tensor(value):
                    tensors[f"optimizer.{key}"] = value
                else:
                    scalars[key] = value
        copies, arrived = to_main_memory(tensors)
        pairs = self._pairs_of(copies.pop("adapter"))
        fields = {"step": self.step, "tokens": self.tokens, "recipe": asdict(self.recipe), "scalars": scalars}
        return Taken(self.recipe, pairs, Snapshot(fields, copies) if whole else None, arrived)

    def snapshot(self) -> Snapshot:
        """A copy of everything that resuming exactly needs. Only between optimizer steps."""
        taken = self.take(whole=True)
        taken.arrived()
        assert taken.snapshot is not None
        return taken.snapshot

    def _pairs_of(self, flat: torch.Tensor) -> dict[str, LoraPair]:
        """The adapter by module, as views of a copy of its flat parameters."""
        factors = (nn.Parameter(view, requires_grad=False) for view in self.parameters.views(flat))
        return {name: LoraPair(next(factors), next(factors), scale) for name, scale in self._scales.items()}

    def restore(self, found: Snapshot) -> None:
        """Continue exactly where the snapshot was taken. After an error the slot is of no more use.

        Raises:
            CheckpointError: it is damaged, or belongs to another recipe.
        """
        state, tensors = found.fields, found.tensors
        recorded = state.get("recipe")
        if not isinstance(recorded, dict) or NOT_YET | recorded != asdict(self.recipe):
            raise CheckpointError(f"the checkpoint in {found.where} was written by another recipe")
        try:
            self._go_on_from(state, dict(tensors))
        except torch.OutOfMemoryError:
            raise
        except (KeyError, TypeError, ValueError, RuntimeError) as error:
            raise CheckpointError(f"the checkpoint in {found.where} is damaged: {first_line(error)}") from error

    def _take_dropout(self, state: torch.Tensor, step: int) -> None:
        """A generator's state is no other kind of device's: there dropout goes on from a seed of its own."""
        if state.shape == self.dropout_rng.get_state().shape:
            self.dropout_rng.set_state(state)
        else:
            self.dropout_rng.manual_seed((self.recipe.seed + 1) * 1_000_003 + step)

    def _go_on_from(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        parameters = tensors.pop("parameters")
        if parameters.shape != self.parameters.flat.shape:  # `copy_` would spread a single value over all
            raise ValueError(f"it holds {tuple(parameters.shape)} parameters, not {tuple(self.parameters.flat.shape)}")
        self.parameters.flat.data.copy_(parameters)
        if self.average:
            self.average.restore(tensors.pop("average"))
        self._take_dropout(tensors.pop("dropout_rng"), int(state["step"]))
        moments: dict[str, Any] = dict(state["scalars"])
        for key, value in tensors.items():
            name = key.removeprefix("optimizer.")
            # AdamW keeps `step` on the CPU unless it is capturable; the fused kernel wants it on the device.
            moments[name] = value.to(self.packed.device)
        if moments:
            self.optimizer.state[self.parameters.flat] = moments
        self.step, self.tokens = int(state["step"]), int(state["tokens"])
        self._epoch, self._window = -1, []
        self._show_average()
