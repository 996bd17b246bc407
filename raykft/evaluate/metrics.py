"""Every reported metric with its title, direction and unit: sort order, column headers and docs read them here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Metric:
    """`higher_is_better` is None where neither direction is good in itself."""

    name: str
    title: str
    higher_is_better: bool | None
    unit: str
    doc: str


_ALL = (
    Metric("score", "score", True, "1", "the objective the search maximizes (search.objective)"),
    Metric(
        "gain",
        "gain",
        True,
        "1",
        "knowledge between the base model (0) and the base with the facts in context (1)",
    ),
    Metric("knowledge", "know", True, "fraction", "mean of levels 2-5, premise (chance removed) and hint"),
    Metric("level_1", "L1", True, "fraction", "verbatim training questions; not part of knowledge"),
    Metric("level_2", "L2", True, "fraction", "unseen paraphrases"),
    Metric("level_3", "L3", True, "fraction", "another answer format: right content in the requested form"),
    Metric("level_4", "L4", True, "fraction", "two learned facts combined"),
    Metric("level_5", "L5", True, "fraction", "a learned fact combined with prior knowledge"),
    Metric(
        "premise",
        "premise",
        True,
        "fraction",
        "false premises against true twins, balanced accuracy (0.5 is chance)",
    ),
    Metric("hint", "hint", True, "fraction", "right when the question names the category of the answer"),
    Metric("forgetting", "forget", False, "fraction", "loss of general ability against the base, losses only"),
    Metric("forgetting_signed", "forget ±", False, "fraction", "the same with gains counted against losses"),
    Metric("general_accuracy", "general", True, "fraction", "right short answers to general questions"),
    Metric("bits_per_byte", "bits/byte", False, "bits", "on general running text; tokenizer-free perplexity"),
    Metric("clean", "clean", True, "fraction", "right answers with nothing wrong added"),
    Metric("overgeneration", "length×", None, "ratio", "median length of the answer over that of the gold answer"),
    Metric("repetition", "repeat", False, "fraction", "repeated n-grams (4 words, or 8 characters in Japanese)"),
    Metric("stop_rate", "stops", True, "fraction", "answers that end by themselves before the length limit"),
    Metric("refusal_rate", "refuses", False, "fraction", "answers that decline"),
    Metric(
        "probe_lp",
        "probe lp",
        True,
        "fraction",
        "P(right answer) against wrong ones by log-probability, at rungs",
    ),
    Metric("rung_score", "rung", True, "1", "probe_lp minus the loss of fluency: what early stopping compares"),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
