-- Takes in the events of a type's objects that were there before it was asked for; what is known of an event beyond its
-- time and step comes from the steps of cases, or from the log where it is still kept.
INSERT INTO object_events
(
    TenantId, Stream, ObjectType, ObjectId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System,
    ActorType, Amount, Currency, Attributes, ReceivedAt, SegmentId
)
SELECT
    {tenant:String}, {stream:String}, {object_type:String}, o.ObjectId, o.Timestamp, o.Seq, o.EventId, o.Step, o.EventName,
    tupleElement(k.Known, 1), tupleElement(k.Known, 2), tupleElement(k.Known, 3), tupleElement(k.Known, 4),
    tupleElement(k.Known, 5), tupleElement(k.Known, 6), tupleElement(k.Known, 7), o.ReceivedAt, o.SegmentId
FROM
(
    SELECT DISTINCT ObjectId, Timestamp, Seq, EventId, Step, EventName, ReceivedAt, SegmentId
    FROM event_objects FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND ObjectType = {object_type:String}
        AND cityHash64(EventId) % {slices:UInt32} = {slice:UInt32}
) AS o
LEFT JOIN
(
    SELECT
        Named AS EventId,
        any((StartTime, toString(Resource), toString(System), toString(ActorType), Amount, toString(Currency),
            Attributes)) AS Known
    FROM
    (
        SELECT
            if(Attributes['retail.event.origin.id'] != '', Attributes['retail.event.origin.id'], EventId) AS Named,
            StartTime, Resource, System, ActorType, Amount, Currency, Attributes
        FROM process_events
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        UNION ALL
        SELECT
            multiIf(LogAttributes['retail.event.origin.id'] != '', LogAttributes['retail.event.origin.id'],
                LogAttributes['retail.event.id'] != '', LogAttributes['retail.event.id'],
                lower(hex(sipHash128(Timestamp, TraceId, SpanId, EventName, Body, ServiceName, LogAttributes)))) AS Named,
            if(match(LogAttributes['retail.step.start'], '^[0-9]{1,19}$'),
                fromUnixTimestamp64Nano(toInt64OrNull(LogAttributes['retail.step.start'])),
                parseDateTime64BestEffortOrNull(LogAttributes['retail.step.start'], 9, 'UTC')) AS StartTime,
            LogAttributes['retail.resource'] AS Resource, ServiceName AS System, Actor AS ActorType,
            toDecimal64OrNull(LogAttributes['retail.amount'], 4) AS Amount,
            LogAttributes['retail.currency'] AS Currency, LogAttributes AS Attributes
        FROM otel_logs
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND EventName != '' AND CaseId = ''
    )
    WHERE cityHash64(Named) % {slices:UInt32} = {slice:UInt32}
    GROUP BY Named
) AS k ON k.EventId = o.EventId
