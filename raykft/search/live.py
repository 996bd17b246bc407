"""`report.html` while a search runs: written again as trials end, never for more than a small share of the time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import copy_context

from raykft.leaderboard.page import write_page
from raykft.leaderboard.read import forget_answers
from raykft.paths import ExperimentPaths
from raykft.storage.store import keep

log = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
# A page of thousands of trials takes seconds to write: it may take a twentieth of the driver's time.
REST = 20


@contextmanager
def live_page(paths: ExperimentPaths, look_seconds: float = LOOK_SECONDS) -> Iterator[None]:
    """Keep the experiment's page up to date while the body runs. Its troubles are none of the search."""
    stop = threading.Event()
    # In the language of whoever started the search: a thread knows it by a copy of the context.
    work = (_write_again, paths, stop, look_seconds)
    writer = threading.Thread(target=copy_context().run, args=work, name="raykft-page", daemon=True)
    writer.start()
    try:
        yield
    finally:
        stop.set()
        writer.join(timeout=30)


def _write_again(paths: ExperimentPaths, stop: threading.Event, look_seconds: float) -> None:
    shown: object = None
    rest = look_seconds
    while not stop.wait(rest):
        started = time.monotonic()
        try:
            if (now := _ends(paths)) != shown:
                keep(write_page(paths.root))
                shown = now
                forget_answers()
        except Exception as error:  # a file that another process is writing, a disk that is full for now
            log.warning("report.html was not written: %s", error)
        rest = max(look_seconds, REST * (time.monotonic() - started))


def _ends(paths: ExperimentPaths) -> tuple[int, ...]:
    """How many trials have ended, have been asked the report split, and have been trained with another seed."""
    patterns = ((paths.trials, "*/result.json"), (paths.trials, "*/report.json"), (paths.seed_runs, "*/result.json"))
    return tuple(sum(1 for _ in folder.glob(pattern)) for folder, pattern in patterns)
