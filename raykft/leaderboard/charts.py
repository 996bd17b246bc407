"""The page's figures: the front, levels, curves over epochs, and one slice for every searched setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import BASELINE_TITLES, Leaderboard
from raykft.leaderboard.effects import Effect, Outcome
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.render import LEVELS, sample_text
from raykft.leaderboard.statistics import Interval
from raykft.leaderboard.svg import WIDTH, Drawing, Scale, across, upward
from raykft.leaderboard.verdicts import bounds, p_text
from raykft.records import Split

LEVEL_METRICS = (*LEVELS, "premise", "hint")
LEVEL_LEFT = 62  # room for the names of levels
MOST_BASELINES = 4  # beside the winner; more would hide each other


@dataclass(frozen=True)
class Figure:
    """A drawing with what stands around it. `legend` has a style and a word for every kind of mark."""

    name: str
    title: str
    drawing: Markup
    legend: tuple[tuple[str, str], ...] = ()
    note: str = ""


def front_figure(board: Leaderboard) -> Figure | None:
    """Gain against forgetting of the fully trained trials on the select split, intervals in both directions."""
    trials = [t for t in board.trials if t.rank is not None and {"gain", "forgetting"} <= t.select.keys()]
    if board.front is None or not trials:
        return None
    # A prompt changes no weight: baselines forget nothing, except the one that puts a prompt on top of the winner.
    base = [b for b in board.baselines if "gain" in b.select and b.name != "tuned_bm25"]
    bars = {t.trial_id: (_bound(board, t, "forgetting"), _bound(board, t, "gain")) for t in trials}
    lost = [0.0, *(v for t in trials for v in _ends(t.select["forgetting"], bars[t.trial_id][0]))]
    won = [b.select["gain"] for b in base] + [v for t in trials for v in _ends(t.select["gain"], bars[t.trial_id][1])]
    drawing = Drawing(
        "Gain against forgetting, a mark for every fully trained trial",
        across("forgetting (less is better)", lost),
        upward("gain", won),
    )
    members = sorted((t for t in trials if t.trial_id in board.front.members), key=lambda t: t.select["forgetting"])
    drawing.line([(t.select["forgetting"], t.select["gain"]) for t in members], "front", steps=True)
    for baseline in base:
        told = f"{BASELINE_TITLES.get(baseline.name, baseline.name)}: gain {baseline.select['gain']:.2f}"
        drawing.point(0.0, baseline.select["gain"], "base", told, mark="diamond")
    for trial in reversed(trials):  # the winner above all
        x, y = trial.select["forgetting"], trial.select["gain"]
        style = "winner" if trial.rank == 1 else "trial"
        across_bar, up_bar = (_ends(value, bar) for value, bar in zip((x, y), bars[trial.trial_id], strict=True))
        drawing.interval((across_bar[0], across_bar[1]), (y, y), style)
        drawing.interval((x, x), (up_bar[0], up_bar[1]), style)
        figures = (
            f"gain {y:.2f} {bounds(bars[trial.trial_id][1])}, forgetting {x:.2f} {bounds(bars[trial.trial_id][0])}"
        )
        drawing.point(
            x, y, style, f"{trial.trial_id}: {figures}; {sample_text(trial)}", size=6 if trial.rank == 1 else 4.5
        )
        if trial.rank == 1 or trial.trial_id in board.front.members:
            drawing.label(x, y, short_name(trial), style)
    legend = (
        ("winner", "winner"),
        ("trial", "other trials"),
        ("base", "baselines, which forget nothing"),
        ("front", "front"),
    )
    return Figure("front", "Learning against forgetting", drawing.markup(), legend)


def levels_figure(board: Leaderboard, winner: TrialRecord) -> Figure | None:
    """Every level of the winner and the baselines, held-out where the winner was reported."""
    split: Split = "report" if winner.report else "select"
    rows = [(b.name, BASELINE_TITLES.get(b.name, b.name), getattr(b, split)) for b in board.baselines]
    rows = [row for row in rows if row[0] in {"base", "facts_needed", "bm25", "tuned_bm25"}][:MOST_BASELINES]
    values = getattr(winner, split)
    known = [metric for metric in LEVEL_METRICS if metric in values]
    if not known:
        return None
    titles = [METRICS[metric].title for metric in known]
    axis = Scale("share right", -0.03, 1.03, LEVEL_LEFT, WIDTH - 14)
    drawing = Drawing(f"Shares right by level, {split} split", axis, upward("", [], names=titles), left=LEVEL_LEFT)
    found = board.evidence[split].intervals.get(winner.trial_id, {}) if split in board.evidence else {}
    for place, (metric, title) in enumerate(zip(known, titles, strict=True)):
        for n, (_, name, figures) in enumerate(rows):
            if metric in figures:
                drawing.point(
                    figures[metric],
                    place,
                    f"base{n}",
                    f"{name}, {title}: {figures[metric]:.2f}",
                    mark="diamond",
                    size=4.5,
                )
        low, high = _ends(values[metric], found.get(metric))
        drawing.interval((low, high), (place, place), "winner")
        drawing.point(
            values[metric], place, "winner", f"winner, {title}: {values[metric]:.2f} {bounds(found.get(metric))}"
        )
    legend = (("winner", "winner"), *((f"base{n}", row[1]) for n, row in enumerate(rows)))
    return Figure(
        "levels",
        f"What it answers, {'held-out' if split == 'report' else 'select'} questions",
        drawing.markup(),
        legend,
    )


def curves_figure(board: Leaderboard, curves: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure | None:
    """What early stopping compared of every trial, after every epoch; stopped trials end in a cross."""
    lines = {
        t.trial_id: [
            (float(r["epoch"]), float(r["rung_score"]))
            for r in curves.get(t.trial_id, ())
            if r.get("rung_score") is not None
        ]
        for t in board.trials
    }
    points = [point for line in lines.values() for point in line]
    if not points:
        return None
    drawing = Drawing(
        "Graded score after every epoch, a line for every trial",
        across("epoch", [x for x, _ in points]),
        upward("graded score at rungs", [y for _, y in points]),
    )
    _draw_by_trial(drawing, board.trials, lines)
    legend = (("winner", "winner"), ("trial", "trained to the end"), ("unranked", "ended early (cross)"))
    return Figure("curves", "Graded scores over epochs", drawing.markup(), legend)


def generated_figure(board: Leaderboard) -> Figure | None:
    """Gain of generated answers where it was measured: after a trial's last epoch, and in a race with every seed."""
    trials = [t for t in board.trials if t.rank is not None and "gain" in t.select]
    if not trials:
        return None
    bars = {t.trial_id: _bound(board, t, "gain") for t in trials}
    heights = [v for t in trials for v in _ends(t.select["gain"], bars[t.trial_id])]
    heights += [run.select["gain"] for t in trials for run in t.runs if "gain" in run.select]
    drawing = Drawing(
        "Gain of generated answers after the last epoch",
        across("epochs trained", [t.epoch for t in trials]),
        upward("gain, generated answers", heights),
    )
    for trial in reversed(trials):
        style = "winner" if trial.rank == 1 else "trial"
        value, bar = trial.select["gain"], bars[trial.trial_id]
        low, high = _ends(value, bar)
        drawing.interval((trial.epoch, trial.epoch), (low, high), style)
        for run in trial.runs:
            if "gain" in run.select:
                told = f"{trial.trial_id}, seed {run.seed}: {run.select['gain']:.2f}"
                drawing.point(trial.epoch, run.select["gain"], f"{style} seed", told, size=2.5)
        drawing.point(trial.epoch, value, style, f"{trial.trial_id}: {value:.2f} {bounds(bar)}")
    legend = (("winner", "winner"), ("trial", "other trials"))
    note = (
        "Answers are generated when a trial is done. A trial that was stopped has none. Small marks are single seeds."
    )
    return Figure("generated", "Generated answers", drawing.markup(), legend, note)


def slice_figure(effect: Effect, outcome: Outcome) -> Figure:
    """A setting against the outcome, a mark for every trial, with the fitted line where the effect can be told."""
    xs = [x for x, _ in effect.points]
    axis = across(effect.setting, xs, log=effect.log, names=effect.names)
    drawing = Drawing(
        f"{outcome.title} by {effect.setting}", axis, upward(outcome.title, [y for _, y in effect.points])
    )
    if effect.told and not effect.names:
        drawing.line(effect.curve, "fit")
    for (x, y), trial in zip(effect.points, effect.trials, strict=True):
        value = effect.names[int(x)] if effect.names else f"{x:.3g}"
        drawing.point(x, y, "trial", f"{trial}: {effect.setting}={value}, {y:.2f}", size=3.5)
    if effect.told and effect.names:
        for x, y in effect.curve:
            drawing.interval((x - 0.3, x + 0.3), (y, y), "fit")
    return Figure(f"slice-{effect.setting}", effect.setting, drawing.markup(), note=effect_text(effect))


def effect_text(effect: Effect) -> str:
    """What can be said of a setting, with how sure that is."""
    if effect.share is None or effect.p is None:
        return f"cannot be told: {len(effect.points)} trials are too few"
    p = p_text(effect.p)
    if not effect.told:
        return f"cannot be told ({p} after correction for all settings)"
    best = f"best {'is' if effect.names else 'near'} {effect.best}"
    return f"goes with {effect.share:.0%} of the differences {bounds(effect.interval)}, {p}; {best}"


def short_name(trial: TrialRecord) -> str:
    """`t012`: a trial's number, or the beginning of another name."""
    return trial.trial_id.split("-")[0][:8]


def _draw_by_trial(
    drawing: Drawing, trials: Sequence[TrialRecord], lines: Mapping[str, Sequence[tuple[float, float]]]
) -> None:
    for trial in reversed(trials):
        line = lines[trial.trial_id]
        if not line:
            continue
        style = "winner" if trial.rank == 1 else "trial" if trial.rank else "unranked"
        told = f"{trial.trial_id} ({trial.status}): {line[-1][1]:.2f} after epoch {line[-1][0]:.0f}"
        drawing.line(line, style, told=told)
        mark = "dot" if trial.rank else "cross"
        drawing.point(*line[-1], style, told, mark=mark, size=3.5)
        if trial.rank == 1:
            drawing.label(*line[-1], short_name(trial), style)


def _bound(board: Leaderboard, trial: TrialRecord, metric: str) -> Interval | None:
    return (
        board.evidence["select"].intervals.get(trial.trial_id, {}).get(metric) if "select" in board.evidence else None
    )


def _ends(value: float, bound: Interval | None) -> tuple[float, float]:
    return (bound.low, bound.high) if bound else (value, value)
