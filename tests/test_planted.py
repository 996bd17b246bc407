"""An experiment directory from elsewhere: reading it changes nothing outside, runs nothing and contacts nobody.

Every command that only reads runs under an audit hook, which hears of each file that Python opens for writing, each
process, each connection and each class that a pickle asks for. What is planted: markers and addresses that name other
places, links in place of files, pickles and modules with a payload, a base model on a hub.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from test_damage import WINNER, build

from raykft.paths import ExperimentPaths
from raykft.untrusted.yaml_text import parse_yaml

SPY = Path(__file__).with_name("audit_spy.py")
EVIL = "http://198.51.100.7:9"  # a documentation address: nobody answers


class Payload:
    """Unpickled it leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = str(mark)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.mark, "w"))


@pytest.fixture(scope="module")
def planted(tmp_path_factory: pytest.TempPathFactory) -> tuple[ExperimentPaths, Path]:
    """The directory, and the folder of all that must not change."""
    folder = tmp_path_factory.mktemp("planted")
    outside = folder / "outside"
    outside.mkdir()
    (outside / "precious").write_text("kept")
    (folder / "from elsewhere").mkdir()
    paths = build(folder / "from elsewhere")
    root = paths.root
    for place in (root.parent, root):
        (place / "storage.url").write_text((outside / "pushed").as_uri())
    tree = parse_yaml(paths.config.read_text(encoding="utf-8"), "config")
    tree["storage_path"] = "s3://evil-bucket/experiments"
    tree["base_model"] = "evil/model-with-code-of-its-own"
    tree["logging"] = ["mlflow", "wandb", "prometheus"]
    paths.config.write_text(json.dumps(tree), encoding="utf-8")
    trial = paths.trial(WINNER).config
    own = json.loads(trial.read_text(encoding="utf-8"))
    own["config"]["base_model"] = tree["base_model"]
    trial.write_text(json.dumps(own), encoding="utf-8")
    for name in (".lock", "leaderboard.json", "leaderboard.md", "report.html", "run.json"):
        (root / name).unlink(missing_ok=True)
        (root / name).symlink_to(outside / "precious")
    (root / "trials" / "t900-linked").symlink_to(outside)
    for name in ("experiment_state.pkl", "tuner.pkl", "adapter_model.bin", "training_args.bin", "searcher.pkl"):
        for directory in (root, paths.trial(WINNER).root, paths.trial(WINNER).adapter):
            (directory / name).write_bytes(pickle.dumps(Payload(outside / f"unpickled-{name}")))
    for name in ("raykft", "torch", "optuna", "sitecustomize", "usercustomize", "configuration_evil"):
        (root / f"{name}.py").write_text(f"open({str(outside / name)!r}, 'w')\n")
    return paths, outside


def run(planted: tuple[ExperimentPaths, Path], *command: str) -> tuple[str, list[list[str]]]:
    """Run a command in the planted directory; how it ended, and what the hook heard."""
    paths, outside = planted
    scratch = outside.parent / "scratch"
    scratch.mkdir(exist_ok=True)
    env = os.environ | {
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(scratch),
        "TORCHINDUCTOR_CACHE_DIR": str(scratch),
        "MLFLOW_TRACKING_URI": EVIL,
    }
    own = json.dumps([str(paths.root), str(outside.parent / "out"), str(scratch)])
    done = subprocess.run(
        [sys.executable, str(SPY), own, *command],
        cwd=paths.root, env=env, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("SPY ")]
    assert lines, done.stderr[-2000:]
    outcome, heard = json.loads(lines[-1].removeprefix("SPY "))
    return outcome, heard


COMMANDS: dict[str, tuple[str, ...]] = {
    "board": ("leaderboard", "DIR"),
    "json": ("leaderboard", "DIR", "--format", "json"),
    "status": ("status", "DIR"),
    "show": ("show", "DIR", WINNER),
    "overlap": ("show", "DIR", WINNER, "--overlap"),
    "report": ("report", "DIR"),
    "export": ("export", "DIR", WINNER, "OUT"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_reading_a_planted_directory_does_nothing_else(planted: tuple[ExperimentPaths, Path], command: str) -> None:
    paths, outside = planted
    (outside.parent / "out").mkdir(exist_ok=True)
    places = {"DIR": str(paths.root), "OUT": str(outside.parent / "out" / command)}
    outcome, heard = run(planted, *(places.get(word, word) for word in COMMANDS[command]))
    assert heard == []
    assert outcome == "done"
    assert {file.name for file in outside.iterdir()} == {"precious"}
    assert (outside / "precious").read_text() == "kept"


DEEDS = {
    "writes": "open({outside!r} + '/precious', 'a').close()",
    "renames": "import os; os.rename({outside!r} + '/precious', {outside!r} + '/precious')",
    "runs": "import subprocess; subprocess.run(['true'])",
    "connects": "import socket; s = socket.socket(); s.settimeout(.01); s.connect_ex(('198.51.100.7', 9))",
    "unpickles": "import pickle; pickle.load(open('tuner.pkl', 'rb'))",
    "imports": "import runpy, os; runpy.run_path(os.path.abspath('optuna.py'))",
}


@pytest.mark.parametrize("deed", DEEDS)
def test_the_hook_hears_what_it_is_there_for(planted: tuple[ExperimentPaths, Path], deed: str) -> None:
    """Else the tests above could not fail."""
    _, outside = planted
    _, heard = run(planted, "--deed", DEEDS[deed].format(outside=str(outside)))
    for name in ("optuna", "unpickled-tuner.pkl"):
        (outside / name).unlink(missing_ok=True)
    assert heard
