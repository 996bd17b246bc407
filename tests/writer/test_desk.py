"""The desk: forms out of any words, a cache, a budget, and one more try."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import BaseModel

from raykft.errors import ConfigError, DataError, ResourceError
from raykft.writer.desk import Desk
from raykft.writer.prompts import GAPS, LANGUAGES, Prompts, copy_prompts
from raykft.writer.protocol import Message, Request, Said


class Form(BaseModel):
    n: int


class Scripted:
    """Says what it is told to, one text after the other."""

    name = identity = "scripted"
    batch = 2

    def __init__(self, *texts: str, tokens: int = 10) -> None:
        self.texts, self.tokens = list(texts), tokens
        self.asked: list[Request] = []

    def close(self) -> None:
        pass

    def say(self, requests: Sequence[Request]) -> list[Said]:
        self.asked += requests
        return [Said(self.texts.pop(0), self.tokens) for _ in requests]


def request(text: str, max_tokens: int = 30) -> Request:
    return Request((Message("user", text),), "form", Form.model_json_schema(), max_tokens)


@pytest.mark.parametrize(
    "text",
    [
        '{"n": 7}',
        ' \n{"n": 7}\n',
        'Here it is:\n```json\n{"n": 7}\n```\nAnything else?',
        'Sure! {"n": 7} is the object.',
        '<think>{"n": 1}? No, {"n": 2}.</think>{"n": 7}',
    ],
)
def test_a_form_is_found_in_what_surrounds_it(text: str, tmp_path: Path) -> None:
    assert Desk(Scripted(text), cache=tmp_path).ask([request("q")], Form)[0].form == Form(n=7)


def test_a_broken_answer_is_asked_for_once_more_and_then_given_up(tmp_path: Path) -> None:
    writer = Scripted("no", '{"n": 1}', '{"n": "x"}', "<html>")
    desk = Desk(writer, cache=tmp_path)
    first, second = desk.ask([request("a"), request("b")], Form)
    assert (first.form, second.form) == (None, Form(n=1))
    turns = [m.text for m in writer.asked[2].messages]
    assert turns[:2] == ["a", "no"]
    assert "Reply with that object alone" in turns[2]
    assert (desk.bill.broken, desk.bill.requests) == (1, 3)


def test_what_has_been_answered_is_not_asked_again_and_what_was_broken_is(tmp_path: Path) -> None:
    asked = [request("a"), request("b")]
    Desk(Scripted('{"n": 1}', "no", "no"), cache=tmp_path).ask(asked, Form)
    writer = Scripted('{"n": 2}')
    again = Desk(writer, cache=tmp_path)
    assert [answered.form for answered in again.ask(asked, Form)] == [Form(n=1), Form(n=2)]
    assert (again.bill.cached, again.bill.requests) == (1, 1)


def test_what_was_answered_before_a_writer_fell_silent_is_kept(tmp_path: Path) -> None:
    asked = [request(text) for text in "abcd"]
    with pytest.raises(IndexError):
        Desk(Scripted('{"n": 1}', '{"n": 2}', '{"n": 3}'), cache=tmp_path).ask(asked, Form)
    writer = Scripted('{"n": 3}', '{"n": 4}')
    assert [a.form.n for a in Desk(writer, cache=tmp_path).ask(asked, Form) if a.form] == [1, 2, 3, 4]


def test_an_error_in_a_batch_is_raised_when_the_answers_beside_it_are_kept(tmp_path: Path) -> None:
    class Half(Scripted):
        def say(self, requests: Sequence[Request]) -> list[Said]:
            return [Said('{"n": 1}', 10), ResourceError("down")][: len(requests)]  # type: ignore[list-item]

    asked = [request("a"), request("b")]
    with pytest.raises(ResourceError, match="down"):
        Desk(Half(), cache=tmp_path).ask(asked, Form)
    again = Desk(Scripted('{"n": 2}'), cache=tmp_path)
    assert [a.form.n for a in again.ask(asked, Form) if a.form] == [1, 2]
    assert again.bill.cached == 1


def test_an_answer_that_was_mended_is_not_asked_for_again(tmp_path: Path) -> None:
    Desk(Scripted("no", '{"n": 1}'), cache=tmp_path).ask([request("a")], Form)
    writer = Scripted()
    assert Desk(writer, cache=tmp_path).ask([request("a")], Form)[0].form == Form(n=1)
    assert writer.asked == []


def test_words_that_are_no_unicode_are_kept_as_what_they_can_be(tmp_path: Path) -> None:
    found = Desk(Scripted('\ud800 {"n": 1}'), cache=tmp_path).ask([request("a")], Form)
    assert found[0].form == Form(n=1)


def test_a_share_of_the_tokens_may_be_kept_for_later(tmp_path: Path) -> None:
    one = request("a").most_tokens
    desk = Desk(Scripted(*['{"n": 1}'] * 4, tokens=one), max_tokens=4 * one, cache=tmp_path)
    early = desk.ask([request(text) for text in "abc"], Form, share=0.5)
    late = desk.ask([request(text) for text in "de"], Form)
    assert [a.form is not None for a in (*early, *late)] == [True, True, False, True, True]


def test_another_writer_prompt_or_form_is_another_question(tmp_path: Path) -> None:
    Desk(Scripted('{"n": 1}'), cache=tmp_path).ask([request("a")], Form)
    other = Scripted('{"n": 2}')
    other.identity = "other"
    assert Desk(other, cache=tmp_path).ask([request("a")], Form)[0].form == Form(n=2)
    longer = Scripted('{"n": 3}')
    assert Desk(longer, cache=tmp_path).ask([request("a", 31)], Form)[0].form == Form(n=3)


def test_no_request_is_made_that_might_exceed_the_budget(tmp_path: Path) -> None:
    one = request("a").most_tokens
    writer = Scripted(*['{"n": 1}'] * 4, tokens=one)
    desk = Desk(writer, max_tokens=2 * one + 5, cache=tmp_path)
    found = desk.ask([request("a"), request("b"), request("c"), request("d")], Form)
    assert [answered.form is not None for answered in found] == [True, True, False, False]
    assert "--max-tokens" in found[2].why
    assert (desk.bill.tokens, desk.bill.left_out) == (2 * one, 2)
    assert desk.bill.tokens <= desk.max_tokens


def test_a_damaged_cache_is_asked_again_and_one_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    Desk(Scripted('{"n": 1}'), cache=tmp_path).ask([request("a")], Form)
    (file,) = tmp_path.rglob("*.json")
    file.write_text("{")
    assert Desk(Scripted('{"n": 2}'), cache=tmp_path).ask([request("a")], Form)[0].form == Form(n=2)
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert Desk(Scripted('{"n": 3}'), cache=blocked).ask([request("a")], Form)[0].form == Form(n=3)


@pytest.mark.parametrize("code", LANGUAGES)
@pytest.mark.parametrize("name", GAPS)
def test_bundled_prompts_have_a_place_for_all_and_keep_braces(code: str, name: str) -> None:
    gaps = {gap: f"<{gap} {{x}} {{text}}>" for gap in GAPS[name]}
    system, user = Prompts(code).request(name, Form, 10, gaps).messages
    assert (system.role, user.role) == ("system", "user")
    assert all(text in user.text for text in gaps.values())
    assert '{"' in user.text


def test_prompts_of_ones_own_are_copied_changed_and_checked(tmp_path: Path) -> None:
    names = {path.name for path in copy_prompts("ja", tmp_path / "mine")}
    assert names == {f"{name}.txt" for name in GAPS}
    with pytest.raises(ConfigError, match="already"):
        copy_prompts("ja", tmp_path / "mine")
    (tmp_path / "mine" / "values.txt").write_text("Only one part: {questions}")
    (only,) = Prompts("ja", tmp_path / "mine").request("values", Form, 10, {"questions": "Q"}).messages
    assert (only.role, only.text) == ("user", "Only one part: Q")
    (tmp_path / "mine" / "values.txt").write_text("Nothing to fill")
    with pytest.raises(ConfigError, match=r"values.txt has no place for \{questions\}"):
        Prompts("ja", tmp_path / "mine")
    with pytest.raises(DataError, match="holds none of"):
        Prompts("ja", tmp_path)
    with pytest.raises(ConfigError, match="--lang 'fr'"):
        copy_prompts("fr", tmp_path / "fr")
