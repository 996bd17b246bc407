"""How long the leaderboard's resampling takes: `python benchmarks/bootstrap_speed.py [rows] [draws]` (100, 10,000).

Rows answer the bundled English probes of one split at random, each fact known or not, and sixty general questions and
sixteen passages. Every step is timed once, on arrays that no cache has seen.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from raykft.data.read import read_records
from raykft.evaluation.forgetting import GeneralScores
from raykft.evaluation.objective import Objective
from raykft.leaderboard import pareto
from raykft.leaderboard.bootstrap import Resamples, gain, score
from raykft.leaderboard.statistics import interval, rank_groups
from raykft.paths import PACKAGE_DATA
from raykft.records import Passage, Probe, ProbeResult


def answers(probes: list[Probe], passages: list[Passage], knows: float, rng: np.random.Generator) -> GeneralScores:
    """One row: a result for every probe and the nats of every passage."""
    known = {fact: rng.random() < knows for probe in probes for fact in probe.fact_ids}
    results = {}
    for probe in probes:
        right = bool(rng.random() < 0.7) if probe.level == 0 else all(known[fact] for fact in probe.fact_ids)
        outcome = "correct" if right else "wrong"
        row = (probe.id, probe.level, probe.kind, outcome, right, right, float(right), (), 1.0, 0.0, False)
        results[probe.id] = ProbeResult(*row)
    return GeneralScores(results, {p.id: len(p.text) * (0.7 + 0.02 * rng.standard_normal()) for p in passages})


def main() -> None:
    """Print one line a step and the total."""
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    draws = int(sys.argv[2]) if len(sys.argv) > 2 else 10_000
    demo = PACKAGE_DATA / "en"
    asked = read_records(demo / "probes.jsonl", Probe) + read_records(demo / "general.jsonl", Probe)
    probes = [replace(p, split="select") for p in asked if p.split == "select"]
    passages = read_records(demo / "passages.jsonl", Passage)
    rng = np.random.default_rng(0)
    base = answers(probes, passages, 0.0, rng)
    models = [answers(probes, passages, 0.2 + 0.7 * n / rows, rng) for n in range(rows)]
    timings: list[tuple[str, float]] = []

    def timed(step: str, work: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        result = work()
        timings.append((step, time.perf_counter() - started))
        return result

    resamples = timed("draw weights", lambda: Resamples(probes, passages, "select", draws=draws))
    untaught = resamples.knowledge(base.results)["knowledge"]
    known = timed("levels and knowledge", lambda: [resamples.knowledge(m.results) for m in models])
    lost = timed("forgetting", lambda: [resamples.forgetting(base, m)["forgetting"] for m in models])
    gains = timed("gain", lambda: [gain(figures["knowledge"], untaught, None) for figures in known])
    scores = timed(
        "score",
        lambda: [
            score(Objective(), knowledge=k["knowledge"], gain=g, forgetting=f)
            for k, g, f in zip(known, gains, lost, strict=True)
        ],
    )
    units = resamples.units["score"]
    everything = [figure for figures in known for figure in figures.values()] + lost + gains + scores
    timed(f"{len(everything)} intervals", lambda: [interval(figure, units) for figure in everything])
    best_first = sorted(scores, key=lambda figure: -figure[0])
    groups = timed("rank groups", lambda: rank_groups(best_first, units))
    gain_WT, lost_WT = np.stack(gains, axis=-1), np.stack(lost, axis=-1)
    timed("chance to be on the front", lambda: pareto.non_dominated(gain_WT, lost_WT)[1:].mean(axis=0))
    timed("hypervolume", lambda: pareto.hypervolume(gain_WT, lost_WT))

    print(f"{rows} rows, {draws} draws, {len(probes)} probes in {units} clusters, {len(set(groups))} rank groups")
    for step, seconds in timings:
        print(f"{step:28}{seconds:8.3f} s")
    print(f"{'total':28}{sum(seconds for _, seconds in timings):8.3f} s")


if __name__ == "__main__":
    main()
