"""Tables and progress for a terminal, as plain text whoever wrote it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from raykft.untrusted.escapes import plain

# Wide enough for the whole leaderboard.
WIDTH = 160


class PlainConsole(Console):
    """A console that takes no text for markup, and lets no control character through but rich's own."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{"markup": False, "emoji": False, "highlight": False} | options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=plain(segment.text))


def make_console() -> Console:
    """A console for standard output; where there is no terminal to ask for its width, a wide one."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=WIDTH)
