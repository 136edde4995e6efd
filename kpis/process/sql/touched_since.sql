-- The touched cases that go back furthest, and since when: their earliest event as the case knows it, or as the note of a
-- change says it. Older versions of a case may be looked at, too: they reach no further forward.
SELECT CaseId, min(Since) AS since
FROM
(
    SELECT CaseId, Earliest AS Since
    FROM case_changes
    WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND Stream = {stream:String}
        AND SegmentId IN {segments:Array(UInt64)} AND CaseId > {low:String} AND CaseId <= {high:String}
    UNION ALL
    SELECT CaseId, fromUnixTimestamp64Nano(arrayMin(Ends)) AS Since
    FROM cases
    PREWHERE /*selection*/
    WHERE TenantId = {tenant:String} AND Stream = {stream:String}
)
GROUP BY CaseId
ORDER BY since, CaseId
LIMIT {most:UInt64}
