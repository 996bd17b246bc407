"""Text to token ids: the prompt as the model's chat template writes it, the answer, and the end-of-turn token.

The end-of-turn token is part of what is trained: a model tuned without it does not stop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from raykft.errors import DataError
from raykft.records import TrainRow, Turn

IGNORE = -100
MARK = "raykft-turn-"
PLAIN_PROMPT = "Question: {question}\nAnswer:"  # for base models without a chat template (`data.plain_prompt`)


@dataclass(frozen=True, slots=True)
class EncodedRow:
    """Token ids of one training row or piece of text; the loss counts `ids[prompt_tokens:]` only."""

    ids: tuple[int, ...]
    prompt_tokens: int

    @property
    def answer(self) -> tuple[int, ...]:
        """The answer with the end-of-turn token."""
        return self.ids[self.prompt_tokens :]

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.prompt_tokens


class PromptFormat:
    """How questions become prompts for one tokenizer. `stop_ids` end a generated answer."""

    def __init__(
        self,
        tokenizer: Any,
        system_prompt: str | None = None,
        extra_stop_ids: Iterable[int] = (),
        plain_prompt: str = PLAIN_PROMPT,
    ) -> None:
        self.tokenizer = tokenizer
        self.plain_prompt = plain_prompt
        self.system_prompt = system_prompt
        self.has_template = bool(getattr(tokenizer, "chat_template", None))
        self._controls = [token.content for token in tokenizer.added_tokens_decoder.values() if token.special]
        eos = tokenizer.eos_token_id
        end = self._template_suffix() if self.has_template else []
        if not end and eos is None:
            raise DataError(
                "the tokenizer has neither a chat template nor an end-of-sequence token, so answers cannot end"
            )
        self.end_ids: list[int] = end or [eos]
        self.stop_ids: set[int] = {self.end_ids[-1], *extra_stop_ids} | ({eos} if eos is not None else set())

    def prompt_text(self, question: str, before: Sequence[Turn] = ()) -> str:
        """All that the model reads before it answers.

        Args:
            before: earlier turns; a system turn among them takes the place of the usual system prompt.
        """
        return self._rendered(self._turns(question, before))

    def prompt_ids(self, question: str, before: Sequence[Turn] = ()) -> list[int]:
        """Tokens of `prompt_text`. Only the template writes control tokens: in anybody's text their names are text."""
        turns = self._turns(question, before)
        # A template writes its own special tokens; a plain prompt gets those the tokenizer adds (such as BOS).
        begins = not self.has_template
        if not any(self._has_control(turn.text) for turn in turns):
            return self._ids(self._rendered(turns), add_special_tokens=begins)
        marked = [replace(turn, text=f"{MARK}{n}-") for n, turn in enumerate(turns)]
        parts = re.split(rf"{MARK}(\d+)-", self._rendered(marked))
        ids = self._ids(parts[0], add_special_tokens=begins)
        for number, between in zip(parts[1::2], parts[2::2], strict=True):
            ids += self._text_ids(turns[int(number)].text) + self._ids(between)
        return ids

    def answer_ids(self, answer: str) -> list[int]:
        """Tokens of the answer without the end-of-turn token, as they follow the prompt."""
        # Between words of a plain prompt stands a space; after a full-width mark such as 「：」 none is written.
        text = answer if self.has_template or not self.plain_prompt[-1].isascii() else f" {answer}"
        return self._text_ids(text) if self._has_control(text) else self._ids(text)

    def document_ids(self, text: str) -> list[int]:
        """Tokens of a text by itself, from what the tokenizer begins texts with (BOS, or nothing) to the end of it."""
        end = self.tokenizer.eos_token_id if self.tokenizer.eos_token_id is not None else self.end_ids[-1]
        begin = [token for token in self.tokenizer("", add_special_tokens=True)["input_ids"] if token != end]
        own = self._text_ids(text) if self._has_control(text) else self._ids(text)
        return [*begin, *own, end]

    def decode(self, ids: Sequence[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def _turns(self, question: str, before: Sequence[Turn] = ()) -> list[Turn]:
        usual = [Turn("system", self.system_prompt)] if self.system_prompt is not None else []
        own = any(turn.role == "system" for turn in before)
        return [*([] if own else usual), *before, Turn("user", question)]

    def _rendered(self, turns: Sequence[Turn]) -> str:
        if not self.has_template:
            return "".join(map(self._plain, turns))
        messages = [{"role": turn.role, "content": turn.text} for turn in turns]
        return str(self.tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))

    def _plain(self, turn: Turn) -> str:
        """A turn in a prompt without a chat template."""
        if turn.role == "user":
            return self.plain_prompt.replace("{question}", turn.text)
        if turn.role == "assistant":
            return f" {turn.text}\n\n"
        return f"{turn.text}\n" if turn.text else ""

    def _ids(self, text: str, *, add_special_tokens: bool = False) -> list[int]:
        return list(self.tokenizer(text, add_special_tokens=add_special_tokens)["input_ids"]) if text else []

    def _text_ids(self, text: str) -> list[int]:
        """Tokens of what somebody wrote, in which the name of a control token is a word like any other."""
        return list(self.tokenizer(text, add_special_tokens=False, split_special_tokens=True)["input_ids"])

    def _has_control(self, text: str) -> bool:
        return any(control in text for control in self._controls)

    def _template_suffix(self) -> list[int]:
        """What the template writes after an answer, up to and including the first special token."""
        answer = "raykft-answer-mark"
        asked = [{"role": turn.role, "content": turn.text} for turn in self._turns("?")]
        turn = [*asked, {"role": "assistant", "content": answer}]
        try:
            text = str(self.tokenizer.apply_chat_template(turn, tokenize=False))
        except Exception as error:
            # Templates are jinja programs and may refuse roles; the usual case is a forbidden system turn.
            raise DataError(
                f"the model's chat template refuses this prompt: {error}; set data.system_prompt to null"
            ) from error
        suffix = self.tokenizer(text.rpartition(answer)[2], add_special_tokens=False)["input_ids"]
        special = set(self.tokenizer.all_special_ids)
        for position, token in enumerate(suffix):
            if token in special:
                return list(suffix[: position + 1])
        return []


def encode_row(row: TrainRow, prompts: PromptFormat, max_length: int) -> tuple[EncodedRow, bool]:
    """Encode one row; a question too long for `max_length` keeps its end, and an answer is never cut.

    Returns:
        The encoded row and whether its question was shortened.

    Raises:
        DataError: the answer alone does not leave room for a prompt.
    """
    answer = [*prompts.answer_ids(row.output), *prompts.end_ids]
    prompt = prompts.prompt_ids(row.question, row.before)
    excess = len(prompt) + len(answer) - max_length
    if excess <= 0:
        return EncodedRow((*prompt, *answer), len(prompt)), False
    question = prompts.tokenizer(row.question, add_special_tokens=False)["input_ids"]
    while excess > 0:
        if excess >= len(question):
            raise DataError(
                f"training row {row.id!r} needs {len(prompt) + len(answer)} tokens and its answer would be cut at "
                f"train.max_length={max_length}; raise train.max_length or shorten the answer"
            )
        question = question[excess:]
        prompt = prompts.prompt_ids(prompts.tokenizer.decode(question), row.before)
        excess = len(prompt) + len(answer) - max_length
    return EncodedRow((*prompt, *answer), len(prompt)), True


def encode_rows(rows: Sequence[TrainRow], prompts: PromptFormat, max_length: int) -> tuple[list[EncodedRow], int]:
    """Encode all rows. Returns them and the number of shortened questions."""
    encoded, shortened = [], 0
    for row in rows:
        one, cut = encode_row(row, prompts, max_length)
        encoded.append(one)
        shortened += cut
    return encoded, shortened


def encode_text(texts: Iterable[str], prompts: PromptFormat, max_length: int) -> list[EncodedRow]:
    """The texts one after another, cut into pieces of `max_length` tokens; the last may be shorter.

    All tokens of a piece are trained but its first, which nothing of it foretells. A last piece of one token has
    nothing to teach and is left out.
    """
    ids = [token for text in texts for token in prompts.document_ids(text)]
    cut = (tuple(ids[start : start + max_length]) for start in range(0, len(ids), max_length))
    return [EncodedRow(piece, 1) for piece in cut if len(piece) > 1]


def shared_prefix(rows: Sequence[Sequence[int]]) -> int:
    """How many tokens all rows begin with."""
    # What the first and the last in sorted order share, everything between them shares.
    first, last = min(map(tuple, rows)), max(map(tuple, rows))
    return next((n for n, (a, b) in enumerate(zip(first, last, strict=False)) if a != b), min(len(first), len(last)))
