"""Progress of a running search: a live panel in a terminal, plain lines elsewhere."""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from raykft.leaderboard.lines import paragraph
from raykft.records import TrialStatus
from raykft.wording import running as words
from raykft.wording.messages import called, retold, speaking, spoken
from raykft.wording.names import LIST, STATUSES

REFRESH_SECONDS = 1.0
QUIET_SECONDS = 60.0  # without a terminal a line comes at least as often
LISTED = 4  # running trials that such a line names
BARS = "▁▂▃▄▅▆▇█"
NAMED, LEFT = "running trial", {"running trial", "rungs so far"}  # columns of the panel
CURVE = 16  # the latest rungs that a panel of 80 columns has room for


def sparkline(values: Sequence[float], low: float, high: float) -> str:
    """A bar a value, from `low` to `high`; what is no number has a blank."""

    def bar(value: float) -> str:
        place = (value - low) / (high - low) if high > low else 0.5
        return BARS[round(min(1, max(0, place)) * (len(BARS) - 1))]

    return "".join(bar(value) if math.isfinite(value) else " " for value in values)


class Progress:
    """Counts trials and estimates the time left. Fed by the driver's callback, from one thread."""

    def __init__(
        self,
        console: Console,
        total: int,
        done: int,
        concurrent: Callable[[], int],
        tokens: Callable[[], int],
        stage: str = "searching",
    ) -> None:
        """
        Args:
            total: trials of the whole search, of which `done` ended in earlier runs.
            concurrent: how many trials can train at once now.
            tokens: how many tokens all hosts have trained since this run began.
            stage: what is going on, a key of `words.STAGES`.
        """
        self._console = console
        self._lang = spoken()  # its threads and rich's speak as whoever made it
        self._stage = stage
        self._total = total
        self._done_before = done
        self._concurrent = concurrent
        self._tokens = tokens
        self._seconds: list[float] = []  # of every ended trial
        self._rate = 0.0
        self._running: dict[str, dict[str, Any]] = {}
        self._curves: dict[str, list[float]] = {}  # rung scores of running trials
        self._scale = math.inf, -math.inf  # the lowest and highest of all trials of this run
        self._said = time.monotonic()
        self._ended: Counter[str] = Counter()
        self._best: tuple[float, str] | None = None
        self._live: Live | None = None
        self._stop = threading.Event()
        self._sampler = threading.Thread(target=self._sample_rate, name="raykft-progress", daemon=True)

    def __enter__(self) -> Progress:
        self._sampler.start()
        if self._console.is_terminal:
            self._live = Live(get_renderable=self._panel, console=self._console, refresh_per_second=2, transient=True)
            self._live.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._stop.set()
        self._sampler.join(timeout=5)
        if self._live is not None:
            self._live.stop()
            self._live = None

    def started(self, trial_id: str) -> None:
        self._running.setdefault(trial_id, {})

    def reported(self, trial_id: str, row: dict[str, Any]) -> None:
        self._running[trial_id] = row
        rung = float(row.get("rung_score", math.nan))
        self._curves.setdefault(trial_id, []).append(rung)
        if math.isfinite(rung):
            self._scale = min(self._scale[0], rung), max(self._scale[1], rung)

    def ended(self, trial_id: str, result: dict[str, Any]) -> None:
        self._running.pop(trial_id, None)
        self._curves.pop(trial_id, None)
        self._ended[result["status"]] += 1
        self._seconds.append(result.get("seconds", 0.0))
        score = result["metrics"].get("score") if TrialStatus(result["status"]).ranked else None
        if score is not None and (self._best is None or score > self._best[0]):
            self._best = (score, trial_id)
        if score is not None:
            outcome = words.SCORE(score=score)
        else:
            outcome = retold(result["reason"], words.STOPPED_EARLY, words.INTERRUPTED)
        status = called(STATUSES, result["status"])
        # Printed above the live panel; where there is no terminal, with what is running after a quiet minute.
        self._say(f"[{self.done}/{self._total}] {trial_id}  {status}  {outcome}  {self._figures()}")

    def _say(self, line: str) -> None:
        self._said = time.monotonic()
        self._console.print(paragraph(line))

    def say_running(self) -> None:
        """One line of what is under way."""
        with speaking(self._lang):
            named = [self._named(trial_id, row) for trial_id, row in list(self._running.items())[:LISTED]]
            more = [words.MORE(n=len(self._running) - LISTED)] if len(self._running) > LISTED else []
            running = words.BETWEEN().join([*named, *more]) or words.NONE_RUNS()
            about = {"stage": words.STAGES[self._stage](), "done": self.done, "total": self._total}
            self._say(words.PROGRESS(running=running, figures=self._figures(), **about))

    def _named(self, trial_id: str, row: dict[str, Any]) -> str:
        if not row:
            return words.BEGINS(trial=trial_id)
        at = {"epoch": row["epoch"], "epochs": row["epochs"], "curve": self._curve(trial_id)}
        return words.AT_EPOCH(trial=trial_id, **at).rstrip()

    def _curve(self, trial_id: str) -> str:
        """Its latest rung scores, on the scale of all trials of this run."""
        return sparkline(self._curves.get(trial_id, [])[-CURVE:], *self._scale)

    @property
    def done(self) -> int:
        return self._done_before + sum(self._ended.values())

    def _figures(self) -> str:
        best = words.BEST(score=self._best[0]) if self._best else words.NO_SCORE()
        return words.FIGURES(best=best, rate=self._rate, left=self._left())

    def _left(self) -> str:
        """Time left: what running trials still need if nobody stops them, and the mean trial for those to come."""
        if not self._seconds:
            return words.UNKNOWN_LEFT()
        mean = sum(self._seconds) / len(self._seconds)
        running = [_remaining_seconds(row) if row else mean for row in self._running.values()]
        queued = max(0, self._total - self.done - len(running))
        left = max([(sum(running) + queued * mean) / self._concurrent(), *running])
        return words.MINUTES_LEFT(minutes=left / 60) if left >= 90 else words.SECONDS_LEFT(seconds=left)

    def _panel(self) -> RenderableType:
        with speaking(self._lang):
            return self._drawn()

    def _drawn(self) -> RenderableType:
        ended = [words.COUNT(n=n, status=called(STATUSES, status)) for status, n in sorted(self._ended.items())]
        about = {"stage": words.STAGES[self._stage](), "done": self.done, "total": self._total}
        about |= {"counts": LIST().join(ended) or words.NONE_ENDED(), "running": len(self._running)}
        title = paragraph(words.PANEL(figures=self._figures(), **about))
        table = Table(box=None, pad_edge=False)
        for name, heading in words.COLUMNS.items():
            table.add_column(heading(), justify="left" if name in LEFT else "right", no_wrap=name != NAMED)
        for trial_id, row in list(self._running.items()):
            if row:
                epoch = f"{row['epoch']}/{row['epochs']}"
                figures = [epoch, f"{row['loss']:.3f}", f"{row['rung_score']:.2f}", self._curve(trial_id)]
            else:
                figures = ["", "", "", ""]
            # In a narrow terminal names are shortened, and figures are not.
            table.add_row(Text(trial_id, no_wrap=True, overflow="ellipsis"), *figures)
        return Group(title, table)

    def _sample_rate(self) -> None:
        """Tokens per second over the last half minute of training, asked of the hosts."""
        window: list[tuple[float, int]] = []
        while not self._stop.wait(REFRESH_SECONDS):
            window.append((time.monotonic(), self._tokens()))
            window = [sample for sample in window if sample[0] > window[-1][0] - 30]
            elapsed = window[-1][0] - window[0][0]
            self._rate = (window[-1][1] - window[0][1]) / elapsed if elapsed > 0 else 0.0
            if self._live is None and time.monotonic() - self._said >= QUIET_SECONDS:
                self.say_running()


def _remaining_seconds(row: dict[str, Any]) -> float:
    """What a trial's remaining epochs take at its pace so far."""
    pace = float(row["seconds"]) / int(row["epoch"])
    return pace * max(0, int(row["epochs"]) - int(row["epoch"]))
