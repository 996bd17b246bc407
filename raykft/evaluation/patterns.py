"""Regular expressions that are compiled when they are first used.

The scorer's patterns take most of a second to compile, and most processes that import it (a trial's, the broker's,
`raykft leaderboard`) never score an answer.
"""

from __future__ import annotations

import re
from typing import Any, cast


class _Lazy:
    """Stands for a compiled pattern; after the first use its methods are the compiled pattern's own."""

    def __init__(self, pattern: str, flags: int) -> None:
        self._source = pattern, flags

    def __getattr__(self, name: str) -> Any:
        # Only reached while an attribute is not there: what is found is kept, so that a later call costs nothing.
        if name.startswith("__"):
            raise AttributeError(name)
        pattern, flags = self._source
        found = getattr(re.compile(pattern, flags), name)
        setattr(self, name, found)
        return found

    def __repr__(self) -> str:
        return f"lazy({self._source[0]!r})"


def lazy(pattern: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` returns, compiled at its first use; an invalid pattern raises `re.error` then.

    It answers to every method and attribute of a pattern, but functions of `re` do not take it in a pattern's place.
    """
    return cast("re.Pattern[str]", _Lazy(pattern, flags))
