"""`raykft evaluate`: score one PEFT adapter, trained here or elsewhere, as the searched ones are scored."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from raykft.cluster.connect import connected
from raykft.cluster.known import remember
from raykft.config import ExperimentConfig
from raykft.errors import ModelError
from raykft.evaluation.outcome import BASE, FullScores
from raykft.leaderboard.board import WITHOUT_EFFECT, Leaderboard
from raykft.leaderboard.read import baseline_results, read_baselines
from raykft.models.adapter_layout import check_adapter
from raykft.models.shape import ModelShape, shape_of
from raykft.models.source import check_model_present
from raykft.paths import ADAPTER, ADAPTER_CONFIG, ADAPTER_WEIGHTS, ExperimentPaths, write_jsonl
from raykft.records import TrialStatus
from raykft.search.experiment import Experiment, checked, prepare_directory, write_board, write_config, write_evidence
from raykft.trial import Trial, write_result, write_trial_config
from raykft.untrusted.console import make_console
from raykft.wording import running as words


def evaluate(adapter: str | Path, config: ExperimentConfig, *, console: Console | None = None) -> Leaderboard:
    """Score the adapter in the directory `adapter` on both splits of `config`'s probes.

    The result is an experiment of its own beside the searched one, `NAME-evaluated`: every adapter evaluated under the
    same config is a row of its leaderboard, which `leaderboard`, `show` and `report` read like any other.

    Raises:
        ModelError: the directory is no PEFT adapter with safetensors weights, or belongs to another base model.
    """
    console = console or make_console()
    directory = _adapter_directory(Path(adapter))
    check_adapter(directory, _known_shape(config.base_model))
    experiment = checked(config.model_copy(update={"name": f"{config.name[:54]}-evaluated"}))
    check_model_present(config.base_model)
    prepare_directory(experiment.config)
    write_config(experiment)
    remember(config.resources.address)
    with connected(config.resources.address) as embedded:
        _score(experiment, directory, console, embedded=embedded)
    return write_board(experiment.paths)


def _score(experiment: Experiment, directory: Path, console: Console, *, embedded: bool) -> None:
    # They import ray, which may only be imported once `connected` has set its environment.
    from raykft.hosts.crew import Crew
    from raykft.hosts.remote import get
    from raykft.search.baselines import score_base
    from raykft.search.held_out import score_adapter

    config, domain, paths = experiment.config, experiment.domain, experiment.paths
    trial_id, splits = _row_name(directory), {p.split for p in domain.probes}
    trial = Trial(trial_id, {}, paths.trial(trial_id))
    with Crew(config, domain, paths, useful_trials=len(splits), embedded=embedded, console=console) as crew:
        write_evidence(experiment, crew.infos)
        score_base(crew.evaluator, paths, console)
        console.print(words.SCORING(place=directory), markup=False)
        with _unless_it_fails(trial):
            write_trial_config(trial, config)
            started = time.monotonic()
            # One after the other: each is dealt out over all hosts, and what both ask is asked once.
            name = next(iter(crew.hosts))
            with crew.attached(name, trial_id, directory):
                full: FullScores = get(crew.evaluator.full.remote(name, trial_id, "select"))
                if "report" in splits:
                    score_adapter(crew.evaluator, name, trial_id, trial.paths)
            write_jsonl(trial.paths.probe_results, (r.as_dict() for r in full.results))
            row = full.metrics | {"seconds": time.monotonic() - started}
            reason = "" if _has_effect(paths, full) else WITHOUT_EFFECT
            if reason:
                console.print(words.WARNING(text=f"{directory}: {reason}"), markup=False)
            write_result(trial, row, TrialStatus.OK, reason=reason, passage_nats=full.passage_nats)


@contextmanager
def _unless_it_fails(trial: Trial) -> Iterator[None]:
    """An adapter that cannot be scored leaves no row; the scores of an earlier one of its name stay."""
    new = not trial.paths.root.exists()
    try:
        yield
    except BaseException:
        if new:
            shutil.rmtree(trial.paths.root, ignore_errors=True)
        raise


def _has_effect(paths: ExperimentPaths, full: FullScores) -> bool:
    """Whether any answer or likelihood differs from the base model's."""
    base = baseline_results(paths, BASE)
    nats = next((b.nats.get("select", {}) for b in read_baselines(paths) if b.name == BASE), {})
    same = all(r.id in base and (r.answer, r.grade) == (base[r.id].answer, base[r.id].grade) for r in full.results)
    return not same or full.passage_nats != nats


def _adapter_directory(path: Path) -> Path:
    directory = path.expanduser().absolute()
    missing = [name for name in (ADAPTER_CONFIG, ADAPTER_WEIGHTS) if not (directory / name).is_file()]
    if missing:
        raise ModelError(
            f"{path} is no PEFT adapter directory: it has no {' and no '.join(missing)}; "
            "give the folder that `save_pretrained` wrote (safetensors weights only)"
        )
    return directory


def _known_shape(base_model: str) -> ModelShape | None:
    try:
        return shape_of(base_model)
    except ModelError:  # an architecture whose sizes are not known here; the host that loads it checks them
        return None


def _row_name(directory: Path) -> str:
    """A trial's adapter is in a folder called `adapter`: its name is that of the trial."""
    name = directory.parent.name if directory.name == ADAPTER else directory.name
    return re.sub(r"[^A-Za-z0-9._-]", "_", name)[:100] or ADAPTER
