"""A small request must not become a large one: what few bytes can stand for is bounded."""

from __future__ import annotations

import pytest

from collector.remote_write.histograms import MAX_BUCKETS as ONE
from collector.remote_write.queues import QueueMetrics
from collector.remote_write.series import MAX_LABELS, MAX_PARTS, read_v1, read_v2
from collector.remote_write.translate import MAX_BUCKETS, TOO_MANY_BUCKETS, translate
from core import TooLarge
from tests.unit.collector_remote_write.senders import AT_MS, V2, v1

UP = {"__name__": "up"}


def test_empty_series() -> None:
    """Two bytes each."""
    with pytest.raises(TooLarge, match=f"more than {MAX_PARTS} series"):
        list(read_v1(b"\x0a\x00" * (MAX_PARTS + 1)))
    with pytest.raises(TooLarge, match=f"more than {MAX_PARTS} series"):
        list(read_v2(b"\x2a\x00" * (MAX_PARTS + 1)))


def test_many_samples() -> None:
    with pytest.raises(TooLarge, match=f"more than {MAX_PARTS} series"):
        list(read_v1(v1((UP, [(1.0, AT_MS)] * MAX_PARTS)).SerializeToString()))


def test_one_long_label_for_many_series() -> None:
    """A symbol is named by two bytes."""
    sender = V2()
    for number in range(100):
        sender.add(UP | {"text": "x" * 10_000, "number": str(number)}, [(1.0, AT_MS)])
    body = sender.request.SerializeToString()
    assert len(body) < 20_000
    with pytest.raises(TooLarge, match="more than 500000 characters"):
        translate(read_v2(body), QueueMetrics(), 500_000)
    assert translate(read_v2(body), QueueMetrics(), 5_000_000).samples == 100


def test_one_long_label_for_many_samples() -> None:
    """Points repeat what their series says once."""
    body = v1((UP | {"text": "x" * 10_000}, [(1.0, AT_MS + number) for number in range(1000)])).SerializeToString()
    found = read_v1(body)
    with pytest.raises(TooLarge):
        translate(found, QueueMetrics(), 1_000_000)


def test_many_labels() -> None:
    sender = V2()
    one = sender.add(UP, [(1.0, AT_MS)])
    one.labels_refs.extend([0] * 2 * MAX_LABELS)
    found = translate(read_v2(sender.request.SerializeToString()), QueueMetrics())
    assert dict(found.refused) == {f"there are more than {MAX_LABELS} labels": 1}


def test_histograms_of_nothing_but_gaps() -> None:
    """The first ones are written, what would not fit is refused."""
    sender = V2()
    fit = MAX_BUCKETS // ONE
    for number in range(fit + 3):
        found = sender.add(UP | {"number": str(number)}).histograms.add(count_int=1, timestamp=AT_MS)
        found.positive_spans.add(offset=0, length=1)
        found.positive_spans.add(offset=ONE - 2, length=1)
        found.positive_deltas.extend([1, -1])
    body = sender.request.SerializeToString()
    assert len(body) < 20_000
    done = translate(read_v2(body), QueueMetrics())
    assert (done.histograms, dict(done.refused)) == (fit, {TOO_MANY_BUCKETS: 3})
