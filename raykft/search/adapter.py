"""`raykft evaluate`: score one PEFT adapter, trained here or elsewhere, as the searched ones are scored."""

from __future__ import annotations

import re
import time
from pathlib import Path

from rich.console import Console

from raykft import storage
from raykft.config import ExperimentConfig
from raykft.errors import ModelError
from raykft.evaluation.evaluator import FullScores
from raykft.leaderboard.board import Leaderboard, load_leaderboard, write_leaderboard
from raykft.leaderboard.render import markdown_board
from raykft.models.source import check_model_present
from raykft.paths import ADAPTER_CONFIG, ADAPTER_WEIGHTS, write_jsonl
from raykft.search.crew import Crew, connected, get
from raykft.search.driver import checked_domain, open_directory
from raykft.trial import write_result, write_trial_config


def evaluate(adapter: str | Path, config: ExperimentConfig, *, console: Console | None = None) -> Leaderboard:
    """Score the adapter in the directory `adapter` on both splits of `config`'s probes.

    The result is an experiment of its own beside the searched one, `NAME-evaluated`: every adapter evaluated under the
    same config is a row of its leaderboard, which `leaderboard`, `show` and `report` read like any other.

    Raises:
        ModelError: the directory is no PEFT adapter with safetensors weights, or belongs to another base model.
    """
    console = console or Console()
    directory = _adapter_directory(Path(adapter))
    domain = checked_domain(config)
    check_model_present(config.base_model)
    paths = open_directory(config.model_copy(update={"name": f"{config.name[:54]}-evaluated"}))
    trial_id = _row_name(directory)
    files = paths.trial(trial_id)
    splits = {p.split for p in domain.probes}
    with (
        connected(config) as embedded,
        Crew(config, domain, paths, useful_trials=len(splits), embedded=embedded, console=console) as crew,
    ):
        crew.score_base()
        console.print(f"scoring {directory} ...")
        write_trial_config(files, trial_id, {}, config)
        started = time.monotonic()
        # One after the other: each is dealt out over all hosts, and what both ask is asked once.
        name = next(iter(crew.hosts))
        with crew.attached(name, trial_id, directory):
            full: FullScores = get(crew.evaluator.full.remote(name, trial_id, "select"))
            if "report" in splits:
                crew.score_report(name, trial_id, files)
        write_jsonl(files.probe_results, (r.as_dict() for r in full.results))
        row = full.metrics | {"seconds": time.monotonic() - started}
        write_result(files, trial_id, {}, row, status="ok", passage_nats=full.passage_nats)
    board = load_leaderboard(paths.root)
    write_leaderboard(paths, board, markdown_board(board))
    storage.keep(paths.root, light=True)
    return board


def _adapter_directory(path: Path) -> Path:
    directory = path.expanduser().absolute()
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (directory / name).is_file()]
    if missing:
        raise ModelError(
            f"{path} is no PEFT adapter directory: it has no {' and no '.join(missing)}; "
            "give the folder that `save_pretrained` wrote (safetensors weights only)"
        )
    return directory


def _row_name(directory: Path) -> str:
    """A trial's adapter is in a folder called `adapter`: its name is that of the trial."""
    name = directory.parent.name if directory.name == "adapter" else directory.name
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100] or "adapter"
