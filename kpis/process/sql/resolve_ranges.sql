-- When the traces found in these steps took place, by the hour of their beginning; seconds since the epoch.
SELECT intDiv(Began, 3600) AS hour, min(Began) AS low, max(Ended) AS high
FROM
(
    SELECT TraceId, toInt64(toUnixTimestamp(min(Start))) AS Began, toInt64(toUnixTimestamp(max(End))) AS Ended
    FROM otel_traces_trace_id_ts
    WHERE TenantId = {tenant:String}
        AND TraceId IN (SELECT Trace FROM resolving_traces_in WHERE Hop BETWEEN {from_hop:UInt8} AND {to_hop:UInt8})
    GROUP BY TraceId
)
GROUP BY hour
ORDER BY low
