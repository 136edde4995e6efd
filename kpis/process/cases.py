"""The case jobs: they keep the table `cases` equal to what the events say, case by case.

A run asks which segments brought events since the last one, in the order of insertion, and makes the cases of those
events anew, each as a whole. How often an event comes, in which order, and how late, makes no difference to the result.
A stream is made anew altogether when it has no mark, when its model changed (which steps there are, what ends a case,
whose amount counts), or when nobody looked for longer than changes are noted.

A case whose last step was taken back (a late span showed that it belongs elsewhere) is deleted.

Not promised: that a case has vanished when all of its events were deleted; retention drops cases by their last event.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from core import Clock, get_logger
from kpis.changes import (
    ALWAYS,
    CASES_AT_ONCE,
    EVENTS_AT_ONCE,
    IN_RANGE,
    NOTED,
    OVERLAP,
    SELECTION,
    SETTLED,
    TOUCHED,
    Change,
)
from kpis.process.streams import ValueStream, value_streams
from storage import ClickHouse, load_sql

log = get_logger(__name__)

_ROOM = "kpis.process"
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DELETED_AT_ONCE = 10_000
LIMITS = {
    "max_bytes_before_external_group_by": 512 << 20,
    "max_bytes_before_external_sort": 512 << 20,
    "optimize_aggregation_in_order": 1,
}
UNKEPT = (
    "retail.stream", "retail.case.id", "retail.step", "retail.step.start", "retail.seq", "retail.event.id",
    "retail.event.origin.id", "retail.objects", "retail.actor.type", "retail.resource",
)  # fmt: skip
"""Attributes that say nothing about a case which its row does not say already."""
APART = 16
"""So many of the touched cases, those that go back furthest, are made apart: one old case is not to make a run read all
months since it began for all cases, and few cases are found by the primary key."""
APART_FROM = f"NOT has({{apart:Array(String)}}, CaseId) AND {TOUCHED}"
THESE = "CaseId IN {apart:Array(String)}"
ROUNDED = timedelta(seconds=1)
"""More than a nanosecond loses where it becomes a microsecond."""
VERSION_FORMAT = 2
"""Raised when `build_cases.sql` gives another result for the same events."""


@dataclass(frozen=True)
class CasesReport:
    """What a run did: streams looked at, those made anew altogether, and cases written."""

    streams: int = 0
    rebuilt: int = 0
    cases: int = 0


@dataclass(frozen=True)
class _Mark:
    model: int
    through: datetime
    taken: Mapping[int, Change]


class CaseJobs:
    """Keeps `cases` up to date for every tenant. One run at a time; a second caller waits."""

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        streams: Callable[[], Mapping[str, ValueStream]] = value_streams,
        *,
        overlap: timedelta = OVERLAP,
        settled: timedelta = SETTLED,
        apart: int = APART,
    ) -> None:
        self._ch, self._clock, self._streams, self._apart = ch, clock, streams, apart
        self._overlap, self._settled_after = overlap, settled
        self._running, self._stopping = threading.Lock(), threading.Event()
        self._taken: dict[tuple[str, str], dict[int, Change]] = {}
        self._known: set[tuple[str, str]] = set()
        self._looked: datetime | None = None
        self._by_object: dict[tuple[str, str], tuple[str, str]] = {}
        self._version = 0

    def run_once(self, tenant: str | None = None, stream: str | None = None) -> CasesReport:
        """Takes in what was inserted since the last run, of one tenant and stream or of all.

        Raises StorageError and its kin; what a failed run had not finished the next one does.
        """
        with self._running:
            now = self._engine_time()
            marks, total = self._marks(), CasesReport()
            for key in self._with_events(now):
                if self._stopping.is_set():
                    break
                if tenant in (None, key[0]) and stream in (None, key[1]):
                    total = _plus(total, self._refresh(*key, marks.get(key), now))
            self._drop_old_notes(now)
            return total

    def refresh(self, tenant: str, stream: str) -> bool:
        """Like `run_once`, for a reader who wants what is newest; False when another run is under way: it is at it."""
        if not self._running.acquire(blocking=False):
            return False
        try:
            self._look_at_objects()
            self._refresh(tenant, stream, self._marks().get((tenant, stream)), self._engine_time())
        finally:
            self._running.release()
        return True

    def rebuild(self, tenant: str, stream: str) -> CasesReport:
        """Makes all cases of a stream anew."""
        with self._running:
            self._look_at_objects()
            return self._rebuild(tenant, stream, self._model(stream), self._engine_time())

    def made(self) -> list[tuple[str, str]]:
        """Every tenant's streams that have been taken in."""
        return sorted(self._marks())

    def stop(self) -> None:
        """Ends a run under way after its current statement; what is not done then is done by the next run."""
        self._stopping.set()

    # --- one stream ---

    def _refresh(self, tenant: str, stream: str, mark: _Mark | None, now: datetime) -> CasesReport:
        model = self._model(stream)
        if mark is None or mark.model != model or mark.through < now - NOTED:
            return self._rebuild(tenant, stream, model, now)
        since = mark.through - self._overlap
        taken, changes = self._taken.get((tenant, stream), mark.taken), self._changes(tenant, stream, since)
        new = [segment for segment, seen in changes.items() if taken.get(segment) != seen]
        written = self._touched(tenant, stream, model, since, new) if new else 0
        if self._stopping.is_set():
            return CasesReport(streams=1, cases=written)
        settled = self._settled(changes, now)
        if new:
            through = max(mark.through, *(changes[segment][0] for segment in new))
            self._set_mark(tenant, stream, _Mark(model, through, settled))
        elif mark.through < now - NOTED / 2:  # nobody is to make a quiet stream anew because it was quiet
            self._set_mark(tenant, stream, _Mark(model, now, settled))
        self._taken[tenant, stream] = settled
        return CasesReport(streams=1, cases=written)

    def _changes(self, tenant: str, stream: str, since: datetime) -> dict[int, Change]:
        """By segment: when its newest change was inserted, and how many there are."""
        params = {"tenant": tenant, "stream": stream, "since": since}
        rows = self._ch.query(load_sql(_ROOM, "case_changes"), params).rows
        return {int(segment): (inserted, int(count)) for segment, inserted, count in rows}

    def _touched(self, tenant: str, stream: str, model: int, since: datetime, segments: Sequence[int]) -> int:
        params = {"tenant": tenant, "stream": stream, "since": since, "segments": list(segments)}
        ends = self._ch.query(load_sql(_ROOM, "changed_ranges"), params | {"cases": CASES_AT_ONCE}).rows
        cases, low = 0, ""
        for high, count in ends:
            if self._stopping.is_set():
                break
            self._build_touched(tenant, stream, model, params | {"low": low, "high": high})
            cases, low = cases + int(count), high
        return cases

    def _settled(self, changes: Mapping[int, Change], now: datetime) -> dict[int, Change]:
        return {segment: one for segment, one in changes.items() if one[0] <= now - self._settled_after}

    def _build_touched(self, tenant: str, stream: str, model: int, params: Mapping[str, Any]) -> None:
        """Makes the touched cases of a range from what happened since they began."""
        text = load_sql(_ROOM, "touched_since").replace(SELECTION, TOUCHED)
        oldest = self._ch.query(text, {**params, "most": self._apart + 1}, LIMITS).rows
        if not oldest:
            return
        parts = [(TOUCHED, (), oldest[0][1])]
        if len(oldest) > self._apart and _month(oldest[-1][1]) > _month(oldest[0][1]):
            old = tuple(case for case, _ in oldest[:-1])
            parts = [(APART_FROM, old, oldest[-1][1]), (THESE, old, oldest[0][1])]
        version = self._next_version()
        for selection, apart, since in parts:
            given = {**params, "apart": list(apart)}
            self._build(tenant, stream, model, selection, given, max(ALWAYS, since - ROUNDED))
        self._delete_vanished(tenant, stream, TOUCHED, params, version)

    def _delete_vanished(
        self, tenant: str, stream: str, selection: str, params: Mapping[str, Any], oldest: int
    ) -> None:
        """Deletes the cases of a selection that have no step left. It takes a rewrite of marks, so only when needed."""
        named = {**params, "tenant": tenant, "stream": stream}
        text = load_sql(_ROOM, "vanished_cases").replace(SELECTION, selection)
        gone = [row[0] for row in self._ch.query(text, named | {"oldest": oldest}, LIMITS).rows]
        for at in range(0, len(gone), DELETED_AT_ONCE):
            self._ch.command(
                "DELETE FROM cases WHERE TenantId = {tenant:String} AND Stream = {stream:String}"
                " AND CaseId IN {gone:Array(String)}",
                {"tenant": tenant, "stream": stream, "gone": gone[at : at + DELETED_AT_ONCE]},
            )

    def _rebuild(self, tenant: str, stream: str, model: int, now: datetime) -> CasesReport:
        named = {"tenant": tenant, "stream": stream}
        changes = self._changes(tenant, stream, now - self._overlap)
        base, object_type = self._by_object.get((tenant, stream), ("", ""))
        asked = named | {"events": EVENTS_AT_ONCE, "base": base, "object_type": object_type}
        ends = self._ch.query(load_sql(_ROOM, "stream_ranges"), asked, LIMITS).rows
        oldest = self._next_version()
        cases, low = 0, ""
        if not ends:
            return CasesReport(streams=1)
        for high, count in ends:
            if self._stopping.is_set():
                return CasesReport(streams=1, rebuilt=1, cases=cases)
            self._build(tenant, stream, model, IN_RANGE, {"low": low, "high": high})
            cases, low = cases + int(count), high
        self._delete_vanished(tenant, stream, "true", {}, oldest)
        self._taken[tenant, stream] = self._settled(changes, now)
        self._set_mark(tenant, stream, _Mark(model, now, self._taken[tenant, stream]))
        log.info("cases made anew", tenant=tenant, stream=stream, cases=cases)
        return CasesReport(streams=1, rebuilt=1, cases=cases)

    def _build(
        self,
        tenant: str,
        stream: str,
        model: int,
        selection: str,
        params: Mapping[str, Any],
        earliest: datetime = ALWAYS,
    ) -> None:
        """Makes the selected cases, none of which has an event before `earliest`."""
        known = self._streams().get(stream)
        base, object_type = self._by_object.get((tenant, stream), ("", ""))
        version = self._next_version()
        self._ch.command(
            load_sql(_ROOM, "build_cases").replace(SELECTION, selection),
            {
                **params,
                "tenant": tenant,
                "stream": stream,
                "base": base,
                "object_type": object_type,
                "model": model,
                "version": version,
                "earliest": earliest,
                "details": list(known.details) if known else [],
                "terminal": list(known.terminal) if known else [],
                "value": list(known.value) if known else [],
                "unkept": list(UNKEPT),
            },
            LIMITS,
        )

    def _model(self, stream: str) -> int:
        """Names what the rows of a stream depend on beside its events."""
        known = self._streams().get(stream)
        said = (VERSION_FORMAT, *((known.details, known.terminal, known.value) if known else ()))
        return int.from_bytes(hashlib.sha256(repr(said).encode()).digest()[:8], "big")

    def _next_version(self) -> int:
        """Later statements win, also over those of an earlier process."""
        self._version = max(self._version + 1, self._clock.time_ns())
        return self._version

    # --- how far it has come ---

    def _engine_time(self) -> datetime:
        """The engine notes changes by its own clock."""
        found: datetime = self._ch.query("SELECT now64(3, 'UTC')").rows[0][0]
        return found

    def _marks(self) -> dict[tuple[str, str], _Mark]:
        rows = self._ch.query(load_sql(_ROOM, "case_marks")).rows
        return {
            (tenant, stream): _Mark(int(model), through, {segment: (at, count) for segment, at, count in taken})
            for tenant, stream, model, through, taken in rows
        }

    def _with_events(self, now: datetime) -> list[tuple[str, str]]:
        """Every tenant's streams. All events are asked once; after that a new stream shows in the notes of changes."""
        if self._looked and self._looked > now - NOTED:
            rows = self._ch.query(load_sql(_ROOM, "streams_changed"), {"since": self._looked - self._overlap}).rows
        else:
            rows = self._ch.query(load_sql(_ROOM, "streams_with_steps")).rows
        self._look_at_objects()
        self._known |= {(tenant, stream) for tenant, stream in rows} | set(self._by_object)
        self._looked = now
        return sorted(self._known)

    def _look_at_objects(self) -> None:
        rows = self._ch.query(load_sql(_ROOM, "streams_by_object")).rows
        self._by_object = {(tenant, stream): (base, kind) for tenant, stream, base, kind in rows}

    def _set_mark(self, tenant: str, stream: str, mark: _Mark) -> None:
        columns = ("TenantId", "Stream", "Model", "Through", "Taken", "Version")
        taken = [(segment, *change) for segment, change in mark.taken.items()]
        row = (tenant, stream, mark.model, mark.through, taken, self._next_version())
        self._ch.insert_rows("case_marks", columns, [row])

    def _drop_old_notes(self, now: datetime) -> None:
        oldest = int((now - NOTED - timedelta(days=1)).strftime("%Y%m%d"))
        for table, day in self._ch.query(load_sql(_ROOM, "change_days"), {"before": oldest}).rows:
            named = {"table": table, "day": int(day)}
            self._ch.command("ALTER TABLE {table:Identifier} DROP PARTITION {day:UInt32}", named)


def _month(at: datetime) -> tuple[int, int]:
    return at.year, at.month


def _plus(one: CasesReport, other: CasesReport) -> CasesReport:
    return CasesReport(one.streams + other.streams, one.rebuilt + other.rebuilt, one.cases + other.cases)
