-- Takes the spans of the traces found in these steps to hand: each once, the one received last, with the case that it
-- names itself. Attributes only of those that may be steps.
INSERT INTO resolving_spans_in
(
    Trace, Span, Parent, Stream, KeyStream, KeyCase, Rule, Step, Name, Kind, System, Actor, Began, Ended, LinkTraces,
    LinkSpans, Destination, Attributes, ReceivedAt, SegmentId
)
SELECT
    TraceId, SpanId, ParentSpanId, if(Stream != '', toString(Stream), Attrs['baggage.retail.stream']),
    tupleElement(Key, 1), tupleElement(Key, 2), tupleElement(Key, 3), Step, SpanName, SpanKind, ServiceName, Actor, Nanos,
    Nanos + toInt64(least(Duration, 9223372036854775807 - toUInt64(greatest(Nanos, 0)))), OtherTraces, OtherSpans,
    Attrs['messaging.destination.name'],
    if(Step != '' OR SpanKind IN ('Server', 'Consumer'), Attrs, CAST(map(), 'Map(LowCardinality(String), String)')),
    ReceivedAt, SegmentId
FROM
(
    SELECT *, /*key*/ AS Key
    FROM
    (
        SELECT
            Stream, CaseId, Step, Actor, toUnixTimestamp64Nano(Timestamp) AS Nanos, TraceId, SpanId, ParentSpanId, SpanName,
            SpanKind, ServiceName, SpanAttributes AS Attrs, Duration, `Links.TraceId` AS OtherTraces,
            `Links.SpanId` AS OtherSpans, ReceivedAt, SegmentId
        FROM otel_traces
        WHERE TenantId = {tenant:String} AND SpanId != ''
            AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
            AND TraceId IN (SELECT Trace FROM resolving_traces_in WHERE Hop BETWEEN {from_hop:UInt8} AND {to_hop:UInt8})
        ORDER BY TraceId, SpanId, ReceivedAt DESC, SegmentId DESC, Nanos DESC, Duration DESC
        LIMIT 1 BY TraceId, SpanId
    )
    LIMIT {spans_of_a_trace:UInt32} BY TraceId
)
LIMIT {most:UInt64}
