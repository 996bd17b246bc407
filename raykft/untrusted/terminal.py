"""Lines for a terminal, as plain text whoever wrote them; `console.py` has tables."""

from __future__ import annotations

import sys

from raykft.untrusted.escapes import plain


def say(text: str, *, err: bool = False, end: str = "\n") -> None:
    """Print `text` to standard output, or to standard error."""
    print(plain(text), file=sys.stderr if err else sys.stdout, end=end, flush=True)
