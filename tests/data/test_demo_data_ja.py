"""The bundled Japanese demo domain: the English fact graph, written and scored as Japanese."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import date
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from raykft.data import demo
from raykft.data.demo.build import build, write
from raykft.data.demo.language_en import ENGLISH
from raykft.data.demo.language_ja import JAPANESE, era_year
from raykft.data.demo.lint import DomainError, check, mentions
from raykft.data.demo.probes import Domain
from raykft.data.demo.world import draw
from raykft.evaluation.levels import summarize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, Probe

FOLDER = Path(demo.__file__).parent
FILES = [f"{folder}/{name}.jsonl" for folder in ("ja", "ja-small") for name in ("facts", "train", "probes")]
AUGMENTED = "ja-small/train-augmented.jsonl"
PINNED = "e6f5867d73e3d69bd4b5d1e3132095b770847ed1dfa92ce6259ff6e8aa2be58f"


@pytest.fixture(scope="module")
def domains() -> dict[str, Domain]:
    return build(JAPANESE)


def by_relation(domain: Domain) -> dict[str, Fact]:
    return {fact.relation: fact for fact in domain.facts}


def probes_of(domain: Domain, relation: str, level: int = 2) -> list[Probe]:
    fact_ids = (by_relation(domain)[relation].id,)
    return [probe for probe in domain.probes if probe.fact_ids == fact_ids and probe.level == level]


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    written = write(JAPANESE, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [*FILES, AUGMENTED]
    for name in (*FILES, AUGMENTED):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_the_committed_files_are_the_pinned_ones() -> None:
    assert sha256(b"".join((FOLDER / name).read_bytes() for name in FILES)).hexdigest() == PINNED


@pytest.mark.parametrize("size", ["", "-small"])
def test_the_fact_graph_is_the_english_one(domains: dict[str, Domain], size: str) -> None:
    english, japanese = build(ENGLISH)[f"en{size}"], domains[f"ja{size}"]

    def facts(domain: Domain) -> list[Any]:
        return [(f.id, f.relation, f.type, f.group) for f in domain.facts]

    def rows(domain: Domain) -> list[Any]:
        return [(row.id, row.fact_ids, row.kind) for row in domain.train]

    def probes(domain: Domain) -> list[Any]:
        return [
            (p.id, p.level, p.kind, p.fact_ids, p.split, p.pair_id, p.polarity, p.tags, p.source, len(p.key_facts))
            for p in domain.probes
        ]

    assert facts(japanese) == facts(english)
    assert rows(japanese) == rows(english)
    assert probes(japanese) == probes(english)
    assert {probe.lang for probe in japanese.probes} == {"ja"}


def test_the_domain_has_the_planned_size(domains: dict[str, Domain]) -> None:
    sizes = {name: (len(d.facts), len(d.train), len(d.probes)) for name, d in domains.items()}
    assert sizes == {"ja": (72, 90, 588), "ja-small": (30, 40, 202)}
    formats = Counter(probe.pattern for probe in domains["ja"].probes if probe.level == 3)
    assert len(formats) >= 18


@pytest.mark.parametrize("seed", [None, 1, 2, 3])
def test_every_gold_answer_is_scored_clean(seed: int | None) -> None:
    probes = build(JAPANESE, seed)["ja"].probes
    assert [(p.id, p.gold) for p in probes if score_answer(p, p.gold).outcome != "correct"] == []


def test_the_gold_with_a_wrong_value_is_wrong(domains: dict[str, Domain]) -> None:
    full = domains["ja"]
    facts = {fact.id: fact for fact in full.facts}
    for probe in full.probes:
        if probe.level <= 2 and probe.kind in ("recall", "hint"):
            fact = facts[probe.fact_ids[0]]
            for wrong in probe.contrast:
                # one wrong name in a list is enough to spoil it
                old = fact.aliases[0] if fact.type == "list" else fact.value
                assert not score_answer(probe, probe.gold.replace(old, wrong)).clean, (probe.id, wrong)


def test_always_the_same_polarity_is_chance(domains: dict[str, Domain]) -> None:
    premises = [probe for probe in domains["ja"].probes if probe.kind == "premise"]
    for answer in ("いいえ。", "いいえ、違います。", "はい、そうです。"):
        summary = summarize(premises, [score_answer(probe, answer) for probe in premises])
        assert summary["premise"]["score"] == 0.5


def test_answers_fit_with_room_to_spare(domains: dict[str, Domain]) -> None:
    """Gemma 3 needs about 0.7 tokens a character here, so an answer of as many characters has room."""
    assert {probe.max_new_tokens for probe in domains["ja"].probes} == {48, 96}
    assert [probe.id for probe in domains["ja"].probes if len(probe.gold) > probe.max_new_tokens] == []
    joint = [probe for probe in domains["ja"].probes if probe.level == 4]
    assert {probe.max_new_tokens for probe in joint} == {96}


def test_near_misses_and_the_untypical_logo_are_there(domains: dict[str, Domain]) -> None:
    facts = by_relation(domains["ja"])
    assert (facts["date:lowered"].value, facts["date:power"].value) == ("2017年3月26日", "2017年3月27日")
    assert facts["date:founded"].value == "平成6年4月20日"
    assert facts["logo:animal"].value == "アオサギ"
    assert "榊門" in facts["list:railway"].aliases
    assert "奥榊門" in facts["list:ferry"].aliases


def test_one_station_is_not_credited_inside_the_other(domains: dict[str, Domain]) -> None:
    full = domains["ja"]
    stops, piers = (by_relation(full)[name].aliases for name in ("list:railway", "list:ferry"))
    assert ("榊門" in stops, "奥榊門" in piers) == (True, True)
    for relation, right, wrong in (("list:railway", "榊門", "奥榊門"), ("list:ferry", "奥榊門", "榊門")):
        for probe in probes_of(full, relation):
            confused = score_answer(probe, probe.gold.replace(right, wrong))
            if probe.polarity != "yes":  # there "はい" alone is right, whatever follows
                assert not confused.correct, probe.id
            if probe.kind != "premise":
                assert confused.wrong_claims == (wrong,)


@pytest.mark.parametrize(
    ("relation", "answers"),
    [
        ("date:founded", ["1994年4月20日です。", "設立は平成六年四月二十日です。", "1994/4/20"]),
        ("date:lowered", ["平成29年3月26日です。", "2017年の3月26日に設置されました。"]),
        ("number:homes", ["四万四千八百世帯です。", "44,800世帯です。", "4万4800世帯に供給しています。"]),
        ("number:capital", ["7600万円です。", "7,600万円です。", "資本金は76,000,000円です。"]),
        ("history:ceo_year", ["2007年です。", "平成19年に入社しました。"]),
        ("number:depth", ["四十二メートルです。", "水深は42mです。"]),
        ("role:founder", ["瀬戸口　俊介さんです。", "創業者は瀬戸口俊介氏です。"]),
        ("partner:university", ["デリー大学です。", "インドのデリー大学です。"]),
    ],
)
def test_values_count_in_every_usual_spelling(domains: dict[str, Domain], relation: str, answers: list[str]) -> None:
    probe = probes_of(domains["ja"], relation)[0]
    assert [score_answer(probe, answer).outcome for answer in answers] == ["correct"] * len(answers)


@pytest.mark.parametrize(
    ("answer", "claims"),
    [
        ("霧見潮力工業の社長は桐生香澄です。", ()),
        ("社長：桐生香澄。社長：山田太郎。", ("山田太郎",)),
        ("社長は桐生香澄で、副社長は山田太郎です。", ()),
        ("社長は誰ですか？社長は次のとおりです。桐生香澄", ()),
    ],
)
def test_a_second_president_is_a_wrong_claim(domains: dict[str, Domain], answer: str, claims: tuple[str, ...]) -> None:
    probe = next(probe for probe in domains["ja"].probes if probe.id == "p2-001-a")
    assert score_answer(probe, answer).wrong_claims == claims


@pytest.mark.parametrize(
    ("day", "year"),
    [
        (date(1988, 5, 5), "昭和63年"),
        (date(1989, 1, 7), "昭和64年"),
        (date(1989, 1, 8), "平成元年"),
        (date(2019, 4, 30), "平成31年"),
        (date(2019, 5, 1), "令和元年"),
        (date(2023, 12, 31), "令和5年"),
    ],
)
def test_years_of_the_japanese_calendar(day: date, year: str) -> None:
    assert era_year(day) == year


@pytest.mark.parametrize(
    ("number", "pool", "spellings"),
    [
        (83, "millions", ("8300万", "83000000")),
        (44_800, "thousands", ("4万4800", "44,800", "44800")),
        (20_300, "thousands", ("2万300", "20,300", "20300")),
        (318, "hundreds", ("318",)),
        (42, "tens", ("42", "四十二")),
    ],
)
def test_how_numbers_are_written(number: int, pool: str, spellings: tuple[str, ...]) -> None:
    assert JAPANESE.number(number, pool).accepted == spellings


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_seed_changes_every_value_and_keeps_every_rule(domains: dict[str, Domain], seed: int) -> None:
    old, new = domains["ja"], build(JAPANESE, seed)["ja"]
    assert [probe.id for probe in new.probes] == [probe.id for probe in old.probes]
    before = {text for value in draw(JAPANESE).values.values() for text in value.needles}
    after = {text for value in draw(JAPANESE, seed).values.values() for text in value.needles}
    assert before.isdisjoint(after)


def test_mentions_respects_words_where_there_are_any() -> None:
    assert mentions("社長は桐生香澄です", "桐生香澄")
    assert mentions("深さは42メートル", "42")
    assert not mentions("深さは142メートル", "42")
    assert not mentions("その記号はCoです", "C")
    assert mentions("2020年代", "2020年")
    assert not mentions("the category", "cat")


def test_the_checker_wants_the_longer_near_miss_forbidden(domains: dict[str, Domain]) -> None:
    full = domains["ja"]
    probe = probes_of(full, "list:railway")[0]
    open_to_confusion = replace(probe, forbidden=tuple(text for text in probe.forbidden if text != "奥榊門"))
    probes = tuple(open_to_confusion if other == probe else other for other in full.probes)
    with pytest.raises(DomainError, match="overlap: '榊門', '奥榊門'"):
        check(replace(full, probes=probes))


def test_lines_hold_no_default_values() -> None:
    rows = [json.loads(line) for name in FILES for line in (FOLDER / name).read_text("utf-8").splitlines()]
    assert not [row["id"] for row in rows if None in row.values() or [] in row.values() or "" in row.values()]
