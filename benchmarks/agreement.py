"""Does the scorer agree with people? `python benchmarks/agreement.py [file] [--misses]` (default: the suite's own set).

Every line of the file is one answer with a person's verdict: `id`, `lang`, `question`, `gold`, `any` and `type` of its
only key fact, `polarity` where it is a premise, `answer`, and `right`. The answers are split in two by a hash of their
id: repairs of the scorer are chosen on `dev` and confirmed on `held`.
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


@dataclass(frozen=True, slots=True)
class Labelled:
    """One answer and what people say of it."""

    probe: Probe
    answer: str
    right: bool

    @property
    def half(self) -> Literal["dev", "held"]:
        return "held" if hashlib.sha256(self.probe.id.encode()).digest()[0] % 2 else "dev"

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
        labelled.append(Labelled(probe, row["answer"], row["right"]))
    return labelled


def agreement(labelled: Iterable[Labelled]) -> Agreement:
    """The scorer's verdicts against people's."""
    counts = Counter((item.right, item.judged) for item in labelled)
    hits, total = counts[True, True], counts.total()
    called, right = hits + counts[False, True], hits + counts[True, False]

    def share(part: int, whole: int) -> float:
        return part / whole if whole else float("nan")

    return Agreement(total, share(hits + counts[False, False], total), share(hits, called), share(hits, right))


def main() -> None:
    """Print a line for each language and half, and with `--misses` every answer on which the two differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path, default=LABELLED)
    parser.add_argument("--misses", choices=["dev", "held", "all"])
    options = parser.parse_args()
    labelled = read_labelled(options.file)
    print("answers   n    agreement  precision  recall")
    groups = {"all": labelled}
    groups |= {half: [item for item in labelled if item.half == half] for half in HALVES}
    for lang in ("en", "ja"):
        groups |= {f"{lang} {name}": [item for item in groups[name] if item.probe.lang == lang] for name in HALVES}
    for name, group in groups.items():
        found = agreement(group)
        print(f"{name:8} {found.n:3}  {found.agreement:9.3f}  {found.precision:9.3f}  {found.recall:6.3f}")
    for item in labelled if options.misses else ():
        if item.judged != item.right and options.misses in {item.half, "all"}:
            verdict = "right" if item.right else "wrong"
            print(f"{item.probe.id}: people say {verdict}: {item.answer!r} for {item.probe.key_facts[0].any}")


if __name__ == "__main__":
    main()
