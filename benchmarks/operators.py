"""What a packed training step runs: operators, which on a GPU are launches, and where its CPU time goes.

    python benchmarks/operators.py               SmolLM2-135M's shape on one thread
    python benchmarks/operators.py --quick       whether it runs

Rows share an opening, as those of a chat template do. Products are all matrix products; what is left surrounds them.
The times are a thread's own, so other work on the machine disturbs them little.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from common import argument_parser, check_repetitions, interleaved, random_base, spread, write_result
from rich.console import Console
from rich.table import Table
from step import ROWS, plain_recipe, random_rows

from raykft.data.encode import EncodedRow
from raykft.models.kernels import always
from raykft.models.packed import PackedModel
from raykft.testing.operators import count
from raykft.train.loop import packed_step
from raykft.train.slot import Slot

PRODUCTS = ("mm", "addmm", "addmm_", "bmm", "baddbmm_")
OPENING = 3  # tokens that rows share


def rows_of(tokens: int, vocabulary: int) -> list[EncodedRow]:
    """Of `step.py`, with an opening in common."""
    return [
        EncodedRow((2,) * OPENING + row.ids[OPENING:], row.prompt_tokens) for row in random_rows(tokens, vocabulary)
    ]


def share_of_products(step: Callable[[], object]) -> float:
    """Of the CPU time of operators."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU]) as profiler:
        step()
    seconds: Counter[str] = Counter()
    for event in profiler.key_averages():
        seconds[event.key.rpartition("::")[2]] += event.self_cpu_time_total
    return sum(seconds[name] for name in PRODUCTS) / seconds.total()


def main() -> None:
    """Count, measure, print a table, write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--packed", nargs="+", type=int, default=[1, 4, 16], metavar="K", help="trials packed together")
    parser.add_argument("--tokens", nargs="+", type=int, default=[32, 64, 128], metavar="T", help="a trial-step")
    parser.add_argument("--kernels", nargs="+", default=["loop", "bmm"], help="of low-rank products")
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    torch.set_num_threads(args.threads)
    device = torch.device("cpu")
    packed = PackedModel(random_base("tiny" if args.quick else "smollm2-135m", device, torch.float32))
    vocabulary = packed.base.model.config.vocab_size
    slots = [Slot(packed, n, plain_recipe(n), rows_of(args.tokens[0], vocabulary)) for n in range(max(args.packed))]
    found: list[dict[str, Any]] = []
    shown = Table("K", "T", "kernel", "operators", "of them products", "CPU ms", "min-max", "products' share of it")
    for tokens in args.tokens:
        for slot in slots:
            slot.rows = rows_of(tokens, vocabulary)
        for trials in args.packed:

            def step(kernel: str, trials: int = trials) -> float:
                packed.use_kernels(always(kernel))
                started = time.process_time()
                packed_step(packed, slots[:trials])
                return time.process_time() - started

            runs = {kernel: (lambda k=kernel: step(k)) for kernel in args.kernels}
            for kernel, seconds in interleaved(runs, args.repetitions).items():
                operators, share = count(runs[kernel]), share_of_products(runs[kernel])
                row = {"trials": trials, "tokens": tokens, "kernel": kernel, "operators": operators.total()}
                row |= {"products": sum(operators[name] for name in PRODUCTS), "cpu_s": spread(seconds)}
                found.append(row | {"products_share": share, "by_name": dict(operators.most_common())})
                times = [1e3 * row["cpu_s"][key] for key in ("median", "min", "max")]
                cells = [trials, tokens, kernel, row["operators"], row["products"]]
                shown.add_row(*map(str, cells), f"{times[0]:.0f}", f"{times[1]:.0f}-{times[2]:.0f}", f"{share:.2f}")
    console = Console()
    console.print(shown)
    settings = {"rows": ROWS, "opening": OPENING, "threads": args.threads}
    console.print(f"written: {write_result('operators', device, found, args.out, settings=settings)}")


if __name__ == "__main__":
    main()
