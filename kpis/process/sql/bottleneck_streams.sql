-- The streams that have cases, and from when to when these last.
SELECT toString(Stream) AS stream, min(First) AS first, max(Last) AS last
FROM cases
WHERE TenantId = {tenant:String} AND has({streams:Array(String)}, Stream)
GROUP BY stream
