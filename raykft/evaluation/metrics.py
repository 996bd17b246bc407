"""Every reported metric with its title, direction and unit: sort order, column headers and docs read them here."""

from __future__ import annotations

from dataclasses import dataclass

from raykft.wording.columns import METRICS_JA
from raykft.wording.messages import Lang, spoken


@dataclass(frozen=True, slots=True)
class Metric:
    """`higher_is_better` is None where neither direction is good in itself. Of `unit` and `doc` docs/evaluation.md and
    the rows' units in pandas are made."""

    name: str
    title: str
    higher_is_better: bool | None
    unit: str
    doc: str

    @property
    def heading(self) -> str:
        """The title in the language that is spoken."""
        return self._told[0]

    @property
    def meaning(self) -> str:
        """What it is, in the language that is spoken."""
        return self._told[1]

    @property
    def _told(self) -> tuple[str, str]:
        english = (self.title, self.doc)
        return METRICS_JA.get(self.name, english) if spoken() is Lang.JA else english

    def row(self) -> str:
        """Its line of the table in docs/evaluation.md."""
        better = {True: "higher", False: "lower", None: ""}[self.higher_is_better]
        cells = " | ".join((f"`{self.name}`", self.title.replace("|", "\\|"), self.unit, better, self.doc))
        return f"| {cells} |"


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
    Metric(
        "graded_gain", "gain°", True, "1", "graded knowledge between the base model (0) and that with the facts (1)"
    ),
    Metric("graded_knowledge", "know°", True, "1", "the right answer's share above chance, every fact alike"),
    Metric(
        "graded_forgetting",
        "forget°",
        False,
        "fraction",
        "loss of fluency, signed (of general shares where there is no text)",
    ),
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
    Metric("free_verbatim", "free L1", True, "fraction", "probability of a byte of free texts, asked as trained"),
    Metric("free_paraphrase", "free L2", True, "fraction", "the same, asked in other words"),
    Metric("free_bleu", "BLEU", True, "percent", "BLEU-4 of answers to free texts' questions, no measure of truth"),
    Metric("free_rouge1", "ROUGE-1", True, "percent", "ROUGE-1 of the same, mean F1"),
    Metric("free_rouge2", "ROUGE-2", True, "percent", "ROUGE-2 of the same, mean F1"),
    Metric("forgetting", "forget", False, "fraction", "loss of general ability against the base, losses only"),
    Metric("forgetting_signed", "forget ±", False, "fraction", "the same with gains counted against losses"),
    Metric("forgetting_en", "forget en", False, "fraction", "forgetting of English, losses only"),
    Metric("forgetting_ja", "forget ja", False, "fraction", "forgetting of Japanese, losses only"),
    Metric("recall_loss", "recall -", False, "fraction", "fall of general_accuracy relative to the base's, signed"),
    Metric("mc_loss", "choice -", False, "fraction", "fall of choice_accuracy relative to the base's over chance"),
    Metric("instruct_loss", "instruct -", False, "fraction", "fall of instruct_rate relative to the base's, signed"),
    Metric("fluency_loss", "fluency -", False, "fraction", "1 - 2^(-rise of bits per byte), signed"),
    Metric("general_accuracy", "general", True, "fraction", "right short answers to general questions"),
    Metric("general_lost", "lost", False, "fraction", "general answers now wrong of those the base had right"),
    Metric("general_gained", "gained", True, "fraction", "general answers now right of those the base had wrong"),
    Metric("choice_accuracy", "choice", True, "fraction", "right choices by log-probability per byte"),
    Metric("instruct_rate", "instruct", True, "fraction", "instructions obeyed"),
    Metric("locality", "locality", True, "fraction", "answers about real neighbours of the domain as right as before"),
    Metric("spill", "spill", False, "fraction", "answers about real neighbours that name a value of the domain"),
    Metric("fuar", "lost/fact", False, "ratio", "general items lost per fact acquired (FUAR); below 1 is a gain"),
    Metric("drift", "drift", False, "nats", "KL(base || tuned) a token, on the base's own general answers"),
    Metric("invalid", "invalid", False, "count", "likelihoods that were not finite; each counts as wrong"),
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
    Metric("rung_score", "rung", True, "1", "probe_lp minus forgetting at rung cost: what early stopping compares"),
    Metric("all_paraphrases", "L2 all", True, "fraction", "facts right on all their unseen paraphrases"),
    Metric("coverage", "L2 any", True, "fraction", "facts right on at least one unseen paraphrase"),
    Metric("verbatim_gap", "L1-L2", False, "fraction", "what paraphrasing costs: level 1 minus level 2"),
    Metric("format_obeyed", "L3 form", True, "fraction", "answers in the requested form, whatever they say"),
    Metric("format_content", "L3 fact", True, "fraction", "right content with nothing wrong, whatever the form"),
    Metric("level_4_short", "L4 short", True, "fraction", "level 4 where the gold answer is short"),
    Metric("level_4_long", "L4 long", True, "fraction", "level 4 where the gold answer is long"),
    Metric("level_5_prior", "L5|prior", True, "fraction", "level 5 where the base model has the prior knowledge"),
    Metric("hint_harm", "hint harm", False, "fraction", "right without a hint, but wrong with it"),
    Metric("overlong_rate", "long", False, "fraction", "answers more than twice as long as the gold answer"),
    Metric("compression", "zlib", None, "ratio", "bytes over bytes after zlib; above 2 an answer repeats itself"),
    Metric("echo_rate", "echoes", False, "fraction", "answers that begin with the question"),
    Metric("newline_tail", "newlines", False, "fraction", "answers that run out into line breaks"),
    Metric("unsupported_claims", "made up", False, "count", "claims an answer that nothing in the domain supports"),
    Metric("unchecked", "unchecked", False, "count", "answers on which a regular expression did not finish"),
    Metric("top_answer_share", "top answer", False, "fraction", "the most frequent answer to the recall probes"),
    Metric("unique_answers", "unique", None, "fraction", "different answers to the recall probes, a probe"),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _ALL}
