"""The resolution job: finds the case of spans and events, and makes steps of spans.

In this order: the item's own business key, baggage, a span link, the parent chain, the trace (docs/process-cases.md has
the definitions). The rule that found a case is kept with each step. A run looks at the traces that something was added
to since the last one, in the order of insertion, and at those that link to them, each as a whole; it writes what is
other than before and takes back what is no longer so. How often, in which order and how late spans come makes no
difference to the result. Everything is made anew when the rules changed or nobody looked for longer than arrivals are
noted.

Not promised: two jobs at once on one database; they share the tables of what is being looked at. What is beyond the
limits below is not looked at.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from core import Clock, OpsintelError, get_logger
from kpis.process.span_steps import SpanRules
from kpis.process.stretches import BUCKET_S, Stretch, joined, stretches
from storage import ClickHouse, load_sql

log = get_logger(__name__)

_ROOM = "kpis.process"
OVERLAP = timedelta(minutes=10)
"""How long after its beginning an insert may become visible and still be noticed."""
NOTED = timedelta(days=2)
"""After a longer absence everything is made anew: arrivals are noted for a day more than this."""
NEAR_S = 3_600
"""How far from a trace's spans its events are looked for."""
ITEMS_AT_ONCE = 100_000
SPANS_AT_ONCE = 500_000
PRESENT_AT_ONCE = 100_000_000
"""Arrivals are counted in one statement where they lie close together in time, however many."""
WAITED_FOR = timedelta(hours=1)
"""How long arrivals that are noted and not to be read keep the mark from going on."""
SPANS_OF_A_TRACE = 10_000
LINKS_OF_A_SPAN = 32
STREAMS_OF_A_TRACE = 8
STEPS_OF_A_TRACE = 8
"""Of how many steps the spans of one trace are looked at for being inside one another."""
DEPENDENTS_AT_ONCE = 20_000
HOPS = 8
"""How many links lie between a span and the case that it gets, at most."""
JUMPS = 20
"""Each doubles the height that a span's parents are climbed: enough for a million, and a circle ends here."""
CONTEXT = 100
"""The hops of traces that are only looked into are counted from here."""
LIMITS = {
    "max_bytes_before_external_group_by": 512 << 20,
    "max_bytes_before_external_sort": 512 << 20,
    "join_use_nulls": 0,
}
CLIMBS = ("resolving_climb_a_in", "resolving_climb_b_in")
AT_HAND = ("traces", "spans", "events", "climb_a", "climb_b", "linked", "found", "rows", "before")
VERSION_FORMAT = 2
"""Raised when the statements give another result for the same items."""


@dataclass(frozen=True)
class ResolutionReport:
    """What a run did: tenants looked at, those made anew, traces looked at, steps written and taken back."""

    tenants: int = 0
    rebuilt: int = 0
    traces: int = 0
    written: int = 0
    withdrawn: int = 0


_Part = tuple[str, int]
"""What a segment brought of a signal."""


@dataclass(frozen=True)
class _Note:
    """When the newest items of a part were inserted, and how many there are: it grows while inserts are under way."""

    inserted: datetime
    items: int


@dataclass(frozen=True)
class _Seen:
    """A part that was looked at: what was noted of it, and how much of that was there to be read before the look.

    A view of an insert may show its rows before another, so a note may be there before what it speaks of. Such a part
    is looked at again when more of it is there.
    """

    note: _Note
    present: int

    @property
    def partly(self) -> bool:
        """Whether less was there than was noted."""
        return self.present < self.note.items


@dataclass(frozen=True)
class _Portion:
    """What is looked at at once: what these segments (None: all) brought of a stretch, or a slice of it."""

    tenant: str
    stretch: Stretch
    segments: tuple[int, ...] | None
    slices: int = 1
    slice: int = 0

    @property
    def params(self) -> dict[str, Any]:
        return {
            **self.stretch.params,
            "tenant": self.tenant,
            "everything": int(self.segments is None),
            "segments": list(self.segments or ()),
            "slices": self.slices,
            "slice": self.slice,
        }

    def parts(self, number: int) -> list[_Portion]:
        """The same in so many disjoint portions."""
        return [replace(self, slices=self.slices * number, slice=self.slice + self.slices * i) for i in range(number)]


@dataclass
class _Work:
    """Portions of a tenant that are still to be looked at, and what may be noted when all of them were."""

    tenant: str
    model: int
    seen: dict[_Part, _Seen]
    mark: datetime | None
    portions: list[_Portion] = field(default_factory=list)
    anew: bool = False


class ResolutionJobs:
    """Keeps `resolved_steps` equal to what spans and events say. One run at a time; a second caller waits.

    Runs before `CaseJobs`, which makes cases of what it wrote.
    """

    def __init__(
        self,
        ch: ClickHouse,
        clock: Clock,
        rules: Callable[[], SpanRules] = SpanRules,
        *,
        overlap: timedelta = OVERLAP,
        items_at_once: int = ITEMS_AT_ONCE,
        spans_at_once: int = SPANS_AT_ONCE,
    ) -> None:
        self._ch, self._clock, self._rules, self._overlap = ch, clock, rules, overlap
        self._items_at_once, self._spans_at_once = items_at_once, spans_at_once
        self._running, self._stopping = threading.Lock(), threading.Event()
        self._taken: dict[str, dict[_Part, _Seen]] = {}
        self._under_way: dict[str, _Work] = {}
        self._version = 0

    def run_once(self, tenant: str | None = None, *, at_most_s: float | None = None) -> ResolutionReport:
        """Takes in what arrived since the last run, of one tenant or of all; stops after about so many seconds.

        Raises StorageError and its kin; what a failed or stopped run had not finished the next one does.
        """
        with self._running:
            until = None if at_most_s is None else self._clock.monotonic() + at_most_s
            now, total = self._engine_time(), ResolutionReport()
            found = self._ch.query(load_sql(_ROOM, "resolve_tenants")).rows
            for name, model, through, taken in sorted(found, key=lambda row: row[0] in self._under_way):
                if tenant in (None, name) and not self._to_stop(until):
                    self._taken.setdefault(name, _seen(taken))
                    total = _plus(total, self._do(self._work(name, int(model), through, now), until))
            self._drop_old_notes(now)
            return total

    def rebuild(self, tenant: str) -> ResolutionReport:
        """Looks at all traces of a tenant."""
        with self._running:
            self._under_way.pop(tenant, None)
            return self._do(self._everything(tenant, self._engine_time()), None)

    def stop(self) -> None:
        """Ends a run under way after its current portion; what is not done then is done by the next run."""
        self._stopping.set()

    def _to_stop(self, until: float | None) -> bool:
        return self._stopping.is_set() or (until is not None and self._clock.monotonic() >= until)

    # --- one tenant ---

    def _work(self, tenant: str, model: int, through: datetime, now: datetime) -> _Work:
        """What is to be looked at: the rest of an earlier run, or what arrived since."""
        if (rest := self._under_way.pop(tenant, None)) and rest.model == self._model():
            return rest
        if model != self._model() or through < now - NOTED:
            return self._everything(tenant, now)
        since = through - self._overlap
        taken, arrived = self._taken.get(tenant, {}), self._arrived(tenant, since)
        new = [one for one, note in arrived.items() if one not in taken or taken[one].note != note]
        partly = [one for one in arrived.keys() & taken.keys() if taken[one].partly and one not in new]
        present = self._present(tenant, since, [*new, *partly])
        new += [one for one in partly if present.get(one, 0) != taken[one].present]
        seen = {
            one: _Seen(note, present[one] if one in present else taken[one].present) for one, note in arrived.items()
        }
        if not new:
            quiet = through < now - NOTED / 2  # nobody is to look at everything because it was quiet
            return _Work(tenant, model, seen, _up_to(now, seen, now) if quiet else None)
        segments = tuple(sorted({segment for _, segment in new}))
        mark = max(through, _up_to(max(arrived[one].inserted for one in new), seen, now))
        portions = self._portions(tenant, self._buckets(tenant, since, segments), segments)
        return _Work(tenant, model, seen, mark, portions)

    def _everything(self, tenant: str, now: datetime) -> _Work:
        since = now - self._overlap
        arrived = self._arrived(tenant, since)
        present = self._present(tenant, since, list(arrived))
        seen = {one: _Seen(note, present.get(one, 0)) for one, note in arrived.items()}
        params = {"tenant": tenant, "bucket_ns": BUCKET_S * 10**9}
        buckets = self._ch.query(load_sql(_ROOM, "resolve_history"), params, LIMITS).rows
        portions = self._portions(tenant, buckets, None)
        return _Work(tenant, self._model(), seen, _up_to(now, seen, now), portions, anew=True)

    def _do(self, work: _Work, until: float | None) -> ResolutionReport:
        """Portion by portion; only the end of it is noted, so that what fails in between is looked at again."""
        total = ResolutionReport(tenants=1)
        while work.portions:
            if self._to_stop(until):
                self._under_way[work.tenant] = work
                return total
            portion = work.portions.pop()
            try:
                report = self._resolve(portion)
            except OpsintelError:
                work.portions.insert(0, portion)  # the next run does the others first
                self._under_way[work.tenant] = work
                raise
            if report is None:
                work.portions += portion.parts(4)
            else:
                total = _plus(total, report)
        if work.mark:
            self._set_mark(work.tenant, work.model, work.mark, work.seen)
        self._taken[work.tenant] = work.seen
        if work.anew:
            log.info("cases of all spans found anew", tenant=work.tenant)
        return replace(total, rebuilt=int(work.anew))

    def _arrived(self, tenant: str, since: datetime) -> dict[_Part, _Note]:
        """What each segment brought."""
        rows = self._ch.query(load_sql(_ROOM, "resolve_arrivals"), {"tenant": tenant, "since": since}).rows
        return {(signal, int(segment)): _Note(inserted, int(items)) for signal, segment, inserted, items in rows}

    def _buckets(self, tenant: str, since: datetime, segments: Sequence[int]) -> Sequence[tuple[int, int]]:
        params = {"tenant": tenant, "since": since, "segments": list(segments)}
        return self._ch.query(load_sql(_ROOM, "resolve_buckets"), params).rows

    def _present(self, tenant: str, since: datetime, parts: Sequence[_Part]) -> dict[_Part, int]:
        """How much of what these brought is there to be read. Counted before anything is looked at."""
        if not parts:
            return {}
        segments = sorted({segment for _, segment in parts})
        found = dict.fromkeys(parts, 0)
        for stretch, _ in stretches(self._buckets(tenant, since, segments), PRESENT_AT_ONCE):
            params = {"tenant": tenant, "segments": segments, **stretch.params}
            for signal, segment, items in self._ch.query(load_sql(_ROOM, "resolve_present"), params).rows:
                if (part := (signal, int(segment))) in found:
                    found[part] += int(items)
        return found

    def _portions(
        self, tenant: str, buckets: Sequence[tuple[int, int]], segments: tuple[int, ...] | None
    ) -> list[_Portion]:
        """The last of them is looked at first; it is the newest."""
        return [
            part
            for stretch, items in stretches(buckets, self._items_at_once)
            for part in _Portion(tenant, stretch, segments).parts(max(1, -(-items // self._items_at_once)))
        ]

    # --- one portion ---

    def _resolve(self, portion: _Portion) -> ResolutionReport | None:
        """None: it has more spans than are looked at at once, and can be cut."""
        try:
            self._empty()
            traces = self._gather(portion)
            if traces is None:
                return None
            climbed, hop = self._climb()
            steps, names = self._step_names()
            rules = self._rules()
            told = {"step_keys": steps, "step_names": names, "by_event": sorted(rules.by_event)}
            self._run("resolve_found", {**told, "hop": hop, "events": sorted(rules.events)}, climbed)
            inside = self._climb_from("resolve_inside_start", {**told, "steps_of_a_trace": STEPS_OF_A_TRACE})
            self._run("resolve_rows", told, inside)
            self._run("resolve_before", {"tenant": portion.tenant})
            written, withdrawn = self._ch.query(load_sql(_ROOM, "resolve_counts"), settings=LIMITS).rows[0]
            if written or withdrawn:
                named = {"tenant": portion.tenant, "version": self._next_version()}
                for name in ("resolve_write", "resolve_withdraw", "resolve_note"):
                    self._run(name, named)
            return ResolutionReport(traces=traces, written=int(written), withdrawn=int(withdrawn))
        finally:
            self._empty()

    def _gather(self, portion: _Portion) -> int | None:
        """Takes the traces of a portion, and what they rest on, to hand: how many they are."""
        self._run("resolve_touched", portion.params)
        last = 0
        for hop in range(1, HOPS + 1):
            self._run("resolve_dependents", {"tenant": portion.tenant, "hop": hop, "most": DEPENDENTS_AT_ONCE})
            if not self._count("traces", f"Hop = {hop}"):
                break
            last = hop
        touched = self._count("traces", "Hop = 0")
        spans = self._ranges(portion, 0, last)
        if not self._load_spans(portion.tenant, spans, 0, last):
            if touched > 1:
                return None
            log.warning("too many traces link to one, they are not looked at again", tenant=portion.tenant)
            self._empty()
            self._run("resolve_touched", portion.params)
            spans = self._ranges(portion, 0, 0)
            self._load_spans(portion.tenant, spans, 0, 0)
        self._run("resolve_links", {"tenant": portion.tenant})
        around = [Stretch(one.low - NEAR_S, one.high + NEAR_S) for one in (*spans, portion.stretch)]
        for stretch in joined(around, 0):
            self._with_keys("resolve_events", "events", portion.params | stretch.params)
        if self._count("events") >= self._spans_at_once and touched + self._count("events", "TraceId = ''") > 1:
            return None
        self._run("resolve_loose")
        for hop in range(CONTEXT + 1, CONTEXT + HOPS + 1):
            self._run("resolve_context", {"hop": hop, "most": DEPENDENTS_AT_ONCE})
            if not self._count("traces", f"Hop = {hop}"):
                break
            self._load_spans(portion.tenant, self._ranges(portion, hop, hop), hop, hop)
        return self._count("traces", "Target = 1")

    def _load_spans(self, tenant: str, ranges: Sequence[Stretch], from_hop: int, to_hop: int) -> bool:
        """False when there are more than are looked at at once."""
        for stretch in ranges:
            params = {"tenant": tenant, "from_hop": from_hop, "to_hop": to_hop, **stretch.params}
            self._with_keys("resolve_spans", "spans", params)
        return self._count("spans") < self._spans_at_once

    def _ranges(self, portion: _Portion, from_hop: int, to_hop: int) -> list[Stretch]:
        """When the traces took place. Their table may not show yet what just arrived, so that is asked itself."""
        params = {"tenant": portion.tenant, "from_hop": from_hop, "to_hop": to_hop}
        rows = self._ch.query(load_sql(_ROOM, "resolve_ranges"), params, LIMITS).rows
        if from_hop == 0 and portion.segments is not None:
            rows += self._ch.query(load_sql(_ROOM, "resolve_own_ranges"), portion.params, LIMITS).rows
        own = [portion.stretch] if from_hop == 0 and portion.segments is None else []
        return joined([*own, *(Stretch(int(low), int(high) + 1) for _, low, high in rows)], NEAR_S)

    def _climb(self) -> tuple[str, int]:
        """Finds the nearest case above every span, link by link: the table that has it, and the hop that was last."""
        told: Any = None
        for hop in range(HOPS + 1):
            climbed = self._climb_from("resolve_climb_start", {"hop": hop})
            if hop == HOPS:
                break
            self._run("resolve_linked", {"hop": hop + 1}, climbed)
            said = self._ch.query(
                "SELECT sum(sipHash64(Trace, Span, Stream, Case)) FROM resolving_linked_in WHERE Hop = {hop:UInt8}",
                {"hop": hop + 1},
            ).scalar()
            if said == (told or 0):
                return climbed, hop
            told = said
        return climbed, HOPS

    def _climb_from(self, start: str, params: dict[str, Any]) -> str:
        """Climbs from the nodes that the statement makes as high as each points: the table that has what was found."""
        for table in CLIMBS:
            self._ch.command(f"TRUNCATE TABLE {table}")
        self._run(start, params)
        climbed, other = CLIMBS
        left = self._undone(climbed)
        for _ in range(JUMPS):
            if not left:
                break
            self._run("resolve_climb", {}, climbed, other)
            self._ch.command(f"TRUNCATE TABLE {climbed}")
            climbed, other = other, climbed
            left, before = self._undone(climbed), left
            if left == before:
                break  # what is left goes round in circles
        return climbed

    def _undone(self, table: str) -> int:
        return int(self._ch.query(f"SELECT count() FROM {table} WHERE Done = 0").scalar())

    def _run(self, name: str, params: dict[str, Any] | None = None, source: str = "", target: str = "") -> None:
        text = load_sql(_ROOM, name).replace("/*from*/", source).replace("/*to*/", target)
        bounds = {"links": LINKS_OF_A_SPAN, "streams_of_a_trace": STREAMS_OF_A_TRACE}
        self._ch.command(text, bounds | (params or {}), LIMITS)

    def _with_keys(self, name: str, table: str, params: dict[str, Any]) -> None:
        """Takes items to hand, with the case that each names by the attributes configured as keys."""
        found: list[str] = []
        bound = dict(params)
        for n, (stream, attributes) in enumerate(self._rules().keys.items()):
            values = []
            for m, attribute in enumerate(attributes):
                bound[f"key_{n}_{m}"] = attribute
                values.append(f"Attrs[{{key_{n}_{m}:String}}]")
            bound[f"key_stream_{n}"] = stream
            named = f"arrayFirst(v -> v != '' AND NOT startsWith(v, '['), [{', '.join(values)}])"
            found.append(f"({{key_stream_{n}:String}}, if(Stream IN ('', {{key_stream_{n}:String}}), {named}, ''))")
        listed = f"arrayFilter(k -> tupleElement(k, 2) != '', [{', '.join(found)}])"
        chosen = f"if(length({listed} AS Keys) = 1, Keys[1], ('', ''))" if found else "('', '')"
        key = load_sql(_ROOM, "resolve_key").replace("/*object*/", chosen)
        bound |= {
            "most": max(1, self._spans_at_once - self._count(table)),
            "spans_of_a_trace": SPANS_OF_A_TRACE,
        }
        self._ch.command(load_sql(_ROOM, name).replace("/*key*/", key), bound, LIMITS)

    def _step_names(self) -> tuple[list[str], list[str]]:
        """What span names are mapped to; never empty, because the engine does not look things up in nothing."""
        pairs = [(f"{s}\n{name}", step) for s, names in self._rules().steps.items() for name, step in names.items()]
        pairs = pairs or [("\n", "")]
        return [key for key, _ in pairs], [step for _, step in pairs]

    def _empty(self) -> None:
        for name in AT_HAND:
            self._ch.command(f"TRUNCATE TABLE resolving_{name}_in")

    def _count(self, name: str, condition: str = "true") -> int:
        return int(self._ch.query(f"SELECT count() FROM resolving_{name}_in WHERE {condition}").scalar())

    # --- how far it has come ---

    def _model(self) -> int:
        """Names what the result depends on beside spans and events."""
        told = repr((VERSION_FORMAT, self._rules().told()))
        return int.from_bytes(hashlib.sha256(told.encode()).digest()[:8], "big")

    def _next_version(self) -> int:
        """Later statements win, also over those of an earlier process."""
        self._version = max(self._version + 1, self._clock.time_ns())
        return self._version

    def _engine_time(self) -> datetime:
        """The engine notes arrivals by its own clock."""
        found: datetime = self._ch.query("SELECT now64(3, 'UTC')").rows[0][0]
        return found

    def _set_mark(self, tenant: str, model: int, through: datetime, seen: Mapping[_Part, _Seen]) -> None:
        columns = ("TenantId", "Model", "Through", "Taken", "Version")
        taken = [(*part, one.note.inserted, one.note.items, one.present) for part, one in seen.items()]
        row = (tenant, model, through.astimezone(UTC), taken, self._next_version())
        self._ch.insert_rows("resolution_marks", columns, [row])

    def _drop_old_notes(self, now: datetime) -> None:
        oldest = int((now - NOTED - timedelta(days=1)).strftime("%Y%m%d"))
        for (day,) in self._ch.query(load_sql(_ROOM, "resolve_arrival_days"), {"before": oldest}).rows:
            self._ch.command("ALTER TABLE trace_arrivals DROP PARTITION {day:UInt32}", {"day": int(day)})


def _seen(taken: Iterable[tuple[str, int, datetime, int, int]]) -> dict[_Part, _Seen]:
    """As a mark has it."""
    return {(signal, segment): _Seen(_Note(at, items), present) for signal, segment, at, items, present in taken}


def _up_to(at: datetime, seen: Mapping[_Part, _Seen], now: datetime) -> datetime:
    """The time, or that of the first note of which something is missing and may still come."""
    missing = [one.note.inserted for one in seen.values() if one.partly and one.note.inserted > now - WAITED_FOR]
    return min([at, *missing])


def _plus(one: ResolutionReport, other: ResolutionReport) -> ResolutionReport:
    return ResolutionReport(
        one.tenants + other.tenants,
        one.rebuilt + other.rebuilt,
        one.traces + other.traces,
        one.written + other.written,
        one.withdrawn + other.withdrawn,
    )
