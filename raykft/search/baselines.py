"""What adapters are measured against: the base model's scores, asked once and kept with the experiment."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from raykft.errors import DamagedError
from raykft.evaluation.outcome import BASE, FACTS_NEEDED, BaseScores, SplitScores
from raykft.hosts.remote import get
from raykft.paths import ExperimentPaths, read_json, write_json, write_jsonl
from raykft.wording import running as words

TUNED_BM25 = "tuned_bm25"


def score_base(evaluator: Any, paths: ExperimentPaths, console: Console) -> BaseScores:
    """The base model's own scores: computed once, cached by content, a row of every leaderboard.

    Args:
        evaluator: the handle of the evaluator's actor.
    """
    console.print(words.SCORING_BASE())
    scores: BaseScores
    scores, cached = get(evaluator.base.remote())
    _keep(scores, paths)
    select = {name: row["select"].metrics for name, row in scores.rows.items() if "select" in row}
    # Of free texts alone nothing is right or wrong.
    what = "knowledge" if "knowledge" in select[BASE] else "graded_knowledge"
    known = {name: metrics[what] for name, metrics in select.items() if what in metrics}
    with_facts = words.WITH_FACTS(knowledge=known[FACTS_NEEDED]) if FACTS_NEEDED in known else ""
    how = words.CACHED() if cached else words.TOOK(seconds=scores.seconds)
    knows = words.BASE_KNOWS if what == "knowledge" else words.BASE_GRADED
    console.print(knows(knowledge=known[BASE], with_facts=with_facts, how=how))
    return scores


def keep_tuned_with_retrieval(row: SplitScores, paths: ExperimentPaths) -> None:
    """Add the row of the winner with BM25's facts in its prompt."""
    tree = read_json(paths.base_scores)
    tree["rows"][TUNED_BM25] = BaseScores(rows={TUNED_BM25: row}).figures()["rows"][TUNED_BM25]
    write_jsonl(paths.baseline_results(TUNED_BM25), (r.as_dict() for scores in row.values() for r in scores.results))
    write_json(paths.base_scores, tree)


def _keep(scores: BaseScores, paths: ExperimentPaths) -> None:
    # The row of the winner with BM25 is added when the search has ended; scoring the base again must not lose it.
    before = _kept_rows(paths)
    figures = scores.figures()
    if TUNED_BM25 in before:
        figures["rows"][TUNED_BM25] = before[TUNED_BM25]
    write_json(paths.base_scores, figures)
    for name in scores.rows:
        write_jsonl(paths.baseline_results(name), (r.as_dict() for r in scores.results(name)))


def _kept_rows(paths: ExperimentPaths) -> dict[str, Any]:
    try:
        rows = read_json(paths.base_scores).get("rows")
    except DamagedError:  # or there is none yet
        return {}
    return rows if isinstance(rows, dict) else {}
