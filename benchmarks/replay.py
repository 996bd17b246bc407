"""What repeats, what foretells, and what a search would have found: everything replayed on a table of recipes.

    python benchmarks/replay.py [results/table-<date>.json.gz] [--write]

*Repeatability* of a quantity is the rank correlation of two seeds of the same recipes, averaged over pairs of seeds,
and the share of pairs of recipes that both seeds put in the same order. *Validity* is the rank correlation of one
seed's value with the truth: the mean over the *other* seeds of the generated score on the *report* split; of knowledge
and of what is not forgotten there it is told apart.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import strategies
from rich.console import Console
from rich.table import Table

from raykft.evaluation import graded
from raykft.evaluation.objective import gain
from raykft.leaderboard.statistics import spearman
from raykft.paths import write_json
from raykft.records import Probe

RESULTS = Path(__file__).resolve().parent / "results"
KINDS = ("wide", "narrow")
# Of the report split, other seeds; higher is better.
TRUTHS: dict[str, tuple[str, float]] = {
    "validity": ("score", 1.0),
    "validity_knowledge": ("knowledge", 1.0),
    "validity_forgetting": ("forgetting", -1.0),
}
SHOWN = ("spearman", "decided_pairs", *TRUTHS, "spread", "noise")

EMA = 10**6  # in place of an epoch: the moving average of the adapter

Run = Mapping[str, Any]


class NotMeasuredError(Exception):
    """A table may be sparse."""


def probes_of(table: Mapping[str, Any]) -> dict[str, Probe]:
    """What a packed table keeps of its probes: no texts."""
    return {
        id: Probe(id, level, kind, "", "", (), split, lang, fact_ids=tuple(facts))
        for id, (split, level, kind, lang, facts) in table["probes"].items()
    }


class Quantities:
    """Numbers of one run that could rank recipes, by name. NaN where a run has none, such as one that diverged."""

    def __init__(self, table: Mapping[str, Any]) -> None:
        self.probes = probes_of(table)
        self.passages = table["passages"]
        self.base = table["base"]
        self.of: dict[str, Callable[[Run], float]] = {
            "score": lambda run: self._metric(run, "score"),
            "knowledge": lambda run: self._metric(run, "knowledge"),
            "level_1": lambda run: self._metric(run, "level_1"),
            "level_2": lambda run: self._metric(run, "level_2"),
            "level_4": lambda run: self._metric(run, "level_4"),
            "hint": lambda run: self._metric(run, "hint"),
            "premise": lambda run: self._metric(run, "premise"),
            "forgetting": lambda run: -self._metric(run, "forgetting"),
            "pooled_generated": self.pooled_generated,
            "graded_paraphrases": lambda run: self.graded(run, levels=(2,), kinds=("recall",)),
            "graded_knowledge": self.graded,
            "graded_knowledge_last2": lambda run: fmean(self.graded(run, epoch=n) for n in self._last(run, 2)),
            "graded_general": lambda run: -self.general_loss(run),
            "fluency": lambda run: -self.fluency(run),
            "drift": lambda run: -self._metric(run, "drift"),
            "graded_forgetting": lambda run: -self.graded_forgetting(run),
            "graded_score": self.graded_score,
            "graded_gain": self.graded_gain,
            "graded_gain_less_both": lambda run: (
                self.graded_gain(run) - fmean([self.fluency(run), self.general_loss(run)])
            ),
            "graded_gain_less_general": lambda run: self.graded_gain(run) - self.general_loss(run),
            "graded_gain_less_worse": lambda run: (
                self.graded_gain(run) - max(self.fluency(run), self.general_loss(run))
            ),
            "graded_gain_less_sum": lambda run: self.graded_gain(run) - self.fluency(run) - self.general_loss(run),
            "graded_score_last2": lambda run: fmean(self.graded_score(run, n) for n in self._last(run, 2)),
            "graded_epoch1": lambda run: self.graded_score(run, 0),
            "graded_epoch2": lambda run: self.graded_score(run, min(1, len(run["epochs"]) - 1)),
            "old_rung_epoch1": lambda run: run["epochs"][0].get("old_rung", math.nan),
            "old_rung_epoch2": lambda run: run["epochs"][min(1, len(run["epochs"]) - 1)].get("old_rung", math.nan),
            "training_loss": lambda run: -run["epochs"][-1]["loss"],
            "ema_knowledge": lambda run: self.graded(run, EMA),
            "ema_fluency": lambda run: -self.fluency(run, EMA),
            "ema_score": lambda run: self.graded_score(run, EMA),
        }

    def value(self, name: str, run: Run) -> float:
        """NaN where it was not measured."""
        try:
            return math.nan if "error" in run else float(self.of[name](run))
        except NotMeasuredError:
            return math.nan

    @staticmethod
    def _row(run: Run, epoch: int) -> Mapping[str, Any]:
        """What was graded after an epoch, or of the moving average in the end."""
        ema = run.get("ema") or {"select": {}, "nats": {}}
        row = ema["select"] | {"nats": ema["nats"]} if epoch == EMA else run["epochs"][epoch]
        if "domain" not in row:
            raise NotMeasuredError
        return dict(row)

    @staticmethod
    def _metric(run: Run, name: str) -> float:
        return float(run["metrics_select"].get(name, math.nan))

    @staticmethod
    def _last(run: Run, count: int) -> list[int]:
        measured = [n for n, epoch in enumerate(run["epochs"]) if "domain" in epoch]
        return measured[-count:]

    def pooled_generated(self, run: Run) -> float:
        """Generated answers pooled by fact: every fact counts once."""
        return self._by_fact(
            {id: answer[0] for id, answer in run["answers_select"].items() if self.probes[id].level >= 2}
        )

    def graded(
        self, run: Run, epoch: int = -1, levels: Sequence[int] = (2, 3, 4, 5), kinds: Sequence[str] | None = None
    ) -> float:
        grades = self._row(run, epoch)["domain"]
        return self._by_fact(
            {
                id: grade
                for id, grade in grades.items()
                if self.probes[id].level in levels and (kinds is None or self.probes[id].kind in kinds)
            }
        )

    def _by_fact(self, grades: Mapping[str, float]) -> float:
        return graded.knowledge([self.probes[id] for id in grades], grades)

    def general_loss(self, run: Run, epoch: int = -1) -> float:
        return self._forgotten(self._row(run, epoch), [])

    def fluency(self, run: Run, epoch: int = -1) -> float:
        return self._forgotten({"general": {}}, self._bits(self._row(run, epoch)["nats"]))

    def graded_forgetting(self, run: Run, epoch: int = -1) -> float:
        return self._forgotten(self._row(run, epoch), self._bits(self._row(run, epoch)["nats"]))

    def _forgotten(self, row: Mapping[str, Any], bits: Sequence[tuple[float, float]]) -> float:
        before, now = self.base["graded"]["select"]["general"], row["general"]
        return graded.forgetting([self.probes[id] for id in now], before, now, bits)

    def _bits(self, nats: Mapping[str, float]) -> list[tuple[float, float]]:
        """Bits per byte of the base model and of an adapter, by language."""
        languages: defaultdict[str, list[str]] = defaultdict(list)
        for id, (lang, _) in self.passages.items():
            languages[lang].append(id)

        def bits(of: Mapping[str, float], ids: Sequence[str]) -> float:
            return sum(of[id] for id in ids) / math.log(2) / sum(self.passages[id][1] for id in ids)

        return [(bits(self.base["nats"], ids), bits(nats, ids)) for ids in languages.values()]

    def graded_gain(self, run: Run, epoch: int = -1) -> float:
        base = self._by_fact(self.base["graded"]["select"]["domain"])
        shown = self._by_fact(self.base["shown"]["select"])
        return float(gain(self.graded(run, epoch), base, shown))

    def graded_score(self, run: Run, epoch: int = -1) -> float:
        return self.graded_gain(run, epoch) - self.graded_forgetting(run, epoch)


def truth(run: Run, name: str = "validity") -> float:
    metric, sign = TRUTHS[name]
    return sign * float(run["metrics_report"].get(metric, math.nan))


def repeatability(table: Mapping[str, Any]) -> dict[str, dict[str, dict[str, float]]]:
    """By kind of recipes and quantity: `spearman`, `decided_pairs`, `TRUTHS`, `spread`, `noise`, and `recipes`."""
    quantities = Quantities(table)
    found: dict[str, dict[str, dict[str, float]]] = {}
    for kind in KINDS:
        grid: defaultdict[str, dict[int, Run]] = defaultdict(dict)
        for run in table["runs"]:
            if run["kind"] == kind and "error" not in run:
                grid[run["recipe"]][run["seed"]] = run
        found[kind] = {}
        for name in quantities.of:
            values = {r: {s: quantities.value(name, run) for s, run in seeds.items()} for r, seeds in grid.items()}
            found[kind][name] = _figures(values)
            for kept in TRUTHS:
                truths = {r: {s: truth(run, kept) for s, run in seeds.items()} for r, seeds in grid.items()}
                found[kind][name][kept] = _validity(values, truths)
    return found


def replay_strategies(table: Mapping[str, Any], seeds: Sequence[int] = ()) -> dict[str, dict[str, list[float]]]:
    """What each strategy would have found on the recipes that have all of `seeds` (every seed there is), broken ones
    included; empty where they are too few."""
    costs = strategies.Costs(**table["costs"])
    replays = strategies.Replays(table["runs"], costs, Quantities(table).value, seeds)
    sparse = any("old_rung" not in run["epochs"][0] for run in table["runs"] if len(run["epochs"]) > 1)
    return strategies.strategies(replays) if len(replays.grid) >= 3 and len(replays.seeds) >= 2 and not sparse else {}


def _figures(values: Mapping[str, Mapping[int, float]]) -> dict[str, float]:
    seeds = sorted({s for each in values.values() for s in each})
    rhos, decided = [], []
    for a, b in itertools.combinations(seeds, 2):
        both = [r for r in values if _known(values[r], a) and _known(values[r], b)]
        if len(both) >= 3:
            one, two = [values[r][a] for r in both], [values[r][b] for r in both]
            rhos.append(spearman(one, two))
            decided.append(_same_order(one, two))
    known = [[v for v in each.values() if not math.isnan(v)] for each in values.values()]
    within = [np.var(each, ddof=1) for each in known if len(each) > 1]
    every = [v for each in known for v in each]
    return {
        "spearman": _mean(rhos),
        "decided_pairs": _mean(decided),
        "spread": float(np.std(every, ddof=1)) if len(every) > 1 else math.nan,
        "noise": float(np.sqrt(np.mean(within))) if within else math.nan,
        "recipes": float(len(values)),
    }


def _validity(values: Mapping[str, Mapping[int, float]], truths: Mapping[str, Mapping[int, float]]) -> float:
    """How well a seed's values foretell what the other seeds turn out to be."""
    found = []
    for a in sorted({s for each in values.values() for s in each}):
        known = [r for r in values if _known(values[r], a) and len(truths[r]) > 1]
        others = [fmean(v for s, v in truths[r].items() if s != a) for r in known]
        if len(known) >= 3:
            found.append(spearman([values[r][a] for r in known], others))
    return _mean(found)


def _known(values: Mapping[int, float], seed: int) -> bool:
    return not math.isnan(values.get(seed, math.nan))


def _same_order(one: Sequence[float], two: Sequence[float]) -> float:
    """The share of pairs in the same order in both; a tie in one of them decides nothing."""
    pairs = list(itertools.combinations(range(len(one)), 2))
    return fmean(float((one[i] - one[j]) * (two[i] - two[j]) > 0) for i, j in pairs)


def _mean(values: Sequence[float | None]) -> float:
    known = [v for v in values if v is not None and not math.isnan(v)]
    return fmean(known) if known else math.nan


def read_table(path: Path | None) -> dict[str, Any]:
    """The newest table of the quickstart's domain, or the one named."""
    path = path or max(RESULTS.glob("table-2*.json.gz"))
    tree: dict[str, Any] = json.loads(gzip.decompress(path.read_bytes()))
    return tree


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path, nargs="?")
    parser.add_argument("--write", action="store_true", help="keep the figures as results/replay-<date>.json")
    args = parser.parse_args(arguments)
    table = read_table(args.table)
    found = repeatability(table)
    # Most recipes may have two seeds, and only some the third that a race needs.
    replayed = replay_strategies(table, (0, 1))
    raced = replay_strategies(table) if len({run["seed"] for run in table["runs"]}) > 2 else {}
    console = Console(width=110)
    for kind, quantities in found.items():
        counts = {int(figures["recipes"]) for figures in quantities.values()}
        shown = Table("quantity", *(name.replace("_", " ") for name in SHOWN), box=None, title=f"{kind}: {counts}")
        for name, figures in quantities.items():
            if math.isnan(figures["spread"]):
                continue
            shown.add_row(name, *(f"{figures[k]:.2f}" for k in SHOWN))
        console.print(shown)
    costs = Table("regret at cost", *(f"{cost:g}" for cost in strategies.BUDGETS), box=None)
    for name, curve in replayed.items():
        costs.add_row(name, *(f"{regret:.2f}" for regret in curve["regret"]))
    for name, curve in replayed.items():
        costs.add_row(f"{name}, hits", *(f"{share:.0%}" for share in curve["hits"]))
    for name, curve in raced.items():
        title = f"{name} ({curve['recipes'][0]:.0f} recipes)"
        costs.add_row(title, *(f"{regret:.2f}" for regret in curve["regret"]))
        costs.add_row(f"{title}, hits", *(f"{share:.0%}" for share in curve["hits"]))
    console.print(costs)
    if args.write:
        path = RESULTS / f"replay-{datetime.now(UTC):%Y-%m-%d}.json"
        tree = {
            "environment": table["environment"],
            "recipes": len({run["recipe"] for run in table["runs"]}),
            "repeatability": found,
            # The race on fewer recipes than the others: compare it with its own neighbours in `three_seeds`.
            "strategies": replayed | {name: curve for name, curve in raced.items() if name not in replayed},
            "three_seeds": raced,
        }
        write_json(path, tree)
        console.print(f"written: {path}")


if __name__ == "__main__":
    main()
