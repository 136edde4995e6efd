SELECT count() FROM otel_traces
WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
  AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
