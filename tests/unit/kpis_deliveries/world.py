"""A tenant's deliveries on a real state database, with what was rendered counted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

from core import ManualClock
from kpis.deliveries import DeliveryJobs, Rendered, Retries, Sender, State, TickReport
from kpis.periods import Calendar
from storage import StateDb

SECRET = "whsec_" + "QUJD" * 8
START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
LEASE_OVER = timedelta(minutes=10)
REPORT = """[[reports]]
id = "weekly"
title = "Weekly numbers"
format = "csv"
kpis = ["line_fill_rate"]
period = "last_day"
grain = "day"
schedule = "0 6 * * *"
to = [{to}]
"""
FOLDER = 'kind = "directory", path = "out"'
CONTENT = b"a,b\n"


class World:
    """`to` are targets, each the inside of a TOML table."""

    def __init__(self, state: StateDb, path: Path, *to: str, **sender: Any) -> None:
        self.folder, self.root, self.spool, self.rendered = path / "reports", path / "root", path / "spool", 0
        self.folder.mkdir()
        self.write(*to)
        self.problem: Exception | None = None
        self.while_rendering: Callable[[], object] = lambda: None
        self.clock, self.state = ManualClock(START), state
        environment = {"REPORT_HOOK": SECRET, "REPORT_KEY": "k", "REPORT_SECRET": "s"}
        self.sender = Sender(environment, self.root, **sender)
        self.seen: list[tuple[str, str]] = []
        self.jobs = self.restarted()

    def write(self, *to: str) -> None:
        """The one file of subscriptions."""
        targets = ", ".join("{" + one + "}" for one in to)
        (self.folder / "a.toml").write_text(REPORT.replace("{to}", targets))

    def restarted(self, state: StateDb | None = None) -> DeliveryJobs:
        """Another process, or this one after a crash."""
        jobs = DeliveryJobs(
            state or self.state, self.clock, "acme", self.folder, lambda: Calendar("Europe/Berlin"), self.render,
            self.sender, self.spool, retries=Retries(10, 60, 3), draw=lambda: 0.0,
            observe=lambda kind, outcome: self.seen.append((kind, outcome)),
        )  # fmt: skip
        jobs.reload()
        return jobs

    def render(self, _one: Any, _start: datetime, _end: datetime, out: BinaryIO) -> Rendered:
        """Writes two columns, or raises the problem."""
        self.rendered += 1
        self.while_rendering()
        if self.problem:
            raise self.problem
        out.write(CONTENT)
        return Rendered("r.csv", "text/csv; charset=utf-8", None, (("Fill rate", "97 %"),))

    def tick(self, after: timedelta | float = 0) -> TickReport:
        """A tick so long (seconds) after the start."""
        after = timedelta(seconds=after) if not isinstance(after, timedelta) else after
        self.clock.advance((START + after - self.clock.now()).total_seconds())
        return self.jobs.tick()

    def states(self) -> list[State]:
        """Of the deliveries."""
        return [one.state for one in self.jobs.deliveries()]

    def details(self) -> list[str]:
        """Of the deliveries."""
        return [one.detail for one in self.jobs.deliveries()]

    def spooled(self) -> list[str]:
        """Files in the spool."""
        return sorted(file.name for file in self.spool.iterdir()) if self.spool.is_dir() else []
