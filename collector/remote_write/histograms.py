"""Native histograms as OTLP histogram points: sparse spans and deltas become dense counts.

Schemas -10 to 20 are OTLP's scales; a bucket of Prometheus has the index of its upper bound, one of OTLP that of its
lower bound, so every offset is one less. Schema -53 (custom bounds) becomes an explicit histogram. Histograms of floats
are rounded, because OTLP counts in whole numbers. How many buckets one histogram may span is bounded, since a gap costs
the sender nothing.
https://opentelemetry.io/docs/specs/otel/compatibility/prometheus_and_openmetrics/#exponential-histograms
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise
from typing import Any

CUSTOM_SCHEMA = -53
SCALES = range(-10, 21)
MAX_BUCKETS = 16_384
_MAX_COUNT, _INT32 = (1 << 64) - 1, 1 << 31


class BadHistogram(Exception):
    """The histogram contradicts itself or is not understood; the text says why."""


def fill_exponential(point: Any, found: Any) -> None:
    """Fills an ExponentialHistogramDataPoint, but for time and attributes. Raises BadHistogram."""
    if found.schema not in SCALES:
        raise BadHistogram(f"schema {found.schema} is not known")
    point.scale = found.schema
    point.zero_threshold = found.zero_threshold
    point.zero_count = _zero_count(found)
    total = point.zero_count
    for name in ("positive", "negative"):
        spans, counts = getattr(found, f"{name}_spans"), _counts(found, name)
        start, dense = _dense(spans, counts)
        if dense:
            if not -_INT32 <= start - 1 < _INT32:
                raise BadHistogram("a bucket's index is out of range")
            buckets = getattr(point, name)
            buckets.offset = start - 1
            buckets.bucket_counts.extend(dense)
            total += sum(dense)
    _count_and_sum(point, found, total)


def fill_explicit(point: Any, found: Any) -> None:
    """Fills a HistogramDataPoint from custom bounds, but for time and attributes. Raises BadHistogram."""
    bounds = list(found.custom_values)
    if any(not math.isfinite(bound) for bound in bounds) or any(low >= high for low, high in pairwise(bounds)):
        raise BadHistogram("custom bounds must be finite and rising")
    if len(bounds) >= MAX_BUCKETS:
        raise BadHistogram(f"it has {len(bounds)} bounds, fewer than {MAX_BUCKETS} are allowed")
    start, dense = _dense(found.positive_spans, _counts(found, "positive"))
    if dense and (start < 0 or start + len(dense) > len(bounds) + 1):
        raise BadHistogram("a bucket lies outside the custom bounds")
    counts = [0] * start + dense if dense else []
    point.explicit_bounds.extend(bounds)
    point.bucket_counts.extend(counts + [0] * (len(bounds) + 1 - len(counts)))
    _count_and_sum(point, found, sum(dense))


def buckets_of(point: Any) -> int:
    """How many buckets a filled point has."""
    if hasattr(point, "bucket_counts"):
        return len(point.bucket_counts)
    return len(point.positive.bucket_counts) + len(point.negative.bucket_counts)


def _count_and_sum(point: Any, found: Any, total: int) -> None:
    floats = found.WhichOneof("count") == "count_float"
    count = _whole(found.count_float) if floats else found.count_int
    # NaN observations are counted, but in no bucket; rounded parts need not add up to the rounded whole
    if not floats and (count < total or (count > total and not math.isnan(found.sum))):
        raise BadHistogram(f"it counts {count} observations, its buckets {total}")
    point.count = count
    point.sum = found.sum


def _zero_count(found: Any) -> int:
    if found.WhichOneof("zero_count") == "zero_count_float":
        return _whole(found.zero_count_float)
    return int(found.zero_count_int)


def _counts(found: Any, name: str) -> list[int]:
    absolute = getattr(found, f"{name}_counts")
    if absolute:
        return [_whole(count) for count in absolute]
    counts = list(accumulate(getattr(found, f"{name}_deltas")))
    if any(not 0 <= count <= _MAX_COUNT for count in counts):
        raise BadHistogram("a bucket has an impossible count")
    return counts


def _whole(count: float) -> int:
    if not 0 <= count < _MAX_COUNT:  # NaN fails too
        raise BadHistogram(f"a count is {count}")
    return round(count)


def _dense(spans: Iterable[Any], counts: Sequence[int]) -> tuple[int, list[int]]:
    """The index of the first bucket, and the counts from there without gaps."""
    start, taken, dense = 0, 0, list[int]()
    for number, span in enumerate(spans):
        if number == 0:
            start = span.offset
        elif span.offset < 0:
            raise BadHistogram("a span begins before the one in front of it ends")
        gap = span.offset if number else 0
        if len(dense) + gap + span.length > MAX_BUCKETS:
            raise BadHistogram(f"it spans more than {MAX_BUCKETS} buckets")
        if taken + span.length > len(counts):
            raise BadHistogram("it has fewer counts than its spans have buckets")
        dense.extend([0] * gap)
        dense.extend(counts[taken : taken + span.length])
        taken += span.length
    if taken != len(counts):
        raise BadHistogram("it has more counts than its spans have buckets")
    return start, dense
