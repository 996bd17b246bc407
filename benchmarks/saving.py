"""How long adapters and checkpoints keep a trial from training: files waited for, and written beside the training.

    python benchmarks/saving.py                  one thread of this machine's CPU, or its GPU
    python benchmarks/saving.py --quick          whether it runs

Trials of rank 16 on all linear layers of SmolLM2-135M's shape train a few short epochs on one engine, without Ray, and
save adapter and checkpoint after each. `waited for` trains on once the files are whole; `beside` once they are copied,
which is what trials do. The stall is what a trial spends between its epochs. Both ways take turns, and must end with
the same files, byte for byte.
"""

from __future__ import annotations

import argparse
import hashlib
import statistics
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from common import argument_parser, check_repetitions, clock, fail, interleaved, random_base, spread, write_result
from gpu import recipe, stand_in_tokenizer
from rich.console import Console
from rich.table import Table

from raykft.models.load import pick_device
from raykft.records import TrainRow
from raykft.train.engine import HostEngine

WAYS = ("waited for", "beside")
ROWS, BATCH, EPOCHS = 8, 4, 3


class Trials:
    """Trials that one engine trains, and the folder they write to; `stalls` are medians of rounds, in seconds."""

    def __init__(self, engine: HostEngine, folder: Path) -> None:
        self.engine = engine
        self.folder = folder
        self.stalls: dict[tuple[str, int], list[float]] = {}  # by way and number of trials

    def run(self, way: str, count: int) -> float:
        """Seconds of all epochs of all trials, the files of the last one included."""
        started = clock(self.engine.packed.device)
        with ThreadPoolExecutor(count) as pool:
            stalls = [stall for found in pool.map(lambda n: self._live(way, n), range(count)) for stall in found]
        self.stalls.setdefault((way, count), []).append(statistics.median(stalls))
        return clock(self.engine.packed.device) - started

    def _live(self, way: str, number: int) -> list[float]:
        name, stalls = f"t{number}", []
        self.engine.attach(name, recipe(number, BATCH, EPOCHS))
        for _ in range(EPOCHS):
            epoch = self.engine.train_epoch(name).epoch
            started = clock(torch.device("cpu"))
            self.engine.save(name, self._adapter(way, number), self.folder / way / name / str(epoch))
            if way == "waited for":
                self.engine.saved(name)
            stalls.append(clock(torch.device("cpu")) - started)
        self.engine.saved(name)
        self.engine.detach(name)
        return stalls

    def _adapter(self, way: str, number: int) -> Path:
        return self.folder / way / f"t{number}" / "adapter"

    def check(self, most: int) -> int:
        """Bytes that a trial writes an epoch; both ways have written the same."""
        sizes = []
        for number in range(most):
            digests = []
            for way in WAYS:
                files = sorted(f for f in (self.folder / way / f"t{number}").rglob("*") if f.is_file())
                digests.append([(f.parent.name, f.name, hashlib.sha256(f.read_bytes()).digest()) for f in files])
                sizes.append(sum(f.stat().st_size for f in files if f.parent.name in ("adapter", str(EPOCHS))))
            if digests[0] != digests[1]:
                fail(f"trial {number} has written other files beside its training")
        return max(sizes)


def measure(shape: str, trials: Sequence[int], device: torch.device, args: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a way and number of trials."""
    base = random_base(shape, device, torch.bfloat16 if device.type == "cuda" else torch.float32)
    base.tokenizer = stand_in_tokenizer()
    rows = [TrainRow(id=f"t{n}", instruction=f"w{n} " * 8, output=f"w{3 * n} " * 8) for n in range(ROWS)]
    settings: dict[str, Any] = {"system_prompt": None, "plain_prompt": "{question} w0", "max_length": 64}
    found = []
    with (
        tempfile.TemporaryDirectory(dir=args.folder) as folder,
        HostEngine(base, train_rows=rows, distractors=(), batch_size=64, **settings) as engine,
    ):
        running = Trials(engine, Path(folder))
        runs = {(way, count): (lambda w=way, c=count: running.run(w, c)) for count in trials for way in WAYS}
        seconds = interleaved({f"{way}, {count}": run for (way, count), run in runs.items()}, args.repetitions)
        written = running.check(max(trials))
        for way, count in runs:
            stalls = running.stalls[way, count][1:]  # the first round warms up
            found.append(
                {
                    "way": way,
                    "trials": count,
                    "stall_s": spread(stalls),
                    "seconds": spread(seconds[f"{way}, {count}"]),
                    "bytes_an_epoch": written,
                }
            )
    return found


def main() -> None:
    """Measure, print a table, write the result."""
    parser = argument_parser(__doc__)
    parser.add_argument("--trials", nargs="+", type=int, default=[1, 4], metavar="K", help="at once on the engine")
    parser.add_argument("--folder", type=Path, help="on the disk to be written to (the system's folder for scratch)")
    args = parser.parse_args()
    check_repetitions(args.repetitions)
    torch.set_num_threads(args.threads)
    device = pick_device(args.device)
    rows = measure("tiny" if args.quick else "smollm2-135m", args.trials, device, args)
    shown = Table("trials", "files", "stall an epoch, ms", "min-max", f"{EPOCHS} epochs, s", "min-max")
    for row in rows:
        cells = [
            cell
            for key, unit, digits in (("stall_s", 1e3, 0), ("seconds", 1, 2))
            for cell in (
                f"{unit * row[key]['median']:.{digits}f}",
                f"{unit * row[key]['min']:.{digits}f}-{unit * row[key]['max']:.{digits}f}",
            )
        ]
        shown.add_row(str(row["trials"]), row["way"], *cells)
    console = Console()
    console.print(shown)
    console.print(f"{rows[0]['bytes_an_epoch'] / 1e6:.1f} MB a trial and epoch")
    settings = {"rows": ROWS, "batch_size": BATCH, "epochs": EPOCHS, "threads": args.threads}
    console.print(f"written: {write_result('saving', device, rows, args.out, settings=settings)}")


if __name__ == "__main__":
    main()
