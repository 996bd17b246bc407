"""What must hold of a search whose processes were killed (`soak.py`), read from its files and its study alone."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from raykft.leaderboard.board import load_leaderboard
from raykft.leaderboard.files import result_of
from raykft.leaderboard.read import TrialRecord, read_trials
from raykft.paths import ExperimentPaths, TrialPaths, read_json, read_jsonl
from raykft.records import TrialStatus

ENDINGS = {TrialStatus.OK, TrialStatus.STOPPED}
GOES_ON = {TrialStatus.UNFINISHED, TrialStatus.INTERRUPTED}


class Checks:
    """Of one experiment. Every method yields faults, a sentence each."""

    def __init__(self, paths: ExperimentPaths, name: str, trials: int, epochs: int, race: int) -> None:
        """
        Args:
            race: how many of the best are trained once more.
        """
        self.paths, self._name, self._trials, self._epochs, self._race = paths, name, trials, epochs, race
        self._scores: dict[str, bytes] = {}

    # After every run.

    def given_up(self) -> Iterator[str]:
        """Trials whose end is neither a score nor early stopping: nothing else can happen to them here."""
        for trial in read_trials(self.paths):
            if trial.damaged or trial.status not in ENDINGS | GOES_ON:
                yield f"{trial.trial_id} is {trial.status}: {trial.reason}"
        for files in self._seed_runs():
            if (result := result_of(files)) and result.status is not TrialStatus.OK:
                yield f"{files.root.name} is {result.status}: {result.reason}"

    def written_again(self) -> Iterator[str]:
        """Scores that changed since an earlier run, and files of a trial that are younger than its result."""
        for trial in read_trials(self.paths):
            if trial.status in {*ENDINGS, TrialStatus.INTERRUPTED}:
                files = self.paths.trial(trial.trial_id)
                yield from self._written_late(files, str(trial.status), final=trial.status in ENDINGS)
        for files in self._seed_runs():
            if result := result_of(files):
                yield from self._written_late(files, str(result.status), final=True)
        if gone := self._scores.keys() - {file.parent.name for file in self.results()}:
            yield f"results are gone: {', '.join(sorted(gone))}"

    def _written_late(self, files: TrialPaths, status: str, *, final: bool) -> Iterator[str]:
        if not files.result.is_file():
            return
        end, name = files.result.stat().st_mtime_ns, files.root.name
        own = (
            files.config,
            files.metrics,
            files.probe_results,
            *files.adapter.glob("*"),
            *files.checkpoint.rglob("*"),
        )
        late = [file.name for file in own if file.is_file() and file.stat().st_mtime_ns > end]
        if late:
            yield f"{name}: {', '.join(late)} written after its result ({status})"
        if final:
            score = files.result.read_bytes()
            if self._scores.setdefault(name, score) != score:
                yield f"{name} was scored again"

    # Once the search has ended.

    def ended(self) -> Iterator[str]:
        """What is wrong with a search that has ended."""
        trials = read_trials(self.paths)
        if len(trials) != self._trials or not {t.status for t in trials} <= ENDINGS:
            yield f"{Counter(str(t.status) for t in trials)} instead of {self._trials} that ended"
        samples = [json.dumps(t.sample, sort_keys=True) for t in trials]
        if len(set(samples)) < len(samples):
            yield f"{len(samples) - len(set(samples))} recipes were trained twice"
        yield from self._study_against(trials)
        yield from self._race_against(trials)
        for trial in trials:
            files = self.paths.trial(trial.trial_id)
            ok = trial.status is TrialStatus.OK
            yield from _told(files, self._epochs if ok else trial.epoch, ends=ok)
        board = load_leaderboard(self.paths.root)
        if not board.reported or board.winner is None:
            yield "the board has no winner that was asked the report split"

    def _race_against(self, trials: Sequence[TrialRecord]) -> Iterator[str]:
        """One further seed of each of the best, and of nobody else: planned once, scored once."""
        if not self._race:
            return
        own = {t.trial_id: _score(self.paths.trial(t.trial_id)) for t in trials if t.status is TrialStatus.OK}
        runs = self._seed_runs()
        racers = {files.root.name.rpartition("-s")[0] for files in runs}
        planned = min(self._race, len(own)) if len(own) > 1 else 0
        if len(runs) != planned or len(racers) < len(runs) or not racers <= own.keys():
            yield f"{', '.join(f.root.name for f in runs) or 'nobody'} raced of {len(own)} that could"
            return
        worst = min((own[racer] for racer in racers), default=float("inf"))
        if any(own[name] > worst for name in own.keys() - racers):
            yield f"{', '.join(sorted(racers))} raced, and they are not the best of {own}"
        for files in runs:
            if not files.result.is_file():
                yield f"{files.root.name} has no result"
                continue
            yield from _told(files, self._epochs, ends=True)
        for trial in trials:
            if trial.trial_id in racers and len(trial.seeds) != 2:
                yield f"{trial.trial_id} has scores of the seeds {sorted(trial.seeds)}"

    def _study_against(self, trials: Sequence[TrialRecord]) -> Iterator[str]:
        import optuna

        from raykft.search.searcher import ORPHAN, REPEATS

        study = optuna.load_study(study_name=self._name, storage=f"sqlite:///{self.paths.study}")
        told = {t.number: t for t in study.trials if not {ORPHAN, REPEATS} & t.user_attrs.keys()}
        states = {TrialStatus.OK: "COMPLETE", TrialStatus.STOPPED: "PRUNED"}
        # A raced trial's score is the mean over its seeds by now; the study was told that of its own.
        files = {
            int(t.trial_id[1:4]): (
                states.get(t.status),
                _score(self.paths.trial(t.trial_id)) if t.status is TrialStatus.OK else None,
            )
            for t in trials
        }
        study_says = {n: (t.state.name, t.value if t.state.name == "COMPLETE" else None) for n, t in told.items()}
        if study_says != files:
            yield f"the study tells {study_says}, the files {files}"
        if [t for t in study.trials if t.state.name == "RUNNING"]:
            yield "the study counts on trials that nobody trains"

    # What is there.

    def told(self) -> list[Path]:
        """What trials and further seeds have told of their epochs."""
        return [*self.paths.trials.glob("*/metrics.jsonl"), *self.paths.seed_runs.glob("*/metrics.jsonl")]

    def results(self) -> list[Path]:
        return [*self.paths.trials.glob("*/result.json"), *self.paths.seed_runs.glob("*/result.json")]

    def screened(self) -> bool:
        """Whether all trials have ended, so that a race begins."""
        return len(list(self.paths.trials.glob("*/result.json"))) == self._trials

    def raced(self) -> bool:
        """Whether the race has ended too, so that the best are asked the report split."""
        return self.screened() and len(list(self.paths.seed_runs.glob("*/result.json"))) >= self._race

    def names(self) -> set[str]:
        """What files are there, all trials and all further seeds alike; what Tune keeps for itself is one."""
        names = (p.relative_to(self.paths.root).as_posix() for p in self.paths.root.rglob("*") if p.is_file())
        alike = (re.sub(r"^(trials|seeds)/[^/]+", r"\1/ID", name) for name in names)
        return {re.sub(r"^ray/.*", "ray", name) for name in alike}

    def _seed_runs(self) -> list[TrialPaths]:
        folder = self.paths.seed_runs
        return [TrialPaths(root) for root in sorted(folder.iterdir())] if folder.is_dir() else []


def _score(files: TrialPaths) -> Any:
    return read_json(files.result)["metrics"]["score"]


def _told(files: TrialPaths, last: int, *, ends: bool) -> Iterator[str]:
    """Whether a trial told of each epoch up to `last` once, and of its end once where it has one."""
    rows = list(read_jsonl(files.metrics))
    if [row["epoch"] for row in rows] != list(range(1, last + 1)):
        yield f"{files.root.name} told of epochs {[row['epoch'] for row in rows]} of {last}"
    if [row["final"] for row in rows].count(True) != ends:
        yield f"{files.root.name} has told of its end {rows}"
