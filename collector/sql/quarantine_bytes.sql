-- How much each tenant has had put aside since a time, whatever became of it.
SELECT TenantId, sum(Bytes)
FROM quarantine FINAL
WHERE ReceivedAt >= fromUnixTimestamp64Nano({start:Int64})
GROUP BY TenantId
