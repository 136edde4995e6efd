-- Calls and messages over some edges by hours back from `now` (0 is the past hour), from CLIENT and PRODUCER spans.
SELECT
    edge,
    toUInt32(intDiv({now_ns:Int64} - AtNs, 3600000000000)) AS back,
    count() AS calls,
    countIf(StatusCode = 'Error') / count() AS error_rate,
    quantileExactInclusive(0.95)(Duration) / 1e6 AS p95_ms
FROM
(
    SELECT
        toString(SpanAttributes['retail.edge']) AS edge,
        toUnixTimestamp64Nano(Timestamp) AS AtNs,
        StatusCode,
        Duration
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind IN ('Client', 'Producer')
        AND mapContains(SpanAttributes, 'retail.edge')
        AND has({edges:Array(String)}, SpanAttributes['retail.edge'])
        AND Timestamp > fromUnixTimestamp64Nano({from_ns:Int64})
        AND Timestamp <= fromUnixTimestamp64Nano({now_ns:Int64})
    LIMIT 1 BY TraceId, SpanId
)
GROUP BY edge, back
HAVING calls >= {least:UInt32}
