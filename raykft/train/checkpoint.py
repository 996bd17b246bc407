"""A trial's checkpoint: a copy of everything that resuming exactly needs, and its files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from raykft.errors import CheckpointError, DamagedError
from raykft.paths import CHECKPOINT_STATE, CHECKPOINT_TENSORS, is_whole_safetensors, read_json, sync, write_json


@dataclass(frozen=True)
class Snapshot:
    """`fields` are JSON-ready; `tensors` lie in main memory and nobody else writes into them."""

    fields: dict[str, Any]
    tensors: dict[str, torch.Tensor]

    @classmethod
    def of(cls, fields: dict[str, Any], tensors: dict[str, torch.Tensor]) -> Snapshot:
        """Copies `tensors`: what they are views of may go on changing."""
        return cls(fields, {name: t.detach().to("cpu", copy=True).contiguous() for name, t in tensors.items()})

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
        return cls(fields, load_file(file))
