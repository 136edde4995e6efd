-- The summary's numbers of whole cases; seconds. A case has rework when a step occurs more than once. Floats before they
-- are divided: the engine takes constant factors out of sums, and a sum of nanoseconds does not fit into an Int64.
SELECT
    count() AS cases,
    sum(Events) AS events,
    length(groupUniqArrayArray(Steps)) AS activities,
    countIf(Rework = 1) AS rework_cases,
    quantilesExactInclusive(0.5, 0.9)(toFloat64(Duration) / 1e9)[1] AS median_s,
    avg(toFloat64(Duration) / 1e9) AS mean_s,
    quantilesExactInclusive(0.5, 0.9)(toFloat64(Duration) / 1e9)[2] AS p90_s,
    sum(toFloat64(Duration) / 1e9) AS cycle_s,
    sum(toFloat64(Working) / 1e9) AS working_s,
    sum(toFloat64(Unknown) / 1e9) AS unknown_s,
    sum(toFloat64(Touch) / 1e9) AS touch_s,
    sum(arraySum(Started)) AS started_events,
    min(First) AS first,
    max(Last) AS last
FROM cases FINAL
WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
