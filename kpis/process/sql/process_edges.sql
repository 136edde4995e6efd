-- Directly-follows pairs: how often, and the seconds from the end of one step to the start of the next (its timestamp
-- when the start is unknown), not below 0. `waiting_s` adds up only gaps that end at a known start: before an instant
-- event it is unknown how much of the gap was work.
SELECT
    Previous AS from_step,
    This AS to_step,
    count() AS count,
    avg(Gap) AS mean_s,
    quantileExactInclusive(0.5)(Gap) AS median_s,
    countIf(Started) AS waits,
    sumIf(Gap, Started) AS waiting_s
FROM
(
    SELECT
        toString(Step) AS This,
        lagInFrame(toString(Step)) OVER w AS Previous,
        row_number() OVER w AS Place,
        StartTime IS NOT NULL AS Started,
        greatest(
            toUnixTimestamp64Nano(coalesce(StartTime, Timestamp))
            - lagInFrame(toUnixTimestamp64Nano(Timestamp)) OVER w, 0) / 1e9 AS Gap
    FROM process_events FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
    WINDOW w AS (
        PARTITION BY CaseId ORDER BY coalesce(StartTime, Timestamp), Timestamp, Seq, EventId
        ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)
)
WHERE Place > 1
GROUP BY from_step, to_step
ORDER BY count DESC, from_step, to_step
