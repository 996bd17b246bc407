"""What the benchmarks share: models without a download, interleaved timing, results with their provenance.

A result is one JSON file, `results/NAME-<date>-<device>.json`: settings, environment and one row a measurement.
"""

from __future__ import annotations

import argparse
import gc
import importlib.metadata
import importlib.util
import os
import re
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import torch
from rich.console import Console
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, PretrainedConfig

from raykft.data.encode import IGNORE, EncodedRow
from raykft.models.load import BaseModel, both_orders, cast_parameters
from raykft.models.numerics import choose_residency
from raykft.models.quantize import quantize_linears
from raykft.models.source import ModelSource
from raykft.models.targets import HEAD
from raykft.paths import write_json
from raykft.provenance import environment

RESULTS = Path(__file__).resolve().parent / "results"
PROJECTIONS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]  # preset `all-linear`
# bf16 bytes above which a model is built and quantized one layer at a time.
LAYERWISE_BYTES = 4 << 30
RANDOM_STD = 0.02

SHAPES: dict[str, Callable[[], PretrainedConfig]] = {
    "tiny": lambda: LlamaConfig(
        vocab_size=512,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=False,  # a random model with a tied head repeats its input, whatever the adapter
    ),
    "smollm2-135m": lambda: LlamaConfig(
        vocab_size=49152,
        hidden_size=576,
        intermediate_size=1536,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    ),
    "gemma-270m": lambda: Gemma3TextConfig(
        vocab_size=262144,
        hidden_size=640,
        intermediate_size=2048,
        num_hidden_layers=18,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=256,
        sliding_window=512,
        max_position_embeddings=8192,
        tie_word_embeddings=True,
    ),
    "llama-8b": lambda: LlamaConfig(
        vocab_size=128256,
        hidden_size=4096,
        intermediate_size=14336,
        num_hidden_layers=32,
        num_attention_heads=32,
        num_key_value_heads=8,
        max_position_embeddings=8192,
        tie_word_embeddings=False,
    ),
}


def random_base(
    shape: str, device: torch.device, dtype: torch.dtype, quantization: str = "nf4", residency: str = "auto"
) -> BaseModel:
    """A base model of a known shape with random weights, quantized and kept as `load_base` keeps a real one.

    Every call makes the same weights on the same device. There is no tokenizer.
    """
    config = SHAPES[shape]()
    residency = choose_residency(residency, quantization, device.type)
    torch.manual_seed(0)
    if _weights_bytes(config) > LAYERWISE_BYTES:
        model = _layer_by_layer(config, quantization, residency, device)
    else:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        quantize_linears(model, quantization, residency, device)
    model.requires_grad_(False)
    cast_parameters(model, dtype)
    model.train()  # as in `load_base`
    source = ModelSource(shape, shape, "random")
    return BaseModel(model, None, source, quantization, residency, device, both_orders(model, device))


def mark_quantized(base: BaseModel) -> None:
    """Tell PEFT and TRL whether linear layers are bitsandbytes', as `from_pretrained` would have done."""
    base.model.is_loaded_in_4bit = base.residency == "quantized"


def _weights_bytes(config: PretrainedConfig) -> int:
    """bf16 bytes of a Llama-like model, near enough."""
    layer = 4 * config.hidden_size**2 + 3 * config.hidden_size * config.intermediate_size
    return 2 * (config.num_hidden_layers * layer + 2 * config.vocab_size * config.hidden_size)


def _layer_by_layer(config: PretrainedConfig, quantization: str, residency: str, device: torch.device) -> Any:
    """A model whose layers are made on `device` and quantized one at a time, so that it is nowhere whole in bf16."""
    layers = config.num_hidden_layers
    config.num_hidden_layers = 1
    with device:
        model = AutoModelForCausalLM.from_config(config, dtype=torch.bfloat16)
        stack = model.get_decoder().layers
        _fill(model)
        quantize_linears(model, quantization, residency, device)
        for index in range(1, layers):
            layer = type(stack[0])(config, index).to(torch.bfloat16)
            _fill(layer)
            quantize_linears(layer, quantization, residency, device)
            stack.append(layer)
    config.num_hidden_layers = model.config.num_hidden_layers = layers
    return model


def _fill(module: torch.nn.Module) -> None:
    for parameter in module.parameters():
        if parameter.dim() > 1:
            torch.nn.init.normal_(parameter.data, std=RANDOM_STD)


def layer_shapes(shape: str) -> list[tuple[int, int]]:
    """(in, out) of every linear layer but the head."""
    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(SHAPES[shape]())
    return [
        (module.in_features, module.out_features)
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear) and name.rpartition(".")[2] != HEAD
    ]


def interleaved(
    runs: Mapping[str, Callable[[], float]], repetitions: int, *, warm_up: bool = True
) -> dict[str, list[float]]:
    """What every run returns, `repetitions` times: one round of all runs after another, so that drift hits all alike.

    A run that exhausts the device's memory is left out of the answer.
    """
    found: dict[str, list[float]] = {name: [] for name in runs}
    for round_number in range(-1 if warm_up else 0, repetitions):
        for name in list(found):
            try:
                value = runs[name]()
            except torch.OutOfMemoryError:
                del found[name]
                gc.collect()
                torch.cuda.empty_cache()
                continue
            if round_number >= 0:
                found[name].append(value)
    return found


def spread(values: Sequence[float]) -> dict[str, Any]:
    """Median, extremes and all values, as results record a measurement."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values), "values": list(values)}


def clock(device: torch.device) -> float:
    """Seconds of a monotonic clock, after all work given to the device is done."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def device_name(device: torch.device) -> str:
    """Part of a file name: `cpu`, or the GPU's name."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def argument_parser(doc: str) -> argparse.ArgumentParser:
    """The options that all benchmarks have."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0], formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--device", choices=("auto", "cpu", "cuda"), default="auto")
    parser.add_argument("--threads", type=int, default=1, help="CPU threads of every contender (1)")
    parser.add_argument("--repetitions", type=int, default=3, help="at least 3")
    parser.add_argument("--quick", action="store_true", help="a tiny model and few steps: whether it runs, no figures")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/NAME-<date>-<device>.json)")
    return parser


def check_repetitions(repetitions: int) -> None:
    if repetitions < 3:
        fail(f"--repetitions {repetitions}: a median needs at least 3")


def write_result(
    name: str, device: torch.device, rows: Sequence[dict[str, Any]], out: Path | None, **sections: Any
) -> Path:
    """Write a result with its provenance and return where it went."""
    now = datetime.now(UTC)
    path = out or RESULTS / f"{name}-{now:%Y-%m-%d}-{device_name(device)}.json"
    record = {
        "benchmark": name,
        "command": sys.argv,
        "device": device_name(device),
        "load_average": _load_average(),
        "environment": environment() | {"peers": {"trl": peer_version("trl")}},
        **sections,
        "rows": list(rows),
    }
    write_json(path, record)
    return path


def _load_average() -> list[float] | None:
    """Over 1, 5 and 15 minutes: tells whether the machine did something else beside the benchmark."""
    return list(os.getloadavg()) if hasattr(os, "getloadavg") else None


def peer_version(package: str) -> str | None:
    if importlib.util.find_spec(package) is None:
        return None
    return importlib.metadata.version(package)


def available(contenders: Sequence[str], console: Console) -> list[str]:
    """`contenders` without those whose package is not installed; says which and how to install it."""
    if "trl" in contenders and peer_version("trl") is None:
        console.print("trl is not installed, so it is left out; run: pip install 'raykft\\[bench]'")
        return [name for name in contenders if name != "trl"]
    return list(contenders)


def trl_trainer(
    model: Any,
    rows: Sequence[EncodedRow],
    lora: Any,
    tokenizer: Any,
    output: Path,
    *,
    eval_rows: Any = None,
    **settings: Any,
) -> Any:
    """TRL's SFTTrainer with its best settings for the device: no checkpointing, no logging, fused AdamW, and its
    default loss, which never holds all logits.

    Args:
        model: frozen base; its dtype decides between bf16 and fp32.
        lora: `peft.LoraConfig` of the adapter.
        settings: more fields of `SFTConfig`.
    """
    from transformers.trainer_callback import PrinterCallback
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(
        output_dir=str(output),
        use_cpu=model.device.type == "cpu",
        bf16=model.dtype is torch.bfloat16,
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        logging_strategy="no",
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **settings,
    )
    trainer = SFTTrainer(
        model=model,
        args=config,
        train_dataset=supervised(rows),
        eval_dataset=None if eval_rows is None else supervised(eval_rows),
        processing_class=tokenizer,
        peft_config=lora,
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def supervised(rows: Sequence[EncodedRow]) -> Any:
    """Rows as TRL wants them: token ids, and labels that count the answer only."""
    from datasets import Dataset

    return Dataset.from_list(
        [
            {"input_ids": list(row.ids), "labels": [IGNORE] * row.prompt_tokens + list(row.ids[row.prompt_tokens :])}
            for row in rows
        ]
    )


def fail(message: str) -> NoReturn:
    """End the program with a message that says what to do."""
    print(message, file=sys.stderr)
    raise SystemExit(2)
