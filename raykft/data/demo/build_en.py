"""Writes the English demo domain: `python -m raykft.data.demo.build_en [--reseed N] [--out DIR]`.

The committed files are the output for the default seed. Another seed gives a domain with the same questions
and other values, which is how a result on the demo domain is shown not to hang on one lucky draw.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

from raykft.data.demo.lint_en import check
from raykft.data.demo.probes_en import Builder, Domain, small
from raykft.data.demo.world_en import DEFAULT_SEED, draw
from raykft.records import Fact, KeyFact, Prior, Probe, TrainRow


def build(seed: int = DEFAULT_SEED) -> dict[str, Domain]:
    """The full domain and its small slice by folder name, both checked."""
    full = Builder(draw(seed)).domain()
    domains = {"en": full, "en-small": small(full)}
    for domain in domains.values():
        check(domain)
    return domains


def as_json(record: Fact | TrainRow | Probe | KeyFact | Prior) -> dict[str, Any]:
    """The record as JSON-ready data without the fields that have their default value."""
    data: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if field.default is not MISSING and value == field.default:
            continue
        if isinstance(value, KeyFact | Prior):
            value = as_json(value)
        elif isinstance(value, tuple):
            value = [as_json(item) if isinstance(item, KeyFact) else item for item in value]
        data[field.name] = value
    return data


def write(out: Path, seed: int = DEFAULT_SEED) -> list[Path]:
    """Write all files below a folder and return their paths."""
    written = []
    for folder, domain in build(seed).items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        parts: dict[str, Iterable[Fact | TrainRow | Probe]] = {
            "facts": domain.facts,
            "train": domain.train,
            "probes": domain.probes,
        }
        for name, records in parts.items():
            path = out / folder / f"{name}.jsonl"
            lines = [json.dumps(as_json(record), ensure_ascii=False) + "\n" for record in records]
            path.write_text("".join(lines), encoding="utf-8", newline="\n")
            written.append(path)
    return written


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reseed", type=int, default=DEFAULT_SEED, help="draw other values")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent, help="folder for en/ and en-small/")
    options = parser.parse_args()
    for path in write(options.out, options.reseed):
        print(path)


if __name__ == "__main__":
    main()
