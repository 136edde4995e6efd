-- From when to when there are cases of a stream.
SELECT count() AS cases, toUnixTimestamp64Nano(min(First)) AS first_ns, toUnixTimestamp64Nano(max(Last)) AS last_ns
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND First <= fromUnixTimestamp64Nano({now_ns:Int64})
