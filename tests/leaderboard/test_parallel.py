"""Parallel coordinates: a line a trial through its settings to its outcome."""

from __future__ import annotations

import re

import pytest

from raykft.leaderboard.effects import Outcome, effects
from raykft.leaderboard.parallel import MOST_AXES, Figure, parallel_figure
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.svg import BOTTOM, HEIGHT, TOP
from raykft.records import TrialStatus


def figure_of(samples: list[dict[str, object]], scores: list[float]) -> Figure | None:
    trials = [TrialRecord(f"t{n}<b>", TrialStatus.OK, sample=sample) for n, sample in enumerate(samples)]
    outcome = Outcome("score", {t.trial_id: s for t, s in zip(trials, scores, strict=True)})
    return parallel_figure(effects(trials, outcome), outcome)


def lines_of(figure: Figure) -> dict[str, tuple[str, list[tuple[float, float]]]]:
    """By trial: the style of its line, and its points."""
    found = re.findall(r'<path class="line ([\w ]+)" d="M([^"]+)"><title>(\S+)&lt;b&gt;;', str(figure.drawing))
    return {
        name: (style, [(float(x), float(y)) for x, y in (point.split() for point in path.split("L"))])
        for style, path, name in found
    }


def test_a_line_meets_every_axis_at_its_value_and_the_best_stand_out() -> None:
    samples = [{"a.rank": 8 * n, "a.layers": "ab"[n % 2], "t.rate": 10.0**-n} for n in range(1, 9)]
    figure = figure_of(samples, [n / 10 for n in range(8)])
    assert figure is not None
    lines = lines_of(figure)
    assert len(lines) == 8
    for style, points in lines.values():
        assert len(points) == 4
        assert points == sorted(points)
        assert all(TOP <= y <= HEIGHT - BOTTOM for _, y in points)
        assert style in {"winner", "trial", "unranked"}
    assert [name for name, (style, _) in lines.items() if style == "winner"] == ["t7"]
    assert [name for name, (style, _) in lines.items() if style == "trial"] == ["t6"]
    heights = [lines[f"t{n}"][1][-1][1] for n in range(8)]
    assert heights == sorted(heights, reverse=True)  # a better outcome stands higher
    assert "rank" in figure.drawing
    assert "<b>" not in figure.drawing


def test_a_setting_that_a_trial_lacks_is_passed_by() -> None:
    samples: list[dict[str, object]] = [{"x": n, "y": n % 3} for n in range(8)]
    del samples[2]["y"]
    figure = figure_of(samples, [0.1 * n for n in range(8)])
    assert figure is not None
    lines = lines_of(figure)
    assert {name: len(points) for name, (_, points) in lines.items()} == {f"t{n}": 2 if n == 2 else 3 for n in range(8)}


@pytest.mark.parametrize("samples", [[{"x": n} for n in range(8)], [{"x": 1, "y": 1}, {"x": 2, "y": 2}]])
def test_one_setting_or_two_trials_are_no_picture(samples: list[dict[str, object]]) -> None:
    assert figure_of(samples, [0.1 * n for n in range(len(samples))]) is None


def test_no_more_axes_than_can_be_read() -> None:
    samples: list[dict[str, object]] = [{f"s{k}": (n * (k + 3)) % 7 for k in range(12)} for n in range(10)]
    figure = figure_of(samples, [0.1 * n for n in range(10)])
    assert figure is not None
    assert {len(points) for _, points in lines_of(figure).values()} == {MOST_AXES + 1}
