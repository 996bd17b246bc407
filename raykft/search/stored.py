"""What the driver does besides as trials of an experiment begin and end whose storage is a URL."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from raykft.errors import ResourceError
from raykft.search.callbacks import DriverCallback
from raykft.search.crew import EXCHANGE
from raykft.search.study import flush
from raykft.storage import discard, fetch, keep


class StoringCallback(DriverCallback):
    """Brings a trial's files before the driver reads them, and keeps what it adds. For a folder it adds nothing."""

    def on_trial_start(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        super().on_trial_start(iteration, trials, trial, **info)
        # Before the trial's own files: whoever finds them must find them in the study.
        flush(self._paths.study)
        self._store(lambda: keep(self._paths.study))

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._bring(trial):
            super().on_trial_complete(iteration, trials, trial, **info)
            self._put(trial)

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **info: Any) -> None:
        if self._bring(trial):
            super().on_trial_error(iteration, trials, trial, **info)
            self._put(trial)

    def _bring(self, trial: Any) -> bool:
        """Whether that worked: without its files nothing may be said of a trial's end."""
        return self._store(lambda: fetch(self._paths.trial(self._name(trial)).root, light=True))

    def _put(self, trial: Any) -> None:
        name = self._name(trial)
        files = self._paths.trial(name)

        def put() -> None:
            keep(files.root, light=True)
            discard(files.checkpoint)
            discard(self._paths.root / EXCHANGE / name)
            keep(self._paths.study)

        self._store(put)

    def _store(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except ResourceError as error:
            self._stopper.halt(str(error))
            return False
        return True
