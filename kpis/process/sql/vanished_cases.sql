-- Cases that a run looked at and that have no step left: no row of theirs is as new as the run.
SELECT CaseId
FROM cases
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*selection*/
GROUP BY CaseId
HAVING max(Version) < {oldest:UInt64}
