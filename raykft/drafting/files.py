"""The directory of a draft: an experiment's files, the review sheet, and the account of what was drafted."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from raykft.data.demo.general import to_jsonl
from raykft.data.domain import Domain
from raykft.drafting.items import Source
from raykft.drafting.made import Draft, Drafted, Rejected, Verdict, is_written, teaches_again
from raykft.drafting.sheet import sheet
from raykft.errors import ExperimentError, ResourceError
from raykft.paths import ensure_dir, read_json, write_atomic, write_json
from raykft.records import Fact, Probe, TrainRow
from raykft.untrusted.escapes import markdown, one_line

SPLITS = ("select", "report")
CONFIG, STATE, SHEET, ACCOUNT = "config.yaml", "draft.json", "drafts.csv", "draft.md"
# Between two recipes that answer half of the questions right, and whose answers agree at r = .5: what a paired test of
# n facts sees four times out of five, times sqrt(n). It is sqrt(2 · .25 · (1 - .5)) · (1.96 + .84).
DETECTABLE = 1.4

# The rows that teach a fact again. Nested: more wordings, or rows in another format, are those of fewer and some more.
PHRASINGS = """\
    data.phrasings: {{int: [1, {most}]}}  # wordings of a fact that are trained
"""
FORMATS = """\
    data.formats: {{choice: [0, {share}]}}  # training rows that ask for another format of the answer, per other row
"""
# Measured in docs/findings.md; without distractors it has nothing to hold on to.
LEASH = """\
    train.kl_weight: {{choice: [0, 1], when: {{data.distractor_ratio: [{ratios}]}}}}  # a leash against forgetting
"""
CONFIG_TEXT = """\
# Drafted from {sources}. Read {account} and {sheet} first, then:
#   raykft data check {file}
#   raykft plan {file}
#   raykft tune {file}
name: {name}
seed: 0

{model}
quantization: nf4

data:
  facts: facts.jsonl
  train: train.jsonl
  probes: probes.jsonl
  distractors: distractors.jsonl  # {by}
  general: general.jsonl          # bundled: what the model knows and should keep
  passages: demo:{code}-small/passages.jsonl
{prompt}
train:
  batch_size: 2

search:
  trials: 8  # a total: running the same file again continues
  space:
    adapter.rank: {{choice: [8, 16, 32]}}
    adapter.target_layers: {{choice: [attention, mlp, all-linear]}}
    train.learning_rate: {{log: [1e-4, 3e-3]}}
    train.epochs: {{int: [{epochs[0]}, {epochs[1]}]}}
    data.distractor_ratio: {{choice: [{ratios}]}}
{leash}{again}  grace_epochs: 1
  reduction_factor: 2
  max_rungs: 1  # compared once, after the first epoch; the better half runs to its end
  race: {{top: 2, seeds: 2}}
  objective: {{name: graded}}

evaluate:
  rung_probes: 24
  rung_general: 12
  rung_passages: 1
  report_top: 2
  baselines: [facts_needed, bm25]

storage_path: runs  # results go to a folder of that name in runs, below the folder you start raykft in
"""


def claim(directory: Path) -> None:
    """Make sure that `directory` may be written: a new or empty one, or a draft in which nobody has changed a file.

    Raises:
        ExperimentError: it holds something else, or a person's changes.
        ResourceError: it cannot be written to.
    """
    if directory.exists() and not directory.is_dir():
        raise ExperimentError(f"{directory} is a file; name a directory to draft into")
    if directory.exists() and any(directory.iterdir()):
        state = directory / STATE
        if not state.is_file():
            raise ExperimentError(f"{directory} is not empty and no draft; choose another directory")
        found = read_json(state)
        # A draft that was cut off holds nothing of a person's.
        written = {} if found.get("unfinished") else found.get("sha256", {})
        if changed := [name for name, digest in written.items() if _digest(directory / name) != digest]:
            raise ExperimentError(
                f"{', '.join(sorted(changed))} in {directory} have been changed since they were drafted, and another "
                f"draft would overwrite them; take the changes in with `raykft data draft --accept "
                f"{shlex.quote(str(directory / SHEET))} {shlex.quote(str(directory))}`, or draft into another directory"
            )
    try:
        ensure_dir(directory)
    except ResourceError as error:
        raise ResourceError(str(error).split("; choose")[0] + "; choose another directory") from error


def write(
    directory: Path, made: Drafted, domain: Domain, sources: Sequence[Source], config: str, settings: Mapping[str, Any]
) -> None:
    """Write all files; `draft.json`, the last, says what they were, and until then that they are not whole."""
    texts = {
        "facts.jsonl": to_jsonl(made.facts),
        "train.jsonl": to_jsonl(made.train),
        "probes.jsonl": to_jsonl(domain.probes),
        "distractors.jsonl": to_jsonl(domain.distractors),
        "general.jsonl": to_jsonl(domain.general),
        SHEET: "\ufeff" + sheet(made),  # without the mark Excel takes Japanese for another encoding
        ACCOUNT: account(made, sources, settings, domain.distractors),
        CONFIG: config,
    }
    # Names of files may be no Unicode.
    files = {name: text.encode("utf-8", "replace").decode() for name, text in texts.items()}
    named = [os.fsencode(source.path).decode("utf-8", "replace") for source in sources]
    write_json(directory / STATE, {"unfinished": True})
    for name, text in files.items():
        write_atomic(directory / name, text)
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    write_json(directory / STATE, {**settings, "sources": named, "sha256": digests})


def config_text(
    directory: Path,
    sources: Sequence[Source],
    code: str,
    model: str,
    prompt: str,
    train: Sequence[TrainRow],
    distractors: Sequence[TrainRow],
) -> str:
    """The experiment file. Few rows are read more often, and no axis asks for more rows than there are."""
    rows = sum(not teaches_again(row) for row in train)
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", directory.resolve().name).strip("-._")[:64] or "draft"
    ratios = [ratio for ratio in (0, 0.25, 0.5, 1) if ratio * len(train) <= len(distractors)]
    return CONFIG_TEXT.format(
        sources=", ".join(_comment(source.path.name) for source in sources),
        account=ACCOUNT,
        sheet=SHEET,
        file=shlex.quote(_comment(str(directory / CONFIG))),
        name=json.dumps(name),
        model=model,
        code=code,
        by="of the writer, and bundled" if any(map(is_written, distractors)) else "bundled",
        prompt=prompt,
        epochs=(4, 8) if rows < 300 else (2, 4) if rows < 1500 else (1, 3),
        ratios=", ".join(map(str, ratios)),
        again=_again(train),
        leash=LEASH.format(ratios=", ".join(map(str, ratios[1:]))) if len(ratios) > 1 else "",
    )


def _again(train: Sequence[TrainRow]) -> str:
    """The axes of wordings and formats, as far as there are rows for them."""
    most = max(row.phrasing for row in train)
    forms = sum(bool(row.form) for row in train)
    most_share = forms / (len(train) - forms)
    share = next((share for share in (0.5, 0.25, 0.1) if share <= most_share), math.floor(100 * most_share) / 100)
    text = PHRASINGS.format(most=most) if most > 1 else ""
    return text + (FORMATS.format(share=share) if share else "")


def account(
    made: Drafted, sources: Sequence[Source], settings: Mapping[str, Any], distractors: Sequence[TrainRow]
) -> str:
    """`draft.md`."""
    lines = [
        "# What was drafted",
        "",
        f"{_by(settings['writer'])}; language {settings['lang']}, seed {settings['seed']}.",
        f"Read `{SHEET}` in a spreadsheet, mend or strike out what is wrong, and take it back with `--accept`.",
        "",
        "| source | lines |",
        "|---|---|",
        *(f"| {markdown(source.path.name)} | {_extent(source)} |" for source in sources),
        "",
        f"{facts_told(made.facts)}, {rows_told(made.train)}, {len(made.drafts)} probes.",
        *_distractors_told(distractors),
        "",
        *_levels(made),
        "",
        *_values(made),
        *_verified(made),
    ]
    for source in sources:
        if source.unused:
            names = ", ".join(map(markdown, source.unused))
            lines += ["", f"Columns of {markdown(source.path.name)} that are not used: {names}."]
    return "\n".join([*lines, "", *_rejections(made.rejected)]) + "\n"


def facts_told(facts: Sequence[Fact]) -> str:
    """How many facts there are, and texts that are asked as a whole."""
    texts = sum(fact.type == "free" for fact in facts)
    return f"{len(facts) - texts} facts" + (f" and {texts} free texts" if texts else "")


def rows_told(train: Sequence[TrainRow]) -> str:
    """How many rows there are, by what they teach."""
    forms, again = sum(bool(row.form) for row in train), sum(row.phrasing > 1 for row in train)
    more = [f"{count} {what}" for count, what in ((again, "in further wordings"), (forms, "in other formats")) if count]
    return f"{len(train) - forms - again} training rows" + (f" and {' and '.join(more)}" if more else "")


def _distractors_told(rows: Sequence[TrainRow]) -> list[str]:
    written = sum(map(is_written, rows))
    told = (
        f"{written} distractors by the writer, whose truth no rule can check, and {len(rows) - written} bundled ones."
    )
    return [told] if written else []


def _by(writer: str) -> str:
    return f"By rule and by {markdown(writer)}" if writer else "By rule, without a language model"


def _extent(source: Source) -> str:
    return f"text, {len(source.pieces)} pieces" if source.pieces else str(len(source.items))


def _verified(made: Drafted) -> list[str]:
    """What the base model answered, where it was asked."""
    if not made.verdicts:
        return []
    return [
        "",
        "## What the base model answers",
        "",
        *_told_by_level(made.drafts, made.verdicts),
        "",
        "Probes of facts that it knows already are left out below. What it does not answer even with the fact before",
        f"it measures the model more than the recipe; the last columns of `{SHEET}` say which those are.",
    ]


def _told_by_level(drafts: Sequence[Draft], found: Mapping[str, Verdict]) -> list[str]:
    lines = ["| level | probes | right without the fact | right with it |", "|---|---|---|---|"]
    for level in range(1, 6):
        asked = [d.probe for d in drafts if d.probe.level == level and d.probe.kind != "free"]
        own = [found[probe.id] for probe in asked if probe.id in found]
        if own:
            shares = [f"{sum(flags) / len(own):.0%}" for flags in ([v.alone for v in own], [v.told for v in own])]
            lines.append(f"| {level} | {len(own)} | {' | '.join(shares)} |")
    return lines


def _levels(made: Drafted) -> list[str]:
    """Probes and facts by level, and what difference between two recipes so many facts can show."""
    probes = [draft.probe for draft in made.drafts]
    free, asking = [p for p in probes if p.kind == "free"], [p for p in probes if p.kind != "free"]
    return [*(_asked_by_level(asking) if asking else []), *([""] if asking and free else []), *_texts(free)]


def _asked_by_level(probes: Sequence[Probe]) -> list[str]:
    lines = [
        "| level | select: probes | facts | report: probes | facts | difference that shows | facts lacking for .10 |",
        "|---|---|---|---|---|---|---|",
    ]
    for level in range(1, 6):
        own = [probe for probe in probes if probe.level == level]
        counts = [(len(part), _facts(part)) for part in ([p for p in own if p.split == s] for s in SPLITS)]
        n = counts[1][1]
        shows = f"{DETECTABLE / math.sqrt(n):.2f}" if n else "-"
        lacking = max(0, math.ceil((DETECTABLE / 0.1) ** 2) - n)
        lines.append(f"| {level} | {counts[0][0]} | {counts[0][1]} | {counts[1][0]} | {n} | {shows} | {lacking} |")
    return [
        *lines,
        "",
        "A difference shows when a paired test of the report split's facts sees it in four cases of five, between two",
        "recipes that are right half of the time and whose answers agree at r = .5.",
    ]


def _texts(free: Sequence[Probe]) -> list[str]:
    """Free texts, and how many of them are asked in other words than the trained ones."""
    if not free:
        return []
    lines = ["| free texts | select | report |", "|---|---|---|"]
    for level, words in ((1, "in the trained words"), (2, "in other words too")):
        counts = [_facts([p for p in free if p.level == level and p.split == split]) for split in SPLITS]
        lines.append(f"| {words} | {counts[0]} | {counts[1]} |")
    return [
        *lines,
        "",
        "Their answers hold no value to look for: how probable each is as a whole is measured, and how far what is",
        "written instead resembles it. They rank recipes where nothing else is asked, and have columns of their own.",
    ]


def _facts(probes: Sequence[Probe]) -> int:
    return len({fact for probe in probes for fact in probe.fact_ids})


def _values(made: Drafted) -> list[str]:
    types = Counter(fact.type for fact in made.facts)
    return [
        f"Values: {', '.join(f'{count} {kind}' for kind, count in types.most_common())}." if types else "No values."
    ]


def _rejections(rejected: Sequence[Rejected]) -> list[str]:
    if not rejected:
        return ["Nothing was left out."]
    lines = ["## What was left out", "", "| where | what | why |", "|---|---|---|"]
    return [*lines, *(f"| {markdown(r.place)} | {markdown(r.what)} | {markdown(r.why)} |" for r in rejected)]


def _digest(path: Path) -> str | None:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _comment(text: str) -> str:
    """A name for a comment of a YAML file: one line."""
    return " ".join(one_line(text).split())
