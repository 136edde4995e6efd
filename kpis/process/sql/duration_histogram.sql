-- Cases by the greatest of the given borders (ns, the first one 0) that their duration reaches.
SELECT roundDown(greatest(Duration, 0), {borders:Array(Int64)}) AS from_ns, count() AS cases
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
GROUP BY from_ns
