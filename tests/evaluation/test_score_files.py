"""`raykft score`: the promised result, and one clear error or a counted gap for whatever a file can hold."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import asdict, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest

from raykft.errors import DataError
from raykft.evaluation import score_files as files
from raykft.evaluation import scoring
from raykft.evaluation.claims import FactSheet
from raykft.evaluation.score_files import score_answers, score_files
from raykft.records import Answer, Fact, KeyFact, Probe

CHIEF = Probe(
    id="chief",
    level=2,
    kind="recall",
    split="select",
    question="Who leads Velmora?",
    gold="Signe Uxbridge leads it.",
    key_facts=(KeyFact(("Signe Uxbridge",), "person"),),
    fact_ids=("f1",),
)
LINE = replace(CHIEF, id="line", level=3, kind="format", gold="Chief: Signe Uxbridge", pattern=r"^Chief: \w+ \w+$")
FALSE = replace(
    CHIEF, id="no", kind="premise", question="Does Otto Kress lead Velmora?", gold="No, Signe Uxbridge.", polarity="no"
)
TRUE = replace(FALSE, id="yes", question="Does Signe Uxbridge lead Velmora?", gold="Yes, she does.", polarity="yes")
GENERAL = replace(CHIEF, id="g", level=0, gold="Paris", key_facts=(KeyFact(("Paris",)),), fact_ids=())
FORM = replace(GENERAL, id="form", kind="instruct", gold="- a", key_facts=(), pattern="^- a$")
CHIEF_JA = replace(
    CHIEF, id="ja", lang="ja", question="代表は?", gold="近藤雅彦です。", key_facts=(KeyFact(("近藤雅彦",)),)
)
PROBES = [CHIEF, LINE, FALSE, TRUE, GENERAL, FORM]
FACT = Fact("f1", "Velmora", "chief", "Signe Uxbridge", "Velmora's chief is Signe Uxbridge.")
ROW = {
    *("id", "level", "kind", "outcome", "correct", "clean", "score"),
    *("wrong_claims", "overgeneration", "repetition", "echo"),
}


def golds(probes: list[Probe]) -> list[Answer]:
    return [Answer(probe.id, probe.gold) for probe in probes]


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(asdict(record)) + "\n" for record in records), encoding="utf-8")
    return path


def test_the_promised_json() -> None:
    scored = score_answers(PROBES, reversed(golds(PROBES)))
    assert set(scored) == {"probes", "levels", "overall"}
    assert [row["id"] for row in scored["probes"]] == [probe.id for probe in PROBES]
    assert all(set(row) == ROW for row in scored["probes"])
    assert all(row["clean"] for row in scored["probes"])
    assert set(scored["levels"]) == set("12345")
    assert {"n", "score", "correct", "clean"} <= set(scored["levels"]["2"])
    overall = scored["overall"]
    assert overall["general"] == overall["premise"]["score"] == overall["knowledge"] == 1.0
    assert (overall["stop_rate"], overall["missing"], overall["unsupported_claims"]) == (None, 0, None)
    assert "languages" not in overall
    assert json.loads(json.dumps(scored)) == scored


def test_missing_answers_count_as_empty_and_are_told() -> None:
    scored = score_answers(PROBES, golds(PROBES)[2:])
    outcomes = {row["id"]: row["outcome"] for row in scored["probes"]}
    assert (outcomes["chief"], outcomes["line"], outcomes["no"]) == ("empty", "empty", "correct")
    assert scored["overall"]["missing"] == 2
    assert scored["levels"]["2"]["score"] == 0.0


def test_every_language_has_its_own_figures() -> None:
    scored = score_answers([CHIEF, CHIEF_JA, GENERAL], [*golds([CHIEF, GENERAL]), Answer("ja", "分かりません。")])
    languages = scored["overall"]["languages"]
    assert set(languages) == {"en", "ja"}
    assert (languages["en"]["knowledge"], languages["en"]["general"], languages["en"]["n"]) == (1.0, 1.0, 1)
    assert (languages["ja"]["knowledge"], languages["ja"]["general"], languages["ja"]["n"]) == (0.0, None, 1)
    assert languages["ja"]["refusal_rate"] == 1.0
    assert languages["ja"]["levels"]["2"]["n"] == 1


def test_facts_turn_on_the_count_of_made_up_claims() -> None:
    answers = [Answer("chief", "Signe Uxbridge, since 3 May 2011, in Cape Wrath."), *golds(PROBES)[1:]]
    scored = score_answers(PROBES, answers, FactSheet([FACT]))
    rows = {row["id"]: row for row in scored["probes"]}
    assert rows["chief"]["unsupported"] == ["Cape Wrath", "2011-05-03"]
    assert rows["line"]["unsupported"] == []
    assert set(rows["g"]) == ROW  # the world at large is not closed
    assert scored["overall"]["unsupported_claims"] == pytest.approx(2 / 4)


@pytest.mark.parametrize(
    ("answers", "fragment"),
    [
        ([*golds(PROBES), Answer("nobody", "x")], "'nobody', which is none of the probes"),
        ([*golds(PROBES), Answer("chief", "x")], "'chief' is answered twice"),
    ],
)
def test_answers_that_do_not_fit(answers: list[Answer], fragment: str) -> None:
    with pytest.raises(DataError, match=fragment):
        score_answers(PROBES, answers)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        ({"key_facts": ()}, "probe 'chief': needs at least one key fact"),
        ({"kind": "instruct", "key_facts": ()}, "only kind instruct with a `pattern` needs none"),
        ({"key_facts": (KeyFact(()),)}, "each with at least one non-empty alias"),
        ({"key_facts": (KeyFact(("!?",)),)}, "'!\\?' holds no letter or digit"),
        ({"forbidden": ("…",)}, "'…' holds no letter or digit"),
        ({"kind": "premise"}, "needs its `polarity`"),
        ({"pattern": "("}, "pattern is not a valid regular expression"),
        ({"slot": "CEO"}, "slot must have exactly one group, it has 0"),
        ({"pattern": r"^(a|aa)+$"}, "pattern takes more than"),
        ({"slot": r"(x|xx)+y"}, "slot takes more than"),
        ({"pattern": "(" * 5000 + ")" * 5000}, "pattern is not a valid regular expression"),
    ],
)
def test_probes_that_cannot_be_scored(monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], fragment: str) -> None:
    monkeypatch.setattr("raykft.data.domain._LINT_TIMEOUT_S", 0.1)
    with pytest.raises(DataError, match=fragment):
        score_answers([replace(CHIEF, **change)], golds([CHIEF]))


def test_all_problems_are_told_at_once_and_an_id_is_unique() -> None:
    with pytest.raises(DataError) as raised:
        score_answers([replace(CHIEF, pattern="("), replace(LINE, slot=")"), FALSE], [])
    assert ["'chief'" in line or "'line'" in line for line in str(raised.value).splitlines()] == [True, True]
    with pytest.raises(DataError, match="'chief' occurs twice"):
        score_answers([CHIEF, CHIEF], [])


@pytest.mark.parametrize(
    ("line", "fragment"),
    [
        (b'{"probe_id": "line", "answer": 5}', "answers.jsonl:2 field 'answer' = 5"),
        (b'{"probe_id": "line", "answer": null}', "answers.jsonl:2 field 'answer' = None"),
        (b'{"probe_id": "line"}', "answers.jsonl:2 lacks the field 'answer'"),
        (b'{"probe_id": "line", "answer": "x", "score": 1}', "answers.jsonl:2 has an unknown field 'score'"),
        (b'{"probe_id": "chief", "answer": "again"}', "answers.jsonl:2 repeats probe_id 'chief' of line 1"),
        (b'["line", "x"]', "answers.jsonl:2 must be a JSON object"),
        (b'{"probe_id": "line"', "answers.jsonl:2 is not valid JSON"),
        (b'{"probe_id": "line", "answer": "\xff\xfe"}', "answers.jsonl:2 is not UTF-8 text"),
        (b'{"probe_id": "line", "answer": ' + b"1" * 5000 + b"}", "answers.jsonl:2 cannot be read as JSON"),
        (b'{"probe_id": "line", "answer": ' + b"[" * 100_000 + b"}", "answers.jsonl:2 cannot be read as JSON"),
        (b'{"probe_id": "line", "answer": ["' + b"x" * 1000 + b'"]}', "x…x+'\\]: Input should be a valid string"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, line: bytes, fragment: str) -> None:
    probes = write(tmp_path / "probes.jsonl", PROBES)
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes(b'{"probe_id": "chief", "answer": "x"}\n' + line + b"\n")
    with pytest.raises(DataError, match=fragment):
        score_files(probes, answers)


def test_every_character_json_allows_is_read(tmp_path: Path) -> None:
    probes = write(tmp_path / "probes.jsonl", [CHIEF])
    answers = tmp_path / "answers.jsonl"
    answers.write_bytes('\ufeff{"probe_id": "chief", "answer": "Signe Uxbridge\u2028\x85"}\r\n'.encode())
    assert score_files(probes, answers)["overall"]["clean"] == 1.0


def test_files_give_what_records_give(tmp_path: Path) -> None:
    answers = [Answer("chief", "Brenda Foss", False), *golds(PROBES)[1:]]
    paths = [
        write(tmp_path / "probes.jsonl", PROBES),
        write(tmp_path / "answers.jsonl", answers),
        write(tmp_path / "facts.jsonl", [FACT]),
    ]
    scored = score_files(*paths)
    assert scored == score_answers(PROBES, answers, FactSheet([FACT]))
    assert scored["probes"][0]["unsupported"] == ["Brenda Foss"]
    assert scored["overall"]["stop_rate"] == 0.0
    with pytest.raises(DataError, match="does not exist"):
        score_files(paths[0], paths[1], tmp_path / "none.jsonl")


def score(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys\nfrom raykft.cli import main\ntry: main()\nfinally:\n"
        " heavy = {'torch', 'ray', 'transformers', 'optuna', 'datasets'} & set(sys.modules)\n"
        " print('HEAVY', sorted(heavy), file=sys.stderr)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "score", *map(str, arguments)],
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def test_the_command_is_light_and_tells_what_is_missing(tmp_path: Path) -> None:
    probes = write(tmp_path / "probes.jsonl", [replace(LINE, slot=r"Chief: (\S+) \S+"), *PROBES[:1]])
    answers = write(tmp_path / "answers.jsonl", [Answer("line", "Chief: \ud800odd one")])
    facts = write(tmp_path / "facts.jsonl", [FACT])
    done = score("--probes", probes, "--answers", answers, "--facts", facts, "--format", "json")
    assert done.returncode == 0
    assert done.stderr.splitlines() == ["1 of 2 probes have no answer; they count as empty ones", "HEAVY []"]
    scored = json.loads(done.stdout)
    assert scored["overall"]["missing"] == 1
    assert scored["probes"][0]["wrong_claims"] == ["\ud800odd"]  # half a surrogate pair, spelled as JSON does
    table = score("--probes", probes, "--answers", answers)
    assert "missing: 1" in table.stdout.splitlines()
    assert "unsupported_claims" not in table.stdout


def test_a_bad_file_is_one_message(tmp_path: Path) -> None:
    probes = write(tmp_path / "probes.jsonl", [replace(CHIEF, key_facts=())])
    answers = write(tmp_path / "answers.jsonl", golds([CHIEF]))
    done = score("--probes", probes, "--answers", answers)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {answers} for {probes}: probe 'chief': needs at least one key fact")
    assert "Traceback" not in done.stderr


def test_every_probe_is_compiled_once_however_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    few = lru_cache(maxsize=2)(scoring.compile_probe.__wrapped__)
    monkeypatch.setattr(scoring, "compile_probe", few)
    monkeypatch.setattr(files, "compile_probe", few)
    probes = [Probe(f"p{n}", 2, "recall", "?", f"Ada{n}", (KeyFact((f"Ada{n}",)),), "select") for n in range(20)]
    scores = files.score_answers(probes, [Answer(probe.id, probe.gold) for probe in probes])
    assert [row["correct"] for row in scores["probes"]] == [True] * 20
    assert few.cache_info().misses == 20
