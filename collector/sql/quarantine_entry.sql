SELECT
    TenantId, toUnixTimestamp64Nano(ReceivedAt), SegmentId, FrameOffset, Signal, Reason, Detail, ServiceName, Items, Bytes,
    base64Encode(Payload), Status, UpdatedBy, toUnixTimestamp64Micro(UpdatedAt)
FROM quarantine FINAL
WHERE TenantId = {tenant:String} AND SegmentId = {segment:UInt64} AND FrameOffset = {offset:UInt64}
