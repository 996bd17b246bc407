"""All settings at once: parallel coordinates, an upright axis for every setting and one for the outcome.

Slices show one setting each; here one sees what goes together in the recipes that did best.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from raykft.leaderboard.charts import Figure
from raykft.leaderboard.effects import Effect, Outcome
from raykft.leaderboard.svg import BOTTOM, HEIGHT, LINE, TOP, Scale, element, upward
from raykft.wording import charts as words

STEP, LEFT, RIGHT = 112, 96, 84  # between axes, and room beside the outer ones
MOST_AXES = 8  # settings that are drawn: those that explain most
BEST_SHARE = 0.25  # of the trials stand out
MIN_TRIALS = 3


@dataclass(frozen=True)
class _Axis:
    """One upright axis: its heading, where it stands, and the value of every trial that has one."""

    title: str
    place: float
    scale: Scale
    values: Mapping[str, float]
    names: tuple[str, ...] = ()

    def told(self, trial: str) -> str:
        value = self.values[trial]
        return f"{self.title}={self.names[int(value)] if self.names else f'{value:.3g}'}"


def parallel_figure(effects: Sequence[Effect], outcome: Outcome) -> Figure | None:
    """A line for every trial through its settings to its outcome; None for a handful of trials or a single setting.

    Args:
        effects: of the settings, the one that explains most first; it stands next to the outcome.
    """
    shown = [*reversed(effects[:MOST_AXES])]
    trials = dict.fromkeys(trial for effect in shown for trial in effect.trials)
    if len(shown) < 2 or len(trials) < MIN_TRIALS:
        return None
    axes = [_axis_of(effect, LEFT + STEP * n) for n, effect in enumerate(shown)]
    values = {trial: outcome.values[trial] for trial in trials}
    axes.append(
        _Axis(outcome.title, LEFT + STEP * len(shown), upward(outcome.title, [*values.values()]), outcome.values)
    )
    best = sorted(values, key=lambda trial: -values[trial])
    floor = HEIGHT - BOTTOM
    grid = [{"class": "grid", "x1": axis.place, "x2": axis.place, "y1": TOP, "y2": floor} for axis in axes]
    parts = [element("line", place) for place in grid]
    for rank in reversed(range(len(best))):  # the best above all
        style = "winner" if not rank else "trial" if rank < BEST_SHARE * len(best) else "unranked"
        parts.append(_line(axes, best[rank], style))
    parts += [text for number, axis in enumerate(axes) for text in _texts(axis, floor + 16 + number % 2 * LINE)]
    head = Markup('<svg class="wide" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(
        axes[-1].place + RIGHT, HEIGHT, words.PARALLEL_TOLD(outcome=outcome.title)
    )
    legend = (("winner", words.BEST_TRIAL()), ("trial", words.BEST_QUARTER()), ("unranked", words.OTHERS()))
    drawing = head + Markup("").join(parts) + Markup("</svg>")
    return Figure("parallel", words.PARALLEL_TITLE(), drawing, legend)


def _axis_of(effect: Effect, place: float) -> _Axis:
    values = [x for x, _ in effect.points]
    # The last part of a setting's path says enough where room is short.
    title = effect.setting.rpartition(".")[2]
    scale = upward(title, values, log=effect.log, names=effect.names)
    return _Axis(title, place, scale, dict(zip(effect.trials, values, strict=True)), effect.names)


def _texts(axis: _Axis, below: float) -> list[Markup]:
    """What stands at an axis, above the lines; headings of neighbours stand on two lines in turn."""
    parts = []
    for value, text in axis.scale.ticks:
        where = {"class": "tick", "x": axis.place - 5, "y": f"{axis.scale(value) + 4:.1f}", "text-anchor": "end"}
        parts.append(element("text", where, text=text))
    title = {"class": "axis", "x": axis.place, "y": below, "text-anchor": "middle"}
    return [*parts, element("text", title, text=axis.title)]


def _line(axes: Sequence[_Axis], trial: str, style: str) -> Markup:
    """A setting that a trial does not have, its line passes by."""
    own = [axis for axis in axes if trial in axis.values]
    path = "M" + "L".join(f"{axis.place:.1f} {axis.scale(axis.values[trial]):.1f}" for axis in own)
    told = "; ".join([trial, *(axis.told(trial) for axis in own)])
    return element("path", {"class": f"line {style}", "d": path}, told)
