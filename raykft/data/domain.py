"""One experiment's data, read once and checked across files."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import regex  # type: ignore[import-untyped]

from raykft.config import DataConfig, ExperimentConfig, RowSource
from raykft.data.mixture import distractor_count
from raykft.data.read import raise_problems, read_records
from raykft.data.sources import read_rows
from raykft.errors import DataError
from raykft.records import Fact, Passage, Probe, RowKind, TrainRow
from raykft.untrusted.messages import shown

T = TypeVar("T", Probe, Passage)

# Patterns come from users. A good one takes microseconds on so short a text, a bad one would take years.
_LINT_CHARS, _LINT_LETTERS, _LINT_TIMEOUT_S = 200, 16, 0.5


@dataclass(frozen=True)
class Domain:
    """Facts, what is trained, and what is asked; `notes` tell of what the files hold besides."""

    facts: tuple[Fact, ...]
    train: tuple[TrainRow, ...]
    distractors: tuple[TrainRow, ...]
    probes: tuple[Probe, ...]
    general: tuple[Probe, ...]
    passages: tuple[Passage, ...]
    notes: tuple[str, ...] = ()

    def counts(self) -> dict[str, int]:
        return {name: len(getattr(self, name)) for name in self.__dataclass_fields__ if name != "notes"}


def load_domain(config: ExperimentConfig) -> Domain:
    """Read all files of `config.data` and check them against each other and the search space.

    Raises:
        DataError: naming file, line or id, field and rule.
    """
    data = config.data
    notes: list[str] = []
    domain = Domain(
        facts=tuple(read_records(Path(data.facts), Fact)),
        train=_rows(data.train, "qa", notes),
        distractors=_rows(data.distractors, "distractor", notes) if data.distractors else (),
        probes=tuple(read_records(Path(data.probes), Probe)),
        general=_of_all(data.general, Probe),
        passages=_of_all(data.passages, Passage),
    )
    raise_problems([*_reference_problems(domain, data), *_probe_problems(domain, data)])
    _check_distractors(domain, config)
    return replace(domain, notes=tuple(notes))


def _of_all(files: Sequence[str], kind: type[T]) -> tuple[T, ...]:
    """The records of several files, whose ids must differ.

    Raises:
        DataError: as `read_records`, and for an id that two files have.
    """
    found: dict[str, tuple[str, T]] = {}
    for file in files:
        for record in read_records(Path(file), kind):
            if record.id in found:
                raise DataError(f"{file}: id {shown(record.id)} is that of a record of {found[record.id][0]} too")
            found[record.id] = file, record
    return tuple(record for _, record in found.values())


def _rows(source: RowSource, kind: RowKind, notes: list[str]) -> tuple[TrainRow, ...]:
    return tuple(read_rows(**source.model_dump(), kind=kind, notes=notes))


def _reference_problems(domain: Domain, data: DataConfig) -> list[str]:
    known = {fact.id for fact in domain.facts}
    problems = []
    for file, items in ((data.probes, domain.probes), (data.train.path or data.train.hub, domain.train)):
        for item in items:
            named = [*item.fact_ids, *(k.fact_id for k in getattr(item, "key_facts", ()) if k.fact_id)]
            problems += [
                f"{file}: {item.id!r} names fact {f!r}, which {data.facts} does not have"
                for f in dict.fromkeys(named)
                if f not in known
            ]
    return problems


def _probe_problems(domain: Domain, data: DataConfig) -> list[str]:
    problems = []
    general = ", ".join(data.general)
    for file, probes, of_domain in ((data.probes, domain.probes, True), (general, domain.general, False)):
        for probe in probes:
            where = f"{file}: probe {probe.id!r}"
            problems += [f"{where}: {error}" for error in probe_errors(probe)]
            if (probe.level == 0) is of_domain:
                problems.append(
                    f"{where} has level {probe.level}; level 0 belongs into `data.general`, 1-5 into `data.probes`"
                )
            if probe.kind == "premise" and probe.pair_id is None:
                problems.append(f"{where} is of kind premise and needs the `pair_id` of its twin")
    twins: dict[str, set[str | None]] = {}
    for probe in domain.probes:
        if probe.kind == "premise" and probe.pair_id:
            twins.setdefault(probe.pair_id, set()).add(probe.polarity)
    problems += [
        f"{data.probes}: premise pair {p!r} lacks its yes/no twin" for p, sides in twins.items() if len(sides) < 2
    ]
    splits = {"select", *(p.split for p in domain.probes)}
    for split in sorted(splits):
        if not any(p.split == split and p.level >= 2 for p in domain.probes):
            problems.append(
                f"{data.probes}: no probe of level 2 to 5 has split {split!r}, so knowledge could not be scored"
            )
    return problems


def probe_errors(probe: Probe) -> list[str]:
    """What keeps a probe by itself from being scored, wherever it comes from."""
    errors = []
    form_is_all = probe.kind == "instruct" and probe.pattern is not None
    if not (probe.key_facts or form_is_all) or any(not k.any or "" in k.any for k in probe.key_facts):
        errors.append(
            "needs at least one key fact, each with at least one non-empty alias; only kind instruct with a `pattern` "
            "needs none"
        )
    if probe.kind == "premise" and probe.polarity is None:
        errors.append("is of kind premise and needs its `polarity`, yes or no")
    return errors + _regex_errors(probe)


def _regex_errors(probe: Probe) -> list[str]:
    """What is wrong with `pattern` and `slot`: the syntax, the groups, or that a search may not come to an end."""
    errors = []
    for name in ("pattern", "slot"):
        source = getattr(probe, name)
        if not source:
            continue
        try:
            compiled = regex.compile(source)
        except (regex.error, RecursionError) as error:
            errors.append(f"{name} is not a valid regular expression: {error}")
            continue
        if name == "slot" and compiled.groups != 1:
            errors.append(f"slot must have exactly one group, it has {compiled.groups}")
        if not _finishes(compiled, probe.gold):
            errors.append(
                f"{name} takes more than {_LINT_TIMEOUT_S} s on a text of {_LINT_CHARS} characters; "
                "repeat nothing that repeats itself, such as (a+)+"
            )
    return errors


def _finishes(compiled: regex.Pattern[str], gold: str) -> bool:
    """Whether searches end on texts that repeat one thing and then fail, on which careless patterns take for ever."""
    letters = dict.fromkeys(char for char in compiled.pattern if char.isalnum())
    try:
        for body in ("a", "A", "0", " ", "あ", "a ", gold or "-", *islice(letters, _LINT_LETTERS)):
            text = (body * _LINT_CHARS)[:_LINT_CHARS] + "\n!\n"
            compiled.findall(text, timeout=_LINT_TIMEOUT_S)
    except TimeoutError:
        return False
    return True


def _check_distractors(domain: Domain, config: ExperimentConfig) -> None:
    """The largest ratio that may be sampled must be satisfiable, or trials would fail one by one."""
    dimension = config.search.space.get("data.distractor_ratio")
    ratio = max([config.data.distractor_ratio, *(dimension.corners if dimension else [])])
    wanted = distractor_count(len(domain.train), ratio)
    if wanted > len(domain.distractors):
        source = config.data.distractors
        remedy = f"add rows to {source.path or source.hub}" if source else "name rows there"
        raise DataError(
            f"{config.data.train.path or config.data.train.hub}: data.distractor_ratio up to {ratio} of its "
            f"{len(domain.train)} rows needs {wanted} distractors, but data.distractors has {len(domain.distractors)}; "
            f"{remedy} or lower the ratio"
        )


def manifest(config: ExperimentConfig, domain: Domain) -> dict[str, Any]:
    """What data an experiment used: counts, and the SHA-256 of every local file."""
    data = config.data
    files = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for _, path in data.files()}
    hubs = [source.hub for source in (data.train, data.distractors) if source and source.hub]
    return {"counts": domain.counts(), "sha256": files, "hub": hubs}
