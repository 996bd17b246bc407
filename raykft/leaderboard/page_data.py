"""What the page's tables search and compare: trials, their answers, which facts they know; and where it comes from."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from raykft.errors import RaykftError
from raykft.evaluation.free import is_free
from raykft.evaluation.metrics import METRICS
from raykft.leaderboard.board import Leaderboard
from raykft.leaderboard.read import TrialRecord, baseline_results, read_probes, trial_results
from raykft.leaderboard.render import FREE, LEVELS, short_value
from raykft.paths import ExperimentPaths, is_there, read_json
from raykft.records import Probe, ProbeResult
from raykft.untrusted.yaml_text import read_yaml
from raykft.wording import page as words
from raykft.wording.messages import Message
from raykft.wording.names import BASELINES, KINDS, OUTCOMES, SPLITS, STATUSES

log = logging.getLogger(__name__)

# So that the page of a large search stays one that a browser opens at once: characters of answers, trials compared,
# columns of the map of facts.
MOST_TEXT, MOST_COMPARED, MOST_MAPPED = 700_000, 500, 40
ROW_LENGTH = 12  # of an answer, beside its text
# Of these trials are shown side by side.
COMPARED_METRICS = (
    *("score", "gain", "graded_gain", "knowledge", *LEVELS, "premise", "hint", *FREE),
    *("forgetting", "graded_forgetting", "forgetting_en", "forgetting_ja", "drift"),
    *("clean", "overgeneration", "unsupported_claims"),
)
_NUMBERS = {outcome: n for n, outcome in enumerate(OUTCOMES)}
SHADES = 10  # of the map of facts


def compared(board: Leaderboard) -> list[dict[str, Any]]:
    """What trials differ in: recipe and figures."""
    return [
        {
            "id": trial.trial_id,
            "status": STATUSES[trial.status](),
            "sample": {path: short_value(value) for path, value in trial.sample.items()},
            "figures": _figures(trial),
        }
        for trial in board.trials[:MOST_COMPARED]
    ]


def answers(board: Leaderboard) -> dict[str, Any]:
    """Every answer of the base model and of as many trials as there is room for, the best first.

    Texts are numbered, since many trials answer alike; `rows` of a trial are, for every probe that it was asked, the
    probe's number, the outcome's, the text's, and the wrong claims where there are any.
    """
    paths = ExperimentPaths(board.directory)
    probes = read_probes(paths)
    texts: dict[str, int] = {}
    places = {probe.id: n for n, probe in enumerate(probes)}
    base = _rows(baseline_results(paths, "base"), places, texts)
    said: list[dict[str, Any]] = []
    size, left_out = sum(map(len, texts)), 0
    for trial in board.trials:
        files = paths.trial(trial.trial_id)
        if size > MOST_TEXT and said:
            left_out += is_there(files.probe_results)
            continue
        results = dict(trial_results(files, "select")) | trial_results(files, "report")
        if results:
            said.append({"id": trial.trial_id, "rows": _rows(results, places, texts)})
            size = sum(map(len, texts)) + sum(ROW_LENGTH * len(each["rows"]) for each in said)
    return {
        "probes": [
            [p.id, p.level, p.kind, p.split, p.question, p.gold, ", ".join(p.fact_ids)]
            for p in (probes if said else [])
        ],
        "outcomes": list(outcomes_of(board)),
        "texts": list(texts),
        "base": base if said else [],
        "trials": said,
        "left_out": left_out,
    }


def fact_map(board: Leaderboard) -> dict[str, Any] | None:
    """Facts by trials on the select split: which share of a fact's questions is right, what nobody knows first. Free
    texts are left out: of them nothing is right or wrong."""
    paths = ExperimentPaths(board.directory)
    probes = [p for p in read_probes(paths) if p.level > 0 and p.split == "select" and not is_free(p)]
    trials = [t for t in board.trials if t.rank is not None][:MOST_MAPPED]
    columns: list[tuple[str, Mapping[str, ProbeResult]]] = [(BASELINES["base"](), baseline_results(paths, "base"))]
    columns += [(t.trial_id, trial_results(paths.trial(t.trial_id), "select")) for t in trials]
    by_fact: dict[str, list[Probe]] = {}
    for probe in probes:
        for fact in probe.fact_ids:
            by_fact.setdefault(fact, []).append(probe)
    if not by_fact or not trials:
        return None
    rows = [_fact_row(fact, asked, columns) for fact, asked in by_fact.items()]
    rows.sort(key=lambda row: (row["mean"], row["fact"]))
    never = sum(row["most"] == 0 for row in rows)
    return {"trials": [name for name, _ in columns], "rows": rows, "never": never, "facts": len(rows)}


def provenance(board: Leaderboard) -> list[tuple[str, str]]:
    """Where the figures come from. Of data files the names only: where they lay is nobody else's business."""
    paths = ExperimentPaths(board.directory)
    found: list[tuple[str, str]] = []
    for file, told in (
        (paths.config, _of_config),
        (paths.environment, _of_environment),
        (paths.data_manifest, _of_data),
    ):
        if not is_there(file):
            continue
        try:
            found += told(read_yaml(file) if file == paths.config else read_json(file))
        except (RaykftError, KeyError, TypeError, AttributeError, ValueError) as error:
            log.warning("the page leaves out what %s says: %s", file, error)
    return found


def outcomes_of(board: Leaderboard) -> dict[str, Message]:
    """What may have become of an answer; only free texts are not judged."""
    return {name: message for name, message in OUTCOMES.items() if name != "unjudged" or _has_free(board)}


def _has_free(board: Leaderboard) -> bool:
    return any(map(is_free, read_probes(ExperimentPaths(board.directory))))


def script_words(board: Leaderboard) -> dict[str, Any]:
    """What the page's own script says, and what it calls the things that `answers` knows by a name."""
    kinds = {name: message for name, message in KINDS.items() if name != "free" or _has_free(board)}
    named = {"outcomes": outcomes_of(board), "kinds": kinds, "splits": SPLITS}
    said = {name: message.template() for name, message in words.SCRIPT.items()}
    return {"said": said} | {of: {name: message() for name, message in known.items()} for of, known in named.items()}


def _figures(trial: TrialRecord) -> dict[str, float]:
    splits = {"select": trial.select, "report": trial.report}
    return {
        words.FIGURE(metric=METRICS[name].heading, split=words.FIGURE_SPLITS[split]()): round(values[name], 4)
        for name in COMPARED_METRICS
        for split, values in splits.items()
        if name in values
    }


def _rows(results: Mapping[str, ProbeResult], places: Mapping[str, int], texts: dict[str, int]) -> list[list[Any]]:
    """Adds to `texts` what is not there yet."""
    rows: list[list[Any]] = []
    for result in results.values():
        if result.id in places:
            text = texts.setdefault(result.answer, len(texts))
            claims = [", ".join(result.wrong_claims)] if result.wrong_claims else []
            rows.append([places[result.id], _NUMBERS[result.outcome], text, *claims])
    return rows


def _fact_row(
    fact: str, asked: Sequence[Probe], columns: Sequence[tuple[str, Mapping[str, ProbeResult]]]
) -> dict[str, Any]:
    cells: list[dict[str, str]] = []
    shares: list[float | None] = []
    for _, results in columns:
        right = [results[p.id].correct for p in asked if p.id in results]
        shares.append(sum(right) / len(right) if right else None)
        shade = f"h{round(SHADES * sum(right) / len(right))}" if right else ""
        cells.append({"text": f"{sum(right)}/{len(right)}" if right else "", "shade": shade})
    known = [share for share in shares[1:] if share is not None]
    gold = next((p.gold for p in asked if p.level in {1, 2} and p.kind == "recall"), asked[0].gold)
    return {"fact": fact, "gold": gold, "cells": cells, "mean": fmean(known or [0.0]), "most": max(known, default=0.0)}


def _of_config(tree: Any) -> list[tuple[str, str]]:
    search = tree["search"]
    space = "; ".join(f"{path}: {_dimension(dimension)}" for path, dimension in search.get("space", {}).items())
    searched = words.SEARCHED(searcher=search["searcher"], scheduler=search["scheduler"], n=search["trials"])
    model = str(tree["base_model"])
    return [
        (words.BASE_MODEL(), Path(model).name if model.startswith(("/", "~", ".")) else model),
        (words.QUANTIZATION(), str(tree.get("quantization", ""))),
        (words.SEARCH(), searched),
        (words.OBJECTIVE(), str(search["objective"]["name"])),
        (words.SPACE(), space or words.NO_SPACE()),
    ]


def _dimension(dimension: Mapping[str, Any]) -> str:
    return ", ".join(f"{kind} {value}" for kind, value in dimension.items() if value not in (None, {}, []))


def _of_environment(found: Any) -> list[tuple[str, str]]:
    version = str(found["raykft"])
    if found.get("commit"):
        told = words.COMMIT_CHANGED if found.get("dirty") else words.COMMIT
        version = told(version=version, commit=found["commit"])
    packages = ", ".join(f"{name} {version}" for name, version in found["packages"].items() if version)
    hosts = [
        words.MODEL_IS(digest=host["model_digest"], dtype=host["dtype"], device=host["device"])
        for host in found.get("hosts", [])[:1]
    ]
    machine = found["machine"]
    gibibytes = machine["memory_bytes"] / 2**30
    return [
        ("raykft", version),
        (words.STARTED(), str(found["started_at"])),
        (words.PACKAGES(), packages),
        (words.MACHINE(), words.MACHINE_IS(cpu=machine["cpu"], cores=machine["cores"], memory=gibibytes)),
        *((words.MODEL(), host) for host in hosts),
    ]


def _of_data(manifest: Any) -> list[tuple[str, str]]:
    return [(Path(file).name, f"sha256 {digest}") for file, digest in manifest["sha256"].items()]
