"""Builds, checks and writes the demo domain in one language; `build_en.py` and `build_ja.py` are the commands."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

from raykft.data.demo.general import to_jsonl
from raykft.data.demo.language import Language
from raykft.data.demo.lint import check
from raykft.data.demo.probes import Builder, Domain, small
from raykft.data.demo.world import draw
from raykft.records import Fact, Probe, TrainRow


def build(language: Language, seed: int | None = None) -> dict[str, Domain]:
    """The full domain and its small slice by folder name, both checked; without a seed the committed one."""
    full = Builder(language, draw(language, seed)).domain()
    domains = {language.code: full, f"{language.code}-small": small(full)}
    for domain in domains.values():
        check(domain)
    return domains


def write_records(path: Path, records: Iterable[Fact | TrainRow | Probe]) -> None:
    """Write one record a line; the same bytes on every system."""
    path.write_text(to_jsonl(tuple(records)), encoding="utf-8", newline="\n")


def write(language: Language, out: Path, seed: int | None = None) -> list[Path]:
    """Write all files below a folder and return their paths."""
    written = []
    domains = build(language, seed)
    for folder, domain in domains.items():
        (out / folder).mkdir(parents=True, exist_ok=True)
        parts: dict[str, Iterable[Fact | TrainRow | Probe]] = {
            "facts": domain.facts,
            "train": domain.train,
            "probes": domain.probes,
        }
        for name, records in parts.items():
            written.append(out / folder / f"{name}.jsonl")
            write_records(written[-1], records)
    small = domains[f"{language.code}-small"]
    written.append(out / f"{language.code}-small" / "train-augmented.jsonl")
    write_records(written[-1], (*small.train, *small.further))
    return written


def command(language: Language, description: str | None) -> None:
    """The command line of one language."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--reseed", type=int, default=language.default_seed, help="draw other values")
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent,
        help=f"folder for {language.code}/ and {language.code}-small/",
    )
    options = parser.parse_args()
    for path in write(language, options.out, options.reseed):
        print(path)
