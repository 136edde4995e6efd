-- The promise of each case that is open at `now_ns`, as its row has it.
SELECT CaseId, Attributes[{promise:String}] AS Promise
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Attributes[{promise:String}] != ''
    AND (ClosedAt IS NULL OR ClosedAt > fromUnixTimestamp64Nano({now_ns:Int64}))
