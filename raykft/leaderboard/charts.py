"""The page's figures: the front, levels, curves over epochs, and one slice for every searched setting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from raykft.evaluation.free import BY_LEVEL
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.effects import Effect, Outcome
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.render import LEVELS, sample_text
from raykft.leaderboard.statistics import Interval
from raykft.leaderboard.svg import WIDTH, Drawing, Scale, across, upward
from raykft.leaderboard.verdicts import bounds, p_text
from raykft.records import Split
from raykft.wording import charts as words
from raykft.wording.messages import called
from raykft.wording.names import BASELINES, SPLITS, STATUSES

LEVEL_METRICS = (*LEVELS, "premise", "hint", *BY_LEVEL.values())
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
        words.FRONT_TOLD(),
        across(words.FRONT_ACROSS(), lost),
        upward(words.GAIN(), won),
    )
    members = sorted((t for t in trials if t.trial_id in board.front.members), key=lambda t: t.select["forgetting"])
    drawing.line([(t.select["forgetting"], t.select["gain"]) for t in members], "front", steps=True)
    for baseline in base:
        told = words.BASELINE_POINT(baseline=called(BASELINES, baseline.name), gain=baseline.select["gain"])
        drawing.point(0.0, baseline.select["gain"], "base", told, mark="diamond")
    for trial in reversed(trials):  # the winner above all
        x, y = trial.select["forgetting"], trial.select["gain"]
        style = "winner" if trial.rank == 1 else "trial"
        across_bar, up_bar = (_ends(value, bar) for value, bar in zip((x, y), bars[trial.trial_id], strict=True))
        drawing.interval((across_bar[0], across_bar[1]), (y, y), style)
        drawing.interval((x, x), (up_bar[0], up_bar[1]), style)
        lost_bounds, gain_bounds = map(bounds, bars[trial.trial_id])
        figures = {"gain": y, "gain_bounds": gain_bounds, "lost": x, "lost_bounds": lost_bounds}
        told = words.FRONT_POINT(trial=trial.trial_id, sample=sample_text(trial), **figures)
        drawing.point(x, y, style, told, size=6 if trial.rank == 1 else 4.5)
        if trial.rank == 1 or trial.trial_id in board.front.members:
            drawing.label(x, y, short_name(trial), style)
    legend = (
        ("winner", words.WINNER()),
        ("trial", words.OTHERS()),
        ("base", words.BASELINES()),
        ("front", words.FRONT_LINE()),
    )
    return Figure("front", words.FRONT_TITLE(), drawing.markup(), legend)


def levels_figure(board: Leaderboard, winner: TrialRecord) -> Figure | None:
    """Every level of the winner and the baselines, held-out where the winner was reported."""
    split: Split = "report" if winner.report else "select"
    rows = [(b.name, called(BASELINES, b.name), getattr(b, split)) for b in board.baselines]
    rows = [row for row in rows if row[0] in {"base", "facts_needed", "bm25", "tuned_bm25"}][:MOST_BASELINES]
    values = getattr(winner, split)
    known = [metric for metric in LEVEL_METRICS if metric in values]
    if not known:
        return None
    titles = [METRICS[metric].heading for metric in known]
    axis = Scale(words.SHARE_RIGHT(), -0.03, 1.03, LEVEL_LEFT, WIDTH - 14)
    told = words.LEVELS_TOLD(split=SPLITS[split]())
    drawing = Drawing(told, axis, upward("", [], names=titles), left=LEVEL_LEFT)
    found = board.evidence[split].intervals.get(winner.trial_id, {}) if split in board.evidence else {}
    for place, (metric, title) in enumerate(zip(known, titles, strict=True)):
        for n, (_, name, figures) in enumerate(rows):
            if metric in figures:
                told = words.LEVEL_POINT(name=name, level=title, value=figures[metric])
                drawing.point(figures[metric], place, f"base{n}", told, mark="diamond", size=4.5)
        low, high = _ends(values[metric], found.get(metric))
        drawing.interval((low, high), (place, place), "winner")
        told = words.LEVEL_POINT_BOUNDS(
            name=words.WINNER(), level=title, value=values[metric], bounds=bounds(found.get(metric))
        )
        drawing.point(values[metric], place, "winner", told)
    legend = (("winner", words.WINNER()), *((f"base{n}", row[1]) for n, row in enumerate(rows)))
    figure_title = words.LEVELS_REPORT if split == "report" else words.LEVELS_SELECT
    return Figure("levels", figure_title(), drawing.markup(), legend)


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
        words.CURVES_TOLD(),
        across(words.EPOCH(), [x for x, _ in points]),
        upward(words.RUNG_SCORE(), [y for _, y in points]),
    )
    _draw_by_trial(drawing, board.trials, lines)
    legend = (("winner", words.WINNER()), ("trial", words.TO_THE_END()), ("unranked", words.ENDED_EARLY()))
    return Figure("curves", words.CURVES_TITLE(), drawing.markup(), legend)


def generated_figure(board: Leaderboard) -> Figure | None:
    """Gain of generated answers where it was measured: after a trial's last epoch, and in a race with every seed."""
    trials = [t for t in board.trials if t.rank is not None and "gain" in t.select]
    if not trials:
        return None
    bars = {t.trial_id: _bound(board, t, "gain") for t in trials}
    heights = [v for t in trials for v in _ends(t.select["gain"], bars[t.trial_id])]
    heights += [run.select["gain"] for t in trials for run in t.runs if "gain" in run.select]
    drawing = Drawing(
        words.GENERATED_TOLD(),
        across(words.EPOCHS_TRAINED(), [t.epoch for t in trials]),
        upward(words.GENERATED_UP(), heights),
    )
    for trial in reversed(trials):
        style = "winner" if trial.rank == 1 else "trial"
        value, bar = trial.select["gain"], bars[trial.trial_id]
        low, high = _ends(value, bar)
        drawing.interval((trial.epoch, trial.epoch), (low, high), style)
        for run in trial.runs:
            if "gain" in run.select:
                told = words.SEED_POINT(trial=trial.trial_id, seed=run.seed, value=run.select["gain"])
                drawing.point(trial.epoch, run.select["gain"], f"{style} seed", told, size=2.5)
        drawing.point(trial.epoch, value, style, f"{trial.trial_id}: {value:.2f} {bounds(bar)}")
    legend = (("winner", words.WINNER()), ("trial", words.OTHERS()))
    return Figure("generated", words.GENERATED_TITLE(), drawing.markup(), legend, words.GENERATED_NOTE())


def slice_figure(effect: Effect, outcome: Outcome) -> Figure:
    """A setting against the outcome, a mark for every trial, with the fitted line where the effect can be told."""
    xs = [x for x, _ in effect.points]
    axis = across(effect.setting, xs, log=effect.log, names=effect.names)
    told = words.SLICE_TOLD(outcome=outcome.title, setting=effect.setting)
    drawing = Drawing(told, axis, upward(outcome.title, [y for _, y in effect.points]))
    if effect.told and not effect.names:
        drawing.line(effect.curve, "fit")
    for (x, y), trial in zip(effect.points, effect.trials, strict=True):
        value = effect.names[int(x)] if effect.names else f"{x:.3g}"
        told = words.SLICE_POINT(trial=trial, setting=effect.setting, value=value, outcome=y)
        drawing.point(x, y, "trial", told, size=3.5)
    if effect.told and effect.names:
        for x, y in effect.curve:
            drawing.interval((x - 0.3, x + 0.3), (y, y), "fit")
    return Figure(f"slice-{effect.setting}", effect.setting, drawing.markup(), note=effect_text(effect))


def effect_text(effect: Effect) -> str:
    """What can be said of a setting, with how sure that is."""
    if effect.share is None or effect.p is None:
        return words.FEW_TRIALS(n=len(effect.points))
    p = p_text(effect.p)
    if not effect.told:
        return words.NO_EFFECT(p=p)
    told = words.EFFECT_BEST_IS if effect.names else words.EFFECT_BEST_NEAR
    return told(share=effect.share, bounds=bounds(effect.interval), p=p, best=effect.best)


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
        epoch, value = line[-1]
        told = words.CURVE_POINT(trial=trial.trial_id, status=STATUSES[trial.status](), value=value, epoch=epoch)
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
