"""A trial as it was at one moment: copies in main memory, and the files of a checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from raykft.errors import CheckpointError, DamagedError
from raykft.models.adapter_files import save_adapter
from raykft.models.lowrank import LoraPair
from raykft.models.packed import PackedModel
from raykft.models.proof import check_saved
from raykft.paths import CHECKPOINT_STATE, CHECKPOINT_TENSORS, is_whole_safetensors, read_json, sync, write_json
from raykft.train.recipe import Recipe

_KINDS = ("cuda",)  # of devices that fill page-locked memory while they compute on


@dataclass(frozen=True)
class Snapshot:
    """Everything that resuming exactly needs: `fields` are JSON-ready; `tensors` lie in main memory and nobody else
    writes into them. `where` it was read, for messages."""

    fields: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    where: str = "main memory"

    def write(self, directory: Path) -> None:
        """The disk holds the checkpoint before this returns; its state comes last and stands for a whole one."""
        directory.mkdir(parents=True, exist_ok=True)
        scratch = directory / f".{CHECKPOINT_TENSORS}"
        save_file(self.tensors, scratch)
        sync(scratch)
        scratch.replace(directory / CHECKPOINT_TENSORS)
        write_json(directory / CHECKPOINT_STATE, self.fields, lasting=True)
        sync(directory.parent)

    @classmethod
    def read(cls, directory: Path) -> Snapshot:
        """
        Raises:
            CheckpointError: it is damaged.
            StorageError: it cannot be read now.
        """
        file = directory / CHECKPOINT_TENSORS
        try:
            fields = read_json(directory / CHECKPOINT_STATE)
        except DamagedError as error:
            raise CheckpointError(str(error)) from error
        if not is_whole_safetensors(file):
            raise CheckpointError(f"{file} is gone or damaged")
        # Copies: what is mapped would be read from the disk where it is first used, by the thread that trains.
        return cls(fields, {name: tensor.clone() for name, tensor in load_file(file).items()}, str(directory))


@dataclass(frozen=True)
class Taken:
    """What is to be written of a trial: its adapter by module and, where asked for, its checkpoint.

    `arrived` waits until the copies are there; nothing may be read of them before.
    """

    recipe: Recipe
    pairs: dict[str, LoraPair]
    snapshot: Snapshot | None
    arrived: Callable[[], None]

    def write(self, packed: PackedModel, adapter: Path, checkpoint: Path | None = None) -> None:
        """Write it and hold what can be read of the adapter against what was to be written.

        Args:
            packed: the model that it was trained on.

        Raises:
            ModelError: PEFT would make another adapter of it.
            StorageError: other numbers can be read than were written.
        """
        self.arrived()
        recipe, base_name = self.recipe, packed.base.source.location
        save_adapter(adapter, self.pairs, base_name=base_name, alpha=recipe.alpha, dropout=recipe.dropout)
        check_saved(adapter, self.pairs, packed.layers)
        if checkpoint is not None and self.snapshot is not None:
            self.snapshot.write(checkpoint)


def to_main_memory(tensors: Mapping[str, torch.Tensor]) -> tuple[dict[str, torch.Tensor], Callable[[], None]]:
    """Copies of tensors as they are now, and what waits until they are there: a GPU makes them while it computes on.

    What they are views of may go on changing. One that is there under several names is copied once.
    """
    copies: dict[tuple[int, int, torch.dtype], torch.Tensor] = {}
    found, by_device = {}, False
    for name, tensor in tensors.items():
        key = (tensor.data_ptr(), tensor.numel(), tensor.dtype)
        own = tensor.device.type in _KINDS
        if key not in copies:
            empty = _page_locked(tensor) if own else _ordinary(tensor)
            copies[key] = empty.copy_(tensor.detach(), non_blocking=True)
        found[name], by_device = copies[key], by_device or own
    if not by_device:
        return found, lambda: None
    done = torch.cuda.Event()  # type: ignore[no-untyped-call]
    done.record()  # after all copies: a device does what it is given in order
    return found, done.synchronize


def _page_locked(like: torch.Tensor) -> torch.Tensor:
    """Empty main memory that a device fills by itself; ordinary memory, for which it waits, where none can be had."""
    try:
        return torch.empty(like.shape, dtype=like.dtype, pin_memory=True)
    except RuntimeError:
        return _ordinary(like)


def _ordinary(like: torch.Tensor) -> torch.Tensor:
    return torch.empty(like.shape, dtype=like.dtype)
