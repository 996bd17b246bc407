"""The benchmark of drafted probes: its way from rows to a correlation with a tiny model, and its figures."""

from __future__ import annotations

import gzip
import importlib
import json
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def drafted(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module("drafted")


@pytest.mark.torch
def test_a_rehearsal_trains_asks_keeps_and_reads(
    drafted: Any, cache: Path, tmp_path: Path, tiny_model_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    work = tmp_path / "work"
    config = ROOT / "configs" / "quickstart.yaml"
    own = ["--work", str(work), "--rehearse", "--config", str(config), "--set", f"base_model={tiny_model_dir}"]
    own += ["--recipes", "w16,n28,w14", "--slots", "3"]
    own += ["--table", str(ROOT / "benchmarks" / "results" / "table-2026-11-30.json.gz")]  # lacks their third seed
    drafted.main([*own, "--share", "0/2"])
    drafted.main([*own, "--share", "1/2"])
    assert sorted(p.name for p in work.glob("*.done")) == ["n28-s2.done", "w14-s2.done", "w16-s2.done"]
    files = {p.name for p in (work / "adapters" / "n28-s2").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= files
    rows = [json.loads(line) for file in sorted(work.glob("runs-*.jsonl")) for line in file.read_text().splitlines()]
    assert [row.get("error") for row in rows] == [None] * 3
    assert all(row["drafted"]["grades"] and row["report"]["domain"] for row in rows)
    drafted.main([*own, "--share", "0/2"])  # nothing is left to do
    assert sum(len(file.read_text().splitlines()) for file in work.glob("runs-*.jsonl")) == 3
    capsys.readouterr()
    drafted.main([*own, "--read"])
    told = capsys.readouterr().out
    assert told.startswith("3 runs, 4 facts")
    assert "| graded score | 4 |" in told
    with pytest.raises(SystemExit):
        drafted.main([*own, "--write"])  # a rehearsal is no measurement
    with pytest.raises(SystemExit):
        drafted.main([*own, "--draft-seed", "1"])  # the base model was asked other probes


def made_up(noise: float) -> dict[str, Any]:
    """Ten recipes whose quality is their number; drafted grades are the same, or turned round by `noise` of 1."""
    facts = [f"f{n}" for n in range(12)]
    written = {f"w-{fact}": ["report", 2, "recall", "en", [fact]] for fact in facts}
    runs = []
    for number in range(10):
        quality = number / 10
        other = (1 - noise) * quality + noise * (1 - quality)
        runs.append(
            {
                "recipe": f"w{number:02d}",
                "seed": 2,
                "epochs": [{"domain": {}, "general": {}, "nats": {"x": 70.0}}],
                "report": {"domain": dict.fromkeys(written, quality)},
                "answers_select": {},
                "answers_report": {id: [quality, 0] for id in written},
                "drafted": {
                    "grades": {f"d-{fact}": other for fact in facts},
                    "answers": {f"d-{fact}": [other, 0] for fact in facts},
                },
            }
        )
    low, high = ({"grades": {f"{s}-{f}": value for s in "wd" for f in facts}} for value in (0.0, 1.0))
    ends = {"base": low, "facts_needed": high}
    return {
        "passages": {"x": ["en", 100]},
        "probes": {"written": written, "drafted": {f"d-{f}": ["select", 2, "recall", "en", [f]] for f in facts}},
        "base": {"graded": {"select": {"general": {}}}, "nats": {"x": 70.0}, "written": ends, "drafted": ends},
        "runs": runs,
    }


def test_probes_that_rank_alike_correlate_and_others_do_not(
    drafted: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = {"runs": [run | {"seed": seed} for run in made_up(0)["runs"] for seed in (0, 1, 2)]}
    alike = {each.name: each for each in drafted.agreements(drafted.Reading(made_up(0), known))}
    for name in ("graded knowledge", "graded score", "answers, paraphrases", "written of other seeds and drafted"):
        assert alike[name].rho == pytest.approx(1)
        assert alike[name].low == pytest.approx(1)
        assert alike[name].facts == 12
    assert alike["answers, premises"].facts == 0  # of neither set
    assert alike["answers, premises"].rho is None
    lacking = made_up(0)  # the draft asks nothing about one fact: the others are compared all the same
    lacking["probes"]["drafted"] = {id: row for id, row in lacking["probes"]["drafted"].items() if row[4] != ["f3"]}
    some = {each.name: each for each in drafted.agreements(drafted.Reading(lacking, known))}
    assert {
        some[name].facts for name in ("graded knowledge", "graded score", "written of other seeds and drafted")
    } == {11}
    level_one = made_up(0)
    level_one["probes"]["drafted"]["d-f3"][1] = 1  # asked in its training words alone
    some = {each.name: each for each in drafted.agreements(drafted.Reading(level_one, known))}
    assert some["graded score"].facts == some["written of other seeds and drafted"].facts == 11
    assert some["graded score"].rho == pytest.approx(1)
    turned = {each.name: each for each in drafted.agreements(drafted.Reading(made_up(1), known))}
    assert turned["graded knowledge"].rho == pytest.approx(-1)
    assert turned["written of other seeds and of this one"].rho == pytest.approx(1)
    files = [tmp_path / "drafted.json.gz", tmp_path / "table.json.gz"]
    for file, tree in zip(files, (made_up(0), known), strict=True):
        file.write_bytes(gzip.compress(json.dumps(tree).encode()))
    drafted.main(["--read", str(files[0]), "--table", str(files[1])])
    assert "| graded knowledge | 12 | 0.45 | 0.45 | 1.00 [1.00 1.00] |" in capsys.readouterr().out


def test_runs_are_added_to_the_table_as_its_own(drafted: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = made_up(0)
    old = tmp_path / "table-2026-01-01.json.gz"
    old.write_bytes(gzip.compress(json.dumps({"runs": [tree["runs"][0]], "costs": {"full": 1}}).encode()))
    monkeypatch.setattr(drafted, "pack", lambda _: tree | {"environment": {"commit": "x"}})
    monkeypatch.setattr(drafted.table, "RESULTS", tmp_path)
    paths = drafted.write(drafted.argparse.Namespace(table=old))
    added = json.loads(gzip.decompress(paths[1].read_bytes()))
    assert added["costs"] == {"full": 1}
    assert [run["recipe"] for run in added["runs"]] == [f"w{n:02d}" for n in range(10)]
    assert all("drafted" not in run for run in added["runs"][1:])


def test_drafted_probes_ask_about_the_domains_own_facts_and_about_nothing_that_was_trained(
    drafted: Any, tmp_path: Path
) -> None:
    from raykft.config import load_config
    from raykft.data.contamination import find_overlaps
    from raykft.data.domain import load_domain
    from raykft.evaluation.scoring import score_answer

    domain = load_domain(load_config(ROOT / "configs" / "quickstart.yaml"))
    made = drafted.draft_of(domain, tmp_path, 0)
    values = {fact.id: fact.value for fact in domain.facts}
    assert {fact.id for fact in made.facts} == values.keys()
    assert all(values[fact.id] in fact.value for fact in made.facts)  # "Storm Philippa" for the storm Philippa
    assert made.train == domain.train
    assert not find_overlaps(made, score_answer)
    assert {probe.level for probe in made.probes} == {1, 2, 3, 4, 5}
