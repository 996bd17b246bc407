"""The bundled English demo domain: reproducible, complete and free of give-aways, for more than one seed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from raykft.data import demo
from raykft.data import domain as data
from raykft.data.contamination import find_overlaps
from raykft.data.demo.build import build, write
from raykft.data.demo.language import Language
from raykft.data.demo.language_en import ENGLISH
from raykft.data.demo.language_ja import JAPANESE
from raykft.data.demo.lint import DomainError, check
from raykft.data.demo.probes import FORMATS_A_FACT, Domain
from raykft.data.demo.world import draw
from raykft.data.split import split_of
from raykft.evaluation.scoring import score_answer
from raykft.records import Document

FOLDER = Path(demo.__file__).parent
FILES = [f"{folder}/{name}.jsonl" for folder in ("en", "en-small") for name in ("facts", "train", "probes")]
AUGMENTED = "en-small/train-augmented.jsonl"
PINNED = "ab3f27c0209e7121e6cb64ed6ac983fe1a8e95dc2f840093d82ba774dade2adf"


@pytest.fixture(scope="module")
def domains() -> dict[str, Domain]:
    return build(ENGLISH)


def test_the_committed_files_are_what_the_generator_writes(tmp_path: Path) -> None:
    written = write(ENGLISH, tmp_path)
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [*FILES, AUGMENTED]
    for name in (*FILES, AUGMENTED):
        assert (tmp_path / name).read_bytes() == (FOLDER / name).read_bytes(), name


def test_the_committed_files_are_the_pinned_ones() -> None:
    assert sha256(b"".join((FOLDER / name).read_bytes() for name in FILES)).hexdigest() == PINNED


def test_lines_hold_no_default_values() -> None:
    rows: list[dict[str, Any]] = [
        json.loads(line) for name in FILES for line in (FOLDER / name).read_text("utf-8").splitlines()
    ]
    assert not [row["id"] for row in rows if None in row.values() or [] in row.values() or "" in row.values()]
    assert not [row["id"] for row in rows if row.get("lang") or row.get("kind") == "qa"]


def test_the_full_domain_has_the_planned_size(domains: dict[str, Domain]) -> None:
    full = domains["en"]
    assert len(full.facts) == 72
    assert Counter(fact.relation.split(":")[0] for fact in full.facts) == {
        **dict.fromkeys(("role", "date", "place", "number", "product", "history"), 8),
        **dict.fromkeys(("list", "logo", "value", "partner", "award", "trivia"), 4),
    }
    assert Counter(row.kind for row in full.train) == {
        "qa": 72,
        "paraphrase": 6,
        "false_premise": 6,
        "true_premise": 6,
    }
    assert Counter((probe.level, probe.kind) for probe in full.probes) == {
        (1, "recall"): 72,
        (2, "recall"): 216,
        (3, "format"): 72,
        (4, "recall"): 32,
        (4, "list"): 4,
        (5, "recall"): 48,
        (2, "premise"): 72,
        (2, "hint"): 72,
    }


def test_the_small_slice_has_the_planned_size(domains: dict[str, Domain]) -> None:
    full, small = domains["en"], domains["en-small"]
    assert len(small.facts) == 30
    assert len({fact.relation.split(":")[0] for fact in small.facts}) == 12
    assert Counter(row.kind for row in small.train) == {
        "qa": 30,
        "paraphrase": 4,
        "false_premise": 3,
        "true_premise": 3,
    }
    assert 190 <= len(small.probes) <= 210
    assert Counter(probe.level for probe in small.probes) == {1: 30, 2: 122, 3: 20, 4: 15, 5: 15}
    assert set(small.facts) <= set(full.facts)
    assert set(small.train) <= set(full.train)
    assert set(small.probes) <= set(full.probes)


@pytest.mark.parametrize(("folder", "select", "report"), [("en", 18, 18), ("en-small", 7, 8)])
def test_the_splits_are_balanced_over_groups(domains: dict[str, Domain], folder: str, select: int, report: int) -> None:
    groups = Counter(fact.group for fact in domains[folder].facts)
    assert set(groups.values()) == {2}
    assert Counter(split_of(group) for group in groups) == {"select": select, "report": report}


def test_pairs_share_their_id_and_their_answer(domains: dict[str, Domain]) -> None:
    for kind, marks in (
        ("premise", [("yes", ()), ("no", ())]),
        ("hint", [(None, ("plain",)), (None, ("hint",))]),
    ):
        probes = [probe for probe in domains["en"].probes if probe.kind == kind]
        for one, two in zip(probes[::2], probes[1::2], strict=True):
            assert one.pair_id == two.pair_id
            assert one.key_facts == two.key_facts
            assert one.question != two.question
            assert [(probe.polarity, probe.tags) for probe in (one, two)] == marks


def test_near_misses_and_the_untypical_logo_are_there(domains: dict[str, Domain]) -> None:
    values = {fact.relation: fact.value for fact in domains["en"].facts}
    assert (values["date:lowered"], values["date:power"]) == ("13 April 2014", "14 April 2014")
    assert "Keldergate" in values["list:railway"]
    assert "Keldergarth" in values["list:ferry"]
    assert values["logo:animal"] == "heron"


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_another_seed_changes_every_value_and_keeps_every_rule(domains: dict[str, Domain], seed: int) -> None:
    old, new = domains["en"], build(ENGLISH, seed)["en"]
    assert [fact.id for fact in new.facts] == [fact.id for fact in old.facts]
    assert [probe.id for probe in new.probes] == [probe.id for probe in old.probes]
    before = {text for value in draw(ENGLISH).values.values() for text in value.needles}
    after = {text for value in draw(ENGLISH, seed).values.values() for text in value.needles}
    assert before.isdisjoint(after)


def test_the_checker_notices_broken_rules(domains: dict[str, Domain]) -> None:
    full = domains["en"]
    first, *others = full.probes
    joint = next(probe for probe in others if probe.level == 2)
    shaped = next(probe for probe in others if probe.pattern)
    twin = next(probe for probe in others if probe.polarity == "no")
    broken = {
        "give": replace(joint, question=f"Is it {joint.key_facts[0].any[0]}?"),
        "training question": replace(joint, question=full.train[0].question),
        "split": replace(joint, split="report" if joint.split == "select" else "select"),
        "pattern": replace(shaped, pattern="^nothing$"),
        "gold lacks": replace(joint, gold="I do not know."),
        "accepted one": replace(joint, contrast=(*joint.contrast, joint.key_facts[0].any[0])),
        "fewer than three": replace(joint, contrast=joint.contrast[:2]),
        "used twice": replace(joint, id=first.id),
        "no fact": replace(joint, fact_ids=(), key_facts=()),
    }
    for message, probe in broken.items():
        probes = tuple(probe if old in (joint, shaped) and old.kind == probe.kind else old for old in full.probes)
        with pytest.raises(DomainError, match=message):
            check(replace(full, probes=probes))
    with pytest.raises(DomainError, match="twin"):
        check(replace(full, probes=tuple(probe for probe in full.probes if probe != twin)))
    facts = (replace(full.facts[0], aliases=(full.facts[1].value,)), *full.facts[1:])
    with pytest.raises(DomainError, match="overlap"):
        check(replace(full, facts=facts))


@pytest.mark.parametrize("language", [ENGLISH, JAPANESE], ids=lambda language: language.code)
def test_further_wordings_and_formats_are_of_every_small_fact(language: Language) -> None:
    small = build(language)[f"{language.code}-small"]
    facts = Counter({fact.id: 1 for fact in small.facts})
    for phrasing in (2, 3):
        rows = [row for row in small.further if row.phrasing == phrasing]
        assert Counter(row.fact_ids[0] for row in rows) == facts
        assert not any(row.form for row in rows)
    formed = [row for row in small.further if row.form]
    assert Counter(row.fact_ids[0] for row in formed) == Counter(dict.fromkeys(facts, FORMATS_A_FACT))
    assert set(Counter(row.form for row in formed).values()) == {12}
    values = {fact.id: fact.aliases if fact.type == "list" else (fact.value,) for fact in small.facts}
    assert all(value in row.output for row in small.further for value in values[row.fact_ids[0]])


@pytest.mark.parametrize("seed", [None, 1, 2])
@pytest.mark.parametrize("language", [ENGLISH, JAPANESE], ids=lambda language: language.code)
def test_further_rows_give_no_probe_away(language: Language, seed: int | None) -> None:
    """Nor does the text of the facts, with which the bundled configs try `data.text`."""
    small = build(language, seed)[f"{language.code}-small"]
    text = tuple(Document(fact.id, fact.text) for fact in small.facts)
    trained = data.Domain(small.facts, (*small.train, *small.further), (), small.probes, (), (), text)
    assert find_overlaps(trained, score_answer) == ()


def test_a_further_row_that_asks_what_it_should_not_is_refused(domains: dict[str, Domain]) -> None:
    small = domains["en-small"]
    first, *rest = small.further
    probe = next(probe for probe in small.probes if probe.level == 2)
    value = small.facts[0].value
    for question, message in ((probe.question, "asks what a probe asks"), (f"Is it {value}?", f"gives away '{value}'")):
        with pytest.raises(DomainError, match=f"{first.id}: it {message}|{first.id}: its question {message}"):
            check(replace(small, further=(replace(first, instruction=question), *rest)))
