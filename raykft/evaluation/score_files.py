"""`raykft score`: a file of probes and a file of answers to one JSON-ready result, without any model."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from raykft.data.domain import probe_errors
from raykft.data.read import raise_problems, read_records
from raykft.errors import DataError
from raykft.evaluation.claims import FactSheet
from raykft.evaluation.levels import accuracy, summarize
from raykft.evaluation.scoring import compile_probe, score_answer
from raykft.records import Answer, Fact, Probe, ProbeResult
from raykft.untrusted.messages import shown

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
# A probe that no answer was given to is scored as if the model had said nothing.
_NO_ANSWER = Answer("", "")


def score_files(probes: str | Path, answers: str | Path, facts: str | Path | None = None) -> dict[str, Any]:
    """`score_answers` on JSONL files; with `facts`, also against what they state.

    Raises DataError with file, line, field and rule.
    """
    asked, given = read_records(Path(probes), Probe), read_records(Path(answers), Answer, key="probe_id")
    sheet = FactSheet(read_records(Path(facts), Fact)) if facts is not None else None
    try:
        return score_answers(asked, given, sheet)
    except DataError as error:
        raise DataError(f"{answers} for {probes}: {error}") from error


def score_answers(probes: Iterable[Probe], answers: Iterable[Answer], sheet: FactSheet | None = None) -> dict[str, Any]:
    """Score all answers: `{"probes": [row, …], "levels": {"1": …}, "overall": …}`, rows in probe order.

    `overall` also holds the premise and hint results; `general`, the accuracy over level-0 probes or None; `missing`,
    the number of probes without an answer, which count as empty answers; and, where the probes are in more than one
    language, `languages`, the same figures for each. With a `sheet`, a row lists its `unsupported` claims.
    Raises DataError for probes that cannot be scored, a repeated probe id, and an answer to an unknown or already
    answered probe.
    """
    by_id: dict[str, Probe] = {}
    for probe in probes:
        if probe.id in by_id:
            raise DataError(f"probe id {shown(probe.id)} occurs twice; every id must be unique")
        by_id[probe.id] = probe
    answers = tuple(answers)
    given = {answer.probe_id: answer for answer in answers}
    results, problems = [], []
    for id, probe in by_id.items():
        # Checked and scored together: a probe is compiled once, however many there are.
        found = _problems(probe)
        problems += [f"probe {shown(id)}: {problem}" for problem in found]
        if not problems:
            answer = given.get(id, _NO_ANSWER)
            results.append(score_answer(probe, answer.answer, answer.stopped, sheet))
    raise_problems(problems)
    _check_answers(answers, by_id)
    asked = list(by_id.values())
    levels, overall = _summary(asked, results)
    overall["missing"] = len(by_id) - len(given)
    languages = list(dict.fromkeys(probe.lang for probe in asked))
    if len(languages) > 1:
        overall["languages"] = {lang: _of_language(lang, asked, results) for lang in languages}
    return {"probes": [_row(result) for result in results], "levels": levels, "overall": overall}


def _check_answers(answers: Iterable[Answer], by_id: Mapping[str, Probe]) -> None:
    seen: set[str] = set()
    for answer in answers:
        if answer.probe_id not in by_id:
            raise DataError(f"an answer names {shown(answer.probe_id)}, which is none of the probes; check its id")
        if answer.probe_id in seen:
            raise DataError(f"probe {shown(answer.probe_id)} is answered twice; keep one answer per probe")
        seen.add(answer.probe_id)


def _problems(probe: Probe) -> list[str]:
    """Why a probe cannot be scored."""
    problems = probe_errors(probe)
    if not problems:
        try:
            compile_probe(probe)
        except DataError as error:
            problems.append(str(error))
    return problems


def _summary(probes: Sequence[Probe], results: Sequence[ProbeResult]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Levels, and everything else."""
    summary = summarize(probes, results)
    general = [probe for probe in probes if probe.level == 0]
    return summary["levels"], summary["overall"] | {
        "premise": summary["premise"],
        "hint": summary["hint"],
        "general": accuracy(general, [row for row in results if row.level == 0]) if general else None,
    }


def _of_language(lang: str, probes: Sequence[Probe], results: Sequence[ProbeResult]) -> dict[str, Any]:
    pairs = [(probe, result) for probe, result in zip(probes, results, strict=True) if probe.lang == lang]
    levels, overall = _summary([probe for probe, _ in pairs], [result for _, result in pairs])
    return overall | {"levels": levels}


def _row(result: ProbeResult) -> dict[str, Any]:
    row = {name: getattr(result, name) for name in _ROW_FIELDS}
    row["wrong_claims"] = list(result.wrong_claims)
    if result.unsupported is not None:
        row["unsupported"] = list(result.unsupported)
    return row


def scores_text(scores: Mapping[str, Any]) -> str:
    """What `score_files` found, as lines for a terminal."""
    lines = ["level  n    score  correct  clean"]
    for level, entry in scores["levels"].items():
        if entry["n"]:
            figures = "  ".join(f"{entry[key]:7.3f}" for key in ("score", "correct", "clean"))
            lines.append(f"{level:5}  {entry['n']:3}  {figures}")
    for name, value in scores["overall"].items():
        if value is not None:
            lines.append(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {json.dumps(value)}")
    return "\n".join(lines)
