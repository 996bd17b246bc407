"""The benchmark scripts run, and their results hold what a reader needs to believe them."""

from __future__ import annotations

import argparse
import gzip
import importlib
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from raykft.config import apply_sample

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Imports a benchmark as its folder's scripts import one another."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def run_quick(module: Any, out: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> dict[str, Any]:
    monkeypatch.setattr("sys.argv", ["benchmark", "--quick", "--device", "cpu", "--out", str(out), *options])
    module.main()
    record: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return record


def check_record(record: dict[str, Any], name: str) -> None:
    assert record["benchmark"] == name
    assert record["device"] == "cpu"
    assert {"commit", "dirty", "packages", "machine", "started_at", "peers"} <= record["environment"].keys()
    assert record["settings"]["threads"] == 1
    assert record["rows"]


def check_spread(figure: dict[str, Any]) -> None:
    assert len(figure["values"]) >= 3
    assert 0 < figure["min"] <= figure["median"] <= figure["max"]
    assert figure["median"] == sorted(figure["values"])[len(figure["values"]) // 2]


@pytest.mark.torch
def test_step_compares_a_plain_loop_with_packed_trials(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_quick(script("step"), tmp_path / "step.json", monkeypatch, "--contenders", "peft", "raykft")
    check_record(record, "step")
    rows = {(row["contender"], row["trials"]): row for row in record["rows"]}
    assert rows.keys() == {("peft", 1), ("raykft", 1), ("raykft", 4)}
    peft = rows["peft", 1]["tokens_per_second"]["median"]
    for row in rows.values():
        check_spread(row["tokens_per_second"])
        assert row["over_peft"] == pytest.approx(row["tokens_per_second"]["median"] / peft)
        assert 0 < row["share_of_gemm"] < 1
    (model,) = record["models"]
    assert any("float32" in name for name in model["gemm_gflops"])
    assert any("bfloat16" in name for name in model["gemm_gflops"])


@pytest.mark.torch
def test_steps_with_a_teacher_are_held_against_steps_without(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = run_quick(script("teacher"), tmp_path / "teacher.json", monkeypatch, "--packed", "2", "--tokens", "24")
    check_record(record, "teacher")
    step, asked = record["rows"]
    for figure in step["step_s"].values():
        check_spread(figure)
    seconds = {kind: figure["median"] for kind, figure in step["step_s"].items()}
    assert step["ratio"] == pytest.approx({kind: each / seconds["plain"] for kind, each in seconds.items()})
    assert asked["pass"]["read_s"] > 0 < asked["pass"]["ask_s"]
    assert 20 * 8 <= asked["pass"]["bytes_per_answer_token"] < 20 * 16  # int32 and fp32, and each file's head


@pytest.mark.torch
def test_step_trains_the_same_in_every_contender(script: Any, tmp_path: Path) -> None:
    """Before the first step no adapter adds anything, so the losses on the same rows must be equal."""
    import torch

    from raykft.train.loop import packed_step

    step = script("step")
    rows = step.random_rows(24, 512)[: step.ROWS]
    peft, packed = step.contenders(["peft", "raykft"], "tiny", torch.device("cpu"), 2, tmp_path)
    for contender in (peft, packed):
        contender.take(rows)
    ((ids, labels),) = peft.batches
    expected = peft.model(input_ids=ids, labels=labels).loss.item()
    losses = packed_step(packed.packed, packed.slots)
    assert list(losses.values()) == pytest.approx([expected] * 2, rel=1e-4)


@pytest.mark.torch
def test_a_model_built_layer_by_layer_is_whole_and_reproducible(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    common = script("common")
    monkeypatch.setattr(common, "LAYERWISE_BYTES", 0)
    first, second = (common.random_base("tiny", torch.device("cpu"), torch.float32).model for _ in range(2))
    assert len(first.model.layers) == first.config.num_hidden_layers == common.SHAPES["tiny"]().num_hidden_layers
    ids = torch.arange(2, 10)[None]
    with torch.inference_mode():
        logits = first(input_ids=ids).logits
        assert torch.equal(logits, second(input_ids=ids).logits)
        assert logits.std() > 0


@pytest.mark.torch
def test_evaluate_gives_the_answers_of_peft(script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluate = script("evaluate")
    record = run_quick(evaluate, tmp_path / "evaluate.json", monkeypatch)
    check_record(record, "evaluate")
    assert [row["contender"] for row in record["rows"]] == [evaluate.PACKED, evaluate.KEPT, evaluate.RELOAD]
    for row in record["rows"]:
        check_spread(row["answers_per_second"])
        assert row["equal_to_raykft"] == 1
        assert row["different_adapters"] == row["adapters"] > 1


@pytest.mark.torch
def test_memory_of_processes_counts_mapped_files_once(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    memory = script("memory")
    monkeypatch.setattr(
        memory, "measure", lambda name, trials, shape: {"own_bytes": 100 + 10 * trials, "file_bytes": 50}
    )
    record = run_quick(memory, tmp_path / "memory.json", monkeypatch, "--contenders", "peft", "raykft")
    check_record(record, "memory")
    rows = {(row["contender"], row["trials"]): row for row in record["rows"]}
    assert rows["peft", 2]["bytes"]["median"] == 2 * 110 + 50
    assert rows["raykft", 2]["bytes"]["median"] == 120 + 50
    assert rows["raykft", 2]["share_of_alone"] == 170 / 270


@pytest.mark.torch
def test_memory_is_measured_in_a_process_of_its_own(script: Any) -> None:
    found = script("memory").measure("raykft", 1, "tiny")
    assert 10 << 20 < found["own_bytes"] < 4 << 30
    assert found["file_bytes"] > 10 << 20


@pytest.mark.torch
def test_share_equal_counts_answers(script: Any) -> None:
    share_equal = script("evaluate").share_equal
    assert share_equal([[[1], [2]], [[3], [4]]], [[[1], [0]]]) == 0.5


def test_the_recipes_of_the_search_are_drawn_once_and_fit_both_sides(script: Any, tmp_path: Path) -> None:
    search = script("search")
    quickstart = ROOT / "configs" / "quickstart.yaml"
    full, early = (search.experiment(arm, quickstart, tmp_path, 16) for arm in ("trl", "raykft-asha"))
    points = full.search.points
    assert points == early.search.points
    assert len(points) == len({json.dumps(point) for point in points}) == 16
    assert (full.search.scheduler, early.search.scheduler) == ("none", "asha")
    for point in points:
        config = apply_sample(full, point)
        assert config.adapter.target_layers in search.TRAINED_BY_TRL
        low, high = full.search.space["train.learning_rate"].corners
        assert low <= config.train.learning_rate <= high


def test_the_comparison_of_searches_divides_trl_by_raykft(script: Any) -> None:
    search = script("search")
    scores = {0: 0.1, 1: 0.4, 2: 0.3, 3: None}
    slow, fast = (
        {
            "wall_s": wall,
            "startup_s": startup,
            "cpu_s": wall,
            "trials": [{"number": n, "score": s, "level_1": level} for n, s in scores.items()],
        }
        for wall, startup, level in ((100.0, 40.0, 0.5), (50.0, 10.0, 0.75))
    )
    (row,) = search.compare({"trl": slow, "raykft": fast, "trl-asha": slow})
    assert row["wall_ratio"] == 2
    assert row["wall_ratio_without_startup"] == 1.5
    assert (row["scored_by_both"], row["best_trl"]) == (3, 0.4)
    assert row["mean_trl"] == pytest.approx({"score": 0.8 / 3, "level_1": 0.5})  # of those that both have scored
    assert row["mean_raykft"]["level_1"] == 0.75
    assert row["rank_correlation"] == pytest.approx(1)


def a_table(seeds: int = 2, count: int = 6) -> dict[str, Any]:
    """A table of recipes whose quality is their number, with grades that say so and answers that say it with noise."""
    runs: list[dict[str, Any]] = []
    for number in range(count):
        for seed in range(seeds):
            quality = number / count
            epoch = {"domain": {"p2": quality, "p4": quality / 2}, "general": {"g": 0.5}, "nats": {"x": 70.0}}
            metrics = {
                "score": quality + (0.3 if (number + seed) % 2 else 0.0),
                "knowledge": quality,
                "forgetting": 0.1,
            }
            runs.append(
                {"recipe": f"w{number:02d}", "kind": "wide", "seed": seed, "epochs": [epoch | {"loss": 1 - quality}]}
                | {"metrics_select": metrics, "metrics_report": {"score": quality}}
                | {"answers_select": {"p2": [quality, 0, 0]}}
            )
    runs.append({"recipe": "w99", "kind": "wide", "seed": 0, "epochs": [], "error": "DivergedError: loss"})
    base = {"graded": {"select": {"domain": {"p2": 0.1, "p4": 0.1}, "general": {"g": 0.5}}}}
    return {
        "probes": {
            "p2": ["select", 2, "recall", "en", ["f1"]],
            "p4": ["select", 4, "recall", "en", ["f1", "f2"]],
            "g": ["select", 0, "recall", "en", []],
        },
        "passages": {"x": ["en", 100]},
        "base": base | {"shown": {"select": {"p2": 0.9, "p4": 0.9}}, "nats": {"x": 70.0}},
        "runs": runs,
    }


def test_replay_tells_what_repeats_from_what_does_not(script: Any) -> None:
    found = script("replay").repeatability(a_table())["wide"]
    graded, noisy = found["graded_score"], found["score"]
    assert graded["recipes"] == 6
    assert (graded["spearman"], graded["decided_pairs"], graded["validity"], graded["noise"]) == (1, 1, 1, 0)
    assert noisy["spearman"] < 0.7
    assert noisy["decided_pairs"] < 1
    assert noisy["noise"] == pytest.approx(0.3 / 2**0.5)
    assert found["graded_forgetting"]["spread"] == 0
    assert found["drift"]["recipes"] == 6  # not measured in this table: no number is made up
    assert math.isnan(found["drift"]["noise"])


def test_a_table_goes_on_from_a_packed_one(script: Any, tmp_path: Path) -> None:
    table = script("table")
    packed, work = tmp_path / "table.json.gz", tmp_path / "work"
    packed.write_bytes(gzip.compress(json.dumps(a_table(count=2)).encode()))
    work.mkdir()
    table.unpack(packed, work)
    assert sorted(p.name for p in work.glob("*.done")) == [
        *(f"w0{n}-s{s}.done" for n in (0, 1) for s in (0, 1)),
        "w99-s0.done",
    ]
    assert len((work / "runs-packed.jsonl").read_text().splitlines()) == 5
    with pytest.raises(SystemExit, match="holds runs already"):
        table.unpack(packed, work)


def test_the_recipes_of_a_table_never_change(script: Any) -> None:
    table = script("table")
    recipes = table.recipes()
    assert recipes == table.recipes()
    assert len(recipes) == len({recipe["name"] for recipe in recipes}) == 32
    assert {recipe["kind"] for recipe in recipes[:12]} == {"wide", "narrow", "broken"}
    jobs = [(recipe["name"], seed) for recipe, seed in table.jobs(4)]
    assert len(set(jobs)) == len(jobs) == 128
    assert {seed for _, seed in jobs[:64]} == {0, 1}


def played(script: Any, *, noise: float, seeds: int = 4, count: int = 24) -> Any:
    """Replays of recipes whose quality grows with their number; every run has `noise`, its training loss is chance."""
    strategies = script("strategies")
    rng = random.Random(7)
    runs = []
    for number in range(count):
        for seed in range(seeds):
            quality = number / count
            epochs = [{"tokens": 100 * n, "loss": rng.random()} for n in range(1, 7)]
            values = {
                "score": quality + 2 * noise * rng.gauss(0, 1),
                "graded_score": quality + noise * rng.gauss(0, 1),
                "graded_epoch2": quality + noise * rng.gauss(0, 1),
                "old_rung_epoch1": quality / 4 + noise * rng.gauss(0, 1),
                "training_loss": rng.random(),
            }
            report = {"score": quality + noise * rng.gauss(0, 1)}
            runs.append(
                {"recipe": f"w{number:02d}", "seed": seed, "epochs": epochs, "values": values, "metrics_report": report}
            )
    runs.append({"recipe": "w99", "seed": 0, "error": "DivergedError"})
    costs = strategies.Costs(rung=10, graded=30, full=200)
    return strategies, strategies.Replays(runs, costs, lambda name, run: run["values"][name])


def test_replayed_searches_find_more_with_better_numbers(script: Any) -> None:
    strategies, replays = played(script, noise=0.1)
    assert len(replays.grid) == 24
    assert replays.unit == 800
    found = strategies.strategies(replays, tables=40)
    assert list(found) == ["random", "loss-asha", "today", "graded", "graded-race"]
    for curve in found.values():
        bands = zip(curve["cost"], curve["regret_lo"], curve["regret"], curve["regret_hi"], strict=True)
        assert all(low <= mean <= high for _, low, mean, high in bands)
    at = {name: curve["regret"][found["random"]["cost"].index(12.0)] for name, curve in found.items()}
    assert at["graded"] < at["random"] < at["loss-asha"]
    assert at["graded-race"] < at["today"]
    assert found["graded"]["regret"][-1] < found["graded"]["regret"][0]


def test_a_replay_spends_no_more_than_it_may(script: Any) -> None:
    strategies, replays = played(script, noise=0.0)
    names = sorted(replays.grid)
    for strategy, plan in strategies.PLANS.items():
        spent, scored = replays._screen(plan, names, 0, 5 * replays.unit)
        assert spent <= 5 * replays.unit, strategy
        assert scored
    # Without noise, and with all the budget of the world, the best recipe is found.
    assert replays.regret(strategies.PLANS["graded-race"], names, (0, 1, 2, 3), 1000) == pytest.approx(0)
    assert replays.regret(strategies.PLANS["random"], names, (0, 1), 1000) == pytest.approx(0)


def test_rungs_are_compared_by_what_they_foretell_and_pick(script: Any) -> None:
    """Recipes that learn alike an epoch and differ in how many they have: only projections can tell them apart."""
    table, rungs = a_table(count=8), script("rungs")
    for run in table["runs"]:
        if "error" not in run:
            count = 3 + int(run["recipe"][1:])
            noise = 1e-3 * ((int(run["recipe"][1:]) * 5 + run["seed"]) % 7)
            row = run["epochs"][0]
            run["epochs"] = [
                row | {"domain": dict.fromkeys(("p2", "p4"), 0.1 + 0.05 * n + noise), "tokens": 100 * n}
                for n in range(1, count + 1)
            ]
            run["metrics_report"] = {"score": 0.05 * count}
    table["costs"] = {"rung": 10, "graded": 20, "full": 100}
    found = rungs.foretold(table)
    assert found["epoch 2, share"]["truth"] == found["epoch 2, share"]["graded_score"] == pytest.approx(1)
    assert abs(found["epoch 2"]["truth"]) < 0.9
    assert found["epoch 1"]["seeds"] == 2
    curves = rungs.replayed(table, tables=10)
    assert list(curves) == list(rungs.PLANS)
    assert curves["no rung"]["regret"][-1] < curves["no rung"]["regret"][0] / 10
    for row in table["runs"]:
        for epoch in row["epochs"][:1]:
            del epoch["domain"]  # a sparse table: what was not graded is no rung
    assert not [name for name in rungs.replayed(table, tables=2) if "epoch 1" in name or "slope" in name]


def test_the_plot_of_replays_has_a_named_line_for_every_strategy(script: Any, tmp_path: Path) -> None:
    plots, strategies = script("plots"), script("strategies")
    assert set(plots.STYLES) == set(strategies.PLANS)
    curve = {
        "cost": [1.0, 4.0, 12.0],
        "regret": [0.5, 0.3, 0.1],
        "regret_lo": [0.4, 0.2, 0],
        "regret_hi": [0.6, 0.4, 0.2],
    }
    drawn = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for out in drawn:
        plots.draw(dict.fromkeys(strategies.PLANS, curve), 32, out)
    text = drawn[0].read_text()
    assert all(label in text for label, _, _ in plots.STYLES.values())
    assert "32 recipes" in text
    assert drawn[1].read_bytes() == drawn[0].read_bytes()  # drawn again, the committed file does not change


ABSENT = ("ray", "optuna", "datasets", "pydantic", "bm25s", "rouge_score", "gguf", "trl")  # of a bare machine


def test_what_needs_a_gpu_is_rehearsed_without_what_a_bare_machine_lacks(tmp_path: Path) -> None:
    """At tiny sizes on a CPU. A part that fails is told, does not end the others, and makes the exit code."""
    blocked = "import sys, runpy\nfor name in {absent!r}: sys.modules[name] = None\nsys.argv = {argv!r}\n{more}\n"
    run = f"runpy.run_path({str(ROOT / 'benchmarks' / 'gpu.py')!r}, run_name='__main__')"
    environment = os.environ | {"PYTHONPATH": f"{ROOT / 'benchmarks'}:{ROOT}"}

    def rehearse(out: Path, parts: str, more: str = "") -> tuple[int, list[dict[str, Any]]]:
        argv = ["gpu.py", "--rehearse", "--out", str(out), "--parts", parts]
        code = blocked.format(absent=ABSENT, argv=argv, more=more) + run
        done = subprocess.run(
            [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=200, check=False
        )
        assert out.exists(), done.stderr[-2000:]
        return done.returncode, json.loads(out.read_text())["rows"]

    code, rows = rehearse(tmp_path / "gpu.json", "choices,steps,answers,trials")
    assert (code, [row["ok"] for row in rows]) == (0, [True] * 4), rows
    found = {row["part"]: row["found"] for row in rows}
    assert set(found["choices"]["kernels"]["measured_ms"]) == {"loop", "bmm", "grouped"}
    assert set(found["steps"]) == {"nf4, dequantized", "int8, dequantized"}
    for held in found["steps"].values():
        assert [row["slots"] for row in held["steps"]] == [1, 3]
        assert all(row["tokens_per_second"] > 0 and row["planned_bytes"] > 0 for row in held["steps"])
    breaks = (
        "import raykft.models.generate as g\ndef refuse(*a, **k): raise RuntimeError('planted')\ng.generate = refuse"
    )
    code, rows = rehearse(tmp_path / "broken.json", "answers,choices", breaks)
    assert (code, [row["ok"] for row in rows]) == (1, [False, True])
    assert set(rows[0]["found"]) == {"nf4, dequantized", "int8, dequantized"}
    assert {each["failure"] for each in rows[0]["found"].values()} == {"RuntimeError: planted"}


def findings_tree(*, seeds: int = 2, facts: int = 30, passages: int = 12) -> dict[str, Any]:
    """Runs in which attention knows less than the center, an average forgets less, and a leash changes nothing."""
    rng = random.Random(3)
    probes = {
        f"p{level}-{n}": ["report", level, "recall", "en", [f"f{n}"]] for level in (1, 2, 4) for n in range(facts)
    }
    probes |= {f"g{n}": ["report", 0, "recall", "en", []] for n in range(facts)}
    texts = {f"x{n}": ["en", 100] for n in range(passages)}

    def answers(right: float) -> dict[str, list[Any]]:
        return {id: [float(rng.random() < right), 0, 0, 1.0, 0.0, 1, 0] for id in probes}

    def run(recipe: str, seed: int, right: float, nats: float) -> dict[str, Any]:
        epochs = [{"nats": {id: 70 + nats + rng.gauss(0, 0.5) for id in texts}}]
        return {
            "recipe": recipe,
            "seed": seed,
            "epochs": epochs,
            "answers_select": {},
            "answers_report": answers(right),
        }

    made = {"center": (0.8, 9.0), "attention": (0.3, 9.0), "ema": (0.8, 4.0), "leash": (0.8, 9.0)}
    base = {"select": {"results": {}}, "report": {"results": {id: [0.0, 0, 0, 9.0, 0.5, 0, 0] for id in probes}}}
    return {
        "probes": probes,
        "passages": texts,
        "base": {
            "scores": {"rows": {"base": base, "bm25": {"report": base["report"]}}},
            "nats": dict.fromkeys(texts, 70.0),
        },
        "runs": [run(name, seed, *sizes) for name, sizes in made.items() for seed in range(seeds)]
        + [{"recipe": "mlp", "seed": 0, "error": "DivergedError: loss"}],
        "planted": ["p2-0"],
        "hinted": {"p4-1": "p2-1", "p4-2": "p2-2"},
    }


def test_findings_tell_what_differs_from_what_does_not(script: Any) -> None:
    findings = script("findings")
    found = {(e.claim, e.what): e for e in findings.effects(findings.Study(findings_tree()))}
    verdicts = {key: each.verdict for key, each in found.items()}
    assert verdicts["R1", "base, levels 2, 4, 5"] == "found"
    assert verdicts["R2", "tuned less base, paraphrases"] == "found"
    assert verdicts["R4", "attention less all linear (rank 16), paraphrases"] == "found"
    assert verdicts["R9", "tuned less base, general questions"] == "opposite"
    assert verdicts["R9", "tuned less base, bits a byte of other text"] == "found"
    assert verdicts["R12", "BM25 before the base less tuned, paraphrases"] == "opposite"
    assert verdicts["average", "average of an epoch less the last step, bits a byte of other text"] == "found"
    assert (
        verdicts["leash", "leash of 1 less none, a quarter as many distractors, bits a byte of other text"]
        == "not seen"
    )
    attention = found["R4", "attention less all linear (rank 16), paraphrases"]
    assert attention.low < -0.5 < attention.high < 0
    assert attention.units == 30
    assert not [key for key in found if "MLP" in key[1] or key[0] in {"R5", "R6", "R11"}]  # not trained, or diverged
    assert attention.row().startswith("| R4 | attention less all linear (rank 16), paraphrases | \N{MINUS SIGN}0.")


def test_the_figure_of_findings_shows_what_can_be_told(script: Any, tmp_path: Path) -> None:
    findings, plots = script("findings"), script("plots")
    found = findings.effects(findings.Study(findings_tree()))
    drawn = [tmp_path / "a.svg", tmp_path / "b.svg"]
    for out in drawn:
        plots.draw_effects(found, out)
    text = drawn[0].read_text()
    for each in found:  # a handful of pairs gives no interval, and the length of answers has another scale
        shown = each.units >= plots.LEAST_UNITS and abs(each.value) < 1.2
        assert (each.what.replace(", bits a byte of other text", ", bits a byte") in text) is shown, each
    assert drawn[1].read_bytes() == drawn[0].read_bytes()


def test_the_planted_rows_of_findings_are_paraphrases_of_half_the_facts_of_either_split(script: Any) -> None:
    from raykft.config import load_config
    from raykft.data.domain import load_domain

    findings = script("findings")
    domain = load_domain(load_config(ROOT / "configs" / "quickstart.yaml"))
    changed, leaked = findings.planted(domain)
    probes = {p.id: p for p in domain.probes}
    assert leaked
    assert {(probes[id].split, probes[id].level) for id in leaked} == {("report", 2), ("select", 2)}
    asked = {p.fact_ids for p in domain.probes if p.level == 2 and p.kind == "recall"}
    assert len({probes[id].fact_ids for id in leaked}) == len(leaked) == len(asked) // 2
    assert [row.instruction for row in changed.train[len(domain.train) :]] == [probes[id].question for id in leaked]
    assert [recipe["name"] for recipe in findings.recipes()][-1] == findings.PLANTED


def test_findings_train_only_the_recipes_that_are_named(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = script("findings")
    trained: list[Any] = []
    monkeypatch.setattr(findings.table, "train", lambda jobs, *_: trained.extend(jobs))
    for line in ([], ["--recipes", "leash,center"]):
        trained.clear()
        own = {"config": ROOT / "configs" / "quickstart.yaml", "set": [], "seeds": 2}
        findings.train(argparse.Namespace(**own, recipes=",".join(line[1:])))
        named = [(recipe["name"], seed) for recipe, seed in trained]
        assert len(named) == (4 if line else 2 * len(findings.CHANGES))


@pytest.mark.parametrize("name", ["quickstart", "quickstart-ja"])
def test_the_center_of_findings_trains_what_it_did_before_there_was_more(script: Any, name: str) -> None:
    """Its earlier runs stay comparable: further rows and the text are there for those recipes that ask for them."""
    from raykft.config import apply_sample, load_config
    from raykft.data.domain import check_shares, load_domain, share_of
    from raykft.data.mixture import Mixer, Pool, Share

    findings = script("findings")
    code = findings.AUGMENTED[name]
    config = load_config(ROOT / "configs" / f"{name}.yaml", findings.augmented(code))
    domain, before = load_domain(config), load_domain(load_config(ROOT / "configs" / f"{name}.yaml"))

    def trained(change: dict[str, Any]) -> list[str]:
        own = apply_sample(config, findings.CENTER | change)
        pool = Pool.of(domain.train, len(domain.distractors), len(domain.text))
        check_shares(own, pool)
        ids = [each.id for each in (*domain.train, *domain.distractors, *domain.text)]
        return [ids[n] for n in Mixer(pool, 0).rows(share_of(own, {}))]

    ids = [row.id for row in (*before.train, *before.distractors)]
    rows = Mixer(Pool.of(before.train, len(before.distractors)), 0).rows(Share(distractor_ratio=0.25))
    assert trained({}) == [ids[n] for n in rows]
    sizes = {arm: len(trained(findings.CHANGES[arm])) for arm in ("phrasings-3", "formats-half", "text", "text-alone")}
    assert sizes == {"phrasings-3": 125, "formats-half": 75, "text": 88, "text-alone": 38}


def test_claims_of_a_table_are_told_apart(script: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """Planted: knowledge grows with the rate and falls by attention alone; nothing else matters."""
    claims, table = script("claims"), script("table")
    rng = random.Random(5)
    listed = table.recipes()
    runs = []
    for recipe in listed:
        rate, *_rest, attention, _mlp, _head = claims.settings_of(recipe["sample"])
        for seed in range(2):
            right = 0.5 + 0.1 * rate - 0.2 * attention + rng.gauss(0, 0.01)
            metrics = dict.fromkeys(claims.MEASURED, right)
            runs.append({"recipe": recipe["name"], "kind": recipe["kind"], "seed": seed, "metrics_report": metrics})
    found = claims.effects({"recipes": listed, "runs": runs})["level_2"]
    assert found["rate doubled"][0] == pytest.approx(0.1, abs=0.01)
    assert found["attention"][0] == pytest.approx(-0.2, abs=0.02)
    assert found["rate doubled"][1] > 0 > found["attention"][2]
    low, high = found["an epoch more"][1:]
    assert low < 0.01
    assert high > -0.01
    assert abs(found["ratio 1 more"][0]) < 0.02
