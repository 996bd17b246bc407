"""A writer on raykft's own hosts: batches, tokens, what is kept when they fall silent, and how they end."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from raykft.commands.writers import writing_of
from raykft.errors import ModelError, ResourceError
from raykft.hosts.actor import FAKE, HOST_CLASSES
from raykft.records import Question, Reply
from raykft.testing.fake_cluster import FakeTrainingHost, fake_hosts
from raykft.writer.desk import Desk
from raykft.writer.local import BATCH, LocalModel
from raykft.writer.protocol import Message, Request


class Form(BaseModel):
    n: int


class Hosts:
    """In the place of `AnsweringHosts`: `size` of them, which die before question number `dies_at`."""

    def __init__(self, size: int = 2, dies_at: int | None = None) -> None:
        self.size, self.dies_at = size, dies_at
        self.parts: list[list[str]] = []
        self.wanted: list[int] = []

    def __len__(self) -> int:
        return self.size

    def grow(self, questions: int) -> None:
        self.wanted.append(questions)

    def answer(self, questions: Sequence[Question]) -> list[Reply]:
        if self.dies_at is not None and sum(map(len, self.parts)) + len(questions) > self.dies_at:
            raise ResourceError("a host died")
        self.parts.append([question.text for question in questions])
        return [Reply(json.dumps({"n": len(question.text)}), True, tokens=10) for question in questions]


def writer_on(hosts: Hosts) -> LocalModel:
    writer = LocalModel("some/model")
    writer.__dict__["_hosts"] = hosts
    return writer


def requests(count: int, max_tokens: int = 8) -> list[Request]:
    return [
        Request((Message("user", "q" * (n + 1)),), "form", Form.model_json_schema(), max_tokens) for n in range(count)
    ]


def test_each_host_gets_a_batch_at_a_time_and_answers_keep_their_order(tmp_path: Path) -> None:
    hosts = Hosts(size=2)
    desk = Desk(writer_on(hosts), cache=tmp_path)
    answers = desk.ask(requests(40), Form)
    assert [answer.form and answer.form.n for answer in answers] == list(range(1, 41))
    assert [len(part) for part in hosts.parts] == [2 * BATCH, 2 * BATCH, 40 - 4 * BATCH]
    assert hosts.wanted == [40]  # so that more hosts come where devices are free
    assert (desk.bill.requests, desk.bill.tokens) == (40, 400)


def test_what_was_answered_before_a_host_died_is_kept_and_the_rest_is_asked_again(tmp_path: Path) -> None:
    asked = requests(3 * BATCH)
    with pytest.raises(ResourceError, match="a host died"):
        Desk(writer_on(Hosts(size=1, dies_at=2 * BATCH)), cache=tmp_path).ask(asked, Form)
    again = Hosts(size=1)
    desk = Desk(writer_on(again), cache=tmp_path)
    assert all(answer.form for answer in desk.ask(asked, Form))
    assert (desk.bill.cached, desk.bill.requests) == (2 * BATCH, BATCH)
    assert again.parts == [["q" * (n + 1) for n in range(2 * BATCH, 3 * BATCH)]]


def test_a_person_who_ends_it_loses_no_answer(tmp_path: Path) -> None:
    def end(done: int, _of: int) -> None:
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Desk(writer_on(Hosts()), cache=tmp_path, on_progress=end).ask(requests(9), Form)
    desk = Desk(writer_on(Hosts()), cache=tmp_path)
    desk.ask(requests(9), Form)
    assert desk.bill.cached == 5


def test_no_more_is_asked_than_tokens_are_left_for(tmp_path: Path) -> None:
    hosts = Hosts()
    asked = requests(9)
    # One is sure to fit. It takes 10 of what it might have taken, so that another is; then no third.
    desk = Desk(writer_on(hosts), max_tokens=asked[-1].most_tokens + 15, cache=tmp_path)
    desk.ask(asked, Form)
    assert [*map(len, hosts.parts)] == [1, 1]
    assert (desk.bill.requests, desk.bill.tokens, desk.bill.left_out) == (2, 20, 7)


def test_a_cached_draft_starts_no_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Desk(writer_on(Hosts()), cache=tmp_path).ask(requests(3), Form)
    monkeypatch.setattr("raykft.cluster.connect.connect", lambda _address: pytest.fail("it connects to Ray"))
    writer = LocalModel("some/model")
    assert all(answer.form for answer in Desk(writer, cache=tmp_path).ask(requests(3), Form))
    writer.close()


def test_another_model_in_the_same_folder_is_another_writer(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}", encoding="utf-8")
    (tmp_path / "model.safetensors").write_bytes(b"one")
    one = LocalModel(str(tmp_path)).identity
    assert LocalModel(str(tmp_path)).identity == one
    (tmp_path / "model.safetensors").write_bytes(b"two")
    assert LocalModel(str(tmp_path)).identity != one
    assert LocalModel(str(tmp_path), quantization="int8").identity != LocalModel(str(tmp_path)).identity
    (tmp_path / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no model.safetensors"):
        LocalModel(str(tmp_path))


# With fakes on Ray.


class Echo(FakeTrainingHost):
    def _say(self, trial_id: str | None, question: str) -> str:
        return f"{question} in {os.getpid()}"


class OneFits(Echo):
    """A machine with memory for the first host alone."""

    def info(self) -> dict[str, Any]:
        if self._config.compute_dtype != "auto":  # the others compute as the first does
            raise ResourceError("not enough memory")
        return super().info()


class Absent(FakeTrainingHost):
    def info(self) -> dict[str, Any]:
        raise ModelError("there is no such model")


class Mortal(FakeTrainingHost):
    def _say(self, trial_id: str | None, question: str) -> str:
        os._exit(1)


@pytest.fixture
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[type]:
    from ray import cloudpickle

    module = sys.modules[__name__]
    cloudpickle.register_pickle_by_value(module)  # processes of Ray know no tests
    with fake_hosts():
        monkeypatch.setitem(HOST_CLASSES, FAKE, request.param)
        yield request.param
        monkeypatch.undo()
    cloudpickle.unregister_pickle_by_value(module)


def cpus() -> float:
    import ray

    return float(ray.available_resources().get("CPU", 0))


def assert_all_is_given_back(before: float) -> None:
    for _ in range(100):
        if cpus() == before:
            return
        time.sleep(0.1)
    pytest.fail(f"{cpus()} of {before} CPUs are free")


def two_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many hosts find a place, at once however busy this machine is."""
    monkeypatch.setattr("raykft.cluster.places.available_cores", lambda: 2)
    monkeypatch.setattr("raykft.cluster.places.QUIET_SECONDS", 60.0)


def pids(answers: Sequence[Any]) -> set[str]:
    return {said.text.rpartition(" ")[2] for said in answers}


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [Echo], indirect=True)
def test_hosts_come_as_there_is_work_and_go_when_a_person_ends_it(
    embedded_ray: None, kind: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_cores(monkeypatch)
    before = cpus()
    asked = requests(BATCH + 3)
    with pytest.raises(KeyboardInterrupt), writing_of("local", "fake:0", None, None, None) as writing:
        assert writing is not None
        few = list(writing.writer.say(asked[:3]))
        assert len(pids(few)) == 1
        many = list(writing.writer.say(asked))
        assert len(pids(many)) == 2
        assert [said.text.partition(" ")[0] for said in many] == [request.messages[0].text for request in asked]
        assert {said.tokens for said in many} == {4}  # the question, and three words
        raise KeyboardInterrupt
    assert_all_is_given_back(before)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", [OneFits], indirect=True)
def test_a_host_that_does_not_fit_beside_the_first_is_done_without(
    embedded_ray: None, kind: type, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_cores(monkeypatch)
    before = cpus()
    with writing_of("local", "fake:0", None, None, None) as writing:
        assert writing is not None
        for _ in range(2):
            assert len(pids(list(writing.writer.say(requests(2 * BATCH))))) == 1
    assert capsys.readouterr().out.count("could not be used: not enough memory") == 1
    assert_all_is_given_back(before)


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("kind", "error", "words"),
    [
        (Absent, ModelError, "there is no such model"),
        (Mortal, ResourceError, r"a host of fake:0 died \(.*run the same command again to go on"),
    ],
    indirect=["kind"],
)
def test_a_model_that_is_not_there_and_a_host_that_dies_are_said(
    embedded_ray: None, kind: type, error: type[Exception], words: str
) -> None:
    before = cpus()
    with pytest.raises(error, match=words) as raised, writing_of("local", "fake:0", None, None, None) as writing:
        assert writing is not None
        list(writing.writer.say(requests(1)))
    assert "creation" not in str(raised.value)  # it came up
    assert_all_is_given_back(before)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_hosts_write_token_for_token_what_the_model_writes_here(
    embedded_ray: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from tests_support import write_tiny_model

    from raykft.models.load import load_base, pick_device
    from raykft.models.source import resolve_model
    from raykft.train.engine import HostEngine

    two_cores(monkeypatch)
    model = str(write_tiny_model(tmp_path / "model", tied=False))  # a tied one, random as it is, says nothing at all
    texts = ["one", "two words", "three words here", "日本語", *(f"fact {n}" for n in range(BATCH))]
    base = load_base(resolve_model(model), quantization="nf4", residency="auto", device=pick_device("auto"))
    nothing: dict[str, Any] = {"train_rows": (), "distractors": (), "system_prompt": None, "max_length": 256}
    with HostEngine(base, **nothing, plain_prompt="{question}\n", batch_size=BATCH) as engine:
        alone = engine.answer(None, [Question(text, 12) for text in texts])
    asked = [Request((Message("user", text),), "form", {}, 12) for text in texts]
    with writing_of("local", model, None, None, None) as writing:
        assert writing is not None
        said = list(writing.writer.say(asked))
    assert capsys.readouterr().out.count("on 1 cpu host(s)") == 2  # the first, and one more for the second batch
    assert [(one.text, one.tokens) for one in said] == [(reply.text, reply.tokens) for reply in alone]
    assert len({one.text for one in said}) > 5
    for reply, text in zip(alone, texts, strict=True):
        read = len(engine.prompts.prompt_ids(text))
        assert read < reply.tokens <= read + 12
