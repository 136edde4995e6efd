-- The traces of a case, the newest first, how many there are, and when each happened: those whose spans or events name
-- the case, and those that steps of it were found in.
SELECT TraceId AS trace_id, min(Began) AS first, max(Ended) AS last, count() OVER () AS total
FROM
(
    SELECT TraceId, First AS Began, Last AS Ended
    FROM case_index
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND CaseId = {case_id:String} AND TraceId != ''
    UNION ALL
    SELECT TraceId, coalesce(StartTime, Timestamp) AS Began, Timestamp AS Ended
    FROM resolved_steps FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND CaseId = {case_id:String} AND TraceId != ''
)
GROUP BY TraceId
ORDER BY last DESC, trace_id
LIMIT {limit:UInt32}
