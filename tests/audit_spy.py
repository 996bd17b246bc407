"""Runs a raykft command, or a deed given as Python, and prints what it did outside of the folders it owns.

    python audit_spy.py '["/own/folder", ...]' leaderboard DIR
    python audit_spy.py '["/own/folder", ...]' --deed 'open("/elsewhere", "w")'

An audit hook hears of every file opened for writing, name changed, process started, connection made and class that a
pickle asks for. The last line is `SPY [outcome, [[event, what], ...]]`.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT
NAMES = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.link", "os.symlink"}  # change a name, and follow no link
CONTENTS = {"os.truncate", "os.chmod"}
RUNS = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "os.spawn"}
NETWORK = ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request")

own = [os.path.realpath(path) for path in json.loads(sys.argv[1])]
heard: list[tuple[str, str]] = []


def within(path: str, *, itself: bool = False) -> bool:
    """Whether a path leads into the own folders; `itself`: whether it lies there, should it be a link."""
    real = os.path.realpath(path)
    if itself:
        real = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
    return any(real == folder or real.startswith(folder + os.sep) for folder in own) or real == os.devnull


def hook(event: str, args: tuple[Any, ...]) -> None:
    if event == "open":
        path, mode, flags = args
        writes = (isinstance(mode, str) and set(mode) & set("wax+")) or (flags or 0) & WRITE_FLAGS
        if isinstance(path, str | bytes) and writes and not within(os.fsdecode(path)):
            heard.append((event, os.fsdecode(path)))
    elif event in NAMES:
        changed = args[:2] if event == "os.rename" else args[1:2] if event in {"os.symlink", "os.link"} else args[:1]
        heard.extend((event, str(p)) for p in changed if isinstance(p, str) and not within(p, itself=True))
    elif event in CONTENTS:
        heard.extend((event, str(p)) for p in args[:1] if isinstance(p, str) and not within(p))
    elif event in RUNS or event.startswith(NETWORK):
        heard.append((event, repr(args)[:200]))
    elif event == "pickle.find_class" and not sys._getframe(1).f_code.co_filename.startswith(sys.prefix):
        heard.append((event, repr(args)))
    elif event in {"exec", "compile"}:
        name = getattr(args[0], "co_filename", None) or (args[1] if event == "compile" else "")
        if isinstance(name, str) and os.path.isabs(name) and within(name):
            heard.append((event, name))


def main() -> None:
    sys.addaudithook(hook)
    try:
        if sys.argv[2] == "--deed":
            exec(sys.argv[3], {})  # written by the test
        else:
            from raykft.cli import app

            app(sys.argv[2:], standalone_mode=False)
        outcome = "done"
    except Exception as error:
        outcome = f"{type(error).__name__}: {error}"
    print("\nSPY " + json.dumps([outcome, list(heard)]))


if __name__ == "__main__":
    main()
