"""What a message says of a value that may be of any length."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

from raykft.wording.errors import MORE_PROBLEMS

MAX_VALUE_CHARS = 120
MAX_PROBLEM_CHARS = 400
MAX_PROBLEMS, MAX_MESSAGE_CHARS = 10, 1700

_repr = reprlib.Repr()
_repr.maxstring = _repr.maxother = _repr.maxlong = MAX_VALUE_CHARS
_repr.maxlevel = 3


def shown(value: Any) -> str:
    """`repr(value)`, cut in its middle where it is long; never the work that a long one would take."""
    return shortened(_repr.repr(value), MAX_VALUE_CHARS)


def shortened(text: str, limit: int) -> str:
    """`text`, cut in its middle where it has more than `limit` characters."""
    if len(text) <= limit:
        return text
    head = (limit - 1) * 2 // 3
    return f"{text[:head]}…{text[head + 1 - limit :]}"


def listed(names: Sequence[Any]) -> str:
    """Some names in a sentence, and how many more there are."""
    few = [shortened(str(name), 40) for name in names[:MAX_PROBLEMS]]
    return ", ".join(few) + (f" and {len(names) - len(few)} more" if len(names) > len(few) else "")


def summary(problems: Sequence[str]) -> str:
    """The first problems, one a line, and how many more there are; long ones are cut until all have room."""
    first = problems[:MAX_PROBLEMS]
    if sum(map(len, first)) > MAX_MESSAGE_CHARS:
        first = [shortened(problem, MAX_MESSAGE_CHARS // len(first)) for problem in first]
    more = len(problems) - len(first)
    return "\n".join([*first, *([MORE_PROBLEMS(n=more)] if more else [])])
