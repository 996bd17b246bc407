"""Tasks of lm-evaluation-harness, run offline from a local task file on a tiny random model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from tests_support import reference_model

from raykft.errors import ConfigError, ModelError, ResourceError
from raykft.models.adapter_files import save_adapter
from raykft.models.harness import _check, _numbers, evaluate_harness
from raykft.models.load import load_base
from raykft.models.packed import PackedModel
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
TASKS = Path(__file__).resolve().parents[1] / "data_files/harness"
TASK = "raykft_animals"


def write_adapter(directory: Path, model_dir: Path, scale: float) -> Path:
    """A LoRA directory for the tiny model; with `scale` 0 it changes nothing."""
    base = load_base(resolve_model(str(model_dir)), quantization="nf4", residency="auto", device=torch.device("cpu"))
    packed = PackedModel(base)
    generator = torch.Generator().manual_seed(1)
    packed.add_adapter(0, rank=4, alpha=8.0, preset="all-linear", generator=generator)
    for pair in packed.adapter(0).values():
        pair.B.data.normal_(0, 1, generator=generator).mul_(scale)
    save_adapter(directory, packed.adapter(0), base_name=str(model_dir), alpha=8.0, dropout=0.0)
    return directory


def accuracy(model: Any, tokenizer: Any) -> float:
    """The task's accuracy worked out without the harness: the option with the largest log-probability."""
    rows = [json.loads(line) for line in (TASKS / "animals.jsonl").read_text(encoding="utf-8").splitlines()]
    right = 0
    for row in rows:
        prompt = tokenizer.encode(f"Question: {row['question']}\nAnswer:", add_special_tokens=False)
        totals = []
        for option in row["options"]:
            answer = tokenizer.encode(f" {option}", add_special_tokens=False)
            with torch.no_grad():
                logits = model(torch.tensor([prompt + answer])).logits[0, len(prompt) - 1 : -1]
            totals.append(logits.float().log_softmax(-1)[range(len(answer)), answer].sum().item())
        right += totals.index(max(totals)) == row["right"]
    return right / len(rows)


def test_base_and_adapters_are_scored_on_a_local_task(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("lm_eval", reason="needs pip install 'raykft[lm-eval]'")
    import datasets
    from peft import PeftModel

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "datasets")
    monkeypatch.chdir(TASKS)
    adapter = write_adapter(tmp_path / "adapter", tiny_model_dir, 0.3)
    idle = write_adapter(tmp_path / "idle", tiny_model_dir, 0.0)
    results = evaluate_harness(str(tiny_model_dir), [adapter, idle], [TASK], include_path=TASKS)

    assert list(results) == [None, adapter, idle]
    assert all(set(tasks[TASK]) == {"acc", "acc_norm"} for tasks in results.values())
    assert results[idle] == results[None]

    base = load_base(
        resolve_model(str(tiny_model_dir)), quantization="nf4", residency="auto", device=torch.device("cpu")
    )
    plain = reference_model(base).eval()
    expected_base = accuracy(plain, base.tokenizer)
    expected_tuned = accuracy(PeftModel.from_pretrained(plain, str(adapter)).eval(), base.tokenizer)
    assert expected_base != expected_tuned
    assert results[None][TASK]["acc"] == expected_base
    assert results[adapter][TASK]["acc"] == expected_tuned


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lm_eval", None)
    with pytest.raises(ResourceError, match=r"lm-eval; run: pip install 'raykft\[lm-eval\]'"):
        evaluate_harness("no-model", [], [TASK])


def test_wrong_input_is_refused_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="give at least one"):
        _check([], [TASK], [])
    with pytest.raises(ConfigError, match="no task 'arc'"):
        _check([TASK, "arc"], [TASK], [])
    with pytest.raises(ModelError, match=r"no adapter_config\.json"):
        _check([TASK], [TASK], [tmp_path])


def test_only_numbers_of_metrics_are_kept() -> None:
    values = {
        "alias": "animals",
        "sample_len": 8,
        "acc,none": 0.25,
        "acc_stderr,none": "N/A",
        "exact_match,strict-match": 1,
    }
    assert _numbers(values) == {"acc": 0.25, "exact_match,strict-match": 1.0}
