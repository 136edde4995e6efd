-- The traces of a case, the newest first, how many there are, and when each happened.
SELECT TraceId AS trace_id, min(First) AS first, max(Last) AS last, count() OVER () AS total
FROM case_index
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND CaseId = {case_id:String} AND TraceId != ''
GROUP BY TraceId
ORDER BY last DESC, trace_id
LIMIT {limit:UInt32}
