-- Calls answered per system and operation, from SERVER spans that started in the half-open window.
-- Percentiles are exact, interpolated between neighbours (quantilesExactInclusive). A span sent twice counts once.
SELECT
    ServiceName,
    SpanName,
    count() AS Calls,
    countIf(StatusCode = 'Error') AS Errors,
    quantilesExactInclusive(0.5, 0.95, 0.99)(Duration) AS DurationsNs
FROM
(
    SELECT ServiceName, SpanName, StatusCode, Duration
    FROM otel_traces
    WHERE TenantId = {tenant:String}
        AND SpanKind = 'Server'
        AND Timestamp >= {start:DateTime64(9, 'UTC')}
        AND Timestamp < {end:DateTime64(9, 'UTC')}
    LIMIT 1 BY TraceId, SpanId
)
GROUP BY ServiceName, SpanName
ORDER BY ServiceName, SpanName
