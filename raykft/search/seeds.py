"""Recipes trained again with other seeds, several beside each other. What is finished is never done again."""

from __future__ import annotations

import shlex
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from pathlib import Path

from rich.text import Text

from raykft.config import apply_sample
from raykft.errors import ResourceError, first_line
from raykft.hosts.crew import Crew
from raykft.hosts.remote import RemoteHost, get
from raykft.leaderboard.files import read_result
from raykft.records import TrialStatus
from raykft.search.race import SeedTrial, next_runs
from raykft.search.trainable import HostScorer, RunEndedError, halting, survive_losses
from raykft.storage.store import discard, keep
from raykft.trial import Trial, last_row, outcome_of, run_trial, write_result
from raykft.wording import running as words
from raykft.wording.names import LIST, STATUSES


def run_race(crew: Crew) -> None:
    """Run what is left of the race of `crew`'s experiment (see `raykft.search.race`)."""
    race = crew.config.search.race
    while race and (runs := next_runs(crew.config, crew.paths)):
        number = runs[0].seed - crew.config.seed
        names = LIST().join(run.record.trial_id for run in runs)
        about = {"number": number, "rounds": race.seeds - 1, "names": names, "seed": runs[0].seed}
        crew.console.print(Text(words.RACE(**about)))
        train_seeds(crew, runs)
        if not any(run.ended for run in runs):
            directory = shlex.quote(str(crew.paths.root))
            raise ResourceError(f"the actors of this run are gone; go on with `raykft resume {directory}`")


def train_seeds(crew: Crew, runs: Sequence[SeedTrial]) -> None:
    """Train and score all `runs` on the select split, as many at once as the hosts have slots.

    One that fails ends with its status, as a trial does, and the others go on.

    Raises:
        ResourceError: no run can go on.
    """
    ending = threading.Event()

    def train(run: SeedTrial) -> None:
        if not ending.is_set():
            _train(crew, run, ending)
        if run.ended:
            crew.console.print(Text(_told(run)))

    with _threads(crew, ending) as pool:
        # Each thread speaks as this one.
        for done in [pool.submit(copy_context().run, train, run) for run in runs]:
            done.result()


@contextmanager
def _threads(crew: Crew, ending: threading.Event) -> Iterator[ThreadPoolExecutor]:
    """A thread a slot. After Ctrl-C nobody waits for a run to end: the hosts go, and no run says why it ended."""
    pool = ThreadPoolExecutor(len(crew.hosts) * crew.slots)
    try:
        yield pool
    finally:
        ending.set()
        pool.shutdown(wait=False, cancel_futures=True)


def _train(crew: Crew, run: SeedTrial, ending: threading.Event) -> None:
    name, files = run.files.root.name, run.files
    own = apply_sample(crew.config, run.record.sample).model_copy(update={"seed": run.seed})
    trial = Trial(name, run.record.sample, files)

    def attempt(checkpoint: Path | None) -> None:
        with _leased(crew, name) as host:
            handle = RemoteHost(crew.hosts[host])
            run_trial(trial, own, handle, HostScorer(crew.evaluator, host), lambda _row: None, checkpoint)

    try:
        survive_losses(files, crew.broker, attempt)
    except RunEndedError:
        return
    except Exception as error:
        if ending.is_set():
            raise
        if reason := halting(error, crew.paths.root):
            raise ResourceError(reason) from error
        write_result(trial, last_row(files), outcome_of(error), reason=first_line(error))
    discard(files.checkpoint)
    keep(files.root, light=True)


@contextmanager
def _leased(crew: Crew, name: str) -> Iterator[str]:
    """A slot, by the name of its host."""
    try:
        yield get(crew.broker.acquire.remote(name))
    finally:
        get(crew.broker.release.remote(name))


def _told(run: SeedTrial) -> str:
    result = read_result(run.files.result)
    ok = result.status is TrialStatus.OK
    outcome = words.SCORE(score=result.metrics["score"]) if ok else result.reason
    return f"{run.files.root.name}  {STATUSES[result.status]()}  {outcome}"
