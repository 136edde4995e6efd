-- When a trace happened, asked of the spans themselves: the look-up table gets its rows a moment after they do.
SELECT
    count() AS Known,
    min(toDateTime(Timestamp, 'UTC')) AS First,
    max(toDateTime(addNanoseconds(Timestamp, toInt64(least(Duration, 86400000000000))), 'UTC')) AS Last
FROM otel_traces
WHERE TenantId = {tenant:String} AND TraceId = {trace_id:String}
