-- When the spans that these segments brought of a range of time took place, by the hour; seconds since the epoch.
SELECT intDiv(toInt64(toUnixTimestamp(Timestamp)), 3600) AS hour, toInt64(toUnixTimestamp(min(Timestamp))) AS low,
    toInt64(toUnixTimestamp(max(Timestamp))) AS high
FROM otel_traces
WHERE TenantId = {tenant:String} AND SegmentId IN {segments:Array(UInt64)}
    AND Timestamp >= fromUnixTimestamp64Nano({low:Int64}) AND Timestamp < fromUnixTimestamp64Nano({high:Int64})
GROUP BY hour
ORDER BY low
