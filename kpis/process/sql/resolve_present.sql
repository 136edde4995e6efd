-- How many of the items that these segments brought are there to be read: a note of an arrival may be seen before them.
SELECT Signal, SegmentId, count() AS present
FROM
(
    SELECT 'traces' AS Signal, SegmentId
    FROM otel_traces
    WHERE TenantId = {tenant:String} AND TraceId != '' AND SegmentId IN {segments:Array(UInt64)}
        AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
    UNION ALL
    SELECT 'logs' AS Signal, SegmentId
    FROM otel_logs
    WHERE TenantId = {tenant:String} AND EventName != '' AND (TraceId != '' OR Stream = '' OR CaseId = '')
        AND SegmentId IN {segments:Array(UInt64)}
        AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
)
GROUP BY Signal, SegmentId
