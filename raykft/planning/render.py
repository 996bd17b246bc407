"""A plan for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.leaderboard.lines import paragraph
from raykft.planning.budget import Spread
from raykft.planning.plan import Plan, Work
from raykft.wording import planning as words
from raykft.wording.names import LIST


def render_plan(plan: Plan) -> RenderableType:
    """The plan as a terminal table, its assumptions below."""
    facts = Table.grid(padding=(0, 2))
    for title, text in _lines(plan):
        facts.add_row(Text(title), paragraph(text))
    parts: list[RenderableType] = [Text(plan.experiment, style="bold"), facts]
    if plan.too_large:
        parts += ["", paragraph(words.TOO_LARGE(n=len(plan.too_large), corners=plan.corners)), _misfits(plan)]
        parts.append(paragraph(_remedy(plan)))
    notes = Table.grid(padding=(0, 1))
    for sentence in plan.assumptions:
        notes.add_row("-", paragraph(sentence))
    return Group(*parts, "", Text(words.ASSUMED()), notes)


def _lines(plan: Plan) -> list[tuple[str, str]]:
    memory, parts = plan.largest.memory, words.PARTS
    sizes = [
        parts["base"](size=_gib(memory.weights)),
        parts["slots"](n=plan.slots_per_host, size=_gib(memory.slots)),
        parts["activations"](size=_gib(memory.activations)),
        parts["kv_cache"](size=_gib(memory.kv_cache)),
        parts["runtime"](size=_gib(memory.runtime)),
        *([parts["evaluation"](size=_gib(memory.evaluation))] if memory.evaluation else []),
    ]
    limits = {"total": _gib(memory.total), "limit": _gib(plan.memory_limit), "parts": LIST().join(sizes)}
    raced = words.RACED(n=plan.race_runs) if plan.race_runs else ""
    hosts = {
        "many": words.MANY(n=plan.devices_per_host) if plan.devices_per_host > 1 else "",
        "apart": words.APART(n=plan.evaluation_hosts) if plan.evaluation_hosts else "",
    }
    text = words.TEXT_IS(tokens=plan.text_tokens, pieces=plan.text_pieces)
    return [
        (words.BASE_MODEL(), words.MODEL_IS(model=plan.base_model, parameters=plan.parameters)),
        (words.ROWS(), words.ROWS_ARE(rows=plan.rows, distractors=plan.distractors)),
        *([(words.TEXT(), text)] if plan.text_pieces else []),
        (words.TRIALS(), words.TRIALS_ARE(trials=plan.trials, raced=raced, mixtures=plan.mixtures)),
        (words.EPOCH_TOKENS(), _spread(plan.tokens_per_epoch)),
        (words.TRIAL_TOKENS(), _spread(plan.tokens_per_trial)),
        (words.HOSTS(), words.HOSTS_ARE(hosts=plan.hosts, device=plan.device, slots=plan.slots_per_host, **hosts)),
        (words.MEMORY(), words.MEMORY_IS(**limits)),
        (words.SPEED(), words.SPEED_IS(rate=plan.tokens_per_second)),
        (words.EXPECTED(), _work(plan.expected)),
        (words.WITHOUT_STOPPING(), _work(plan.without_stopping)),
    ]


def _spread(spread: Spread) -> str:
    return words.SPREAD(low=spread.minimum, high=spread.maximum, median=spread.median)


def _work(work: Work) -> str:
    return words.WORK(
        tokens=work.trained_tokens,
        questions=work.asked_questions,
        hours=_hours(work.hours),
        train=_hours(work.train_hours),
        evaluate=_hours(work.evaluate_hours),
        cost="" if work.cost is None else words.COST(cost=work.cost),
    )


def _misfits(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    settings = list(plan.too_large[0].settings)
    for title in (*settings, words.NEEDS(), words.SLOTS_THAT_FIT()):
        table.add_column(title, justify="left" if title in settings else "right")
    for corner in plan.too_large:
        values = [str(value) for value in corner.settings.values()]
        table.add_row(*values, _gib(corner.memory.total), str(corner.slots_that_fit))
    return table


def _remedy(plan: Plan) -> str:
    slots = min(corner.slots_that_fit for corner in plan.too_large)
    if slots:
        return words.FEWER_SLOTS(slots=slots)
    fewer = words.FEWER_HOSTS() if plan.device.startswith("CPU") and plan.hosts > 1 else ""
    return words.LARGER_DEVICE(fewer=fewer)


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _hours(hours: float) -> str:
    return words.HOURS(hours=hours) if hours >= 1 else words.MINUTES(minutes=60 * hours)
