"""Ingest: what waits, what was put aside, whether the ledger balances, and whose clock is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select

from api.doctor.model import Finding, Status, Subject, counted, graded
from collector.settled import differences, unchecked
from core import StorageError
from core.wording import span
from storage import load_sql
from storage.state.ledger_tables import LEDGER

SKEW_WINDOW = timedelta(minutes=15)
SKEW_LEAST = 20
"""Fewer records of a service say nothing about its clock."""
AHEAD_S, BEHIND_S = 2.0, 120.0


def lag(subject: Subject) -> Iterator[Finding]:
    """Between acknowledgement and table."""
    newest = _newest(subject)
    now = subject.clock.now()
    ages = {signal: (now - at).total_seconds() for signal, at in newest.items() if at is not None}
    told = ", ".join(f"{name} {span(max(0.0, age))} ago" for name, age in sorted(ages.items())) or "nothing yet"
    if subject.running is None:
        yield Finding("ingest.newest", Status.OK, f"last received: {told}", facts={"seconds_ago": ages})
        return
    pending = subject.running.collector.ledger.pending()
    waiting = min(ages.values(), default=0.0) if pending else 0.0
    yield Finding(
        "ingest.lag",
        graded(waiting, 60, 600),
        f"{pending:,} items acknowledged and not yet stored; last stored was received: {told}",
        "What is acknowledged should be in the tables within seconds; it is safe in the log meanwhile.",
        "Look at the service's log for 'the store is behind'; at engine.parts and machine.memory.",
        {"pending": pending, "seconds_ago": ages},
    )


def ledger(subject: Subject) -> Iterator[Finding]:
    """What the comparison of ledger and tables found last, and what was put aside."""
    assert subject.state is not None
    with subject.state.connect() as connection:
        found, waiting = differences(connection), unchecked(connection)
        aside = int(connection.execute(select(func.sum(LEDGER.c.quarantined))).scalar() or 0)
    last = subject.running.balance.last if subject.running else None
    lost = {name: gap for name, gap in ((last.unaccounted if last else None) or {}).items() if gap}
    missing = sum(max(0, one.missing) for one in found)
    extra = sum(max(0, -one.missing) for one in found)
    shown = "; ".join(
        f"segment {one.segment}: {one.items:,} {one.signal} of {one.tenant} in the ledger, {one.rows:,} in the tables"
        for one in found[:5]
    )
    bad = bool(found or lost)
    if bad:
        seen = f"{missing:,} items missing and {extra:,} rows too many in {len(found):,} places: {shown}"
        seen += "".join(f"; {gap:+,} {name} acknowledged and unknown" for name, gap in lost.items())
    else:
        seen = "balanced" + (f"; {counted(waiting, 'segment')} still to be compared" if waiting else "")
    yield Finding(
        "ledger.balance",
        Status.FAIL if bad else Status.OK,
        seen,
        "Every acknowledged item is in a table exactly once, or is counted as what became of it. Here it is not.",
        "Look at engine.detached, and at who else writes to the database. Restore the rows from a backup; the alert"
        " ends when they are there.",
        {"differences": len(found), "missing": missing, "extra": extra, "uncompared_segments": waiting},
    )
    yield Finding(
        "ledger.quarantined",
        Status.WARN if aside else Status.OK,
        f"{aside:,} items were put aside since the ledger began",
        "They were acknowledged, and then could not be stored as they were.",
        "Look at them in the quarantine; repair the sender; replay what can be used.",
        {"items": aside},
    )


def clocks(subject: Subject) -> Iterator[Finding]:
    """The machine's clock against itself, the engine's and the newest data."""
    assert subject.ch is not None
    now = subject.clock.now()
    engine = subject.ch.query("SELECT now64(6, 'UTC')").scalar()
    apart = (engine - now).total_seconds() if isinstance(engine, datetime) else 0.0
    yield Finding(
        "clock.engine",
        graded(abs(apart), 2, 60),
        f"the engine's clock is {span(abs(apart))} {'ahead' if apart > 0 else 'behind'}",
        "Alerts, KPI buckets and retention compare this clock with times that the engine computes.",
        "Synchronise both machines (chrony, systemd-timesyncd).",
        {"seconds": apart},
    )
    newest = max((at for at in _newest(subject).values() if at is not None), default=None)
    ahead = (newest - now).total_seconds() if newest else 0.0
    yield Finding(
        "clock.future",
        graded(ahead, 5, 300),
        f"data was received {span(ahead)} in the future" if ahead > 5 else "nothing was received in the future",
        "Time stood later when this was received: the clock has been set back since. Late and new data cannot be told"
        " apart until it has caught up.",
        "Check the machine's time (timedatectl), and what sets it.",
        {"seconds": max(0.0, ahead)},
    )
    if subject.running is not None:
        jump = subject.running.retention.clock_jump_s()
        yield Finding(
            "clock.jump",
            graded(abs(jump), 5, 3_600),
            f"the wall clock was set by {span(abs(jump))} since retention looked last"
            if abs(jump) > 5
            else "the wall clock was not set while the service ran",
            "The wall clock was set while the service ran; retention leaves out a run after more than an hour.",
            "Let the clock be slewed, not stepped (chrony's makestep limit).",
            {"seconds": jump},
        )


def skew(subject: Subject) -> Iterator[Finding]:
    """Services whose clocks are not right, from the times on what they send."""
    assert subject.ch is not None
    since = (subject.clock.now() - SKEW_WINDOW).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S.%f")
    limits = {"max_rows_to_read": 5_000_000, "read_overflow_mode": "break", "max_execution_time": 10}
    try:
        rows = subject.ch.query(load_sql("api", "doctor_skew"), {"since": since, "least": SKEW_LEAST}, limits).rows
    except StorageError as error:
        yield Finding("clock.services", Status.WARN, f"could not be looked at: {error.message}")
        return
    ahead = {str(name): float(median) for name, _, median in rows if median > AHEAD_S}
    behind = {str(name): -float(median) for name, _, median in rows if -median > BEHIND_S}
    told = [f"the clock of {name} is {span(by)} ahead" for name, by in ahead.items()]
    told += [f"{name} is {span(by)} behind" for name, by in behind.items()]
    seen = "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
    if not told:
        seen = f"{len(rows):,} services agree with this machine" if rows else "too little arrived lately to say"
    yield Finding(
        "clock.services",
        Status.WARN if told else Status.OK,
        seen,
        "Times on telemetry come from its sender. A sender that is ahead makes durations negative and waits too short;"
        " one that is behind has a slow clock, or holds its data back.",
        "Synchronise the clock of that service's machine; if it is right, shorten its exporter's batch delay.",
        {"ahead_s": ahead, "behind_s": behind, "services": len(rows)},
    )


def _newest(subject: Subject) -> dict[str, datetime | None]:
    assert subject.ch is not None
    found: dict[str, datetime | None] = {}
    for signal, at, rows in subject.ch.query(load_sql("api", "doctor_newest")).rows:
        if rows:
            found[signal] = max(at, found.get(signal) or at)
    return found
