"""The view jobs: they keep the canonical views equal to what the events say, and tell which buckets of KPIs changed.

A run asks which segments brought events since the last one, makes the rows of those cases anew as a whole, and sets
what their facts add up to against those of the rows that stand. Where that differs the bucket changed; an event that
changes no fact (a parcel was packed, a repeated delivery) changes no bucket. How often an event comes, in which order
and how late makes no difference to the rows.

Rows are changed before the values that depend on them are stored. So a run says in its mark that it has begun; who
finds such a mark (the process died in between) computes all buckets anew.

All rows of a tenant are made anew when it has no mark, when the statements changed, or when nobody looked for longer
than changes are noted. Not promised: that a row has vanished when retention dropped its events; retention drops views
by their own time. An event told again at the same time under another name, which the store had put in the place of the
first before a run saw both, changes the views that knew it under its first name with the daily run.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, TypeVar

from core import Clock, StorageError, get_logger
from kpis.changes import ALWAYS, CASES_AT_ONCE, EVENTS_AT_ONCE, IN_RANGE, NOTED, OVERLAP, SETTLED
from kpis.changes import Change as Note
from kpis.currencies import CURRENCIES
from kpis.limits import AT_ONCE, LIMITS
from kpis.measures import Measure
from kpis.partials import Change, together
from kpis.view_batches import Batches, StagingTables, news
from kpis.view_rows import ViewRows
from kpis.views import RECORDS, SOURCE, SOURCES, VIEWS, Details, Source, View, model
from storage import load_sql

if TYPE_CHECKING:
    from storage import ClickHouse

log = get_logger(__name__)

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
BEGUN = 0
"""The model in the mark of a run that has not ended."""
Result = TypeVar("Result")
HIGHEST = "\U0010ffff" * 8
"""No case id is above it."""


@dataclass(frozen=True)
class Changed:
    """What a run changed: sums of hours by view, or `everything`; nothing can be said when it was stopped.

    through: what was received until then is in the views.
    """

    changes: Mapping[str, Change]
    everything: bool
    cases: int
    through: datetime
    stopped: bool = False


@dataclass(frozen=True)
class _Mark:
    model: int
    through: datetime
    taken: Mapping[int, Note]
    version: int = 0


@dataclass(frozen=True)
class _Part:
    """Cases that are made anew together: those of some streams with an id in (low, high]."""

    source: Source
    streams: tuple[str, ...]
    low: str
    high: str
    cases: int
    earliest: datetime


class ViewJobs:
    """Keeps the views of every tenant up to date. Not for two threads at a time."""

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        details: Callable[[], Details] = dict,
        term: Callable[[], int] = lambda: 0,
        *,
        overlap: timedelta = OVERLAP,
        settled: timedelta = SETTLED,
    ) -> None:
        self._ch, self._details, self._term = ch, details, term
        self._overlap, self._settled_after = overlap, settled
        self._stopping = threading.Event()
        self._currency = ""
        self._next, self._begun = _Mark(BEGUN, EPOCH, {}), 0
        self._batches = Batches(ch, StagingTables())
        self._turn = threading.BoundedSemaphore(AT_ONCE)
        """Of those who make rows of both sources' cases at the same time."""
        self.rows = ViewRows(ch, clock)

    def stop(self) -> None:
        """Ends a run under way after its current statement."""
        self._stopping.set()

    def run(
        self,
        tenant: str,
        chosen: Mapping[str, Sequence[Measure]],
        tz: str,
        currency: str = "",
        *,
        everything: bool = False,
    ) -> Changed:
        """Takes in what was inserted for the tenant since the last run that was `kept`; all of it where there is none.

        chosen: the measures by view, whose changed hours are wanted. currency: the one whose amounts are money, '' for
        all. Call `keep` when what depends on the result is stored: until then the next run does the same again.
        """
        now: datetime = self._ch.query("SELECT now64(3, 'UTC')").rows[0][0]
        mark = self._mark(tenant)
        self._begun = mark.version if mark else 0
        self.rows.begin(self._begun)
        self.rows.told, self._currency, self.rows.staging = self._details(), currency, StagingTables(self._term())
        self._batches = Batches(self._ch, self.rows.staging)
        number = model(self.rows.told, currency)
        fresh = everything or mark is None or mark.model != number or mark.through < now - NOTED
        # The engine's clock may have been set back since the mark was written.
        since = (now if fresh or mark is None else min(now, mark.through)) - self._overlap
        changes = self._changes(tenant, since)
        settled = {segment: one for segment, one in changes.items() if one[0] <= now - self._settled_after}
        through = max((at for at, _ in changes.values()), default=now)
        self._next = _Mark(number, now, settled)
        if fresh or mark is None:
            self._begin(tenant, mark or _Mark(BEGUN, EPOCH, {}))
            made = self._rebuild(tenant)
            return Changed({}, True, made, through, self._stopping.is_set())
        new = [segment for segment, seen in changes.items() if mark.taken.get(segment) != seen]
        if not new:
            return Changed({}, False, 0, through)
        self._begin(tenant, mark)
        done = self._refresh(tenant, chosen, tz, since, new)
        if done is None:
            self._set_mark(tenant, mark)
            return Changed({}, False, 0, through, stopped=True)
        return Changed(done[0], False, done[1], through)

    def keep(self, tenant: str) -> None:
        """What the last run took in need not be taken in again."""
        self._set_mark(tenant, self._next)

    def ensure_not_superseded(self, tenant: str) -> None:
        """Raises StorageError when another process has begun a run of the tenant since this one began."""
        mark = self._mark(tenant)
        if mark and mark.version != self._begun:
            raise StorageError(
                "another process has begun to compute these KPIs; this one stops", hint="see who holds the lease 'jobs'"
            )

    def _begin(self, tenant: str, mark: _Mark) -> None:
        self._begun = self._set_mark(tenant, _Mark(BEGUN, mark.through, mark.taken))

    def _set_mark(self, tenant: str, mark: _Mark) -> int:
        version = self.rows.next_version()
        taken = [(segment, *change) for segment, change in mark.taken.items()]
        row = (tenant, mark.model, mark.through, taken, version)
        self._ch.insert_rows("kpi_marks", ("TenantId", "Model", "Through", "Taken", "Version"), [row])
        return version

    # --- making rows ---

    def _rebuild(self, tenant: str) -> int:
        """All rows of all views, from all events; ranges of cases side by side."""
        work: list[tuple[Source, str, str, str, int]] = []
        for source, stream in self._streams(tenant):
            low = ""
            asked = {"tenant": tenant, "stream": stream, "events": EVENTS_AT_ONCE}
            for high, cases in self._ch.query(_text("view_ranges", source), asked, LIMITS).rows:
                work.append((source, stream, low, high, int(cases)))
                low = high

        had = [view for view in VIEWS if self.rows.has_rows(view, tenant)]  # elsewhere there is nothing to bury
        began = self.rows.next_version()

        def make(source: Source, stream: str, low: str, high: str, cases: int) -> int:
            if self._stopping.is_set():
                return 0
            params = self._selected(tenant, [stream], low, high, ALWAYS)
            with self._batches.many(source, IN_RANGE, params) as batch:
                for view in VIEWS:
                    if self._stopping.is_set():
                        return 0
                    if view.reads(source, stream):
                        self.rows.remake(view, batch, params, began)
            return cases

        made = sum(side_by_side([partial(make, *part) for part in work]))
        if not self._stopping.is_set():
            side_by_side([partial(self.rows.bury_older, view, tenant, began) for view in had])
        log.info("views made anew", tenant=tenant, cases=made)
        return made

    def _refresh(
        self, tenant: str, chosen: Mapping[str, Sequence[Measure]], tz: str, since: datetime, new: Sequence[int]
    ) -> tuple[dict[str, Change], int] | None:
        """What changed, by view, and the number of cases; None when it was stopped before it changed anything."""
        named = {"tenant": tenant, "since": since, "segments": list(new)}
        changes: dict[str, list[Change]] = {}
        made = 0
        for parts in self._parts(named):
            if self._stopping.is_set() and not made:
                return None  # what is begun is ended: to find out later what changed is to compute everything
            for some in side_by_side([partial(self._refresh_part, part, chosen, tz, named) for part in parts]):
                for name, change in some:
                    changes.setdefault(name, []).append(change)
            made += sum(part.cases for part in parts)
        return {name: together(some) for name, some in changes.items()}, made

    def _refresh_part(
        self, part: _Part, chosen: Mapping[str, Sequence[Measure]], tz: str, named: Mapping[str, Any]
    ) -> list[tuple[str, Change]]:
        touched = _text("view_touched", part.source)
        params = {**named, **self._selected(named["tenant"], part.streams, part.low, part.high, part.earliest)}
        with ExitStack() as until_done:
            with self._turn:
                table = until_done.enter_context(self._batches.few(part.source, touched, params))
                found = news(self._ch, table, named["segments"])

            def renew(views: Sequence[View]) -> list[tuple[str, Change]]:
                with self._turn:
                    return [
                        (one.name, self._renew(one, table, part, chosen.get(one.name, ()), params, tz)) for one in views
                    ]

            views = [view for view in VIEWS if any(_brings(view, part.source, *one) for one in found)]
            return [one for some in side_by_side([partial(renew, chain) for chain in _chains(views)]) for one in some]

    def _renew(
        self, view: View, table: str, part: _Part, measures: Sequence[Measure], params: Mapping[str, Any], tz: str
    ) -> Change:
        streams = [stream for stream in part.streams if view.reads(part.source, stream)]
        return self.rows.renew(view, table, measures, {**params, "streams": streams}, tz)

    def _selected(self, tenant: str, streams: Sequence[str], low: str, high: str, earliest: datetime) -> dict[str, Any]:
        """What a statement about cases with an id in (low, high], and their events, takes."""
        currencies = [self._currency] if self._currency else list(CURRENCIES)
        named = {"tenant": tenant, "streams": list(streams), "low": low, "high": high}
        return {**named, "earliest": earliest, "currencies": currencies}

    def _parts(self, named: Mapping[str, Any]) -> Iterator[list[_Part]]:
        """What was touched in pieces, one of each source at a time."""
        for parts in zip_longest(*side_by_side([partial(self._parts_of, source, named) for source in SOURCES])):
            yield [part for part in parts if part]

    def _parts_of(self, source: Source, named: Mapping[str, Any]) -> list[_Part]:
        """All streams of a source together where the cases are few, else ranges of them."""
        found = self._ch.query(_text("view_changed_cases", source), named).rows
        cases = sum(int(count) for _, count, _ in found)
        if not found:
            return []
        if cases <= CASES_AT_ONCE:
            streams, since = tuple(stream for stream, _, _ in found), min(earliest for _, _, earliest in found)
            return [_Part(source, streams, "", HIGHEST, cases, _from(source, since))]
        parts: list[_Part] = []
        for stream, _, _ in found:
            asked = {**named, "stream": stream, "cases": CASES_AT_ONCE}
            low = ""
            for high, count, since in self._ch.query(_text("view_changed_ranges", source), asked).rows:
                parts.append(_Part(source, (stream,), low, high, int(count), _from(source, since)))
                low = high
        return parts

    def _streams(self, tenant: str) -> list[tuple[Source, str]]:
        """The streams of both sources."""
        found = [(source, self._ch.query(_text("view_streams", source), {"tenant": tenant}).rows) for source in SOURCES]
        return [(source, stream) for source, rows in found for (stream,) in rows]

    # --- how far it has come ---

    def _changes(self, tenant: str, since: datetime) -> dict[int, Note]:
        found: dict[int, Note] = {}
        for source in SOURCES:
            rows = self._ch.query(_text("view_changes", source), {"tenant": tenant, "since": since}).rows
            for segment, inserted, count in rows:
                at, before = found.get(int(segment), (inserted, 0))
                found[int(segment)] = max(at, inserted), before + int(count)
        return found

    def _mark(self, tenant: str) -> _Mark | None:
        rows = self._ch.query(load_sql("kpis", "view_mark"), {"tenant": tenant}).rows
        for number, through, taken, version in rows:
            return _Mark(int(number), through, {segment: (at, count) for segment, at, count in taken}, int(version))
        return None


def side_by_side(work: Sequence[Callable[[], Result]]) -> list[Result]:
    """Does all of it, some at a time, and gives the results in order; raises what the first that failed raised."""
    if len(work) < 2:
        return [one() for one in work]
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="kpi-views") as threads:
        return list(threads.map(lambda one: one(), work))


def _brings(view: View, source: Source, stream: str, name: str) -> bool:
    """Whether such an event makes rows of the view, or of one that it reads."""
    if not view.reads(source, stream):
        return False
    return not view.names or name in view.names or any(name in other.names for other in _read_by(view))


def _read_by(view: View) -> list[View]:
    return [other for other in VIEWS if other is not view and re.search(rf"\b{other.table}\b", view.statement())]


def _chains(views: Sequence[View]) -> list[list[View]]:
    """Views that read one another one after the other, the others apart."""
    chains: list[list[View]] = []
    for view in views:
        before = {other.name for other in _read_by(view)}
        chain = next((chain for chain in chains if any(other.name in before for other in chain)), None)
        if chain is None:
            chains.append([view])
        else:
            chain.append(view)
    return chains


def _from(source: Source, earliest: datetime) -> datetime:
    """Since when events are read. A record has a history without a beginning."""
    return ALWAYS if source == RECORDS else max(ALWAYS, earliest - timedelta(seconds=1))


def _text(statement: str, source: Source) -> str:
    """A statement about the events or the notes of a source."""
    return load_sql("kpis", statement).replace(SOURCE, source.events).replace("/*notes*/", source.notes)
