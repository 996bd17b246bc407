"""Helpers for tests: a tiny random model, a small experiment."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

if TYPE_CHECKING:
    import pytest


CHAT_TEMPLATE = (
    "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]


def spoken() -> Console:
    """A console that keeps what is printed and shows nothing."""
    return Console(record=True, width=160, file=StringIO())


def write_tiny_model(directory: Path, *, tied: bool = True, template: bool = True, layers: int = 2) -> Path:
    """A random Llama of ~100k weights whose tokenizer knows every byte."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {token: n for n, token in enumerate([*SPECIAL, *alphabet])}
    backend = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>", bos_token="<|im_start|>"
    )
    if template:
        tokenizer.chat_template = CHAT_TEMPLATE
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocab),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=512,
        tie_word_embeddings=tied,
        eos_token_id=vocab["<|im_end|>"],
        bos_token_id=vocab["<|im_start|>"],
        pad_token_id=vocab["<|endoftext|>"],
    )
    LlamaForCausalLM(config).to(torch.bfloat16).save_pretrained(directory)
    tokenizer.save_pretrained(directory)
    return directory


def experiment_tree(tmp_path: Path, base_model: str) -> dict[str, Any]:
    return {
        "name": "test",
        "base_model": base_model,
        "data": {
            "facts": "demo:en-small/facts.jsonl",
            "train": "demo:en-small/train.jsonl",
            "probes": "demo:en-small/probes.jsonl",
            "distractors": "demo:en/distractors.jsonl",
            "general": "demo:en-small/general.jsonl",
            "passages": "demo:en-small/passages.jsonl",
            "system_prompt": "",
        },
        "train": {"epochs": 2, "batch_size": 4},
        "search": {"race": False, "trials": 2, "space": {"adapter.rank": {"choice": [2, 4]}}, "grace_epochs": 1},
        "storage_path": str(tmp_path / "runs"),
    }


def cut_probes(folder: Path, tree: dict[str, Any], keep: int = 6) -> None:
    """Let an experiment ask only `keep` short questions a split, level and kind, and one passage a language: a tiny
    model's answers then take no time. Whatever is cut alike shares its base scores."""
    from raykft.paths import PACKAGE_DATA, read_jsonl

    for name in ("probes", "general"):
        groups: dict[tuple[str, int, str], list[dict[str, Any]]] = {}
        for row in read_jsonl(PACKAGE_DATA / "en-small" / f"{name}.jsonl"):
            if row["level"] < 3 and row["kind"] in {"recall", "mc"}:
                groups.setdefault((row["split"], row["level"], row["kind"]), []).append(row | {"max_new_tokens": 4})
        rows = [row for group in groups.values() for row in group[:keep]]
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        tree["data"][name] = f"{name}.jsonl"
    passage = next(read_jsonl(PACKAGE_DATA / "en-small" / "passages.jsonl"))
    passage["text"] = passage["text"][:400]
    (folder / "passages.jsonl").write_text(json.dumps(passage) + "\n", encoding="utf-8")
    tree["data"]["passages"] = "passages.jsonl"


def assert_scored_once(board: Any, trials: int) -> None:
    """Every trial has one score: in its files, in the study and on the leaderboard; and nothing else is left of it."""
    import optuna
    import pytest

    from raykft.paths import ExperimentPaths, read_jsonl
    from raykft.search.searcher import ORPHAN, REPEATS

    paths = ExperimentPaths(board.directory)
    assert [t.status for t in board.trials] == ["ok"] * trials
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{paths.study}")
    # A trial that was proposed and had not begun when the search ended is proposed again under another number, and one
    # that would have repeated a recipe was not trained.
    told = {t.number: t for t in study.trials if not {ORPHAN, REPEATS} & t.user_attrs.keys()}
    assert [t.state.name for t in told.values()] == ["COMPLETE"] * trials
    for trial in board.trials:
        files = paths.trial(trial.trial_id)
        rows = list(read_jsonl(files.metrics))
        assert [row["epoch"] for row in rows] == list(range(1, trial.epochs + 1))
        assert [row["final"] for row in rows] == [False] * (trial.epochs - 1) + [True]
        assert ["score" in row for row in rows] == [row["final"] for row in rows]
        assert not files.checkpoint.exists()
        assert told[int(trial.trial_id[1:4])].value == pytest.approx(trial.select["score"])


def write_config(path: Path, tree: dict[str, Any]) -> Path:
    import yaml

    path.write_text(yaml.safe_dump(tree, allow_unicode=True), encoding="utf-8")
    return path


def reference_model(base: Any) -> Any:
    """The same rounded weights in a plain Transformers model."""
    import torch
    from transformers import AutoModelForCausalLM

    from raykft.models.quantize import round_trip

    plain = AutoModelForCausalLM.from_pretrained(base.source.location, dtype=torch.bfloat16)
    for name, module in plain.named_modules():
        if isinstance(module, torch.nn.Linear) and name != "lm_head" and base.quantization != "none":
            module.weight.data = round_trip(module.weight.data, base.quantization)
    return plain.to(base.model.dtype)


def on_report(monkeypatch: pytest.MonkeyPatch, action: Callable[[Any, Any, dict[str, Any]], None]) -> None:
    """Call `action` in the driver after every report, with its callback, the Tune trial and the report."""
    from raykft.search.callbacks import DriverCallback

    usual = DriverCallback.on_trial_result

    def report(self: Any, iteration: int, trials: list[Any], trial: Any, result: dict[str, Any], **info: Any) -> None:
        usual(self, iteration, trials, trial, result, **info)
        action(self, trial, result)

    monkeypatch.setattr(DriverCallback, "on_trial_result", report)


def kept_directory(config: Any) -> Any:
    """The experiment's directory with its config in it, as a run leaves it."""
    from raykft.config import dump_yaml
    from raykft.paths import write_atomic
    from raykft.search.experiment import prepare_directory

    paths = prepare_directory(config)
    write_atomic(paths.config, dump_yaml(config))
    return paths
