-- Takes the business events of the traces to hand, and those without a trace that do not name their case.
-- `Kept`: the event names its case and is in process_events.
INSERT INTO resolving_events_in
(
    Trace, TraceId, Span, Stream, KeyStream, KeyCase, Rule, Kept, Step, EventName, EventId, Seq, Start, At, System, Actor,
    Attributes, ReceivedAt, SegmentId
)
SELECT
    Place, TraceId, SpanId, if(Stream != '', toString(Stream), Attrs['baggage.retail.stream']),
    tupleElement(Key, 1), tupleElement(Key, 2), tupleElement(Key, 3), Stream != '' AND CaseId != '',
    if(Step != '', toString(Step), toString(EventName)), EventName, Named, toUInt64OrZero(Attrs['retail.seq']),
    toUnixTimestamp64Nano(if(match(Attrs['retail.step.start'], '^[0-9]{1,19}$'),
        fromUnixTimestamp64Nano(toInt64OrNull(Attrs['retail.step.start'])),
        parseDateTime64BestEffortOrNull(Attrs['retail.step.start'], 9, 'UTC'))),
    Nanos, ServiceName, Actor, Attrs, ReceivedAt, SegmentId
FROM
(
    SELECT *, if(TraceId != '', TraceId, concat('event ', Named)) AS Place, /*key*/ AS Key
    FROM
    (
        SELECT
            Stream, CaseId, Step, Actor, EventName, toUnixTimestamp64Nano(Timestamp) AS Nanos, TraceId, SpanId, ServiceName,
            LogAttributes AS Attrs, ReceivedAt, SegmentId,
            if(LogAttributes['retail.event.id'] != '', LogAttributes['retail.event.id'],
                lower(hex(sipHash128(Timestamp, TraceId, SpanId, EventName, Body, ServiceName, LogAttributes)))) AS Named
        FROM otel_logs
        WHERE TenantId = {tenant:String} AND EventName != '' AND EventName != 'retail.object.changed'
            AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
            AND (TraceId IN (SELECT Trace FROM resolving_traces_in WHERE Target = 1)
                OR TraceId = '' AND (Stream = '' OR CaseId = '')
                    AND ({everything:UInt8} = 1 OR SegmentId IN {segments:Array(UInt64)}))
    )
    WHERE TraceId != '' OR cityHash64(Named) % {slices:UInt32} = {slice:UInt32}
    ORDER BY Place, Named, ReceivedAt DESC, SegmentId DESC
    LIMIT 1 BY Place, Named
)
LIMIT {most:UInt64}
