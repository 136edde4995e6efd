-- Remembers what was written and taken back.
INSERT INTO resolved_items (TenantId, TraceId, EventId, Stream, CaseId, Timestamp, Content, Version)
SELECT
    {tenant:String}, n.Trace, n.EventId, n.Stream, n.Case, fromUnixTimestamp64Nano(n.At), n.Content, {version:UInt64}
FROM resolving_rows_in AS n
LEFT JOIN resolving_before_in AS o ON o.Trace = n.Trace AND o.EventId = n.EventId
WHERE (o.Stream, o.Case, o.Content) != (n.Stream, n.Case, n.Content)
UNION ALL
SELECT {tenant:String}, Trace, EventId, '', '', Timestamp, 0, {version:UInt64}
FROM resolving_before_in
WHERE (Trace, EventId) NOT IN (SELECT Trace, EventId FROM resolving_rows_in)
