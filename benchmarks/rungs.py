"""Which early stopping picks the better recipe at equal cost? Replayed on a table of recipes; nothing is trained.

    python benchmarks/rungs.py [TABLE] [--tables 60] [--write]

Every strategy ranks by graded scores and differs from `graded` of `strategies.py` in its one rung: after which epoch,
which share of recipes passes, and whether the score is projected along its learning curve to the recipe's own last
epoch. A base model's score is 0, so a curve is known at epochs 0, 1 and 2: `slope` goes on from there as it went from 1
to 2, `share` grows in proportion to the epochs. `a quarter` is the score after a quarter of a recipe's own epochs.
`no rung` trains every recipe to its end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from common import RESULTS
from replay import NotMeasuredError, Quantities, read_table, truth
from rich.console import Console
from rich.table import Table
from strategies import BUDGETS, Costs, Replays, Strategy, strategies

from raykft.leaderboard.statistics import spearman
from raykft.paths import write_json

Run = Mapping[str, Any]


def projections(quantities: Quantities) -> dict[str, Callable[[Run], float]]:
    """Rung scores by name, from what is known of a run after its first or second epoch."""
    score = quantities.graded_score

    def slope(run: Run) -> float:
        return score(run, 0) + (score(run, 1) - score(run, 0)) * (len(run["epochs"]) - 1)

    return {
        "epoch 1": lambda run: score(run, 0),
        "a quarter": lambda run: score(run, math.ceil(len(run["epochs"]) / 4) - 1),
        "epoch 2": lambda run: score(run, 1),
        "epoch 2, share": lambda run: score(run, 1) * len(run["epochs"]) / 2,
        "epoch 2, slope": slope,
    }


PLANS = {
    "no rung": Strategy("graded_score"),
    "epoch 1, best third": Strategy("graded_score", "epoch 1", 1, "graded"),
    "epoch 1, best half": Strategy("graded_score", "epoch 1", 1, "graded", reduction=2),
    "epoch 1, best two thirds": Strategy("graded_score", "epoch 1", 1, "graded", reduction=1.5),
    "epoch 2, best third": Strategy("graded_score", "epoch 2", 2, "graded"),
    "epoch 2, best half": Strategy("graded_score", "epoch 2", 2, "graded", reduction=2),
    "epoch 2, best two thirds": Strategy("graded_score", "epoch 2", 2, "graded", reduction=1.5),
    "epoch 2, share, best third": Strategy("graded_score", "epoch 2, share", 2, "graded"),
    "epoch 2, slope, best third": Strategy("graded_score", "epoch 2, slope", 2, "graded"),
}


def foretold(table: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Spearman of each rung score with what other seeds of the recipe come to: generated truth, and graded score.

    Mean over seeds, of those with at least six recipes.
    """
    quantities = Quantities(table)
    runs = {(run["recipe"], run["seed"]): run for run in table["runs"] if "error" not in run}
    seeds = sorted({seed for _, seed in runs})
    found = {}
    for name, rung in projections(quantities).items():
        of_truth, of_score = [], []
        for seed in seeds:
            points = []
            for recipe in sorted({recipe for recipe, _ in runs}):
                others = [runs[recipe, other] for other in seeds if other != seed and (recipe, other) in runs]
                run = runs.get((recipe, seed))
                if run is None or not others or len(run["epochs"]) < 2:
                    continue
                try:
                    value = rung(run)
                except NotMeasuredError:
                    continue
                graded = fmean(quantities.value("graded_score", other) for other in others)
                points.append((value, fmean(map(truth, others)), graded))
            if len(points) >= 6:
                values, truths, scores = zip(*points, strict=True)
                of_truth.append(spearman(values, truths))
                of_score.append(spearman(values, scores))
        if of_truth:
            found[name] = {"truth": _mean(of_truth), "graded_score": _mean(of_score), "seeds": float(len(of_truth))}
    return found


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return fmean(known) if known else math.nan


def replayed(table: Mapping[str, Any], tables: int) -> dict[str, dict[str, list[float]]]:
    """Regret and hits of every plan whose rung the table has, on the recipes with the first two seeds."""
    quantities = Quantities(table)
    quantities.of |= projections(quantities)
    replays = Replays(table["runs"], Costs(**table["costs"]), quantities.value, (0, 1))
    measured = foretold(table)
    plans = {name: plan for name, plan in PLANS.items() if plan.rung is None or plan.rung in measured}
    return strategies(replays, plans, tables=tables)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--tables", type=int, default=60, help="resamples of the recipes (60)")
    parser.add_argument("--write", action="store_true", help="keep the figures as results/rungs-<table's name>.json")
    args = parser.parse_args(arguments)
    table = read_table(args.table)
    console = Console(width=120)
    scores, curves = foretold(table), replayed(table, args.tables)
    shown = Table("rung", "truth of other seeds", "their graded score", box=None)
    for name, figures in scores.items():
        shown.add_row(name, f"{figures['truth']:.2f}", f"{figures['graded_score']:.2f}")
    console.print(shown)
    costs = Table("regret at cost", *(f"{cost:g}" for cost in BUDGETS), box=None)
    for name, curve in curves.items():
        costs.add_row(name, *(f"{regret:.2f}" for regret in curve["regret"]))
    for name, curve in curves.items():
        costs.add_row(f"{name}, hits", *(f"{share:.0%}" for share in curve["hits"]))
    console.print(costs)
    if args.write:
        path = RESULTS / f"rungs-{table['config']}-{datetime.now(UTC):%Y-%m-%d}.json"
        write_json(path, {"table": table["environment"], "foretold": scores, "strategies": curves})
        console.print(f"written: {path}")


if __name__ == "__main__":
    main()
