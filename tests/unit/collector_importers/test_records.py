"""The bytes that are written by hand are the ones that the generated classes read, and hold what was put in."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest

from collector.importers.interpret import Event
from collector.importers.records import SCOPE, LogBatch

TEXT = st.one_of(st.text(st.characters(codec="utf-8"), max_size=5), st.integers(100, 70_000).map(lambda n: "ä" * n))
TIME = st.integers(1, 2**63 - 1)
EVENTS = st.builds(
    Event,
    case=TEXT,
    activity=TEXT,
    time_ns=TIME,
    start_ns=st.none() | TIME,
    seq=st.integers(0, 10**9),
    event_id=TEXT,
    system=st.sampled_from(["a", "b" * 200]),
    attributes=st.lists(st.tuples(TEXT, TEXT), max_size=3),
    stream=st.just("") | TEXT,
)


@given(events=st.lists(EVENTS, max_size=5), stream=TEXT, body=TEXT, observed=TIME)
def test_a_batch_is_a_request(events: list[Event], stream: str, body: str, observed: int) -> None:
    batch = LogBatch(stream, body, observed)
    for turn in range(2):  # what is remembered from the first batch serves the second
        for event in events:
            batch.add(event)
        assert batch.first == ((events[0].event_id, events[0].time_ns) if events else ("", 0))
        payload, records = batch.take()
        assert (records, len(batch)) == (len(events), 0), turn
        found = []
        for group in ExportLogsServiceRequest.FromString(payload).resource_logs:
            (service,) = group.resource.attributes
            (scope,) = group.scope_logs
            assert (service.key, scope.scope.name) == ("service.name", SCOPE)
            for record in scope.log_records:
                pairs = sorted((one.key, one.value.string_value) for one in record.attributes)
                assert (record.observed_time_unix_nano, record.body.string_value) == (observed, body)
                found.append((service.value.string_value, record.event_name, record.time_unix_nano, pairs))
        wanted = []
        for event in events:
            pairs = [
                *event.attributes, ("retail.stream", event.stream or stream), ("retail.step", event.activity),
                ("retail.seq", str(event.seq)), ("retail.event.id", event.event_id),
            ]  # fmt: skip
            if event.case:
                pairs.append(("retail.case.id", event.case))
            if event.start_ns is not None:
                pairs.append(("retail.step.start", str(event.start_ns)))
            wanted.append((event.system, event.activity, event.time_ns, sorted(pairs)))
        systems = list(dict.fromkeys(event.system for event in events))
        assert found == sorted(wanted, key=lambda one: systems.index(one[0]))
