-- Calls answered by some systems, by operation and by hours back from `now` (0 is the past hour), from SERVER spans.
SELECT
    system,
    operation,
    toUInt32(intDiv({now_ns:Int64} - AtNs, 3600000000000)) AS back,
    count() AS calls,
    countIf(StatusCode = 'Error') / count() AS error_rate,
    quantileExactInclusive(0.95)(Duration) / 1e6 AS p95_ms
FROM
(
    SELECT
        toString(ServiceName) AS system,
        toString(SpanName) AS operation,
        toUnixTimestamp64Nano(Timestamp) AS AtNs,
        StatusCode,
        Duration
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind = 'Server'
        AND ServiceName IN {systems:Array(String)}
        AND Timestamp > fromUnixTimestamp64Nano({from_ns:Int64})
        AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
    LIMIT 1 BY TraceId, SpanId
)
GROUP BY system, operation, back
HAVING calls >= {least:UInt32}
