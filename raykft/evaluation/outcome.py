"""What scoring a model ends in. Light to import: every trial's process receives it, and none of them scores."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from raykft.records import ProbeResult, Split

if TYPE_CHECKING:
    from raykft.evaluation.forgetting import GeneralScores

SPLITS: tuple[Split, ...] = ("select", "report")
# Names of baselines, which are rows of the leaderboard and files of the experiment.
BASE, FACTS_NEEDED, ALWAYS_NO, TEMPLATE_COPY = "base", "facts_needed", "always_no", "template_copy"


@dataclass(frozen=True)
class FullScores:
    """One model on one split: flat metrics (names of `raykft.evaluation.metrics`), every answer's result, and the nats
    of every passage that came out finite."""

    metrics: dict[str, float]
    results: list[ProbeResult]
    passage_nats: dict[str, float] = field(default_factory=dict)

    @property
    def domain(self) -> dict[str, ProbeResult]:
        return {result.id: result for result in self.results if result.level > 0}

    @property
    def grades(self) -> dict[str, float]:
        """By probe id, of all probes that were graded."""
        return {result.id: result.grade for result in self.results if result.grade is not None}

    @property
    def general(self) -> GeneralScores:
        from raykft.evaluation.forgetting import GeneralScores

        return GeneralScores({r.id: r for r in self.results if r.level == 0}, self.passage_nats)


SplitScores = dict[Split, FullScores]


@dataclass
class BaseScores:
    """What adapters are measured against: a row per baseline and split, and the base model's rung figures.

    `prior_known` are the probes whose question about the world the base model answers (None: there are none).
    """

    rows: dict[str, SplitScores] = field(default_factory=dict)
    prior_known: list[str] | None = None
    rung: dict[str, float] = field(default_factory=dict)
    seconds: float = 0.0

    def figures(self) -> dict[str, Any]:
        """Everything but the answers, as JSON-ready data."""
        rows = {
            name: {
                split: {"metrics": scores.metrics, "passage_nats": scores.passage_nats}
                for split, scores in splits.items()
            }
            for name, splits in self.rows.items()
        }
        return {"rows": rows, "prior_known": self.prior_known, "rung": self.rung, "seconds": self.seconds}

    def results(self, name: str) -> list[ProbeResult]:
        """Every answer of one baseline, of both splits."""
        return [result for scores in self.rows[name].values() for result in scores.results]

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, tree: dict[str, Any]) -> BaseScores:
        rows = {
            name: {split: _full_scores(scores) for split, scores in splits.items()}
            for name, splits in tree["rows"].items()
        }
        return cls(**tree | {"rows": rows})


def _full_scores(tree: dict[str, Any]) -> FullScores:
    return FullScores(tree["metrics"], [_result(row) for row in tree["results"]], tree["passage_nats"])


def _result(row: dict[str, Any]) -> ProbeResult:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in row.items()}
    return ProbeResult(**values)
