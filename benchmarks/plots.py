"""The README's first figure: what a search's pick is worth at what cost, replayed on the table of recipes.

    python benchmarks/plots.py [results/replay-<date>.json] [--out docs/images/replay.svg]

`findings.py --read FILE --draw OUT` draws the figure of docs/findings.md with this module. Needs
`pip install 'raykft[bench]'`.
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
    pyplot = _pyplot()
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
    _write(figure, out)
    pyplot.close(figure)


VERDICTS = {"found": "#0072B2", "opposite": "#D55E00", "not seen": "#999999"}
LEAST_UNITS = 10  # of fewer an interval says nothing


def draw_effects(effects: Sequence[Any], out: Path) -> None:
    """Contrasts below each other with their intervals, a panel a claim; bits a byte have their own scale.

    Args:
        effects: with `claim`, `what`, `value`, `low`, `high`, `units` and `verdict`, as findings.py makes them.
    """
    pyplot = _pyplot()
    shown = [each for each in effects if each.units >= LEAST_UNITS and abs(each.value) < 1.2]
    claims = list(dict.fromkeys(each.claim for each in shown))
    sizes = [sum(each.claim == claim for each in shown) for claim in claims]
    figure, panels = pyplot.subplots(
        len(claims),
        1,
        figsize=(8.4, 0.24 * len(shown) + 0.22 * len(claims) + 0.8),
        sharex=True,
        height_ratios=[size + 0.6 for size in sizes],
        layout="constrained",
    )
    for axes, claim in zip(panels, claims, strict=True):
        own = [each for each in shown if each.claim == claim][::-1]
        for place, each in enumerate(own):
            colour = VERDICTS[each.verdict]
            axes.plot([each.low, each.high], [place, place], color=colour, linewidth=1.6)
            axes.plot(each.value, place, marker="D" if "bits" in each.what else "o", color=colour, markersize=4.5)
        axes.set_yticks(
            range(len(own)), [each.what.replace(", bits a byte of other text", ", bits a byte") for each in own]
        )
        axes.set_ylim(-0.7, len(own) - 0.3)
        axes.axvline(0, color="#444444", linewidth=0.8)
        axes.text(1.01, 0.5, claim, transform=axes.transAxes, va="center", weight="bold")
        axes.tick_params(axis="y", length=0, labelsize=8)
        axes.spines[["top", "right", "left"]].set_visible(False)
        axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    panels[-1].set_xlabel("difference: share right (circles), bits a byte of other text (diamonds); 95 %")
    marks = [pyplot.Line2D([], [], color=colour, marker="o", label=name) for name, colour in VERDICTS.items()]
    panels[0].legend(handles=marks, ncols=3, frameon=False, fontsize=8, loc="lower left", bbox_to_anchor=(0, 1))
    _write(figure, out)
    pyplot.close(figure)


def _write(figure: Any, out: Path) -> None:
    """Write `figure` as an SVG, the same bytes every time.

    The solver behind the constrained layout orders its variables by where they lie in memory, so that two runs place
    the axes some last bits apart; that is never seen, but the file names clip paths by the bits. Hence rounded.
    """
    figure.draw_without_rendering()
    figure.set_layout_engine("none")
    for axes in figure.axes:
        axes.set_position([round(float(edge), 6) for edge in axes.get_position().bounds])
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out, metadata={"Date": None})


def _pyplot() -> Any:
    """matplotlib, writing text as text and names that do not change from run to run."""
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams |= {"svg.hashsalt": "raykft", "font.size": 10, "svg.fonttype": "none"}
    from matplotlib import pyplot

    return pyplot


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
