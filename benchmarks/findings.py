"""What the two studies claimed, answered: one recipe, one thing of it changed at a time, several seeds.

    python benchmarks/findings.py --work DIR [--seeds 2]   # trains what is missing in DIR, resumable at any moment
    python benchmarks/findings.py --work DIR --write       # packs it into results/findings-<date>.json.gz
    python benchmarks/findings.py --read FILE              # the rows of docs/findings.md and its figure

Every figure is a mean over seeds of answers to all domain probes of both splits: nothing was chosen here, so nothing
has to be held out. Intervals of 95 % resample facts (passages, general questions) and seeds together; the number of
seeds is small, so they say more about other facts than about other seeds. The claims are R1 to R12 of the studies that
README names; each is counted as found, as its opposite, or as not seen, by its interval alone.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import table

from raykft.config import load_config
from raykft.data.domain import Domain, load_domain
from raykft.leaderboard.statistics import interval
from raykft.records import Probe, TrainRow

ROOT = table.ROOT
BASE, BM25 = "base", "bm25"  # rows that no recipe makes
DRAWS = 4000
MINUS = "\N{MINUS SIGN}"
CENTER: dict[str, Any] = {
    "adapter.rank": 16,
    "adapter.target_layers": "all-linear",
    "train.learning_rate": 1e-3,
    "train.epochs": 6,
    "data.distractor_ratio": 0.25,
}
# Of SmolLM2-135M: a rank of all linear layers has 10,176 parameters a block, of attention 3,840, of the MLP 6,336.
CHANGES: dict[str, dict[str, Any]] = {
    "center": {},
    "attention": {"adapter.target_layers": "attention"},
    "mlp": {"adapter.target_layers": "mlp"},
    "attention-equal": {"adapter.target_layers": "attention", "adapter.rank": 42},
    "mlp-equal": {"adapter.target_layers": "mlp", "adapter.rank": 26},
    "head": {"adapter.target_layers": "all-linear+lm_head"},
    "epochs-3": {"train.epochs": 3},
    "epochs-12": {"train.epochs": 12},
    "ratio-0": {"data.distractor_ratio": 0},
    "ratio-1": {"data.distractor_ratio": 1},
    "leash": {"train.kl_weight": 1.0},
    "leash-ratio-1": {"train.kl_weight": 1.0, "data.distractor_ratio": 1},
    "ema": {"train.ema_epochs": 1.0},
    "ema-leash": {"train.ema_epochs": 1.0, "train.kl_weight": 1.0},
    "planted": {},  # trained on some of the probes, see `planted`
}
ALL_PASSAGES = "data.passages=demo:en/passages.jsonl"  # six texts are too few for an interval
# What raykft offers against forgetting, each beside the same recipe without.
CURES = (
    ("leash", "leash", "center", "leash of 1 less none, a quarter as many distractors"),
    ("leash", "leash-ratio-1", "ratio-1", "leash of 1 less none, as many distractors"),
    ("average", "ema", "center", "average of an epoch less the last step"),
    ("both", "ema-leash", "center", "leash and average less neither"),
)
PLANTED_SHARE = 0.25  # of the facts that have unseen paraphrases: one of them each becomes a training row

Cell = Mapping[str, Any]  # one run
Sample = Callable[["Study", str], "np.ndarray[Any, Any]"]  # seeds by units


def recipes() -> list[dict[str, Any]]:
    return [{"kind": "finding", "name": name, "sample": CENTER | change} for name, change in CHANGES.items()]


def planted(domain: Domain) -> tuple[Domain, list[str]]:
    """The domain with some of its own unseen paraphrases among the training rows, and their ids."""
    first: dict[tuple[str, ...], Probe] = {}
    for probe in domain.probes:
        if probe.level == 2 and probe.kind == "recall" and probe.split == "report":
            first.setdefault(probe.fact_ids, probe)
    chosen = list(first.values())[:: round(1 / PLANTED_SHARE)]
    rows = [TrainRow(id=f"planted-{p.id}", instruction=p.question, output=p.gold, fact_ids=p.fact_ids) for p in chosen]
    return replace(domain, train=(*domain.train, *rows)), [p.id for p in chosen]


def train(args: argparse.Namespace) -> None:
    domain = load_domain(load_config(args.config, args.set))
    every = recipes()
    clean = [(recipe, seed) for seed in range(args.seeds) for recipe in every if recipe["name"] != "planted"]
    table.train(clean, args)
    table.train([(recipe, seed) for seed in range(args.seeds) for recipe in every[-1:]], args, planted(domain)[0])


def write(args: argparse.Namespace) -> Path:
    tree = table.pack(args, recipes())
    domain = load_domain(load_config(args.config, args.set))
    tree["planted"] = planted(domain)[1]
    plain = {p.pair_id: p.id for p in domain.probes if "plain" in p.tags}
    tree["hinted"] = {p.id: plain[p.pair_id] for p in domain.probes if "hint" in p.tags and p.pair_id in plain}
    name = "findings" if tree["config"] == "quickstart" else f"findings-{tree['config']}"
    path: Path = table.RESULTS / f"{name}-{datetime.now(UTC):%Y-%m-%d}.json.gz"
    path.write_bytes(gzip.compress(json.dumps(tree, ensure_ascii=False).encode(), mtime=0))
    return path


class Study:
    """The packed runs, read as arrays of seeds by units."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.probes = {id: Probe(id, level, kind, "", "", (), split, lang, fact_ids=tuple(facts))
                       for id, (split, level, kind, lang, facts) in tree["probes"].items()}  # fmt: skip
        self.runs: dict[str, dict[int, Cell]] = {}
        for run in tree["runs"]:
            if "error" not in run:
                self.runs.setdefault(run["recipe"], {})[run["seed"]] = run
        self.seeds = sorted(set.intersection(*(set(runs) for runs in self.runs.values())))

    def answers(self, row: str, seed: int) -> dict[str, list[Any]]:
        if row in (BASE, BM25):
            splits = self.tree["base"]["scores"]["rows"][row]
            return {id: found for split in ("select", "report") for id, found in splits[split]["results"].items()}
        run = self.runs[row][seed]
        return {**run["answers_select"], **run["answers_report"]}

    def ids(self, chosen: Callable[[Probe], bool]) -> list[str]:
        return [id for id, probe in self.probes.items() if chosen(probe)]

    def values(self, row: str, ids: Sequence[str], place: int) -> np.ndarray[Any, Any]:
        """`[seeds, probes]`, NaN where an answer has no such value."""
        found = [self.answers(row, seed) for seed in self.seeds]
        return np.array([[_number(answers[id][place]) for id in ids] for answers in found])

    def clusters(self, ids: Sequence[str]) -> np.ndarray[Any, Any]:
        """The number of each probe's first fact; a probe without one stands for itself."""
        keys = [self.probes[id].fact_ids[:1] or (id,) for id in ids]
        order = {key: n for n, key in enumerate(dict.fromkeys(keys))}
        return np.array([order[key] for key in keys])

    def fluency(self, row: str) -> np.ndarray[Any, Any]:
        """Rise of bits a byte over the base, `[seeds, passages]`."""
        base = self.tree["base"]["nats"]
        sizes = np.array([size for _, size in self.tree["passages"].values()]) * np.log(2)
        own = [self.runs[row][seed]["epochs"][-1]["nats"] for seed in self.seeds]
        rise: np.ndarray[Any, Any] = np.array([[nats[id] - base[id] for id in self.tree["passages"]] for nats in own])
        return np.asarray(rise / sizes)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)


@dataclass(frozen=True)
class Effect:
    """A difference with its interval of 95 %; `expected` is the sign the claim gives it."""

    claim: str
    what: str
    value: float
    low: float
    high: float
    units: int
    expected: int
    below: float | None = None  # the claim is not a sign but an upper bound

    @property
    def verdict(self) -> str:
        if self.below is not None:
            return "found" if self.high < self.below else "not seen"
        if self.low <= 0 <= self.high:
            return "not seen"
        return "found" if (self.value > 0) == (self.expected > 0) else "opposite"

    def row(self) -> str:
        figures = f"{self.value:+.2f} [{self.low:+.2f} {self.high:+.2f}]".replace("-", MINUS)
        return f"| {self.claim} | {self.what} | {figures} | {self.units} | {self.verdict} |"


def effect(claim: str, what: str, expected: int, *sides: tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]) -> Effect:
    """The mean of the first side less that of the second, if there is one.

    Args:
        sides: values `[seeds, units]` with the cluster of every unit. Clusters of both sides and their seeds are
            resampled together.
    """
    rng = np.random.default_rng(0)
    clusters = 1 + max(int(own.max()) for _, own in sides)
    seeds = len(sides[0][0])
    draws = []
    for draw in range(DRAWS + 1):
        weight = (
            np.ones(clusters) if not draw else np.bincount(rng.integers(clusters, size=clusters), minlength=clusters)
        )
        which = np.arange(seeds) if not draw else rng.integers(seeds, size=seeds)
        means = [_mean(values[which], weight[own]) for values, own in sides]
        draws.append(means[0] - (means[1] if len(means) > 1 else 0.0))
    found = interval(np.array(draws), clusters)
    low, high = (found.low, found.high) if found else (-np.inf, np.inf)
    return Effect(claim, what, draws[0], low, high, clusters, expected)


def _mean(values: np.ndarray[Any, Any], weight: np.ndarray[Any, Any]) -> float:
    weights = np.where(np.isnan(values), 0, weight)
    total = weights.sum()
    return float((np.nan_to_num(values) * weights).sum() / total) if total else float("nan")


def _is_of(level: int, probe: Probe) -> bool:
    return probe.level == level and probe.kind not in {"premise", "hint"}


SCORE, CORRECT, CLEAN, LENGTH, REPEATS, STOPS, MADE_UP = range(7)


def effects(study: Study) -> list[Effect]:
    """All claims that these runs can answer, in their order."""
    level = {n: study.ids(partial(_is_of, n)) for n in range(1, 6)}
    hinted, plain = list(study.tree["hinted"]), list(study.tree["hinted"].values())
    domain = study.ids(lambda p: p.level >= 1)
    recall = [*level[1], *level[2]]
    general = study.ids(lambda p: p.level == 0)

    def change(claim: str, what: str, expected: int, first: str, second: str, ids: Sequence[str], place: int) -> Effect:
        gap = study.values(first, ids, place) - study.values(second, ids, place)
        return effect(claim, what, expected, (gap, study.clusters(ids)))

    def between(claim: str, what: str, first: Sequence[str], second: Sequence[str]) -> Effect:
        both = study.clusters([*first, *second])
        one, two = (study.values("center", ids, CORRECT) for ids in (first, second))
        return effect(claim, what, 1, (one, both[: len(first)]), (two, both[len(first) :]))

    def fluency(claim: str, what: str, expected: int, first: str, second: str) -> Effect:
        gap = study.fluency(first) - study.fluency(second)
        return effect(claim, what, expected, (gap, np.arange(gap.shape[1])))

    def gap(claim: str, what: str, expected: int, first: str, second: str) -> Effect:
        """Of what paraphrasing costs, level 1 less level 2."""
        both = study.clusters(recall)
        sides = []
        for ids, own in ((level[1], both[: len(level[1])]), (level[2], both[len(level[1]) :])):
            sides.append((study.values(first, ids, CORRECT) - study.values(second, ids, CORRECT), own))
        return effect(claim, what, expected, *sides)

    unseen = [*level[2], *level[4], *level[5]]
    base = effect("R1", "base, levels 2, 4, 5", 1, (study.values(BASE, unseen, CORRECT), study.clusters(unseen)))
    harm = study.values("center", hinted, CORRECT) - study.values("center", plain, CORRECT)
    found = [
        replace(base, below=0.05),
        change("R2", "tuned less base, verbatim", 1, "center", BASE, level[1], CORRECT),
        change("R2", "tuned less base, paraphrases", 1, "center", BASE, level[2], CORRECT),
        between("R3", "verbatim less paraphrases", level[1], level[2]),
        between("R3", "paraphrases less two facts combined", level[2], level[4]),
    ]
    for layers, name in (("attention", "attention"), ("mlp", "MLP"), ("head", "all linear and head")):
        for suffix, at in (("", "rank 16"), ("-equal", "as many parameters")):
            if (row := layers + suffix) not in study.runs:
                continue
            label = f"{name} less all linear ({at})"
            sign = 1 if layers == "head" else -1
            found += [
                change("R4", f"{label}, paraphrases", sign, row, "center", level[2], CORRECT),
                fluency("R4", f"{label}, bits a byte of other text", -sign, row, "center"),
            ]
            if layers == "attention":
                found.append(gap("R4", f"{label}, verbatim less paraphrases", 1, row, "center"))
            if layers == "mlp":
                found.append(change("R4", f"{label}, repetition", 1, row, "center", domain, REPEATS))
    found += [
        change("R5", "12 epochs less 6, paraphrases", -1, "epochs-12", "center", level[2], CORRECT),
        change("R5", "12 epochs less 6, clean", -1, "epochs-12", "center", domain, CLEAN),
        change("R5", "12 epochs less 6, made-up claims", 1, "epochs-12", "center", domain, MADE_UP),
        fluency("R5", "12 epochs less 6, bits a byte of other text", 1, "epochs-12", "center"),
        change("R5", "6 epochs less 3, paraphrases", 1, "center", "epochs-3", level[2], CORRECT),
        change("R6", "as many distractors as rows less none, paraphrases", 1, "ratio-1", "ratio-0", level[2], CORRECT),
        change("R6", "the same, questions with a hint", 1, "ratio-1", "ratio-0", hinted, CORRECT),
        change("R6", "the same, made-up claims", 1, "ratio-1", "ratio-0", domain, MADE_UP),
        change("R6", "the same, clean", -1, "ratio-1", "ratio-0", domain, CLEAN),
        fluency("R6", "the same, bits a byte of other text", -1, "ratio-1", "ratio-0"),
        change("R7", "tuned less base, length over the gold answer's", 1, "center", BASE, recall, LENGTH),
        change("R7", "tuned less base, repetition", 1, "center", BASE, recall, REPEATS),
        change("R7", "tuned less base, answers that end by themselves", -1, "center", BASE, recall, STOPS),
        effect("R8", "tuned, with a hint less without, right", -1, (harm, study.clusters(hinted))),
        change("R9", "tuned less base, general questions right", -1, "center", BASE, general, CORRECT),
    ]
    for claim, row, other, label in CURES:
        if row in study.runs and other in study.runs:
            found += [
                change(claim, f"{label}, paraphrases", 1, row, other, level[2], CORRECT),
                change(claim, f"{label}, two facts combined", 1, row, other, level[4], CORRECT),
                fluency(claim, f"{label}, bits a byte of other text", -1, row, other),
                change(claim, f"{label}, general questions right", 1, row, other, general, CORRECT),
            ]
    leaked = study.tree["planted"]
    others = [id for id in level[2] if id not in leaked and study.probes[id].split == "report"]
    found += [
        change("R11", "trained on these probes less not, right", 1, "planted", "center", leaked, CORRECT),
        change("R11", "the same, the other paraphrases held out", 1, "planted", "center", others, CORRECT),
        change("R12", "BM25 before the base less tuned, verbatim", 1, BM25, "center", level[1], CORRECT),
        change("R12", "BM25 before the base less tuned, paraphrases", 1, BM25, "center", level[2], CORRECT),
    ]
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    table.options(parser)
    parser.set_defaults(seeds=2, set=[ALL_PASSAGES])
    parser.add_argument("--read", type=Path, help="print the rows of docs/findings.md from a packed file")
    args = parser.parse_args(arguments)
    if args.read:
        for each in effects(Study(json.loads(gzip.decompress(args.read.read_bytes())))):
            print(each.row())
        return
    args.work.mkdir(parents=True, exist_ok=True)
    if args.write:
        print(f"written: {write(args)}")
        return
    train(args)


if __name__ == "__main__":
    main()
