"""Small drawings as SVG text: axes, points with intervals, lines and bars, which a page shows without any script.

Colours are classes of the page's style sheet, so that a drawing follows dark mode and print. All text is escaped here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

# Of a drawing, in its own units; about one to a pixel on a telephone.
WIDTH, HEIGHT = 360, 270
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 12, 42
TICKS = 5
LETTER, LINE = 6, 11  # how wide and high small text is, about


@dataclass(frozen=True)
class Scale:
    """One axis: from values to places between `start` and `end`. `names` are the places of categories 0, 1, ..."""

    title: str
    low: float
    high: float
    start: float
    end: float
    log: bool = False
    names: tuple[str, ...] = ()

    def __call__(self, value: float) -> float:
        low, high, value = (math.log10(v) if self.log else v for v in (self.low, self.high, value))
        return self.start + (value - low) / (high - low) * (self.end - self.start)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        if self.names:
            return [(float(n), name) for n, name in enumerate(self.names)]
        if self.log:
            return _log_ticks(self.low, self.high)
        return _ticks(self.low, self.high)


def across(title: str, values: Sequence[float], *, log: bool = False, names: Sequence[str] = ()) -> Scale:
    """A horizontal axis that holds all `values`."""
    return _scale(title, values, LEFT, WIDTH - RIGHT, log, names)


def upward(title: str, values: Sequence[float], *, log: bool = False, names: Sequence[str] = ()) -> Scale:
    """A vertical axis that holds all `values`; of `names` the first stands at the top."""
    ends = (TOP, HEIGHT - BOTTOM) if names else (HEIGHT - BOTTOM, TOP)
    return _scale(title, values, *ends, log, names)


class Drawing:
    """A drawing with two axes. What is drawn later lies above; `title` is what a screen reader says of it."""

    def __init__(self, title: str, x: Scale, y: Scale, *, left: float = LEFT) -> None:
        self.title, self.x, self.y = title, x, y
        self._left = left
        self._parts: list[Markup] = [self._axes()]

    def line(self, points: Sequence[tuple[float, float]], style: str, *, steps: bool = False, told: str = "") -> None:
        """A line through points; with `steps` first across and then up or down, as a front runs."""
        if not points:
            return
        places = [(self.x(x), self.y(y)) for x, y in points]
        path = f"M{places[0][0]:.1f} {places[0][1]:.1f}"
        path += "".join(f"H{x:.1f}V{y:.1f}" if steps else f"L{x:.1f} {y:.1f}" for x, y in places[1:])
        self._parts.append(element("path", {"class": f"line {style}", "d": path}, told))

    def point(self, x: float, y: float, style: str, told: str, *, mark: str = "dot", size: float = 4.5) -> None:
        """One mark (`dot`, `diamond` or `cross`) that says `told` when it is pointed at."""
        a, b = self.x(x), self.y(y)
        if mark == "dot":
            attributes = {"class": f"mark {style}", "cx": f"{a:.1f}", "cy": f"{b:.1f}", "r": f"{size:g}"}
            self._parts.append(element("circle", attributes, told))
            return
        diamond = f"M{a:.1f} {b - size:.1f}l{size:g} {size:g} {-size:g} {size:g} {-size:g} {-size:g}z"
        cross = f"M{a - size:.1f} {b - size:.1f}l{2 * size:g} {2 * size:g}m0 {-2 * size:g}l{-2 * size:g} {2 * size:g}"
        kind = "mark" if mark == "diamond" else "line"
        shape = diamond if mark == "diamond" else cross
        self._parts.append(element("path", {"class": f"{kind} {style}", "d": shape}, told))

    def interval(self, x: tuple[float, float], y: tuple[float, float], style: str) -> None:
        """A thin straight line, from one corner to the other; nothing where they are one."""
        if x[0] == x[1] and y[0] == y[1]:
            return
        ends = {"x1": self.x(x[0]), "y1": self.y(y[0]), "x2": self.x(x[1]), "y2": self.y(y[1])}
        places = {name: f"{value:.1f}" for name, value in ends.items()}
        self._parts.append(element("line", {"class": f"interval {style}"} | places))

    def label(self, x: float, y: float, text: str, style: str = "") -> None:
        """Text above and right of a point, or left of it near the right edge."""
        a, b = self.x(x), self.y(y)
        late = a > WIDTH - RIGHT - 7 * len(text)
        place = {"x": f"{a - 6 if late else a + 6:.1f}", "y": f"{b - 6:.1f}", "text-anchor": "end" if late else "start"}
        self._parts.append(element("text", {"class": f"label {style}"} | place, text=text))

    def markup(self) -> Markup:
        inside = Markup("").join(self._parts)
        head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, self.title)
        return head + inside + Markup("</svg>")

    def _axes(self) -> Markup:
        parts = []
        floor, right = HEIGHT - BOTTOM, WIDTH - RIGHT
        # Long names would run into each other: every second one stands a line lower.
        room = (right - self._left) / max(1, len(self.x.names))
        lower = LINE if any(LETTER * len(name) > room for name in self.x.names) else 0
        for number, (value, text) in enumerate(self.x.ticks):
            a = f"{self.x(value):.1f}"
            parts.append(element("line", {"class": "grid", "x1": a, "x2": a, "y1": TOP, "y2": floor}))
            place = {"x": a, "y": floor + 12 + number % 2 * lower, "text-anchor": "middle"}
            parts.append(element("text", place, text=text))
        for value, text in self.y.ticks:
            b = self.y(value)
            parts.append(
                element("line", {"class": "grid", "x1": self._left, "x2": right, "y1": f"{b:.1f}", "y2": f"{b:.1f}"})
            )
            place = {"x": self._left - 5, "y": f"{b + 4:.1f}", "text-anchor": "end"}
            parts.append(element("text", place, text=text))
        middle = (self._left + right) / 2
        parts.append(
            element("text", {"class": "axis", "x": middle, "y": HEIGHT - 5, "text-anchor": "middle"}, text=self.x.title)
        )
        turned = {
            "class": "axis",
            "text-anchor": "middle",
            "transform": f"translate(11 {(TOP + floor) / 2:g}) rotate(-90)",
        }
        parts.append(element("text", turned, text=self.y.title))
        return Markup("").join(parts)


def element(name: str, attributes: Mapping[str, object], told: str = "", *, text: str = "") -> Markup:
    """An element of a drawing; `told` is its tooltip, `text` what stands there."""
    # Put together by hand: a figure of thousands of trials has tens of thousands of these.
    written = "".join(f' {key}="{escape(value)}"' for key, value in attributes.items())
    tip = f"<title>{escape(told)}</title>" if told else ""
    return Markup(f"<{name}{written}>{tip}{escape(text)}</{name}>")


def _scale(title: str, values: Sequence[float], start: float, end: float, log: bool, names: Sequence[str]) -> Scale:
    if names:
        return Scale(title, -0.5, len(names) - 0.5, start, end, names=tuple(names))
    low, high = min(values, default=0.0), max(values, default=1.0)
    if log:
        return Scale(title, low / 1.25, high * 1.25, start, end, log=True)
    margin = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return Scale(title, low - margin, high + margin, start, end)


def _ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values: steps of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough)
    digits = max(0, -math.floor(math.log10(step)))
    count = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [(n * step, f"{n * step:.{digits}f}") for n in count]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wanted = (1, 2, 5) if high / low < 200 else (1,)
    values = [step * 10.0**power for power in powers for step in wanted]
    return [
        (value, f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")) for value in values if low <= value <= high
    ]
