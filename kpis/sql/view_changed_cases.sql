-- How many cases these segments touched by stream, and since when they have events, as the case or the note of the change
-- says it.
SELECT Stream, count() AS cases, min(Since) AS earliest
FROM
(
    SELECT n.Stream AS Stream, n.CaseId AS Id, least(min(n.Earliest), min(if(w.CaseId = '', n.Earliest, w.Began))) AS Since
    FROM /*notes*/ AS n
    LEFT JOIN
    (
        SELECT Stream, CaseId, min(Began) AS Began
        FROM kpi_work
        WHERE TenantId = {tenant:String} AND (Stream, CaseId) IN
        (
            SELECT Stream, CaseId
            FROM /*notes*/
            WHERE InsertedAt >= {since:DateTime64(3, 'UTC')} AND TenantId = {tenant:String} AND SegmentId IN {segments:Array(UInt64)}
        )
        GROUP BY Stream, CaseId
    ) AS w ON w.Stream = n.Stream AND w.CaseId = n.CaseId
    WHERE n.InsertedAt >= {since:DateTime64(3, 'UTC')} AND n.TenantId = {tenant:String} AND n.SegmentId IN {segments:Array(UInt64)}
    GROUP BY Stream, Id
)
GROUP BY Stream
ORDER BY Stream
