-- How much of what, from whom and since when; the most items first.
SELECT
    Signal, Reason, ServiceName, Status,
    count() AS Entries, sum(Items) AS AllItems, sum(Bytes) AS AllBytes, min(ReceivedAt) AS First, max(ReceivedAt) AS Last
FROM quarantine FINAL
WHERE TenantId = {tenant:String}
    AND ({signal:String} = '' OR Signal = {signal:String})
    AND ({reason:String} = '' OR Reason = {reason:String})
    AND ({service:String} = '' OR ServiceName = {service:String})
    AND ({status:String} = '' OR Status = {status:String})
    AND ReceivedAt >= fromUnixTimestamp64Nano({start:Int64})
    AND ReceivedAt < fromUnixTimestamp64Nano({end:Int64})
GROUP BY Signal, Reason, ServiceName, Status
ORDER BY AllItems DESC, Signal, Reason, ServiceName, Status
LIMIT 1000
