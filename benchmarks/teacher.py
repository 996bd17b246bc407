"""What a teacher costs: a step with soft targets against one without, and asking the base model about rows.

    python benchmarks/teacher.py                 on this machine's GPU, or one thread of its CPU
    python benchmarks/teacher.py --quick         whether it runs

Steps of K packed trials on the same rows, of which all are taught: the most that distillation or a leash can add. The
passes are those of `raykft.train.teacher`, a row at a time, first asked and then read back from the cache.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from common import (
    SHAPES,
    argument_parser,
    check_repetitions,
    clock,
    interleaved,
    random_base,
    spread,
    write_result,
)
from rich.console import Console
from rich.table import Table
from step import ROWS, plain_recipe, random_rows

from raykft.data.encode import EncodedRow
from raykft.models.dtype import choose_dtype
from raykft.models.load import pick_device
from raykft.models.packed import PackedModel
from raykft.models.soft_targets import SoftTargets, distilled, leash
from raykft.train.loop import packed_step
from raykft.train.slot import Slot
from raykft.train.teacher import Teacher

TOKENS = (64,)  # of a trial's step, of `ROWS` rows
KINDS = ("plain", "leash", "distilled")
BATCHES = 2  # different ones of a trial
FACTS_TOKENS = 40  # that a teacher reads before a row's question


def vocabulary_of(packed: PackedModel) -> int:
    return int(packed.base.model.config.get_text_config().vocab_size)


def told(row: EncodedRow, vocabulary: int) -> EncodedRow:
    """The row as a teacher reads it."""
    before = torch.randint(5, vocabulary, (FACTS_TOKENS,), generator=torch.Generator().manual_seed(1)).tolist()
    return EncodedRow((*before, *row.ids), FACTS_TOKENS + row.prompt_tokens)


def taught(kind: str, teacher: Teacher, rows: Sequence[EncodedRow], vocabulary: int) -> dict[int, SoftTargets]:
    """Every row, as if the teacher were right about all of it."""
    if kind == "plain":
        return {}
    if kind == "leash":
        return {n: leash(teacher.about(row), 1.0) for n, row in enumerate(rows)}
    said = [teacher.about(told(row, vocabulary)) for row in rows]
    return {n: distilled(each, each.ids_nK[:, 0].tolist(), 0.5) for n, each in enumerate(said)}


def steps(packed: PackedModel, tokens: int, trials: int, count: int, repetitions: int) -> dict[str, list[float]]:
    """Seconds a step of every kind, in turns."""
    vocabulary = vocabulary_of(packed)
    rows, teacher = random_rows(tokens, vocabulary)[: BATCHES * ROWS], Teacher(packed)
    slots = [Slot(packed, n, plain_recipe(n), rows) for n in range(trials)]
    soft = {kind: taught(kind, teacher, rows, vocabulary) for kind in KINDS}

    def run(kind: str) -> float:
        for slot in slots:
            slot.taught = soft[kind]
        started = clock(packed.device)
        for _ in range(count):
            packed_step(packed, slots)
        return (clock(packed.device) - started) / count

    runs: dict[str, Callable[[], float]] = {kind: partial(run, kind) for kind in KINDS}
    found = interleaved(runs, repetitions)
    for slot in slots:
        packed.remove_adapter(slot.number)
    return found


def passes(packed: PackedModel, rows: int) -> dict[str, float]:
    """Seconds a row to ask and to read back, and bytes of a token of an answer on disk."""
    vocabulary = vocabulary_of(packed)
    own = [told(row, vocabulary) for row in random_rows(ROWS * 48, vocabulary)[:rows]]
    answers = sum(row.answer_tokens for row in own)
    with tempfile.TemporaryDirectory() as folder:
        seconds = []
        for _ in ("asked", "read"):
            teacher = Teacher(packed, Path(folder))
            started = time.perf_counter()
            for row in own:
                teacher.about(row)
            seconds.append((time.perf_counter() - started) / len(own))
        size = sum(file.stat().st_size for file in Path(folder).rglob("*.safetensors"))
    tokens = statistics.fmean(len(row.ids) for row in own)
    return {"row_tokens": tokens, "ask_s": seconds[0], "read_s": seconds[1], "bytes_per_answer_token": size / answers}


def measure(shape: str, device: torch.device, args: argparse.Namespace) -> list[dict[str, Any]]:
    rows = []
    packed = PackedModel(random_base(shape, device, choose_dtype("auto", device, None)))
    for tokens in args.tokens:
        for trials in args.packed:
            found = steps(packed, tokens, trials, 1 if args.quick else args.steps, args.repetitions)
            plain = statistics.median(found["plain"])
            ratios = {kind: statistics.median(found[kind]) / plain for kind in KINDS}
            seconds = {kind: spread(values) for kind, values in found.items()}
            rows.append({"model": shape, "tokens": tokens, "K": trials, "step_s": seconds, "ratio": ratios})
    rows.append({"model": shape, "pass": passes(packed, 4 if args.quick else 16)})
    return rows


def table(rows: Sequence[dict[str, Any]]) -> Table:
    shown = Table("model", "tokens a step", "K", "step, ms", "with a leash", "distilled")
    for row in rows:
        if "ratio" in row:
            plain = 1000 * row["step_s"]["plain"]["median"]
            ratios = [f"{row['ratio'][kind]:.2f}" for kind in KINDS[1:]]
            shown.add_row(row["model"], str(row["tokens"]), str(row["K"]), f"{plain:.0f}", *ratios)
    return shown


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--models", nargs="+", choices=sorted(SHAPES), help="default smollm2-135m")
    parser.add_argument("--packed", nargs="+", type=int, metavar="K", default=[1, 4], help="trials packed together")
    parser.add_argument("--tokens", nargs="+", type=int, metavar="T", default=list(TOKENS), help="of a trial's step")
    parser.add_argument("--steps", type=int, default=2, help="of a repetition")
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    torch.set_num_threads(args.threads)
    console, device = Console(), pick_device(args.device)
    shapes = args.models or (["tiny"] if args.quick else ["smollm2-135m"])
    rows: list[dict[str, Any]] = []
    for shape in shapes:
        console.print(f"measuring {shape} on {device} ...")
        rows += measure(shape, device, args)
        gc.collect()
    console.print(table(rows))
    for row in rows:
        if found := row.get("pass"):
            console.print(
                f"{row['model']}: a row of {found['row_tokens']:.0f} tokens is asked in {1000 * found['ask_s']:.0f} ms "
                f"and read back in {1000 * found['read_s']:.1f} ms; a token of its answer takes "
                f"{found['bytes_per_answer_token']:.0f} bytes"
            )
    settings = {"threads": args.threads, "repetitions": args.repetitions, "steps": args.steps, "rows": ROWS}
    console.print(f"written: {write_result('teacher', device, rows, args.out, settings=settings)}")


if __name__ == "__main__":
    main()
