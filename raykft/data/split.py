"""Which half of the probes a fact group is in: the half that trials are chosen on, or the reported one."""

from __future__ import annotations

from hashlib import sha256

from raykft.records import Split


def split_of(group: str) -> Split:
    """The split of a fact group, from a hash of its name, so that nobody can move a hard group by hand."""
    return "select" if sha256(group.encode()).digest()[0] % 2 == 0 else "report"
