"""What becomes of a CloudEvent's parts, under the product's own catalogue."""

from __future__ import annotations

from typing import Any

import pytest

from collector.cloudevents.event import InvalidEvent, from_json
from collector.cloudevents.mapping import MAX_FIELDS, to_record
from metrics import CatalogueRules, load_event_catalogue

NOW_NS = 1_772_442_000 * 10**9
RULES = CatalogueRules(load_event_catalogue())
PLACED: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e-1",
    "source": "/shop/web",
    "type": "retail.order.placed",
    "subject": "ORD-1",
    "time": "2026-03-02T08:00:00.000000001Z",
    "data": {"order_id": "ORD-1", "quantity": 3, "amount": 129.9, "currency": "EUR"},
}


def mapped(**changes: Any) -> tuple[Any, dict[str, Any], list[str]]:
    """The record, its attributes, and the remarks."""
    record, remarks = to_record(from_json(PLACED | changes), RULES, NOW_NS)
    values = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in record.attributes}
    return record, values, remarks


def test_a_placed_order() -> None:
    """Every part where it belongs."""
    record, values, remarks = mapped(dataschema="https://shop.example/placed", loyalty=True)
    assert record.event_name == "retail.order.placed"
    assert record.time_unix_nano == NOW_NS - 3600 * 10**9 + 1
    assert record.observed_time_unix_nano == 0  # nothing of the receipt is in it: sent again, it is the same bytes
    assert record.body.string_value == '{"order_id":"ORD-1","quantity":3,"amount":129.9,"currency":"EUR"}'
    assert remarks == []
    assert values == {
        "retail.stream": "order-to-cash",
        "retail.case.id": "ORD-1",
        "retail.event.id": "/shop/web e-1",
        "retail.order.id": "ORD-1",
        "retail.quantity": 3,
        "retail.amount": "129.9",
        "retail.currency": "EUR",
        "cloudevents.event_id": "e-1",
        "cloudevents.event_source": "/shop/web",
        "cloudevents.event_subject": "ORD-1",
        "cloudevents.data_schema": "https://shop.example/placed",
        "cloudevents.extension.loyalty": True,
    }


@pytest.mark.parametrize(
    "key", ["order_id", "orderId", "order.id", "order-id", "OrderID", "retail.order.id"], ids=lambda key: str(key)
)
def test_spellings_of_a_field(key: str) -> None:
    """Any common spelling is understood in a type of the catalogue."""
    data = {key: "O-7"} | {name: PLACED["data"][name] for name in ("quantity", "amount", "currency")}
    assert mapped(data=data)[1]["retail.order.id"] == "O-7"


def test_nested_data() -> None:
    data = PLACED["data"] | {"order": {"id": "O-9", "line": {"id": "O-9-1"}}, "order_id": None, "lines": [{"sku": "a"}]}
    values = mapped(data=data)[1]
    assert (values["retail.order.id"], values["retail.order.line.id"]) == ("O-9", "O-9-1")
    assert "data.lines" not in values


def test_full_names_count_before_short_ones() -> None:
    data = PLACED["data"] | {"retail.order.id": "full", "retail.event.id": "own"}
    values = mapped(data=data)[1]
    assert (values["retail.order.id"], values["retail.event.id"]) == ("full", "own")


def test_ids_that_are_numbers_become_text() -> None:
    assert mapped(data=PLACED["data"] | {"order_id": 1004217})[1]["retail.order.id"] == "1004217"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"data": {"order_id": "1", "quantity": 1, "amount": 1}}, "lacks required attribute 'retail.currency'"),
        (
            {"data": PLACED["data"] | {"amount": "much"}},
            "retail.amount must be a number or its decimal text, got 'much'",
        ),
        ({"data": PLACED["data"] | {"order_id": ["1"]}}, "retail.order.id must be text, got ['1']"),
        ({"data": "text"}, "lacks required attribute 'retail.order.id'"),
        ({"subject": None}, "lacks required attribute 'retail.case.id'"),
        ({"type": "retail.order.plced"}, "not in the catalogue; did you mean 'retail.order.placed'?"),
        ({"type": "retail.exception.raised"}, "lacks required attribute 'retail.stream'"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_refused_by_the_catalogue(changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(InvalidEvent) as problem:
        mapped(**changes)
    assert reason in str(problem.value)


def test_what_is_said_and_accepted() -> None:
    """An unknown attribute in our space, a value outside its list, a missing time, a broken traceparent."""
    data = PLACED["data"] | {"retail.ordr.id": "1", "actor_type": "robot"}
    record, values, remarks = mapped(data=data, time=None, traceparent="00-zz")
    assert values["retail.ordr.id"] == "1"
    assert values["retail.actor.type"] == "robot"
    assert values["cloudevents.time_missing"] is True
    assert record.time_unix_nano == NOW_NS
    assert not record.trace_id
    assert len(remarks) == 4


def test_a_foreign_type_keeps_its_own_words() -> None:
    """Only full names mean something; it may still be a step of a case."""
    data = {"step": "x", "order_id": "7", "retail.order.id": "O-7", "deep": {"er": 1.5}, "none": None}
    record, values, remarks = mapped(type="com.carrier.parcel.scanned", data=data, subject="O-7")
    assert record.event_name == "com.carrier.parcel.scanned"
    assert values["retail.order.id"] == "O-7"
    assert values["data.order_id"] == "7"
    assert values["data.step"] == "x"
    assert values["data.deep.er"] == "1.5"
    assert "retail.step" not in values
    assert "retail.case.id" not in values
    assert remarks == []
    values = mapped(type="com.carrier.parcel.scanned", data=data, retailstream="order-to-cash")[1]
    assert (values["retail.stream"], values["retail.case.id"]) == ("order-to-cash", "ORD-1")


def test_trace_context() -> None:
    record, values, _ = mapped(traceparent=f"00-{'ab' * 16}-{'cd' * 8}-01", tracestate="a=b")
    assert (record.trace_id, record.span_id, record.flags) == (b"\xab" * 16, b"\xcd" * 8, 1)
    assert values["cloudevents.extension.tracestate"] == "a=b"


def test_many_fields_stay_in_the_body() -> None:
    data = PLACED["data"] | {f"field{number}": number for number in range(1000)}
    record, values, _ = mapped(data=data)
    assert sum(key.startswith("data.") for key in values) == MAX_FIELDS
    assert '"field999":999' in record.body.string_value
    with pytest.raises(InvalidEvent, match="more than 128 attributes"):
        mapped(data={f"retail.field{number}": 1 for number in range(200)})
