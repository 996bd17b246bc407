"""Clusters and storages that this user has named. A directory from elsewhere does not choose whom raykft talks to.

Whoever answers as a Ray cluster is sent code and data, and what it sends is run. A storage is sent the user's
credentials.
"""

from __future__ import annotations

import hashlib
import os
import shlex
from contextlib import suppress
from pathlib import Path

from raykft.errors import ConfigError, RaykftError
from raykft.paths import cache_dir, write_atomic
from raykft.storage.store import address as address_of
from raykft.storage.store import names_url

HERE = ("", "auto", "local")  # no other machine than those that this one has joined


def remember(address: str | None) -> None:
    """The user has named this cluster or storage: in a config of theirs, or on the command line."""
    if address and address not in HERE:
        with suppress(OSError, RaykftError):  # then it has to be named again
            write_atomic(_mark(address), "")


def check_named(address: str | None, directory: Path, command: str) -> None:
    """See that the cluster that the config in `directory` names is one that the user has named before.

    Raises:
        ConfigError: it is not, and `command` does not name it either.
    """
    if not address or address in {*HERE, os.environ.get("RAY_ADDRESS")} or _mark(address).is_file():
        return
    again = f"`{command} {shlex.quote(address_of(directory))} --address {shlex.quote(address)}`"
    raise ConfigError(
        f"the config of {directory} names the Ray cluster {address}, which no run started here has used; if you trust "
        f"it, go on with {again}, or on this machine with --address local"
    )


def check_storage_named(url: str | None, directory: Path) -> None:
    """See that the storage that `search.warm_start` of the config in `directory` names was named before.

    Raises:
        ConfigError: it was not.
    """
    if url and names_url(url) and not _mark(url).is_file():
        raise ConfigError(
            f"the config of {directory} begins with the experiment {url} (search.warm_start), which no run started "
            "here has used; if you trust it, start the search with `raykft tune` and a config file that names it"
        )


def _mark(address: str) -> Path:
    return cache_dir() / "clusters" / hashlib.sha256(address.encode()).hexdigest()[:32]
