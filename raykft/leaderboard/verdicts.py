"""What the figures allow to be said, in plain sentences, including that they do not allow to say it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from raykft.data.contamination import novelty_problem
from raykft.evaluation.levels import SHARES_RIGHT, knowledge_shift, summarize
from raykft.leaderboard import pareto
from raykft.leaderboard.board import BASELINE_TITLES, ONE_SEED, Leaderboard, optimism_of
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
        *([board.overruled] if board.overruled else []),
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
        yield "no trial was scored on held-out probes: all figures are those that the search chose by"
        return
    ranked = sum(t.rank is not None for t in board.trials)
    yield f"{len(scored)} of {ranked} ranked trials were scored on the report split, chosen by the select split alone"
    if scored[0] is not winner:
        yield f"on the report split {scored[0].trial_id} scores highest; the winner stays the one chosen beforehand"


def _resampled(board: Leaderboard, winner: TrialRecord, split: Split, evidence: Evidence) -> Iterator[str]:
    units = evidence.units["score"]
    if units < MIN_UNITS:
        yield (
            f"insufficient evidence: the {split} split has {units} independent groups of probes, and nothing can be "
            f"said below {MIN_UNITS}"
        )
        return
    yield from _ties(board, winner, split, evidence)
    for name in ("base", "bm25", "facts_needed"):
        gap = evidence.difference(winner.trial_id, name, "knowledge")
        if gap is not None:
            yield _against_baseline(BASELINE_TITLES[name], gap)
    overall = evidence.difference(winner.trial_id, "base", "score")
    if overall is not None and not overall.significant:
        yield f"insufficient evidence that the winner's score is above the untouched base model's: {_gap(overall)}"
    elif overall is not None and overall.value < 0:
        yield f"the untouched base model scores better than the winner, which forgot too much: {_gap(overall)}"
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
        yield f"significantly better than the winner on the {split} split: {_names(better)}"
    if tied:
        yield f"insufficient evidence to tell the winner from {_names(tied)} ({split} split, Holm-corrected)"
    elif not better:
        others = f"every other trial of the {split} split"
        yield f"the winner's score is significantly above that of {others} (Holm-corrected)"


def _against_baseline(title: str, gap: Difference) -> str:
    if not gap.significant:
        return f"insufficient evidence to tell the winner's knowledge from that of {title}: {_gap(gap)}"
    return f"the winner knows {'more' if gap.value > 0 else 'less'} than {title}: {_gap(gap)}"


def _optimism(board: Leaderboard, winner: TrialRecord) -> Iterator[str]:
    gap = optimism_of(winner)
    if gap is None:
        return
    figures = [board.evidence[s].figures.get(winner.trial_id, {}).get("score") for s in board.evidence]
    known = [figure for figure in figures if figure is not None]
    interval = None
    if len(known) == 2:
        interval = difference(known[0], known[1], min(e.units["score"] for e in board.evidence.values())).interval
    yield f"optimism of the winner (select - report score): {gap:+.2f} {bounds(interval)}".rstrip()


def _front(board: Leaderboard) -> Iterator[str]:
    front = board.front
    if front is None:
        return
    chances = {name: chance for name, chance in front.members.items() if chance is not None}
    members = [f"{name} ({chances[name]:.0%} of resamples)" if name in chances else name for name in front.members]
    yield f"on the front of gain against forgetting: {_names(members)}; largest gain - forgetting: {front.knee}"
    volume = f"{front.volume:.2f} {bounds(front.volume_interval)}".rstrip()
    corner = f"gain {pareto.WORST_GAIN:g}, forgetting {pareto.WORST_FORGETTING:g}"
    yield f"hypervolume of that front: {volume} (measured from {corner})"


def _hints(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    paths = ExperimentPaths(board.directory)
    if split not in board.evidence:
        return
    helped, harmed = hint_changes(read_probes(paths), trial_results(paths.trial(winner.trial_id), split))
    if helped or harmed:
        told = f"{helped} wrong answers right and {harmed} right ones wrong ({p_text(mcnemar(helped, harmed))})"
        yield f"naming the category of the answer in the question made {told}"


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
    told = f"Spearman {agreement:.2f} over {len(pairs)} finished trials"
    if agreement < MIN_RUNG_CORRELATION:
        yield f"warning: early stopping was not trustworthy; scores after epoch {epoch} say little of the end: {told}"
    else:
        yield f"scores after epoch {epoch}, the first that early stopping compares, foretell those at the end: {told}"


def _coverage(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    """Facts by how many of their paraphrases the winner gets right, against the base model."""
    paths = ExperimentPaths(board.directory)
    base, tuned = baseline_results(paths, "base"), trial_results(paths.trial(winner.trial_id), split)
    probes = [p for p in read_probes(paths) if p.id in base and p.id in tuned]
    shift = knowledge_shift(probes, *([results[p.id] for p in probes] for results in (base, tuned)))
    if facts := sum(map(sum, (row.values() for row in shift.values()))):
        now = {share: sum(row[share] for row in shift.values()) for share in SHARES_RIGHT}
        lost = shift["all"]["some"] + shift["all"]["none"] + shift["some"]["none"]
        yield (
            f"of {facts} facts ({split} split) the winner answers {now['all']} in all their paraphrases, "
            f"{now['some']} in some and {now['none']} in none; {lost} less well than the base model"
        )


def _without_flagged(board: Leaderboard, winner: TrialRecord, split: Split, flagged: Collection[str]) -> str | None:
    """The winner's knowledge with and without the probes that are given away."""
    paths = ExperimentPaths(board.directory)
    results = trial_results(paths.trial(winner.trial_id), split)
    probes = [p for p in read_probes(paths) if p.level > 0 and p.id in results]
    clean = [p for p in probes if p.id not in flagged]
    known = [summarize(asked, [results[p.id] for p in asked])["overall"]["knowledge"] for asked in (probes, clean)]
    if None in known or len(clean) == len(probes):
        return None
    return f"without them the winner's knowledge on the {split} split is {known[1]:.2f} instead of {known[0]:.2f}"


def _warnings(board: Leaderboard, winner: TrialRecord, split: Split) -> Iterator[str]:
    if board.findings:
        flagged = {finding["item"] for finding in board.findings}
        told = f"CONTAMINATED: training rows, distractors or the other split give away {len(flagged)} probe(s)"
        without = _without_flagged(board, winner, split, flagged)
        yield f"{told}; {without}" if without else told
    if ONE_SEED in board.badges(winner):
        yield "1-SEED: the winner was trained with one seed only; another seed may rank otherwise"
    elif winner.seeds:
        scores = winner.seeds.values()
        told = f"{min(scores):.2f} to {max(scores):.2f} on the select split"
        yield f"the winner's score over {len(scores)} seeds: {told}"


def _gap(gap: Difference) -> str:
    """`+0.21 [.15 .28], p < .001`."""
    return ", ".join(filter(None, [f"{gap.value:+.2f} {bounds(gap.interval)}".rstrip(), p_text(gap.p)]))


def _names(names: Sequence[str]) -> str:
    more = len(names) - MAX_NAMES
    return ", ".join(names[:MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
