"""English: the value in an answer, and questions in other words."""

from __future__ import annotations

import re
from random import Random

import pytest

from raykft.drafting.english import English
from raykft.drafting.found import Found, NothingFoundError

RULES = English()


@pytest.mark.parametrize(
    ("question", "answer", "value", "type"),
    [
        ("Who founded the museum?", "The museum was founded by the watchmaker Edwin Tully.", "Edwin Tully", "person"),
        ("Who donated the Vance watches?", "Margaret Vance donated them.", "Margaret Vance", "person"),
        ("Who is the CEO of Mirai Denki?", "Taro Yamada", "Taro Yamada", "person"),
        ("Who presented the prize?", "The prize was presented by the mayor.", "mayor", "text"),
        ("When did the library open?", "It opened on 9 May 1987.", "9 May 1987", "date"),
        ("In which year was the clock made?", "It was made in 1612.", "1612", "date"),
        ("On which day is it closed?", "It is closed on Tuesdays.", "Tuesdays", "text"),
        ("What time does the museum open?", "It opens at 9:30 in the morning.", "9:30", "text"),
        ("How often is the clock wound?", "The clock is wound twice a week.", "twice a week", "text"),
        ("How many visitors came in 2023?", "In 2023, 48,210 visitors came.", "48,210", "number"),
        ("How many floors does it have?", "Four", "Four", "number"),
        ("How long is the course?", "The course lasts eleven weeks.", "eleven", "number"),
        ("How much does a ticket cost?", "A ticket costs £7.50.", "£7.50", "number"),
        ("How much did it cost?", "It cost 2.3 million pounds.", "2.3 million", "number"),
        ("Where is the head office?", "The head office is in Chino, Nagano.", "Chino, Nagano", "text"),
        ("Which bank managed the sale?", "The sale was managed by Palliser Bank.", "Palliser Bank", "text"),
        ("Which university is its partner?", "It is the University of Bologna.", "University of Bologna", "text"),
        ("What is the motto?", 'Its motto is "Every hour has a maker".', "Every hour has a maker", "text"),
        ("Which medal did it win?", "It won the Iron Rudder.", "Iron Rudder", "text"),
        ("What does it sell?", "It sells cards, sundials and clock oil.", "cards, sundials and clock oil", "list"),
        ("What does Mirai produce?", "Mirai produces lamps and sensors.", "lamps and sensors", "list"),
    ],
)  # fmt: skip
def test_the_value_is_what_the_answer_adds(question: str, answer: str, value: str, type: str) -> None:
    found = RULES.find(question, answer)
    assert (found.text, found.type) == (value, type)


@pytest.mark.parametrize(
    ("question", "answer", "why"),
    [
        ("Is the museum open on Mondays?", "No, it is closed on Mondays.", "yes-or-no"),
        ("How do I reset my password?", "Open settings and press reset.", "explanation"),
        ("Why are the clocks stopped?", "To honour Edwin Tully.", "explanation"),
        ("What happened in 1994?", "A fire destroyed the east wing, and it closed for two years.", "several things"),
        ("Who designed the logo?", "It was designed by the studio Fern & Co., based in Leeds.", "several things"),
        ("When was it open?", "It was open from 3 May 1990 to 4 June 1991.", "several dates"),
        ("How many people work there?", "Between 30 and 40 people work there.", "several numbers"),
        ("Who leads the museum?", "The museum leads.", "adds no word"),
    ],
)
def test_what_is_no_value_is_left_out_with_a_reason(question: str, answer: str, why: str) -> None:
    with pytest.raises(NothingFoundError, match=why):
        RULES.find(question, answer)


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        (
            "Who is the director of the Clock Museum?",
            "Which person holds the position of director at the Clock Museum?",
        ),
        ("What is Mirai's motto?", "Name the slogan of Mirai."),
        ("Who founded the Clock Museum?", "By whom was the Clock Museum founded?"),
        ("Who donated the watches?", "By whom were the watches donated?"),
        ("When was Mirai granted its first patent?", "Mirai was granted its first patent on which date?"),
        ("When did the Clock Museum open?", "What is the date on which the Clock Museum opened?"),
        ("Where is the head office?", "In which place can one find the headquarters?"),
        ("Where are the archives kept?", "The archives are kept in which place?"),
        ("How many people work at Mirai?", "What is the number of people who work at Mirai?"),
        ("How many patents does Mirai hold?", "Mirai holds how many patents?"),
        ("How tall is the tower?", "What is the height of the tower?"),
        ("How much does a ticket cost?", "What is the price of a ticket?"),
        ("What is the ferry called?", "Give the name of the ferry."),
        ("What is the oldest clock in the museum?", "Which of the clocks in the museum is the oldest?"),
        ("Which company built the ferry?", "Name the company that built the ferry."),
        ("Which planet is the drone named after?", "Name the planet that the drone is named after."),
        ("In which city did Mirai receive the prize?", "Name the city in which Mirai received the prize."),
    ],
)
def test_questions_are_worded_otherwise(question: str, expected: str) -> None:
    assert expected in RULES.rewordings(question, _day())


@pytest.mark.parametrize(
    "question",
    [
        "What is the name of Mirai's office pet?",
        "What are the three galleries of the museum called?",
        "Where are the archives kept?",
        "Which three piers does the ferry call at?",
        "When was Mirai granted its first patent?",
    ],
)
def test_no_frame_makes_nonsense_of_parts_it_does_not_know(question: str) -> None:
    texts = " ".join(RULES.rewordings(question, _day()))
    for nonsense in (
        "of the name of",
        "called's",
        "find the archives kept",
        "which three piers at",
        "of Mirai granted",
    ):
        assert nonsense not in texts


def test_wrong_values_look_as_if_they_could_be_right() -> None:
    rng = Random(0)
    for text, type, like in [
        ("£7.50", "number", r"£\d+\.\d\d"),
        ("2.3 million", "number", r"\d\.\d million"),
        ("1,340", "number", r"[\d,]+"),
        ("9 May 1987", "date", r"\d+ [A-Z][a-z]+ \d{4}"),
        ("1612", "date", r"1[56]\d\d"),
        ("eleven", "number", "[a-z]+"),
    ]:
        others = RULES.other_values(RULES.typed(text, type, "how much", ""), rng)  # type: ignore[arg-type]
        assert len(others) >= 3
        assert all(re.fullmatch(like, other.text) and other.text != text for other in others), (text, others)


def test_what_follows_from_a_date_or_a_number_is_reckoned() -> None:
    decade, years = RULES.derived("When was it?", RULES.typed("9 May 1987", "date", "when", ""))
    assert decade.any == ("1980s",)
    later = int(years.gold.rstrip(".").split()[-1])
    assert int(years.any[0]) == later - 1987
    (double,) = RULES.derived("How many are there?", RULES.typed("412", "number", "how many", ""))
    assert double.any[0] == "824"
    assert not RULES.derived("Which bus?", RULES.typed("12", "number", "what bus", ""))


def _day() -> Found:
    return RULES.typed("9 May 1987", "date", "when", "")


@pytest.mark.parametrize(
    ("question", "tell", "value", "wrong", "asked"),
    [
        (
            "How many wheelchairs can be borrowed from Onslade?", "Three wheelchairs can be borrowed from Onslade.",
            "Three", "Four",
            ("Is it true that three wheelchairs can be borrowed from Onslade?",
             "Is it true that four wheelchairs can be borrowed from Onslade?"),
        ),
        (
            "How many people are in groups with a guide at Onslade?", "Groups of 10 have a guide at Onslade.",
            "10", "15",
            ("Is it true that groups of 10 have a guide at Onslade?",
             "Is it true that groups of 15 have a guide at Onslade?"),
        ),
        (
            "Who looks after the gauge Heron?", "Heron is looked after by Ada Lunt.", "Ada Lunt", "Ben Orr",
            ("Is it true that Heron is looked after by Ada Lunt?", "Is it true that Heron is looked after by Ben Orr?"),
        ),
    ],
)  # fmt: skip
def test_a_statement_within_a_question_begins_small_unless_with_a_name(
    question: str, tell: str, value: str, wrong: str, asked: tuple[str, str]
) -> None:
    assert RULES.premises(question, tell, value, wrong) == asked


@pytest.mark.parametrize("value", ["Monday", "Eleven"])
def test_no_first_letter_where_it_is_half_the_answer(value: str) -> None:
    assert RULES.hint("When?", RULES.typed(value, "text", "when", "")) is None


def test_a_title_may_be_left_out_and_hints_pass_it_by() -> None:
    found = RULES.typed("Dr Mei-Lin Oduya", "person", "who", "")
    assert "Mei-Lin Oduya" in found.aliases
    hint = RULES.hint("Who?", found)
    assert hint is not None
    assert '"M"' in hint.question
