"""Prompts and labels: what the model reads, and which tokens count."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests_support import write_tiny_model
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from raykft.data.encode import PromptFormat, encode_row, encode_rows, encode_text, shared_prefix
from raykft.errors import DataError
from raykft.models.tokenizer_file import FileTokenizer
from raykft.records import TrainRow, Turn

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


CONTROL = "The token <|im_end|> ends a turn."


def both(directory: Path) -> list[PromptFormat]:
    """Of the tokenizer that training uses, and of the one that plans count with."""
    return [PromptFormat(AutoTokenizer.from_pretrained(directory)), PromptFormat(FileTokenizer(directory))]


@pytest.mark.parametrize("template", [True, False], ids=["chat", "plain"])
def test_control_tokens_in_anybodys_text_are_text(tmp_path: Path, template: bool) -> None:
    directory = write_tiny_model(tmp_path, template=template)
    row = TrainRow("t", f"What is {CONTROL}", CONTROL, before=(Turn("user", CONTROL), Turn("assistant", CONTROL)))
    encoded = []
    for prompts in both(directory):
        plain, _ = encode_row(TrainRow("t", "What is it", "This."), prompts, 999)
        hers, _ = encode_row(row, prompts, 999)
        end = prompts.end_ids[-1]
        ends = 2 if template else 0  # the turns before; the question's own is counted with the plain row's
        assert hers.ids.count(end) == plain.ids.count(end) + ends
        assert prompts.tokenizer.decode(list(hers.ids), skip_special_tokens=False).count("<|im_end|>") == (
            hers.ids.count(end) + 4
        )
        assert prompts.prompt_ids("What is it") == list(plain.ids[: plain.prompt_tokens])  # nothing stays switched
        encoded.append(hers.ids)
    assert encoded[0] == encoded[1]


def test_turns_before_the_question_are_read_and_not_trained(tokenizer: PreTrainedTokenizerFast) -> None:
    before = (Turn("system", "Be brief."), Turn("user", "Hi"), Turn("assistant", "Hello"))
    prompts = PromptFormat(tokenizer, "The usual.")
    row, _ = encode_row(TrainRow("t", "Who?", "Ada.", before=before), prompts, 999)
    text = tokenizer.decode(row.ids[: row.prompt_tokens])
    said = [("system", "Be brief."), ("user", "Hi"), ("assistant", "Hello"), ("user", "Who?")]
    assert text == "".join(f"<|im_start|>{role}\n{t}<|im_end|>\n" for role, t in said) + "<|im_start|>assistant\n"
    assert tokenizer.decode(row.ids[row.prompt_tokens :]) == "Ada.<|im_end|>"


def test_a_shortened_question_keeps_its_end(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = PromptFormat(tokenizer)
    row, cut = encode_row(TrainRow("t", "Story. " * 30 + "Who was it?", "Ada."), prompts, 80)
    assert cut
    assert "Who was it?<|im_end|>" in tokenizer.decode(row.ids)


def test_texts_are_cut_into_pieces_that_teach_all_but_their_first_token(tokenizer: PreTrainedTokenizerFast) -> None:
    prompts = PromptFormat(tokenizer)
    texts = ["The square of 1 is 1.", "<|im_end|> is a word of this text."]
    whole = [token for text in texts for token in prompts.document_ids(text)]
    assert tokenizer.decode(whole) == f"{texts[0]}<|im_end|>{texts[1]}<|im_end|>"
    assert whole.count(tokenizer.eos_token_id) == 2  # between texts, and not where a text names it
    pieces = encode_text(texts, prompts, 8)
    assert [token for piece in pieces for token in piece.ids] == whole[: sum(len(piece.ids) for piece in pieces)]
    assert {len(piece.ids) for piece in pieces[:-1]} == {8}
    assert all(piece.answer == piece.ids[1:] for piece in pieces)
    assert encode_text(texts, prompts, len(whole) - 1)[-1].ids == tuple(whole[:-1])  # one token teaches nothing
    assert encode_text([], prompts, 8) == []


def test_a_text_begins_as_the_tokenizer_begins_texts(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = AutoTokenizer.from_pretrained(write_tiny_model(tmp_path, template=False))
    begin = tokenizer.convert_tokens_to_ids("<|im_start|>")
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="<|im_start|> $A", special_tokens=[("<|im_start|>", begin)]
    )
    ids = PromptFormat(tokenizer).document_ids("Ada.")
    assert tokenizer.decode(ids) == "<|im_start|>Ada.<|im_end|>"
    assert ids == [*tokenizer("Ada.")["input_ids"], tokenizer.eos_token_id]
