"""A table of recipes: many recipes, several seeds each, everything measured; what searches and scores are judged by.

    python benchmarks/table.py --work DIR                 # trains what is missing in DIR, resumable at any moment
    python benchmarks/table.py --work DIR --write         # packs what is there into results/table-<date>.json.gz
    python benchmarks/table.py --work DIR --packed FILE   # goes on from a packed table, its runs not trained again
    python benchmarks/table.py --work DIR --config configs/quickstart-ja.yaml       # another domain, another model

Each run trains one recipe with one seed to its end, without Ray. After its first epochs and its last ones every probe
of the select split is graded (`raykft.evaluation.graded`), with general questions and running text; in the end all
probes of both splits are answered and scored, and the report split is graded too. Truth of a recipe is what its other
seeds *answered* on the report split (benchmarks/replay.py). Beside the adapter its exponential moving average over the
last epoch's worth of steps is kept, and graded in the end (`ema` of a run; not asked for answers).

Recipes: `wide` ones over a space in which most are far apart, `narrow` ones from the quickstart's old space, where they
are neighbours, and `broken` ones that a score must rank low: a rate far too high, or hardly any training.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import multiprocessing
import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from raykft.config import ExperimentConfig, apply_sample, load_config
from raykft.data.domain import Domain, load_domain
from raykft.data.told import told_rows
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.graded import Graded, ask, domain_grades, general_grades
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import FACTS_NEEDED, BaseScores
from raykft.evaluation.retrieval import Contexts
from raykft.paths import append_jsonl, read_json, read_jsonl, write_json
from raykft.planning.budget import asked, count_tokens
from raykft.provenance import environment
from raykft.records import Split
from raykft.trial import recipe_of

if TYPE_CHECKING:
    from raykft.train.average import Average
    from raykft.train.engine import HostEngine

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
WIDE, NARROW = 20, 9
SPLITS: tuple[Split, ...] = ("select", "report")
DIGITS = 4  # kept of every grade
# The rungs of the quickstart before scores were graded, for comparison.
OLD_RUNG = {"rung_probes": 6, "rung_general": 4, "rung_passages": 0}


def recipes(seed: int = 0) -> list[dict[str, Any]]:
    """All recipes in the order they are trained, the three kinds taking turns; `kind`, `name` and `sample`."""
    rng = random.Random(f"table:{seed}")
    wide = [
        {
            "adapter.rank": rng.choice([4, 8, 16, 32]),
            "adapter.target_layers": rng.choice(["attention", "mlp", "all-linear", "all-linear+lm_head"]),
            "train.learning_rate": 10 ** rng.uniform(-4, -2.52),
            "train.epochs": rng.randint(2, 8),
            "data.distractor_ratio": rng.choice([0, 0.25, 0.5, 1]),
        }
        for _ in range(WIDE)
    ]
    narrow = [
        {
            "adapter.rank": rng.choice([8, 16, 32]),
            "adapter.target_layers": rng.choice(["attention", "mlp", "all-linear", "all-linear+lm_head"]),
            "train.learning_rate": 6e-4 * 2.5 ** rng.random(),
            "train.epochs": rng.randint(5, 8),
            "data.distractor_ratio": rng.choice([0, 0.25, 0.5]),
        }
        for _ in range(NARROW)
    ]
    plain = {"adapter.rank": 16, "adapter.target_layers": "all-linear", "data.distractor_ratio": 0}
    broken = [
        plain | {"train.learning_rate": 1.2e-2, "train.epochs": 4},
        plain | {"train.learning_rate": 5e-3, "train.epochs": 12},
        plain | {"train.learning_rate": 2e-5, "train.epochs": 1},
    ]
    named = [(kind, s) for kind, samples in (("wide", wide), ("narrow", narrow), ("broken", broken)) for s in samples]
    listed = [{"kind": kind, "name": f"{kind[0]}{n:02d}", "sample": sample} for n, (kind, sample) in enumerate(named)]
    rng.shuffle(listed)  # so that a part of the table is a fair part
    return listed


Job = tuple[dict[str, Any], int]  # a recipe and a seed


def jobs(seeds: int, only: str = "") -> Iterator[Job]:
    """Every recipe with its first two seeds before any with its third: two are enough to see what repeats."""
    table = [recipe for recipe in recipes() if not only or recipe["name"] in only.split(",")]
    for pair in range(0, seeds, 2):
        for recipe in table:
            for seed in range(pair, min(pair + 2, seeds)):
                yield recipe, seed


def kept(result: Any) -> list[Any]:
    """What is kept of an answer: score, correct, clean, length over the gold's, repetition, stopped, made-up claims."""
    stopped, made_up = result.stopped, result.unsupported
    return [
        round(result.score, 3),
        int(result.correct),
        int(result.clean),
        round(result.overgeneration, 2),
        round(result.repetition, 3),
        None if stopped is None else int(stopped),
        None if made_up is None else len(made_up),
    ]


def averaged(engine: HostEngine, trial_id: str) -> Average:
    """The moving average of a trial over one epoch, kept beside it and shown to nobody."""
    from raykft.train.average import Average

    slot = engine._slots[trial_id]
    average = Average(slot.parameters.flat.data, slot.steps_per_epoch)
    steps = itertools.count(1)
    slot.optimizer.register_step_post_hook(lambda *_: average.after_step(next(steps)))
    return average


class Bench:
    """One process: a base model, its engine, and what every run is asked."""

    def __init__(self, config: ExperimentConfig, domain: Domain, dtype: str, *, sparse: bool = False) -> None:
        import torch

        from raykft.models.load import load_base
        from raykft.models.source import resolve_model
        from raykft.train.engine import HostEngine

        torch.set_num_threads(1)
        self.config, self.domain, self.sparse = config, domain, sparse
        base = load_base(
            resolve_model(config.base_model),
            quantization=config.quantization,
            residency="auto",
            device=torch.device("cpu"),
            compute_dtype=dtype,
        )
        self.engine = HostEngine(
            base,
            train_rows=domain.train,
            distractors=domain.distractors,
            text=domain.text,
            system_prompt=config.data.system_prompt,
            plain_prompt=config.data.plain_prompt,
            max_length=config.train.max_length,
            batch_size=config.evaluate.batch_size,
            told=told_rows(domain.train, domain.facts, config.data.facts_prompt),
        )
        self.evaluator = Evaluator(
            Suite(domain.facts, domain.probes, domain.general, domain.passages),
            Objective("gain_minus_forgetting"),
            **OLD_RUNG,
        )
        self.graded: dict[Split, list[Graded]] = {
            s: domain_grades([p for p in domain.probes if p.split == s], domain.facts) for s in SPLITS
        }
        self.general: dict[Split, list[Graded]] = {
            s: general_grades([p for p in domain.general if p.split == s]) for s in SPLITS
        }

    def grades(self, trial_id: str | None, split: Split) -> dict[str, Any]:
        both = [*self.graded[split], *self.general[split]]
        found = {name: round(grade, DIGITS) for name, grade in ask(self.engine, trial_id, both).items()}
        own = {each.probe.id for each in self.graded[split]}
        return {
            "domain": {name: grade for name, grade in found.items() if name in own},
            "general": {name: grade for name, grade in found.items() if name not in own},
        }

    def base(self) -> dict[str, Any]:
        """The base model, and the base with the needed facts or those that BM25 finds in its prompt."""
        contexts = Contexts(self.domain.facts, max_tokens=2048).by_name()
        scores = self.evaluator.base(self.engine, {name: contexts[name] for name in (FACTS_NEEDED, "bm25")})
        shown = {}
        for split in SPLITS:
            asked = [each.shown(contexts[FACTS_NEEDED](each.probe) or "") for each in self.graded[split]]
            shown[split] = {name: round(grade, DIGITS) for name, grade in ask(self.engine, None, asked).items()}
        graded = {split: self.grades(None, split) for split in SPLITS}
        return {"scores": scores.as_dict(), "graded": graded, "shown": shown, "nats": self.nats(None)}

    def nats(self, trial_id: str | None) -> dict[str, float]:
        texts = [p.text for p in self.domain.passages]
        nats = self.engine.text_nats(trial_id, texts)
        return {p.id: round(value, 2) for p, value in zip(self.domain.passages, nats, strict=True)}

    def run(self, recipe: dict[str, Any], seed: int, base: BaseScores) -> dict[str, Any]:
        """Train one recipe to its end; the record of it."""
        name = f"{recipe['name']}-s{seed}"
        own = apply_sample(self.config, recipe["sample"]).model_copy(update={"seed": seed})
        settings = recipe_of(own)
        row: dict[str, Any] = {"recipe": recipe["name"], "kind": recipe["kind"], "seed": seed, "epochs": []}
        self.engine.attach(name, settings)
        average = averaged(self.engine, name)
        try:
            for epoch in range(1, settings.epochs + 1):
                started = time.monotonic()
                trained = self.engine.train_epoch(name)
                record: dict[str, Any] = {"epoch": epoch, "loss": trained.loss, "tokens": trained.tokens}
                record["train_s"] = round(time.monotonic() - started, 2)
                due = {2} if self.sparse else {1, 2, settings.epochs - 1}
                if epoch in due and epoch < settings.epochs:
                    started = time.monotonic()
                    record |= self.grades(name, "select") | {"nats": self.nats(name)}
                    record["graded_s"] = round(time.monotonic() - started, 2)
                    if not self.sparse:
                        record["old_rung"] = self.evaluator.rung(self.engine, name, base)["rung_score"]
                row["epochs"].append(record)
            started = time.monotonic()
            nats = None
            for split in SPLITS:
                full = self.evaluator.full(self.engine, name, base, split, nats)
                nats = full.passage_nats
                row[f"answers_{split}"] = {r.id: kept(r) for r in full.results}
                graded: dict[str, Any] = {"domain": {}, "general": {}}
                for r in full.results:
                    if r.grade is not None:
                        graded["domain" if r.level else "general"][r.id] = round(r.grade, DIGITS)
                if split == "report":
                    row["report"] = graded
                else:
                    row["epochs"][-1] |= graded | {"nats": {id: round(n, 2) for id, n in full.passage_nats.items()}}
                row[f"metrics_{split}"] = {k: round(v, 5) for k, v in full.metrics.items()}
            row["full_s"] = round(time.monotonic() - started, 2)
            row |= self.further(name)
            average.show()
            row["ema"] = {split: self.grades(name, split) for split in SPLITS} | {"nats": self.nats(name)}
        except Exception as error:  # a broken recipe may diverge; that is its record
            row["error"] = f"{type(error).__name__}: {error}"
        finally:
            self.engine.detach(name)
        return row

    def further(self, _: str) -> dict[str, Any]:
        """What another benchmark records of a trained adapter besides."""
        return {}


def work(number: int, workers: int, todo: Sequence[Job], args: argparse.Namespace, domain: Domain | None) -> None:
    """One process's share of what is missing, several runs packed beside each other."""
    config = load_config(args.config, args.set)
    bench = Bench(config, domain or load_domain(config), args.dtype, sparse=args.sparse)
    file = args.work / "base.json"
    if number == 0 and not file.is_file():
        write_json(file, bench.base())
    while not file.is_file():
        time.sleep(1)
    base = BaseScores.from_dict(read_json(file)["scores"])
    own = args.work / f"runs-{number}.jsonl"

    def run(job: Job) -> None:
        recipe, seed = job
        claim = args.work / f"{recipe['name']}-s{seed}.done"
        if claim.is_file() or time.monotonic() > deadline:
            return
        row = bench.run(recipe, seed, base)
        append_jsonl(own, row)
        claim.touch()
        print(f"{recipe['name']} seed {seed}: {row.get('error') or row['metrics_report']['score']}", flush=True)

    deadline = time.monotonic() + 60 * args.minutes
    with ThreadPoolExecutor(args.slots) as pool:
        list(pool.map(run, todo[number::workers]))


def train(todo: Sequence[Job], args: argparse.Namespace, domain: Domain | None = None) -> None:
    """Train and measure what is missing of `todo`, on the domain of `args.config` unless another is given."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=work, args=(n, args.workers, todo, args, domain)) for n in range(args.workers)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()


def unpack(packed: Path, work: Path) -> None:
    """Lay the runs of a packed table into an empty folder as if they had been trained there."""
    if any(work.glob("runs-*.jsonl")):
        raise SystemExit(f"{work} holds runs already; --packed wants an empty folder")
    for row in json.loads(gzip.decompress(packed.read_bytes()))["runs"]:
        append_jsonl(work / "runs-packed.jsonl", row)
        (work / f"{row['recipe']}-s{row['seed']}.done").touch()


def costs(config: ExperimentConfig, domain: Domain) -> dict[str, float]:
    """What questions cost, in trained tokens: half of one for a token that is read or written (docs/planning.md)."""
    rows = count_tokens(config, domain)

    def tokens(asked_of: ExperimentConfig, *, scored: float = 0, epochs: float = 0) -> float:
        return asked(asked_of, domain, rows, scored=scored, epochs=epochs).tokens / 2

    def rung(**settings: int) -> float:
        own = config.model_copy(update={"evaluate": config.evaluate.model_copy(update=settings)})
        return tokens(own, epochs=1) - tokens(own)

    everything = {"rung_probes": 10**6, "rung_general": 10**6, "rung_passages": 10**6}
    return {
        "rung": rung(**OLD_RUNG),
        "graded": rung(**everything),
        "full": tokens(config, scored=1) - tokens(config),
    }


def pack(args: argparse.Namespace, listed: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What is there of the recipes `listed`."""
    rows: list[dict[str, Any]] = []
    for file in sorted(args.work.glob("runs-*.jsonl")):
        rows += read_jsonl(file)
    config = load_config(args.config, args.set)
    domain = load_domain(config)
    asked = [*domain.probes, *domain.general]
    tree = {
        "costs": costs(config, domain),
        "environment": environment() | {"dtype": args.dtype},
        "config": config.name,
        "recipes": listed,
        "probes": {p.id: [p.split, p.level, p.kind, p.lang, list(p.fact_ids)] for p in asked},
        "passages": {p.id: [p.lang, len(p.text.encode())] for p in domain.passages},
        "base": read_json(args.work / "base.json"),
        "runs": sorted(rows, key=lambda row: (row["recipe"], row["seed"])),
    }
    for scores in tree["base"]["scores"]["rows"].values():  # the answers themselves are not needed
        for split in scores.values():
            split["results"] = {r["id"]: kept(SimpleNamespace(**r)) for r in split["results"]}
    return tree


def write(args: argparse.Namespace) -> Path:
    """Pack what is there."""
    tree = pack(args, recipes())
    name = f"table-{tree['config']}-{datetime.now(UTC):%Y-%m-%d}.json.gz"
    path = RESULTS / (name.replace("table-quickstart-", "table-") if tree["config"] == "quickstart" else name)
    save(tree, path)
    return path


def save(tree: dict[str, Any], path: Path) -> None:
    """As `replay.read_table` reads it."""
    path.write_bytes(gzip.compress(json.dumps(tree, ensure_ascii=False).encode(), mtime=0))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options(parser)
    parser.add_argument("--packed", type=Path, help="a packed table to go on from")
    args = parser.parse_args(arguments)
    args.work.mkdir(parents=True, exist_ok=True)
    if args.write:
        print(f"written: {write(args)}")
        return
    if args.packed:
        unpack(args.packed, args.work)
    train(list(jobs(args.seeds, args.recipes)), args)


def options(parser: argparse.ArgumentParser, *, work: bool = True) -> None:
    """What every benchmark that trains recipes is told."""
    parser.add_argument("--config", type=Path, default=ROOT / "configs" / "quickstart.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change a setting of it")
    parser.add_argument("--work", type=Path, required=work, help="folder of finished runs")
    parser.add_argument("--recipes", default="", help="names of recipes, such as w00,n20; default all")
    parser.add_argument("--seeds", type=int, default=4)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--slots", type=int, default=4, help="runs that a process trains at once")
    parser.add_argument("--dtype", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--minutes", type=float, default=1e6, help="begin no run later than that")
    parser.add_argument("--sparse", action="store_true", help="of rungs measure the graded one after two epochs alone")
    parser.add_argument("--write", action="store_true", help="pack the results instead of training")


if __name__ == "__main__":
    main()
