"""What fails in a search: hosts, the evaluator, the broker, a trial's memory. Every trial still ends once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from safetensors.torch import load_file
from tests_support import assert_scored_once, experiment_tree, on_report, write_config

from raykft.config import load_config
from raykft.errors import OutOfMemoryError, ResourceError
from raykft.hosts import crew, remote
from raykft.leaderboard.board import Leaderboard, load_leaderboard
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.search import run as run_module
from raykft.search.callbacks import DriverCallback
from raykft.search.driver import tune
from raykft.search.names import id_of
from raykft.search.processes import Controller
from raykft.search.trainable import MAX_LOSSES
from raykft.testing.fake_cluster import FakeTrainingHost, fake_hosts
from raykft.train.inference import typed_error
from raykft.train.recipe import EpochResult, Recipe

pytestmark = [
    pytest.mark.ray,
    pytest.mark.spread,
    pytest.mark.filterwarnings("ignore"),
]  # Ray warns of many things, run by run
EPOCHS = 4
FULL_FLAG = "disk_is_full"


@pytest.fixture
def fakes(embedded_ray: None) -> Iterator[None]:
    from ray import cloudpickle

    # Workers cannot import this module: its classes travel whole.
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    with fake_hosts():
        yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def tree_of(tmp_path: Path, name: str, trials: int, base_model: str = "fake:0.1") -> dict[str, Any]:
    tree = experiment_tree(tmp_path, base_model)
    tree |= {"name": name, "train": {"epochs": EPOCHS, "batch_size": 8}, "logging": []}
    tree["search"] = {
        "race": False,
        "trials": trials,
        "scheduler": "none",
        "startup_trials": 1,
        "space": {"train.learning_rate": {"log": [1e-4, 1e-2]}},
    }
    tree["evaluate"] = {"report_top": 1, "baselines": []}
    return tree


def run(tmp_path: Path, tree: dict[str, Any], console: Console | None = None) -> Leaderboard:
    return tune(load_config(write_config(tmp_path / "c.yaml", tree)), console or Console(quiet=True))


def once(monkeypatch: pytest.MonkeyPatch, epoch: int, action: Callable[[Any], None]) -> list[str]:
    """Call `action` with the driver's callback at the first report of `epoch`; returns the trials it happened to."""
    done: list[str] = []

    def act(callback: Any, trial: Any, result: dict[str, Any]) -> None:
        if not done and result["epoch"] == epoch:
            done.append(id_of(trial.config))
            action(callback)

    on_report(monkeypatch, act)
    return done


def crash(handle: Any) -> None:
    import ray

    ray.kill(handle, no_restart=False)


def keep_crews(monkeypatch: pytest.MonkeyPatch) -> list[crew.Crew]:
    crews: list[crew.Crew] = []
    start = crew.Crew._start

    def started(self: crew.Crew) -> None:
        crews.append(self)
        start(self)

    monkeypatch.setattr(crew.Crew, "_start", started)
    return crews


def test_a_host_that_dies_takes_no_trial_with_it(fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = once(monkeypatch, 2, lambda callback: crash(callback._hosts["host0"]))
    board = run(tmp_path, tree_of(tmp_path, "host", 4))
    assert done
    assert_scored_once(board, 4)


@pytest.mark.parametrize("stage", ["score_adapter", "_with_retrieval"])
def test_a_host_that_dies_at_the_report_stage_costs_no_board(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    from raykft.search import held_out

    crews, usual, deaths = keep_crews(monkeypatch), getattr(held_out, stage), []

    def dying(*args: Any) -> Any:
        if len(deaths) < 2:
            deaths.append("host0")
            crash(crews[0].hosts["host0"])
        return usual(*args)

    monkeypatch.setattr(held_out, stage, dying)
    tree = tree_of(tmp_path, "reported", 4)
    tree["evaluate"] = {"report_top": 3, "baselines": ["bm25"]}
    board = run(tmp_path, tree)
    assert deaths
    assert len(board.reported) == 3
    assert_scored_once(board, 4)
    assert any(b.name == "tuned_bm25" for b in board.baselines)


@pytest.mark.parametrize("actor", ["evaluator", "broker"])
def test_the_evaluator_and_the_broker_start_again(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, actor: str
) -> None:
    monkeypatch.setattr(remote, "INLINE_BYTES", 100)  # as with much data: what they were given lies in the object store
    crews = keep_crews(monkeypatch)
    done = once(monkeypatch, 2, lambda callback: crash(getattr(crews[0], actor)))
    board = run(tmp_path, tree_of(tmp_path, actor, 4))
    assert done
    assert_scored_once(board, 4)


def test_a_dead_trial_process_leaves_no_lease_behind(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With one slot in all, the trial that waits would wait for ever for the lease of the one that died."""
    killed: list[int] = []

    def kill(_callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        if len(killed) < 2 and result["epoch"] == 2:
            killed.append(result["pid"])
            os.kill(result["pid"], signal.SIGKILL)

    on_report(monkeypatch, kill)
    tree = tree_of(tmp_path, "lease", 2)
    tree["resources"] = {"hosts": 1, "slots_per_host": 1}
    board = run(tmp_path, tree)
    assert len(killed) == 2
    assert_scored_once(board, 2)


def test_a_kept_process_that_died_while_it_waited_costs_no_trial(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tune hears of it twice, by the actor that is gone and by the call that failed: it would give the trial up."""
    import ray

    usual, killed = Controller._schedule_trial_reset, []

    def reset(self: Any, trial: Any, *args: Any) -> None:
        if len(killed) < 2:
            killed.append(id_of(trial.config))
            ray.kill(trial.temporary_state.ray_actor)
        usual(self, trial, *args)

    monkeypatch.setattr(Controller, "_schedule_trial_reset", reset)
    tree = tree_of(tmp_path, "kept", 6)
    tree["resources"] = {"hosts": 1, "slots_per_host": 1}
    board = run(tmp_path, tree)
    assert len(killed) == 2
    assert_scored_once(board, 6)


@pytest.mark.parametrize("kills", [MAX_LOSSES, MAX_LOSSES + 1])
def test_one_death_of_a_process_that_begins_is_one_failure(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kills: int
) -> None:
    import ray

    usual, killed = DriverCallback.on_trial_start, []

    def start(self: Any, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        usual(self, iteration, trials, trial, **info)
        if len(killed) < kills and id_of(trial.config).startswith("t000"):
            killed.append(trial.temporary_state.ray_actor)
            ray.kill(killed[-1])

    monkeypatch.setattr(DriverCallback, "on_trial_start", start)
    board = run(tmp_path, tree_of(tmp_path, "begins", 2))
    assert len(killed) == kills
    if kills > MAX_LOSSES:
        (lost,) = [t for t in board.trials if t.status == "lost"]
        assert lost.reason.startswith(f"its process died {kills} times: ")
    else:
        assert_scored_once(board, 2)


class SmallMemory(FakeTrainingHost):
    """Too small for micro-batches of more than `ROOM`."""

    ROOM = 4

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        self.batches = getattr(self, "batches", {}) | {trial_id: recipe.batch_size}
        return super().attach(trial_id, recipe, checkpoint)

    def train_epoch(self, trial_id: str) -> EpochResult:
        report = super().train_epoch(trial_id)
        if report.epoch == 2 and self.batches[trial_id] > self.ROOM:
            raise OutOfMemoryError("the device ran out of memory")
        return report


class Broken(FakeTrainingHost):
    """Has a bug for rates above 1e-3, dies for those above 5e-3."""

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        if recipe.learning_rate > 5e-3:
            os._exit(1)
        if recipe.learning_rate > 1e-3:
            raise KeyError("a bug")
        return super().attach(trial_id, recipe, checkpoint)


def test_out_of_memory_is_tried_again_with_smaller_batches(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(crew.HOST_CLASSES, crew.FAKE, SmallMemory)
    tree = tree_of(tmp_path, "memory", 2, "fake:0")
    tree["search"] |= {"searcher": "grid", "space": {"train.batch_size": {"choice": [8, 16]}}}
    board = run(tmp_path, tree)
    by_size = {t.sample["train.batch_size"]: t for t in board.trials}
    paths = ExperimentPaths(board.directory)
    assert by_size[8].status == "ok"
    assert by_size[8].reason == "ran out of memory with micro-batches of 8, trained with smaller ones"
    train = read_json(paths.trial(by_size[8].trial_id).config)["config"]["train"]
    assert (train["batch_size"], train["accumulation"]) == (4, 2)
    rows = list(read_jsonl(paths.trial(by_size[8].trial_id).metrics))
    assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
    assert (by_size[16].status, by_size[16].rank) == ("out_of_memory", None)
    assert "ran out of memory" in by_size[16].reason


def test_bugs_and_hosts_that_always_die_end_one_trial_and_say_why(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(crew.HOST_CLASSES, crew.FAKE, Broken)
    tree = tree_of(tmp_path, "broken", 3, "fake:0")
    tree["search"] |= {"searcher": "grid", "space": {"train.learning_rate": {"choice": [1e-4, 2e-3, 6e-3]}}}
    tree["resources"] = {"hosts": 2, "slots_per_host": 1}
    board = run(tmp_path, tree)
    by_rate = {t.sample["train.learning_rate"]: t for t in board.trials}
    assert by_rate[1e-4].status == "ok"
    assert by_rate[2e-3].status == "failed"
    assert by_rate[2e-3].reason.startswith("KeyError: 'a bug'; traceback: ")
    assert "raise KeyError" in Path(by_rate[2e-3].reason.partition("traceback: ")[2]).read_text()
    assert by_rate[6e-3].status == "lost"
    assert "died" in by_rate[6e-3].reason


class FullDisk(FakeTrainingHost):
    """Its storage takes one checkpoint a trial, for as long as the file `FULL_FLAG` is there."""

    def _write_checkpoint(self, trial_id: str, directory: Path, epoch: int) -> None:
        if directory.name == "2" and (directory.parents[5] / FULL_FLAG).exists():
            directory.mkdir(parents=True)
            with open("/dev/full", "w", encoding="utf-8") as stream:  # every write: no space left on device
                stream.write("state")
        super()._write_checkpoint(trial_id, directory, epoch)


def test_a_full_disk_ends_the_search_and_loses_nothing(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(crew.HOST_CLASSES, crew.FAKE, FullDisk)
    tree = tree_of(tmp_path, "full", 2, "fake:0")
    (tmp_path / FULL_FLAG).touch()
    with pytest.raises(
        ResourceError, match=r"No space left on device.*free some space, then go on with `raykft resume"
    ):
        run(tmp_path, tree)
    (tmp_path / FULL_FLAG).unlink()
    said = Console(record=True, width=160, file=StringIO())
    board = run(tmp_path, tree, said)
    text = said.export_text()
    assert "resumed after epoch 1" in text
    assert "reused" not in text
    assert_scored_once(board, 2)


class SlowDisk(FakeTrainingHost):
    """Takes its time for the checkpoint of a second epoch; whoever asked for it may be gone by then."""

    SECONDS = 3.0

    def _write(self, file: Path, content: bytes) -> None:
        for _ in range(round(10 * self.SECONDS) if file.parent.name == "2" else 1):
            super()._write(file.with_name(".scratch"), content)
            time.sleep(0.1)
        file.with_name(".scratch").replace(file)


def written_last(paths: ExperimentPaths, status: str) -> dict[str, list[str]]:
    """What was written of every trial that ended so after its result, as far as it is still there."""
    late = {}
    for folder in paths.trials.iterdir():
        if read_json(folder / "result.json")["status"] == status:
            end = (folder / "result.json").stat().st_mtime_ns
            late[folder.name] = [str(f) for f in folder.rglob("*") if f.is_file() and f.stat().st_mtime_ns > end]
    return late


def wait_for_slow_write(paths: ExperimentPaths) -> str:
    """The trial whose slow checkpoint is being written."""
    while not (begun := list(paths.trials.glob("*/checkpoint/2/.scratch"))):
        time.sleep(0.02)
    return begun[0].parents[2].name


def test_a_host_writes_nothing_of_a_trial_that_was_given_up(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process that asked for a checkpoint dies while it is written; other trials keep the host."""
    pids: dict[str, int] = {}
    on_report(monkeypatch, lambda _callback, trial, result: pids.update({id_of(trial.config): result["pid"]}))
    monkeypatch.setattr(run_module, "MAX_LOSSES", 0)
    monkeypatch.setitem(crew.HOST_CLASSES, crew.FAKE, SlowDisk)
    paths = ExperimentPaths(tmp_path / "runs" / "given-up")
    killer = threading.Thread(target=lambda: os.kill(pids[wait_for_slow_write(paths)], signal.SIGKILL), daemon=True)
    killer.start()
    board = run(tmp_path, tree_of(tmp_path, "given-up", 2, "fake:0"))
    lost, _ = sorted(board.trials, key=lambda t: t.status)
    assert [t.status for t in board.trials if t is not lost] == ["ok"]
    assert (lost.status, lost.reason.partition(":")[0]) == ("lost", "its process died 1 times")
    assert list(written_last(paths, "lost").values()) == [[]]
    assert not list(paths.trials.glob("*/checkpoint"))


def test_nobody_writes_of_an_interrupted_trial_after_its_result(
    fakes: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, late = run_module.mark_interrupted, []

    def marked(paths: ExperimentPaths) -> None:
        mark(paths)
        time.sleep(1)  # in which the hosts are still there
        late.append(written_last(paths, "interrupted"))

    def hasty(self: Any, *args: Any, **options: Any) -> None:
        usual(self, *args, **options)
        self._actor_force_cleanup_timeout = 0  # for which Tune waits before it kills a trial's process

    usual = Controller.__init__
    monkeypatch.setattr(Controller, "__init__", hasty)
    monkeypatch.setattr(run_module, "mark_interrupted", marked)
    monkeypatch.setitem(crew.HOST_CLASSES, crew.FAKE, SlowDisk)
    monkeypatch.setattr(SlowDisk, "SECONDS", 8.0)
    paths = ExperimentPaths(tmp_path / "runs" / "interrupted")

    def interrupt() -> None:
        wait_for_slow_write(paths)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt, daemon=True).start()
    tree = tree_of(tmp_path, "interrupted", 2, "fake:0")
    board = run(tmp_path, tree)
    assert {t.status for t in board.trials} == {"interrupted"}
    assert late == [{t.trial_id: [] for t in board.trials}]
    monkeypatch.setattr(SlowDisk, "SECONDS", 0.1)
    assert_scored_once(run(tmp_path, tree), 2)


@pytest.mark.parametrize(
    ("error", "memory"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), True),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:121] CPUAllocator: can't allocate memory: you"),
            True,
        ),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (MemoryError(), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("can't allocate memory"), False),
    ],
)
def test_what_torch_says_when_memory_runs_out_is_one_error(error: Exception, memory: bool) -> None:
    typed = typed_error(error)
    assert isinstance(typed, OutOfMemoryError) == memory
    assert memory or typed is error


def test_torch_itself_cannot_allocate() -> None:
    with pytest.raises(RuntimeError) as caught:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert isinstance(typed_error(caught.value), OutOfMemoryError)


@pytest.mark.slow
def test_a_host_killed_in_the_middle_of_an_epoch_changes_nothing(
    embedded_ray: None, tmp_path: Path, tiny_model_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The resumed trial's adapter is bit for bit that of an undisturbed run."""

    def adapter(name: str) -> dict[str, Any]:
        tree = tree_of(tmp_path, name, 1, str(tiny_model_dir))
        tree["adapter"] = {"dropout": 0.1}
        tree["search"]["space"] = {"train.learning_rate": {"choice": [1e-3]}}
        tree["evaluate"] |= {"rung_probes": 2, "rung_general": 1}
        tree["resources"] = {"hosts": 1}
        board = run(tmp_path, tree)
        assert_scored_once(board, 1)
        files = ExperimentPaths(board.directory).trial(board.trials[0].trial_id)
        return load_file(files.adapter / "adapter_model.safetensors")

    undisturbed = adapter("calm")

    def crash_later(callback: Any) -> None:
        time.sleep(0.1)  # the next epoch has begun
        crash(callback._hosts["host0"])

    done = once(monkeypatch, 2, crash_later)
    disturbed = adapter("disturbed")
    assert done
    assert disturbed.keys() == undisturbed.keys()
    assert all(disturbed[name].equal(undisturbed[name]) for name in disturbed)


KILLS_THE_NODE = """
import sys
import psutil
from raykft.config import load_config
from raykft.errors import RaykftError
from raykft.hosts import crew
from raykft.search import callbacks
from raykft.search.driver import tune
from raykft.testing.fake_cluster import fake_hosts

def killing(usual):
    def replaced(*arguments, **options):
        for process in psutil.Process().children(recursive=True):
            if process.name() == "raylet":
                process.send_signal(int(sys.argv[3]))
        return usual(*arguments, **options)
    return replaced

crew.EMBEDDED_WAIT_MINUTES, callbacks.CHECK_SECONDS = 0.1, 1.0
at = {"places": (crew.places, "reserve"), "trials": (callbacks.DriverCallback, "on_trial_result")}[sys.argv[2]]
setattr(*at, killing(getattr(*at)))
try:
    with fake_hosts():
        tune(load_config(sys.argv[1]))
except RaykftError as error:
    sys.exit(f"told: {error}")
"""


@pytest.mark.parametrize(("moment", "number"), [("places", signal.SIGKILL), ("trials", signal.SIGTERM)])
def test_a_run_does_not_outlive_its_only_node(tmp_path: Path, moment: str, number: int) -> None:
    """Ray and Tune would wait for another node, without end and without a word. (Where the
    node is killed under calls that are on their way Ray ends the driver itself.)"""
    config = write_config(tmp_path / "c.yaml", tree_of(tmp_path, "alone", 6, base_model="fake:0.5"))
    own = {name: value for name, value in os.environ.items() if name != "RAY_ADDRESS"}
    command = [sys.executable, "-c", KILLS_THE_NODE, str(config), moment, str(int(number))]
    ended = subprocess.run(command, env=own, capture_output=True, text=True, timeout=170, check=False)
    assert ended.returncode == 1, ended
    assert moment == "trials" or "told: Ray's own processes on this machine have ended" in ended.stderr
    board = load_leaderboard(tmp_path / "runs" / "alone") if moment == "trials" else None
    assert board is None or not [t for t in board.trials if t.status.finished and not t.status.learned]
