"""The error tree. A message carries the offending value, the rule it breaks and the next step.

Every class takes exactly one message argument: an exception with its own multi-argument `__init__` does not survive
pickling on its way through a Ray actor and would reach the user as `UnserializableException`.
"""

from __future__ import annotations


class RaykftError(Exception):
    """Anything raykft itself refuses or gives up on; the CLI prints its message without a traceback."""


class ConfigError(RaykftError):
    """The experiment file, an override or a sampled value breaks a rule."""


class DataError(RaykftError):
    """A data file is missing, empty, malformed or contradicts another one."""


class ModelError(RaykftError):
    """The base model or an adapter cannot be found, loaded, quantized or matched."""


class ResourceError(RaykftError):
    """This machine or cluster cannot run what was asked: memory, devices, permissions."""


class StorageError(ResourceError):
    """Files cannot be read or written now, whatever they hold: a full, failing or read-only disk, a lost mount."""


class ExperimentError(RaykftError):
    """An experiment directory is missing, belongs to another config or holds nothing usable."""


class DamagedError(ExperimentError):
    """A file that raykft wrote is gone, cut off or holds something else."""


class CheckpointError(ModelError):
    """A trial cannot go on from a checkpoint: it is damaged, or another recipe's."""


class TrialError(RaykftError):
    """One trial ended without a usable result; the others go on."""


class DivergedError(TrialError):
    """A loss or gradient of this trial became NaN or infinite."""


class OutOfMemoryError(TrialError):
    """The device ran out of memory while working for this trial."""


class LostError(TrialError):
    """What a trial had on its host is gone, because the host died; it can continue from its checkpoint."""


# What a user can fix before starting again: the CLI ends with exit code 2.
USAGE_ERRORS = (ConfigError, DataError, ModelError, ResourceError, ExperimentError)


def first_line(error: BaseException) -> str:
    """What an error says first; the name of its type where it says nothing."""
    return _lines(error)[0]


def last_line(error: BaseException) -> str:
    """What an error says last: of one from a Ray worker, whose text is a traceback, the error itself."""
    return _lines(error)[-1]


def _lines(error: BaseException) -> list[str]:
    return str(error).strip().splitlines() or [type(error).__name__]
