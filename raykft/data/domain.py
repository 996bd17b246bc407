"""One experiment's data, read once and checked across files."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import regex  # type: ignore[import-untyped]

from raykft.config import MIXED, DataConfig, ExperimentConfig, RowSource
from raykft.data.documents import read_documents
from raykft.data.mixture import NOTHING, Pool, Share, counts
from raykft.data.read import raise_problems, read_records
from raykft.data.sources import read_rows
from raykft.errors import DataError
from raykft.records import Document, Fact, Passage, Probe, RowKind, TrainRow
from raykft.untrusted.messages import shown
from raykft.wording import data as words
from raykft.wording.names import LIST

T = TypeVar("T", Probe, Passage)

# Patterns come from users. A good one takes microseconds on so short a text, a bad one would take years.
_LINT_CHARS, _LINT_LETTERS, _LINT_TIMEOUT_S = 200, 16, 0.5


@dataclass(frozen=True)
class Domain:
    """Facts, what is trained, and what is asked; `notes` tell of what the files hold besides.

    Trained are rows, distractors and the documents of `text`; `passages` are for reading alone.
    """

    facts: tuple[Fact, ...]
    train: tuple[TrainRow, ...]
    distractors: tuple[TrainRow, ...]
    probes: tuple[Probe, ...]
    general: tuple[Probe, ...]
    passages: tuple[Passage, ...]
    text: tuple[Document, ...] = ()
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
        train=_rows(data.train, "qa", notes) if data.train else (),
        distractors=_rows(data.distractors, "distractor", notes) if data.distractors else (),
        probes=tuple(read_records(Path(data.probes), Probe)),
        general=_of_all(data.general, Probe),
        passages=_of_all(data.passages, Passage),
        text=tuple(document for source in data.text for document in read_documents(**source.model_dump())),
    )
    raise_problems(
        [*_reference_problems(domain, data), *_probe_problems(domain, data), *_ranking_problems(domain, config)]
    )
    # How many pieces the text makes, only a tokenizer tells: hosts and plans check again with that.
    check_shares(config, Pool.of(domain.train, len(domain.distractors)))
    return replace(domain, notes=tuple(notes))


def kinds(domain: Domain) -> dict[str, str]:
    """Of what kinds training rows are, and how long the text is, by the names of `counts`; nothing of usual rows."""
    found: dict[str, str] = {}
    wordings = Counter(row.phrasing for row in domain.train if not row.form)
    forms = Counter(row.form for row in domain.train if row.form)
    if len(wordings) > 1 or forms:
        said = [words.PHRASING(phrasing=phrasing, n=count) for phrasing, count in sorted(wordings.items())]
        said += [words.FORM(form=shown(form), n=count) for form, count in sorted(forms.items())]
        found["train"] = LIST().join(said)
    if domain.text:
        found["text"] = words.CHARACTERS(n=sum(len(document.text) for document in domain.text))
    return found


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
    for file, items in ((data.probes, domain.probes), (data.train.name if data.train else "", domain.train)):
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
    # Of free texts alone the training questions count too (docs/decisions/017-free-texts.md).
    free_alone = all(p.kind == "free" for p in domain.probes)
    asked = [p for p in domain.probes if free_alone or (p.level >= 2 and p.kind != "free")]
    for split in sorted({"select", *(p.split for p in domain.probes)}):
        if not any(p.split == split for p in asked):
            problems.append(
                f"{data.probes}: no probe of level 2 to 5 has split {split!r}, so knowledge could not be scored"
            )
    return problems


def _ranking_problems(domain: Domain, config: ExperimentConfig) -> Iterator[str]:
    """Of free texts alone no answer is right or wrong, so likelihoods are all that can rank."""
    asked, search = config.data.probes, config.search
    ranked = ", ".join(search.objectives) or search.objective.name
    if domain.probes and all(p.kind == "free" for p in domain.probes) and ranked != "graded":
        yield (
            f"{asked}: its probes are free texts alone, of which no answer is right or wrong, so trials cannot be "
            f"ranked by {ranked}; use search.objective: {{name: graded}}"
        )


def probe_errors(probe: Probe) -> list[str]:
    """What keeps a probe by itself from being scored, wherever it comes from."""
    if probe.kind == "free":
        return _free_errors(probe)
    errors = []
    form_is_all = probe.kind == "instruct" and probe.pattern is not None
    if not (probe.key_facts or form_is_all) or any(not k.any or "" in k.any for k in probe.key_facts):
        errors.append(
            "needs at least one key fact, each with at least one non-empty alias; only kind instruct with a `pattern` "
            "needs none, and kind free, whose gold is a text as a whole"
        )
    if probe.kind == "premise" and probe.polarity is None:
        errors.append("is of kind premise and needs its `polarity`, yes or no")
    return errors + _regex_errors(probe)


def _free_errors(probe: Probe) -> list[str]:
    """What a probe of a free text may not be."""
    errors = []
    if probe.level not in {1, 2}:
        errors.append(f"is of kind free and level {probe.level}; a free text is asked at level 1 (verbatim) or 2")
    if not probe.gold.strip():
        errors.append("is of kind free and needs its text as `gold`")
    without = ("key_facts", "forbidden", "slot", "pattern", "polarity", "contrast", "prior")
    if given := [name for name in without if getattr(probe, name)]:
        errors.append(f"is of kind free, and nothing is looked for in such an answer; leave out {', '.join(given)}")
    return errors


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
        if not (_finishes_anywhere(compiled) and _finishes(compiled, (probe.gold or "-",))):
            errors.append(
                f"{name} takes more than {_LINT_TIMEOUT_S} s on a text of {_LINT_CHARS} characters; "
                "repeat nothing that repeats itself, such as (a+)+"
            )
    return errors


@lru_cache(maxsize=1024)
def _finishes_anywhere(compiled: regex.Pattern[str]) -> bool:
    """`_finishes` on what does not depend on the probe: many probes share one pattern."""
    letters = dict.fromkeys(char for char in compiled.pattern if char.isalnum())
    return _finishes(compiled, ("a", "A", "0", " ", "あ", "a ", *islice(letters, _LINT_LETTERS)))


def _finishes(compiled: regex.Pattern[str], bodies: Iterable[str]) -> bool:
    """Whether searches end on texts that repeat one thing and then fail, on which careless patterns take for ever."""
    try:
        for body in bodies:
            text = (body * _LINT_CHARS)[:_LINT_CHARS] + "\n!\n"
            compiled.findall(text, timeout=_LINT_TIMEOUT_S)
    except TimeoutError:
        return False
    return True


def check_shares(config: ExperimentConfig, pool: Pool) -> None:
    """Whatever may be sampled must be there to be trained, or trials would fail one by one.

    Raises:
        DataError: a recipe may ask for more rows than there are.
    """
    sources = [config.data.train, *config.data.text]
    where = ", ".join(source.name for source in sources if source)
    for share in shares(config):
        try:
            nothing = not counts(pool, share).domain
        except DataError as error:
            raise DataError(f"{where}: {error}") from None
        if nothing and (pool.text or not config.data.text):
            raise DataError(f"{where}: {NOTHING}")


def trainable(config: ExperimentConfig, domain: Domain) -> Domain:
    """The domain without what no recipe takes: wordings beyond the most, formats or text where none are asked for."""
    wordings, formats, text = (config.corner_values(f"data.{name}") for name in ("phrasings", "formats", "text_ratio"))
    most = math.inf if None in wordings else max(wordings)
    formed = most > 0 and any(share != 0 for share in formats)
    rows = tuple(row for row in domain.train if (formed if row.form else row.phrasing <= most))
    return replace(domain, train=rows, text=domain.text if max(text) else ())


def share_of(config: ExperimentConfig, sample: Mapping[str, Any]) -> Share:
    """Which rows a trial is trained on; what `sample` does not set has the value of the file."""
    names = [path.removeprefix("data.") for path in MIXED]
    return Share(**{name: sample.get(f"data.{name}", getattr(config.data, name)) for name in names})


def shares(config: ExperimentConfig) -> list[Share]:
    """The extreme shares that recipes may have, as far as conditions among the axes allow them."""
    searched = [path for path in config.search.ordered() if path in MIXED]
    samples: list[dict[str, Any]] = [{}]
    for path in searched:
        samples = [sample | more for sample in samples for more in _extremes(config, path, sample)]
    return list(dict.fromkeys(share_of(config, sample) for sample in samples))


def _extremes(config: ExperimentConfig, path: str, sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The values of an axis beside those of others in `sample`; {} where it keeps the one outside the space."""
    space = config.search.space
    known = {name: values for name, values in space[path].conditions.items() if name in MIXED}
    if any(sample.get(name) not in values for name, values in known.items()):
        return [{}]
    # Others may be searched for a value between the extremes alone, and a wording between them may be missing.
    between = path == "data.phrasings" or any(path in dimension.conditions for dimension in space.values())
    values = space[path].values if between else None
    searched = [{path: value} for value in values or space[path].corners]
    return searched if known.keys() == space[path].conditions.keys() else [*searched, {}]


def manifest(config: ExperimentConfig, domain: Domain) -> dict[str, Any]:
    """What data an experiment used: counts, and the SHA-256 of every local file."""
    data = config.data
    files = {path: hashlib.sha256(Path(path).read_bytes()).hexdigest() for _, path in data.files()}
    hubs = [source.hub for source in (data.train, data.distractors, *data.text) if source and source.hub]
    return {"counts": domain.counts(), "sha256": files, "hub": hubs}
