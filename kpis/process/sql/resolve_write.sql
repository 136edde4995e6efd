-- Writes what is new or other than before.
INSERT INTO resolved_steps
(
    TenantId, Stream, CaseId, Timestamp, Seq, EventId, Step, EventName, StartTime, Resource, System, ActorType, Quantity,
    Amount, Currency, CaseRule, TraceId, SpanId, Attributes, ReceivedAt, SegmentId, Destination, QueueWaits, Version,
    Deleted
)
SELECT
    {tenant:String}, n.Stream, n.Case, fromUnixTimestamp64Nano(n.At), n.Seq, n.EventId, n.Step, n.EventName,
    fromUnixTimestamp64Nano(n.Start), n.Attributes['retail.resource'], n.System, n.Actor,
    toFloat64OrNull(n.Attributes['retail.quantity']), toDecimal64OrNull(n.Attributes['retail.amount'], 4),
    n.Attributes['retail.currency'], n.Rule, n.TraceId, n.Span, n.Attributes, n.ReceivedAt, n.SegmentId, n.Destination,
    n.Waits, {version:UInt64}, 0
FROM resolving_rows_in AS n
LEFT JOIN resolving_before_in AS o ON o.Trace = n.Trace AND o.EventId = n.EventId
WHERE (o.Stream, o.Case, o.Content) != (n.Stream, n.Case, n.Content)
