"""The README's first figure: what a search's pick is worth at what cost, replayed on the table of recipes.

    python benchmarks/plots.py [results/replay-<date>.json] [--out docs/images/replay.svg]

Needs `pip install 'raykft[bench]'`.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raykft.paths import read_json

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results"
# Okabe and Ito's colours, told apart by most colour-blind people; the new strategies are drawn stronger.
STYLES = {
    "random": ("random search", "#999999", 1.2),
    "loss-asha": ("Ray Tune + TRL: ASHA on the loss", "#D55E00", 1.6),
    "today": ("raykft before: six-probe rungs", "#E69F00", 1.6),
    "graded": ("graded rungs", "#56B4E9", 1.8),
    "graded-race": ("graded rungs and a race with seeds", "#0072B2", 2.4),
}


def draw(strategies: Mapping[str, Mapping[str, Sequence[float]]], recipes: int, out: Path) -> None:
    """Regret against cost, one line a strategy with a band of 95 %."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "raykft", "font.size": 10, "svg.fonttype": "none"}
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.2, 4.2), layout="constrained")
    for name, curve in strategies.items():
        label, colour, width = STYLES[name]
        if curve.get("recipes", [recipes])[0] != recipes:
            continue  # of other recipes: no regret to compare
        axes.fill_between(curve["cost"], curve["regret_lo"], curve["regret_hi"], color=colour, alpha=0.10, linewidth=0)
        axes.plot(curve["cost"], curve["regret"], color=colour, linewidth=width, marker="o", markersize=3, label=label)
    axes.set_xscale("log", base=2)
    ticks = [1, 2, 4, 8, 12, 24]
    axes.set_xticks(ticks, [str(tick) for tick in ticks])
    axes.set_ylim(bottom=0)
    axes.set_xlabel("cost of the search, in full trials (training and questions)")
    axes.set_ylabel("regret of its pick: true score below the best")
    axes.set_title(f"Searches replayed on {recipes} recipes", loc="left")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    axes.legend(frameon=False, fontsize=9)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Date": None})
    pyplot.close(figure)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("replay", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images" / "replay.svg")
    args = parser.parse_args(arguments)
    tree: dict[str, Any] = read_json(args.replay or max(RESULTS.glob("replay-2*.json")))
    draw(tree["strategies"], int(tree["recipes"]), args.out)
    print(f"written: {args.out}")


if __name__ == "__main__":
    main()
