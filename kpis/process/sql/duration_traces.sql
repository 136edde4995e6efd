-- Traces of the cases, each once, from the start of its first span to the end of its last (seconds). A span that claims to
-- last longer than ten years is taken for ten, so that the sum fits.
WITH
    chosen AS (
        SELECT CaseId
        FROM cases FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/),
    named AS (
        SELECT DISTINCT TraceId
        FROM case_index
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND TraceId != '' AND CaseId IN chosen)
SELECT
    count() AS traces,
    arrayConcat([avg(Took)], quantilesExactInclusive(0.5, 0.9, 0.95)(Took), [sum(Took)]) AS durations
FROM
(
    SELECT
        TraceId,
        (max(toUnixTimestamp64Nano(Timestamp) + toInt64(least(Duration, 315360000000000000)))
            - min(toUnixTimestamp64Nano(Timestamp))) / 1e9 AS Took
    FROM otel_traces
    WHERE TenantId = {tenant:String} AND TraceId IN named
        AND Timestamp >= {first:DateTime('UTC')} AND Timestamp < {last:DateTime('UTC')} + toIntervalSecond(1)
    GROUP BY TraceId
)
