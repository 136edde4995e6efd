-- Cuts the cases that these segments touched into ranges of some `cases`: the last case id of each, and its number.
SELECT max(CaseId) AS high, count() AS number
FROM
(
    SELECT CaseId, intDiv(row_number() OVER (ORDER BY CaseId) - 1, {cases:UInt64}) AS Slice
    FROM
    (
        SELECT DISTINCT CaseId
        FROM case_changes
        WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND Stream = {stream:String}
            AND SegmentId IN {segments:Array(UInt64)}
    )
)
GROUP BY Slice
ORDER BY high
