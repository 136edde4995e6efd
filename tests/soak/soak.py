"""The soak: hours of a retailer's telemetry in accelerated time, with mishaps; flat memory and exact books at the end.

    python -m tests.soak.soak [--equivalent-hours 4] [--speed 24] [--out docs/soak.md]

Load, times in the data and the intervals of the jobs are all `speed` times as fast as in real life. In an equivalent
hour a receiver is killed (the youngest, so that one lives through it all) and the owner of the engine stands still for
three seconds. Fails when memory is not flat, when something piles up, or when the books do not agree to the item.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

import psutil

from tests.faults.rig import Rig
from tests.integration.served import eventually
from tests.soak.judge import Trend, stores_growth, trend
from tests.soak.page import Verdict, chart, page
from tests.soak.retailer import Day, Told, streams
from tests.soak.samples import Sampler

PAUSE_S = 3.0
TABLES = {
    "traces": "SELECT count(), uniqExact(SpanId) FROM otel_traces",
    "logs": "SELECT count(), uniqExact(LogAttributes['event.id'], Body, Timestamp) FROM otel_logs",
    "metrics": "SELECT sum(n), sum(n) FROM (SELECT count() n FROM otel_metrics_gauge UNION ALL "
    "SELECT count() FROM otel_metrics_sum UNION ALL SELECT count() FROM otel_metrics_histogram UNION ALL "
    "SELECT count() FROM otel_metrics_exponential_histogram UNION ALL SELECT count() FROM otel_metrics_summary)",
}
INTERVALS = {"KPI": 60, "ALERT": 15, "BALANCE": 60, "RETENTION": 3600}


def settings(speed: float) -> dict[str, str]:
    """Of the service: all jobs, as often as in real life for the data that comes."""
    found = {f"OPSINTEL_{name}_INTERVAL_S": str(max(1, round(every / speed))) for name, every in INTERVALS.items()}
    return found | {
        "OPSINTEL_JOBS_ENABLED": "true",
        "OPSINTEL_CARDINALITY_INTERVAL_S": str(max(60, round(900 / speed))),
    }


class Mishaps:
    """Kills and pauses, now and then."""

    def __init__(self, rig: Rig, hour_s: float) -> None:
        self._rig, self._hour_s, self._stop = rig, hour_s, threading.Event()
        self.kills = self.pauses = 0
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """No more of them."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._hour_s / 2):
            receivers = sorted(self._rig.receivers(), key=psutil.Process.create_time)
            if len(receivers) > 1:
                receivers[-1].kill()
                self.kills += 1
            if self._stop.wait(self._hour_s / 2):
                return
            owner = psutil.Process(self._rig.running.process.pid)
            owner.suspend()
            self._stop.wait(PAUSE_S)
            owner.resume()
            self.pauses += 1


def look(rig: Rig) -> tuple[int, int]:
    """Folders of parts on disk, those included that a merge has replaced lately, and pending items."""
    parts = sum(1 for _ in (rig.data / "clickhouse").glob("store/*/*/*/checksums.txt"))
    return parts, sum(entry["pending"] for entry in rig.ledger().values())


def books(rig: Rig, told: Told) -> tuple[list[list[Any]], list[str]]:
    """A line for each signal, and what does not agree."""
    lines, problems = list[list[Any]](), list[str]()
    ledger = rig.ledger()
    for signal_name, sql in TABLES.items():
        entry = ledger[signal_name]
        rows, kinds = (int(cell) for cell in rig.query(sql)[0])
        once = told.acknowledged[signal_name] - told.repeated[signal_name]
        lines.append([signal_name, told.acknowledged[signal_name], told.repeated[signal_name], entry["received"],
                      entry["stored"], entry["quarantined"], entry["duplicates"], entry["pending"], rows])  # fmt: skip
        checks = {
            "stored and quarantined, against acknowledged once": (entry["stored"] + entry["quarantined"], once),
            "rows in the tables, against what the ledger calls stored": (rows, entry["stored"]),
            "quarantined, against what belonged there": (entry["quarantined"], told.strange[signal_name]),
            "pending": (entry["pending"], 0),
        }
        if signal_name == "traces":
            checks["distinct rows, against rows"] = (kinds, rows)
        problems += [
            f"{signal_name}: {what}: {left} and {right}" for what, (left, right) in checks.items() if left != right
        ]
        if entry["duplicates"] < told.repeated[signal_name]:
            problems.append(f"{signal_name}: {told.repeated[signal_name]} sent twice, {entry['duplicates']} recognised")
    return lines, problems


def soak(folder: Path, hours: float, speed: float) -> Verdict:
    """Starts the service, loads it, looks, stops it."""
    rig = Rig(folder, settings=settings(speed) | {"OPSINTEL_WAL_SEGMENT_AGE_MS": "250"})
    told, seconds = Told(), hours * 3600 / speed
    try:
        rig.start().wait_open()
        sampler = Sampler(rig.running.process.pid, rig.wal, lambda: look(rig))
        sampler.start()
        flows = streams(rig.doors, told, Day(hours, speed), speed)
        for flow in flows:
            flow.start()
        mishaps, begun = Mishaps(rig, 3600 / speed), time.monotonic()
        while (left := begun + seconds - time.monotonic()) > 0:
            threading.Event().wait(min(10.0, left))
            done = sum(told.acknowledged.values())
            rss = "  ".join(f"{name} {found[-1].rss:.0f} MiB" for name, found in sampler.processes.items())
            pending = sampler.stores[-1].pending if sampler.stores else 0
            print(f"{time.monotonic() - begun:5.0f} s  {done:,} items  {pending:,} pending  {rss}", flush=True)
            assert rig.running.process.poll() is None, "the service ended"
        mishaps.stop()
        for flow in flows:
            flow.stop()
        sampler.stop()
        eventually(lambda: look(rig)[1] == 0, 120)
        lines, problems = books(rig, told)
        unbalanced = rig.metric("opsintel_ledger_unbalanced_items")
        if unbalanced:
            problems.append(f"the balance job found {unbalanced:.0f} items")
        status, stopped_s = rig.running.stop(signal.SIGTERM)
        left_over = [path.name for end in ("open", "seg") for path in rig.segments(end)]
        if status or left_over:
            problems.append(f"exit status {status}, left in the log: {left_over[:5]}")
        log = rig.log_text()
    finally:
        rig.end()
    half = seconds / 2
    trends = [found for name, one in sampler.processes.items() if (found := trend(name, one, from_s=half, speed=speed))]
    problems += [text for one in trends for text in one.problems()] + told.oddities[:3]
    if not any(one.name != "owner" for one in trends):
        problems.append("no receiver lived through the second half")
    for failure in ('"job failed"', '"the keeper failed"', '"the writer failed"', "Traceback"):
        if failure in log:
            problems.append(f"the log has {log.count(failure)} × {failure}")
    return Verdict(
        hours, speed, seconds, trends, stores_growth(sampler.stores, from_s=half, speed=speed), lines, told, problems,
        max((one.log_bytes for one in sampler.stores), default=0),
        max((one.parts for one in sampler.stores), default=0),
        max((one.pending for one in sampler.stores), default=0), mishaps.kills, mishaps.pauses, stopped_s,
        chart(sampler.processes, speed),
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(
        description="a long load in accelerated time; flat memory and exact books at its end"
    )
    parser.add_argument("--equivalent-hours", type=float, default=4.0)
    parser.add_argument("--speed", type=float, default=24.0)
    parser.add_argument("--out", type=Path, help="the page to write; its chart goes beside it, as .svg")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # so that nothing is left running
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        verdict = soak(Path(folder), options.equivalent_hours, options.speed)
    text = page(verdict)
    print(text)
    if options.out:
        options.out.write_text(text)
        options.out.with_suffix(".svg").write_text(verdict.chart)
    return 1 if verdict.problems else 0


__all__ = ["Trend", "soak"]

if __name__ == "__main__":
    os.environ.pop("FAULT_PLAN", None)
    sys.exit(main())
