"""What was scored is what is saved: an adapter on disk against the one in memory, by PEFT's own reading of it."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file

from raykft.errors import ModelError, StorageError
from raykft.models.adapter_files import load_adapter, tensors_of
from raykft.models.lean import undo
from raykft.models.load import BaseModel
from raykft.models.lowrank import LoraPair
from raykft.models.packed import Block, PackedModel
from raykft.paths import ADAPTER_WEIGHTS

SLOT = 0
# Relative norm. In fp32 two orders of the same sums are some 1e-6 apart; a wrong scale or a layer left out is 1e-2.
SAME_LOGITS = 1e-3


@dataclass(frozen=True)
class Distance:
    """How far a model is from the one that was scored, over all positions of some texts.

    Attributes:
        logits: the norm of the difference of their logits relative to the norm of those that were scored, each less
            its mean over the vocabulary.
        same_next: the share of positions at which the most likely next token is the same.
    """

    positions: int
    logits: float
    same_next: float


def distance(scored: Sequence[torch.Tensor], found: Sequence[torch.Tensor]) -> Distance | None:
    """Of logits `[n, V]`. Softmax does not see what is added to all logits alike, so their mean is taken off."""
    if not scored:
        return None
    before, now = (torch.cat(list(rows)) for rows in (scored, found))
    same = (before.argmax(-1) == now.argmax(-1)).float().mean()
    before, now = (logits - logits.mean(-1, keepdim=True) for logits in (before, now))
    return Distance(len(before), float((before - now).norm() / before.norm()), float(same))


def check_saved(directory: Path, pairs: Mapping[str, LoraPair], linears: Iterable[str]) -> None:
    """PEFT would put the saved adapter onto the layers that were trained, with their scale, and every bit is there.

    Args:
        pairs: what was trained, by module.
        linears: all modules of the base model that could have an adapter.

    Raises:
        ModelError: PEFT would read another adapter out of it.
        StorageError: the disk holds other numbers than were written.
    """
    from peft import LoraConfig
    from peft.tuners.tuners_utils import check_target_module_exists

    config = LoraConfig.from_pretrained(str(directory))
    meant = {name for name in linears if check_target_module_exists(config, name)}
    if differs := sorted(meant ^ pairs.keys()):
        raise ModelError(f"{directory}: PEFT would adapt other layers than were trained, such as {differs[0]!r}")
    scale = config.lora_alpha / (math.sqrt(config.r) if config.use_rslora else config.r)
    if off := [name for name, pair in pairs.items() if not math.isclose(pair.scale, scale)]:
        raise ModelError(f"{directory}: PEFT would scale {off[0]!r} by {scale}, trained was {pairs[off[0]].scale}")
    saved = load_file(directory / ADAPTER_WEIGHTS)
    trained = tensors_of(pairs)
    if saved.keys() != trained.keys() or not all(torch.equal(saved[key], trained[key]) for key in trained):
        raise StorageError(f"{directory / ADAPTER_WEIGHTS} does not hold what was written to it")


@torch.no_grad()
def distance_in_peft(base: BaseModel, adapter: Path, rows: Sequence[Sequence[int]]) -> Distance | None:
    """How far the logits of `peft.PeftModel.from_pretrained` are from raykft's. `base` is of no more use afterwards.

    Args:
        base: with plain weights (`raykft.models.merge.load_rounded`), fp32.
        rows: token ids of the texts on which they are compared.

    Raises:
        ModelError: one of them cannot read the adapter, or they compute other models of it.
    """
    packed = PackedModel(base)
    load_adapter(packed, SLOT, adapter)
    scored = logits_of(packed, rows)
    model = plain(packed)
    from peft import PeftModel

    try:
        with warnings.catch_warnings():  # of what merging onto a tied head would do: nothing is merged here
            warnings.simplefilter("ignore", UserWarning)
            tuned = PeftModel.from_pretrained(model, str(adapter)).eval()
    except (OSError, ValueError, RuntimeError, TypeError) as error:
        raise ModelError(f"PEFT cannot load {adapter}: {error}") from error
    found = distance(scored, [tuned(torch.tensor([list(row)])).logits[0].float() for row in rows])
    if found is not None and not found.logits <= SAME_LOGITS:
        raise ModelError(
            f"plain PEFT makes another model of {adapter} than was scored: logits differ by {found.logits:.2%}"
        )
    return found


def logits_of(packed: PackedModel, rows: Sequence[Sequence[int]]) -> list[torch.Tensor]:
    """The logits `[n, V]` of the adapter in `SLOT` at every position of each row."""
    return [packed.logits([(SLOT, packed.hidden([Block(SLOT, [row])])[0])])[0] for row in rows]


def plain(packed: PackedModel) -> torch.nn.Module:
    """The base model with its own layers again, as Transformers and PEFT know it."""
    model: torch.nn.Module = packed.base.model
    for name, layer in packed.layers.items():
        setattr(model.get_submodule(name.rpartition(".")[0]), name.rpartition(".")[2], layer.base)
    undo(model)
    packed.base.model.set_attn_implementation("sdpa")
    return model
