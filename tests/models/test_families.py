"""Architectures whose configs name their sizes in other ways: a packed pass computes what Transformers does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tests_support import reference_model, write_tiny_model
from transformers import AutoConfig, AutoModelForCausalLM

from raykft.models.load import load_base
from raykft.models.packed import Block, PackedModel
from raykft.models.source import resolve_model

pytestmark = pytest.mark.torch
ROWS = [[1, 10, 20, 30, 5], [1, 10, 40, 50, 60, 70, 80, 90, 11]]
SIZES = {
    "vocab_size": 259,
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 128,
    "tie_word_embeddings": False,
}
SLIDING = {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 4}
FAMILIES: dict[str, dict[str, Any]] = {
    "gemma2": SLIDING,
    "gemma3_text": SLIDING,
    "gpt_neox": {"attention_dropout": 0.0},
    "mistral": {"num_key_value_heads": 2, "sliding_window": 4},
    "olmo2": {},
    "phi": {},
    "phi3": {"num_key_value_heads": 2},
    "qwen2": {"num_key_value_heads": 2},
    "qwen3": {"num_key_value_heads": 2, "head_dim": 16},
    "starcoder2": {"num_key_value_heads": 2, "sliding_window": None},
}


@pytest.fixture(params=FAMILIES)
def directory(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Random weights of that architecture."""
    write_tiny_model(tmp_path)  # for its tokenizer
    special = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
    config = AutoConfig.for_model(request.param, **SIZES | special | FAMILIES[request.param])
    torch.manual_seed(0)
    AutoModelForCausalLM.from_config(config).to(torch.bfloat16).save_pretrained(tmp_path)
    return tmp_path


def test_rows_of_a_packed_pass_are_those_of_transformers(directory: Path) -> None:
    base = load_base(resolve_model(str(directory)), quantization="none", residency="auto", device=torch.device("cpu"))
    reference = reference_model(base)
    packed = PackedModel(base)
    with torch.no_grad():
        expected = torch.cat([reference(torch.tensor([row])).logits[0] for row in ROWS]).float()
        (hidden,) = packed.hidden([Block(None, ROWS)])
        found = packed.logits([(None, hidden)])[0]
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)
