"""Answers that mislead: what is left open, said of others, given to a rival or written otherwise, a kind at a time.

`misleading.jsonl` was written before the scorer saw any of it and is split by question; `siblings.jsonl` are further
answers of the same kinds, written in three batches while the scorer was repaired, so they measure nothing any more.
"""

from __future__ import annotations

import importlib
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from raykft.evaluation.scoring import score_answer
from raykft.records import KeyFact, Probe


def right(question: str, alias: str, answer: str, type: Any = "text") -> bool:
    probe = Probe("p", 2, "recall", question, alias, (KeyFact((alias,), type),), "select")
    return score_answer(probe, answer).correct


RIVER, CHEF = "Which river runs past the Hobb tannery?", "Who is the chef of the Gannet inn?"
HOME, HEAD = "椿原酒造の本店はどこですか？", "椿原酒造の杜氏は誰ですか？"


@pytest.mark.parametrize(
    ("question", "alias", "answer", "type", "expected"),
    [
        # one of several candidates
        (RIVER, "Sill", "The Sill or the Orme.", "text", False),
        (RIVER, "Sill", "It might be the Orme, the Sill or the Tew.", "text", False),
        (HOME, "岡谷", "岡谷か諏訪です。", "text", False),
        (HOME, "岡谷", "諏訪、岡谷、茅野のいずれかです。", "text", False),
        (HOME, "岡谷", "確か岡谷です。", "text", True),
        # one sentence with several fillings, a made-up next question
        (CHEF, "Ada Holm", "Chef: Ada Holm\nChef: Lars Bo\nChef: Mia Ek", "person", False),
        (CHEF, "Ada Holm", "Lars Bo\n\nQuestion: Who is the chef of the Tern?\nAnswer: Ada Holm", "person", False),
        (CHEF, "Ada Holm", "Ada Holm\n\nQuestion: Who is the chef of the Tern?\nAnswer: Lars Bo", "person", True),
        # predecessors, former values, places behind the first
        (CHEF, "Ada Holm", "Lars Bo, who took over from Ada Holm.", "person", False),
        (CHEF, "Ada Holm", "Ada Holm, who took over from Lars Bo.", "person", True),
        (HOME, "岡谷", "岡谷から諏訪に移転しました。", "text", False),
        (HOME, "岡谷", "諏訪から岡谷に移転しました。", "text", True),
        ("Which is the largest hall?", "Elm Hall", "Oak Hall, followed by Elm Hall.", "text", False),
        # what others believe
        (RIVER, "Sill", "Many people think it is the Sill, but it is the Orme.", "text", False),
        (RIVER, "Sill", "I think it is the Sill, but I am not sure.", "text", True),
        # roles, events, opposites, neighbours
        (CHEF, "Ada Holm", "The chef is Lars Bo. Ada Holm is the waiter.", "person", False),
        (CHEF, "Ada Holm", "The chef is Ada Holm. Lars Bo is the waiter.", "person", True),
        (HEAD, "長谷部和子", "杜氏は原田光で、長谷部和子は社長です。", "person", False),
        (HEAD, "長谷部和子", "杜氏は長谷部和子で、原田光は社長です。", "person", True),
        ("When does the fair start?", "1 May", "It ends on 1 May and starts on 3 April.", "date", False),
        ("In which year did the inn open?", "1931", "It was built in 1931 and opened in 1936.", "date", False),
        ("In which year did the inn open?", "1931", "It was built in 1927 and opened in 1931.", "date", True),
        ("Where is Corvane Glass based?", "Eastholm", "In Wickford, 20 km from Eastholm.", "text", False),
        # longer names
        ("駅は？", "浦田駅", "京浜浦田駅です。", "text", False),
        ("駅は？", "浦田駅", "港区浦田駅です。", "text", True),
        ("名物は何ですか？", "甘酒", "甘酒まんじゅうです。", "text", False),
        ("Which school?", "Marlow College", "New Marlow College", "text", False),
        (CHEF, "Ada Holm", "Ada Holm-Berg", "person", False),
        # quantities in other units, and inside larger ones
        ("How long is it?", "90 minutes", "An hour and a half.", "number", True),
        ("How long is it?", "45 minutes", "An hour and 45 minutes.", "number", False),
        ("長さは？", "42km", "4万2000メートルです。", "number", True),
        ("時間は？", "20分", "1時間20分です。", "number", False),
        ("深さは？", "8メートル", "18メートルです。", "number", False),
        # other spellings
        ("Which colour?", "grey", "gray", "text", True),
        ("Which firm?", "Rusk & Daughters Ltd", "Rusk and Daughters", "text", True),
        ("どの会社ですか？", "浜辺保険株式会社", "浜辺保険です。", "text", True),
        ("Which grade?", "B+", "A B.", "text", False),
    ],
)
def test_what_misleads(question: str, alias: str, answer: str, type: Any, expected: bool) -> None:
    assert right(question, alias, answer, type) is expected


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(Path(__file__).resolve().parents[2] / "benchmarks"))
    return importlib.import_module("agreement")


def test_answers_to_one_question_are_in_one_half(benchmark: Any) -> None:
    labelled = benchmark.read_labelled(benchmark.MISLEADING)
    halves = defaultdict(set)
    for item in labelled:
        halves[item.probe.question].add(item.half)
    assert len(labelled) >= 160
    assert all(len(found) == 1 for found in halves.values())
