"""What a search will train, ask, need and cost: arithmetic held against the real mixture, evaluator and scheduler."""

from __future__ import annotations

import json
import math
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support import experiment_tree, write_config
from typer.testing import CliRunner

from raykft.cli import app
from raykft.config import ExperimentConfig, load_config
from raykft.data.domain import Domain, load_domain
from raykft.data.mixture import Mixer, Pool, Share
from raykft.errors import ConfigError, DataError, ModelError
from raykft.evaluation.evaluator import Evaluator, Suite
from raykft.evaluation.objective import Objective
from raykft.evaluation.retrieval import Contexts
from raykft.models.shape import KNOWN, assumed_shape, shape_of
from raykft.planning.budget import (
    Rows,
    asha_milestones,
    asked,
    count_tokens,
    counted,
    draw,
    draws,
    expected_epochs,
    mixtures,
    survivors,
    taught,
)
from raykft.planning.fitting import Machine
from raykft.planning.plan import GPUS, Plan, make_plan
from raykft.planning.render import render_plan
from raykft.records import Pick, Question, Reply
from raykft.testing.fakes import FakeHost
from raykft.train.admission import MAX_SLOTS

ROOT = Path(__file__).resolve().parents[2]
MACHINE = Machine(cores=4, memory_bytes=16 << 30, fast_bf16=False)
# Published with the models' weights.
PARAMETERS = {
    "meta-llama/Llama-3.1-8B-Instruct": 8_030_261_248,
    "meta-llama/Llama-3.3-70B-Instruct": 70_553_706_496,
    "meta-llama/Llama-3.2-1B": 1_235_814_400,
    "mistralai/Mistral-7B-Instruct-v0.3": 7_248_023_552,
    "Qwen/Qwen2.5-0.5B-Instruct": 494_032_768,
    "Qwen/Qwen2.5-7B": 7_615_616_512,
    "Qwen/Qwen3-8B": 8_190_735_360,
    "google/gemma-2-9b-it": 9_241_705_984,
}


@pytest.fixture
def tree(tmp_path: Path) -> dict[str, Any]:
    """On a model that is not here: rows are estimated, shapes come from the table."""
    return experiment_tree(tmp_path, "meta-llama/Llama-3.2-1B")


def load(tmp_path: Path, tree: dict[str, Any]) -> tuple[ExperimentConfig, Domain]:
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    return config, load_domain(config)


def planned(tmp_path: Path, tree: dict[str, Any], **options: Any) -> Plan:
    return make_plan(*load(tmp_path, tree), MACHINE, **options)


def shown(plan: Plan) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(render_plan(plan))
    return capture.get()


def test_tokens_are_those_of_the_mixture(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"]["space"] = {"data.distractor_ratio": {"choice": [0, 0.5, 1]}, "train.epochs": {"int": [2, 5]}}
    tree["search"]["trials"] = 6
    config, domain = load(tmp_path, tree)
    rows = count_tokens(config, domain)
    lengths, mixer = rows.lengths, Mixer(rows.pool, config.seed)
    epochs = {ratio: sum(lengths[i] for i in mixer.rows(Share(distractor_ratio=ratio))) for ratio in (0, 0.5, 1)}
    plan = planned(tmp_path, tree)
    assert (plan.tokens_per_epoch.minimum, plan.tokens_per_epoch.maximum) == (epochs[0], epochs[1])
    assert plan.tokens_per_epoch.median == epochs[0.5]
    assert (plan.tokens_per_trial.minimum, plan.tokens_per_trial.maximum) == (2 * epochs[0], 5 * epochs[1])
    assert plan.mixtures == 3
    assert "estimated" in plan.tokens_how


@pytest.mark.parametrize(
    ("dimension", "trials", "expected"),
    [
        (None, 9, 1),
        ({"choice": [0, 0.5, 1]}, 9, 3),
        ({"choice": [0, 0.001]}, 9, 1),  # no row more
        ({"uniform": [0.0, 1.0]}, 9, 9),  # never more than trials
        ({"uniform": [0.0, 0.05]}, 9, 3),
        ({"choice": [0.5, 1], "when": {"adapter.rank": 4}}, 9, 3),  # and none at all where it is not searched
    ],
)
def test_mixtures(tmp_path: Path, tree: dict[str, Any], dimension: Any, trials: int, expected: int) -> None:
    space = {"adapter.rank": {"choice": [2, 4]}} | ({"data.distractor_ratio": dimension} if dimension else {})
    tree["search"] |= {"space": space, "trials": trials}
    assert mixtures(load(tmp_path, tree)[0], Pool((1,) * 40, 300)) == expected


class CountingHost(FakeHost):
    """Counts what it is asked."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def answer(self, trial_id: str | None, questions: Any) -> list[Reply]:
        self.count += len(list[Question](questions))
        return super().answer(trial_id, questions)

    def choose(self, trial_id: str | None, picks: Any) -> list[list[float]]:
        self.count += len(list[Pick](picks))
        return super().choose(trial_id, picks)


@pytest.mark.parametrize("baselines", [[], ["facts_needed"], ["facts_needed", "facts_all", "bm25"]])
def test_as_many_questions_as_the_evaluator_asks(tmp_path: Path, tree: dict[str, Any], baselines: list[str]) -> None:
    tree["evaluate"] = {"baselines": baselines, "report_top": 2, "rung_probes": 6, "rung_general": 4}
    config, domain = load(tmp_path, tree)
    host, suite = CountingHost(), Suite(domain.facts, domain.probes, domain.general, domain.passages)
    evaluator = Evaluator(suite, Objective(), rung_probes=6, rung_general=4)
    contexts = Contexts(domain.facts, max_tokens=10**6).by_name()
    base = evaluator.base(host, {name: contexts[name] for name in baselines})
    for trial in ("a", "b", "c"):
        for _ in range(5):
            evaluator.rung(host, trial, base)
        evaluator.full(host, trial, base)
    for trial in ("a", "b"):
        evaluator.full(host, trial, base, "report")
    if "bm25" in baselines:
        evaluator.in_context(host, "a", base, contexts["bm25"])
    found = asked(config, domain, count_tokens(config, domain), scored=3, epochs=15)
    assert found.questions == host.count


def test_longer_answers_and_contexts_cost_more(tmp_path: Path, tree: dict[str, Any]) -> None:
    def tokens(**evaluate: Any) -> float:
        config, domain = load(tmp_path, tree | {"evaluate": evaluate})
        return asked(config, domain, count_tokens(config, domain), scored=2, epochs=4).tokens

    few, every = tokens(baselines=["bm25"]), tokens(baselines=["facts_all"])
    assert tokens(baselines=[]) < few < every
    assert tokens(baselines=[], rung_passages=0) < tokens(baselines=[], rung_passages=1)


@pytest.mark.parametrize("factor", [2.0, 3.0, 4.0])
def test_survivors_are_those_of_a_percentile_rule(factor: float) -> None:
    """Ray's rule, with scores in random order: below the percentile of those before it a trial is stopped."""
    import numpy as np

    rng, arrivals, passed, rounds = np.random.default_rng(0), 12, 0, 2000
    for _ in range(rounds):
        scores = rng.random(arrivals)
        for n, score in enumerate(scores):
            cutoff = np.nanpercentile(scores[:n], (1 - 1 / factor) * 100) if n else None
            passed += cutoff is None or score >= cutoff
    assert survivors(arrivals, factor) == pytest.approx(passed / rounds, rel=0.03)


def test_expected_epochs_are_those_of_a_simulated_search(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"] |= {"trials": 18, "grace_epochs": 2, "reduction_factor": 3}
    tree["search"]["space"] = {"train.epochs": {"int": [4, 9]}}
    config, _ = load(tmp_path, tree)
    assert asha_milestones(config) == [2, 6]
    rng, rounds = random.Random(0), 1500
    trained, finished = 0, 0
    for _ in range(rounds):
        rungs: dict[int, list[float]] = {2: [], 6: []}
        for _ in range(18):
            asked_for, score = rng.randint(4, 9), rng.random()
            end = asked_for
            for milestone in (2, 6):
                if asked_for < milestone:
                    break
                before = sorted(rungs[milestone])
                rungs[milestone].append(score)
                if before:
                    position = (1 - 1 / 3) * (len(before) - 1)
                    low, high = before[math.floor(position)], before[math.ceil(position)]
                    if score < low + (high - low) * (position % 1):
                        end = milestone
                        break
            trained += end
            finished += end == asked_for
    found = expected_epochs(config, [4, 5, 6, 7, 8, 9])
    assert found.epochs == pytest.approx(trained / rounds / 18, rel=0.06)
    # Those that come late to the second rung are the better ones, having passed a stricter first: not counted in.
    assert found.finished == pytest.approx(finished / rounds / 18, rel=0.15)


def test_conditional_settings_and_epochs_as_fidelity(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"] |= {
        "fidelity": "epochs",
        "space": {
            "train.epochs": {"int": [3, 8]},
            "adapter.rank": {"choice": [256], "when": {"adapter.target_layers": "mlp"}},
            "adapter.target_layers": {"choice": ["mlp", "attention"]},
        },
    }
    config, _ = load(tmp_path, tree)
    rng = random.Random(0)
    drawn = [draw(config, rng) for _ in range(200)]
    assert {sample["train.epochs"] for sample in drawn} == {8}
    assert {("adapter.rank" in sample, sample["adapter.target_layers"]) for sample in drawn} == {
        (True, "mlp"),
        (False, "attention"),
    }
    assert config.corner_values("adapter.rank") == [256, config.adapter.rank]
    plan = planned(tmp_path, tree)
    assert plan.tokens_per_trial.minimum == 8 * plan.tokens_per_epoch.minimum
    assert plan.corners == 4


@pytest.mark.parametrize("scheduler", ["hyperband", "median"])
def test_schedulers_that_are_not_foreseen_are_said_to_be(tmp_path: Path, tree: dict[str, Any], scheduler: str) -> None:
    tree["train"]["epochs"] = 9
    plan = planned(tmp_path, tree | {"search": tree["search"] | {"scheduler": scheduler}})
    assert plan.expected == plan.without_stopping
    assert any(f"what {scheduler} stops is not foreseen" in sentence for sentence in plan.assumptions)


@pytest.mark.ray
@pytest.mark.parametrize("most", [None, 1, 2, 9])
@pytest.mark.parametrize(("grace", "epochs", "factor"), [(1, 8, 3), (4, 16, 3), (2, 40, 4), (8, 8, 2), (1, 9, 1.5)])
def test_milestones_are_those_of_the_scheduler(
    tmp_path: Path, tree: dict[str, Any], grace: int, epochs: int, factor: float, most: int | None, embedded_ray: None
) -> None:
    from raykft.search.scheduler import make_scheduler

    tree["train"]["epochs"] = epochs
    tree["search"] |= {"grace_epochs": grace, "reduction_factor": factor, "max_rungs": most}
    config, _ = load(tmp_path, tree)
    brackets = getattr(make_scheduler(config), "_brackets", None)
    milestones = sorted(rung for rung, _ in brackets[0]._rungs) if brackets else []
    assert asha_milestones(config) == pytest.approx(milestones)


def test_cost_is_price_times_hosts_times_hours(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"]["trials"] = 64
    one = planned(tmp_path, tree, gpu="h100", price=2.5)
    four = planned(tmp_path, tree, gpu="h100", price=2.5, hosts=4)
    assert one.expected.cost == pytest.approx(2.5 * one.expected.hours)
    assert four.expected.cost == pytest.approx(one.expected.cost)
    assert four.expected.hours == pytest.approx(one.expected.hours / 4)
    assert one.expected.hours < one.without_stopping.hours
    measured = planned(tmp_path, tree, gpu="h100", tokens_per_second=1000.0)
    trained = measured.without_stopping
    assert trained.train_hours == pytest.approx(trained.trained_tokens / 1000 / 3600, rel=1e-3)
    assert trained.cost is None
    assert "speed of a device: as measured" in measured.assumptions


def test_hosts_that_only_evaluate_cost_and_work_beside_the_others(tmp_path: Path, tree: dict[str, Any]) -> None:
    def work(hosts: float) -> Plan:
        return planned(tmp_path, tree | {"resources": {"evaluation_hosts": hosts, "hosts": 2}}, gpu="h100", price=3.0)

    together, apart, shared = work(0), work(2), work(0.25)
    one = together.expected
    assert one.hours == pytest.approx(one.train_hours + one.evaluate_hours)
    assert apart.evaluation_hosts == 2
    assert apart.expected.hours == pytest.approx(max(one.train_hours, one.evaluate_hours))
    assert apart.expected.cost == pytest.approx(3.0 * 4 * apart.expected.hours)
    assert "2 that only evaluate" in shown(apart)
    assert shared.largest.memory.total > together.largest.memory.total + shared.largest.memory.weights
    assert "evaluation host" in shown(shared)


def test_slots_to_be_measured_are_estimated(tmp_path: Path, tree: dict[str, Any]) -> None:
    """As many as fill the device's steps, never more than memory holds or a quarter of the trials."""
    tree["search"]["trials"] = 400
    tree["resources"] = {"slots_per_host": "auto"}
    tree["search"]["space"] = {"adapter.rank": {"choice": [2, 4]}}
    tree["train"] |= {"batch_size": 8}
    assert (
        planned(tmp_path, tree, parameters=1e8).slots_per_host == 1
    )  # on a CPU such steps are efficient from the first
    tree["search"]["space"]["train.batch_size"] = {"choice": [1]}
    assert 1 < planned(tmp_path, tree, parameters=1e8).slots_per_host < 8
    del tree["search"]["space"]["train.batch_size"]
    fast = planned(tmp_path, tree, gpu="h100")
    assert 4 < fast.slots_per_host <= MAX_SLOTS
    assert not fast.too_large
    assert "slots_per_host: from that speed" in shown(fast)
    assert planned(tmp_path, tree, gpu="h100", hosts=50).slots_per_host == 2
    tree["search"]["space"] = {"adapter.rank": {"choice": [256]}, "adapter.target_layers": {"choice": ["all-linear"]}}
    full = planned(tmp_path, tree, gpu="l4", parameters=8e9)
    assert 1 <= full.slots_per_host < planned(tmp_path, tree, gpu="h200", parameters=8e9).slots_per_host
    assert not full.too_large


def test_what_does_not_fit_is_named_with_a_remedy(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"]["space"] = {"adapter.rank": {"choice": [8, 256]}}
    tree["resources"] = {"slots_per_host": 8}
    tree["search"]["trials"] = 32
    plan = planned(tmp_path, tree, gpu="l4", parameters=8e9)
    assert plan.corners == 2
    (corner,) = plan.too_large
    assert corner.settings["adapter.rank"] == 256
    assert 0 < corner.slots_that_fit < 8
    assert corner.memory.total > plan.memory_limit
    assert f"slots_per_host={corner.slots_that_fit}" in shown(plan)
    fewer = tree | {"resources": {"slots_per_host": corner.slots_that_fit}}
    assert planned(tmp_path, fewer, gpu="l4", parameters=8e9).too_large == ()
    hopeless = planned(tmp_path, tree, gpu="l4", parameters=70e9)
    assert [c.slots_that_fit for c in hopeless.too_large] == [0, 0]
    assert "a device with more memory" in shown(hopeless)


@pytest.mark.parametrize(
    ("options", "change", "error", "fragments"),
    [
        ({"gpu": "h1000"}, {}, ConfigError, ["'h1000'", "h100, h200"]),
        ({"price": -1.0}, {}, ConfigError, ["--gpu-hour-price -1"]),
        ({"hosts": 0}, {}, ConfigError, ["--hosts 0"]),
        ({"tokens_per_second": math.nan}, {}, ConfigError, ["--tokens-per-second nan"]),
        ({}, {"resources": {"device": "cuda"}}, ConfigError, ["--gpu"]),
        ({"gpu": "l4"}, {"resources": {"device": "cpu"}}, ConfigError, ["resources.device=auto"]),
        ({}, {"resources": {"residency": "quantized"}}, ConfigError, ["for CUDA", "--gpu"]),
        ({"parameters": 3.0}, {}, ModelError, ["--parameters 3", "8e9"]),
        ({}, {"base_model": "someone/Unheard-13B"}, ModelError, ["someone/Unheard-13B", "--parameters 8e9"]),
        ({}, {"base_model": "./not/there/at-all"}, ModelError, ["no such directory"]),
        ({}, {"base_model": "foo:bar"}, ModelError, ["foo:bar", "nor a hub id"]),
        ({}, {"base_model": "package:no-such-model"}, ModelError, ["pip install no-such-model"]),
    ],
)
def test_options_that_are_refused(
    tmp_path: Path,
    tree: dict[str, Any],
    options: dict[str, Any],
    change: dict[str, Any],
    error: type[Exception],
    fragments: list[str],
) -> None:
    with pytest.raises(error) as caught:
        planned(tmp_path, tree | change, **options)
    assert all(fragment in str(caught.value) for fragment in fragments)


def test_an_unknown_architecture_is_named(tmp_path: Path, tree: dict[str, Any]) -> None:
    model = tmp_path / "model"
    model.mkdir()
    (model / "config.json").write_text(json.dumps({"model_type": "mamba", "hidden_size": 8}))
    with pytest.raises(ModelError, match=r"'mamba'.*--parameters"):
        planned(tmp_path, tree | {"base_model": str(model)})
    (model / "config.json").write_text(json.dumps({"model_type": "llama", "hidden_size": 8}))
    with pytest.raises(ModelError, match="num_attention_heads"):
        planned(tmp_path, tree | {"base_model": str(model)})
    (model / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read"):
        planned(tmp_path, tree | {"base_model": str(model)})


@pytest.mark.parametrize(("name", "parameters"), PARAMETERS.items())
def test_known_models_have_their_published_size(name: str, parameters: int) -> None:
    shape = shape_of(name)
    assert shape.parameters == parameters
    assert "table" in shape.assumed


def test_a_model_is_known_by_its_whole_name() -> None:
    assert set(KNOWN) == {key.lower() for key in KNOWN}
    for other in ("Qwen/Qwen2.5-Coder-7B", "deepseek-ai/DeepSeek-R1-Distill-Llama-8B", "x/xqwen3-8b"):
        with pytest.raises(ModelError):
            shape_of(other)


@pytest.mark.parametrize("size", [1e8, 1e9, 8e9, 7e10])
def test_an_assumed_shape_has_about_the_size_asked_for(size: float) -> None:
    assert assumed_shape(size).parameters == pytest.approx(size, rel=0.15)


def test_every_gpu_of_the_list_plans(tmp_path: Path, tree: dict[str, Any]) -> None:
    rates = {name: planned(tmp_path, tree, gpu=name).tokens_per_second for name in GPUS}
    assert all(rate > 0 for rate in rates.values())
    wide = tree | {"train": {"epochs": 2, "batch_size": 4096}}
    wide["search"] = wide["search"] | {"space": {"train.batch_size": {"choice": [2048, 4096]}}}
    assert planned(tmp_path, wide, gpu="h100").tokens_per_second >= planned(tmp_path, wide, gpu="l4").tokens_per_second


def test_what_is_probably_not_meant_is_said_first(tmp_path: Path, tree: dict[str, Any]) -> None:
    tree["search"] |= {"searcher": "nsga2", "space": {"adapter.rank": {"choice": [2, 4]}}}
    result = CliRunner().invoke(app, ["plan", str(write_config(tmp_path / "c.yaml", tree))], env={"COLUMNS": "200"})
    assert result.exit_code == 0, result.output
    assert result.output.startswith("warning: search.searcher nsga2 is made for several objectives")


def test_what_a_teacher_reads_is_said(tmp_path: Path, tree: dict[str, Any]) -> None:
    """Rows that name facts with those before them, and distractors under a leash; without either nothing."""

    def having(**train: float) -> ExperimentConfig:
        return load(tmp_path, tree | {"train": tree.get("train", {}) | train})[0]

    config, domain = load(tmp_path, tree)
    rows = count_tokens(config, domain)
    assert taught(config, domain, rows) is None
    own = taught(having(distill_weight=0.5), domain, rows)
    assert own is not None
    assert own.rows == sum(bool(row.fact_ids) for row in domain.train) > 0
    assert own.tokens > sum(rows.domain)
    assert own.memory_bytes == own.answers * 20 * 12
    both = having(distill_weight=0.5, kl_weight=1)
    assert (found := taught(both, domain, rows))
    assert found.rows == own.rows + len(domain.distractors)
    (said,) = [text for text in make_plan(both, domain, MACHINE).assumptions if text.startswith("teacher:")]
    assert f"reads {found.rows} row(s) once, {found.tokens:,} tokens" in said


def test_longest_and_mean() -> None:
    rows = Rows(Pool((1, 1), 1), (4, 8), (6,), 0.5, "by hand", lambda text: 3 + len(text))
    assert (rows.longest, rows.mean, rows.plain("abcd")) == (8, 6, 4)


def test_the_command_is_quick_and_needs_no_torch(tmp_path: Path, tree: dict[str, Any]) -> None:
    config = write_config(tmp_path / "c.yaml", tree | {"base_model": "meta-llama/Llama-3.1-8B-Instruct"})
    code = (
        "import sys\nfrom raykft.cli import main\n"
        f"sys.argv = ['raykft', 'plan', {str(config)!r}, *'--gpu H100 --gpu-hour-price 2 --format json'.split()]\n"
        "try: main()\nexcept SystemExit: pass\n"
        "print([m for m in ('torch', 'ray', 'transformers', 'optuna') if m in sys.modules])"
    )
    started = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert time.perf_counter() - started < 10
    text, _, modules = done.stdout.strip().rpartition("\n")
    assert modules == "[]"
    tree = json.loads(text)
    assert tree["parameters"] == 8_030_261_248
    assert tree["device"] == "h100 GPU"
    assert tree["expected"]["cost"] == pytest.approx(2 * tree["expected"]["hours"])
    memory = tree["largest"]["memory"]
    parts = ("weights", "slots", "runtime")
    assert memory["total"] == sum(memory[p] for p in parts) + max(memory["activations"], memory["kv_cache"])


@pytest.mark.parametrize("name", ["quickstart", "demo-en"])
def test_shipped_configs_plan(name: str) -> None:
    config = load_config(ROOT / "configs" / f"{name}.yaml")
    plan = make_plan(config, load_domain(config), MACHINE)
    text = shown(plan)
    assert Counter(c in text for c in ("trained tokens", "GiB", "assumed", "134,515,008 parameters"))[True] == 4
    assert plan.too_large == ()
    assert 0.01 < plan.expected.hours < plan.without_stopping.hours < 10


def augmented(tmp_path: Path, tree: dict[str, Any]) -> None:
    """Forty rows in three wordings, the third of half of them; ten in another format; and a text."""
    lines = [f'{{"id": "a{n}", "instruction": "Question {n}?", "output": "Answer."}}' for n in range(40)]
    for phrasing, count in ((2, 40), (3, 20)):
        lines += [
            line.replace('"a', f'"{phrasing}-').replace("}", f', "phrasing": {phrasing}}}') for line in lines[:count]
        ]
    lines += [line.replace('"a', '"f').replace("}", ', "form": "json"}') for line in lines[:30]]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "manual.txt").write_text("The pump starts by itself. " * 200, encoding="utf-8")
    tree["data"] |= {"train": "train.jsonl", "text": "manual.txt"}
    tree["train"] = {"max_length": 128}


def test_what_a_recipe_takes_of_wordings_formats_and_text_is_counted(tmp_path: Path, tree: dict[str, Any]) -> None:
    augmented(tmp_path, tree)
    axes = {
        "data.phrasings": {"int": [0, 3]},
        "data.formats": {"choice": [0, 0.25]},
        "data.text_ratio": {"choice": [0.5, 1]},
        "data.distractor_ratio": {"choice": [0, 0.5]},
    }
    tree["search"] |= {"space": axes, "trials": 100}
    config, domain = load(tmp_path, tree)
    part, rows = counted(config, domain)
    assert part.train == domain.train
    assert len(rows.text) == len([n for n in rows.text[:-1] if n == 128]) + 1 > 10
    mixer = Mixer(rows.pool, config.seed)
    every = {
        sum(rows.lengths[n] for n in mixer.rows(Share(phrasings, formats, text, ratio)))
        for phrasings in range(4)
        for formats in (0, 0.25)
        for text in (0.5, 1)
        for ratio in (0, 0.5)
    }
    _, tokens = draws(config, rows)
    assert set(tokens) == every
    plan = planned(tmp_path, tree)
    assert plan.mixtures == 3 * 2 * 2 * 2 + 4  # without a question there are no formats either
    assert (plan.rows, plan.text_pieces, plan.text_tokens) == (130, len(rows.text), sum(rows.text))
    assert f"{sum(rows.text):,} tokens in {len(rows.text)} piece(s)" in shown(plan)


def test_what_no_recipe_takes_is_not_counted(tmp_path: Path, tree: dict[str, Any]) -> None:
    """Neither as rows nor as what a teacher reads or memory has to hold."""
    augmented(tmp_path, tree)
    tree["data"] |= {"phrasings": 1, "formats": 0, "text_ratio": 0}
    few = planned(tmp_path, tree)
    assert (few.rows, few.text_pieces) == (40, 0)
    assert "text" not in shown(few).split("assumed")[0]
    tree["data"]["text_ratio"] = 1
    more = planned(tmp_path, tree)
    assert more.largest.memory.activations > few.largest.memory.activations  # a piece is longer than all rows
    assert more.tokens_per_epoch.minimum == few.tokens_per_epoch.minimum + more.text_tokens


def test_a_plan_refuses_more_distractors_than_there_are_for_the_pieces(tmp_path: Path, tree: dict[str, Any]) -> None:
    augmented(tmp_path, tree)
    tree["data"] |= {"phrasings": 0, "distractor_ratio": 40}
    with pytest.raises(DataError, match=r"pieces of text needs \d+ distractors, but data.distractors has 300"):
        planned(tmp_path, tree)
