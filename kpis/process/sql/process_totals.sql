-- Cases, events and durations of a stream. A case lasts from its first start to its last timestamp (seconds); it has
-- rework when a step occurs more than once. quantileExactInclusive interpolates, so an even median is a mean of two.
SELECT
    count() AS cases,
    sum(Events) AS events,
    length(groupUniqArrayArray(Steps)) AS activities,
    countIf(length(Steps) < Events) AS rework_cases,
    quantileExactInclusive(0.5)(Seconds) AS median_s,
    avg(Seconds) AS mean_s,
    quantileExactInclusive(0.9)(Seconds) AS p90_s,
    sum(Seconds) AS cycle_s,
    sum(Started) AS started_events,
    min(FirstTime) AS first_event,
    max(LastTime) AS last_event
FROM
(
    SELECT
        CaseId,
        count() AS Events,
        groupUniqArray(Step) AS Steps,
        countIf(StartTime IS NOT NULL) AS Started,
        min(coalesce(StartTime, Timestamp)) AS FirstTime,
        max(Timestamp) AS LastTime,
        (toUnixTimestamp64Nano(LastTime) - toUnixTimestamp64Nano(FirstTime)) / 1e9 AS Seconds
    FROM process_events FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND NOT has({details:Array(String)}, EventName)
    GROUP BY CaseId
)
