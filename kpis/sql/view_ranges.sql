-- Cuts the cases of a stream into ranges of some `events` events: the last case id of each, and its number of cases.
SELECT max(CaseId) AS high, count() AS cases
FROM
(
    SELECT CaseId, intDiv(sum(Events) OVER (ORDER BY CaseId ROWS UNBOUNDED PRECEDING) - 1, {events:UInt64}) AS Slice
    FROM
    (
        SELECT CaseId, count() AS Events
        FROM /*source*/
        WHERE TenantId = {tenant:String} AND Stream = {stream:String}
        GROUP BY CaseId
    )
)
GROUP BY Slice
ORDER BY high
