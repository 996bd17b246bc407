"""Prompts and labels: what the model reads, and which tokens count."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import write_tiny_model
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from raykft.data.encode import PromptFormat, encode_row, encode_rows, shared_prefix
from raykft.errors import DataError
from raykft.records import TrainRow

pytestmark = pytest.mark.torch
ROW = TrainRow(id="t1", instruction="Who?", output="Ada.")


@pytest.fixture(scope="module")
def tokenizer(tiny_model_dir: Path) -> PreTrainedTokenizerFast:
    return AutoTokenizer.from_pretrained(tiny_model_dir)


def test_the_end_of_turn_token_is_trained_and_stops(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = PromptFormat(tokenizer)
    row, _ = encode_row(ROW, prompts, 256)
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert row.ids[row.prompt_tokens :] == (*tokenizer("Ada.", add_special_tokens=False)["input_ids"], end)
    assert end in prompts.stop_ids
    text = tokenizer.decode(row.ids)
    assert text == "<|im_start|>user\nWho?<|im_end|>\n<|im_start|>assistant\nAda.<|im_end|>"


def test_the_trained_prompt_is_the_prompt_that_is_asked(tokenizer: PreTrainedTokenizerFast) -> None:
    for system in (None, "", "Be brief."):
        prompts = PromptFormat(tokenizer, system)
        row, _ = encode_row(ROW, prompts, 256)
        assert list(row.ids[: row.prompt_tokens]) == prompts.prompt_ids("Who?")
        assert ("system" in prompts.prompt_text("Who?")) is (system is not None)


def test_a_model_without_template_gets_a_plain_prompt(tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(write_tiny_model(tmp_path, template=False))
    prompts = PromptFormat(tokenizer)
    row, _ = encode_row(ROW, prompts, 256)
    assert tokenizer.decode(row.ids) == "Question: Who?\nAnswer: Ada.<|im_end|>"
    assert prompts.decode(prompts.answer_ids("Ada.")) == "Ada."


def test_long_questions_are_shortened_and_answers_never(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = PromptFormat(tokenizer)
    long = TrainRow(id="t2", instruction="Why " * 30, output="Because.")
    whole, cut = encode_row(long, prompts, 1000)
    assert not cut
    limit = len(whole.ids) - 20
    row, cut = encode_row(long, prompts, limit)
    assert cut
    assert len(row.ids) == limit
    assert row.ids[row.prompt_tokens :] == whole.ids[whole.prompt_tokens :]
    assert tokenizer.decode(row.ids[: row.prompt_tokens]).endswith("<|im_start|>assistant\n")
    assert encode_rows([ROW, long], prompts, limit)[1] == 1
    with pytest.raises(DataError, match=r"'t2'.*train.max_length=15"):
        encode_row(long, prompts, 15)


def test_a_template_that_refuses_the_system_prompt_says_so(tokenizer: PreTrainedTokenizerFast) -> None:
    strict = AutoTokenizer.from_pretrained(tokenizer.name_or_path)
    strict.chat_template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}x"
    with pytest.raises(DataError, match="data.system_prompt"):
        PromptFormat(strict, "Be brief.")


@pytest.mark.parametrize(
    ("rows", "shared"),
    [([[1, 2, 3], [1, 2, 4], [1, 2]], 2), ([[1], [2]], 0), ([[1, 2]], 2), ([[1, 9, 9], [1, 2, 9], [1, 9]], 1)],
)
def test_shared_prefix(rows: list[list[int]], shared: int) -> None:
    assert shared_prefix(rows) == shared
