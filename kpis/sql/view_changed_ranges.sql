-- Cuts the cases that these segments touched into ranges of some `cases`: the last case id of each, its number of cases,
-- and since when they have events, as the case or the note of the change says it.
SELECT max(Id) AS high, count() AS cases, min(Since) AS earliest
FROM
(
    SELECT Id, Since, intDiv(row_number() OVER (ORDER BY Id) - 1, {cases:UInt64}) AS Slice
    FROM
    (
        SELECT n.CaseId AS Id, least(min(n.Earliest), min(if(w.CaseId = '', n.Earliest, w.Began))) AS Since
        FROM /*notes*/ AS n
        LEFT JOIN
        (
            SELECT CaseId, min(Began) AS Began
            FROM kpi_work
            WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND CaseId IN
            (
                SELECT CaseId
                FROM /*notes*/
                WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String}
                    AND Stream = {stream:String} AND SegmentId IN {segments:Array(UInt64)}
            )
            GROUP BY CaseId
        ) AS w ON w.CaseId = n.CaseId
        WHERE n.InsertedAt >= {since:DateTime64(3, 'UTC')} AND n.TenantId = {tenant:String} AND n.Stream = {stream:String}
            AND n.SegmentId IN {segments:Array(UInt64)}
        GROUP BY Id
    )
)
GROUP BY Slice
ORDER BY high
