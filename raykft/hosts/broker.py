"""The broker leases the slots of training hosts to trials, and knows which hosts are up."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from typing import Any

from raykft.errors import ResourceError

PING_SECONDS = 10.0  # a host that does not answer for so long gets no new trial until it does
PULSE_SECONDS = 2.0


class Broker:
    """The actor class (`ray.remote` is applied by the crew); asynchronous, so waiting blocks nobody."""

    def __init__(self, hosts: Mapping[str, Any], slots: int, patience_s: float = 600.0) -> None:
        """
        Args:
            hosts: actor handles by name; hosts that join later are given to `add`.
            slots: trials that a host trains at once.
            patience_s: how long a trial waits while no host at all is up.
        """
        self._hosts = dict(hosts)
        self._load = dict.fromkeys(hosts, 0)
        self._slots = slots
        self._patience_s = patience_s
        self._leases: dict[str, str] = {}
        self._down: set[str] = set()
        self._pulse: asyncio.Task[None] | None = None

    async def acquire(self, trial_id: str) -> str:
        """A host with a free slot that answers, the least loaded first.

        The same trial asking again gets the same host, or another where that one is down.

        Raises:
            ResourceError: no host has been up for `patience_s`.
        """
        last_up = time.monotonic()
        while True:
            name = self._leases.get(trial_id) or self._lease(trial_id)
            if name is not None:
                if await self._answers(name):
                    return name
                if self._leases.get(trial_id) == name:
                    await self.release(trial_id)
            elif len(self._down) < len(self._hosts):
                last_up = time.monotonic()
            if time.monotonic() - last_up > self._patience_s:
                raise self._nobody()
            await asyncio.sleep(0.05)

    async def release(self, trial_id: str) -> None:
        name = self._leases.pop(trial_id, None)
        if name is not None:
            self._load[name] -= 1

    async def add(self, name: str, handle: Any) -> None:
        """Hand out the slots of one more host."""
        self._hosts[name] = handle
        self._load[name] = 0

    async def drop(self, name: str) -> None:
        """Forget a host that will not come up again."""
        del self._hosts[name], self._load[name]
        self._down.discard(name)
        self._leases = {trial: host for trial, host in self._leases.items() if host != name}

    async def hosts(self) -> dict[str, Any]:
        """All hosts' handles by name, whether they are up or not."""
        return self._hosts

    async def loads(self) -> dict[str, int]:
        """How many trials every host that is up trains now."""
        await asyncio.gather(*(self._answers(name) for name in self._hosts))
        return {name: load for name, load in self._load.items() if name not in self._down}

    async def up(self) -> list[str]:
        """The hosts that are up, as soon as there are any: where all died at once they are waited for.

        Raises:
            ResourceError: no host has been up for `patience_s`.
        """
        began = time.monotonic()
        while not (up := list(await self.loads())):
            if time.monotonic() - began > self._patience_s:
                raise self._nobody()
            await asyncio.sleep(PULSE_SECONDS)
        return up

    def _nobody(self) -> ResourceError:
        return ResourceError(
            f"none of the {len(self._hosts)} training hosts has been up for {self._patience_s:.0f} s; "
            "look at the cluster with `raykft doctor`, then run the same command again to go on"
        )

    def _lease(self, trial_id: str) -> str | None:
        free = [name for name, load in self._load.items() if load < self._slots and name not in self._down]
        if not free:
            return None
        name = min(free, key=self._load.__getitem__)
        self._leases[trial_id] = name
        self._load[name] += 1
        return name

    async def _answers(self, name: str) -> bool:
        try:
            await asyncio.wait_for(_wait(self._hosts[name].info.remote()), PING_SECONDS)
        except Exception:  # dead, restarting, without its model, or silent: no place for a trial, whatever the reason
            if name not in self._hosts:  # dropped meanwhile
                return False
            self._down.add(name)
            if self._pulse is None or self._pulse.done():
                self._pulse = asyncio.create_task(self._revive())
            return False
        self._down.discard(name)
        return True

    async def _revive(self) -> None:
        """Ask the hosts that are down until all are up again."""
        while self._down:
            await asyncio.sleep(PULSE_SECONDS)
            await asyncio.gather(*(self._answers(name) for name in list(self._down)))


async def _wait(reference: Any) -> Any:
    return await reference


class Hosts(Mapping[str, Any]):
    """The training hosts of a run by name, those that joined late included. Travels into other processes."""

    def __init__(self, broker: Any, known: Mapping[str, Any]) -> None:
        self._broker = broker
        self._known = dict(known)

    def __getitem__(self, name: str) -> Any:
        if name not in self._known:
            self._refresh()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        self._refresh()
        return iter(self._known)

    def __len__(self) -> int:
        self._refresh()
        return len(self._known)

    def known(self) -> list[Any]:
        """Those this process has heard of, without asking whether others have joined."""
        return list(self._known.values())

    def loads(self) -> dict[str, int]:
        """How many trials every host that is up trains now."""
        from raykft.hosts.remote import get

        loads: dict[str, int] = get(self._broker.loads.remote())
        return loads

    def up(self) -> list[str]:
        """The hosts that are up, waited for if there are none.

        Raises:
            ResourceError: none came up for as long as a trial would wait.
            LostError: the broker died, as when this machine's only node has.
        """
        from raykft.hosts.remote import get

        names: list[str] = get(self._broker.up.remote())
        return names

    def _refresh(self) -> None:
        from raykft.hosts.remote import get

        self._known = get(self._broker.hosts.remote())
