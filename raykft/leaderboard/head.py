"""What a board says in a few plain lines: which recipe, how sure, what it forgot, what to type next.

The terminal prints these lines above its table and the page begins with them.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from raykft.leaderboard.board import ONE_SEED, Leaderboard
from raykft.leaderboard.evidence import Evidence
from raykft.leaderboard.measurement import DEFAULT_SEEDS
from raykft.leaderboard.read import TrialRecord
from raykft.leaderboard.verdicts import bounds
from raykft.paths import ExperimentPaths
from raykft.records import Split
from raykft.storage.runs import at_work, how_it_ended
from raykft.storage.store import address
from raykft.wording import head as words
from raykft.wording.names import OBJECTIVES, STATUSES

MOST_CONFIRMED = 10  # seeds that the head still proposes; the measurement box may advise more
MOST_AGAIN = 3  # trials, as `raykft confirm` does unless told otherwise
MORE_TRIALS = 2  # times as many, where more are proposed


@dataclass(frozen=True)
class HeadLine:
    """One line. Where there is no room for all its parts the last ones are left out; a command is never cut.

    Attributes:
        label: a key of `words.LABELS`, or nothing.
    """

    label: str
    parts: tuple[str, ...]
    command: bool = False

    @property
    def title(self) -> str:
        """The label in the language that is spoken."""
        return words.LABELS[self.label]() if self.label else ""

    @property
    def text(self) -> str:
        return words.SEPARATOR().join(self.parts)


@dataclass(frozen=True)
class _Winner:
    """The best trial with the figures that it is judged by: the held-out ones where it has some."""

    trial: TrialRecord
    split: Split
    evidence: Evidence | None

    @property
    def values(self) -> dict[str, float]:
        return self.trial.report if self.split == "report" else self.trial.select

    def share(self, metric: str) -> str:
        """`20 % (8 to 30)`."""
        bound = self.evidence.intervals.get(self.trial.trial_id, {}).get(metric) if self.evidence else None
        if bound is None:
            return _percent(self.values[metric])
        ends = {"low": 100 * bound.low, "high": 100 * bound.high}
        return words.PERCENT_BETWEEN(share=_hundredths(self.values[metric]), **ends)


def head(board: Leaderboard, *, rest: str | None = None) -> list[HeadLine]:
    """At most eight lines, the winner first and the command to type next last.

    Args:
        rest: where what is left out is read; by default under `--details`.
    """
    reason, command = _next(board)
    last = [HeadLine("next", (reason,)), HeadLine("", (command,), command=True)]
    cautions = list(_cautions(board))
    left_out = words.MORE_CAUTIONS(n=len(cautions) - 1, rest=rest or words.UNDER_DETAILS())
    more = (left_out,) if len(cautions) > 1 else ()
    caution = [HeadLine("caution", (cautions[0], *more))] if cautions else []
    if board.winner is None:
        return [HeadLine("winner", (words.NO_WINNER(),)), *caution, *last]
    split: Split = "report" if board.winner.report else "select"
    winner = _Winner(board.winner, split, board.evidence.get(split))
    return [
        HeadLine("winner", (winner.trial.trial_id,)),
        HeadLine("", tuple(_score(board, winner))),
        *([HeadLine("knows", tuple(knows))] if (knows := _knows(board, winner)) else []),
        *([HeadLine("forgot", tuple(_forgot(winner)))] if "forgetting" in winner.values else []),
        HeadLine("order", tuple(_order(board))),
        *caution,
        *last,
    ]


def portion(share: float) -> str:
    """A share in words: `about a third`."""
    return words.PORTIONS[min(words.PORTIONS, key=lambda known: abs(known - share))]()


def _percent(share: float) -> str:
    return words.PERCENT(share=_hundredths(share))


def _hundredths(share: float) -> str:
    """Never a minus before zero."""
    text = f"{100 * share:.0f}"
    return "0" if text == "-0" else text


def _score(board: Leaderboard, winner: _Winner) -> Iterator[str]:
    trial, ranked = winner.trial, sum(t.rank is not None for t in board.trials)
    bound = winner.evidence.intervals.get(trial.trial_id, {}).get("score") if winner.evidence else None
    if "score" in winner.values:
        told = words.SCORE_HELD_OUT if winner.split == "report" else words.SCORE
        yield told(figure=f"{winner.values['score']:.2f} {bounds(bound)}".rstrip())
    low, high = board.measurement.rank_intervals.get(trial.trial_id, (1, 1))
    yield words.RANK(ranked=ranked) if low == high else words.RANK_BETWEEN(low=low, high=high, ranked=ranked)
    scores = trial.seeds.values()
    yield words.SEEDS(n=len(scores), low=min(scores), high=max(scores)) if scores else words.ONE_SEED()
    yield words.INTERVALS()


def _knows(board: Leaderboard, winner: _Winner) -> list[str]:
    """Of free texts alone, how probable they are: no answer to them is right or wrong."""
    free = "knowledge" not in winner.values
    metric = "graded_knowledge" if free else "knowledge"
    if metric not in winner.values:
        return []
    known = {b.name: b.report if winner.split == "report" else b.select for b in board.baselines}
    beside = [
        words.KNOWS_BESIDE(title=title(), share=_percent(known[name][metric]))
        for name, title in words.BESIDE.items()
        if metric in known.get(name, {})
    ]
    first = (words.KNOWS_FREE if free else words.KNOWS)(share=winner.share(metric))
    return [first, *beside, (words.FREE_MEAN if free else words.KNOWS_MEAN)()]


def _forgot(winner: _Winner) -> Iterator[str]:
    lost = winner.values["forgetting"]
    yield words.FORGOT(portion=portion(lost), share=winner.share("forgetting"))
    bound = winner.evidence.intervals.get(winner.trial.trial_id, {}).get("forgetting") if winner.evidence else None
    if bound is not None and round(bound.low, 2) <= 0 < round(lost, 2):
        yield words.PERHAPS_NOTHING()
    yield words.PROMPTS_FORGET_NOTHING()


def _order(board: Leaderboard) -> Iterator[str]:
    decided = board.measurement.decided_pairs
    ranked = sum(t.rank is not None for t in board.trials)
    if ranked < 2:
        yield words.ONLY_ONE()
    else:
        yield words.UNCERTAIN() if decided is None else words.DECIDED(share=_percent(decided))
    if board.rank_groups.get("select") and ranked > 1:
        tied, behind = _rivals(board)
        yield words.TIED(n=tied) if tied else words.NONE_TIED()
        if behind:
            yield words.BEHIND_HELD_OUT(n=behind)
    yield words.RANKED_BY(objective=OBJECTIVES[board.measurement.ranked_by]())


def _rivals(board: Leaderboard) -> tuple[int, int]:
    """Of the trials that share the winner's rank on the questions that chose it: how many may be as good, and how many
    the held-out questions, which chose nothing, show to be worse."""
    if not board.rank_groups.get("select"):
        return 0, 0
    tied = board.shared_ranks["select"][1] - 1
    winner, evidence = board.winner, board.evidence.get("report")
    if winner is None or not winner.report or evidence is None:
        return tied, 0
    first = board.rank_groups["select"][winner.trial_id]
    equal = [t.trial_id for t in board.reported if board.rank_groups["select"].get(t.trial_id) == first]
    gaps = evidence.against(winner.trial_id, [name for name in equal if name != winner.trial_id])
    behind = min(tied, sum(gap.significant and gap.value > 0 for gap in gaps.values()))
    return tied - behind, behind


def _cautions(board: Leaderboard) -> Iterator[str]:
    """What spoils the figures, the worst first."""
    if board.findings:
        yield words.CONTAMINATED(n=len({finding["item"] for finding in board.findings}))
    winner = board.winner
    if winner is not None:
        yield from _cautions_of(board, winner)
    if failed := [t for t in board.trials if t.status.failed]:
        why = " ".join(failed[0].reason.split())
        told = {"n": len(failed), "status": STATUSES[failed[0].status]()}
        yield words.FAILED_BECAUSE(**told, why=why) if why else words.FAILED(**told)


def _cautions_of(board: Leaderboard, winner: TrialRecord) -> Iterator[str]:
    split: Split = "report" if winner.report else "select"
    evidence = board.evidence.get(split)
    if board.overruled:
        yield words.OVERRULED()
    if evidence is not None:
        gap = evidence.difference(winner.trial_id, "base", "score")
        if gap is not None and not (gap.significant and gap.value > 0):
            yield words.NOT_ABOVE_BASE()
        gap = evidence.difference(winner.trial_id, "bm25", "knowledge")
        if gap is not None and gap.significant and gap.value < 0:
            yield words.BM25_KNOWS_MORE()
    if not winner.report:
        yield words.NOT_HELD_OUT()
    if ONE_SEED in board.badges(winner):
        yield words.ONE_SEED_ONLY()


def _next(board: Leaderboard) -> tuple[str, str]:
    """Why, and the command."""
    paths, winner = ExperimentPaths(board.directory), board.winner
    place = shlex.quote(address(board.directory))
    if at_work(paths):
        return words.AT_WORK(), f"raykft status {place}"
    if how_it_ended(paths) is not None or not all(t.status.finished for t in board.trials):
        return words.INCOMPLETE(), f"raykft resume {place}"
    more = f"raykft resume {place} --trials {max(1, len(board.trials)) * MORE_TRIALS}"
    if winner is None:
        failed = any(t.status.failed for t in board.trials)
        return (words.SEE_MACHINE(), "raykft doctor") if failed else (words.MORE_RECIPES(), more)
    name = shlex.quote(winner.trial_id)
    here = address(board.directory) == str(board.directory)
    # One that was only evaluated lies where it was; those of a storage are not brought here to print a board.
    if here and not paths.trial(winner.trial_id).adapter.is_dir():
        return words.WRONG_ANSWERS(), f"raykft show {place} {name} --wrong"
    if board.findings:
        return words.GIVEN_AWAY(), f"raykft data check {shlex.quote(address(paths.config))}"
    if not _shown_to_learn(board, winner):
        return words.NOT_WORTH_IT(), more
    tied, _ = _rivals(board)
    seeds = board.measurement.seeds_advised
    if seeds is not None and seeds <= MOST_CONFIRMED:
        return words.MORE_SEEDS(), f"raykft confirm {place} --top 2 --seeds {seeds}"
    if tied and ONE_SEED in board.badges(winner):
        again = f"raykft confirm {place} --top {min(tied + 1, MOST_AGAIN)} --seeds {DEFAULT_SEEDS}"
        return words.ANOTHER_SEED(), again
    reason = words.TAKE_ONE_OF if tied else words.TAKE_ADAPTER
    return reason(), f"raykft export {place} {name} {shlex.quote(board.directory.name + '-adapter')}"


def _shown_to_learn(board: Leaderboard, winner: TrialRecord) -> bool:
    """Whether nothing speaks against it: without evidence, nothing does."""
    evidence = board.evidence.get("report" if winner.report else "select")
    gap = evidence.difference(winner.trial_id, "base", "score") if evidence else None
    return gap is None or (gap.significant and gap.value > 0)
