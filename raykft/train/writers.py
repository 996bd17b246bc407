"""Who writes files of which trial, beside the thread that trains: of a trial one at a time."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager

log = logging.getLogger(__name__)


class Writers:
    """Writers of trials' files, those of callers and threads of their own: who forgets a trial waits for both.

    A call to an actor goes on when its caller has died, and so does what it has begun.
    """

    def __init__(self) -> None:
        self._writing: Counter[str] = Counter()
        self._begun: dict[str, Future[None]] = {}
        self._ended = threading.Condition()

    @contextmanager
    def of(self, trial_id: str) -> Iterator[None]:
        """Files of a trial are written while the body runs."""
        self._enter(trial_id)
        try:
            yield
        finally:
            self._leave(trial_id)

    def begin(self, trial_id: str, write: Callable[[], object]) -> None:
        """Call `write` on a thread of its own; `finish` waits for it. One that was begun before is finished first.

        Raises:
            Exception: what went wrong in the one before.
        """
        self.finish(trial_id)
        future: Future[None] = Future()

        def run() -> None:
            try:
                write()
            except BaseException as error:  # whoever finishes it hears of it
                future.set_exception(error)
            else:
                future.set_result(None)
            finally:
                self._leave(trial_id)

        self._enter(trial_id)
        try:
            threading.Thread(target=run, name=f"write-{trial_id}", daemon=True).start()
        except BaseException:
            self._leave(trial_id)
            raise
        self._begun[trial_id] = future

    def finish(self, trial_id: str) -> None:
        """Until what was last begun for a trial is written; at once where nothing was, or it has been finished.

        Raises:
            Exception: what went wrong in it.
        """
        try:
            self.await_begun(trial_id)
        finally:
            self._begun.pop(trial_id, None)

    def await_begun(self, trial_id: str) -> None:
        """As `finish`, but who finishes it later hears of the same."""
        future = self._begun.get(trial_id)
        if future is not None:
            future.result()

    def wait(self, trial_id: str) -> None:
        """Until nobody writes a file of a trial. What went wrong and nobody has heard of is only logged."""
        with self._ended:
            self._ended.wait_for(lambda: not self._writing[trial_id])
            del self._writing[trial_id]
        future = self._begun.pop(trial_id, None)
        if future is not None and (error := future.exception()) is not None:
            log.warning("files of %s were not written: %r", trial_id, error)

    def wait_for_all(self, timeout_s: float) -> bool:
        """Until nobody writes, or so long; whether nobody does."""
        with self._ended:
            return self._ended.wait_for(lambda: not self._writing.total(), timeout_s)

    def _enter(self, trial_id: str) -> None:
        with self._ended:
            self._writing[trial_id] += 1

    def _leave(self, trial_id: str) -> None:
        with self._ended:
            self._writing[trial_id] -= 1
            self._ended.notify_all()
