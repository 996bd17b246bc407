"""What the two studies claimed, answered: one recipe, one thing of it changed at a time, several seeds.

    python benchmarks/findings.py --work DIR [--seeds 2]   # trains what is missing in DIR, resumable at any moment
    python benchmarks/findings.py --work DIR --write       # packs it into results/findings-<date>.json.gz
    python benchmarks/findings.py --read FILE [--draw SVG] # the rows of docs/findings.md, and its figure

Every figure is a mean over seeds of answers to all domain probes of both splits: nothing was chosen here, so nothing
has to be held out. Intervals of 95 % resample facts (passages, general questions) and seeds together; the number of
seeds is small, so they say more about other facts than about other seeds. The claims R1 to R12 are those of the two
studies that raykft automates (docs/findings.md); each is counted as found, as its opposite, or as not seen, by its own
interval, so of some fifty contrasts two or three differ from nothing by chance alone.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import plots
import replay
import table

from raykft.config import load_config
from raykft.data.domain import Domain, load_domain
from raykft.leaderboard.statistics import interval
from raykft.records import Probe, TrainRow

BASE, BM25 = "base", "bm25"  # rows that no recipe makes
PLANTED = "planted"
DRAWS = 4000
MINUS = "\N{MINUS SIGN}"
CENTER: dict[str, Any] = {
    "adapter.rank": 16,
    "adapter.target_layers": "all-linear",
    "train.learning_rate": 1e-3,
    "train.epochs": 6,
    "data.distractor_ratio": 0.25,
    "data.phrasings": 1,
    "data.formats": 0,
    "data.text_ratio": 0,
}
# Of SmolLM2-135M: a rank of all linear layers has 10,176 parameters a block, of attention 3,840, of the MLP 6,336.
CHANGES: dict[str, dict[str, Any]] = {  # in the order in which they are trained
    "center": {},
    "ema": {"train.ema_epochs": 1.0},
    "leash": {"train.kl_weight": 1.0},
    "ema-leash": {"train.ema_epochs": 1.0, "train.kl_weight": 1.0},
    "ratio-1": {"data.distractor_ratio": 1},
    "ratio-0": {"data.distractor_ratio": 0},
    "attention": {"adapter.target_layers": "attention"},
    "mlp": {"adapter.target_layers": "mlp"},
    "head": {"adapter.target_layers": "all-linear+lm_head"},
    "leash-ratio-1": {"train.kl_weight": 1.0, "data.distractor_ratio": 1},
    "distill-half": {"train.distill_weight": 0.5},
    "distill": {"train.distill_weight": 1.0},
    "distill-quarter": {"train.distill_weight": 0.25},
    "distill-half-12": {"train.distill_weight": 0.5, "train.epochs": 12},
    "distill-leash": {"train.distill_weight": 0.5, "train.kl_weight": 1.0},
    "epochs-12": {"train.epochs": 12},
    "attention-equal": {"adapter.target_layers": "attention", "adapter.rank": 42},
    "mlp-equal": {"adapter.target_layers": "mlp", "adapter.rank": 26},
    "epochs-3": {"train.epochs": 3},
    "phrasings-3": {"data.phrasings": 3},
    "formats-half": {"data.formats": 0.5},
    "text": {"data.text_ratio": 1},
    "text-alone": {"data.text_ratio": 1, "data.phrasings": 0},
    PLANTED: {},  # trained on some of the probes, see `planted`
}
# By the name of a config: the language whose further wordings, formats and statements these change.
AUGMENTED = {"quickstart": "en", "quickstart-ja": "ja"}
ALL_PASSAGES = "data.passages=demo:en/passages.jsonl"  # six texts are too few for an interval
# What raykft offers against forgetting, each beside the same recipe without.
CURES = (
    ("leash", "leash", "center", "leash of 1 less none, a quarter as many distractors"),
    ("leash", "leash-ratio-1", "ratio-1", "leash of 1 less none, as many distractors"),
    ("average", "ema", "center", "average of an epoch less the last step"),
    ("both", "ema-leash", "center", "leash and average less neither"),
    ("teacher", "distill-quarter", "center", "a quarter from a teacher less none"),
    ("teacher", "distill-half", "center", "half from a teacher less none"),
    ("teacher", "distill-half-12", "center", "half from a teacher, twelve epochs, less none, six"),
    ("teacher", "distill", "center", "wholly from a teacher less none"),
    ("teacher", "distill-leash", "leash", "half from a teacher less none, a leash on both"),
)
# What else may be trained, each beside the same recipe without.
MATERIAL = (
    ("wordings", "phrasings-3", "three wordings less one"),
    ("formats", "formats-half", "a row in another format for two less none"),
    ("text", "text", "the facts as plain text beside questions less questions alone"),
    ("text", "text-alone", "the facts as plain text alone less questions alone"),
)
PLANTED_SHARE = 0.5  # of the facts that have unseen paraphrases: one of them each becomes a training row

Cell = Mapping[str, Any]  # one run
Rows = tuple[str, str]


def recipes() -> list[dict[str, Any]]:
    return [{"kind": "finding", "name": name, "sample": CENTER | change} for name, change in CHANGES.items()]


def augmented(code: str) -> list[str]:
    """The settings that let a demo's small domain train more than its own rows; for other data give them with --set."""
    files = {"train": f"demo:{code}-small/train-augmented.jsonl", "text": f"demo:{code}-small/facts.jsonl"}
    return [f"data.{setting}={file}" for setting, file in files.items()]


def planted(domain: Domain) -> tuple[Domain, list[str]]:
    """The domain with some of its own unseen paraphrases among the training rows, and their ids."""
    first: dict[tuple[str, ...], Probe] = {}
    for probe in domain.probes:
        if probe.level == 2 and probe.kind == "recall":
            first.setdefault(probe.fact_ids, probe)
    chosen = list(first.values())[:: round(1 / PLANTED_SHARE)]
    rows = [TrainRow(id=f"planted-{p.id}", instruction=p.question, output=p.gold, fact_ids=p.fact_ids) for p in chosen]
    return replace(domain, train=(*domain.train, *rows)), [p.id for p in chosen]


def train(args: argparse.Namespace) -> None:
    domain = load_domain(load_config(args.config, args.set))
    only = set(filter(None, args.recipes.split(",")))
    chosen = [recipe for recipe in recipes() if not only or recipe["name"] in only]
    every = [(recipe, seed) for recipe in chosen for seed in range(args.seeds)]
    table.train([job for job in every if job[0]["name"] != PLANTED], args)
    table.train([job for job in every if job[0]["name"] == PLANTED], args, planted(domain)[0])


def write(args: argparse.Namespace) -> Path:
    tree = table.pack(args, recipes())
    domain = load_domain(load_config(args.config, args.set))
    tree |= asked_twice(domain) | {"planted": planted(domain)[1]}
    name = "findings" if tree["config"] == "quickstart" else f"findings-{tree['config']}"
    path: Path = table.RESULTS / f"{name}-{datetime.now(UTC):%Y-%m-%d}.json.gz"
    table.save(tree, path)
    return path


def asked_twice(domain: Domain) -> dict[str, dict[str, str]]:
    """Questions with a hint, and the same without."""
    plain = {p.pair_id: p.id for p in domain.probes if "plain" in p.tags}
    return {"hinted": {p.id: plain[p.pair_id] for p in domain.probes if "hint" in p.tags and p.pair_id in plain}}


class Study:
    """The packed runs, read as arrays of seeds by units."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.probes = replay.probes_of(tree)
        self.runs: dict[str, dict[int, Cell]] = {}
        for run in tree["runs"]:
            if "error" not in run:
                self.runs.setdefault(run["recipe"], {})[run["seed"]] = run

    def seeds(self, *rows: str) -> list[int]:
        """Those that all of `rows` have been trained with; none where one is missing."""
        trained = [set(self.runs.get(row, {})) for row in rows if row not in (BASE, BM25)]
        return sorted(set.intersection(*trained)) if trained else [0]

    def answers(self, row: str, seed: int) -> dict[str, list[Any]]:
        if row in (BASE, BM25):
            splits = self.tree["base"]["scores"]["rows"][row]
            # BM25 was asked the held-out questions alone.
            return {
                id: found for split in table.SPLITS if split in splits for id, found in splits[split]["results"].items()
            }
        run = self.runs[row][seed]
        return {**run["answers_select"], **run["answers_report"]}

    def ids(self, chosen: Callable[[Probe], bool]) -> list[str]:
        return [id for id, probe in self.probes.items() if chosen(probe)]

    def values(self, row: str, ids: Sequence[str], place: int, seeds: Sequence[int]) -> np.ndarray[Any, Any]:
        """`[seeds, probes]`, NaN where there is no answer, or an answer has no such value."""
        found = [self.answers(row, seed) for seed in seeds]
        return np.array([[_number(answers[id][place]) if id in answers else np.nan for id in ids] for answers in found])

    def clusters(self, ids: Sequence[str]) -> np.ndarray[Any, Any]:
        """The number of each probe's first fact; a probe without one stands for itself."""
        keys = [self.probes[id].fact_ids[:1] or (id,) for id in ids]
        order = {key: n for n, key in enumerate(dict.fromkeys(keys))}
        return np.array([order[key] for key in keys])

    def bits(self, row: str, seeds: Sequence[int]) -> np.ndarray[Any, Any]:
        """Bits a byte of running text, `[seeds, passages]`."""
        sizes = np.array([size for _, size in self.tree["passages"].values()]) * np.log(2)
        base = self.tree["base"]["nats"]
        own = [base if row == BASE else self.runs[row][seed]["epochs"][-1]["nats"] for seed in seeds]
        return np.asarray([[nats[id] for id in self.tree["passages"]] for nats in own] / sizes)


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


class Contrasts:
    """Two rows of a study beside each other; a contrast of which a row is missing is left out."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self.level = {n: study.ids(partial(_is_of, n)) for n in range(1, 6)}
        self.domain = study.ids(lambda p: p.level >= 1)
        self.general = study.ids(lambda p: p.level == 0)
        self.premises = study.ids(lambda p: p.kind == "premise")
        self.found: list[Effect] = []

    def change(self, claim: str, what: str, sign: int, rows: Rows, ids: Sequence[str], place: int = SCORE) -> None:
        """The same probes, answered by two rows."""
        if ids and (seeds := self.study.seeds(*rows)):
            first, second = (self.study.values(row, ids, place, seeds) for row in rows)
            self.found.append(effect(claim, what, sign, (first - second, self.study.clusters(ids))))

    def between(self, claim: str, what: str, sign: int, row: str, first: Sequence[str], second: Sequence[str]) -> None:
        """Two sets of probes, answered by one row."""
        if first and second and (seeds := self.study.seeds(row)):
            both = self.study.clusters([*first, *second])
            one, two = (self.study.values(row, ids, SCORE, seeds) for ids in (first, second))
            self.found.append(effect(claim, what, sign, (one, both[: len(first)]), (two, both[len(first) :])))

    def paired(self, claim: str, what: str, sign: int, row: str, pairs: Mapping[str, str]) -> None:
        """Each probe beside its own other form, answered by one row."""
        if pairs and (seeds := self.study.seeds(row)):
            one, two = (self.study.values(row, list(ids), SCORE, seeds) for ids in (pairs, pairs.values()))
            self.found.append(effect(claim, what, sign, (one - two, self.study.clusters(list(pairs)))))

    def gap(self, claim: str, what: str, sign: int, rows: Rows) -> None:
        """By how much more one row loses by paraphrasing (level 1 less level 2) than the other."""
        if seeds := self.study.seeds(*rows):
            sides, both = [], self.study.clusters([*self.level[1], *self.level[2]])
            cut = len(self.level[1])
            for ids, own in ((self.level[1], both[:cut]), (self.level[2], both[cut:])):
                first, second = (self.study.values(row, ids, SCORE, seeds) for row in rows)
                sides.append((first - second, own))
            self.found.append(effect(claim, what, sign, *sides))

    def bits(self, claim: str, what: str, sign: int, rows: Rows) -> None:
        if seeds := self.study.seeds(*rows):
            first, second = (self.study.bits(row, seeds) for row in rows)
            self.found.append(effect(claim, f"{what}, bits a byte of other text", sign, (first - second, _each(first))))


def _each(values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.arange(values.shape[1])


def base_alone(study: Study, told: Contrasts) -> Effect:
    """Whether the base model knows next to nothing of the domain."""
    unseen = [*told.level[2], *told.level[4], *told.level[5]]
    values = study.values(BASE, unseen, SCORE, [0])
    return replace(effect("R1", "base, levels 2, 4, 5", 1, (values, study.clusters(unseen))), below=0.05)


def effects(study: Study) -> list[Effect]:
    """All claims that these runs can answer, in their order."""
    told = Contrasts(study)
    level = told.level
    told.found.append(base_alone(study, told))
    told.change("R2", "tuned less base, verbatim", 1, ("center", BASE), level[1])
    told.change("R2", "tuned less base, paraphrases", 1, ("center", BASE), level[2])
    told.between("R3", "verbatim less paraphrases", 1, "center", level[1], level[2])
    told.between("R3", "paraphrases less two facts combined", 1, "center", level[2], level[4])
    _layers(told)
    for longer, shorter, sign in (("epochs-12", "center", -1), ("center", "epochs-3", 1)):
        rows, label = (longer, shorter), "12 epochs less 6" if sign < 0 else "6 epochs less 3"
        told.change("R5", f"{label}, paraphrases", sign, rows, level[2])
        told.change("R5", f"{label}, clean", sign, rows, told.domain, CLEAN)
        told.change("R5", f"{label}, made-up claims", 1, rows, told.domain, MADE_UP)
        told.bits("R5", label, 1, rows)
    mixed, label = ("ratio-1", "ratio-0"), "as many distractors as rows less none"
    told.change("R6", f"{label}, paraphrases", 1, mixed, level[2])
    told.change("R6", f"{label}, questions with a hint", 1, mixed, list(study.tree["hinted"]))
    told.change("R6", f"{label}, made-up claims", 1, mixed, told.domain, MADE_UP)
    told.change("R6", f"{label}, clean", -1, mixed, told.domain, CLEAN)
    told.bits("R6", label, -1, mixed)
    recall = [*level[1], *level[2]]
    told.change("R7", "tuned less base, length over the gold answer's", 1, ("center", BASE), recall, LENGTH)
    told.change("R7", "tuned less base, repetition", 1, ("center", BASE), recall, REPEATS)
    told.change("R7", "tuned less base, answers that end by themselves", -1, ("center", BASE), recall, STOPS)
    told.paired("R8", "tuned, with a hint less without", -1, "center", study.tree["hinted"])
    told.change("R9", "tuned less base, general questions", -1, ("center", BASE), told.general)
    told.bits("R9", "tuned less base", 1, ("center", BASE))
    leaked = study.tree["planted"]
    told_of = {study.probes[id].fact_ids for id in leaked}
    others = [id for id in level[2] if study.probes[id].fact_ids not in told_of]
    told.change("R11", "trained on these probes less not", 1, (PLANTED, "center"), leaked)
    told.change("R11", "the same, paraphrases of the other facts", 1, (PLANTED, "center"), others)
    told.change("R12", "BM25 before the base less tuned, verbatim", 1, (BM25, "center"), level[1])
    told.change("R12", "BM25 before the base less tuned, paraphrases", 1, (BM25, "center"), level[2])
    for claim, row, other, label in CURES:
        told.change(claim, f"{label}, paraphrases", 1, (row, other), level[2])
        told.change(claim, f"{label}, two facts combined", 1, (row, other), level[4])
        told.change(claim, f"{label}, general questions", 1, (row, other), told.general)
        told.bits(claim, label, -1, (row, other))
    for claim, row, label in MATERIAL:
        for number, title in ((2, "paraphrases"), (3, "other formats"), (4, "two facts combined")):
            told.change(claim, f"{label}, {title}", 1, (row, "center"), level[number])
        told.change(claim, f"{label}, premises", 1, (row, "center"), told.premises)
        told.change(claim, f"{label}, general questions", 1, (row, "center"), told.general)
        told.bits(claim, label, -1, (row, "center"))
    return told.found


def _layers(told: Contrasts) -> None:
    for name, title in (("attention", "attention"), ("mlp", "MLP"), ("head", "all linear and head")):
        for suffix, at in (("", "rank 16"), ("-equal", "as many parameters")):
            rows, label = (name + suffix, "center"), f"{title} less all linear ({at})"
            sign = 1 if name == "head" else -1
            told.change("R4", f"{label}, paraphrases", sign, rows, told.level[2])
            told.bits("R4", label, -sign, rows)
            if name == "attention":
                told.gap("R4", f"{label}, verbatim less paraphrases", 1, rows)
            if name == "mlp":
                told.change("R4", f"{label}, repetition", 1, rows, told.domain, REPEATS)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    table.options(parser, work=False)
    parser.set_defaults(seeds=2)
    parser.add_argument("--read", type=Path, help="print the rows of docs/findings.md from a packed file")
    parser.add_argument("--draw", type=Path, metavar="SVG", help="with --read: the figure of docs/findings.md")
    args = parser.parse_args(arguments)
    if args.read:
        found = effects(Study(replay.read_table(args.read)))
        for each in found:
            print(each.row())
        if args.draw:
            plots.draw_effects(found, args.draw)
        return
    if args.config == table.ROOT / "configs" / "quickstart.yaml":
        args.set = [ALL_PASSAGES, *args.set]
    if code := AUGMENTED.get(args.config.stem):
        args.set = [*augmented(code), *args.set]
    if args.work is None:
        parser.error("--work DIR, or --read FILE")
    args.work.mkdir(parents=True, exist_ok=True)
    if args.write:
        print(f"written: {write(args)}")
        return
    train(args)


if __name__ == "__main__":
    main()
