"""How much Tune, the searcher, the loggers and the leaderboard bear: many trials that train nothing.

They run on a loopback cluster of four worker nodes with a logical GPU each: `python benchmarks/scale.py`.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
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

import torch
from cluster_support import LoopbackCluster, loopback_cluster
from common import write_result
from rich.console import Console

from raykft.config import ExperimentConfig, validate
from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.paths import PACKAGE_DATA, ExperimentPaths
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts

EPOCHS = 3
ASKED = 24  # probes a trial is asked: the cost of scoring is not what is measured here
GOALS = {"trials_per_second": "at least 5", "driver_growth_mb": "under 500", "leaderboard_s": "under 2 at 1,000 trials"}


def experiment(directory: Path, trials: int, slots: int, address: str) -> ExperimentConfig:
    """A search over four dimensions with early stopping, whose trials take no time."""
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
        "base_model": "fake:0",
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
    settings = {"trials": args.trials, "nodes": args.nodes, "slots": args.slots, "epochs": EPOCHS, "goals": GOALS}
    path = write_result("scale", torch.device("cpu"), [row], args.out, settings=settings)
    for name, value in row.items():
        goal = f"  ({GOALS[name]})" if name in GOALS else ""
        console.print(f"{name:24} {value if not isinstance(value, float) else round(value, 2)}{goal}", highlight=False)
    console.print(f"written to {path}")


def measure(directory: Path, cluster: LoopbackCluster, args: argparse.Namespace) -> dict[str, Any]:
    """One search from the first trial's start to the last one's end, and what it left behind."""
    config = experiment(directory, args.trials, args.slots, cluster.address)
    profile = cProfile.Profile() if args.profile else None
    with fake_hosts(), sampled_memory() as megabytes, profile or nullcontext():
        started = time.perf_counter()
        tune(config, Console(quiet=True))
        wall_s = time.perf_counter() - started
    if profile:
        profile.dump_stats(args.profile)
    paths = ExperimentPaths(config.directory)
    times = [file.stat().st_mtime for file in paths.trials.glob("*/*.json")]
    files = [file for file in paths.root.rglob("*") if file.is_file()]
    started = time.perf_counter()
    board = load_leaderboard(paths.root)
    markdown_board(board)
    leaderboard_s = time.perf_counter() - started
    return {
        "trials_per_second": args.trials / (max(times) - min(times)),
        "reports_per_trial": sum(trial.epoch for trial in board.trials) / args.trials,
        "search_s": max(times) - min(times),
        "wall_s": wall_s,
        "driver_growth_mb": megabytes[-1] - megabytes[0],
        "driver_peak_mb": max(megabytes),
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "leaderboard_s": leaderboard_s,
        "statuses": dict(Counter(trial.status for trial in board.trials)),
    }


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


def resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


if __name__ == "__main__":
    main()
