"""A simulated search on 8 to 512 GPUs: how busy the GPUs are, and where the one driver saturates.

Discrete events, no Ray: every slot of a host trains epochs, is scored, and reports to a driver that handles one report
or proposal at a time. A slot trains ahead while the driver thinks, as `raykft.trial` does; what a stopped trial
has trained ahead is lost. Times come from the other benchmarks' results or from options:
`python benchmarks/cluster.py --step results/step-*.json --scale results/scale-*.json`.
"""

from __future__ import annotations

import argparse
import heapq
import json
import math
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from common import fail, write_result
from rich.console import Console
from rich.table import Table

GPUS = (8, 16, 32, 64, 128, 256, 512)
SATURATED = 0.95  # of its time the driver is busy


@dataclass(frozen=True)
class Times:
    """What a search costs, in seconds unless said otherwise.

    Attributes:
        epoch_s: one epoch of a trial, while the other slots of its host train as well.
        rung_s, full_s: the cheap score after an epoch, and the full one at the end.
        start_s: from a trial's proposal to its first step: its process, the slot, the mixture.
        driver_s: what the driver spends on one report or one proposal.
        epochs: of a trial that nobody stops.
        grace, factor: of ASHA: after `grace * factor^k` epochs one trial in `factor` goes on.
    """

    epoch_s: float = 60.0
    rung_s: float = 4.0
    full_s: float = 60.0
    start_s: float = 2.0
    driver_s: float = 0.05
    epochs: int = 9
    grace: int = 1
    factor: float = 3.0


@dataclass(frozen=True)
class Outcome:
    """One simulated search.

    `gpu_busy`, `thrown_away` and `waiting` (for the driver, or to start) are shares of all slots' time until the last
    trial ended; the rest is the end of the search, when slots run empty. `driver_busy` is a share of the time until
    the last trial began.
    """

    gpus: int
    trials: int
    hours: float
    gpu_busy: float
    thrown_away: float
    waiting: float
    driver_busy: float


def simulate(gpus: int, slots: int, trials: int, times: Times, seed: int = 0) -> Outcome:
    """Run `trials` trials on `gpus` hosts of `slots` slots each."""
    draw = random.Random(seed)
    rungs = {times.grace * round(times.factor**k) for k in range(math.ceil(math.log(times.epochs, times.factor)) + 1)}
    driver_free = driver_busy = useful = lost = waited = end = 0.0
    begun, last_begun = 0, 0.0
    # When a slot next needs the driver, and the epoch it reports (0: it wants a proposal).
    events = [(0.0, slot, 0) for slot in range(min(gpus * slots, trials))]
    while events:
        now, slot, epoch = heapq.heappop(events)
        if epoch == 0 and begun == trials:
            continue
        answered = max(now, driver_free) + times.driver_s
        driver_free = answered
        driver_busy += times.driver_s if begun < trials else 0.0
        end = max(end, answered)
        if epoch == 0:
            begun, last_begun = begun + 1, answered
            waited += answered + times.start_s - now
            work = times.epoch_s + times.rung_s
            useful += work
            heapq.heappush(events, (answered + times.start_s + work, slot, 1))
        elif epoch == times.epochs:
            heapq.heappush(events, (answered, slot, 0))
            waited += answered - now
        elif epoch in rungs and draw.random() > 1 / times.factor:
            lost += min(answered - now, times.epoch_s)
            heapq.heappush(events, (answered, slot, 0))
        else:
            # The epoch began at `now`, before the driver answered; only an answer later than its end is waited for.
            work = times.epoch_s + (times.full_s if epoch + 1 == times.epochs else times.rung_s)
            idle = max(0.0, answered - now - times.epoch_s)
            useful, waited = useful + work, waited + idle
            heapq.heappush(events, (now + work + idle, slot, epoch + 1))
    useful, lost, waited = (seconds / (end * gpus * slots) for seconds in (useful, lost, waited))
    return Outcome(gpus, trials, end / 3600, useful, lost, waited, driver_busy / max(last_begun, 1e-9))


def measured(args: argparse.Namespace) -> Times:
    """The options' times, with what results files say in place of the defaults."""
    given = {name: value for name in asdict(Times()) if (value := getattr(args, name)) is not None}
    times = replace(Times(), **given)
    if args.step:
        packed = [r for r in rows(args.step) if r["contender"] == "raykft" and r["trials"] == args.slots]
        if not packed:
            fail(f"{args.step} has no row of raykft with {args.slots} trials packed; choose another --slots")
        each = packed[0]["tokens_per_second"]["median"] / args.slots
        times = replace(times, epoch_s=args.tokens / each)
    if args.evaluate:
        (row,) = [r for r in rows(args.evaluate) if r["contender"].startswith("raykft")]
        times = replace(times, full_s=args.probes / row["answers_per_second"]["median"])
    if args.scale:
        (row,) = rows(args.scale)
        times = replace(times, driver_s=row["driver_ms_per_event"] / 1000)
    return times


def rows(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["rows"]
    return found


def main(argv: Sequence[str] | None = None) -> None:
    """Simulate, print and record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gpus", type=int, nargs="+", default=list(GPUS))
    parser.add_argument("--slots", type=int, default=4, help="trials a GPU trains at once (4)")
    parser.add_argument("--trials-per-slot", type=int, default=8, help="(8)")
    parser.add_argument("--step", type=Path, help="a result of step.py: the time of an epoch")
    parser.add_argument("--tokens", type=int, default=200_000, help="of an epoch, with --step (200,000)")
    parser.add_argument("--evaluate", type=Path, help="a result of evaluate.py: the time of the full score")
    parser.add_argument("--probes", type=int, default=500, help="of the full score, with --evaluate (500)")
    parser.add_argument("--scale", type=Path, help="a result of scale.py: the driver's time a report")
    for name, value in asdict(Times()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), help=f"({value})")
    parser.add_argument("--out", type=Path, help="the result file (benchmarks/results/cluster-<date>-cpu.json)")
    args = parser.parse_args(argv)
    times = measured(args)
    outcomes = [simulate(n, args.slots, n * args.slots * args.trials_per_slot, times) for n in args.gpus]
    table = Table("GPUs", "trials", "hours", "GPUs busy", "thrown away", "waiting", "driver busy")
    for o in outcomes:
        shares = [f"{share:.1%}" for share in (o.gpu_busy, o.thrown_away, o.waiting, o.driver_busy)]
        table.add_row(str(o.gpus), str(o.trials), f"{o.hours:.2f}", *shares)
    console = Console()
    console.print(table)
    full = [o.gpus for o in outcomes if o.driver_busy >= SATURATED]
    console.print(f"the driver saturates at {full[0]} GPUs" if full else f"the driver bears {max(args.gpus)} GPUs")
    sources = {name: str(getattr(args, name)) for name in ("step", "evaluate", "scale") if getattr(args, name)}
    settings = {"times": asdict(times), "slots": args.slots, "sources": sources}
    path = write_result("cluster", torch.device("cpu"), [asdict(o) for o in outcomes], args.out, settings=settings)
    console.print(f"written to {path}")


if __name__ == "__main__":
    main()
