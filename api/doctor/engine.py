"""The engine: version, schema, parts, merges, mutations, deduplication and retention."""

from __future__ import annotations

import re
from collections.abc import Iterator

from api.doctor.log import segment_files
from api.doctor.model import Finding, Status, Subject, counted, graded, size_text
from core.wording import span
from storage import ClickHouse, load_sql, migration_status
from storage.retention import Retention

WINDOW = re.compile(r"deduplication_window\s*=\s*(\d+)")


def version(subject: Subject) -> Iterator[Finding]:
    """Which engine answers."""
    ch = _engine(subject)
    kind = "embedded" if ch.embedded else "a server"
    yield Finding("engine.version", Status.OK, f"ClickHouse {ch.version}, {kind}", facts={"version": ch.version})


def schema(subject: Subject) -> Iterator[Finding]:
    """Whether the tables are those of this release."""
    found = migration_status(_engine(subject))
    pending = [f"{one.number:04d}_{one.name}" for one in found if not one.applied]
    changed = [f"{one.number:04d}_{one.name}" for one in found if one.changed]
    if changed:
        yield Finding(
            "engine.schema",
            Status.FAIL,
            f"made by another text of {', '.join(changed)}",
            "The tables are not those that this release expects; the service refuses to start.",
            "Run the release that made them, or start on a new database.",
            {"changed": changed},
        )
        return
    yield Finding(
        "engine.schema",
        Status.WARN if pending else Status.OK,
        f"{len(pending)} migrations wait: {', '.join(pending)}" if pending else f"{len(found)} migrations applied",
        "What waits is applied at the next start.",
        "`opsintel migrate --dry-run` shows it, `opsintel migrate` applies it.",
        {"pending": pending, "applied": len(found) - len(pending)},
    )


def parts(subject: Subject) -> Iterator[Finding]:
    """Parts for each partition and table, and whether merges keep up."""
    ch = _engine(subject)
    rows = ch.query(load_sql("api", "doctor_parts"), {"database": ch.database}).dicts()
    if not rows:
        yield Finding("engine.parts", Status.OK, "no data yet")
        return
    worst = max(rows, key=lambda row: row["MostParts"])
    largest = max(rows, key=lambda row: row["Parts"])
    total = sum(row["Parts"] for row in rows)
    yield Finding(
        "engine.parts",
        graded(worst["MostParts"], 150, 600),
        f"at most {worst['MostParts']:,} parts in one partition ({worst['Table']}), {total:,} in all",
        "Every query opens every part. Beyond 1,000 in a partition the engine slows inserts down, beyond 3,000 it"
        " refuses them.",
        "If engine.merges is behind, give the engine time, processors or a faster disk. Many small inserts make many"
        " parts: raise OPSINTEL_WAL_SEGMENT_AGE_MS.",
        {row["Table"]: {"parts": row["Parts"], "partitions": row["Partitions"], "bytes": row["Bytes"]} for row in rows},
    )
    yield Finding(
        "engine.partitions",
        graded(largest["Parts"], 5_000, 50_000),
        f"{largest['Table']} has the most: {largest['Partitions']:,} partitions with {largest['Parts']:,} parts;"
        f" {size_text(sum(row['Bytes'] for row in rows))} in all tables",
        "Each part costs every query and insert about 5 µs, and every start time and memory; at 100,000 inserts stop.",
        "Shorten the retention of the tenants with the most days (`opsintel retention show`), or give groups of tenants"
        " a database each.",
        {"table": largest["Table"], "partitions": largest["Partitions"], "parts": largest["Parts"]},
    )
    merges = ch.query(load_sql("api", "doctor_merges"), {"database": ch.database}).dicts()[0]
    yield Finding(
        "engine.merges",
        Status.FAIL
        if worst["MostParts"] > 600 and not merges["Running"]
        else Status.WARN
        if merges["Longest"] > 3_600
        else Status.OK,
        f"{merges['Running']:,} under way"
        + (f", the longest for {span(merges['Longest'])}, {size_text(merges['Bytes'])}" if merges["Running"] else ""),
        "Merges keep the number of parts small; where none runs although parts pile up, something holds them.",
        "Look at the engine's log for errors of merges: free disk and memory are the usual causes.",
        {"running": merges["Running"], "longest_s": merges["Longest"]},
    )


def broken(subject: Subject) -> Iterator[Finding]:
    """Detached parts: what the engine put aside at a start."""
    ch = _engine(subject)
    rows = ch.query(load_sql("api", "doctor_detached"), {"database": ch.database}).rows
    bad = [row for row in rows if str(row[1]).startswith(("broken", "unexpected", "noquorum", "clone"))]
    yield Finding(
        "engine.detached",
        Status.FAIL if bad else Status.WARN if rows else Status.OK,
        "; ".join(f"{counted(count, 'part')} of {table} ({reason or 'by hand'})" for table, reason, count in rows)
        or "none",
        "Detached parts are not queried: broken ones were unreadable at a start, so rows may be missing.",
        "Compare with ledger.balance. Check the disk. Restore the part from a backup, or remove it:"
        " ALTER TABLE … DROP DETACHED PART …",
        {"parts": [list(row) for row in rows]},
    )


def mutations(subject: Subject) -> Iterator[Finding]:
    """Rewrites that do not end."""
    ch = _engine(subject)
    rows = ch.query(load_sql("api", "doctor_mutations"), {"database": ch.database}).dicts()
    failed = [row for row in rows if row["Reason"]]
    stuck = [row for row in rows if row["Seconds"] > 3_600]
    first = (failed or stuck or rows or [{}])[0]
    yield Finding(
        "engine.mutations",
        Status.FAIL if failed else Status.WARN if stuck else Status.OK,
        f"{len(rows):,} unfinished, {len(failed):,} failing: {first['Table']}, {first['Id']}, for"
        f" {span(first['Seconds'])}" + (f": {str(first['Reason'])[:160]}" if first["Reason"] else "")
        if rows
        else "none unfinished",
        "A mutation rewrites parts; one that fails is tried again for ever and holds up those behind it.",
        "KILL MUTATION WHERE mutation_id = '…' ends it; correct the cause and run it again.",
        {"unfinished": len(rows), "failing": len(failed)},
    )


def deduplication(subject: Subject) -> Iterator[Finding]:
    """Whether a repeated segment would still be recognised."""
    ch = _engine(subject)
    rows = ch.query(load_sql("api", "doctor_windows"), {"database": ch.database}).rows
    windows = {str(table): int(match[1]) if (match := WINDOW.search(str(text))) else 0 for table, text in rows}
    without = sorted(table for table, window in windows.items() if not window)
    smallest = min((window for window in windows.values() if window), default=0)
    waiting = len(segment_files(subject.settings.wal_dir))
    used = waiting / smallest if smallest else 0.0
    if without:
        yield Finding(
            "engine.deduplication",
            Status.FAIL,
            f"off for {', '.join(without)}",
            "A segment that is inserted again after a kill would be stored twice there.",
            "ALTER TABLE … MODIFY SETTING non_replicated_deduplication_window = 10000",
            {"without": without},
        )
        return
    yield Finding(
        "engine.deduplication",
        graded(used, 0.25, 0.75),
        f"the last {smallest:,} inserts of a table are recognised; {counted(waiting, 'segment')} in the log",
        "A segment that is inserted again is recognised by its token for as long as the token is remembered. Each"
        " signal and tenant of a segment is one insert.",
        "Let the log drain before the service is stopped; raise non_replicated_deduplication_window on every table.",
        {"window": smallest, "segments": waiting},
    )


def retention(subject: Subject) -> Iterator[Finding]:
    """Whether what should be gone is gone."""
    ch, state = _engine(subject), subject.state
    if state is None:
        return
    report = (subject.running.retention if subject.running else Retention(ch, state, subject.clock)).run(dry_run=True)
    count = len(report.dropped)
    interval = subject.settings.retention_interval_s
    hours = max(((report.at - one.due).total_seconds() for one in report.dropped if one.due is not None), default=0.0)
    late = subject.running is not None and hours > 3 * interval + 3_600
    yield Finding(
        "engine.retention",
        Status.WARN if late else Status.OK,
        f"{counted(count, 'partition')} with {counted(report.rows, 'row')} ({size_text(report.bytes)}) are due"
        + (f", the first was due {span(hours)} ago" if late else "")
        if count
        else "nothing is older than it is to be kept",
        f"Retention looks every {span(interval)}; what is much later was held up.",
        "Look at the service's log for 'partition not dropped' and at clock.*; OPSINTEL_JOBS_ENABLED must be true in"
        " one process.",
        {"partitions": count, "rows": report.rows, "bytes": report.bytes},
    )


def _engine(subject: Subject) -> ClickHouse:
    assert subject.ch is not None  # checks of the engine are run with one
    return subject.ch
