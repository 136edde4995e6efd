-- Every span of one trace, in order of start. A span sent twice is shown once.
-- The look-up table keeps whole seconds, hence the caller's wider bounds.
SELECT
    SpanId,
    ParentSpanId,
    SpanName,
    SpanKind,
    ServiceName,
    Timestamp,
    toUnixTimestamp64Nano(Timestamp) AS StartNs,
    Duration,
    StatusCode,
    StatusMessage,
    Stream,
    CaseId,
    Step,
    Actor,
    TraceState,
    ScopeName,
    ScopeVersion,
    SpanAttributes,
    ResourceAttributes,
    Events.Timestamp AS EventTimes,
    Events.Name AS EventNames,
    Events.Attributes AS EventAttributes,
    Links.TraceId AS LinkTraceIds,
    Links.SpanId AS LinkSpanIds,
    Links.TraceState AS LinkTraceStates,
    Links.Attributes AS LinkAttributes
FROM otel_traces
WHERE TenantId = {tenant:String}
    AND TraceId = {trace_id:String}
    AND Timestamp >= {start:DateTime64(9, 'UTC')}
    AND Timestamp < {end:DateTime64(9, 'UTC')}
ORDER BY Timestamp, SpanId, ReceivedAt
LIMIT 1 BY SpanId
LIMIT {limit:UInt32}
