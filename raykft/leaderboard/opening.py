"""How the page opens: five questions that a reader comes with, each answered in a line that leads to its section.

Which recipe, how sure that is and how much is forgotten the head of the board says; which setting matters, and what the
winner says when it is asked, is added here, where there is room for them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.charts import effect_text
from raykft.leaderboard.effects import Effect
from raykft.leaderboard.head import head
from raykft.leaderboard.read import baseline_results, read_probes, trial_results
from raykft.leaderboard.render import sample_text
from raykft.paths import ExperimentPaths
from raykft.records import Probe, ProbeResult, Split
from raykft.untrusted.escapes import one_line
from raykft.wording import opening as words
from raykft.wording.head import BELOW, SEPARATOR
from raykft.wording.messages import Message
from raykft.wording.names import LIST

PARAPHRASES = 2  # the level whose questions no row teaches, and that ask for a fact as people do
MOST_SAID = 90  # characters of a question or an answer
# Where a line of the head is explained.
PLACES = {
    "winner": "trials",
    "recipe": "trials",
    "sure": "measurement",
    "knows": "front",
    "forgot": "front",
    "order": "measurement",
}
PLACES |= {"matters": "matters", "says": "answers", "caution": "findings"}


@dataclass(frozen=True)
class OpeningLine:
    """One line.

    Attributes:
        label: its style.
        place: the section that says more; nothing where there is none.
    """

    label: str
    title: str
    text: str
    place: str = ""
    command: bool = False


def opening(board: Leaderboard, effects: Sequence[Effect]) -> list[OpeningLine]:
    """The head of the board with what is added to it before cautions and the next step."""
    lines = [OpeningLine(line.label, line.title, line.text, command=line.command) for line in head(board, rest=BELOW())]
    if (winner := board.winner) is not None:
        recipe = OpeningLine("recipe", words.RECIPE(), sample_text(winner))
        lines[1:2] = [recipe, OpeningLine("sure", words.SURE(), lines[1].text)]
    end = next(n for n, line in enumerate(lines) if line.label in {"caution", "next"})
    every = [*lines[:end], *_matters(effects), *_says(board), *lines[end:]]
    return [OpeningLine(o.label, o.title, o.text, PLACES.get(o.label, ""), o.command) for o in every]


def _matters(effects: Sequence[Effect]) -> Iterator[OpeningLine]:
    told = [effect for effect in effects if effect.told]
    if not effects:
        return
    if told:
        others = [effect.setting for effect in told[1:]]
        parts = [words.MATTERS_MOST(setting=told[0].setting, effect=effect_text(told[0]))]
        parts += [words.MATTER_TOO(settings=LIST().join(others))] if others else []
        parts += [words.NOT_THE_OTHERS()] if len(told) < len(effects) else []
    else:
        parts = [words.NOTHING_MATTERS(n=len(effects))]
    yield OpeningLine("matters", words.MATTERS(), SEPARATOR().join(parts))


def _says(board: Leaderboard) -> Iterator[OpeningLine]:
    """How many answers are right, with one that is and one that is not; of held-out questions where there are any."""
    winner = board.winner
    if winner is None:
        return
    paths = ExperimentPaths(board.directory)
    split: Split = "report" if winner.report else "select"
    found, base = trial_results(paths.trial(winner.trial_id), split), baseline_results(paths, "base")
    asked = [p for p in read_probes(paths) if (p.level, p.kind, p.split) == (PARAPHRASES, "recall", split)]
    asked = [p for p in asked if p.id in found]
    right = [p for p in asked if found[p.id].correct]
    wrong = [p for p in asked if not found[p.id].correct]
    # One that the base model knew as well says nothing of the training.
    right.sort(key=lambda p: p.id in base and base[p.id].correct)
    if not asked:
        return
    yield OpeningLine("says", words.SAYS(), words.SAYS_COUNT(right=len(right), n=len(asked)))
    for probe in right[:1]:
        yield OpeningLine("says", "", _said(words.SAYS_RIGHT, probe, found, base))
    for probe in wrong[:1]:
        yield OpeningLine("says", "", _said(words.SAYS_WRONG, probe, found, base))


def _said(message: Message, probe: Probe, found: Mapping[str, ProbeResult], base: Mapping[str, ProbeResult]) -> str:
    before = base[probe.id].answer if probe.id in base else "-"
    values = {"question": probe.question, "answer": found[probe.id].answer, "gold": probe.gold, "before": before}
    return message(**{name: _short(value) for name, value in values.items()})


def _short(text: str) -> str:
    line = " ".join(one_line(text).split())
    return line if len(line) <= MOST_SAID else line[: MOST_SAID - 1] + "…"
