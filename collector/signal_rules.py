"""The rules for spans, log records and metric points: `inspect` finds what breaks them.

Each list is first asked whether anything can be wrong in it, in C; then, where something can, item by item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from operator import attrgetter, gt, methodcaller
from typing import Any

from collector.plain_encoding import fields_bytes
from collector.rules import NO_RECORDED_VALUE, Reason, Rules
from collector.unusable import (
    Findings,
    ascending,
    attributes,
    envelope,
    length,
    scopes_of,
    sizes,
    too_long,
    when,
)
from storage import Signal

_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_TRACE_ID, _SPAN_ID = attrgetter("trace_id"), attrgetter("span_id")
_START, _END = attrgetter("start_time_unix_nano"), attrgetter("end_time_unix_nano")
_NAME, _VALUE = attrgetter("name"), methodcaller("WhichOneof", "value")
_TIME, _OBSERVED = attrgetter("time_unix_nano"), attrgetter("observed_time_unix_nano")
_16, _8 = {16}, {8}
_CHUNK = 256
"""Items looked at together: their wrappers stay in the processor's cache, and their memory is used again."""
_EMPTY_BYTES = 32
"""A record with nothing in it but times, flags and an unset body is shorter."""


def inspect(signal: Signal, request: Any, rules: Rules, now_ns: int) -> Findings:
    """What is wrong in a request received at `now_ns`; completes log records that have no time at all."""
    findings, last, reason = Findings(), None, None
    for resource, scope, items in scopes_of(request):
        if resource is not last:
            last, reason = resource, envelope(resource.resource, rules, findings)
        above = reason or envelope(scope.scope, rules, findings, scope.scope.name)
        findings.items_bytes.append(0)
        _INSPECTORS[signal](findings, (resource, scope), items, above, rules, now_ns)
    return findings


def _spans(
    findings: Findings, parents: tuple[Any, ...], items: Any, above: Reason | None, rules: Rules, now_ns: int
) -> None:
    why: dict[int, Reason] = {}
    for first in range(0, len(items), _CHUNK):
        bad = _some_spans(findings, items[first : first + _CHUNK], above, rules, now_ns)
        why.update((first + index, reason) for index, reason in bad.items())
    findings.take(parents, items, len(items), why)


def _some_spans(
    findings: Findings, spans: list[Any], above: Reason | None, rules: Rules, now_ns: int
) -> dict[int, Reason]:
    lengths, trapped = sizes(spans)
    findings.items_bytes[-1] += fields_bytes(lengths)
    findings.trapped |= trapped
    low, high = rules.bounds(now_ns)
    trace_ids, span_ids = list(map(_TRACE_ID, spans)), list(map(_SPAN_ID, spans))
    starts, ends = list(map(_START, spans)), list(map(_END, spans))
    suspicious = (
        set(map(len, trace_ids)) != _16
        or _NO_TRACE in trace_ids
        or set(map(len, span_ids)) != _8
        or _NO_SPAN in span_ids
        or min(starts) < low
        or max(ends) > high
        or any(map(gt, starts, ends))  # so starts need no look at `high`
    )
    why: dict[int, Reason] = {}
    if suspicious:
        for index, (trace_id, span_id, start, end) in enumerate(zip(trace_ids, span_ids, starts, ends, strict=True)):
            found = _span_basics(trace_id, span_id, start, end, low, high)
            if found is None and rules.plausible and end < start:
                found = Reason.END_BEFORE_START
            if found is not None:
                why[index] = found
    if above is not None:
        why = {index: why[index] if _rejects(why.get(index)) else above for index in range(len(spans))}
    elif max(lengths) > rules.small:
        for index, size in _large(lengths, rules.small, why):
            found = _span_limits(spans[index], size, rules)
            if found is not None:
                why[index] = found
    return why


def _span_basics(trace_id: bytes, span_id: bytes, start: int, end: int, low: int, high: int) -> Reason | None:
    if len(trace_id) != 16 or trace_id == _NO_TRACE:
        return Reason.BAD_TRACE_ID
    if len(span_id) != 8 or span_id == _NO_SPAN:
        return Reason.BAD_SPAN_ID
    found = when(start, low, high)
    return Reason.IN_THE_FUTURE if found is None and end > high else found


def _span_limits(span: Any, size: int, rules: Rules) -> Reason | None:
    if too_long(span.name, rules.name_bytes):
        return Reason.NAME_TOO_LONG
    found = attributes(span.attributes, size, rules)
    if found is not None:
        return found
    if rules.events and len(span.events) > rules.events:
        return Reason.TOO_MANY_EVENTS
    if rules.links and len(span.links) > rules.links:
        return Reason.TOO_MANY_LINKS
    for event in span.events:
        if too_long(event.name, rules.name_bytes):
            return Reason.NAME_TOO_LONG
        found = attributes(event.attributes, size, rules)
        if found is not None:
            return found
    return _first(attributes(link.attributes, size, rules) for link in span.links)


def _records(
    findings: Findings, parents: tuple[Any, ...], items: Any, above: Reason | None, rules: Rules, now_ns: int
) -> None:
    why: dict[int, Reason] = {}
    for first in range(0, len(items), _CHUNK):
        bad = _some_records(findings, items[first : first + _CHUNK], above, rules, now_ns)
        why.update((first + index, reason) for index, reason in bad.items())
    findings.take(parents, items, len(items), why)


def _some_records(
    findings: Findings, records: list[Any], above: Reason | None, rules: Rules, now_ns: int
) -> dict[int, Reason]:
    lengths, trapped = sizes(records)
    findings.items_bytes[-1] += fields_bytes(lengths)
    findings.trapped |= trapped
    low, high = rules.bounds(now_ns)
    times = [time or observed for time, observed in zip(map(_TIME, records), map(_OBSERVED, records), strict=True)]
    why: dict[int, Reason] = {}
    if min(lengths) <= _EMPTY_BYTES:
        why = {
            index: Reason.EMPTY_RECORD
            for index, size in enumerate(lengths)
            if size <= _EMPTY_BYTES and _is_empty(records[index])
        }
    if min(times) < low or max(times) > high:
        for index, time in enumerate(times):
            if index in why:
                continue
            if not time:  # OTLP: whoever observes a record first sets when
                records[index].observed_time_unix_nano = now_ns
                findings.changed = True
            elif (found := when(time, low, high)) is not None:
                why[index] = found
    if above is not None:
        why = {index: why[index] if _rejects(why.get(index)) else above for index in range(len(records))}
    elif max(lengths) > rules.small:
        for index, size in _large(lengths, rules.small, why):
            found = _record_limits(records[index], size, rules)
            if found is not None:
                why[index] = found
    return why


def _is_empty(record: Any) -> bool:
    return not (
        record.severity_number
        or record.severity_text
        or record.event_name
        or record.trace_id
        or record.span_id
        or record.attributes
        or record.body.WhichOneof("value")
    )


def _record_limits(record: Any, size: int, rules: Rules) -> Reason | None:
    if too_long(record.event_name, rules.name_bytes) or too_long(record.severity_text, rules.name_bytes):
        return Reason.NAME_TOO_LONG
    if rules.body_bytes and size > rules.body_bytes and length(record.body, rules.body_bytes) > rules.body_bytes:
        return Reason.BODY_TOO_LONG
    return attributes(record.attributes, size, rules)


def _metrics(
    findings: Findings, parents: tuple[Any, ...], items: Any, above: Reason | None, rules: Rules, now_ns: int
) -> None:
    for first in range(0, len(items), _CHUNK):
        metrics = items[first : first + _CHUNK]
        lengths, trapped = sizes(metrics)
        findings.trapped |= trapped
        kinds = [metric.WhichOneof("data") for metric in metrics]
        lists = [getattr(metric, kind).data_points if kind else () for metric, kind in zip(metrics, kinds, strict=True)]
        together: dict[str, list[Any]] = {}
        for kind, own in zip(kinds, lists, strict=True):
            if kind:
                together.setdefault(kind, []).extend(own)
        clean = above is None and not any(_bad_points(kind, points, rules, now_ns) for kind, points in together.items())
        clean = clean and "" not in map(_NAME, metrics)
        if clean and max(lengths) <= rules.small:
            findings.good += sum(map(len, lists))
            continue
        for metric, size, kind, own in zip(metrics, lengths, kinds, lists, strict=True):
            points = list(own)
            why = {} if clean or not kind else _bad_points(kind, points, rules, now_ns)
            if not metric.name:
                why = dict.fromkeys(range(len(points)), Reason.NO_METRIC_NAME)
            over = above or (Reason.NAME_TOO_LONG if too_long(metric.name, rules.name_bytes) else None)
            if over is not None:
                why = {index: why[index] if _rejects(why.get(index)) else over for index in range(len(points))}
            elif size > rules.small:
                single, _ = sizes(points)
                for index, one in _large(single, rules.small, why):
                    found = _point_limits(points[index], one, str(kind), rules)
                    if found is not None:
                        why[index] = found
            findings.take((*parents, metric), own, len(points), why)


def _bad_points(kind: str, points: list[Any], rules: Rules, now_ns: int) -> dict[int, Reason]:
    """Points of one kind that break a rule other than the limits."""
    if not points:
        return {}
    low, high = rules.bounds(now_ns)
    times, starts = list(map(_TIME, points)), list(map(_START, points))
    why: dict[int, Reason] = {}
    if min(times) < low or max(times) > high or (rules.plausible and any(map(gt, starts, times))):
        for index, (start, time) in enumerate(zip(starts, times, strict=True)):
            found = when(time, low, high)
            if found is None and rules.plausible and start > time:
                found = Reason.END_BEFORE_START
            if found is not None:
                why[index] = found
    for index, found in _POINTS[kind](points, rules.plausible):
        if index not in why or (_rejects(found) and not _rejects(why[index])):
            why[index] = found
    return why


def _point_limits(point: Any, size: int, kind: str, rules: Rules) -> Reason | None:
    found = attributes(point.attributes, size, rules)
    if found is None and kind != "summary":
        return _first(attributes(one.filtered_attributes, size, rules) for one in point.exemplars)
    return found


def _numbers(points: list[Any], _plausible: bool) -> Iterator[tuple[int, Reason]]:
    if None in map(_VALUE, points):
        for index, point in enumerate(points):
            if point.WhichOneof("value") is None and not point.flags & NO_RECORDED_VALUE:
                yield index, Reason.NO_VALUE


def _histograms(points: list[Any], plausible: bool) -> Iterator[tuple[int, Reason]]:
    good: list[float] = []  # bounds seldom change from one point to the next
    for index, point in enumerate(points):
        counts, bounds = point.bucket_counts[:], point.explicit_bounds[:]
        if (len(counts) != len(bounds) + 1 and (counts or bounds)) or (bounds != good and not ascending(bounds)):
            yield index, Reason.BAD_BUCKETS
            continue
        good = bounds
        if plausible and counts and sum(counts) != point.count:
            yield index, Reason.COUNT_MISMATCH


def _exponentials(points: list[Any], plausible: bool) -> Iterator[tuple[int, Reason]]:
    for index, point in enumerate(points if plausible else ()):
        inside = sum(point.positive.bucket_counts) + sum(point.negative.bucket_counts) + point.zero_count
        if inside != point.count:
            yield index, Reason.COUNT_MISMATCH


def _summaries(points: list[Any], _plausible: bool) -> Iterator[tuple[int, Reason]]:
    for index, point in enumerate(points):
        if not all(0 <= one.quantile <= 1 for one in point.quantile_values):
            yield index, Reason.BAD_QUANTILE


def _large(lengths: list[int], small: int, why: dict[int, Reason]) -> list[tuple[int, int]]:
    """What is not small and not marked yet."""
    return [(index, size) for index, size in enumerate(lengths) if size > small and index not in why]


def _rejects(reason: Reason | None) -> bool:
    return reason is not None and reason >= Reason.BAD_TRACE_ID


def _first(found: Iterator[Reason | None]) -> Reason | None:
    return next((reason for reason in found if reason is not None), None)


_Inspector = Callable[[Findings, tuple[Any, ...], Any, Reason | None, Rules, int], None]
_INSPECTORS: dict[Signal, _Inspector] = {Signal.TRACES: _spans, Signal.LOGS: _records, Signal.METRICS: _metrics}
_POINTS: dict[str, Callable[[list[Any], bool], Iterator[tuple[int, Reason]]]] = {
    "gauge": _numbers,
    "sum": _numbers,
    "histogram": _histograms,
    "exponential_histogram": _exponentials,
    "summary": _summaries,
}
