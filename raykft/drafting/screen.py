"""Drafts that the checks of `raykft data check` refuse are dropped, until nothing is left to refuse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from raykft.data.contamination import Overlap
from raykft.data.domain import Domain, probe_errors
from raykft.data.lint import Report, check_domain
from raykft.drafting.made import Drafted, Rejected, dropped, teaches_again
from raykft.evaluation.scoring import score_answer
from raykft.records import Passage, Probe, TrainRow

_ROUNDS = 6  # each drops at least one draft; a twin that falls may free nothing, so few are needed


def screened(
    made: Drafted, distractors: Sequence[TrainRow], general: Sequence[Probe], passages: Sequence[Passage]
) -> tuple[Drafted, Domain]:
    """What passes every check, with what did not among the rejected; and the whole domain that is left.

    Of rows that teach a fact again, those are dropped that give a probe away: probes are rarer. Distractors and general
    questions that a probe repeats, or that the training rows ask, are dropped in their turn.
    """
    broken = {d.probe.id: "; ".join(errors) for d in made.drafts if (errors := probe_errors(d.probe))}
    reject(made, broken)
    for _ in range(_ROUNDS + sum(map(teaches_again, made.train))):
        domain = Domain(
            facts=tuple(made.facts),
            train=tuple(made.train),
            distractors=tuple(distractors),
            probes=tuple(draft.probe for draft in made.drafts),
            general=tuple(general),
            passages=tuple(passages),
        )
        report = check_domain(domain, score_answer)
        reasons = _reasons(report)
        if not reasons:
            break
        if _dropped_rows(made, report):
            continue
        ours = {draft.probe.id for draft in made.drafts}
        reject(made, {item: why for item, why in reasons.items() if item in ours})
        general = [probe for probe in general if probe.id not in reasons]
        gone = {o.other for o in report.overlaps if o.kind == "distractor" and o.item in ours}
        distractors = [row for row in distractors if row.id not in gone]
    made.train = _renumbered(made.train)
    return made, replace(domain, train=tuple(made.train))


def _renumbered(rows: Sequence[TrainRow]) -> list[TrainRow]:
    """The same with the wordings of every fact numbered without a gap: fewer of them are then nested in more."""
    last: dict[tuple[str, ...], int] = {}
    found = []
    for row in rows:
        if row.phrasing > 1:
            last[row.fact_ids] = last.get(row.fact_ids, 1) + 1
            row = replace(row, phrasing=last[row.fact_ids])
        found.append(row)
    return found


def _dropped_rows(made: Drafted, report: Report) -> bool:
    """Whether there were rows that teach a fact again and give a probe away; they are left out now."""
    again = {row.id for row in made.train if teaches_again(row)}
    leaks = {o.other: o for o in report.overlaps if o.kind == "train" and o.other in again}
    for row in made.train:
        if row.id in leaks:
            what = f"training row {row.id}: {row.question}"
            made.rejected.append(Rejected("drafted rows", what, f"it gives probe {leaks[row.id].item!r} away"))
    made.train = [row for row in made.train if row.id not in leaks]
    return bool(leaks)


def _reasons(report: Report) -> dict[str, str]:
    """By probe: the first error that names it."""
    reasons: dict[str, str] = {}
    for finding in report.findings:
        if finding.severity == "error" and finding.rule != "contamination":
            reasons.setdefault(finding.item, finding.rule)
    for overlap in report.overlaps:
        reasons.setdefault(overlap.item, _contaminated(overlap))
    return reasons


def _contaminated(overlap: Overlap) -> str:
    return f"contamination: {overlap.message.partition(' repeats ')[2] or overlap.rule}"


def reject(made: Drafted, reasons: Mapping[str, str]) -> None:
    """Move the probes that have a reason, with their twins, to what was left out."""
    place = {draft.probe.id: draft for draft in made.drafts}
    kept = dropped(made.drafts, reasons)
    left = {draft.probe.id for draft in kept}
    for item, draft in place.items():
        if item not in left:
            why = reasons.get(item, "its twin was dropped")
            made.rejected.append(Rejected(draft.place, f"probe {item} ({draft.rule}): {draft.probe.question}", why))
    made.drafts = kept
