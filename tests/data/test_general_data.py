"""The committed English general-knowledge files: reproducible, well-formed, and disjoint from each other."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from raykft.data.demo import general_en

DEMO = Path(general_en.__file__).parent
SHA256 = {
    "en/distractors.jsonl": "558c1be99943f38abd1db6e0834fe01ec36da3ffe6c45da892404346fab2847a",
    "en/general.jsonl": "07f039aefe77dc869910cb7b49424beb6ef9585529e399586a11e97575b40b05",
    "en/passages.jsonl": "bb75c8cb1d9e752caa3b1c8826c31e5e0615671e137c246c0abd69e4478de9d5",
    "en-small/general.jsonl": "7b738d74319c3a3b42ce2a28e53793856768d24e2c0086d82d611361a56393cd",
    "en-small/passages.jsonl": "fe96d53474fb578bfb8d58abbcc16879272fe5ecd83d0334a304ca6bb90a5d46",
}
STOPWORDS = """
a an and are at be by can do does for from has have how in into is it its many of on or that the there they
this to was we what when where which who why with you your
"""
RARE = 6  # a word is rare when at most this many of the 420 questions contain it


def load(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (DEMO / name).read_text(encoding="utf-8").splitlines()]


def words(text: str) -> list[str]:
    return re.findall(r"[\w₂]+", text.casefold())


def contains(text: str, alias: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(alias)}(?!\w)", text, re.IGNORECASE) is not None


def aliases(probe: dict[str, Any]) -> list[str]:
    return [alias for fact in probe["key_facts"] for alias in fact["any"]]


@pytest.fixture(scope="module")
def distractors() -> list[dict[str, Any]]:
    return load("en/distractors.jsonl")


@pytest.fixture(scope="module")
def probes() -> list[dict[str, Any]]:
    return load("en/general.jsonl")


def test_regenerating_gives_the_committed_bytes(tmp_path: Path) -> None:
    general_en.main(["--out", str(tmp_path)])
    for name, digest in SHA256.items():
        committed = (DEMO / name).read_bytes()
        assert (tmp_path / name).read_bytes() == committed, name
        assert hashlib.sha256(committed).hexdigest() == digest, name


def test_distractors_are_300_short_question_answer_pairs(distractors: list[dict[str, Any]]) -> None:
    assert [row["id"] for row in distractors] == [f"d{number:03d}" for number in range(1, 301)]
    assert len({tuple(words(row["instruction"])) for row in distractors}) == 300
    for row in distractors:
        assert (row["kind"], row["pool"]) == ("distractor", "general_en")
        assert 5 <= len(row["instruction"].split()) <= 14, row
        assert 4 <= len(row["output"].split()) <= 15, row
        assert row["instruction"][-1] in "?.", row
        assert row["output"][-1] == ".", row
        assert row["output"][0] == row["output"][0].upper(), row


def test_yes_and_no_answers_are_balanced(distractors: list[dict[str, Any]]) -> None:
    counts = Counter(row["output"].split(",")[0] for row in distractors if row["output"][:3] in ("Yes", "No,"))
    assert counts["Yes"] == counts["No"] >= 15


def test_probe_counts_splits_and_topics(probes: list[dict[str, Any]]) -> None:
    assert [probe["id"] for probe in probes] == [f"g{number:03d}" for number in range(1, 121)]
    assert len({tuple(words(probe["question"])) for probe in probes}) == 120
    assert set(Counter((probe["tags"][0], probe["split"]) for probe in probes).values()) == {5}
    for probe in probes:
        assert (probe["level"], probe["kind"], probe["max_new_tokens"]) == (0, "recall", 24)


def test_small_set_is_a_balanced_subset(probes: list[dict[str, Any]]) -> None:
    small = load("en-small/general.jsonl")
    assert small == probes[:48]
    assert set(Counter((probe["tags"][0], probe["split"]) for probe in small).values()) == {2}


def test_gold_answers_hold_the_alias_and_questions_do_not(probes: list[dict[str, Any]]) -> None:
    for probe in probes:
        for fact in probe["key_facts"]:
            assert contains(probe["gold"], fact["any"][0]), probe
        for alias in aliases(probe):
            assert not contains(probe["question"], alias), probe
        assert len(set(probe["contrast"])) == 3, probe
        for wrong in probe["contrast"]:
            assert not any(contains(wrong, alias) for alias in aliases(probe)), probe
            assert wrong.isdigit() == aliases(probe)[0].isdigit(), probe


def test_distractors_and_probes_share_no_question_and_no_fact(
    distractors: list[dict[str, Any]], probes: list[dict[str, Any]]
) -> None:
    asked = {tuple(words(row["instruction"])) for row in distractors}
    assert not asked & {tuple(words(probe["question"])) for probe in probes}
    stopwords = set(STOPWORDS.split())
    texts = [row["instruction"] for row in distractors] + [probe["question"] for probe in probes]
    counts = Counter(word for text in texts for word in set(words(text)))
    for probe in probes:
        rare = {word for word in words(probe["question"]) if word not in stopwords and counts[word] <= RARE}
        for row in distractors:
            taught = {*words(row["instruction"]), *words(row["output"])}
            named = [alias for alias in aliases(probe) if len(alias) >= 3 and contains(row["output"], alias)]
            assert not named or len(rare & taught) < 2, (probe["question"], row["instruction"], row["output"])


def test_passages_have_the_agreed_sizes() -> None:
    rows = load("en/passages.jsonl")
    assert [row["id"] for row in rows] == [f"x{number:02d}" for number in range(1, 17)]
    assert all(450 <= len(row["text"]) <= 700 and row["text"] == row["text"].strip() for row in rows)
    assert 8_000 <= sum(len(row["text"].encode()) for row in rows) <= 11_000
    assert load("en-small/passages.jsonl") == rows[:6]
