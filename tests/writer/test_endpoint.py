"""Writers behind an address: what they are asked, what of it is said, and no key anywhere."""

from __future__ import annotations

import re
from typing import Any

import pytest
from chat_server import chat_server, refusal

from raykft.errors import ConfigError, ResourceError
from raykft.writer.endpoint import Endpoint
from raykft.writer.protocol import Message, Request, Said

SECRET = "sk-very-secret-key-123456"


def problem_of(endpoint: Endpoint, requests: int = 1) -> str:
    """What an endpoint that answers nothing says of it."""
    (found,) = endpoint.say([REQUEST] * requests)
    assert isinstance(found, ResourceError)
    return str(found)


REQUEST = Request((Message("system", "Be brief."), Message("user", "One?")), "facts", {"type": "object"}, 100)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


def test_a_request_is_steady_structured_and_signed() -> None:
    with chat_server(lambda body: '{"a": 1}') as server:
        said = Endpoint(server.url, "m", key_variable="OPENAI_API_KEY").say([REQUEST, REQUEST])
    assert said == [Said('{"a": 1}', 15)] * 2
    body = server.bodies[0]
    assert (body["model"], body["temperature"], body["seed"], body["max_tokens"]) == ("m", 0, 0, 100)
    assert body["response_format"]["json_schema"]["schema"] == {"type": "object"}
    assert body["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "One?"}]
    assert server.keys == [f"Bearer {SECRET}"] * 2


def test_a_server_without_schemas_is_asked_in_ways_that_it_knows_and_once_found_in_no_other() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return refusal(400, "no response_format here") if "response_format" in body else "{}"

    with chat_server(answer) as server:
        Endpoint(server.url, "m").say([REQUEST] * 5)
    refused = [body for body in server.bodies if "response_format" in body]
    assert (len(refused), len(server.bodies)) == (3, 8)


def test_a_model_that_reasons_is_asked_without_a_temperature() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return refusal(400, "max_tokens is not supported") if "max_tokens" in body else "{}"

    with chat_server(answer) as server:
        assert Endpoint(server.url, "m").say([REQUEST]) == [Said("{}", 15)]
    assert server.bodies[-1]["max_completion_tokens"] == 100
    assert "temperature" not in server.bodies[-1]


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (refusal(401, f"Incorrect API key provided: {SECRET}."), ["refuses the key in OPENAI_API_KEY (401)"]),
        (refusal(404, "model not found"), ["knows no model 'm'"]),
        (refusal(400, "the context is too long"), ["refuses (400)", "the context is too long"]),
        (refusal(429, "slow down"), ["refuses (429)"]),
        (refusal(500, "boom"), ["refuses (500)"]),
        ((200, "text/html", b"<html><h1>Welcome</h1></html>"), ["no chat completion", "/v1"]),
        ((200, "application/json", b'{"choices": []}'), ["no chat completion"]),
        ((200, "application/json", b"{"), ["no chat completion: broken JSON"]),
    ],
)
def test_what_a_server_refuses_is_told_in_a_sentence_without_the_key(said: Any, words: list[str]) -> None:
    with chat_server(lambda body: said) as server:
        endpoint = Endpoint(server.url, "m", key_variable="OPENAI_API_KEY", retries=0)
        message = problem_of(endpoint, requests=3)
    assert any(word in message for word in words), message
    assert "same command goes on from there" in message
    assert SECRET not in message
    assert "\n" not in message


def test_a_server_that_is_down_is_named() -> None:
    with chat_server(lambda body: "{}") as server:
        url = server.url
    assert re.match(f"{url} cannot be reached .*is the server up", problem_of(Endpoint(url, "m", retries=0)))


def test_a_server_that_is_slow_is_given_up() -> None:
    from threading import Event

    waits = Event()

    def answer(body: dict[str, Any]) -> str:
        waits.wait(10)
        return "{}"

    with chat_server(answer) as server:
        message = problem_of(Endpoint(server.url, "m", retries=0, timeout_s=0.2))
        waits.set()
    assert "has not answered within 0.2 s, 1 times in a row" in message


def test_a_server_at_home_is_asked_without_a_key_and_a_refusal_says_how_to_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("MY_KEY", raising=False)
    with chat_server(lambda body: "{}") as server:
        assert Endpoint(server.url, "m").say([REQUEST]) == [Said("{}", 15)]
        assert server.keys == ["Bearer none"]  # though OPENAI_API_KEY is set
        server.answer = lambda body: refusal(401, "who are you, nonexistent one?")
        unnamed = problem_of(Endpoint(server.url, "m", retries=0))
        message = problem_of(Endpoint(server.url, "m", key_variable="MY_KEY", retries=0))
    assert "--writer-key NAME (401)" in unnamed
    assert "set MY_KEY (401)" in message
    assert "nonexistent" in message


def variable_of(url: str, named: str | None = None) -> str | None:
    return Endpoint(url, "m", key_variable=named)._variable


def test_the_usual_key_goes_by_itself_to_its_own_service_alone() -> None:
    assert variable_of("https://api.openai.com/v1") == "OPENAI_API_KEY"
    assert variable_of("https://API.OpenAI.com:443/v1/") == "OPENAI_API_KEY"
    for here in ("http://127.0.0.1:8000/v1", "http://127.9.9.9/v1", "http://[::1]:1/v1", "http://localhost:11434/v1",
                 "http://a.localhost/v1", "http://0.0.0.0:8000/v1"):  # fmt: skip
        assert variable_of(here) is None
    assert variable_of("http://127.0.0.1:8000/v1", "MY_KEY") == "MY_KEY"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "http://gpu-box:8000/v1",
        "http://10.0.0.7:8000/v1",
        "http://api.openai.com/v1",  # a key is not sent in the clear
        "https://api.openai.com:8443/v1",
        "https://api.openai.com.example.com/v1",
        "https://eu.api.openai.com/v1",
        "https://localhost.example.com/v1",
    ],
)
def test_any_other_address_is_told_which_key_is_for_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Name the environment variable .* --writer-key NAME") as caught:
        Endpoint(url, "m")
    assert SECRET not in str(caught.value)
    monkeypatch.setenv("OTHER_KEY", "sk-for-that-service")
    named = Endpoint(url, "m", key_variable="OTHER_KEY")
    assert named._client.api_key == "sk-for-that-service"
    assert Endpoint(url, "m", key_variable="none")._client.api_key == "none"
    assert Endpoint(url, "m", key_variable="OPENAI_API_KEY")._client.api_key == SECRET  # said in so many words


def test_one_question_too_long_costs_no_other_and_says_why() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return refusal(400, "the context is 4096 tokens") if "long" in body["messages"][-1]["content"] else "{}"

    long = Request((Message("user", "long"),), "facts", {"type": "object"}, 100)
    with chat_server(answer) as server:
        said = Endpoint(server.url, "m", retries=0).say([REQUEST, long, REQUEST])
    assert [s.text for s in said if isinstance(s, Said)] == ["{}", "", "{}"]
    assert isinstance(said[1], Said)
    assert "the context is 4096 tokens" in said[1].problem


def test_a_failure_beside_answers_loses_none_of_them() -> None:
    def answer(body: dict[str, Any]) -> Any:
        return refusal(500, "boom") if "bad" in body["messages"][-1]["content"] else "{}"

    bad = Request((Message("user", "bad"),), "facts", {"type": "object"}, 100)
    with chat_server(answer) as server:
        said = Endpoint(server.url, "m", retries=0).say([REQUEST, bad, REQUEST])
    assert [isinstance(s, Said) for s in said] == [True, False, True]


@pytest.mark.parametrize("key", ["sk-hidden key-1", "sk-hiddenschlüssel", "sk-hidden\nkey"])
def test_a_key_that_is_none_is_refused_by_its_variable_alone(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(ConfigError, match="OPENAI_API_KEY holds no key") as caught:
        Endpoint("http://127.0.0.1:9/v1", "m", key_variable="OPENAI_API_KEY")
    assert "hidden" not in str(caught.value)


def test_a_key_from_a_file_with_its_line_end_is_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", f"{SECRET}\r\n")
    with chat_server(lambda body: "{}") as server:
        Endpoint(server.url, "m", key_variable="OPENAI_API_KEY").say([REQUEST])
    assert server.keys == [f"Bearer {SECRET}"]


@pytest.mark.parametrize("url", ["", "ftp://host/v1", "host:8000", "http://", "http://[::1", "http://host:99999/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="is no http or https address"):
        Endpoint(url, "m")


@pytest.mark.parametrize("url", ["http://me:hidden@host/v1", "http://host/v1?key=hidden", "http://host/v1#hidden"])
def test_an_address_with_a_secret_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(ConfigError, match="no user, password or query") as caught:
        Endpoint(url, "m")
    assert "hidden" not in str(caught.value)
