"""`raykft score`: a file of probes and a file of answers to one JSON-ready result, without any model."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from raykft.data.read import read_records
from raykft.errors import DataError
from raykft.evaluate.levels import accuracy, summarize
from raykft.evaluate.scoring import score_answer
from raykft.records import Answer, Probe, ProbeResult

_ROW_FIELDS = (
    "id",
    "level",
    "kind",
    "outcome",
    "correct",
    "clean",
    "score",
    "wrong_claims",
    "overgeneration",
    "repetition",
    "echo",
)
_MISSING_SHOWN = 3


def score_files(probes: str | Path, answers: str | Path) -> dict[str, Any]:
    """`score_answers` on two JSONL files. Raises DataError with file, line, field and rule."""
    return score_answers(read_records(Path(probes), Probe), read_records(Path(answers), Answer, key="probe_id"))


def score_answers(probes: Iterable[Probe], answers: Iterable[Answer]) -> dict[str, Any]:
    """Score all answers: `{"probes": [row, …], "levels": {"1": …}, "overall": …}`, rows in probe order.

    `overall` also holds the premise and hint results and `general`, the accuracy over level-0 probes or None.
    Raises DataError for a repeated probe id, an answer to an unknown or already answered probe, and a probe
    without an answer.
    """
    by_id: dict[str, Probe] = {}
    for probe in probes:
        if probe.id in by_id:
            raise DataError(f"probe id {probe.id!r} occurs twice; every id must be unique")
        by_id[probe.id] = probe
    given: dict[str, Answer] = {}
    for answer in answers:
        if answer.probe_id not in by_id:
            raise DataError(f"an answer names {answer.probe_id!r}, which is none of the probes; check its id")
        if answer.probe_id in given:
            raise DataError(f"probe {answer.probe_id!r} is answered twice; keep one answer per probe")
        given[answer.probe_id] = answer
    if missing := [id for id in by_id if id not in given]:
        shown = ", ".join(map(repr, missing[:_MISSING_SHOWN]))
        raise DataError(
            f"{len(missing)} of {len(by_id)} probes have no answer, such as {shown}; "
            "answer every probe, with an empty string where the model said nothing"
        )

    results = [score_answer(probe, given[id].answer, given[id].stopped) for id, probe in by_id.items()]
    summary = summarize(by_id.values(), results)
    general = [probe for probe in by_id.values() if probe.level == 0]
    return {
        "probes": [_row(result) for result in results],
        "levels": summary["levels"],
        "overall": summary["overall"]
        | {
            "premise": summary["premise"],
            "hint": summary["hint"],
            "general": accuracy(general, [row for row in results if row.level == 0]) if general else None,
        },
    }


def _row(result: ProbeResult) -> dict[str, Any]:
    row = {name: getattr(result, name) for name in _ROW_FIELDS}
    row["wrong_claims"] = list(result.wrong_claims)
    return row
