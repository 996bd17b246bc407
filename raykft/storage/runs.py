"""How the last run of an experiment ended, and why, for whoever opens its directory next morning."""

from __future__ import annotations

import os
import shlex
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from raykft.errors import RaykftError, ResourceError, first_line
from raykft.paths import ExperimentPaths, read_json, write_json
from raykft.storage.store import keep
from raykft.wording import verdicts as words

COMPLETE, INTERRUPTED, FAILED = "complete", "interrupted", "failed"


@contextmanager
def recorded(paths: ExperimentPaths) -> Iterator[Callable[[str], None]]:
    """Write down that a run has begun and, once the body ends, how it did; one that is killed leaves the first alone.

    Yields:
        To be called with `COMPLETE` or `INTERRUPTED` by a body that ends without an error.
    """
    run: dict[str, Any] = {"began": _now(), "pid": os.getpid(), "host": socket.gethostname()}
    write_json(paths.last_run, run)
    ended = {"how": FAILED, "why": ""}
    try:
        yield lambda how: ended.update(how=how)
    except KeyboardInterrupt:
        ended["how"] = INTERRUPTED
        raise
    except BaseException as error:
        said = first_line(error) if isinstance(error, RaykftError) else f"{type(error).__name__}: {first_line(error)}"
        ended.update(how=FAILED, why=said)
        raise
    finally:
        with suppress(OSError, ResourceError):  # a full disk has been told of already
            write_json(paths.last_run, run | {"ended": _now()} | ended)
            keep(paths.last_run)


def how_it_ended(paths: ExperimentPaths) -> str | None:
    """One sentence about the last run; None for one that ended as it should, or that nothing is known of."""
    run = _read(paths.last_run)
    if not run or run.get("how") == COMPLETE:
        return None
    go_on = words.GO_ON(place=shlex.quote(str(paths.root)))
    began = {"began": run.get("began"), "host": run.get("host")}
    if "ended" not in run:
        if _is_running(run):
            return words.RUNS(**began, pid=run.get("pid"))
        return words.WAS_KILLED(**began, go_on=go_on)
    if run.get("how") == INTERRUPTED:
        return words.WAS_INTERRUPTED(ended=run["ended"], go_on=go_on)
    return words.ENDED_BADLY(ended=run["ended"], why=run.get("why"), go_on=go_on)


def at_work(paths: ExperimentPaths) -> bool:
    """Whether a run has begun and, as far as can be told from here, goes on."""
    run = _read(paths.last_run)
    return bool(run) and "ended" not in run and _is_running(run)


def _is_running(run: dict[str, Any]) -> bool:
    """Of a process on another machine nothing can be known, so it is believed."""
    if run.get("host") != socket.gethostname() or not isinstance(run.get("pid"), int):
        return True
    return Path(f"/proc/{run['pid']}").exists() if Path("/proc/self").exists() else True


def _read(file: Path) -> dict[str, Any]:
    try:
        tree = read_json(file)
    except (OSError, ValueError, RaykftError):  # it is a help, and no reason to show no board
        return {}
    return tree if isinstance(tree, dict) else {}


def _now() -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S")
