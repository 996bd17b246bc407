"""The two studies as they are shipped: what they need on the GPUs people have, and a run of each with a tiny model."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from tests_support import write_config

from raykft.config import load_config, resolve_data_path
from raykft.data.domain import load_domain
from raykft.leaderboard.overlap import overlap_of
from raykft.leaderboard.read import open_experiment
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.planning.fitting import Machine
from raykft.planning.plan import make_plan
from raykft.search.driver import tune

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
STUDIES = {"study-a-swallow-7b": 7_330_205_696, "study-b-llama3-8b": 8_030_261_248, "study-b-youko-8b": 8_030_261_248}
MACHINE = Machine(cores=8, memory_bytes=64 << 30, fast_bf16=False)


@pytest.mark.parametrize("gpu", ["l4", "a100-40"])
@pytest.mark.parametrize("name", STUDIES)
def test_every_recipe_of_a_study_fits(name: str, gpu: str) -> None:
    config = load_config(CONFIGS / f"{name}.yaml")
    plan = make_plan(config, load_domain(config), MACHINE, gpu=gpu)
    assert plan.parameters == STUDIES[name]
    assert plan.too_large == ()
    assert 0 < plan.expected.hours < plan.without_stopping.hours < 3


def test_the_first_trial_of_study_a_is_its_authors_recipe() -> None:
    config = load_config(CONFIGS / "study-a-swallow-7b.yaml")
    outside = {f"{part}.{key}": value for part in ("adapter", "train", "data") for key, value in getattr(config, part)}
    assert {key: outside[key] for key in config.search.points[0]} == config.search.points[0]
    assert config.adapter.alpha == 16


def cut(folder: Path, tree: dict[str, Any], keep: int = 3) -> None:
    """Let a study ask `keep` questions a split, level and file, of four tokens each, and one passage a language."""
    for field in ("probes", "general", "passages"):
        named = tree["data"][field]
        cut_files = []
        for number, file in enumerate([named] if isinstance(named, str) else named):
            groups: dict[Any, list[dict[str, Any]]] = {}
            for row in read_jsonl(resolve_data_path(file, CONFIGS)):
                if row.get("kind", "recall") == "recall":
                    groups.setdefault((row.get("split"), row.get("level")), []).append(row)
            limits = {"max_new_tokens": 4} if field != "passages" else {}
            rows = [row | limits for group in groups.values() for row in group[: keep if limits else 1]]
            cut_files.append(f"{field}-{number}.jsonl")
            (folder / cut_files[-1]).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tree["data"][field] = cut_files[0] if field == "probes" else cut_files


@pytest.mark.ray
@pytest.mark.spread
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", STUDIES)
def test_a_study_runs_to_its_board(
    embedded_ray: None, cache: Path, tmp_path: Path, tiny_model_dir: Path, name: str
) -> None:
    """Its first trial, for one epoch, on a tiny model; 8-bit optimizers need a GPU. One learns from a teacher too."""
    tree = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text(encoding="utf-8"))
    (point,) = tree["search"]["points"]
    tree |= {"base_model": str(tiny_model_dir), "storage_path": str(tmp_path / "runs")}
    tree["resources"] = {"slots_per_host": 1, "hosts": 1}
    tree["train"] |= {"optimizer": "adamw", "max_length": 512}  # its tokenizer makes a token of every byte
    tree["search"] |= {"trials": 1, "race": False, "points": [point | {"train.epochs": 1}], "grace_epochs": 1}
    tree["search"]["space"]["train.epochs"] = {"int": [1, 2]}
    teacher = name == "study-b-youko-8b"
    tree["train"]["distill_weight"] = 0.5 if teacher else 0.0
    cut(tmp_path, tree)
    config = load_config(write_config(tmp_path / "c.yaml", tree))
    console = Console(file=StringIO(), width=300)
    (trial,) = tune(config, console).trials
    told = console.file
    assert isinstance(told, StringIO)
    assert ("train.distill_weight: with the facts before it" in told.getvalue()) is teacher
    assert trial.trial_id.endswith("-w0.5") is teacher
    if teacher:
        assert list(cache.glob("teacher/*/*.safetensors"))
    assert (trial.status, trial.epoch) == ("ok", 1)
    paths = ExperimentPaths(config.directory)
    adapter = read_json(paths.trial(trial.trial_id).adapter / "adapter_config.json")
    assert (adapter["r"], adapter["lora_alpha"]) == (16, config.adapter.alpha)
    _, rows = overlap_of(open_experiment(config.directory), trial.trial_id, "char")
    general = {"general en", "general ja"} if "study-b" in name else {"general ja"}
    assert {row.probes for row in rows} >= {"domain ja", *general}
