-- Of which five minutes there are spans and events at all, and how many.
SELECT intDiv(Nanos, {bucket_ns:Int64}) AS Bucket, count() AS items
FROM
(
    SELECT toUnixTimestamp64Nano(Timestamp) AS Nanos FROM otel_traces WHERE TenantId = {tenant:String} AND TraceId != ''
    UNION ALL
    SELECT toUnixTimestamp64Nano(Timestamp) AS Nanos
    FROM otel_logs
    WHERE TenantId = {tenant:String} AND EventName != '' AND (TraceId != '' OR Stream = '' OR CaseId = '')
)
GROUP BY Bucket
ORDER BY Bucket
