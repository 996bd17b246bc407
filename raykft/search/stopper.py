"""Ends a Tune run at the user's request."""

from __future__ import annotations

from typing import Any

from ray import tune


class Interrupt(tune.Stopper):  # type: ignore[misc]
    """Stops every trial once `interrupted` is set; nothing is stopped otherwise."""

    def __init__(self) -> None:
        self.interrupted = False

    def __call__(self, trial_id: str, result: dict[str, Any]) -> bool:
        return False

    def stop_all(self) -> bool:
        return self.interrupted
