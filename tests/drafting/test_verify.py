"""Drafts put to the base model: what it knows is not asked, and what it answers stands beside every probe."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from rich.console import Console

from raykft.config import load_config
from raykft.data.domain import load_domain
from raykft.drafting import verify
from raykft.drafting.draft import accept, run
from raykft.drafting.made import Draft, Verdict
from raykft.drafting.verify import KNOWN, known_already
from raykft.errors import DataError, ModelError
from raykft.records import Probe
from raykft.testing.fake_cluster import fake_hosts

MUSEUM = Path(__file__).parent / "sources" / "museum-en.csv"


def draft_of(name: str, level: int, *facts: str, kind: str = "recall") -> Draft:
    probe = Probe(id=name, level=level, kind=kind, question="?", gold="!", key_facts=(), split="select", fact_ids=facts)  # type: ignore[arg-type]
    return Draft(probe, "line 1", "a rule")


def test_a_fact_is_known_by_most_of_its_recall_probes_and_not_by_a_lucky_one() -> None:
    drafts = [
        draft_of("a1", 1, "a"), draft_of("a2", 2, "a"), draft_of("a2b", 2, "a"), draft_of("a3", 3, "a", kind="format"),
        draft_of("b1", 1, "b"), draft_of("b2", 2, "b"), draft_of("b2p", 2, "b", kind="premise"),
        draft_of("ab", 4, "a", "b"), draft_of("c1", 1, "c"),
    ]  # fmt: skip
    right = {"a1", "a2", "b2", "b2p"}
    found = {d.probe.id: Verdict(d.probe.id in right, True) for d in drafts if d.probe.id != "c1"}
    assert known_already(drafts, found) == dict.fromkeys(("a1", "a2", "a2b", "a3", "ab"), KNOWN)


def sheet_of(directory: Path) -> dict[str, dict[str, str]]:
    text = (directory / "drafts.csv").read_text(encoding="utf-8-sig")
    return {row["id"]: row for row in csv.DictReader(io.StringIO(text))}


def test_what_the_base_model_says_stands_in_the_sheet_and_known_facts_are_asked_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(config: Path, console: Console) -> dict[str, Verdict]:
        probes = load_domain(load_config(config)).probes
        return {p.id: Verdict("f003" in p.fact_ids, p.level < 3) for p in probes}

    monkeypatch.setattr(verify, "verdicts", said)
    summary = run([MUSEUM], tmp_path / "draft", verify=Console(quiet=True))
    domain = load_domain(load_config(summary.config))
    assert not [probe.id for probe in domain.probes if "f003" in probe.fact_ids]
    assert "f003" in {fact.id for fact in domain.facts}  # it is trained all the same
    assert {r.why for r in summary.made.rejected if "p1-f003" in r.what} == {KNOWN}
    rows = sheet_of(tmp_path / "draft")
    assert set(rows) == {probe.id for probe in domain.probes}
    free = [rows.pop(probe.id) for probe in domain.probes if probe.kind == "free"]
    assert {(row["alone"], row["told"]) for row in free} == {("", "")}  # nobody says a text word for word by chance
    assert {(row["alone"], row["told"]) for row in rows.values() if row["level"] == "2"} == {("no", "yes")}
    assert {(row["alone"], row["told"]) for row in rows.values() if row["level"] == "3"} == {("no", "no")}
    account = (tmp_path / "draft" / "draft.md").read_text()
    assert "| 3 | " in account
    assert "| 0% | 100% |" in account
    assert accept(tmp_path / "draft" / "drafts.csv", tmp_path / "draft")[1] == 0  # the sheet can be taken back as it is


def test_without_being_asked_the_columns_are_empty(tmp_path: Path) -> None:
    run([MUSEUM], tmp_path / "draft")
    assert {(row["alone"], row["told"]) for row in sheet_of(tmp_path / "draft").values()} == {("", "")}
    assert "base model answers" not in (tmp_path / "draft" / "draft.md").read_text()


def test_a_table_of_what_the_base_model_knows_has_nothing_to_ask(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(config: Path, console: Console) -> dict[str, Verdict]:
        return {p.id: Verdict(True, True) for p in load_domain(load_config(config)).probes}

    monkeypatch.setattr(verify, "verdicts", said)
    with pytest.raises(DataError, match="probes ask what the base model knows already"):
        run([MUSEUM], tmp_path / "draft", verify=Console(quiet=True))
    assert len(load_domain(load_config(tmp_path / "draft" / "config.yaml")).probes) > 200


def test_a_base_model_that_is_not_here_leaves_the_draft_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(ModelError):
        run([MUSEUM], tmp_path / "draft", base_model="package:nothing-here", verify=Console(quiet=True))
    assert (tmp_path / "draft" / "config.yaml").is_file()


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_the_base_model_is_asked_on_hosts(embedded_ray: None, tmp_path: Path) -> None:
    with fake_hosts():
        summary = run([MUSEUM], tmp_path / "draft", max_facts=8, base_model="fake:0", verify=Console(quiet=True))
    ids = {draft.probe.id for draft in summary.made.drafts}
    assert ids <= set(summary.made.verdicts)
    rows = sheet_of(tmp_path / "draft")
    assert {row["alone"] for row in rows.values()} <= {"yes", "no"}
    assert [*tmp_path.iterdir()] == [tmp_path / "draft"]  # the base model's own experiment is gone
