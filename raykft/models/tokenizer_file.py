"""A model's tokenizer without Transformers or torch: enough of one to count tokens exactly in a second."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import TemplateError
from jinja2.sandbox import ImmutableSandboxedEnvironment
from tokenizers import Tokenizer

from raykft.errors import ModelError


class FileTokenizer:
    """What `raykft.data.encode.PromptFormat` asks of a tokenizer, read from `tokenizer.json` and its neighbours.

    Raises:
        ModelError: the directory has no fast tokenizer.
    """

    def __init__(self, directory: Path) -> None:
        try:
            text = (directory / "tokenizer.json").read_text(encoding="utf-8")
            settings = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
            self._tokenizer = Tokenizer.from_str(text)
            self.chat_template = _chat_template(directory, settings)
            self._template = _environment().from_string(self.chat_template or "")
        except Exception as error:  # `tokenizers` raises plain Exceptions, and a template may be of another dialect
            raise ModelError(f"cannot read the tokenizer in {directory}: {error}") from error
        self.added_tokens_decoder = self._tokenizer.get_added_tokens_decoder()
        self.all_special_ids = [token_id for token_id, token in self.added_tokens_decoder.items() if token.special]
        self._names = {k: _content(v) for k, v in settings.items() if k.endswith("_token")}
        self.eos_token_id = self._tokenizer.token_to_id(self._names.get("eos_token") or "")

    def __call__(
        self, text: str, *, add_special_tokens: bool = True, split_special_tokens: bool = False
    ) -> dict[str, list[int]]:
        self._tokenizer.encode_special_tokens = split_special_tokens
        return {"input_ids": self._tokenizer.encode(text, add_special_tokens=add_special_tokens).ids}

    def decode(self, ids: list[int], *, skip_special_tokens: bool = False) -> str:
        return str(self._tokenizer.decode(ids, skip_special_tokens=skip_special_tokens))

    def apply_chat_template(
        self, messages: list[dict[str, str]], *, tokenize: bool = False, add_generation_prompt: bool = False
    ) -> str:
        """The conversation as text, by the rules Transformers renders templates with."""
        del tokenize
        return self._template.render(messages=messages, add_generation_prompt=add_generation_prompt, **self._names)


def _chat_template(directory: Path, settings: dict[str, Any]) -> str | None:
    """The template in a file of its own or in the settings, where several have names."""
    file = directory / "chat_template.jinja"
    template = file.read_text(encoding="utf-8") if file.is_file() else settings.get("chat_template")
    if isinstance(template, list):
        template = {entry["name"]: entry["template"] for entry in template}["default"]
    return template


def _environment() -> ImmutableSandboxedEnvironment:
    """Templates are programs of whoever made the model: they run in jinja's sandbox, as in Transformers."""
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
    )
    environment.filters["tojson"] = _to_json
    environment.globals |= {"raise_exception": _refuse, "strftime_now": _now}
    return environment


def _content(token: Any) -> str | None:
    return token.get("content") if isinstance(token, dict) else token


def _refuse(message: str) -> None:
    raise TemplateError(message)


def _to_json(value: Any, indent: int | None = None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)


def _now(pattern: str) -> str:
    return datetime.now().strftime(pattern)
