"""YAML that a stranger may have written: bounded before anything is built of it, and refused in one sentence."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from raykft.errors import ConfigError
from raykft.untrusted.escapes import one_line
from raykft.untrusted.messages import MAX_VALUE_CHARS, shortened, shown
from raykft.untrusted.reading import read_plain

MAX_YAML_BYTES = 1 << 20
# What an alias stands for counts each time, so that ten of ten of ten are a thousand.
MAX_NODES, MAX_DEPTH, MAX_NUMBER_CHARS = 50_000, 40, 100
NO_TEXT = re.compile("[\0\ud800-\udfff]")
NUMBERS = {"tag:yaml.org,2002:int": "whole number", "tag:yaml.org,2002:float": "number"}
KINDS = NUMBERS | {"tag:yaml.org,2002:timestamp": "date", "tag:yaml.org,2002:bool": "truth value"}


def read_yaml(path: Path) -> Any:
    """The content of a YAML file.

    Raises:
        ConfigError: it cannot be read, or is no YAML that `parse_yaml` takes.
    """
    remedy = "an experiment file has a few kB; data belong into files of their own"
    content = read_plain(path, MAX_YAML_BYTES, ConfigError, remedy)
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = 1 + content[: error.start].count(b"\n")
        raise ConfigError(f"{path} line {line} is not UTF-8 text: {error.reason}; save the file as UTF-8") from None
    return parse_yaml(text, str(path))


def parse_yaml(text: str, where: str) -> Any:
    """Plain data of YAML.

    Args:
        where: the file or option that messages name.

    Raises:
        ConfigError: with the line and what is wrong there.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except ConfigError as error:
        raise ConfigError(f"{where} {error}") from None
    except yaml.reader.ReaderError as error:
        line = 1 + text[: error.position].count("\n")
        raise ConfigError(
            f"{where} line {line} holds the character U+{error.character:04X}, not allowed in YAML"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f"{where} line {mark.line + 1}" if mark else where
        problem = one_line(getattr(error, "problem", None) or str(error))
        raise ConfigError(f"{place} is not valid YAML: {shortened(problem, MAX_VALUE_CHARS)}") from None
    except (ValueError, OverflowError) as error:  # an escape of a character that there is not
        raise ConfigError(f"{where} is not valid YAML: {shortened(str(error), MAX_VALUE_CHARS)}") from None


class _Loader(yaml.SafeLoader):
    """Safe YAML that reads `1e-4` as a number (YAML 1.1 wants `1.0e-4`) and refuses a key given twice."""

    def __init__(self, stream: Any) -> None:
        super().__init__(stream)
        self._nodes = self._depth = 0
        self._sizes: dict[Any, int] = {}  # nodes beneath an anchor, once it is read to its end

    def compose_node(self, parent: Any, index: Any) -> Any:
        """As the base class, counting what has been read."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in self.anchors and event.anchor not in self._sizes:
                raise ConfigError(f"line {line}: the alias {shown(event.anchor)} stands inside what it stands for")
            self._count(self._sizes.get(event.anchor, 1), line)
            return super().compose_node(parent, index)
        before = self._nodes
        self._count(1, line)
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise ConfigError(f"line {line} is nested more than {MAX_DEPTH} levels deep")
        node = super().compose_node(parent, index)
        self._depth -= 1
        if event.anchor is not None:
            self._sizes[event.anchor] = self._nodes - before
        return node

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        """As the base class; a value that is not what its tag or its form says is named with its line."""
        line = node.start_mark.line + 1
        if node.tag in NUMBERS and len(node.value) > MAX_NUMBER_CHARS:
            raise ConfigError(f"line {line}: a number of {len(node.value)} characters; {MAX_NUMBER_CHARS} are allowed")
        if isinstance(node.value, str) and NO_TEXT.search(node.value):  # escapes can spell them
            raise ConfigError(f"line {line}: {shown(node.value)} holds a NUL or half of a surrogate pair")
        try:
            return super().construct_object(node, deep=deep)
        except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError):
            kind = KINDS.get(node.tag, "such value")
            raise ConfigError(
                f"line {line}: {shown(node.value)} is no {kind}; put it in quotes if it is text"
            ) from None

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        if not isinstance(node, yaml.MappingNode):  # a tag may say so of anything
            return super().construct_mapping(node, deep)
        seen = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise ConfigError(f"line {key_node.start_mark.line + 1}: the key {shown(key)} must be text")
            if key in seen:
                raise ConfigError(f"line {key_node.start_mark.line + 1}: the key {shown(key)} is given twice")
            seen.add(key)
        return super().construct_mapping(node, deep)

    def _count(self, nodes: int, line: int) -> None:
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise ConfigError(f"line {line}: the file holds more than {MAX_NODES} values, those of aliases counted")


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?\d+(?:\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
