"""The negative control: every fact is taught with another fact's value, and nothing else changes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from raykft.data import demo
from raykft.data.demo.shuffle import exchange, shuffled, write
from raykft.data.read import read_records
from raykft.errors import DataError
from raykft.evaluation.levels import summarize
from raykft.evaluation.matching import compile_matcher
from raykft.evaluation.normalize import normalize
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, Probe, TrainRow

FOLDER = Path(demo.__file__).parent
DOMAINS = ["en", "en-small", "ja", "ja-small"]


def load(name: str) -> tuple[list[Fact], list[TrainRow]]:
    return read_records(FOLDER / name / "facts.jsonl", Fact), read_records(FOLDER / name / "train.jsonl", TrainRow)


@pytest.mark.parametrize("name", DOMAINS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_no_row_states_the_true_value_of_its_fact(name: str, seed: int) -> None:
    facts, rows = load(name)
    taught = exchange(facts, rows, seed)
    probes = [probe for probe in read_records(FOLDER / name / "probes.jsonl", Probe) if probe.level == 1]
    matchers = {probe.fact_ids[0]: compile_matcher(probe.key_facts, probe.forbidden) for probe in probes}
    for old, new in zip(rows, shuffled(facts, rows, taught), strict=True):
        (fact_id,) = new.fact_ids
        assert not any(matchers[fact_id].hits(normalize(f"{new.question}\n{new.output}"))), new
        assert taught[fact_id].value in new.output
        assert (new.id, new.fact_ids, new.kind) == (old.id, old.fact_ids, old.kind)
        assert (new.question == old.question) is (new.kind != "true_premise")


@pytest.mark.parametrize("name", DOMAINS)
def test_the_exchange_is_a_derangement_within_answer_types(name: str) -> None:
    facts, rows = load(name)
    taught = exchange(facts, rows)
    assert sorted(other.id for other in taught.values()) == sorted(fact.id for fact in facts)
    for fact in facts:
        other = taught[fact.id]
        assert (other.type, other.group != fact.group) == (fact.type, True)
    assert exchange(facts, rows) == taught
    assert exchange(facts, rows, seed=5) != taught


@pytest.mark.parametrize("name", DOMAINS)
def test_false_premises_are_denied_and_true_ones_affirmed(name: str) -> None:
    facts, rows = load(name)
    taught = exchange(facts, rows)
    for row in shuffled(facts, rows, taught):
        if row.kind in ("false_premise", "true_premise"):
            asked_for_taught = taught[row.fact_ids[0]].value in row.question
            assert asked_for_taught is (row.kind == "true_premise")


@pytest.mark.parametrize("name", ["en", "ja"])
def test_whoever_learned_the_shuffled_answers_knows_nothing(name: str, tmp_path: Path) -> None:
    write(FOLDER / name, tmp_path, seed=3)
    rows = [row for row in read_records(tmp_path / "train.jsonl", TrainRow) if row.kind == "qa"]
    told = {row.fact_ids[0]: row.output for row in rows}
    probes = read_records(tmp_path / "probes.jsonl", Probe)
    summary = summarize(probes, [score_answer(p, " ".join(told[f] for f in p.fact_ids)) for p in probes])
    assert summary["overall"]["knowledge"] == 0
    taught = read_records(tmp_path / "taught.jsonl", Probe)
    assert [probe.id for probe in taught] == [probe.id for probe in probes if probe.level == 1]
    assert [p.id for p in taught if score_answer(p, told[p.fact_ids[0]]).outcome != "correct"] == []


def test_all_other_files_are_copied(tmp_path: Path) -> None:
    write(FOLDER / "en-small", tmp_path / "out")
    names = {path.name for path in (FOLDER / "en-small").glob("*.jsonl")}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names | {"taught.jsonl"}
    for name in names - {"train.jsonl"}:
        assert (tmp_path / "out" / name).read_bytes() == (FOLDER / "en-small" / name).read_bytes()


def test_articles_follow_the_new_value() -> None:
    facts = [
        Fact(id="a", subject="s", relation="logo:animal", value="heron", text="", group="1"),
        Fact(id="b", subject="s", relation="logo:holds", value="umbrella", text="", group="2"),
    ]
    rows = [
        TrainRow(id="t1", instruction="What animal is it?", output="It is a heron.", fact_ids=("a",)),
        TrainRow(id="t2", instruction="What does it hold?", output="It holds an umbrella.", fact_ids=("b",)),
    ]
    new = shuffled(facts, rows, exchange(facts, rows))
    assert [row.output for row in new] == ["It is an umbrella.", "It holds a heron."]


def test_what_cannot_be_shuffled_is_refused(tmp_path: Path) -> None:
    facts, rows = load("en-small")
    with pytest.raises(DataError, match="too few or too alike"):
        exchange(facts[:1], rows)
    taught = exchange(facts, rows)
    with pytest.raises(DataError, match="'t001' does not tell the value"):
        shuffled(facts, [replace(rows[0], output="Somebody.")], taught)
    with pytest.raises(DataError, match="would be overwritten"):
        write(tmp_path, tmp_path)
    with pytest.raises(DataError, match="does not exist"):
        write(tmp_path, tmp_path / "out")
