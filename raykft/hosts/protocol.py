"""What a training host can do, whatever stands behind it: the one surface that trials, scores and the crew rely on.

The engine in this process, the actor around it, the front of several replicas and the fakes all are hosts. Each passes
`raykft.testing.contracts.HostContract`. No Ray here: `raykft.trial` needs the protocol and knows of no actors.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from raykft.evaluation.answerer import Answerer
from raykft.train.admission import HostCapacity, HostCounters
from raykft.train.recipe import EpochResult, Recipe


class Host(Answerer, Protocol):
    """A resident base model with several adapters. Every method returns when its work is done.

    A trial that a host does not know is a `LostError`: the host died, came up again and holds nothing of it.
    """

    def info(self) -> dict[str, Any]:
        """Facts about the loaded model, for environment.json and cache keys.

        Raises:
            RaykftError: the model could not be loaded, or the rows could not be encoded.
        """

    def capacity(self) -> HostCapacity:
        """What training steps cost here and what memory there is; to be asked before any trial is attached."""

    def counters(self) -> HostCounters:
        """What has happened here since the host came up."""

    def attach(self, trial_id: str, recipe: Recipe, checkpoint: Path | None = None) -> list[str]:
        """Give a trial a slot (a stale one of the same id is replaced); returns the names of the adapted modules."""

    def attach_adapter(self, trial_id: str, directory: Path) -> None:
        """Hold a finished adapter, to be asked."""

    def publish(self, trial_id: str) -> tuple[Path, str]:
        """Where the adapter lies as files for other hosts to read, and the digest of its content: one in training as it
        was last saved, once those files are whole, a finished one where it was read from.

        Raises:
            TrialError: it has never been saved.
        """

    def train_epoch(self, trial_id: str) -> EpochResult:
        """Train one epoch.

        Raises:
            DivergedError: the loss or gradient stopped being finite.
            OutOfMemoryError: the device is too small for this trial.
        """

    def save(self, trial_id: str, adapter: Path, checkpoint: Path | None = None) -> None:
        """Have the trial written as it is now: a standard PEFT directory and, where asked for, everything that resuming
        exactly needs.

        Returns as soon as it is copied, so that the trial may train on; `saved` waits for the files.

        Raises:
            Exception: what went wrong with files of an earlier call that nobody has waited for.
        """

    def saved(self, trial_id: str) -> None:
        """Wait until the files of the last `save` are whole, where they are to be kept.

        Raises:
            ModelError: PEFT would make another adapter of them.
            StorageError: they do not hold what was written to them.
            OSError: they could not be written.
            ResourceError: a storage behind a URL did not take them.
        """

    def detach(self, trial_id: str) -> None:
        """Forget a trial; an unknown one is fine, so that cleaning up twice is. No file of it is written afterwards."""
