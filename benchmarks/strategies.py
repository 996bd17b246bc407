"""Searches replayed on a table of recipes: what each would have found, and at what cost.

A replay takes the recipes in a random order, trains them with one seed of the table, and stops, scores and picks as the
strategy does; nothing is trained. Proposals are random in all of them, because a table of some thirty recipes is no
space that a model could learn: the strategies differ in what stops a trial and in what picks the winner.

- `random`: every recipe to its end; the best generated score on the select split.
- `loss-asha`: ASHA on the training loss, which also picks: what people do with Ray Tune and a trainer.
- `today`: ASHA on the rung score of six probes after the first epoch; the best generated score picks.
- `graded`: ASHA on the graded score after the second epoch, all select probes; the best graded score picks.
- `graded-race`: the same on a share of the budget, then the best race with further seeds; the best mean picks.

Cost is trained tokens, and half of one for a token that is read or written for a score (docs/planning.md), in units of
the mean full trial. Regret is the truth of the best recipe less that of the pick: the generated score on the report
split, of the best the mean over all seeds, of the pick that of a seed which the search has not seen.
"""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import Any

import numpy as np

BUDGETS = (1, 2, 3, 4, 6, 8, 10, 12, 16, 20, 24)
REDUCTION = 3.0
LEADERS = 3  # a pick among so many true best ones is a hit
RACE_TOP, RACE_SHARE, RACE_SEEDS = 4, 0.5, 3
TABLES, REPLAYS = 200, 10  # resamples of the recipes, and replays on each

Run = Mapping[str, Any]
Value = Callable[[str, Run], float]


@dataclass(frozen=True)
class Costs:
    """Of what is asked, in trained tokens."""

    rung: float  # six probes and four general ones
    graded: float  # all select probes
    full: float  # generated answers, with grades


@dataclass(frozen=True)
class Strategy:
    """What stops a trial after `epoch`, and what picks; names of quantities, all of them higher is better."""

    pick: str
    rung: str | None = None
    epoch: int = 1
    asks: str = ""  # which cost a rung has
    race: bool = False
    reduction: float = REDUCTION  # the best 1/reduction of those that came so far pass the rung


PLANS = {
    "random": Strategy("score"),
    "loss-asha": Strategy("training_loss", "loss", 1),
    "today": Strategy("score", "old_rung_epoch1", 1, "rung"),
    "graded": Strategy("graded_score", "graded_epoch2", 2, "graded"),
    "graded-race": Strategy("graded_score", "graded_epoch2", 2, "graded", race=True),
}


class Replays:
    """A table of whole recipes: those that have a run with each of `seeds`, by default with every seed there is."""

    def __init__(self, runs: Sequence[Run], costs: Costs, value: Value, seeds: Sequence[int] = ()) -> None:
        grid: dict[str, dict[int, Run]] = {}
        for run in runs:
            if "error" not in run:
                grid.setdefault(run["recipe"], {})[run["seed"]] = run
        self.seeds = sorted(seeds or {run["seed"] for run in runs})
        whole = {name: by_seed for name, by_seed in grid.items() if set(by_seed) >= set(self.seeds)}
        self.grid = {name: {seed: by_seed[seed] for seed in self.seeds} for name, by_seed in whole.items()}
        self.costs, self._value = (
            costs,
            lru_cache(None)(lambda name, recipe, seed: value(name, self.grid[recipe][seed])),
        )
        self.truth = {n: {s: run["metrics_report"]["score"] for s, run in r.items()} for n, r in self.grid.items()}
        means = {name: fmean(each.values()) for name, each in self.truth.items()}
        self.best = max(means.values(), default=0.0)
        self.ranking = sorted(means, key=lambda name: -means[name])
        full = [self.trained(run) + costs.full for each in self.grid.values() for run in each.values()]
        self.unit = fmean(full) if full else 1.0

    def value(self, name: str, run: Run) -> float:
        if name == "loss":
            return -float(run["epochs"][0]["loss"])
        found = self._value(name, run["recipe"], run["seed"])
        return -math.inf if math.isnan(found) else found

    @staticmethod
    def trained(run: Run, epochs: int | None = None) -> float:
        """Tokens trained after so many epochs, or to the end."""
        rows = run["epochs"]
        return float(rows[min(epochs or len(rows), len(rows)) - 1]["tokens"])

    def regret(self, plan: Strategy, order: Sequence[str], seeds: Sequence[int], budget: float) -> float:
        """Of one replay: `seeds` are those of the search, the race's, and last the one that tells the truth."""
        return self.lost(self.pick(plan, order, seeds, budget), seeds[-1])

    def lost(self, pick: str, unseen: int) -> float:
        """How far a recipe lies below the best one, by what a seed that the search has not seen turned out to be."""
        return self.best - self.truth[pick][unseen]

    def pick(self, plan: Strategy, order: Sequence[str], seeds: Sequence[int], budget: float) -> str:
        limit = budget * self.unit
        own, *others = seeds[:-1]
        spent, scored = self._screen(plan, order, own, limit * (RACE_SHARE if plan.race else 1))
        if plan.race:
            scored = self._race(plan, scored, others, limit - spent)
        return max(scored, key=lambda name: scored[name]) if scored else order[0]

    def _screen(self, plan: Strategy, order: Sequence[str], seed: int, limit: float) -> tuple[float, dict[str, float]]:
        """Train recipe after recipe; the first one is finished whatever it costs."""
        spent, scored, rungs = 0.0, {}, []
        for name in order:
            run = self.grid[name][seed]
            cost = self.trained(run) + self.costs.full
            if plan.rung and len(run["epochs"]) > plan.epoch:
                value = self.value(plan.rung, run)
                rungs.append(value)
                asked = getattr(self.costs, plan.asks) if plan.asks else 0.0
                if value < np.quantile(rungs, 1 - 1 / plan.reduction):
                    cost = self.trained(run, plan.epoch) + asked
                    if spent + cost > limit and scored:
                        break
                    spent += cost
                    continue
                cost += asked
            if spent + cost > limit and scored:
                break
            spent += cost
            scored[name] = self.value(plan.pick, run)
        return spent, scored

    def _race(
        self, plan: Strategy, scored: Mapping[str, float], seeds: Sequence[int], limit: float
    ) -> dict[str, float]:
        field = sorted(scored, key=lambda name: -scored[name])[:RACE_TOP]
        values = {name: [scored[name]] for name in field}
        spent = 0.0
        for seed in seeds[: RACE_SEEDS - 1]:
            for name in field:
                run = self.grid[name][seed]
                spent += self.trained(run) + self.costs.graded
                if spent > limit:
                    return {n: fmean(v) for n, v in values.items()}
                values[name].append(self.value(plan.pick, run))
        return {n: fmean(v) for n, v in values.items()}


def strategies(
    replays: Replays, plans: Mapping[str, Strategy] = PLANS, *, seed: int = 0, tables: int = TABLES
) -> dict[str, dict[str, list[float]]]:
    """Mean regret by strategy over `BUDGETS`, with 95 % intervals over resampled recipes.

    `hits` is how often the pick is among the true best three of the recipes that there were to find.

    A race needs a seed of the search, one of its own and one that tells the truth: with fewer than three in the table
    there is none.
    """
    rng = random.Random(f"strategies:{seed}")
    orders = list(itertools.permutations(replays.seeds, min(len(replays.seeds), RACE_SEEDS + 1)))
    names = sorted(replays.grid)
    means: dict[str, list[list[float]]] = {
        name: [] for name, plan in plans.items() if not plan.race or len(replays.seeds) > 2
    }
    hits: dict[str, list[list[float]]] = {name: [] for name in means}
    for _ in range(tables):
        drawn = sorted({rng.choice(names) for _ in names})
        plays = [(rng.sample(drawn, len(drawn)), rng.choice(orders)) for _ in range(REPLAYS)]
        leaders = [name for name in replays.ranking if name in drawn][:LEADERS]
        for strategy in means:
            picks = [[replays.pick(plans[strategy], *play, budget) for play in plays] for budget in BUDGETS]
            means[strategy].append(
                [
                    fmean(replays.lost(pick, seeds[-1]) for pick, (_, seeds) in zip(row, plays, strict=True))
                    for row in picks
                ]
            )
            hits[strategy].append([fmean(pick in leaders for pick in row) for row in picks])
    found = {}
    for name, rows in means.items():
        low, high = np.quantile(rows, [0.025, 0.975], axis=0)
        curves = {"regret": np.mean(rows, axis=0), "regret_lo": low, "regret_hi": high}
        curves["hits"] = np.mean(hits[name], axis=0)
        found[name] = {"cost": [float(b) for b in BUDGETS]} | {k: v.round(4).tolist() for k, v in curves.items()}
        found[name]["recipes"] = [float(len(names))]
    return found
