"""The KPIs at size: all of them from nothing, the minute job, a page's queries, a year's report. Run by hand.

    python -m tests.bench.kpi_bench [--events 10000000] [--days 90] [--folder FOLDER] [--markdown FILE]

Business events of all value streams (`kpi_events`) are stored in an embedded engine of its own, merged as they would be
after so many days, and noted as changes of the last three days. Then it is timed:

- `all`: every KPI of the catalogue computed from nothing, views included;
- `minute`: the events of one further minute, as many as come on average, and of a busy minute (ten times as many: the
  events of ten minutes at once), each taken in by the job that runs every minute. Medians of some runs;
- `page`: what the page of key figures and the route of a series ask, over a year of values (the computed ones, copied
  back in time). The median of some runs;
- `report`: a year's executive PDF, by days; XLSX, CSV and Parquet of 100,000 rows are `export_bench`'s.

Spans are not part of it: the KPIs over calls between systems have nothing to read. Exits 1 when a goal is missed. CPU
seconds are those of the whole process, wall times depend on what else runs on the machine: compare on one machine.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from core import SystemClock, load_settings
from kpis import KpiJobs, RunReport, latest_values, load_catalogue, series, trends
from kpis.exports.build import ExportQuestion, build_report
from kpis.exports.pdf import render_pdf
from storage import ClickHouse, migrate_clickhouse, open_clickhouse
from tests.bench.kpi_events import History
from tests.bench.usage import Usage

TENANT = "bench"
MINUTES = 5
BUSY = 10
"""How many minutes' events come in one in the busy case."""
QUERIES = 7
PAGE_PAST = {"day": timedelta(days=14), "week": timedelta(weeks=13), "month": timedelta(days=400)}
"""As api.reads.TRENDS."""
SERIES = (("order_cycle_time", "hour", 14), ("order_cycle_time", "day", 90), ("on_time_in_full", "day", 365))
NOTES = """
INSERT INTO {notes} (TenantId, Stream, CaseId, SegmentId, InsertedAt, Earliest)
SELECT TenantId, Stream, CaseId, cityHash64(toStartOfInterval(Timestamp, toIntervalSecond(5))), Timestamp, Timestamp
FROM {events} WHERE TenantId = {{tenant:String}} AND Timestamp >= now() - toIntervalDay(3)
    AND Timestamp < now() - toIntervalMinute(15)
"""
PAST_YEAR = """
INSERT INTO kpi_values
SELECT * REPLACE(addDays(BucketStart, -{back:Int32}) AS BucketStart)
FROM kpi_values FINAL WHERE TenantId = {tenant:String} AND Grain != 'run' AND BucketStart >= {since:DateTime}
"""


@dataclass
class Figure:
    """What one thing cost. goal: seconds at most, 0 for none."""

    name: str
    goal: float = 0.0
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    peak: int = 0
    said: str = ""

    @property
    def seconds(self) -> float:
        """The median."""
        return statistics.median(self.wall)

    @property
    def missed(self) -> bool:
        """Whether it took longer than it should."""
        return bool(self.goal) and self.seconds > self.goal

    def row(self) -> str:
        """As a line of a Markdown table."""
        goal = f"< {self.goal:g} s" if self.goal else ""
        met = ("missed" if self.missed else "met") if self.goal else ""
        return (
            f"| {self.name} | {self.seconds:.3f} | {statistics.median(self.cpu):.3f} | {self.peak / 2**20:.0f} |"
            f" {goal} | {met} | {self.said} |"
        )


class Bench:
    """Measures, and tells as it goes on."""

    def __init__(self) -> None:
        self.figures: list[Figure] = []

    def figure(self, name: str, goal: float = 0.0) -> Figure:
        """A new line of the table."""
        self.figures.append(Figure(name, goal))
        return self.figures[-1]

    @contextmanager
    def timed(self, figure: Figure) -> Iterator[None]:
        """Adds one measurement."""
        usage = Usage({"bench": os.getpid()})
        before = time.perf_counter()
        try:
            yield
        finally:
            wall = time.perf_counter() - before
            cpu = usage.cpu()["bench"]
            usage.stop()
        figure.wall.append(wall)
        figure.cpu.append(cpu)
        figure.peak = max(figure.peak, usage.peak["bench"])
        print(f"  {figure.name}: {wall:.3f} s, CPU {cpu:.3f} s", file=sys.stderr, flush=True)

    def table(self) -> str:
        """All figures, as Markdown."""
        head = "| what | seconds | CPU s | peak MiB | goal | | |\n|---|--:|--:|--:|--:|---|---|"
        return "\n".join([head, *(one.row() for one in self.figures)])


def prepare(ch: ClickHouse, bench: Bench, history: History) -> None:
    """Stores the history, merged, and the notes of its last days."""
    stored = bench.figure("events stored (generated)")
    with bench.timed(stored):
        for _ in history.store(ch):
            pass
    merged = bench.figure("merged")
    with bench.timed(merged):
        ch.command("OPTIMIZE TABLE process_events FINAL")
        ch.command("OPTIMIZE TABLE record_events FINAL")
    for notes, events in (("case_changes", "process_events"), ("record_changes", "record_events")):
        ch.command(f"TRUNCATE TABLE {notes}")
        ch.command(NOTES.format(notes=notes, events=events), {"tenant": TENANT})
    events, cases = ch.query("SELECT count(), uniqExact(Stream, CaseId) FROM process_events").rows[0]
    records = ch.query("SELECT count() FROM record_events").scalar()
    stored.said = f"{events:,} events of {cases:,} cases, {records:,} about stock and prices"


def found(ch: ClickHouse) -> datetime | None:
    """The end of the history that is there, minutes that were added since included; None when there is none."""
    events, last = ch.query("SELECT count(), max(Timestamp) FROM process_events").rows[0]
    return last.replace(second=0, microsecond=0) + timedelta(minutes=1) if events else None


def everything(bench: Bench, jobs: KpiJobs) -> None:
    """All KPIs from nothing."""
    figure = bench.figure("all KPIs from nothing", 60)
    with bench.timed(figure):
        report = sound(jobs.recompute_all())
    figure.said = f"{report.computed} KPIs, {report.buckets:,} buckets, {report.rows:,} values"


def minutes(ch: ClickHouse, bench: Bench, jobs: KpiJobs, history: History) -> None:
    """Minute after minute; between two the notes grow old enough not to be looked at once more."""
    idle, quiet = bench.figure("a run with nothing new"), bench.figure("an average minute's events", 1)
    busy = bench.figure("ten minutes' events at once", 1)
    at, rounds = history.end, 0
    for figure, length in ((quiet, 1), (busy, BUSY)):
        for _ in range(MINUTES):
            rounds += 1
            until = at + timedelta(minutes=length)
            history.store_next(ch, at, until, 1_000 + rounds)
            settle()
            news = ch.query(
                "SELECT count() FROM process_events WHERE Timestamp >= {a:DateTime} AND Timestamp < {b:DateTime}",
                {"a": at, "b": until},
            ).scalar()
            with bench.timed(figure):
                report = sound(jobs.run_once())
            figure.said = f"some {news} events, {report.buckets:,} buckets, {report.rows:,} values"
            with bench.timed(idle):
                sound(jobs.run_once())
            at = until


def settle() -> None:
    """A note younger than this is looked at twice; the job of the next minute does not see it so."""
    time.sleep(3.2)


def page(ch: ClickHouse, bench: Bench, history: History) -> None:
    """What the page asks, and single series."""
    for back in (91, 182, 273):
        since = history.end - timedelta(days=91)
        ch.command(PAST_YEAR, {"tenant": TENANT, "back": back, "since": since.replace(tzinfo=None)})
    values = ch.query("SELECT count() FROM kpi_values").scalar()
    catalogue, now = load_catalogue(), history.end
    asked: dict[str, Callable[[], Any]] = {}
    for grain, past in PAGE_PAST.items():
        asked[f"page by {grain}: newest values"] = lambda grain=grain: latest_values(
            ch, TENANT, grain, catalogue=catalogue
        )
        asked[f"page by {grain}: trends"] = lambda grain=grain, past=past: trends(
            ch, TENANT, grain, start=now - past, catalogue=catalogue
        )
    for kpi, grain, days in SERIES:
        asked[f"series of {kpi} by {grain}, {days} days"] = lambda kpi=kpi, grain=grain, days=days: series(
            ch, TENANT, kpi, grain=grain, start=now - timedelta(days=days), end=now, catalogue=catalogue
        )
    for name, ask in asked.items():
        figure = bench.figure(name, 0.2)
        ask()
        for _ in range(QUERIES):
            with bench.timed(figure):
                answer = ask()
        figure.said = f"{len(answer):,} of {values:,} values" if isinstance(answer, list) else f"{len(answer):,} series"


def report(ch: ClickHouse, bench: Bench, history: History) -> None:
    """A year's executive report."""
    figure = bench.figure("executive PDF of a year, by days", 5)
    question = ExportQuestion(history.end - timedelta(days=365), history.end, "day")
    with bench.timed(figure):
        pdf = render_pdf(build_report(ch, TENANT, load_catalogue(), question, now=history.end))
    figure.said = f"{len(pdf) / 1024:,.0f} KiB"


def sound(report: RunReport) -> RunReport:
    """Raises SystemExit for a run in which something failed."""
    if report.failures:
        raise SystemExit("; ".join(report.failures))
    return report


def main() -> int:
    """Prints the table; 1 when a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--days", type=int, default=90)
    parser.add_argument("--folder", help="where the engine's files go; else the usual temporary folder")
    parser.add_argument("--reuse", type=Path, help="a folder with a history; made there when it is not, and kept")
    parser.add_argument("--markdown", type=Path, help="write the table there, too")
    options = parser.parse_args()
    bench, clock = Bench(), SystemClock()
    history = History(TENANT, datetime.now(UTC).replace(second=0, microsecond=0), options.events, options.days)
    with tempfile.TemporaryDirectory(prefix="kpi-bench-", dir=options.folder) as folder:
        ch = open_clickhouse(load_settings(data_dir=options.reuse or Path(folder)))
        try:
            migrate_clickhouse(ch)
            if end := found(ch):
                history = replace(history, end=end)
            else:
                prepare(ch, bench, history)
            jobs = KpiJobs(ch, clock, load_catalogue(), [TENANT])
            everything(bench, jobs)
            minutes(ch, bench, jobs, history)
            page(ch, bench, history)
            report(ch, bench, history)
            engine = ch.version
        finally:
            ch.close()
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}, ClickHouse {engine}"
    text = f"{machine}; load {', '.join(f'{part:.1f}' for part in os.getloadavg())}\n\n{bench.table()}\n"
    print(text)
    if options.markdown:
        options.markdown.write_text(text)
    return 1 if any(figure.missed for figure in bench.figures) else 0


if __name__ == "__main__":
    sys.exit(main())
