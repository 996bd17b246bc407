"""What the figures allow to be said, in plain sentences, including that they do not allow to say it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from raykft.data.contamination import novelty_problem
from raykft.evaluation.levels import SHARES_RIGHT, knowledge_shift, summarize
from raykft.leaderboard import pareto
from raykft.leaderboard.board import ONE_SEED, Leaderboard, optimism_of
from raykft.leaderboard.evidence import Evidence
from raykft.leaderboard.read import (
    TrialRecord,
    baseline_results,
    read_probes,
    read_rules,
    rung_scores,
    trial_results,
)
from raykft.leaderboard.statistics import MIN_UNITS, Difference, Interval, difference, mcnemar, spearman
from raykft.paths import ExperimentPaths
from raykft.records import Probe, ProbeResult, Split
from raykft.wording import verdicts as words
from raykft.wording.names import BASELINES, LIST, SPLITS

# Below this rank correlation early stopping looked at something else than what trials end with.
MIN_RUNG_CORRELATION = 0.5
# Fewer finished trials than this say nothing about a correlation.
MIN_RUNG_TRIALS = 4

MAX_NAMES = 4


def verdicts(board: Leaderboard) -> list[str]:
    """One sentence a finding; empty before a trial has a score."""
    winner = board.winner
    if winner is None:
        return []
    split: Split = "report" if winner.report else "select"
    evidence = board.evidence.get(split)
    return [
        *([str(board.overruled)] if board.overruled else []),
        *_reported(board, winner),
        *(_resampled(board, winner, split, evidence) if evidence else []),
        *_optimism(board, winner),
        *_front(board),
        *_hints(board, winner, split),
        *_rungs(board),
        *_coverage(board, winner, split),
        *_warnings(board, winner, split),
    ]


def hint_changes(probes: Sequence[Probe], results: Mapping[str, ProbeResult]) -> tuple[int, int]:
    """How many questions are right only with a hint, and how many only without."""
    sides: dict[str, dict[str | None, bool]] = {"hint": {}, "plain": {}}
    for probe in probes:
        for side, right in sides.items():
            if side in probe.tags and probe.id in results:
                right[probe.pair_id] = results[probe.id].correct
    pairs = [(sides["hint"][pair], sides["plain"][pair]) for pair in sides["hint"].keys() & sides["plain"].keys()]
    return pairs.count((True, False)), pairs.count((False, True))


def bounds(interval: Interval | None) -> str:
    """`[.41 .70]`, or nothing."""
    return "" if interval is None else f"[{short(interval.low)} {short(interval.high)}]"


def short(value: float) -> str:
    """Two decimals without the leading zero; never a minus before zero."""
    text = f"{value:.2f}".replace("0.", ".", 1) if abs(value) < 0.995 else f"{value:.2f}"
    return text.removeprefix("-") if text == "-.00" else text


def p_text(p: float | None) -> str:
    """`p = .012`, or nothing."""
    return "" if p is None else "p < .001" if p < 0.001 else f"p = {f'{p:.3f}'.removeprefix('0')}"


def _reported(board: Leaderboard, winner: TrialRecord) -> Iterator[str]:
    scored = board.reported
    if not scored:
        yield words.NOT_REPORTED()
        return
    yield words.REPORTED(n=len(scored), ranked=sum(t.rank is not None for t in board.trials))
    if scored[0] is not winner:
        yield words.REPORTED_HIGHEST(trial=scored[0].trial_id)


def _resampled(board: Leaderboard, winner: TrialRecord, split: Split, evidence: Evidence) -> Iterator[str]:
    units = evidence.units["score"]
    if units < MIN_UNITS:
        yield words.FEW_UNITS(split=SPLITS[split](), units=units, least=MIN_UNITS)
        return
    yield from _ties(board, winner, split, evidence)
    for name in ("base", "bm25", "facts_needed"):
        gap = evidence.difference(winner.trial_id, name, "knowledge")
        if gap is not None:
            yield _against_baseline(BASELINES[name](), gap)
    overall = evidence.difference(winner.trial_id, "base", "score")
    if overall is not None and not overall.significant:
        yield words.SCORE_NOT_ABOVE_BASE(gap=_gap(overall))
    elif overall is not None and overall.value < 0:
        yield words.SCORE_BELOW_BASE(gap=_gap(overall))
    known = evidence.intervals.get("base", {}).get("knowledge")
    if known is not None:
        value = float(evidence.figures["base"]["knowledge"][0])
        if (problem := novelty_problem(value, known.low, known.high)) is not None:
            yield problem


def _ties(board: Leaderboard, winner: TrialRecord, split: Split, evidence: Evidence) -> Iterator[str]:
    trials = board.reported if split == "report" else [t for t in board.trials if t.rank is not None]
    gaps = evidence.against(winner.trial_id, [t.trial_id for t in trials if t is not winner])
    if not gaps:
        return
    tied = [name for name, gap in gaps.items() if not gap.significant]
    better = [name for name, gap in gaps.items() if gap.significant and gap.value < 0]
    if better:
        yield words.BETTER(split=SPLITS[split](), names=_names(better))
    if tied:
        yield words.TIED(names=_names(tied), split=SPLITS[split]())
    elif not better:
        yield words.ABOVE_ALL(split=SPLITS[split]())


def _against_baseline(title: str, gap: Difference) -> str:
    if not gap.significant:
        return words.KNOWS_ALIKE(title=title, gap=_gap(gap))
    told = words.KNOWS_MORE if gap.value > 0 else words.KNOWS_LESS
    return told(title=title, gap=_gap(gap))


def _optimism(board: Leaderboard, winner: TrialRecord) -> Iterator[str]:
    gap = optimism_of(winner)
    if gap is None:
        return
    figures = [board.evidence[s].figures.get(winner.trial_id, {}).get("score") for s in board.evidence]
    known = [figure for figure in figures if figure is not None]
    interval = None
    if len(known) == 2:
        interval = difference(known[0], known[1], min(e.units["score"] for e in board.evidence.values())).interval
    yield words.OPTIMISM(gap=f"{gap:+.2f} {bounds(interval)}".rstrip())


def _front(board: Leaderboard) -> Iterator[str]:
    front = board.front
    if front is None:
        return
    members = [
        name if chance is None else words.FRONT_MEMBER(name=name, chance=chance)
        for name, chance in front.members.items()
    ]
    yield words.FRONT(names=_names(members), knee=front.knee)
    volume = f"{front.volume:.2f} {bounds(front.volume_interval)}".rstrip()
    yield words.HYPERVOLUME(volume=volume, gain=pareto.WORST_GAIN, forgetting=pareto.WORST_FORGETTING)


def _hints(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    paths = ExperimentPaths(board.directory)
    if split not in board.evidence:
        return
    helped, harmed = hint_changes(read_probes(paths), trial_results(paths.trial(winner.trial_id), split))
    if helped or harmed:
        yield words.HINTS(helped=helped, harmed=harmed, p=p_text(mcnemar(helped, harmed)))


def _rungs(board: Leaderboard) -> Iterator[str]:
    finished = [t for t in board.trials if t.rank is not None]
    if len(finished) < MIN_RUNG_TRIALS:
        return
    paths = ExperimentPaths(board.directory)
    epoch = read_rules(paths).grace_epochs
    rungs = {t.trial_id: rung_scores(paths, t.trial_id).get(epoch) for t in finished}
    pairs = [(rung, t.select["score"]) for t in finished if (rung := rungs[t.trial_id]) is not None]
    agreement = spearman([rung for rung, _ in pairs], [final for _, final in pairs])
    if agreement is None or len(pairs) < MIN_RUNG_TRIALS:
        return
    told = words.RUNGS_FAIL if agreement < MIN_RUNG_CORRELATION else words.RUNGS_HOLD
    yield told(epoch=epoch, agreement=agreement, n=len(pairs))


def _coverage(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    """Facts by how many of their paraphrases the winner gets right, against the base model."""
    paths = ExperimentPaths(board.directory)
    base, tuned = baseline_results(paths, "base"), trial_results(paths.trial(winner.trial_id), split)
    probes = [p for p in read_probes(paths) if p.id in base and p.id in tuned]
    shift = knowledge_shift(probes, *([results[p.id] for p in probes] for results in (base, tuned)))
    if facts := sum(map(sum, (row.values() for row in shift.values()))):
        now = {share: sum(row[share] for row in shift.values()) for share in SHARES_RIGHT}
        lost = shift["all"]["some"] + shift["all"]["none"] + shift["some"]["none"]
        yield words.COVERAGE(facts=facts, split=SPLITS[split](), lost=lost, **now)


def _contaminated(board: Leaderboard, winner: TrialRecord, split: Split) -> str:
    """How many probes are given away, and the winner's knowledge without them."""
    flagged = {finding["item"] for finding in board.findings}
    known = _without(flagged, board, winner, split)
    if known is None:
        return words.CONTAMINATED(n=len(flagged))
    return words.CONTAMINATED_WITHOUT(n=len(flagged), split=SPLITS[split](), all=known[0], clean=known[1])


def _without(
    flagged: Collection[str], board: Leaderboard, winner: TrialRecord, split: Split
) -> tuple[float, float] | None:
    """The winner's knowledge with and without some probes; None where that is the same or cannot be told."""
    paths = ExperimentPaths(board.directory)
    results = trial_results(paths.trial(winner.trial_id), split)
    probes = [p for p in read_probes(paths) if p.level > 0 and p.id in results]
    clean = [p for p in probes if p.id not in flagged]
    every, some = (
        summarize(asked, [results[p.id] for p in asked])["overall"]["knowledge"] for asked in (probes, clean)
    )
    return None if every is None or some is None or len(clean) == len(probes) else (every, some)


def _warnings(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    if board.findings:
        yield _contaminated(board, winner, split)
    if ONE_SEED in board.badges(winner):
        yield words.ONE_SEED()
    elif winner.seeds:
        scores = winner.seeds.values()
        yield words.SEEDS(n=len(scores), low=min(scores), high=max(scores))


def _gap(gap: Difference) -> str:
    """`+0.21 [.15 .28], p < .001`."""
    return ", ".join(filter(None, [f"{gap.value:+.2f} {bounds(gap.interval)}".rstrip(), p_text(gap.p)]))


def _names(names: Sequence[str]) -> str:
    first, more = LIST().join(names[:MAX_NAMES]), len(names) - MAX_NAMES
    return words.MORE_NAMES(names=first, n=more) if more > 0 else first
