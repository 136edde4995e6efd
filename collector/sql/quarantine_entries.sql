-- The newest first; an empty text filters nothing. Payloads stay where they are.
SELECT
    SegmentId, FrameOffset, ReceivedAt, Signal, Reason, Detail, ServiceName, Items, Bytes, Status, UpdatedBy, UpdatedAt
FROM quarantine FINAL
WHERE TenantId = {tenant:String}
    AND ({signal:String} = '' OR Signal = {signal:String})
    AND ({reason:String} = '' OR Reason = {reason:String})
    AND ({service:String} = '' OR ServiceName = {service:String})
    AND ({status:String} = '' OR Status = {status:String})
    AND ReceivedAt >= fromUnixTimestamp64Nano({start:Int64})
    AND ReceivedAt < fromUnixTimestamp64Nano({end:Int64})
ORDER BY ReceivedAt DESC, SegmentId DESC, FrameOffset DESC
LIMIT {limit:UInt64}
