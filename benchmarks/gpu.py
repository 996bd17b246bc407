"""Everything that needs a GPU, in one command and under eight minutes, on a machine with torch and transformers alone.

    python benchmarks/gpu.py                 # writes results/gpu-<date>-<device>.json
    python benchmarks/gpu.py --rehearse      # the same code at tiny sizes on a CPU: no figures, but no line untried

No ray, optuna, datasets, pydantic or bm25s is imported. Every part is tried even where another has failed; a part that
failed says why in the result, and the exit code is 1. Parts: the tests marked `gpu`; which low-rank kernel and which
attention are chosen; training steps of K trials with ragged rows, NF4 and int8, packed and dequantized weights; answers
of K adapters; memory as planned and as allocated; trials of the engine from the first row to a saved adapter.
"""

from __future__ import annotations

import argparse
import gc
import importlib.util
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

# Rows change their number every step: without this the allocator keeps pieces that fit nothing.
os.environ.setdefault("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")

import torch
from common import SHAPES, clock, layer_shapes, random_base, write_result

from raykft.data.encode import EncodedRow
from raykft.models.attention import attention_of
from raykft.models.generate import Prompt, generate
from raykft.models.kernels import fastest, measure_kernels
from raykft.models.load import BaseModel
from raykft.models.packed import PackedModel
from raykft.models.shape import shape_of_config
from raykft.planning.memory import host_memory, numerics_of
from raykft.records import Question, TrainRow
from raykft.train.engine import HostEngine
from raykft.train.loop import packed_step
from raykft.train.recipe import Recipe
from raykft.train.slot import Slot

ROOT = Path(__file__).resolve().parents[1]
RANK = 16
GPU_TESTS = ("tests/models/test_kernels.py", "tests/models/test_attention.py")
WORDS = 400  # of the tokenizer that stands in for a real one


class Sizes(NamedTuple):
    shape: str
    small: str  # for the trials of the engine
    slots: tuple[int, ...]
    rows: int  # of a slot's micro-batch
    lengths: tuple[int, int]
    steps: int
    bases: tuple[tuple[str, str], ...]  # quantization and residency
    prompts: int
    new_tokens: int


GPU = Sizes(
    "llama-8b", "smollm2-135m", (1, 2, 4, 8, 16, 32), 4, (24, 104), 5,
    (("nf4", "quantized"), ("nf4", "dequantized"), ("int8", "quantized")), 8, 32,
)  # fmt: skip
REHEARSAL = Sizes(
    "tiny", "tiny", (1, 3), 2, (6, 14), 2, (("nf4", "dequantized"), ("int8", "dequantized")), 2, 3
)  # fmt: skip


class Run(NamedTuple):
    device: torch.device
    dtype: torch.dtype
    sizes: Sizes


def tests_marked_gpu(run: Run) -> dict[str, Any]:
    """Run them; without a GPU they are only collected."""
    if importlib.util.find_spec("pytest") is None:
        return {"skipped": "pytest is not installed"}
    words = ["-m", "pytest", "-q", "-m", "gpu", "-o", "addopts=", "-p", "no:cacheprovider", *GPU_TESTS]
    cuda = run.device.type == "cuda"
    done = subprocess.run(
        [sys.executable, *words, *([] if cuda else ["--collect-only"])],
        cwd=ROOT, env=os.environ | ({"RAYKFT_EXPECT_GPU": "1"} if cuda else {}),
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = done.stdout.strip().splitlines()
    if done.returncode:
        raise RuntimeError("\n".join(lines[-30:] or done.stderr.splitlines()[-30:]))
    return {"summary": lines[-1]}


def choices(run: Run) -> dict[str, Any]:
    """Seconds of every low-rank kernel over all layers of the shape, the fastest by slots, and the attention."""
    layers = Counter(layer_shapes(run.sizes.shape))
    names = ["loop", "bmm", "grouped"] if run.device.type == "cpu" or _grouped(run) else ["loop", "bmm"]
    seconds = measure_kernels(names, layers, run.device, run.dtype)
    config = SHAPES[run.sizes.shape]()
    return {"kernels": fastest(seconds).report(), "attention": attention_of(config, run.device, run.dtype)}


def _grouped(run: Run) -> bool:
    from raykft.models.kernels import _runs_grouped

    return _runs_grouped(run.device, run.dtype)


def ragged_rows(sizes: Sizes, vocabulary: int, seed: int) -> list[EncodedRow]:
    """Rows of every length between the shortest and the longest, the second half of each the answer."""
    rng = random.Random(seed)
    rows = []
    for _ in range(64):
        length = rng.randint(*sizes.lengths)
        rows.append(EncodedRow(tuple(rng.randrange(2, vocabulary) for _ in range(length)), length // 2))
    return rows


def recipe(seed: int, batch_size: int, epochs: int = 10_000) -> Recipe:
    return Recipe(
        rank=RANK, alpha=2.0 * RANK, dropout=0.0, target_layers="all-linear", learning_rate=1e-3, epochs=epochs,
        batch_size=batch_size, accumulation=1, lr_schedule="constant", warmup_fraction=0.0, weight_decay=0.0,
        max_grad_norm=0.3, optimizer="adamw", group_by_length=False, distractor_ratio=0.0, seed=seed,
    )  # fmt: skip


def of_bases(part: Callable[[Run, BaseModel], Any]) -> Callable[[Run], dict[str, Any]]:
    """`part` for every way of holding the base model, one after another in memory."""

    def run_all(run: Run) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for quantization, residency in run.sizes.bases:
            found[f"{quantization}, {residency}"] = _of_base(run, part, quantization, residency)
            _free(run.device)
        if failures := [f"{name}: {each['failure']}" for name, each in found.items() if "failure" in each]:
            raise PartlyFailedError("; ".join(failures), found)
        return found

    return run_all


def _of_base(run: Run, part: Callable[[Run, BaseModel], Any], quantization: str, residency: str) -> dict[str, Any]:
    """What one base model gives; its failure costs the others nothing."""
    started = time.monotonic()
    try:
        base = random_base(run.sizes.shape, run.device, run.dtype, quantization, residency)
        return {"load_s": time.monotonic() - started} | part(run, base)
    except Exception as error:
        traceback.print_exc()
        return {"failure": f"{type(error).__name__}: {error}"}


class PartlyFailedError(RuntimeError):
    """A part of which some figures are there: they are `args[1]`."""


def _free(device: torch.device) -> None:
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)


def steps(run: Run, base: BaseModel) -> dict[str, Any]:
    """Tokens a second of packed steps by slots, and the memory they took beside what was planned."""
    packed, sizes = PackedModel(base), run.sizes
    vocabulary = base.model.config.vocab_size
    rows: list[dict[str, Any]] = []
    slots: list[Slot] = []
    for count in sizes.slots:
        try:
            while len(slots) < count:
                number = len(slots)
                slots.append(Slot(packed, number, recipe(number, sizes.rows), ragged_rows(sizes, vocabulary, number)))
            rows.append(_time_steps(run, packed, slots))
        except torch.OutOfMemoryError:
            rows.append({"slots": count, "failure": "out of memory"})
            break
    return {"kernel": packed.kernels.report(), "steps": rows}


def _time_steps(run: Run, packed: PackedModel, slots: Sequence[Slot]) -> dict[str, Any]:
    if run.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(run.device)
    rates, losses, most = [], {}, 0
    for number in range(1 + run.sizes.steps):
        before, started = sum(slot.tokens for slot in slots), clock(run.device)
        losses = packed_step(packed, slots)
        tokens = sum(slot.tokens for slot in slots) - before
        if number:  # the first one warms up
            rates.append(tokens / (clock(run.device) - started))
        most = max(most, tokens)
    if not all(value == value for value in losses.values()):
        raise RuntimeError(f"a loss is not a number: {losses}")
    shape = shape_of_config(packed.base.model.config.to_dict(), packed.base.source.name)
    planned = host_memory(
        shape,
        numerics_of(
            shape,
            quantization=packed.base.quantization,
            residency=packed.base.residency,
            device=run.device.type,
            fast_bf16=run.dtype is torch.bfloat16,
            machine_bytes=1 << 40,
        ),
        slots=len(slots), rank=RANK, preset="all-linear", optimizer="adamw", step_tokens=most, positions=0,
    )  # fmt: skip
    held = torch.cuda.max_memory_allocated(run.device) if run.device.type == "cuda" else None
    return {
        "slots": len(slots),
        "tokens_a_step": most,
        "tokens_per_second": statistics.median(rates),
        "planned_bytes": planned.total - planned.runtime,
        "allocated_bytes": held,
    }


def answers(run: Run, base: BaseModel) -> dict[str, Any]:
    """New tokens a second of greedy answers by adapters, every one with questions of its own.

    In ordinary passes, and in passes of one shape, which a GPU records and replays.
    """
    packed, sizes = PackedModel(base), run.sizes
    vocabulary = base.model.config.vocab_size
    found = []
    for count in sizes.slots:
        for number in range(_adapters(packed), count):
            generator = torch.Generator().manual_seed(number)
            packed.add_adapter(number, rank=RANK, alpha=2.0 * RANK, preset="all-linear", generator=generator)
        prompts = [
            Prompt(slot, list(row.ids), sizes.new_tokens)
            for slot in range(count)
            for row in ragged_rows(sizes, vocabulary, slot)[: sizes.prompts]
        ]
        if not found:  # the first pass sets up what every later one has
            generate(packed, prompts[: sizes.prompts], stop_ids=set(), batch_size=256)
        row: dict[str, Any] = {"adapters": count}
        said = {}
        for name, static in (("dynamic", False), ("static", True)):
            started = clock(run.device)
            said[name] = generate(packed, prompts, stop_ids=set(), batch_size=256, static=static)
            seconds = clock(run.device) - started
            tokens = sum(len(each.ids) for each in said[name])
            row[name] = {"new_tokens_per_second": tokens / seconds, "ms_a_round": 1e3 * seconds}
        same = [a.ids == b.ids for a, b in zip(said["dynamic"], said["static"], strict=True)]
        found.append(row | {"same_answers": sum(same) / len(same)})
    return {"answers": found}


def _adapters(packed: PackedModel) -> int:
    return len({slot for layer in packed.layers.values() for slot in layer.pairs})


def trials(run: Run) -> dict[str, Any]:
    """Four trials beside each other on one engine: trained, questioned, saved, and read back as the same adapter."""
    base = random_base(run.sizes.small, run.device, run.dtype)
    base.tokenizer = stand_in_tokenizer()
    rows = [TrainRow(id=f"t{n}", instruction=f"w{n} w{2 * n}", output=f"w{3 * n} w{n}") for n in range(1, 25)]
    settings: dict[str, Any] = {"system_prompt": None, "plain_prompt": "{question} w0", "max_length": 64}
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory() as folder,
        HostEngine(base, train_rows=rows, distractors=(), batch_size=64, **settings) as engine,
    ):
        names = [f"t{n}" for n in range(4)]

        def live(name: str) -> list[float]:
            engine.attach(name, recipe(int(name[1:]), 4, epochs=3))
            losses = [engine.train_epoch(name).loss for _ in range(2)]
            engine.save(name, Path(folder) / name / "adapter", Path(folder) / name / "2")
            losses.append(engine.train_epoch(name).loss)
            engine.save(name, Path(folder) / name / "adapter")
            engine.saved(name)
            return losses

        with ThreadPoolExecutor(len(names)) as pool:
            losses = dict(zip(names, pool.map(live, names), strict=True))
        texts = [row.output for row in rows]
        for name in names:
            own = engine.text_nats(name, texts)
            engine.attach_adapter(f"{name}-again", Path(folder) / name / "adapter")
            again = engine.text_nats(f"{name}-again", texts)
            if max(abs(a - b) / a for a, b in zip(own, again, strict=True)) > 0.02:
                raise RuntimeError(f"{name} read back is another adapter")
        said = [engine.answer(name, [Question(rows[0].instruction, 4)])[0].text for name in names]
    if not all(each[-1] < each[0] for each in losses.values()):
        raise RuntimeError(f"the loss did not fall: {losses}")
    return {"seconds": time.monotonic() - started, "losses": losses, "answers": said}


def stand_in_tokenizer() -> Any:
    """Words `w0` to `w399`: a bare machine has no other."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = {"<pad>": 0, "<eos>": 1} | {f"w{n}": n + 2 for n in range(WORDS)}
    backend = Tokenizer(models.WordLevel(words, unk_token="<pad>"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", eos_token="<eos>")


PARTS: dict[str, Callable[[Run], dict[str, Any]]] = {
    "choices": choices,
    "steps": of_bases(steps),
    "answers": of_bases(answers),
    "trials": trials,
    "tests": tests_marked_gpu,
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rehearse", action="store_true", help="tiny sizes on a CPU")
    parser.add_argument("--parts", default=",".join(PARTS), help="some of them, such as steps,answers")
    parser.add_argument("--out", type=Path, help="the result file; a rehearsal writes none unless it is given")
    args = parser.parse_args(arguments)
    if not args.rehearse and not torch.cuda.is_available():
        print("no CUDA device is visible here; --rehearse runs the same code on a CPU", file=sys.stderr)
        return 2
    device = torch.device("cpu" if args.rehearse else "cuda")
    run = Run(device, torch.float32 if args.rehearse else torch.bfloat16, REHEARSAL if args.rehearse else GPU)
    rows: list[dict[str, Any]] = []
    for name in args.parts.split(","):
        started = time.monotonic()
        try:
            row = {"part": name, "ok": True, "found": PARTS[name](run)}
        except Exception as error:  # the others are worth as much
            traceback.print_exc()
            row = {
                "part": name,
                "ok": False,
                "failure": f"{type(error).__name__}: {error.args[0] if error.args else ''}",
            }
            if isinstance(error, PartlyFailedError):
                row["found"] = error.args[1]
        _free(device)
        row["seconds"] = round(time.monotonic() - started, 1)
        print(f"{name}: {'ok' if row['ok'] else row['failure']} ({row['seconds']} s)", flush=True)
        rows.append(row)
    if not args.rehearse or args.out:
        print(f"written: {write_result('gpu', device, rows, args.out, sizes=run.sizes._asdict())}")
    return 0 if all(row["ok"] for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
