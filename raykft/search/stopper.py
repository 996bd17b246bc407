"""Ends a Tune run at the user's request, or where no trial can go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ray import tune


class Interrupt(tune.Stopper):  # type: ignore[misc]
    """Stops every trial once `interrupted` is set; nothing is stopped otherwise.

    `halted` is why no trial can go on; empty after the user's own wish.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self.halted = ""

    def halt(self, reason: str) -> None:
        self.interrupted, self.halted = True, self.halted or reason

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.interrupted


@contextmanager
def interruptible(action: Callable[[], None]) -> Iterator[None]:
    """Run `action` at the first Ctrl-C or SIGTERM; a second one has its usual effect."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(_number: int, _frame: Any) -> None:
        restore()
        action()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
