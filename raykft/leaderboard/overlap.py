"""BLEU and ROUGE of one trial beside the base model's, for comparison with studies that report nothing else."""

from __future__ import annotations

import shlex
from typing import Literal

from rich.table import Table
from rich.text import Text

from raykft.errors import ExperimentError
from raykft.evaluation.overlap import HEADER, OverlapRow, overlap_table
from raykft.leaderboard.read import baseline_results, read_probes, trial_results
from raykft.paths import ExperimentPaths
from raykft.records import Split
from raykft.wording.messages import called
from raykft.wording.names import OVERLAP_COLUMNS, OVERLAP_PARTS, OVERLAP_PROBES, SPLITS
from raykft.wording.tables import OVERLAP

Japanese = Literal["char", "ja-mecab"]


def overlap_of(paths: ExperimentPaths, trial_id: str, japanese: Japanese = "char") -> tuple[Split, list[OverlapRow]]:
    """The trial's held-out answers, or those of the select split where it has no others.

    Raises:
        ExperimentError: the trial has no scored answers.
    """
    splits: tuple[Split, ...] = ("report", "select")
    for split in splits:
        tuned = trial_results(paths.trial(trial_id), split)
        if tuned:
            base = baseline_results(paths, "base")
            probes = [p for p in read_probes(paths) if p.id in tuned and p.id in base]
            answers = [{p.id: results[p.id].answer for p in probes} for results in (base, tuned)]
            return split, overlap_table(probes, *answers, japanese=japanese)
    raise ExperimentError(
        f"trial {trial_id!r} has no scored answers; see `raykft leaderboard {shlex.quote(str(paths.root))}`"
    )


def render_overlap(split: Split, rows: list[OverlapRow]) -> Table:
    """A terminal table; BLEU's signatures are its caption."""
    signatures = dict.fromkeys(row.signature for row in rows if row.metric.startswith("BLEU"))
    table = Table(
        title=OVERLAP(split=SPLITS[split]()),
        title_justify="left",
        caption="\n".join(signatures),
        caption_justify="left",
        box=None,
        pad_edge=False,
    )
    for name, title in zip(HEADER, overlap_titles(), strict=True):
        table.add_column(title, justify="left" if name in HEADER[:3] or name == "tokenizer" else "right")
    for row in rows:
        table.add_row(*map(Text, overlap_cells(row)))
    return table


def overlap_titles() -> list[str]:
    """The table's headings, in the order of a row's cells."""
    return [OVERLAP_COLUMNS[name]() for name in HEADER]


def overlap_cells(row: OverlapRow) -> list[str]:
    """A row as readers see it."""
    probes, part, *figures = row.cells()
    return [called(OVERLAP_PROBES, probes), called(OVERLAP_PARTS, part), *figures]
