"""Everything that is a host passes the contract of hosts: engine, actor, replicas and both fakes."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from raykft.errors import LostError
from raykft.paths import CHECKPOINT_STATE
from raykft.records import Document, TrainRow
from raykft.testing.contracts import RECIPE, HostContract
from raykft.testing.fake_cluster import FakeTrainingHost
from raykft.testing.fakes import FakeHost

ROWS = [TrainRow(id=f"t{n}", instruction=f"What is {n}?", output=f"It is {n * n}.") for n in range(6)]
DISTRACTORS = [TrainRow(id=f"d{n}", instruction=f"Say {n}.", output="Hm.", kind="distractor") for n in range(6)]
TEXT = [Document("squares", "The square of 1 is 1. The square of 2 is 4. " * 5)]


def host_config(base_model: str) -> Any:
    from raykft.hosts.actor import HostConfig

    return HostConfig(
        base_model=base_model,
        quantization="nf4",
        residency="auto",
        device="cpu",
        system_prompt=None,
        plain_prompt="{question}",
        max_length=128,
        batch_size=8,
        threads=1,
        hosts_on_node=1,
    )


class TestFakeHost(HostContract):
    @pytest.fixture
    def host(self) -> FakeHost:
        return FakeHost()


class TestFakeTrainingHost(HostContract):
    @pytest.fixture
    def host(self) -> FakeTrainingHost:
        return FakeTrainingHost(host_config("fake:0"), ROWS, DISTRACTORS, TEXT)


@pytest.fixture(scope="module")
def engine(tiny_model_dir: Path) -> Iterator[Any]:
    import torch

    from raykft.models.load import load_base
    from raykft.models.source import resolve_model
    from raykft.train.engine import HostEngine

    source = resolve_model(str(tiny_model_dir))
    base = load_base(source, quantization="nf4", residency="auto", device=torch.device("cpu"))
    with HostEngine(
        base, train_rows=ROWS, distractors=DISTRACTORS, text=TEXT, system_prompt=None, max_length=128, batch_size=8
    ) as made:
        yield made


@pytest.fixture(scope="module")
def training_host(tiny_model_dir: Path) -> Any:
    from raykft.hosts.actor import TrainingHost

    return TrainingHost(host_config(str(tiny_model_dir)), ROWS, DISTRACTORS, TEXT)


@pytest.fixture(scope="module")
def remote_host(embedded_ray: None, tiny_model_dir: Path) -> Iterator[Any]:
    import ray

    from raykft.hosts.actor import TrainingHost
    from raykft.hosts.remote import RemoteHost

    actor = ray.remote(TrainingHost).options(max_concurrency=8, num_cpus=0)
    handle = actor.remote(host_config(str(tiny_model_dir)), ROWS, DISTRACTORS, TEXT)
    yield RemoteHost(handle)
    ray.kill(handle)


@pytest.fixture(scope="module")
def parallel_host(embedded_ray: None, tiny_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    import ray

    from raykft.cluster import places
    from raykft.hosts import replicas
    from raykft.hosts.remote import RemoteHost

    plan = places.HostPlan(hosts=1, device="cpu", slots=1, replicas=2)
    arguments = [host_config(str(tiny_model_dir)), ROWS, DISTRACTORS, TEXT]
    handle = replicas.start(plan, arguments, tmp_path_factory.mktemp("replicas"), 1.0, "DEFAULT", {"num_cpus": 0})
    yield RemoteHost(handle)
    replicas.close([handle])
    ray.kill(handle)


@pytest.mark.torch
class TestHostEngine(HostContract):
    @pytest.fixture
    def host(self, engine: Any) -> Any:
        return engine


@pytest.mark.torch
class TestTrainingHost(HostContract):
    @pytest.fixture
    def host(self, training_host: Any) -> Any:
        return training_host

    def test_what_is_being_written_of_a_trial_is_written_before_it_is_forgotten(
        self, host: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever asked for a slow write may have died, and the trial be ended or begun again elsewhere."""
        from raykft.train.checkpoint import Snapshot

        usual = Snapshot.write

        def slow(self: Snapshot, directory: Path) -> None:
            time.sleep(0.5)
            usual(self, directory)

        monkeypatch.setattr(Snapshot, "write", slow)
        for number, forget in enumerate((host.detach, lambda trial: host.attach(trial, RECIPE))):
            host.attach("slow", RECIPE)
            host.train_epoch("slow")
            host.save("slow", tmp_path / "adapter", tmp_path / str(number))
            forget("slow")
            assert (tmp_path / str(number) / CHECKPOINT_STATE).is_file()
        host.detach("slow")


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
class TestRemoteHost(HostContract):
    @pytest.fixture
    def host(self, remote_host: Any) -> Any:
        return remote_host


@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
class TestParallelHost(HostContract):
    """Two replicas behind one host."""

    @pytest.fixture
    def host(self, parallel_host: Any) -> Any:
        """As soon as its replicas are up: on a machine under load Ray Train may have started them again."""
        for _ in range(60):
            with suppress(LostError):
                parallel_host.info()
                break
            time.sleep(2)
        return parallel_host
