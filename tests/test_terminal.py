"""What a terminal of 80 columns shows beside boards, in both languages: nothing cut off, nothing over the edge."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from leaderboard.fake_experiment import TRIALS, FakeExperiment
from rich.cells import cell_len
from rich.console import Console, RenderableType

from raykft.config import load_config
from raykft.data.domain import load_domain
from raykft.leaderboard.lines import NEVER_FIRST
from raykft.leaderboard.show import render_answers, side_by_side
from raykft.leaderboard.status import experiment_status
from raykft.paths import write_json
from raykft.planning.fitting import this_machine
from raykft.planning.plan import make_plan
from raykft.planning.render import render_plan
from raykft.search.progress import Progress
from raykft.wording.messages import Lang, speaking

FIRST = next(iter(TRIALS))
STOPPED = "t003-r16-lr1.2e-3-e5-att-d0.5"
LONG, SECOND, NEW = "t012-r16-lr2.1e-3-e12-allh-d0.25", "t013-r8-lr2.8e-3-e7-all-d0.25", "t014-r64-lr1e-4-e8-att-d0"
ANSWER = "ヴェルモラの最高経営責任者は山田太郎です。本社は東京（千代田区）にあります。" * 3


@pytest.fixture(params=list(Lang))
def lang(request: pytest.FixtureRequest) -> Iterator[Lang]:
    with speaking(request.param):
        yield request.param


def printed(what: RenderableType, width: int = 80) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(what, crop=False)
    lines = [line.rstrip() for line in out.getvalue().splitlines()]
    assert not [line for line in lines if cell_len(line) > width]
    return lines


def joined(lines: list[str]) -> str:
    return re.sub(r"\s", "", "".join(lines))


def searching(out: io.StringIO, width: int = 80) -> Progress:
    progress = Progress(Console(file=out, width=width), 24, 7, lambda: 3, lambda: 0, "screening")
    for name in (LONG, SECOND, NEW):
        progress.started(name)
    for name, epochs in ((LONG, 40), (SECOND, 3)):
        for epoch in range(1, epochs):
            row: dict[str, Any] = {"epoch": epoch, "epochs": epochs, "loss": 1.234, "seconds": 9.0 * epoch}
            progress.reported(name, row | {"rung_score": 0.02 * epoch})
    return progress


def end(progress: Progress) -> None:
    reason = "stopped early by ASHA after epoch 1 of 4"
    progress.ended(
        "t001-r16-lr2.1e-3-e8-all-d0.25", {"status": "stopped", "seconds": 38.0, "reason": reason, "metrics": {}}
    )
    progress.ended(
        "t002-r16-lr2.1e-3-e8-all-d0.25", {"status": "ok", "seconds": 9.0, "reason": "", "metrics": {"score": 0.75}}
    )


@pytest.mark.parametrize("width", [60, 80])
def test_the_panel_keeps_its_figures_and_shortens_names(lang: Lang, width: int) -> None:
    progress = searching(io.StringIO(), width)
    end(progress)
    text = "\n".join(printed(progress._panel(), width))
    assert "9/24" in text or "24試行中9試行が終了" in joined(text.splitlines())
    table = [line for line in text.splitlines() if re.match(r"t01\d", line)]
    assert [line[:4] for line in table] == ["t012", "t013", "t014"]  # one line a trial
    assert all(figure in table[0] for figure in ("39/40", "1.234", "0.78"))
    assert re.search("[▁-█]{16}$", table[0])
    assert all(figure in table[1] for figure in ("2/3", "1.234", "0.04"))
    if width == 80 and lang is Lang.EN:
        assert LONG in table[0]


def test_columns_of_the_panel_line_up(lang: Lang) -> None:
    lines = printed(searching(io.StringIO())._panel())
    heading = {Lang.EN: "rungs so far", Lang.JA: "途中評価の推移"}[lang]
    header = next(line for line in lines if line.endswith(heading))
    first = next(line for line in lines if line.startswith("t012"))
    curve = re.search("[▁-█]+$", first)
    assert curve is not None
    assert cell_len(first[: curve.start()]) == cell_len(header.removesuffix(heading))


def test_progress_lines_are_whole(lang: Lang) -> None:
    out, wide = io.StringIO(), io.StringIO()
    for where, width in ((out, 80), (wide, 1000)):
        progress = searching(where, width)
        end(progress)
        progress.say_running()
    lines = out.getvalue().splitlines()
    assert not [line for line in lines if cell_len(line.rstrip()) > 80]
    assert joined(lines) == joined(wide.getvalue().splitlines())
    assert not [line for line in lines if line[0] in NEVER_FIRST]
    curves = re.findall("[▁-█]+", out.getvalue())
    assert [len(curve) for curve in curves] == [16, 2]  # no curve is broken


def test_a_plan_is_told_whole(lang: Lang) -> None:
    config = load_config(Path("configs/quickstart.yaml"))
    plan = make_plan(config, load_domain(config), this_machine())
    lines = printed(render_plan(plan))
    assert "…" not in "".join(lines)
    for sentence in map(str, plan.assumptions):
        assert joined([sentence]) in joined(lines)
    if lang is Lang.JA:
        assert not [line for line in lines if line.strip() and line.strip()[0] in NEVER_FIRST]


def test_checks_are_told_whole(lang: Lang) -> None:
    from raykft.doctor.nodes import Check, render_checks

    long = {
        Lang.EN: "the clocks differ by more than a second " * 4,
        Lang.JA: "ノードの時計が1秒以上ずれています。" * 6,
    }[lang]
    lines = printed(
        render_checks([Check("10.0.0.7", "clock", "warn", long, f"{long}!"), Check("-", "memory", "ok", "1 GiB")])
    )
    assert "…" not in "".join(lines)
    assert sum(line.count("1 GiB") for line in lines) == 1
    word, times = ("differ", 8) if lang is Lang.EN else ("秒", 12)
    assert "".join(lines).count(word) == times


def test_answers_are_shown_whole(lang: Lang, tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path)
    row = next(iter(side_by_side(fake.paths, FIRST, {}))) | {"question": ANSWER, "base_answer": "a\nb", "answer": ""}
    lines = printed(render_answers([row]))
    cells = [line.split("│")[1:-1] for line in lines if line.startswith("│")]
    assert joined([cell[1] for cell in cells]) == ANSWER
    assert [cell[2].strip() for cell in cells][:2] == ["a", "b"]
    assert len({cell_len(line) for line in lines if line}) == 1
    if lang is Lang.JA:
        assert not [cell for cell in cells if cell[1].strip()[:1] in set(NEVER_FIRST)]


def test_status_fits(lang: Lang, tmp_path: Path) -> None:
    fake = FakeExperiment(tmp_path)
    write_json(fake.paths.last_run, {"began": "2026-11-30", "host": "h", "ended": "2026-12-01", "how": "interrupted"})
    fake.paths.trial(STOPPED).result.unlink()
    lines = experiment_status(fake.paths.root)
    assert any(STOPPED in line for line in lines)
    assert not [line for line in lines if cell_len(line) > 80 and str(fake.paths.root) not in line]
