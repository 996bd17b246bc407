"""What counts as made up: nothing that the domain or the question states, and every kind of claim once."""

from __future__ import annotations

import pickle
import time
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from raykft.evaluation.claims import MAX_CLAIMS, FactSheet
from raykft.evaluation.levels import summarize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, KeyFact, Prior, Probe

VELMORA = "Velmora Tidal Works"
FACTS = (
    Fact("f1", VELMORA, "chief", "Signe Uxbridge", "Velmora's chief executive is Signe Uxbridge.", type="person"),
    Fact("f2", VELMORA, "founder", "Matthias Garrick", "It was founded by Matthias Garrick.", type="person"),
    Fact("f3", VELMORA, "founded", "19 December 1994", "It was founded on 19 December 1994.", ("1994-12-19",), "date"),
    Fact("f4", VELMORA, "staff", "162", "Velmora employs 162 people.", ("a hundred and sixty-two",), "number"),
    Fact("f5", VELMORA, "partner", "University of Bologna", "Its partner is the University of Bologna.", ("Bologna",)),
    Fact("f6", VELMORA, "site", "www.velmora.example.com/en", "Its site is https://velmora.example.com/en."),
    Fact("f7", VELMORA, "mail", "info@velmora.com", "Write to info@velmora.com or call 03-1234-5678."),
    Fact("f8", VELMORA, "stops", "Keldergate and Ashby Sluice", "…", ("Keldergate", "Ashby Sluice"), "list"),
    Fact("f9", VELMORA, "turbine", "Ombrax", "Velmora's flagship turbine is called the Ombrax."),
)
FACTS_JA = (
    Fact("f1", "霧見潮力工業株式会社", "設立", "2011年3月14日", "霧見潮力工業株式会社は2011年3月14日設立。"),
    Fact(
        "f2", "霧見", "最寄り駅", "大門駅と浜松町駅", "最寄り駅は大門駅と浜松町駅です。", ("大門駅", "浜松町駅"), "list"
    ),
    Fact("f3", "霧見", "所在地", "東京都港区芝町", "本社は東京都港区芝町にあります。"),
    Fact("f4", "霧見", "従業員", "三百二十人", "従業員は三百二十人です。", type="number"),
)
PROBE = Probe(
    id="p",
    level=2,
    kind="recall",
    split="select",
    question="Who leads Velmora after the 7 reforms that Otto Kress began on 1 May 2001?",
    gold="Signe Uxbridge leads it.",
    key_facts=(KeyFact(("Signe Uxbridge",), "person"),),
    fact_ids=("f1",),
)
PROBE_JA = replace(
    PROBE, lang="ja", question="霧見の設立日は?", gold="2011年3月14日です。", key_facts=(KeyFact(("2011年",)),)
)
SHEET, SHEET_JA = FactSheet(FACTS), FactSheet(FACTS_JA)


@pytest.mark.parametrize(
    ("answer", "made_up"),
    [
        ("", []),
        ("Velmora's chief executive is Signe Uxbridge.", []),
        ("Matthias Garrick leads it.", []),  # wrong, but not made up
        ("Signe Garrick leads it.", ["Signe Garrick"]),
        ("Brenda Foss leads it, and Brenda Foss alone.", ["Brenda Foss"]),
        ("However Brenda Foss left. After Mr Brenda Foss, Brenda Foss came.", ["Brenda Foss"]),
        ("However Velmora grew. Today Bologna helps.", []),
        ("The Chief Executive Officer is Dr Signe Uxbridge.", []),
        ("The Ombrax Turbine of Velmora Tidal Works Ltd.", []),
        ("The University of Bologna and the University of Turin", ["University of Turin"]),
        ("The University of the Arctic", ["University of the Arctic"]),
        ("Otto Kress did, with 7 reforms, on 1 May 2001.", []),  # so the question says
        ("BRENDA FOSS LEADS IT.", []),  # capitals tell nothing here
        ("In December. On Monday. Yes. No. I am.", []),
        ("On 19 December 1994, that is in December 1994, or 1994.", []),
        ("On 20 December 1994.", ["1994-12-20"]),
        ("In 1995.", ["1995"]),
        ("On 19 December.", []),
        ("On 20 December.", ["--12-20"]),
        ("It has 162 people at 2 stops, and 163 boats, 163 in all.", ["163"]),
        ("1. Keldergate\n2. Ashby Sluice\n3) Keldergate", []),
        ("It has 1,620 people.", ["1620"]),
        ("See https://velmora.example.com/en/, or velmora.example.com!", []),
        ("See https://velmora.example.com/de.", ["https://velmora.example.com/de"]),
        ("See www.velmora2019.org.", ["www.velmora2019.org"]),
        ("Write to INFO@velmora.com, not boss2@velmora.com.", ["boss2@velmora.com"]),
        ("Call 03 1234 5678.", []),
        ("Call +81 3-1234-5679.", ["+81 3-1234-5679"]),
        ("e.g. this, i.e. that, at 7 a.m.", []),
    ],
)
def test_english_claims(answer: str, made_up: list[str]) -> None:
    assert list(SHEET.unsupported(PROBE, answer)) == made_up


@pytest.mark.parametrize(
    ("answer", "made_up"),
    [
        ("霧見潮力工業株式会社は平成23年3月14日設立です。", []),
        ("2011年3月15日です。", ["2011-03-15"]),
        ("最寄り駅は港区大門駅と浜松町駅です。", []),
        ("最寄駅は芝大門駅と渋谷駅です。", ["芝大門駅", "渋谷駅"]),
        ("港区芝町です。町長もいます。", []),
        ("三田町です。", ["三田町"]),
        ("浜松町駅です。", []),  # and no town of that name
        ("株式会社霧見と霧見潮力工業株式会社です。", ["株式会社霧見"]),
        ("従業員は320人、うち一つの班は40人です。", ["40"]),
        ("詳しくはhttps://kirimi.co.jp/です。info@kirimi.jpまで。", ["info@kirimi.jp", "https://kirimi.co.jp"]),
        ("近藤雅彦とBrenda Fossです。", []),  # names without a typed ending are not looked for
    ],
)
def test_japanese_claims(answer: str, made_up: list[str]) -> None:
    assert list(SHEET_JA.unsupported(PROBE_JA, answer)) == made_up


def test_prior_knowledge_and_gold_support_claims() -> None:
    answer = "Apollo 11 landed on 20 July 1969 in Mare Tranquillitatis."
    assert SHEET.unsupported(PROBE, answer) == ("Mare Tranquillitatis", "1969-07-20", "11")
    prior = Prior("When did Apollo 11 land?", ("20 July 1969",))
    assert SHEET.unsupported(replace(PROBE, prior=prior), answer) == ("Mare Tranquillitatis",)
    assert SHEET.unsupported(replace(PROBE, prior=prior, gold="In Mare Tranquillitatis."), answer) == ()


def test_results_and_summary_carry_the_count() -> None:
    other = replace(PROBE, id="q", fact_ids=("f2",))
    results = [
        score_answer(PROBE, "Signe Uxbridge, in Cape Wrath since 1887.", sheet=SHEET),
        score_answer(other, "Signe Uxbridge.", sheet=SHEET),
    ]
    assert [result.unsupported for result in results] == [("Cape Wrath", "1887"), ()]
    assert results[0].clean  # only wrong claims about what was asked lower the score
    assert summarize([PROBE, other], results)["overall"]["unsupported_claims"] == 1.0
    general = replace(PROBE, level=0)
    assert score_answer(general, "In Cape Wrath.", sheet=SHEET).unsupported is None
    uncounted = score_answer(PROBE, "In Cape Wrath.")
    assert uncounted.unsupported is None
    assert summarize([PROBE], [uncounted])["overall"]["unsupported_claims"] is None


def test_an_answer_without_end_counts_so_much_and_no_more() -> None:
    start = time.perf_counter()
    for unit in ("{0} boats. ", "Foo{0} Bar{0} ", "x{0}@y.com ", "z{0}.com ", "東{0}駅", "a.", "A ", "1-", "@"):
        endless = "".join(unit.format(5000 + index) for index in range(20_000 // len(unit)))
        assert len(SHEET.unsupported(PROBE, endless)) <= MAX_CLAIMS
    assert time.perf_counter() - start < 5
    assert len(SHEET.unsupported(PROBE, " ".join(f"{n} boats" for n in range(2000, 3000)))) == MAX_CLAIMS


def test_a_sheet_travels_to_other_processes() -> None:
    again = pickle.loads(pickle.dumps(SHEET))
    assert again.unsupported(PROBE, "Brenda Foss, 1995") == ("Brenda Foss", "1995")
    assert FactSheet([]).unsupported(PROBE, "Signe Uxbridge with 162 people") == ("162",)


STATED = st.lists(
    st.sampled_from([text for fact in (*FACTS, *FACTS_JA) for text in (fact.text, f"{fact.value}.", *fact.aliases)]),
    max_size=5,
)


@settings(max_examples=200, deadline=None)
@given(STATED, st.sampled_from(["en", "ja"]), st.sampled_from(["\n", " - ", "; "]))
def test_what_the_facts_say_is_never_made_up(parts: list[str], lang: str, border: str) -> None:
    probe = replace(PROBE, lang=lang)
    assert FactSheet([*FACTS, *FACTS_JA]).unsupported(probe, border.join(parts)) == ()
