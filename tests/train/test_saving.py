"""Adapters and checkpoints are written beside the thread that trains, and read beside it too."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from raykft.models import adapter_files
from raykft.models.load import load_base
from raykft.models.source import resolve_model
from raykft.records import TrainRow
from raykft.testing.contracts import RECIPE
from raykft.train import checkpoint
from raykft.train.checkpoint import Snapshot, to_main_memory
from raykft.train.engine import HostEngine
from raykft.train.writers import Writers

pytestmark = pytest.mark.torch
ROWS = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(12)]


def make_engine(model: Path) -> HostEngine:
    base = load_base(resolve_model(str(model)), quantization="nf4", residency="auto", device=torch.device("cpu"))
    return HostEngine(base, train_rows=ROWS, distractors=(), system_prompt=None, max_length=128, batch_size=8)


@pytest.fixture
def engine(tiny_model_dir: Path) -> Iterator[HostEngine]:
    with make_engine(tiny_model_dir) as made:
        yield made


@pytest.mark.parametrize("kind", ["checkpoint", "adapter"])
def test_a_disk_that_takes_its_time_stops_nobody(
    engine: HostEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """And what is written is the trial as it was when it was saved, though it trains on meanwhile."""

    def files(directory: Path) -> dict[str, bytes]:
        return {str(f.relative_to(directory)): f.read_bytes() for f in directory.rglob("*") if f.is_file()}

    engine.attach("slow", RECIPE)
    engine.attach("other", RECIPE)
    engine.train_epoch("slow")
    engine.save("slow", tmp_path / "at once" / "adapter", tmp_path / "at once" / "1")
    engine.saved("slow")
    go_on = threading.Event()
    module = checkpoint if kind == "checkpoint" else adapter_files
    write = module.save_file

    def take_time(*args: Any, **more: Any) -> None:
        assert go_on.wait(60)
        write(*args, **more)

    monkeypatch.setattr(module, "save_file", take_time)
    engine.save("slow", tmp_path / "late" / "adapter", tmp_path / "late" / "1")
    assert engine.train_epoch("other").epoch == 1
    assert engine.train_epoch("slow").epoch == 2
    assert not (tmp_path / "late" / "1" / "state.json").exists()
    go_on.set()
    engine.saved("slow")
    assert files(tmp_path / "late") == files(tmp_path / "at once")


def test_an_average_is_saved_as_it_is_shown(engine: HostEngine, tmp_path: Path) -> None:
    """The copies of an adapter and of its checkpoint share what is alike, which with an average is not the same."""
    for name, recipe in (("plain", RECIPE), ("mean", replace(RECIPE, ema_epochs=1.0))):
        engine.attach(name, recipe)
        engine.train_epoch(name)
        shown = {k: p.B.detach().clone() for k, p in engine.packed.adapter(engine._adapters[name]).items()}
        engine.save(name, tmp_path / name / "adapter", tmp_path / name / "1")
        engine.train_epoch(name)
        engine.saved(name)
        written = load_file(tmp_path / name / "adapter" / "adapter_model.safetensors")
        assert all(torch.equal(written[f"base_model.model.{k}.lora_B.weight"], B) for k, B in shown.items())
    state = [load_file(tmp_path / name / "1" / "state.safetensors") for name in ("plain", "mean")]
    assert torch.equal(state[0]["parameters"], state[1]["parameters"])
    assert not torch.equal(state[1]["parameters"], state[1]["average"])


def test_what_goes_wrong_with_files_is_heard_by_whoever_waits_for_them(
    engine: HostEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    engine.attach("full", RECIPE)
    engine.train_epoch("full")
    with monkeypatch.context() as patch:
        patch.setattr(Snapshot, "write", full)
        engine.save("full", tmp_path / "a", tmp_path / "1")
        for wait in (engine.publish, engine.saved):
            with pytest.raises(OSError, match="No space left"):
                wait("full")
        engine.save("full", tmp_path / "a", tmp_path / "1")
        with pytest.raises(OSError, match="No space left"):
            engine.save("full", tmp_path / "a")
        engine.save("full", tmp_path / "a", tmp_path / "1")
        engine.detach("full")
    assert "files of full were not written: OSError(28" in caplog.text
    engine.attach("full", RECIPE)
    engine.saved("full")


def test_a_host_that_is_closed_has_written_its_files(
    tiny_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Snapshot.write

    def slow(snapshot: Snapshot, directory: Path) -> None:
        time.sleep(0.3)
        usual(snapshot, directory)

    monkeypatch.setattr(Snapshot, "write", slow)
    with make_engine(tiny_model_dir) as host:
        host.attach("t", RECIPE)
        host.train_epoch("t")
        host.save("t", tmp_path / "adapter", tmp_path / "1")
    assert Snapshot.read(tmp_path / "1").fields["step"] == 4


def test_a_checkpoint_is_read_before_the_worker_is_asked(
    engine: HostEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes its time stops nobody who trains."""
    engine.attach("a", RECIPE)
    engine.train_epoch("a")
    engine.save("a", tmp_path / "adapter", tmp_path / "1")
    engine.saved("a")
    readers: list[str] = []
    usual = Snapshot.read.__func__  # type: ignore[attr-defined]

    def read(cls: type[Snapshot], directory: Path) -> Any:
        readers.append(threading.current_thread().name)
        return usual(cls, directory)

    monkeypatch.setattr(Snapshot, "read", classmethod(read))
    engine.attach("a", RECIPE, tmp_path / "1")
    assert readers == [threading.current_thread().name]
    assert engine.train_epoch("a").epoch == 2


class Event:
    """Of a device that needs time: what it was to copy is there once somebody has waited."""

    def __init__(self) -> None:
        self.recorded = False

    def record(self) -> None:
        self.recorded = True

    def synchronize(self) -> None:
        assert self.recorded
        self.waited = True


@pytest.mark.parametrize("lockable", [True, False])
def test_a_device_that_copies_by_itself_is_waited_for_before_anything_is_read(
    monkeypatch: pytest.MonkeyPatch, lockable: bool
) -> None:
    events: list[Event] = []
    locked: list[bool] = []
    usual = torch.empty

    def empty(*sizes: Any, pin_memory: bool = False, **more: Any) -> torch.Tensor:
        locked.append(pin_memory)
        if pin_memory and not lockable:
            raise RuntimeError("CUDA error: out of memory")
        return usual(*sizes, **more)

    monkeypatch.setattr(checkpoint, "_KINDS", ("cpu",))
    monkeypatch.setattr(torch.cuda, "Event", lambda: events.append(Event()) or events[-1])
    monkeypatch.setattr(torch, "empty", empty)
    flat = torch.arange(6.0)
    tensors = {"adapter": flat, "parameters": flat, "half": flat[:3], "step": torch.tensor(2.0)}
    copies, arrived = to_main_memory(tensors)
    flat += 1
    (event,) = events
    assert event.recorded
    arrived()
    assert event.waited
    assert copies["adapter"] is copies["parameters"]
    assert {name: copy.tolist() for name, copy in copies.items()} == {
        "adapter": [0, 1, 2, 3, 4, 5],
        "parameters": [0, 1, 2, 3, 4, 5],
        "half": [0, 1, 2],
        "step": 2.0,
    }
    assert locked == ([True] * 3 if lockable else [True, False] * 3)


def test_a_trial_has_one_writer_at_a_time_and_others_do_not_wait_for_it() -> None:
    writers, go_on, written = Writers(), threading.Event(), []

    def slow(name: str) -> None:
        assert go_on.wait(60)
        written.append(name)

    writers.begin("a", lambda: slow("first"))
    writers.begin("b", lambda: written.append("other"))
    writers.finish("b")
    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(writers.begin, "a", lambda: written.append("second"))
        assert not writers.wait_for_all(0.05)
        assert not second.done()
        go_on.set()
        second.result(60)
    writers.finish("a")
    assert written == ["other", "first", "second"]
    assert writers.wait_for_all(0)


def test_a_writer_that_cannot_be_started_is_waited_for_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    writers = Writers()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="new thread"):
            writers.begin("a", lambda: None)
    writers.wait("a")
    writers.finish("a")
