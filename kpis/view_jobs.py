"""The view jobs: they keep the canonical views equal to what the events say, and tell which buckets of KPIs changed.

A run asks which segments brought events since the last one, makes the rows of those cases anew as a whole, and
compares what their facts add up to before and after. Where that differs the bucket changed; an event that changes no
fact (a parcel was packed, a repeated delivery) changes no bucket. How often an event comes, in which order and how late
makes no difference to the rows.

Rows are changed before the values that depend on them are stored. So a run says in its mark that it has begun; who
finds such a mark (the process died in between) computes all buckets anew.

All rows of a tenant are made anew when it has no mark, when the statements changed, or when nobody looked for longer
than changes are noted. Not promised: that a row has vanished when retention dropped its events; retention drops views
by their own time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

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
from kpis.currencies import CURRENCIES
from kpis.measures import Measure, facts_sql, parameters
from kpis.views import CASES, RECORDS, SOURCE, SOURCES, VIEWS, Details, Source, View, model
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

log = get_logger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LIMITS = {"max_bytes_before_external_group_by": 512 << 20, "max_bytes_before_external_sort": 512 << 20}
BEGUN = 0
"""The model in the mark of a run that has not ended."""
FACTS, TABLE = "/*facts*/", "/*table*/"
Hours = set[tuple[int, int]]
"""Number of a measure of the view, and the second at which a local hour begins."""


@dataclass(frozen=True)
class Changed:
    """What a run changed: hours by view, or `everything`. through: all that was received until then is in the views."""

    hours: Mapping[str, Hours]
    everything: bool
    cases: int
    through: datetime


@dataclass(frozen=True)
class _Mark:
    model: int
    through: datetime
    taken: Mapping[int, Change]


class ViewJobs:
    """Keeps the views of every tenant up to date. Not for two threads at a time."""

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        details: Callable[[], Details] = dict,
        *,
        overlap: timedelta = OVERLAP,
        settled: timedelta = SETTLED,
    ) -> None:
        self._ch, self._clock, self._details = ch, clock, details
        self._overlap, self._settled_after = overlap, settled
        self._stopping = threading.Event()
        self._version = 0
        self._told: Details = {}
        self._next = _Mark(BEGUN, EPOCH, {})
        self._columns: dict[str, list[str]] = {}

    def stop(self) -> None:
        """Ends a run under way after its current statement."""
        self._stopping.set()

    def run(
        self, tenant: str, chosen: Mapping[str, Sequence[Measure]], tz: str, *, everything: bool = False
    ) -> Changed:
        """Takes in what was inserted for the tenant since the last run that was `kept`; all of it where there is none.

        chosen: the measures by view, whose changed hours are wanted. Call `keep` when what depends on the result is
        stored: until then the next run does the same again.
        """
        now: datetime = self._ch.query("SELECT now64(3, 'UTC')").rows[0][0]
        mark = self._mark(tenant)
        self._told = self._details()
        number = model(self._told)
        fresh = everything or mark is None or mark.model != number or mark.through < now - NOTED
        since = now - self._overlap if fresh or mark is None else mark.through - self._overlap
        changes = self._changes(tenant, since)
        settled = {segment: one for segment, one in changes.items() if one[0] <= now - self._settled_after}
        through = max((at for at, _ in changes.values()), default=now)
        self._next = _Mark(number, now, settled)
        if fresh or mark is None:
            return Changed({}, True, self._rebuild(tenant), through)
        new = [segment for segment, seen in changes.items() if mark.taken.get(segment) != seen]
        if not new:
            return Changed({}, False, 0, through)
        self._set_mark(tenant, _Mark(BEGUN, mark.through, mark.taken))
        return self._refresh(tenant, chosen, tz, since, new, through)

    def keep(self, tenant: str) -> None:
        """What the last run took in need not be taken in again."""
        if not self._stopping.is_set():
            self._set_mark(tenant, self._next)

    def _set_mark(self, tenant: str, mark: _Mark) -> None:
        taken = [(segment, *change) for segment, change in mark.taken.items()]
        row = (tenant, mark.model, mark.through, taken, self._next_version())
        self._ch.insert_rows("kpi_marks", ("TenantId", "Model", "Through", "Taken", "Version"), [row])

    # --- making rows ---

    def _rebuild(self, tenant: str) -> int:
        made = 0
        for source, stream in self._streams("view_streams", {"tenant": tenant}):
            named = {"tenant": tenant, "stream": stream}
            low = ""
            asked = named | {"events": EVENTS_AT_ONCE}
            for high, cases in self._ch.query(_text("view_ranges", source), asked, LIMITS).rows:
                for view in VIEWS:
                    if self._stopping.is_set():
                        return made
                    if view.reads(source, stream):
                        self._make(view, IN_RANGE, named | {"low": low, "high": high}, ALWAYS)
                made, low = made + int(cases), high
        log.info("views made anew", tenant=tenant, cases=made)
        return made

    def _refresh(
        self,
        tenant: str,
        chosen: Mapping[str, Sequence[Measure]],
        tz: str,
        since: datetime,
        new: Sequence[int],
        through: datetime,
    ) -> Changed:
        named = {"tenant": tenant, "since": since, "segments": list(new)}
        hours: dict[str, Hours] = {}
        made = 0
        for source, stream in self._streams("view_changed_streams", named):
            ranges = self._ch.query(
                _text("view_changed_ranges", source), named | {"stream": stream, "cases": CASES_AT_ONCE}
            ).rows
            low = ""
            for high, cases, earliest in ranges:
                params = named | {"stream": stream, "low": low, "high": high}
                for view in VIEWS:
                    if self._stopping.is_set():
                        return Changed({}, False, made, through)
                    if not view.reads(source, stream):
                        continue
                    measures = chosen.get(view.name, ())
                    before = self._sums(view, measures, params, tz)
                    self._make(view, TOUCHED, params, ALWAYS if source == RECORDS else earliest - timedelta(seconds=1))
                    after = self._sums(view, measures, params, tz)
                    differ = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
                    hours.setdefault(view.name, set()).update(differ)
                made, low = made + int(cases), high
        return Changed(hours, False, made, through)

    def _make(self, view: View, selection: str, params: Mapping[str, Any], earliest: datetime) -> None:
        """Writes the rows of the selected cases, and buries the subjects that they no longer have."""
        given = {
            **params,
            "earliest": max(ALWAYS, earliest),
            "names": list(view.names),
            "currencies": list(CURRENCIES),
            "details": list(self._told.get(str(params["stream"]), ())),
            "pairs": [
                (kind, begins, list(ends), list(match), label) for kind, begins, ends, match, label in view.pairs
            ],
        }
        columns = ", ".join(self._filled(view))
        version = self._next_version()
        selection = selection.replace(CASES.notes, view.source.notes)
        select = view.statement().replace(SELECTION, selection)
        self._ch.command(
            f"INSERT INTO {view.table} (TenantId, Version, Gone, {columns})\n"
            f"SELECT {{tenant:String}}, {{version:UInt64}}, 0, {columns} FROM (\n{select}\n)",
            given | {"version": version},
            LIMITS,
        )
        bury = load_sql("kpis", "view_bury").replace(TABLE, view.table).replace(SELECTION, selection)
        self._ch.command(bury, {**given, "version": version}, LIMITS)

    def _sums(
        self, view: View, measures: Sequence[Measure], params: Mapping[str, Any], tz: str
    ) -> dict[tuple[int, int], int]:
        if not measures:
            return {}
        text = load_sql("kpis", "view_touched").replace(FACTS, facts_sql(measures)).replace(TABLE, view.table)
        touched = TOUCHED.replace(CASES.notes, view.source.notes)
        rows = self._ch.query(
            text.replace(SELECTION, touched), {**params, **parameters(measures), "tz": tz}, LIMITS
        ).rows
        return {(int(number), int(hour)): int(found) for number, hour, found in rows}

    def _filled(self, view: View) -> list[str]:
        """The columns that the view's statement gives."""
        if view.table not in self._columns:
            rows = self._ch.query(load_sql("kpis", "view_columns"), {"table": view.table}).rows
            self._columns[view.table] = [name for (name,) in rows if name not in ("TenantId", "Version", "Gone")]
        return self._columns[view.table]

    def _next_version(self) -> int:
        self._version = max(self._version + 1, self._clock.time_ns())
        return self._version

    def _streams(self, statement: str, params: Mapping[str, Any]) -> list[tuple[Source, str]]:
        """The streams of both sources."""
        found = [(source, self._ch.query(_text(statement, source), params).rows) for source in SOURCES]
        return [(source, stream) for source, rows in found for (stream,) in rows]

    # --- how far it has come ---

    def _changes(self, tenant: str, since: datetime) -> dict[int, Change]:
        found: dict[int, Change] = {}
        for source in SOURCES:
            rows = self._ch.query(_text("view_changes", source), {"tenant": tenant, "since": since}).rows
            for segment, inserted, count in rows:
                at, before = found.get(int(segment), (inserted, 0))
                found[int(segment)] = max(at, inserted), before + int(count)
        return found

    def _mark(self, tenant: str) -> _Mark | None:
        rows = self._ch.query(load_sql("kpis", "view_mark"), {"tenant": tenant}).rows
        for number, through, taken in rows:
            return _Mark(int(number), through, {segment: (at, count) for segment, at, count in taken})
        return None


def _text(statement: str, source: Source) -> str:
    """A statement about the events or the notes of a source."""
    return load_sql("kpis", statement).replace(SOURCE, source.events).replace("/*notes*/", source.notes)
