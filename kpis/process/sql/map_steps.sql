-- Every step: occurrences, cases, first and last of a case, and its working time where the start is known (seconds).
SELECT
    tupleElement(One, 1) AS step,
    count() AS count,
    uniqExact(CaseId) AS cases,
    countIf(Place = 1) AS starts,
    countIf(Place = Events) AS ends,
    countIf(tupleElement(One, 2) = 1) AS timed,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(tupleElement(One, 3), tupleElement(One, 2) = 1) AS working,
    avgIf(tupleElement(One, 3), tupleElement(One, 2) = 1) AS working_mean_s,
    sumIf(tupleElement(One, 3), tupleElement(One, 2) = 1) AS working_sum_s
FROM
(
    SELECT CaseId, Events, arrayMap((s, k, b, e) -> (s, k, greatest(e - b, 0) / 1e9), Steps, Started, Starts, Ends) AS List
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND /*filter*/
)
ARRAY JOIN List AS One, arrayEnumerate(List) AS Place
GROUP BY step
ORDER BY count DESC, step
