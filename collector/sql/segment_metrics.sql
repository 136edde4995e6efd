SELECT sum(points)
FROM
(
    SELECT count() AS points FROM otel_metrics_gauge
    WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
      AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
    UNION ALL
    SELECT count() FROM otel_metrics_sum
    WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
      AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
    UNION ALL
    SELECT count() FROM otel_metrics_histogram
    WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
      AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
    UNION ALL
    SELECT count() FROM otel_metrics_exponential_histogram
    WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
      AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
    UNION ALL
    SELECT count() FROM otel_metrics_summary
    WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
      AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
)
