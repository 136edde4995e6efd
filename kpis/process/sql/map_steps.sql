-- Every step: occurrences, cases, first and last of a case, and its working time where the start is known (seconds).
-- A case is counted where the step occurs in it for the first time: much cheaper than remembering case ids.
SELECT
    step,
    count() AS count,
    countIf(Time = 1) AS cases,
    countIf(Place = 1) AS starts,
    countIf(Place = Events) AS ends,
    countIf(Known = 1) AS timed,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(Work, Known = 1) AS working,
    avgIf(Work, Known = 1) AS working_mean_s,
    sumIf(Work, Known = 1) AS working_sum_s
FROM
(
    SELECT
        Events, Steps, Started,
        arrayMap((b, e) -> greatest(e - b, 0) / 1e9, Starts, Ends) AS Lengths,
        arrayEnumerateUniq(Steps) AS Times
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN Steps AS step, Started AS Known, Lengths AS Work, Times AS Time, arrayEnumerate(Steps) AS Place
GROUP BY step
ORDER BY count DESC, step
