"""A plan for people."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from raykft.planning.plan import Plan, Work


def render_plan(plan: Plan) -> RenderableType:
    """The plan as a terminal table, its assumptions below."""
    facts = Table.grid(padding=(0, 2))
    for title, text in _lines(plan):
        facts.add_row(Text(title), Text(text))
    parts: list[RenderableType] = [Text(plan.experiment, style="bold"), facts]
    if plan.too_large:
        parts += ["", Text(f"{len(plan.too_large)} of {plan.corners} corners of the space do not fit:"), _misfits(plan)]
        parts.append(Text(_remedy(plan)))
    notes = Table.grid(padding=(0, 1))
    for sentence in plan.assumptions:
        notes.add_row("-", Text(sentence))
    return Group(*parts, "", Text("assumed"), notes)


def _lines(plan: Plan) -> list[tuple[str, str]]:
    memory, trial, epoch = plan.largest.memory, plan.tokens_per_trial, plan.tokens_per_epoch
    sizes = {
        "base": memory.weights,
        f"{plan.slots_per_host} slot(s)": memory.slots,
        "activations": memory.activations,
        "or key-value cache": memory.kv_cache,
        "runtime": memory.runtime,
    }
    if memory.evaluation:
        sizes["evaluation host"] = memory.evaluation
    parts = ", ".join(f"{name} {_gib(size)}" for name, size in sizes.items())
    apart = f", and {plan.evaluation_hosts} that only evaluate" if plan.evaluation_hosts else ""
    raced = f", then up to {plan.race_runs} run(s) of the best with other seeds" if plan.race_runs else ""
    many = f"{plan.devices_per_host} x " if plan.devices_per_host > 1 else ""
    return [
        ("base model", f"{plan.base_model}, {plan.parameters:,} parameters"),
        ("rows", f"{plan.rows} of the domain, {plan.distractors} distractors to mix in"),
        *([("text", f"{plan.text_tokens:,} tokens in {plan.text_pieces} piece(s)")] if plan.text_pieces else []),
        ("trials", f"{plan.trials}{raced}, on {plan.mixtures} different mixture(s) of rows"),
        ("tokens an epoch", f"{epoch.minimum:,.0f} to {epoch.maximum:,.0f}, median {epoch.median:,.0f}"),
        ("tokens a trial", f"{trial.minimum:,.0f} to {trial.maximum:,.0f}, median {trial.median:,.0f}"),
        ("hosts", f"{plan.hosts} x {many}{plan.device}, {plan.slots_per_host} slot(s) each{apart}"),
        ("memory a host", f"up to {_gib(memory.total)} of {_gib(plan.memory_limit)}: {parts}"),
        ("speed of a device", f"{plan.tokens_per_second:,.0f} trained tokens/s"),
        ("expected", _work(plan.expected)),
        ("without stopping", _work(plan.without_stopping)),
    ]


def _work(work: Work) -> str:
    cost = "" if work.cost is None else f", cost {work.cost:,.2f}"
    return (
        f"{work.trained_tokens:,} trained tokens and {work.asked_questions:,} questions: {_hours(work.hours)} "
        f"({_hours(work.train_hours)} training, {_hours(work.evaluate_hours)} questions){cost}"
    )


def _misfits(plan: Plan) -> Table:
    table = Table(box=None, pad_edge=False)
    settings = list(plan.too_large[0].settings)
    for title in (*settings, "needs", "slots that fit"):
        table.add_column(title, justify="left" if title in settings else "right")
    for corner in plan.too_large:
        values = [str(value) for value in corner.settings.values()]
        table.add_row(*values, _gib(corner.memory.total), str(corner.slots_that_fit))
    return table


def _remedy(plan: Plan) -> str:
    slots = min(corner.slots_that_fit for corner in plan.too_large)
    if slots:
        return f"next: --set resources.slots_per_host={slots}, or take these values out of search.space"
    fewer = ", fewer resources.hosts" if plan.device.startswith("CPU") and plan.hosts > 1 else ""
    return f"next: a device with more memory{fewer}, a smaller base_model, or other values in search.space"


def _gib(size: int) -> str:
    return f"{size / 2**30:.2f} GiB"


def _hours(hours: float) -> str:
    return f"{hours:.1f} h" if hours >= 1 else f"{60 * hours:.1f} min"
