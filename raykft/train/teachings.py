"""What teachers said, kept in the cache: a file for a row, so that hosts, trials and later runs ask once."""

from __future__ import annotations

import hashlib
import json
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from raykft.data.encode import EncodedRow
from raykft.models.soft_targets import Teaching
from raykft.paths import drop_oldest, is_whole_safetensors
from raykft.train.recipe import TEACHER_TOP

log = logging.getLogger(__name__)
FORMAT = 1
KEPT_ROWS = 100_000  # some 2 GB of answers of a hundred tokens


class Teachings:
    """The files of one teacher below `folder`. A cache that cannot be read or written is done without."""

    def __init__(self, folder: Path, teacher: Mapping[str, Any]) -> None:
        """
        Args:
            teacher: what its distribution depends on besides the row: the model and how it is held and computed.
        """
        self._folder = folder
        self._teacher = json.dumps([FORMAT, TEACHER_TOP, dict(teacher)], sort_keys=True)
        self._writable = True
        with suppress(OSError):
            drop_oldest(folder.glob("*/*.safetensors"), KEPT_ROWS)

    def read(self, row: EncodedRow) -> Teaching | None:
        """What was said of the row's answer, if it is there and whole."""
        file = self._file(row)
        try:
            if not is_whole_safetensors(file):
                return None
            found = load_file(file)
            said = Teaching(found["ids"].long(), found["shares"])
        except (OSError, KeyError, SafetensorError) as error:
            log.warning("%s cannot be read, the base model is asked again: %s", file, error)
            return None
        return said if said.ids_nK.shape == said.shares_nK.shape and len(said.ids_nK) == row.answer_tokens else None

    def write(self, row: EncodedRow, said: Teaching) -> None:
        if not self._writable:
            return
        file = self._file(row)
        scratch = file.parent / f".{file.name}.{secrets.token_hex(4)}"
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            save_file({"ids": said.ids_nK.to(torch.int32), "shares": said.shares_nK}, scratch)
            scratch.replace(file)
        except (OSError, SafetensorError) as error:
            self._writable = False
            log.warning("what the base model says of rows is not kept: %s", error)
            with suppress(OSError):
                scratch.unlink()

    def _file(self, row: EncodedRow) -> Path:
        content = f"{self._teacher}|{row.prompt_tokens}|{','.join(map(str, row.ids))}"
        name = hashlib.sha256(content.encode()).hexdigest()[:32]
        return self._folder / name[:2] / f"{name}.safetensors"
