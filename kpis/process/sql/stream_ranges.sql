-- Cuts the cases of a stream into ranges of some `events` events: the last case id of each, and its number of cases.
SELECT max(CaseId) AS high, count() AS cases
FROM
(
    SELECT CaseId, intDiv(sum(Events) OVER (ORDER BY CaseId ROWS UNBOUNDED PRECEDING) - 1, {events:UInt64}) AS Slice
    FROM
    (
        SELECT CaseId, sum(Events) AS Events
        FROM
        (
            SELECT CaseId, count() AS Events
            FROM process_events
            WHERE TenantId = {tenant:String} AND Stream = {stream:String}
            GROUP BY CaseId
            UNION ALL
            SELECT CaseId, count() AS Events
            FROM resolved_steps
            WHERE TenantId = {tenant:String} AND Stream = {stream:String}
            GROUP BY CaseId
            UNION ALL
            SELECT ObjectId AS CaseId, count() AS Events
            FROM object_events
            WHERE TenantId = {tenant:String} AND Stream = {base:String} AND ObjectType = {object_type:String}
            GROUP BY ObjectId
        )
        GROUP BY CaseId
    )
)
GROUP BY Slice
ORDER BY high
