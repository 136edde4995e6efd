ALTER TABLE {table:Identifier} DELETE WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64}
  AND ReceivedAt = fromUnixTimestamp64Nano({received:Int64})
