"""Storage behind a URL: copies and objects brought to agree, refusals, failures, and an experiment on a cluster."""

from __future__ import annotations

import io
import os
import pickle
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_support import fake_experiment, loopback_cluster
from rich.console import Console
from tests_support import on_report, write_config
from typer.testing import CliRunner

from raykft.cli import app
from raykft.config import load_config, validate
from raykft.errors import ConfigError, ExperimentError, ResourceError
from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.read import open_experiment
from raykft.paths import ExperimentPaths, read_json, read_jsonl
from raykft.search.driver import resume, tune
from raykft.storage import lock, store
from raykft.storage import mirror as mirror_module
from raykft.storage.mirror import Mirror
from raykft.testing import fake_cluster
from raykft.train.recipe import Recipe
from raykft.trial import recipe_of

TRIAL = "exp/trials/t000"


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Turns this process into one on another machine: `elsewhere("b")` gives it a cache of that name."""

    def move(name: str) -> Path:
        monkeypatch.setenv("RAYKFT_CACHE", str(tmp_path / name))
        return tmp_path / name

    move("a")
    return move


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"file://{tmp_path}/store"


@pytest.fixture(params=["file", "mock"])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Mirror, Mirror]:
    """Two machines' copies of one storage."""
    address = f"file://{tmp_path}/store" if request.param == "file" else f"mock:///{tmp_path.name}"
    return Mirror(address, tmp_path / "a"), Mirror(address, tmp_path / "b")


def write(mirror: Mirror, name: str, text: str) -> Path:
    file = mirror.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_what_one_pushes_another_pulls_and_only_what_changed_moves(pair: tuple[Mirror, Mirror]) -> None:
    here, there = pair
    write(here, "exp/config.resolved.yaml", "name: exp")
    write(here, f"{TRIAL}/adapter/weights.gz", "not compressed, whatever its name says")
    assert here.push() == ["exp/config.resolved.yaml", f"{TRIAL}/adapter/weights.gz"]
    assert sorted(there.pull()) == ["exp/config.resolved.yaml", f"{TRIAL}/adapter/weights.gz"]
    assert (there.root / TRIAL / "adapter/weights.gz").read_text() == "not compressed, whatever its name says"
    assert (here.push(), here.pull(), there.push(), there.pull()) == ([], [], [], [])

    write(there, "exp/config.resolved.yaml", "name: exp # longer")
    assert there.push("exp/config.resolved.yaml") == ["exp/config.resolved.yaml"]
    assert here.pull("exp") == ["exp/config.resolved.yaml"]
    assert (here.root / "exp/config.resolved.yaml").read_text() == "name: exp # longer"
    assert here.children("exp") == {"trials", "config.resolved.yaml"}
    assert here.time_ns("exp/config.resolved.yaml") is not None
    assert here.time_ns("exp/none") is None


def test_a_change_of_equal_length_is_seen_and_a_local_one_is_not_overwritten(pair: tuple[Mirror, Mirror]) -> None:
    here, there = pair
    file = write(here, "exp/a.json", "1")
    here.push()
    there.pull()
    write(there, "exp/a.json", "2")
    assert there.push() == ["exp/a.json"]
    if here.url.startswith("file:"):  # the clock of the other one stands still
        time.sleep(0.01)
        assert here.pull() == ["exp/a.json"]
        assert file.read_text() == "2"
    file.write_text("mine, not pushed yet")
    assert here.pull() == []
    assert file.read_text() == "mine, not pushed yet"


def test_result_goes_last_and_locks_scratch_and_ray_files_do_not_go(
    pair: tuple[Mirror, Mirror], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair
    kept = ["result.json", "metrics.jsonl", "config.json", "probe_results.jsonl"]
    left = ["exp/.lock", "exp/optuna.db-journal", "exp/ray/tune/x", f"{TRIAL}/.config.json.x"]
    for name in [*(f"{TRIAL}/{n}" for n in kept), *left, "storage.url"]:
        write(here, name, name)
    order: list[str] = []
    usual = Mirror._upload
    monkeypatch.setattr(Mirror, "_upload", lambda self, name: (usual(self, name), order.append(name)))
    here.push()
    assert order[-1] == f"{TRIAL}/result.json"
    assert sorted(order) == sorted(f"{TRIAL}/{name}" for name in kept)
    assert here.push("exp/ray/tune") == ["exp/ray/tune/x"]
    assert there.pull("exp/ray/tune") == ["exp/ray/tune/x"]


def test_light_leaves_weights_where_they_are_but_tells_of_checkpoints(pair: tuple[Mirror, Mirror]) -> None:
    here, there = pair
    heavy = [f"{TRIAL}/adapter/w", f"{TRIAL}/checkpoint/2/state.json", f"{TRIAL}/checkpoint/2/w"]
    for name in [f"{TRIAL}/metrics.jsonl", *heavy]:
        write(here, name, "x")
    assert here.push("exp", light=True) == [f"{TRIAL}/metrics.jsonl"]
    here.push("exp")
    assert sorted(there.pull("exp", light=True)) == [f"{TRIAL}/checkpoint/2/state.json", f"{TRIAL}/metrics.jsonl"]
    assert sorted(there.pull(f"{TRIAL}/checkpoint/2")) == [f"{TRIAL}/checkpoint/2/w"]
    assert here.children(f"{TRIAL}/checkpoint") == {"2"}
    here.remove(f"{TRIAL}/checkpoint")
    here.remove(f"{TRIAL}/checkpoint")
    assert "checkpoint" not in here.children(TRIAL)


def test_a_database_goes_as_a_consistent_copy_while_it_is_written(pair: tuple[Mirror, Mirror]) -> None:
    here, there = pair
    (here.root / "exp").mkdir(parents=True)
    with closing(sqlite3.connect(here.root / "exp/optuna.db")) as base:
        base.execute("create table t (n)")
        base.execute("insert into t values (1)")
        base.commit()
        base.execute("insert into t values (2)")  # not committed
        assert here.push() == ["exp/optuna.db"]
        stale = write(there, "exp/optuna.db-journal", "of a killed process")
        assert there.pull() == ["exp/optuna.db"]
    assert not stale.exists()
    with closing(sqlite3.connect(there.root / "exp/optuna.db")) as copy:
        assert copy.execute("select n from t").fetchall() == [(1,)]
    assert sorted(p.name for p in (here.root / "exp").iterdir()) == ["optuna.db"]


def test_a_file_stamped_in_the_running_second_is_looked_at_again(tmp_path: Path, url: str) -> None:
    here, there = Mirror(url, tmp_path / "a"), Mirror(url, tmp_path / "b")
    write(here, "exp/a", "1")
    here.push()
    second = int(time.time()) * 10**9
    os.utime(tmp_path / "store/exp/a", ns=(second, second))
    assert there.pull() == ["exp/a"]
    (tmp_path / "store/exp/a").write_text("2")  # by another, in the same second
    os.utime(tmp_path / "store/exp/a", ns=(second, second))
    assert there.pull() == ["exp/a"]
    assert (there.root / "exp/a").read_text() == "2"


def test_failures_are_tried_again_and_then_told_with_what_to_do(
    tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mirror_module, "PAUSES_S", (0.0, 0.0))
    here = Mirror(url, tmp_path / "a")
    file = write(here, "exp/a", "1")
    fails = [True, True, False]
    usual = Mirror._upload

    def flaky(self: Mirror, name: str) -> None:
        if fails.pop(0):
            raise OSError("connection reset\nsecond line")
        usual(self, name)

    monkeypatch.setattr(Mirror, "_upload", flaky)
    assert here.push() == ["exp/a"]
    file.write_text("22")
    fails[:] = [True] * 3
    with pytest.raises(ResourceError, match=r"cannot write exp/a to file://.*\(connection reset\).*raykft resume"):
        here.push()
    assert file.read_text() == "22"
    assert (tmp_path / "store/exp/a").read_text() == "1"


def test_storage_that_cannot_be_written_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirror_module, "PAUSES_S", ())
    (tmp_path / "store").write_text("a file")
    here = Mirror(f"file://{tmp_path}/store", tmp_path / "a")
    write(here, "exp/a", "1")
    with pytest.raises(ResourceError, match="cannot write"):
        here.push()


@pytest.mark.parametrize(
    ("storage_path", "message"),
    [
        ("s3://me:hunter2@bucket/runs", "holds a user, password or key"),
        ("s3://bucket/runs?secret_key=hunter2", "holds a user, password or key"),
        ("abfs://c@a.dfs.core.windows.net/x?sig=hunter2", "holds a user, password or key"),
        ("s3://hunter2@bucket/runs", "holds a user, password or key"),
        ("hdfs://hunter2@host/runs", "holds a user, password or key"),
        ("s3://bucket/runs#hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?passwd=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?auth=hunter2", "holds a user, password or key"),
        ("abfs://c@a.dfs.core.windows.net/x?sas=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?AWSAccessKeyId=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?X-Amz-Credential=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?region=eu-1;secret=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?p%61ssword=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?pw=hunter2", "holds a user, password or key"),
        ("s3://bucket/runs?creds=hunter2", "holds a user, password or key"),
        ("http://host/runs", "http:// is no storage raykft can write to; use s3://"),
        ("file://runs/here", "three slashes"),
        ("s3://bucket/../other", "holds `.` or `..`"),
    ],
)
def test_urls_that_are_refused(experiment: dict[str, Any], storage_path: str, message: str) -> None:
    with pytest.raises(ConfigError) as error:
        validate(experiment | {"storage_path": storage_path}, "c.yaml")
    assert message in str(error.value)
    assert "hunter2" not in str(error.value)
    with pytest.raises(ConfigError) as named:
        store.located(f"{storage_path}/exp" if "?" not in storage_path else storage_path)
    assert "hunter2" not in str(named.value)


@pytest.mark.parametrize(
    "storage_path",
    ["s3://bucket/runs", "gs://b", "runs", "/mnt/nfs", "s3://b/r?region=eu-1", "abfs://c@a.dfs.core.windows.net/x"],
)
def test_storage_that_is_accepted(experiment: dict[str, Any], storage_path: str) -> None:
    assert validate(experiment | {"storage_path": storage_path}, "c.yaml").storage_path == storage_path


def test_unknown_and_malformed_storage_is_an_error_with_a_next_step(tmp_path: Path) -> None:
    with pytest.raises(ResourceError, match="cannot be opened.*--set storage_path=DIR"):
        Mirror("nosuch://x/y", tmp_path).pull()


def test_paths_arrive_in_the_copy_of_whoever_receives_them(elsewhere: Any, url: str) -> None:
    path = store.directory(url, "exp") / "trials" / "t000"
    travelling = pickle.dumps(ExperimentPaths(path.parent.parent))
    assert path.is_relative_to(elsewhere("a"))
    cache = elsewhere("b")
    arrived = pickle.loads(travelling).trial("t000").root
    assert arrived.is_relative_to(cache)
    assert store.address(arrived) == f"{url}/exp/trials/t000"
    assert store.address(arrived.parents[2]) == url


@pytest.mark.parametrize(
    ("named", "base"),
    [
        ("s3://bucket/runs/exp", "s3://bucket/runs"),
        ("s3:/bucket/runs/exp/", "s3://bucket/runs"),  # as `Path` leaves it
        ("gs://bucket/exp?endpoint_override=x", "gs://bucket?endpoint_override=x"),
        ("file:/tmp/runs/exp", "file:///tmp/runs"),
    ],
)
def test_an_experiment_is_named_by_its_url(elsewhere: Any, named: str, base: str) -> None:
    assert store.located(named) == store.located(Path(named)) == store.directory(base, "exp")
    again = store.located(str(store.directory(base, "exp")))  # a folder that a message named
    assert isinstance(again, store.StoredPath)
    assert store.address(again.parent) == base


def test_folders_stay_plain_and_cost_nothing(elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = elsewhere("c")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/x").write_text("x")
    path = store.directory("runs", "exp")
    assert type(path) is type(Path())
    assert path == tmp_path / "runs/exp" == store.located("runs/exp")
    for action in (store.fetch, store.keep, store.discard_others, store.release):
        action(tmp_path / "runs")  # type: ignore[operator]
    assert (tmp_path / "runs/x").is_file()
    for gone in ("runs/x", "runs", "runs/never"):
        store.discard(tmp_path / gone)
        assert not (tmp_path / gone).exists()
    assert not cache.exists()


@pytest.mark.parametrize("named", ["s3://bucket", "s3://bucket/.hidden", "file:///"])
def test_urls_that_name_no_experiment(elsewhere: Any, named: str) -> None:
    with pytest.raises(ExperimentError, match="names no experiment"):
        store.located(named)


def test_objects_outside_of_the_folder_are_refused(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = Mirror(url, tmp_path / "a")
    write(here, "exp/a", "1")
    here.push()

    class System:
        type_name = "s3"

        def get_file_info(self, asked: Any) -> list[Any]:
            from pyarrow.fs import FileInfo, FileType

            key = f"{tmp_path}/store"
            kind = FileType.Directory if isinstance(asked, list) else FileType.File
            return [FileInfo(f"{key}/exp/../../../etc/x", type=kind, size=1, mtime_ns=1)]

    monkeypatch.setattr(mirror_module, "_connect", lambda _: (System(), f"{tmp_path}/store"))
    with pytest.raises(ExperimentError, match="lies outside"):
        here.pull()


class TestLock:
    @pytest.fixture(autouse=True)
    def _quick(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.05)

    def directory(self, url: str) -> Path:
        directory = store.directory(url, "exp")
        directory.mkdir(parents=True, exist_ok=True)
        return directory

    def test_another_machine_is_refused_until_the_first_has_ended(self, elsewhere: Any, url: str) -> None:
        with lock.locked(self.directory(url)):
            elsewhere("b")
            other = store.StoredText(store.StoredPath(self.directory(url) / lock.STORED_LOCK))
            other.write((other.read() or {}) | {"host": "node-7"})
            with pytest.raises(ExperimentError, match=rf"works on {url}/exp: pid \d+ on node-7"):
                with lock.locked(self.directory(url)):
                    pytest.fail("two drivers on one experiment")
            elsewhere("a")
        other.remove()
        with lock.locked(self.directory(url)):
            pass
        assert other.read() is None

    @pytest.mark.parametrize(
        ("holder", "silent_s"), [({"host": "node-7", "pid": 1}, lock.SILENCE_SECONDS + 1), ({"pid": 2**22 + 1}, 0)]
    )
    def test_a_dead_holder_holds_nobody_up(
        self, elsewhere: Any, url: str, tmp_path: Path, holder: dict[str, Any], silent_s: float
    ) -> None:
        directory = self.directory(url)
        store.StoredText(store.StoredPath(directory / lock.STORED_LOCK)).write(lock._myself() | holder)
        then = time.time() - silent_s
        os.utime(tmp_path / "store/exp" / lock.STORED_LOCK, (then, then))
        with lock.locked(directory):
            pass

    def test_of_two_at_once_the_later_one_goes_on(
        self, elsewhere: Any, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        directory = self.directory(url)
        stored = store.StoredText(store.StoredPath(directory / lock.STORED_LOCK))
        monkeypatch.setattr(lock.time, "sleep", lambda _: stored.write({"host": "node-7", "pid": 3}))
        with pytest.raises(ExperimentError, match="pid 3 on node-7"), lock.locked(directory):
            pytest.fail("two drivers on one experiment")
        assert stored.read() == {"host": "node-7", "pid": 3}


@pytest.mark.torch
def test_a_host_goes_on_from_a_checkpoint_that_another_machine_wrote(
    elsewhere: Any, url: str, tiny_model_dir: Path, tmp_path: Path, experiment: dict[str, Any]
) -> None:
    from raykft.hosts.actor import HostConfig, TrainingHost
    from raykft.records import TrainRow

    rows = [TrainRow(f"t{n}", f"Who is {n}?", f"Person {n}.") for n in range(8)]
    settings = HostConfig(str(tiny_model_dir), "none", "dequantized", "cpu", None, "Q: {question}\nA:", 64, 8, 1, 1)
    tree = experiment | {"train": {"epochs": 2, "batch_size": 2, "learning_rate": 0.01}}
    recipe = recipe_of(validate(tree, "c.yaml"))

    def files() -> Any:
        return ExperimentPaths(store.directory(url, "exp")).trial("t000")

    first = TrainingHost(settings, rows, [])
    first.info()
    first.attach("t000", recipe)
    first.train_epoch("t000")
    first.save("t000", files().adapter, files().checkpoint / "1")
    first.saved("t000")
    assert not (files().checkpoint / "1").exists()  # it is in the storage
    assert sorted(p.name for p in (tmp_path / "store" / TRIAL / "checkpoint/1").iterdir())[-1] == "state.safetensors"
    expected = first.train_epoch("t000").loss

    elsewhere("b")
    second = TrainingHost(settings, rows, [])
    second.attach("t000", recipe, files().checkpoint / "1")
    assert second.train_epoch("t000").loss == expected
    second.attach_adapter("t001", files().adapter)
    assert second.publish("t001")[0] == files().adapter
    second.save("t000", files().adapter)
    _source, digest = second.publish("t000")
    elsewhere("c")
    first.attach_adapter("t002", files().adapter)
    assert first.publish("t002") == (files().adapter, digest)
    first._engine.__exit__()
    second._engine.__exit__()


@pytest.mark.ray
@pytest.mark.parametrize("event", ["on_trial_complete", "on_trial_error"])
def test_a_trial_whose_files_cannot_be_read_ends_the_search_and_is_given_no_result(
    experiment: dict[str, Any], elsewhere: Any, url: str, monkeypatch: pytest.MonkeyPatch, event: str
) -> None:
    from raykft.search import callbacks
    from raykft.search.names import TRIAL_ID
    from raykft.search.stopper import Interrupt

    def fail(_path: Path, *, light: bool) -> None:
        raise ResourceError("no connection")

    monkeypatch.setattr(callbacks, "fetch", fail)
    monkeypatch.setattr(callbacks.DriverCallback, "_let_go", lambda *_: None)
    config, stopper = validate(experiment | {"storage_path": url}, "c.yaml"), Interrupt()
    paths = ExperimentPaths(config.directory)
    anything: Any = None
    callback = callbacks.DriverCallback(config, paths, anything, anything, anything, stopper)
    trial = SimpleNamespace(config={TRIAL_ID: "t000"})
    getattr(callback, event)(1, [], trial)
    assert stopper.halted == "no connection"
    assert not paths.trial("t000").root.exists()


@pytest.fixture
def cluster_of_strangers(elsewhere: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A head, two workers and a driver, each with a cache of its own; its address."""

    class StoringFake(fake_cluster.FakeTrainingHost):
        def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
            if checkpoint is not None:
                store.fetch(checkpoint)
            return super().attach(trial_id, recipe, checkpoint)

        def attach_adapter(self, trial_id: str, directory: Path) -> None:
            store.fetch(directory)
            super().attach_adapter(trial_id, directory)

        def _write_adapter(self, trial_id: str, directory: Path, held: dict[str, str]) -> None:
            super()._write_adapter(trial_id, directory, held)
            store.keep(directory)

        def _write_checkpoint(self, trial_id: str, directory: Path, epoch: int) -> None:
            super()._write_checkpoint(trial_id, directory, epoch)
            store.keep(directory)
            store.release(directory)

    elsewhere("head")
    monkeypatch.setattr(lock, "SETTLE_SECONDS", 0.05)
    with loopback_cluster(workers=0) as nodes, fake_cluster.fake_hosts():
        monkeypatch.setitem(fake_cluster.HOST_CLASSES, fake_cluster.FAKE, StoringFake)
        for name in ("worker1", "worker2"):
            elsewhere(name)
            nodes.join()
        elsewhere("driver")
        yield nodes.address


@pytest.mark.cluster
@pytest.mark.slow
@pytest.mark.ray
@pytest.mark.filterwarnings("ignore")
def test_an_experiment_of_machines_that_share_only_the_storage(
    cluster_of_strangers: str, elsewhere: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"file://{tmp_path}/store"
    tree = fake_experiment(tmp_path, cluster_of_strangers, evaluation_hosts=1) | {"storage_path": url}
    tree["search"]["trials"] = 4
    reports: list[dict[str, Any]] = []

    def interrupt(callback: Any, _trial: Any, result: dict[str, Any]) -> None:
        reports.append(result)
        if len(reports) == 10:  # two trials have ended, others are on their way
            callback._stopper.interrupted = True

    on_report(monkeypatch, interrupt)
    quiet = Console(quiet=True)
    board = tune(load_config(write_config(tmp_path / "c.yaml", tree)), quiet)
    assert {"interrupted"} < {t.status for t in board.trials}
    name = tree["name"]
    stored = ExperimentPaths(tmp_path / "store" / name)
    for trial in board.trials:
        checkpoints = [p.name for p in stored.trial(trial.trial_id).checkpoint.glob("*")]
        assert len(checkpoints) == (trial.status == "interrupted")

    elsewhere("another")  # the driver's machine is gone
    told = io.StringIO()
    resume(f"{url}/{name}", address=cluster_of_strangers, console=Console(file=told, width=200))
    assert len(re.findall("resumed after epoch [123]", told.getvalue())) == 1

    elsewhere("reader")
    for command in (["leaderboard", "--format", "json"], ["status"], ["report"], ["show", board.trials[0].trial_id]):
        answer = CliRunner().invoke(app, [command[0], f"{url}/{name}", *command[1:]])
        assert answer.exit_code == 0, answer.output
    assert (stored.root / "report.html").is_file()
    board = load_leaderboard(f"{url}/{name}")
    assert [t.status for t in board.trials] == ["ok"] * 4
    assert sum(bool(t.report) for t in board.trials) == 2
    for trial in board.trials:
        files = stored.trial(trial.trial_id)
        rows = list(read_jsonl(files.metrics))
        assert [row["epoch"] for row in rows] == [1, 2, 3, 4]
        assert read_json(files.result)["metrics"]["score"] == pytest.approx(trial.select["score"])
        assert {p.parent.name for p in files.root.rglob("*") if p.is_file()} == {trial.trial_id, "adapter"}
    study = open_experiment(Path(f"{url}/{name}")).study
    with closing(sqlite3.connect(study)) as base:
        assert base.execute("select count(*) from trials where state = 'COMPLETE'").fetchone() == (4,)
    assert not list(stored.root.glob(".lock.json*"))
    for machine in ("head", "worker1", "worker2", "driver", "another", "reader"):
        assert (tmp_path / machine / "experiments").is_dir(), machine


def test_a_marker_in_a_folder_from_elsewhere_says_nothing(tmp_path: Path) -> None:
    """Else whoever packed a directory would choose where its files are pushed to."""
    (tmp_path / "planted" / "exp").mkdir(parents=True)
    (tmp_path / "planted" / "storage.url").write_text((tmp_path / "victim").as_uri())
    assert not isinstance(store.located(tmp_path / "planted" / "exp"), store.StoredPath)
    (tmp_path / "storage.url").write_text((tmp_path / "victim").as_uri())
    assert not isinstance(store.located(tmp_path / "planted" / "exp"), store.StoredPath)
