-- Takes back what is at hand and no longer a step of that case.
INSERT INTO resolved_steps
    (TenantId, Stream, CaseId, Timestamp, EventId, TraceId, ReceivedAt, SegmentId, Version, Deleted)
SELECT
    {tenant:String}, o.Stream, o.Case, o.Timestamp, o.EventId, if(startsWith(o.Trace, 'event '), '', o.Trace), o.Timestamp,
    0, {version:UInt64}, 1
FROM resolving_before_in AS o
LEFT JOIN resolving_rows_in AS n ON n.Trace = o.Trace AND n.EventId = o.EventId
WHERE (n.Stream, n.Case) != (o.Stream, o.Case)
