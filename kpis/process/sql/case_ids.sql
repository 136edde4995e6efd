-- The ids of the cases of a stream that had begun by `now_ns` and are as the filter says. A part of other statements.
SELECT CaseId
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND First <= fromUnixTimestamp64Nano({now_ns:Int64})
    AND /*filter*/
