-- The traces of what these segments brought, or of everything, in a range of time.
INSERT INTO resolving_traces_in (Trace, Target, Hop)
SELECT DISTINCT TraceId, 1, 0
FROM
(
    SELECT TraceId
    FROM otel_traces
    WHERE TenantId = {tenant:String} AND TraceId != ''
        AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
        AND ({everything:UInt8} = 1 OR SegmentId IN {segments:Array(UInt64)})
    UNION ALL
    SELECT TraceId
    FROM otel_logs
    WHERE TenantId = {tenant:String} AND TraceId != '' AND EventName != ''
        AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
        AND ({everything:UInt8} = 1 OR SegmentId IN {segments:Array(UInt64)})
)
WHERE cityHash64(TraceId) % {slices:UInt32} = {slice:UInt32}
