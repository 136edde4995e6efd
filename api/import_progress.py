"""How far an import is, on the standard error: a bar for people, a line every ten seconds for log files.

The standard output stays the report's. Rates and remaining time are estimates from what was done so far.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, DownloadColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from collector.importers import Advance
from collector.importers import Progress as Told
from core import Clock

LINE_EVERY_S = 10.0


@contextmanager
def import_progress(name: str, clock: Clock, console: Console | None = None) -> Iterator[Told]:
    """Something to give to `import_file`; the bar is gone when the block ends."""
    console = console or Console(stderr=True)
    if not console.is_terminal:
        yield _Lines(name, clock, console)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        DownloadColumn(),
        TextColumn("{task.fields[state]}"),
        TimeRemainingColumn(compact=True),
    )
    rate = _Rate(clock)
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(name, total=None, state="checking the file")

        def told(now: Advance) -> None:
            bar.update(task, total=max(1, now.size), completed=now.done, state=rate.text(now))

        yield told


class _Rate:
    """Events a second since the first word of this run; what an earlier run handed over does not count."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._begun = clock.monotonic()
        self._before = 0

    def text(self, now: Advance) -> str:
        if now.repeated:
            self._begun, self._before = self._clock.monotonic(), now.events
            return "going on where it was interrupted"
        passed = self._clock.monotonic() - self._begun
        rate = (now.events - self._before) / passed if passed > 0 else 0.0
        return f"{now.events:,} events, {rate:,.0f}/s"


class _Lines:
    """One line every ten seconds; none for an import that takes less."""

    def __init__(self, name: str, clock: Clock, console: Console) -> None:
        self._name, self._clock, self._console = name, clock, console
        self._rate = _Rate(clock)
        self._told = self._begun = clock.monotonic()

    def __call__(self, now: Advance) -> None:
        state, moment = self._rate.text(now), self._clock.monotonic()
        if moment - self._told < LINE_EVERY_S:
            return
        self._told = moment
        part = now.done / now.size if now.size else 1.0
        left = f", about {(moment - self._begun) / part * (1 - part):,.0f} s left" if 0 < part < 1 else ""
        line = f"{self._name}: {part:.0%} of {decimal(now.size)}, {state}{left}"
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)
