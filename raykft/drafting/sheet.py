"""The review sheet: one line a probe, to be kept, mended or struck out in any spreadsheet, and read back.

A person's line wins: what stands in `question`, `answer`, `key_facts` and `wrong` is what becomes the probe, and `keep`
says whether it stays.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from raykft.data.domain import probe_errors
from raykft.data.read import is_blank, raise_problems
from raykft.data.tables import Row, read_table
from raykft.drafting.made import Draft, Drafted, dropped
from raykft.errors import DataError
from raykft.records import KeyFact, Probe
from raykft.untrusted.escapes import csv_cell
from raykft.untrusted.messages import shown

COLUMNS = (
    "keep",
    "id",
    "level",
    "kind",
    "question",
    "answer",
    "key_facts",
    "wrong",
    "split",
    "source",
    "evidence",
    "rule",
    "alone",
    "told",
)
NEEDED = ("keep", "id", "question", "answer", "key_facts", "wrong")
YES, NO = ("yes", "y", "1", "true", "x", "はい", "○"), ("no", "n", "0", "false", "", "いいえ", "×")
AND, OR = " && ", " | "


def sheet(made: Drafted) -> str:
    """The CSV text of all drafts; `alone` and `told` say what the base model answers, where it has been asked."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for draft in made.drafts:
        probe = draft.probe
        # Of a free text only its very words are right, which nobody says by chance.
        verdict = made.verdicts.get(probe.id) if probe.kind != "free" else None
        answers = (None, None) if verdict is None else (verdict.alone, verdict.told)
        answered = ("" if right is None else YES[0] if right else NO[0] for right in answers)
        seen = " / ".join(dict.fromkeys(made.evidence.get(fact, "") for fact in probe.fact_ids))
        cells = ("yes", probe.id, str(probe.level), probe.kind, probe.question, probe.gold, keys_text(probe.key_facts),
                 OR.join(probe.contrast), probe.split, draft.place, seen, draft.rule, *answered)  # fmt: skip
        writer.writerow([csv_cell(cell) for cell in cells])
    return out.getvalue()


def keys_text(keys: Sequence[KeyFact]) -> str:
    """Key facts as one cell: spellings of one parted by `|`, several by `&&`."""
    return AND.join(OR.join(key.any) for key in keys)


def accepted(path: Path, probes: Sequence[Probe], encoding: str | None = None) -> tuple[list[Probe], int]:
    """The probes as the sheet has them, and how many it strikes out or changes.

    Args:
        encoding: of the file, where the spreadsheet did not save it as UTF-8.

    Raises:
        DataError: a line names an unknown probe, or a cell breaks its rule; all of them, with their lines.
    """
    rows = read_table(path, encoding)
    if not rows:
        raise DataError(f"{path} has no lines below its header; it would strike out every probe")
    missing = [name for name in NEEDED if name not in rows[0].value]
    if missing:
        raise DataError(f"{path} has no column {missing[0]!r}; it needs {', '.join(NEEDED)}")
    by_id = {probe.id: probe for probe in probes}
    problems: list[str] = []
    kept: dict[str, Probe] = {}
    struck: set[str] = set(by_id)
    for row in rows:
        try:
            probe = _read(row, by_id, kept)
        except DataError as error:
            problems.append(f"{path} {row.place}: {error}")
            continue
        if probe is not None:
            kept[probe.id] = probe
            struck.discard(probe.id)
    raise_problems(problems)
    left = dropped([Draft(kept.get(probe.id, probe), "", "") for probe in probes], struck)
    final = [draft.probe for draft in left]
    changed = sum(by_id[probe.id] != probe for probe in final) + len(probes) - len(final)
    return final, changed


def _read(row: Row, by_id: Mapping[str, Probe], kept: Mapping[str, Probe]) -> Probe | None:
    """The probe of one line, or None where it is struck out."""
    cells = {name: _plain(str(row.value.get(name) or "")) for name in COLUMNS}
    probe = by_id.get(cells["id"])
    if probe is None:
        raise DataError(f"id {shown(cells['id'])} is no probe of this draft; ids may not be changed or added")
    if probe.id in kept:
        raise DataError(f"id {shown(probe.id)} stands in an earlier line too; a probe has one line")
    keep = cells["keep"].strip().lower()
    if keep not in (*YES, *NO):
        raise DataError(f"keep is {shown(cells['keep'])}; write yes or no")
    if keep in NO:
        return None
    for name in ("question", "answer"):
        if is_blank(cells[name]):
            raise DataError(f"{name} is empty; write no under keep to strike a probe out")
    if (cells["question"], cells["answer"], cells["key_facts"], cells["wrong"]) == _written(probe):
        return probe
    changed = replace(
        probe,
        question=cells["question"],
        gold=cells["answer"],
        key_facts=_keys(cells["key_facts"], probe),
        contrast=tuple(part.strip() for part in cells["wrong"].split("|") if part.strip()),
    )
    # A value that was forbidden as wrong, and no longer is one, may be said.
    allowed = set(changed.contrast) | (set(probe.forbidden) - set(probe.contrast))
    changed = replace(changed, forbidden=tuple(text for text in probe.forbidden if text in allowed))
    if errors := probe_errors(changed):
        raise DataError("; ".join(errors))
    return changed


def _written(probe: Probe) -> tuple[str, str, str, str]:
    """A probe's cells as a reader gets them back."""
    cells = (probe.question, probe.gold, keys_text(probe.key_facts), OR.join(probe.contrast))
    question, answer, keys, wrong = (_plain(csv_cell(cell)) for cell in cells)
    return question, answer, keys, wrong


def _plain(cell: str) -> str:
    """A cell without the apostrophe that keeps a spreadsheet from reading it as a formula."""
    return cell[1:] if cell.startswith("'") and csv_cell(cell[1:]) == cell else cell


def _keys(text: str, probe: Probe) -> tuple[KeyFact, ...]:
    groups = [[part.strip() for part in group.split("|") if part.strip()] for group in text.split("&&")]
    groups = [group for group in groups if group]
    if probe.kind == "free":
        if groups:
            raise DataError("key_facts must be empty for kind free: its answer is measured as a whole")
        return ()
    if not groups:
        raise DataError("key_facts is empty; an answer is right by what stands there")
    old = probe.key_facts
    ids = [old[min(n, len(old) - 1)] for n in range(len(groups))]
    return tuple(replace(ids[n], any=tuple(group)) for n, group in enumerate(groups))
