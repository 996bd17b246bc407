"""The committed Japanese general-knowledge files: reproducible, well-formed, fair, and disjoint from each other."""

from __future__ import annotations

import hashlib
import re
import time
import unicodedata
from collections import Counter
from pathlib import Path
from statistics import fmean

import pytest

from raykft.data.demo import general, general_ja
from raykft.data.read import read_records
from raykft.evaluation.scoring import compile_probe, score_answer
from raykft.records import Passage, Probe, TrainRow

DEMO = Path(general_ja.__file__).parent
SHA256 = {
    "ja/distractors.jsonl": "6adbf818861b92d7709ad0ef718f7bea9ab5e55c64a5a03f9e6c9aca3cd9bb0a",
    "ja/general.jsonl": "cb674338dc2795269a9cb15cae9dbbfcaac9aade2bc2938cccde4a74b03ab47b",
    "ja/passages.jsonl": "966206834fbfe3e77e69165d991a5d40b4ff393a29ad437361e5c65aedfdf90b",
    "ja-small/general.jsonl": "9250df087be6ae946ad439891d55093135ce96df0dad7b4be283366cecaaa5b4",
    "ja-small/passages.jsonl": "82968226960334a8191f0127aba354eff86f07eee43843b2d972ac2fabd193e4",
}
COUNTS = {"recall": 120, "mc": 112, "instruct": 56, "locality": 24}
SMALL_COUNTS = {"recall": 24, "mc": 16, "instruct": 8, "locality": 4}
TOKENS = {"recall": 32, "mc": 1, "instruct": 48, "locality": 32}
CHATTER = (
    "もちろんです。以下に質問への回答を説明します。ほかに知りたいことがあれば、何でもお聞きください。"
    "申し訳ありませんが、私にはわかりません。日本語で丁寧に答えるように努めています。次のとおりです。"
)
COMMON = 25  # a pair of characters says nothing about a question when more of them have it
SIMILAR = 0.3


def kind_of(probe: Probe) -> str:
    return "locality" if "locality" in probe.tags else probe.kind


def letters(text: str) -> str:
    return "".join(char for char in unicodedata.normalize("NFKC", text).casefold() if char.isalnum())


def pairs(text: str) -> set[str]:
    """Neighbouring characters, without those that are hiragana alone: they are grammar as a rule."""
    plain = letters(text)
    found = {plain[start : start + 2] for start in range(len(plain) - 1)}
    return {pair for pair in found if not re.fullmatch("[ぁ-ゖー]{2}", pair)}


@pytest.fixture(scope="module")
def distractors() -> list[TrainRow]:
    return read_records(DEMO / "ja/distractors.jsonl", TrainRow)


@pytest.fixture(scope="module")
def probes() -> list[Probe]:
    return read_records(DEMO / "ja/general.jsonl", Probe)


def of(probes: list[Probe], *kinds: str) -> list[Probe]:
    return [probe for probe in probes if kind_of(probe) in kinds]


def test_regenerating_gives_the_committed_bytes(tmp_path: Path) -> None:
    general_ja.main(["--out", str(tmp_path)])
    assert {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.jsonl")} == set(SHA256)
    for name, digest in SHA256.items():
        committed = (DEMO / name).read_bytes()
        assert (tmp_path / name).read_bytes() == committed, name
        assert hashlib.sha256(committed).hexdigest() == digest, name


def test_a_table_with_an_odd_number_of_lines_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        general.in_turn({"even": "a | b\nc | d\ne | f\ng | h", "odd": "a | b\nc | d\ne | f"})


@pytest.mark.parametrize(("name", "counts"), [("ja", COUNTS), ("ja-small", SMALL_COUNTS)])
def test_counts_splits_and_fields(name: str, counts: dict[str, int]) -> None:
    found = read_records(DEMO / name / "general.jsonl", Probe)
    assert Counter(map(kind_of, found)) == counts
    halves = Counter((kind_of(probe), probe.tags[-1], probe.split) for probe in found)
    for (kind, topic, _), count in halves.items():
        assert halves[kind, topic, "select"] == halves[kind, topic, "report"] == count, topic
    for probe in found:
        assert (probe.level, probe.lang, probe.max_new_tokens) == (0, "ja", TOKENS[kind_of(probe)]), probe.id


def test_the_small_set_is_a_subset_on_many_topics(probes: list[Probe]) -> None:
    small = read_records(DEMO / "ja-small/general.jsonl", Probe)
    assert set(small) <= set(probes)
    topics = Counter(kind for kind, _ in {(kind_of(probe), probe.tags[-1]) for probe in small})
    assert topics == {kind: count // 2 for kind, count in SMALL_COUNTS.items()}


def test_no_two_probes_ask_the_same(probes: list[Probe]) -> None:
    assert len({letters(probe.question) for probe in probes}) == len(probes)


def test_right_answers_are_clean_and_everything_else_is_wrong(probes: list[Probe]) -> None:
    for probe in of(probes, "recall", "locality"):
        (fact,) = probe.key_facts
        assert score_answer(probe, probe.gold).clean, probe.gold
        assert fact.any[0] in probe.gold, probe.gold
        for alias in fact.any:
            assert score_answer(probe, f"{alias}です。").clean, (probe.question, alias)
        for wrong in (probe.question, CHATTER, *probe.contrast, *(f"{c}です。" for c in probe.contrast)):
            assert not score_answer(probe, wrong).correct, (probe.question, wrong)


def test_wrong_answers_are_of_the_type_of_the_right_one(probes: list[Probe]) -> None:
    shape = re.compile(r"[0-9]+")
    for probe in of(probes, "recall", "locality", "mc"):
        right = probe.key_facts[0].any[0]
        assert len(set(probe.contrast)) == 3, probe.id
        for wrong in probe.contrast:
            if probe.key_facts[0].type != "text" or right.isdigit():
                assert shape.sub("", wrong) == shape.sub("", right) or probe.key_facts[0].type == "person", probe.id


def test_choices_do_not_give_themselves_away(probes: list[Probe]) -> None:
    found = of(probes, "mc")
    longest = shortest = 0
    for probe in found:
        right, wrong = len(probe.gold.encode()), [len(option.encode()) for option in probe.contrast]
        assert probe.key_facts[0].any == (probe.gold,), probe.id
        assert probe.gold not in probe.question, probe.id
        assert not any(option in probe.gold or probe.gold in option for option in probe.contrast), probe.id
        assert max(right, *wrong) <= 1.7 * min(right, *wrong), probe.id
        longest += right > max(wrong)
        shortest += right < min(wrong)
    assert max(longest, shortest) <= 0.1 * len(found)
    wrong_length = fmean(len(option) for probe in found for option in probe.contrast)
    assert fmean(len(probe.gold) for probe in found) == pytest.approx(wrong_length, rel=0.05)


def test_instructions_accept_their_gold_and_what_a_base_model_adds_below(probes: list[Probe]) -> None:
    for probe in of(probes, "instruct"):
        for answer in (probe.gold, f" {probe.gold}\n", f"{probe.gold}\n\n質問：冬は寒いですか。\n回答：はい。"):
            assert score_answer(probe, answer).clean, (probe.id, answer)


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "{question}",
        "「{question}」",
        "質問：{question}",
        "{question}\n{gold}",
        "もちろんです。以下に回答を示します。",
        "もちろんです。\n{gold}",
        "はい、{gold}",
        "はい。{gold}",
        "承知しました。{gold}",
        "以下のとおりです。\n{gold}",
        "答えは{gold}です。これでよろしいでしょうか。",
        CHATTER,
    ],
)
def test_instructions_reject_chatter_and_the_question_again(probes: list[Probe], answer: str) -> None:
    for probe in of(probes, "instruct"):
        text = answer.format(question=probe.question, gold=probe.gold)
        assert not score_answer(probe, text).correct, (probe.id, text)


@pytest.mark.parametrize(
    ("form", "answers"),
    [
        ("はい・いいえ", ["はい、果物です。", "はいはい", "yes"]),
        ("数字だけ", ["13です。", "十三", "13個"]),
        ("一語", ["冬です。", "冬、雪", "冬は寒い季節である"]),
        ("読点で三つ", ["りんご、みかん", "りんご、みかん、ぶどう、もも", "りんご みかん ぶどう"]),
        ("ひらがなだけ", ["ヤマ", "山", "やま(山)"]),
        ("カタカナだけ", ["ばなな", "バナナです", "banana"]),
        ("かぎかっこ", ["雪", "雪です。", "『雪』", "「雪」と「氷」"]),
        ("終わりの言葉", ["以上です。", "気持ちがよくなります。", "気持ちがよくなります。以上です。またどうぞ。"]),
        ("二文", ["犬は動物です。", "犬は動物です。鼻がよい。よく走ります。"]),
        ("です・ます", ["猫は動物である。", "猫は動物です。よく眠ります。", "猫"]),
        ("だ・である", ["馬は速く走る動物です。", "馬は動物である。速く走る。", "馬は走ります"]),
        ("書き出し", ["昔、ある所に、おじいさんがいました。", "甘いです。", "お茶をいれます。"]),
        ("箇条書き", ["・にんじん\n・なす", "にんじん\nなす\nきゅうり", "・なす\n・かぶ\n・ねぎ\n・いも"]),
        ("英単語だけ", ["太陽", "サン", "The sun.", "sun (太陽)"]),
    ],
)
def test_each_form_rejects_its_near_misses(probes: list[Probe], form: str, answers: list[str]) -> None:
    asked = [probe for probe in of(probes, "instruct") if probe.tags == (form,)]
    assert asked
    for probe in asked:
        assert [score_answer(probe, answer).compliant for answer in answers] == [False] * len(answers), probe.id


def test_patterns_take_linear_time(probes: list[Probe]) -> None:
    started = time.perf_counter()
    for probe in {probe.tags: probe for probe in of(probes, "instruct")}.values():
        pattern = compile_probe(probe).pattern
        assert pattern is not None
        for unit in ("あ", "、あ", "。", "です", "・あ\n", "「", "以上です。", "A"):
            assert pattern.search(unit * 10_000 + "\x00") is None or unit in {"。", "以上です。", "・あ\n", "です"}
    assert time.perf_counter() - started < 2


def test_distractors_are_300_polite_question_answer_pairs(distractors: list[TrainRow]) -> None:
    assert [row.id for row in distractors] == [f"dj{number:03d}" for number in range(1, 301)]
    assert len({letters(row.instruction) for row in distractors}) == 300
    for row in distractors:
        assert (row.kind, row.pool, row.input, row.fact_ids) == ("distractor", "general_ja", "", ()), row
        assert row.instruction.endswith(("か。", "ください。")), row
        assert re.search(r"(?:です|ます|ません|ました|ように)。$", row.output), row
        assert 8 <= len(row.output) <= 50, row
        assert letters(row.instruction) not in letters(row.output), row


def test_yes_and_no_answers_are_balanced(distractors: list[TrainRow]) -> None:
    starts = Counter(row.output.split("、")[0] for row in distractors)
    assert starts["はい"] == starts["いいえ"] == 14


def test_distractors_and_probes_share_no_question_and_no_fact(distractors: list[TrainRow], probes: list[Probe]) -> None:
    asked = {letters(row.instruction) for row in distractors}
    assert not asked & {letters(probe.question) for probe in probes}
    texts = [probe.question for probe in probes] + [row.instruction for row in distractors]
    counts = Counter(pair for text in texts for pair in pairs(text))
    taught = [(row, pairs(row.instruction + row.output)) for row in distractors]
    for probe in probes:
        telling = {pair for pair in pairs(probe.question) if counts[pair] <= COMMON}
        close = [row for row, known in taught if len(telling & known) >= SIMILAR * len(telling)]
        for row in close if probe.key_facts else ():
            assert not score_answer(probe, row.output).correct, (probe.question, row.instruction, row.output)


def test_passages_are_twenty_kilobytes_of_japanese_prose() -> None:
    rows = read_records(DEMO / "ja/passages.jsonl", Passage)
    assert [row.id for row in rows] == [f"xj{number:02d}" for number in range(1, 21)]
    for row in rows:
        assert row.lang == "ja"
        assert 300 <= len(row.text) <= 400, row.id
        assert not re.search(r"[\x00-\x7f]", row.text), row.id
        assert row.text[-1] == "。", row.id
    assert 19_000 <= sum(len(row.text.encode()) for row in rows) <= 21_000
    small = read_records(DEMO / "ja-small/passages.jsonl", Passage)
    assert small == rows[: len(small)]
    assert 3_800 <= sum(len(row.text.encode()) for row in small) <= 4_200
