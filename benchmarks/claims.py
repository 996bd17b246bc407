"""What a table of recipes says of the two studies' claims, before one thing is changed at a time (findings.py).

    python benchmarks/claims.py results/table-<date>.json.gz [--config configs/quickstart.yaml]

First the recipe that leads by graded score on the select split, beside the base model, on held-out questions; then the
effects of all settings at once: least squares over the recipes' means (broken recipes left out), with intervals of 95 %
over resampled recipes. Settings were drawn independently of each other but are few: a wide interval says just that.
"""

from __future__ import annotations

import argparse
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import findings
import numpy as np
import replay
import table

from raykft.config import load_config
from raykft.data.domain import load_domain

MEASURED = ("graded_knowledge", "level_1", "level_2", "clean", "fluency_loss", "general_accuracy", "unsupported_claims")
SETTINGS = ("rate doubled", "an epoch more", "ratio 1 more", "rank doubled", "attention", "mlp", "all-linear+lm_head")
BESIDE_BASE = ("overgeneration", "repetition", "stop_rate", "unsupported_claims")
DRAWS = 4000

Effects = dict[str, dict[str, tuple[float, float, float]]]


def leader(tree: Mapping[str, Any]) -> str:
    quantities, scores = replay.Quantities(tree), defaultdict(list)
    for run in tree["runs"]:
        if "error" not in run:
            scores[run["recipe"]].append(quantities.value("graded_score", run))
    return str(max(scores, key=lambda name: float(np.mean(scores[name]))))


def contrasts(tree: Mapping[str, Any], recipe: str) -> list[findings.Effect]:
    """Of one recipe and the base model, held-out questions alone: the select split has chosen the recipe."""
    study = findings.Study(tree)
    told = findings.Contrasts(study)

    def held_out(level: int) -> list[str]:
        return [id for id in told.level[level] if study.probes[id].split == "report"]

    told.found.append(findings.base_alone(study, told))
    for level, name in ((1, "verbatim"), (2, "paraphrases"), (3, "another format"), (4, "two facts combined")):
        told.change("R2", f"tuned less base, {name}", 1, (recipe, findings.BASE), held_out(level))
    told.between("R3", "verbatim less paraphrases", 1, recipe, held_out(1), held_out(2))
    told.between("R3", "paraphrases less two facts combined", 1, recipe, held_out(2), held_out(4))
    for lang in sorted({study.probes[id].lang for id in told.general}):
        asked = [id for id in told.general if study.probes[id].lang == lang]
        told.change("R9", f"tuned less base, general questions ({lang})", -1, (recipe, findings.BASE), asked)
    return told.found


def settings_of(sample: Mapping[str, Any]) -> list[float]:
    layers = sample["adapter.target_layers"]
    return [
        math.log2(sample["train.learning_rate"] / 1e-3),
        sample["train.epochs"] - 6,
        sample["data.distractor_ratio"],
        math.log2(sample["adapter.rank"] / 16),
        *(float(layers == name) for name in SETTINGS[4:]),
    ]


def effects(tree: Mapping[str, Any]) -> Effects:
    """By quantity and setting: what it adds to the report split's mean, with an interval over resampled recipes."""
    samples = {recipe["name"]: recipe["sample"] for recipe in tree["recipes"]}
    runs: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for run in tree["runs"]:
        if run["kind"] != "broken" and "error" not in run:
            runs[run["recipe"]].append(run["metrics_report"])
    design = np.array([[1.0, *settings_of(samples[name])] for name in runs])
    rng, found = np.random.default_rng(0), {}
    draws = [rng.integers(len(design), size=len(design)) for _ in range(DRAWS)]
    draws = [draw for draw in draws if np.linalg.matrix_rank(design[draw]) == design.shape[1]]
    for name in MEASURED:
        values = np.array([np.mean([metrics[name] for metrics in each]) for each in runs.values()])
        fitted = _fit(design, values)
        low, high = np.quantile([_fit(design[draw], values[draw]) for draw in draws], [0.025, 0.975], axis=0)
        triples = [(float(v), float(lo), float(hi)) for v, lo, hi in zip(fitted, low, high, strict=True)][1:]
        found[name] = dict(zip(SETTINGS, triples, strict=True))
    return found


def _fit(design: np.ndarray[Any, Any], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(np.linalg.lstsq(design, values, rcond=None)[0])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", type=Path)
    parser.add_argument("--config", type=Path, default=table.ROOT / "configs" / "quickstart.yaml")
    args = parser.parse_args(arguments)
    tree = replay.read_table(args.table)
    tree |= findings.asked_twice(load_domain(load_config(args.config)))
    recipe = leader(tree)
    print(f"leads by graded score: {recipe} {next(r['sample'] for r in tree['recipes'] if r['name'] == recipe)}")
    for each in contrasts(tree, recipe):
        print(each.row())
    base = tree["base"]["scores"]["rows"]["base"]["report"]["metrics"]
    own = [run["metrics_report"] for run in tree["runs"] if run["recipe"] == recipe]
    for name in BESIDE_BASE:
        print(f"| R7 | {name}: base {base[name]:.2f}, tuned {np.mean([metrics[name] for metrics in own]):.2f} |")
    if len({run["recipe"] for run in tree["runs"]}) < 2 * len(SETTINGS):
        print("too few recipes to tell settings apart")
        return
    print("| | " + " | ".join(SETTINGS) + " |")
    for name, row in effects(tree).items():
        cells = [f"{value:+.2f} [{low:+.2f} {high:+.2f}]" for value, low, high in row.values()]
        print(f"| {name} | " + " | ".join(cells).replace("-", findings.MINUS) + " |")


if __name__ == "__main__":
    main()
