"""Every component of forgetting as a formula, and the evaluator's own acceptance tests on the shipped fake."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.forgetting import (
    GeneralScores,
    bits_per_byte,
    changes,
    closed_world,
    fluency_loss,
    forgetting,
    forgetting_metrics,
    losses,
    lost_per_fact_gained,
    share_loss,
    spill,
)
from raykft.evaluation.levels import LEVELS
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import BASE, BaseScores, FullScores
from raykft.evaluation.picks import choice_result
from raykft.evaluation.scoring import score_answer
from raykft.records import Fact, KeyFact, Passage, Pick, Probe, ProbeKind, ProbeResult
from raykft.testing.fakes import FakeHost

LETTERS = "abcdefghijklmnopqrst"


def general(kind: ProbeKind, count: int, lang: str = "en", tags: tuple[str, ...] = ()) -> list[Probe]:
    made = []
    for letter in LETTERS[:count]:
        name = f"{lang}-{kind}-{letter}{''.join(tags)}"
        gold = f"word{letter}"
        made.append(
            Probe(
                name, 0, kind, f"Which {name}?", gold,
                () if kind == "instruct" else (KeyFact((gold,)),),
                "select", lang=lang, contrast=("other", "third", "fourth"), tags=tags,
                pattern="^word" if kind == "instruct" else None,
            )
        )  # fmt: skip
    return made


def scores(
    probes: Sequence[Probe], right: Callable[[Probe], bool] | bool, nats: dict[str, float] | None = None
) -> GeneralScores:
    decide = right if callable(right) else lambda probe: right
    return GeneralScores({p.id: score_answer(p, p.gold if decide(p) else "Nonsense.") for p in probes}, nats or {})


def first(count: int) -> Callable[[Probe], bool]:
    """Right on the first `count` questions of every kind."""
    return lambda probe: LETTERS.index(probe.gold[-1]) < count


def test_a_share_is_lost_relative_to_the_base_above_chance() -> None:
    assert share_loss(0.5, 0.4, count=100) == pytest.approx(0.2)
    assert share_loss(0.65, 0.45, count=100, chance=0.25) == pytest.approx(0.5)
    assert share_loss(0.4, 0.6, count=100) == pytest.approx(-0.5)
    assert share_loss(0.65, 0.25, count=100, chance=0.25) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("base", "chance", "count", "measured"),
    [(0.1, 0.0, 30, True), (0.09, 0.0, 30, False), (0.0, 0.0, 10, False),
     (0.25, 0.0, 4, False), (0.75, 0.0, 4, True), (0.2, 0.0, 10, False),  # fewer than three items are luck
     (0.36, 0.25, 100, True), (0.34, 0.25, 100, False),  # at 100 the fixed margin decides,
     (0.36, 0.25, 50, False), (0.38, 0.25, 50, True), (1.0, 0.25, 1, False)],  # below it the standard error
)  # fmt: skip
def test_a_loss_is_left_out_where_the_base_has_too_little_to_lose(
    base: float, chance: float, count: int, measured: bool
) -> None:
    assert bool(np.isfinite(share_loss(base, 0.0, count=count, chance=chance))) is measured


def test_fluency_is_lost_by_bits_per_utf8_byte() -> None:
    assert bits_per_byte([math.log(2) * 6], [Passage("a", "né")]) == pytest.approx(2.0)
    assert fluency_loss(1.0, 2.0) == 0.5
    assert fluency_loss(1.0, 1.0) == 0
    assert fluency_loss(2.0, 1.0) == -1
    assert fluency_loss(1.0, None) == 1


def test_every_component_by_hand_in_two_languages() -> None:
    passages = [Passage("pe", "abcd"), Passage("pj", "日本", lang="ja")]
    probes = [
        *general("recall", 10), *general("mc", 20), *general("instruct", 10),
        *general("recall", 10, "ja"), *general("mc", 20, "ja"),
    ]  # fmt: skip
    bit = math.log(2)
    base = scores(probes, lambda p: p.lang == "en" or p.kind == "mc", {"pe": 4 * bit, "pj": 6 * bit})
    # English: half of recall, a quarter of the choices, 8 of 10 instructions; Japanese: choices down to chance.
    kept = {"recall": 5, "mc": 15, "instruct": 8}
    tuned = scores(
        probes,
        lambda p: first(kept[p.kind])(p) if p.lang == "en" else p.kind == "mc" and first(5)(p),
        {"pe": 8 * bit, "pj": 3 * bit},
    )
    by_language = losses(probes, passages, base, tuned)
    assert by_language["en"] == pytest.approx({"recall": 0.5, "mc": 1 / 3, "instruct": 0.2, "fluency": 0.5})
    # Japanese recall is not there to be lost; its text became likelier.
    assert by_language["ja"] == pytest.approx({"mc": 1.0, "fluency": 1 - 2**0.5})
    total = forgetting(by_language)
    english = (0.5 + 1 / 3 + 0.2 + 0.5) / 4
    assert total.clipped == pytest.approx((english + 0.5) / 2)
    assert total.signed == pytest.approx((english + (2 - 2**0.5) / 2) / 2)
    metrics = forgetting_metrics(by_language)
    assert metrics["forgetting_en"] == pytest.approx(english)
    assert metrics["forgetting_ja"] == pytest.approx(0.5)
    assert metrics["mc_loss"] == pytest.approx((1 / 3 + 1) / 2)
    assert metrics["recall_loss"] == pytest.approx(0.5)


def test_nothing_measured_is_nothing_forgotten() -> None:
    nothing = GeneralScores({}, {})
    assert losses([], [], nothing, nothing) == {}
    assert forgetting_metrics({}) == {"forgetting": 0.0, "forgetting_signed": 0.0}


def test_a_passage_without_a_finite_likelihood_is_a_total_loss_but_none_the_base_can_be_measured_by() -> None:
    passages = [Passage("a", "abcd"), Passage("b", "efgh")]
    whole, broken = GeneralScores({}, {"a": 1.0, "b": 1.0}), GeneralScores({}, {"a": 1.0})
    assert losses([], passages, whole, broken) == {"en": {"fluency": 1.0}}
    assert losses([], passages, broken, whole) == {}


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=20))
def test_gross_and_net_agree_and_the_clipped_figure_is_never_below_the_signed(
    pairs: list[tuple[bool, bool]],
) -> None:
    probes = general("recall", len(pairs))
    before, now = (
        scores(probes, lambda p, side=side: pairs[LETTERS.index(p.gold[-1])][side])  # type: ignore[misc]
        for side in (0, 1)
    )
    changed = changes(probes, before, now)
    known = fmean_of([b for b, _ in pairs])
    # acc_tuned = acc_base - P(base right) P(lost | right) + P(base wrong) P(gained | wrong)
    expected = known - known * changed.get("general_lost", 0) + (1 - known) * changed.get("general_gained", 0)
    assert fmean_of([n for _, n in pairs]) == pytest.approx(expected)
    total = forgetting(losses(probes, [], before, now))
    assert 0 <= total.clipped <= 1
    assert total.clipped >= total.signed
    assert total.clipped == pytest.approx(max(0.0, total.signed))


def fmean_of(values: Sequence[bool]) -> float:
    return sum(values) / len(values)


def test_neighbours_are_watched_for_change_and_spill_but_cost_nothing() -> None:
    probes = general("recall", 4, tags=("locality",))
    facts = [
        Fact("f1", "Velmora", "founder", "Matthias Garrick", "…", type="person"),
        Fact("f2", "Velmora", "staff", "320", "…", type="number"),
        Fact("f3", "Velmora", "sign", "wordd", "…"),  # also the true answer to the last question
    ]
    before = scores(probes, first(2))
    said = ["Matthias Garrick.", "320.", "wordc", "wordd"]
    now = GeneralScores({p.id: score_answer(p, text) for p, text in zip(probes, said, strict=True)}, {})
    assert losses(probes, [], before, now) == {}
    assert changes(probes, before, now) == {"locality": 0.0}
    assert changes(probes, before, before) == {"locality": 1.0}
    # A number occurs everywhere, and what the question is about may be named.
    assert spill(probes, now, closed_world(facts)) == 0.25
    assert spill(general("recall", 2), now, closed_world(facts)) is None


def test_items_lost_per_fact_acquired() -> None:
    asked = [*general("recall", 4), *general("mc", 4), *general("instruct", 4)]
    facts = {"f1": (0, 2), "f2": (0, 1), "f3": (0, 0), "f4": (1, 2)}  # of two paraphrases right: base, tuned
    domain = [
        Probe(f"{f}-{n}", 2, "recall", "?", "gold", (KeyFact(("gold",)),), "select", fact_ids=(f,))
        for f in facts
        for n in range(2)
    ]

    def results(side: int) -> dict[str, ProbeResult]:
        return {p.id: score_answer(p, "gold" if int(p.id[-1]) < facts[p.fact_ids[0]][side] else "") for p in domain}

    before, now = scores(asked, True), scores(asked, first(1))
    # Lost: 3 recall and 3 choices, instructions are no knowledge. Acquired: f1 and f2.
    assert lost_per_fact_gained(asked, domain, before, now, results(0), results(1)) == 3
    assert lost_per_fact_gained(asked, domain, before, now, results(1), results(1)) is None


@pytest.mark.parametrize(
    ("logprobs", "outcome", "answer"),
    [([-1, -2, -2, -2], "correct", "worda"), ([-2, -1, -3, -3], "wrong", "other"),
     ([-1, -1, -1, -1], "wrong", "fourth"), ([-1, -2, -1, -2], "wrong", "third"),
     ([math.nan, -2, -2, -2], "empty", ""), ([-1, math.nan, -2, -2], "empty", ""),
     ([math.inf, -2, -2, -2], "empty", ""), ([-1, -math.inf, -2, -2], "empty", "")],
)  # fmt: skip
def test_a_choice_must_be_strictly_the_most_probable_and_every_likelihood_finite(
    logprobs: list[float], outcome: str, answer: str
) -> None:
    result = choice_result(general("mc", 1)[0], logprobs)
    assert (result.outcome, result.answer) == (outcome, answer)
    assert result.correct is result.clean is (outcome == "correct")


DOMAIN = tuple(
    Probe(
        f"p{level}-{f}", level, "recall", f"What is {f}, {level}?", f"It is gold{f}.", (KeyFact((f"gold{f}",)),),
        "select", contrast=("lead", "tin", "zinc"), fact_ids=(f,),
    )
    for level in LEVELS for f in LETTERS[:4]
)  # fmt: skip
WRITTEN = (
    *general("recall", 10), *general("instruct", 10), *general("recall", 10, "ja"),
    *general("recall", 4, tags=("locality",)),
)  # fmt: skip
CHOICES = tuple(general("mc", 10))
SUITE = Suite(
    tuple(Fact(f, "It", "is", f"gold{f}", f"{f} is gold{f}.") for f in LETTERS[:4]),
    DOMAIN,
    (*CHOICES, *WRITTEN),
    (Passage("pe", "abcd"), Passage("pj", "日本", lang="ja")),
)
GOLD = {probe.question: probe.gold for probe in (*DOMAIN, *WRITTEN)}
GENERAL_QUESTIONS = {probe.question for probe in WRITTEN}


class TestEvaluator:
    """The evaluator on a model whose answers are known."""

    def base_answer(self, question: str) -> str:
        return GOLD[question] if question in GENERAL_QUESTIONS else "I do not know."

    def scored(self, host: FakeHost, suite: Suite | None = None) -> tuple[BaseScores, FullScores]:
        evaluator = Evaluator(suite or SUITE, Objective())
        base = evaluator.base(host)
        return base, evaluator.full(host, "t0", base)

    def test_an_oracle_knows_everything_and_forgets_nothing(self) -> None:
        host = FakeHost(lambda t, q: GOLD[q] if t else self.base_answer(q), lambda t: -0.5)
        base, full = self.scored(host)
        figures = full.metrics
        assert figures["knowledge"] == figures["gain"] == figures["score"] == 1
        assert figures["forgetting"] == figures["forgetting_signed"] == figures["general_lost"] == 0
        assert figures["choice_accuracy"] == figures["instruct_rate"] == figures["locality"] == 1
        assert figures["drift"] == figures["invalid"] == figures["spill"] == figures["fuar"] == 0
        assert base.rows[BASE]["select"].metrics["gain"] == 0
        assert full.passage_nats == {"pe": 4.0, "pj": 2.0}

    def test_an_echo_knows_nothing(self) -> None:
        _, full = self.scored(FakeHost(lambda t, q: q if t else self.base_answer(q), lambda t: -0.5))
        assert full.metrics["knowledge"] == 0
        # Of two languages' components all recall and instructions are lost; choices and fluency are not.
        assert full.metrics["forgetting"] == pytest.approx((2 / 4 + 1 / 2) / 2)
        assert "fuar" not in full.metrics

    def test_every_general_kind_is_a_result_and_none_a_domain_figure(self) -> None:
        host = FakeHost(lambda t, q: self.base_answer(q), lambda t: -0.5)
        _, full = self.scored(host)
        _, alone = self.scored(host, replace(SUITE, general=(), passages=()))
        assert [r.id for r in full.results] == [p.id for p in (*DOMAIN, *WRITTEN, *CHOICES)]
        shared = alone.metrics.keys() - {"forgetting", "forgetting_signed", "invalid", "score"}
        assert {name: full.metrics[name] for name in shared} == {name: alone.metrics[name] for name in shared}

    def test_a_model_is_asked_in_one_request_of_every_kind(self) -> None:
        asked: list[str] = []

        class Counting(FakeHost):
            def __getattribute__(self, name: str) -> object:
                if name in {"answer", "choose", "text_nats", "drift"}:
                    asked.append(name)
                return super().__getattribute__(name)

        evaluator, host = Evaluator(SUITE, Objective()), Counting()
        base = evaluator.base(host)
        asked.clear()
        evaluator.full(host, "t0", base)
        assert sorted(asked) == ["answer", "choose", "drift", "text_nats"]

    def test_a_model_without_finite_likelihoods_is_counted_and_never_wins(self) -> None:
        class Broken(FakeHost):
            def choose(self, trial_id: str | None, picks: Sequence[Pick]) -> list[list[float]]:
                rows = super().choose(trial_id, picks)
                return [[math.nan, *row[1:]] for row in rows] if trial_id else rows

            def text_nats(self, trial_id: str | None, texts: Sequence[str]) -> list[float]:
                return [math.inf if trial_id else 1.0 for _ in texts]

            def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
                return [(math.nan, 1) for _ in exchanges]

        host = Broken(lambda t, q: self.base_answer(q), lambda t: -0.5)
        evaluator = Evaluator(SUITE, Objective(), drift_prompts=7)
        base = evaluator.base(host)
        full = evaluator.full(host, "t0", base)
        assert full.metrics["invalid"] == 10 + 2 + 7
        assert full.metrics["choice_accuracy"] == 0
        assert full.metrics["mc_loss"] == pytest.approx(1 / 0.75)  # worse than guessing
        assert full.metrics["fluency_loss"] == 1
        assert full.passage_nats == {}
        assert {"drift", "bits_per_byte"}.isdisjoint(full.metrics)
        assert all(map(math.isfinite, full.metrics.values()))
        rung = evaluator.rung(host, "t0", base)
        assert rung["invalid"] == len(evaluator.rung_picks) + len(evaluator.rung_general) + 2
        assert rung["probe_lp"] == 0
        assert rung["rung_score"] == -1

    def test_drift_is_nats_a_token_on_the_base_models_answers(self) -> None:
        seen: list[tuple[str, str]] = []

        class Recording(FakeHost):
            def drift(self, trial_id: str | None, exchanges: Sequence[tuple[str, str]]) -> list[tuple[float, int]]:
                seen.extend(exchanges)
                return super().drift(trial_id, exchanges)

        host = Recording(lambda t, q: "tuned" if t else self.base_answer(q), drift=0.25)
        evaluator = Evaluator(SUITE, Objective(), drift_prompts=4)
        full = evaluator.full(host, "t0", evaluator.base(host))
        assert full.metrics["drift"] == 0.25
        assert seen == [(q, GOLD[q]) for q, _ in seen]
        assert [q.split()[1][:2] for q, _ in seen] == ["en", "ja"] * 2  # the languages take turns
