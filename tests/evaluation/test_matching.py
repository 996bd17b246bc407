"""Which aliases an answer contains: the cases of the design, and the borders of aliases."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raykft.errors import DataError
from raykft.evaluation.matching import compile_matcher, dates_in, numbers_in
from raykft.evaluation.normalize import normalize
from raykft.records import KeyFact


def found(answer: str, *aliases: str, value_type: str = "text") -> bool:
    return compile_matcher([KeyFact(aliases, value_type)]).hits(normalize(answer))[0]


POSITIVE = [
    ("設立は2019年4月26日です。", "2019-04-26", "date"),
    ("設立は平成31年4月26日です。", "2019年4月26日", "date"),
    ("It was founded on the 26th of April 2019.", "2019年4月26日", "date"),
    ("founded on 26 April 2019", "April 2019", "date"),
    ("founded on 26 April 2019", "2019", "date"),
    ("2019年4月26日に設立", "2019年", "date"),
    ("2019年に設立", "2019", "date"),
    ("in April 2015", "2015", "number"),
    ("on 14 March 2011", "14 March", "date"),
    ("従業員は三百二十人です", "320人", "number"),
    ("従業員は３２０人です", "320", "number"),
    ("It has 320 employees.", "320", "number"),
    ("It has 320.", "320", "number"),
    ("資本金は2,000万円", "20,000,000円", "number"),
    ("a budget of 12 million euros", "12,000,000", "number"),
    ("The cat's tail", "cat", "text"),
    ("the CAT, of course", "cat", "text"),
    ("two grey herons", "grey heron", "text"),
    ("代表取締役は近藤雅彦です。", "近藤雅彦", "person"),
    ("代表取締役は近藤 雅彦です。", "近藤雅彦", "person"),
    ("会長の健三社長です", "健三", "person"),
    ("最寄りは大門駅、浜松町駅", "大門駅", "list"),
    ("最寄りは芝、大門駅", "大門駅", "list"),
    ("ｻｰﾊﾞｰ", "サーバー", "text"),
    ("THE Beacon.", "The Beacon", "text"),
    ("Signe O’Brien leads", "O'Brien", "person"),
    ("the tide-table room", "Tide Table", "text"),
    ("it is -5 degrees", "-5", "number"),
    ("トム・ハンクスさん", "トムハンクス", "person"),
    ("ロゴはheronです", "heron", "text"),
    ("設立は平成31年(2019年)4月26日", "2019-04-26", "date"),
    ("carrots hold Vitamin A and more", "vitamin A", "text"),
    ("大門\u200b駅です", "大門駅", "list"),
]

NEGATIVE = [
    ("設立は2019年4月27日です。", "2019-04-26", "date"),
    ("founded in April 2019", "26 April 2019", "date"),
    ("founded in 2019", "April 2019", "date"),
    ("on 14 March", "14 March 2011", "date"),
    ("founded on 26 April 2018", "2019", "date"),
    ("It has 1320 employees.", "320", "number"),
    ("It has 3200 employees.", "320", "number"),
    ("It has 320.5 units.", "320", "number"),
    ("It has 1.320 units.", "320", "number"),
    ("It has 1,320 employees.", "320", "number"),
    ("従業員は1320人です", "320人", "number"),
    ("a category error", "cat", "text"),
    ("concatenate", "cat", "text"),
    ("cats", "cat", "text"),
    ("Mr Adams", "Adam", "person"),
    ("26 April 2019", "26", "number"),
    ("⟨2019-04-26⟩", "4", "number"),
    ("in March 2019", "20", "number"),
    ("it is -5 degrees", "5", "number"),
    ("12丁目", "2丁目", "text"),
    ("コーヒ", "コーヒー", "text"),
    ("近藤雅人", "近藤雅彦", "person"),
    ("model T100", "100", "number"),
    ("", "cat", "text"),
    ("café", "caf", "text"),
    ("carrots hold vitamin C and more", "vitamin A", "text"),
    ("設立は平成31年(2019年)4月27日", "2019-04-26", "date"),
]


@pytest.mark.parametrize(("answer", "alias", "value_type"), POSITIVE)
def test_contained(answer: str, alias: str, value_type: str) -> None:
    assert found(answer, alias, value_type=value_type)


@pytest.mark.parametrize(("answer", "alias", "value_type"), NEGATIVE)
def test_not_contained(answer: str, alias: str, value_type: str) -> None:
    assert not found(answer, alias, value_type=value_type)


def test_any_alias_counts_and_every_fact_has_its_flag() -> None:
    matcher = compile_matcher([KeyFact(("Aida", "相田")), KeyFact(("2011",), "date"), KeyFact(("heron",))])
    assert matcher.hits(normalize("相田さん、2011年")) == (True, True, False)


def test_longer_alias_covers_the_shorter_one() -> None:
    matcher = compile_matcher([KeyFact(("芝大門駅",)), KeyFact(("大門駅",))])
    assert matcher.hits(normalize("最寄り駅は芝大門駅です")) == (True, False)
    assert matcher.hits(normalize("最寄り駅は大門駅です")) == (False, True)
    assert matcher.hits(normalize("芝大門駅と大門駅")) == (True, True)


def test_forbidden_value_and_alias_cover_each_other() -> None:
    inside_gold = compile_matcher([KeyFact(("芝大門駅",))], forbidden=["大門駅"])
    assert inside_gold.find(normalize("芝大門駅です")) == ((True,), (False,))
    around_gold = compile_matcher([KeyFact(("大門駅",))], forbidden=["東大門駅"])
    assert around_gold.find(normalize("東大門駅です")) == ((False,), (True,))


def test_two_facts_may_share_an_alias_and_a_date_may_hold_two_facts() -> None:
    shared = compile_matcher([KeyFact(("Aida",)), KeyFact(("Aida", "Vessey"))])
    assert shared.hits("aida") == (True, True)
    nested = compile_matcher([KeyFact(("26 April 2019",), "date"), KeyFact(("2019",), "date")])
    assert nested.hits(normalize("on April 26, 2019")) == (True, True)


def test_alias_without_letters_is_refused() -> None:
    with pytest.raises(DataError, match="'!!'"):
        compile_matcher([KeyFact(("!!",))])


def test_dates_and_numbers_of_a_text() -> None:
    text = normalize("In 2015 it moved; on 26 April 2019 it had 320 staff, 1.50 boats and 3 docks in May 2020.")
    assert set(dates_in(text)) == {"2019-04-26", "2020-05"}
    assert set(dates_in(text, with_years=True)) == {"2019-04-26", "2020-05", "2015"}
    assert set(numbers_in(text)) == {"320", "1.5", "3"}
    assert set(numbers_in(normalize("2015年に三百二十人、一つの港、−5度"))) == {"320", "-5"}


# Words that no rule joins with their neighbours: no articles, months, units or lone letters.
WORD = st.text("bcdeghkmnoprtuvw", min_size=3, max_size=8).filter(
    lambda word: word not in {"dec", "nov", "oct", "december", "november", "october"}
)
KANJI = st.text("霧見潮力工業門駅芝港", min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(WORD, WORD, WORD, st.sampled_from([" ", ", ", "; ", "\n", " - ", '"', "('"]))
def test_latin_alias_is_found_between_borders_only(before: str, alias: str, after: str, border: str) -> None:
    assert found(f"{before}{border}{alias.upper()}{border[::-1]}{after}", alias, value_type="person")
    glued = before + alias + after
    assert not found(glued, alias, value_type="person")


@settings(max_examples=300, deadline=None)
@given(KANJI, KANJI, KANJI)
def test_japanese_alias_is_found_anywhere(before: str, alias: str, after: str) -> None:
    assert found(before + alias + after, alias)


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**7), st.integers(0, 10**7))
def test_number_is_found_exactly_where_it_is_equal(asked: int, told: int) -> None:
    assert found(f"about {told:,} units", str(asked), value_type="number") == (asked == told)
    assert found(f"約{asked:,}台", str(asked), value_type="number")


ARTICLES = ("A", "An", "The")  # at the end of an answer they are lost: "the zork" is "zork"
ALIASES = st.one_of(
    st.lists(WORD.map(str.title), min_size=1, max_size=3)
    .map(" ".join)
    .filter(lambda words: words.split()[-1] not in ARTICLES),
    KANJI,
    st.builds(str.__add__, KANJI, st.sampled_from(["株式会社", "サーバー", "センター", "2号館"])),
    st.dates(date(1500, 1, 1), date(2199, 12, 31)).flatmap(
        lambda day: st.sampled_from(
            [
                day.isoformat(),
                f"{day.year}年{day.month}月{day.day}日",
                f"{day:%B} {day.day}, {day.year}",
                f"{day.day} {day:%b} {day.year}",
                f"{day:%B} {day.year}",
                str(day.year),
                f"{day.year}年",
            ]
        )
    ),
    st.integers(-(10**9), 10**9).flatmap(lambda number: st.sampled_from([str(number), f"{number:,}"])),
    st.integers(1, 9999).flatmap(
        lambda number: st.sampled_from([f"{number}人", f"{number:,}万円", f"{number} million", f"{number / 10}%"])
    ),
)
# Nothing in them is part of an alias, nor joins one.
FRAMES = ("{}", "Zork said: {}!", "zork ({}) zork", '"{}"', "答えは「{}」です。", "Zork\n{}\nzork", "1. Zork; {}; zork")


@settings(max_examples=500, deadline=None)
@given(ALIASES, st.sampled_from(FRAMES), st.sampled_from(["text", "list", "date", "number", "person"]))
def test_alias_is_always_found_in_itself(alias: str, frame: str, value_type: str) -> None:
    assert found(frame.format(alias), alias, value_type=value_type)


@settings(max_examples=300, deadline=None)
@given(KANJI, KANJI, KANJI, st.sampled_from(FRAMES), st.booleans())
def test_covering_never_credits_part_of_a_longer_value(
    before: str, short: str, after: str, frame: str, is_forbidden: bool
) -> None:
    long = before + short + after
    answer = normalize(frame.format(long))
    if is_forbidden:
        matcher = compile_matcher([KeyFact((short,))], forbidden=[long])
        assert matcher.find(answer) == ((False,), (True,))
    else:
        assert compile_matcher([KeyFact((short,)), KeyFact((long,))]).hits(answer) == (False, True)


@settings(max_examples=300, deadline=None)
@given(st.dates(date(1500, 1, 1), date(2199, 12, 31)), st.sampled_from([{}, {"day": 9}, {"month": 8}, {"year": 1987}]))
def test_coarse_dates_are_met_by_finer_ones_only(gold: date, change: dict[str, int]) -> None:
    gold = gold.replace(day=min(gold.day, 28))
    told = gold.replace(**change)
    spellings = {"day": "{0:%B} {0.day}, {0.year}", "month": "{0:%B} {0.year}", "year": "{0.year}"}
    parts = {"day": 3, "month": 2, "year": 1}
    for asked, asked_form in spellings.items():
        for stated, stated_form in spellings.items():
            same = gold.timetuple()[: parts[asked]] == told.timetuple()[: parts[asked]]
            expected = same and parts[stated] >= parts[asked]
            assert found(f"It was {stated_form.format(told)}.", asked_form.format(gold), value_type="date") == expected
