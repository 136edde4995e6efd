-- The spans of the traces: the failed and then the longest ones, with how many there are in all. Those that say that they
-- belong to another case are left out. A span that was sent twice is there once.
SELECT
    trace_id, span_id, any(parent) AS parent_span_id, any(name) AS name, any(kind) AS kind, any(system) AS system,
    any(step) AS step, min(start_ns) AS start_ns, any(duration_ns) AS duration_ns, max(failed) AS failed,
    any(message) AS status_message, count() OVER () AS total
FROM
(
    SELECT
        TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent, toString(SpanName) AS name,
        toString(SpanKind) AS kind, toString(ServiceName) AS system, toString(Step) AS step,
        toUnixTimestamp64Nano(Timestamp) AS start_ns, Duration AS duration_ns, StatusCode = 'Error' AS failed,
        StatusMessage AS message
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND TraceId IN {traces:Array(String)}
        AND Timestamp >= {start:DateTime64(9, 'UTC')}
        AND Timestamp < {end:DateTime64(9, 'UTC')}
        AND (CaseId = '' OR (CaseId = {case_id:String} AND Stream = {stream:String}))
)
GROUP BY trace_id, span_id
ORDER BY failed DESC, duration_ns DESC, start_ns, trace_id, span_id
LIMIT {limit:UInt32}
