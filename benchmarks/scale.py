"""How much Tune, the searcher, the loggers and the leaderboard bear: many trials that train nothing.

They run on a loopback cluster of four worker nodes with a logical GPU each: `python benchmarks/scale.py`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

# Read when ray is first imported: a cluster without a token that listens on loopback only.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
os.environ.setdefault("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", "0")
sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))

import ray
import torch
from cluster_support import LoopbackCluster, loopback_cluster
from common import write_result
from rich.console import Console

from raykft.config import ExperimentConfig, validate
from raykft.leaderboard.board import load_leaderboard
from raykft.paths import PACKAGE_DATA, ExperimentPaths
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts

EPOCHS = 3
# While a trial's process starts, over a second, another trial's that ended is given to it and the new one thrown away:
# trials shorter than that would measure nothing but processes starting.
EPOCH_S = 0
ASKED = 24  # probes a trial is asked: the cost of scoring is not what is measured here
GOALS = {"trials_per_second": "at least 5", "driver_growth_mb": "under 500", "leaderboard_s": "under 2 at 1,000 trials"}


def experiment(directory: Path, trials: int, slots: int, address: str) -> ExperimentConfig:
    """A search over four dimensions with early stopping, whose trials train nothing, for half a second an epoch."""
    demo = PACKAGE_DATA / "en-small"
    data: dict[str, Any] = {name: str(demo / f"{name}.jsonl") for name in ("facts", "train", "passages")}
    data["distractors"] = str(PACKAGE_DATA / "en" / "distractors.jsonl")
    for name in ("probes", "general"):
        lines = (demo / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines]
        plain = [row for row in rows if row["kind"] == "recall" and row["level"] < 3 and row["split"] == "select"]
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in plain[:ASKED]))
        data[name] = str(directory / f"{name}.jsonl")
    space = {
        "adapter.rank": {"choice": [4, 8, 16, 32]},
        "adapter.target_layers": {"choice": ["attention", "all-linear"]},
        "train.learning_rate": {"log": [1e-5, 1e-2]},
        "data.distractor_ratio": {"uniform": [0, 2]},
    }
    tree = {
        "name": "scale",
        "base_model": f"fake:{EPOCH_S}",
        "data": data,
        "train": {"epochs": EPOCHS},
        "search": {"trials": trials, "grace_epochs": 1, "space": space},
        "evaluate": {"rung_probes": 4, "rung_general": 2, "rung_passages": 0, "baselines": ["facts_needed"]},
        "resources": {"slots_per_host": slots, "address": address},
        "storage_path": str(directory),
    }
    return validate(tree, "the scale experiment")


def main() -> None:
    """Run, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trials", type=int, default=1000)
    parser.add_argument("--nodes", type=int, default=4)
    parser.add_argument("--slots", type=int, default=2, help="trials a host trains at once (2)")
    parser.add_argument("--profile", type=Path, help="write what the driver's main thread did, for `python -m pstats`")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/scale-<date>-cpu.json)")
    args = parser.parse_args()
    console = Console()
    with (
        tempfile.TemporaryDirectory(prefix="raykft-scale-") as directory,
        loopback_cluster(workers=args.nodes) as cluster,
    ):
        row = measure(Path(directory), cluster, args)
    settings = {"trials": args.trials, "nodes": args.nodes, "slots": args.slots, "epochs": EPOCHS, "epoch_s": EPOCH_S}
    settings["goals"] = GOALS
    path = write_result("scale", torch.device("cpu"), [row], args.out, settings=settings)
    for name, value in row.items():
        goal = f"  ({GOALS[name]})" if name in GOALS else ""
        console.print(f"{name:24} {value if not isinstance(value, float) else round(value, 2)}{goal}", highlight=False)
    console.print(f"written to {path}")


def measure(directory: Path, cluster: LoopbackCluster, args: argparse.Namespace) -> dict[str, Any]:
    """One search from the first trial's start to the last one's end, and what it left behind."""
    config = experiment(directory, args.trials, args.slots, cluster.address)
    profile = cProfile.Profile() if args.profile else None
    with fake_hosts(), sampled_memory() as megabytes, timed_waits() as waits, profile or nullcontext():
        started = time.perf_counter()
        tune(config, Console(quiet=True))
        wall_s = time.perf_counter() - started
    if profile:
        profile.dump_stats(args.profile)
    paths = ExperimentPaths(config.directory)
    times = [file.stat().st_mtime for file in paths.trials.glob("*/*.json")]
    files = [file for file in paths.root.rglob("*") if file.is_file()]
    board = load_leaderboard(paths.root)
    search_s, reports = max(times) - min(times), sum(trial.epoch for trial in board.trials)
    waited_s = sum(s for ended, s in waits if min(times) <= ended <= max(times))
    return {
        "trials_per_second": args.trials / search_s,
        "reports_per_trial": reports / args.trials,
        "search_s": search_s,
        "driver_busy": 1 - waited_s / search_s,
        "driver_ms_per_event": 1000 * (search_s - waited_s) / (args.trials + reports),
        "wall_s": wall_s,
        "driver_growth_mb": megabytes[-1] - megabytes[0],
        "driver_peak_mb": max(megabytes),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "leaderboard_s": leaderboard_seconds(paths.root),
        "statuses": dict(Counter(trial.status for trial in board.trials)),
    }


def leaderboard_seconds(directory: Path) -> float:
    """To read an experiment and lay out its leaderboard, in a process that did nothing else, as the command has."""
    program = (
        "import sys, time\nfrom pathlib import Path\n"
        "from raykft.leaderboard.board import load_leaderboard\nfrom raykft.leaderboard.render import markdown_board\n"
        "started = time.perf_counter()\nmarkdown_board(load_leaderboard(Path(sys.argv[1])))\n"
        "print(time.perf_counter() - started)"
    )
    done = subprocess.run([sys.executable, "-c", program, directory], capture_output=True, text=True, check=True)
    return float(done.stdout)


@contextmanager
def sampled_memory() -> Iterator[list[float]]:
    """This process's resident megabytes, before the body and then once a second."""
    samples = [resident_mb()]
    done = threading.Event()

    def sample() -> None:
        while not done.wait(1.0):
            samples.append(resident_mb())

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        done.set()
        thread.join()
        samples.append(resident_mb())


@contextmanager
def timed_waits() -> Iterator[list[tuple[float, float]]]:
    """When each wait of the driver's loop for an event ended, and how long it was; the rest of the time it works."""
    waits: list[tuple[float, float]] = []
    original = ray.wait

    def timed(*args: Any, **options: Any) -> Any:
        started = time.time()
        try:
            return original(*args, **options)
        finally:
            waits.append((time.time(), time.time() - started))

    ray.wait = timed
    try:
        yield waits
    finally:
        ray.wait = original


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
