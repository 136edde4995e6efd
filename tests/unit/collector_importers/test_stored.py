"""The question that settles a batch in doubt, put to the real engine."""

from __future__ import annotations

from collector.importers import stored_in
from collector.importers.interpret import Event
from collector.importers.records import LogBatch
from storage import ClickHouse, SegmentMeta, Signal

NOW = 1_772_442_000_123_456_789


def test_a_record_is_found_by_id_time_and_tenant(clickhouse: ClickHouse, tenant: str) -> None:
    batch = LogBatch("s", "log.csv", NOW)
    batch.add(Event("1", "a", NOW, None, 1, "file:1", "import", []))
    payload, _ = batch.take()
    clickhouse.insert_otlp(Signal.LOGS, payload, SegmentMeta(tenant, 1, NOW))
    stored = stored_in(clickhouse, tenant)
    assert stored("file:1", NOW)
    assert not stored("file:2", NOW)
    assert not stored("file:1", NOW + 1)
    assert not stored_in(clickhouse, "another")("file:1", NOW)
