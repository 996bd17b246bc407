"""Cables that hold up packets and lose some, for kernels without netem: TAP devices and this process between them.

    python slow_cables.py SEED CABLE SPACE [CABLE SPACE ...]

Every cable is a TAP device CABLE here and one named `up0` in the network namespace SPACE; frames are carried between
the two for as long as standard input is open. A line `CABLE DELAY_MS LOSS_PERCENT` there has the cable hold every frame
towards its namespace for so long, and lose so many of them: as netem does it at CABLE's own end. The draws are those of
`random.Random(f"{SEED} {CABLE}")`. `ready` is printed once all cables are there; with this process they go.
"""

from __future__ import annotations

import fcntl
import os
import random
import select
import struct
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field

TUN = "/dev/net/tun"
TUNSETIFF, IFF_TAP, IFF_NO_PI = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
FRAME_BYTES = 65536
STDIN = 0
PATIENCE_S = 1.0


def tap(name: str) -> int:
    """A new TAP device's file, which gives and takes one frame at a time and never waits.

    Raises:
        OSError: there is no such driver, or no right to use it.
    """
    file = os.open(TUN, os.O_RDWR | os.O_NONBLOCK)
    try:
        fcntl.ioctl(file, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TAP | IFF_NO_PI))
    except OSError:
        os.close(file)
        raise
    return file


def why_not() -> str:
    """Why there can be no such cables here; empty where there can."""
    try:
        os.close(tap(f"rk{os.getpid()}p"))
    except OSError as error:
        return f"{TUN}: {error.strerror}"
    return ""


@dataclass
class Cable:
    """The two ends of one, and what is on its way to the namespace: frames and when they arrive."""

    near: int
    far: int
    draw: random.Random
    delay_s: float = 0.0
    loss: float = 0.0
    held: deque[tuple[float, bytes]] = field(default_factory=deque)

    def take(self, end: int) -> None:
        """Carry what waits at one end."""
        while (frame := _read(end)) is not None:
            if end == self.far:
                _write(self.near, frame)
            elif self.draw.random() >= self.loss:
                self.held.append((time.monotonic() + self.delay_s, frame))

    def deliver(self) -> None:
        while self.held and self.held[0][0] <= time.monotonic():
            _write(self.far, self.held.popleft()[1])


def carry(cables: dict[str, Cable]) -> None:
    """Until standard input ends."""
    poll = select.poll()
    poll.register(STDIN)
    ends = {}
    for cable in cables.values():
        for end in (cable.near, cable.far):
            ends[end] = cable
            poll.register(end, select.POLLIN)
    while True:
        due = min((cable.held[0][0] for cable in cables.values() if cable.held), default=None)
        wait_s = PATIENCE_S if due is None else max(0.0, due - time.monotonic())
        for ready, _ in poll.poll(1000 * wait_s):
            if ready in ends:
                ends[ready].take(ready)
                continue
            told = os.read(STDIN, FRAME_BYTES).decode()  # no reader of lines, which would keep some to itself
            if not told:
                return
            for line in told.splitlines():
                name, delay_ms, loss_percent = line.split()
                cables[name].delay_s, cables[name].loss = float(delay_ms) / 1000, float(loss_percent) / 100
        for cable in cables.values():
            cable.deliver()


def _read(end: int) -> bytes | None:
    try:
        return os.read(end, FRAME_BYTES)
    except OSError:  # nothing waits, or the device was set down
        return None


def _write(end: int, frame: bytes) -> None:
    with suppress(OSError):  # a cable that was pulled, or a queue that is full, loses what is sent
        os.write(end, frame)


def main(seed: str, *words: str) -> None:
    cables = {}
    for name, space in zip(words[::2], words[1::2], strict=True):
        cables[name] = Cable(tap(name), tap(f"{name}u"), random.Random(f"{seed} {name}"))
        subprocess.run(["ip", "link", "set", f"{name}u", "netns", space, "name", "up0"], check=True)
    print("ready", flush=True)
    carry(cables)


if __name__ == "__main__":
    main(*sys.argv[1:])
