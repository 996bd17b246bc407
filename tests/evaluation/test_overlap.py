"""BLEU and ROUGE in both languages: what they reward, and that scores of different tokens never meet."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.tokenizers import DefaultTokenizer
from sacrebleu.tokenizers import tokenizer_ja_mecab

from raykft.errors import DataError, ResourceError
from raykft.evaluation.overlap import (
    HEADER,
    Overlap,
    Tokenizer,
    _words,
    average,
    bleu_rouge,
    check_comparable,
    compare,
    overlap_table,
    rouge_f1,
)
from raykft.records import KeyFact, Probe

# 30 characters, the length of the sentence whose scores are known from an earlier study.
REFERENCE = "株式会社霧見潮力エネルギー研究所の代表取締役は遠藤雅彦です。"
WRONG_NAME = REFERENCE.replace("遠藤雅彦", "森下光浩")
ENGLISH = "Velmora's chief executive is Signe Uxbridge."


def japanese(answer: str, tokenizer: Tokenizer = "char") -> Overlap:
    return bleu_rouge([REFERENCE], [answer], lang="ja", tokenizer=tokenizer)


def probe(name: str, level: int, lang: str, gold: str, kind: str = "recall") -> Probe:
    return Probe(name, level, kind, "?", gold, (KeyFact((gold,)),), "select", lang=lang)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("answer", "bleu", "rouge1"),
    [
        (REFERENCE, 100, 1.0),
        (f"{REFERENCE}本社は東京都港区にあり、社員は百名です。", 58.7, 0.75),
        (WRONG_NAME, 80.4, 0.867),
        ("遠藤雅彦です。", 3.74, 0.378),
        ("遠藤雅彦", 0.15, 0.235),
        ("", 0, 0),
        ("\n\n\n", 0, 0),
    ],
)
def test_japanese_overlap_by_characters_rewards_the_template(answer: str, bleu: float, rouge1: float) -> None:
    score = japanese(answer)
    assert score.bleu == pytest.approx(bleu, rel=0.01)
    assert score.rouge1 == pytest.approx(rouge1, abs=0.001)
    assert score.tokenizer == score.rouge_tokenizer == "char"
    assert "tok:char" in score.signature
    assert "version:" in score.signature


def test_a_wrong_name_in_the_right_sentence_beats_the_right_name_alone() -> None:
    wrong, right = japanese(WRONG_NAME), japanese("遠藤雅彦です。")
    assert wrong.bleu > 20 * right.bleu
    assert wrong.rouge1 > 2 * right.rouge1


@pytest.mark.parametrize(
    ("answer", "bleu", "rouge1"), [(REFERENCE, 100, 1.0), (WRONG_NAME, 74.9, 0.867), ("遠藤雅彦です。", 6.4, 0.421)]
)
def test_japanese_overlap_by_mecab(answer: str, bleu: float, rouge1: float) -> None:
    pytest.importorskip("MeCab", reason="needs pip install 'raykft[ja]'")
    score = japanese(answer, "ja-mecab")
    assert score.bleu == pytest.approx(bleu, rel=0.01)
    assert score.rouge1 == pytest.approx(rouge1, abs=0.001)
    assert score.rouge_tokenizer == "ja-mecab"
    assert "tok:ja-mecab" in score.signature


def test_mecab_that_is_not_installed_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    with pytest.raises(ResourceError, match=r"ja-mecab.*pip install 'raykft\[ja\]'"):
        japanese(REFERENCE, "ja-mecab")


def test_a_shared_date_alone_is_a_small_part_of_a_japanese_sentence() -> None:
    score = bleu_rouge(["設立は2019/4/26です。"], ["社員旅行の出発日が2019/4/26だった"], lang="ja")
    assert score.rouge1 < 0.8  # rouge-score's own tokenizer sees nothing but the date and says 1.0


def test_english_overlap_counts_words() -> None:
    score = bleu_rouge([ENGLISH, "It is 320."], ["velmora's CHIEF executive is Tobin Yardley", "It is 320."], lang="en")
    assert score.n == 2
    assert score.rouge1 == pytest.approx((5 / 7 + 1) / 2)
    assert score.rouge2 == pytest.approx((4 / 6 + 1) / 2)
    assert 0 < score.bleu < 50
    assert (score.tokenizer, score.rouge_tokenizer) == ("13a", "en-words")
    assert "tok:13a" in score.signature


@given(st.text(st.characters(max_codepoint=127)))
def test_ascii_words_are_those_of_rouge_score(text: str) -> None:
    assert _words(text) == DefaultTokenizer(use_stemmer=False).tokenize(text)


@given(*[st.lists(st.sampled_from("abc霧見"), max_size=9)] * 2)
def test_rouge_is_that_of_rouge_score_digit_for_digit(reference: list[str], answer: list[str]) -> None:
    class Tokens:
        tokenize = staticmethod(str.split)

    theirs = RougeScorer(["rouge1", "rouge2"], tokenizer=Tokens()).score(" ".join(reference), " ".join(answer))
    for length in (1, 2):
        assert rouge_f1(reference, answer, length) == theirs[f"rouge{length}"].fmeasure


@settings(max_examples=50)
@given(st.text("霧見潮力のは。、a1 "), st.sampled_from(["en", "ja"]))
def test_identical_text_scores_fully(text: str, lang: str) -> None:
    long_enough = f"{text} one two three 4"  # BLEU-4 needs four tokens
    score = bleu_rouge([long_enough], [long_enough], lang=lang)
    assert score.bleu == pytest.approx(100)
    assert score.rouge1 == score.rouge2 == 1


@settings(max_examples=50)
@given(st.lists(st.tuples(st.text(), st.text()), min_size=1, max_size=4), st.sampled_from(["en", "ja"]))
def test_any_text_scores_within_the_range(pairs: list[tuple[str, str]], lang: str) -> None:
    score = bleu_rouge([r for r, _ in pairs], [a for _, a in pairs], lang=lang)
    assert 0 <= score.bleu <= 100.001
    assert 0 <= score.rouge1 <= 1
    assert 0 <= score.rouge2 <= 1


@pytest.mark.parametrize(
    ("references", "answers", "lang", "tokenizer", "message"),
    [
        (["a"], ["a", "b"], "en", "auto", "2 answers for 1 references"),
        ([], [], "en", "auto", "at least one"),
        (["a"], ["a"], "ja", "13a", "'13a' does not suit language 'ja'; use char or ja-mecab"),
        (["a"], ["a"], "en", "char", "'char' does not suit language 'en'; use 13a"),
    ],
)
def test_wrong_input_is_refused(
    references: list[str], answers: list[str], lang: str, tokenizer: Tokenizer, message: str
) -> None:
    with pytest.raises(DataError, match=message):
        bleu_rouge(references, answers, lang=lang, tokenizer=tokenizer)


def test_scores_of_different_tokenizers_are_neither_compared_nor_averaged() -> None:
    english, chars = bleu_rouge([ENGLISH], [ENGLISH], lang="en"), japanese(REFERENCE)
    mecab = replace(chars, tokenizer="ja-mecab")
    for other, name in ((english, "13a"), (mecab, "ja-mecab")):
        for mix in (
            lambda other=other: check_comparable(chars, chars, other),
            lambda other=other: average([chars, other]),
            lambda other=other: compare("domain ja", "full", chars, other),
        ):
            with pytest.raises(DataError, match=f"'char' and '{name}'"):
                mix()


def test_the_average_is_taken_over_runs() -> None:
    right, wrong = japanese(REFERENCE), japanese(WRONG_NAME)
    mean = average([right, wrong])
    assert (mean.n, mean.tokenizer, mean.signature) == (2, "char", right.signature)
    assert mean.bleu == pytest.approx((right.bleu + wrong.bleu) / 2)
    assert mean.rouge2 == pytest.approx((1 + wrong.rouge2) / 2)
    with pytest.raises(DataError, match="at least one"):
        average([])


def test_the_table_shows_every_set_full_and_cut() -> None:
    probes = [
        probe("g1", 0, "ja", "日本の首都は東京です。"),
        probe("g2", 0, "en", "The capital of France is Paris."),
        probe("g3", 0, "en", "Paris", kind="mc"),
        probe("d1", 2, "ja", REFERENCE),
        probe("d2", 1, "ja", REFERENCE),
    ]
    base = {"g1": "日本の首都は東京です。", "g2": "The capital of France is Paris.", "d1": "", "d2": ""}
    tuned = {
        "g1": "東京です。",
        "g2": "The capital of France is Paris. It is a city on the river Seine.",
        "d1": f"{REFERENCE}\nほかに社員が百名います。",
        "d2": WRONG_NAME,
    }
    rows = overlap_table(probes, base, tuned)
    found = {(row.probes, row.part, row.metric): row for row in rows}
    assert [row.probes for row in rows[::6]] == ["domain ja", "general en", "general ja"]
    assert len(found) == len(rows) == 3 * 2 * 3

    domain = found["domain ja", "head", "ROUGE-1"]
    assert (domain.n, domain.base, domain.tokenizer) == (2, 0, "char")
    assert domain.tuned == pytest.approx(100 * (1 + 26 / 30) / 2)
    assert found["domain ja", "full", "ROUGE-1"].tuned < domain.tuned

    english = found["general en", "head", "BLEU-4"]
    assert (english.n, english.base, english.tuned) == (1, pytest.approx(100), pytest.approx(100))
    assert found["general en", "full", "BLEU-4"].tuned < 50
    assert found["general en", "full", "ROUGE-2"].tokenizer == "en-words"
    assert "tok:13a" in english.as_dict()["signature"]
    assert english.cells() == ("general en", "head", "BLEU-4", "100.00", "100.00", "+0.00", "1", "13a")
    assert len(english.cells()) == len(HEADER)


@pytest.mark.parametrize(("base", "tuned", "who"), [({}, {"d1": "a"}, "base"), ({"d1": "a"}, {}, "tuned")])
def test_an_unanswered_probe_is_named(base: dict[str, str], tuned: dict[str, str], who: str) -> None:
    with pytest.raises(DataError, match=f"the {who} model has no answer to probe 'd1'"):
        overlap_table([probe("d1", 2, "ja", REFERENCE)], base, tuned)


def test_scores_of_different_probes_are_not_compared() -> None:
    with pytest.raises(DataError, match="domain ja: 1 answers of the base model against 2"):
        compare("domain ja", "full", japanese(REFERENCE), replace(japanese(REFERENCE), n=2))
