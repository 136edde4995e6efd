-- Transitions as in map_transitions.sql, with the same gaps in working time beside those of the clock. The waiting before
-- a step is the stretch of that length before its start. Marks stand for working seconds on a calendar and for its number.
-- A case is counted where the pair occurs in it for the first time.
SELECT
    tupleElement(Pair, 1) AS from_step,
    tupleElement(Pair, 2) AS to_step,
    toUInt16(any(tupleElement(Pair, 8))) AS calendar,
    count() AS count,
    countIf(Time = 1) AS cases,
    quantilesExactInclusive(0.5, 0.9, 0.95)(tupleElement(Pair, 3)) AS gap,
    avg(tupleElement(Pair, 3)) AS gap_mean_s,
    sum(tupleElement(Pair, 3)) AS gap_sum_s,
    quantilesExactInclusive(0.5, 0.9, 0.95)(tupleElement(Pair, 4)) AS working_gap,
    avg(tupleElement(Pair, 4)) AS working_gap_mean_s,
    sum(tupleElement(Pair, 4)) AS working_gap_sum_s,
    countIf(tupleElement(Pair, 5) = 1) AS waits,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(tupleElement(Pair, 6), tupleElement(Pair, 5) = 1) AS waiting,
    avgIf(tupleElement(Pair, 6), tupleElement(Pair, 5) = 1) AS waiting_mean_s,
    sumIf(tupleElement(Pair, 6), tupleElement(Pair, 5) = 1) AS waiting_sum_s,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(tupleElement(Pair, 7), tupleElement(Pair, 5) = 1) AS working_waiting,
    avgIf(tupleElement(Pair, 7), tupleElement(Pair, 5) = 1) AS working_waiting_mean_s,
    sumIf(tupleElement(Pair, 7), tupleElement(Pair, 5) = 1) AS working_waiting_sum_s
FROM
(
    SELECT
        arrayMap((a, b, n, e, s, k, w) -> (a, b,
                greatest(s - e, 0) / 1e9, /*working gap*/,
                k, w / 1e9, /*working waiting*/, /*calendar*/),
            arrayPopBack(Steps), arrayPopFront(Steps), arrayPopFront(EventNames), arrayPopBack(Ends),
            arrayPopFront(Starts), arrayPopFront(Started), arrayPopFront(Waits)) AS Pairs,
        arrayEnumerateUniq(arrayPopBack(Steps), arrayPopFront(Steps)) AS Times
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND /*filter*/
)
ARRAY JOIN Pairs AS Pair, Times AS Time
GROUP BY from_step, to_step
ORDER BY working_waiting_sum_s DESC, working_gap_sum_s DESC, from_step, to_step
