"""What admission counts is what the engine stores, whatever way a request is written.

Protobuf's reference reader and the engine's must understand an admitted request alike: else rows differ from the
ledger. Bent requests are admitted, joined as a segment would, inserted and read back.
"""

from __future__ import annotations

import base64
import time
from random import Random
from typing import Any

import pytest

from collector.admission import Encoding, admit
from collector.engine import ClickHouseEngine
from collector.otlp_types import PUBLISHED
from core import InvalidInput
from storage import ClickHouse, SegmentMeta, Signal
from tests.fuzz import samples
from tests.fuzz.budget import Seeded, rounds
from tests.fuzz.wire_mutations import SAME, VALID, Mutation, mutate

pytestmark = pytest.mark.blackbox

TOGETHER = 12


def bent(random: Random, signal: Signal, now_ns: int, mutations: tuple[Mutation, ...] = VALID) -> tuple[bytes, int]:
    """A bent request as it is admitted, with its items; without any when it is refused."""
    request = samples.otlp(signal, random, now_ns)
    body = mutate(random, request.SerializeToString(), request.DESCRIPTOR, mutations, most=2)
    try:
        admitted = admit(signal, Encoding.PROTOBUF, body)
    except InvalidInput:
        return b"", 0
    return admitted.payload, admitted.items


@pytest.mark.parametrize("signal", Signal)
def test_rows_are_the_items_that_were_counted(signal: Signal, clickhouse: ClickHouse, tenant: str) -> None:
    engine = ClickHouseEngine(clickhouse)
    for random in rounds():
        now = time.time_ns()
        requests = [bent(random, signal, now) for _ in range(TOGETHER)]
        good = [(payload, items) for payload, items in requests if items]
        segment = random.number * 100
        engine.insert(signal, b"".join(payload for payload, _ in good), SegmentMeta(tenant, segment, now))
        if engine.stored_items(signal, SegmentMeta(tenant, segment, now)) != sum(items for _, items in good):
            for index, (payload, items) in enumerate(good, 1):
                engine.insert(signal, payload, SegmentMeta(tenant, segment + index, now))
                rows = engine.stored_items(signal, SegmentMeta(tenant, segment + index, now))
                assert rows == items, f"seed {random.number}, request {index}: {payload.hex()}"
            pytest.fail(f"seed {random.number}: requests that are right alone are wrong together")


def test_values_are_those_that_were_sent(clickhouse: ClickHouse, tenant: str) -> None:
    """Where a request is written in another way that protobuf calls equal."""
    engine = ClickHouseEngine(clickhouse)
    for random in rounds():
        now = time.time_ns()
        payload = b"".join(bent(random, Signal.TRACES, now, SAME)[0] for _ in range(TOGETHER))
        segment = random.number * 100 + 99
        engine.insert(Signal.TRACES, payload, SegmentMeta(tenant, segment, now))
        compare(clickhouse, payload, tenant, segment, random)


def compare(clickhouse: ClickHouse, payload: bytes, tenant: str, segment: int, random: Seeded) -> None:
    """Values, too, are what the reference reads, however numbers are spelled."""
    sql = (
        "SELECT TraceId, SpanId, SpanName, SpanAttributes, ResourceAttributes, ScopeName, Events.Name, Links.TraceId,"
        " StatusMessage FROM otel_traces WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}"
    )
    found = clickhouse.query(sql, {"tenant": tenant, "segment": segment}).rows
    stored = [(*row[:3], _known(row[3]), _known(row[4]), row[5], list(row[6]), list(row[7]), row[8]) for row in found]
    request: Any = PUBLISHED[Signal.TRACES].FromString(payload)
    wanted = [
        (
            span.trace_id.hex(), span.span_id.hex(), span.name, _known(_texts(span.attributes)),
            _known(_texts(resource.resource.attributes)), scope.scope.name, [event.name for event in span.events],
            [link.trace_id.hex() for link in span.links], span.status.message,
        )
        for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
    ]  # fmt: skip
    stored.sort(key=repr)
    wanted.sort(key=repr)
    for one, other in zip(stored, wanted, strict=True):
        assert one == other, f"seed {random.number}"


def _known(texts: dict[str, str]) -> dict[str, str]:
    """Numbers in one spelling: the engine's and Python's differ."""
    return {key: _spelled(text) for key, text in texts.items()}


def _spelled(text: str) -> str:
    try:
        return repr(float(text))
    except ValueError:
        return text


def _texts(attributes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in attributes:
        match one.value.WhichOneof("value"):
            case None | "string_value_strindex":  # of profiles alone
                found[one.key] = ""
            case "bool_value":
                found[one.key] = str(one.value.bool_value).lower()
            case "bytes_value":
                found[one.key] = base64.b64encode(one.value.bytes_value).decode()
            case kind:
                found[one.key] = str(getattr(one.value, kind))
    return found
