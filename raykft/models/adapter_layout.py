"""What a PEFT LoRA directory holds, read and checked from its two files alone: no torch, no model.

Whatever an adapter computes that raykft would not, or that its files do not hold, is refused here by name: a fraction
of an adapter, scored under the adapter's name, would be a wrong number that nobody sees. So fields of the config are
allowed one by one, and every tensor is used or refused.

Names and rules are PEFT's (peft 0.21: `LoraConfig`, `check_target_module_exists`, `get_pattern_key`).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import safetensors

from raykft.errors import ModelError
from raykft.models.shape import ModelShape
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS

PREFIX = "base_model.model."
LFS = b"version https://git-lfs"
# Fields that change nothing of what a trained adapter computes, or that are read below.
NEUTRAL = {
    "alpha_pattern",
    "auto_mapping",
    "base_model_name_or_path",
    "corda_config",
    "eva_config",
    "exclude_modules",
    "inference_mode",
    "init_lora_weights",
    "layers_pattern",
    "layers_to_transform",
    "lora_alpha",
    "lora_dropout",
    "loftq_config",
    "megatron_config",
    "megatron_core",
    "parent_library",
    "peft_type",
    "peft_version",
    "qalora_group_size",
    "r",
    "rank_pattern",
    "revision",
    "runtime_config",
    "target_modules",
    "task_type",
    "use_rslora",
}
# Ways to begin training that leave the base model's weights as they are.
PLAIN_STARTS = (True, False, None, "gaussian", "eva", "orthogonal")
# Values of the kinds of tensors that safetensors names, as numpy reads them; bf16 is looked at bit by bit.
DTYPES = {"F32": np.float32, "F16": np.float16, "F64": np.float64, "BF16": np.uint16}
BF16_EXPONENT = 0x7F80
# What PEFT saves beside an adapter of the head or the embeddings: the base layer itself.
BASE_LAYER = re.compile(r"(.*\b(?:lm_head|embed_tokens))(?:\.base_layer)?\.weight")
LORA = re.compile(r"(.+)\.lora_([AB])(?:\.([^.]+))?\.weight")
LAYER_INDEX = r".*?\.[^.]*\.(\d+)\."
SHOWN = 3


class Module(NamedTuple):
    """One adapted layer: the keys of its two tensors, their sizes, and what their product is multiplied by."""

    A: str
    B: str
    rank: int
    inputs: int
    outputs: int
    scale: float


@dataclass(frozen=True)
class AdapterLayout:
    """A checked adapter. `modules` go by the base model's names, `base_layers` from such a name to a key."""

    config: dict[str, Any]
    modules: dict[str, Module]
    base_layers: dict[str, str]

    def expected(self, names: Iterable[str]) -> list[str]:
        """Those of a base model's linear layers that the config says are adapted."""
        return [name for name in names if _targeted(self.config, name)]


def read_layout(directory: Path) -> AdapterLayout:
    """Read and check the adapter in `directory`.

    Raises:
        ModelError: the files cannot be read, or hold anything but a plain LoRA adapter that is whole and finite.
    """
    config = _read_config(directory)
    tensors = _read_tensors(directory)
    pairs: dict[str, dict[str, str]] = {}
    base_layers, other = {}, []
    for key in tensors:
        lora = LORA.fullmatch(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
        base = BASE_LAYER.fullmatch(key.removeprefix(PREFIX)) if key.startswith(PREFIX) else None
        if lora is not None:
            pairs.setdefault(lora.group(1), {})[lora.group(2) + (lora.group(3) or "")] = key
        elif base is not None:
            base_layers[base.group(1)] = key
        else:
            other.append(key)
    if other:
        raise _refused(directory, f"holds tensors that are no low-rank factors of linear layers: {_some(other)}")
    if not pairs:
        held = (
            f"its keys are {_some(list(tensors))}"
            if tensors
            else "it is empty, as from a model whose weights lie in shards"
        )
        raise _refused(directory, f"no LoRA tensors found in {ADAPTER_WEIGHTS}; {held}")
    modules = {name: _module(directory, config, name, keys, tensors) for name, keys in sorted(pairs.items())}
    _check_finite(directory, tensors)
    return AdapterLayout(config, modules, base_layers)


def check_adapter(directory: Path, shape: ModelShape | None) -> AdapterLayout:
    """`read_layout`, and what can be known of the fit to a base model before it is loaded.

    Args:
        shape: of the base model; None where it is not known.
    """
    layout = read_layout(directory)
    layers = shape.layers if shape else 1 + max((_index(name) or 0 for name in layout.modules), default=0)
    names = {re.sub(r"\.\d+\.", f".{n}.", name, count=1) for name in layout.modules for n in range(layers)}
    check_whole(directory, layout, sorted(names))
    if shape is not None:
        sizes = {(linear.inputs, linear.outputs) for linear in (*shape.linears, shape.head)}
        for name, module in layout.modules.items():
            if (module.inputs, module.outputs) not in sizes or (_index(name) or 0) >= layers:
                raise _refused(
                    directory,
                    f"its module {name} ({module.inputs} to {module.outputs}) is no layer of the base model; it was "
                    f"trained on {layout.config.get('base_model_name_or_path') or 'another one'}",
                )
    return layout


def check_whole(directory: Path, layout: AdapterLayout, names: Sequence[str]) -> None:
    """That every layer which the config names has its tensors.

    Args:
        names: of the base model's linear layers.
    """
    missing = [name for name in layout.expected(names) if name not in layout.modules]
    leaves = {name.rpartition(".")[2] for name in layout.modules}
    targets = layout.config.get("target_modules")
    unseen = [t for t in targets if t.rpartition(".")[2] not in leaves] if isinstance(targets, list) else []
    if missing or unseen:
        raise _refused(directory, f"target_modules names layers that it has no tensors for: {_some(missing or unseen)}")


def _read_config(directory: Path) -> dict[str, Any]:
    text = _bytes(directory / ADAPTER_CONFIG)
    try:
        config = json.loads(text)
    except ValueError as error:
        raise _refused(directory, f"{ADAPTER_CONFIG} is not valid JSON: {error}") from error
    if not isinstance(config, dict):
        raise _refused(directory, f"{ADAPTER_CONFIG} holds no settings")
    if config.get("peft_type") != "LORA":
        raise _refused(directory, f"peft_type is {config.get('peft_type')!r}, and only LORA can be read")
    if config.get("bias", "none") != "none":
        raise _refused(directory, f"bias is {config['bias']!r}, and only adapters that train no bias can be read")
    if (start := config.get("init_lora_weights", True)) not in PLAIN_STARTS:
        raise _refused(
            directory,
            f"init_lora_weights is {start!r}: it belongs to a base model with other weights; convert it with "
            "save_pretrained(path_initial_model_for_weight_conversion=...)",
        )
    unread = {k: v for k, v in config.items() if k not in NEUTRAL | {"bias"} and v not in (None, False, [], {}, "")}
    if unread:
        told = ", ".join(f"{key}={str(value)[:60]}" for key, value in sorted(unread.items()))
        raise _refused(directory, f"only plain LoRA adapters can be read, and it has {told}")
    for name in ("r", "lora_alpha"):
        _check_number(directory, config, name)
    _check_names(directory, config)
    return config


def _check_names(directory: Path, config: Mapping[str, Any]) -> None:
    """That whatever names layers does so in a form that PEFT reads."""
    patterns = []
    for name in ("rank_pattern", "alpha_pattern"):
        table = config.get(name) or {}
        if not isinstance(table, dict):
            raise _refused(directory, f"{name} is {str(table)[:60]!r}, which is no table of modules")
        for pattern in table:
            _check_number(directory, table, pattern)
            patterns.append(rf"(.*\.)?({pattern})$")
    for name in ("target_modules", "exclude_modules", "layers_pattern"):
        value = config.get(name)
        if isinstance(value, str):
            patterns.append(value)
        elif value is not None and not (isinstance(value, list) and all(isinstance(v, str) for v in value)):
            raise _refused(directory, f"{name} is {str(value)[:60]}, which names no modules")
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            raise _refused(directory, f"{pattern[:60]!r} is no regular expression: {error}") from error
    indexes = config.get("layers_to_transform")
    each = indexes if isinstance(indexes, list) else [indexes] if indexes is not None else []
    if not all(isinstance(n, int) and not isinstance(n, bool) for n in each):
        raise _refused(directory, f"layers_to_transform is {str(indexes)[:60]}, which are no numbers of layers")


def _check_number(directory: Path, config: Mapping[str, Any], name: str) -> None:
    value = config.get(name)
    kinds = int if name == "r" else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        has = "is missing" if value is None else f"is {value!r}, which is no positive number"
        raise _refused(directory, f"{name} {has} in {ADAPTER_CONFIG}")


def _read_tensors(directory: Path) -> dict[str, dict[str, Any]]:
    file = directory / ADAPTER_WEIGHTS
    content = _bytes(file)
    try:
        return dict(sorted(safetensors.deserialize(content)))  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        raise _refused(
            directory, f"{ADAPTER_WEIGHTS} cannot be read: {error}; it may be cut off, copy it again"
        ) from error


def _bytes(file: Path) -> bytes:
    try:
        content = file.read_bytes()
    except OSError as error:
        raise ModelError(f"{file.parent} is no PEFT adapter directory: {error}") from error
    if content.startswith(LFS):
        raise _refused(
            file.parent, f"{file.name} is a Git LFS pointer and not the file itself; run `git lfs pull` there"
        )
    return content


def _module(
    directory: Path, config: Mapping[str, Any], name: str, keys: Mapping[str, str], tensors: Mapping[str, Any]
) -> Module:
    if len(keys) > 2 or {side[1:] for side in keys} != {next(iter(keys))[1:]}:
        raise _refused(directory, f"holds several adapters of {name}: {_some(sorted(keys.values()))}")
    sides = {side[0]: key for side, key in keys.items()}
    if len(sides) < 2:
        lone, lacks = ("A", "lora_B") if "A" in sides else ("B", "lora_A")
        raise _refused(directory, f"{sides[lone]} has no {lacks} beside it")
    shapes = {side: tuple(tensors[key]["shape"]) for side, key in sides.items()}
    rank = _by_pattern(config, "rank_pattern", name, config["r"])
    for side, key in sides.items():
        place = 0 if side == "A" else 1
        if len(shapes[side]) != 2 or 0 in shapes[side]:
            raise _refused(
                directory, f"{key} is no matrix but of shape {list(shapes[side])}; were its weights in shards?"
            )
        if shapes[side][place] != rank:
            raise _refused(directory, f"{key} has rank {shapes[side][place]}, and {ADAPTER_CONFIG} says {rank}")
    alpha = _by_pattern(config, "alpha_pattern", name, config["lora_alpha"])
    scale = alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
    return Module(sides["A"], sides["B"], int(rank), shapes["A"][1], shapes["B"][0], scale)


def _by_pattern(config: Mapping[str, Any], which: str, name: str, usual: float) -> float:
    """PEFT's rule: the first pattern that the end of the name matches."""
    patterns: Mapping[str, float] = config.get(which) or {}
    return next((value for key, value in patterns.items() if re.match(rf"(.*\.)?({key})$", name)), usual)


def _check_finite(directory: Path, tensors: Mapping[str, Any]) -> None:
    bad, total, kinds = 0, 0, set()
    for tensor in tensors.values():
        kind = DTYPES.get(tensor["dtype"])
        if kind is None:
            kinds.add(tensor["dtype"])
            continue
        values = np.frombuffer(tensor["data"], dtype=kind)
        finite = (values & BF16_EXPONENT) != BF16_EXPONENT if tensor["dtype"] == "BF16" else np.isfinite(values)
        bad, total = bad + int((~finite).sum()), total + values.size
    if kinds:
        raise _refused(directory, f"its tensors are of type {_some(sorted(kinds))}; save them as {', '.join(DTYPES)}")
    if bad:
        raise _refused(directory, f"{bad} of its {total} values are NaN or infinite: its training diverged")


def _targeted(config: Mapping[str, Any], name: str) -> bool:
    """Whether a linear layer is adapted, by PEFT's rules."""
    targets, indexes = config.get("target_modules"), config.get("layers_to_transform")
    if _matches(config.get("exclude_modules"), name):
        return False
    if targets == "all-linear":
        return name.rpartition(".")[2] != "lm_head"
    if isinstance(targets, str) or name in (targets or ()) or indexes in (None, []):
        return _matches(targets, name)
    wanted = [indexes] if isinstance(indexes, int) else indexes
    return _matches(targets, name) and _index(name, config.get("layers_pattern")) in wanted


def _matches(wanted: str | Sequence[str] | None, name: str) -> bool:
    if not wanted:
        return False
    if isinstance(wanted, str):
        return re.fullmatch(wanted, name) is not None
    return any(name == each or name.endswith(f".{each}") for each in wanted)


def _index(name: str, pattern: str | Sequence[str] | None = None) -> int | None:
    """Of the decoder layer that a module is in."""
    patterns = [pattern] if isinstance(pattern, str) else list(pattern or ())
    tries = [rf"(?:^|.*?\.){each}\.(\d+)\." for each in patterns] or [LAYER_INDEX]
    found = next((match for each in tries if (match := re.match(each, name))), None)
    return int(found.group(1)) if found else None


def _some(names: Sequence[str]) -> str:
    more = len(names) - SHOWN
    return ", ".join(names[:SHOWN]) + (f" and {more} more" if more > 0 else "")


def _refused(directory: Path, why: str) -> ModelError:
    return ModelError(f"adapter {directory}: {why}")
