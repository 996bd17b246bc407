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

# What is put beside the winner, as it is called in a sentence.
BESIDE = {"base": "base", "facts_needed": "base with the facts", "bm25": "base with BM25"}
# Shares as people say them.
PORTIONS = {
    0.0: "next to nothing",
    0.05: "about a twentieth",
    0.1: "about a tenth",
    0.2: "about a fifth",
    0.25: "about a quarter",
    1 / 3: "about a third",
    0.5: "about half",
    2 / 3: "about two thirds",
    0.75: "about three quarters",
    1.0: "nearly all",
}
MOST_CONFIRMED = 10  # seeds that the head still proposes; the measurement box may advise more
MOST_AGAIN = 3  # trials, as `raykft confirm` does unless told otherwise
MORE_TRIALS = 2  # times as many, where more are proposed


@dataclass(frozen=True)
class HeadLine:
    """One line. Where there is no room for all its parts the last ones are left out; a command is never cut."""

    label: str
    parts: tuple[str, ...]
    command: bool = False

    @property
    def text(self) -> str:
        return "; ".join(self.parts)


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
        told = f" ({100 * bound.low:.0f} to {100 * bound.high:.0f})" if bound else ""
        return f"{_percent(self.values[metric])}{told}"


def head(board: Leaderboard, *, rest: str = "under --details") -> list[HeadLine]:
    """At most eight lines, the winner first and the command to type next last.

    Args:
        rest: where what is left out is read.
    """
    reason, command = _next(board)
    last = [HeadLine("next", (reason,)), HeadLine("", (command,), command=True)]
    cautions = list(_cautions(board))
    more = (f"{len(cautions) - 1} more {rest}",) if len(cautions) > 1 else ()
    caution = [HeadLine("caution", (cautions[0], *more))] if cautions else []
    if board.winner is None:
        return [HeadLine("winner", ("none: no trial has a score yet",)), *caution, *last]
    split: Split = "report" if board.winner.report else "select"
    winner = _Winner(board.winner, split, board.evidence.get(split))
    return [
        HeadLine("winner", (winner.trial.trial_id,)),
        HeadLine("", tuple(_score(board, winner))),
        *([HeadLine("knows", tuple(_knows(board, winner)))] if "knowledge" in winner.values else []),
        *([HeadLine("forgot", tuple(_forgot(winner)))] if "forgetting" in winner.values else []),
        HeadLine("order", tuple(_order(board))),
        *caution,
        *last,
    ]


def portion(share: float) -> str:
    """A share in words: `about a third`."""
    return PORTIONS[min(PORTIONS, key=lambda known: abs(known - share))]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %".replace("-0 %", "0 %")


def _score(board: Leaderboard, winner: _Winner) -> Iterator[str]:
    trial, ranked = winner.trial, sum(t.rank is not None for t in board.trials)
    bound = winner.evidence.intervals.get(trial.trial_id, {}).get("score") if winner.evidence else None
    held_out = " held out" if winner.split == "report" else ""
    if "score" in winner.values:
        yield f"score {winner.values['score']:.2f} {bounds(bound)}".rstrip() + held_out
    low, high = board.measurement.rank_intervals.get(trial.trial_id, (1, 1))
    yield f"rank 1 of {ranked}" if low == high else f"rank {low} to {high} of {ranked}"
    scores = trial.seeds.values()
    yield f"{len(scores)} seeds {min(scores):.2f} to {max(scores):.2f}" if scores else "one seed"
    yield "all intervals 95 %"


def _knows(board: Leaderboard, winner: _Winner) -> Iterator[str]:
    yield winner.share("knowledge")
    known = {b.name: b.report if winner.split == "report" else b.select for b in board.baselines}
    for name, title in BESIDE.items():
        if "knowledge" in known.get(name, {}):
            yield f"{title} {_percent(known[name]['knowledge'])}"
    yield "mean over kinds of unseen questions"


def _forgot(winner: _Winner) -> Iterator[str]:
    lost = winner.values["forgetting"]
    yield f"{portion(lost)} of the base's general ability: {winner.share('forgetting')}"
    bound = winner.evidence.intervals.get(winner.trial.trial_id, {}).get("forgetting") if winner.evidence else None
    if bound is not None and round(bound.low, 2) <= 0 < round(lost, 2):
        yield "perhaps nothing"
    yield "facts or BM25 in a prompt forget nothing"


def _order(board: Leaderboard) -> Iterator[str]:
    decided = board.measurement.decided_pairs
    ranked = sum(t.rank is not None for t in board.trials)
    if ranked < 2:
        yield "only one trial has a score"
    elif decided is None:
        yield "how certain it is cannot be told"
    else:
        yield f"{_percent(decided)} of pairs of trials are decided"
    if board.rank_groups.get("select"):
        tied = board.shared_ranks["select"][1] - 1
        if ranked > 1:
            yield f"{tied} more may be as good as the winner" if tied else "no other is as good as the winner"
    yield f"ranked by {board.measurement.ranked_by.replace('_', ' ')} scores"


def _cautions(board: Leaderboard) -> Iterator[str]:
    """What spoils the figures, the worst first."""
    if board.findings:
        probes = len({finding["item"] for finding in board.findings})
        yield f"CONTAMINATED: training rows give away {probes} probe(s)"
    winner = board.winner
    if winner is not None:
        yield from _cautions_of(board, winner)
    if failed := [t for t in board.trials if t.status.failed]:
        why = " ".join(failed[0].reason.split())
        yield f"{len(failed)} trial(s) failed: {failed[0].status}" + (f", {why}" if why else "")


def _cautions_of(board: Leaderboard, winner: TrialRecord) -> Iterator[str]:
    split: Split = "report" if winner.report else "select"
    evidence = board.evidence.get(split)
    if board.overruled:
        yield "graded scores put another trial first, its answers are worse"
    if evidence is not None:
        gap = evidence.difference(winner.trial_id, "base", "score")
        if gap is not None and not (gap.significant and gap.value > 0):
            yield "its score is not shown to be above the untouched base model's"
        gap = evidence.difference(winner.trial_id, "bm25", "knowledge")
        if gap is not None and gap.significant and gap.value < 0:
            yield "base with BM25 knows more, and forgets nothing"
    if not winner.report:
        yield "no held-out questions yet: it was chosen by these figures"
    if ONE_SEED in board.badges(winner):
        yield "trained with one seed; another may rank otherwise"


def _next(board: Leaderboard) -> tuple[str, str]:
    """Why, and the command."""
    paths, winner = ExperimentPaths(board.directory), board.winner
    place = shlex.quote(address(board.directory))
    if at_work(paths):
        return "the search is at work; see how far it is", f"raykft status {place}"
    if how_it_ended(paths) is not None or not all(t.status.finished for t in board.trials):
        return "the search is not complete; go on with it", f"raykft resume {place}"
    more = f"raykft resume {place} --trials {max(1, len(board.trials)) * MORE_TRIALS}"
    if winner is None:
        failed = any(t.status.failed for t in board.trials)
        return ("see what this machine lacks", "raykft doctor") if failed else ("try more recipes", more)
    name = shlex.quote(winner.trial_id)
    here = address(board.directory) == str(board.directory)
    # One that was only evaluated lies where it was; those of a storage are not brought here to print a board.
    if here and not paths.trial(winner.trial_id).adapter.is_dir():
        return "read its wrong answers", f"raykft show {place} {name} --wrong"
    if board.findings:
        return "see which probes are given away", f"raykft data check {shlex.quote(address(paths.config))}"
    if not _shown_to_learn(board, winner):
        return "try more recipes: this one is not shown to be worth its training", more
    tied = board.shared_ranks["select"][1] - 1 if board.rank_groups.get("select") else 0
    seeds = board.measurement.seeds_advised
    if seeds is not None and seeds <= MOST_CONFIRMED:
        return "more seeds would tell the first two apart", f"raykft confirm {place} --top 2 --seeds {seeds}"
    if tied and ONE_SEED in board.badges(winner):
        again = f"raykft confirm {place} --top {min(tied + 1, MOST_AGAIN)} --seeds {DEFAULT_SEEDS}"
        return "see what another seed makes of the first ones", again
    reason = "take the winner's adapter" + (", or that of a cheaper trial marked 1=" if tied else "")
    return reason, f"raykft export {place} {name} {shlex.quote(board.directory.name + '-adapter')}"


def _shown_to_learn(board: Leaderboard, winner: TrialRecord) -> bool:
    """Whether nothing speaks against it: without evidence, nothing does."""
    evidence = board.evidence.get("report" if winner.report else "select")
    gap = evidence.difference(winner.trial_id, "base", "score") if evidence else None
    return gap is None or (gap.significant and gap.value > 0)
