-- Directly-follows pairs. `gap`: end of the first to start of the second, not below 0; `waiting`: the part of it in which
-- nothing of the case was at work, before a known start. Seconds; percentiles interpolated.
SELECT
    tupleElement(Pair, 1) AS from_step,
    tupleElement(Pair, 2) AS to_step,
    count() AS count,
    uniqExact(CaseId) AS cases,
    quantilesExactInclusive(0.5, 0.9, 0.95)(tupleElement(Pair, 3)) AS gap,
    avg(tupleElement(Pair, 3)) AS gap_mean_s,
    sum(tupleElement(Pair, 3)) AS gap_sum_s,
    countIf(tupleElement(Pair, 4) = 1) AS waits,
    quantilesExactInclusiveIf(0.5, 0.9, 0.95)(tupleElement(Pair, 5), tupleElement(Pair, 4) = 1) AS waiting,
    avgIf(tupleElement(Pair, 5), tupleElement(Pair, 4) = 1) AS waiting_mean_s,
    sumIf(tupleElement(Pair, 5), tupleElement(Pair, 4) = 1) AS waiting_sum_s
FROM
(
    SELECT
        CaseId,
        arrayMap((a, b, e, s, k, w) -> (a, b, greatest(s - e, 0) / 1e9, k, w / 1e9),
            arrayPopBack(Steps), arrayPopFront(Steps), arrayPopBack(Ends), arrayPopFront(Starts),
            arrayPopFront(Started), arrayPopFront(Waits)) AS Pairs
    FROM cases FINAL
    WHERE TenantId = {tenant:String} AND Stream = {stream:String} AND Events > 1 AND /*filter*/
)
ARRAY JOIN Pairs AS Pair
GROUP BY from_step, to_step
ORDER BY count DESC, from_step, to_step
