"""Boards of thousands of finished trials: what `raykft leaderboard` and `raykft report` cost, Python's start included.

    python benchmarks/boards.py                         # 5,000 trials, three rounds, both commands in turns
    python benchmarks/boards.py --work DIR --trials 300 # keep the experiment, read it again in later runs

The experiment is the quickstart's, made without a model (`sound_experiment.py`); one of its trials is copied under
other names, with other recipes and scores, and the same answers.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import sound_experiment
import torch
from common import write_result

from raykft.config import load_config
from raykft.paths import ExperimentPaths, read_json, write_json

ROOT = Path(__file__).resolve().parents[1]
COMMANDS = ("leaderboard", "report")
# The most memory it held is asked of the process itself: its parent is told of at least as much as the parent held.
SCRIPT = """
import atexit, re, sys
atexit.register(lambda: print(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1], file=sys.stderr))
from raykft.cli import main
main()
"""
RANKS = (4, 8, 16, 32)


def make(folder: Path, trials: int, seed: int = 0) -> ExperimentPaths:
    """An experiment of `trials` finished trials in `folder`; one that is there already is taken as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "quickstart.yaml"
    shutil.copy(ROOT / "configs" / config.name, config)
    known = ExperimentPaths(folder / "runs" / load_config(config).name)
    if known.trials.is_dir() and len(list(known.trials.iterdir())) == trials:
        return known
    paths, rng = sound_experiment.make(config), random.Random(seed)
    model = paths.trial(sound_experiment.FINISHED[1])
    kept = Path(shutil.copy(model.probe_results, folder / "answers.jsonl"))
    tree, result = read_json(model.config), read_json(model.result)
    for number in range(trials):
        rank, rate = rng.choice(RANKS), 10 ** rng.uniform(-4, -2)
        files = paths.trial(f"x{number:04d}-r{rank}")
        sample = {"adapter.rank": rank, "train.learning_rate": rate}
        write_json(files.config, tree | {"sample": sample})
        own = {name: rng.random() for name in ("score", "gain", "forgetting", "knowledge", "graded_gain")}
        write_json(files.result, result | {"metrics": result["metrics"] | own, "seconds": 60 * rng.random()})
        shutil.copy(model.metrics, files.metrics)
        files.probe_results.hardlink_to(kept)
    for old in (*sound_experiment.FINISHED, sound_experiment.STOPPED, sound_experiment.RUNNING):
        shutil.rmtree(paths.trial(old).root)
    return paths


def measure(command: str, paths: ExperimentPaths) -> dict[str, float]:
    """One whole process: its seconds of processor (user and system) and the most memory it held, MiB."""
    words = [sys.executable, "-c", SCRIPT, command, str(paths.root)]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        said = process.stderr.read()
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"`raykft {command} {paths.root}` ended with exit code {process.returncode}: {said}")
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_mib": int(said.split()[-1]) / 1024}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work", type=Path, help="keep the experiment in this folder")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/boards-<date>-cpu.json)")
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="raykft-boards-") as folder:
        paths = make(args.work or Path(folder), args.trials)
        runs: dict[str, list[dict[str, float]]] = {command: [] for command in COMMANDS}
        for _ in range(args.rounds):
            for command in COMMANDS:
                runs[command].append(measure(command, paths))
        size = paths.page.stat().st_size
    rows: list[dict[str, Any]] = [
        {"command": command, "page_bytes": size if command == "report" else 0}
        | {name: median(run[name] for run in each) for name in ("cpu_s", "peak_mib")}
        | {"runs": each}
        for command, each in runs.items()
    ]
    print(json.dumps(rows, indent=1))
    write_result("boards", torch.device("cpu"), rows, args.out, settings={"trials": args.trials})


if __name__ == "__main__":
    main()
