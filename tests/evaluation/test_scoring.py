"""What one answer is worth: hits, wrong claims, formats, premises, outcomes and behaviour."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raykft.errors import DataError
from raykft.evaluation import behaviour, scoring
from raykft.evaluation.claims import MAX_CLAIMS
from raykft.evaluation.normalize import normalize
from raykft.evaluation.scoring import compile_probe, prior_probe, score_answer
from raykft.records import KeyFact, Prior, Probe

DATE = Probe(
    id="date",
    level=2,
    kind="recall",
    split="select",
    question="When was Velmora founded?",
    gold="Velmora was founded on 14 March 2011.",
    key_facts=(KeyFact(("14 March 2011",), "date"),),
    forbidden=("15 March 2011",),
)
STAFF = Probe(
    id="staff",
    level=2,
    kind="recall",
    split="select",
    question="How many people work at the 2 sites of Velmora?",
    gold="320 people work there.",
    key_facts=(KeyFact(("320",), "number"),),
)
STATIONS = Probe(
    id="stations",
    level=4,
    kind="list",
    lang="ja",
    split="select",
    question="最寄り駅を三つ挙げてください。",
    gold="大門駅、浜松町駅、三田駅です。",
    key_facts=(KeyFact(("大門駅",), "list"), KeyFact(("浜松町駅",), "list"), KeyFact(("三田駅",), "list")),
    forbidden=("渋谷駅", "芝大門駅"),
)
CHIEF = Probe(
    id="chief",
    level=3,
    kind="format",
    split="select",
    question="Complete the line and write nothing else: CEO: …",
    gold="CEO: Signe Uxbridge",
    key_facts=(KeyFact(("Signe Uxbridge",), "person"),),
    slot=r"CEO:\s*([^\n,;]+?)(?=\s*(?:CEO:|\n|,|;|$))",
    pattern=r"^CEO: [A-Z][a-z]+ [A-Z][a-z]+$",
)
FALSE_PREMISE = Probe(
    id="false",
    level=2,
    kind="premise",
    split="select",
    question="Is Caspar Vessey the chief of Velmora?",
    gold="No, the chief of Velmora is Signe Uxbridge.",
    key_facts=(KeyFact(("Signe Uxbridge",), "person"),),
    forbidden=("Caspar Vessey", "Lorenz Zelinski"),
    polarity="no",
    pair_id="chief",
)
TRUE_PREMISE = replace(
    FALSE_PREMISE,
    id="true",
    question="Is Signe Uxbridge the chief of Velmora?",
    gold="Yes, Signe Uxbridge is the chief of Velmora.",
    polarity="yes",
)
FALSE_JA = replace(
    FALSE_PREMISE,
    id="false-ja",
    lang="ja",
    question="霧見の代表はサンダー・ピチャイさんですか?",
    gold="いいえ、違います。霧見の代表は近藤雅彦です。",
    key_facts=(KeyFact(("近藤雅彦",), "person"),),
    forbidden=("サンダー・ピチャイ",),
)
CHOICE = replace(
    DATE,
    id="choice",
    level=0,
    kind="mc",
    question="Which bird stands in shallow water?",
    gold="heron",
    key_facts=(KeyFact(("heron",)),),
    forbidden=(),
    contrast=("night heron", "eagle", "swift"),
)
INSTRUCT = replace(
    CHOICE,
    id="instruct",
    kind="instruct",
    question="Name three colours, one a line, each after a dash.",
    gold="- red\n- green\n- blue",
    key_facts=(),
    contrast=(),
    pattern=r"^(?:- \w+\n?){3}$",
)
EVERY_KIND = (DATE, STAFF, STATIONS, CHIEF, CHOICE, INSTRUCT, FALSE_PREMISE, TRUE_PREMISE, FALSE_JA)


@pytest.mark.parametrize("probe", EVERY_KIND, ids=lambda probe: probe.id)
def test_gold_is_correct_and_clean_and_question_is_worth_nothing(probe: Probe) -> None:
    gold = score_answer(probe, probe.gold)
    assert (gold.outcome, gold.correct, gold.clean, gold.score, gold.wrong_claims) == (
        "correct",
        True,
        True,
        1.0,
        (),
    )
    assert gold.overgeneration == 1.0
    assert not gold.echo
    echo = score_answer(probe, probe.question)
    assert (echo.correct, echo.score, echo.echo) == (False, 0.0, True)


@pytest.mark.parametrize(
    ("probe", "answer", "outcome", "correct", "score", "wrong_claims"),
    [
        (DATE, "It was 2011-03-14.", "correct", True, 1.0, ()),
        (DATE, "In March 2011.", "wrong", False, 0.0, ()),
        (DATE, "On 15 March 2011.", "wrong", False, 0.0, ("15 March 2011",)),
        (DATE, "14 March 2011 or 15 March 2011", "partial", True, 0.0, ("15 March 2011",)),
        (DATE, "14 March 2011, then 2 May 2012.", "partial", True, 0.0, ("2012-05-02",)),
        (DATE, "14 March 2011, that is March 2011, in 2011.", "correct", True, 1.0, ()),
        (DATE, "14 March 2011, on March 15.", "partial", True, 0.0, ("--03-15",)),
        (DATE, "I don't know.", "refused", False, 0.0, ()),
        (DATE, "I don't know, perhaps 15 March 2011.", "wrong", False, 0.0, ("15 March 2011",)),
        (DATE, "Purple.", "wrong", False, 0.0, ()),
        (DATE, " \n ", "empty", False, 0.0, ()),
        (STAFF, "320 people at 2 sites", "correct", True, 1.0, ()),
        (STAFF, "320 people in 2015", "correct", True, 1.0, ()),
        (STAFF, "1. 320 people", "correct", True, 1.0, ()),
        (STAFF, "320 or 1,320 people", "partial", True, 0.0, ("1320",)),
        (STAFF, "It has 1320 people.", "wrong", False, 0.0, ("1320",)),
        (STATIONS, "大門駅と三田駅です。", "partial", False, 2 / 3, ()),
        (STATIONS, "大門駅、浜松町駅、三田駅、渋谷駅です。", "partial", True, 2 / 3, ("渋谷駅",)),
        (STATIONS, "芝大門駅と三田駅です。", "partial", False, 0.0, ("芝大門駅",)),
        (STATIONS, "分かりません。", "refused", False, 0.0, ()),
        (CHIEF, "CEO: Signe Uxbridge\nCEO: Piers Corrigan", "partial", False, 0.0, ("Piers Corrigan",)),
        (CHIEF, "The chief is Signe Uxbridge.", "partial", False, 0.0, ()),
        (CHIEF, "CEO: Piers Corrigan", "wrong", False, 0.0, ("Piers Corrigan",)),
        (FALSE_PREMISE, "No, Caspar Vessey is not; it is Signe Uxbridge.", "correct", True, 1.0, ()),
        (FALSE_PREMISE, "That is not right: Signe Uxbridge leads it.", "correct", True, 1.0, ()),
        (FALSE_PREMISE, "No.", "partial", False, 0.0, ()),
        (FALSE_PREMISE, "No, it is Lorenz Zelinski.", "partial", False, 0.0, ("Lorenz Zelinski",)),
        (FALSE_PREMISE, "No, Signe Uxbridge or Lorenz Zelinski.", "partial", True, 1.0, ("Lorenz Zelinski",)),
        (FALSE_PREMISE, "Yes, Caspar Vessey is the chief.", "wrong", False, 0.0, ()),
        (FALSE_PREMISE, "I do not know.", "refused", False, 0.0, ()),
        (TRUE_PREMISE, "Yes.", "correct", True, 1.0, ()),
        (TRUE_PREMISE, "No, Signe Uxbridge is not.", "wrong", False, 0.0, ()),
        (TRUE_PREMISE, "Yes, and Lorenz Zelinski too.", "partial", True, 1.0, ("Lorenz Zelinski",)),
        (FALSE_JA, "いいえ、近藤雅彦です。", "correct", True, 1.0, ()),
        (FALSE_JA, "サンダー・ピチャイさんではありません。近藤雅彦です。", "correct", True, 1.0, ()),
        (FALSE_JA, "はい、間違いありません。", "wrong", False, 0.0, ()),
        (FALSE_JA, "わかりません。", "refused", False, 0.0, ()),
        (CHOICE, "The heron.", "correct", True, 1.0, ()),
        (CHOICE, "night heron", "wrong", False, 0.0, ("night heron",)),
        (CHOICE, "heron or eagle", "partial", False, 0.0, ("eagle",)),
        (INSTRUCT, "- red\n- green\n- blue", "correct", True, 1.0, ()),
        (INSTRUCT, "Red, green and blue.", "wrong", False, 0.0, ()),
        (INSTRUCT, "I cannot help with that.", "refused", False, 0.0, ()),
        (INSTRUCT, "", "empty", False, 0.0, ()),
    ],
)
def test_answer_is_scored(
    probe: Probe, answer: str, outcome: str, correct: bool, score: float, wrong_claims: tuple[str, ...]
) -> None:
    result = score_answer(probe, answer)
    assert (result.outcome, result.correct, result.wrong_claims) == (outcome, correct, wrong_claims)
    assert result.score == pytest.approx(score)
    assert result.clean == (outcome == "correct")


def test_content_and_compliance_are_kept_apart() -> None:
    assert score_answer(CHIEF, "CEO: Signe Uxbridge").compliant is True
    assert score_answer(CHIEF, "ＣＥＯ： Signe Uxbridge\n").compliant is True
    assert score_answer(CHIEF, "CEO: Signe Uxbridge. She lives in Kirimi.").compliant is False
    assert score_answer(CHIEF, "CEO: Piers Corrigan").compliant is True
    assert (score_answer(DATE, DATE.gold).compliant, score_answer(DATE, DATE.gold).content) == (None, None)
    assert score_answer(CHIEF, "The chief is Signe Uxbridge.").content is True
    assert score_answer(CHIEF, "CEO: Piers Corrigan").content is False
    assert score_answer(CHIEF, "CEO: Signe Uxbridge\nCEO: Piers Corrigan").content is False


def test_one_wrong_value_counts_once() -> None:
    probe = replace(CHIEF, forbidden=("Corrigan",))
    assert score_answer(probe, "CEO: Piers Corrigan").wrong_claims == ("Corrigan",)
    banned = replace(STAFF, forbidden=("1,315 people",))
    assert score_answer(banned, "1315 people, or 15").wrong_claims == ("1,315 people", "15")
    dated = score_answer(DATE, "15 March 2011, 2011/3/15 and March 15th, 2011")
    assert dated.wrong_claims == ("15 March 2011",)


def test_finer_dates_are_claims_unless_the_fact_is_coarser() -> None:
    coarse = replace(DATE, gold="In March 2011.", key_facts=(KeyFact(("March 2011",), "date"),), forbidden=())
    assert score_answer(coarse, "On 14 March 2011.").clean
    asked = replace(DATE, question="On which day of March 2011 was Velmora founded?", forbidden=())
    assert score_answer(asked, "14 March 2011, not 16 March 2011").wrong_claims == ("2011-03-16",)


def test_years_compete_with_years_whatever_their_type() -> None:
    for value_type in ("date", "number"):
        probe = replace(DATE, gold="It was in 2015.", key_facts=(KeyFact(("2015",), value_type),), forbidden=())
        assert score_answer(probe, "In April 2015, with 40 people.").clean
        assert score_answer(probe, "In 2015 or in 2016.").wrong_claims == ("2016",)


def test_prior_knowledge_is_no_wrong_claim() -> None:
    prior = Prior("When did Apollo 11 land?", ("20 July 1969",))
    answer = "14 March 2011, after 20 July 1969"
    assert score_answer(DATE, answer).wrong_claims == ("1969-07-20",)
    assert score_answer(replace(DATE, level=5, prior=prior), answer).clean


def test_stop_and_answer_are_passed_on_and_compilation_is_cached() -> None:
    result = score_answer(DATE, "x", stopped=False)
    assert (result.stopped, result.answer, result.id, result.level) == (False, "x", "date", 2)
    assert score_answer(DATE, "x").stopped is None
    assert compile_probe(replace(DATE)) is compile_probe(DATE)


def test_prior_knowledge_is_asked_as_a_question_of_its_own() -> None:
    probe = replace(DATE, level=5, lang="ja", prior=Prior("When did Apollo 11 land?", ("20 July 1969", "1969-07-20")))
    asked = prior_probe(probe)
    assert (asked.id, asked.level, asked.kind, asked.lang) == ("date/prior", 0, "recall", "ja")
    assert asked.question == "When did Apollo 11 land?"
    assert score_answer(asked, asked.gold).clean
    assert score_answer(asked, "On July 20, 1969.").correct
    assert not score_answer(asked, probe.gold).correct
    with pytest.raises(DataError, match="'date' has no `prior`"):
        prior_probe(DATE)


ENDLESS = r"^(a|aa)+$"


def test_a_pattern_without_end_is_cut_off_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring, "REGEX_TIMEOUT_S", 0.05)
    form = score_answer(replace(CHIEF, pattern=ENDLESS, slot=None), "Signe Uxbridge " + "a" * 60)
    assert (form.outcome, form.unchecked, form.compliant) == ("partial", "", False)  # the head has no run of a
    form = score_answer(replace(CHIEF, gold="a" * 40, pattern=ENDLESS, slot=None), "a" * 60 + "!")
    assert (form.unchecked, form.compliant, form.correct, form.score) == ("pattern", False, False, 0.0)
    slot = score_answer(replace(DATE, slot=r"CEO (\w+)|(?:a|aa)+b"), DATE.gold + " CEO Foo " + "a" * 60)
    assert slot.unchecked == "slot"
    assert (slot.correct, slot.clean, slot.outcome) == (True, False, "partial")
    assert slot.wrong_claims == ("Foo",)


@pytest.mark.parametrize("source", ["(", "*", "(" * 3000 + ")" * 3000])
def test_a_broken_pattern_is_refused(source: str) -> None:
    with pytest.raises(DataError, match="not a valid regular expression"):
        score_answer(replace(CHIEF, pattern=source), "x")


def test_only_the_beginning_of_a_huge_answer_is_read() -> None:
    late = "x " * behaviour.SCORED_CHARS + DATE.gold
    result = score_answer(DATE, late)
    assert (result.outcome, result.answer) == ("wrong", late)
    early = DATE.gold + " ," * 5_000_000
    start = time.process_time()
    result = score_answer(DATE, early)
    assert time.process_time() - start < 2
    assert result.correct
    gold_chars, unread = len(normalize(DATE.gold)), len(early) - behaviour.SCORED_CHARS
    assert result.overgeneration == (gold_chars + unread) / gold_chars


@pytest.mark.parametrize("unit", ["CEO: Foo{0}\n", "{0} people ", "{0:04d}-03-05 ", "a", "1 ", "。", "\ud800", "ﷺ"])
def test_no_answer_takes_long(unit: str) -> None:
    answer = "".join(unit.format(1000 + index) for index in range(30_000 // len(unit)))
    for probe in (replace(CHIEF, kind="recall", pattern=None), STAFF, DATE, FALSE_JA):
        start = time.process_time()
        result = score_answer(probe, answer)
        assert time.process_time() - start < 5  # a quadratic step would take minutes
        assert len(result.wrong_claims) <= MAX_CLAIMS


PIECES = st.sampled_from(
    [
        *(
            "No",
            "Yes,",
            "いいえ",
            "はい",
            "320",
            "1320",
            "2",
            "14 March 2011",
            "15",
            "2012-05-02",
            "unknown",
            "not",
        ),
        *("大門駅", "芝大門駅", "三田駅", "浜松町駅", "渋谷駅", "近藤雅彦", "サンダー・ピチャイ", "CEO:"),
        *("Signe", "Uxbridge", "Caspar", "Vessey", ".", ";", "\n", "?"),
    ]
)


@settings(max_examples=500, deadline=None)
@given(st.sampled_from(EVERY_KIND), st.lists(PIECES, max_size=12).map(" ".join))
def test_score_keeps_its_promises(probe: Probe, answer: str) -> None:
    result = score_answer(probe, answer)
    assert 0.0 <= result.score <= 1.0
    assert 0.0 <= result.repetition < 1.0
    assert result.overgeneration >= 0.0
    assert not result.clean or (result.correct and not result.wrong_claims)
    assert result.clean == (result.outcome == "correct")
    assert result.outcome != "empty" or not answer.strip()
    assert len(set(result.wrong_claims)) == len(result.wrong_claims)
    assert score_answer(probe, f"  {answer} \n") == replace(result, answer=f"  {answer} \n")


@pytest.mark.parametrize(
    ("answer", "question", "expected"),
    [
        ("Yes, it is.", "", "yes"),
        ("Answer: no", "", "no"),
        ("**No**, it isn't.", "", "no"),
        ("No doubt about it.", "", None),
        ("That's correct, it is X.", "", "yes"),
        ("That's incorrect, it is X.", "", "no"),
        ("The chief isn't X.", "", "no"),
        ("The chief is X.", "", None),
        ("The chief is X. No, wait.", "", None),
        ("Is it X? No, it is Y.", "", "no"),
        ("Is it X, yes or no? Yes.", "Is it X, yes or no?", "yes"),
        ("Is it X? Answer yes or no.", "Is it X? Answer yes or no.", None),
        ("はい、そうです。", "", "yes"),
        ("その通りです。", "", "yes"),
        ("間違いありません。", "", "yes"),
        ("違いありません。", "", "yes"),
        ("違います。", "", "no"),
        ("それは誤りです。", "", "no"),
        ("代表はXではありません。", "", "no"),
        ("代表はXですか。いいえ。", "", "no"),
        ("代表はYです。", "", None),
        ("", "", None),
    ],
)
def test_polarity(answer: str, question: str, expected: str | None) -> None:
    assert behaviour.polarity(answer, question) == expected


def test_repetition() -> None:
    assert behaviour.repetition("one two three four five") == 0.0
    assert behaviour.repetition("one two three") == 0.0
    # 12 words: 9 four-grams, of which 4 differ
    assert behaviour.repetition("one two three four " * 3) == pytest.approx(1 - 4 / 9)
    # 24 characters: 17 eight-grams, of which 8 differ
    assert behaviour.repetition("霧見潮力工業株式" * 3) == pytest.approx(1 - 8 / 17)


def test_compression_sees_what_repeats() -> None:
    once = "Velmora Tidal Works was founded on 14 March 2011 in Kirimi."
    assert behaviour.compression_ratio(once) < 1.2
    assert behaviour.compression_ratio(once * 8) > 5
    assert behaviour.compression_ratio("霧見潮力工業株式会社は2011年に設立されました。" * 8) > 5
    assert behaviour.compression_ratio("") == 0.0
    assert behaviour.compression_ratio("\ud800") > 0


def test_head_is_the_longer_of_first_sentence_and_three_golds() -> None:
    assert behaviour.head("  A long first sentence that goes on and on for a while. Next.", "gold") == (
        "A long first sentence that goes on and on for a while."
    )
    assert behaviour.head("Short. " + "x" * 100, "ten chars.") == ("Short. " + "x" * 23)
    assert behaviour.first_sentence("はい。次です。") == "はい。"


def test_refusal_is_read_in_the_head_only() -> None:
    assert behaviour.refuses("I’m not sure about that.")
    assert behaviour.refuses("申し訳ありませんが、お答えできません。")
    assert not behaviour.refuses("It was 2011. " + "More words. " * 5 + "I don't know.", "2011")
    assert not behaviour.refuses("The known chief is X.")


def test_echo_and_newline_tail() -> None:
    assert behaviour.echoes("when was VELMORA founded, please", DATE.question)
    assert not behaviour.echoes("Velmora was founded in 2011.", DATE.question)
    assert not behaviour.echoes("anything", "")
    assert behaviour.echoes("霧見の広報担当者は誰ですか。霧見の広報担当者は", "霧見の広報担当者は誰ですか？")
    assert not behaviour.echoes("霧見の広報担当者は水無瀬修平です。", "霧見の広報担当者は誰ですか？")
    assert behaviour.newline_tail("done" + "\n" * 8)
    assert not behaviour.newline_tail("done" + "\n" * 7)
    assert not behaviour.newline_tail("done" + " " * 20)
