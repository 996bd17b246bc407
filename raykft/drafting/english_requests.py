"""English requests for a text, such as an explanation, in other words."""

from __future__ import annotations

import re
from typing import Final

_NUMBER: Final = "two|three|four|five|six|seven|eight|nine|ten|[0-9]+"
# What of a request stays, and what it becomes. No frame turns words round: it cannot see what is subject and what verb.
_FRAMES: Final = tuple(
    (re.compile(pattern, re.IGNORECASE), replies)
    for pattern, replies in (
        (
            r"(?:please )?(?:explain|describe|tell me|say) ((?:how|why|what|when|where|which) .+?)[.?!]?",
            (r"I would like to know \1.", r"A visitor wants to know \1. What do you answer?"),
        ),
        (r"why ((?:is|are|was|were|do|does|did|has|have|can|must|should) .+)\?", (r"For what reason \1?",)),
        (r"(?:please )?describe ((?:the|a|an|your|our) .+?)[.?!]?", (r"What can you say about \1?",)),
        (r"(?:please )?summari[sz]e ((?:the|this|our) .+?)[.?!]?", (r"Give a short account of \1.",)),
        (
            r"how do (?:i|you|we) (.+)\?",
            (r"What has to be done to \1?", r"Somebody asks how to \1. What do you answer?"),
        ),
        (r"how can (?:i|you|we) (.+)\?", (r"What has to be done to \1?",)),
        (r"what is the difference between (.+)\?", (r"How do \1 differ?",)),
        (r"what should (\w+(?: \w+)?) do( .+)?\?", (r"Tell me what \1 should do\2.",)),
        (rf"(?:please )?(?:give|name|list) ((?:{_NUMBER}) \w+s\b.*?)[.?!]?", (r"What are \1?",)),
    )
)


def reworded_request(request: str) -> list[str]:
    """The same asked in other words, as far as a frame fits; only a request of one line is touched, not what it is
    about below it."""
    asked, gap, rest = request.strip().partition("\n")
    for pattern, replies in _FRAMES:
        if match := pattern.fullmatch(asked.strip()):
            return [match.expand(reply) + gap + rest for reply in replies]
    return []
