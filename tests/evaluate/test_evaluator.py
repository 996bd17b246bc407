"""Gain, objective and forgetting as formulas; picks as the rungs ask them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest

from raykft.data.read import read_records
from raykft.evaluate.evaluator import Evaluator, Objective, Suite
from raykft.evaluate.forgetting import bits_per_byte, fluency_loss, forgetting
from raykft.evaluate.objective import gain, objective
from raykft.records import Passage, Probe

DEMO = Path(__file__).parents[2] / "raykft/data/demo/en-small"


@pytest.mark.parametrize(
    ("knowledge", "base", "oracle", "expected"),
    [(0.1, 0.1, 0.9, 0.0), (0.9, 0.1, 0.9, 1.0), (0.5, 0.1, 0.9, 0.5), (0.05, 0.1, 0.9, -0.0625),
     (0.55, 0.1, None, 0.5), (0.55, 0.1, 0.2, 0.5), (1.0, 1.0, None, 0.0)],
)  # fmt: skip
def test_gain_is_zero_at_the_base_and_one_at_the_oracle(
    knowledge: float, base: float, oracle: float | None, expected: float
) -> None:
    assert gain(knowledge, base, oracle) == pytest.approx(expected)


def test_objectives() -> None:
    figures = {"knowledge": 0.6, "gain": 0.8, "forgetting": 0.15, "budget": 0.05, "penalty": 5.0}
    assert objective("gain_minus_penalty", **figures) == pytest.approx(0.3)
    assert objective("gain_minus_penalty", **figures | {"forgetting": 0.04}) == pytest.approx(0.8)
    assert objective("gain_minus_forgetting", **figures) == pytest.approx(0.65)
    assert objective("gain", **figures) == 0.8
    assert objective("knowledge", **figures) == 0.6


def test_forgetting_clips_gains_and_the_signed_one_does_not() -> None:
    lost = forgetting(base_accuracy=0.5, accuracy=0.4, base_bits=1.0, bits=0.9)
    assert lost.clipped == pytest.approx((0.2 + 0) / 2)
    assert lost.signed == pytest.approx((0.2 + fluency_loss(1.0, 0.9)) / 2)
    assert fluency_loss(1.0, 2.0) == 0.5
    assert forgetting(base_accuracy=0.5, accuracy=0.5, base_bits=1.0, bits=1.0) == forgetting(
        base_accuracy=None, accuracy=None, base_bits=None, bits=None
    )


def test_bits_per_byte_counts_utf8_bytes() -> None:
    assert bits_per_byte([math.log(2) * 6], [Passage("a", "né")]) == pytest.approx(2.0)


def test_rungs_ask_one_paraphrase_a_fact_first_and_lead_into_the_key_fact() -> None:
    probes = tuple(read_records(DEMO / "probes.jsonl", Probe))
    facts = {p.fact_ids for p in probes if p.level == 2 and p.split == "select" and p.kind == "recall"}
    evaluator = Evaluator(Suite((), probes), Objective(), rung_probes=len(facts))
    by_question = {p.question: p for p in probes}
    assert {by_question[p.question].fact_ids for p in evaluator.rung_picks} == facts
    for pick in evaluator.rung_picks:
        probe = by_question[pick.question]
        assert probe.gold.startswith(pick.lead_in + pick.candidates[0])
        assert probe.split == "select"
        assert len(set(pick.candidates)) == 4


def test_a_probe_without_its_alias_in_the_gold_is_left_out_of_the_rungs() -> None:
    probe = next(p for p in read_records(DEMO / "probes.jsonl", Probe) if p.level == 2 and p.split == "select")
    evaluator = Evaluator(Suite((), (replace(probe, gold="Something else."),)), Objective())
    assert evaluator.rung_picks == []
