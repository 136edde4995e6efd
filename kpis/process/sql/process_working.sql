-- Working time: the union of the known intervals of each case, in seconds. `unknown_s` is the uncovered time before
-- instant events. `Covered` is the end of everything that started earlier in the case: what lies beyond it is new work,
-- and what lies between it and the next start is a gap.
SELECT
    sumIf(greatest(Ended - greatest(Began, Covered), 0) / 1e9, Started) AS working_s,
    sumIf((Began - Covered) / 1e9, NOT Started AND Place > 1 AND Began > Covered) AS unknown_s,
    sumIf((Ended - Began) / 1e9, Started AND Ended > Began) AS touch_s
FROM
(
    SELECT
        Began,
        Ended,
        Started,
        row_number() OVER w AS Place,
        if(Place = 1, Began, max(Ended) OVER before) AS Covered
    FROM
    (
        SELECT
            CaseId,
            Timestamp,
            Seq,
            EventId,
            StartTime IS NOT NULL AS Started,
            toUnixTimestamp64Nano(coalesce(StartTime, Timestamp)) AS Began,
            toUnixTimestamp64Nano(Timestamp) AS Ended
        FROM process_events FINAL
        WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
    )
    WINDOW
        w AS (PARTITION BY CaseId ORDER BY Began, Timestamp, Seq, EventId
            ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW),
        before AS (PARTITION BY CaseId ORDER BY Began, Timestamp, Seq, EventId
            ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
)
