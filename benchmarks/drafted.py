"""Does a search on drafted probes rank recipes as the demo's written probes of the same facts do?

    python benchmarks/drafted.py --work DIR                # trains what is missing in DIR, resumable at any moment
    python benchmarks/drafted.py --work DIR --share 0/2    # half of it, in one process of one thread; 1/2 beside it
    python benchmarks/drafted.py --work DIR --read         # rank correlations of what is there
    python benchmarks/drafted.py --work DIR --write        # packs it, and adds its runs to the newest table of recipes
    python benchmarks/drafted.py --read results/drafted-<date>.json.gz

The training rows of the quickstart's domain are taken as a user's table of questions and answers, from which `raykft
data draft` makes an experiment by rule. Recipes of the table (benchmarks/table.py) are trained on the domain's own
rows, each with a seed that the table does not have, and every adapter is asked both sets of probes, those of the domain
and those of the draft, graded and generated. Drafted probes that a training row gives away are not asked: a table that
was trained as a whole holds back no wording. What is compared is restricted to facts that both sets ask about, and
counts every fact once. Everything that the table records of a run is recorded too, so that its runs belong to the
table.

Both sides read the same adapters, so the correlation is of probes alone and no seed disturbs it; what seeds do is told
by the correlation of either side with the written probes of the table's other seeds. Intervals of 95 % resample recipes
and facts together. Adapters are kept in DIR/adapters in PEFT's format.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import replay
import table

from raykft.config import ExperimentConfig, load_config
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import check_domain
from raykft.data.split import split_of
from raykft.drafting.draft import run as draft
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.objective import Objective, gain
from raykft.evaluation.outcome import FACTS_NEEDED, BaseScores
from raykft.evaluation.retrieval import Contexts
from raykft.evaluation.scoring import score_answer
from raykft.leaderboard.statistics import interval, spearman
from raykft.paths import append_jsonl, read_json, read_jsonl, write_json
from raykft.provenance import environment

# Recipes that the table has two seeds of and that span the range of what was learned, wide and narrow ones.
RECIPES = ("w16", "n28", "w14", "n27", "n25", "n20", "w06", "n21", "w13", "n23")
WRITTEN, DRAFTED = "written", "drafted"
DRAWS = 4000
REHEARSED_FACTS = 4
Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class Measure:
    """What is compared: the grades or the answers' scores of probes of some levels and kinds (none: of all)."""

    name: str
    what: str
    levels: tuple[int, ...]
    kinds: tuple[str, ...] = ()

    def covers(self, level: int, kind: str) -> bool:
        return level in self.levels and (not self.kinds or kind in self.kinds)


KNOWLEDGE = Measure("graded knowledge", "grades", (2, 3, 4, 5))
MEASURES = (
    KNOWLEDGE,
    Measure("graded, paraphrases", "grades", (2,), ("recall",)),
    Measure("graded, other formats", "grades", (3,)),
    Measure("graded, two facts", "grades", (4,)),
    Measure("graded, prior knowledge", "grades", (5,)),
    Measure("graded, premises", "grades", (2,), ("premise",)),
    Measure("answers, levels 2 to 5", "answers", (2, 3, 4, 5)),
    Measure("answers, verbatim", "answers", (1,)),
    Measure("answers, paraphrases", "answers", (2,), ("recall",)),
    Measure("answers, other formats", "answers", (3,)),
    Measure("answers, two facts", "answers", (4,)),
    Measure("answers, prior knowledge", "answers", (5,)),
    Measure("answers, premises", "answers", (2,), ("premise",)),
    Measure("answers, hints", "answers", (2,), ("hint",)),
)


def draft_of(domain: Domain, work: Path, seed: int) -> Domain:
    """The experiment that `raykft data draft` makes of the domain's training rows, of which no rule knows the facts.

    Its facts have the ids of the domain's. Probes that a training row gives away are left out.
    """
    source = work / "qa.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["question", "answer"])
        writer.writerows([row.question, row.output] for row in domain.train)
    made = draft([source], work / "draft", lang="en", seed=seed)
    drafted = load_domain(load_config(made.config))
    own = {row.question: row.fact_ids for row in domain.train}
    names = {row.fact_ids[0]: own[row.question][0] for row in drafted.train if row.fact_ids and row.question in own}

    def named(ids: Iterable[str]) -> tuple[str, ...]:
        return tuple(names[id] for id in ids)

    facts = tuple(replace(fact, id=names[fact.id]) for fact in drafted.facts)
    probes = tuple(
        replace(
            probe,
            fact_ids=named(probe.fact_ids),
            key_facts=tuple(replace(key, fact_id=key.fact_id and names[key.fact_id]) for key in probe.key_facts),
        )
        for probe in drafted.probes
    )
    asked = replace(domain, facts=facts, probes=probes, general=(), passages=())
    given_away = {o.item for o in check_domain(asked, score_answer).overlaps if o.kind == "train"}
    pairs = {probe.pair_id for probe in probes if probe.id in given_away} - {None}
    kept = tuple(p for p in probes if p.id not in given_away and p.pair_id not in pairs)
    return replace(asked, probes=kept)


class Bench(table.Bench):
    """Asks every trained adapter the drafted probes too, and keeps it."""

    def __init__(self, config: ExperimentConfig, domain: Domain, drafted: Domain, args: argparse.Namespace) -> None:
        super().__init__(config, domain, args.dtype)
        self.drafted, self.adapters = drafted, args.work / "adapters"
        self.asking = Evaluator(Suite(drafted.facts, drafted.probes), Objective("graded"))
        self.drafted_base = BaseScores()

    def base_of_drafted(self) -> BaseScores:
        """The base model on drafted probes, and with the facts that they need before them."""
        contexts = Contexts(self.drafted.facts, max_tokens=2048).by_name()
        return self.asking.base(self.engine, {FACTS_NEEDED: contexts[FACTS_NEEDED]})

    def further(self, trial_id: str) -> dict[str, Any]:
        self.engine.save(trial_id, self.adapters / trial_id)
        self.engine.saved(trial_id)
        started = time.monotonic()
        results = [
            result
            for split in table.SPLITS
            for result in self.asking.full(self.engine, trial_id, self.drafted_base, split, {}).results
        ]
        found = _kept(results) | {"seconds": round(time.monotonic() - started, 2)}
        return {DRAFTED: found}


def _kept(results: Iterable[Any]) -> dict[str, Any]:
    results = list(results)
    return {
        "answers": {r.id: table.kept(r) for r in results},
        "grades": {r.id: round(r.grade, table.DIGITS) for r in results if r.grade is not None},
    }


def jobs(args: argparse.Namespace) -> list[table.Job]:
    """The recipes that are asked for, each with as many seeds as `--seeds` says that the table does not have."""
    by_name = {recipe["name"]: recipe for recipe in table.recipes()}
    names = list(filter(None, args.recipes.split(","))) or list(RECIPES)
    if unknown := [name for name in names if name not in by_name]:
        raise SystemExit(f"--recipes {unknown[0]}: the table's are {', '.join(by_name)}")
    known: dict[str, set[int]] = {}
    for run in replay.read_table(args.table)["runs"]:
        known.setdefault(run["recipe"], set()).add(run["seed"])
    fresh = {name: [seed for seed in range(100) if seed not in known.get(name, ())][: args.seeds] for name in names}
    found = [(by_name[name], seed) for nth in range(args.seeds) for name in names for seed in [fresh[name][nth]]]
    if not args.rehearse:
        return found
    small = {"adapter.rank": 2, "train.epochs": 1, "data.distractor_ratio": 0}
    return [(recipe | {"sample": recipe["sample"] | small}, seed) for recipe, seed in found]


def domain_of(config: ExperimentConfig, args: argparse.Namespace) -> Domain:
    domain = load_domain(config)
    if not args.rehearse:
        return domain
    by_split = [[f for f in domain.facts if split_of(f.group) == split] for split in table.SPLITS]
    facts = tuple(fact for own in by_split for fact in own[: REHEARSED_FACTS // 2])
    ids = {fact.id for fact in facts}
    # Short answers: a rehearsal is of the way, not of what is said.
    probes = [replace(p, max_new_tokens=2) for p in domain.probes if set(p.fact_ids) <= ids]
    pairs = [p.pair_id for p in probes if p.pair_id]
    return replace(
        domain,
        facts=facts,
        train=tuple(row for row in domain.train if set(row.fact_ids) <= ids),
        probes=tuple(p for p in probes if not p.pair_id or pairs.count(p.pair_id) == 2),
        general=tuple(replace(p, max_new_tokens=2) for p in domain.general[:8]),
        passages=domain.passages[:2],
    )


def work(args: argparse.Namespace) -> None:
    """This process's share of what is missing."""
    config = load_config(args.config, args.set)
    domain = domain_of(config, args)
    number, shares = args.share
    drafted = draft_of(domain, _own_folder(args, number), args.draft_seed)
    if args.rehearse:
        drafted = replace(drafted, probes=tuple(replace(p, max_new_tokens=2) for p in drafted.probes))
    bench = Bench(config, domain, drafted, args)
    file, own_file = args.work / "base.json", args.work / "drafted-base.json"
    if number == 0 and not own_file.is_file():
        if not file.is_file():
            write_json(file, bench.base())
        write_json(own_file, {"draft_seed": args.draft_seed, "scores": bench.base_of_drafted().as_dict()})
    if not own_file.is_file():
        print(f"waiting for {own_file}, which --share 0/{shares} makes", flush=True)
    while not own_file.is_file():
        time.sleep(1)
    base = BaseScores.from_dict(read_json(file)["scores"])
    bench.drafted_base = _drafted_base(args)

    def run(job: table.Job) -> None:
        recipe, seed = job
        done = args.work / f"{recipe['name']}-s{seed}.done"
        if done.is_file() or time.monotonic() > deadline:
            return
        row = bench.run(recipe, seed, base)
        if "error" in row and not row["error"].startswith("DivergedError"):
            raise RuntimeError(f"{recipe['name']} seed {seed}: {row['error']}")  # no record of the recipe
        append_jsonl(args.work / f"runs-{number}.jsonl", row)
        done.touch()
        told = row.get("error") or f"{row['full_s'] + row[DRAFTED]['seconds']:.0f} s of questions"
        print(f"{recipe['name']} seed {seed}: {told}", flush=True)

    deadline = time.monotonic() + 60 * args.minutes
    with ThreadPoolExecutor(args.slots) as pool:
        list(pool.map(run, jobs(args)[number::shares]))


def _own_folder(args: argparse.Namespace, number: int) -> Path:
    """Where a process drafts for itself: the same bytes as the others, from the same rows and seed."""
    folder: Path = args.work / f"draft-{number}"
    folder.mkdir(exist_ok=True)
    return folder


def _drafted_base(args: argparse.Namespace) -> BaseScores:
    tree = read_json(args.work / "drafted-base.json")
    if tree["draft_seed"] != args.draft_seed:
        raise SystemExit(f"{args.work} holds runs of draft seed {tree['draft_seed']}; take it, or another folder")
    return BaseScores.from_dict(tree["scores"])


def pack(args: argparse.Namespace) -> dict[str, Any]:
    """All that is read: the drafted probes, the base models and the runs."""
    config = load_config(args.config, args.set)
    domain = domain_of(config, args)
    drafted = draft_of(domain, _own_folder(args, 0), args.draft_seed)
    rows = [row for file in sorted(args.work.glob("runs-*.jsonl")) for row in read_jsonl(file)]
    base = read_json(args.work / "base.json")
    own = _drafted_base(args)
    scores = BaseScores.from_dict(base["scores"])
    return {
        "environment": environment() | {"dtype": args.dtype},
        "config": config.name,
        "draft_seed": args.draft_seed,
        "recipes": table.recipes(),
        "passages": {p.id: [p.lang, len(p.text.encode())] for p in domain.passages},
        "probes": {
            side: {p.id: [p.split, p.level, p.kind, p.lang, list(p.fact_ids)] for p in asked}
            for side, asked in ((WRITTEN, [*domain.probes, *domain.general]), (DRAFTED, drafted.probes))
        },
        "base": {
            "graded": base["graded"],
            "nats": base["nats"],
            WRITTEN: {name: _kept(scores.results(name)) for name in ("base", FACTS_NEEDED)},
            DRAFTED: {name: _kept(own.results(name)) for name in ("base", FACTS_NEEDED)},
        },
        "runs": sorted(rows, key=lambda row: (row["recipe"], row["seed"])),
    }


@dataclass(frozen=True)
class Agreement:
    """A rank correlation over recipes with its interval; None where a side is the same for all recipes."""

    name: str
    facts: int
    written: float  # the mean over recipes of what is correlated
    drafted: float
    rho: float | None
    low: float
    high: float

    def row(self) -> str:
        rho = "-" if self.rho is None else f"{self.rho:.2f} [{self.low:.2f} {self.high:.2f}]"
        return f"| {self.name} | {self.facts} | {self.written:.2f} | {self.drafted:.2f} | {rho} |"


class Reading:
    """The packed runs as arrays of recipes by facts, of either side."""

    def __init__(self, tree: Mapping[str, Any], known: Mapping[str, Any]) -> None:
        self.tree = tree
        self.runs = [run for run in tree["runs"] if "error" not in run]
        self.known: dict[str, list[Any]] = {}
        for run in known["runs"]:
            if "error" not in run:
                self.known.setdefault(run["recipe"], []).append(run)
        asked = {side: {f for row in tree["probes"][side].values() for f in row[4]} for side in (WRITTEN, DRAFTED)}
        self.facts = sorted(asked[WRITTEN] & asked[DRAFTED])

    def answered(self, side: str, run: Mapping[str, Any], what: str) -> dict[str, float]:
        """By probe: a grade, or the score of an answer."""
        if side == DRAFTED:
            found = run[DRAFTED][what]
        elif what == "grades":
            found = {**run["epochs"][-1]["domain"], **run["report"]["domain"]}
        else:
            found = {**run["answers_select"], **run["answers_report"]}
        return {id: value if what == "grades" else value[0] for id, value in found.items()}

    def by_fact(self, side: str, values: Mapping[str, float], measure: Measure) -> Array:
        """`[facts]`, the mean over each fact's probes; NaN for a fact that none of them asks about."""
        own: dict[str, list[float]] = {fact: [] for fact in self.facts}
        for id, value in values.items():
            _, level, kind, _, facts = self.tree["probes"][side].get(id, ("", 0, "", "", ()))
            if level and set(facts) <= own.keys() and measure.covers(level, kind):
                for fact in facts:
                    own[fact].append(value)
        return np.array([fmean(found) if found else np.nan for found in own.values()])

    def sides(self, measure: Measure) -> tuple[Array, Array, Array]:
        """Written and drafted, `[runs, facts]`, of the facts that both ask about in this way, and which those are."""
        one, two = (
            np.array([self.by_fact(side, self.answered(side, run, measure.what), measure) for run in self.runs])
            for side in (WRITTEN, DRAFTED)
        )
        both = ~np.isnan(one).any(axis=0) & ~np.isnan(two).any(axis=0)
        return one[:, both], two[:, both], both

    def other_seeds(self) -> Array:
        """Graded knowledge on written probes, `[runs, facts]`, the mean over the table's seeds of the same recipes."""
        found = []
        for run in self.runs:
            others = [
                self.answered(WRITTEN, other, KNOWLEDGE.what)
                for other in self.known[run["recipe"]]
                if other["seed"] != run["seed"]  # a table that these runs were added to
            ]
            found.append(np.mean([self.by_fact(WRITTEN, values, KNOWLEDGE) for values in others], axis=0))
        return np.array(found)

    def ends(self, side: str) -> Array:
        """Graded knowledge of the base model and of that with the facts, `[2, facts]`: gain is measured between."""
        asked = self.tree["base"][side]
        return np.array([self.by_fact(side, asked[name][KNOWLEDGE.what], KNOWLEDGE) for name in ("base", FACTS_NEEDED)])

    def forgotten(self) -> Array:
        """`[runs]`; the same for both sides."""
        quantities = replay.Quantities({**self.tree, "probes": self.tree["probes"][WRITTEN]})
        return np.array([quantities.graded_forgetting(run) for run in self.runs])


def agreements(reading: Reading) -> list[Agreement]:
    found = [_agreement(measure.name, *reading.sides(measure)[:2]) for measure in MEASURES]
    written, drafted, both = reading.sides(KNOWLEDGE)
    scorers = [_scorer(reading.ends(side)[:, both], reading.forgotten()) for side in (WRITTEN, DRAFTED)]
    found.insert(1, _agreement("graded score", written, drafted, *scorers))
    if all(run["recipe"] in reading.known for run in reading.runs):
        others = reading.other_seeds()[:, both]
        found += [
            _agreement("written of other seeds and of this one", others, written),
            _agreement("written of other seeds and drafted", others, drafted),
        ]
    return found


Scorer = Callable[[Array, Array, Array], Array]


def _mean(values: Array, weight: Array, _: Array) -> Array:
    """`[runs]` of `[runs, facts]`."""
    found: Array = values @ weight / weight.sum()
    return found


def _scorer(ends: Array, lost: Array) -> Scorer:
    def score(values: Array, weight: Array, which: Array) -> Array:
        base, shown = _mean(ends, weight, which)
        known = _mean(values, weight, which)
        return gain(known, np.full_like(known, base), np.full_like(known, shown)) - lost[which]

    return score


def _agreement(name: str, one: Array, two: Array, first: Scorer = _mean, second: Scorer = _mean) -> Agreement:
    rng = np.random.default_rng(0)
    runs, facts = one.shape
    if runs < 3 or not facts:
        return Agreement(name, facts, np.nan, np.nan, None, np.nan, np.nan)
    draws = []
    for draw in range(DRAWS + 1):
        weight = np.ones(facts) if not draw else np.bincount(rng.integers(facts, size=facts), minlength=facts) * 1.0
        which = np.arange(runs) if not draw else rng.integers(runs, size=runs)
        rho = spearman(list(first(one[which], weight, which)), list(second(two[which], weight, which)))
        draws.append(np.nan if rho is None else rho)
    told = interval(np.array(draws), runs)
    low, high = (told.low, told.high) if told else (np.nan, np.nan)
    whole = np.ones(facts), np.arange(runs)
    means = (float(first(one, *whole).mean()), float(second(two, *whole).mean()))
    return Agreement(name, facts, *means, None if np.isnan(draws[0]) else draws[0], low, high)


def show(tree: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    reading = Reading(tree, known)
    counts = [len(tree["probes"][DRAFTED]), sum(row[1] > 0 for row in tree["probes"][WRITTEN].values())]
    print(f"{len(reading.runs)} runs, {len(reading.facts)} facts, {counts[0]} drafted and {counts[1]} written probes")
    print("| what | facts | written | drafted | rank correlation over recipes |\n|---|---|---|---|---|")
    for each in agreements(reading):
        print(each.row())


def write(args: argparse.Namespace) -> list[Path]:
    """Pack what is there; and the newest table with these runs, unless they are a rehearsal's."""
    tree, date = pack(args), f"{datetime.now(UTC):%Y-%m-%d}"
    paths = [table.RESULTS / f"drafted-{date}.json.gz"]
    table.save(tree, paths[0])
    old = replay.read_table(args.table)
    known = {(run["recipe"], run["seed"]) for run in old["runs"]}
    fresh = [
        {name: value for name, value in run.items() if name != DRAFTED} | {"environment": tree["environment"]}
        for run in tree["runs"]
        if (run["recipe"], run["seed"]) not in known
    ]
    runs = sorted([*old["runs"], *fresh], key=lambda row: (row["recipe"], row["seed"]))
    paths.append(table.RESULTS / f"table-{date}.json.gz")
    table.save(old | {"runs": runs}, paths[1])
    return paths


def _share(text: str) -> tuple[int, int]:
    number, _, shares = text.partition("/")
    if not (number.isdigit() and shares.isdigit() and int(number) < int(shares)):
        raise argparse.ArgumentTypeError(f"{text!r} is no share; the first of two is 0/2")
    return int(number), int(shares)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    table.options(parser, work=False)
    parser.set_defaults(seeds=1, slots=2)
    parser.add_argument("--table", type=Path, help="the packed table that runs are added to; default the newest")
    parser.add_argument("--share", type=_share, default=(0, 1), metavar="N/M", help="this process's part of the runs")
    parser.add_argument("--draft-seed", type=int, default=0)
    parser.add_argument("--rehearse", action="store_true", help="a few facts, one epoch, rank 2: no figures")
    parser.add_argument("--read", type=Path, nargs="?", const=Path(), metavar="FILE", help="print what was found")
    args = parser.parse_args(arguments)
    if args.read and args.read != Path():
        show(json.loads(gzip.decompress(args.read.read_bytes())), replay.read_table(args.table))
        return
    if args.work is None:
        parser.error("--work DIR, or --read FILE")
    args.work.mkdir(parents=True, exist_ok=True)
    if args.read is not None:
        show(pack(args), replay.read_table(args.table))
    elif args.write:
        if args.rehearse:
            parser.error("--write: a rehearsal has no figures to keep")
        for path in write(args):
            print(f"written: {path}")
    else:
        work(args)


if __name__ == "__main__":
    main()
