"""What an earlier run left: files and study brought to agree, and the trials that are still to be finished.

The files of a trial are what counts: `result.json` is written last and whole, before anything else hears of the end.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import optuna
from optuna.trial import FrozenTrial, TrialState

from raykft.errors import ExperimentError
from raykft.leaderboard.read import TrialRecord, read_trials
from raykft.paths import ExperimentPaths
from raykft.records import TrialStatus
from raykft.search.names import number_of
from raykft.search.searcher import ORPHAN, STOPPED_AFTER, StudySearch
from raykft.trial import Trial, last_row, latest_checkpoint, write_result
from raykft.wording import running as words
from raykft.wording.names import STATUSES


@dataclass(frozen=True)
class Unfinished:
    """A trial to be run on under its own id: from the checkpoint of `epoch`, or from the start where that is 0."""

    trial_id: str
    study_id: int
    epoch: int


@dataclass(frozen=True)
class Remains:
    """What is there of an experiment."""

    reused: Sequence[TrialRecord]
    unfinished: Sequence[Unfinished]

    def lines(self) -> Iterator[str]:
        """What becomes of every trial, for people."""
        for record in self.reused:
            yield words.REUSED(trial=record.trial_id, status=STATUSES[record.status]())
        for trial in self.unfinished:
            told = words.RESUMED(trial=trial.trial_id, epoch=trial.epoch)
            yield told if trial.epoch else words.RERUN(trial=trial.trial_id)


def reconcile(paths: ExperimentPaths, search: StudySearch, found: Sequence[TrialRecord]) -> Remains:
    """Make the study agree with the files, which tell of the trials `found`. Doing it twice is doing it once.

    Raises:
        ExperimentError: the study does not know of a trial; a new one would get its number and overwrite its files.
    """
    records = _by_number(found)
    asked = {trial.number: trial for trial in search.study.get_trials(deepcopy=False)}
    if unknown := sorted(records[n].trial_id for n in records.keys() - asked.keys()):
        raise ExperimentError(
            f"{paths.study} does not know of {', '.join(unknown)}: it was removed or replaced; "
            "put it back, or choose another `name` (--set name=NEW)"
        )
    for number in asked.keys() - records.keys():
        if asked[number].state == TrialState.RUNNING:
            _ask_again(search.study, asked[number])
    unfinished, settled = [], False
    for number, record in sorted(records.items()):
        running = asked[number].state == TrialState.RUNNING
        # One that the study holds complete had a result: it was lost since, and is made again.
        if not record.status.finished and (running or asked[number].state == TrialState.COMPLETE):
            unfinished.append(_reopen(paths, record, asked[number]))
        elif not record.status.finished:
            _settle(paths, record, asked[number])
            settled = True
        elif running:
            _tell(search, asked[number], paths, record)
    if settled:
        records = _by_number(read_trials(paths))
    ended = sorted((r for r in records.values() if r.status.finished), key=lambda r: r.trial_id)
    for record in ended:
        shutil.rmtree(paths.trial(record.trial_id).checkpoint, ignore_errors=True)
    return Remains(ended, unfinished)


def _by_number(records: Sequence[TrialRecord]) -> dict[int, TrialRecord]:
    return {n: r for r in records if (n := number_of(r.trial_id)) is not None}


def _ask_again(study: optuna.Study, trial: FrozenTrial) -> None:
    """A trial that was proposed and never began: its number is spent, its sample is the next to be tried."""
    study._storage.set_trial_user_attr(trial._trial_id, ORPHAN, True)
    study.tell(trial.number, state=TrialState.FAIL)
    if trial.params:
        study.enqueue_trial(trial.params)


def _tell(search: StudySearch, trial: FrozenTrial, paths: ExperimentPaths, record: TrialRecord) -> None:
    """The driver died after the trial's last file and before the study heard of it."""
    stopped = record.status is TrialStatus.STOPPED
    row = last_row(paths.trial(record.trial_id)) if stopped else record.select
    ended = {"final": not stopped, "status": record.status, "training_iteration": record.epoch}
    search.adopt(record.trial_id, trial._trial_id)
    search.on_trial_complete(
        record.trial_id, row | ended, error=record.status in {TrialStatus.FAILED, TrialStatus.LOST}
    )


def _reopen(paths: ExperimentPaths, record: TrialRecord, trial: FrozenTrial) -> Unfinished:
    files = paths.trial(record.trial_id)
    if not record.damaged:
        files.result.unlink(missing_ok=True)  # of an interrupted trial
    checkpoint = latest_checkpoint(files)
    return Unfinished(record.trial_id, trial._trial_id, int(checkpoint.name) if checkpoint else 0)


def _settle(paths: ExperimentPaths, record: TrialRecord, trial: FrozenTrial) -> None:
    """The study was told of the end, the files were not: the driver died in between."""
    row = last_row(paths.trial(record.trial_id))
    stopped = trial.state == TrialState.PRUNED or STOPPED_AFTER in trial.user_attrs
    early, unknown = f"stopped early after epoch {record.epoch} of {record.epochs}", "the run ended before it said why"
    status, reason = (TrialStatus.STOPPED, early) if stopped else (TrialStatus.FAILED, unknown)
    write_result(Trial(record.trial_id, record.sample, paths.trial(record.trial_id)), row, status, reason=reason)
