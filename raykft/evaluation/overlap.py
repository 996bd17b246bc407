"""BLEU-4, ROUGE-1 and ROUGE-2 against the gold answers: printed for comparison with other studies, never optimized.

They measure how well a template is imitated, not what is true: a Japanese sentence with a wrong name in it reaches
BLEU 80 and ROUGE-1 .87 where the right answer in few words gets 3.7 and .38. Even the direction of a change depends
on the tokens that are counted and on where the answer is cut. So a score carries its tokenizer and sacrebleu's
signature, scores of different tokenizers are neither compared nor averaged, and the table shows the full answer
beside its first sentence.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any, Literal

from sacrebleu.metrics.bleu import BLEU

from raykft.errors import DataError, ResourceError
from raykft.evaluation.behaviour import first_sentence
from raykft.records import Probe

Tokenizer = Literal["13a", "char", "ja-mecab"]  # sacrebleu's names
TokenizerChoice = Tokenizer | Literal["auto"]
Part = Literal["full", "head"]

HEADER = ("probes", "answer", "metric", "base", "tuned", "change", "n", "tokenizer")

# The first one is the default. Words of 13a are separated by spaces: it would make a Japanese sentence one word.
_JAPANESE: tuple[Tokenizer, ...] = ("char", "ja-mecab")
_OTHER: tuple[Tokenizer, ...] = ("13a",)
_WORD = re.compile(r"[^\W_]+")
_BLEU_SCALE = 100.0
_PARTS: tuple[tuple[Part, Callable[[str], str]], ...] = (("full", str), ("head", first_sentence))


@dataclass(frozen=True, slots=True)
class Overlap:
    """Scores of `n` answers in their libraries' units: corpus BLEU-4 in 0…100, mean ROUGE F1 in 0…1."""

    n: int
    bleu: float
    rouge1: float
    rouge2: float
    tokenizer: Tokenizer
    signature: str  # sacrebleu's own account of how BLEU was computed

    @property
    def rouge_tokenizer(self) -> str:
        """BLEU's tokens, but in languages with spaces lower-case words without punctuation, as is usual for ROUGE."""
        return "en-words" if self.tokenizer == "13a" else self.tokenizer


@dataclass(frozen=True, slots=True)
class OverlapRow:
    """One line of the table: one metric on one set of probes, base and tuned; all metrics on BLEU's scale 0…100."""

    probes: str
    part: Part
    metric: str
    base: float
    tuned: float
    n: int
    tokenizer: str
    signature: str

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def cells(self) -> tuple[str, ...]:
        """The row as text, in the order of `HEADER`."""
        scores = (f"{self.base:.2f}", f"{self.tuned:.2f}", f"{self.tuned - self.base:+.2f}")
        return (self.probes, self.part, self.metric, *scores, str(self.n), self.tokenizer)


def bleu_rouge(
    references: Sequence[str], answers: Sequence[str], *, lang: str, tokenizer: TokenizerChoice = "auto"
) -> Overlap:
    """Score `answers` against one reference each.

    `auto` counts characters in Japanese (`lang` "ja") and words elsewhere; "ja-mecab" needs `pip install 'raykft[ja]'`.
    BLEU is sacrebleu's default: cased, exponential smoothing, brevity penalty over the whole corpus.

    Raises:
        DataError: no answers, not as many as references, or a tokenizer of another language.
        ResourceError: MeCab is asked for and not installed.
    """
    if len(references) != len(answers):
        raise DataError(f"{len(answers)} answers for {len(references)} references; there must be one for each")
    if not answers:
        raise DataError("no answers to compare with references; at least one is needed")
    name = _tokenizer_for(lang, tokenizer)
    bleu = _bleu(name)
    corpus = bleu.corpus_score(answers, [references])
    tokens = _words if name == "13a" else _tokens_of(bleu)
    pairs = [(tokens(reference), tokens(answer)) for reference, answer in zip(references, answers, strict=True)]
    return Overlap(
        n=len(answers),
        bleu=corpus.score,
        rouge1=fmean(rouge_f1(*pair, length=1) for pair in pairs),
        rouge2=fmean(rouge_f1(*pair, length=2) for pair in pairs),
        tokenizer=name,
        signature=str(bleu.get_signature()),
    )


def rouge_f1(reference: Sequence[str], answer: Sequence[str], length: int) -> float:
    """ROUGE-N's F1, 0 to 1, over runs of `length` tokens (Lin, 2004), digit for digit as rouge-score 0.1.2 has it.

    That package reads English words alone and takes seconds to import: it loads NLTK, and with it whatever of SciPy,
    scikit-learn and pandas is installed.
    """
    counts = [Counter(zip(*(tokens[n:] for n in range(length)), strict=False)) for tokens in (reference, answer)]
    shared = (counts[0] & counts[1]).total()
    recall, precision = (shared / max(each.total(), 1) for each in counts)
    return 2 * precision * recall / (precision + recall) if shared else 0.0


def check_comparable(first: Overlap, *others: Overlap) -> None:
    """Raise DataError where scores do not count the same tokens."""
    for other in others:
        if other.tokenizer != first.tokenizer:
            raise DataError(
                f"overlap scores by tokenizers {first.tokenizer!r} and {other.tokenizer!r} are not comparable; "
                "score all answers with the same one"
            )


def average(scores: Sequence[Overlap]) -> Overlap:
    """The mean over runs of one recipe (seeds); `n` counts all their answers.

    Raises:
        DataError: no scores, or scores by different tokenizers.
    """
    if not scores:
        raise DataError("no overlap scores to average; at least one is needed")
    check_comparable(*scores)
    return Overlap(
        n=sum(score.n for score in scores),
        bleu=fmean(score.bleu for score in scores),
        rouge1=fmean(score.rouge1 for score in scores),
        rouge2=fmean(score.rouge2 for score in scores),
        tokenizer=scores[0].tokenizer,
        signature=scores[0].signature,
    )


def compare(probes: str, part: Part, base: Overlap, tuned: Overlap) -> list[OverlapRow]:
    """The three rows of one set of probes.

    Raises:
        DataError: the two were scored with different tokenizers or on different numbers of answers.
    """
    check_comparable(base, tuned)
    if base.n != tuned.n:
        raise DataError(f"{probes}: {base.n} answers of the base model against {tuned.n}; score the same probes")
    figures = (
        ("BLEU-4", base.bleu, tuned.bleu, base.tokenizer),
        ("ROUGE-1", _BLEU_SCALE * base.rouge1, _BLEU_SCALE * tuned.rouge1, base.rouge_tokenizer),
        ("ROUGE-2", _BLEU_SCALE * base.rouge2, _BLEU_SCALE * tuned.rouge2, base.rouge_tokenizer),
    )
    return [
        OverlapRow(probes, part, metric, before, after, base.n, tokenizer, base.signature)
        for metric, before, after, tokenizer in figures
    ]


def overlap_table(
    probes: Sequence[Probe],
    base: Mapping[str, str],
    tuned: Mapping[str, str],
    *,
    japanese: Tokenizer = "char",
) -> list[OverlapRow]:
    """Base and tuned on every set of `probes` (domain and general, by language), full answer and first sentence.

    `base` and `tuned` hold answers by probe id. Multiple choice is left out, because nothing is generated for it.
    The reference is the whole gold answer for both parts.

    Raises:
        DataError: a probe that one of the models has not answered, or `japanese` is no tokenizer for Japanese.
        ResourceError: MeCab is asked for and not installed.
    """
    members_of: dict[tuple[bool, str], list[Probe]] = {}
    for probe in probes:
        if probe.kind != "mc":
            members_of.setdefault((probe.level == 0, probe.lang), []).append(probe)
    rows: list[OverlapRow] = []
    for (is_general, lang), members in sorted(members_of.items()):
        name = f"{'general' if is_general else 'domain'} {lang}"
        golds = [probe.gold for probe in members]
        before, after = _answers(members, base, "base"), _answers(members, tuned, "tuned")
        tokenizer: TokenizerChoice = japanese if lang == "ja" else "auto"
        for part, cut in _PARTS:
            scores = (bleu_rouge(golds, [*map(cut, a)], lang=lang, tokenizer=tokenizer) for a in (before, after))
            rows += compare(name, part, *scores)
    return rows


def _answers(probes: Sequence[Probe], answers: Mapping[str, str], model: str) -> list[str]:
    missing = [probe.id for probe in probes if probe.id not in answers]
    if missing:
        raise DataError(
            f"the {model} model has no answer to probe {missing[0]!r} ({len(missing)} such); "
            "compare only probes that both models were asked"
        )
    return [answers[probe.id] for probe in probes]


def _tokenizer_for(lang: str, asked: TokenizerChoice) -> Tokenizer:
    suitable = _JAPANESE if lang == "ja" else _OTHER
    if asked == "auto":
        return suitable[0]
    if asked not in suitable:
        raise DataError(f"tokenizer {asked!r} does not suit language {lang!r}; use {' or '.join(suitable)}")
    return asked


def _bleu(tokenizer: Tokenizer) -> BLEU:
    try:
        # `force` silences advice about answers that end in " ."
        return BLEU(tokenize=tokenizer, force=True)
    except RuntimeError as error:
        raise ResourceError(
            f"tokenizer {tokenizer!r} needs MeCab with its IPA dictionary; run: pip install 'raykft[ja]'"
        ) from error


def _words(text: str) -> list[str]:
    return _WORD.findall(text.lower())


def _tokens_of(bleu: BLEU) -> Callable[[str], list[str]]:
    return lambda text: str(bleu.tokenizer(text)).split()
