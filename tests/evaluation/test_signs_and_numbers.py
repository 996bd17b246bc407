"""Spellings that mean the same, signs that make another name of it, and thoughts that are no answer."""

from __future__ import annotations

from typing import Any

import pytest

from raykft.evaluation.behaviour import without_thoughts
from raykft.evaluation.normalize import normalize
from raykft.evaluation.scoring import score_answer
from raykft.records import KeyFact, Probe


def right(alias: str, answer: str, type: Any = "text") -> bool:
    """Whether `answer` states `alias` and nothing wrong."""
    probe = Probe("p", 2, "recall", "What is it?", alias, (KeyFact((alias,), type),), "select")
    return score_answer(probe, answer).clean


@pytest.mark.parametrize(
    ("alias", "answer"),
    [
        ("12.5", "It is 12.50 metres high."),
        ("12.50", "It is 12.5 metres high."),
        ("320", "It has 320.0 seats."),
        ("320.0", "It has 320 seats."),
        ("1412", "It keeps 1\u202f412 lanterns."),
        ("1412", "It keeps 1\u00a0412 lanterns."),
        ("1,412,000", "It keeps 1\u2009412\u2009000 lanterns."),
        ("100000", "It holds 1,00,000 lamps."),
        ("12345678", "It holds 1,23,45,678 lamps."),
        ("412", "\u0664\u0661\u0662"),
        ("412", "\u096a\u0967\u0968 दीपक"),
        ("412", "\u0e54\u0e51\u0e52"),
        ("-0.5", "-0.50 degrees"),
        ("12.50 m", "12.5 m"),
    ],
)
def test_numbers_are_compared_by_value(alias: str, answer: str) -> None:
    assert right(alias, answer, "number")


@pytest.mark.parametrize(
    ("alias", "answer"),
    [
        ("12.5", "12.505"),
        ("12.5", "112.50"),
        ("12.5", "12.5.1"),
        ("320", "320.05"),
        ("320", "1320.0"),
        ("1412", "1 412"),  # a plain space may as well stand between two numbers
        ("412", "3\u00a0412"),
        ("007", "7"),
    ],
)
def test_other_numbers_stay_others(alias: str, answer: str) -> None:
    assert not right(alias, answer, "number")


def test_versions_and_names_are_no_numbers() -> None:
    assert not right("3.10", "Python 3.1")
    assert not right("3.1", "Python 3.10")
    assert not right("1.2.0", "version 1.2", "number")


@pytest.mark.parametrize(
    ("alias", "answer"),
    [
        ("C#", "It is written in C#."),
        ("C#", "C#, mostly"),
        ("C++", "It is C++."),
        (".NET", "The desk uses .NET today."),
        (".NET", "(.net)"),
        ("/etc/keeper", "It lies in /etc/keeper."),
        ("A+", "They got an A+."),
        ("C", "It is written in C."),
        ("net", "They cast a net."),
        ("keeper", "The keeper / warden knows."),
        ("TCP/IP", "over TCP/IP"),
        ("24/7", "24/7"),
        ("end", "The end...Next"),
    ],
)
def test_signs_that_belong_to_a_name_are_found(alias: str, answer: str) -> None:
    assert right(alias, answer)


@pytest.mark.parametrize(
    ("alias", "answer"),
    [
        ("C#", "It is written in C."),
        ("C#", "It is written in C++."),
        ("C", "It is written in C#."),
        ("C", "It is written in C++."),
        ("A", "Their grade was A+."),
        ("F#", "It is F."),
        (".NET", "They cast a net."),
        (".NET", "See example.net for it."),
        ("/etc/keeper", "Ask him, etc. Keeper knows."),
        ("/var", "The var is set."),
    ],
)
def test_without_its_signs_a_name_is_another(alias: str, answer: str) -> None:
    assert not right(alias, answer)


@pytest.mark.parametrize(
    "text", ["C# and .NET in /etc/x", "a /b c", "x ./ y", "#1 F# #", "…/a/b", "1\u202f412.50 .5", ".a.b"]
)
def test_normalizing_again_changes_nothing(text: str) -> None:
    assert normalize(normalize(text)) == normalize(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>Ada? No.</think>Bob.", "Bob."),
        ("<THINK>Ada</THINK>\nBob.", "\nBob."),
        ("<thinking>Ada</thinking>Bob<reasoning>Eve</reasoning>.", "Bob."),
        ("Ada, I guess.</think>Bob.", "Bob."),
        ("<think>Ada is", ""),
        ("Bob. <think>Or Ada", "Bob. "),
        ("<think>a<think>b</think>c</think>Bob.", "Bob."),
        ("It says <thin>Ada</thin>", "It says <thin>Ada</thin>"),
        ("2 < 3", "2 < 3"),
    ],
)
def test_a_thought_is_no_answer(text: str, said: str) -> None:
    assert without_thoughts(text) == said


def test_thoughts_are_scored_neither_right_nor_wrong() -> None:
    assert right("Bob", "<think>Is it Ada or Bob?</think>It is Bob.")
    assert not right("Ada", "<think>Is it Ada or Bob?</think>It is Bob.")
    probe = Probe("p", 2, "recall", "What?", "Ada", (KeyFact(("Ada",)),), "select")
    result = score_answer(probe, "<think>Ada, certainly")
    assert result.outcome == "empty"
    assert result.answer == "<think>Ada, certainly"
    number = Probe("n", 2, "recall", "How many?", "5", (KeyFact(("5",), "number"),), "select")
    assert score_answer(number, "<think>3 or 4?</think>5").wrong_claims == ()
