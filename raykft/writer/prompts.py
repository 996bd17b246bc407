"""The texts that writers are asked with: files that a user may copy and change."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from pydantic import BaseModel

from raykft.data.read import read_bytes
from raykft.errors import ConfigError, DataError
from raykft.paths import write_atomic
from raykft.untrusted.messages import listed, shown
from raykft.writer.protocol import Message, Request

# By name: what each must have a place for.
GAPS = {
    "facts": ("title", "text", "count"),
    "distractors": ("examples", "topic", "count"),
    "formats": ("questions",),
    "rewordings": ("questions", "count"),
    "texts": ("questions", "count"),
    "values": ("questions",),
}
LANGUAGES = ("en", "ja")
_GAP = re.compile(r"\{([a-z]+)\}")
_PART = re.compile(r"^---\s*$", re.MULTILINE)


class Prompts:
    """The prompts of one language: those in `folder` where it has them, else the bundled ones."""

    def __init__(self, code: str, folder: Path | None = None) -> None:
        """
        Raises:
            DataError: `folder` is none, or holds none of the files.
            ConfigError: a prompt lacks the place of something it is to hold.
        """
        self._texts = {name: _bundled(code, name) for name in GAPS}
        if folder is not None:
            self._texts |= _own(folder)

    def request(self, name: str, form: type[BaseModel], max_tokens: int, gaps: Mapping[str, str]) -> Request:
        """The prompt `name`, filled. Braces in what fills it stay what they are."""
        parts = _PART.split(self._texts[name], maxsplit=1)
        texts = [_GAP.sub(lambda gap: gaps.get(gap[1], gap[0]), part).strip() for part in parts]
        roles = ("system", "user")[-len(texts) :]
        messages = tuple(Message(role, text) for role, text in zip(roles, texts, strict=True))
        return Request(messages, name, form.model_json_schema(), max_tokens)


def copy_prompts(code: str, folder: Path) -> list[Path]:
    """Write the bundled prompts into `folder`, where none of them may stand yet.

    Raises:
        ConfigError: there are none in that language, or some stand there.
    """
    if code not in LANGUAGES:
        raise ConfigError(f"--lang {shown(code)}: there are prompts in {' and '.join(LANGUAGES)}")
    targets = {folder / f"{name}.txt": _bundled(code, name) for name in GAPS}
    if there := [path.name for path in targets if path.exists()]:
        raise ConfigError(f"{folder} holds {listed(there)} already; name another folder, or move them away")
    for path, text in targets.items():
        write_atomic(path, text)
    return [*targets]


def _bundled(code: str, name: str) -> str:
    return (files("raykft.writer") / "prompts" / code / f"{name}.txt").read_text(encoding="utf-8")


def _own(folder: Path) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, gaps in GAPS.items():
        path = folder / f"{name}.txt"
        if not path.exists():
            continue
        try:
            text = read_bytes(path).decode()
        except UnicodeDecodeError as error:
            raise DataError(f"{path} is not UTF-8 text: {error.reason} at byte {error.start}") from None
        if missing := [f"{{{gap}}}" for gap in gaps if f"{{{gap}}}" not in text]:
            raise ConfigError(f"{path} has no place for {listed(missing)}; a prompt must hold each once")
        found[name] = text
    if not found:
        names = ", ".join(f"{name}.txt" for name in GAPS)
        raise DataError(f"--prompts {folder} holds none of {names}; `raykft data prompts {folder}` writes them")
    return found
