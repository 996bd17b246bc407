"""Spellings that must become one, spellings that must stay apart, and the properties of the normal form."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from raykft.evaluation.normalize import normalize

SAME = [
    *[
        ("⟨2019-04-26⟩", spelling)
        for spelling in (
            "2019年4月26日",
            "2019年の4月26日",
            "2019年 4月 26日",
            "２０１９年４月２６日",
            "二〇一九年四月二十六日",
            "平成31年4月26日",
            "平成三十一年四月二十六日",
            "2019/4/26",
            "2019/04/26",
            "2019.4.26",
            "2019-04-26",
            "2019–04–26",
            "April 26, 2019",
            "april 26 2019",
            "Apr. 26th, 2019",
            "26 April 2019",
            "26th of April 2019",
            "the 26th day of April, 2019",
            "26.04.2019",
            "26/4/2019",
            "4/26/2019",
        )
    ],
    *[
        ("⟨2019-04-26⟩", spelling)
        for spelling in (
            "平成31年(2019年)4月26日",
            "2019年（平成31年）4月26日",
            "2019(平成31)年4月26日",
            "平成31(2019)年4月26日",
            "二〇一九年（平成三十一年）四月二十六日",
            "平成31.4.26",
            "平成31/4/26",
            "26-Apr-2019",
            "2019-04-26\u200b",
        )
    ],
    ("2018年⟨2019-04⟩", "2018年(平成31年)4月"),
    ("2019年2019年", "2019年(2019年)"),
    ("⟨2019-05-01⟩", "令和元年5月1日"),
    ("⟨2019-05-01⟩", "令和元.5.1"),
    ("⟨1926-12-26⟩", "昭和元年12月26日"),
    ("⟨2019-04⟩", "2019年4月"),
    ("⟨2019-04⟩", "April 2019"),
    ("⟨2019-04⟩", "April of 2019"),
    ("⟨--04-26⟩", "4月26日"),
    ("⟨--04-26⟩", "the 26th of April"),
    ("⟨--05-14⟩", "May 14th"),
    ("may 14 people", "may 14 people"),
    ("設立は⟨2019-04-26⟩です", "設立は April 26, 2019 です。"),
    ("2019年", "二〇一九年"),
    ("20000000", "20,000,000"),
    ("20000000", "2,000万"),
    ("20000000", "2000万"),
    ("20000000円", "二千万円"),
    ("20000000円", "¥20,000,000円"),
    ("120000000", "1億2000万"),
    ("120000000円", "一億二千万円"),
    ("35000", "3.5万"),
    ("320人", "三百二十人"),
    ("320人", "３２０人"),
    ("12000000", "12 million"),
    ("1500000", "1.5 million"),
    ("3000", "3 thousand"),
    ("320.5", "320.5"),
    ("12%", "12 percent"),
    ("12%", "１２％"),
    ("-5 c", "-5°C"),
    ("答えは -5です", "答えは「-5」です"),
    ("temp -5", '{"temp":"-5"}'),
    ("03 1234", "(03)-1234"),
    ("signe uxbridge", "Sig\u00adne Ux\u200bbridge\ufeff"),
    ("vitamin a is in carrots", "Vitamin A is in carrots"),
    ("groups a and b", "Groups A and B"),
    ("a", "A"),
    ("staff 320", "staff —320"),
    ("t 100", "T‐100"),
    ("大門駅", "大門 駅"),
    ("芝、大門駅", "芝、大門駅"),
    ("芝、大門駅", "芝\n大門駅"),
    ("芝、大門駅", "芝—大門駅"),
    ("株式会社霧見", "「株式会社」霧見"),
    ("トムハンクス", "トム・ハンクス"),
    ("サーバー", "ｻｰﾊﾞｰ"),
    ("健三社長", "健三社長"),
    ("beacon on hill", "The beacon, on a hill!"),
    ("velmora", "Velmora’s"),
    ("obrien", "O'Brien"),
]

DIFFERENT = [
    ("4/5/2019", "5/4/2019"),
    ("2019年4月26日", "2019年4月27日"),
    ("2019年4月", "2019年4月26日"),
    ("2019/13/26", "2019/1/26"),
    ("コーヒー", "コーヒ-"),
    ("320.5", "3205"),
    ("1.5 million", "1.5 billion"),
    ("2019.4", "2019年4月"),
    ("-5", "5"),
    ("芝、大門駅", "芝大門駅"),
    ("12%", "12"),
]


@pytest.mark.parametrize(("expected", "text"), SAME)
def test_spelling_becomes_the_normal_form(expected: str, text: str) -> None:
    assert normalize(text) == expected


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_meanings_stay_apart(one: str, other: str) -> None:
    assert normalize(one) != normalize(other)


# Fragments that rules react to, so that random texts combine them in ways nobody writes on purpose.
FRAGMENTS = (
    *("2019", "19", "4", "26", "5.5", "1,234", "三", "百", "〇", "千", "万", "億", "million", "thousand"),
    *(
        "年",
        "月",
        "日",
        "の",
        "令和",
        "元",
        "平成31年",
        "(",
        "\u200b",
        "is",
        "April",
        "may",
        "14th",
        "of",
        "Sept.",
        "⟨2019-04-26⟩",
    ),
    *("⟨", "⟩", "⟨--04-05⟩", "-", "—", "/", ".", ",", "、", "。", "・", "ー", "〜", "'", "'s", "%", "¥"),
    *(
        "percent",
        "パーセント",
        "the",
        "a",
        "an",
        "大門",
        "駅",
        "人",
        "円",
        "社",
        "カタカナ",
        "café",
        "ß",
        "İ",
    ),
    *("ŉ", " ", "\n", "\u3000", "\t", "\ue000", "\u0345"),
)
TEXTS = st.one_of(st.text(max_size=40), st.lists(st.sampled_from(FRAGMENTS), max_size=14).map("".join))


@settings(max_examples=1500, deadline=None)
@given(TEXTS)
@example("三 百 人")
@example("1 thousand thousand thousand thousand thousand")
@example("the the a 、the")
def test_normalizing_twice_changes_nothing(text: str) -> None:
    once = normalize(text)
    assert normalize(once) == once


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet="abcdefgxyz THE 0123456789.,-%/'", max_size=40))
def test_case_and_width_do_not_matter(text: str) -> None:
    wide = "".join(chr(ord(char) + 0xFEE0) if "!" <= char <= "~" and char != "'" else char for char in text)
    assert normalize(text.upper()) == normalize(text.lower()) == normalize(wide)


@settings(max_examples=300, deadline=None)
@given(st.dates())
def test_every_way_to_write_a_date_agrees(date) -> None:
    if date.year < 1500 or date.year > 2199:
        return
    expected = f"⟨{date.isoformat()}⟩"
    month = date.strftime("%B")
    for text in (
        f"{date.year}年{date.month}月{date.day}日",
        f"{date.year}/{date.month}/{date.day}",
        f"{month} {date.day}, {date.year}",
        f"{date.day} {month[:3]} {date.year}",
        f"{date.day:02d}.{date.month:02d}.{date.year}",
        date.isoformat(),
    ):
        assert normalize(text) == expected


@settings(deadline=None)
@given(st.integers(1, 9999), st.integers(1, 9999))
def test_large_numbers_agree(upper: int, lower: int) -> None:
    value = upper * 10**8 + lower * 10**4
    assert normalize(f"{upper}億{lower}万") == normalize(f"{value:,}") == str(value)


@pytest.mark.parametrize(
    "unit",
    [
        "一",
        "1",
        " ",
        "1,",
        "-",
        "年",
        "1万",
        "a ",
        "1/",
        "april ",
        "'s",
        "、",
        "・",
        "1.",
        "⟨",
        "三 ",
        "\n",
        "%",
        "1 ",
        "平成",
        "平成1(",
        "令和元.1.",
        "一(",
        "a is ",
        "\u200b",
    ],
)
def test_time_grows_linearly_with_the_text(unit: str) -> None:
    def seconds(n: int) -> float:
        text = unit * n + "x"
        start = time.perf_counter()
        normalize(text)
        return time.perf_counter() - start

    # A quadratic rule would need hours.
    assert seconds(200_000 // len(unit)) < 20
