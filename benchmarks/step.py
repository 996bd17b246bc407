"""Training tokens per second: TRL, a plain PEFT loop and raykft with K trials packed, side by side.

    python benchmarks/step.py                    on this machine's GPU, or one thread of its CPU
    python benchmarks/step.py --types fp32 bf16  every contender in both types, compared with TRL's better one
    python benchmarks/step.py --quick            whether it runs

Every contender trains rank-16 adapters on all linear layers of the same NF4 base, four rows a step, and takes an
optimizer step after each. The share is that of the arithmetic a step cannot avoid in what the same device multiplies,
measured in the same run.
"""

from __future__ import annotations

import argparse
import gc
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import torch
from common import (
    PROJECTIONS,
    SHAPES,
    argument_parser,
    available,
    check_repetitions,
    clock,
    interleaved,
    layer_shapes,
    mark_quantized,
    random_base,
    spread,
    supervised,
    trl_trainer,
    write_result,
)
from rich.console import Console
from rich.table import Table

from raykft.data.encode import IGNORE, EncodedRow
from raykft.models.dtype import DTYPES, choose_dtype
from raykft.models.load import BaseModel, pick_device
from raykft.models.packed import PackedModel
from raykft.train.loop import packed_step
from raykft.train.recipe import Recipe
from raykft.train.slot import Slot

RANK, ROWS = 16, 4
STORED_ROWS = 64
LEARNING_RATE = 1e-4
PEERS = ("trl", "peft")
FP32_BYTES = 4


class Plan(NamedTuple):
    """What is measured on a device. No point trains more than `max_tokens` a step: packing gives nothing there."""

    models: tuple[str, ...]
    packed: tuple[int, ...]
    tokens: tuple[int, ...]
    max_tokens: dict[str, int]
    min_tokens: int  # of one repetition, so that short steps are timed several at once
    min_steps: int


CPU_MODELS = ("smollm2-135m", "gemma-270m")
PLANS = {
    "cpu": Plan(CPU_MODELS, (1, 2, 4, 8, 16), (24, 64, 192, 512), dict.fromkeys(CPU_MODELS, 1024), 192, 1),
    "cuda": Plan(
        (*CPU_MODELS, "llama-8b"),
        (1, 2, 4, 8, 16, 32),
        (24, 64, 192, 512),
        dict.fromkeys(CPU_MODELS, 8192) | {"llama-8b": 4096},
        0,
        5,
    ),
    "quick": Plan(("tiny",), (1, 4), (24,), {"tiny": 1024}, 0, 1),
}


class Contender(Protocol):
    """Trains on the given rows; `resident_bytes` are those of weights and optimizer state of K trials."""

    name: str
    base: BaseModel

    def take(self, rows: Sequence[EncodedRow]) -> None: ...

    def train(self, trials: int, steps: int) -> float: ...

    def resident_bytes(self, trials: int) -> int: ...


@dataclass
class Raykft:
    """`trials` slots advance together in packed steps."""

    base: BaseModel
    base_bytes: int
    most: int
    name: str = "raykft"

    def __post_init__(self) -> None:
        self.packed = PackedModel(self.base)
        self.slots: list[Slot] = []

    def take(self, rows: Sequence[EncodedRow]) -> None:
        if not self.slots:
            self.slots = [Slot(self.packed, n, plain_recipe(n), rows) for n in range(self.most)]
        for slot in self.slots:
            slot.rows = rows

    def train(self, trials: int, steps: int) -> float:
        started = clock(self.base.device)
        for _ in range(steps):
            packed_step(self.packed, self.slots[:trials])
        return clock(self.base.device) - started

    def resident_bytes(self, trials: int) -> int:
        # Parameters, gradients and two moments.
        return self.base_bytes + trials * 4 * FP32_BYTES * self.slots[0].parameters.flat.numel()


def plain_recipe(seed: int) -> Recipe:
    return Recipe(
        rank=RANK,
        alpha=2.0 * RANK,
        dropout=0.0,
        target_layers="all-linear",
        learning_rate=LEARNING_RATE,
        epochs=10_000,
        batch_size=ROWS,
        accumulation=1,
        lr_schedule="constant",
        warmup_fraction=0.0,
        weight_decay=0.001,
        max_grad_norm=0.3,
        optimizer="adamw",
        group_by_length=False,
        distractor_ratio=0.0,
        seed=seed,
    )


def _lora() -> Any:
    from peft import LoraConfig

    return LoraConfig(r=RANK, lora_alpha=2 * RANK, target_modules=PROJECTIONS, task_type="CAUSAL_LM")


def _trainable(model: torch.nn.Module) -> list[torch.nn.Parameter]:
    return [p for p in model.parameters() if p.requires_grad]


def _adapter_bytes(model: torch.nn.Module) -> int:
    """Parameters and two moments; gradients are freed after every step."""
    return sum(3 * p.numel() * p.element_size() for p in _trainable(model))


@dataclass
class PeftLoop:
    """PEFT's layers and a loop of a dozen lines, one trial at a time."""

    base: BaseModel
    base_bytes: int
    name: str = "peft"

    def __post_init__(self) -> None:
        from peft import get_peft_model

        self.model = get_peft_model(self.base.model, _lora())
        self.optimizer = torch.optim.AdamW(_trainable(self.model), lr=LEARNING_RATE, weight_decay=0.001, fused=True)

    def take(self, rows: Sequence[EncodedRow]) -> None:
        device = self.base.device
        ids = torch.tensor([row.ids for row in rows], device=device)
        labels = ids.clone()
        labels[:, : rows[0].prompt_tokens] = IGNORE
        self.batches = list(zip(ids.split(ROWS), labels.split(ROWS), strict=True))

    def train(self, trials: int, steps: int) -> float:
        assert trials == 1
        started = clock(self.base.device)
        for ids, labels in (self.batches * steps)[:steps]:
            loss = self.model(input_ids=ids, labels=labels, use_cache=False).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(_trainable(self.model), 0.3)
            self.optimizer.step()
            self.optimizer.zero_grad()
            loss.item()  # every loop reports its loss
        return clock(self.base.device) - started

    def resident_bytes(self, trials: int) -> int:
        assert trials == 1
        return self.base_bytes + _adapter_bytes(self.model)


@dataclass
class Trl:
    """TRL's trainer on a PEFT model, one trial at a time; only its steps are timed, not what surrounds them."""

    base: BaseModel
    base_bytes: int
    output: Path
    name: str = "trl"

    def __post_init__(self) -> None:
        from transformers import TrainerCallback

        device = self.base.device

        class Timer(TrainerCallback):
            def on_step_end(self, _args: Any, state: Any, *_: Any, **_kwargs: Any) -> None:
                self.last = clock(device)
                if state.global_step == 1:
                    self.first = self.last

        self.timer = Timer()
        self.trainer: Any = None

    def take(self, rows: Sequence[EncodedRow]) -> None:
        if self.trainer is not None:
            self.trainer.train_dataset = supervised(rows)
            return
        self.trainer = trl_trainer(
            self.base.model,
            rows,
            _lora(),
            _blank_tokenizer(),
            self.output,
            per_device_train_batch_size=ROWS,
            learning_rate=LEARNING_RATE,
            weight_decay=0.001,
            max_grad_norm=0.3,
            max_steps=1,
        )
        self.trainer.add_callback(self.timer)

    def train(self, trials: int, steps: int) -> float:
        assert trials == 1
        self.trainer.args.max_steps = 1 + steps  # the first one sets up what `train` makes anew in every call
        self.trainer.train()
        return float(self.timer.last - self.timer.first)

    def resident_bytes(self, trials: int) -> int:
        assert trials == 1
        return self.base_bytes + _adapter_bytes(self.trainer.model)


def _blank_tokenizer() -> Any:
    """TRL asks for one to learn the padding token."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    backend = Tokenizer(models.WordLevel({"<pad>": 0, "<eos>": 1}, unk_token="<pad>"))
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")


def random_rows(tokens: int, vocabulary: int) -> list[EncodedRow]:
    """Rows of `tokens / ROWS` random tokens, the second half of which is the answer."""
    length = tokens // ROWS
    generator = torch.Generator().manual_seed(tokens)
    ids = torch.randint(2, vocabulary, (STORED_ROWS, length), generator=generator).tolist()
    return [EncodedRow(tuple(row), length // 2) for row in ids]


def contenders(
    names: Sequence[str], shape: str, device: torch.device, most: int, output: Path, types: Sequence[str] = ("auto",)
) -> Iterator[Contender]:
    """Each on a base model of its own, all with the same weights, rounded to each of `types`."""
    for dtype, name in itertools.product([choose_dtype(t, device, None) for t in types], names):
        before = _allocated(device)
        base = random_base(shape, device, dtype)
        size = _allocated(device) - before
        if name == "raykft":
            yield Raykft(base, size, most)
            continue
        mark_quantized(base)
        if name == "peft":
            yield PeftLoop(base, size)
        else:
            yield Trl(base, size, output)


def _allocated(device: torch.device) -> int:
    return torch.cuda.memory_allocated(device) if device.type == "cuda" else 0


def gemm_rates(shapes: Sequence[tuple[int, int]], device: torch.device, *, quick: bool) -> dict[str, float]:
    """GFLOP/s of square products in fp32 and bf16 and of the model's layer shapes for 256 rows; best of several."""
    square = 128 if quick else 8192 if device.type == "cuda" else 1024
    cases = {
        f"{str(dtype).removeprefix('torch.')} {m}x{k}x{n}": (m, k, n, dtype)
        for m, k, n in [(square, square, square), *((256, k, n) for k, n in sorted(set(shapes)))]
        for dtype in (torch.float32, torch.bfloat16)
    }
    return {name: _gemm_rate(*case, device=device, seconds=0.02 if quick else 0.4) for name, case in cases.items()}


def _gemm_rate(m: int, k: int, n: int, dtype: torch.dtype, device: torch.device, seconds: float) -> float:
    left, right = torch.randn(m, k, device=device).to(dtype), torch.randn(k, n, device=device).to(dtype)
    best, calls = math.inf, 10 if device.type == "cuda" else 1
    deadline = time.perf_counter() + seconds
    while time.perf_counter() < deadline or best == math.inf:
        started = clock(device)
        for _ in range(calls):
            left @ right
        best = min(best, (clock(device) - started) / calls)
    return 2 * m * k * n / best / 1e9


def flops_per_token(shapes: Sequence[tuple[int, int]], config: Any) -> float:
    """What a training step cannot avoid a token: base and gradient of its input (2 + 2), low-rank factors (2 + 4), and
    the head on the half of the rows that is supervised. Attention scores are left out."""
    base = sum(k * n for k, n in shapes)
    low_rank = sum(RANK * (k + n) for k, n in shapes)
    return 4.0 * base + 6.0 * low_rank + 4.0 * config.vocab_size * config.hidden_size * 0.5


def measure(
    shape: str, names: Sequence[str], plan: Plan, device: torch.device, args: argparse.Namespace
) -> dict[str, Any]:
    """All points of one model: the GEMM rates, and a row for every T, contender and K."""
    config, shapes = SHAPES[shape](), layer_shapes(shape)
    rates = gemm_rates(shapes, device, quick=args.quick)
    flops = flops_per_token(shapes, config)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as output:
        running = list(contenders(names, shape, device, max(plan.packed), Path(output), args.types))
        for tokens in plan.tokens:
            for contender in running:
                contender.take(random_rows(tokens, config.vocab_size))
            rows += _point(running, tokens, plan, plan.max_tokens[shape], device, args.repetitions)
    for row in rows:
        row["model"] = shape
        row["share_of_gemm"] = row["tokens_per_second"]["median"] * flops / 1e9 / max(rates.values())
    return {"model": shape, "gemm_gflops": rates, "flops_per_token": flops, "rows": rows}


def _point(
    running: Sequence[Contender], tokens: int, plan: Plan, max_tokens: int, device: torch.device, repetitions: int
) -> list[dict[str, Any]]:
    """Every contender on steps of `tokens` tokens a trial."""
    runs: dict[str, Callable[[], float]] = {}
    cases: dict[str, tuple[Contender, int]] = {}
    peaks: dict[str, int] = {}

    def add(contender: Contender, trials: int) -> None:
        name = f"{contender.name} {type_name(contender)} K={trials}"
        steps = max(plan.min_steps, math.ceil(plan.min_tokens / (trials * tokens)))

        def rate() -> float:
            before = _allocated(device)
            if device.type == "cuda":
                torch.cuda.reset_peak_memory_stats(device)
            seconds = contender.train(trials, steps)
            if device.type == "cuda":
                # What the other contenders hold meanwhile is not this one's.
                extra = torch.cuda.max_memory_allocated(device) - before
                peaks[name] = contender.resident_bytes(trials) + extra
            return trials * tokens * steps / seconds

        runs[name], cases[name] = rate, (contender, trials)

    for contender in running:
        for trials in plan.packed if contender.name == "raykft" else (1,):
            if trials * tokens <= max_tokens:
                add(contender, trials)
    rates = interleaved(runs, repetitions)
    medians = {name: statistics.median(values) for name, values in rates.items()}
    alone = [(case[0].name, medians[name]) for name, case in cases.items() if name in medians and case[1] == 1]
    best = {peer: max(found) for peer in PEERS if (found := [rate for name, rate in alone if name == peer])}
    rows = []
    for name, (contender, trials) in cases.items():
        kind = type_name(contender)
        row: dict[str, Any] = {"contender": contender.name, "type": kind, "trials": trials, "tokens": tokens}
        if name not in rates:
            rows.append(row | {"tokens_per_second": None, "failure": "out of memory"})
            continue
        ratios = {f"over_{peer}": medians[name] / rate for peer, rate in best.items()}
        if (in_fp32 := medians.get(f"{contender.name} fp32 K={trials}")) and kind != "fp32":
            ratios["over_fp32"] = medians[name] / in_fp32
        rows.append(row | {"tokens_per_second": spread(rates[name]), "peak_bytes": peaks.get(name), **ratios})
    return rows


def type_name(contender: Contender) -> str:
    """`fp32` or `bf16`."""
    return next(name for name, dtype in DTYPES.items() if dtype is contender.base.model.dtype)


def table(result: dict[str, Any]) -> Table:
    """One model's rows for people."""
    best = max(result["gemm_gflops"], key=lambda name: result["gemm_gflops"][name])
    shown = Table(
        title=f"{result['model']}: training tokens/s; share of {result['gemm_gflops'][best]:.0f} GFLOP/s ({best})",
        title_justify="left",
    )
    for header in (
        "T",
        "contender",
        "type",
        "K",
        "tokens/s",
        "min-max",
        "share",
        "x trl",
        "x peft",
        "x own fp32",
        "peak GB",
    ):
        shown.add_column(header, justify="left" if header in ("contender", "type") else "right")
    previous = None
    for row in result["rows"]:
        if previous not in (None, row["tokens"]):
            shown.add_section()
        previous = row["tokens"]
        shown.add_row(str(row["tokens"]), row["contender"], row["type"], str(row["trials"]), *_cells(row))
    return shown


def _cells(row: dict[str, Any]) -> list[str]:
    speed = row["tokens_per_second"]
    if speed is None:
        return [row["failure"], "", "", "", "", "", ""]
    ratios = [f"{row[key]:.2f}" if key in row else "" for key in ("over_trl", "over_peft", "over_fp32")]
    peak = f"{row['peak_bytes'] / 1e9:.1f}" if row["peak_bytes"] else ""
    return [
        f"{speed['median']:.0f}",
        f"{speed['min']:.0f}-{speed['max']:.0f}",
        f"{row['share_of_gemm']:.2f}",
        *ratios,
        peak,
    ]


def main() -> None:
    """Measure, print a table a model, write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=sorted(SHAPES), help="the device's list where left out")
    parser.add_argument("--packed", nargs="+", type=int, metavar="K", help="trials packed together")
    parser.add_argument("--tokens", nargs="+", type=int, metavar="T", help=f"tokens a trial-step, of {ROWS} rows each")
    parser.add_argument("--contenders", nargs="+", choices=("trl", "peft", "raykft"), default=["trl", "peft", "raykft"])
    parser.add_argument(
        "--types",
        nargs="+",
        choices=("auto", *DTYPES),
        default=["auto"],
        help="what to compute in: the faster one (auto)",
    )
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    torch.set_num_threads(args.threads)
    console = Console()
    device = pick_device(args.device)
    plan = PLANS["quick" if args.quick else device.type]
    plan = plan._replace(
        models=tuple(args.models or plan.models),
        packed=tuple(args.packed or plan.packed),
        tokens=tuple(args.tokens or plan.tokens),
    )
    names = available(args.contenders, console)
    results = []
    for shape in plan.models:
        console.print(f"measuring {shape} on {device} ...")
        results.append(measure(shape, names, plan, device, args))
        console.print(table(results[-1]))
        gc.collect()
        if device.type == "cuda":
            torch.cuda.empty_cache()
    rows = [row for result in results for row in result.pop("rows")]
    settings = plan._asdict() | {"rank": RANK, "rows": ROWS, "threads": args.threads, "repetitions": args.repetitions}
    console.print(f"written: {write_result('step', device, rows, args.out, settings=settings, models=results)}")


if __name__ == "__main__":
    main()
