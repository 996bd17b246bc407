"""What an answer asserts, in which form: siblings of the kinds in `answers.jsonl`, and endless answers."""

from __future__ import annotations

import time
from typing import Any

import pytest

from raykft.evaluation.behaviour import polarity
from raykft.evaluation.scoring import score_answer
from raykft.records import KeyFact, Probe


def right(question: str, alias: str, answer: str, type: Any = "text") -> bool:
    probe = Probe("p", 2, "recall", question, alias, (KeyFact((alias,), type),), "select")
    return score_answer(probe, answer).correct


RIVER, HOME = "Which river runs past the Hobb tannery?", "椿原酒造の本店はどこですか？"
MAYOR = "Who is the mayor of Dunleigh?"


@pytest.mark.parametrize(
    ("question", "alias", "answer", "type", "expected"),
    [
        (RIVER, "Sill", "On the Sill, not on the Orme.", "text", True),
        (RIVER, "Sill", "The Orme, I mean the Sill.", "text", True),
        (RIVER, "Sill", "It's the Orme and not the Sill.", "text", False),
        (RIVER, "Sill", "Instead of the Sill it is the Orme.", "text", False),
        (RIVER, "Sill", "Neither the Sill nor the Orme.", "text", False),
        (HOME, "岡谷", "諏訪です。いえ、岡谷でした。", "text", True),
        (HOME, "岡谷", "岡谷かもしれません。", "text", True),
        (HOME, "岡谷", "岡谷にはありません。", "text", False),
        (HOME, "岡谷", "かつて岡谷にあったが、今は諏訪にある。", "text", False),
        (MAYOR, "Harriet Voss", "H. Voss", "person", True),
        (MAYOR, "Harriet Voss", "Mayor Voss", "person", True),
        (MAYOR, "Harriet Voss", "Former teacher Harriet Voss", "person", True),
        (MAYOR, "Harriet Voss", "Carl Voss", "person", False),
        (MAYOR, "Harriet Voss", "Harriet Voss is the wife of the mayor, Carl Ude.", "person", False),
        ("杜氏は誰ですか？", "長谷部和子", "長谷部さんです。", "person", True),
        ("杜氏は誰ですか？", "長谷部和子", "長谷部和美です。", "person", False),
        ("How many?", "33", "thirty-three", "number", True),
        ("How many?", "33", "three hundred and thirty", "number", False),
        ("How heavy?", "1.5 tonnes", "One and a half tonnes", "number", True),
        ("樽はいくつですか？", "1200個", "千二百個です。", "number", True),
        ("樽はいくつですか？", "1200個", "120個です。", "number", False),
        ("When?", "3 May", "They met in May. 3 people came.", "date", False),
        ("When?", "3 May", "on the third of May", "date", True),
        ("How much?", "£5", "$5", "text", False),
        ("駅は？", "大月駅", "東大月駅です。", "text", False),
    ],
)
def test_only_what_is_asserted_counts(question: str, alias: str, answer: str, type: Any, expected: bool) -> None:
    assert right(question, alias, answer, type) is expected


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("飛びません。", "八戸に飛びますか？", "no"),
        ("まず、飛びます。", "八戸に飛びますか？", None),
        ("できますよ。", "見学できますか？", "yes"),
        ("現金しか使えません。", "現金が使えますか？", None),
        ("Absolutely, it does.", "", "yes"),
        ("No wonder it is full.", "", None),
    ],
)
def test_polarity_without_yes_and_no(answer: str, question: str, expected: str | None) -> None:
    assert polarity(answer, question) == expected


@pytest.mark.parametrize(
    "unit", ["A", "Aa ", "not ", "x's ", "Ab Cd is ", "sorry, ", "、いや", "ません", "one ", "Voss "]
)
def test_no_answer_takes_long(unit: str) -> None:
    start = time.process_time()
    right(MAYOR, "Harriet Voss", unit * (20_000 // len(unit)), "person")
    right(HOME, "コンピューター", unit * (20_000 // len(unit)))
    assert time.process_time() - start < 5
