"""Shows the progress of the demo: a bar on a terminal, a line every few seconds elsewhere."""

from __future__ import annotations

from typing import Self

from rich.console import Console
from rich.progress import BarColumn, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from demo.runner import Progress

EVERY_S = 5.0
LIVE_EVERY_S = 60.0


class ConsoleProgress:
    """Call it with every Progress, inside its context."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console(stderr=True)
        self._bar: Bar | None = None
        self._task: TaskID | None = None
        self._last = float("-inf")
        self._live = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._bar = Bar(
                TextColumn("back-fill"),
                BarColumn(),
                TaskProgressColumn(),
                TextColumn("{task.description}"),
                TimeElapsedColumn(),
                TimeRemainingColumn(),
                console=self._console,
            )
            self._task = self._bar.add_task("", total=1.0)
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop_bar()

    def __call__(self, progress: Progress) -> None:
        if progress.live and not self._live:
            self._live = True
            self._stop_bar()
            self._last = float("-inf")
        counts = progress.counts
        words = f"{counts.spans:,} spans, {counts.logs:,} logs, {counts.points:,} points acknowledged"
        if counts.failed:
            words += f", {counts.failed:,} not"
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, completed=progress.share, description=words)
            return
        every = LIVE_EVERY_S if progress.live else EVERY_S
        if progress.elapsed_s - self._last >= every or (progress.share >= 1 and not progress.live):
            self._last = progress.elapsed_s
            head = "live" if progress.live else f"back-fill {progress.share:4.0%}"
            self._console.print(f"{head}: {words} in {progress.elapsed_s:.0f} s", highlight=False)

    def _stop_bar(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
