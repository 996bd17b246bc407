"""Drawings: places, ticks and that text stays text."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest

from raykft.leaderboard.svg import HEIGHT, WIDTH, Drawing, across, upward


def test_values_lie_inside_and_in_order() -> None:
    x, y = across("x", [1.0, 3.0]), upward("y", [-1.0, 4.0])
    assert 0 < x(1.0) < x(2.0) < x(3.0) < WIDTH
    assert HEIGHT > y(-1.0) > y(0.0) > y(4.0) > 0
    assert x(2.0) - x(1.0) == pytest.approx(x(3.0) - x(2.0))
    log = across("x", [1e-4, 1e-2], log=True)
    assert log(1e-3) - log(1e-4) == pytest.approx(log(1e-2) - log(1e-3))
    names = upward("y", [], names=["first", "second"])
    assert names(0) < names(1)  # the first at the top


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0], ["0.0", "0.5", "1.0"]),
        ([0.21, 0.24], ["0.21", "0.22", "0.23", "0.24"]),
        ([-120.0, 300.0], ["-100", "0", "100", "200", "300"]),
        ([5.0, 5.0], ["3", "4", "5", "6", "7"]),
        ([0.0, 0.0], ["-1.0", "-0.5", "0.0", "0.5", "1.0"]),
    ],
)
def test_ticks_are_round(values: list[float], expected: list[str]) -> None:
    assert [text for _, text in across("x", values).ticks] == expected


def test_ticks_of_a_logarithm() -> None:
    assert [text for _, text in across("x", [1e-4, 2e-3], log=True).ticks] == [
        "1e-4", "2e-4", "5e-4", "1e-3", "2e-3",
    ]  # fmt: skip
    assert next(text for _, text in across("x", [1e-5, 1e2], log=True).ticks) == "1e-5"


def test_text_stays_text() -> None:
    bad = '"><script>alert(1)</script>&'
    drawing = Drawing(bad, across(bad, [], names=[bad]), upward(bad, [0.0, 1.0]))
    drawing.point(0, 0.5, "trial", bad)
    drawing.label(0, 0.5, bad)
    drawing.line([(0, 0.1), (0, 0.9)], "trial", told=bad)
    tree = ElementTree.fromstring(drawing.markup())
    assert not any("script" in element.tag for element in tree.iter())
    assert tree.get("aria-label") == bad
    assert [e.text for e in tree.iter("title")] == [bad, bad]
    assert sum(e.text == bad for e in tree.iter("text")) == 4
