"""Objects of events, their attributes over time and their relations, from log records to the three tables."""

from __future__ import annotations

import json
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from storage import ClickHouse, SegmentMeta, Signal

NOW = 1_772_442_000_123_456_789


def store(
    ch: ClickHouse, tenant: str, segment: int, *records: dict[str, Any], name: str = "retail.order.placed"
) -> None:
    request = ExportLogsServiceRequest()
    logs = request.resource_logs.add().scope_logs.add().log_records
    for attributes in records:
        record = logs.add(event_name=name, time_unix_nano=NOW)
        for key, value in {"retail.stream": "orders", **attributes}.items():
            pair = record.attributes.add(key=key)
            pair.value.string_value = value if isinstance(value, str) else json.dumps(value)
    ch.insert_otlp(Signal.LOGS, request.SerializeToString(), SegmentMeta(tenant, segment, NOW))


def touched(ch: ClickHouse, tenant: str) -> list[tuple[Any, ...]]:
    columns = "EventId, ObjectType, ObjectId, Qualifier"
    sql = f"SELECT {columns} FROM event_objects FINAL WHERE TenantId = {{t:String}} ORDER BY ALL"
    return ch.query(sql, {"t": tenant}).rows


def test_an_event_touches_what_it_names(clickhouse: ClickHouse, tenant: str) -> None:
    """By the list, by attributes of one id or of several; a case, an event and an empty id are no objects."""
    store(
        clickhouse,
        tenant,
        1,
        {
            "retail.event.id": "e1",
            "retail.case.id": "c1",
            "retail.objects": [
                {"type": "item", "id": "i1", "qualifier": "picked"},
                {"type": "item", "id": "i1", "qualifier": "packed"},
                {"type": "box", "id": "b'1"},
            ],
            "retail.order.id": "o1",
            "retail.order.line.id": ["l1", "l2"],
            "retail.invoice.id": "",
            "retail.sku": "4711",
            "order.id": "not ours",
        },
    )
    assert touched(clickhouse, tenant) == [
        ("e1", "box", "b'1", ""),
        ("e1", "item", "i1", "packed"),
        ("e1", "item", "i1", "picked"),
        ("e1", "order", "o1", ""),
        ("e1", "order_line", "l1", ""),
        ("e1", "order_line", "l2", ""),
        ("e1", "sku", "4711", ""),
    ]


def test_copies_of_an_event_in_several_cases_are_one(clickhouse: ClickHouse, tenant: str) -> None:
    """And so are repeated records, whether in the same segment or a later one."""
    for segment in (2, 3):
        copies = [
            {
                "retail.event.id": f"e:{n}",
                "retail.event.origin.id": "e",
                "retail.case.id": f"c{n}",
                "retail.order.id": "o",
            }
            for n in range(3)
        ]
        store(clickhouse, tenant, segment, *copies)
    assert touched(clickhouse, tenant) == [("e", "order", "o", "")]
    cases = "SELECT uniqExact(CaseId) FROM process_events WHERE TenantId = {t:String}"
    assert clickhouse.query(cases, {"t": tenant}).scalar() == 3


def test_an_event_without_an_id_has_the_one_of_its_step(clickhouse: ClickHouse, tenant: str) -> None:
    store(clickhouse, tenant, 4, {"retail.case.id": "c", "retail.order.id": "o"})
    sql = "SELECT EventId FROM process_events WHERE TenantId = {t:String}"
    assert touched(clickhouse, tenant)[0][0] == clickhouse.query(sql, {"t": tenant}).scalar()


def test_what_is_no_list_of_objects_is_none(clickhouse: ClickHouse, tenant: str) -> None:
    store(
        clickhouse, tenant, 5, *({"retail.objects": text} for text in ("", "[", "{}", "[1]", '["a"]', '[{"id": "x"}]'))
    )
    assert touched(clickhouse, tenant) == []


def test_an_object_changes_over_time(clickhouse: ClickHouse, tenant: str) -> None:
    """The row without a name says that the object exists; records about objects are no steps of a case."""
    about = {"retail.object.type": "order", "retail.object.id": "o1"}
    related = [{"type": "item", "id": "i1", "qualifier": "has"}, {"type": "item", "id": "", "qualifier": ""}]
    store(
        clickhouse,
        tenant,
        6,
        {**about, "retail.object.attributes": {"price": "5", "note": 'a "b"'}, "retail.objects": related},
        name="retail.object.changed",
    )
    sql = "SELECT Name, Value FROM object_attributes FINAL WHERE TenantId = {t:String} ORDER BY Name"
    assert clickhouse.query(sql, {"t": tenant}).rows == [("", ""), ("note", 'a "b"'), ("price", "5")]
    sql = (
        "SELECT SourceType, SourceId, TargetType, TargetId, Qualifier FROM object_relations WHERE TenantId = {t:String}"
    )
    assert clickhouse.query(sql, {"t": tenant}).rows == [("order", "o1", "item", "i1", "has")]
    sql = "SELECT count() FROM process_events WHERE TenantId = {t:String}"
    assert clickhouse.query(sql, {"t": tenant}).scalar() == 0
    assert touched(clickhouse, tenant) == []
