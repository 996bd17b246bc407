"""Does the scorer agree with people? `python benchmarks/agreement.py [file] [--misses] [--kinds]` (default: the suite's
first set; the others are misleading.jsonl and fresh.jsonl beside it).

Every line of the file is one answer with a person's verdict: `id` (LANG-KIND-N), `lang`, `question`, `gold`, `any` and
`type` of its only key fact, `polarity` where it is a premise, `answer`, and `right`. The answers are split in two, by
`half` where a line has it and otherwise by a hash of the id: repairs of the scorer are chosen on `dev` and confirmed on
`held`, of which nobody who repairs looks at more than the figures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from raykft.evaluation.scoring import score_answer
from raykft.records import KeyFact, Probe

HALVES = ("dev", "held")
LABELLED = Path(__file__).resolve().parents[1] / "tests" / "evaluation" / "answers.jsonl"
MISLEADING = LABELLED.with_name("misleading.jsonl")
FRESH = LABELLED.with_name("fresh.jsonl")


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer and what people say of it."""

    probe: Probe
    answer: str
    right: bool
    half: Literal["dev", "held"]

    @property
    def kind(self) -> str:
        return self.probe.id.split("-")[1]

    @property
    def judged(self) -> bool:
        """Whether the scorer calls the answer correct."""
        return score_answer(self.probe, self.answer).correct


@dataclass(frozen=True, slots=True)
class Agreement:
    """How often scorer and people agree, over `n` answers; a share of nothing is NaN."""

    n: int
    agreement: float
    precision: float  # of what the scorer calls correct
    recall: float
    kappa: float  # Cohen's: agreement beyond chance


def read_labelled(path: Path = LABELLED) -> list[Labelled]:
    """The labelled answers of a JSONL file."""
    labelled = []
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        probe = Probe(
            id=row["id"],
            level=2,
            kind="premise" if row.get("polarity") else "recall",
            question=row["question"],
            gold=row["gold"],
            key_facts=(KeyFact(tuple(row["any"]), row["type"]),),
            split="select",
            lang=row["lang"],
            polarity=row.get("polarity"),
        )
        half = row.get("half") or HALVES[hashlib.sha256(probe.id.encode()).digest()[0] % 2]
        labelled.append(Labelled(probe, row["answer"], row["right"], half))
    return labelled


def agreement(labelled: Iterable[Labelled]) -> Agreement:
    """The scorer's verdicts against people's."""
    counts = Counter((item.right, item.judged) for item in labelled)
    hits, total = counts[True, True], counts.total()
    called, right = hits + counts[False, True], hits + counts[True, False]

    def share(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    agreed = share(hits + counts[False, False], total)
    chance = (called * right + (total - called) * (total - right)) / total**2 if total else 1
    kappa = (agreed - chance) / (1 - chance) if chance < 1 else float("nan")
    return Agreement(total, agreed, share(hits, called), share(hits, right), kappa)


def main() -> None:
    """Print a line for each language and half, with `--kinds` for each kind of a half, with `--misses` every answer on
    which the two differ.
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=LABELLED)
    parser.add_argument("--misses", choices=["dev", "held", "all"])
    parser.add_argument("--kinds", choices=["dev", "held", "all"])
    options = parser.parse_args()
    labelled = read_labelled(options.file)
    print("answers          n  agreement  precision  recall  kappa")
    groups = {"all": labelled}
    groups |= {half: [item for item in labelled if item.half == half] for half in HALVES}
    for lang in ("en", "ja"):
        groups |= {f"{lang} {name}": [item for item in groups[name] if item.probe.lang == lang] for name in HALVES}
    if options.kinds:
        chosen = groups[options.kinds]
        for name in sorted({f"{item.probe.lang} {item.kind}" for item in chosen}):
            groups[name] = [item for item in chosen if f"{item.probe.lang} {item.kind}" == name]
    for name, group in groups.items():
        found = agreement(group)
        shares = f"{found.agreement:9.3f}  {found.precision:9.3f}  {found.recall:6.3f}  {found.kappa:5.3f}"
        print(f"{name:13} {found.n:4}  {shares}")
    for item in labelled if options.misses else ():
        if item.judged != item.right and options.misses in {item.half, "all"}:
            verdict = "right" if item.right else "wrong"
            print(f"{item.probe.id}: people say {verdict}: {item.answer!r} for {item.probe.key_facts[0].any}")


if __name__ == "__main__":
    main()
