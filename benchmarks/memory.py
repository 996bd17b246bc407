"""Main memory of K trials trained at once: packed in one process, or one process each.

    python benchmarks/memory.py                  7 minutes on one CPU core
    python benchmarks/memory.py --quick          whether it runs

Every measurement is a process of its own that loads the base model, trains a few steps as `step.py` does, and reports
the most memory it held while training. What it maps from files (libraries) K processes share, so that it counts once.
Linux only; on a GPU `step.py` reports the peak of the device.
"""

from __future__ import annotations

import argparse
import ctypes
import gc
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import torch
from common import SHAPES, argument_parser, available, check_repetitions, fail, spread, write_result
from rich.console import Console
from rich.table import Table
from step import PEERS, contenders, random_rows

from raykft.models.load import pick_device

TOKENS, STEPS = 64, 4  # a trial-step, and steps before the peak is read
TRIALS, QUICK_TRIALS = (1, 2, 4, 8, 16), (1, 2)
MIB = 1 << 20
KIB = 1 << 10


def run_inside(contender: str, trials: int, shape: str) -> dict[str, int]:
    """Peak bytes of this process while it trains, its own and those of mapped files."""
    torch.set_num_threads(1)
    device = torch.device("cpu")
    with tempfile.TemporaryDirectory() as output:
        (running,) = contenders([contender], shape, device, trials, Path(output))
        running.take(random_rows(TOKENS, SHAPES[shape]().vocab_size))
        _forget_loading()
        running.train(trials, STEPS)
        held = _memory()
    return {"own_bytes": held["VmHWM"] - held["RssFile"], "file_bytes": held["RssFile"]}


def _forget_loading() -> None:
    """What making the model held besides the model goes back, and the peak is counted from here."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def _memory() -> dict[str, int]:
    lines = (line.split() for line in Path("/proc/self/status").read_text().splitlines())
    return {words[0].rstrip(":"): int(words[1]) * KIB for words in lines if words[-1] == "kB"}


def measure(contender: str, trials: int, shape: str) -> dict[str, int]:
    """`run_inside` in a process of its own."""
    command = [sys.executable, __file__, "--inside", contender, str(trials), shape]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        fail(f"{contender} with {trials} trial(s) failed:\n{done.stderr}")
    found: dict[str, int] = json.loads(done.stdout.splitlines()[-1])
    return found


def rows_of(names: list[str], trials: tuple[int, ...], shape: str, repetitions: int) -> list[dict[str, Any]]:
    """A row for every contender and K; peers train one trial a process, so their K are multiples of one."""
    points = [(name, k) for name in names for k in (trials if name == "raykft" else (1,))]
    found: dict[tuple[str, int], list[dict[str, int]]] = {point: [] for point in points}
    for _ in range(repetitions):
        for point in points:
            found[point].append(measure(*point, shape))
    rows = []
    for name in names:
        for k in trials:
            packed = found.get((name, k))
            rows.append(
                {
                    "contender": name,
                    "trials": k,
                    "processes": 1 if packed else k,
                    "bytes": spread([_sum(one, 1) for one in packed] if packed else _alone(found[name, 1], k)),
                }
            )
            if name == "raykft":
                alone = spread(_alone(found[name, 1], k))["median"]
                rows[-1]["share_of_alone"] = rows[-1]["bytes"]["median"] / alone
    return rows


def _alone(found: list[dict[str, int]], processes: int) -> list[float]:
    return [_sum(one, processes) for one in found]


def _sum(one: dict[str, int], processes: int) -> float:
    return float(processes * one["own_bytes"] + one["file_bytes"])


def render(rows: list[dict[str, Any]]) -> Table:
    table = Table(title=f"memory of K trials, {TOKENS} tokens a trial-step, MiB")
    trials = sorted({row["trials"] for row in rows})
    table.add_column("contender")
    for k in trials:
        table.add_column(f"K={k}", justify="right")
    for name in dict.fromkeys(row["contender"] for row in rows):
        own = {row["trials"]: row for row in rows if row["contender"] == name}
        what = "in one process" if name == "raykft" else "a process each"
        table.add_row(f"{name}, {what}", *(f"{own[k]['bytes']['median'] / MIB:,.0f}" for k in trials))
    own = {row["trials"]: row for row in rows if row["contender"] == "raykft"}
    table.add_row("share of raykft, a process each", *(f"{own[k]['share_of_alone']:.2f}" for k in trials))
    return table


def main() -> None:
    if sys.argv[1:2] == ["--inside"]:
        contender, trials, shape = sys.argv[2:]
        print(json.dumps(run_inside(contender, int(trials), shape)))
        return
    args = _arguments()
    console = Console()
    if args.device == "cuda" or not Path("/proc/self/clear_refs").exists():
        fail("this reads /proc of a process on a CPU; on a GPU run step.py, which reports the device's peak")
    names = available([*PEERS, "raykft"], console) if not args.contenders else args.contenders
    trials = QUICK_TRIALS if args.quick else TRIALS
    shape = "tiny" if args.quick else args.model
    rows = rows_of(names, trials, shape, args.repetitions)
    settings = {"model": shape, "tokens": TOKENS, "steps": STEPS, "threads": 1, "repetitions": args.repetitions}
    console.print(render(rows))
    console.print(f"written: {write_result('memory', pick_device('cpu'), rows, args.out, settings=settings)}")


def _arguments() -> argparse.Namespace:
    parser = argument_parser(__doc__ or "")
    parser.add_argument("--model", choices=[name for name in SHAPES if name != "llama-8b"], default="smollm2-135m")
    parser.add_argument("--contenders", nargs="+", choices=(*PEERS, "raykft"), help="all that are installed")
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    return args


if __name__ == "__main__":
    main()
