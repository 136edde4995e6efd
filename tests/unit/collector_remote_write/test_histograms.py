"""Native histograms against their definition: a bucket's index says which values it holds, in both worlds."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.metrics.v1.metrics_pb2 import ExponentialHistogramDataPoint, HistogramDataPoint

from collector.remote_write.histograms import MAX_BUCKETS, BadHistogram, fill_explicit, fill_exponential
from tests.unit.collector_remote_write.senders import AT_MS, V2


def native(**fields: Any) -> Any:
    return V2().add({"__name__": "x"}).histograms.add(timestamp=AT_MS, **fields)


def spans(histogram: Any, name: str, buckets: dict[int, int], *, floats: bool = False) -> None:
    """Fills spans and counts as a sender does: runs of neighbours, gaps up to two filled with zeroes."""
    last, before = None, 0
    for index in sorted(buckets):
        found = getattr(histogram, f"{name}_spans")
        if last is None or index > last + 3:
            found.add(offset=index if last is None else index - last - 1, length=0)
            filled = [index]
        else:
            filled = list(range(last + 1, index + 1))
        for one in filled:
            count = buckets.get(one, 0)
            found[-1].length += 1
            if floats:
                getattr(histogram, f"{name}_counts").append(float(count))
            else:
                getattr(histogram, f"{name}_deltas").append(count - before)
            before = count
        last = index


def lower_bounds(buckets: Any, scale: int) -> Counter[int]:
    """Counts by OTLP's index: bucket i holds (base^i, base^(i+1)]."""
    return Counter({buckets.offset + place: count for place, count in enumerate(buckets.bucket_counts) if count})


_BUCKETS = st.dictionaries(st.integers(-300, 300), st.integers(1, 1000), max_size=20)


@given(_BUCKETS, _BUCKETS, st.integers(0, 50), st.integers(-4, 8), st.booleans())
def test_sparse_and_dense_hold_the_same(
    positive: dict[int, int], negative: dict[int, int], zero: int, schema: int, floats: bool
) -> None:
    """Each bucket of Prometheus is the OTLP bucket of the same bounds."""
    count = sum(positive.values()) + sum(negative.values()) + zero
    kind = "float" if floats else "int"
    found = native(schema=schema, sum=3.5, zero_threshold=0.25, **{f"count_{kind}": count, f"zero_count_{kind}": zero})
    spans(found, "positive", positive, floats=floats)
    spans(found, "negative", negative, floats=floats)
    point = ExponentialHistogramDataPoint()
    fill_exponential(point, found)
    assert (point.scale, point.count, point.sum, point.zero_count, point.zero_threshold) == (
        schema, count, 3.5, zero, 0.25,
    )  # fmt: skip
    assert lower_bounds(point.positive, schema) == Counter({index - 1: held for index, held in positive.items()})
    assert lower_bounds(point.negative, schema) == Counter({index - 1: held for index, held in negative.items()})


@given(st.lists(st.floats(0.01, 1e6), min_size=1, max_size=50), st.integers(-2, 3))
def test_observations_land_between_the_bounds(values: list[float], schema: int) -> None:
    """Counted by the definition of Prometheus, read by the definition of OTLP."""
    base = 2.0 ** (2.0**-schema)
    buckets = Counter(math.ceil(round(math.log(value, base), 9)) for value in values)
    found = native(schema=schema, count_int=len(values), sum=sum(values))
    spans(found, "positive", dict(buckets))
    point = ExponentialHistogramDataPoint()
    fill_exponential(point, found)
    held = lower_bounds(point.positive, schema)
    for value in values:
        assert any(
            base**index * (1 - 1e-6) <= value <= base ** (index + 1) * (1 + 1e-6) for index in held
        ), (value, held)  # fmt: skip
    assert held.total() == len(values)


def test_custom_bounds_become_an_explicit_histogram() -> None:
    found = native(schema=-53, count_int=6, sum=9.0, custom_values=[0.1, 0.5, 1.0])
    spans(found, "positive", {1: 4, 3: 2})
    point = HistogramDataPoint()
    fill_explicit(point, found)
    assert list(point.explicit_bounds) == [0.1, 0.5, 1.0]
    assert list(point.bucket_counts) == [0, 4, 0, 2]
    assert (point.count, point.sum) == (6, 9.0)


@pytest.mark.parametrize(
    ("fields", "spanned", "deltas", "reason"),
    [
        ({"schema": -20}, [], [], "schema -20 is not known"),
        ({"count_int": 5}, [(0, 1)], [2], "it counts 5 observations, its buckets 2"),
        ({"count_int": 1}, [(0, 1)], [2], "it counts 1 observations, its buckets 2"),
        ({"count_int": 1}, [(0, 2)], [1], "fewer counts than its spans"),
        ({"count_int": 1}, [(0, 1)], [1, 0], "more counts than its spans"),
        ({"count_int": 1}, [(0, 1), (-1, 1)], [1, 0], "begins before the one in front of it ends"),
        ({"count_int": 1}, [(0, 1)], [-1], "a bucket has an impossible count"),
        ({"count_float": math.nan}, [], [], "a count is nan"),
        ({"count_float": -1.0}, [], [], "a count is -1.0"),
        ({"count_int": 2}, [(0, 1), (2**31 - 2, 1)], [1, 0], f"it spans more than {MAX_BUCKETS} buckets"),
        ({"count_int": 2}, [(0, 2**32 - 1)], [1], f"it spans more than {MAX_BUCKETS} buckets"),
        ({"count_int": 1}, [(-(2**31), 1)], [1], "a bucket's index is out of range"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_refused(fields: dict[str, Any], spanned: list[tuple[int, int]], deltas: list[int], reason: str) -> None:
    """A gap of two thousand million buckets costs a sender three bytes, and must cost us no more."""
    found = native(**fields)
    for offset, length in spanned:
        found.positive_spans.add(offset=offset, length=length)
    found.positive_deltas.extend(deltas)
    with pytest.raises(BadHistogram) as problem:
        fill_exponential(ExponentialHistogramDataPoint(), found)
    assert reason in str(problem.value)


@pytest.mark.parametrize(
    ("bounds", "index", "reason"),
    [
        ([1.0, 1.0], 0, "finite and rising"),
        ([math.inf], 0, "finite and rising"),
        ([1.0], 2, "outside the custom bounds"),
        ([1.0], -1, "outside the custom bounds"),
        ([float(n) for n in range(MAX_BUCKETS)], 0, "fewer than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_custom_bounds_refused(bounds: list[float], index: int, reason: str) -> None:
    found = native(schema=-53, count_int=1, custom_values=bounds)
    spans(found, "positive", {index: 1})
    with pytest.raises(BadHistogram) as problem:
        fill_explicit(HistogramDataPoint(), found)
    assert reason in str(problem.value)
